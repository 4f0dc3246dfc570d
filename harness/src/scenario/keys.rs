//! Which keys may a scenario file hold, with which values, and what holds where it is silent?
//!
//! The parser reads by these entries, `zclab list params` prints them, and a test holds
//! `scenarios/README.md` to them, so that a key cannot be accepted without being documented.

mod demand;
mod expect;

pub use super::link::{BANDWIDTH, CHECKSUM, MTU, SCATTER_GATHER, SEGMENTATION};
pub use super::values::Values;
use super::{ingest, words};
pub use demand::*;
pub use expect::*;
use zclab_strategies::SinkKind;

/// One key of a scenario file.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// The table that it stands in: empty for the top of the file.
    pub table: &'static str,
    /// Its name.
    pub name: &'static str,
    /// What it sets, in a phrase.
    pub what: &'static str,
    /// What it may be set to.
    pub values: Values,
}

impl Key {
    pub(super) const fn new(
        table: &'static str,
        name: &'static str,
        values: Values,
        what: &'static str,
    ) -> Key {
        Key { table, name, what, values }
    }

    /// Whether it is a parameter of the matrix, which may be an axis.
    #[must_use]
    pub fn is_axis(&self) -> bool {
        self.table == "matrix"
    }
}

pub(super) const fn bytes(default: u64, min: u64, max: u64) -> Values {
    Values::Bytes { default: Some(default), min, max }
}

const fn count(default: u64, min: u64, max: u64) -> Values {
    Values::Count { default: Some(default), min, max }
}

const KIB: u64 = 1 << 10;
pub(super) const MIB: u64 = 1 << 20;
pub(super) const GIB: u64 = 1 << 30;

/// No message is longer: it has to fit a batch, whose length Kafka keeps in 31 bits.
const MESSAGE_MAX: u64 = 64 * MIB;

/// The size of one message, wherever it is given as a number.
pub(super) const MESSAGE_BYTES: Values = Values::Bytes { default: None, min: 1, max: MESSAGE_MAX };

/// The question that the scenario asks.
pub const QUESTION: Key = Key::new(
    "",
    "question",
    Values::Text { required: true },
    "the question that the scenario asks, one sentence on one line",
);
/// How to read the answer.
pub const ANALYSIS: Key = Key::new(
    "",
    "analysis",
    Values::Text { required: false },
    "how to read the answer: paragraphs of plain text with empty lines between them",
);
/// Whom the others are compared with.
pub const BASELINE: Key = Key::new(
    "",
    "baseline",
    Values::Text { required: true },
    "label of the contender that the others are compared with",
);
/// What is compared.
pub const STRATEGIES: Key = Key::new(
    "",
    "strategies",
    Values::Form {
        default: "",
        forms: "\"all\", \"ingest\", \"receive\", or an array of names and tables such as \
                { strategy = \"splice\", pipe = [\"64 KiB\", \"1 MiB\"] }",
    },
    "what is compared: the contenders, in order",
);
/// The strategy that a table among the strategies names.
pub const STRATEGY: Key = Key::new(
    "strategies",
    "strategy",
    Values::Text { required: true },
    "name of the strategy whose options the table sets; every other key is one of its options",
);

/// What kind of log is generated.
pub const FORMAT: Key = Key::new(
    "log",
    "format",
    Values::Word { default: "kafka", of: || vec!["kafka"] },
    "whose layout on disk the generated log has",
);
/// An imported log instead of a generated one.
pub const IMPORT: Key = Key::new(
    "log",
    "import",
    Values::Text { required: false },
    "name of an imported log (`zclab log import`) that is used instead of a generated one",
);
/// Bytes of the log.
pub const SIZE: Key =
    Key::new("log", "size", bytes(256 * MIB, 4 * KIB, 256 * GIB), "bytes of all segments together");
/// Bytes of a batch.
pub const BATCH: Key = Key::new(
    "log",
    "batch",
    bytes(16 * KIB, 1, 64 * MIB),
    "a batch is closed before its uncompressed records exceed this, but holds at least one",
);
/// Compression.
pub const CODEC: Key = Key::new(
    "log",
    "codec",
    Values::Word { default: "none", of: || words::names(words::CODECS) },
    "how the records of a batch are compressed",
);
/// Bytes of a segment.
pub const SEGMENT: Key = Key::new(
    "log",
    "segment",
    bytes(64 * MIB, 4 * KIB, (1 << 31) - 1),
    "a segment is rolled before it exceeds this",
);
/// Bytes of a record's key.
pub const KEY: Key =
    Key::new("log", "key", bytes(16, 0, 64 * KIB), "bytes of a record's key; 0: null");
/// Headers of a record.
pub const HEADERS: Key = Key::new("log", "headers", count(0, 0, 100), "headers on each record");
/// Seed of the generator.
pub const SEED: Key = Key::new(
    "log",
    "seed",
    count(1, 0, i64::MAX as u64),
    "seed of all that is random in the log and in the order of fetches",
);

