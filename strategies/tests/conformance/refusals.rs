//! What does a strategy do when the kernel refuses the call that it is made of? It says so, and
//! moves the bytes no other way.
//!
//! A child forbids itself one system call by a seccomp filter and tries the strategy.

use crate::child::{log, run_role};
use crate::far_end::{FarEnd, Manner};
use crate::world::{Set, drive, fetch, fill, piece};
use nix::errno::Errno;
use zclab_strategies::{Bytes, OpenError, OptionValue, Options, Queue, Setup, SinkKind, find};

/// The strategy, an option, the call that is forbidden, and the call that the error has to name.
type Refusal = (&'static str, Option<(&'static str, u64)>, libc::c_long, &'static str);

const REFUSALS: &[Refusal] = &[
    ("read-write", None, libc::SYS_pread64, "pread"),
    ("mmap-write", None, libc::SYS_sendto, "send(mapping)"),
    ("preadv-sendmsg", None, libc::SYS_preadv, "preadv"),
    ("preadv-sendmsg", None, libc::SYS_sendmsg, "sendmsg"),
    ("mmap-heap-write", None, libc::SYS_sendto, "send"),
    ("mmap-write-each", None, libc::SYS_sendto, "send(mapping)"),
    ("mmap-writev", None, libc::SYS_sendmsg, "sendmsg(mapping)"),
    ("sendfile", None, libc::SYS_sendfile, "sendfile"),
    ("sendfile-dropbehind", None, libc::SYS_sendfile, "sendfile"),
    ("splice-tee", None, libc::SYS_splice, "splice(log, pipe)"),
    ("vmsplice-splice", None, libc::SYS_vmsplice, "vmsplice(mapping)"),
    ("uncached-write", None, libc::SYS_preadv2, "preadv2(RWF_DONTCACHE)"),
    ("direct-sendfile", None, libc::SYS_pread64, "pread(O_DIRECT)"),
    ("direct-sendfile", None, libc::SYS_sendfile, "sendfile"),
    ("splice", None, libc::SYS_splice, "splice(log, pipe)"),
    ("uring-read-send", None, libc::SYS_io_uring_setup, "io_uring_setup"),
    ("uring-read-send", None, libc::SYS_io_uring_enter, "io_uring_enter"),
    ("msg-zerocopy", None, libc::SYS_setsockopt, "setsockopt(SO_ZEROCOPY)"),
    ("uring-fixed", None, libc::SYS_io_uring_register, "io_uring_register(BUFFERS)"),
    ("uring-fixed", None, libc::SYS_io_uring_enter, "io_uring_enter"),
    ("uring-sqpoll", None, libc::SYS_io_uring_setup, "io_uring_setup"),
    ("uring-splice", None, libc::SYS_io_uring_setup, "io_uring_setup"),
    ("uring-splice", None, libc::SYS_io_uring_enter, "io_uring_enter"),
    ("uring-send-zc", None, libc::SYS_io_uring_setup, "io_uring_setup"),
    ("uring-mmap-send-zc", None, libc::SYS_io_uring_setup, "io_uring_setup"),
    ("direct-write", None, libc::SYS_pread64, "pread(O_DIRECT)"),
    ("direct-send-zc", None, libc::SYS_io_uring_setup, "io_uring_setup"),
    ("direct-write", Some(("depth", 4)), libc::SYS_io_uring_setup, "io_uring_setup"),
    ("direct-write", Some(("depth", 4)), libc::SYS_io_uring_enter, "io_uring_enter"),
];

#[test]
fn a_refused_call_is_named_and_not_replaced() {
    for (id, refusal) in REFUSALS.iter().enumerate() {
        let status = run_role(&format!("refused {id}"));
        assert!(status.success(), "{refusal:?}: {status}");
    }
}

/// In the child: plays one row of the table.
pub fn play(id: usize) {
    let (name, option, forbidden, named) = REFUSALS[id];
    let strategy = find(name).unwrap();
    let log = log(100_000);
    let far = FarEnd::open(SinkKind::UnixStream, Manner::PLAIN, log.dir.path(), 0);
    let sinks = [far.sink];
    let fetches = [fetch("", &[piece(0, 0, 100_000)])];
    let set: Set =
        option.map(|(key, n)| (key.to_owned(), OptionValue::Number(n))).into_iter().collect();
    let options = Options::new(strategy.options(), &set);
    let setup = Setup {
        segments: &log.segments,
        sinks: &sinks,
        options: &options,
        fetch_bytes_max: Bytes(100_000),
        header_bytes_max: Bytes(0),
        transform: None,
    };
    let mut queue = Queue::new(&sinks);
    fill(&mut queue, &fetches);
    forbid(forbidden);
    let (call, errno) = match strategy.open(&setup) {
        Err(OpenError::Unsupported { call, errno, .. }) => (call, errno),
        Err(other) => panic!("{name}: {other}"),
        Ok(mut engine) => {
            let error = drive(&mut *engine, &mut queue).unwrap_err();
            (error.call, error.errno)
        }
    };
    assert_eq!((call, errno), (named, Errno::EPERM), "{name}");
    assert_eq!(queue.remaining(), Bytes(100_000), "{name} moved bytes some other way");
    assert_eq!(far.received().map(|bytes| bytes.len()), Some(0), "{name}");
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
