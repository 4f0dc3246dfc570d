//! Do fetches that become due while an engine is at work arrive whole and in order?

use crate::allocations;
use crate::far_end::{FarEnd, Manner};
use crate::world::{Fetch, Log, Set, Watchdog, expected, fetch_for, open, piece, wait};
use zclab_strategies::{ALL, OptionValue, Queue, SinkKind, Step, Strategy};

const LANES: [usize; 3] = [0, 1, 2];

fn fetches() -> Vec<Fetch> {
    let one = |at: u64| {
        let pieces = [piece(0, at * 997, 3000 + at * 4099), piece(1, at, 5), piece(0, at, 0)];
        fetch_for(if at.is_multiple_of(3) { "" } else { "header" }, &pieces, &LANES)
    };
    (0..9).map(one).collect()
}

fn depths(strategy: &dyn Strategy) -> Vec<Set> {
    if !strategy.options().iter().any(|spec| spec.name == "depth") {
        return vec![Set::new()];
    }
    [1, 16].map(|n| Set::from([("depth".to_owned(), OptionValue::Number(n))])).into()
}

/// Each step may find another fetch due, or none for a while, on whichever lane.
fn released_while_it_runs(strategy: &dyn Strategy, manner: Manner, every: usize, set: &Set) {
    let log = Log::new(&[200_000, 5000]);
    let what = format!("{} {set:?} every {every}, {manner:?}", strategy.name());
    let _watchdog = Watchdog::over(what.clone());
    let kinds = [SinkKind::TcpLoopback, SinkKind::UnixStream, SinkKind::UnixStream];
    let ends: Vec<_> =
        LANES.map(|id| FarEnd::open(kinds[id], manner, log.dir.path(), id)).into_iter().collect();
    let sinks: Vec<_> = ends.iter().map(|end| end.sink).collect();
    let fetches = fetches();
    let Some(mut engine) = open(strategy, &log, &sinks, &fetches, set) else { return };
    let mut queue = Queue::new(&sinks);
    fetches.iter().for_each(|fetch| queue.hold(&fetch.header, &fetch.pieces, &fetch.lanes));
    let mut turns = (0..fetches.len() * LANES.len()).map(|turn| LANES[turn * 2 % LANES.len()]);
    for step in 0.. {
        match engine.step(&mut queue).unwrap_or_else(|error| panic!("{what}: {error}")) {
            Step::Moved if step % every != 0 => {}
            Step::Blocked => wait(&mut queue),
            moved => match turns.next() {
                Some(lane) => {
                    let taken = allocations::taken();
                    queue.release(lane);
                    assert_eq!(allocations::taken(), taken, "{what}: a release took memory");
                }
                None if moved == Step::Done => break,
                None => {}
            },
        }
    }
    assert_eq!(queue.finished().len(), fetches.len() * LANES.len(), "{what}");
    drop(engine);
    for (lane, end) in ends.into_iter().enumerate() {
        let received = end.received().unwrap();
        let due = expected(&log, &fetches, lane);
        assert_eq!(received.len(), due.len(), "{what}, lane {lane}: length");
        assert!(received == due || !strategy.moves_the_log(), "{what}, lane {lane}: content");
    }
}

#[test]
fn fetches_that_become_due_one_by_one() {
    let full = Manner { tiny: true, nonblocking: true, ..Manner::PLAIN };
    for strategy in ALL {
        for set in depths(*strategy) {
            for manner in [Manner::PLAIN, full] {
                for every in [1, 5, usize::MAX] {
                    released_while_it_runs(*strategy, manner, every, &set);
                }
            }
        }
    }
}
