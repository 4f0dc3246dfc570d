//! Does a run bear out what its scenario file expects?
//!
//! A file may state rules (`[[expect]]`): a ratio between two contenders within bounds, a crossover
//! between two values of the first axis, a count of the kernel's programs within bounds. Every rule
//! is judged for each condition that it speaks of, and a rule is worth what its worst condition is:
//!
//! - *holds*: the 95 % interval over launches lies wholly within the bounds. That needs no correction
//!   for the number of conditions: all of them have to hold, so that a rule with one false condition
//!   passes no more often than that condition alone would;
//! - *broken*: the interval lies wholly beyond a bound, and the chance of that, by Student's t over
//!   launches and corrected by Holm's method for all questions of the file, is below [`LEVEL`]. One
//!   false alarm among many conditions is enough to break a rule, so here the number counts: of 100
//!   runs of a file whose rules are true, at most 2.5 call any of them broken;
//! - *undecided*: everything else, with the reason. A cell that is not `ok` decides nothing.
//!
//! A crossover is two questions at its ends: at `from` the contender is the worse one, at `to` the
//! better one. So the order turns somewhere between, and nothing is read off lines between points.
//! A count was taken once and is exact: it holds or is broken, or was not observed.
//!
//! All of it is a pure function of the record.

mod ask;
mod chance;
mod words;

pub use ask::Question;
pub use words::claim;

use crate::record::Expect;
use crate::stats::permutation;
use crate::study::Study;

/// The chance up to which a condition beyond its bound counts as broken, over all questions of a
/// file together. It is that of one end of a 95 % interval.
pub const LEVEL: f64 = 0.025;

/// What a rule, or one condition of it, comes to. Ordered: the worst is the greatest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// It is so, as far as the intervals can say.
    Holds,
    /// Neither can be said from what was measured.
    Undecided,
    /// It is not so.
    Broken,
}

impl Verdict {
    /// The name on pages and in exports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Holds => "holds",
            Verdict::Undecided => "undecided",
            Verdict::Broken => "broken",
        }
    }

    /// What a program that judges by rules ends with: 0, 3 where nothing can be said, 1.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Verdict::Holds => 0,
            Verdict::Undecided => 3,
            Verdict::Broken => 1,
        }
    }
}

impl From<Verdict> for crate::gate::Verdict {
    fn from(verdict: Verdict) -> crate::gate::Verdict {
        match verdict {
            Verdict::Holds => crate::gate::Verdict::Pass,
            Verdict::Undecided => crate::gate::Verdict::Inconclusive,
            Verdict::Broken => crate::gate::Verdict::Regression,
        }
    }
}

/// A rule and what came of it.
#[derive(Clone, Debug)]
pub struct Expectation {
    /// The rule.
    pub rule: Expect,
    /// The rule in words: `sendfile stays below mmap-write in sender CPU (fetch size 64 KiB)`.
    pub claim: String,
    /// The worst of the findings.
    pub verdict: Verdict,
    /// One for each condition that it speaks of; one for each panel where it claims a crossover.
    pub findings: Vec<Finding>,
}

/// What came of a rule under one condition.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The condition, in words; empty where there is one.
    pub condition: String,
    /// What it comes to.
    pub verdict: Verdict,
    /// The numbers, in words: `0.61 (0.58–0.64)`; empty where there are none.
    pub measured: String,
    /// Why it is no better than it is, or empty.
    pub why: String,
    /// What was asked of the launches; empty where nothing could be, and for counts.
    pub questions: Vec<Question>,
    /// The count, where the rule is about one and it was observed.
    pub value: Option<f64>,
}

/// Judges the rules of a study's own file.
#[must_use]
pub fn verdicts(study: &Study) -> Vec<Expectation> {
    judge(study, &study.scenario.expect)
}

/// Judges any rules, as if the study's file had stated these and no others.
#[must_use]
pub fn judge(study: &Study, rules: &[Expect]) -> Vec<Expectation> {
    let mut asked: Vec<Vec<ask::Asked>> = rules.iter().map(|rule| ask::of(study, rule)).collect();
    correct(asked.iter_mut().flatten().flat_map(ask::Asked::questions_mut).collect());
    rules
        .iter()
        .zip(asked)
        .map(|(rule, asked)| {
            let findings: Vec<Finding> = match asked.is_empty() {
                true => vec![ask::nowhere()],
                false => asked.into_iter().map(ask::Asked::finding).collect(),
            };
            Expectation {
                claim: claim(rule, study.x.map(|axis| axis.name.as_str())),
                verdict: worst(findings.iter().map(|one| one.verdict)),
                findings,
                rule: rule.clone(),
            }
        })
        .collect()
}

/// The worst of the rules of all these studies; nothing where no file states any.
#[must_use]
pub fn overall(studies: &[Study]) -> Option<Verdict> {
    let all: Vec<Verdict> = studies.iter().flat_map(verdicts).map(|one| one.verdict).collect();
    (!all.is_empty()).then(|| worst(all.into_iter()))
}

fn worst(verdicts: impl Iterator<Item = Verdict>) -> Verdict {
    verdicts.max().unwrap_or(Verdict::Undecided)
}

/// Corrects the chances of all questions for their number.
fn correct(questions: Vec<&mut Question>) {
    let chances: Vec<f64> = questions.iter().map(|one| one.chance).collect();
    let number = questions.len();
    for (question, corrected) in questions.into_iter().zip(permutation::holm(&chances)) {
        (question.corrected, question.of) = (corrected, number);
    }
}
