//! What do all gates of one experiment come to?

use super::{Proof, Trial};
use crate::gate::{Judged, Report, Timing, Verdict, report, words};
use crate::stats::{Estimate, binomial, centre};
use std::fmt::Write;

/// How sure a bound of a rate is.
const CONFIDENCE: f64 = 0.95;

/// All gates of one experiment.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// Its name.
    pub experiment: String,
    /// What was planted.
    pub planted: Planted,
    /// The budget of each gate.
    pub budget_ns: u64,
    /// Its gates, in the order in which they were made.
    pub gates: Vec<Gate>,
}

/// What a gate had to find.
#[derive(Clone, Debug, PartialEq)]
pub enum Planted {
    /// Nothing: a program against itself.
    Nothing,
    /// So much more sender CPU for each byte, as a share of the base's.
    Cpu(f64),
    /// One system call more for each fetch.
    Call,
    /// One copy more of each byte.
    Copy,
    /// What this version does not know.
    Other(String),
}

/// One gate, its verdict computed anew from its launches.
#[derive(Clone, Debug, PartialEq)]
pub struct Gate {
    /// What it comes to.
    pub verdict: Verdict,
    /// Whether the program said something else at the time.
    pub changed: bool,
    /// What all launches of its cell say; absent where only counts were compared.
    pub judged: Option<Judged>,
    /// The sentence that its verdict rests on.
    pub words: Option<String>,
    /// How long it took.
    pub took_ns: u64,
    /// The load average when it began.
    pub load: f64,
}

/// The experiments of a proof, in order of appearance, with every verdict computed anew.
#[must_use]
pub fn summaries(proof: &Proof, trials: &[Trial]) -> Vec<Summary> {
    let mut all: Vec<Summary> = Vec::new();
    for trial in trials {
        let gate = Gate::of(proof, trial);
        match all.iter_mut().find(|one| one.experiment == trial.experiment) {
            Some(known) => known.gates.push(gate),
            None => all.push(Summary {
                experiment: trial.experiment.clone(),
                planted: Planted::of(&trial.planted, proof.base_ns_per_kib),
                budget_ns: trial.budget_ns,
                gates: vec![gate],
            }),
        }
    }
    all
}

impl Planted {
    fn of(asked: &str, base_ns_per_kib: f64) -> Planted {
        let cpu = || asked.strip_prefix("cpu:")?.parse::<f64>().ok();
        match (asked, cpu()) {
            ("", _) => Planted::Nothing,
            ("call", _) => Planted::Call,
            ("copy", _) => Planted::Copy,
            (_, Some(ns_per_kib)) => Planted::Cpu(ns_per_kib / base_ns_per_kib),
            (other, None) => Planted::Other(other.to_owned()),
        }
    }

    /// It in words.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Planted::Nothing => "a program against itself".to_owned(),
            Planted::Cpu(share) => {
                format!("{} more CPU for each byte", words::percent(1.0 + share))
            }
            Planted::Call => "one system call more for each fetch".to_owned(),
            Planted::Copy => "one copy more of each byte".to_owned(),
            Planted::Other(other) => other.clone(),
        }
    }
}

impl Gate {
    fn of(proof: &Proof, trial: &Trial) -> Gate {
        let record = trial.record(proof);
        let report = report(&record);
        let timing = |report: &Report| -> Option<Timing> {
            report.cells.iter().find_map(|cell| cell.timing.clone().ok())
        };
        Gate {
            verdict: report.verdict,
            changed: report.verdict.name() != trial.verdict,
            judged: timing(&report).map(|timing| timing.all),
            words: report.cells.first().and_then(words::decisive).cloned(),
            took_ns: trial.took_ns,
            load: trial.load,
        }
    }

    /// Half of its interval's width, as a share of the base's CPU: how exactly it knew.
    #[must_use]
    pub fn half_width(&self) -> Option<f64> {
        let (low, high) = self.judged.as_ref()?.ratio.interval?;
        Some((high - low) / 2.0)
    }
}

impl Summary {
    /// How many came to this verdict.
    #[must_use]
    pub fn count(&self, verdict: Verdict) -> u64 {
        self.gates.iter().filter(|gate| gate.verdict == verdict).count() as u64
    }

    /// How many there are.
    #[must_use]
    pub fn trials(&self) -> u64 {
        self.gates.len() as u64
    }

    fn judged(&self, value: fn(&Judged) -> &Estimate) -> Option<(f64, f64)> {
        let judged = self.gates.iter().filter_map(|gate| gate.judged.as_ref());
        spread(&judged.map(|one| value(one).point - 1.0).collect::<Vec<_>>())
    }

    /// Head over base: mean and standard deviation over gates, as shares above 1.
    #[must_use]
    pub fn effect(&self) -> Option<(f64, f64)> {
        self.judged(|judged| &judged.ratio)
    }

    /// The same of the control.
    #[must_use]
    pub fn control(&self) -> Option<(f64, f64)> {
        self.judged(|judged| &judged.control)
    }

