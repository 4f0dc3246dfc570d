//! What became of a batch of chains, and where did each break?

use super::{Chains, Held, Item, Links, Op};
use crate::{CallError, LaneId, Piece, Queue};
use nix::errno::Errno;

impl<L: Links> Chains<L> {
    /// Reports to the queue what was done, in order; a lane's chain ends where it was broken.
    pub(super) fn settle(&mut self, queue: &mut Queue) -> Result<(), CallError> {
        let mut chain = Chain { lane: LaneId::MAX, broken: false };
        for id in 0..self.items.len() {
            let item = self.items[id];
            if chain.lane != item.lane {
                chain = Chain { lane: item.lane, broken: false };
            }
            if item.header_len > 0 {
                let call = "io_uring SEND(header)";
                let sent = chain.take(queue, call, item.results[Op::Header as usize])?;
                chain.sent(queue, sent, item.header_len as u64);
            }
            let mut filled = item.piece;
            if filled.len_bytes > 0 && !item.held {
                filled.len_bytes = Self::filled(queue, &mut chain, item)?;
            }
            let mut sent = 0;
            if item.piece.len_bytes > 0 {
                sent = chain.take(queue, L::SEND, item.results[Op::Send as usize])?;
                chain.sent(queue, sent, item.piece.len_bytes);
            }
            self.keep(item, filled, sent);
        }
        Ok(())
    }

    /// How many bytes were brought; fewer than asked for break the chain.
    fn filled(queue: &mut Queue, chain: &mut Chain, item: Item) -> Result<u64, CallError> {
        let call = L::FILL.unwrap_or_default();
        let executed = !chain.broken;
        let filled = chain.take(queue, call, item.results[Op::Fill as usize])?;
        if executed && filled == 0 && !chain.broken {
            return Err(queue.error(item.lane, call, Errno::ENODATA));
        }
        chain.broken |= filled < item.piece.len_bytes;
        Ok(filled)
    }

    /// Keeps what was brought and not sent for its lane, or frees the slot. A lane keeps the first
    /// such bytes of a batch: those of later links were not sent either, and where they need not be
    /// brought they would come here, too, and leave a slot whose holder knows nothing of it.
    fn keep(&mut self, item: Item, filled: Piece, sent: u64) {
        if sent == filled.len_bytes || self.held[item.lane].is_some() {
            self.retire(item.slot, item.lane);
            return;
        }
        let piece = Piece {
            offset_bytes: filled.offset_bytes + sent,
            len_bytes: filled.len_bytes - sent,
            ..filled
        };
        let start = item.start + sent as usize;
        self.held[item.lane] = Some(Held { slot: item.slot, start, piece });
        self.slots[item.slot].holder = Some(item.lane);
    }
}

/// The fate of one lane's chain, operation by operation.
struct Chain {
    lane: LaneId,
    broken: bool,
}

impl Chain {
    /// The bytes that an operation moved: none if the chain was broken before or at it.
    fn take(
        &mut self,
        queue: &mut Queue,
        call: &'static str,
        result: Option<i32>,
    ) -> Result<u64, CallError> {
        let result = result.unwrap_or(-libc::EIO);
        let errno = Errno::from_raw(-result.min(0));
        match (self.broken, result) {
            (true, result) if result == -libc::ECANCELED => return Ok(0),
            // An operation ran after one that had failed: bytes may have been overtaken.
            (true, _) => return Err(queue.error(self.lane, call, Errno::EPROTO)),
            (false, 0..) => return Ok(result as u64),
            (false, _) => {}
        }
        self.broken = true;
        match errno {
            Errno::EINTR => Ok(0),
            Errno::EAGAIN => queue.refuse(self.lane, call, errno).map(|_| 0),
            _ => Err(queue.error(self.lane, call, errno)),
        }
    }

    /// Reports bytes that the sink took; fewer than it was offered break the chain.
    fn sent(&mut self, queue: &mut Queue, sent: u64, offered: u64) {
        queue.advance(self.lane, sent);
        if sent < offered && !self.broken {
            queue.calls.short_write();
            self.broken = true;
        }
    }
}
