//! When does each fetch become due?
//!
//! A closed loop has no schedule: whatever a slice holds is due at once, and a slow server is asked
//! less often. An open loop asks at moments that were planned before the clock started and that
//! nobody's slowness moves, as a crowd of consumers does; latency counts from those moments, so that
//! a stall is charged to every fetch that it kept waiting and not to the one that was under way
//! (what wrk2 and HdrHistogram call coordinated omission). Where consumers follow a log that grows, a
//! fetch is due when its bytes are there, which nobody can plan: see [`Follow`]. Where each has a
//! file of its own it is due when that is open: see [`Opens`].

use super::drive::DriveError;
use super::opens::Opens;
use super::tail::follow::Follow;
use super::wire::demand::{Arrivals, Demand};
use crate::counters::now;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use zclab_strategies::{Calls, LaneId, Queue};

/// One fetch of one consumer becomes due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// When, counted from the start of the slice.
    pub due_ns: u64,
    /// Whose.
    pub lane: u32,
}

/// The arrivals of a slice, in their order: each consumer's number of fetches. None for a closed loop.
#[must_use]
pub fn plan(demand: &Demand, fetches: usize, lanes: usize, seed: u64) -> Vec<Arrival> {
    if demand.rate == 0 {
        return Vec::new();
    }
    let gap_ns = 1e9 / demand.rate as f64;
    let mut order: Vec<u32> = (0..fetches * lanes).map(|n| (n % lanes) as u32).collect();
    match demand.arrivals {
        Arrivals::Fixed => {
            let at = |(n, lane): (usize, u32)| Arrival { due_ns: (n as f64 * gap_ns) as u64, lane };
            order.into_iter().enumerate().map(at).collect()
        }
        Arrivals::Poisson => {
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            // Streams of equal rate, told that each had so many: whose is next is a shuffle.
            order.shuffle(&mut random);
            let mut at_ns = 0.0;
            let mut next = |lane| {
                // `libm`, so that the same seed is the same schedule everywhere.
                at_ns -= libm::log(1.0 - random.random::<f64>()) * gap_ns;
                Arrival { due_ns: at_ns as u64, lane }
            };
            order.into_iter().map(&mut next).collect()
        }
    }
}

/// The arrivals of one lane of many, for a driver that has a queue with that lane alone.
fn of_lane(arrivals: &[Arrival], lane: u32) -> Vec<Arrival> {
    let own = arrivals.iter().filter(|arrival| arrival.lane == lane);
    own.map(|arrival| Arrival { lane: 0, ..*arrival }).collect()
}

/// What a driver has to wait for when everything that is due has been accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing: no other fetch will become due.
    Nothing,
    /// This moment of the monotonic clock.
    At(u64),
    /// The producer's next append.
    Append,
    /// The next file, which is opened when all consumers have this one's fetch.
    Open,
}

impl Next {
    /// The moment, where there is one.
    #[must_use]
    pub fn due_ns(self) -> Option<u64> {
        match self {
            Next::At(due_ns) => Some(due_ns),
            Next::Nothing | Next::Append | Next::Open => None,
        }
    }
}

/// A plan under way.
#[derive(Clone, Debug, Default)]
pub struct Schedule {
    arrivals: Vec<Arrival>,
    next: usize,
    start_ns: u64,
    follow: Option<Follow>,
    opens: Option<Opens>,
}

impl Schedule {
    /// A plan that has not begun.
    #[must_use]
    pub fn new(arrivals: Vec<Arrival>) -> Schedule {
        Schedule { arrivals, ..Schedule::default() }
    }

    /// The schedule of whoever follows a log that grows.
    #[must_use]
    pub fn following(follow: Follow) -> Schedule {
        Schedule { follow: Some(follow), ..Schedule::default() }
    }

    /// The schedule of whoever opens a file for each fetch.
    #[must_use]
    pub fn opening(opens: Opens) -> Schedule {
        Schedule { opens: Some(opens), ..Schedule::default() }
    }

    /// The same for a driver that has a queue with one lane of many.
    #[must_use]
    pub fn of_lane(&self, lane: u32) -> Schedule {
        let follow = self.follow.as_ref().map(Follow::of_one_lane);
        Schedule { follow, ..Schedule::new(of_lane(&self.arrivals, lane)) }
    }

