//! `zclab check`: does every strategy deliver the right bytes under every condition?

use super::report::record_file;
use super::run::PlaceArgs;
use crate::run::Purpose;
use crate::scenario;
use anyhow::Context;
use serde_json::{Value, json};
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use zclab_report::record::{Agreement, Measured, Record, Status};

/// Move every cell of scenarios once and check every byte at the far end
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Scenario files, folders, or names of shipped ones [default: all shipped scenarios]
    #[arg(value_name = "SCENARIO")]
    scenarios: Vec<String>,
    /// Print the cells and what became of them as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    places: PlaceArgs,
}

const EXAMPLES: &str = "\
Examples:
  zclab check                  every strategy × every shipped scenario's conditions
  zclab check check quick      two groups of them
  zclab check my.toml --json   your own scenario, for a machine to read";

/// Runs the command: exit code 1 when a cell failed, or evidence contradicts a claim.
///
/// # Errors
/// What kept it from starting or going on.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let scenarios = match args.scenarios.is_empty() {
        true => scenario::load_shipped()?,
        false => scenario::load(&args.scenarios)?,
    };
    let outcome = crate::run::run(&scenarios, Purpose::Check, &args.places.places(), None)?;
    let contradictions = print(&outcome.record, args.json)?;
    if outcome.interrupted {
        let measured: usize = outcome.statuses.values().sum();
        eprintln!("zclab: interrupted: {measured} of {} cells were checked", outcome.planned);
    }
    Ok(ExitCode::from(match outcome.exit_code() {
        0 | 3 if contradictions > 0 => 1,
        code => code,
    }))
}

/// A line for each scenario, and one for each cell that is not `ok` or whose evidence contradicts the
/// claim. How many of the latter there are.
fn print(record: &Path, json: bool) -> anyhow::Result<usize> {
    let path = record_file(record)?;
    let text =
        std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let record = zclab_report::record::read(&text).with_context(|| path.display().to_string())?;
    let mut out = std::io::stdout().lock();
    let contradictions = contradictions(&record);
    if json {
        let cells: Vec<Value> = record.cells.iter().filter_map(checked).collect();
        serde_json::to_writer_pretty(&mut out, &cells)?;
        writeln!(out)?;
        contradictions.iter().for_each(|line| eprintln!("zclab: {line}"));
        return Ok(contradictions.len());
    }
    let cells: Vec<_> = record.cells.iter().filter_map(|gathered| gathered.cell.as_ref()).collect();
    for scenario in &record.scenarios {
        let of: Vec<_> = cells.iter().filter(|cell| cell.scenario == scenario.scenario).collect();
        let ok = of.iter().filter(|cell| cell.status == Status::Ok).count();
        writeln!(out, "{:<32} {ok} of {} cells ok", scenario.scenario, of.len())?;
        let study = zclab_report::study::Study::new(&record, scenario);
        for statement in zclab_report::demand::statements(&study) {
            writeln!(out, "  {statement}")?;
        }
        for cell in of.iter().filter(|cell| cell.status != Status::Ok) {
            writeln!(
                out,
                "  {}: {}\n    {}",
                cell.status.name(),
                cell.cell,
                cell.reasons.join("; ")
            )?;
        }
    }
    let mut totals = std::collections::BTreeMap::new();
    for cell in &cells {
        *totals.entry(cell.status).or_insert(0usize) += 1;
    }
    let totals: Vec<String> =
        totals.iter().map(|(status, count)| format!("{count} {}", status.name())).collect();
    for line in &contradictions {
        writeln!(out, "{line}")?;
    }
    writeln!(out, "cells: {}", totals.join(", "))?;
    writeln!(out, "evidence: {}", tally(&record))?;
    writeln!(out, "record: {}", path.display())?;
    Ok(contradictions.len())
}

/// A cell that is over, with its evidence.
fn checked(measured: &Measured) -> Option<Value> {
    let mut cell = serde_json::to_value(measured.cell.as_ref()?).ok()?;
    if let Some(ledger) = &measured.ledger {
        cell["agreement"] = json!(ledger.agreement);
        cell["reason"] = json!(ledger.reason);
        cell["cpu_copies_per_byte"] = json!(ledger.cpu_copies_per_byte);
    }
    if let Some(probe) = measured.aliasing.last() {
        cell["aliasing"] = json!(probe.verdict);
    }
    Some(cell)
}

/// The cells of which a witness saw other than their claim says.
fn contradictions(record: &Record) -> Vec<String> {
    let mut lines = Vec::new();
    for cell in &record.cells {
        if let Some(ledger) = cell.ledger.as_ref().filter(|l| l.agreement == Agreement::Contradicts)
        {
            let reason = ledger.reason.as_deref().unwrap_or_default();
            lines.push(format!("contradicts: {}\n    kernel counters: {reason}", ledger.cell));
        }
        for probe in &cell.aliasing {
            if let Some(claim) = probe.contradicted() {
                let (cell, saw) = (&probe.cell, probe.words());
                lines.push(format!("contradicts: {cell}\n    aliasing probe: {saw}, but {claim}"));
            }
        }
    }
    lines
}

/// How many cells have which evidence.
fn tally(record: &Record) -> String {
    let of = |agreement| {
        let ledgers = record.cells.iter().filter_map(|cell| cell.ledger.as_ref());
        ledgers.filter(|ledger| ledger.agreement == agreement).count()
    };
    format!(
        "{} agree with the claim, {} contradict it, {} unobserved",
        of(Agreement::Agrees),
        of(Agreement::Contradicts),
        of(Agreement::Unobserved)
    )
}
