//! How many bytes were seen to take each hop that a sink lets be seen?

mod pinned;
mod pipe;

use super::super::counts::{Classes, Counts};
use super::super::moves::End;
use super::Case;
use pinned::Pinned;
use std::collections::BTreeMap;
use zclab_strategies::{Mover, Place, SinkKind};

/// A hop of other size than claimed by more than this share of the payload contradicts.
const SLACK_SHARE: f64 = 0.01;
/// Of a few fetches of a byte each, so many bytes may differ.
const SLACK_BYTES: u64 = 16;

const DIRECT: &str =
    "private pages of splices from an O_DIRECT descriptor, matched by device bytes";
const GIVEN: &str = "bytes returned by vmsplice";
/// What a kernel does not show, and why, by purpose.
pub type Gaps = BTreeMap<&'static str, String>;

/// Why a receiver that `--to` named is not seen.
const ELSEWHERE: &str = "the receiver is on another host";

/// Bytes that were seen to take a hop, or why nobody can say.
pub struct Fact {
    pub from: Place,
    pub to: Place,
    pub by: Mover,
    pub bytes: Result<u64, String>,
    pub evidence: &'static str,
    /// Where it may exceed the claim, since read-ahead and alignment fetch more than was asked for and
    /// what a full sink left is fetched again: how many bytes it has at least, if the claim is no smaller.
    pub least: Option<u64>,
}

impl Fact {
    /// Whether it is out of sight, on another host.
    pub fn is_elsewhere(&self) -> bool {
        self.bytes.as_ref().is_err_and(|why| why == ELSEWHERE)
    }

    /// Whether it is of this hop.
    pub fn is(&self, from: Place, to: Place, by: Mover) -> bool {
        self.from == from && self.to == to && self.by == by
    }
}

