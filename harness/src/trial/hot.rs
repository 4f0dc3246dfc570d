//! How long do consumers of a hot set wait, while something else happens to the page cache?
//!
//! Their fetches are due at a fixed rate, whether or not the one before has been served (an open loop),
//! and a latency counts from the moment at which its fetch was due: one that waits for the device
//! delays those behind it, and that is in their latencies, not left out of them. It ends when the
//! sink has taken the fetch's last byte.
//!
//! The child cannot know when the disturbance begins and ends, so it serves until it is told to stop,
//! and is told then which stretch of time to look at. It waits for the next fetch and for that order
//! in one call, with the timer's slack set to a nanosecond (`PR_SET_TIMERSLACK`): the usual 50 µs would
//! be a part of every latency.

use super::drive::{Drive, Waits};
use super::fetches::Planner;
use super::proof::block_bytes_read;
use super::schedule::Schedule as Plan;
use super::wire::{
    Access, Cache, Expect, Lines, Order, Reply, Served, Spec, Trouble, UNTIL_CLOSED, say,
};
use super::worker::{Mover, Worker, encoded, latencies};
use crate::counters::now;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::time::Duration;

/// Nobody is served for longer.
const SERVE_LIMIT_S: u64 = 240;

/// Fetches from memory that a connection carries before its log is evicted.
const VACATE_FETCHES: u64 = 32;

/// What has been announced by `poll` is there.
const ANNOUNCED: Duration = Duration::from_secs(1);

/// When fetches are due.
#[derive(Clone, Copy, Debug)]
struct Schedule {
    start_ns: u64,
    rate_per_s: u32,
}

impl Schedule {
    /// When the fetch of this number is due. Computed from the beginning, so that no rounding adds up.
    fn due_ns(self, number: u64) -> u64 {
        let since_ns = u128::from(number) * 1_000_000_000 / u128::from(self.rate_per_s.max(1));
        self.start_ns + since_ns as u64
    }
}

/// Latencies of the fetches that were due before, within and after a stretch, ends included.
fn by_phase(fetches: &[(u64, u64)], stretch_ns: (u64, u64)) -> [Vec<u64>; 3] {
    let mut phases = [Vec::new(), Vec::new(), Vec::new()];
    for &(due_ns, latency_ns) in fetches {
        let phase = match due_ns {
            due if due < stretch_ns.0 => 0,
            due if due <= stretch_ns.1 => 1,
            _ => 2,
        };
        phases[phase].push(latency_ns);
    }
    phases
}

/// What ends a wait.
enum Ended {
    Time,
    Order,
}

/// Waits until a moment, or until an order comes.
fn wait_until(due_ns: u64, orders: &impl AsFd) -> Result<Ended, Trouble> {
    loop {
        let left = Duration::from_nanos(due_ns.saturating_sub(now().0));
        let mut wait = [PollFd::new(orders.as_fd(), PollFlags::POLLIN)];
        match ppoll(&mut wait, Some(TimeSpec::from_duration(left)), None) {
            Ok(0) if now().0 >= due_ns => return Ok(Ended::Time),
            Ok(0) | Err(Errno::EINTR) => {}
            Ok(_) => return Ok(Ended::Order),
            Err(errno) => return Err(Trouble::call("ppoll", "the next order", errno)),
        }
    }
}

impl Worker {
    /// Closes the engine, and sends a little from memory, so that neither it nor a packet holds a page
    /// of the log: a kernel may keep the last packet of a connection until the next one comes (seen
    /// with Linux 6.1).
    ///
    /// # Errors
    /// A failed call.
    pub fn vacate(&mut self) -> Result<(), Trouble> {
        self.mover = None;
        self.warm_connections(VACATE_FETCHES)
    }

    /// Opens a fresh engine and moves the range so many times, from its beginning to its end. Where it
    /// is to be read in, every page of it is in the page cache before.
    ///
    /// # Errors
    /// A failed call, or pages of the range that would not stay.
    pub fn settle(&mut self, passes: u32, read_in: bool) -> Result<(), Trouble> {
        self.open_mover()?;
        if read_in {
            let whole = [self.planner.whole()];
            self.witness.before(&whole, Cache::Warm)?.judge(Cache::Warm)?;
        }
        let spec = Spec { access: Access::Sequential, ..self.spec.clone() };
        let in_order = Planner::new(&spec).map_err(Trouble::failed)?;
        for _ in 0..passes {
            for block in 0..in_order.blocks() {
                self.measure(&in_order.block(block, u64::MAX), false, false)?;
            }
        }
        Ok(())
    }

