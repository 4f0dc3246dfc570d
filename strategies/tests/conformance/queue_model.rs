//! Does the queue agree, after any sequence of events, with a model that lists every single byte?

use proptest::prelude::*;
use std::collections::VecDeque;
use zclab_strategies::{Bytes, Cursor, Finished, LaneId, Part, Piece, Queue, Sink, SinkKind, Step};

const LANES: usize = 4;

#[derive(Clone, Debug)]
struct Fetch {
    header_len: usize,
    pieces: Vec<Piece>,
    lanes: Vec<LaneId>,
}

#[derive(Clone, Debug)]
enum Event {
    Push(Fetch),
    Hold(Fetch),
    Release(LaneId),
    Advance(LaneId, u64),
    /// Advance the lane whose turn it is, as a simple engine does.
    Serve(u64),
    Block(LaneId),
    Unblock(LaneId),
    EndTurn,
}

fn fetches() -> impl Strategy<Value = Fetch> {
    let piece = (0..3_u32, 0..1000_u64, 0..40_u64)
        .prop_map(|(segment, offset_bytes, len_bytes)| Piece { segment, offset_bytes, len_bytes });
    let lanes = prop::sample::subsequence((0..LANES).collect::<Vec<_>>(), 0..=LANES).prop_shuffle();
    (0..6_usize, prop::collection::vec(piece, 0..5), lanes)
        .prop_map(|(header_len, pieces, lanes)| Fetch { header_len, pieces, lanes })
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let lane = 0..LANES;
    let event = prop_oneof![
        3 => fetches().prop_map(Event::Push),
        2 => fetches().prop_map(Event::Hold),
        3 => lane.clone().prop_map(Event::Release),
        2 => (lane.clone(), 0..150_u64).prop_map(|(lane, bytes)| Event::Advance(lane, bytes)),
        6 => (0..150_u64).prop_map(Event::Serve),
        1 => lane.clone().prop_map(Event::Block),
        1 => lane.prop_map(Event::Unblock),
        1 => Just(Event::EndTurn),
    ];
    prop::collection::vec(event, 0..60)
}

/// One byte due on a lane: of a header (its place in it) or of the log.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Due {
    Header(usize),
    Log(u32, u64),
}

#[derive(Default)]
struct Model {
    fetches: u32,
    /// Each lane's fetches and the bytes of each that are still due.
    lanes: [VecDeque<(u32, VecDeque<Due>)>; LANES],
    /// The same of those that nobody may see yet.
    held: [VecDeque<(u32, VecDeque<Due>)>; LANES],
    blocked: [bool; LANES],
    finished: Vec<Finished>,
}

impl Model {
    fn push(&mut self, fetch: &Fetch) {
        self.hold(fetch);
        fetch.lanes.iter().for_each(|&lane| self.release(lane));
    }

    fn hold(&mut self, fetch: &Fetch) {
        let log = fetch.pieces.iter().flat_map(|piece| {
            (0..piece.len_bytes).map(|at| Due::Log(piece.segment, piece.offset_bytes + at))
        });
        let due: VecDeque<_> = (0..fetch.header_len).map(Due::Header).chain(log).collect();
        for &lane in &fetch.lanes {
            self.held[lane].push_back((self.fetches, due.clone()));
        }
        self.fetches += 1;
    }

    fn release(&mut self, lane: LaneId) {
        self.lanes[lane].extend(self.held[lane].pop_front());
        self.finish(lane);
    }

    fn finish(&mut self, lane: LaneId) {
        while let Some((fetch, _)) = self.lanes[lane].pop_front_if(|(_, due)| due.is_empty()) {
            self.finished.push(Finished { lane, fetch });
        }
    }

    fn left(&self, lane: LaneId) -> u64 {
        self.lanes[lane].iter().map(|(_, due)| due.len() as u64).sum()
    }

    fn advance(&mut self, lane: LaneId, bytes: u64) {
        for _ in 0..bytes {
            self.lanes[lane].front_mut().unwrap().1.pop_front().unwrap();
            self.finish(lane);
        }
    }

    fn can_go_on(&self, lane: LaneId) -> bool {
        !self.blocked[lane] && !self.lanes[lane].is_empty()
    }
}

/// All bytes of a part, and a check that a header's bytes are those of its fetch.
fn bytes_of(queue: &Queue, part: Part, header_left: usize) -> Vec<Due> {
    match part {
        Part::Header(header) => {
            let bytes = queue.header(header);
            let first = bytes.first().map_or(0, |&byte| byte as usize);
            assert!(bytes.iter().zip(first..).all(|(&byte, place)| byte as usize == place));
            assert_eq!(bytes.len(), header_left);
            (first..first + bytes.len()).map(Due::Header).collect()
        }
        Part::Log(piece) => (0..piece.len_bytes)
            .map(|at| Due::Log(piece.segment, piece.offset_bytes + at))
            .collect(),
    }
}

