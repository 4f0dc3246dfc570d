//! `zclab gate-power`: how often does the gate see what is there, and how often what is not?

use crate::gate::power::{self, Asked, Experiment, Fault, POWER};
use anyhow::Context;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use zclab_report::gate::power::{Proven, markdown, summaries};

/// Prove the error rates of `zclab gate`: hundreds of gates, with and without a planted fault
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Folder of the proof: begun there, or taken up
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// The program, built as ever [default: only say what the folder holds]
    #[arg(long, value_name = "BIN", requires = "planted")]
    base: Option<PathBuf>,
    /// The same revision built with `--features planted`
    #[arg(long, value_name = "BIN", requires = "base")]
    planted: Option<PathBuf>,
    /// The scenario, of one cell
    #[arg(long, value_name = "SCENARIO", default_value = "gate/power")]
    scenario: String,
    /// Make so many per cent of each experiment's gates
    #[arg(long, value_name = "PERCENT", default_value_t = 100)]
    share: u64,
    /// No progress on stderr
    #[arg(short, long)]
    quiet: bool,
}

const EXAMPLES: &str = "\
Examples:
  make gate-power                              build both programs, make the whole proof or go on
  zclab gate-power results/record/gate-power   what the committed proof says, from its launches

Three hundred gates of a program against itself (15 s each), sixty with 2 % more CPU for each byte
(60 s), sixty with 5 % (15 s), twenty each with one system call or one copy more: about two hours.";

/// Runs the command.
///
/// # Errors
/// A gate that could not run, or a folder that cannot be read or written.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    if let (Some(base), Some(planted)) = (&args.base, &args.planted) {
        let absolute = |path: &PathBuf| {
            path.canonicalize().with_context(|| format!("finding {}", path.display()))
        };
        power::run(&Asked {
            base: absolute(base)?,
            planted: absolute(planted)?,
            scenario: args.scenario.clone(),
            folder: args.folder.clone(),
            experiments: experiments(args.share),
            quiet: args.quiet,
        })?;
    }
    let proven = power::read(&args.folder.join(POWER))?;
    let mut out = std::io::stdout().lock();
    out.write_all(markdown(&proven.proof, &summaries(&proven.proof, &proven.trials)).as_bytes())?;
    if let Some(remark) = &proven.remark {
        writeln!(out, "\n{remark}")?;
    }
    if args.base.is_some() {
        writeln!(out, "\npage: {}", write_page(&proven, &args.folder)?.display())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes the page of a proof into a folder; its path.
///
/// # Errors
/// What could not be written.
pub fn write_page(proven: &Proven, dir: &Path) -> anyhow::Result<PathBuf> {
    std::fs::create_dir_all(dir).with_context(|| format!("mkdir {}", dir.display()))?;
    let path = dir.join("index.html");
    std::fs::write(&path, zclab_report::page::proof(proven))
        .with_context(|| format!("writing {}", path.display()))?;
    Ok(path)
}

fn experiments(share: u64) -> Vec<Experiment> {
    let one = |name: &str, fault, seconds, trials: u64| Experiment {
        name: name.to_owned(),
        fault,
        budget: Duration::from_secs(seconds),
        trials: (trials * share).div_ceil(100),
    };
    vec![
        one("aa-15s", Fault::None, 15, 300),
        one("cpu-2%-60s", Fault::Cpu(0.02), 60, 60),
        one("cpu-5%-15s", Fault::Cpu(0.05), 15, 60),
        one("call", Fault::Call, 15, 20),
        one("copy", Fault::Copy, 15, 20),
    ]
}
