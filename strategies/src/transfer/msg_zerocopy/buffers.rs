//! Which buffer may be filled, and which are still the kernel's?

use crate::memory::Slots;
use crate::zerocopy::Released;
use crate::{LaneId, Piece};

/// What one buffer is used for.
#[derive(Clone, Copy)]
struct Use {
    lane: LaneId,
    /// The sends that were made from it: the first one's number on its lane, how many, and how many
    /// of them were not released. Between two buffers of a lane there is no other send.
    first: u32,
    sends: u32,
    due: u32,
    /// What it holds that was not sent, and where that begins.
    unsent: Piece,
    start: usize,
}

/// A pool that all lanes share; no lane has more of it than its share.
pub(super) struct Buffers {
    pub(super) slots: Slots,
    uses: Vec<Use>,
    free: Vec<usize>,
    /// The buffer with a lane's unsent bytes.
    of_lane: Vec<Option<usize>>,
    share: usize,
}

impl Buffers {
    pub(super) fn new(slots: Slots, lanes: usize) -> Buffers {
        let unsent = Piece { segment: 0, offset_bytes: 0, len_bytes: 0 };
        let unused = Use { lane: 0, first: 0, sends: 0, due: 0, unsent, start: 0 };
        let count = slots.count();
        Buffers {
            slots,
            uses: vec![unused; count],
            free: (0..count).collect(),
            of_lane: vec![None; lanes],
            share: (count / lanes.max(1)).max(1),
        }
    }

    /// The buffer that holds the beginning of `piece` for a lane, or one to fill with it. When all
    /// hold bytes of other lanes, one that the kernel has nothing of is taken; they will be read
    /// again.
    pub(super) fn with(&mut self, lane: LaneId, piece: Piece) -> Option<usize> {
        if let Some(id) = self.of_lane[lane] {
            let held = self.uses[id].unsent;
            let begins = |piece: Piece| (piece.segment, piece.offset_bytes);
            if begins(held) == begins(piece) {
                return Some(id);
            }
            // Bytes of a queue that was cleared before it was done belong to nobody.
            self.give_up(id);
        }
        if self.taken(lane) >= self.share {
            return None;
        }
        if self.free.is_empty() {
            let idle = |(_, used): &(usize, &Use)| used.due == 0 && used.unsent.len_bytes > 0;
            let id = self.uses.iter().enumerate().find(idle).map(|(id, _)| id)?;
            self.give_up(id);
        }
        self.free.last().copied()
    }

    /// Notes that the buffer was filled for a lane.
    pub(super) fn filled(&mut self, id: usize, lane: LaneId, unsent: Piece) {
        self.free.retain(|&other| other != id);
        self.uses[id] = Use { lane, first: 0, sends: 0, due: 0, unsent, start: 0 };
        self.of_lane[lane] = Some(id);
    }

    /// The unsent bytes of a lane.
    pub(super) fn held(&self, lane: LaneId) -> Option<(*const u8, u64)> {
        let id = self.of_lane[lane]?;
        let used = &self.uses[id];
        let pointer = self.slots.pointer(id).wrapping_add(used.start).cast_const();
        Some((pointer, used.unsent.len_bytes))
    }

    /// Whether a lane will have to wait for a notification after the buffer that it has.
    pub(super) fn is_last(&self, lane: LaneId) -> bool {
        self.free.is_empty() || self.taken(lane) >= self.share
    }

    /// Notes that bytes of a lane's buffer were sent, by the send of that number.
    pub(super) fn sent(&mut self, lane: LaneId, number: u32, bytes: u64) {
        let Some(id) = self.of_lane[lane] else { return };
        let used = &mut self.uses[id];
        if used.sends == 0 {
            used.first = number;
        }
        used.sends += 1;
        used.due += 1;
        used.start += bytes as usize;
        used.unsent.offset_bytes += bytes;
        used.unsent.len_bytes -= bytes;
        if used.unsent.len_bytes == 0 {
            self.of_lane[lane] = None;
        }
    }

    /// Notes that sends of a lane were released.
    pub(super) fn released(&mut self, lane: LaneId, released: Released) {
        for (id, used) in self.uses.iter_mut().enumerate() {
            if used.lane != lane || used.due == 0 {
                continue;
            }
            let within = |number: u32| {
                (number.wrapping_sub(released.first) as i32) >= 0
                    && (released.last.wrapping_sub(number) as i32) >= 0
            };
            let own = (0..used.sends).filter(|nth| within(used.first.wrapping_add(*nth))).count();
            used.due -= own as u32;
            if used.due == 0 && used.unsent.len_bytes == 0 {
                self.free.push(id);
            }
        }
    }

    /// Forgets what a buffer holds; it is free once its sends are released.
    fn give_up(&mut self, id: usize) {
        let used = &mut self.uses[id];
        used.unsent.len_bytes = 0;
        self.of_lane[used.lane] = None;
        if used.due == 0 {
            self.free.push(id);
        }
    }

    /// Buffers that a lane's bytes lie in, or that the kernel has of it.
    fn taken(&self, lane: LaneId) -> usize {
        let of_lane =
            |used: &&Use| used.lane == lane && (used.due > 0 || used.unsent.len_bytes > 0);
        self.uses.iter().filter(of_lane).count()
    }
}
