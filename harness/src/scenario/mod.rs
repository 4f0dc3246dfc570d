//! Which question does a scenario ask, and which cells does that make?
//!
//! A scenario is a TOML file: one question, a matrix of conditions, the strategies to compare. This
//! module holds the checked meaning ([`Scenario`], [`Condition`], [`Contender`], [`Cell`]); how a
//! file becomes that is in `parse`, and what files may say is in `scenarios/README.md`.

mod cell;
mod check;
mod contenders;
mod document;
mod estimate;
mod expect;
pub mod ingest;
pub mod keys;
mod link;
mod load;
mod matrix;
mod parse;
pub mod pressure;
mod problem;
pub mod shipped;
mod tail;
mod values;
pub mod words;

pub use check::SEGMENTS_MAX;
pub use contenders::BARE;
pub use estimate::Estimate;
pub use expect::RULES_MAX;
pub use link::Link;
pub use load::{load, load_shipped, load_with_origin};
pub use parse::{CELLS_MAX, parse, parse_bytes};
pub use pressure::Pressure;
pub use problem::{BadScenario, Problem, Spot};
pub use shipped::{names as shipped_names, text as shipped_text};

use crate::log::kafka::MessageSize;
use crate::trial::wire::Demand;
use std::collections::BTreeMap;
use std::path::PathBuf;
use zclab_report::record;
use zclab_strategies::{Entry, Family, OptionValue, SinkKind};

/// A checked scenario.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Path below `scenarios/` without the extension: `quick/size`.
    pub name: String,
    /// The question, one sentence.
    pub question: String,
    /// How to read the answer: a few paragraphs of plain text.
    pub analysis: String,
    /// Label of the contender that the others are compared with.
    pub baseline: String,
    /// What is compared, in order.
    pub contenders: Vec<Contender>,
    /// The axes that have more than one value, in the file's order.
    pub axes: Vec<record::Axis>,
    /// The points of the matrix, the last axis fastest.
    pub conditions: Vec<Condition>,
    /// How much is measured.
    pub budget: Budget,
    /// What the file expects of the run.
    pub expect: Vec<record::Expect>,
    /// The file's text.
    pub source: String,
}

/// A strategy with the options of one cell.
#[derive(Clone)]
pub struct Contender {
    /// How it is called in tables: the strategy's name, and the options that differ from their defaults.
    pub label: String,
    /// The strategy; for a bare loop (`bare:<name>`, see `trial::bare`) the one that it imitates.
    pub strategy: Entry,
    /// The harness's own bare loop of the same system calls instead of the strategy's engine.
    pub bare: bool,
    /// The options that the file set.
    pub options: BTreeMap<String, OptionValue>,
}

impl std::fmt::Debug for Contender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.label)
    }
}

/// One point of the matrix: everything but the strategy.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// The log that is read.
    pub log: LogChoice,
    /// Payload bytes of one fetch.
    pub fetch_bytes: u64,
    /// Header bytes that precede each fetch; 0 for none.
    pub header_bytes: u64,
    /// Sinks that each fetch goes to.
    pub consumers: u32,
    /// The file system that the log lies on.
    pub filesystem: FileSystem,
    /// Where consecutive fetches lie.
    pub access: Access,
    /// Bytes that are appended in a second where they lie at the end of a log; 0: as consumers take it.
    pub append_rate_bytes: u64,
    /// Which pages of the log are cached when a sample begins.
    pub cache: Cache,
    /// Where the bytes go.
    pub sink: SinkKind,
    /// What the receiver does with them.
    pub receiver: Receiver,
    /// How the receiver waits for them.
    pub wait: Wait,
    /// What is done to the bytes before they are sent.
    pub transform: Transform,
    /// `SO_SNDBUF` and `SO_RCVBUF` asked for, in bytes.
    pub socket_buffer_bytes: u64,
    /// The device between two hosts.
    pub link: Link,
    /// How consumers ask for their fetches, and who serves them.
    pub demand: Demand,
    /// Which family the strategies are of.
    pub family: Family,
    /// Where the bytes of ingest strategies come from, and where they have to end.
    pub intake: ingest::Intake,
    /// Processes that serve the same ranges at once, each with an engine and sinks of its own. Where a
    /// scenario asks what many cost, all of its conditions say how many; elsewhere there is one.
    pub readers: Option<u32>,
    /// The same of processes that share the log among them: each serves a part of its own.
    pub senders: Option<Senders>,
    /// Whether a canary works beside what is timed.
    pub canary: bool,
    /// Little memory, and hot consumers beside the contender, who then serves a cold scan.
    pub pressure: Option<Pressure>,
}

