//! What did a process cost: CPU time, switches, faults, block bytes?
//!
//! All of it without privilege. CPU time comes from the process CPU clock, never from rusage: the
//! latter is only as fresh as the scheduler's tick, and a slice of two milliseconds reads 0 to 4
//! times the truth there. Counts of switches and faults in rusage are exact at any moment.

use nix::sys::resource::{UsageWho, getrusage};
use nix::time::{ClockId, clock_gettime};
use std::collections::BTreeMap;
use zclab_report::record::reading;

/// Nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Nanos(pub u64);

/// A clock that there is; 0 for the CPU clock of a process that has gone.
#[must_use]
#[inline]
pub fn read_clock(clock: ClockId) -> Nanos {
    // This process's own exist on every Linux; a kernel without them could not have started it.
    let time = clock_gettime(clock).map(|t| (t.tv_sec() as u64, t.tv_nsec() as u64));
    let (seconds, nanos) = time.unwrap_or_default();
    Nanos(seconds * 1_000_000_000 + nanos)
}

/// `CLOCK_MONOTONIC`, the same in every process of a machine.
#[must_use]
#[inline]
pub fn now() -> Nanos {
    read_clock(ClockId::CLOCK_MONOTONIC)
}

/// CPU time of this process so far, all its threads (io_uring's workers too).
#[must_use]
pub fn process_cpu() -> Nanos {
    read_clock(ClockId::CLOCK_PROCESS_CPUTIME_ID)
}

/// Counts of this process so far, taken in an order that charges little to what is measured.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// CPU time.
    pub cpu: Nanos,
    /// Times it gave up its CPU.
    pub voluntary: u64,
    /// Times it lost its CPU.
    pub involuntary: u64,
    /// Faults without device access.
    pub minor: u64,
    /// Faults that waited for the device.
    pub major: u64,
}

impl Usage {
    /// Reads the counts, then the clock: for the beginning of a slice.
    #[must_use]
    pub fn begin() -> Usage {
        let counts = Usage::counts();
        Usage { cpu: process_cpu(), ..counts }
    }

    /// Reads the clock, then the counts: for the end of a slice.
    #[must_use]
    pub fn end() -> Usage {
        let cpu = process_cpu();
        Usage { cpu, ..Usage::counts() }
    }

    fn counts() -> Usage {
        // getrusage fails only for a bad pointer or a bad `who`, and gets neither here.
        let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) else { return Usage::default() };
        Usage {
            cpu: Nanos(0),
            voluntary: usage.voluntary_context_switches() as u64,
            involuntary: usage.involuntary_context_switches() as u64,
            minor: usage.minor_page_faults() as u64,
            major: usage.major_page_faults() as u64,
        }
    }

    /// What happened between two readings.
    #[must_use]
    pub fn since(self, begin: Usage) -> Usage {
        Usage {
            cpu: Nanos(self.cpu.0.saturating_sub(begin.cpu.0)),
            voluntary: self.voluntary.saturating_sub(begin.voluntary),
            involuntary: self.involuntary.saturating_sub(begin.involuntary),
            minor: self.minor.saturating_sub(begin.minor),
            major: self.major.saturating_sub(begin.major),
        }
    }

    /// The readings of a sender, by their names in the record.
    pub fn as_sender(self, readings: &mut BTreeMap<String, u64>) {
        let rows = [
            (reading::SENDER_CPU_NS, self.cpu.0),
            (reading::VOLUNTARY_SWITCHES, self.voluntary),
            (reading::INVOLUNTARY_SWITCHES, self.involuntary),
            (reading::MINOR_FAULTS, self.minor),
            (reading::MAJOR_FAULTS, self.major),
        ];
        readings.extend(rows.map(|(name, value)| (name.to_owned(), value)));
    }

    /// The readings of a process that receives, where that is the measured one.
    pub fn as_receiver(self, readings: &mut BTreeMap<String, u64>) {
        let rows = [
            (reading::RECEIVER_CPU_NS, self.cpu.0),
            (reading::RECEIVER_VOLUNTARY_SWITCHES, self.voluntary),
            (reading::RECEIVER_INVOLUNTARY_SWITCHES, self.involuntary),
            (reading::MINOR_FAULTS, self.minor),
            (reading::MAJOR_FAULTS, self.major),
        ];
        readings.extend(rows.map(|(name, value)| (name.to_owned(), value)));
    }
}

/// Bytes that this process has caused, from `/proc/self/io` (`proc_pid_io(5)`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessIo {
    /// Bytes that its calls returned, splices included (`rchar`).
    pub rchar_bytes: u64,
    /// Bytes that the block layer was asked to read for it (`read_bytes`).
    pub read_bytes: u64,
}

/// Reads `/proc/self/io`; nothing where the kernel was built without it or hides it.
#[must_use]
pub fn process_io() -> Option<ProcessIo> {
    let text = std::fs::read_to_string("/proc/self/io").ok()?;
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().parse::<u64>().ok()
    };
    Some(ProcessIo { rchar_bytes: field("rchar:")?, read_bytes: field("read_bytes:")? })
}

/// Time stolen by the hypervisor from all CPUs so far, from `/proc/stat` in units of the tick.
#[must_use]
pub fn steal() -> Option<Nanos> {
    let text = std::fs::read_to_string("/proc/stat").ok()?;
    let ticks: u64 = text.lines().next()?.split_whitespace().nth(8)?.parse().ok()?;
    let hertz = nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK).ok()??;
    Some(Nanos(ticks.saturating_mul(1_000_000_000) / (hertz.max(1) as u64)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_shows_on_the_clocks_and_in_the_counts() {
        let begin = Usage::begin();
        let (cpu, wall) = (process_cpu(), now());
        let mut pages = vec![0u8; 8 << 20];
        for at in (0..pages.len()).step_by(4096) {
            pages[at] = at as u8;
        }
        std::hint::black_box(&pages);
        assert!(process_cpu() > cpu);
        assert!(now() > wall);
        let used = Usage::end().since(begin);
        assert!(used.cpu.0 > 0);
        assert!(used.minor > 0, "touching fresh memory faults");
    }

    #[test]
    fn process_io_counts_bytes_read() {
        let before = process_io().expect("this kernel has /proc/self/io");
        std::fs::read("/proc/self/exe").unwrap();
        assert!(process_io().unwrap().rchar_bytes > before.rchar_bytes + 1000);
    }
}
