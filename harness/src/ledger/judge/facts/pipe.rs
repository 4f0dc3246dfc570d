//! What is to be seen of bytes that go to the receiver through a pipe?

use super::super::super::moves::{End, Move};
use super::super::Case;
use super::{DIRECT, Fact, GIVEN};
use zclab_strategies::{Mover, Place};

impl Case<'_> {
    /// A pipe: the calls' own results are to be seen, and those of the receiver's reads, which it counts.
    /// What a splice of the log put into a pipe's slots is not, unless it came from a device.
    pub fn through_a_pipe(&self, facts: &mut Vec<Fact>) {
        let (to, copy, reference) = (Place::SinkPipe, Mover::CpuCopy, Mover::Reference);
        let into = |takes: &dyn Fn(&str, &Move) -> bool| {
            let pipe = |m: &Move| m.to == End::Pipe && takes(&m.call.name(), m);
            self.calls_are_counted().map(|()| self.counts.moved(pipe))
        };
        let mut push = |from, to, by, bytes, evidence| {
            facts.push(Fact { from, to, by, bytes, evidence, least: None });
        };
        let plain = into(&|call, m| m.from == End::User && !m.zerocopy && call != "vmsplice")
            .map(|bytes| bytes.saturating_sub(self.headers_apart()));
        push(self.source(to, copy), to, copy, plain, "bytes returned by writes");
        let given = into(&|call, _| call == "vmsplice");
        push(Place::UserBuffer, Place::Pipe, reference, given.clone(), GIVEN);
        // A splice that io_uring makes does not say where from.
        let between = match into(&|call, _| call == "uring_splice") {
            Ok(0) => into(&|call, m| call == "splice" && m.from == End::Pipe),
            _ => Err("io_uring does not show what a splice is from".to_owned()),
        };
        push(Place::Pipe, to, reference, between, "bytes returned by splices between pipes");
        let direct = into(&|_, m| m.direct && m.call.splices());
        let (device, _) = self.device_filled(direct.clone());
        let of_log = into(&|_, m| m.call.splices() && m.from != End::Pipe);
        push(Place::Disk, to, Mover::Device, device.clone(), DIRECT);
        let unseen = |bytes: Result<u64, String>, known: bool| match bytes {
            Ok(bytes) if bytes == 0 || known => Ok(0),
            Ok(_) => Err("no tracepoint shows what a splice puts into a pipe".to_owned()),
            Err(why) => Err(why),
        };
        // What a device filled is no page of the log's; what was mapped may be.
        let of_device = device.is_ok() && of_log == direct;
        let spliced = unseen(of_log, of_device);
        let mapped = unseen(given, false);
        for place in [Place::Pipe, to] {
            let evidence = "bytes returned by splicing calls";
            let referred = spliced.clone().and_then(|_| mapped.clone());
            push(Place::PageCache, place, reference, referred, evidence);
            push(Place::PageCache, place, copy, spliced.clone(), evidence);
        }
        let received = Ok(self.handed_bytes().saturating_sub(self.headers_apart()));
        push(to, Place::Receiver, copy, received, "bytes returned by the receiver's reads");
    }
}
