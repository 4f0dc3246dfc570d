//! On which CPUs do a trial's processes run, and which node's memory do they take?
//!
//! Left to itself zclab takes the first CPU that it may use for the sender and the last for its
//! receiver. A command line may say other sets and a node; a scenario may not, since it is to mean the
//! same on every machine. What does not exist is refused before anything begins, with what there is.
//!
//! A node is bound to by the run itself, before it touches the log: policies and affinities are handed
//! on to every process that it starts (`sched(7)`, `set_mempolicy(2)`). What came of all this each
//! trial reads back, for the record.

pub mod numa;
mod numbers;

pub use numbers::Numbers;

use anyhow::{Context, bail};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt;

/// What a command line asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// The CPUs of senders.
    pub sender: Option<Numbers>,
    /// The CPUs of receivers.
    pub receiver: Option<Numbers>,
    /// The node whose memory all take, and whose CPUs, where no others are named.
    pub node: Option<usize>,
}

/// The CPUs of a sender and its receiver, and whether neither can be in the other's way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pair {
    /// Sender, receiver; nothing where both may run wherever this process may.
    pub cpus: Option<(Numbers, Numbers)>,
    /// No other process of the trial has the receiver's CPUs, so that it may spin.
    pub apart: bool,
}

/// What a run has: the sets that were asked for, known to exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cpus {
    allowed: Numbers,
    asked: Asked,
}

/// The CPUs that a process may use; 0 is this one.
///
/// # Errors
/// What the kernel said.
pub fn allowed(pid: u32) -> nix::Result<Numbers> {
    let set = sched_getaffinity(Pid::from_raw(pid.cast_signed()))?;
    Ok((0..CpuSet::count()).filter(|&cpu| set.is_set(cpu).unwrap_or(false)).collect())
}

/// Keeps this process to these CPUs.
///
/// # Errors
/// What the kernel said.
pub fn keep_to(cpus: &Numbers) -> anyhow::Result<()> {
    let mut set = CpuSet::new();
    for cpu in cpus.iter() {
        set.set(cpu).with_context(|| format!("CPU {cpu} is out of range"))?;
    }
    sched_setaffinity(Pid::from_raw(0), &set)
        .with_context(|| format!("sched_setaffinity to CPU {cpus}"))
}

impl Pair {
    /// The CPUs of a child and of its far end: where the child does not send, it is the receiver.
    #[must_use]
    pub fn of_child(self, sends: bool) -> Option<(Numbers, Numbers)> {
        let (sender, receiver) = self.cpus?;
        Some(if sends { (sender, receiver) } else { (receiver, sender) })
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, to: &mut fmt::Formatter) -> fmt::Result {
        let set = |option: &str, set: &Option<Numbers>| {
            set.as_ref().map_or_else(String::new, |set| format!("--{option}-cpus {set} "))
        };
        let node = self.node.map_or_else(String::new, |node| format!("--numa {node}"));
        let all = set("sender", &self.sender) + &set("receiver", &self.receiver) + &node;
        match all.trim_end() {
            "" => to.write_str("no CPUs or node named"),
            all => to.write_str(all),
        }
    }
}

impl Asked {
    /// Sees to it that all of it exists, and binds this process, and those that it will start, to the
    /// node.
    ///
    /// # Errors
    /// What does not exist, with what there is; or the call that was refused.
    pub fn settle(&self) -> anyhow::Result<Cpus> {
        let mut allowed = allowed(0).context("sched_getaffinity")?;
        for (option, set) in [("sender", &self.sender), ("receiver", &self.receiver)] {
            if let Some(set) = set {
                exists(set, &allowed).with_context(|| format!("--{option}-cpus {set}"))?;
            }
        }
        if let Some(node) = self.node {
            let cpus = bind(node).with_context(|| format!("--numa {node}"))?.and(&allowed);
            if cpus.is_empty() && self.sender.as_ref().and(self.receiver.as_ref()).is_none() {
                bail!(
                    "--numa {node}: this process may use none of the node's CPUs: name others with \
                     --sender-cpus and --receiver-cpus"
                );
            }
            if !cpus.is_empty() {
                keep_to(&cpus)?;
                allowed = cpus;
            }
        }
        Ok(Cpus { allowed, asked: self.clone() })
    }

