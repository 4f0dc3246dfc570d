//! How many times does one contender need of what another needs, taken turn by turn?
//!
//! Children of one launch take turns, so that what disturbs one disturbs its neighbour too; the
//! ratio of the two within a turn cancels it. Ratios are analysed as logarithms: the mid-mean of a
//! launch's log-ratios, the mean over launches, and an interval over launches
//! ([`super::interval`]).

use super::{Estimate, centre, interval};
use std::collections::BTreeMap;

/// One measured value, placed in the run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Placed {
    /// Which set of children.
    pub launch: u32,
    /// Which turn of the rotation.
    pub turn: u32,
    /// The value; must be above 0 to take part.
    pub value: f64,
}

/// The ratio of `contender` to `other` over the turns that both have, with its interval.
///
/// Several values of one turn (ABBA rounds) count by their geometric mean. Values that are not
/// above 0 are left out, together with their partners. `None` when no pair is left.
#[must_use]
pub fn ratio(contender: &[Placed], other: &[Placed]) -> Option<Estimate> {
    of_centres(&centres(log_ratios(contender, other)))
}

/// What [`ratio`] is the mean of, as logarithms: the mid-mean of each launch, in the launches' order.
#[must_use]
pub fn launches(contender: &[Placed], other: &[Placed]) -> Vec<f64> {
    centres(log_ratios(contender, other))
}

/// The logarithm of the ratio of each turn that both have, by launch and turn.
#[must_use]
pub fn log_ratios(contender: &[Placed], other: &[Placed]) -> BTreeMap<(u32, u32), f64> {
    let other = by_turn(other);
    by_turn(contender)
        .into_iter()
        .filter_map(|(place, log)| Some((place, log - other.get(&place)?)))
        .collect()
}

/// The typical value over launches, with its interval: the mid-mean of logarithms per launch, then
/// the mean. `None` when no value is above 0.
#[must_use]
pub fn typical(values: &[Placed]) -> Option<Estimate> {
    of_centres(&centres(by_turn(values)))
}

/// The mid-mean of each launch's logarithms.
fn centres(turns: BTreeMap<(u32, u32), f64>) -> Vec<f64> {
    let mut launches: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
    for ((launch, _), log) in turns {
        launches.entry(launch).or_default().push(log);
    }
    launches.values().filter_map(|logs| centre::mid_mean(logs)).collect()
}

fn of_centres(centres: &[f64]) -> Option<Estimate> {
    interval::over_launches(centres).map(|estimate| estimate.map(f64::exp))
}

