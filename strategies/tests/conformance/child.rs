//! What does a parent see of a child that dies in the middle of a transfer?
//!
//! The test binary runs itself again with a role in its environment; the child plays it inside
//! [`play`], and the parent judges how it ended.

use crate::far_end::{Manner, tcp_pair};
use crate::world::{Log, Set, Watchdog, drive, fetch, fill, open, piece};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::Read;
use std::os::fd::AsRawFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;
use zclab_strategies::{ALL, CallError, Calls, Queue, Sink, SinkKind, find, sys};

const ROLE: &str = "ZCLAB_CONFORMANCE_ROLE";
const PORT: &str = "ZCLAB_CONFORMANCE_PORT";
const FOLDER: &str = "ZCLAB_CONFORMANCE_FOLDER";

/// A child and the folder that it leaves its log in; the folder goes when this goes.
struct Actor {
    child: Child,
    _folder: tempfile::TempDir,
}

fn spawn(role: &str, port: u16) -> Actor {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child::play", "--nocapture"])
        .env(ROLE, role)
        .env(PORT, port.to_string())
        .env(FOLDER, folder.path())
        .stdout(Stdio::null())
        .spawn();
    Actor { child: child.unwrap(), _folder: folder }
}

/// In a child: a log of one segment, where the parent will clear it away.
pub fn log(len: usize) -> Log {
    Log::inside(&std::env::var(FOLDER).unwrap(), &[len])
}

/// Plays a role in a child and says how that ended.
pub fn run_role(role: &str) -> ExitStatus {
    let _watchdog = Watchdog::over(format!("parent of {role}"));
    spawn(role, 0).child.wait().unwrap()
}

/// Does nothing in a parent; in a child, whatever its role says.
#[test]
fn play() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let _watchdog = Watchdog::over(format!("child {role}"));
    match role.as_str() {
        "own-touch" => touch_a_truncated_mapping(),
        "kernel-touch" => {
            let error = send_a_truncated_mapping("mmap-write").unwrap_err();
            assert_eq!(error.errno, nix::errno::Errno::EFAULT);
        }
        "heap-touch" => unreachable!("{:?}", send_a_truncated_mapping("mmap-heap-write")),
        refused if refused.starts_with("refused ") => {
            crate::refusals::play(refused["refused ".len()..].parse().unwrap());
        }
        name => send_forever(name, std::env::var(PORT).unwrap().parse().unwrap()),
    }
}

fn touch_a_truncated_mapping() {
    let log = log(100_000);
    let map = sys::map(&Calls::default(), log.segments[0].file.as_raw_fd(), piece(0, 0, 100_000));
    let map = map.unwrap();
    log.truncate(0, 0);
    let gone = map.as_ptr().wrapping_add(8192);
    // SAFETY: the address is mapped; that there is no page behind it is the point: SIGBUS ends this
    // process, and nothing else.
    let byte = unsafe { gone.read_volatile() };
    unreachable!("read {byte} from a page that is gone");
}

fn send_a_truncated_mapping(strategy: &str) -> Result<(), CallError> {
    let log = log(100_000);
    let (near, _far) = tcp_pair(false);
    let sinks = [Sink { fd: near.as_raw_fd(), kind: SinkKind::TcpLoopback }];
    let fetches = [fetch("", &[piece(0, 0, 100_000)])];
    let mut queue = Queue::new(&sinks);
    let strategy = find(strategy).unwrap();
    let mut engine = open(strategy, &log, &sinks, &fetches, &Set::new()).unwrap();
    fill(&mut queue, &fetches);
    log.truncate(0, 0);
    drive(&mut *engine, &mut queue)
}

fn send_forever(strategy: &str, port: u16) {
    let log = log(1 << 20);
    let near = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    let sinks = [Sink { fd: near.as_raw_fd(), kind: SinkKind::TcpLoopback }];
    let fetches = vec![fetch("head", &[piece(0, 5, 1_000_000)]); 200];
    let mut queue = Queue::new(&sinks);
    let strategy = find(strategy).unwrap();
    let Some(mut engine) = open(strategy, &log, &sinks, &fetches, &Set::new()) else { return };
    fill(&mut queue, &fetches);
    drive(&mut *engine, &mut queue).unwrap();
}

/// Our own touch of a page that is gone: the child dies of SIGBUS, and the parent can say so.
#[test]
fn own_touch_of_a_truncated_mapping_is_sigbus() {
    let status = run_role("own-touch");
    assert_eq!(status.signal(), Some(libc::SIGBUS), "{status}");
}

/// The kernel's touch of the same: an error, and the child lives.
#[test]
fn kernel_touch_of_a_truncated_mapping_is_an_error() {
    let status = run_role("kernel-touch");
    assert!(status.success(), "{status}");
}

/// A strategy that copies from its mapping by itself touches it like anybody else.
#[test]
fn a_strategys_own_touch_is_sigbus() {
    let status = run_role("heap-touch");
    assert_eq!(status.signal(), Some(libc::SIGBUS), "{status}");
}

/// A sender that is killed while its sink is full: the parent sees the signal, the receiver an end.
#[test]
fn a_killed_sender() {
    for strategy in ALL {
        let _watchdog = Watchdog::over(format!("killing {}", strategy.name()));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut actor = spawn(strategy.name(), listener.local_addr().unwrap().port());
        let child = &mut actor.child;
        let (mut far, _) = listener.accept().unwrap();
        far.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let mut buffer = vec![0; 1 << 16];
        if far.read(&mut buffer).unwrap() == 0 {
            // The strategy is unsupported here, and the child has said so.
            assert!(child.wait().unwrap().success());
            continue;
        }
        kill(Pid::from_raw(child.id() as i32), Signal::SIGKILL).unwrap();
        let status = child.wait().unwrap();
        assert_eq!(status.signal(), Some(libc::SIGKILL), "{}: {status}", strategy.name());
        loop {
            match far.read(&mut buffer) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => break,
                Err(error) => panic!("{}: {error}", strategy.name()),
            }
        }
    }
}

/// Engines that are dropped with everything under way let go of it within a bound.
#[test]
fn an_engine_dropped_in_the_middle() {
    for strategy in ALL {
        let _watchdog = Watchdog::over(format!("dropping {}", strategy.name()));
        let log = Log::new(&[1 << 20]);
        let manner = Manner { nonblocking: true, tiny: true, ..Manner::PLAIN };
        let far = crate::far_end::FarEnd::open(SinkKind::UnixStream, manner, log.dir.path(), 0);
        let sinks = [far.sink];
        let fetches = vec![fetch("head", &[piece(0, 5, 1_000_000)]); 20];
        let set = strategy.options().iter().find(|spec| spec.name == "depth");
        let set = set.map(|spec| (spec.name.to_owned(), zclab_strategies::OptionValue::Number(16)));
        let mut queue = Queue::new(&sinks);
        let set = set.into_iter().collect();
        let Some(mut engine) = open(*strategy, &log, &sinks, &fetches, &set) else { continue };
        fill(&mut queue, &fetches);
        for _ in 0..3 {
            engine.step(&mut queue).unwrap_or_else(|e| panic!("{}: {e}", strategy.name()));
        }
        drop(engine);
        drop(far.received());
    }
}