impl Case<'_> {
    /// Everything that this sink lets be seen.
    pub fn facts(&self) -> Vec<Fact> {
        let counts = self.counts;
        let again = self.fetches_again();
        let reads = |direct: bool| {
            self.calls_are_counted().map(|()| {
                let from = |end| end == End::Log || (direct && end == End::File);
                counts.moved(|m| from(m.from) && m.to == End::User && m.direct == direct)
            })
        };
        let fact = |from, to, by, bytes, evidence| Fact {
            from,
            to,
            by,
            bytes,
            evidence,
            least: match to {
                Place::PageCache => Some(self.missing_bytes.unwrap_or(u64::MAX)),
                _ => (by == Mover::Device || again).then_some(u64::MAX),
            },
        };
        let fills = self.seen_by("cache-fill").map(|()| counts.single("cache_fill_bytes"));
        let mut facts = vec![
            fact(
                Place::Disk,
                Place::PageCache,
                Mover::Device,
                fills,
                "mm_filemap_add_to_page_cache of the log's mappings",
            ),
            fact(
                Place::Disk,
                Place::UserBuffer,
                Mover::Device,
                reads(true),
                "bytes returned by reads of an O_DIRECT descriptor",
            ),
            fact(
                Place::PageCache,
                Place::UserBuffer,
                Mover::CpuCopy,
                reads(false),
                "bytes returned by reads of the log",
            ),
        ];
        facts.extend(self.changed.map(|changed| Fact {
            from: Place::UserBuffer,
            to: Place::UserBuffer,
            by: Mover::CpuCopy,
            bytes: Ok(changed.taken_bytes.saturating_sub(self.header_bytes)),
            evidence: "counted by the strategy's outlet: bytes given to the transform",
            least: None,
        }));
        match self.route.sink {
            SinkKind::TcpLoopback
            | SinkKind::TcpVeth
            | SinkKind::TcpRemote
            | SinkKind::UnixStream => {
                self.through_a_socket(&mut facts);
            }
            SinkKind::Pipe => self.through_a_pipe(&mut facts),
            SinkKind::File => self.into(&mut facts, Place::SinkPageCache, End::File),
            SinkKind::Null => self.into(&mut facts, Place::Nowhere, End::Other),
        }
        facts
    }

    /// Whether sinks were found full and not waited for: then an engine may have read bytes for one of
    /// them, served others from the same buffer, and read those bytes again later. A sender that waits
    /// for room in several sinks asks epoll.
    fn fetches_again(&self) -> bool {
        let waits = ["epoll_wait", "epoll_pwait2"];
        let calls = self.counts.syscalls.keys();
        calls.filter(|(of, _)| *of == "sender").any(|(_, call)| waits.contains(&call.as_str()))
    }

    /// Bytes that plain calls took from the process's memory, without the headers; and those that
    /// splicing calls handed on.
    fn sent(&self, end: End) -> (Result<u64, String>, Result<u64, String>) {
        let plain =
            |m: &super::super::moves::Move| m.from == End::User && m.to == end && !m.zerocopy;
        let all = self.calls_are_counted().map(|()| self.counts.moved(plain));
        let payload = all.map(|bytes| bytes.saturating_sub(self.headers_apart()));
        (payload, self.calls_are_counted().map(|()| self.counts.spliced_to(end)))
    }

    /// A file or the null device: only the calls' own results are to be seen.
    fn into(&self, facts: &mut Vec<Fact>, to: Place, end: End) {
        let by = if to == Place::Nowhere { Mover::Reference } else { Mover::CpuCopy };
        let (plain, spliced) = self.sent(end);
        let from = self.source(to, by);
        let mut push = |from, to, by, bytes, evidence| {
            facts.push(Fact { from, to, by, bytes, evidence, least: None });
        };
        push(from, to, by, plain, "bytes returned by writes");
        push(Place::Pipe, to, by, spliced, "bytes returned by splicing calls");
        let given = self.calls_are_counted().map(|()| self.given());
        push(Place::UserBuffer, Place::Pipe, Mover::Reference, given, GIVEN);
        let direct = self.counts.moved(|m| m.direct && m.to == end && m.call.splices());
        let (device, _) = self.device_filled(self.calls_are_counted().map(|()| direct));
        let of_device = device.is_ok();
        push(Place::Disk, Place::Pipe, Mover::Device, device, DIRECT);
        let unseen = "no tracepoint shows what a splice into a file or device refers to";
        for by in [Mover::Reference, Mover::CpuCopy] {
            let bytes = match self.sent(end).1 {
                // All that was spliced came from the device.
                Ok(bytes) if bytes == direct && of_device => Ok(0),
                _ => Err(unseen.to_owned()),
            };
            push(Place::PageCache, Place::Pipe, by, bytes, "bytes returned by splicing calls");
        }
    }

    /// Bytes of the process's memory that went into pipes.
    fn given(&self) -> u64 {
        self.counts.moved(|m| m.from == End::User && m.to == End::Pipe)
    }

    /// Whether the socket is claimed to encrypt what it is handed, into pages of its own.
    fn encrypts(&self) -> bool {
        self.path.hops.iter().any(|hop| (hop.from, hop.to) == (Place::Pipe, Place::KernelPages))
    }

    /// From where plain calls take their bytes, in the claim's words: that the memory is a mapping of
    /// the log cannot be seen, but that no read filled it can, in the hop before.
    fn source(&self, to: Place, by: Mover) -> Place {
        let claimed = self.path.hops.iter().find(|hop| {
            hop.to == to
                && hop.by == by
                && [Place::UserBuffer, Place::PageCache].contains(&hop.from)
        });
        claimed.map_or(Place::UserBuffer, |hop| hop.from)
    }

    fn through_a_socket(&self, facts: &mut Vec<Fact>) {
        let counts = self.counts;
        let (plain, spliced) = self.sent(End::Socket);
        let tcp = self.route.sink.is_tcp();
        let (pages, evidence) = if tcp {
            let seen = self.seen_by("queue").and_then(|()| self.whole(counts.queued, "queued"));
            (seen, "pages of the log in packets at net_dev_queue")
        } else {
            let seen = self.seen_by("receive").and_then(|()| self.whole(counts.received, "copied"));
            (seen, "pages of the log in packets at skb_copy_datagram_iovec")
        };
        let mut push = |from, to, by, bytes, evidence| {
            facts.push(Fact { from, to, by, bytes, evidence, least: None });
        };
        // What plain calls copied lies in private pages or linear parts; what else does was spliced
        // from pages that somebody copied (or a device filled, for an O_DIRECT descriptor).
        let copied = pages.clone().and_then(|pages| {
            let plain = plain.clone()? + self.headers_apart();
            Ok((pages.private + pages.linear).saturating_sub(plain))
        });
        let pinned = self.pinned(&pages, &copied);
        let left = |bytes: u64, of: fn(&Pinned) -> u64| {
            pinned.clone().map(|pinned| bytes.saturating_sub(of(&pinned)))
        };
        let shared = pages.clone().and_then(|pages| left(pages.log, |pinned| pinned.log));
        let given = pages.and_then(|pages| left(pages.anon, |pinned| pinned.anon));
        let copied = copied.and_then(|bytes| left(bytes, |pinned| pinned.copied));
        let (device, copied) = self.device_filled(copied);
        let made = "private pages of splicing sends that no device filled";
        if self.encrypts() {
            let why = "what the socket read before it encrypted is in no packet".to_owned();
            push(Place::PageCache, Place::Pipe, Mover::Reference, Err(why), evidence);
            push(Place::Pipe, Place::KernelPages, Mover::CpuCopy, copied, made);
            let (from, to, how) = (Place::KernelPages, Place::SocketBuffer, Mover::Reference);
            push(from, to, how, spliced.clone(), "bytes returned by splicing calls");
        } else {
            push(Place::PageCache, Place::Pipe, Mover::Reference, shared, evidence);
            push(Place::PageCache, Place::Pipe, Mover::CpuCopy, copied, made);
        }
        push(Place::UserBuffer, Place::Pipe, Mover::Reference, given, "anonymous pages in packets");
        push(Place::Disk, Place::Pipe, Mover::Device, device, DIRECT);
        let source = self.source(Place::SocketBuffer, Mover::CpuCopy);
        push(source, Place::SocketBuffer, Mover::CpuCopy, plain, "bytes returned by plain sends");
        pinned::push(&pinned, &mut push);
        push(
            Place::Pipe,
            Place::SocketBuffer,
            Mover::Reference,
            spliced,
            "bytes returned by splicing calls",
        );
        let (last, deferred) = match tcp {
            true => (Place::Wire, self.over_the_wire(&mut push)),
            false => (Place::SocketBuffer, Ok(0)),
        };
        self.received(last, deferred, &mut push);
    }

    /// The receiver's copy, from where it was seen to find the bytes.
    fn received(
        &self,
        last: Place,
        deferred: Result<u64, String>,
        push: &mut impl FnMut(Place, Place, Mover, Result<u64, String>, &'static str),
    ) {
        let received = if self.far_host() {
            Err(ELSEWHERE.to_owned())
        } else if self.route.receiver_copies {
            self.seen_by("receive")
                .and_then(|()| self.all(self.counts.single("received_bytes"), "copied"))
                .map(|bytes| bytes.saturating_sub(self.headers_apart()))
        } else {
            Err("the receiver drops its bytes, and no tracepoint fires".to_owned())
        };
        let deferred = match self.pinned_sends() {
            // Nobody has a reason to copy anything else: then the hop on the way is what is wrong.
            Ok(0) => Ok(0),
            _ => deferred,
        };
        // What was copied on the way lies in the kernel's pages when the receiver copies it again.
        let (received, of_copies) = match (received, deferred) {
            (Ok(bytes), Ok(deferred)) => {
                (Ok(bytes.saturating_sub(deferred)), Ok(bytes.min(deferred)))
            }
            (received, Err(why)) => (received, Err(why)),
            (Err(why), Ok(_)) => (Err(why.clone()), Err(why)),
        };
        let evidence = "skb_copy_datagram_iovec";
        push(last, Place::Receiver, Mover::CpuCopy, received, evidence);
        push(Place::KernelPages, Place::Receiver, Mover::CpuCopy, of_copies, evidence);
    }

    /// The hops from the queue to the wire and on; how many bytes were copied at delivery.
    fn over_the_wire(
        &self,
        push: &mut impl FnMut(Place, Place, Mover, Result<u64, String>, &'static str),
    ) -> Result<u64, String> {
        let Counts { queued, wire, received, .. } = *self.counts;
        let whole = self
            .seen_by("transmit")
            .and_then(|()| self.seen_by("queue"))
            .and_then(|()| self.whole(wire, "transmitted"));
        let grown = whole.clone().map(|wire| wire.linear.saturating_sub(queued.linear));
        let referred = whole.clone().and_then(|wire| {
            let linear = grown.clone()?;
            Ok((wire.total() - linear).saturating_sub(self.headers_apart()))
        });
        // Headers are in the same packets, and become linear with them.
        let linearised = grown.map(|grown| {
            let headers = self.headers_apart();
            let beyond = grown.saturating_sub(self.handed_bytes().saturating_sub(headers));
            grown - beyond.min(headers)
        });
        let (from, to) = (Place::SocketBuffer, Place::Wire);
        push(from, to, Mover::Reference, referred, "fragments at net_dev_start_xmit");
        push(
            from,
            to,
            Mover::CpuCopy,
            linearised,
            "bytes that became linear between net_dev_queue and net_dev_start_xmit",
        );
        if self.far_host() {
            // A copy that is made after the device has the packet is made on the other host.
            return Ok(0);
        }
        // What was nobody else's when it left needs no copy before it is delivered.
        let own = whole.as_ref().is_ok_and(|wire| wire.shared() == 0);
        let deferred = match (self.route.receiver_copies, self.pinned_sends()) {
            (true, _) if own => Ok(0),
            (true, _) => self
                .seen_by("receive")
                .and_then(|()| self.whole(received, "copied"))
                .map(|received| wire.shared().saturating_sub(received.shared())),
            // Only pinned pages are copied at delivery, and nobody looks at the bytes on that side.
            (false, Ok(0)) => Ok(0),
            (false, Ok(_)) => Err("the receiver drops its bytes, and no tracepoint fires".into()),
            (false, Err(why)) => Err(why),
        };
        push(
            Place::Wire,
            Place::KernelPages,
            Mover::CpuCopy,
            deferred.clone(),
            "shared at net_dev_start_xmit, private at skb_copy_datagram_iovec",
        );
        deferred
    }

    /// Private pages of a splice from a descriptor with O_DIRECT count as filled by a device only when
    /// device bytes match them; those of another descriptor were copied.
    fn device_filled(
        &self,
        private: Result<u64, String>,
    ) -> (Result<u64, String>, Result<u64, String>) {
        let bytes = match private {
            Ok(bytes) => bytes,
            Err(why) => return (Err(why.clone()), Err(why)),
        };
        let direct = self.counts.moved(|m| m.direct && m.call.splices());
        if bytes == 0 || direct == 0 {
            return (Ok(0), Ok(bytes));
        }
        let device: u64 = self.counts.device_reads.values().sum();
        if self.gaps.contains_key("device") || (device as f64) < bytes as f64 * (1.0 - SLACK_SHARE)
        {
            let why = format!(
                "{bytes} bytes lie in private pages of an O_DIRECT splice, and only \
                               {device} came from a device"
            );
            return (Err(why.clone()), Err(why));
        }
        (Ok(bytes), Ok(0))
    }

    /// Whether the receiver's side is out of sight.
    fn far_host(&self) -> bool {
        self.route.sink == SinkKind::TcpRemote
    }

    fn seen_by(&self, purpose: &str) -> Result<(), String> {
        seen_by(self.gaps, purpose)
    }

    /// Every call that moves bytes was seen.
    pub fn calls_are_counted(&self) -> Result<(), String> {
        calls_are_counted(self.gaps, self.counts)
    }

    /// The classes of a stage at which every byte was seen.
    fn whole(&self, seen: Classes, what: &str) -> Result<Classes, String> {
        self.all(seen.total() - seen.unwalked, what).map(|_| seen)
    }

    /// As many bytes as were delivered, or the observation has holes.
    fn all(&self, counted: u64, what: &str) -> Result<u64, String> {
        let wanted = self.handed_bytes();
        // A hole larger than what may be missing of the payload could be all that a verdict rests on.
        if counted.abs_diff(wanted) <= self.slack(self.payload_bytes.min(wanted)) {
            return Ok(counted);
        }
        Err(format!("{counted} of {wanted} bytes were seen {what}"))
    }

    /// As many bytes as the sinks were handed, headers included.
    pub fn handed_bytes(&self) -> u64 {
        match self.changed {
            Some(changed) => changed.sent_bytes,
            None => self.payload_bytes + self.header_bytes,
        }
    }

    /// Header bytes that can be told from the payload behind them: none once both were transformed.
    fn headers_apart(&self) -> u64 {
        if self.changed.is_some() { 0 } else { self.header_bytes }
    }

    /// How far two counts of so many bytes may differ.
    pub fn slack(&self, bytes: u64) -> u64 {
        slack(bytes)
    }
}

/// How far two counts of so many bytes may differ.
pub fn slack(bytes: u64) -> u64 {
    ((bytes as f64 * SLACK_SHARE) as u64).max(SLACK_BYTES)
}

/// Whether this kernel shows what serves a purpose.
pub fn seen_by(gaps: &Gaps, purpose: &str) -> Result<(), String> {
    match gaps.get(purpose) {
        Some(why) => Err(why.clone()),
        None => Ok(()),
    }
}

/// Whether every call that moves bytes was seen.
pub fn calls_are_counted(gaps: &Gaps, counts: &Counts) -> Result<(), String> {
    seen_by(gaps, "enter")?;
    seen_by(gaps, "leave")?;
    if counts.single("uring_submitted") > 0 {
        seen_by(gaps, "complete")?;
    }
    if counts.single("lost") > 0 {
        return Err(format!("{} events found no room in a map", counts.single("lost")));
    }
    Ok(())
}
