//! On what does the sender's CPU time go?
//!
//! The CPU clock is sampled on every CPU while a block of one cell moves; samples of the sender's
//! process, its io_uring workers included, are kept when they lie in the timed loop. No BPF program is
//! attached meanwhile, or it would be part of what is seen. Stacks are of the kernel only: what the
//! process does itself is one frame.

use super::symbols::Symbols;
use perf_event::data::Record as Event;
use perf_event::events::Software;
use perf_event::{Builder, Clock, SampleFlag, Sampler};
use std::collections::{BTreeMap, HashMap};
use zclab_report::profile::{Group, USER};
use zclab_report::record::Profile;

/// CPU time between two samples: 4 kHz.
pub const PERIOD_NS: u64 = 250_000;
/// Whose time it is.
const SIDE: &str = "sender";
/// Memory for samples of one CPU; more than a block makes.
const RING_BYTES: usize = 512 << 10;
/// Bounds of the folded text: stacks, and bytes.
const STACKS_MAX: usize = 400;
const FOLDED_BYTES_MAX: usize = 32 << 10;
/// Addresses from here on are marks between the parts of a stack (`PERF_CONTEXT_…`).
const MARKS: u64 = u64::MAX - 4095;
/// Addresses of the kernel have this bit.
const KERNEL: u64 = 1 << 63;

/// A sampler for each CPU, and the kernel's symbols.
pub struct Profiler {
    samplers: Vec<Sampler>,
    symbols: Result<Symbols, String>,
}

/// The samples of one cell.
#[derive(Debug, Default, PartialEq)]
pub struct Stacks {
    /// Addresses, innermost first; none for the process itself.
    counts: HashMap<Vec<u64>, u64>,
    lost: u64,
}

impl Profiler {
    /// Opens the samplers; nothing is sampled yet.
    ///
    /// # Errors
    /// Why the kernel refuses.
    pub fn open() -> Result<Profiler, String> {
        let cpus = aya::util::online_cpus().map_err(|(what, error)| format!("{what}: {error}"))?;
        let samplers = cpus.into_iter().map(|cpu| sampler(cpu as usize)).collect::<Result<_, _>>();
        let samplers = samplers.map_err(|error| {
            let paranoid = std::fs::read_to_string("/proc/sys/kernel/perf_event_paranoid");
            let paranoid = paranoid.map_or("unknown".to_owned(), |text| text.trim().to_owned());
            format!(
                "perf_event_open: {error} (kernel.perf_event_paranoid is {paranoid}; root or \
                 CAP_PERFMON may)"
            )
        })?;
        Ok(Profiler { samplers, symbols: Symbols::load() })
    }

    /// Begins to sample.
    ///
    /// # Errors
    /// What the kernel said.
    pub fn start(&mut self) -> Result<(), String> {
        let switched = self.samplers.iter_mut().map(|one| one.as_counter_mut().enable());
        switched
            .collect::<Result<(), _>>()
            .map_err(|error| format!("PERF_EVENT_IOC_ENABLE: {error}"))
    }

