//! `zclab gate`: did this get worse than that?

use super::export;
use super::run::PlaceArgs;
use crate::gate::program::Program;
use crate::gate::{Asked, Compare, accept, watched};
use crate::run::{Places, Purpose};
use crate::scenario::{self, Scenario};
use anyhow::{Context, bail};
use clap::ValueEnum;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use zclab_report::export::Format;
use zclab_report::gate::{self, Report, Undecided};

/// Compare two builds of zclab, two strategies, or a build with accepted counts, and pass or fail
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Scenario files, folders, or names of shipped ones [default: gate/transfer]
    #[arg(value_name = "SCENARIO")]
    scenarios: Vec<String>,
    /// What is compared with: a zclab program, or a git revision, which is built
    #[arg(long, value_name = "BIN|REV", conflicts_with_all = ["baseline", "accept", "strategy_a"])]
    base: Option<String>,
    /// What is judged [default: this program]
    #[arg(long, value_name = "BIN|REV")]
    head: Option<String>,
    /// Compare counts with those in this file, on any machine
    #[arg(long, value_name = "FILE", conflicts_with = "strategy_a")]
    baseline: Option<PathBuf>,
    /// Accept this program's counts as the baseline [default file: RESULTS/baseline/counts.jsonl]
    #[arg(long)]
    accept: bool,
    /// Compare two strategies of one program: this one is the base
    #[arg(long, value_name = "LABEL", requires = "strategy_b")]
    strategy_a: Option<String>,
    /// And this one is judged
    #[arg(long, value_name = "LABEL", requires = "strategy_a")]
    strategy_b: Option<String>,
    /// Say it again from the record of a gate, or its folder: nothing is measured
    #[arg(long, value_name = "RECORD")]
    #[arg(conflicts_with_all = ["base", "baseline", "accept", "strategy_a", "scenarios"])]
    again: Option<PathBuf>,
    /// Compare what `zclab watch --json` printed of any server, before and after: two files, best with
    /// two watches or more in each
    #[arg(long, num_args = 2, value_names = ["BASE", "HEAD"])]
    #[arg(conflicts_with_all = ["base", "head", "baseline", "accept", "strategy_a", "again", "scenarios"])]
    watched: Option<Vec<PathBuf>>,
    /// How long all launches may take, second ones included
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration)]
    budget: Duration,
    /// How much more sender CPU per byte is tolerated
    #[arg(long, value_name = "PERCENT", default_value = "1%", value_parser = share)]
    margin: f64,
    /// Only one of the two tiers
    #[arg(long, value_name = "TIER")]
    only: Option<Tier>,
    /// What the exit code says when nothing can be said
    #[arg(long, value_name = "CODE", default_value = "three")]
    inconclusive: Inconclusive,
    /// Print in this format instead of a table
    #[arg(long, value_name = "FORMAT", value_parser = export::format())]
    format: Option<Format>,
    /// Write that to a file, or to files in a folder where the format has several
    #[arg(long, value_name = "PATH", requires = "format")]
    out: Option<PathBuf>,
    #[command(flatten)]
    places: PlaceArgs,
}

/// One of the tiers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Tier {
    /// Counts: system calls, copies, wire bytes
    Exact,
    /// Sender CPU per byte
    Timing,
}

/// What it means for a pipeline that nothing can be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Inconclusive {
    /// Exit code 3
    Three,
    /// Exit code 1, as a regression
    Fail,
    /// Exit code 0
    Pass,
}

const EXAMPLES: &str = "\
Examples:
  zclab gate --base HEAD~1                       this program against the commit before
  zclab gate --base main --head HEAD            two revisions, built from this repository
  zclab gate --base ./zclab-old --budget 15s     two programs, quickly
  zclab gate --strategy-a mmap-write --strategy-b sendfile quick/size
  zclab gate --accept                            keep this program's counts …
  zclab gate --baseline results/baseline/counts.jsonl      … and compare with them elsewhere
  zclab gate --again results/runs/latest-gate --format junit --out gate.xml
  zclab gate my.toml                             the [[expect]] rules of a scenario
  zclab gate --watched before.jsonl after.jsonl  what `zclab watch --json` saw of your own server