fn check(queue: &mut Queue, model: &Model) {
    for lane in 0..LANES {
        let mut jobs = Vec::new();
        for job in queue.jobs(lane) {
            assert_eq!(job.lane, lane);
            let (_, due) = model.lanes[lane].iter().find(|(id, _)| *id == job.fetch).unwrap();
            let header_left = due.iter().filter(|due| matches!(due, Due::Header(_))).count();
            let bytes = bytes_of(queue, job.part, header_left);
            assert!(!bytes.is_empty(), "a job without bytes");
            let last_of_fetch = bytes.last() == due.back() && !job.more;
            jobs.extend(bytes.into_iter().map(|byte| (job.fetch, byte)));
            let so_far = jobs.iter().filter(|(fetch, _)| *fetch == job.fetch).count();
            assert_eq!(last_of_fetch, so_far == due.len(), "more: {job:?}");
        }
        let due: Vec<_> =
            model.lanes[lane].iter().flat_map(|(id, due)| due.iter().map(|&d| (*id, d))).collect();
        assert_eq!(jobs, due, "lane {lane}");
        assert_eq!(walked(queue, lane), jobs.len() as u64, "lane {lane}, by cursor");
    }
    let left: u64 = (0..LANES).map(|lane| model.left(lane)).sum();
    assert_eq!(queue.remaining(), Bytes(left));
    assert_eq!(queue.finished(), model.finished);
    let mut ready: Vec<_> = queue.ready().collect();
    let next = queue.next_job().map(|job| job.lane);
    assert_eq!(next, ready.first().copied(), "turns");
    ready.sort_unstable();
    let due: Vec<_> = (0..LANES).filter(|&lane| model.can_go_on(lane)).collect();
    assert_eq!(ready, due, "lanes that can go on");
    let idle = if left == 0 { Step::Done } else { Step::Blocked };
    assert!(next.is_some() || queue.idle() == idle);
    let blocked: Vec<_> = queue.blocked().map(|(lane, _)| lane).collect();
    assert_eq!(queue.any_blocked(), !blocked.is_empty());
    assert_eq!(blocked, (0..LANES).filter(|&lane| model.blocked[lane]).collect::<Vec<_>>());
}

/// The bytes that a cursor passes on its way to the end, in strides that fit no part.
fn walked(queue: &Queue, lane: LaneId) -> u64 {
    let mut at: Cursor = queue.cursor(lane);
    let mut bytes = 0;
    while let Some(job) = queue.job_at(lane, at) {
        let part_bytes = match job.part {
            Part::Header(header) => queue.header(header).len() as u64,
            Part::Log(piece) => piece.len_bytes,
        };
        let stride = part_bytes.min(7);
        bytes += stride;
        at = queue.ahead(lane, at, stride);
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(400)
    })]

    #[test]
    fn agrees_with_the_model(events in events()) {
        let sinks: Vec<_> =
            (0..LANES).map(|fd| Sink { fd: fd as i32, kind: SinkKind::Null }).collect();
        let mut queue = Queue::new(&sinks);
        let mut model = Model::default();
        for event in events {
            match event {
                Event::Push(fetch) => {
                    let header: Vec<u8> = (0..fetch.header_len as u8).collect();
                    queue.push(&header, &fetch.pieces, &fetch.lanes);
                    model.push(&fetch);
                }
                Event::Hold(fetch) => {
                    let header: Vec<u8> = (0..fetch.header_len as u8).collect();
                    queue.hold(&header, &fetch.pieces, &fetch.lanes);
                    model.hold(&fetch);
                }
                Event::Release(lane) => {
                    queue.release(lane);
                    model.release(lane);
                }
                Event::Advance(lane, bytes) => {
                    let bytes = bytes.min(model.left(lane));
                    queue.advance(lane, bytes);
                    model.advance(lane, bytes);
                }
                Event::Serve(bytes) => {
                    let Some(job) = queue.next_job() else { continue };
                    let bytes = bytes.min(model.left(job.lane));
                    queue.advance(job.lane, bytes);
                    model.advance(job.lane, bytes);
                }
                Event::Block(lane) => {
                    queue.block(lane);
                    model.blocked[lane] = true;
                }
                Event::Unblock(lane) => {
                    queue.unblock(lane);
                    model.blocked[lane] = false;
                }
                Event::EndTurn => {
                    if let Some(job) = queue.next_job() {
                        queue.end_turn(job.lane);
                    }
                }
            }
            check(&mut queue, &model);
        }
        queue.clear();
        model = Model { fetches: 0, ..Model::default() };
        check(&mut queue, &model);
    }
}

/// Each lane that can go on is served once before any is served twice.
#[test]
fn turns_are_fair() {
    let sinks = [Sink { fd: 0, kind: SinkKind::Null }; 5];
    let mut queue = Queue::new(&sinks);
    for _ in 0..3 {
        queue.push(
            b"head",
            &[Piece { segment: 0, offset_bytes: 0, len_bytes: 10 }],
            &[0, 1, 2, 3, 4],
        );
    }
    for _ in 0..3 {
        let mut served = Vec::new();
        for _ in 0..5 {
            let lane = queue.next_job().unwrap().lane;
            queue.advance(lane, 4);
            queue.advance(lane, 10);
            served.push(lane);
        }
        assert_eq!(served, [0, 1, 2, 3, 4]);
    }
    assert_eq!(queue.idle(), Step::Done);
}
