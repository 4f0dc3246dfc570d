//! What does fast compression cost, and what does it save on the wire?
//!
//! LZ4 frames of independent blocks of 64 KiB, as Kafka's producers make them. The encoder keeps its
//! table and buffers between frames, so that a warm one takes no memory. It copies its input into a
//! buffer of its own first, which is one more pass than the format needs.

use super::chunk::{self, Expand, HEAD_BYTES};
use lz4_flex::frame::{BlockSize, FrameDecoder, FrameEncoder, FrameInfo};
use nix::errno::Errno;
use std::io::{Cursor, Read, Write};
use zclab_strategies::{Applied, Transform};

const BLOCK_BYTES: usize = 64 << 10;

/// The frame's own header and its end mark, and the length before each block.
const FRAME_BYTES: usize = 19 + 4;
const BLOCK_HEAD_BYTES: usize = 4;

/// A block that does not shrink is stored.
fn bound_bytes(raw_bytes: usize) -> usize {
    raw_bytes + raw_bytes.div_ceil(BLOCK_BYTES) * BLOCK_HEAD_BYTES + FRAME_BYTES
}

/// Compresses a lane's chunks.
pub struct Compress {
    encoder: FrameEncoder<Vec<u8>>,
}

impl Compress {
    /// Sets up an encoder.
    #[must_use]
    pub fn new() -> Compress {
        let info = FrameInfo::new().block_size(BlockSize::Max64KB);
        Compress { encoder: FrameEncoder::with_frame_info(info, Vec::new()) }
    }
}

impl Default for Compress {
    fn default() -> Self {
        Self::new()
    }
}

impl Transform for Compress {
    fn name(&self) -> &'static str {
        "lz4"
    }

    fn bound_bytes(&self, input_bytes: usize) -> usize {
        HEAD_BYTES + bound_bytes(input_bytes)
    }

    fn warm_up(&mut self, chunk_bytes: usize) -> Result<(), Errno> {
        self.apply(&vec![0; chunk_bytes.max(1)], &mut Vec::new()).map(drop)
    }

    fn apply(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<Applied, Errno> {
        let encoder = &mut self.encoder;
        chunk::put(bytes, out, |bytes, out| {
            // The encoder owns what it writes to, so it borrows the output by a swap.
            std::mem::swap(encoder.get_mut(), out);
            let written = encoder.write_all(bytes);
            let finished = encoder.try_finish();
            std::mem::swap(encoder.get_mut(), out);
            written?;
            Ok(finished?)
        })
    }
}

/// Expands LZ4 frames.
pub struct Frames {
    decoder: FrameDecoder<Cursor<Vec<u8>>>,
}

impl Frames {
    /// Sets up a decoder.
    #[must_use]
    pub fn new() -> Frames {
        Frames { decoder: FrameDecoder::new(Cursor::default()) }
    }
}

impl Default for Frames {
    fn default() -> Self {
        Self::new()
    }
}

impl Expand for Frames {
    fn bound_bytes(&self, raw_bytes: usize) -> usize {
        bound_bytes(raw_bytes)
    }

    fn expand(
        &mut self,
        frame: &[u8],
        raw_bytes: usize,
        plain: &mut Vec<u8>,
    ) -> std::io::Result<()> {
        let from = self.decoder.get_mut();
        from.set_position(0);
        from.get_mut().clear();
        from.get_mut().extend_from_slice(frame);
        // One byte more than is wanted shows a frame that holds too much.
        (&mut self.decoder).take(raw_bytes as u64 + 1).read_to_end(plain)?;
        Ok(())
    }
}
