//! How many calls does each strategy make?

use crate::world::{Manner, Near, Set, drive, file, noise, open};
use zclab_strategies::ingest::find;
use zclab_strategies::{Call, Intake, OptionValue, SinkKind};

const FETCH_BYTES: u64 = 64 << 10;
const FETCHES: u64 = 8;

fn counts(name: &str, set: &[(&str, u64)]) -> Option<Vec<(Call, u64)>> {
    let strategy = find(name).unwrap();
    let set: Set = set.iter().map(|&(k, n)| (k.to_owned(), OptionValue::Number(n))).collect();
    let total = FETCH_BYTES * FETCHES;
    let bytes = noise(total as usize, 3);
    let near = Near::open(SinkKind::UnixStream, Manner::PLAIN, bytes);
    let (file, _) = file(env!("CARGO_TARGET_TMPDIR"), 0);
    let mut engine = open(strategy, near.source, &file, [total, FETCH_BYTES], &set)?;
    let mut intake = Intake::new(near.source);
    (0..FETCHES).for_each(|_| intake.push(FETCH_BYTES));
    drive(&mut *engine, &mut intake).unwrap();
    drop(engine);
    near.close();
    Some(intake.calls.counts().collect())
}

/// Every receive has its write, and there are no other calls.
#[test]
fn a_write_for_each_receive() {
    let counted = counts("recv-write", &[("buffer", 4096)]).unwrap();
    let of = |call| counted.iter().find(|(other, _)| *other == call).map_or(0, |&(_, n)| n);
    assert_eq!(of(Call::Recv), of(Call::Pwrite), "{counted:?}");
    assert!(of(Call::Recv) >= FETCHES * FETCH_BYTES / 4096, "{counted:?}");
    assert_eq!(counted.len(), 2, "{counted:?}");
}

#[test]
fn a_mapping_makes_only_receives() {
    let counted = counts("mmap-recv", &[]).unwrap();
    assert!(matches!(counted.as_slice(), [(Call::Recv, n)] if *n >= FETCHES), "{counted:?}");
}

/// A RECV waits for all of its buffer, so the number of batches follows from the sizes alone.
#[test]
fn a_ring_enters_once_for_each_batch() {
    for (depth, buffer, enters) in [(1, 64 << 10, 1), (4, 16 << 10, 1), (2, 16 << 10, 2)] {
        let set = [("depth", depth), ("buffer", buffer)];
        let Some(counted) = counts("uring-recv-write", &set) else { return };
        let [(Call::UringEnter, n)] = counted.as_slice() else { panic!("{counted:?}") };
        // An entry that a signal or a worker's completion cut short is made again.
        assert!(*n >= enters * FETCHES && *n <= 3 * enters * FETCHES, "{set:?}: {counted:?}");
    }
}
