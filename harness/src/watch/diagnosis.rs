//! What does it mean? One plain sentence, or a few, from what was counted.
//!
//! Pure rules. A cause is named only with evidence: TLS where what is sent begins with the headers of
//! TLS records, a device where it says that it gathers nothing. What is merely possible is called so.

use super::devices::Device;
use super::server::Traits;
use crate::ledger::counts::Counts;
use crate::ledger::moves::{End, Move};
use zclab_report::format::{bytes, list};

/// From this share on the bytes are of one kind.
const NEARLY_ALL: f64 = 0.9;
/// From this share on a thing is worth a sentence of its own.
const NOTABLE: f64 = 0.05;
/// Of plain sends, this share in calls that begin with the header of a TLS record is no chance.
const TLS_SHARE: f64 = 0.1;
/// Sends smaller than this on average, and as many as that, are a call for each message.
const SMALL_SEND: f64 = 4096.0;
const MANY_SENDS: u64 = 100;

/// What there is to judge by.
pub struct Seen<'a> {
    /// What was counted.
    pub counts: &'a Counts,
    /// Whether packets were seen as the protocol queued them.
    pub queue: bool,
    /// Whether system calls and their results were seen.
    pub calls: bool,
    /// Share of the bytes that a receiver on this host copied although they were sent shared.
    pub deferred: Option<f64>,
    /// What the processes look like.
    pub traits: &'a Traits,
    /// Devices of the server's network namespace.
    pub devices: &'a [Device],
}

/// The diagnosis.
#[must_use]
pub fn diagnose(seen: &Seen) -> String {
    if seen.counts.wire.total() == 0 {
        return "Nothing left the port while it was watched.".to_owned();
    }
    let mut said = vec![capital(&seen.lead())];
    if let Some(share) = seen.deferred.filter(|share| *share >= NOTABLE) {
        said.push(capital(&format!(
            "{} of the bytes were shared when they were sent, but copied when a client on this host \
             was handed them.",
            percent(share)
        )));
    }
    said.extend(seen.small_sends());
    said.join(" ")
}

/// A share in a sentence: `99.9 %`, `more than 99.9 %`.
fn percent(share: f64) -> String {
    let text = zclab_report::watch::percent(share);
    text.replace("> ", "more than ").replace("< ", "less than ")
}

/// A sentence begins with a capital.
fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// A part of a whole; none of nothing.
fn part(of: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { of as f64 / whole as f64 }
}

/// The calls that moved most of these bytes, by name: one, or those with a tenth or more.
fn names(moves: &[&Move]) -> String {
    let total: u64 = moves.iter().map(|one| one.bytes).sum();
    let mut sums: Vec<(String, u64)> = Vec::new();
    for one in moves {
        match sums.iter_mut().find(|(name, _)| *name == one.call.name()) {
            Some((_, bytes)) => *bytes += one.bytes,
            None => sums.push((one.call.name(), one.bytes)),
        }
    }
    sums.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
    sums.retain(|(_, bytes)| part(*bytes, total) >= 0.1);
    list(&sums.into_iter().map(|(name, _)| name).collect::<Vec<_>>())
}

/// Bytes and calls of moves.
fn sum(moves: &[&Move]) -> (u64, u64) {
    moves.iter().fold((0, 0), |(bytes, calls), one| (bytes + one.bytes, calls + one.calls))
}

/// Bytes of each call on average, for people.
fn each(moves: &[&Move]) -> String {
    let (total, calls) = sum(moves);
    bytes(total as f64 / calls.max(1) as f64)
}

