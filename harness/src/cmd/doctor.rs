//! What can this machine do for zclab, and how would one unlock the rest?

use super::list::{print, rendered, table};
use crate::doctor::{Capability, State, examine};
use crate::prove::{Answer, Found, Place, Proof};
use anyhow::Result;
use comfy_table::{ColumnConstraint, Width};
use serde_json::json;
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
    /// Answer instead: is this kernel still zero-copy on the file systems of these folders?
    #[arg(long)]
    prove: bool,
    /// Print JSON: an array of objects; with --prove one object
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  zclab doctor                            every capability; below each group, how to unlock the rest
  zclab doctor /mnt/nvme /dev/shm         the same, and what two file systems can do
  zclab doctor --json | jq '.[] | select(.state != \"yes\")'

  zclab doctor --prove /srv /dev/shm      shared, copied or refused: every strategy, two folders

Each capability is tried, not looked up: zclab makes the call that it needs and lets it go again.
Nothing needs root, and nothing is written but an unlinked file in each DIR; with --prove a log of
4 MiB, removed again. --prove ends with 0 when evidence agrees with every claim, 1 when it
contradicts one, 3 when nothing could be observed.";

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
    if args.prove {
        return prove(&unique, args.json);
    }
    let rows = examine(&unique);
    let text = match args.json {
        true => format!("{}\n", serde_json::to_string_pretty(&rows)?),
        false => text(&rows)?,
    };
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// Answers whether the kernel is zero-copy in these folders.
fn prove(dirs: &[PathBuf], json: bool) -> Result<ExitCode> {
    let places: Vec<Place> =
        dirs.iter().map(|dir| crate::prove::prove(dir)).collect::<Result<_>>()?;
    let answer = crate::prove::answer(&places);
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease");
    let kernel = kernel.as_deref().map_or("unknown", str::trim);
    let text = match json {
        true => {
            let all = json!({ "kernel": kernel, "zero_copy": answer, "places": places });
            format!("{}\n", serde_json::to_string_pretty(&all)?)
        }
        false => proved(kernel, answer, &places)?,
    };
    print(&text)?;
    Ok(match answer {
        Answer::Yes => ExitCode::SUCCESS,
        Answer::No => ExitCode::from(1),
        Answer::Unknown => ExitCode::from(3),
    })
}

/// A matrix for each folder, what was refused and what contradicts, then the answer.
fn proved(kernel: &str, answer: Answer, places: &[Place]) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    for place in places {
        writeln!(text, "{} ({})", place.dir, place.filesystem)?;
        text.push_str(&matrix(place));
        let (counters, probes) = place.witnesses();
        let all = place.proofs.len();
        writeln!(
            text,
            "  witnesses: kernel counters for {counters} of {all}, aliasing probe for {probes}"
        )?;
        for (strategy, why) in place.reasons() {
            writeln!(text, "  {strategy}: {why}")?;
        }
        for proof in &place.proofs {
            for what in &proof.contradictions {
                writeln!(text, "  contradicts: {} over {}: {what}", proof.strategy, proof.route)?;
            }
        }
        writeln!(text)?;
    }
    let said = match answer {
        Answer::Yes => {
            "is zero-copy: what claims to share the log's pages does, and nothing copies \
                        more than it claims"
        }
        Answer::No => "does not do what the strategies claim: see above",
        Answer::Unknown => {
            "could not be observed: no witness saw pages shared; as root there are \
                            kernel counters"
        }
    };
    writeln!(text, "Linux {kernel} {said}.")?;
    Ok(text)
}

/// Strategies down, routes across.
fn matrix(place: &Place) -> String {
    let mut routes: Vec<&str> = Vec::new();
    let mut strategies: Vec<&str> = Vec::new();
    for proof in &place.proofs {
        for (list, name) in [(&mut routes, &proof.route), (&mut strategies, &proof.strategy)] {
            if !list.contains(&name.as_str()) {
                list.push(name);
            }
        }
    }
    let mut rows = table(&[&["  strategy"], &routes[..]].concat());
    for strategy in strategies {
        let of = |route: &&str| {
            let here = |proof: &&Proof| proof.strategy == strategy && proof.route == **route;
            place.proofs.iter().find(here).map_or_else(String::new, |proof| word(&proof.found))
        };
        rows.add_row(std::iter::once(format!("  {strategy}")).chain(routes.iter().map(of)));
    }
    rendered(rows)
}

fn word(found: &Found) -> String {
    match found {
        Found::Shared => "shared".to_owned(),
        Found::Copied { copies_per_byte: Some(copies) } => format!("copied ×{copies:.2}"),
        Found::Copied { copies_per_byte: None } => "copied".to_owned(),
        Found::Refused { .. } => "refused".to_owned(),
        Found::Unobserved { .. } => "unobserved".to_owned(),
        Found::Failed { .. } => "failed".to_owned(),
    }
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
