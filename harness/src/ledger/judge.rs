//! Does what was counted agree with what the strategy claims?
//!
//! A pure function of a claim and of counts. The claim is for the route as it is, so a copy that the
//! route forces (a device without scatter-gather) is part of it. Observed bytes never come from the
//! claim: what no program counted is absent, and the cell is `unobserved` when that matters.

mod facts;
pub mod ingest;

use super::counts::Counts;
use facts::Fact;
use std::collections::BTreeMap;
use zclab_report::record::{self, Agreement, Compared};
use zclab_strategies::{Hop, Mover, Path, Place, Route};

/// Why nobody sees a copy that the process makes by its own instructions.
const BY_ITSELF: &str =
    "unavailable: the process copies by itself, which makes no call and passes no tracepoint";

/// What there is to judge.
pub struct Case<'a> {
    /// The claim.
    pub path: &'a Path,
    /// The route that it was made for.
    pub route: &'a Route,
    /// Payload bytes that reached the sinks.
    pub payload_bytes: u64,
    /// Header bytes that reached them: always sent plainly.
    pub header_bytes: u64,
    /// What became of the bytes, where a transform changed them on their way.
    pub changed: Option<Changed>,
    /// Bytes of the ranges that were not in the page cache before, by mincore; absent where nobody
    /// looked. Ranges that recur, or a share of the whole log, make less of them than is claimed.
    pub missing_bytes: Option<u64>,
    /// What was counted meanwhile.
    pub counts: &'a Counts,
    /// What this kernel does not show, and why, by purpose.
    pub gaps: &'a BTreeMap<&'static str, String>,
}

/// What the strategy's outlet counted, headers included. It is evidence of its own for the hop that no
/// tracepoint sees, and says how many bytes the hops behind it have to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Changed {
    /// Bytes that the transform was given.
    pub taken_bytes: u64,
    /// Bytes that the sinks took instead.
    pub sent_bytes: u64,
}

/// What the evidence says.
pub struct Judgement {
    /// The claimed hops in order, then those that were observed beyond the claim.
    pub hops: Vec<record::Hop>,
    /// CPU copies for each payload byte on the sending side.
    pub copies: Compared,
    /// User-kernel crossings of the sender for each MiB of payload.
    pub mode_switches: Compared,
    /// The verdict.
    pub agreement: Agreement,
    /// The hop that contradicts, or what was not observed; of a claim that holds, why nobody knows how
    /// many copies there were beside it.
    pub reason: Option<String>,
}

/// Judges a case.
#[must_use]
pub fn judge(case: &Case) -> Judgement {
    let crossings = case.calls_are_counted().is_ok().then(|| case.counts.syscalls_of("sender"));
    let slack = facts::slack(case.payload_bytes.min(case.handed_bytes()));
    weigh(case.path, case.payload_bytes, slack, &case.facts(), crossings)
}