Exit codes: 0 pass, improvement · 1 regression · 2 it could not run
3 inconclusive, invalid (or as --inconclusive says)";

/// Scenarios when none is named.
const DEFAULT: &str = "gate/transfer";

/// Runs the command.
///
/// # Errors
/// What kept the gate from starting or going on.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    if let Some(record) = &args.again {
        return say(&args, &gate_file(record)?);
    }
    if let Some([base, head]) = args.watched.as_deref() {
        let outcome = watched::run(base, head, &args.places.places().results)?;
        return say(&args, &outcome.record);
    }
    let scenarios = match args.scenarios.is_empty() {
        true => scenario::load(&[DEFAULT.to_owned()])?,
        false => scenario::load(&args.scenarios)?,
    };
    let places = args.places.places();
    let Some(compare) = compare(&args, &places)? else {
        return expected(&args, &scenarios, &places);
    };
    if let (true, Compare::Nothing { head }) = (args.accept, &compare) {
        accept::may(head.side.dirty)?;
    }
    let outcome = crate::gate::run(&Asked {
        compare,
        scenarios,
        budget: args.budget,
        margin: args.margin,
        exact: args.only != Some(Tier::Timing),
        timing: args.only != Some(Tier::Exact),
        places: places.clone(),
    })?;
    let record = read(&outcome.record)?;
    if outcome.interrupted {
        bail!("interrupted; what was measured is in {}", outcome.record.display());
    }
    if args.accept {
        let into = args.baseline.clone().unwrap_or_else(|| accept::place(&places));
        accept::accept(&record, &outcome.record, &into)?;
        println!("accepted: {}", into.display());
        return Ok(ExitCode::SUCCESS);
    }
    say(&args, &outcome.record)
}

/// Judges a record, writes its page, prints what was asked for; the exit code.
fn say(args: &Args, file: &Path) -> anyhow::Result<ExitCode> {
    let record = read(file)?;
    let report = gate::report(&record);
    let page = write_page(&report, file.parent().unwrap_or(Path::new(".")))?;
    print(args, &report, file, &page)?;
    Ok(ExitCode::from(report.verdict.exit_code(args.inconclusive.undecided())))
}

/// The record that a path means: the file itself, or the one in a folder.
///
/// # Errors
/// Neither is there.
pub fn gate_file(path: &Path) -> anyhow::Result<PathBuf> {
    let file = if path.is_dir() { path.join(crate::gate::GATE) } else { path.to_owned() };
    match file.is_file() {
        true => Ok(file),
        false => bail!("{} is no record of a gate, nor a folder with one", path.display()),
    }
}

/// What is compared with what; nothing where only a scenario's own rules are asked for.
fn compare(args: &Args, places: &Places) -> anyhow::Result<Option<Compare>> {
    let named = |name: &String| Program::named(name, places.quiet);
    let head = || args.head.as_ref().map_or_else(Program::this, named);
    if let (Some(a), Some(b)) = (&args.strategy_a, &args.strategy_b) {
        let (a, b) = (a.clone(), b.clone());
        return Ok(Some(Compare::Strategies { program: head()?, a, b }));
    }
    if args.accept {
        return Ok(Some(Compare::Nothing { head: head()? }));
    }
    if let Some(path) = &args.baseline {
        let accepted = Box::new((read(path)?, path.clone()));
        return Ok(Some(Compare::Baseline { accepted, head: head()? }));
    }
    let Some(base) = &args.base else { return Ok(None) };
    Ok(Some(Compare::Programs { base: named(base)?, head: head()? }))
}

