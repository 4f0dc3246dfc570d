//! Does the gate find what was planted, and nothing where nothing was?
//!
//! Whole gates, as a user runs them, one after the other: a program against itself; and a build of the
//! same revision with the feature `planted` against its own copy, beside which lies a known fault. Two
//! builds of the same source would differ by more than the fault: where their loops lie is worth a per
//! cent or two. Experiments take turns, so that a proof that is cut off has some of each; started
//! again with the same folder it goes on.

use super::program::Program;
use super::{GATE, LATEST};
use crate::run::interrupt;
use crate::run::writer::Writer;
use anyhow::{Context, bail};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use zclab_report::gate::power::{Line, Packed, Proof, Proven, Trial};
use zclab_report::gate::record::{Arm, Record};
use zclab_report::record::reading;

/// What the record of a proof is called.
pub const POWER: &str = "power.jsonl";

/// The folder of what is only needed while a proof is made.
const WORK: &str = "work";

/// A gate takes no longer than its budget and this.
const SLACK: Duration = Duration::from_secs(90);

/// What is planted, how often it is looked for, and with which budget.
#[derive(Clone, Debug)]
pub struct Experiment {
    /// Its name.
    pub name: String,
    /// The fault.
    pub fault: Fault,
    /// The budget of a gate.
    pub budget: Duration,
    /// How many gates.
    pub trials: u64,
}

/// A fault to plant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
    /// None: the base against itself.
    None,
    /// So much more sender CPU for each byte, as a share of the base's.
    Cpu(f64),
    /// One system call more for each fetch.
    Call,
    /// One copy more of each byte.
    Copy,
}

/// What a proof is asked to do.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The program, built as ever.
    pub base: PathBuf,
    /// The same with the feature `planted`.
    pub planted: PathBuf,
    /// The scenario: one cell.
    pub scenario: String,
    /// Where the proof lies, or will lie.
    pub folder: PathBuf,
    /// The experiments.
    pub experiments: Vec<Experiment>,
    /// No progress.
    pub quiet: bool,
}

/// The programs of a proof: copies, so that neither side is nearer than the other.
struct Programs {
    /// Built as ever: both sides where nothing is planted.
    as_ever: PathBuf,
    /// Built with the feature, without a fault.
    sound: PathBuf,
    /// A copy of it, with one.
    faulty: PathBuf,
}

impl Programs {
    fn new(asked: &Asked) -> anyhow::Result<Programs> {
        let folder = asked.folder.join(WORK);
        std::fs::create_dir_all(&folder).with_context(|| format!("mkdir {}", folder.display()))?;
        let copy = |from: &Path, name: &str| {
            let to = folder.join(name);
            std::fs::copy(from, &to)
                .with_context(|| format!("copying {} to {}", from.display(), to.display()))?;
            to.canonicalize().with_context(|| format!("finding {}", to.display()))
        };
        Ok(Programs {
            as_ever: copy(&asked.base, "as-ever")?,
            sound: copy(&asked.planted, "sound")?,
            faulty: copy(&asked.planted, "faulty")?,
        })
    }

    /// Base and head of a gate, with this planted in the head.
    fn sides(&self, planted: &str) -> anyhow::Result<(&Path, &Path)> {
        if planted.is_empty() {
            return Ok((&self.as_ever, &self.as_ever));
        }
        let file = self.faulty.with_added_extension("fault");
        std::fs::write(&file, planted).with_context(|| format!("writing {}", file.display()))?;
        Ok((&self.sound, &self.faulty))
    }
}

/// Makes the gates that are still to be made.
///
/// # Errors
/// A gate that could not run, or a folder that cannot be written.
pub fn run(asked: &Asked) -> anyhow::Result<()> {
    interrupt::listen().context("listening for Ctrl-C")?;
    std::fs::create_dir_all(&asked.folder)
        .with_context(|| format!("mkdir {}", asked.folder.display()))?;
    let revision = Program::named(&asked.base.display().to_string(), true)?.side.revision;
    let file = asked.folder.join(POWER);
    let (mut writer, proof, done) = match file.is_file() {
        true => {
            let Proven { proof, trials, .. } = read(&file)?;
            let first = &proof.opening.head.revision;
            if *first != revision {
                bail!(
                    "{} was begun by revision {first}, and this is {revision}: build that one to go \
                     on, or begin in another folder",
                    file.display()
                );
            }
            (Writer::append(&file)?, Some(proof), trials)
        }
        false => (Writer::create(&asked.folder, "", POWER)?, None, Vec::new()),
    };
    let programs = Programs::new(asked)?;
    let proof = match proof {
        Some(proof) => proof,
        None => {
            let proof = begun(asked, &programs)?;
            writer.lines(&[Line::Proof(Box::new(proof.clone()))])?;
            proof
        }
    };
    let made = |name: &str| done.iter().filter(|trial| trial.experiment == name).count() as u64;
    let mut left: Vec<(Experiment, u64)> =
        asked.experiments.iter().map(|one| (one.clone(), made(&one.name))).collect();
    // The one that is furthest behind is next.
    while let Some((experiment, made)) = left
        .iter_mut()
        .filter(|(one, made)| *made < one.trials)
        .min_by(|(a, x), (b, y)| (*x * b.trials.max(1)).cmp(&(*y * a.trials.max(1))))
    {
        let trial = trial(asked, &programs, experiment, proof.base_ns_per_kib)?;
        let Some(trial) = trial else { return Ok(()) };
        *made += 1;
        if !asked.quiet {
            let (name, all) = (&experiment.name, experiment.trials);
            eprintln!("zclab: {name} {made} of {all}: {}", trial.verdict);
        }
        writer.lines(&[Line::Trial(Box::new(trial))])?;
    }
    let work = asked.folder.join(WORK);
    std::fs::remove_dir_all(&work).with_context(|| format!("removing {}", work.display()))
}

