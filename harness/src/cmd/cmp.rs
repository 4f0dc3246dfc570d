//! `zclab cmp`: the tables of records, in the terminal.

use super::report::{read, record_file};
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

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
}

const EXAMPLES: &str = "\
Examples:
  zclab cmp results/runs/latest
  zclab cmp results/runs/latest --csv > run.csv
  zclab cmp before/run.jsonl after/run.jsonl";

/// Runs the command.
///
/// # Errors
/// A record that cannot be read.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let files = args.records.iter().map(|path| record_file(path));
    let records = files.map(|file| read(&file?)).collect::<anyhow::Result<Vec<_>>>()?;
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
