//! What does a strategy do when the kernel refuses the call that it is made of? It says so, and moves
//! the bytes no other way.
//!
//! The test binary runs itself again; the child forbids itself one system call by a seccomp filter.

use crate::world::{Manner, Near, Set, Watchdog, drive, file, noise};
use nix::errno::Errno;
use std::os::fd::AsRawFd;
use std::process::{Command, Stdio};
use zclab_strategies::ingest::find;
use zclab_strategies::{Bytes, IngestSetup, Intake, OpenError, Options, SinkKind};

/// The strategy, the call that is forbidden, and the call that the error has to name.
const REFUSALS: &[(&str, libc::c_long, &str)] = &[
    ("recv-write", libc::SYS_recvfrom, "recv"),
    ("recv-write", libc::SYS_pwrite64, "pwrite"),
    ("mmap-recv", libc::SYS_recvfrom, "recv(mapped log)"),
    ("mmap-recv", libc::SYS_mmap, "mmap(log)"),
    ("splice-in", libc::SYS_splice, "splice(socket, pipe)"),
    ("uring-recv-write", libc::SYS_io_uring_setup, "io_uring_setup"),
    ("uring-recv-write", libc::SYS_io_uring_enter, "io_uring_enter"),
    ("recv-drop", libc::SYS_recvfrom, "recv"),
    ("zerocopy-receive", libc::SYS_mmap, "mmap(socket)"),
    ("zerocopy-receive", libc::SYS_getsockopt, "getsockopt(TCP_ZEROCOPY_RECEIVE)"),
];

const ROLE: &str = "ZCLAB_INGEST_REFUSAL";
const LEN: u64 = 100_000;

#[test]
fn a_refused_call_is_named_and_not_replaced() {
    for (id, refusal) in REFUSALS.iter().enumerate() {
        let _watchdog = Watchdog::over(format!("parent of {refusal:?}"));
        let status = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "refusals::play", "--nocapture"])
            .env(ROLE, id.to_string())
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(status.success(), "{refusal:?}: {status}");
    }
}

/// Does nothing in a parent; in a child, one row of the table.
#[test]
fn play() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let (name, forbidden, named) = REFUSALS[role.parse::<usize>().unwrap()];
    let _watchdog = Watchdog::over(format!("child of {name}"));
    let strategy = find(name).unwrap();
    let near = Near::open(SinkKind::TcpLoopback, Manner::PLAIN, noise(LEN as usize, 1));
    let (file, _) = file(env!("CARGO_TARGET_TMPDIR"), LEN as usize);
    let options = Options::new(strategy.options(), &Set::new());
    let setup = IngestSetup {
        source: near.source,
        file: file.as_raw_fd(),
        file_bytes_max: Bytes(LEN),
        options: &options,
        fetch_bytes_max: Bytes(LEN),
    };
    let mut intake = Intake::new(near.source);
    intake.push(LEN);
    // What the error's text needs is there before nothing more can be mapped.
    let room: Vec<u8> = Vec::with_capacity(1 << 16);
    forbid(forbidden);
    drop(room);
    let (call, errno) = match strategy.open(&setup) {
        Err(OpenError::Unsupported { call, errno, .. }) => (call, errno),
        Err(other) => panic!("{name}: {other}"),
        Ok(mut engine) => {
            let error = drive(&mut *engine, &mut intake).unwrap_err();
            (error.call, error.errno)
        }
    };
    assert_eq!((call, errno), (named, Errno::EPERM), "{name}");
    assert_eq!(intake.remaining(), Bytes(LEN), "{name} moved bytes some other way");
}

/// From here on, this system call fails with EPERM in this thread.
fn forbid(call: libc::c_long) {
    let load = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    let equal = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    let ret = (libc::BPF_RET | libc::BPF_K) as u16;
    let row = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    let mut filter = [
        row(load, 0, 0, 0),
        row(equal, 0, 1, call as u32),
        row(ret, 0, 0, libc::SECCOMP_RET_ERRNO | libc::EPERM as u32),
        row(ret, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
    nix::sys::prctl::set_no_new_privs().unwrap();
    // SAFETY: the program and its filter live on this stack frame for the whole call, which copies
    // them.
    let result = unsafe {
        libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program, 0, 0)
    };
    assert_eq!(result, 0, "seccomp: {}", Errno::last());
}