    /// Whether fetches have to be held until they are due.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.follow.is_some() || self.opens.is_some() || !self.arrivals.is_empty()
    }

    /// The arrivals, in their order.
    #[must_use]
    pub fn arrivals(&self) -> &[Arrival] {
        &self.arrivals
    }

    /// When the last fetch is due, counted from the start.
    #[must_use]
    pub fn last_due_ns(&self) -> u64 {
        self.arrivals.last().map_or(0, |arrival| arrival.due_ns)
    }

    /// From now on the clock runs.
    pub fn begin(&mut self, start_ns: u64) {
        (self.next, self.start_ns) = (0, start_ns);
        if let Some(opens) = &mut self.opens {
            opens.begin();
        }
    }

    /// Lets the queue have what is due by now; what the next one is waited for.
    ///
    /// # Errors
    /// A fetch's file could not be opened.
    #[inline]
    pub fn release(&mut self, queue: &mut Queue) -> Result<Next, DriveError> {
        if let Some(follow) = &mut self.follow {
            let more = follow.release(|lane| queue.release(lane));
            return Ok(if more { Next::Append } else { Next::Nothing });
        }
        if let Some(opens) = &mut self.opens {
            return Ok(if opens.release(queue)? { Next::Open } else { Next::Nothing });
        }
        if self.next == self.arrivals.len() {
            return Ok(Next::Nothing);
        }
        let next = self.release_until(now().0, |lane| queue.release(lane));
        Ok(next.map_or(Next::Nothing, Next::At))
    }

    /// So many deliveries were accepted by their sinks: a producer, or the next file, may be waiting
    /// for them.
    #[inline]
    pub fn delivered(&mut self, count: usize) {
        if let Some(opens) = &mut self.opens {
            opens.delivered(count);
        }
        if let Some(follow) = &self.follow {
            follow.delivered(count);
        }
    }

    /// Sleeps until more is appended.
    ///
    /// # Errors
    /// Nothing came in time, or nothing will.
    pub fn wait(&self, calls: &Calls) -> Result<(), DriveError> {
        self.follow.as_ref().map_or(Ok(()), |follow| follow.wait(calls))
    }

    /// The same at a given time.
    fn release_until(&mut self, now_ns: u64, mut release: impl FnMut(LaneId)) -> Option<u64> {
        while let Some(arrival) = self.arrivals.get(self.next) {
            let due_ns = self.start_ns + arrival.due_ns;
            if due_ns > now_ns {
                return Some(due_ns);
            }
            release(arrival.lane as LaneId);
            self.next += 1;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn demand(rate: u64, arrivals: Arrivals) -> Demand {
        Demand { rate, arrivals, ..Demand::default() }
    }

    #[test]
    fn a_closed_loop_has_no_schedule() {
        assert_eq!(plan(&Demand::default(), 9, 9, 1), []);
        let mut schedule = Schedule::default();
        assert_eq!(schedule.release_until(u64::MAX, |_| panic!("nothing is due")), None);
    }

    #[test]
    fn fixed_arrivals_are_known_to_the_nanosecond() {
        let plan = plan(&demand(4000, Arrivals::Fixed), 2, 3, 77);
        let due: Vec<_> = plan.iter().map(|one| (one.due_ns, one.lane)).collect();
        let known =
            [(0, 0), (250_000, 1), (500_000, 2), (750_000, 0), (1_000_000, 1), (1_250_000, 2)];
        assert_eq!(due, known);
        let own = [Arrival { due_ns: 250_000, lane: 0 }, Arrival { due_ns: 1_000_000, lane: 0 }];
        assert_eq!(of_lane(&plan, 1), own);
    }

    #[test]
    fn each_arrival_is_released_once_and_not_before_its_time() {
        let mut schedule = Schedule::new(plan(&demand(1000, Arrivals::Fixed), 2, 2, 0));
        schedule.begin(5_000_000);
        let mut seen = Vec::new();
        assert_eq!(schedule.release_until(4_999_999, |lane| seen.push(lane)), Some(5_000_000));
        assert_eq!(schedule.release_until(5_000_000, |lane| seen.push(lane)), Some(6_000_000));
        // A server that comes late finds all that became due meanwhile.
        assert_eq!(schedule.release_until(7_500_000, |lane| seen.push(lane)), Some(8_000_000));
        assert_eq!(schedule.release_until(u64::MAX, |lane| seen.push(lane)), None);
        assert_eq!(seen, [0, 1, 0, 1]);
        schedule.begin(0);
        assert_eq!(schedule.release_until(0, |_| {}), Some(1_000_000), "it can begin anew");
    }

    #[test]
    fn poisson_gaps_follow_the_exponential_law() {
        const FETCHES: usize = 10_000;
        let plan = plan(&demand(10_000, Arrivals::Poisson), FETCHES, 4, 3);
        let mut before = 0;
        let mut gaps: Vec<f64> = Vec::new();
        for arrival in &plan {
            gaps.push((arrival.due_ns - before) as f64 / 100_000.0);
            before = arrival.due_ns;
        }
        let count = gaps.len() as f64;
        let mean = gaps.iter().sum::<f64>() / count;
        let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / count;
        assert!((mean - 1.0).abs() < 0.02, "mean {mean}");
        assert!((variance - 1.0).abs() < 0.05, "variance {variance}");
        // The shares below a third, one and three means, by 1 - e^-x.
        for (bound, share) in [(1.0 / 3.0, 0.28347), (1.0, 0.63212), (3.0, 0.95021)] {
            let below = gaps.iter().filter(|gap| **gap < bound).count() as f64 / count;
            assert!((below - share).abs() < 0.01, "{below} below {bound}");
        }
        for lane in 0..4 {
            assert_eq!(plan.iter().filter(|one| one.lane == lane).count(), FETCHES);
        }
    }

    #[test]
    fn a_seed_is_a_schedule() {
        let of = |seed| plan(&demand(500, Arrivals::Poisson), 20, 7, seed);
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
    }
}
