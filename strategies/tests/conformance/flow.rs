//! Do short writes, full sockets, slow readers and signals lose, repeat or reorder a byte?

use crate::far_end::{FarEnd, Manner, Pace, QUEUES};
use crate::world::{Fetch, Log, Set, Watchdog, expected, fetch_for, fill, open, piece, transfer};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;
use zclab_strategies::{ALL, OptionValue, Queue, Sink, SinkKind, Step, Strategy};

fn fetches(lanes: &[usize]) -> Vec<Fetch> {
    let one = |at: u64| {
        let pieces = [piece(0, at * 9973, 20_000 + at), piece(1, at, 3), piece(0, at, at * 999)];
        fetch_for(&format!("header {at}"), &pieces, lanes)
    };
    (0..8).map(one).collect()
}

fn log() -> Log {
    Log::new(&[200_000, 5000])
}

fn depths(strategy: &dyn Strategy) -> Vec<Set> {
    if !strategy.options().iter().any(|spec| spec.name == "depth") {
        return vec![Set::new()];
    }
    [1, 2, 64].map(|n| Set::from([("depth".to_owned(), OptionValue::Number(n))])).into()
}

fn over_queues(manner: Manner) {
    let log = log();
    for strategy in ALL {
        for kind in QUEUES {
            for set in depths(*strategy) {
                transfer(*strategy, &log, &fetches(&[0]), &[(kind, manner)], &set);
            }
        }
    }
}

#[test]
fn short_writes_into_a_tiny_buffer() {
    over_queues(Manner { tiny: true, ..Manner::PLAIN });
}

#[test]
fn a_full_socket_that_does_not_block() {
    over_queues(Manner { tiny: true, nonblocking: true, ..Manner::PLAIN });
}

#[test]
fn a_slow_reader() {
    over_queues(Manner { pace: Pace::Slow, tiny: true, ..Manner::PLAIN });
}

#[test]
fn a_slow_reader_of_a_socket_that_does_not_block() {
    over_queues(Manner { pace: Pace::Slow, nonblocking: true, tiny: true });
}

/// Sinks that are full at different times share one engine: its pipe, buffer or ring must keep
/// their bytes apart.
#[test]
fn full_sockets_beside_free_ones() {
    let log = log();
    let poll = Manner { nonblocking: true, ..Manner::PLAIN };
    let ends = [
        (SinkKind::TcpLoopback, Manner { pace: Pace::Late, tiny: true, ..poll }),
        (SinkKind::UnixStream, poll),
        (SinkKind::UnixStream, Manner { pace: Pace::Slow, tiny: true, ..poll }),
        (SinkKind::File, Manner::PLAIN),
        (SinkKind::TcpLoopback, Manner { pace: Pace::Slow, ..poll }),
        (SinkKind::Pipe, Manner { pace: Pace::Late, tiny: true, ..poll }),
    ];
    let mut fetches = fetches(&[0, 1, 2, 3, 4, 5]);
    for (at, fetch) in fetches.iter_mut().enumerate() {
        fetch.lanes.rotate_left(at % 6);
        fetch.lanes.truncate(6 - at % 2);
    }
    for strategy in ALL {
        for set in depths(*strategy) {
            transfer(*strategy, &log, &fetches, &ends, &set);
        }
    }
}

/// Several fetches of each lane in one batch, and no sink that takes even one of them at once: what a
/// broken chain leaves behind belongs to its lane, once.
#[test]
fn several_full_sockets_with_many_fetches_each() {
    let log = log();
    let lanes = [0, 1, 2, 3, 4];
    let one = |at: u64| fetch_for("a header", &[piece(0, at * 4001, 70_001)], &lanes);
    let fetches: Vec<_> = (0..8).map(one).collect();
    let full = Manner { nonblocking: true, tiny: true, ..Manner::PLAIN };
    for strategy in ALL {
        transfer(*strategy, &log, &fetches, &[(SinkKind::TcpLoopback, full); 5], &Set::new());
    }
}