    /// For the run's line, so that a run that is taken up goes on in the same place.
    #[must_use]
    pub fn facts(&self) -> BTreeMap<String, Value> {
        let text = |set: &Option<Numbers>| set.as_ref().map(|set| json!(set.to_string()));
        let rows = [
            ("sender_cpus", text(&self.sender)),
            ("receiver_cpus", text(&self.receiver)),
            ("numa_node", self.node.map(|node| json!(node))),
        ];
        rows.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
    }

    /// What such facts say.
    #[must_use]
    pub fn recorded(facts: &BTreeMap<String, Value>) -> Asked {
        let set = |name: &str| facts.get(name)?.as_str()?.parse().ok();
        let node = facts.get("numa_node").and_then(Value::as_u64);
        Asked {
            sender: set("sender_cpus"),
            receiver: set("receiver_cpus"),
            node: node.and_then(|node| usize::try_from(node).ok()),
        }
    }
}

/// Whether all of these CPUs may be used; if not, what is there.
fn exists(set: &Numbers, allowed: &Numbers) -> anyhow::Result<()> {
    let missing = set.without(allowed);
    if missing.is_empty() {
        return Ok(());
    }
    let online = crate::doctor::read("/sys/devices/system/cpu/online").ok();
    let online: Option<Numbers> = online.and_then(|text| text.parse().ok());
    match online {
        Some(online) if missing.without(&online).is_empty() => bail!(
            "this machine has CPU {missing}, but this process may use {allowed} alone (taskset, a \
             cpuset, a container)"
        ),
        Some(online) => {
            bail!("this machine has no CPU {}: it has {online}", missing.without(&online))
        }
        None => bail!("this process may use {allowed} alone"),
    }
}

/// Binds memory to a node; its CPUs.
fn bind(node: usize) -> anyhow::Result<Numbers> {
    let nodes = numa::nodes()
        .map_err(anyhow::Error::msg)
        .context("this kernel tells nobody of nodes (CONFIG_NUMA)")?;
    if !nodes.has(node) {
        let only = if nodes.len() == 1 { " only" } else { "" };
        let name = if nodes.len() == 1 { "node" } else { "nodes" };
        bail!("this machine has {name} {nodes}{only}");
    }
    numa::bind(node).context("set_mempolicy(MPOL_BIND)")?;
    numa::cpus_of(node).map_err(anyhow::Error::msg)
}

impl Cpus {
    /// The node that the run is bound to.
    #[must_use]
    pub fn node(&self) -> Option<usize> {
        self.asked.node
    }

    /// What was asked for.
    #[must_use]
    pub fn asked(&self) -> &Asked {
        &self.asked
    }

    /// The sets of all senders and all receivers, where a command line named any: who has none takes
    /// what the other leaves, or everything where that is nothing.
    #[must_use]
    pub fn sets(&self) -> Option<(Numbers, Numbers)> {
        let rest = |of: &Numbers| match self.allowed.without(of) {
            rest if rest.is_empty() => self.allowed.clone(),
            rest => rest,
        };
        match (&self.asked.sender, &self.asked.receiver) {
            (Some(sender), Some(receiver)) => Some((sender.clone(), receiver.clone())),
            (Some(sender), None) => Some((sender.clone(), rest(sender))),
            (None, Some(receiver)) => Some((rest(receiver), receiver.clone())),
            (None, None) => None,
        }
    }

    /// A CPU beside those of a pair, for a process that neither should have to share one with.
    #[must_use]
    pub fn spare(&self, pair: &Pair) -> Option<usize> {
        let (sender, receiver) = pair.cpus.as_ref()?;
        self.allowed.without(sender).without(receiver).iter().next()
    }

    /// For a sender and a receiver that are alone.
    #[must_use]
    pub fn alone(&self) -> Pair {
        match self.sets() {
            Some((sender, receiver)) => {
                let apart = sender.and(&receiver).is_empty();
                Pair { cpus: Some((sender, receiver)), apart }
            }
            None => self.one_of(0, 1),
        }
    }

