//! `zclab log`: makes, looks at, checks and imports logs.

use crate::log::kafka::inspect::inspect;
use crate::log::kafka::verify::verify;
use crate::log::kafka::{Codec, MessageSize, Spec, generate, import, show};
use crate::size;
use anyhow::Context as _;
use clap::{Subcommand, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

/// Makes, looks at, checks and imports logs.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Generate a Kafka partition: the same options give the same bytes on every machine
    Gen(Gen),
    /// Show segments, batches, index entries and anomalies of a Kafka partition
    Inspect(Inspect),
    /// Check a Kafka partition's checksums, and its files against each other
    Verify(Verify),
    /// Make a Kafka partition of your own known by name, so that scenarios can use it
    Import(Import),
}

/// Options of `gen`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  zclab log gen /tmp/zclab-0
  zclab log gen --size 1GiB --message lognormal:1KiB,1.0,64KiB --codec zstd /tmp/events-0
  zclab log gen --message uniform:100,2000 --key 16 --headers 2 --batch 64KiB /tmp/orders-3

The directory must not exist; it appears when the partition is complete.")]
struct Gen {
    /// The partition's directory, named <topic>-<partition>
    dir: PathBuf,
    /// Bytes of all .log files together; the last batch may exceed it
    #[arg(long, default_value = "256MiB", value_parser = size::parse, value_name = "SIZE")]
    size: u64,
    /// Bytes of a value: SIZE, uniform:MIN,MAX, lognormal:MEDIAN,SIGMA,MAX or zipf:MAX,EXPONENT
    #[arg(long, default_value = "1KiB", value_name = "SIZES")]
    message: MessageSize,
    /// Bytes of a key; 0 for null keys
    #[arg(long, default_value = "0", value_parser = parse_small, value_name = "SIZE")]
    key: u32,
    /// Headers on each record
    #[arg(long, default_value_t = 0, value_name = "COUNT")]
    headers: u32,
    /// Bytes of a batch's uncompressed records, which hold one at least
    #[arg(long, default_value = "16KiB", value_parser = parse_small, value_name = "SIZE")]
    batch: u32,
    /// How batches are compressed
    #[arg(long, default_value = "none")]
    codec: Codec,
    /// Bytes at which a segment is rolled
    #[arg(long, default_value = "1GiB", value_parser = size::parse, value_name = "SIZE")]
    segment: u64,
    /// Seed of all that is random
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print the summary as JSON
    #[arg(long)]
    json: bool,
}

/// Options of `inspect`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  zclab log inspect /tmp/zclab-0
  zclab log inspect --batches --index /var/lib/kafka/orders-3 | less
  zclab log inspect --json /tmp/zclab-0 | jq .segments[0].codecs")]
struct Inspect {
    /// The partition's directory
    dir: PathBuf,
    /// List every batch
    #[arg(long)]
    batches: bool,
    /// List every index entry
    #[arg(long)]
    index: bool,
    /// Print JSON, index entries included
    #[arg(long)]
    json: bool,
}

/// Options of `verify`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  zclab log verify /tmp/zclab-0
  zclab log verify --json /var/lib/kafka/orders-3 | jq .damage

Exit code: 0 when nothing is wrong, 1 when damage is found, 2 when it could not be read. A partition
that a live broker writes to may seem truncated at its end. Nothing is written.")]
struct Verify {
    /// The partition's directory
    dir: PathBuf,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

/// Options of `import`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  zclab log import /var/lib/kafka/orders-3
  zclab log import /var/lib/kafka/orders-3 --name orders --copy

Without --copy the files are read where they lie, and only scenarios with a warm cache may use them:
evicting or rewriting them would hurt a live broker. Nothing of yours is ever opened for writing.")]
struct Import {
    /// The partition's directory
    dir: PathBuf,
    /// Name that scenarios use; the directory's name by default
    #[arg(long)]
    name: Option<String>,
    /// Copy it, so that cold and rewriting scenarios can use it too
    #[arg(long)]
    copy: bool,
    /// Where imported logs are noted
    #[arg(long, default_value = import::STORE, value_name = "DIR")]
    store: PathBuf,
}

impl ValueEnum for Codec {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        Some(clap::builder::PossibleValue::new(self.name()))
    }
}

/// Runs the subcommand. Errors mean that it could not run: exit code 2.
///
/// # Errors
/// When a file cannot be read or written, or an option cannot be met.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::Gen(args) => run_gen(args),
        Command::Inspect(args) => run_inspect(&args),
        Command::Verify(args) => run_verify(&args),
        Command::Import(args) => run_import(&args),
    }
}