/// Sizes of record values.
pub const MESSAGE: Key = Key::new(
    "matrix",
    "message",
    Values::Form {
        default: "1024",
        forms: "bytes (1 B to 64 MiB), { uniform = { min, max } }, \
                { lognormal = { median, sigma, max } } or { zipf = { max, exponent } }",
    },
    "bytes of a record's value; each value of the axis is a log of its own",
);
/// Payload of a fetch.
pub const FETCH: Key =
    Key::new("matrix", "fetch", bytes(64 * KIB, 1, GIB), "payload bytes of one fetch");
/// Header of a fetch.
pub const HEADER: Key = Key::new(
    "matrix",
    "header",
    bytes(70, 0, 64 * KIB),
    "header bytes that precede each fetch, as a broker's response has them; 0: none",
);
/// Fan-out.
pub const CONSUMERS: Key =
    Key::new("matrix", "consumers", count(1, 1, 20_000), "sinks that each fetch goes to");
/// What the log lies on.
pub const FILESYSTEM: Key = Key::new(
    "matrix",
    "filesystem",
    Values::Word { default: "here", of: || words::names(words::FILESYSTEMS) },
    "what the log lies on: here is the folder of logs, others are made (root)",
);
/// Order of fetches.
pub const ACCESS: Key = Key::new(
    "matrix",
    "access",
    Values::Form {
        default: "\"sequential\"",
        forms: "\"sequential\", \"random\", \"zipf\" (exponent 1.1), { zipf = exponent }, \"tail\" or \
                \"files\"",
    },
    "where consecutive fetches lie; tail: at the end of a log that a producer appends to; files: each \
     at the beginning of a segment that is opened for it and closed after it",
);
/// State of the page cache.
pub const CACHE: Key = Key::new(
    "matrix",
    "cache",
    Values::Form {
        default: "\"warm\"",
        forms: "\"warm\", \"cold\", \"partial\" (half) or { partial = share }",
    },
    "which pages of the log are in the page cache when a sample begins",
);
/// Where the bytes go.
pub const SINK: Key = Key::new(
    "matrix",
    "sink",
    Values::Word {
        default: "tcp-loopback",
        of: || SinkKind::ALL.iter().map(|kind| kind.name()).collect(),
    },
    "where the bytes go",
);
/// What the receiver does.
pub const RECEIVER: Key = Key::new(
    "matrix",
    "receiver",
    Values::Word { default: "copy", of: || words::names(words::RECEIVERS) },
    "what the receiver does with the bytes; discard needs TCP",
);
/// How the receiver waits.
pub const WAIT: Key = Key::new(
    "matrix",
    "wait",
    Values::Word { default: "auto", of: || words::names(words::WAITS) },
    "how the far end waits: spin needs a CPU of its own, auto spins where there is one and at most \
     128 consumers",
);
/// What is done to the bytes first.
pub const TRANSFORM: Key = Key::new(
    "matrix",
    "transform",
    Values::Word { default: "none", of: || words::names(words::TRANSFORMS) },
    "what is done to the bytes before they are sent; tls needs a socket as the sink",
);
/// Socket buffers.
pub const SOCKET_BUFFER: Key = Key::new(
    "matrix",
    "socket_buffer",
    bytes(0, 0, GIB),
    "SO_SNDBUF and SO_RCVBUF (or a pipe's size) asked for, 0 leaves them to the kernel; what came of \
     it is in the record",
);
/// Where bytes come from.
pub const SOURCE: Key = Key::new(
    "matrix",
    "source",
    Values::Word { default: "tcp-loopback", of: || words::names(ingest::SOURCES) },
    "ingest, receive: the kind of socket that the bytes come from",
);
/// How the far end sends.
pub const FEED: Key = Key::new(
    "matrix",
    "feed",
    Values::Word { default: "send", of: || words::names(ingest::FEEDS) },
    "ingest, receive: how the far end sends the log",
);
/// Durability.
pub const FSYNC: Key = Key::new(
    "matrix",
    "fsync",
    Values::Word { default: "never", of: || words::names(ingest::FSYNCS) },
    "ingest: when the file is synced (fdatasync, timed): never, before each fetch counts, or at the end",
);

/// Processes that read alike.
pub const READERS: Key = Key::new(
    "matrix",
    "readers",
    count(1, 1, 64),
    "processes that serve the same ranges at once, each with an engine and sinks of its own",
);
/// Processes that share the work.
pub const SENDERS: Key = Key::new(
    "matrix",
    "senders",
    count(1, 1, 64),
    "processes that serve parts of the log at once, each one of its own, with an engine and sinks of its own",
);

