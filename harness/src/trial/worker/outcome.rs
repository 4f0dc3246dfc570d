//! Were the right bytes moved, what did it cost, and how long did each fetch take?

use super::super::fetches::Block;
use super::super::sinks::io;
use super::super::tail::Tail;
use super::super::wire::{Counted, Expect, Trouble};
use super::{Mover, Timed, Worker};
use base64::Engine as _;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Serializer, V2DeflateSerializer};
use std::collections::BTreeMap;
use std::os::unix::fs::FileExt;
use zclab_report::record::{Verified, reading};
use zclab_strategies::{Piece, Segment};

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
        // What the sender's own transform summed has to be what arrived: it looked at every byte.
        let sums = self.transforms.sums();
        if let Some(sink) = (0..sums.len()).find(|&sink| counted.crcs.get(sink) != sums.get(sink)) {
            return Err(Trouble::failed(format!(
                "the transform of sink {sink} summed {:08x}, which is not what arrived",
                sums[sink]
            )));
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
        for pieces in &block.fetches {
            crc = crc32c::crc32c_append(crc, &self.header);
            crc = checksum(&self.log, pieces, crc)?;
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
        let grows = self.tail.as_ref().map_or(0, Tail::schedule_ns);
        if self.spec.demand.rate > 0 || grows > 0 {
            let due_ns = self.schedule.last_due_ns().max(grows);
            set(reading::SCHEDULE_NS, due_ns);
            let served_ns = timed.end_ns.saturating_sub(timed.start_ns);
            set(reading::LATE_NS, served_ns.saturating_sub(due_ns));
        }
        if self.transforms.any() {
            set(reading::SENT_BYTES, counts.handed_bytes());
            set(reading::TRANSFORMED_BYTES, counts.looked_bytes());
        }
        let pinned = counts.zerocopy();
        if pinned.sends > 0 {
            set(reading::ZEROCOPY_SENDS, pinned.sends);
        }
        if pinned.answered > 0 {
            set(reading::ZEROCOPY_ANSWERED, pinned.answered);
            set(reading::ZEROCOPY_COPIED, pinned.copied);
        }
        if let Some((before, after)) = timed.io {
            // Reading the file twice costs one read of it between the two: about a hundred bytes.
            set(reading::IO_READ_BYTES, after.read_bytes.saturating_sub(before.read_bytes));
            set(reading::IO_RCHAR_BYTES, after.rchar_bytes.saturating_sub(before.rchar_bytes));
        }
        if let Some((beside, control)) = timed.canary {
            set(reading::CANARY_WORK, beside.work);
            set(reading::CANARY_CPU_NS, beside.cpu_ns);
            set(reading::CANARY_NS, beside.wall_ns);
            set(reading::CANARY_CONTROL_WORK, control.work);
            set(reading::CANARY_CONTROL_CPU_NS, control.cpu_ns);
            set(reading::CANARY_CONTROL_NS, control.wall_ns);
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

/// Records what the stamps of a block say: time since the completion before, alike for all that
/// share a stamp.
pub(in crate::trial) fn keep(latencies: &mut Histogram<u64>, stamps: &[u64], start_ns: u64) {
    let (mut previous, mut stamp) = (start_ns, start_ns);
    for &done in stamps {
        if done != stamp {
            (previous, stamp) = (stamp, done);
        }
        latencies.saturating_record(done.saturating_sub(previous).max(1));
    }
}

/// A histogram as the record has it; empty when nothing was kept.
pub(in crate::trial) fn encoded(latencies: &Histogram<u64>) -> String {
    let mut bytes = Vec::new();
    match V2DeflateSerializer::new().serialize(latencies, &mut bytes) {
        Ok(_) if !latencies.is_empty() => base64::engine::general_purpose::STANDARD.encode(bytes),
        _ => String::new(),
    }
}

/// CRC-32C of pieces of the log one after another, read by plain reads.
pub(in crate::trial) fn checksum(
    segments: &[Segment],
    pieces: &[Piece],
    mut crc: u32,
) -> Result<u32, Trouble> {
    let mut buffer = Vec::new();
    for piece in pieces {
        let segment = &segments[piece.segment as usize];
        buffer.resize(piece.len_bytes as usize, 0);
        segment
            .file
            .read_exact_at(&mut buffer, piece.offset_bytes)
            .map_err(|error| io("pread", &segment.path.display().to_string(), &error))?;
        crc = crc32c::crc32c_append(crc, &buffer);
    }
    Ok(crc)
}
