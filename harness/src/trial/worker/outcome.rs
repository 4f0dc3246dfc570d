//! Were the right bytes moved, what did it cost, and how long did each fetch take?

use super::super::fetches::Block;
use super::super::sinks::io;
use super::super::wire::{Counted, Expect, Trouble};
use super::{Mover, Timed, Worker};
use std::collections::BTreeMap;
use std::os::unix::fs::FileExt;
use zclab_report::record::{Verified, reading};

impl Worker {
    pub(super) fn check(
        &self,
        block: &Block,
        expect: Expect,
        counted: Option<&Counted>,
    ) -> Result<Verified, Trouble> {
        let Some(counted) = counted else { return Ok(Verified::None) };
        let expected = expect.bytes_each * self.sinks.sinks.len() as u64;
        if counted.bytes != expected {
            return Err(Trouble::failed(format!(
                "the sinks have {} bytes, {expected} were sent",
                counted.bytes
            )));
        }
        if !expect.content {
            return Ok(Verified::Length);
        }
        let want = self.checksum(block)?;
        match counted.crcs.iter().position(|&crc| crc != want) {
            Some(sink) => Err(Trouble::failed(format!(
                "wrong bytes at sink {sink}: CRC-32C {:08x}, {want:08x} expected over {expected} bytes",
                counted.crcs[sink]
            ))),
            None => Ok(Verified::Content),
        }
    }

    /// CRC-32C of what every sink must have received, read from the log by plain reads.
    fn checksum(&self, block: &Block) -> Result<u32, Trouble> {
        let mut crc = 0;
        let mut buffer = Vec::new();
        for pieces in &block.fetches {
            crc = crc32c::crc32c_append(crc, &self.header);
            for piece in pieces {
                let segment = &self.segments[piece.segment as usize];
                buffer.resize(piece.len_bytes as usize, 0);
                segment
                    .file
                    .read_exact_at(&mut buffer, piece.offset_bytes)
                    .map_err(|error| io("pread", &segment.path.display().to_string(), &error))?;
                crc = crc32c::crc32c_append(crc, &buffer);
            }
        }
        Ok(crc)
    }

    pub(super) fn readings(
        &self,
        timed: &Timed,
        counted: Option<&Counted>,
    ) -> (BTreeMap<String, u64>, BTreeMap<String, u64>) {
        let mut readings = BTreeMap::new();
        timed.used.as_sender(&mut readings);
        let counts = match &self.mover {
            Some(Mover::Bare(loop_and_counts)) => &loop_and_counts.1,
            _ => &self.queue.calls,
        };
        let mut set = |name: &str, value: u64| {
            readings.insert(name.to_owned(), value);
        };
        set(reading::SYSCALLS, counts.total());
        set(reading::SHORT_WRITES, counts.short_writes());
        if self.spec.demand.rate > 0 {
            let due_ns = self.schedule.last_due_ns();
            set(reading::SCHEDULE_NS, due_ns);
            let served_ns = timed.end_ns.saturating_sub(timed.start_ns);
            set(reading::LATE_NS, served_ns.saturating_sub(due_ns));
        }
        if let Some((before, after)) = timed.io {
            // Reading the file twice costs one read of it between the two: about a hundred bytes.
            set(reading::IO_READ_BYTES, after.read_bytes.saturating_sub(before.read_bytes));
            set(reading::IO_RCHAR_BYTES, after.rchar_bytes.saturating_sub(before.rchar_bytes));
        }
        if let Some(steal_ns) = timed.steal_ns {
            set(reading::STEAL_NS, steal_ns);
        }
        if let Some(counted) = counted.filter(|_| self.sinks.has_receiver()) {
            set(reading::RECEIVER_CPU_NS, counted.cpu_ns);
            set(reading::RECEIVER_VOLUNTARY_SWITCHES, counted.voluntary);
            set(reading::RECEIVER_INVOLUNTARY_SWITCHES, counted.involuntary);
        }
        let calls = counts.counts().map(|(call, n)| (call.name().to_owned(), n)).collect();
        (readings, calls)
    }
}
