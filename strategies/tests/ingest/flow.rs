//! Do bytes arrive whole in small pieces, at odd places, and from sockets that do not block?

use crate::world::{Manner, SOURCES, Set, ingest, variants};
use zclab_strategies::ingest::ALL;

#[test]
fn odd_sizes_behind_odd_offsets() {
    let sizes: [&[u64]; 6] = [
        &[],
        &[0, 0],
        &[1],
        &[4095, 1, 4097, 0, 65_537],
        &[300_007, 2, 123_456],
        &[4096, 8192, 65_536],
    ];
    for strategy in ALL {
        for kind in SOURCES {
            for fetches in sizes {
                for start in [0, 1, 4096, 70_001] {
                    ingest(*strategy, kind, Manner::PLAIN, (start, fetches), &Set::new());
                }
            }
        }
    }
}

#[test]
fn a_few_bytes_at_a_time() {
    for strategy in ALL {
        for kind in SOURCES {
            for nonblocking in [false, true] {
                let tiny = Manner {
                    write_bytes: 7,
                    pauses: true,
                    nonblocking,
                    tiny: true,
                    ..Manner::PLAIN
                };
                ingest(*strategy, kind, tiny, (4090, &[1, 5000, 9, 2000]), &Set::new());
                let small = Manner { write_bytes: 1000, ..tiny };
                ingest(*strategy, kind, small, (17, &[100_000, 33_333]), &Set::new());
            }
        }
    }
}

#[test]
fn every_option_at_its_bounds() {
    for strategy in ALL {
        for set in variants(*strategy) {
            for kind in SOURCES {
                let nonblocking = Manner { nonblocking: true, write_bytes: 9001, ..Manner::PLAIN };
                for manner in [Manner::PLAIN, nonblocking] {
                    ingest(*strategy, kind, manner, (100, &[3000, 20_011]), &set);
                }
            }
        }
    }
}
