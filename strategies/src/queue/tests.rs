//! Small cases by hand; a model with every byte is in the conformance suite.

use super::*;
use crate::{SinkKind, Step};

fn sinks(count: usize) -> Vec<Sink> {
    (0..count).map(|fd| Sink { fd: fd as i32, kind: SinkKind::Null }).collect()
}

fn piece(offset_bytes: u64, len_bytes: u64) -> Piece {
    Piece { segment: 0, offset_bytes, len_bytes }
}

#[test]
fn header_precedes_pieces_and_empty_parts_are_passed_over() {
    let mut queue = Queue::new(&sinks(1));
    queue.push(b"", &[piece(7, 0), piece(10, 5), piece(20, 0)], &[0]);
    queue.push(b"hd", &[], &[0]);
    let job = queue.next_job().unwrap();
    assert_eq!(job.part, Part::Log(piece(10, 5)));
    assert!(!job.more, "nothing but an empty piece follows");
    queue.advance(0, 3);
    assert_eq!(queue.next_job().unwrap().part, Part::Log(piece(13, 2)));
    queue.advance(0, 2);
    assert_eq!(queue.finished(), [Finished { lane: 0, fetch: 0 }]);
    let Part::Header(header) = queue.next_job().unwrap().part else { panic!("no header") };
    assert_eq!(queue.header(header), b"hd");
    queue.advance(0, 2);
    assert_eq!(queue.next_job(), None);
    assert_eq!(queue.idle(), Step::Done);
    assert_eq!(queue.finished().len(), 2);
}

#[test]
fn lanes_take_turns_by_fetch_and_a_full_sink_loses_its_turn() {
    let mut queue = Queue::new(&sinks(2));
    for at in 0..2 {
        queue.push(b"h", &[piece(at * 10, 4)], &[0, 1]);
    }
    let mut order = Vec::new();
    while let Some(job) = queue.next_job() {
        let lane = job.lane;
        order.push(lane);
        if order.len() == 3 {
            queue.block(lane);
        } else {
            queue.advance(lane, 1);
        }
        if order.len() == 20 {
            break;
        }
    }
    assert_eq!(order[..3], [0, 0, 0]);
    assert!(order[3..].iter().all(|&lane| lane == 1), "{order:?}");
    assert_eq!(queue.idle(), Step::Blocked);
    assert_eq!(queue.blocked().map(|(lane, _)| lane).collect::<Vec<_>>(), [0]);
    queue.unblock(0);
    assert_eq!(queue.next_job().unwrap().lane, 0);
    assert_eq!(queue.remaining(), Bytes(8));
}

#[test]
fn a_batch_may_advance_over_several_fetches_at_once() {
    let mut queue = Queue::new(&sinks(1));
    queue.push(b"ab", &[piece(0, 3), piece(50, 4)], &[0]);
    queue.push(b"cd", &[piece(8, 1)], &[0]);
    let parts: Vec<_> = queue.jobs(0).map(|job| (job.part, job.more)).collect();
    assert_eq!(parts.len(), 5);
    assert_eq!(parts[1], (Part::Log(piece(0, 3)), true));
    assert_eq!(parts[2], (Part::Log(piece(50, 4)), false));
    queue.advance(0, 2 + 3 + 4 + 2);
    assert_eq!(queue.finished().len(), 1);
    assert_eq!(queue.next_job().unwrap().part, Part::Log(piece(8, 1)));
    queue.advance(0, 1);
    assert_eq!(queue.idle(), Step::Done);
}

/// An engine that looks ahead may stand behind the last fetch that is due when the next becomes due.
#[test]
fn a_held_fetch_is_invisible_until_it_is_released() {
    let mut queue = Queue::new(&sinks(1));
    queue.hold(b"", &[piece(0, 0), piece(5, 4)], &[0]);
    queue.hold(b"", &[piece(90, 2)], &[0]);
    assert_eq!((queue.next_job(), queue.idle(), queue.remaining()), (None, Step::Done, Bytes(0)));
    queue.release(0);
    assert_eq!(queue.jobs(0).count(), 1);
    let behind = queue.ahead(0, queue.cursor(0), 4);
    assert_eq!(queue.job_at(0, behind), None);
    queue.advance(0, 4);
    assert_eq!((queue.finished().len(), queue.idle()), (1, Step::Done));
    queue.release(0);
    let job = queue.next_job().unwrap();
    assert_eq!((job.part, job.fetch), (Part::Log(piece(90, 2)), 1));
    assert_eq!(queue.job_at(0, behind), Some(job));
    assert_eq!(queue.cursor(0), behind);
    queue.advance(0, 2);
    queue.release(0);
    assert_eq!((queue.next_job(), queue.idle(), queue.finished().len()), (None, Step::Done, 2));
}
