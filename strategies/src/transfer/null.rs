//! What does it cost to send bytes that are already in memory?
//!
//! The floor that every mover is measured against: it sends as many bytes as the log would have
//! given, from one ready buffer, and never touches the log. It is left out of rankings and of
//! content verification.
//!
//! Timed: the sends. Not timed: the buffer.

use crate::{
    CallError, Engine, Mover, OpenError, Part, Path, Place, Queue, Route, Setup, Step, Strategy,
    sys,
};

/// One call sends no more than this, as a broker's socket write would.
const BUFFER_BYTES: usize = 1 << 20;

/// See the module.
pub struct Null;

impl Strategy for Null {
    fn name(&self) -> &'static str {
        "null"
    }

    fn question(&self) -> &'static str {
        "What does it cost to send bytes that are already in memory?"
    }

    fn path(&self, on: &Route) -> Path {
        let why = "send copies from the ready buffer";
        let hops = on.into_sink(Place::UserBuffer, Mover::CpuCopy, why);
        Path { hops }
    }

    fn moves_the_log(&self) -> bool {
        false
    }

    fn transforms(&self) -> Result<(), &'static str> {
        Err("its bytes are not the log's: what a transform made of them would say nothing")
    }

    fn open(&self, setup: &Setup) -> Result<Box<dyn Engine>, OpenError> {
        let len = (setup.fetch_bytes_max.0 as usize).clamp(1, BUFFER_BYTES);
        Ok(Box::new(Ready { buffer: vec![0x5a; len] }))
    }
}

struct Ready {
    buffer: Vec<u8>,
}

impl Engine for Ready {
    fn step(&mut self, queue: &mut Queue) -> Result<Step, CallError> {
        let Some(job) = queue.next_job() else { return Ok(queue.idle()) };
        let piece = match job.part {
            Part::Header(header) => return queue.send_header(job, header),
            Part::Log(piece) => piece,
        };
        let len = (piece.len_bytes as usize).min(self.buffer.len());
        let more = job.more || (len as u64) < piece.len_bytes;
        match sys::send(&queue.calls, job.sink, &self.buffer[..len], more) {
            Ok(sent) => queue.advance(job.lane, sent as u64),
            Err(errno) => return queue.refuse(job.lane, "send", errno),
        }
        Ok(Step::Moved)
    }
}