/// A proof, read back.
///
/// # Errors
/// A file that is none.
pub fn read(file: &Path) -> anyhow::Result<Proven> {
    let text =
        std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
    zclab_report::gate::power::read(&text).with_context(|| format!("reading {}", file.display()))
}

/// Learns what the base costs, from a gate against itself.
fn begun(asked: &Asked, programs: &Programs) -> anyhow::Result<Proof> {
    let sides = programs.sides("")?;
    let Some((record, ..)) = gate(asked, sides, Duration::from_secs(15), &[])? else {
        bail!("interrupted")
    };
    let samples = record.cells.iter().flat_map(|cell| &cell.samples);
    let costs: Vec<f64> = samples
        .filter(|sample| sample.arm != Arm::Head && sample.bytes > 0)
        .filter_map(|sample| {
            let ns = sample.readings.get(reading::SENDER_CPU_NS)?;
            Some(*ns as f64 / (sample.bytes as f64 / 1024.0))
        })
        .collect();
    let base_ns_per_kib = zclab_report::stats::centre::mid_mean(&costs)
        .with_context(|| format!("nothing was timed: {}", record.opening.timing))?;
    Ok(Proof { base_ns_per_kib, opening: record.opening })
}

fn trial(
    asked: &Asked,
    programs: &Programs,
    one: &Experiment,
    base: f64,
) -> anyhow::Result<Option<Trial>> {
    let planted = match one.fault {
        Fault::None => String::new(),
        Fault::Cpu(share) => format!("cpu:{:.3}", base * share),
        Fault::Call => "call".to_owned(),
        Fault::Copy => "copy".to_owned(),
    };
    let exact = matches!(one.fault, Fault::Call | Fault::Copy);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or(f64::NAN);
    let only = ["--only", if exact { "exact" } else { "timing" }];
    let Some((record, verdict, took)) = gate(asked, programs.sides(&planted)?, one.budget, &only)?
    else {
        return Ok(None);
    };
    Ok(Some(Trial {
        experiment: one.name.clone(),
        planted,
        budget_ns: one.budget.as_nanos() as u64,
        took_ns: took.as_nanos() as u64,
        load,
        verdict,
        timing: record.opening.timing.clone(),
        launches: record.opening.rule.launches,
        cells: record.cells.iter().filter_map(|cell| Packed::of(cell, exact)).collect(),
    }))
}

/// The name of a program in the folder of the programs.
fn named(program: &Path) -> &std::ffi::OsStr {
    program.file_name().unwrap_or(program.as_os_str())
}

/// A scenario's file where it lies; a shipped one has a name alone.
fn scenario(asked: &str) -> anyhow::Result<PathBuf> {
    let path = Path::new(asked);
    match path.exists() {
        true => path.canonicalize().with_context(|| format!("finding {asked}")),
        false => Ok(path.to_owned()),
    }
}

/// One whole gate by a program of its own; its record, its verdict, how long it took. `None` when
/// somebody asked to stop.
fn gate(
    asked: &Asked,
    (base, head): (&Path, &Path),
    budget: Duration,
    more: &[&str],
) -> anyhow::Result<Option<(Record, String, Duration)>> {
    let results = asked.folder.join(WORK);
    // Programs and results by their names in that folder: where it lies is no part of a proof.
    let mut command = Command::new(&asked.base);
    command.arg0("zclab").current_dir(&results);
    command.arg("gate").arg("--base").arg(named(base)).arg("--head").arg(named(head));
    command.arg("--budget").arg(format!("{}ms", budget.as_millis()));
    command.args(["--results", ".", "--quiet"]).args(more).arg(scenario(&asked.scenario)?);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::inherit());
    let begun = Instant::now();
    let mut child = command.spawn().context("starting a gate")?;
    let status = loop {
        if let Some(status) = child.try_wait().context("waiting for a gate")? {
            break status;
        }
        if begun.elapsed() > budget + SLACK || interrupt::asked() {
            child.kill().context("ending a gate")?;
            child.wait().context("waiting for a gate")?;
            if interrupt::asked() {
                return Ok(None);
            }
            bail!("a gate with a budget of {budget:?} did not end within {:?}", budget + SLACK);
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let took = begun.elapsed();
    if !matches!(status.code(), Some(0 | 1 | 3)) {
        bail!("a gate ended with {status}");
    }
    let file = results.join("runs").join(LATEST).join(GATE);
    let text =
        std::fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
    let record = zclab_report::gate::record::read(&text)
        .with_context(|| format!("reading {}", file.display()))?;
    let verdict = zclab_report::gate::report(&record).verdict.name().to_owned();
    std::fs::remove_dir_all(results.join("runs")).context("removing a gate's folder")?;
    Ok(Some((record, verdict, took)))
}
