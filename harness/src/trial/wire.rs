//! How do the parent, the sender child and its receiver talk?
//!
//! JSON Lines over pipes, one line for one message, every wait bounded. Documented so that a runner
//! in another language could join: the sender child reads [`Spec`] and then [`Order`]s from stdin and
//! answers each with one [`Reply`] on stdout; the receiver reads [`ReceiverSpec`] and [`Expect`]s.

pub mod demand;
mod far_end;
mod lines;

pub use demand::Demand;
pub use far_end::*;
pub use lines::{Lines, NoLine, say};

use crate::cpus::Numbers;
use crate::net::Link;
use crate::scenario::ingest::Intake;
use nix::errno::Errno;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use zclab_report::record::{CacheProof, Status, Verified};

/// Everything that a sender child has to know.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Spec {
    /// The strategy's name in the catalogue.
    pub strategy: String,
    /// Run the harness's bare loop of the same system calls instead.
    pub bare: bool,
    /// The strategy's options, complete.
    pub options: BTreeMap<String, Value>,
    /// The log's segments: path and length in bytes.
    pub segments: Vec<(PathBuf, u64)>,
    /// Starts of batches, as (segment, position in bytes, records), in order.
    pub batches: Vec<(u32, u64, u32)>,
    /// Bytes of each fetch.
    pub fetch_bytes: u64,
    /// Bytes of the header before it.
    pub header_bytes: u64,
    /// Fetches of a slice.
    pub fetches: u32,
    /// Where fetches lie.
    pub access: Access,
    /// Seed of random access.
    pub seed: u64,
    /// Number of sinks.
    pub consumers: u32,
    /// Kind of the sinks, by name.
    pub sink: String,
    /// A directory for files without a name (file sinks).
    pub scratch: PathBuf,
    /// A directory on the log's own file system (private copies of the log).
    pub beside: PathBuf,
    /// The sink on another host, where there is one.
    pub remote: Option<Remote>,
    /// The receiver drops bytes in the kernel instead of copying them.
    pub discard: bool,
    /// The receiver spins instead of sleeping.
    pub spins: bool,
    /// `SO_SNDBUF` and `SO_RCVBUF` (or a pipe's size) to ask for; 0 leaves them to the kernel's tuning.
    pub socket_buffer_bytes: u64,
    /// Which pages are cached when a round begins.
    pub cache: Cache,
    /// The device between two hosts, where the sink is on another one.
    #[serde(default)]
    pub link: Link,
    /// CPUs to keep to: this child, its far end.
    pub pin: Option<(Numbers, Numbers)>,
    /// Make marker calls around the timed loop, for tracers.
    pub markers: bool,
    /// How consumers ask, and who serves them.
    #[serde(default)]
    pub demand: Demand,
    /// Take bytes from a socket instead of sending them, and how.
    #[serde(default)]
    pub intake: Option<Intake>,
    /// Let a canary work on the sender's CPU beside what is timed.
    #[serde(default)]
    pub canary: bool,
    /// Only these bytes of the log as a whole, from the first to before the second.
    #[serde(default)]
    pub range_bytes: Option<(u64, u64)>,
    /// What is done to the bytes before they are sent.
    #[serde(default)]
    pub transform: Transform,
}

/// What is done to the bytes before they are sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Transform {
    /// Nothing.
    #[default]
    None,
    /// They are summed, and sent as they are.
    Crc32c,
    /// They become LZ4 frames.
    Lz4,
    /// They become Zstandard frames.
    Zstd,
    /// They become TLS records.
    Tls,
}

/// A sink on another host that serves this run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Remote {
    /// Where it listens.
    pub address: SocketAddr,
    /// What a trial of this run shows it.
    pub ticket: String,
    /// It is on this host: its receivers can be watched like one's own.
    pub near: bool,
    /// What is known of the way to it, for the cell's setup.
    pub facts: BTreeMap<String, Value>,
}

/// Where fetches lie.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// One after another.
    Sequential,
    /// At batch boundaries, uniformly.
    Random,
    /// At batch boundaries, by a Zipf law with this exponent.
    Zipf(f64),
    /// At the beginning of a segment each, which is opened for it.
    Files,
}

/// Which pages are cached when a sample begins.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cache {
    /// All.
    Warm,
    /// None.
    Cold,
    /// About this share.
    Partial(f64),
}

/// What the parent wants next.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub enum Order {
    /// Move fetches of a block and check every byte at the sink.
    Verify {
        /// Which part of the log.
        block: u64,
        /// At most so many fetches.
        fetches_max: u32,
    },
    /// Move a block, timed.
    Slice {
        /// Which part of the log.
        block: u64,
        /// Keep its latencies.
        keep: bool,
    },
    /// Bring the cache into the wanted state, prove it, move a block with a fresh engine, timed.
    Round {
        /// Which part of the log.
        block: u64,
    },
    /// Move a block between two marker calls, for programs that count.
    Count {
        /// Which part of the log.
        block: u64,
        /// Arrange the cache and open a fresh engine first, as for a round.
        fresh: bool,
    },
    /// Send a little of a private copy of the log, rewrite that copy before the receiver reads, and
    /// say what it then read.
    Alias,
    /// Close the engine and send a little from memory, so that nothing holds a page of the log.
    Vacate,
    /// Open a fresh engine and move all blocks of the range so many times, untimed.
    Settle {
        /// How many times.
        passes: u32,
        /// Read every page in before, whatever the strategy would leave in the page cache.
        read_in: bool,
    },
    /// Serve so many fetches each second until told to stop. Answered when the first is served.
    Serve {
        /// The rate.
        rate_per_s: u32,
    },
    /// Serve no more, and say how long fetches took before, during and after this stretch.
    Stop {
        /// Its ends, by the monotonic clock.
        stretch_ns: (u64, u64),
    },
    /// Send the latencies and end.
    Finish,
}

