//! May this process load BPF programs that read kernel memory, as the ledger does?
//!
//! Tried in earnest: a program of two instructions as the least that bpf(2) takes, then one that
//! calls `bpf_probe_read_kernel` and is attached to a tracepoint by its BTF number, which is exactly
//! how the ledger's programs come in. Both are gone when their descriptors are closed, at the end of
//! the probe. The second one also answers for lockdown where securityfs is not mounted: the
//! verifier refuses that helper under the confidentiality mode.

use super::btf::{Btf, Kind};
use super::{Capability, Found, privileges, read, refused, sysctl};
use nix::errno::Errno;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// A tracepoint of every kernel that the ledger knows, and a quiet one.
const TRACEPOINT: &str = "btf_trace_mm_filemap_delete_from_page_cache";

/// From `linux/bpf.h`.
const BPF_PROG_LOAD: libc::c_long = 5;
const BPF_RAW_TRACEPOINT_OPEN: libc::c_long = 17;
const SOCKET_FILTER: u32 = 1;
const TRACING: u32 = 26;
const TRACE_RAW_TP: u32 = 23;
const TRACE_FENTRY: u32 = 24;

/// An instruction: operation, registers (source and destination, four bits each), offset, immediate.
const fn op(code: u8, registers: u8, immediate: i32) -> u64 {
    code as u64 | (registers as u64) << 8 | (immediate as u32 as u64) << 32
}

/// `return 0`.
const NOTHING: [u64; 2] = [op(0xb7, 0x00, 0), op(0x95, 0, 0)];

/// `bpf_probe_read_kernel(stack - 8, 8, NULL); return 0`.
const READS: [u64; 7] = [
    op(0xbf, 0xa1, 0),
    op(0x07, 0x01, -8),
    op(0xb7, 0x02, 8),
    op(0xb7, 0x03, 0),
    op(0x85, 0x00, 113),
    op(0xb7, 0x00, 0),
    op(0x95, 0x00, 0),
];

/// The head of `union bpf_attr` for `BPF_PROG_LOAD`, as far as Linux 5.10 knows it.
#[repr(C)]
#[derive(Default)]
struct Load {
    kind: u32,
    instructions: u32,
    code: u64,
    license: u64,
    log: [u32; 4],
    kernel_version: u32,
    flags: u32,
    name: [u8; 16],
    device: u32,
    attach_type: u32,
    functions_and_lines: [u32; 9],
    attach_type_number: u32,
    attach_program: u32,
    room: u32,
}

/// The same for `BPF_RAW_TRACEPOINT_OPEN`.
#[repr(C)]
struct Open {
    name: u64,
    program: u32,
    room: u32,
}

fn bpf<T>(command: libc::c_long, attributes: &T) -> Result<OwnedFd, Errno> {
    let (start, len) = (std::ptr::from_ref(attributes), size_of::<T>());
    // SAFETY: `attributes` is borrowed for the whole call and `len` is its size; the kernel reads it
    // and what it points to (constants of this file) during the call only.
    let answer = unsafe { libc::syscall(libc::SYS_bpf, command, start, len) };
    let fd = Errno::result(answer)? as i32;
    // SAFETY: the kernel has just opened `fd` for this process, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn load(code: &'static [u64], kind: u32, attach: u32, number: u32) -> Result<OwnedFd, Errno> {
    let attributes = Load {
        kind,
        instructions: code.len() as u32,
        code: code.as_ptr() as u64,
        license: c"GPL".as_ptr() as u64,
        attach_type: attach,
        attach_type_number: number,
        ..Load::default()
    };
    bpf(BPF_PROG_LOAD, &attributes)
}

/// Loads a program for a function or tracepoint, attaches it, and lets it go again.
fn attach(kind: Kind, name: &str) -> Result<(), (String, Option<Errno>)> {
    let number = Btf::of_kernel().and_then(|btf| btf.number(kind, name));
    let number = number.map_err(|reason| (reason, None))?;
    let how = if kind == Kind::Func { TRACE_FENTRY } else { TRACE_RAW_TP };
    let call = |call: &str| {
        let call = format!("{call} at {name}");
        move |errno| (refused(&call, errno), Some(errno))
    };
    let program = load(&READS, TRACING, how, number).map_err(call("bpf(BPF_PROG_LOAD)"))?;
    let open = Open { name: 0, program: program.as_raw_fd() as u32, room: 0 };
    let link = bpf(BPF_RAW_TRACEPOINT_OPEN, &open);
    link.map(drop).map_err(call("bpf(BPF_RAW_TRACEPOINT_OPEN)"))
}

fn how_to_unlock(errno: Option<Errno>) -> String {
    match errno {
        Some(Errno::EPERM | Errno::EACCES) if privileges::has_ledgers() => {
            "the privileges are there, so lockdown, a security module or a seccomp profile forbids \
             it: relax that one"
                .to_owned()
        }
        Some(Errno::EPERM | Errno::EACCES) => privileges::grant_ledger(),
        Some(Errno::ENOSYS) => "a kernel built with CONFIG_BPF_SYSCALL=y".to_owned(),
        Some(_) => "a kernel built with CONFIG_BPF_EVENTS=y and CONFIG_DEBUG_INFO_BTF=y".to_owned(),
        None => "a kernel built with CONFIG_DEBUG_INFO_BTF=y".to_owned(),
    }
}

