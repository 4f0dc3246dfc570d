//! How many launches does each cell get, and how long are they?
//!
//! Decided before the first launch that counts, from one that does not: so nothing is measured for
//! longer because of what was seen. Many short launches beat few long ones, since what varies is the
//! launch; a permutation test over fewer than twelve cannot reach significance once several cells
//! share the chance of a false alarm.

use super::launch::{Launched, TURNS};
use std::time::Duration;

/// Payload bytes of a slice: long enough for the clocks, short enough to take turns with.
pub const SLICE_BYTES: u64 = 16 << 20;

/// The fewest launches that can decide anything.
pub const LAUNCHES_MIN: u32 = 12;

/// The share of a budget that is kept back: the launch that was tried may have been a quick one.
const RESERVE: f64 = 0.08;

/// No cell needs more.
const LAUNCHES_MAX: u32 = 240;

/// How long a launch should take, its children's start and end included.
const LAUNCH: Duration = Duration::from_millis(500);

/// Turns for a launch of about [`LAUNCH`], given one that was made with so many turns: a multiple of
/// six, which has every arm in each slot equally often.
#[must_use]
pub fn turns(tried: &Launched, tried_turns: u32) -> u32 {
    let turn = tried.turning / tried_turns.max(1);
    let room = LAUNCH.saturating_sub(tried.around);
    let fit = (room.as_secs_f64() / turn.as_secs_f64().max(1e-6)) as u32;
    (fit / 6 * 6).clamp(*TURNS.start(), *TURNS.end())
}

/// How long a launch with so many turns will take.
#[must_use]
pub fn takes(tried: &Launched, tried_turns: u32, turns: u32) -> Duration {
    tried.around + tried.turning / tried_turns.max(1) * turns
}

/// Launches of each cell within a budget, from which trying them has taken something, and of which half
/// is kept for launching again: a multiple of six, which has every arm started in each place equally
/// often.
///
/// # Errors
/// A budget that is too small, and one that would do.
pub fn launches(budget: Duration, tried: Duration, each: &[Duration]) -> Result<u32, String> {
    let round: Duration = each.iter().sum();
    if round.is_zero() {
        return Err("no cell can be timed".to_owned());
    }
    let left = budget.saturating_sub(tried).mul_f64(1.0 - RESERVE);
    let fit = (left.as_secs_f64() / 2.0 / round.as_secs_f64()) as u32 / 6 * 6;
    if fit < LAUNCHES_MIN {
        let launching = round.as_secs_f64() * f64::from(LAUNCHES_MIN) * 2.0;
        let need = launching / (1.0 - RESERVE) + tried.as_secs_f64();
        return Err(format!(
            "a budget of {:.0} s has room for {fit} launches of each of {} cells twice over, and \
             {LAUNCHES_MIN} are needed: --budget {:.0}s",
            budget.as_secs_f64(),
            each.len(),
            (need * 1.1).ceil()
        ));
    }
    Ok(fit.min(LAUNCHES_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tried(around_ms: u64, turning_ms: u64) -> Launched {
        let around = Duration::from_millis(around_ms);
        Launched { around, turning: Duration::from_millis(turning_ms), ..Launched::default() }
    }

    #[test]
    fn a_launch_is_about_half_a_second() {
        // 6 turns took 60 ms: 40 of them fit into the 400 ms that are left, 36 of which are balanced.
        assert_eq!(turns(&tried(100, 60), 6), 36);
        assert_eq!(takes(&tried(100, 60), 6, 36), Duration::from_millis(460));
        assert_eq!(turns(&tried(100, 60_000), 6), 6);
        assert_eq!(turns(&tried(900, 6), 6), 6);
        assert_eq!(turns(&tried(0, 0), 0), 48);
    }

    #[test]
    fn launches_fill_half_the_budget() {
        let each = [Duration::from_millis(500)];
        let of = |budget, tried| launches(Duration::from_secs(budget), tried, &each);
        let second = Duration::from_secs(1);
        assert_eq!(of(15, second), Ok(12));
        assert_eq!(of(60, Duration::ZERO), Ok(54));
        assert_eq!(of(6000, second), Ok(240));
        let error = of(5, second).unwrap_err();
        assert!(error.contains("--budget 16s"), "{error}");
        assert!(launches(second, Duration::ZERO, &[]).is_err());
    }
}
