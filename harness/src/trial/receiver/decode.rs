//! How does a consumer get back what was there before the broker's transform?
//!
//! Each connection has what undoes its stream. Bytes that come off the wire go in, and those that
//! were there before the transform come out: only they are counted and summed. How many will come off
//! the wire nobody knows beforehand; but a block ends with a whole chunk, so that nothing of it is
//! left when as many have come out as were expected.

use crate::trial::transform::chunk::Chunks;
use crate::trial::transform::tls::Consumer;
use crate::trial::transform::{lz4, zstd};
use crate::trial::wire::Undo;
use anyhow::{Context, ensure};
use base64::Engine as _;
use std::fs::File;
use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;

/// What undoes one stream.
pub enum Decoder {
    /// LZ4 frames in chunks.
    Lz4(Box<Chunks<lz4::Frames>>),
    /// Zstandard frames in chunks.
    Zstd(Box<Chunks<zstd::Frames>>),
    /// TLS records.
    Tls(Box<Consumer>),
}

impl Decoder {
    fn chunks(undo: &Undo) -> anyhow::Result<Option<Decoder>> {
        Ok(match undo {
            Undo::Nothing | Undo::Tls { .. } => None,
            Undo::Lz4 => Some(Decoder::Lz4(Box::new(Chunks::new(lz4::Frames::new())))),
            Undo::Zstd => {
                let frames = zstd::Frames::new().context("a zstd context")?;
                Some(Decoder::Zstd(Box::new(Chunks::new(frames))))
            }
        })
    }

    /// Takes bytes off the wire and gives those from before the transform, no more than
    /// `left_bytes` of them if the stream is sound.
    ///
    /// # Errors
    /// A stream that the transform did not make.
    pub fn take(
        &mut self,
        wire: &[u8],
        left_bytes: u64,
        give: &mut dyn FnMut(&[u8]),
    ) -> anyhow::Result<()> {
        match self {
            Decoder::Lz4(chunks) => chunks.take(wire, left_bytes, give).context("lz4"),
            Decoder::Zstd(chunks) => chunks.take(wire, left_bytes, give).context("zstd"),
            Decoder::Tls(consumer) => consumer.take(wire, give),
        }
    }

    /// Bytes of a chunk that is not whole. rustls does not say what it holds of a record.
    #[must_use]
    pub fn pending_bytes(&self) -> usize {
        match self {
            Decoder::Lz4(chunks) => chunks.pending_bytes(),
            Decoder::Zstd(chunks) => chunks.pending_bytes(),
            Decoder::Tls(_) => 0,
        }
    }
}

/// What undoes the stream of each connection, after the handshakes that it needs; none where there is
/// nothing to undo.
///
/// # Errors
/// A handshake that failed.
pub fn open(undo: &Undo, connections: &[OwnedFd]) -> anyhow::Result<Vec<Decoder>> {
    let mut decoders = Vec::new();
    for connection in connections {
        let decoder = match undo {
            Undo::Tls { certificate } => {
                let engine = base64::engine::general_purpose::STANDARD;
                let certificate = engine.decode(certificate).context("the certificate")?;
                Some(Decoder::Tls(Box::new(Consumer::greet(&certificate, connection)?)))
            }
            other => Decoder::chunks(other)?,
        };
        decoders.extend(decoder);
    }
    Ok(decoders)
}

/// What a file holds when the transform is undone: its length, and its CRC-32C.
///
/// # Errors
/// A file that the transform did not make; one that cannot be read.
pub fn file(undo: &Undo, file: &File, expected_bytes: u64) -> anyhow::Result<(u64, u32)> {
    let mut decoder = Decoder::chunks(undo)?;
    let (mut bytes, mut crc, mut at_bytes) = (0u64, 0, 0u64);
    let mut buffer = vec![0; 256 << 10];
    loop {
        let got = match file.read_at(&mut buffer, at_bytes) {
            Ok(0) => break,
            Ok(got) => got,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error).context("pread"),
        };
        at_bytes += got as u64;
        let left_bytes = expected_bytes.saturating_sub(bytes);
        let mut give = |plain: &[u8]| {
            bytes += plain.len() as u64;
            crc = crc32c::crc32c_append(crc, plain);
        };
        match &mut decoder {
            Some(decoder) => decoder.take(&buffer[..got], left_bytes, &mut give)?,
            None => give(&buffer[..got]),
        }
    }
    let pending_bytes = decoder.as_ref().map_or(0, Decoder::pending_bytes);
    ensure!(pending_bytes == 0, "the file ends {pending_bytes} bytes into a chunk");
    Ok((bytes, crc))
}
