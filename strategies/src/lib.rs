//! How can a log's bytes travel from disk to a socket, and what does each way claim to cost?
//!
//! A [`Strategy`] is one way to move bytes; each lives in one file under `transfer/`. The crate
//! knows no clock, no scenario and no page: it takes open files, open sinks and a [`Queue`] of
//! fetches, and issues system calls. What a strategy *claims* about the bytes' path
//! ([`Strategy::path`]) and what the kernel was seen to do are kept apart: nothing here computes
//! one from the other.
//!
//! Rules that every strategy keeps:
//! * It never falls back. A call that the kernel refuses is an error naming the call and the errno.
//! * It never times, prints, retries by another mechanism, or reads a scenario.
//! * Everything it allocates, it allocates in [`Strategy::open`], which is not timed.

mod calls;
mod chains;
mod error;
mod family;
mod fetch;
pub mod ingest;
mod memory;
mod options;
pub mod outlet;
pub mod path;
mod pipes;
mod queue;
mod residue;
mod ring;
pub mod sys;
pub mod tls;
pub mod transfer;
pub mod transform;
pub mod zerocopy;

pub use calls::{Call, Calls, Zerocopy};
pub use error::{CallError, OpenError};
pub use family::{Entry, Family};
pub use fetch::{Fetch, Finished, Header, Job, LaneId, Part, Piece};
pub use ingest::{Ingest, IngestEngine, IngestRoute, IngestSetup, Intake, Pages, Source, Span};
pub use options::{OptionKind, OptionSpec, OptionValue, Options};
pub use outlet::Outlet;
pub use path::{CacheState, Handover, Hop, Mover, Path, Place, Route};
pub use queue::{Cursor, Lane, Queue};
pub use residue::Residue;
pub use transform::{Applied, Transform};

use std::fs::File;
use std::os::fd::RawFd;
use std::path::PathBuf;

/// A count of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes(pub u64);

/// One way to move bytes from a log to sinks.
///
/// A strategy is a value without state; everything that a transfer needs is made by
/// [`open`](Self::open).
pub trait Strategy: Sync {
    /// The name, as scenario files, tables and addresses spell it.
    fn name(&self) -> &'static str;

    /// The question that this strategy asks the kernel, in one sentence (lists and pages print it).
    fn question(&self) -> &'static str;

    /// The claim: the hops that the payload takes on this very route, and who moves it.
    fn path(&self, on: &Route) -> Path;

    /// The claim when these options are set, for strategies of which an option changes the way.
    fn path_with(&self, on: &Route, _options: &Options) -> Path {
        self.path(on)
    }

    /// What the far end has to be for the bytes to arrive as they were.
    fn far_end(&self) -> FarEnd {
        FarEnd::Plain
    }

    /// What running it does to its neighbours in the same rotation.
    fn disturbs(&self) -> Disturbance {
        Disturbance::Nothing
    }

    /// The options that a scenario may set, with their defaults and bounds.
    fn options(&self) -> &'static [OptionSpec] {
        &[]
    }

    /// Whether it moves the log's bytes at all. Only the floor `null` does not; it is left out of
    /// rankings and of content verification.
    fn moves_the_log(&self) -> bool {
        true
    }

    /// Whether its bytes pass through memory of the process on their way, so that a transform can
    /// look at them and change them there: such a strategy hands them to an [`Outlet`].
    ///
    /// # Errors
    /// Why nobody can look; the reason of the row that says `refused`.
    fn transforms(&self) -> Result<(), &'static str> {
        Err(transform::NEEDS_USER_SPACE)
    }

    /// Makes buffers, pipes, rings and mappings, once for each sender thread; never timed.
    ///
    /// # Errors
    /// [`OpenError::Unsupported`] when the kernel, file system or device refuses a call that the
    /// strategy cannot do without; [`OpenError::Refused`] when the strategy cannot do what is
    /// asked.
    fn open(&self, setup: &Setup) -> Result<Box<dyn Engine>, OpenError>;
}

/// A strategy at work: the part that is timed.
pub trait Engine {
    /// Moves bytes of the queued fetches until something moved, all is done, or every sink would
    /// block.
    ///
    /// One step should be as much as one turn of the strategy's own loop: a call or two, or one
    /// batch of a ring. All progress is reported to the queue (`advance`, `block`), which holds
    /// every residue and position, so that a step can end anywhere and be taken up again.
    ///
    /// # Errors
    /// The call that failed, with segment, offset and errno. After an error the engine is dropped.
    ///
    /// A peer that has gone is an error like any other (`EPIPE`), provided that the process ignores
    /// SIGPIPE, as Rust programs do: `sendfile` and `splice` know no `MSG_NOSIGNAL`.
    fn step(&mut self, queue: &mut Queue) -> Result<Step, CallError>;

    /// Comes to rest after a queue was done, when nothing is timed: takes what the kernel has yet to
    /// say of its sends, and lets a polling thread fall asleep. Its waits have bounds, and its calls
    /// are not counted.
    fn rest(&mut self, _queue: &Queue) {}
}

