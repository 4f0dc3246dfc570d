//! What does one arm make the kernel do for one block, in numbers that need no statistics?
//!
//! Each arm moves the same block in two fresh children: a count that differs between the two is not
//! exact on this machine, and the judge knows. With the kernel's programs system calls are those that
//! `sys_enter` showed, and copies and wire bytes are observed; without them the strategies' own
//! counts of calls remain, and the rest is a gap with its reason.

use super::duel::{Duel, Sides};
use crate::run::cells::Ground;
use crate::run::children::TrialChild;
use crate::run::evidence::{Counted, Evidence};
use crate::run::logs::Ready;
use crate::scenario::Budget;
use crate::trial::wire::{Order, Trouble};
use std::collections::BTreeMap;
use zclab_report::gate::record::{Arm, Counts};
use zclab_report::record::{Agreement, Ledger, Verified, reading};

/// Captures of each arm.
pub const CAPTURES: u32 = 2;

/// Bytes of the block that is counted, at most.
pub const BLOCK_BYTES: u64 = 4 << 20;

/// Fetches that are content-checked in each capture.
const VERIFY_FETCHES: u32 = 8;

/// Sums of the ledger that are compared, by the names of a record's `counts`.
const SUMS: [&str; 8] = [
    "wire_log_bytes",
    "wire_file_bytes",
    "wire_anon_bytes",
    "wire_private_bytes",
    "wire_linear_bytes",
    "sent_tcp_bytes",
    "sent_unix_bytes",
    "uring_submitted",
];

/// What cannot be counted without the kernel's programs; `wire` stands for all sums of packets.
const UNSEEN: [&str; 5] =
    ["cpu_copied_bytes", "wire", "sent_tcp_bytes", "sent_unix_bytes", "uring_submitted"];

/// One capture, what the arm set and read back, and by which claim its copies were judged.
pub struct Captured {
    /// The counts.
    pub counts: Counts,
    /// The setup.
    pub setup: BTreeMap<String, serde_json::Value>,
}

/// One capture of an arm.
///
/// # Errors
/// Why it could not be made.
pub fn capture(
    duel: &Duel,
    arm: Arm,
    capture: u32,
    (sides, ready, ground): (Sides, &Ready, Ground),
    evidence: &mut Evidence,
) -> Result<Captured, Trouble> {
    let slice_bytes = duel.scenario.budget.slice_bytes.min(BLOCK_BYTES);
    let budget = Budget { slice_bytes, ..duel.scenario.budget };
    let mut child = duel.start(arm, sides, ready, budget, ground)?;
    let strategy = strategy(&child);
    let content = child.moved(Order::Verify { block: 0, fetches_max: VERIFY_FETCHES })?;
    let fresh = [Arm::Base, Arm::Head]
        .iter()
        .any(|&arm| duel.cell(arm).contender.needs_rounds(duel.condition));
    if !fresh {
        child.moved(Order::Slice { block: 0, keep: false })?;
    }
    let (moved, seen) = evidence.count(&mut child, 0, fresh)?;
    let mut setup = child.setup().clone();
    let counted = seen.map(|counts| Counted { moved: moved.clone(), counts });
    let cell = duel.cell(arm);
    let ledger = evidence.ledger(&cell, ground, &setup, counted.as_ref(), None);
    setup.extend(child.finish()?.setup);

    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for name in [reading::SHORT_WRITES, reading::SYSCALLS] {
        counts.extend(moved.readings.get(name).map(|value| (name.to_owned(), *value)));
    }
    let seen = counted.is_some();
    let calls = if seen { &ledger.syscalls } else { &moved.calls };
    counts.extend(calls.iter().map(|(name, count)| (format!("calls:{name}"), *count)));
    let mut gaps = BTreeMap::new();
    if seen {
        counts.insert(reading::SYSCALLS.to_owned(), ledger.syscalls.values().sum());
        observed(&ledger, &mut counts, &mut gaps);
    } else {
        let why = ledger.reason.clone().unwrap_or_else(|| "not counted".to_owned());
        gaps.extend(UNSEEN.map(|name| (name.to_owned(), why.clone())));
    }
    let verified = match content.verified {
        Verified::Content => "content",
        Verified::Length => "length",
        Verified::None => "none",
    };
    let agreement = match ledger.agreement {
        Agreement::Agrees => "agrees",
        Agreement::Contradicts => "contradicts",
        Agreement::Unobserved => "unobserved",
    };
    let fact = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let facts = BTreeMap::from([
        fact("strategy", &strategy),
        fact("verified", verified),
        fact("agreement", agreement),
    ]);
    let payload_bytes = moved.bytes;
    let cell = duel.id();
    let counts = Counts { cell, arm, capture, payload_bytes, counts, facts, gaps };
    Ok(Captured { counts, setup })
}

/// What the kernel's programs saw of bytes.
fn observed(
    ledger: &Ledger,
    counts: &mut BTreeMap<String, u64>,
    gaps: &mut BTreeMap<String, String>,
) {
    match ledger.cpu_copies_per_byte.observed {
        Some(copies) => {
            let bytes = (copies * ledger.payload_bytes as f64).round() as u64;
            counts.insert("cpu_copied_bytes".to_owned(), bytes);
        }
        None => {
            let why = ledger.reason.as_deref().unwrap_or("no copy on the way can be observed");
            gaps.insert("cpu_copied_bytes".to_owned(), why.to_owned());
        }
    }
    for name in SUMS {
        let (purpose, gap) = match name {
            _ if name.starts_with("wire_") => ("transmit", "wire"),
            _ if name.starts_with("sent_") => ("sent", name),
            _ => ("submit", name),
        };
        if let Some(why) = ledger.gaps.get(purpose) {
            gaps.insert(gap.to_owned(), why.clone());
            continue;
        }
        // What was seen zero times is left out of a record; here a zero is a count like others.
        let seen = ledger.counts.get(name).copied().unwrap_or(0);
        counts.insert(name.to_owned(), seen);
    }
}

/// The strategy that the child says it runs.
fn strategy(child: &TrialChild) -> String {
    let understood = child.program().and_then(|program| program.understood.get("strategy"));
    understood.and_then(|name| name.as_str()).unwrap_or("unknown").to_owned()
}
