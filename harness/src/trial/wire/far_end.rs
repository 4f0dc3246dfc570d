//! What is a receiver told, and what does it answer?

use crate::cpus::Numbers;
use serde::{Deserialize, Serialize};

/// The environment variable by which a receiver is handed connections that are open already: their
/// descriptors, separated by commas.
pub const INHERITED: &str = "ZCLAB_CONNECTIONS";

/// Everything that a receiver has to know.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ReceiverSpec {
    /// Where to connect: `127.0.0.1:port`, or `@name` in the abstract Unix namespace; `inherited:` and
    /// the numbers of the descriptors for pipes; empty for one that inherits its connections.
    pub address: String,
    /// How many connections to make; each begins with its index, four bytes little endian.
    pub connections: u32,
    /// Drop bytes in the kernel (`MSG_TRUNC`).
    pub discard: bool,
    /// Spin instead of sleeping.
    pub spins: bool,
    /// `SO_RCVBUF` to ask for; 0 leaves it to the kernel's tuning.
    pub socket_buffer_bytes: u64,
    /// What comes is encrypted by kernel TLS, and this end's kernel has to decrypt it.
    #[serde(default)]
    pub tls: bool,
    /// CPUs to keep to.
    pub cpus: Option<Numbers>,
    /// So many connections, the first ones, are read slowly.
    #[serde(default)]
    pub slow: u32,
    /// Bytes that each of those may bring in a second.
    #[serde(default)]
    pub slow_rate_bytes: u64,
    /// How long it waits for an order beyond what any child does.
    #[serde(default)]
    pub idling_ms: u64,
    /// What was done to the bytes, and has to be undone before they are counted.
    #[serde(default)]
    pub undo: Undo,
}

/// What has to be undone at the far end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub enum Undo {
    /// Nothing: the bytes are the log's.
    #[default]
    Nothing,
    /// LZ4 frames, each behind its lengths before and after.
    Lz4,
    /// Zstandard frames, likewise.
    Zstd,
    /// TLS records: the receiver is the client, and trusts this certificate alone.
    Tls {
        /// The certificate (DER), in base64.
        certificate: String,
    },
}

/// [`Expect::bytes_each`] of a receiver that sleeps, and counts until its connection is closed.
pub const UNTIL_CLOSED: u64 = u64::MAX;

/// What a receiver shall count next.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Expect {
    /// Bytes on each connection, as they were before any transform.
    pub bytes_each: u64,
    /// Checksum them as well.
    pub content: bool,
}

/// What a receiver is told.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Ask {
    /// Listen, count, report: answered by two [`Counted`].
    Count(Expect),
    /// Read what is queued and hand it over: answered by one [`Content`]. Before it is asked, a
    /// receiver reads nothing.
    ReadBack(ReadBack),
    /// Say the same: answered by one [`Echo`].
    Echo(Echo),
}

/// A word that comes back.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Echo {
    /// The word.
    pub echo: u64,
    /// The number of the process that answers; 0 in a question.
    #[serde(default)]
    pub process: u32,
}

/// Which bytes a receiver shall hand over.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReadBack {
    /// Index of the connection.
    pub connection: u32,
    /// Bytes to read from it.
    pub read_back_bytes: u64,
}

/// Bytes that a receiver hands over.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Content {
    /// The bytes, in base64.
    pub data: String,
    /// Set instead when they could not be read.
    pub error: Option<String>,
}

/// What a receiver counted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Counted {
    /// `CLOCK_MONOTONIC` when the last byte had been counted.
    pub end_ns: u64,
    /// Bytes over all connections, as they were before any transform.
    pub bytes: u64,
    /// CPU time of the receiver meanwhile; of one that spins, time inside the calls that brought bytes.
    pub cpu_ns: u64,
    /// Voluntary context switches of the receiver meanwhile.
    pub voluntary: u64,
    /// Involuntary ones.
    pub involuntary: u64,
    /// CRC-32C of what came on each connection, when asked for.
    pub crcs: Vec<u32>,
    /// `SO_RCVBUF` as read back.
    pub receive_buffer_bytes: u64,
    /// The most memory that the receiver has had resident so far; 0 where nobody can say.
    #[serde(default)]
    pub peak_rss_bytes: u64,
    /// Its open descriptors.
    #[serde(default)]
    pub descriptors: u64,
    /// The most memory that TCP's sockets were seen to hold while content was checked; none at
    /// other times.
    #[serde(default)]
    pub tcp_memory_bytes: Option<u64>,
    /// Set instead of counts when it could not go on.
    pub error: Option<String>,
}