/// What one step achieved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Bytes moved or a sink turned out to be full; there may be more to do.
    Moved,
    /// Every sink that still has bytes to come would block: wait for one of them, then step again.
    Blocked,
    /// Every byte that is due has been accepted by its sink. More may become due: see
    /// [`Queue::release`].
    Done,
}

/// What the far end has to do with what arrives there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FarEnd {
    /// Nothing: the bytes arrive as they lie in the log.
    Plain,
    /// Its kernel has to decrypt: see [`tls`].
    KernelTls,
}

/// What a strategy does to others that share its machine and its log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disturbance {
    /// Nothing that a neighbour in the rotation would notice.
    Nothing,
    /// It changes which pages of the log are cached: it gets rounds, or a copy of the log, of its
    /// own.
    PageCache,
    /// It keeps a core busy while it is idle: it gets rounds of its own.
    Core,
}

/// What a strategy may build on: the open log, the open sinks, the options of the cell.
pub struct Setup<'a> {
    /// The log's segments in order; a [`Piece`] names them by index.
    pub segments: &'a [Segment],
    /// The sinks in order; a [`LaneId`] names them by index.
    pub sinks: &'a [Sink],
    /// The options of this cell, complete (defaults filled in) and checked against their specs.
    pub options: &'a Options,
    /// The longest payload of any fetch that will be queued.
    pub fetch_bytes_max: Bytes,
    /// The longest header of any fetch that will be queued.
    pub header_bytes_max: Bytes,
    /// What is done to the bytes before they are sent: makes the transform of each lane. Only
    /// strategies that [can](Strategy::transforms) are opened with one, by [`transform::open`].
    pub transform: Option<&'a transform::Factory<'a>>,
}

/// One file of the log, open for reading.
#[derive(Debug)]
pub struct Segment {
    /// Where it lies: strategies that need another descriptor (`O_DIRECT`) open it again.
    pub path: PathBuf,
    /// A read-only descriptor, owned by the caller for longer than any engine lives.
    pub file: File,
    /// Its length when the trial began.
    pub len: Bytes,
}

/// Where the bytes go: a descriptor that the caller owns for longer than any engine lives.
#[derive(Clone, Copy, Debug)]
pub struct Sink {
    /// The descriptor. Blocking or not is the caller's choice, made before an engine is opened;
    /// engines serve both.
    pub fd: RawFd,
    /// What kind of thing it is: sockets take `send` and its flags, files take `write`.
    pub kind: SinkKind,
}

/// What kind of thing a sink is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SinkKind {
    /// A TCP connection over the loopback device.
    TcpLoopback,
    /// A TCP connection between two network namespaces over a veth pair.
    TcpVeth,
    /// A TCP connection to a receiver on another host.
    TcpRemote,
    /// A connected Unix stream socket.
    UnixStream,
    /// A pipe to the receiver.
    Pipe,
    /// A regular file, written at its own position.
    File,
    /// `/dev/null`.
    Null,
}

impl SinkKind {
    /// Every kind, in the order of lists and tables.
    pub const ALL: &'static [SinkKind] = &[
        SinkKind::TcpLoopback,
        SinkKind::TcpVeth,
        SinkKind::TcpRemote,
        SinkKind::UnixStream,
        SinkKind::Pipe,
        SinkKind::File,
        SinkKind::Null,
    ];

    /// The name in scenario files and records.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            SinkKind::TcpLoopback => "tcp-loopback",
            SinkKind::TcpVeth => "tcp-veth",
            SinkKind::TcpRemote => "tcp-remote",
            SinkKind::UnixStream => "unix-stream",
            SinkKind::Pipe => "pipe",
            SinkKind::File => "file",
            SinkKind::Null => "null",
        }
    }

    /// The kind of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<SinkKind> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }

    /// Whether it is a TCP connection, with TCP's options.
    #[must_use]
    pub fn is_tcp(self) -> bool {
        matches!(self, SinkKind::TcpLoopback | SinkKind::TcpVeth | SinkKind::TcpRemote)
    }

    /// Whether `send` and its flags apply.
    #[must_use]
    pub fn is_socket(self) -> bool {
        self.is_tcp() || self == SinkKind::UnixStream
    }
}

pub use transfer::ALL;

/// The strategy of that name.
#[must_use]
pub fn find(name: &str) -> Option<&'static dyn Strategy> {
    ALL.iter().copied().find(|strategy| strategy.name() == name)
}

/// What the strategy of that name teaches: the documentation at the head of its file, in Markdown.
/// The first paragraph is its question; "Sources: …" and "Timed: …" stand at the end.
#[must_use]
pub fn lesson(name: &str) -> Option<String> {
    let at = family::entries().position(|entry| entry.name() == name)?;
    let source = transfer::SOURCES.iter().chain(ingest::SOURCES).nth(at)?;
    let head = source.lines().map_while(|line| line.strip_prefix("//!"));
    let lines: Vec<&str> = head.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect();
    Some(lines.join("\n"))
}