/// Mean logarithm of each turn's values.
fn by_turn(values: &[Placed]) -> BTreeMap<(u32, u32), f64> {
    let mut turns: BTreeMap<(u32, u32), (f64, f64)> = BTreeMap::new();
    for placed in values.iter().filter(|placed| placed.value > 0.0 && placed.value.is_finite()) {
        let (sum, count) = turns.entry((placed.launch, placed.turn)).or_default();
        *sum += placed.value.ln();
        *count += 1.0;
    }
    turns.into_iter().map(|(turn, (sum, count))| (turn, sum / count)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn placed(values: &[(u32, u32, f64)]) -> Vec<Placed> {
        values.iter().map(|&(launch, turn, value)| Placed { launch, turn, value }).collect()
    }

    #[test]
    fn a_constant_ratio_is_found_whatever_disturbs_the_turns() {
        let noise = [1.0, 5.0, 2.0, 9.0, 3.0, 7.0];
        let other: Vec<Placed> = noise
            .iter()
            .enumerate()
            .map(|(n, &value)| Placed { launch: n as u32 / 2, turn: n as u32 % 2, value })
            .collect();
        let contender: Vec<Placed> =
            other.iter().map(|one| Placed { value: one.value * 0.25, ..*one }).collect();
        let ratio = ratio(&contender, &other).expect("pairs");
        assert!((ratio.point - 0.25).abs() < 1e-12);
        assert!(ratio.below(0.2501) && ratio.above(0.2499));
        assert_eq!(ratio.launches, 3);
    }

    #[test]
    fn unpaired_and_zero_values_are_left_out() {
        let contender = placed(&[(0, 0, 2.0), (0, 1, 0.0), (0, 2, 8.0)]);
        let other = placed(&[(0, 0, 1.0), (0, 1, 1.0), (0, 9, 1.0)]);
        let found = ratio(&contender, &other).expect("one pair");
        assert_eq!((found.point, found.interval), (2.0, None));
        assert_eq!(ratio(&contender, &[]), None);
        assert_eq!(ratio(&placed(&[(0, 0, f64::NAN)]), &other), None);
    }

    #[test]
    fn values_of_one_turn_count_by_their_geometric_mean() {
        let contender = placed(&[(0, 0, 2.0), (0, 0, 8.0)]);
        let other = placed(&[(0, 0, 1.0), (0, 0, 4.0)]);
        assert!((ratio(&contender, &other).expect("a pair").point - 2.0).abs() < 1e-12);
    }

    /// Turns are noisy, launches have luck, the ratio is 0.5: the interval holds it in about 95 of
    /// 100 runs.
    #[test]
    fn coverage() {
        let mut state = 1u64;
        let mut noise = |width: f64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let sum: f64 = (0..4).map(|n| ((state >> (n * 16)) & 0xffff) as f64 / 65535.0).sum();
            // The sum of four uniforms, close to normal, with standard deviation `width`.
            1.0 + width * (sum - 2.0) / (4.0f64 / 12.0).sqrt()
        };
        for launches in [4, 10] {
            let runs = 300;
            let held = (0..runs)
                .filter(|_| {
                    let (mut contender, mut other) = (Vec::new(), Vec::new());
                    for launch in 0..launches {
                        let luck = noise(0.02);
                        for turn in 0..12 {
                            let shared = noise(0.2);
                            let value = 0.5 * luck * shared * noise(0.08);
                            contender.push(Placed { launch, turn, value });
                            other.push(Placed { launch, turn, value: shared * noise(0.08) });
                        }
                    }
                    !ratio(&contender, &other).expect("pairs").differs_from(0.5)
                })
                .count();
            let coverage = held as f64 / f64::from(runs);
            assert!((0.91..=0.985).contains(&coverage), "{launches} launches: {coverage}");
        }
    }

    proptest! {
        #[test]
        fn turning_the_ratio_round_inverts_it(
            values in prop::collection::vec((0u32..6, 0u32..4, 0.1..100.0f64, 0.1..100.0f64), 2..40)
        ) {
            let a: Vec<Placed> = values.iter()
                .map(|&(launch, turn, value, _)| Placed { launch, turn, value }).collect();
            let b: Vec<Placed> = values.iter()
                .map(|&(launch, turn, _, value)| Placed { launch, turn, value }).collect();
            let (there, back) = (ratio(&a, &b).expect("pairs"), ratio(&b, &a).expect("pairs"));
            prop_assert!((there.point * back.point - 1.0).abs() < 1e-9);
            if let (Some((low, _)), Some((_, high))) = (there.interval, back.interval) {
                prop_assert!((low * high - 1.0).abs() < 1e-6);
            }
        }

        #[test]
        fn the_unit_does_not_matter(
            values in prop::collection::vec((0u32..6, 0u32..4, 0.1..100.0f64), 2..40),
            unit in 0.001..1000.0f64
        ) {
            let a: Vec<Placed> = values.iter()
                .map(|&(launch, turn, value)| Placed { launch, turn, value }).collect();
            let scaled: Vec<Placed> =
                a.iter().map(|one| Placed { value: one.value * unit, ..*one }).collect();
            let found = ratio(&scaled, &a).expect("pairs");
            prop_assert!((found.point / unit - 1.0).abs() < 1e-9);
        }
    }
}
