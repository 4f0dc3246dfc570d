//! What do several processes cost that serve the same ranges at once, in CPU time and in memory?
//!
//! A round has as many children as the condition has readers, alive together, each with an engine and
//! sinks of its own. First their memory: the log is evicted, the children move into a group of the
//! memory controller without a limit, and each moves the whole log once. What is charged to the group
//! then is what they brought into the page cache, once for all of them, and their own memory, once for
//! each. Then their CPU time, on a log that is proven warm: all are given the same block, and a sample
//! is the sum of theirs, from the first call of any to the last byte of any.
//!
//! Where no group can be made, the readings of memory are absent, and the cell's setup says why.
//! Nobody is pinned and no receiver spins: there may be more processes than CPUs.

use super::super::interrupt;
use super::super::turns::abba;
use super::{Measure, Samples, TrialChild, VERIFY_FETCHES};
use crate::cgroup::place::Place;
use crate::cgroup::{Group, Refusal, sweep};
use crate::trial::proof::Witness;
use crate::trial::wire::{Cache, Moved, Order, Spec, Trouble};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::PathBuf;
use zclab_report::record::{Pass, Verified, reading};

/// What all did together; nothing when there was nobody.
fn together(readers: Vec<Moved>) -> Option<Moved> {
    let start_ns = readers.iter().map(|one| one.span_ns.0).min()?;
    let end_ns = readers.iter().map(|one| one.span_ns.0 + one.wall_ns).max()?;
    let span_end_ns = readers.iter().map(|one| one.span_ns.1).max()?;
    let mut all = readers.into_iter();
    let mut sum = all.next()?;
    for one in all {
        sum.bytes += one.bytes;
        sum.header_bytes += one.header_bytes;
        sum.outside_blocks_bytes += one.outside_blocks_bytes;
        sum.fetches += one.fetches;
        sum.messages += one.messages;
        add(&mut sum.readings, one.readings);
        add(&mut sum.calls, one.calls);
        // A sum is verified as well as its weakest part.
        sum.verified = [sum.verified, one.verified].into_iter().max_by_key(weakness)?;
    }
    sum.wall_ns = end_ns.saturating_sub(start_ns);
    sum.span_ns = (start_ns, span_end_ns);
    Some(sum)
}

fn weakness(verified: &Verified) -> u8 {
    match verified {
        Verified::Content => 0,
        Verified::Length => 1,
        Verified::None => 2,
    }
}

/// Adds up what all have; a number that one of them lacks is not known of the sum.
fn add(sum: &mut BTreeMap<String, u64>, other: BTreeMap<String, u64>) {
    sum.retain(|name, _| other.contains_key(name));
    for (name, value) in other {
        if let Some(total) = sum.get_mut(&name) {
            *total += value;
        }
    }
}