/// Whether the least of programs loads.
fn syscall() -> Capability {
    let unprivileged = sysctl("kernel.unprivileged_bpf_disabled");
    let found = match load(&NOTHING, SOCKET_FILTER, 0, 0) {
        Ok(_) => Found::Yes(format!("bpf(BPF_PROG_LOAD) of a socket filter; {unprivileged}")),
        Err(errno) => {
            let reason = refused("bpf(BPF_PROG_LOAD) of a socket filter", errno);
            Found::No(format!("{reason}; {unprivileged}"), how_to_unlock(Some(errno)))
        }
    };
    Capability::new("syscall", "the ledger: any BPF program at all", found)
}

/// Whether a program like the ledger's loads and attaches.
fn tracing(tried: &Result<(), (String, Option<Errno>)>) -> Capability {
    let found = match tried {
        Ok(()) => Found::Yes("a program that reads kernel memory loads and attaches".to_owned()),
        Err((reason, errno)) => Found::No(reason.clone(), how_to_unlock(*errno)),
    };
    Capability::new("tracing", "the ledger: observed copies instead of claimed ones", found)
}

fn types() -> Capability {
    let found = match Btf::of_kernel() {
        Ok(btf) => Found::Yes(format!("/sys/kernel/btf/vmlinux: {} names", btf.names().len())),
        Err(reason) => Found::No(reason, "a kernel built with CONFIG_DEBUG_INFO_BTF=y".to_owned()),
    };
    Capability::new("btf", "the ledger: one object for every kernel (CO-RE)", found)
}

/// The mode in brackets: `none [integrity] confidentiality`.
fn mode(line: &str) -> Option<&str> {
    line.split_once('[')?.1.split_once(']').map(|(mode, _)| mode)
}

fn lockdown(tried: &Result<(), (String, Option<Errno>)>) -> Capability {
    let file = read("/sys/kernel/security/lockdown");
    let found = match (file.as_deref().map(mode), tried) {
        (Ok(Some("confidentiality")), _) => Found::No(
            "/sys/kernel/security/lockdown: confidentiality".to_owned(),
            "boot without lockdown=confidentiality".to_owned(),
        ),
        (Ok(Some(mode)), _) => Found::Yes(format!("/sys/kernel/security/lockdown: {mode}")),
        (Ok(None), _) => Found::No(
            "/sys/kernel/security/lockdown: no mode is in brackets".to_owned(),
            "read the file yourself: cat /sys/kernel/security/lockdown".to_owned(),
        ),
        (Err(reason), Ok(())) => {
            Found::Yes(format!("{reason}, but a program that reads kernel memory loads"))
        }
        (Err(reason), Err(_)) => Found::No(
            reason.clone(),
            "sudo mount -t securityfs securityfs /sys/kernel/security # empty without lockdown"
                .to_owned(),
        ),
    };
    Capability::new("lockdown", "the ledger: lockdown lets BPF read kernel memory", found)
}

/// Whether a program attaches to a function's entry: asked for kernels that lack a tracepoint.
pub(super) fn fentry() -> Found {
    match attach(Kind::Func, "inet_sendmsg") {
        Ok(()) => Found::Yes("a program attaches to the entry of inet_sendmsg".to_owned()),
        Err((reason, Some(Errno::EPERM | Errno::EACCES))) if !privileges::has_ledgers() => {
            Found::No(reason, privileges::grant_ledger())
        }
        // Some kernels answer EPERM to root where they are built without it.
        Err((reason, _)) => {
            let how = "a kernel built with CONFIG_KPROBES=y and \
                       CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS=y; not needed where all \
                       tracepoints are there";
            Found::No(reason, how.to_owned())
        }
    }
}

/// The rows of this group.
#[must_use]
pub fn rows() -> Vec<Capability> {
    let tried = attach(Kind::Typedef, TRACEPOINT);
    vec![syscall(), tracing(&tried), privileges::row(), types(), lockdown(&tried)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mode_of_lockdown_stands_in_brackets() {
        assert_eq!(mode("none [integrity] confidentiality"), Some("integrity"));
        assert_eq!(mode("[none] integrity confidentiality"), Some("none"));
        assert_eq!(mode("none"), None);
    }

    #[test]
    fn the_kernels_layout_is_kept() {
        // Offsets of union bpf_attr.
        assert_eq!(size_of::<Load>(), 120);
        assert_eq!(std::mem::offset_of!(Load, attach_type), 68);
        assert_eq!(std::mem::offset_of!(Load, attach_type_number), 108);
        assert_eq!(op(0x07, 0x01, -8), 0xffff_fff8_0000_0107);
    }
}