    /// For one of several pairs that are alive together. Each process has a CPU of its own where there
    /// are enough for all; where there are not, nobody has, and they share the sets.
    #[must_use]
    pub fn one_of(&self, pair: usize, pairs: usize) -> Pair {
        let (senders, receivers): (Vec<usize>, Vec<usize>) = match self.sets() {
            Some((senders, receivers)) if senders.and(&receivers).is_empty() => {
                (senders.iter().collect(), receivers.iter().collect())
            }
            None if self.allowed.len() >= 2 * pairs => {
                (self.allowed.iter().collect(), self.allowed.iter().rev().collect())
            }
            _ => (Vec::new(), Vec::new()),
        };
        match (senders.get(pair), receivers.get(pair)) {
            (Some(&sender), Some(&receiver)) if senders.len().min(receivers.len()) >= pairs => {
                let cpus = Some((Numbers::one(sender), Numbers::one(receiver)));
                Pair { cpus, apart: true }
            }
            _ => Pair { cpus: self.sets(), apart: false },
        }
    }
}

/// What this process and its far end came to have, read back for a cell's setup.
#[must_use]
pub fn setup(own: &str, far: &str, far_pid: Option<u32>) -> BTreeMap<String, Value> {
    let mut setup = BTreeMap::new();
    let said = |pid| match allowed(pid) {
        Ok(cpus) => json!(cpus.to_string()),
        Err(errno) => json!(format!("unavailable: sched_getaffinity: {errno}")),
    };
    setup.insert(format!("{own}_cpus"), said(0));
    setup.extend(far_pid.map(|pid| (format!("{far}_cpus"), said(pid))));
    // A kernel without nodes has no policies, and nobody was bound to one.
    if let Ok(Some(nodes)) = numa::bound() {
        setup.insert("numa_node".to_owned(), json!(nodes.to_string()));
    }
    setup
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cpus(allowed: &str, sender: Option<&str>, receiver: Option<&str>) -> Cpus {
        let set = |text: &str| text.parse().unwrap();
        let asked = Asked { sender: sender.map(set), receiver: receiver.map(set), node: None };
        Cpus { allowed: set(allowed), asked }
    }

    fn pair(sender: &str, receiver: &str, apart: bool) -> Pair {
        let cpus = Some((sender.parse().unwrap(), receiver.parse().unwrap()));
        Pair { cpus, apart }
    }

    #[test]
    fn without_a_wish_a_pair_has_the_first_and_the_last() {
        assert_eq!(cpus("0-7", None, None).alone(), pair("0", "7", true));
        assert_eq!(cpus("3", None, None).alone(), Pair::default());
    }

    #[test]
    fn sets_are_shared_and_what_is_not_named_is_the_rest() {
        assert_eq!(cpus("0-7", Some("0-3"), None).alone(), pair("0-3", "4-7", true));
        assert_eq!(cpus("0-7", None, Some("6")).alone(), pair("0-5,7", "6", true));
        assert_eq!(cpus("0-1", Some("0-1"), None).alone(), pair("0-1", "0-1", false));
        assert_eq!(cpus("0-7", Some("0-3"), Some("3-4")).alone(), pair("0-3", "3-4", false));
    }

    #[test]
    fn all_of_several_pairs_have_a_cpu_of_their_own_or_none_has() {
        let free = cpus("0-7", None, None);
        assert_eq!(free.one_of(0, 4), pair("0", "7", true));
        assert_eq!(free.one_of(3, 4), pair("3", "4", true));
        assert_eq!(free.one_of(0, 5), Pair::default());
        let sets = cpus("0-7", Some("4-5"), Some("0-2"));
        assert_eq!(sets.one_of(1, 2), pair("5", "1", true));
        assert_eq!(sets.one_of(0, 3), pair("4-5", "0-2", false));
        assert_eq!(cpus("0-7", Some("0-3"), Some("0-3")).one_of(0, 2), pair("0-3", "0-3", false));
    }

    #[test]
    fn what_does_not_exist_is_refused_with_what_there_is() {
        let asked = Asked { sender: Some("0,8000".parse().unwrap()), ..Asked::default() };
        let why = format!("{:#}", asked.settle().unwrap_err());
        assert!(why.starts_with("--sender-cpus 0,8000: this machine has no CPU 8000"), "{why}");
        let asked = Asked { node: Some(999), ..Asked::default() };
        let why = format!("{:#}", asked.settle().unwrap_err());
        assert!(why.starts_with("--numa 999: this "), "{why}");
    }

    #[test]
    fn a_wish_is_read_from_its_facts() {
        let asked = Asked { sender: Some("0-3,8".parse().unwrap()), receiver: None, node: Some(1) };
        assert_eq!(Asked::recorded(&asked.facts()), asked);
        assert_eq!(Asked::recorded(&BTreeMap::new()), Asked::default());
    }
}
