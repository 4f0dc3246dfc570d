//! What do several processes cost that serve at once, in CPU time and in memory?
//!
//! A round has as many children as the condition has, alive together, each with an engine and sinks of
//! its own. *Readers* all serve the same ranges; the log of *senders* is cut into as many parts, and
//! each serves ranges of its own, as a broker's network threads do. All are given the order for a block
//! before any is heard, and a sample is the sum of theirs, from the first call of any to the last byte
//! of any, on a log that is proven warm. Each checks content for itself, before and after.
//!
//! The question of readers is also what they share in memory, so that it is taken first: the log is
//! evicted, the children move into a group of the memory controller without a limit, and each moves
//! the whole log once. What is charged to the group then is what they brought into the page cache, once
//! for all of them, and their own memory, once for each. Where no group can be made, the readings of
//! memory are absent, and the cell's setup says why.
//!
//! Of readers nobody is pinned and no receiver spins: there may be more processes than CPUs. Of senders
//! each process has a CPU of its own where there are enough for the most of the scenario.

use super::super::interrupt;
use super::super::turns::abba;
use super::{Measure, Samples, TrialChild, VERIFY_FETCHES, WARM_UP_SLICES};
use crate::cgroup::place::Place;
use crate::cgroup::{Group, Refusal, sweep};
use crate::cpus::Pair;
use crate::scenario::Several;
use crate::trial::proof::Witness;
use crate::trial::wire::{Cache, Moved, Order, Spec, Trouble};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use zclab_report::record::{Pass, Verified, reading};

type Setup = BTreeMap<String, Value>;

/// What all did together; nothing when there was nobody.
fn together(each: Vec<Moved>) -> Option<Moved> {
    let start_ns = each.iter().map(|one| one.span_ns.0).min()?;
    let end_ns = each.iter().map(|one| one.span_ns.0 + one.wall_ns).max()?;
    let span_end_ns = each.iter().map(|one| one.span_ns.1).max()?;
    let last_start_ns = each.iter().map(|one| one.span_ns.0).max()?;
    let mut all = each.into_iter();
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
    let spread_ns = last_start_ns.saturating_sub(start_ns);
    sum.readings.insert(reading::START_SPREAD_NS.to_owned(), spread_ns);
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
            // What was stolen was stolen from the machine, and each of them saw all of it.
            *total = if name == reading::STEAL_NS { value.max(*total) } else { *total + value };
        }
    }
}

/// What was set and read back of all of them: what the last says, and every process's CPUs where they
/// have different ones.
fn gathered(setups: Vec<Setup>) -> Setup {
    let mut all = setups.last().cloned().unwrap_or_default();
    for name in ["sender_cpus", "receiver_cpus"] {
        let mut each: Vec<&str> = setups.iter().filter_map(|one| one.get(name)?.as_str()).collect();
        each.dedup();
        if !each.is_empty() {
            all.insert(name.to_owned(), json!(each.join("; ")));
        }
    }
    all
}

