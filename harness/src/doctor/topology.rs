//! How do CPUs and memory lie to each other, and may processes be placed among them?
//!
//! Two CPUs of one core share its caches and its units, so that what the receiver does there is the
//! sender's cost. Nodes are asked of `/sys/devices/system/node`; a policy of memory is set in earnest,
//! for the thread in which this group is asked, and ends with it.

use super::{Capability, Found, read, refused};
use crate::cpus::{Numbers, numa};
use nix::errno::Errno;

/// The CPUs of the core that this CPU belongs to, itself included.
fn siblings(cpu: usize) -> Result<Numbers, String> {
    read(format!("/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list"))?.parse()
}

/// Whether the CPUs that sender and receiver have by default are of different cores.
fn cores() -> Found {
    let Ok(allowed) = crate::cpus::allowed(0) else {
        return Found::No(
            "sched_getaffinity was refused".to_owned(),
            "a container whose profile allows sched_getaffinity".to_owned(),
        );
    };
    let (Some(first), Some(last)) = (allowed.iter().next(), allowed.iter().next_back()) else {
        return Found::No("no CPU may be used".to_owned(), "taskset -c 0,1 zclab …".to_owned());
    };
    let of_first = match siblings(first) {
        Ok(of_first) => of_first,
        Err(why) => return Found::No(why, "a kernel that fills in CPU topology".to_owned()),
    };
    let others = allowed.without(&of_first);
    let shared = if of_first.len() > 1 {
        format!("CPUs {of_first} are one core")
    } else {
        "no core has two CPUs (as far as a virtual machine is told)".to_owned()
    };
    match (first != last && of_first.has(last), others.iter().next_back()) {
        (false, _) => Found::Yes(format!("CPUs {allowed}; {shared}")),
        (true, Some(other)) => Found::Partly(
            format!("CPUs {allowed}; {shared}, and sender and receiver share it"),
            format!("zclab run --sender-cpus {first} --receiver-cpus {other} …"),
        ),
        (true, None) => Found::Partly(
            format!("CPUs {allowed}; {shared}, and there is no other"),
            "a machine, or a set of CPUs, with two cores".to_owned(),
        ),
    }
}

fn nodes() -> Found {
    let kernel = || "a kernel built with CONFIG_NUMA=y".to_owned();
    let nodes = match numa::nodes() {
        Ok(nodes) => nodes,
        Err(why) => return Found::No(why, kernel()),
    };
    let with_cpus = |node| match numa::cpus_of(node) {
        Ok(cpus) if cpus.is_empty() => format!("node {node} without CPUs"),
        Ok(cpus) => format!("node {node} with CPUs {cpus}"),
        Err(why) => format!("node {node} ({why})"),
    };
    Found::Yes(nodes.iter().map(with_cpus).collect::<Vec<_>>().join(", "))
}

fn policy() -> Found {
    let node = match numa::nodes() {
        Ok(nodes) => nodes.iter().next().unwrap_or(0),
        Err(_) => 0,
    };
    match numa::bind(node) {
        Ok(()) => Found::Yes(format!("set_mempolicy(MPOL_BIND) to node {node}")),
        Err(errno) => {
            let unlock = match errno {
                Errno::EPERM => "docker run --cap-add SYS_NICE …",
                _ => "a kernel built with CONFIG_NUMA=y",
            };
            Found::No(refused("set_mempolicy(MPOL_BIND)", errno), unlock.to_owned())
        }
    }
}

/// The rows of this group.
#[must_use]
pub fn rows() -> Vec<Capability> {
    let apart = "sender and receiver on cores of their own (--sender-cpus, --receiver-cpus)";
    let place = "runs whose memory and page cache lie on one node (--numa)";
    vec![
        Capability::new("cores", apart, cores()),
        Capability::new("numa_nodes", "nodes to choose from (--numa)", nodes()),
        Capability::new("memory_policy", place, policy()),
    ]
}