/// A sink that nobody reads: the step that finds it full comes back, and every other sink gets all.
#[test]
fn a_dead_sink_holds_up_no_other() {
    let log = log();
    let kinds = [SinkKind::UnixStream, SinkKind::Pipe];
    for (strategy, kind) in ALL.iter().flat_map(|strategy| kinds.map(|kind| (strategy, kind))) {
        for set in depths(*strategy) {
            let what = format!("{} {set:?} beside {kind:?}", strategy.name());
            let _watchdog = Watchdog::over(what.clone());
            let (_nobody_reads, near): (OwnedFd, OwnedFd) = match kind {
                SinkKind::Pipe => nix::unistd::pipe2(nix::fcntl::OFlag::O_NONBLOCK).unwrap(),
                _ => {
                    let (far, near) = UnixStream::pair().unwrap();
                    near.set_nonblocking(true).unwrap();
                    (far.into(), near.into())
                }
            };
            let dead = Sink { fd: near.as_raw_fd(), kind };
            let poll = Manner { nonblocking: true, ..Manner::PLAIN };
            let far = FarEnd::open(SinkKind::UnixStream, poll, log.dir.path(), 0);
            let sinks = [dead, far.sink];
            let mut fetches = vec![fetch_for("both", &[piece(0, 1, 199_999)], &[0, 1]); 6];
            fetches.push(fetch_for("one", &[piece(1, 7, 4000)], &[1]));
            let due = expected(&log, &fetches, 1);
            let mut queue = Queue::new(&sinks);
            let Some(mut engine) = open(*strategy, &log, &sinks, &fetches, &set) else { continue };
            fill(&mut queue, &fetches);
            while queue.finished().iter().filter(|done| done.lane == 1).count() < fetches.len() {
                if engine.step(&mut queue).expect(&what) == Step::Blocked {
                    queue.unblock(1);
                }
            }
            assert!(queue.head(0).is_some(), "{what}: nobody read, yet all was sent");
            drop(engine);
            let received = far.received().unwrap();
            assert!(received == due || !strategy.moves_the_log(), "{what}");
        }
    }
}

/// More full sinks than an engine has pipes or slots.
#[test]
fn more_full_sockets_than_pipes_or_slots() {
    let log = log();
    let manner = Manner { pace: Pace::Late, nonblocking: true, tiny: true };
    let ends = [(SinkKind::UnixStream, manner); 70];
    let lanes: Vec<_> = (0..70).collect();
    // The first piece is long enough to leave bytes in a pipe or a buffer, not only before it.
    let fetches = [
        fetch_for("first", &[piece(0, 5, 150_000)], &lanes),
        fetch_for("second", &[piece(1, 1, 999), piece(0, 150_000, 9000)], &lanes),
    ];
    for strategy in ALL {
        for set in depths(*strategy) {
            transfer(*strategy, &log, &fetches, &ends, &set);
        }
    }
}

extern "C" fn ignore(_: libc::c_int) {}

/// Sends this thread a signal every few microseconds while `work` runs; nothing restarts a call.
fn in_a_storm(work: impl FnOnce()) {
    static HANDLER: Once = Once::new();
    HANDLER.call_once(|| {
        let action = SigAction::new(SigHandler::Handler(ignore), SaFlags::empty(), SigSet::empty());
        // SAFETY: the handler does nothing at all, so it may interrupt anything.
        unsafe { sigaction(Signal::SIGUSR1, &action) }.unwrap();
    });
    // SAFETY: the call takes nothing and touches nothing.
    let target = unsafe { libc::pthread_self() };
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Acquire) {
                // SAFETY: the target is the thread that waits for this one at the end of the scope.
                unsafe { libc::pthread_kill(target, libc::SIGUSR1) };
                thread::sleep(Duration::from_micros(30));
            }
        });
        let _end = Calm(&over);
        work();
    });
}

/// Ends the storm, also when the work panics.
struct Calm<'a>(&'a AtomicBool);

impl Drop for Calm<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

#[test]
fn a_storm_of_signals() {
    let log = log();
    let slow = Manner { pace: Pace::Slow, tiny: true, nonblocking: false };
    for strategy in ALL {
        for (kind, manner) in [
            (SinkKind::TcpLoopback, slow),
            (SinkKind::UnixStream, slow),
            (SinkKind::UnixStream, Manner { nonblocking: true, ..slow }),
            (SinkKind::Pipe, slow),
            (SinkKind::File, Manner::PLAIN),
        ] {
            for set in depths(*strategy) {
                in_a_storm(|| {
                    transfer(*strategy, &log, &fetches(&[0]), &[(kind, manner)], &set);
                });
            }
        }
    }
}
