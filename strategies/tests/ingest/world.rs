//! Who sends what, into which file, and how is a whole ingest run and checked?

use crate::allocations;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{setsockopt, sockopt};
use std::collections::HashSet;
use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{LazyLock, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use zclab_strategies::{
    Bytes, CallError, Ingest, IngestEngine, IngestSetup, Intake, OpenError, OptionKind,
    OptionValue, Options, SinkKind, Source, Step,
};

/// No single ingest of this suite takes this long unless something hangs.
const WATCHDOG: Duration = Duration::from_secs(20);

pub const SOURCES: [SinkKind; 2] = [SinkKind::TcpLoopback, SinkKind::UnixStream];

pub type Set = std::collections::BTreeMap<String, OptionValue>;

/// How the far end sends.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    /// Bytes of one write.
    pub write_bytes: usize,
    /// It waits between writes until the reader has seen the socket empty, now and then.
    pub pauses: bool,
    /// It closes after so many bytes.
    pub leaves_after: Option<usize>,
    /// The near socket does not block.
    pub nonblocking: bool,
    /// The least receive buffer that the kernel gives.
    pub tiny: bool,
}

impl Manner {
    pub const PLAIN: Manner = Manner {
        write_bytes: 1 << 20,
        pauses: false,
        leaves_after: None,
        nonblocking: false,
        tiny: false,
    };
}

/// A socket with a sender behind it.
pub struct Near {
    pub source: Source,
    _socket: OwnedFd,
    sender: JoinHandle<()>,
}

impl Near {
    pub fn open(kind: SinkKind, manner: Manner, bytes: Vec<u8>) -> Near {
        let (near, far) = pair(kind, manner.tiny);
        if manner.nonblocking {
            set_nonblocking(&near);
        }
        let sender = thread::spawn(move || send(far, manner, &bytes));
        Near { source: Source { fd: near.as_raw_fd(), kind }, _socket: near, sender }
    }

    /// Closes the near end and waits for the sender to notice.
    pub fn close(self) {
        drop(self._socket);
        self.sender.join().unwrap();
    }
}

