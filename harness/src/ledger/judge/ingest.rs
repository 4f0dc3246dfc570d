//! How many bytes were seen to take each hop from a socket into a log?
//!
//! The other direction: what packets brought, what the measured process copied out of its socket's
//! queue, and what its calls wrote. References into a pipe are what no copy was seen of; pages that
//! were mapped are what the call returned, since no tracepoint shows them.

use super::facts::{Fact, Gaps, calls_are_counted, seen_by, slack};
use super::{Judgement, weigh};
use crate::ledger::counts::Counts;
use crate::ledger::moves::{End, Move};
use zclab_strategies::{IngestRoute, Mover, Pages, Path, Place, SinkKind};

/// What there is to judge.
pub struct IngestCase<'a> {
    /// The claim.
    pub path: &'a Path,
    /// The route that it was made for.
    pub route: &'a IngestRoute,
    /// Payload bytes that came.
    pub payload_bytes: u64,
    /// Bytes of them that `getsockopt(TCP_ZEROCOPY_RECEIVE)` returned as mapped.
    pub mapped_bytes: u64,
    /// What was counted meanwhile.
    pub counts: &'a Counts,
    /// What this kernel does not show, and why, by purpose.
    pub gaps: &'a Gaps,
}

/// Judges a case.
#[must_use]
pub fn judge_ingest(case: &IngestCase) -> Judgement {
    let calls = calls_are_counted(case.gaps, case.counts).is_ok();
    let crossings = calls.then(|| case.counts.syscalls_of("sender"));
    let slack = slack(case.payload_bytes);
    weigh(case.path, case.payload_bytes, slack, &case.facts(), crossings)
}

