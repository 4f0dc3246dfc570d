//! What does thorough compression cost, and what does it save on the wire?
//!
//! Zstandard frames at level 3, the default of the library and of Kafka. The context is kept between
//! frames; the frame is written straight into the output.

use super::chunk::{self, Expand, HEAD_BYTES};
use nix::errno::Errno;
use std::io::Cursor;
use zclab_strategies::{Applied, OpenError, Transform};

const LEVEL: i32 = 3;

fn chunk_bound_bytes(raw_bytes: usize) -> usize {
    HEAD_BYTES + zstd::zstd_safe::compress_bound(raw_bytes)
}

/// Compresses a lane's chunks.
pub struct Compress {
    compressor: zstd::bulk::Compressor<'static>,
}

impl Compress {
    /// Sets up a context.
    ///
    /// # Errors
    /// When the library cannot allocate it.
    pub fn new() -> Result<Compress, OpenError> {
        let compressor = zstd::bulk::Compressor::new(LEVEL)
            .map_err(|_| OpenError::failed("ZSTD_createCCtx", Errno::ENOMEM))?;
        Ok(Compress { compressor })
    }
}

impl Transform for Compress {
    fn name(&self) -> &'static str {
        "zstd"
    }

    fn bound_bytes(&self, input_bytes: usize) -> usize {
        chunk_bound_bytes(input_bytes)
    }

    fn warm_up(&mut self, chunk_bytes: usize) -> Result<(), Errno> {
        self.apply(&vec![0; chunk_bytes.max(1)], &mut Vec::new()).map(drop)
    }

    fn apply(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<Applied, Errno> {
        let compressor = &mut self.compressor;
        // The library writes into spare room and makes none.
        out.reserve(chunk_bound_bytes(bytes.len()));
        chunk::put(bytes, out, |bytes, out| {
            let end = out.len() as u64;
            let mut behind_the_head = Cursor::new(out);
            behind_the_head.set_position(end);
            compressor.compress_to_buffer(bytes, &mut behind_the_head).map(drop)
        })
    }
}

/// Expands Zstandard frames.
pub struct Frames {
    decompressor: zstd::bulk::Decompressor<'static>,
}

impl Frames {
    /// Sets up a context.
    ///
    /// # Errors
    /// When the library cannot allocate it.
    pub fn new() -> std::io::Result<Frames> {
        Ok(Frames { decompressor: zstd::bulk::Decompressor::new()? })
    }
}

impl Expand for Frames {
    fn bound_bytes(&self, raw_bytes: usize) -> usize {
        zstd::zstd_safe::compress_bound(raw_bytes)
    }

    fn expand(
        &mut self,
        frame: &[u8],
        raw_bytes: usize,
        plain: &mut Vec<u8>,
    ) -> std::io::Result<()> {
        plain.reserve(raw_bytes);
        // A frame that holds more than there is room for is the library's error; one that fits into
        // spare room is found by its length.
        self.decompressor.decompress_to_buffer(frame, plain).map(drop)
    }
}