    /// Ends to sample; keeps those samples of a process that lie between two readings of the
    /// monotonic clock.
    ///
    /// # Errors
    /// What the kernel said.
    pub fn stop(&mut self, pid: u32, span: (u64, u64), stacks: &mut Stacks) -> Result<(), String> {
        for sampler in &mut self.samplers {
            let disabled = sampler.as_counter_mut().disable();
            disabled.map_err(|error| format!("PERF_EVENT_IOC_DISABLE: {error}"))?;
            while let Some(record) = sampler.next_record() {
                match record.parse_record() {
                    Ok(Event::Sample(sample)) => {
                        let within =
                            sample.time().is_some_and(|at| (span.0..=span.1).contains(&at));
                        if sample.pid() == Some(pid) && within {
                            stacks.add(sample.ip(), sample.callchain().unwrap_or_default());
                        }
                    }
                    Ok(Event::Lost(lost)) => stacks.lost += lost.lost,
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// The record's line.
    #[must_use]
    pub fn profile(&self, cell: String, stacks: &Stacks) -> Profile {
        profile(cell, stacks, self.symbols.as_ref())
    }
}

fn sampler(cpu: usize) -> std::io::Result<Sampler> {
    let mut builder = Builder::new(Software::CPU_CLOCK);
    builder
        .any_pid()
        .one_cpu(cpu)
        .include_kernel()
        .exclude_idle(true)
        .sample_period(PERIOD_NS)
        .sample(SampleFlag::IP | SampleFlag::TID | SampleFlag::TIME | SampleFlag::CALLCHAIN)
        .clockid(Clock::MONOTONIC)
        .exclude_callchain_user(true);
    builder.build()?.sampled(RING_BYTES)
}

/// The line of a cell that could not be profiled.
#[must_use]
pub fn unavailable(cell: String, why: &str) -> Profile {
    Profile {
        cell,
        period_ns: PERIOD_NS,
        side: SIDE.to_owned(),
        kernel_symbols: "unavailable".to_owned(),
        reason: Some(why.to_owned()),
        ..Profile::default()
    }
}

impl Stacks {
    /// Samples so far.
    #[must_use]
    pub fn samples(&self) -> u64 {
        self.counts.values().sum()
    }

    fn add(&mut self, address: Option<u64>, chain: &[u64]) {
        let in_kernel = address.is_none_or(|address| address & KERNEL != 0);
        let kernel = |address: &&u64| **address < MARKS && **address & KERNEL != 0;
        let frames =
            if in_kernel { chain.iter().filter(kernel).copied().collect() } else { vec![] };
        *self.counts.entry(frames).or_default() += 1;
    }
}

fn profile(cell: String, stacks: &Stacks, symbols: Result<&Symbols, &String>) -> Profile {
    let mut groups: BTreeMap<String, u64> = BTreeMap::new();
    let mut folded: BTreeMap<String, u64> = BTreeMap::new();
    for (addresses, count) in &stacks.counts {
        let frames = names(addresses, symbols);
        let group = Group::of_stack(frames.iter().copied());
        *groups.entry(group.name().to_owned()).or_default() += count;
        let outermost_first: Vec<&str> = frames.into_iter().rev().collect();
        *folded.entry(outermost_first.join(";")).or_default() += count;
    }
    let (folded, left_out) = bounded(folded);
    Profile {
        cell,
        samples: stacks.samples(),
        period_ns: PERIOD_NS,
        side: SIDE.to_owned(),
        groups,
        folded,
        left_out,
        lost: stacks.lost,
        kernel_symbols: symbols.err().cloned().unwrap_or("yes".to_owned()),
        reason: (stacks.samples() == 0).then(|| "no sample fell into the blocks".to_owned()),
    }
}

/// Names of a stack, innermost first.
fn names<'a>(addresses: &[u64], symbols: Result<&'a Symbols, &String>) -> Vec<&'a str> {
    let Ok(symbols) = symbols else {
        return vec![if addresses.is_empty() { USER } else { "kernel" }];
    };
    if addresses.is_empty() {
        return vec![USER];
    }
    let name = |(depth, address): (usize, &u64)| {
        // A caller's address is where it goes on, which may be behind its end.
        let address = if depth > 0 { address - 1 } else { *address };
        symbols.of(address).unwrap_or("unknown")
    };
    addresses.iter().enumerate().map(name).collect()
}

/// The most frequent stacks as text, and how many samples had no room.
fn bounded(folded: BTreeMap<String, u64>) -> (String, u64) {
    let mut stacks: Vec<(String, u64)> = folded.into_iter().collect();
    stacks.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let (mut text, mut left_out) = (String::new(), 0);
    for (n, (stack, count)) in stacks.into_iter().enumerate() {
        if n < STACKS_MAX && text.len() + stack.len() + 12 < FOLDED_BYTES_MAX {
            text += &format!("{stack} {count}\n");
        } else {
            left_out += count;
        }
    }
    (text, left_out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const K: u64 = 0xffff_ffff_8100_0000;

    fn symbols() -> Symbols {
        let text = "ffffffff81000000 T do_syscall_64\nffffffff81000100 T tcp_sendmsg\n\
            ffffffff81000200 T _copy_from_iter\nffffffff81000300 T last\n";
        Symbols::for_tests(text)
    }

    #[test]
    fn samples_become_groups_and_folded_stacks() {
        let mut stacks = Stacks::default();
        let chain = [MARKS + 10, K + 0x210, K + 0x110, K + 0x100];
        stacks.add(Some(K + 0x210), &chain);
        stacks.add(Some(K + 0x210), &chain);
        stacks.add(Some(0x5555_0000), &[MARKS + 20, 0x5555_0000]);
        let line = profile("c".into(), &stacks, Ok(&symbols()));
        assert_eq!((line.samples, line.left_out, line.reason), (3, 0, None));
        assert_eq!(line.groups, BTreeMap::from([("copy".into(), 2), ("user".into(), 1)]));
        // The outermost frame's return address lies at the end of its function.
        assert_eq!(line.folded, "do_syscall_64;tcp_sendmsg;_copy_from_iter 2\nuser 1\n");
        assert_eq!(line.kernel_symbols, "yes");
    }

    #[test]
    fn without_symbols_the_kernel_is_one_function_and_the_line_says_why() {
        let mut stacks = Stacks::default();
        stacks.add(Some(K), &[K]);
        let why = "hidden".to_owned();
        let line = profile("c".into(), &stacks, Err(&why));
        assert_eq!((line.folded.as_str(), line.kernel_symbols.as_str()), ("kernel 1\n", "hidden"));
        assert_eq!(line.groups, BTreeMap::from([("other".into(), 1)]));
        let none = profile("c".into(), &Stacks::default(), Err(&why));
        assert!(none.reason.is_some(), "no sample needs a reason");
    }

    #[test]
    fn the_text_is_bounded_and_says_what_it_lacks() {
        let many = (0..STACKS_MAX as u64 + 7).map(|n| (format!("f{n}"), 1 + n % 3)).collect();
        let (text, left_out) = bounded(many);
        assert_eq!((text.lines().count(), left_out), (STACKS_MAX, 7));
        let long = BTreeMap::from([("x".repeat(FOLDED_BYTES_MAX), 5), ("y".to_owned(), 1)]);
        assert_eq!(bounded(long), ("y 1\n".to_owned(), 5));
    }
}
