//! Are the tracepoints that the ledger counts with in this kernel, and what could stand in for them?
//!
//! Presence is read from the kernel's BTF (see `btf`), which anybody may read; where there is none,
//! from tracefs. io_uring renamed one event; either name will do.

use super::btf::Btf;
use super::{Capability, Found, bpf, failed, privileges, read};
use std::path::Path;

/// The ledger's events as (subsystem, names of which one is enough).
const LEDGER: [(&str, &[&str]); 17] = [
    ("raw_syscalls", &["sys_enter"]),
    ("raw_syscalls", &["sys_exit"]),
    ("sched", &["sched_switch"]),
    ("net", &["net_dev_start_xmit"]),
    ("skb", &["skb_copy_datagram_iovec"]),
    ("sock", &["sock_send_length"]),
    ("tcp", &["tcp_sendmsg_locked"]),
    ("io_uring", &["io_uring_submit_req", "io_uring_submit_sqe"]),
    ("io_uring", &["io_uring_complete"]),
    ("io_uring", &["io_uring_queue_async_work"]),
    ("filemap", &["mm_filemap_add_to_page_cache"]),
    ("filemap", &["mm_filemap_delete_from_page_cache"]),
    ("filemap", &["mm_filemap_get_pages"]),
    ("filemap", &["mm_filemap_map_pages"]),
    ("exceptions", &["page_fault_user"]),
    ("exceptions", &["page_fault_kernel"]),
    ("block", &["block_rq_issue"]),
];

/// Where tracefs is mounted, when it is.
const TRACEFS: [&str; 2] = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"];
const MOUNT: &str = "sudo mount -t tracefs tracefs /sys/kernel/tracing";

/// Those of the ledger's events of which no name is there, as `subsystem:name`.
fn missing(is_there: impl Fn(&str, &str) -> bool) -> Vec<String> {
    let lacks = LEDGER.iter().filter(|(of, names)| !names.iter().any(|name| is_there(of, name)));
    lacks.map(|(of, names)| format!("{of}:{}", names[0])).collect()
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
    let (lacks, source) = match (Btf::of_kernel(), tracefs()) {
        (Ok(btf), _) => {
            let names = btf.names();
            let typedef = |name: &str| format!("btf_trace_{name}").into_bytes();
            (missing(|_, name| names.contains(&typedef(name)[..])), "the kernel's BTF")
        }
        (Err(_), Ok(dir)) => {
            let event = |of: &str, name: &str| format!("{dir}/events/{of}/{name}");
            (missing(|of, name| Path::new(&event(of, name)).exists()), dir)
        }
        (Err(no_types), Err(no_events)) => {
            return Found::No(format!("{no_types}; {no_events}"), MOUNT.to_owned());
        }
    };
    let count = format!("{} of {} in {source}", LEDGER.len() - lacks.len(), LEDGER.len());
    let newer = "a newer kernel (Linux 6.16 on x86-64 has all of them)".to_owned();
    match lacks.len() {
        0 => Found::Yes(count),
        n if n == LEDGER.len() => Found::No(format!("none in {source}"), newer),
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
        assert!(missing(|_, _| true).is_empty());
        assert_eq!(missing(|_, _| false).len(), LEDGER.len());
        let old = |_: &str, name: &str| {
            !["io_uring_submit_req", "tcp_sendmsg_locked", "sock_send_length"].contains(&name)
        };
        assert_eq!(missing(old), ["sock:sock_send_length", "tcp:tcp_sendmsg_locked"]);
    }
}