impl Seen<'_> {
    fn moves(&self, takes: impl Fn(&Move) -> bool) -> Vec<&Move> {
        self.counts.moves.iter().filter(|one| takes(one)).collect()
    }

    fn splicing(&self) -> Vec<&Move> {
        self.moves(|one| one.to == End::Socket && one.call.splices())
    }

    fn plain(&self) -> Vec<&Move> {
        self.moves(|one| one.to == End::Socket && one.from == End::User && !one.zerocopy)
    }

    fn sharing(&self) -> Vec<&Move> {
        self.moves(|one| one.to == End::Socket && one.zerocopy)
    }

    fn file_reads(&self) -> Vec<&Move> {
        self.moves(|one| one.to == End::User && [End::File, End::Log].contains(&one.from))
    }

    /// Share of the bytes that became linear between protocol and device.
    fn linearised(&self) -> f64 {
        let Counts { wire, queued, .. } = self.counts;
        if self.queue { part(wire.linear.saturating_sub(queued.linear), wire.total()) } else { 0.0 }
    }

    fn lead(&self) -> String {
        let Counts { wire, queued, .. } = self.counts;
        let of = |bytes: u64| part(bytes, wire.total());
        let (pages, copied) = (of(wire.page_cache()), of(wire.private + wire.linear));
        if self.linearised() >= NOTABLE {
            let shared = part(queued.page_cache(), queued.total());
            return format!(
                "{} of the bytes were page-cache pages when the protocol queued them{}, but {} were \
                 copied into the packets' linear part before the device was given them: {}.",
                percent(shared),
                self.handed_over(),
                percent(self.linearised()),
                self.no_gathering()
            );
        }
        if pages >= NEARLY_ALL {
            let how = self.handed_over();
            return format!(
                "{} of the bytes are page-cache pages of files{how}: zero copy.",
                percent(pages)
            );
        }
        if of(wire.anon) >= NEARLY_ALL {
            let by = names(&self.sharing());
            let by = if by.is_empty() { by } else { format!(" by {by} with MSG_ZEROCOPY") };
            return format!(
                "{} of the bytes are the server's own memory, shared with the packets{by}: not \
                 copied to be sent.",
                percent(of(wire.anon))
            );
        }
        if copied >= NEARLY_ALL {
            let said = if of(wire.private) >= NEARLY_ALL { of(wire.private) } else { copied };
            return format!("{} of the bytes are copied: {}", percent(said), self.cause());
        }
        let kinds = [
            (wire.page_cache(), "page-cache pages of files"),
            (wire.anon, "the server's own memory, shared"),
            (wire.private + wire.linear, "copied"),
            (wire.device + wire.unwalked, "of another kind"),
        ];
        let kinds = kinds.into_iter().filter(|(bytes, _)| of(*bytes) >= 0.001);
        let kinds: Vec<String> =
            kinds.map(|(bytes, name)| format!("{} are {name}", percent(of(bytes)))).collect();
        match copied >= NOTABLE {
            true => format!(
                "The bytes are mixed: {}. Of what is copied: {}",
                list(&kinds),
                self.cause()
            ),
            false => format!("The bytes are mixed: {}.", list(&kinds)),
        }
    }

    /// `, handed over by sendfile`.
    fn handed_over(&self) -> String {
        let splicing = names(&self.splicing());
        let sharing = names(&self.sharing());
        match (splicing.as_str(), sharing.as_str()) {
            ("", "") => String::new(),
            ("", by) => format!(", handed over by {by} with MSG_ZEROCOPY from a mapping"),
            (by, _) => format!(", handed over by {by}"),
        }
    }

    fn no_gathering(&self) -> String {
        let off = |serving: bool| {
            let takes = move |d: &&Device| d.gathers == Some(false) && (d.serves || !serving);
            let names: Vec<&str> =
                self.devices.iter().filter(takes).map(|device| device.name.as_str()).collect();
            (!names.is_empty()).then(|| list(&names))
        };
        match (off(true), off(false)) {
            (Some(names), _) => format!("scatter-gather is off on {names}"),
            (_, Some(names)) => format!(
                "scatter-gather is off on {names}, which may be the device; which one sent them was \
                 not seen"
            ),
            _ => "the device gathers no fragments, or cannot make their checksums".to_owned(),
        }
    }

    /// Why bytes are copied, with the full stop.
    fn cause(&self) -> String {
        let library = match &self.traits.tls_library {
            Some(name) => format!(" {name} is mapped in the process, so TLS is possible."),
            None => String::new(),
        };
        if !self.calls {
            return format!("by which calls was not seen.{library}");
        }
        let (splicing, plain, sharing) = (self.splicing(), self.plain(), self.sharing());
        let (spliced, sent, shared) = (sum(&splicing).0, sum(&plain).0, sum(&sharing).0);
        let all = spliced + sent + shared;
        if all == 0 {
            return format!("no call of the watched processes was seen to send them.{library}");
        }
        if spliced * 2 >= all {
            return self.copied_though_spliced(&splicing);
        }
        if shared * 2 >= all {
            let by = names(&sharing);
            return format!("{by} asked for MSG_ZEROCOPY, and the kernel copied all the same.");
        }
        let tls = self.moves(|one| one.to == End::Socket && one.tls);
        if part(sum(&tls).0, sent) >= TLS_SHARE {
            return self.encrypted(&plain, part(sum(&tls).0, sent));
        }
        self.read_and_sent(&plain)
    }

    fn copied_though_spliced(&self, splicing: &[&Move]) -> String {
        let by = names(splicing);
        if splicing.iter().any(|one| one.direct) {
            return format!(
                "{by} takes them from a file opened with O_DIRECT, not from page cache."
            );
        }
        if self.traits.kernel_tls > 0 {
            return format!(
                "{by} hands files over, but the packets hold other pages; this host has {} \
                 connections with kernel TLS in software, which encrypts into pages of its own.",
                self.traits.kernel_tls
            );
        }
        format!(
            "{by} hands files over, but the packets hold other pages: this file system's or this \
             kernel's splice copies, or kernel TLS encrypts."
        )
    }

    fn encrypted(&self, plain: &[&Move], share: f64) -> String {
        let (sent, read) = (sum(plain).0, sum(&self.file_reads()).0);
        let source = match part(read, sent) >= 0.5 {
            true => format!("It reads files by {}, encrypts", names(&self.file_reads())),
            false => "It encrypts".to_owned(),
        };
        format!(
            "the server sends TLS records ({} of the bytes it sends by {} go out in calls that begin \
             with a record's header, {} a call). {source} in user space and sends the result, so \
             no page of a file can be handed over as it is.",
            percent(share),
            names(plain),
            each(plain)
        )
    }

    fn read_and_sent(&self, plain: &[&Move]) -> String {
        let (sent, reads) = (sum(plain).0, self.file_reads());
        let share = part(sum(&reads).0, sent);
        let (by, size) = (names(plain), each(plain));
        if share < 0.1 {
            let mapped = match self.traits.mapped_files {
                0 => String::new(),
                1 => " (1 file of the folder is mapped)".to_owned(),
                count => format!(" ({count} files of the folder are mapped)"),
            };
            return format!(
                "{by} takes them from the server's memory or from a mapping of a file{mapped}, {size} \
                 a call; no read call of a file explains them."
            );
        }
        if share < 0.9 {
            return format!(
                "{by} takes them from the server's memory, {size} a call; read calls of files explain \
                 {} of them.",
                percent(share)
            );
        }
        let same = match (share - 1.0).abs() < 0.02 {
            true => "as many bytes as it sends".to_owned(),
            false => format!("{share:.1} bytes for each that it sends"),
        };
        format!(
            "the server reads files by {} ({same}) and sends from its own memory by {by}, {size} a \
             call. No TLS record was seen; sendfile would hand over the page-cache pages \
             themselves, unless the server changes the bytes.",
            names(&reads)
        )
    }

    fn small_sends(&self) -> Option<String> {
        let plain = self.plain();
        let (sent, calls) = sum(&plain);
        let all = sent + sum(&self.splicing()).0 + sum(&self.sharing()).0;
        let small = calls >= MANY_SENDS && (sent as f64) < SMALL_SEND * calls as f64;
        (small && sent * 2 >= all).then(|| {
            format!(
                "{} sends of {} on average: about one {}(2) for each message.",
                zclab_report::format::number(calls as f64),
                each(&plain),
                names(&plain)
            )
        })
    }
}

#[cfg(test)]
mod tests;