/// How many senders share the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Senders {
    /// Of this condition.
    pub count: u32,
    /// Of the condition of the scenario that has most: where there is no CPU for each of those, none
    /// has one of its own under any, so that all conditions are measured alike.
    pub most: u32,
}

/// What the processes have in common that serve at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Several {
    /// The ranges: so many readers.
    Readers(u32),
    /// Nothing but the log: so many senders.
    Senders(u32),
}

impl Condition {
    /// Whether several processes serve at once.
    #[must_use]
    pub fn several(&self) -> Option<Several> {
        let senders = self.senders.map(|senders| Several::Senders(senders.count));
        self.readers.map(Several::Readers).or(senders)
    }
}

impl Several {
    /// How many.
    #[must_use]
    pub fn count(self) -> u32 {
        match self {
            Several::Readers(count) | Several::Senders(count) => count,
        }
    }
}

/// The log that is read.
#[derive(Clone, Debug, PartialEq)]
pub enum LogChoice {
    /// A generated Kafka partition.
    Kafka(crate::log::kafka::Spec),
    /// A partition that `zclab log import` made known under this name.
    Imported(String),
}

/// The file system that the log lies on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FileSystem {
    /// That of the folder of logs, whatever it is.
    Here,
    /// One that zclab makes for the run: ext4.
    Ext4,
    /// XFS.
    Xfs,
    /// Btrfs.
    Btrfs,
    /// Tmpfs.
    Tmpfs,
}

/// Where consecutive fetches lie.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Access {
    /// One after another.
    Sequential,
    /// Batch boundaries, uniformly.
    Random,
    /// Batch boundaries by a Zipf law: a few are asked for often.
    Zipf {
        /// The law's exponent, above 0.
        exponent: f64,
    },
    /// At the end of a log that a producer appends to.
    Tail,
    /// In a file of its own, which is opened for it.
    Files,
}

/// Which pages of the log are cached when a sample begins.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cache {
    /// All.
    Warm,
    /// None.
    Cold,
    /// About this share, between 0 and 1.
    Partial {
        /// Resident share.
        resident: f64,
    },
}

/// How a receiver waits for bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// By spinning where there is a CPU for it, else by sleeping; the record says which.
    Auto,
    /// It asks again and again: nobody has to wake it.
    Spin,
    /// It sleeps in the kernel and is woken, on loopback at the sender's expense.
    Sleep,
}

/// What the receiver does with the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receiver {
    /// `recv` into a buffer.
    Copy,
    /// `recv(MSG_TRUNC)`: the kernel drops them (TCP only).
    Discard,
}

/// What is done to the bytes before they are sent; the far end undoes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transform {
    /// Nothing.
    None,
    /// Every byte goes into a CRC-32C, and is sent as it is.
    Crc32c,
    /// They are compressed into LZ4 frames.
    Lz4,
    /// They are compressed into Zstandard frames.
    Zstd,
    /// They are encrypted: TLS 1.3 in user space.
    Tls,
}

/// How much is measured; decided beforehand, never extended because of what was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Sets of children per condition (slices), or ABBA repetitions (rounds).
    pub launches: u32,
    /// Turns of the rotation per launch (slices only).
    pub turns: u32,
    /// Payload bytes per slice or round and sink set; fewer when fetches are tiny (see `fetches_max`).
    pub slice_bytes: u64,
    /// A slice has no more fetches than this.
    pub fetches_max: u32,
}

/// One contender under one condition.
#[derive(Clone, Debug)]
pub struct Cell<'a> {
    /// Its scenario.
    pub scenario: &'a Scenario,
    /// What runs.
    pub contender: &'a Contender,
    /// Under which condition.
    pub condition: &'a Condition,
}

/// Where a scenario came from.
#[derive(Clone, Debug)]
pub enum Origin {
    /// A file of the user's.
    File(PathBuf),
    /// One that is built into the program, by name.
    Shipped(String),
}

impl Transform {
    /// Whether what is sent is something else than the log's bytes.
    #[must_use]
    pub fn changes(self) -> bool {
        match self {
            Transform::None | Transform::Crc32c => false,
            Transform::Lz4 | Transform::Zstd | Transform::Tls => true,
        }
    }
}

impl Condition {
    /// The message sizes of the log, where it is generated.
    #[must_use]
    pub fn message(&self) -> Option<&MessageSize> {
        match &self.log {
            LogChoice::Kafka(spec) => Some(&spec.message),
            LogChoice::Imported(_) => None,
        }
    }
}
