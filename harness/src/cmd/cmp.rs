//! `zclab cmp`: the tables of records, in the terminal, or as what other tools read.

use super::export;
use super::report::{read, record_file};
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use zclab_report::export::Format;

/// Print the tables of records: medians, paired ratios with their intervals
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Records (run.jsonl), or the folders that hold them
    #[arg(required = true, value_name = "RECORD")]
    records: Vec<PathBuf>,
    /// JSON, for a machine to read
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// CSV, one row for each cell
    #[arg(long)]
    csv: bool,
    /// A format that another tool reads; several records stand side by side
    #[arg(long, value_name = "FORMAT", value_parser = export::format())]
    #[arg(conflicts_with_all = ["json", "csv"])]
    format: Option<Format>,
    /// Write that to a file, or to files in a folder where the format has several
    #[arg(long, value_name = "PATH", requires = "format")]
    out: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  zclab cmp results/runs/latest
  zclab cmp results/runs/latest --csv > run.csv
  zclab cmp before/run.jsonl after/run.jsonl
  zclab cmp results/runs/latest --format junit --out results.xml
  zclab cmp before after --format gobench | benchstat -col /run -
  zclab cmp before after --format criterion --out target/criterion && critcmp";

/// Runs the command.
///
/// # Errors
/// A record that cannot be read, an export that cannot be written.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let files = args.records.iter().map(|path| record_file(path));
    let records = files.map(|file| read(&file?)).collect::<anyhow::Result<Vec<_>>>()?;
    if let Some(format) = args.format {
        export::write(&zclab_report::export::run(&records, format), args.out.as_deref())?;
        return Ok(ExitCode::SUCCESS);
    }
    let text = match (args.json, args.csv) {
        (true, _) => {
            let rows = zclab_report::table::cmp_json(&records);
            format!("{}\n", serde_json::to_string_pretty(&rows)?)
        }
        (_, true) => zclab_report::table::cmp_csv(&records),
        _ => zclab_report::table::cmp(&records),
    };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}
