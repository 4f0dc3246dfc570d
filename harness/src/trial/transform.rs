//! What is done to each consumer's bytes before they are sent, and what outlives an engine?
//!
//! One file for each transform, with the maker and the undoing of it. Engines come and go with the
//! rounds of a trial, but a consumer's TLS connection stays, and so do the sums by which a content
//! check sees that every byte was looked at: both live here, and engines hold handles.

pub mod chunk;
pub mod crc32c;
pub mod lz4;
pub mod tls;
pub mod zstd;

use super::wire::{Transform as Kind, Undo};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use zclab_strategies::transform::Made;
use zclab_strategies::{LaneId, OpenError};

/// The transforms of a trial.
#[derive(Default)]
pub struct Transforms {
    kind: Kind,
    sums: Vec<Arc<AtomicU32>>,
    connections: Vec<tls::Connection>,
}

impl Transforms {
    /// One of this kind for each sink. TLS needs their connections, after the handshake.
    #[must_use]
    pub fn new(kind: Kind, sinks: usize, connections: Vec<tls::Connection>) -> Transforms {
        let sums = if kind == Kind::Crc32c { sinks } else { 0 };
        Transforms { kind, sums: (0..sums).map(|_| Arc::default()).collect(), connections }
    }

    /// Whether anything is done at all.
    #[must_use]
    pub fn any(&self) -> bool {
        self.kind != Kind::None
    }

    /// The transform of a sink, for an engine that is being opened.
    ///
    /// # Errors
    /// What the library behind it said.
    pub fn make(&self, lane: LaneId) -> Made {
        let missing = OpenError::Refused { why: "this sink has nothing to transform with" };
        match self.kind {
            Kind::None => Err(missing),
            Kind::Crc32c => {
                let sum = self.sums.get(lane).ok_or(missing)?;
                Ok(Box::new(crc32c::Check::new(sum.clone())))
            }
            Kind::Lz4 => Ok(Box::new(lz4::Compress::new())),
            Kind::Zstd => Ok(Box::new(zstd::Compress::new()?)),
            Kind::Tls => {
                let connection = self.connections.get(lane).ok_or(missing)?;
                Ok(Box::new(tls::Encrypt::new(connection.clone())))
            }
        }
    }

    /// Forgets the sums, before a block.
    pub fn begin(&self) {
        self.sums.iter().for_each(|sum| sum.store(0, Ordering::Relaxed));
    }

    /// The sum of every byte that was looked at since, for each sink; none where nothing sums.
    #[must_use]
    pub fn sums(&self) -> Vec<u32> {
        self.sums.iter().map(|sum| sum.load(Ordering::Relaxed)).collect()
    }
}

/// What the far end has to undo, where no handshake says more.
#[must_use]
pub fn undo(kind: Kind) -> Undo {
    match kind {
        Kind::None | Kind::Crc32c | Kind::Tls => Undo::Nothing,
        Kind::Lz4 => Undo::Lz4,
        Kind::Zstd => Undo::Zstd,
    }
}
