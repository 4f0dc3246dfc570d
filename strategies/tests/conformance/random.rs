//! Does any small scenario, drawn at random, make a strategy lose a byte?

use crate::far_end::{KINDS, Manner, Pace};
use crate::world::{Fetch, Log, Set, transfer, variants};
use proptest::prelude::*;
use proptest::sample::Index;
use zclab_strategies::{ALL, LaneId, OptionValue, Piece, SinkKind};

const SEGMENTS: &[usize] = &[150_000, 20_001, 513];

/// A piece that lies within its segment, of any length from nothing to all of the rest.
fn pieces() -> impl Strategy<Value = Piece> {
    (0..SEGMENTS.len(), any::<Index>(), any::<Index>(), 0..4_u32).prop_map(
        |(segment, offset, len, shift)| {
            let offset = offset.index(SEGMENTS[segment] + 1);
            let len = len.index(SEGMENTS[segment] - offset + 1) >> (2 * shift);
            Piece { segment: segment as u32, offset_bytes: offset as u64, len_bytes: len as u64 }
        },
    )
}

fn ends() -> impl Strategy<Value = Vec<(SinkKind, Manner)>> {
    let pace = prop_oneof![4 => Just(Pace::Eager), 1 => Just(Pace::Late), 1 => Just(Pace::Slow)];
    let manner = (pace, any::<bool>(), any::<bool>())
        .prop_map(|(pace, nonblocking, tiny)| Manner { pace, nonblocking, tiny });
    prop::collection::vec((prop::sample::select(KINDS.to_vec()), manner), 1..5)
}

fn fetches(lanes: usize) -> impl Strategy<Value = Vec<Fetch>> {
    let some = prop::sample::subsequence((0..lanes).collect::<Vec<LaneId>>(), 1..=lanes);
    let header = prop_oneof![Just(Vec::new()), prop::collection::vec(any::<u8>(), 1..60)];
    let fetch = (header, prop::collection::vec(pieces(), 0..5), some.prop_shuffle())
        .prop_map(|(header, pieces, lanes)| Fetch { header, pieces, lanes });
    prop::collection::vec(fetch, 0..6)
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        max_shrink_iters: 60,
        ..ProptestConfig::with_cases(25)
    })]

    #[test]
    fn every_byte_arrives(
        (ends, fetches) in ends().prop_flat_map(|ends| {
            let lanes = ends.len();
            (Just(ends), fetches(lanes))
        }),
        variant in any::<Index>(),
    ) {
        let log = Log::new(SEGMENTS);
        for strategy in ALL {
            // Two bytes at a time over a slow socket prove nothing more and take for ever.
            let mut variants = variants(*strategy);
            let small = |value: &OptionValue| *value < OptionValue::Number(64);
            let drips = |set: &Set| ["buffer", "chunk"].iter().any(|n| set.get(*n).is_some_and(small));
            variants.retain(|set| !drips(set));
            let set = variants.get(variant.index(variants.len().max(1))).cloned();
            transfer(*strategy, &log, &fetches, &ends, &set.unwrap_or_else(Set::new));
        }
    }
}
