//! `zclab run`: measure scenarios, and make pages of what was measured.

use super::report::{record_file, write_site};
use crate::cpus::{Asked, Numbers};
use crate::run::{Outcome, Places, Purpose, To};
use crate::scenario;
use anyhow::{Context, bail};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use zclab_report::record::{Record, Status};

/// Measure scenarios: a record and pages in results/runs/<id>, `latest` pointing to it
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Scenario files, folders of them, or names of shipped ones (`zclab list scenarios`)
    #[arg(value_name = "SCENARIO")]
    scenarios: Vec<String>,
    /// Go on with a run that was cut off: its cells that were over are not measured again
    #[arg(long, value_name = "RECORD", conflicts_with = "scenarios")]
    resume: Option<PathBuf>,
    #[command(flatten)]
    places: PlaceArgs,
    /// Only the record, no pages
    #[arg(long)]
    no_report: bool,
}

const EXAMPLES: &str = "\
Examples:
  zclab run quick                             the four short scenarios, about two minutes
  zclab run consume/size-sweep                one of the thorough ones
  zclab run my-scenario.toml                  your own (format: scenarios/README.md)
  zclab run --resume results/runs/latest      go on after Ctrl-C or a crash
  zclab run quick/size --logs /mnt/nvme/logs  read the log from another file system
  zclab run routes/remote --to 192.0.2.7:7070 send to `zclab sink` on another host
  zclab run quick --numa 1                    all of it on one NUMA node
  zclab run consume/senders --sender-cpus 0-7 --receiver-cpus 8-15";

/// Where things lie and how much is said: the same for every command that moves bytes.
#[derive(Debug, clap::Args)]
pub struct PlaceArgs {
    /// Folder of results: runs/ and logs/ below it
    #[arg(long, value_name = "DIR", default_value = "results")]
    results: PathBuf,
    /// Folder of generated and imported logs: its file system is the one that is measured
    /// [default: RESULTS/logs]
    #[arg(long, value_name = "DIR")]
    logs: Option<PathBuf>,
    /// Folder of file sinks: another file system than the log's, say [default: the folder of logs]
    #[arg(long, value_name = "DIR")]
    scratch: Option<PathBuf>,
    /// A `zclab sink` on another host: the cells with the sink tcp-remote send to it
    #[arg(long, value_name = "HOST:PORT")]
    to: Option<String>,
    /// File with the token of that sink [default: the environment variable ZCLAB_TOKEN]
    #[arg(long, value_name = "FILE", requires = "to")]
    token_file: Option<PathBuf>,
    /// CPUs of the sending processes: 0-3,8
    #[arg(long, value_name = "LIST")]
    sender_cpus: Option<Numbers>,
    /// CPUs of the receiving processes [default of both: the first and the last CPU; of one beside
    /// the other: the rest]
    #[arg(long, value_name = "LIST")]
    receiver_cpus: Option<Numbers>,
    /// NUMA node whose memory all processes take, the log's page cache included, and whose CPUs,
    /// where no others are named
    #[arg(long, value_name = "NODE")]
    numa: Option<usize>,
    /// No progress on stderr
    #[arg(short, long)]
    quiet: bool,
    /// Print how each child process is started
    #[arg(short, long)]
    verbose: bool,
}

impl PlaceArgs {
    /// The places that were named.
    #[must_use]
    pub fn places(&self) -> Places {
        Places {
            results: self.results.clone(),
            logs: self.logs.clone().unwrap_or_else(|| self.results.join("logs")),
            scratch: self.scratch.clone(),
            to: self.to.clone().map(|address| To { address, token_file: self.token_file.clone() }),
            cpus: Asked {
                sender: self.sender_cpus.clone(),
                receiver: self.receiver_cpus.clone(),
                node: self.numa,
            },
            quiet: self.quiet,
            verbose: self.verbose,
        }
    }
}

/// Runs the command.
///
/// # Errors
/// What kept the run from starting or going on.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let resume = args.resume.as_deref().map(record_file).transpose()?;
    let mut places = args.places.places();
    let scenarios = match &resume {
        Some(path) => {
            let record = super::report::read(path)?;
            places.logs = recorded_logs(&record, args.places.logs.as_deref())
                .with_context(|| path.display().to_string())?;
            places.cpus = recorded_cpus(&record, places.cpus)?;
            recorded_scenarios(&record, path)?
        }
        None if args.scenarios.is_empty() => {
            bail!(
                "name a scenario: `zclab run quick` is the short tour, `zclab list scenarios` the list"
            )
        }
        None => scenario::load(&args.scenarios)?,
    };
    if let (Some(path), None) = (&resume, &places.scratch) {
        places.scratch = recorded_scratch(&super::report::read(path)?);
    }
    let outcome = crate::run::run(&scenarios, Purpose::Measure, &places, resume.as_deref())?;
    finish(&outcome, !args.no_report)
}

