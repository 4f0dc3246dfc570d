//! How does Apache Kafka lay out a partition on disk?

pub mod batch;
pub mod checkpoint;
pub mod codec;
mod generate;
pub mod import;
pub mod index;
pub mod inspect;
mod laws;
mod malformed;
pub mod partition;
mod payload;
pub mod producers;
pub mod record;
mod scan;
pub mod show;
mod sizes;
pub mod varint;
pub mod verify;
mod write;

pub use generate::generate;
pub use malformed::Malformed;
pub use record::{Record, RecordHeader};
pub use scan::scan;
pub use write::Summary;

use serde::{Deserialize, Serialize};

/// What a generated partition holds. The same spec gives the same bytes on every machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Bytes of all `.log` files together; the last batch may exceed it.
    pub total_bytes: u64,
    /// Bytes of a record's value.
    pub message: MessageSize,
    /// Bytes of a record's key; 0 for a null key.
    pub key_bytes: u32,
    /// Headers on each record.
    pub headers: u32,
    /// A batch is closed before its uncompressed records exceed this, but holds at least one record.
    pub batch_bytes: u32,
    /// How the records of a batch are compressed.
    pub codec: Codec,
    /// A segment is rolled before it exceeds this.
    pub segment_bytes: u64,
    /// Seed of all that is random in it.
    pub seed: u64,
}

/// Sizes of record values.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MessageSize {
    /// All alike.
    Fixed(u32),
    /// Uniform between two sizes, both included.
    Uniform {
        /// The least size.
        min: u32,
        /// The greatest size.
        max: u32,
    },
    /// Log-normal: `median` bytes, the logarithm's deviation `sigma`; cut at `max`.
    Lognormal {
        /// The median size.
        median: u32,
        /// Standard deviation of the natural logarithm.
        sigma: f64,
        /// No message is longer.
        max: u32,
    },
    /// Zipf over 1 to `max` bytes: short messages are common, long ones rare.
    Zipf {
        /// No message is longer.
        max: u32,
        /// The law's exponent.
        exponent: f64,
    },
}

/// How the records of a batch are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Codec {
    /// Not at all.
    None,
    /// gzip.
    Gzip,
    /// Snappy in Xerial's framing.
    Snappy,
    /// LZ4 frames.
    Lz4,
    /// Zstandard.
    Zstd,
}

impl Default for Spec {
    /// 256 MiB of 1 KiB messages in batches of 16 KiB, uncompressed, segments of 1 GiB.
    fn default() -> Self {
        Self {
            total_bytes: 256 << 20,
            message: MessageSize::Fixed(1024),
            key_bytes: 0,
            headers: 0,
            batch_bytes: 16 * 1024,
            codec: Codec::None,
            segment_bytes: 1 << 30,
            seed: 1,
        }
    }
}