    /// Serves fetches at a fixed rate until told to stop.
    ///
    /// # Errors
    /// Only a broken protocol; trouble with serving is the inner error.
    pub fn serve<R: Read + AsFd>(
        &mut self,
        rate_per_s: u32,
        orders: &mut Lines<R>,
        out: &mut impl Write,
    ) -> anyhow::Result<Result<Served, Trouble>> {
        let read_before = block_bytes_read();
        let mut fetches = Vec::with_capacity((u64::from(rate_per_s) * SERVE_LIMIT_S) as usize);
        if let Err(trouble) = self.serve_until_ordered(rate_per_s, &mut fetches, orders, out) {
            return Ok(Err(trouble));
        }
        let read_bytes = block_bytes_read().zip(read_before).map(|(end, begin)| end - begin);
        let stretch_ns = match orders.next::<Order>(ANNOUNCED)? {
            Order::Stop { stretch_ns } => stretch_ns,
            other => anyhow::bail!("hot consumers can only be told to stop, not {other:?}"),
        };
        let served = fetches.len() as u64;
        let mut histograms = [String::new(), String::new(), String::new()];
        for (encoding, phase) in histograms.iter_mut().zip(by_phase(&fetches, stretch_ns)) {
            let mut histogram = match latencies() {
                Ok(histogram) => histogram,
                Err(trouble) => return Ok(Err(trouble)),
            };
            phase.into_iter().for_each(|ns| histogram.saturating_record(ns.max(1)));
            *encoding = encoded(&histogram);
        }
        Ok(Ok(Served { histograms, fetches: served, read_bytes }))
    }

    fn serve_until_ordered<R: Read + AsFd>(
        &mut self,
        rate_per_s: u32,
        fetches: &mut Vec<(u64, u64)>,
        orders: &Lines<R>,
        out: &mut impl Write,
    ) -> Result<(), Trouble> {
        // An older kernel without the call has its usual slack, and says so in every latency alike.
        let _ = nix::sys::prctl::set_timerslack(1);
        let block = self.planner.block(0, u64::MAX);
        let expect = Expect { bytes_each: UNTIL_CLOSED, content: false };
        self.sinks.prepare(expect)?;
        let schedule = Schedule { start_ns: now().0 + 1_000_000, rate_per_s };
        let mut sent_bytes = 0;
        for number in 0.. {
            let due_ns = schedule.due_ns(number);
            if matches!(wait_until(due_ns, orders)?, Ended::Order) {
                break;
            }
            if fetches.len() == fetches.capacity() {
                return Err(Trouble::failed(format!(
                    "hot consumers were served for {SERVE_LIMIT_S} s and nobody told them to stop"
                )));
            }
            let pieces = &block.fetches[(number % block.fetches.len() as u64) as usize];
            self.queue.clear();
            self.queue.push(&self.header, pieces, &[0]);
            self.stamps.clear();
            let Some(Mover::Engine(engine)) = &mut self.mover else {
                return Err(Trouble::failed("no engine is open"));
            };
            let drive = Drive {
                engine: engine.as_mut(),
                queue: &mut self.queue,
                // The moments are this module's own: a fetch that is pushed is due.
                schedule: &mut Plan::default(),
                waits: &mut Waits::Poll,
                stamps: &mut self.stamps,
            };
            drive.run().map_err(|error| error.trouble(&self.spec.segments))?;
            fetches.push((due_ns, now().0.saturating_sub(due_ns)));
            sent_bytes += self.header.len() as u64 + self.spec.fetch_bytes;
            if number == 0 {
                say(out, &Reply::Done).map_err(|e| Trouble::failed(format!("stdout: {e}")))?;
            }
        }
        self.sinks.close()?;
        match self.sinks.count(expect)? {
            Some(counted) if counted.bytes == sent_bytes => Ok(()),
            counted => {
                let got = counted.map_or(0, |counted| counted.bytes);
                Err(Trouble::failed(format!(
                    "the hot consumers have {got} bytes, {sent_bytes} were sent"
                )))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fetches_are_due_at_the_rate_and_no_rounding_adds_up() {
        let schedule = Schedule { start_ns: 5, rate_per_s: 3 };
        assert_eq!(schedule.due_ns(0), 5);
        assert_eq!(schedule.due_ns(1), 333_333_338);
        assert_eq!(schedule.due_ns(3), 1_000_000_005);
        assert_eq!(schedule.due_ns(3_000_000_000), 1_000_000_000_000_000_005);
    }

    #[test]
    fn a_fetch_belongs_to_the_phase_in_which_it_was_due() {
        let fetches = [(9, 1), (10, 2), (15, 100), (20, 3), (21, 4), (30, 5)];
        let phases = by_phase(&fetches, (10, 20));
        assert_eq!(phases, [vec![1], vec![2, 100, 3], vec![4, 5]]);
        assert!(by_phase(&[], (10, 20)).iter().all(Vec::is_empty));
    }

    #[test]
    fn a_wait_ends_in_time_or_with_an_order() {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let due_ns = now().0 + 2_000_000;
        assert!(matches!(wait_until(due_ns, &reader), Ok(Ended::Time)));
        assert!(now().0 >= due_ns);
        writer.write_all(b"{}\n").unwrap();
        assert!(matches!(wait_until(now().0 + 60_000_000_000, &reader), Ok(Ended::Order)));
    }
}
