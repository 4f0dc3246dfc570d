//! What do generated messages say? Slices of one pool that compresses about as well as real events.
//!
//! Drawing every byte afresh would cost more than writing it. So a pool is filled once, with words of a
//! small vocabulary and random bytes between them, and every key, value and header is a slice of it at a
//! random place. A batch of 16 KiB holds each word a few times, as it would field names and states, and
//! the random bytes stand for identifiers and numbers.

use super::sizes;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::RngCore;

/// Places where a slice may begin: so many that a batch seldom holds the same bytes twice.
const PLACES: usize = 4 << 20;
/// Words of the vocabulary.
const WORDS: u64 = 256;
/// Random bytes after every second word.
const NOISE_BYTES: usize = 8;

/// Bytes to cut messages from.
pub(super) struct Pool {
    bytes: Vec<u8>,
}

impl Pool {
    /// Fills a pool from which slices of up to `longest_bytes` can be cut.
    pub(super) fn new(rng: &mut ChaCha8Rng, longest_bytes: usize) -> Self {
        let vocabulary: Vec<Vec<u8>> = (0..WORDS).map(|_| word(rng)).collect();
        let mut bytes = Vec::with_capacity(PLACES + longest_bytes);
        while bytes.len() < PLACES {
            for _ in 0..2 {
                bytes.extend_from_slice(&vocabulary[sizes::below(rng, WORDS) as usize]);
                bytes.push(b' ');
            }
            let mut noise = [0; NOISE_BYTES];
            rng.fill_bytes(&mut noise);
            bytes.extend_from_slice(&noise);
        }
        bytes.truncate(PLACES);
        while bytes.len() < PLACES + longest_bytes {
            let missing = PLACES + longest_bytes - bytes.len();
            bytes.extend_from_within(..missing.min(PLACES));
        }
        Self { bytes }
    }

    /// A slice at a random place.
    #[inline]
    pub(super) fn cut(&self, rng: &mut ChaCha8Rng, length: usize) -> &[u8] {
        let from = sizes::below(rng, PLACES as u64) as usize;
        &self.bytes[from..from + length]
    }
}

fn word(rng: &mut ChaCha8Rng) -> Vec<u8> {
    let length = 6 + sizes::below(rng, 16);
    (0..length).map(|_| b'a' + sizes::below(rng, 26) as u8).collect()
}
