//! Is this kernel still zero-copy?
//!
//! In each folder every strategy moves a small log of its own over each route, as `zclab check` would,
//! and what the witnesses saw becomes one word for each: shared, copied, refused. The words are
//! derived from the record of that check, by pure functions; the claim of a strategy decides nothing
//! but whether the word is the expected one.

use crate::run::{Places, Purpose};
use crate::scenario;
use anyhow::{Context, Result};
use serde::Serialize;
use std::path::Path;
use zclab_report::record::{Agreement, Cell, Measured, Record, Status};

/// What a log's bytes came to on their way.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "found", rename_all = "kebab-case")]
pub enum Found {
    /// The receiver copied from the log's own pages.
    Shared,
    /// Somebody copied before the receiver did.
    Copied {
        /// So often, for each byte; absent where only the aliasing probe spoke.
        copies_per_byte: Option<f64>,
    },
    /// The kernel refuses the strategy.
    Refused {
        /// The call and the errno.
        why: String,
    },
    /// No witness could say.
    Unobserved {
        /// Why not.
        why: String,
    },
    /// It should have worked and did not.
    Failed {
        /// The message.
        why: String,
    },
}

/// One strategy on one route in one folder.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Proof {
    /// The strategy.
    pub strategy: String,
    /// The route: the kind of sink, with `no-gather` where its device may not gather fragments.
    pub route: String,
    /// What was found.
    #[serde(flatten)]
    pub found: Found,
    /// What the kernel counters said, in words; absent where they could not count.
    pub kernel_counters: Option<String>,
    /// What the aliasing probe said; absent where it could not probe.
    pub aliasing_probe: Option<String>,
    /// What contradicts what: a witness the claim, or one witness the other.
    pub contradictions: Vec<String>,
}

/// What was found in one folder.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Place {
    /// The folder.
    pub dir: String,
    /// Its file system.
    pub filesystem: String,
    /// A proof for each strategy and route.
    pub proofs: Vec<Proof>,
}

/// The answer for all folders together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// Every claim held, and some strategy shared the log's pages.
    Yes,
    /// Evidence contradicts a claim.
    No,
    /// Nobody could look.
    Unknown,
}

/// Proves a folder: a log is made in it, moved, and removed again.
///
/// # Errors
/// What kept the check from running.
pub fn prove(dir: &Path) -> Result<Place> {
    let own = |name, text| scenario::parse(name, "a scenario of zclab doctor --prove", text);
    let scenarios = [
        own("prove", include_str!("scenario.toml"))?,
        own("prove-no-gather", include_str!("no-gather.toml"))?,
    ];
    let scratch = tempfile::Builder::new()
        .prefix("zclab-prove-")
        .tempdir_in(dir)
        .with_context(|| format!("mkdir in {}", dir.display()))?;
    let places = Places {
        results: scratch.path().to_owned(),
        logs: scratch.path().join("logs"),
        scratch: None,
        to: None,
        cpus: crate::cpus::Asked::default(),
        quiet: true,
        verbose: false,
    };
    let outcome = crate::run::run(&scenarios, Purpose::Check, &places, None)?;
    let path = &outcome.record;
    let text =
        std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    let record = zclab_report::record::read(&text).with_context(|| path.display().to_string())?;
    let filesystem = record.run.machine.get("filesystem").and_then(|name| name.as_str());
    Ok(Place {
        dir: dir.display().to_string(),
        filesystem: filesystem.unwrap_or("unknown").to_owned(),
        proofs: proofs(&record),
    })
}

/// A proof for each cell whose strategy moves the log.
#[must_use]
pub fn proofs(record: &Record) -> Vec<Proof> {
    let mover = |name: &str| record.run.catalogue.iter().any(|s| s.name == name && s.moves_the_log);
    let moved = |cell: &&Measured| cell.cell.as_ref().is_some_and(|cell| mover(&cell.strategy));
    record.cells.iter().filter(moved).filter_map(proof).collect()
}

fn proof(measured: &Measured) -> Option<Proof> {
    let cell = measured.cell.as_ref()?;
    let ledger = measured.ledger.as_ref();
    let copies = ledger.and_then(|ledger| ledger.cpu_copies_per_byte.observed);
    let probe = measured.aliasing.last().filter(|probe| probe.probed_bytes > 0);
    let shared = probe.map(|probe| probe.shared_bytes as f64 / probe.probed_bytes as f64);
    let why = || cell.reasons.join("; ");
    let found = match cell.status {
        Status::Unsupported | Status::Refused | Status::Skipped => Found::Refused { why: why() },
        Status::Failed | Status::Invalid => Found::Failed { why: why() },
        Status::Ok => found(copies, shared, || {
            let of_ledger = ledger.and_then(|ledger| ledger.reason.clone());
            let of_probe = measured.aliasing.last().and_then(|probe| probe.reason.clone());
            let reasons = [of_ledger, of_probe].into_iter().flatten().collect::<Vec<_>>();
            reasons.join("; ")
        }),
    };
    Some(Proof {
        strategy: cell.label.clone(),
        route: route(cell),
        found,
        kernel_counters: counters(measured),
        aliasing_probe: probe.map(|probe| probe.words()),
        contradictions: contradictions(measured, copies, shared),
    })
}