/// The two ends of a connection: near and far.
pub fn pair(kind: SinkKind, tiny: bool) -> (OwnedFd, OwnedFd) {
    if kind == SinkKind::UnixStream {
        let (near, far) = UnixStream::pair().unwrap();
        if tiny {
            setsockopt(&far, sockopt::SndBuf, &1).unwrap();
        }
        return (near.into(), far.into());
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    if tiny {
        setsockopt(&listener, sockopt::RcvBuf, &1).unwrap();
    }
    let far = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    far.set_nodelay(true).unwrap();
    (listener.accept().unwrap().0.into(), far.into())
}

fn set_nonblocking(fd: &OwnedFd) {
    use nix::fcntl::{FcntlArg, OFlag, fcntl};
    fcntl(fd, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
}

fn send(far: OwnedFd, manner: Manner, bytes: &[u8]) {
    let mut far = File::from(far);
    let most = manner.leaves_after.unwrap_or(bytes.len());
    for (count, chunk) in bytes[..most].chunks(manner.write_bytes).enumerate() {
        if far.write_all(chunk).is_err() {
            return;
        }
        if manner.pauses && count % 16 == 0 {
            thread::yield_now();
        }
    }
    if manner.leaves_after.is_some() {
        return;
    }
    // Stays until the near end closes, so that an early end is never mistaken for a late one.
    let _ = far.read(&mut [0]);
}

/// Bytes without a period that a page or a buffer could hide.
pub fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let mut bytes: Vec<u8> = (0..len.div_ceil(8)).flat_map(|_| next()).collect();
    bytes.truncate(len);
    bytes
}

/// Aborts the whole test binary when an ingest hangs, and says which.
pub struct Watchdog(#[expect(dead_code, reason = "dropping it is the signal")] mpsc::Sender<()>);

impl Watchdog {
    pub fn over(what: String) -> Watchdog {
        let (alive, over) = mpsc::channel::<()>();
        thread::spawn(move || {
            if over.recv_timeout(WATCHDOG) == Err(RecvTimeoutError::Timeout) {
                say(&format!("HANGS: {what}"));
                std::process::abort();
            }
        });
        Watchdog(alive)
    }
}

/// Prints past the test harness, which keeps the output of tests that pass to itself.
pub fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Reports a strategy that cannot run here, once.
pub fn skipped(strategy: &str, error: &OpenError) {
    static SAID: LazyLock<Mutex<HashSet<String>>> = LazyLock::new(Mutex::default);
    let line = format!("SKIPPED: {strategy}: {error}");
    if SAID.lock().unwrap().insert(line.clone()) {
        say(&line);
    }
}

/// A file without a name, with so many bytes of noise.
pub fn file(parent: &str, len: usize) -> (File, Vec<u8>) {
    let file = tempfile::tempfile_in(parent).unwrap();
    let before = noise(len, 99);
    file.write_all_at(&before, 0).unwrap();
    (file, before)
}

pub fn open(
    strategy: &dyn Ingest,
    source: Source,
    file: &File,
    [end_bytes, fetch_bytes]: [u64; 2],
    set: &Set,
) -> Option<Box<dyn IngestEngine>> {
    let options = Options::new(strategy.options(), set);
    let setup = IngestSetup {
        source,
        file: file.as_raw_fd(),
        file_bytes_max: Bytes(end_bytes),
        options: &options,
        fetch_bytes_max: Bytes(fetch_bytes),
    };
    if strategy.needs_length() && file.metadata().unwrap().len() < end_bytes {
        file.set_len(end_bytes).unwrap();
    }
    match strategy.open(&setup) {
        Ok(engine) => Some(engine),
        Err(error @ OpenError::Unsupported { .. }) => {
            skipped(strategy.name(), &error);
            None
        }
        Err(error) => panic!("{}: {error}", strategy.name()),
    }
}

/// The driver for both kinds of sockets: steps, and polls when the socket has nothing.
pub fn drive(engine: &mut dyn IngestEngine, intake: &mut Intake) -> Result<(), CallError> {
    loop {
        let taken = allocations::taken();
        let step = engine.step(intake)?;
        assert_eq!(allocations::taken(), taken, "a step took memory");
        match step {
            Step::Moved => {}
            Step::Done => return Ok(()),
            Step::Blocked => {
                // SAFETY: the socket outlives the intake in every test.
                let fd = unsafe { BorrowedFd::borrow_raw(intake.source().fd) };
                let mut wait = [PollFd::new(fd, PollFlags::POLLIN)];
                poll(&mut wait, PollTimeout::from(1000_u16)).unwrap();
                intake.unblock();
            }
        }
    }
}

/// One ingest from beginning to end behind `start` bytes of a longer file, everything checked.
pub fn ingest(
    strategy: &dyn Ingest,
    kind: SinkKind,
    manner: Manner,
    (start, fetches): (u64, &[u64]),
    set: &Set,
) {
    let what = format!("{} {set:?} from {kind:?} {manner:?} at {start}", strategy.name());
    let _watchdog = Watchdog::over(what.clone());
    let total: u64 = fetches.iter().sum();
    let bytes = noise(total as usize, 7);
    let (file, before) = file(env!("CARGO_TARGET_TMPDIR"), (start + total + 5000) as usize);
    let near = Near::open(kind, manner, bytes.clone());
    let fetch_bytes_max = fetches.iter().copied().max().unwrap_or(0);
    let sizes = [start + total, fetch_bytes_max];
    let Some(mut engine) = open(strategy, near.source, &file, sizes, set) else { return };
    let mut intake = Intake::new(near.source);
    intake.clear(start);
    fetches.iter().for_each(|&len| intake.push(len));
    drive(&mut *engine, &mut intake).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(intake.finished(), fetches.len(), "{what}");
    assert_eq!((intake.held(), intake.remaining()), (None, Bytes(0)), "{what}");
    assert_eq!(engine.step(&mut intake), Ok(Step::Done), "{what}: a step after the last");
    assert_eq!(intake.calls.total() > 0, total > 0, "{what}");
    drop(engine);
    near.close();
    let mut due = before;
    if strategy.keeps() {
        due[start as usize..(start + total) as usize].copy_from_slice(&bytes);
    }
    let mut found = vec![0; due.len()];
    file.read_exact_at(&mut found, 0).unwrap();
    let wrong = found.iter().zip(&due).position(|(a, b)| a != b);
    assert_eq!(wrong, None, "{what}: first wrong byte");
    assert_eq!(file.metadata().unwrap().len(), due.len() as u64, "{what}: length");
}

/// Interesting values of each number, one at a time; every word of each choice.
pub fn variants(strategy: &dyn Ingest) -> Vec<Set> {
    let mut sets = vec![Set::new()];
    for spec in strategy.options() {
        let values: Vec<OptionValue> = match spec.kind {
            OptionKind::Number { default, min, max } => [default, min, 2, 7, 4097, 65_537, max]
                .into_iter()
                .filter(|value| (min..=max).contains(value))
                .filter(|value| *value < 64 << 20)
                .map(OptionValue::Number)
                .collect(),
            OptionKind::Choice { of, .. } => {
                of.iter().map(|&word| OptionValue::Word(word.to_owned())).collect()
            }
        };
        sets.extend(values.into_iter().map(|value| Set::from([(spec.name.to_owned(), value)])));
    }
    sets
}
