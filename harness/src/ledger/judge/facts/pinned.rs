//! What became of sends whose pages the kernel was to pin?

use super::super::super::counts::Classes;
use super::super::super::moves::End;
use super::Case;
use zclab_strategies::{Mover, Place};

/// Bytes of sends with `MSG_ZEROCOPY` and of `SEND_ZC`, by the memory that packets referred to.
#[derive(Clone, Copy)]
pub struct Pinned {
    /// Page cache of the log.
    pub log: u64,
    /// The process's own memory.
    pub anon: u64,
    /// The kernel's pages: copied by the send after all.
    pub copied: u64,
}

impl Case<'_> {
    /// Bytes that such sends returned.
    pub fn pinned_sends(&self) -> Result<u64, String> {
        let pinned = |m: &super::super::super::moves::Move| m.zerocopy && m.to == End::Socket;
        self.calls_are_counted().map(|()| self.counts.moved(pinned))
    }

    /// What those bytes lay in as they were queued. `copied` are all bytes in the kernel's pages that
    /// no plain send put there.
    pub fn pinned(
        &self,
        pages: &Result<Classes, String>,
        copied: &Result<u64, String>,
    ) -> Result<Pinned, String> {
        let sent = self.pinned_sends()?;
        if sent == 0 {
            return Ok(Pinned { log: 0, anon: 0, copied: 0 });
        }
        let (pages, copied) = (pages.clone()?, copied.clone()?);
        let log = pages.log.min(sent);
        let anon = pages.anon.min(sent - log);
        Ok(Pinned { log, anon, copied: copied.min(sent - log - anon) })
    }
}

/// The hops into the socket's queue.
pub fn push(
    pinned: &Result<Pinned, String>,
    push: &mut impl FnMut(Place, Place, Mover, Result<u64, String>, &'static str),
) {
    let bytes = |of: fn(Pinned) -> u64| pinned.clone().map(of);
    let to = Place::SocketBuffer;
    let evidence = "pages of the log in packets of zero-copy sends";
    push(Place::PageCache, to, Mover::Reference, bytes(|pinned| pinned.log), evidence);
    let evidence = "anonymous pages in packets of zero-copy sends";
    push(Place::UserBuffer, to, Mover::Reference, bytes(|pinned| pinned.anon), evidence);
    let evidence = "private pages of zero-copy sends";
    push(Place::UserBuffer, to, Mover::CpuCopy, bytes(|pinned| pinned.copied), evidence);
}
