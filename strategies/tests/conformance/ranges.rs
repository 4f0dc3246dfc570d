//! Is every range of the log moved exactly, whatever its shape?

use crate::far_end::{KINDS, Manner};
use crate::world::{Fetch, Log, Set, fetch, fetch_for, piece, transfer, variants};
use zclab_strategies::{ALL, SinkKind};

const SEGMENTS: &[usize] = &[3 << 20, 100_001, 4096, 1, 0];

/// Runs a case for every strategy over every kind of sink, blocking and not.
fn everywhere(fetches: &[Fetch]) {
    let log = Log::new(SEGMENTS);
    for strategy in ALL {
        for kind in KINDS {
            for nonblocking in [false, true] {
                let manner = Manner { nonblocking, ..Manner::PLAIN };
                transfer(*strategy, &log, fetches, &[(kind, manner)], &Set::new());
            }
        }
    }
}

#[test]
fn nothing_at_all() {
    everywhere(&[]);
}

#[test]
fn an_empty_range() {
    everywhere(&[fetch("", &[piece(0, 17, 0)])]);
}

#[test]
fn an_empty_fetch_between_others() {
    everywhere(&[
        fetch("", &[piece(0, 5, 3)]),
        fetch("", &[]),
        fetch("", &[piece(4, 0, 0)]),
        fetch("h", &[piece(1, 9, 3)]),
    ]);
}

#[test]
fn one_byte() {
    everywhere(&[fetch("", &[piece(0, 12_345, 1)]), fetch("", &[piece(3, 0, 1)])]);
}

#[test]
fn the_last_byte_of_each_segment() {
    everywhere(&[
        fetch("", &[piece(0, (3 << 20) - 1, 1)]),
        fetch("", &[piece(1, 100_000, 1)]),
        fetch("", &[piece(2, 4095, 1)]),
    ]);
}

#[test]
fn unaligned_head_and_tail() {
    everywhere(&[
        fetch("", &[piece(0, 1, 8191)]),
        fetch("", &[piece(0, 4095, 2)]),
        fetch("", &[piece(0, 511, 513)]),
        fetch("", &[piece(0, 65_537, 70_001)]),
    ]);
}

#[test]
fn a_whole_segment_of_odd_length() {
    everywhere(&[fetch("head", &[piece(1, 0, 100_001)])]);
}

#[test]
fn a_range_across_segments() {
    let tail = piece(0, (3 << 20) - 5000, 5000);
    everywhere(&[fetch("head", &[tail, piece(1, 0, 100_001), piece(2, 0, 4096), piece(3, 0, 1)])]);
}

#[test]
fn larger_than_pipe_and_ring() {
    everywhere(&[fetch("head", &[piece(0, 3, (3 << 20) - 7)])]);
}

#[test]
fn pieces_without_bytes_among_others() {
    let none = piece(1, 50, 0);
    everywhere(&[fetch("head", &[none, piece(0, 10, 5000), none, none, piece(0, 9, 1), none])]);
}

#[test]
fn scattered_pieces_in_any_order() {
    let scattered = |at: u64| piece((at % 2) as u32, at * 7919 % 90_000, at * 131 % 700);
    let pieces: Vec<_> = (0..150).map(scattered).collect();
    everywhere(&[fetch("head", &pieces), fetch("", &pieces[3..40])]);
}

#[test]
fn headers_alone_and_with_data() {
    let long = "l".repeat(9000);
    everywhere(&[
        fetch("alone", &[]),
        fetch("with", &[piece(0, 100, 100)]),
        fetch("alone again", &[piece(0, 100, 0)]),
        fetch(&long, &[piece(1, 77, 20_000)]),
        fetch("x", &[]),
    ]);
}

#[test]
fn the_same_range_again_and_again() {
    let same = fetch("again", &[piece(0, 4096, 16_384), piece(0, 4096, 16_384)]);
    everywhere(&vec![same; 12]);
}

/// Many fetches over several sinks of every kind, each sink with an order of its own.
#[test]
fn fan_out_in_different_orders() {
    let log = Log::new(SEGMENTS);
    let lanes: [&[usize]; 6] = [&[0, 1, 2, 3], &[3, 0], &[1], &[2, 1, 0], &[4, 5, 6], &[6, 4, 0]];
    let fetches: Vec<_> = (0..40_u64)
        .map(|at| {
            let pieces = [piece(0, at * 30_011, 1 + at * 3001), piece(1, at * 13, at * 17)];
            fetch_for(&format!("fetch {at}"), &pieces, lanes[at as usize % 6])
        })
        .collect();
    use SinkKind::{File, Null, Pipe, TcpLoopback, UnixStream};
    let kinds = [TcpLoopback, UnixStream, File, Null, Pipe, UnixStream, File];
    for strategy in ALL {
        for nonblocking in [false, true] {
            let manner = Manner { nonblocking, ..Manner::PLAIN };
            transfer(*strategy, &log, &fetches, &kinds.map(|kind| (kind, manner)), &Set::new());
        }
    }
}

/// Every option of every strategy at its bounds and at odd values.
#[test]
fn option_variants() {
    let log = Log::new(&[300_000, 5000]);
    let fetches = [
        fetch_for("one", &[piece(0, 4095, 20_003)], &[0, 1, 2]),
        fetch_for("", &[piece(1, 1, 4998), piece(0, 0, 5)], &[1]),
        fetch_for("two", &[piece(0, 100_000, 30_001)], &[2, 0]),
    ];
    let blocking = [SinkKind::TcpLoopback, SinkKind::File, SinkKind::UnixStream];
    let poll = Manner { nonblocking: true, ..Manner::PLAIN };
    for strategy in ALL {
        for set in variants(*strategy) {
            transfer(*strategy, &log, &fetches, &blocking.map(|k| (k, Manner::PLAIN)), &set);
            transfer(*strategy, &log, &fetches, &blocking.map(|k| (k, poll)), &set);
        }
    }
}