/// Measures scenarios as `zclab run` does, and decides the rules that they state.
fn expected(args: &Args, scenarios: &[Scenario], places: &Places) -> anyhow::Result<ExitCode> {
    if scenarios.iter().all(|scenario| scenario.expect.is_empty()) {
        bail!(
            "name what to compare with: --base REV|BIN, --baseline FILE, or --strategy-a and \
             --strategy-b; or scenarios that state rules of their own ([[expect]])"
        );
    }
    if args.format.is_some() {
        bail!("--format is for gates that compare: of a run, `zclab cmp --format` makes these");
    }
    let outcome = crate::run::run(scenarios, Purpose::Measure, places, None)?;
    let measured = super::run::finish(&outcome, true)?;
    if outcome.interrupted {
        return Ok(measured);
    }
    let record = super::report::read(&outcome.record)?;
    let studies = zclab_report::study::studies(&record);
    let verdict = zclab_report::expect::overall(&studies);
    Ok(match verdict.map(zclab_report::expect::Verdict::exit_code) {
        Some(3) if args.inconclusive == Inconclusive::Fail => ExitCode::FAILURE,
        Some(3) if args.inconclusive == Inconclusive::Pass => measured,
        Some(code) if code != 0 => ExitCode::from(code),
        _ => measured,
    })
}

/// Reads the record of a gate.
///
/// # Errors
/// A file that cannot be read, or a line that is none of a gate's.
pub fn read(file: &Path) -> anyhow::Result<gate::record::Record> {
    let text =
        std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
    gate::record::read(&text).with_context(|| file.display().to_string())
}

/// Writes the page of a gate into a folder; its path.
///
/// # Errors
/// What could not be written.
pub fn write_page(report: &Report, dir: &Path) -> anyhow::Result<PathBuf> {
    std::fs::create_dir_all(dir).with_context(|| format!("mkdir {}", dir.display()))?;
    let path = dir.join("index.html");
    let page = zclab_report::page::gate(report);
    std::fs::write(&path, page).with_context(|| format!("writing {}", path.display()))?;
    Ok(path)
}

fn print(args: &Args, report: &Report, record: &Path, page: &Path) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    let Some(format) = args.format else {
        out.write_all(zclab_report::table::gate(report).as_bytes())?;
        writeln!(out, "record: {}", record.display())?;
        writeln!(out, "page: {}", page.display())?;
        if std::env::var_os("GITHUB_ACTIONS").is_some() {
            // Workflow commands: GitHub shows them beside the commit.
            let suite = zclab_report::export::Suite::of_gate(report);
            out.write_all(zclab_report::export::commands(&suite).as_bytes())?;
        }
        return Ok(());
    };
    export::write(&zclab_report::export::gate(report, format), args.out.as_deref())
}

impl Inconclusive {
    fn undecided(self) -> Undecided {
        match self {
            Inconclusive::Three => Undecided::Own,
            Inconclusive::Fail => Undecided::Fail,
            Inconclusive::Pass => Undecided::Pass,
        }
    }
}

/// `15s`, `2m`, `500ms`.
fn duration(text: &str) -> Result<Duration, String> {
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let number: f64 = text[..text.len() - unit.len()]
        .parse()
        .map_err(|_| format!("{text:?} is no time: 15s, 2m, 500ms"))?;
    let seconds = match unit {
        "ms" => number / 1000.0,
        "s" => number,
        "m" | "min" => number * 60.0,
        _ => return Err(format!("{text:?} has no unit that is known: 15s, 2m, 500ms")),
    };
    Duration::try_from_secs_f64(seconds).map_err(|error| format!("{text:?}: {error}"))
}

/// `1%`, or `0.01`.
fn share(text: &str) -> Result<f64, String> {
    let (number, unit) = match text.strip_suffix('%') {
        Some(number) => (number, 100.0),
        None => (text, 1.0),
    };
    let share =
        number.trim().parse::<f64>().map_err(|_| format!("{text:?} is no share: 1%, 0.01"))?;
    let share = share / unit;
    match (0.0..=1.0).contains(&share) {
        true => Ok(share),
        false => Err(format!("{text:?} is out of range: 0 to 100%")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_shares_have_units() {
        assert_eq!(duration("15s"), Ok(Duration::from_secs(15)));
        assert_eq!(duration("1.5m"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        for wrong in ["", "15", "s", "-1s", "15 parsecs", "1e400s"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
        assert_eq!((share("1%"), share("0.02")), (Ok(0.01), Ok(0.02)));
        for wrong in ["", "one", "101%", "-1%", "NaN"] {
            assert!(share(wrong).is_err(), "{wrong}");
        }
    }
}
