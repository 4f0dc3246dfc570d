//! Which of the ledger's programs does this kernel take, and which not, and why?
//!
//! The object is loaded once; each program is loaded and attached by itself. What a kernel refuses is
//! a gap with a name and a reason, and the others count on. Everything is held by file descriptors of
//! this process: however it ends, the kernel detaches the programs with it.

use aya::maps::{Array, HashMap, MapData, MapError, PerCpuArray};
use aya::programs::BtfTracePoint;
use aya::programs::tp_btf::BtfTracePointLinkId;
use aya::{Btf, Ebpf, EbpfLoader, Pod};
use std::collections::BTreeMap;
use std::time::Duration;

/// The compiled programs, `harness/bpf/ledger.bpf.c`.
static OBJECT: &[u8] = aya::include_bytes_aligned!("../../bpf/ledger.bpf.o");

/// Something to observe: its name, and the programs that can, as (program, tracepoint). A kernel
/// takes one of them at most; an older form stands first where the newer would read nonsense there.
pub type Purpose = (&'static str, &'static [(&'static str, &'static str)]);

/// What is observed. Names are those of gaps in records.
pub const PURPOSES: [Purpose; 18] = [
    ("queue", &[("queued", "net_dev_queue")]),
    ("transmit", &[("transmit", "net_dev_start_xmit")]),
    ("receive", &[("receive", "skb_copy_datagram_iovec")]),
    ("sent", &[("sent", "sock_send_length")]),
    ("tcp-send", &[("tcp_send", "tcp_sendmsg_locked")]),
    ("learn-read", &[("learn_read", "mm_filemap_get_pages")]),
    ("learn-touch", &[("learn_touch", "mm_filemap_map_pages")]),
    ("cache-fill", &[("cache_fill", "mm_filemap_add_to_page_cache")]),
    ("cache-evict", &[("cache_evict", "mm_filemap_delete_from_page_cache")]),
    ("device", &[("device_before", "block_rq_issue"), ("device_now", "block_rq_issue")]),
    ("switch", &[("switch_now", "sched_switch"), ("switch_before", "sched_switch")]),
    ("fault-user", &[("fault_user", "page_fault_user")]),
    ("fault-kernel", &[("fault_kernel", "page_fault_kernel")]),
    ("submit", &[("submit_now", "io_uring_submit_req"), ("submit_before", "io_uring_submit_sqe")]),
    ("punt", &[("punted", "io_uring_queue_async_work")]),
    (
        "complete",
        &[("complete_before", "io_uring_complete"), ("complete_now", "io_uring_complete")],
    ),
    ("enter", &[("enter", "sys_enter")]),
    ("leave", &[("leave", "sys_exit")]),
];

/// Why the ledger cannot count here.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{call}: {reason}")]
pub struct Unavailable {
    /// What was tried.
    pub call: &'static str,
    /// What the kernel said.
    pub reason: String,
}

impl Unavailable {
    /// A refusal, with the errors below it.
    pub fn of(call: &'static str, error: &(dyn std::error::Error + 'static)) -> Unavailable {
        let mut reason = error.to_string();
        let mut source = error.source();
        while let Some(error) = source {
            let text = error.to_string();
            if !reason.contains(&text) {
                reason = format!("{reason}: {text}");
            }
            source = error.source();
        }
        Unavailable { call, reason: short(&reason) }
    }
}

/// The verifier's log is pages long and belongs into no table: of it, only its last remark, before
/// statistics. A tracepoint that the kernel lacks is called so.
fn short(reason: &str) -> String {
    let (said, log) = reason.split_once("Verifier output:").unwrap_or((reason, ""));
    let said = said.lines().next().unwrap_or_default().trim().trim_end_matches([':', '.']);
    let statistics = ["processed ", "verification time ", "stack depth "];
    let remark =
        log.lines().rev().map(str::trim).find(|line| {
            !line.is_empty() && !statistics.iter().any(|start| line.starts_with(start))
        });
    match remark {
        Some(remark) => format!("the verifier refuses the program: {remark}"),
        None if said.starts_with("unknown BTF type `btf_trace_") => "no such tracepoint".to_owned(),
        None => said.to_owned(),
    }
}

/// The programs and their maps. Dropping it detaches everything.
pub struct Object {
    ebpf: Ebpf,
    taken: Vec<&'static str>,
    links: Vec<(&'static str, BtfTracePointLinkId)>,
    gaps: BTreeMap<&'static str, String>,
}

impl Object {
    /// Loads what this kernel takes.
    ///
    /// # Errors
    /// The kernel has no type information, or refuses the maps: no privilege, in most cases.
    pub fn load() -> Result<Object, Unavailable> {
        let btf = Btf::from_sys_fs()
            .map_err(|error| Unavailable::of("reading /sys/kernel/btf/vmlinux", &error))?;
        // Before 5.11 the memory of maps is charged to this limit; later kernels ignore it, and so
        // may a refusal be: creating the maps says what is missing.
        let limit = nix::sys::resource::Resource::RLIMIT_MEMLOCK;
        let _ = nix::sys::resource::setrlimit(limit, libc::RLIM_INFINITY, libc::RLIM_INFINITY);
        let ebpf = EbpfLoader::new().btf(Some(&btf)).load(OBJECT);
        let mut ebpf = ebpf.map_err(|error| Unavailable::of("bpf(BPF_MAP_CREATE)", &error))?;
        let (mut taken, mut gaps) = (Vec::new(), BTreeMap::new());
        for (purpose, forms) in PURPOSES {
            let mut refusals = Vec::new();
            let form = forms.iter().find(|(program, tracepoint)| {
                let loaded = load_one(&mut ebpf, program, tracepoint, &btf);
                loaded.map_err(|why| refusals.push(format!("{tracepoint}: {}", why.reason))).is_ok()
            });
            match form {
                Some((program, _)) => taken.push(*program),
                None => drop(gaps.insert(purpose, refusals.join("; "))),
            }
        }
        if taken.is_empty() {
            let reason = gaps.values().next().cloned().unwrap_or_default();
            return Err(Unavailable { call: "bpf(BPF_PROG_LOAD)", reason });
        }
        Ok(Object { ebpf, taken, links: Vec::new(), gaps })
    }