impl Measure<'_> {
    /// One round of each contender with so many processes.
    pub(super) fn several(&mut self, several: Several, launch: u32) -> anyhow::Result<()> {
        let place = match several {
            Several::Readers(_) if !self.checks => Some(Place::open()),
            _ => None,
        };
        if let Some(Ok(place)) = &place {
            sweep(place).iter().for_each(|line| eprintln!("zclab: {line}"));
        }
        for (slot, at) in abba(self.entries.len(), launch).into_iter().enumerate() {
            if self.entries[at].trouble.is_some() || interrupt::asked() {
                continue;
            }
            match self.at_once(several, place.as_ref(), at, launch) {
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

    fn at_once(
        &mut self,
        several: Several,
        place: Option<&Result<Place, Refusal>>,
        at: usize,
        launch: u32,
    ) -> Result<(Samples, Vec<(String, String)>), Trouble> {
        // The group is made first and so dropped last, after its processes.
        let group = place.map(|place| match place {
            Ok(place) => Group::make(place, None),
            Err(refusal) => Err(refusal.clone()),
        });
        let mut children = Vec::new();
        for number in 0..several.count() {
            children.push(self.start(at, |spec| self.share(several, number, spec))?);
        }
        let ready: Result<Vec<Setup>, Trouble> =
            children.iter_mut().map(TrialChild::ready).collect();
        self.entries[at].setup = gathered(ready?);
        if let Some(placement) = self.placement() {
            self.entries[at].setup.insert("placement".into(), json!(placement));
        }
        let memory = match &group {
            Some(group) => self.memory_in(group, &mut children, at)?,
            None => BTreeMap::new(),
        };
        let samples = self.blocks(&mut children, &memory, at, launch)?;
        let mut histograms = Vec::new();
        for child in children {
            let finished = child.finish()?;
            self.entries[at].setup.extend(finished.setup);
            histograms.extend(finished.histograms);
        }
        Ok((samples, histograms))
    }

    /// What one of them is told: where it runs, and which part of the log is its own.
    fn share(&self, several: Several, number: u32, spec: Spec) -> Spec {
        match several {
            Several::Readers(_) => Spec { spins: false, pin: self.ground.cpus.sets(), ..spec },
            Several::Senders(count) => {
                let Pair { cpus, apart } = self.ground.pair(self.condition, number);
                let log_bytes: u64 = spec.segments.iter().map(|(_, len_bytes)| len_bytes).sum();
                let part_bytes = log_bytes / u64::from(count.max(1));
                let begin = part_bytes * u64::from(number);
                let range_bytes = Some((begin, begin + part_bytes));
                Spec { spins: spec.spins && apart, pin: cpus, range_bytes, ..spec }
            }
        }
    }

    /// Whether senders have CPUs of their own, for the cell's setup.
    fn placement(&self) -> Option<String> {
        let most = self.condition.senders?.most;
        Some(match self.ground.pair(self.condition, 0).apart {
            true => "each process has a CPU of its own".to_owned(),
            false => format!(
                "no process has a CPU of its own: there is not one for each of {most} senders and \
                 {most} receivers, which the scenario has at most"
            ),
        })
    }

    /// The blocks of a round: checked by content, thrown away, timed, checked again.
    fn blocks(
        &self,
        children: &mut [TrialChild],
        memory: &BTreeMap<String, u64>,
        at: usize,
        launch: u32,
    ) -> Result<Samples, Trouble> {
        let verify = |block| Order::Verify { block, fetches_max: VERIFY_FETCHES };
        let mut samples: Samples = vec![(Pass::Verify, all(children, verify(u64::from(launch)))?)];
        for warm_up in 0..if self.checks { 0 } else { WARM_UP_SLICES } {
            let order = Order::Slice { block: self.block(launch, warm_up, at), keep: false };
            all(children, order)?;
        }
        for turn in 0..self.budget.turns {
            if interrupt::asked() {
                break;
            }
            let order = Order::Slice { block: self.block(launch, turn, at), keep: true };
            let mut moved = all(children, order)?;
            moved.readings.extend(memory.clone());
            samples.push((Pass::Timing, moved));
        }
        samples.push((Pass::Verify, all(children, verify(u64::from(launch) + 1))?));
        Ok(samples)
    }

    /// What the readers have in memory; nothing where that cannot be told, which the setup then says.
    fn memory_in(
        &mut self,
        group: &Result<Group, Refusal>,
        children: &mut [TrialChild],
        at: usize,
    ) -> Result<BTreeMap<String, u64>, Trouble> {
        let why = match group {
            Err(refusal) => format!("unavailable: {refusal}"),
            Ok(_) if !self.ready.owned => {
                "unavailable: the pages of somebody else's log are not evicted".to_owned()
            }
            Ok(group) => return self.memory_of(children, group),
        };
        self.entries[at].setup.insert("group".into(), json!(why));
        Ok(BTreeMap::new())
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
    together(moved?).ok_or_else(|| Trouble::failed("there is no process"))
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
            readings: BTreeMap::from([
                (reading::SENDER_CPU_NS.to_owned(), cpu_ns),
                (reading::STEAL_NS.to_owned(), 90),
            ]),
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
        assert_eq!(sum.readings[reading::START_SPREAD_NS], 10);
        assert_eq!(sum.readings[reading::STEAL_NS], 90, "of one machine");
        assert_eq!((sum.calls["sendto"], sum.verified), (8, Verified::Length));
        assert_eq!(together(Vec::new()), None);
    }

    #[test]
    fn what_one_of_them_lacks_is_not_known_of_all() {
        let mut second = moved((0, 1), 1, 1, Verified::None);
        second.readings = BTreeMap::from([("other".to_owned(), 1)]);
        let sum = together(vec![moved((0, 1), 1, 1, Verified::None), second]).unwrap();
        let known: Vec<&String> = sum.readings.keys().collect();
        assert_eq!(known, [reading::START_SPREAD_NS]);
    }
}
