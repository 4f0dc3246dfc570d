//! Are the tracepoints that the ledger counts with in this kernel, and what could stand in for them?
//!
//! Presence is read from the kernel's BTF (see `btf`), which anybody may read and without which no
//! program of the ledger loads. Of an event that was renamed either name will do.

use super::btf::Btf;
use super::{Capability, Found, bpf, failed, privileges, read};
use crate::ledger::object::{PURPOSES, Purpose};

/// Where tracefs is mounted, when it is.
const TRACEFS: [&str; 2] = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"];
const MOUNT: &str = "sudo mount -t tracefs tracefs /sys/kernel/tracing";

/// Those of the ledger's purposes of which no tracepoint is there, by the newest name.
fn missing(is_there: impl Fn(&str) -> bool) -> Vec<&'static str> {
    let lacks = |(_, forms): &&Purpose| !forms.iter().any(|(_, name)| is_there(name));
    PURPOSES
        .iter()
        .filter(lacks)
        .filter_map(|(_, forms)| forms.first())
        .map(|form| form.1)
        .collect()
}

/// Whether tracefs can be searched; the mount point, or the call that says no.
fn tracefs() -> Result<&'static str, String> {
    let mut reasons = TRACEFS.iter().map(|dir| {
        let entry = std::fs::metadata(format!("{dir}/events"));
        entry.map(|_| *dir).map_err(|error| failed(&format!("stat {dir}/events"), &error))
    });
    let first = reasons.next().unwrap_or_else(|| Err("no mount point is known".to_owned()));
    first.or_else(|reason| reasons.find_map(Result::ok).ok_or(reason))
}

fn ledger() -> Found {
    let newer = "a newer kernel (Linux 6.16 on x86-64 has all of them)".to_owned();
    let btf = match Btf::of_kernel() {
        Ok(btf) => btf,
        Err(reason) => {
            return Found::No(reason, "a kernel built with CONFIG_DEBUG_INFO_BTF=y".into());
        }
    };
    let names = btf.names();
    let lacks = missing(|name| names.contains(&format!("btf_trace_{name}").into_bytes()[..]));
    let all = PURPOSES.len();
    let count = format!("{} of {all} in the kernel's BTF", all - lacks.len());
    match lacks.len() {
        0 => Found::Yes(count),
        n if n == all => Found::No(count, newer),
        _ => Found::Partly(format!("{count}; missing: {}", lacks.join(", ")), newer),
    }
}

fn tracefs_row() -> Capability {
    let found = match tracefs() {
        Ok(dir) => Found::Yes(format!("mounted at {dir}")),
        Err(reason) if reason.contains("EACCES") => {
            Found::No(reason, privileges::grant(&[privileges::DAC_READ_SEARCH]))
        }
        Err(reason) => Found::No(reason, MOUNT.to_owned()),
    };
    Capability::new("tracefs", "formats of events for other tools; the ledger uses BTF", found)
}

fn kprobes() -> Capability {
    let found = match read("/sys/bus/event_source/devices/kprobe/type") {
        Ok(number) => Found::Yes(format!("the kernel has them, as event source {number}")),
        Err(reason) => {
            let how = "a kernel built with CONFIG_KPROBE_EVENTS=y; not needed where all \
                       tracepoints are there";
            Found::No(reason, how.to_owned())
        }
    };
    Capability::new("kprobes", "a fallback for tracepoints that an older kernel lacks", found)
}

/// The rows of this group.
#[must_use]
pub fn rows() -> Vec<Capability> {
    let enables = "the ledger: bytes, system calls, switches, faults, device requests";
    let fallback = "a fallback for tracepoints that an older kernel lacks";
    vec![
        Capability::new("ledger", enables, ledger()),
        tracefs_row(),
        kprobes(),
        Capability::new("fentry", fallback, bpf::fentry()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_two_names_is_enough_and_missing_ones_are_named() {
        assert!(missing(|_| true).is_empty());
        assert_eq!(missing(|_| false).len(), PURPOSES.len());
        let old = |name: &str| {
            !["io_uring_submit_req", "tcp_sendmsg_locked", "sock_send_length"].contains(&name)
        };
        assert_eq!(missing(old), ["sock_send_length", "tcp_sendmsg_locked"]);
    }
}
