//! How are the records of a batch compressed, and how far may they swell?
//!
//! Kafka compresses the records section as a whole: gzip, Snappy in the framing of Xerial's library,
//! LZ4 frames, Zstandard frames (Kafka's `CompressionType.java`). Some clients write Snappy without
//! the framing; that is read too.

pub use super::Codec;
use super::Malformed;
use std::io::{Read, Write};

/// No batch is decompressed beyond this: a broker takes at most 100 MiB in a request by default
/// (`socket.request.max.bytes`), and what swells far beyond that is no log but a bomb.
pub const DECOMPRESSED_MAX_BYTES: usize = 256 << 20;

/// Xerial's frame begins so; then its version and the least version that can read it, both 1.
const XERIAL_MAGIC: [u8; 8] = [0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0];
const XERIAL_HEADER_BYTES: usize = 16;
/// Plain bytes in one of its blocks, as in the Java library.
const XERIAL_BLOCK_BYTES: usize = 32 * 1024;
/// Snappy's format allows no more than this ratio: a copy of 64 bytes takes 3.
const SNAPPY_RATIO_MAX: usize = 32;
/// Levels: the defaults of Kafka's producer.
const GZIP_LEVEL: u32 = 6;
const ZSTD_LEVEL: i32 = 3;

impl Codec {
    /// All codecs, in the order of their numbers.
    pub const ALL: [Self; 5] = [Self::None, Self::Gzip, Self::Snappy, Self::Lz4, Self::Zstd];

    /// Its number in a batch's attributes.
    #[must_use]
    pub fn id(self) -> u16 {
        match self {
            Codec::None => 0,
            Codec::Gzip => 1,
            Codec::Snappy => 2,
            Codec::Lz4 => 3,
            Codec::Zstd => 4,
        }
    }

    /// The codec of a number.
    ///
    /// # Errors
    /// When Kafka knows no such codec.
    pub fn from_id(id: u16) -> Result<Self, Malformed> {
        let known = Self::ALL.into_iter().find(|codec| codec.id() == id);
        known.ok_or_else(|| Malformed::new(format!("codec {id} is none that Kafka knows")))
    }

    /// Its name as in `compression.type`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Codec::None => "none",
            Codec::Gzip => "gzip",
            Codec::Snappy => "snappy",
            Codec::Lz4 => "lz4",
            Codec::Zstd => "zstd",
        }
    }
}

/// Compresses one batch after another, keeping what is costly to set up.
pub struct Compressor {
    codec: Codec,
    zstd: Option<zstd::bulk::Compressor<'static>>,
    snappy: snap::raw::Encoder,
    block: Vec<u8>,
}

impl Compressor {
    /// Sets up.
    ///
    /// # Errors
    /// When zstd cannot allocate its context.
    pub fn new(codec: Codec) -> Result<Self, Malformed> {
        let zstd = match codec {
            Codec::Zstd => Some(zstd::bulk::Compressor::new(ZSTD_LEVEL).map_err(failed("zstd"))?),
            _ => None,
        };
        Ok(Self { codec, zstd, snappy: snap::raw::Encoder::new(), block: Vec::new() })
    }

    /// Appends `plain`, compressed.
    ///
    /// # Errors
    /// When the codec's library refuses.
    pub fn compress(&mut self, plain: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
        match self.codec {
            Codec::None => out.extend_from_slice(plain),
            Codec::Gzip => {
                let level = flate2::Compression::new(GZIP_LEVEL);
                let mut encoder = flate2::write::GzEncoder::new(out, level);
                encoder.write_all(plain).map_err(failed("gzip"))?;
                encoder.finish().map_err(failed("gzip"))?;
            }
            Codec::Snappy => self.compress_xerial(plain, out)?,
            Codec::Lz4 => {
                let mut encoder = lz4_flex::frame::FrameEncoder::new(out);
                encoder.write_all(plain).map_err(failed("lz4"))?;
                encoder.finish().map_err(failed("lz4"))?;
            }
            Codec::Zstd => {
                let Some(zstd) = &mut self.zstd else { return Ok(()) };
                self.block.resize(zstd::zstd_safe::compress_bound(plain.len()), 0);
                let length = zstd.compress_to_buffer(plain, self.block.as_mut_slice());
                out.extend_from_slice(&self.block[..length.map_err(failed("zstd"))?]);
            }
        }
        Ok(())
    }

