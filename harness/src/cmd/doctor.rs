//! What can this machine do for zclab, and how would one unlock the rest?

use super::list::{print, rendered, table};
use crate::doctor::{Capability, State, examine};
use anyhow::Result;
use comfy_table::{ColumnConstraint, Width};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Find out what this machine lets zclab do, and how to unlock the rest
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Folders whose file systems are asked about [default: results/logs if there, else .]
    #[arg(value_name = "DIR")]
    dirs: Vec<PathBuf>,
    /// Print JSON: an array of objects
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  zclab doctor                            every capability; below each group, how to unlock the rest
  zclab doctor /mnt/nvme /dev/shm         the same, and what two file systems can do
  zclab doctor --json | jq '.[] | select(.state != \"yes\")'

Each capability is tried, not looked up: zclab makes the call that it needs and lets it go again.
Nothing needs root, and nothing is written but an unlinked file in each DIR.";

const HEAD: &str = "Each row: whether it is there, what was found, what zclab does with it.\n\n";

/// Where generated logs lie, unless a run is told otherwise.
const LOGS: &str = "results/logs";

/// Runs the command. What is missing is no failure.
///
/// # Errors
/// Standard output that cannot be written.
pub fn run(args: Args) -> Result<ExitCode> {
    let dirs = match args.dirs.is_empty() {
        false => args.dirs,
        true if Path::new(LOGS).is_dir() => vec![PathBuf::from(LOGS)],
        true => vec![PathBuf::from(".")],
    };
    let mut unique: Vec<PathBuf> = Vec::new();
    for dir in dirs {
        if !unique.contains(&dir) {
            unique.push(dir);
        }
    }
    let rows = examine(&unique);
    let text = match args.json {
        true => format!("{}\n", serde_json::to_string_pretty(&rows)?),
        false => text(&rows)?,
    };
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// A table for each group, and below it how to get what is missing; at the end a count.
fn text(rows: &[Capability]) -> Result<String, std::fmt::Error> {
    let mut text = HEAD.to_owned();
    let widest = rows.iter().map(|row| row.name.len()).max().unwrap_or(0) as u16;
    for group in rows.chunk_by(|a, b| a.group == b.group) {
        let Some(first) = group.first() else { continue };
        writeln!(text, "{}", first.group.replacen(':', ": ", 1))?;
        text.push_str(&group_table(group, widest));
        for (names, unlock) in unlocks(group) {
            writeln!(text, "  to unlock {}: {unlock}", names.join(", "))?;
        }
        writeln!(text)?;
    }
    let count = |state| rows.iter().filter(|row| row.state == state).count();
    let (yes, partly, no) = (count(State::Yes), count(State::Partly), count(State::No));
    writeln!(text, "{} capabilities: {yes} yes, {partly} partly, {no} no", rows.len())?;
    Ok(text)
}

/// What unlocks something, with the names of what it unlocks. These stand on lines of their own that
/// are never broken, so that commands can be copied.
fn unlocks(group: &[Capability]) -> Vec<(Vec<&str>, &str)> {
    let mut all: Vec<(Vec<&str>, &str)> = Vec::new();
    for row in group {
        let Some(unlock) = row.unlock.as_deref() else { continue };
        match all.iter_mut().find(|(_, known)| *known == unlock) {
            Some((names, _)) => names.push(&row.name),
            None => all.push((vec![&row.name], unlock)),
        }
    }
    all
}

fn group_table(group: &[Capability], widest: u16) -> String {
    let mut rows = table(&[]);
    for row in group {
        rows.add_row([&format!("  {}", row.name), row.state.name(), &row.value, row.enables]);
    }
    // The first two columns stand in the same place in every group.
    for (column, width) in [(0, widest + 3), (1, 7)] {
        if let Some(column) = rows.column_mut(column) {
            column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(width)));
        }
    }
    rendered(rows)
}
