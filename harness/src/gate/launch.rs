//! How do base, head and control take turns?
//!
//! A launch is three fresh children that are alive together: base, head, and the base once more. They
//! are started in an order that changes from launch to launch, because the place in that order is
//! worth a few per cent (where memory lies, which range of the log is whose first), and take turns in
//! slices of milliseconds, in an order that changes from turn to turn. All move the same ranges of
//! the log, at any moment different ones.

use super::duel::{Duel, Sides, log_bytes};
use crate::run::cells::Ground;
use crate::run::children::TrialChild;
use crate::run::interrupt;
use crate::run::logs::Ready;
use crate::run::turns::rotation;
use crate::scenario::Budget;
use crate::trial::wire::{Moved, Order, Trouble};
use std::time::{Duration, Instant};
use zclab_report::gate::record::{Arm, Latency, Phase, Sample};

/// Fetches that are content-checked before and after a launch.
const VERIFY_FETCHES: u32 = 8;

/// The six orders of three arms.
const ORDERS: [[Arm; 3]; 6] = [
    [Arm::Base, Arm::Head, Arm::Control],
    [Arm::Control, Arm::Head, Arm::Base],
    [Arm::Head, Arm::Base, Arm::Control],
    [Arm::Control, Arm::Base, Arm::Head],
    [Arm::Head, Arm::Control, Arm::Base],
    [Arm::Base, Arm::Control, Arm::Head],
];

/// Parts of the log: as many as there are children.
const PARTS: u64 = 3;

/// Turns of a launch: over six each of three arms is in each slot twice.
pub const TURNS: std::ops::RangeInclusive<u32> = 6..=48;

/// How a cell is launched.
#[derive(Clone, Copy)]
pub struct Plan<'a> {
    /// What is compared.
    pub duel: &'a Duel<'a>,
    /// By which programs.
    pub sides: Sides<'a>,
    /// On which log.
    pub ready: &'a Ready,
    /// Where else bytes lie and go.
    pub ground: Ground<'a>,
    /// Turns, and bytes of a slice.
    pub budget: Budget,
}

/// What came of a launch.
#[derive(Default)]
pub struct Launched {
    /// Its slices.
    pub samples: Vec<Sample>,
    /// Its latencies.
    pub latencies: Vec<Latency>,
    /// What the base set and read back.
    pub setup: std::collections::BTreeMap<String, serde_json::Value>,
    /// How long the children took to start and to end.
    pub around: Duration,
    /// How long all turns took.
    pub turning: Duration,
}

impl Plan<'_> {
    /// One launch. `None` when the gate was interrupted.
    ///
    /// # Errors
    /// Trouble, and whose.
    pub fn launch(&self, phase: Phase, launch: u32) -> Result<Option<Launched>, (Arm, Trouble)> {
        let begun = Instant::now();
        let mut arms: Vec<(Arm, TrialChild)> = Vec::with_capacity(3);
        for arm in ORDERS[launch as usize % ORDERS.len()] {
            let Plan { sides, ready, budget, ground, .. } = *self;
            let child = self.duel.start(arm, sides, ready, budget, ground);
            arms.push((arm, child.map_err(|trouble| (arm, trouble))?));
        }
        let verify = |block| Order::Verify { block, fetches_max: VERIFY_FETCHES };
        each(&mut arms, verify(u64::from(launch)))?;
        for (slot, (arm, child)) in arms.iter_mut().enumerate() {
            let order = Order::Slice { block: self.block(launch, 0, slot), keep: false };
            child.moved(order).map_err(|trouble| (*arm, trouble))?;
        }
        let (mut launched, turning) = (Launched::default(), Instant::now());
        for turn in 0..self.budget.turns {
            if interrupt::asked() {
                return Ok(None);
            }
            for (slot, index) in rotation(arms.len(), turn).into_iter().enumerate() {
                let (arm, child) = &mut arms[index];
                let order = Order::Slice { block: self.block(launch, turn, index), keep: true };
                let moved = child.moved(order).map_err(|trouble| (*arm, trouble))?;
                let place = (launch, turn, slot as u32);
                launched.samples.push(self.sample(phase, *arm, place, moved));
            }
        }
        launched.turning = turning.elapsed();
        each(&mut arms, verify(u64::from(launch) + 1))?;
        for (arm, child) in arms {
            let finished = child.finish().map_err(|trouble| (arm, trouble))?;
            let all = finished.histograms.into_iter().next();
            let latency = all.map(|(_, data)| Latency { phase, arm, launch, data });
            launched.latencies.extend(latency);
            if arm == Arm::Base {
                launched.setup = finished.setup;
            }
        }
        launched.around = begun.elapsed().saturating_sub(launched.turning);
        Ok(Some(launched))
    }

    /// The block for a turn: three parts of the log go round among the three children, so that within
    /// three turns all have moved the same ones.
    fn block(&self, launch: u32, turn: u32, place: usize) -> u64 {
        let fetches = u64::from(crate::run::cells::fetches(self.duel.condition, self.budget));
        let block_bytes = self.duel.condition.fetch_bytes * fetches;
        let blocks = (log_bytes(&self.ready.log) / block_bytes.max(1)).max(1);
        let part = part(turn, place);
        let rounds = u64::from(launch) * u64::from(self.budget.turns) / PARTS;
        rounds + u64::from(turn) / PARTS + part * (blocks / PARTS)
    }

    fn sample(
        &self,
        phase: Phase,
        arm: Arm,
        (launch, turn, slot): (u32, u32, u32),
        moved: Moved,
    ) -> Sample {
        let Moved { bytes, header_bytes, fetches, wall_ns, readings, verified, .. } = moved;
        let cell = self.duel.id();
        Sample {
            cell,
            phase,
            arm,
            launch,
            turn,
            slot,
            bytes,
            header_bytes,
            fetches,
            wall_ns,
            readings,
            verified,
        }
    }
}

/// The part of the log that a child moves in a turn, by the place in which it was started.
fn part(turn: u32, place: usize) -> u64 {
    (u64::from(turn) + place as u64) % PARTS
}

/// Gives the same order to all arms, one after the other.
fn each(arms: &mut [(Arm, TrialChild)], order: Order) -> Result<(), (Arm, Trouble)> {
    for (arm, child) in arms {
        child.moved(order).map_err(|trouble| (*arm, trouble))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_arm_is_started_in_each_place_equally_often() {
        for arm in [Arm::Base, Arm::Head, Arm::Control] {
            for place in 0..3 {
                assert_eq!(ORDERS.iter().filter(|order| order[place] == arm).count(), 2);
            }
        }
    }

    #[test]
    fn over_six_turns_every_child_has_moved_the_same_parts_from_the_same_slots() {
        let moved = |place: usize| {
            let slot = |turn| rotation(3, turn).iter().position(|&index| index == place);
            let mut all: Vec<_> = (0..6).map(|turn| (slot(turn), part(turn, place))).collect();
            all.sort_unstable();
            all
        };
        assert_eq!(moved(0), moved(1));
        assert_eq!(moved(0), moved(2));
        for turn in 0..6 {
            assert!(part(turn, 0) != part(turn, 1) && part(turn, 1) != part(turn, 2));
        }
    }
}
