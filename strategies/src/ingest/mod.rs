//! How do bytes that arrive on a socket become bytes of a log?
//!
//! The other half of a broker: a follower that fetches from its leader, an upload, and at the far end
//! a consumer that keeps nothing. An [`Ingest`] strategy is one way for bytes from a socket to a file;
//! its engine takes bytes that are due from an [`Intake`] and reports how far it came, as engines of
//! transfers do with a [`Queue`](crate::Queue). The rules of the crate hold here as well: no fallback,
//! no clock, nothing allocated in a step.
//!
//! The file belongs to the caller, and so do its length and its durability: an engine writes at the
//! positions that the intake names, and never truncates, extends by itself or syncs.

mod intake;

pub use intake::{Intake, Span};

use crate::{
    Bytes, CallError, Disturbance, Hop, Mover, OpenError, OptionSpec, Options, Path, Place,
    SinkKind, Step,
};
use std::os::fd::RawFd;

/// Declares the module of each strategy and its place in the catalogue, both by one line.
macro_rules! catalogue {
    ($($module:ident::$strategy:ident,)*) => {
        $(pub mod $module;)*

        /// The catalogue, in the order of the story that reports tell: those that keep the log, then
        /// those of consumers.
        ///
        /// Adding a strategy is one file in this folder and one line in `ingest/mod.rs`.
        pub const ALL: &[&dyn Ingest] = &[$(&$module::$strategy),*];

        /// The source of each, in the same order: its documentation is its lesson.
        pub(crate) const SOURCES: &[&str] =
            &[$(include_str!(concat!(stringify!($module), ".rs"))),*];
    };
}

catalogue! {
    recv_write::RecvWrite,
    mmap_recv::MmapRecv,
    splice_in::SpliceIn,
    uring_recv_write::UringRecvWrite,
    recv_drop::RecvDrop,
    zerocopy_receive::ZerocopyReceive,
}

/// The ingest strategy of that name.
#[must_use]
pub fn find(name: &str) -> Option<&'static dyn Ingest> {
    ALL.iter().copied().find(|strategy| strategy.name() == name)
}

/// One way for bytes from a socket into a log's file, or to a consumer.
pub trait Ingest: Sync {
    /// The name, as scenario files, tables and addresses spell it.
    fn name(&self) -> &'static str;

    /// The question that this strategy asks the kernel, in one sentence.
    fn question(&self) -> &'static str;

    /// The claim: the hops that the payload takes on this very route, and who moves it.
    fn path(&self, on: &IngestRoute) -> Path;

    /// What running it does to its neighbours in the same rotation.
    fn disturbs(&self) -> Disturbance {
        Disturbance::Nothing
    }

    /// The options that a scenario may set, with their defaults and bounds.
    fn options(&self) -> &'static [OptionSpec] {
        &[]
    }

    /// Whether the bytes end in the file. Those of a consumer do not: its family is `receive`.
    fn keeps(&self) -> bool {
        true
    }

    /// Whether the file must have its final length before the first byte comes, since a mapping can
    /// write to no page beyond the file's end. The caller sees to it.
    fn needs_length(&self) -> bool {
        false
    }

    /// Makes buffers, pipes, rings and mappings; never timed.
    ///
    /// # Errors
    /// As for [`Strategy::open`](crate::Strategy::open).
    fn open(&self, setup: &IngestSetup) -> Result<Box<dyn IngestEngine>, OpenError>;
}

/// An ingest strategy at work: the part that is timed.
pub trait IngestEngine {
    /// Moves bytes that are due until something moved, all is done, or the socket has nothing.
    ///
    /// Bytes that have left the socket and are not in the file yet are the engine's; a step may end
    /// with some, and the next begins with them. They cannot be had again, so an engine is dropped
    /// only when its intake is done or has failed.
    ///
    /// # Errors
    /// The call that failed, with the position in the file and the errno: `ENODATA` when the far end
    /// closed before everything had come, `ENOSPC` when the disk is full.
    fn step(&mut self, intake: &mut Intake) -> Result<Step, CallError>;
}

/// Where bytes come from: a socket that the caller owns for longer than any engine lives.
#[derive(Clone, Copy, Debug)]
pub struct Source {
    /// The descriptor. Blocking or not is the caller's choice, made before an engine is opened.
    pub fd: RawFd,
    /// What kind of socket it is.
    pub kind: SinkKind,
}

/// What a strategy may build on.
pub struct IngestSetup<'a> {
    /// The socket.
    pub source: Source,
    /// The file, open for reading and writing, owned by the caller for longer than any engine lives.
    pub file: RawFd,
    /// No byte of the file beyond this will be written.
    pub file_bytes_max: Bytes,
    /// The options of this cell, complete and checked.
    pub options: &'a Options,
    /// The longest fetch that will be due.
    pub fetch_bytes_max: Bytes,
}

/// Whether packets consist of whole pages that only the kernel has, so that they could be mapped: those
/// of a network card that splits headers off do, and those of a looped zero-copy send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pages {
    /// They lie in shares of larger allocations, or in pages of files.
    None,
    /// They do, but fetches begin and end within pages, so that it is left to the packets how many
    /// pages are whole.
    Some,
    /// They do, and so do fetches.
    All,
}

/// The way from the socket to the file as it is: a claim is made for this very route.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct IngestRoute {
    /// What kind of socket the bytes come from.
    pub source: SinkKind,
    /// What packets and fetches consist of.
    pub pages: Pages,
    /// The caller syncs the file, and there is a device below it.
    pub durable: bool,
}

impl IngestRoute {
    /// The hops into the socket's queue. What the far end and the device do to the bytes before is not
    /// this side's: a packet that has arrived is queued as it is. A Unix stream has no wire.
    #[must_use]
    pub fn arrive(&self) -> Vec<Hop> {
        if self.source == SinkKind::UnixStream {
            return Vec::new();
        }
        let why = "packets are queued as they came";
        vec![Hop::new(Place::Wire, Place::SocketBuffer, Mover::Reference, why)]
    }

    /// The hop behind a file's page cache, where the caller waits for it.
    #[must_use]
    pub fn settle(&self) -> Vec<Hop> {
        if !self.durable {
            return Vec::new();
        }
        let why = "fdatasync waits until the device has the file's pages";
        vec![Hop::new(Place::PageCache, Place::Disk, Mover::Device, why)]
    }

    /// The whole way: into the queue, then these hops, then to the device if that is waited for.
    #[must_use]
    pub fn by(&self, hops: &[Hop]) -> Path {
        let in_file = hops.last().is_some_and(|hop| hop.to == Place::PageCache);
        let settle = if in_file { self.settle() } else { Vec::new() };
        Path { hops: [self.arrive(), hops.to_vec(), settle].concat() }
    }
}