/// Sets what was seen against a claim, whatever was moved from where to where.
fn weigh(
    path: &Path,
    payload_bytes: u64,
    slack: u64,
    facts: &[Fact],
    calls: Option<u64>,
) -> Judgement {
    let (mut hops, mut wrong, mut unseen) = (Vec::new(), None, None);
    for hop in &path.hops {
        let predicted = (hop.share * payload_bytes as f64).round() as u64;
        let fact = facts.iter().find(|fact| fact.is(hop.from, hop.to, hop.by));
        let (observed, evidence) = match fact.map(|fact| (&fact.bytes, fact.evidence)) {
            Some((Ok(bytes), evidence)) => (Some(*bytes), evidence.to_owned()),
            Some((Err(why), _)) => (None, format!("unavailable: {why}")),
            None => (None, "unavailable: no program counts this hop".to_owned()),
        };
        let least = fact.and_then(|fact| fact.least);
        // What calls were seen to move is not what the process copies by itself: there is none of that.
        let (observed, evidence) = match (hop.in_user_space, observed) {
            (true, Some(bytes)) if bytes <= slack => (None, BY_ITSELF.to_owned()),
            (_, observed) => (observed, evidence),
        };
        let due = if hop.in_user_space { 0 } else { predicted };
        match observed {
            Some(bytes) if !within(bytes, due, slack, least) => {
                wrong.get_or_insert(contradiction(hop, due, bytes, payload_bytes));
            }
            // What another host does is shown as unseen, and is no part of the sending side's verdict.
            None if hop.to != Place::Nowhere && !fact.is_some_and(Fact::is_elsewhere) => {
                let why = evidence.trim_start_matches("unavailable: ");
                unseen.get_or_insert(format!("{} → {}: {why}", hop.from.name(), hop.to.name()));
            }
            _ => {}
        }
        hops.push(shown(hop, predicted, observed, evidence));
    }
    let claimed = |fact: &&Fact| path.hops.iter().any(|h| fact.is(h.from, h.to, h.by));
    for fact in facts.iter().filter(|fact| fact.by == Mover::CpuCopy && !claimed(fact)) {
        let Ok(bytes) = fact.bytes else { continue };
        if bytes > slack {
            let hop = Hop::new(fact.from, fact.to, fact.by, "not claimed");
            wrong.get_or_insert(contradiction(&hop, 0, bytes, payload_bytes));
            hops.push(shown(&hop, 0, Some(bytes), fact.evidence.to_owned()));
        }
    }
    let copies = copies(facts, payload_bytes);
    let (agreement, reason) = match (wrong, unseen) {
        (Some(wrong), _) => (Agreement::Contradicts, Some(wrong)),
        (None, Some(unseen)) => (Agreement::Unobserved, Some(unseen)),
        (None, None) => (Agreement::Agrees, copies.as_ref().err().cloned()),
    };
    let crossings = calls.map(|calls| 2.0 * calls as f64 / mib(payload_bytes));
    Judgement {
        hops,
        copies: Compared {
            predicted: Some(path.sender_copies_per_byte()),
            observed: copies.ok().filter(|_| !path.hops.iter().any(|hop| hop.in_user_space)),
        },
        mode_switches: Compared { predicted: None, observed: crossings },
        agreement,
        reason,
    }
}

fn shown(hop: &Hop, predicted: u64, observed: Option<u64>, evidence: String) -> record::Hop {
    record::Hop {
        from: hop.from.name().to_owned(),
        to: hop.to.name().to_owned(),
        by: hop.by.name().to_owned(),
        predicted_bytes: predicted,
        observed_bytes: observed,
        evidence,
        why: hop.why.to_owned(),
    }
}

fn within(bytes: u64, predicted: u64, slack: u64, least: Option<u64>) -> bool {
    match least {
        Some(least) => bytes + slack >= least.min(predicted),
        None => bytes.abs_diff(predicted) <= slack,
    }
}

fn mib(bytes: u64) -> f64 {
    bytes.max(1) as f64 / f64::from(1 << 20)
}

fn contradiction(hop: &Hop, predicted: u64, bytes: u64, payload: u64) -> String {
    let (from, to, by) = (hop.from.name(), hop.to.name(), hop.by.name());
    let share = |bytes: u64| bytes as f64 / payload.max(1) as f64;
    format!(
        "{from} → {to} by {by}: {:.2} bytes per payload byte observed, {:.2} claimed",
        share(bytes),
        share(predicted)
    )
}

/// Sender-side copies of everything observed; what is missing as soon as one copying hop is.
fn copies(facts: &[Fact], payload_bytes: u64) -> Result<f64, String> {
    let copying = facts.iter().filter(|f| f.by == Mover::CpuCopy && f.to != Place::Receiver);
    let seen = |fact: &Fact| match &fact.bytes {
        Ok(bytes) => Ok(*bytes),
        Err(why) => Err(format!("copies {} → {}: {why}", fact.from.name(), fact.to.name())),
    };
    let sum = copying.map(seen).sum::<Result<u64, String>>()?;
    Ok(sum as f64 / payload_bytes.max(1) as f64)
}

#[cfg(test)]
mod tests;
