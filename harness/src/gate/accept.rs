//! When do the counts of a program become what later ones are compared with?
//!
//! Counts that are accepted are compared with for months, by people who were not there. So they are
//! taken from a program that a commit can make again, on a machine that did little else, and only where
//! two captures in fresh processes were the same.

use crate::run::Places;
use anyhow::{Context, bail};
use std::collections::BTreeMap;
use std::path::Path;
use zclab_report::gate::record::{Counts, Record};
use zclab_report::record::Status;

/// More than this share of the CPUs at work on something else, and nothing is accepted.
const LOAD_MAX: f64 = 0.75;

/// Refuses what is known beforehand: a program from a dirty tree, a busy machine.
///
/// # Errors
/// Why nothing can be accepted, and what to do.
pub fn may(dirty: bool) -> anyhow::Result<()> {
    if dirty {
        bail!(
            "this program was built from a tree with uncommitted changes, so nobody could make it \
             again: commit, build, accept"
        );
    }
    let words = std::fs::read_to_string("/proc/loadavg").context("reading /proc/loadavg")?;
    let load: f64 = words
        .split(' ')
        .next()
        .and_then(|first| first.parse().ok())
        .with_context(|| format!("/proc/loadavg says {words:?}"))?;
    let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    match load / cpus as f64 > LOAD_MAX {
        true => bail!(
            "the load average is {load} on {cpus} CPUs: wait until the machine does little else"
        ),
        false => Ok(()),
    }
}

/// Puts a record of counts into its place, unless its captures disagree.
///
/// # Errors
/// Which counts differ, or what could not be written.
pub fn accept(record: &Record, from: &Path, into: &Path) -> anyhow::Result<()> {
    let differ: Vec<String> =
        record.cells.iter().flat_map(|cell| differences(&cell.counts)).collect();
    if !differ.is_empty() {
        bail!(
            "two captures of the same program disagree, so their counts cannot be compared with: {}",
            differ.join("; ")
        );
    }
    let counted = record.cells.iter().filter(|cell| !cell.counts.is_empty()).count();
    if counted == 0 {
        let failed = record.cells.iter().filter_map(|cell| cell.cell.as_ref());
        let reasons: Vec<&str> = failed
            .filter(|cell| cell.status.values().any(|status| *status != Status::Ok))
            .flat_map(|cell| cell.reasons.iter().map(String::as_str))
            .collect();
        bail!("no cell was counted: {}", reasons.join("; "));
    }
    let dir = into.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(dir).with_context(|| format!("mkdir {}", dir.display()))?;
    let fresh = dir.join(format!(".accepting-{}", std::process::id()));
    std::fs::copy(from, &fresh).with_context(|| format!("copying {}", from.display()))?;
    std::fs::rename(&fresh, into).with_context(|| format!("renaming to {}", into.display()))
}

/// Counts that are not the same in all captures of an arm.
fn differences(captures: &[Counts]) -> Vec<String> {
    let Some(first) = captures.first() else { return Vec::new() };
    let mut found: BTreeMap<&str, String> = BTreeMap::new();
    for other in &captures[1..] {
        let names = first.counts.keys().chain(other.counts.keys());
        for name in names {
            let (a, b) = (first.counts.get(name), other.counts.get(name));
            if a != b {
                let say = |value: Option<&u64>| value.map_or("none".to_owned(), u64::to_string);
                let words = format!("{} {name}: {} and {}", first.cell, say(a), say(b));
                found.insert(name, words);
            }
        }
    }
    found.into_values().collect()
}

/// Where counts are accepted when nobody says where.
#[must_use]
pub fn place(places: &Places) -> std::path::PathBuf {
    places.results.join("baseline").join("counts.jsonl")
}
