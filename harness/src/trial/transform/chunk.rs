//! How does the far end find the chunks that a compressor made?
//!
//! Each begins with its length before compression and after, four bytes each, little endian; then the
//! compressor's own frame, which any decoder of the format reads. A chunk is what the strategy had in
//! its buffer at once, or a header.

use anyhow::{bail, ensure};
use nix::errno::Errno;
use zclab_strategies::Applied;

/// Bytes before the frame.
pub const HEAD_BYTES: usize = 8;

/// Puts a chunk into `out`: the head, and the frame that `compress` appends.
///
/// # Errors
/// What the compressor said; `EMSGSIZE` for a chunk whose length does not fit its head.
pub fn put(
    bytes: &[u8],
    out: &mut Vec<u8>,
    compress: impl FnOnce(&[u8], &mut Vec<u8>) -> std::io::Result<()>,
) -> Result<Applied, Errno> {
    let begin = out.len();
    out.extend_from_slice(&[0; HEAD_BYTES]);
    compress(bytes, out).map_err(zclab_strategies::sys::errno_of)?;
    let length = |bytes: usize| u32::try_from(bytes).map_err(|_| Errno::EMSGSIZE);
    let raw = length(bytes.len())?.to_le_bytes();
    let compressed = length(out.len() - begin - HEAD_BYTES)?.to_le_bytes();
    out[begin..begin + 4].copy_from_slice(&raw);
    out[begin + 4..begin + HEAD_BYTES].copy_from_slice(&compressed);
    Ok(Applied::Changed)
}

/// What undoes a compressor's frames.
pub trait Expand {
    /// The longest frame of so many bytes.
    fn bound_bytes(&self, raw_bytes: usize) -> usize;

    /// Appends to `plain`, which is empty, what a whole frame holds: `raw_bytes`, if all is well.
    ///
    /// # Errors
    /// What is wrong with the frame.
    fn expand(
        &mut self,
        frame: &[u8],
        raw_bytes: usize,
        plain: &mut Vec<u8>,
    ) -> std::io::Result<()>;
}

/// Gathers chunks as they come off a connection and expands each as soon as it is whole.
pub struct Chunks<E> {
    expand: E,
    wire: Vec<u8>,
    plain: Vec<u8>,
}

impl<E: Expand> Chunks<E> {
    /// Nothing has come yet.
    pub fn new(expand: E) -> Chunks<E> {
        Chunks { expand, wire: Vec::new(), plain: Vec::new() }
    }

    /// Takes bytes off the wire; gives what they hold. What a head says is believed only as far as
    /// bytes are still expected (`left_bytes`), so that a broken stream takes no memory.
    ///
    /// # Errors
    /// A stream that no compressor made.
    pub fn take(
        &mut self,
        mut wire: &[u8],
        mut left_bytes: u64,
        give: &mut dyn FnMut(&[u8]),
    ) -> anyhow::Result<()> {
        while !wire.is_empty() {
            let want = HEAD_BYTES.saturating_sub(self.wire.len());
            self.gather(&mut wire, want);
            let Some((raw_bytes, frame_bytes)) = head(&self.wire) else { return Ok(()) };
            ensure!(
                0 < raw_bytes && raw_bytes as u64 <= left_bytes,
                "a chunk says that it holds {raw_bytes} bytes where {left_bytes} are expected"
            );
            let bound_bytes = self.expand.bound_bytes(raw_bytes);
            if frame_bytes > bound_bytes {
                bail!("a frame of {frame_bytes} bytes for {raw_bytes}: no more than {bound_bytes}");
            }
            let want = HEAD_BYTES + frame_bytes - self.wire.len();
            self.gather(&mut wire, want);
            if self.wire.len() < HEAD_BYTES + frame_bytes {
                return Ok(());
            }
            self.plain.clear();
            self.expand.expand(&self.wire[HEAD_BYTES..], raw_bytes, &mut self.plain)?;
            let got = self.plain.len();
            ensure!(got == raw_bytes, "a frame held {got} bytes, its head says {raw_bytes}");
            give(&self.plain);
            left_bytes -= raw_bytes as u64;
            self.wire.clear();
        }
        Ok(())
    }

    /// Bytes of a chunk that is not whole.
    #[must_use]
    pub fn pending_bytes(&self) -> usize {
        self.wire.len()
    }

    fn gather(&mut self, wire: &mut &[u8], want: usize) {
        let (now, rest) = wire.split_at(want.min(wire.len()));
        self.wire.extend_from_slice(now);
        *wire = rest;
    }
}

fn head(wire: &[u8]) -> Option<(usize, usize)> {
    let number = |bytes: &[u8]| bytes.try_into().ok().map(u32::from_le_bytes);
    Some((number(wire.get(..4)?)? as usize, number(wire.get(4..HEAD_BYTES)?)? as usize))
}

#[cfg(test)]
mod tests;