impl Measure<'_> {
    /// One round of each contender with this many readers.
    pub(super) fn many(&mut self, readers: u32, launch: u32) -> anyhow::Result<()> {
        let place = Place::open();
        if let Ok(place) = &place {
            sweep(place).iter().for_each(|line| eprintln!("zclab: {line}"));
        }
        for (slot, at) in abba(self.entries.len(), launch).into_iter().enumerate() {
            if self.entries[at].trouble.is_some() || interrupt::asked() {
                continue;
            }
            match self.one_of_many(readers, &place, at, launch) {
                Ok((samples, histograms)) => {
                    for (turn, (pass, moved)) in samples.into_iter().enumerate() {
                        self.sample(at, pass, (launch, turn as u32, slot as u32), moved)?;
                    }
                    self.histograms(at, launch, histograms)?;
                }
                Err(trouble) => self.give_up(at, trouble),
            }
        }
        Ok(())
    }

    fn one_of_many(
        &mut self,
        readers: u32,
        place: &Result<Place, Refusal>,
        at: usize,
        launch: u32,
    ) -> Result<(Samples, Vec<(String, String)>), Trouble> {
        // The group is made first and so dropped last, after its processes.
        let group = match place {
            Ok(place) => Group::make(place, None),
            Err(refusal) => Err(refusal.clone()),
        };
        let shape = |spec| Spec { spins: false, pin: None, ..spec };
        let mut children = Vec::new();
        for _ in 0..readers {
            children.push(self.start(at, shape)?);
        }
        for child in &mut children {
            self.entries[at].setup = child.ready()?;
        }
        let group = match group {
            Ok(group) => Some(group),
            Err(refusal) => {
                let why = format!("unavailable: {refusal}");
                self.entries[at].setup.insert("group".into(), json!(why));
                None
            }
        };
        if group.is_some() && !self.ready.owned {
            let why = "unavailable: the pages of somebody else's log are not evicted";
            self.entries[at].setup.insert("group".into(), json!(why));
        }
        let memory = match group.as_ref().filter(|_| self.ready.owned) {
            Some(group) => self.memory_of(&mut children, group)?,
            None => BTreeMap::new(),
        };
        let verify = Order::Verify { block: u64::from(launch), fetches_max: VERIFY_FETCHES };
        let mut samples: Samples = vec![(Pass::Verify, all(&mut children, verify)?)];
        for turn in 0..self.budget.turns {
            if interrupt::asked() {
                break;
            }
            let order = Order::Slice { block: self.block(launch, turn, at), keep: true };
            let mut moved = all(&mut children, order)?;
            moved.readings.extend(memory.clone());
            samples.push((Pass::Timing, moved));
        }
        let mut histograms = Vec::new();
        for child in children {
            let finished = child.finish()?;
            self.entries[at].setup.extend(finished.setup);
            histograms.extend(finished.histograms);
        }
        Ok((samples, histograms))
    }

    /// What the group has when each reader has moved the log once, beginning with none of it cached.
    fn memory_of(
        &self,
        children: &mut [TrialChild],
        group: &Group,
    ) -> Result<BTreeMap<String, u64>, Trouble> {
        let segments: Vec<(PathBuf, u64)> =
            self.ready.log.segments.iter().map(|s| (s.path.clone(), s.len_bytes)).collect();
        for child in children.iter_mut() {
            child.done(Order::Vacate)?;
        }
        Witness::open(&segments)?.arrange(Cache::Cold)?;
        for child in children.iter_mut() {
            group.add(child.id())?;
            child.done(Order::Settle { passes: 1, read_in: false })?;
        }
        let stat = group.stat();
        let rows = [
            (reading::GROUP_FILE_BYTES, stat.file_bytes),
            (reading::GROUP_ANON_BYTES, stat.anon_bytes),
        ];
        Ok(rows.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect())
    }
}

/// Gives all of them an order before any is waited for; what they did together.
fn all(children: &mut [TrialChild], order: Order) -> Result<Moved, Trouble> {
    for child in children.iter_mut() {
        child.tell(order)?;
    }
    let moved: Result<Vec<Moved>, Trouble> = children.iter_mut().map(TrialChild::heard).collect();
    together(moved?).ok_or_else(|| Trouble::failed("there is no reader"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moved(span_ns: (u64, u64), wall_ns: u64, cpu_ns: u64, verified: Verified) -> Moved {
        Moved {
            bytes: 10,
            header_bytes: 1,
            outside_blocks_bytes: 5,
            fetches: 2,
            messages: 3,
            wall_ns,
            span_ns,
            readings: BTreeMap::from([(reading::SENDER_CPU_NS.to_owned(), cpu_ns)]),
            calls: BTreeMap::from([("sendto".to_owned(), 4)]),
            verified,
            cache: None,
        }
    }

    #[test]
    fn a_sum_lasts_from_the_first_call_to_the_last_byte() {
        let first = moved((100, 180), 90, 7, Verified::Content);
        let second = moved((110, 230), 150, 8, Verified::Length);
        let sum = together(vec![first, second]).unwrap();
        assert_eq!((sum.bytes, sum.header_bytes, sum.fetches, sum.messages), (20, 2, 4, 6));
        assert_eq!(sum.outside_blocks_bytes, 10);
        assert_eq!((sum.wall_ns, sum.span_ns), (160, (100, 230)));
        assert_eq!(sum.readings[reading::SENDER_CPU_NS], 15);
        assert_eq!((sum.calls["sendto"], sum.verified), (8, Verified::Length));
        assert_eq!(together(Vec::new()), None);
    }

    #[test]
    fn what_one_of_them_lacks_is_not_known_of_all() {
        let mut second = moved((0, 1), 1, 1, Verified::None);
        second.readings = BTreeMap::from([("other".to_owned(), 1)]);
        let sum = together(vec![moved((0, 1), 1, 1, Verified::None), second]).unwrap();
        assert!(sum.readings.is_empty());
    }
}