/// Repetitions.
pub const LAUNCHES: Key = Key::new(
    "budget",
    "launches",
    count(4, 1, 1000),
    "sets of children for each condition; or rounds of each contender, in ABBA order",
);
/// Slices of a launch.
pub const TURNS: Key = Key::new(
    "budget",
    "turns",
    count(12, 1, 10_000),
    "turns of the rotation in each launch (rounds have none)",
);
/// Bytes of a slice.
pub const SLICE: Key = Key::new(
    "budget",
    "slice",
    bytes(16 * MIB, 1, 64 * GIB),
    "payload bytes of one slice or round, all its sinks together; at least one fetch",
);
/// Fetches of a slice.
pub const FETCHES_MAX: Key = Key::new(
    "budget",
    "fetches_max",
    count(4096, 1, 10_000_000),
    "a slice has no more fetches than this",
);

/// The least size of a uniform distribution.
pub const UNIFORM_MIN: Key = Key::new("message.uniform", "min", MESSAGE_BYTES, "the least size");
/// The greatest size of a uniform distribution.
pub const UNIFORM_MAX: Key =
    Key::new("message.uniform", "max", MESSAGE_BYTES, "the greatest size, included");
/// The median of a log-normal distribution.
pub const LOGNORMAL_MEDIAN: Key =
    Key::new("message.lognormal", "median", MESSAGE_BYTES, "half of the messages are shorter");
/// The spread of a log-normal distribution.
pub const LOGNORMAL_SIGMA: Key = Key::new(
    "message.lognormal",
    "sigma",
    Values::Real { above: 0.0, below: 8.0 },
    "standard deviation of the natural logarithm of the size",
);
/// The cut of a log-normal distribution.
pub const LOGNORMAL_MAX: Key =
    Key::new("message.lognormal", "max", MESSAGE_BYTES, "longer messages are cut to this");
/// The greatest size of a Zipf distribution.
pub const ZIPF_MAX: Key =
    Key::new("message.zipf", "max", MESSAGE_BYTES, "sizes go from 1 B to this");
/// The exponent of a Zipf distribution.
pub const ZIPF_EXPONENT: Key = Key::new(
    "message.zipf",
    "exponent",
    Values::Real { above: 0.0, below: 10.0 },
    "the law's exponent: the greater, the more are short",
);
/// The exponent of Zipf access.
pub const ACCESS_ZIPF: Key = Key::new(
    "access",
    "zipf",
    Values::Real { above: 0.0, below: 10.0 },
    "the law's exponent: the greater, the more often the same batches are asked for",
);
/// The resident share of a partly warm log.
pub const CACHE_PARTIAL: Key = Key::new(
    "cache",
    "partial",
    Values::Real { above: 0.0, below: 1.0 },
    "share of the pages that is resident",
);

/// The keys at the top of a file that hold a table.
pub const TABLES: &[&str] = &["log", "matrix", "pressure", "budget", "expect"];

/// Every key, in the order of documentation.
pub const ALL: &[Key] = &[
    QUESTION,
    ANALYSIS,
    BASELINE,
    STRATEGIES,
    STRATEGY,
    FORMAT,
    IMPORT,
    SIZE,
    BATCH,
    CODEC,
    SEGMENT,
    KEY,
    HEADERS,
    SEED,
    MESSAGE,
    FETCH,
    HEADER,
    CONSUMERS,
    FILESYSTEM,
    ACCESS,
    CACHE,
    SINK,
    RECEIVER,
    WAIT,
    TRANSFORM,
    SOCKET_BUFFER,
    SCATTER_GATHER,
    CHECKSUM,
    SEGMENTATION,
    MTU,
    BANDWIDTH,
    DRIVER,
    SLOW,
    SLOW_RATE,
    RATE,
    ARRIVALS,
    APPEND_RATE,
    SOURCE,
    FEED,
    FSYNC,
    READERS,
    SENDERS,
    CANARY,
    MEMORY,
    HOT,
    HOT_STRATEGY,
    HOT_RATE,
    HOT_ACCESS,
    BEFORE_MS,
    AFTER_MS,
    LAUNCHES,
    TURNS,
    SLICE,
    FETCHES_MAX,
    EXPECT_STRATEGY,
    EXPECT_THAN,
    EXPECT_METRIC,
    EXPECT_RATIO,
    EXPECT_CROSSOVER,
    EXPECT_VALUE,
    EXPECT_WHERE,
    RATIO_ABOVE,
    RATIO_BELOW,
    CROSSOVER_FROM,
    CROSSOVER_TO,
    VALUE_AT_LEAST,
    VALUE_AT_MOST,
    WHERE_FROM,
    WHERE_TO,
    UNIFORM_MIN,
    UNIFORM_MAX,
    LOGNORMAL_MEDIAN,
    LOGNORMAL_SIGMA,
    LOGNORMAL_MAX,
    ZIPF_MAX,
    ZIPF_EXPONENT,
    ACCESS_ZIPF,
    CACHE_PARTIAL,
];

/// The names of the keys of a table.
#[must_use]
pub fn of(table: &str) -> Vec<&'static str> {
    ALL.iter().filter(|key| key.table == table).map(|key| key.name).collect()
}
