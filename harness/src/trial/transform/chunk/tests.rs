//! What compressors make, other decoders read; and what they did not make is an error, never a panic.

use super::super::{lz4, zstd};
use super::*;
use proptest::prelude::*;
use std::io::Read;
use zclab_strategies::Transform;

/// One chunk for each part, as they go over the wire.
fn wire_of(transform: &mut dyn Transform, parts: &[Vec<u8>]) -> Vec<u8> {
    let mut wire = Vec::new();
    for part in parts {
        let mut out = Vec::with_capacity(transform.bound_bytes(part.len()));
        let capacity = out.capacity();
        assert_eq!(transform.apply(part, &mut out), Ok(Applied::Changed));
        assert!(out.len() <= transform.bound_bytes(part.len()) && out.capacity() == capacity);
        wire.extend(out);
    }
    wire
}

/// The same parts by a decoder that shares no code with ours.
fn by_another(mut wire: &[u8], decode: impl Fn(&[u8]) -> Vec<u8>) -> Vec<Vec<u8>> {
    let mut parts = Vec::new();
    while let Some((raw_bytes, frame_bytes)) = head(wire) {
        let plain = decode(&wire[HEAD_BYTES..HEAD_BYTES + frame_bytes]);
        assert_eq!(plain.len(), raw_bytes);
        parts.push(plain);
        wire = &wire[HEAD_BYTES + frame_bytes..];
    }
    assert_eq!(wire.len(), 0);
    parts
}

/// The reference implementation in C; ours is lz4_flex.
fn reference_lz4(frame: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    ::lz4::Decoder::new(frame).unwrap().read_to_end(&mut plain).unwrap();
    plain
}

/// The stream decoder, not the one-shot one that the receiver uses.
fn stream_zstd(frame: &[u8]) -> Vec<u8> {
    ::zstd::stream::decode_all(frame).unwrap()
}

/// Takes the wire in pieces of these lengths, the last one as long as it likes.
fn taken<E: Expand>(
    chunks: &mut Chunks<E>,
    mut wire: &[u8],
    cuts: &[usize],
    mut left_bytes: u64,
) -> anyhow::Result<Vec<u8>> {
    let mut plain = Vec::new();
    for &cut in cuts.iter().chain([&usize::MAX]) {
        let (now, rest) = wire.split_at(cut.min(wire.len()));
        let before = plain.len();
        chunks.take(now, left_bytes, &mut |bytes| plain.extend_from_slice(bytes))?;
        left_bytes -= (plain.len() - before) as u64;
        wire = rest;
    }
    Ok(plain)
}