fn run_gen(args: Gen) -> anyhow::Result<ExitCode> {
    let spec = Spec {
        total_bytes: args.size,
        message: args.message,
        key_bytes: args.key,
        headers: args.headers,
        batch_bytes: args.batch,
        codec: args.codec,
        segment_bytes: args.segment,
        seed: args.seed,
    };
    let bar = ProgressBar::new(spec.total_bytes);
    let style = "{bar:30} {bytes}/{total_bytes} {bytes_per_sec}, {eta} left";
    bar.set_style(ProgressStyle::with_template(style).context("the progress bar's template")?);
    let result = generate(&spec, &args.dir, &mut |bytes| bar.set_position(bytes));
    bar.finish_and_clear();
    let summary = result?;
    let mut out = std::io::stdout().lock();
    if args.json {
        writeln!(out, "{}", serde_json::to_string(&summary)?)?;
    } else {
        writeln!(
            out,
            "{}: {} in {} segments, {} batches, {} records",
            args.dir.display(),
            size::about(summary.bytes),
            summary.segments,
            summary.batches,
            summary.records
        )?;
    }
    Ok(ExitCode::SUCCESS)
}

fn run_verify(args: &Verify) -> anyhow::Result<ExitCode> {
    let report = verify(&args.dir)?;
    let mut out = std::io::stdout().lock();
    if args.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&report)?)?;
    } else {
        show::findings(&mut out, &report)?;
        let counts = report.counts;
        writeln!(
            out,
            "{}: {} in {} segments, {} batches, {} records, {} index entries: {}",
            args.dir.display(),
            size::about(counts.bytes),
            counts.segments,
            counts.batches,
            counts.records,
            counts.index_entries + counts.time_index_entries,
            show::verdict(&report)
        )?;
    }
    Ok(if report.is_clean() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn run_inspect(args: &Inspect) -> anyhow::Result<ExitCode> {
    let inspection = inspect(&args.dir, args.batches)?;
    let mut out = std::io::stdout().lock();
    if args.json {
        serde_json::to_writer_pretty(&mut out, &inspection)?;
        writeln!(out)?;
        return Ok(ExitCode::SUCCESS);
    }
    writeln!(out, "{}", show::segments(&inspection))?;
    for segment in &inspection.segments {
        if args.batches && !segment.batches.is_empty() {
            writeln!(out, "\nBatches of {}\n{}", segment.file, show::batches(segment))?;
        }
        if args.index && !(segment.index.is_empty() && segment.time_index.is_empty()) {
            writeln!(out, "\nIndex entries of {}\n{}", segment.file, show::index_entries(segment))?;
        }
    }
    writeln!(out)?;
    show::findings(&mut out, &inspection.report)?;
    writeln!(out, "{}: {}", args.dir.display(), show::verdict(&inspection.report))?;
    Ok(ExitCode::SUCCESS)
}

fn run_import(args: &Import) -> anyhow::Result<ExitCode> {
    let (name, imported) = import::import(&args.dir, args.name.as_deref(), &args.store, args.copy)?;
    let bytes = size::about(imported.bytes);
    let dir = imported.dir.display();
    let mut out = std::io::stdout().lock();
    if imported.owned {
        writeln!(out, "{name}: {bytes}, copied to {dir}")?;
    } else {
        writeln!(out, "{name}: {bytes}, read in place from {dir}; warm scenarios only")?;
    }
    Ok(ExitCode::SUCCESS)
}

fn parse_small(text: &str) -> Result<u32, String> {
    let bytes = size::parse(text)?;
    u32::try_from(bytes).map_err(|_| format!("{text:?} is more than 4 GiB - 1"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use std::path::Path;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        args: Args,
    }

    #[test]
    fn the_commands_are_well_formed() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    #[test]
    fn verify_exits_with_1_on_damage_and_fails_where_nothing_is() {
        let scratch = tempfile::tempdir().expect("a scratch directory");
        let dir = scratch.path().join("t-0").display().to_string();
        let run_with = |words: &[&str]| run(Cli::parse_from(words).args);
        run_with(&["zclab", "verify", &dir]).expect_err("nothing there");
        run_with(&["zclab", "gen", "--size", "100KiB", &dir]).expect("generated");
        let code = run_with(&["zclab", "verify", &dir]).expect("readable");
        assert_eq!(format!("{code:?}"), format!("{:?}", ExitCode::SUCCESS));
        let log = Path::new(&dir).join("00000000000000000000.log");
        let mut bytes = std::fs::read(&log).expect("the segment");
        bytes[5000] ^= 1;
        std::fs::write(&log, bytes).expect("a flipped bit");
        let code = run_with(&["zclab", "verify", "--json", &dir]).expect("readable");
        assert_eq!(format!("{code:?}"), format!("{:?}", ExitCode::from(1)));
        run_with(&["zclab", "inspect", "--batches", "--index", &dir]).expect("readable");
    }
}