/// The folder of logs that a record was measured on: a run is never taken up on another one, whose
/// file system may be another.
fn recorded_logs(record: &Record, asked: Option<&Path>) -> anyhow::Result<PathBuf> {
    let recorded = record.run.machine.get("logs").and_then(|logs| logs.as_str());
    let recorded =
        recorded.context("the record does not say where its logs lie: start a new run")?;
    let recorded = PathBuf::from(recorded);
    match asked.map(std::path::absolute).transpose()? {
        Some(asked) if asked != recorded => bail!(
            "the run was measured on logs in {}; it cannot go on in {}",
            recorded.display(),
            asked.display()
        ),
        _ => Ok(recorded),
    }
}

/// Where the processes of a record ran: a run is never taken up in another place.
fn recorded_cpus(record: &Record, asked: Asked) -> anyhow::Result<Asked> {
    let recorded = Asked::recorded(&record.run.machine);
    if asked != Asked::default() && asked != recorded {
        bail!("the run was measured with {recorded}; it cannot go on with {asked}");
    }
    Ok(recorded)
}

/// The folder of file sinks that a record was measured with, if it was not the folder of logs.
fn recorded_scratch(record: &Record) -> Option<PathBuf> {
    record.run.machine.get("scratch").and_then(|dir| dir.as_str()).map(PathBuf::from)
}

/// The scenarios of a record, from the texts that it holds.
fn recorded_scenarios(record: &Record, path: &Path) -> anyhow::Result<Vec<scenario::Scenario>> {
    let parse = |asked: &zclab_report::record::Scenario| {
        let file = format!("{} of {}", asked.scenario, path.display());
        scenario::parse(&asked.scenario, &file, &asked.source)
    };
    Ok(record.scenarios.iter().map(parse).collect::<Result<Vec<_>, _>>()?)
}

/// Pages, a line about what became of the cells, and the exit code.
///
/// # Errors
/// Pages that could not be written.
pub fn finish(outcome: &Outcome, pages: bool) -> anyhow::Result<ExitCode> {
    let count = |status| outcome.statuses.get(&status).copied().unwrap_or(0);
    let all = [
        (Status::Ok, "ok"),
        (Status::Unsupported, "unsupported"),
        (Status::Refused, "refused"),
        (Status::Skipped, "skipped"),
        (Status::Invalid, "invalid"),
        (Status::Failed, "failed"),
    ];
    let over = outcome.statuses.values().sum::<usize>();
    let page = match pages {
        true => {
            Some(write_site(&outcome.record, outcome.record.parent().unwrap_or(Path::new(".")))?)
        }
        false => None,
    };
    let words: Vec<String> = all
        .into_iter()
        .filter(|&(status, _)| count(status) > 0 || status == Status::Ok)
        .map(|(status, word)| format!("{} {word}", count(status)))
        .collect();
    let record = super::report::read(&outcome.record)?;
    let mut out = std::io::stdout().lock();
    for study in zclab_report::study::studies(&record) {
        for expectation in zclab_report::expect::verdicts(&study) {
            writeln!(out, "{}: expect: {expectation}", study.scenario.scenario)?;
        }
        for statement in zclab_report::demand::statements(&study) {
            writeln!(out, "{}: {statement}", study.scenario.scenario)?;
        }
    }
    let earlier = match outcome.over_before {
        0 => String::new(),
        count => format!(" ({count} of them before)"),
    };
    let missing = match outcome.planned.saturating_sub(over) {
        0 => String::new(),
        count => format!(", {count} not measured"),
    };
    writeln!(out, "cells: {}{earlier}{missing}; {} in all", words.join(", "), outcome.planned)?;
    writeln!(out, "record: {}", outcome.record.display())?;
    if let Some(page) = page {
        writeln!(out, "page: {}", page.display())?;
    }
    if outcome.interrupted {
        let record = outcome.record.display();
        eprintln!("zclab: interrupted; go on with: zclab run --resume {record}");
    }
    Ok(ExitCode::from(outcome.exit_code()))
}
