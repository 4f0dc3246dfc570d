//! What do generated messages say? Slices of one pool that compresses about as well as real events.
//!
//! Drawing every byte afresh would cost more than writing it. So a pool is filled once, half with
//! words of a small vocabulary, half with random bytes, and every key, value and header is a slice of
//! it at a random place.

use super::sizes;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::RngCore;

/// Places where a slice may begin: so many that a batch seldom holds the same bytes twice.
const PLACES: usize = 4 << 20;
const WORDS: u64 = 2048;

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
            let word = &vocabulary[sizes::below(rng, WORDS) as usize];
            bytes.extend_from_slice(word);
            bytes.push(b' ');
            let mut noise = [0; 8];
            rng.fill_bytes(&mut noise);
            bytes.extend_from_slice(&noise[..word.len().min(noise.len())]);
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
    let length = 4 + sizes::below(rng, 8);
    (0..length).map(|_| b'a' + sizes::below(rng, 26) as u8).collect()
}
