//! Small cases by hand, over a socket that takes what it likes; all else is in the conformance suite.

use super::*;
use crate::transform::Made;
use crate::{Options, Part, Piece, SinkKind, Step};
use std::io::Read;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;

/// Drops every other byte, or (with `swell`) sends each a thousand times.
struct Resize {
    swell: bool,
}

impl Transform for Resize {
    fn name(&self) -> &'static str {
        "resize"
    }

    fn bound_bytes(&self, input_bytes: usize) -> usize {
        input_bytes * 1000
    }

    fn apply(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<Applied, Errno> {
        if self.swell {
            out.extend(bytes.iter().flat_map(|&byte| std::iter::repeat_n(byte, 1000)));
        } else {
            out.extend(bytes.iter().step_by(2));
        }
        Ok(Applied::Changed)
    }
}

fn outlet(sink: Sink, swell: bool) -> Outlet {
    let make = move |_: LaneId| -> Made { Ok(Box::new(Resize { swell })) };
    let setup = Setup {
        segments: &[],
        sinks: &[sink],
        options: &Options::default(),
        fetch_bytes_max: crate::Bytes(0),
        header_bytes_max: crate::Bytes(0),
        transform: Some(&make),
    };
    Outlet::open(&setup, 1000).unwrap()
}

fn pair() -> (UnixStream, UnixStream, Sink) {
    let (near, far) = UnixStream::pair().unwrap();
    near.set_nonblocking(true).unwrap();
    let sink = Sink { fd: near.as_raw_fd(), kind: SinkKind::UnixStream };
    (near, far, sink)
}

fn piece(offset_bytes: u64, len_bytes: u64) -> Piece {
    Piece { segment: 0, offset_bytes, len_bytes }
}

#[test]
fn the_queue_counts_what_went_in_and_calls_count_what_came_out() {
    let (_near, mut far, sink) = pair();
    let mut outlet = outlet(sink, false);
    let mut queue = Queue::new(&[sink]);
    queue.push(b"head", &[piece(0, 6)], &[0]);
    let job = queue.next_job().unwrap();
    let Part::Header(header) = job.part else { panic!("no header") };
    assert_eq!(outlet.send_header(&mut queue, job, header), Ok(Step::Moved));
    let job = queue.next_job().unwrap();
    assert_eq!(job.part, Part::Log(piece(0, 6)));
    assert_eq!(outlet.flush(&mut queue, job), Ok(false), "nothing is held");
    assert_eq!(outlet.send(&mut queue, job, b"abcdef", false), Ok(6));
    assert_eq!(queue.idle(), Step::Done);
    assert_eq!((queue.calls.looked_bytes(), queue.calls.handed_bytes()), (10, 5));
    let mut got = [0; 5];
    far.read_exact(&mut got).unwrap();
    assert_eq!(&got, b"haace");
}

#[test]
fn a_full_sink_holds_the_output_and_not_the_input() {
    let (_near, mut far, sink) = pair();
    let mut outlet = outlet(sink, true);
    let mut queue = Queue::new(&[sink]);
    queue.push(b"", &[piece(0, 1000), piece(1000, 1)], &[0]);
    let job = queue.next_job().unwrap();
    assert_eq!(outlet.send(&mut queue, job, &[7; 1000], true), Ok(1000), "all of it is taken");
    assert_eq!(outlet.held_bytes(0), 1000);
    assert_eq!(queue.remaining().0, 1001, "and none of it accepted");
    let mut got = 0;
    let mut buffer = vec![0; 1 << 16];
    let mut was_full = false;
    while let Some(job) = queue.next_job().or_else(|| {
        was_full = true;
        got += far.read(&mut buffer).unwrap();
        queue.unblock(0);
        queue.next_job()
    }) {
        if !outlet.flush(&mut queue, job).unwrap() {
            break;
        }
    }
    assert!(was_full, "a megabyte does not fit at once");
    assert_eq!(outlet.held_bytes(0), 0);
    assert_eq!(queue.next_job().unwrap().part, Part::Log(piece(1000, 1)));
    while got < 1_000_000 {
        let more = far.read(&mut buffer).unwrap();
        assert!(buffer[..more].iter().all(|&byte| byte == 7));
        got += more;
    }
    assert_eq!(queue.calls.handed_bytes(), 1_000_000);
}

#[test]
fn a_peer_that_has_gone_is_an_error_of_the_flush_too() {
    let (_near, far, sink) = pair();
    let mut outlet = outlet(sink, true);
    let mut queue = Queue::new(&[sink]);
    queue.push(b"", &[piece(42, 1000)], &[0]);
    let job = queue.next_job().unwrap();
    assert_eq!(outlet.send(&mut queue, job, &[7; 1000], false), Ok(1000));
    drop(far);
    queue.unblock(0);
    let error = outlet.flush(&mut queue, job).unwrap_err();
    assert_eq!((error.call, error.offset_bytes, error.errno), ("send", 42, Errno::EPIPE));
}