    fn compress_xerial(&mut self, plain: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
        out.extend_from_slice(&XERIAL_MAGIC);
        out.extend_from_slice(&1u32.to_be_bytes());
        out.extend_from_slice(&1u32.to_be_bytes());
        for chunk in plain.chunks(XERIAL_BLOCK_BYTES) {
            self.block.resize(snap::raw::max_compress_len(chunk.len()), 0);
            let length = self.snappy.compress(chunk, &mut self.block).map_err(failed("snappy"))?;
            out.extend_from_slice(&(length as u32).to_be_bytes());
            out.extend_from_slice(&self.block[..length]);
        }
        Ok(())
    }
}

/// Decompresses, giving up beyond `limit_bytes`. What is allocated follows what really comes out,
/// never what the input claims.
///
/// # Errors
/// When the bytes are malformed for that codec, or more than `limit_bytes` come out.
pub fn decompress(codec: Codec, input: &[u8], limit_bytes: usize) -> Result<Vec<u8>, Malformed> {
    match codec {
        Codec::None if input.len() > limit_bytes => Err(swells(codec, limit_bytes)),
        Codec::None => Ok(input.to_vec()),
        Codec::Gzip => read_all(flate2::read::MultiGzDecoder::new(input), codec, limit_bytes),
        Codec::Snappy => decompress_snappy(input, limit_bytes),
        Codec::Lz4 => read_all(lz4_flex::frame::FrameDecoder::new(input), codec, limit_bytes),
        Codec::Zstd => {
            let decoder =
                zstd::stream::read::Decoder::with_buffer(input).map_err(failed("zstd"))?;
            read_all(decoder, codec, limit_bytes)
        }
    }
}

fn read_all(reader: impl Read, codec: Codec, limit_bytes: usize) -> Result<Vec<u8>, Malformed> {
    let mut plain = Vec::new();
    let mut bounded = reader.take(limit_bytes as u64 + 1);
    bounded.read_to_end(&mut plain).map_err(failed(codec.name()))?;
    if plain.len() > limit_bytes { Err(swells(codec, limit_bytes)) } else { Ok(plain) }
}

fn decompress_snappy(input: &[u8], limit_bytes: usize) -> Result<Vec<u8>, Malformed> {
    let mut plain = Vec::new();
    if !input.starts_with(&XERIAL_MAGIC) {
        snappy_block(input, &mut plain, limit_bytes)?;
        return Ok(plain);
    }
    let short = || Malformed::new("snappy: the bytes end within a block of the frame");
    let mut rest = input.get(XERIAL_HEADER_BYTES..).ok_or_else(short)?;
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let length = u32::from_be_bytes(*length) as usize;
        let (block, after) = after.split_at_checked(length).ok_or_else(short)?;
        snappy_block(block, &mut plain, limit_bytes)?;
        rest = after;
    }
    if rest.is_empty() { Ok(plain) } else { Err(short()) }
}

/// Appends one raw block, having held the length that it claims against what it can be.
fn snappy_block(block: &[u8], plain: &mut Vec<u8>, limit: usize) -> Result<(), Malformed> {
    let claimed = snap::raw::decompress_len(block).map_err(failed("snappy"))?;
    if claimed > limit.saturating_sub(plain.len()) {
        return Err(swells(Codec::Snappy, limit));
    }
    if claimed > block.len().saturating_mul(SNAPPY_RATIO_MAX) {
        return Err(Malformed::new("snappy: a block claims more bytes than it can hold"));
    }
    let start = plain.len();
    plain.resize(start + claimed, 0);
    let mut decoder = snap::raw::Decoder::new();
    decoder.decompress(block, &mut plain[start..]).map_err(failed("snappy"))?;
    Ok(())
}

fn swells(codec: Codec, limit_bytes: usize) -> Malformed {
    let name = codec.name();
    Malformed::new(format!("{name}: the records swell to more than {limit_bytes} bytes"))
}

fn failed<E: std::fmt::Display>(codec: &'static str) -> impl FnOnce(E) -> Malformed {
    move |error| Malformed::new(format!("{codec}: {error}"))
}
