//! `zclab report`: pages from a record.

use crate::gate::power::POWER;
use anyhow::{Context, bail};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use zclab_report::kernels::{Asked, Listing, Matrix};

/// Make HTML pages from records; they open from disk and load nothing
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Records (run.jsonl, gate.jsonl, power.jsonl), the folders that hold them, or the folder of a
    /// matrix of kernels
    #[arg(required = true, value_name = "RECORD")]
    records: Vec<PathBuf>,
    /// Folder for the pages [default: the record's own]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  zclab report results/runs/latest                pages beside the record
  zclab report results/record/tax.jsonl --out /tmp/tax
  zclab report results/record/kernels             what `make kernels` found, as one page
  zclab report results/record/gate-power          how often the gate was right";

/// The list of kernels in the folder of a matrix, which `make kernels` writes.
const MATRIX: &str = "matrix.json";

/// Runs the command.
///
/// # Errors
/// A record that cannot be read, or pages that cannot be written.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    if args.out.is_some() && args.records.len() > 1 {
        bail!("--out takes one record: pages of several would overwrite each other");
    }
    let mut out = std::io::stdout().lock();
    for record in &args.records {
        if record.join(MATRIX).is_file() {
            let dir = args.out.as_deref().unwrap_or(record);
            writeln!(out, "{}", write_matrix(record, dir)?.display())?;
            continue;
        }
        let proof = if record.is_dir() { record.join(POWER) } else { record.clone() };
        if proof.ends_with(POWER) && proof.is_file() {
            let proven = crate::gate::power::read(&proof)?;
            let dir = args.out.as_deref().or(proof.parent()).unwrap_or(Path::new("."));
            writeln!(out, "{}", super::gate_power::write_page(&proven, dir)?.display())?;
            continue;
        }
        if let Ok(gate) = super::gate::gate_file(record)
            && gate.ends_with(crate::gate::GATE)
        {
            let dir = args.out.as_deref().or(gate.parent()).unwrap_or(Path::new("."));
            let gated = super::gate::read(&gate)?;
            let page = super::gate::write_page(&zclab_report::gate::report(&gated), dir)?;
            writeln!(out, "{}", page.display())?;
            continue;
        }
        let file = record_file(record)?;
        let dir = args.out.as_deref().or(file.parent()).unwrap_or(Path::new("."));
        writeln!(out, "{}", write_site(&file, dir)?.display())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The record that a path means: the file itself, or `run.jsonl` in a folder.
///
/// # Errors
/// Neither is there.
pub fn record_file(path: &Path) -> anyhow::Result<PathBuf> {
    let file = if path.is_dir() { path.join("run.jsonl") } else { path.to_owned() };
    if !file.is_file() {
        bail!("{} is no record: expected a .jsonl file or a folder with run.jsonl", path.display());
    }
    Ok(file)
}

/// Reads a record.
///
/// # Errors
/// A file that cannot be read, or a line that is no record line.
pub fn read(file: &Path) -> anyhow::Result<zclab_report::record::Record> {
    let text =
        std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
    zclab_report::record::read(&text).with_context(|| file.display().to_string())
}

/// Writes the pages of a record into a folder; the path of the first one.
///
/// # Errors
/// What could not be read or written.
pub fn write_site(record: &Path, dir: &Path) -> anyhow::Result<PathBuf> {
    let record = read(record)?;
    std::fs::create_dir_all(dir).with_context(|| format!("mkdir {}", dir.display()))?;
    for (name, page) in zclab_report::page::site(&record) {
        let path = dir.join(name);
        std::fs::write(&path, page).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(dir.join("index.html"))
}

/// Writes the page of a matrix of kernels into a folder; its path.
///
/// # Errors
/// What could not be read or written.
fn write_matrix(folder: &Path, dir: &Path) -> anyhow::Result<PathBuf> {
    let file = folder.join(MATRIX);
    let text = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    let listing: Listing =
        serde_json::from_str(&text).with_context(|| file.display().to_string())?;
    let left = |asked: &Asked| -> anyhow::Result<Vec<_>> {
        asked.records.iter().map(|name| read(&folder.join(name))).collect()
    };
    let records = listing.kernels.iter().map(left).collect::<anyhow::Result<Vec<_>>>()?;
    let page = zclab_report::page::kernels(&Matrix::of(listing, &records));
    std::fs::create_dir_all(dir).with_context(|| format!("mkdir {}", dir.display()))?;
    let path = dir.join("index.html");
    std::fs::write(&path, page + "\n").with_context(|| format!("writing {}", path.display()))?;
    Ok(path)
}