    /// What this kernel cannot show, and why, by purpose.
    #[must_use]
    pub fn gaps(&self) -> &BTreeMap<&'static str, String> {
        &self.gaps
    }

    /// Attaches everything that was taken. When this returns, events are seen.
    ///
    /// # Errors
    /// What the kernel refused; nothing stays attached then.
    pub fn attach(&mut self) -> Result<(), Unavailable> {
        self.attach_without(&[])
    }

    /// The same, but for some programs, by name.
    ///
    /// # Errors
    /// What the kernel refused; nothing stays attached then.
    pub fn attach_without(&mut self, left_out: &[&str]) -> Result<(), Unavailable> {
        for name in self.taken.clone() {
            if left_out.contains(&name) {
                continue;
            }
            let link = program(&mut self.ebpf, name).and_then(|program| {
                program.attach().map_err(|e| Unavailable::of("bpf(BPF_RAW_TRACEPOINT_OPEN)", &e))
            });
            match link {
                Ok(link) => self.links.push((name, link)),
                Err(error) => {
                    self.detach();
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Detaches everything.
    pub fn detach(&mut self) {
        for (name, link) in std::mem::take(&mut self.links) {
            if let Ok(program) = program(&mut self.ebpf, name) {
                // Closing a link cannot fail in a way that leaves it attached.
                let _ = program.detach(link);
            }
        }
    }

    /// Runs of each program that was taken, and the time that they took, as the kernel counted them.
    ///
    /// # Errors
    /// What the kernel refused.
    pub fn cost(&mut self) -> Result<BTreeMap<&'static str, (u64, Duration)>, Unavailable> {
        let mut cost = BTreeMap::new();
        for name in self.taken.clone() {
            let info = program(&mut self.ebpf, name)?.info();
            let info =
                info.map_err(|error| Unavailable::of("bpf(BPF_OBJ_GET_INFO_BY_FD)", &error))?;
            cost.insert(name, (info.run_count(), info.run_time()));
        }
        Ok(cost)
    }

    /// An array map.
    ///
    /// # Errors
    /// The object has no such map.
    pub fn array<V: Pod>(&mut self, name: &str) -> Result<Array<&mut MapData, V>, MapError> {
        Array::try_from(self.map(name)?)
    }

    /// A per-CPU array map.
    ///
    /// # Errors
    /// The object has no such map.
    pub fn per_cpu<V: Pod>(
        &mut self,
        name: &str,
    ) -> Result<PerCpuArray<&mut MapData, V>, MapError> {
        PerCpuArray::try_from(self.map(name)?)
    }

    /// A hash map, evicting or not.
    ///
    /// # Errors
    /// The object has no such map.
    pub fn hash<K: Pod, V: Pod>(
        &mut self,
        name: &str,
    ) -> Result<HashMap<&mut MapData, K, V>, MapError> {
        HashMap::try_from(self.map(name)?)
    }

    fn map(&mut self, name: &str) -> Result<&mut aya::maps::Map, MapError> {
        self.ebpf.map_mut(name).ok_or_else(|| MapError::InvalidName { name: name.to_owned() })
    }
}

fn program<'a>(ebpf: &'a mut Ebpf, name: &str) -> Result<&'a mut BtfTracePoint, Unavailable> {
    let missing = || Unavailable { call: "the ledger's object", reason: format!("no {name}") };
    let program = ebpf.program_mut(name).ok_or_else(missing)?;
    program.try_into().map_err(|error| Unavailable::of("the ledger's object", &error))
}

fn load_one(ebpf: &mut Ebpf, name: &str, tracepoint: &str, btf: &Btf) -> Result<(), Unavailable> {
    let loaded = program(ebpf, name)?.load(tracepoint, btf);
    loaded.map_err(|error| Unavailable::of("bpf(BPF_PROG_LOAD)", &error))
}

#[cfg(test)]
mod tests {
    use super::short;

    #[test]
    fn of_the_verifiers_log_the_last_remark_is_kept() {
        let log = "the BPF_PROG_LOAD syscall returned Permission denied (os error 13). Verifier \
                   output: arg#0 type is not a struct\n0: (79) r1 = *(u64 *)(r6 +32)\n\
                   func 'io_uring_complete' doesn't have 5-th argument\n\
                   processed 1 insns (limit 1000000) max_states_per_insn 0\n\n";
        let kept = "func 'io_uring_complete' doesn't have 5-th argument";
        assert_eq!(short(log), format!("the verifier refuses the program: {kept}"));
        assert_eq!(short("unknown BTF type `btf_trace_x`"), "no such tracepoint");
        assert_eq!(short("unknown BTF type `x`:\nmore"), "unknown BTF type `x`");
        assert_eq!(short("Verifier output: "), "");
    }
}