/// The kind of sink, and what its device was denied.
fn route(cell: &Cell) -> String {
    let param = |name: &str| cell.params.get(name).and_then(|value| value.as_str());
    let sink = param("sink").unwrap_or("");
    match param("scatter_gather") {
        Some("off") => format!("{sink} no-gather"),
        _ => sink.to_owned(),
    }
}

/// How many CPU copies for each byte still count as none.
const NONE: f64 = 0.01;

fn found(copies: Option<f64>, shared: Option<f64>, why: impl Fn() -> String) -> Found {
    match (copies, shared) {
        (Some(copies), _) if copies > NONE => Found::Copied { copies_per_byte: Some(copies) },
        (_, Some(shared)) if shared < 1.0 => Found::Copied { copies_per_byte: copies },
        (None, None) => Found::Unobserved { why: why() },
        _ => Found::Shared,
    }
}

fn counters(measured: &Measured) -> Option<String> {
    let ledger = measured.ledger.as_ref()?;
    let copies = ledger.cpu_copies_per_byte.observed?;
    let of = |name: &str| ledger.counts.get(name).copied().unwrap_or(0) as f64;
    let shared = of("wire_log_bytes").max(of("received_log_bytes"));
    let share = shared / ledger.payload_bytes.max(1) as f64 * 100.0;
    Some(format!("{copies:.2} copies for each byte; {share:.1} % of them the log's own pages"))
}

impl Place {
    /// For how many cells the kernel counters spoke, and for how many the aliasing probe.
    #[must_use]
    pub fn witnesses(&self) -> (usize, usize) {
        let spoke = |of: fn(&Proof) -> bool| self.proofs.iter().filter(|proof| of(proof)).count();
        (
            spoke(|proof| proof.kernel_counters.is_some()),
            spoke(|proof| proof.aliasing_probe.is_some()),
        )
    }

    /// Why strategies were refused, failed, or could not be observed, each reason once.
    #[must_use]
    pub fn reasons(&self) -> Vec<(&str, &str)> {
        let mut reasons: Vec<(&str, &str)> = Vec::new();
        for proof in &self.proofs {
            let (Found::Refused { why } | Found::Failed { why } | Found::Unobserved { why }) =
                &proof.found
            else {
                continue;
            };
            let reason = (proof.strategy.as_str(), why.as_str());
            if !reasons.contains(&reason) {
                reasons.push(reason);
            }
        }
        reasons
    }
}

fn contradictions(measured: &Measured, copies: Option<f64>, shared: Option<f64>) -> Vec<String> {
    let mut found = Vec::new();
    if let Some(ledger) = &measured.ledger
        && ledger.agreement == Agreement::Contradicts
    {
        let reason = ledger.reason.as_deref().unwrap_or("no reason recorded");
        found.push(format!("kernel counters contradict the claim: {reason}"));
    }
    for probe in &measured.aliasing {
        if let Some(claim) = probe.contradicted() {
            found.push(format!("the aliasing probe saw {}, but {claim}", probe.words()));
        }
    }
    // An O_DIRECT read is no copy and shares nothing either, so only shared pages are compared.
    if let (Some(copies), Some(shared)) = (copies, shared)
        && shared > 0.0
        && copies > NONE
    {
        let percent = shared * 100.0;
        found.push(format!(
            "the witnesses disagree: {copies:.2} copies counted, {percent:.0} % of the bytes shared"
        ));
    }
    found
}

/// The answer for everything that was found: no claim contradicted, and pages shared by those that
/// claim to.
#[must_use]
pub fn answer(places: &[Place]) -> Answer {
    let proofs = || places.iter().flat_map(|place| &place.proofs);
    let contradicted = |proof: &Proof| {
        !proof.contradictions.is_empty() || matches!(proof.found, Found::Failed { .. })
    };
    if proofs().any(contradicted) {
        return Answer::No;
    }
    match proofs().any(|proof| proof.found == Found::Shared) {
        true => Answer::Yes,
        false => Answer::Unknown,
    }
}

#[cfg(test)]
mod tests;