    /// How exactly its gates knew the effect, as shares: half of the interval's width, typical and at
    /// worst.
    #[must_use]
    pub fn exactness(&self) -> Option<(f64, f64)> {
        let widths: Vec<f64> = self.gates.iter().filter_map(Gate::half_width).collect();
        let worst = widths.iter().copied().reduce(f64::max)?;
        Some((centre::median(&widths)?, worst))
    }

    /// The largest of the smallest effects that its gates could have seen, as a share above 1.
    #[must_use]
    pub fn smallest_seen(&self) -> Option<f64> {
        let seen = self.gates.iter().filter_map(|gate| gate.judged.as_ref()?.smallest_seen);
        seen.map(|ratio| ratio - 1.0).filter(|one| one.is_finite()).reduce(f64::max)
    }

    /// The longest that a gate took.
    #[must_use]
    pub fn took_ns_max(&self) -> u64 {
        self.gates.iter().map(|gate| gate.took_ns).max().unwrap_or(0)
    }

    /// What was planted, and how long a gate could look for it.
    #[must_use]
    pub fn title(&self) -> String {
        format!("{}, {:.0} s", self.planted.words(), self.budget_ns as f64 / 1e9)
    }

    /// How often the gate was wrong, or right, and what that says of gates to come.
    #[must_use]
    pub fn sentence(&self) -> String {
        let (called, trials) = (self.count(Verdict::Regression), self.trials());
        let percent = |share: f64| format!("{:.1}\u{a0}%", share * 100.0);
        let sure = format!("with {:.0}\u{a0}% confidence", CONFIDENCE * 100.0);
        let (said, other) = match self.planted {
            Planted::Nothing => {
                let most = percent(binomial::upper_bound(called, trials, CONFIDENCE));
                let alarms = match called {
                    0 => "no false alarm".to_owned(),
                    _ => words::count(called as usize, "false alarm"),
                };
                let bound = format!("{sure} at most {most} of such gates raise one");
                (format!("{alarms} in {trials}: {bound}."), Verdict::Pass)
            }
            _ => {
                let least = percent(binomial::lower_bound(called, trials, CONFIDENCE));
                let bound = format!("{sure} in at least {least} of such gates");
                (format!("found in {called} of {trials}: {bound}."), Verdict::Regression)
            }
        };
        let rest = Verdict::ALL.into_iter().rev();
        let rest = rest.filter(|verdict| ![other, Verdict::Regression].contains(verdict));
        let rest: Vec<String> = rest
            .map(|verdict| (self.count(verdict), verdict.name()))
            .filter(|(count, _)| *count > 0)
            .map(|(count, name)| format!("{count} {name}"))
            .collect();
        match rest.as_slice() {
            [] => said,
            rest => format!("{said} Others: {}.", rest.join(", ")),
        }
    }
}

/// Mean and standard deviation.
fn spread(values: &[f64]) -> Option<(f64, f64)> {
    let mean = centre::mean(values)?;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let degrees = values.len().saturating_sub(1).max(1) as f64;
    Some((mean, (squares / degrees).sqrt()))
}

/// The proof as Markdown: a table, and a sentence for each experiment.
#[must_use]
pub fn markdown(proof: &Proof, summaries: &[Summary]) -> String {
    let mut out = String::from(
        "| experiment | gates | regression | improvement | pass | inconclusive | invalid | head over base, mean (sd) | control, mean (sd) | known to ±, median (worst) | could have seen, at worst | longest |\n\
         |---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n",
    );
    let percent = |share: f64| format!("{:+.2} %", share * 100.0);
    let both = |pair: Option<(f64, f64)>| {
        pair.map_or("–".to_owned(), |(mean, sd)| format!("{} ({:.2})", percent(mean), sd * 100.0))
    };
    for one in summaries {
        let known = one.exactness().map_or("–".to_owned(), |(typical, worst)| {
            format!("{:.2} % ({:.2})", typical * 100.0, worst * 100.0)
        });
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {known} | {} | {:.0} s |",
            one.experiment,
            one.trials(),
            one.count(Verdict::Regression),
            one.count(Verdict::Improvement),
            one.count(Verdict::Pass),
            one.count(Verdict::Inconclusive),
            one.count(Verdict::Invalid),
            both(one.effect()),
            both(one.control()),
            one.smallest_seen().map_or("–".to_owned(), percent),
            one.took_ns_max() as f64 / 1e9,
        );
    }
    out.push('\n');
    for one in summaries {
        let _ = writeln!(out, "* **{}** ({}): {}", one.experiment, one.title(), one.sentence());
    }
    let gates = || summaries.iter().flat_map(|one| &one.gates);
    let _ = writeln!(
        out,
        "\nAll verdicts were computed anew from the raw launches; {} of {} differ from what was said \
         at the time. Without a fault the base needed {:.1} ns of sender CPU per KiB.",
        gates().filter(|gate| gate.changed).count(),
        gates().count(),
        proof.base_ns_per_kib
    );
    out
}
