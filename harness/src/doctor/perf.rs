//! Can the kernel's share of the CPU be sampled, and can samples be given names?
//!
//! `perf_event_open` is tried on this thread itself: the software clock, which every kernel has, and
//! hardware cycles, which most virtual machines lack. The events never run, since they are opened
//! disabled and closed at once.

use super::{Capability, Found, failed, privileges, refused, sysctl};
use nix::errno::Errno;
use std::io::{BufRead, BufReader};
use std::os::fd::{FromRawFd, OwnedFd};

/// From `linux/perf_event.h`.
const TYPE_HARDWARE: u32 = 0;
const TYPE_SOFTWARE: u32 = 1;
const CONFIG_FIRST: u64 = 0;
const DISABLED: u64 = 1;
const EXCLUDE_KERNEL: u64 = 1 << 5;

/// The setting that decides for users without privileges.
const PARANOID: &str = "kernel.perf_event_paranoid";

/// `struct perf_event_attr` as the first kernels had it (64 bytes), which all later ones accept.
#[repr(C)]
#[derive(Default)]
struct Attributes {
    kind: u32,
    size: u32,
    config: u64,
    sample_period: u64,
    sample_and_read_format: [u64; 2],
    flags: u64,
    rest: [u64; 2],
}

/// Opens cpu-clock (`PERF_COUNT_SW_CPU_CLOCK`) or cycles (`PERF_COUNT_HW_CPU_CYCLES`): number 0 both.
fn open(kind: u32, flags: u64) -> Result<OwnedFd, Errno> {
    let attributes = Attributes {
        kind,
        size: size_of::<Attributes>() as u32,
        config: CONFIG_FIRST,
        sample_period: 1_000_000,
        flags: flags | DISABLED,
        ..Attributes::default()
    };
    let (this_thread, any_cpu, no_group, no_flags) = (0, -1, -1, 0);
    // SAFETY: `attributes` lives on this stack frame with its size inside; the kernel reads it during
    // the call only. The other arguments are integers.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_perf_event_open,
            &raw const attributes,
            this_thread,
            any_cpu,
            no_group,
            no_flags,
        )
    };
    let fd = Errno::result(answer)? as i32;
    // SAFETY: the kernel has just opened `fd` for this process, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// How to get past a refusal.
fn how_to_unlock(errno: Errno) -> String {
    match errno {
        Errno::EPERM | Errno::EACCES => format!(
            "sudo sysctl kernel.perf_event_paranoid=1, or {}",
            privileges::grant(&[privileges::PERFMON])
        ),
        Errno::ENOSYS => "a kernel built with CONFIG_PERF_EVENTS=y".to_owned(),
        _ => "a processor whose counters are visible; in a virtual machine a virtual PMU (QEMU: \
              -cpu host,pmu=on)"
            .to_owned(),
    }
}

fn event(kind: u32, what: &str) -> Found {
    let paranoid = sysctl(PARANOID);
    let call = format!("perf_event_open({what}) with the kernel included");
    let errno = match open(kind, 0) {
        Ok(_) => return Found::Yes(format!("{call}; {paranoid}")),
        Err(errno) => errno,
    };
    let reason = match errno {
        Errno::EPERM | Errno::EACCES => format!("{}; {paranoid}", refused(&call, errno)),
        _ => refused(&call, errno),
    };
    match open(kind, EXCLUDE_KERNEL) {
        Ok(_) => Found::Partly(format!("user mode only: {reason}"), how_to_unlock(errno)),
        Err(same) if same == errno => Found::No(reason, how_to_unlock(errno)),
        // A privilege alone would not help: the event does not exist.
        Err(other) => {
            let alone = format!("perf_event_open({what}) of user mode");
            Found::No(format!("{reason}; {}", refused(&alone, other)), how_to_unlock(other))
        }
    }
}

/// Whether the first symbol has an address: the kernel shows 0 to those who may not see them.
fn symbols() -> Found {
    let path = "/proc/kallsyms";
    let restrict = sysctl("kernel.kptr_restrict");
    let mut line = String::new();
    let got = std::fs::File::open(path).and_then(|f| BufReader::new(f).read_line(&mut line));
    match got.map(|_| address(&line)) {
        Err(error) => Found::No(
            failed(path, &error),
            "a kernel built with CONFIG_KALLSYMS=y, and a /proc that shows it".to_owned(),
        ),
        Ok(None) => Found::No(
            format!("{path}: its first line is not an address and a name"),
            "a kernel built with CONFIG_KALLSYMS=y".to_owned(),
        ),
        Ok(Some(0)) => Found::No(
            format!("{path}: addresses read 0; {restrict}, {}", sysctl(PARANOID)),
            format!(
                "sudo sysctl kernel.kptr_restrict=0 kernel.perf_event_paranoid=1, or {}",
                privileges::grant(&[privileges::SYSLOG])
            ),
        ),
        Ok(Some(_)) => Found::Yes(format!("{path} shows addresses; {restrict}")),
    }
}

/// The address that a line of `/proc/kallsyms` begins with.
fn address(line: &str) -> Option<u64> {
    let (address, rest) = line.split_once(' ')?;
    (!rest.trim().is_empty()).then_some(())?;
    u64::from_str_radix(address, 16).ok()
}

/// The rows of this group.
#[must_use]
pub fn rows() -> Vec<Capability> {
    let clock = "CPU share: samples of the kernel by the software clock";
    let cycles = "cycles and cache misses beside CPU time";
    vec![
        Capability::new("software_clock", clock, event(TYPE_SOFTWARE, "cpu-clock")),
        Capability::new("hardware_cycles", cycles, event(TYPE_HARDWARE, "cycles")),
        Capability::new("kernel_symbols", "CPU share: names for kernel addresses", symbols()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_kallsyms_begin_with_an_address() {
        let start = "ffffffff81000000 T startup_64\n";
        assert_eq!(address(start), Some(0xffff_ffff_8100_0000));
        assert_eq!(address("0000000000000000 A x\n"), Some(0));
        assert_eq!((address(""), address("T x"), address("12 ")), (None, None, None));
    }

    #[test]
    fn the_kernels_layout_is_kept() {
        assert_eq!(size_of::<Attributes>(), 64);
        assert_eq!(std::mem::offset_of!(Attributes, flags), 40);
    }
}