/// Parts that compress well, hardly, and not at all.
fn parts() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let noise = prop::collection::vec(any::<u8>(), 1..3000);
    let words = (1..200_000usize, any::<u8>())
        .prop_map(|(len, with)| (0..len).map(|at| (at / 7 % 50) as u8 ^ with).collect());
    let one = any::<u8>().prop_map(|byte| vec![byte]);
    prop::collection::vec(prop_oneof![noise, words, one], 1..6)
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(60)
    })]

    #[test]
    fn what_is_compressed_comes_back(
        parts in parts(),
        cuts in prop::collection::vec(0..5000usize, 0..20),
    ) {
        let whole = parts.concat();
        let left_bytes = whole.len() as u64;
        let wire = wire_of(&mut lz4::Compress::new(), &parts);
        prop_assert_eq!(by_another(&wire, reference_lz4), parts.clone());
        let mut chunks = Chunks::new(lz4::Frames::new());
        // Twice: a decoder serves many blocks.
        for _ in 0..2 {
            prop_assert!(taken(&mut chunks, &wire, &cuts, left_bytes).unwrap() == whole);
            prop_assert_eq!(chunks.pending_bytes(), 0);
        }
        let wire = wire_of(&mut zstd::Compress::new().unwrap(), &parts);
        prop_assert_eq!(by_another(&wire, stream_zstd), parts);
        let mut chunks = Chunks::new(zstd::Frames::new().unwrap());
        for _ in 0..2 {
            prop_assert!(taken(&mut chunks, &wire, &cuts, left_bytes).unwrap() == whole);
            prop_assert_eq!(chunks.pending_bytes(), 0);
        }
    }

    /// A flipped bit is an error, bytes that are missing, or other bytes of the same length (neither
    /// format has a checksum here: the content check finds those). It is never a panic, nor does it
    /// bring more than was expected.
    #[test]
    fn a_broken_stream_is_no_panic(
        parts in parts(),
        flip in any::<prop::sample::Index>(),
        bit in 0..8,
        cut in any::<prop::sample::Index>(),
    ) {
        let left_bytes = parts.concat().len() as u64;
        let mut wires = [
            wire_of(&mut lz4::Compress::new(), &parts),
            wire_of(&mut zstd::Compress::new().unwrap(), &parts),
        ];
        for wire in &mut wires {
            let at = flip.index(wire.len());
            wire[at] ^= 1u8 << bit;
            wire.truncate(cut.index(wire.len()) + 1);
        }
        let got = taken(&mut Chunks::new(lz4::Frames::new()), &wires[0], &[], left_bytes);
        prop_assert!(got.is_err() || got.unwrap().len() as u64 <= left_bytes);
        let frames = zstd::Frames::new().unwrap();
        let got = taken(&mut Chunks::new(frames), &wires[1], &[], left_bytes);
        prop_assert!(got.is_err() || got.unwrap().len() as u64 <= left_bytes);
    }

    #[test]
    fn noise_is_no_panic(noise in prop::collection::vec(any::<u8>(), 0..400), left in 0..1000u64) {
        let _ = taken(&mut Chunks::new(lz4::Frames::new()), &noise, &[], left);
        let _ = taken(&mut Chunks::new(zstd::Frames::new().unwrap()), &noise, &[], left);
        // The same behind a head that is believed.
        let mut wire = (left.max(1) as u32).to_le_bytes().to_vec();
        wire.extend((noise.len() as u32).to_le_bytes());
        wire.extend(&noise);
        let _ = taken(&mut Chunks::new(lz4::Frames::new()), &wire, &[], left.max(1));
        let _ = taken(&mut Chunks::new(zstd::Frames::new().unwrap()), &wire, &[], left.max(1));
    }
}

fn error_of(head: [u32; 2], left_bytes: u64) -> String {
    let wire = head.map(u32::to_le_bytes).concat();
    let mut chunks = Chunks::new(lz4::Frames::new());
    taken(&mut chunks, &wire, &[], left_bytes).unwrap_err().to_string()
}

#[test]
fn a_head_is_believed_only_as_far_as_bytes_are_expected() {
    assert!(error_of([101, 50], 100).contains("101 bytes where 100 are expected"));
    assert!(error_of([0, 50], 100).contains("0 bytes"));
    assert!(error_of([100, u32::MAX], 100).contains("for 100: no more than"));
    // A frame that holds more, or less, than its head says.
    for said in [999u32, 1001] {
        let mut wire = wire_of(&mut lz4::Compress::new(), &[vec![7; 1000]]);
        wire[..4].copy_from_slice(&said.to_le_bytes());
        assert!(taken(&mut Chunks::new(lz4::Frames::new()), &wire, &[], 5000).is_err(), "{said}");
        let mut wire = wire_of(&mut zstd::Compress::new().unwrap(), &[vec![7; 1000]]);
        wire[..4].copy_from_slice(&said.to_le_bytes());
        let mut chunks = Chunks::new(zstd::Frames::new().unwrap());
        assert!(taken(&mut chunks, &wire, &[], 5000).is_err(), "{said}");
    }
}

#[test]
fn what_cannot_shrink_stays_within_the_bound() {
    let mut state = 1u64;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        (state >> 56) as u8
    })
    .take(1 << 20)
    .collect();
    for len in [1, 63 << 10, 64 << 10, (64 << 10) + 1, 1 << 20] {
        let part = [noise[..len].to_vec()];
        assert!(wire_of(&mut lz4::Compress::new(), &part).len() > len);
        assert!(wire_of(&mut zstd::Compress::new().unwrap(), &part).len() > len);
    }
}