/// What the child answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "kebab-case")]
pub enum Reply {
    /// Sinks and engine are open; this is what was set and read back.
    Ready {
        /// By name: `congestion`, `send_buffer_bytes`, `sender_cpu`, ….
        setup: BTreeMap<String, Value>,
        /// The far end, for programs that count.
        far: FarEnd,
        /// Who answers, and what it made of the specification.
        #[serde(default)]
        program: Option<Box<Program>>,
    },
    /// A block was moved.
    Moved(Box<Moved>),
    /// The probe was made, or could not be.
    Aliased(Aliased),
    /// It was done, and there is nothing to tell of it.
    Done,
    /// How hot consumers were served.
    Served(Box<Served>),
    /// The latencies, `hdr-v2-deflate` in base64; empty when there are none.
    Finished {
        /// The encoded histogram.
        histogram: String,
        /// The same of fast and of slow consumers, by name, where there are both.
        #[serde(default)]
        classes: BTreeMap<String, String>,
        /// What the kernel's tuning made of the setup meanwhile: `send_buffer_bytes`, ….
        setup: BTreeMap<String, Value>,
    },
    /// It could not be done. The child ends.
    Failed(Trouble),
}

/// Which program answers, and what it made of its specification.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// The revision that it was built from, or `unknown`.
    pub revision: String,
    /// Whether that tree had uncommitted changes.
    pub dirty: bool,
    /// Its version.
    pub version: String,
    /// The specification as it was understood, without the batches. Another build of the program may
    /// know fewer parameters than its parent, and would drop what it does not know in silence.
    pub understood: Value,
}

/// What tells a trial's packets and processes from all others.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FarEnd {
    /// The receiver's process; none for files and `/dev/null`.
    pub receiver: Option<u32>,
    /// Local and remote port of each of the sender's connections.
    pub ports: Vec<(u16, u16)>,
    /// The files that it reads instead of the log's, and how much of each is certain to be there.
    #[serde(default)]
    pub instead: Vec<(PathBuf, u64)>,
}

/// A block that was moved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Moved {
    /// Payload bytes that reached the sinks.
    pub bytes: u64,
    /// Header bytes that reached the sinks.
    pub header_bytes: u64,
    /// Payload bytes that lie outside of whole blocks of direct I/O, where the log has such.
    #[serde(default)]
    pub outside_blocks_bytes: u64,
    /// Fetches delivered.
    pub fetches: u64,
    /// Records of batches that lie wholly inside the delivered ranges.
    pub messages: u64,
    /// From the first call until the receiver had counted the last byte.
    pub wall_ns: u64,
    /// The monotonic clock before the first call and after the last.
    #[serde(default)]
    pub span_ns: (u64, u64),
    /// Integer readings by name.
    pub readings: BTreeMap<String, u64>,
    /// Data-path calls by name.
    pub calls: BTreeMap<String, u64>,
    /// How the bytes were verified.
    pub verified: Verified,
    /// The state of the cache before and after.
    pub cache: Option<CacheProof>,
}

/// How hot consumers were served.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Served {
    /// Latencies of the fetches that were due before, during and after the stretch, as
    /// [`Reply::Finished`] has them. A latency counts from the moment at which its fetch was due.
    pub histograms: [String; 3],
    /// Fetches served.
    pub fetches: u64,
    /// Bytes that the block layer read for this process meanwhile.
    pub read_bytes: Option<u64>,
}

/// What the aliasing probe saw.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Aliased {
    /// Payload bytes that arrived as they were after the rewrite.
    pub shared_bytes: u64,
    /// Payload bytes that were queued when the copy was rewritten.
    pub probed_bytes: u64,
    /// Why nothing could be probed.
    pub reason: Option<String>,
}

/// Why a child could not go on: becomes an error line and the cell's status.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Trouble {
    /// What the cell's status becomes.
    pub status: Status,
    /// The call that failed, where a call did.
    pub call: Option<String>,
    /// The name of the errno.
    pub errno: Option<String>,
    /// The whole message.
    pub message: String,
}

impl Spec {
    /// The specification without its long list of batches, as [`Program::understood`] has it.
    #[must_use]
    pub fn without_batches(&self) -> Value {
        let short = Spec { batches: Vec::new(), ..self.clone() };
        serde_json::to_value(short).unwrap_or_default()
    }
}

impl Trouble {
    /// Something that should have worked did not.
    pub fn failed(message: impl Into<String>) -> Trouble {
        Trouble { status: Status::Failed, call: None, errno: None, message: message.into() }
    }

    /// The condition could not be proven.
    pub fn invalid(message: impl Into<String>) -> Trouble {
        Trouble { status: Status::Invalid, ..Trouble::failed(message) }
    }

    /// A call that failed, with what it was applied to.
    pub fn call(call: &str, on: &str, errno: Errno) -> Trouble {
        Trouble {
            status: Status::Failed,
            call: Some(call.to_owned()),
            errno: Some(errno_name(errno)),
            message: format!("{call} on {on}: {errno}"),
        }
    }

    /// The same with another status.
    #[must_use]
    pub fn with_status(self, status: Status) -> Trouble {
        Trouble { status, ..self }
    }
}

/// The symbolic name of an errno: `EPERM`.
#[must_use]
pub fn errno_name(errno: Errno) -> String {
    format!("{errno:?}")
}