impl IngestCase<'_> {
    fn facts(&self) -> Vec<Fact> {
        let mut facts = Vec::new();
        let mut push = |from, to, by, bytes, evidence| {
            facts.push(Fact { from, to, by, bytes, evidence, least: None });
        };
        let (queue, pipe, user) = (Place::SocketBuffer, Place::Pipe, Place::UserBuffer);
        let (copy, reference) = (Mover::CpuCopy, Mover::Reference);
        if self.route.source == SinkKind::TcpLoopback {
            let what = "payload of the far end's packets at net_dev_start_xmit";
            push(Place::Wire, queue, reference, self.arrived(), what);
        }
        // Whether a copy ends in a buffer or in a mapping of the log, the claim says: one that was not
        // followed by a write is in no buffer.
        let mapping = self.path.hops.iter().any(|h| (h.from, h.to) == (queue, Place::PageCache));
        let to = if mapping { Place::PageCache } else { user };
        push(queue, to, copy, self.copied(), "skb_copy_datagram_iovec in the measured process");
        let what = "bytes that getsockopt(TCP_ZEROCOPY_RECEIVE) returned as mapped";
        push(queue, user, reference, self.mapped(), what);
        let (referred, linear) = self.spliced();
        push(queue, pipe, reference, referred, "bytes returned by splice(socket, pipe)");
        push(queue, pipe, copy, linear, "linear parts of packets that were spliced");
        let written = self.moved(|m| m.from == End::User && m.to == End::File);
        push(user, Place::PageCache, copy, written, "bytes returned by writes of the file");
        let written = self.moved(|m| m.from == End::Pipe && m.to == End::File);
        push(pipe, Place::PageCache, copy, written, "bytes returned by splice(pipe, file)");
        let device = self.counts.single("device_write_bytes");
        facts.push(Fact {
            from: Place::PageCache,
            to: Place::Disk,
            by: Mover::Device,
            bytes: seen_by(self.gaps, "device").map(|()| device),
            evidence: "bytes that devices were asked to write (block_rq_issue), by anybody",
            // The file system's journal comes on top, and what others write.
            least: Some(u64::MAX),
        });
        facts
    }

    fn moved(&self, takes: impl Fn(&Move) -> bool) -> Result<u64, String> {
        calls_are_counted(self.gaps, self.counts).map(|()| self.counts.moved(takes))
    }

    fn mapped(&self) -> Result<u64, String> {
        self.left_to_the_packets().map_or(Ok(self.mapped_bytes), Err)
    }

    /// Where packets decide how many pages are whole, no number was claimed, and a part says nothing
    /// against it. That none was mapped at all does.
    fn left_to_the_packets(&self) -> Option<String> {
        let (mapped, payload) = (self.mapped_bytes, self.payload_bytes);
        if mapped == 0 || mapped + slack(payload) >= payload {
            return None;
        }
        let why = match self.route.pages {
            Pages::None => return None,
            Pages::Some => "fetches begin and end within pages",
            Pages::All => {
                "the kernel merges packets while they wait, when they take too much memory"
            }
        };
        Some(format!(
            "{why}, so nobody can claim how many are whole: {mapped} of {payload} bytes were mapped"
        ))
    }

    fn arrived(&self) -> Result<u64, String> {
        seen_by(self.gaps, "transmit")?;
        Ok(self.counts.wire.total())
    }

    /// What the tracepoint saw has to be what receiving calls returned, or it has holes.
    fn copied(&self) -> Result<u64, String> {
        seen_by(self.gaps, "receive")?;
        if let Some(why) = self.left_to_the_packets() {
            return Err(why);
        }
        let copied = self.counts.single("received_bytes");
        let returned = self.moved(|m| m.from == End::Socket && m.to == End::User)?;
        // What a call of TCP_ZEROCOPY_RECEIVE copies beside the pages it does not return.
        if copied + slack(self.payload_bytes) < returned {
            return Err(format!("{copied} of {returned} received bytes were seen copied"));
        }
        Ok(copied)
    }

    /// Bytes that went into a pipe by reference, and those that the kernel copied for it. A packet's
    /// linear part belongs to the packet, so `splice` copies it to a page (`linear_to_page`); how much
    /// of a packet that is, is seen where TCP transmits it and nowhere on a Unix stream.
    fn spliced(&self) -> (Result<u64, String>, Result<u64, String>) {
        let spliced = self.moved(|m| m.from == End::Socket && m.to == End::Pipe);
        let bytes = match spliced {
            Ok(0) => return (Ok(0), Ok(0)),
            Ok(bytes) => bytes,
            Err(why) => return (Err(why.clone()), Err(why)),
        };
        if self.route.source == SinkKind::UnixStream {
            let why = "splice copies the linear part of a Unix stream's packets, and no tracepoint \
                       shows how much that is";
            return (Err(why.to_owned()), Err(why.to_owned()));
        }
        match seen_by(self.gaps, "transmit") {
            Err(why) => (Err(why.clone()), Err(why)),
            Ok(()) => {
                let linear = self.counts.wire.linear.min(bytes);
                (Ok(bytes - linear), Ok(linear))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::moves::Call;
    use zclab_report::record::Agreement;
    use zclab_strategies::ingest::find;

    const PAYLOAD: u64 = 1 << 20;
    const TCP: IngestRoute =
        IngestRoute { source: SinkKind::TcpLoopback, pages: Pages::None, durable: false };

    fn one(call: u16, from: End, to: End, bytes: u64) -> Move {
        Move {
            call: Call::of(call),
            from,
            to,
            direct: false,
            zerocopy: false,
            tls: false,
            calls: 1,
            bytes,
        }
    }

    /// What recv and pwrite of everything look like.
    fn counted(copied: u64, written: u64) -> Counts {
        let mut counts = Counts::default();
        counts.wire.private = PAYLOAD;
        counts.singles.insert("received_bytes", copied);
        counts.moves =
            vec![one(45, End::Socket, End::User, copied), one(18, End::User, End::File, written)];
        counts
    }

    fn judged(name: &str, route: IngestRoute, counts: &Counts, mapped: u64) -> Judgement {
        let path = find(name).unwrap().path(&route);
        judge_ingest(&IngestCase {
            path: &path,
            route: &route,
            payload_bytes: PAYLOAD,
            mapped_bytes: mapped,
            counts,
            gaps: &Gaps::new(),
        })
    }

    #[test]
    fn two_copies_are_two_copies() {
        let judgement = judged("recv-write", TCP, &counted(PAYLOAD, PAYLOAD), 0);
        assert_eq!(judgement.agreement, Agreement::Agrees, "{:?}", judgement.reason);
        assert_eq!(judgement.copies.observed, Some(2.0));
    }

    /// Whoever claims one copy and makes two is found out, and so is one that wrote nothing.
    #[test]
    fn a_copy_too_many_and_one_too_few_contradict() {
        for (name, counts) in [
            ("mmap-recv", counted(PAYLOAD, PAYLOAD)),
            ("recv-write", counted(PAYLOAD, 0)),
            ("splice-in", counted(PAYLOAD, PAYLOAD)),
            ("recv-drop", counted(PAYLOAD, PAYLOAD)),
        ] {
            let judgement = judged(name, TCP, &counts, 0);
            assert_eq!(judgement.agreement, Agreement::Contradicts, "{name}");
        }
    }

    #[test]
    fn linear_parts_of_spliced_packets_are_copies() {
        let mut counts = counted(0, 0);
        counts.moves = vec![
            one(275, End::Socket, End::Pipe, PAYLOAD),
            one(275, End::Pipe, End::File, PAYLOAD),
        ];
        assert_eq!(judged("splice-in", TCP, &counts, 0).agreement, Agreement::Agrees);
        let unix = IngestRoute { source: SinkKind::UnixStream, ..TCP };
        assert_eq!(judged("splice-in", unix, &counts, 0).agreement, Agreement::Unobserved);
        counts.wire.linear = PAYLOAD / 2;
        counts.wire.private = PAYLOAD / 2;
        assert_eq!(judged("splice-in", TCP, &counts, 0).agreement, Agreement::Contradicts);
    }

    #[test]
    fn pages_are_mapped_where_that_is_claimed_or_it_contradicts() {
        let whole = IngestRoute { pages: Pages::All, ..TCP };
        let (none, all) = (counted(0, 0), counted(PAYLOAD, 0));
        let agreement =
            |route, counts, mapped| judged("zerocopy-receive", route, counts, mapped).agreement;
        assert_eq!(agreement(whole, &none, PAYLOAD), Agreement::Agrees);
        assert_eq!(agreement(whole, &all, 0), Agreement::Contradicts);
        assert_eq!(agreement(TCP, &all, 0), Agreement::Agrees);
        assert_eq!(agreement(TCP, &none, PAYLOAD), Agreement::Contradicts);
        let half = counted(PAYLOAD / 2, 0);
        for route in [whole, IngestRoute { pages: Pages::Some, ..TCP }] {
            assert_eq!(agreement(route, &half, PAYLOAD / 2), Agreement::Unobserved);
        }
    }

    #[test]
    fn a_device_has_at_least_what_was_synced() {
        let durable = IngestRoute { durable: true, ..TCP };
        let mut counts = counted(PAYLOAD, PAYLOAD);
        let agreement = |counts: &Counts| judged("recv-write", durable, counts, 0).agreement;
        assert_eq!(agreement(&counts), Agreement::Contradicts);
        counts.singles.insert("device_write_bytes", 2 * PAYLOAD);
        assert_eq!(agreement(&counts), Agreement::Agrees);
    }
}
