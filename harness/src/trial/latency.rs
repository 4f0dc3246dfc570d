//! How long did each fetch take, and from when on does that count?
//!
//! Four answers. In a closed loop that one thread serves in turn, a fetch has taken the time since
//! the completion before it. Where consumers are looked at each for itself, it has taken the time
//! since its own consumer's completion before it: what that consumer waited. In an open loop it has
//! taken the time since it was due, and at the end of a log since its bytes were there. Slow consumers are kept apart from the others, who should not
//! have to wait for them.

use super::drive::Stamp;
use super::schedule::Arrival;
use super::wire::Trouble;
use super::wire::demand::{Demand, Since};
use super::worker::{encoded, latencies};
use hdrhistogram::Histogram;
use std::collections::BTreeMap;

/// What the histograms of the two classes are called in the record.
pub const CLASSES: [&str; 2] = ["fetch_latency_fast_ns", "fetch_latency_slow_ns"];

/// Latencies of all fetches of a launch, and apart those of fast and slow consumers.
#[derive(Debug)]
pub struct Latencies {
    all: Histogram<u64>,
    classes: Option<[Histogram<u64>; 2]>,
    slow: u32,
    since: Since,
}

impl Latencies {
    /// Nothing yet.
    ///
    /// # Errors
    /// What the histograms say of their bounds.
    pub fn new(demand: &Demand) -> Result<Latencies, Trouble> {
        let classes = if demand.slow > 0 { Some([latencies()?, latencies()?]) } else { None };
        Ok(Latencies { all: latencies()?, classes, slow: demand.slow, since: demand.since() })
    }

    /// Keeps what was stamped in one slice of a log that grew, by when each fetch's bytes were there.
    pub fn keep_since(&mut self, stamps: &[Stamp], since_ns: impl Fn(u32) -> u64) {
        for stamp in stamps {
            self.record(stamp.lane, stamp.at_ns.saturating_sub(since_ns(stamp.fetch)));
        }
    }

    /// Keeps what was stamped in one slice.
    pub fn keep(&mut self, start_ns: u64, stamps: &[Stamp], arrivals: &[Arrival], lanes: usize) {
        match self.since {
            Since::Completion => self.since_completion(start_ns, stamps),
            Since::OwnCompletion => {
                let mut before = vec![start_ns; lanes];
                for stamp in stamps {
                    let from = std::mem::replace(&mut before[stamp.lane as usize], stamp.at_ns);
                    self.record(stamp.lane, stamp.at_ns.saturating_sub(from));
                }
            }
            // A log that grows keeps them by `keep_since`: here nobody knows when its bytes came.
            Since::Append => {}
            Since::Due => {
                let mut due = vec![Vec::new(); lanes];
                for arrival in arrivals {
                    due[arrival.lane as usize].push(start_ns + arrival.due_ns);
                }
                for stamp in stamps {
                    let due_ns = due[stamp.lane as usize][stamp.fetch as usize];
                    self.record(stamp.lane, stamp.at_ns.saturating_sub(due_ns));
                }
            }
        }
    }

    /// Those that complete together have waited alike.
    fn since_completion(&mut self, start_ns: u64, stamps: &[Stamp]) {
        let (mut previous, mut latest) = (start_ns, start_ns);
        for stamp in stamps {
            if stamp.at_ns != latest {
                (previous, latest) = (latest, stamp.at_ns);
            }
            self.record(stamp.lane, stamp.at_ns.saturating_sub(previous));
        }
    }

    fn record(&mut self, lane: u32, latency_ns: u64) {
        let latency_ns = latency_ns.max(1);
        self.all.saturating_record(latency_ns);
        if let Some(classes) = &mut self.classes {
            classes[usize::from(lane < self.slow)].saturating_record(latency_ns);
        }
    }

    /// All of them, encoded; empty when none was kept.
    #[must_use]
    pub fn encoded(&self) -> String {
        encoded(&self.all)
    }

    /// The classes by their names, encoded; none where all consumers are alike.
    #[must_use]
    pub fn classes(&self) -> BTreeMap<String, String> {
        let named = CLASSES.iter().zip(self.classes.iter().flatten());
        named
            .map(|(name, one)| ((*name).to_owned(), encoded(one)))
            .filter(|(_, data)| !data.is_empty())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(at_ns: u64, lane: u32, fetch: u32) -> Stamp {
        Stamp { at_ns, lane, fetch }
    }

    fn kept(demand: Demand, stamps: &[Stamp], arrivals: &[Arrival]) -> Latencies {
        let mut latencies = Latencies::new(&demand).unwrap();
        latencies.keep(1000, stamps, arrivals, 2);
        latencies
    }

    fn values(histogram: &Histogram<u64>) -> Vec<u64> {
        let value = |one: hdrhistogram::iterators::IterationValue<u64>| one.value_iterated_to();
        histogram.iter_recorded().map(value).collect()
    }

    #[test]
    fn one_thread_in_turn_is_timed_from_completion_to_completion() {
        let stamps = [stamp(1100, 0, 0), stamp(1300, 1, 0), stamp(1300, 0, 1), stamp(1700, 1, 1)];
        let latencies = kept(Demand::default(), &stamps, &[]);
        assert_eq!(values(&latencies.all), [100, 200, 400]);
        assert!(latencies.classes().is_empty());
    }

    #[test]
    fn each_consumer_is_timed_by_its_own_completions_and_classes_apart() {
        let stamps = [stamp(1100, 1, 0), stamp(1250, 1, 1), stamp(1900, 0, 0)];
        let demand = Demand { each: true, slow: 1, ..Demand::default() };
        let latencies = kept(demand, &stamps, &[]);
        let [fast, slow] = latencies.classes.as_ref().unwrap();
        assert_eq!((values(fast), values(slow)), (vec![100, 150], vec![900]));
        assert_eq!(values(&latencies.all), [100, 150, 900]);
        assert_eq!(latencies.classes().len(), 2);
    }

    /// A stall is charged to every fetch that was due meanwhile: no omission is coordinated.
    #[test]
    fn an_open_loop_is_timed_from_the_moment_at_which_a_fetch_was_due() {
        let due = |due_ns, lane| Arrival { due_ns, lane };
        let arrivals = [due(0, 0), due(100, 1), due(200, 0), due(300, 1)];
        let stamps = [stamp(1900, 0, 0), stamp(1900, 1, 0), stamp(1900, 0, 1), stamp(1900, 1, 1)];
        let latencies = kept(Demand { rate: 1, ..Demand::default() }, &stamps, &arrivals);
        assert_eq!(values(&latencies.all), [600, 700, 800, 900]);
    }
}
