//! Which questions does a rule ask of a study's launches, and what do they answer?

use super::{Finding, LEVEL, Verdict, chance, words};
use crate::format;
use crate::metric::Metric;
use crate::metric::kernel::Witness;
use crate::record::{Claim, Expect};
use crate::stats::crossover::{self, Crossover};
use crate::stats::{DECISIVE_MIN, Estimate, paired};
use crate::study::{Figure, Panel, Point, Row, State, Study, same};
use crate::verdict::condition;
use serde_json::Value;

/// Does a paired ratio lie on the side of a bound where the rule wants it?
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// Where along the first axis, for a crossover; else empty.
    pub at: String,
    /// The ratio, with its 95 % interval over launches.
    pub ratio: Estimate,
    /// The bound.
    pub bound: f64,
    /// Whether the rule wants the ratio above it; else below.
    pub wants_above: bool,
    /// The chance of launches so far on the other side, or further, were the rule true.
    pub chance: f64,
    /// The same, corrected for all questions of the file.
    pub corrected: f64,
    /// How many those are.
    pub of: usize,
}

/// One condition of a rule, once what there is to know of it was gathered.
pub(super) struct Asked {
    condition: String,
    /// The numbers, in words.
    measured: String,
    got: Result<Got, String>,
}

enum Got {
    Questions(Vec<Question>),
    /// A count, and whether it is within bounds.
    Count(f64, bool),
}

/// Everything that a rule asks, condition by condition.
pub(super) fn of(study: &Study, rule: &Expect) -> Vec<Asked> {
    match &rule.claim {
        Claim::Crossover { than, from, to } => {
            let panels = study.panels.iter().filter(|panel| speaks_of(rule, study, panel, None));
            let ends = [*from, *to];
            panels.map(|panel| crossing(study, panel, rule, than, ends)).collect()
        }
        Claim::Ratio { than, above, below } => each_point(study, rule, |point| {
            let (ratio, launches) = ratio(point, rule, than)?;
            let bounds = [(*above, true), (*below, false)];
            let questions = bounds
                .into_iter()
                .filter_map(|(bound, wants_above)| Some((bound?, wants_above)))
                .map(|(bound, wants_above)| question("", ratio, &launches, bound, wants_above));
            Ok((format::ratio(&ratio).replace("~ ", ""), Got::Questions(questions.collect())))
        }),
        Claim::Value { at_least, at_most } => each_point(study, rule, |point| {
            let value = count(point, rule)?;
            let within = at_least.is_none_or(|least| value >= least)
                && at_most.is_none_or(|most| value <= most);
            Ok((words::count(value), Got::Count(value, within)))
        }),
    }
}

/// What is said of a rule whose conditions the record does not have.
pub(super) fn nowhere() -> Finding {
    let why = "the record has no condition that it speaks of";
    Asked { condition: String::new(), measured: String::new(), got: Err(why.into()) }.finding()
}

fn each_point(
    study: &Study,
    rule: &Expect,
    ask: impl Fn(&Point) -> Result<(String, Got), String>,
) -> Vec<Asked> {
    let mut all = Vec::new();
    for panel in &study.panels {
        for point in panel.points.iter().filter(|one| speaks_of(rule, study, panel, Some(one))) {
            let condition = condition(study, panel, point);
            let (measured, got) = match ask(point) {
                Ok((measured, got)) => (measured, Ok(got)),
                Err(why) => (String::new(), Err(why)),
            };
            all.push(Asked { condition, measured, got });
        }
    }
    all
}

/// Whether a rule speaks of a condition, or of a panel as a whole.
fn speaks_of(rule: &Expect, study: &Study, panel: &Panel, point: Option<&Point>) -> bool {
    let x = study.x.zip(point.and_then(|point| point.x));
    let x = x.map(|(axis, value)| (axis.name.as_str(), value));
    panel.fixed.iter().copied().chain(x).all(|(name, value): (&str, &Value)| {
        let values = rule.places.get(name);
        values.is_none_or(|values| values.iter().any(|one| same(one, value)))
    })
}

/// The questions at both ends of a crossover, and where the order was seen to turn.
fn crossing(study: &Study, panel: &Panel, rule: &Expect, than: &str, ends: [f64; 2]) -> Asked {
    let metric = metric(rule);
    // The contender is the worse one at the first end: its ratio is the greater, if less is better.
    let less = metric.as_ref().is_ok_and(|metric| metric.less_is_better());
    let ask = |(x, wants_above): (f64, bool)| {
        let same = |point: &&Point| point.x.and_then(Value::as_f64) == Some(x);
        let point = panel.points.iter().find(same);
        let axis = study.x.map(|axis| axis.name.as_str()).unwrap_or_default();
        let at = format::position(axis, x);
        let point = point.ok_or_else(|| format!("{at} was not measured"))?;
        let (ratio, launches) =
            ratio(point, rule, than).map_err(|why| format!("at {at}: {why}"))?;
        Ok(question(&at, ratio, &launches, 1.0, wants_above))
    };
    let got: Result<Vec<Question>, String> =
        [(ends[0], less), (ends[1], !less)].map(ask).into_iter().collect();
    let measured = match &got {
        Ok(_) => turns(study, panel, rule, than, less),
        Err(_) => String::new(),
    };
    Asked { condition: panel.title(), measured, got: got.map(Got::Questions) }
}

/// Where the contender becomes the better one, in words.
fn turns(study: &Study, panel: &Panel, rule: &Expect, than: &str, less: bool) -> String {
    let Some(axis) = study.x else { return String::new() };
    let along: Vec<(f64, Estimate)> = panel
        .points
        .iter()
        .filter_map(|point| Some((point.x?.as_f64()?, ratio(point, rule, than).ok()?.0)))
        .collect();
    let found: Vec<String> = crossover::crossovers(&along)
        .iter()
        .filter(|one| one.cheaper_above == less)
        .map(|Crossover { x, low, high, .. }| {
            let (low, high) = format::span(&axis.name, *low, *high);
            format!("{} ({low}–{high})", format::position(&axis.name, *x))
        })
        .collect();
    match found.as_slice() {
        [] => "the order was not seen to turn".into(),
        _ => format!("turns at {}", format::list(&found)),
    }
}

fn question(
    at: &str,
    ratio: Estimate,
    launches: &[f64],
    bound: f64,
    wants_above: bool,
) -> Question {
    let chance = match wants_above {
        true => chance::below(launches, bound.ln()),
        false => chance::above(launches, bound.ln()),
    };
    Question { at: at.to_owned(), ratio, bound, wants_above, chance, corrected: chance, of: 1 }
}

fn metric(rule: &Expect) -> Result<Metric, String> {
    let found = Metric::ALL.into_iter().find(|metric| metric.key() == rule.metric);
    found.ok_or_else(|| format!("no metric has the key {}", rule.metric))
}

/// The paired ratio of a rule's contenders, and the logarithms of the launches behind it.
fn ratio(point: &Point, rule: &Expect, than: &str) -> Result<(Estimate, Vec<f64>), String> {
    let metric = metric(rule)?;
    let (one, other) = (measured(point, &rule.strategy)?, measured(point, than)?);
    for row in [one, other] {
        if let Some(Figure::Unavailable { reason }) = row.figures.get(&metric) {
            return Err(format!("{}: {reason}", row.label));
        }
    }
    let (one, other) = (one.placed(metric), other.placed(metric));
    let ratio = paired::ratio(&one, &other);
    let ratio = ratio.ok_or("no turn has a value above 0 of both")?;
    Ok((ratio, paired::launches(&one, &other)))
}

fn count(point: &Point, rule: &Expect) -> Result<f64, String> {
    let found = Witness::ALL.into_iter().find(|witness| witness.key() == rule.metric);
    let witness = found.ok_or_else(|| format!("no count has the key {}", rule.metric))?;
    match measured(point, &rule.strategy)?.witnessed.get(&witness) {
        Some(Figure::Known { median, .. }) => Ok(*median),
        Some(Figure::Unavailable { reason }) => Err(format!("not observed: {reason}")),
        None => Err("not observed".into()),
    }
}

/// The row of a contender that has a result, or why it has none.
fn measured<'a, 'b>(point: &'b Point<'a>, label: &str) -> Result<&'b Row<'a>, String> {
    let row = point.row(label).ok_or_else(|| format!("no contender is called {label}"))?;
    match &row.state {
        State::Ok => Ok(row),
        State::Unfinished => Err(format!("{label} was not measured")),
        State::Not(status, troubles) => {
            let why: Vec<String> = troubles.iter().map(ToString::to_string).collect();
            let colon = if why.is_empty() { "" } else { ": " };
            Err(format!("{label}: {}{colon}{}", status.name(), why.join("; ")))
        }
    }
}

impl Asked {
    pub(super) fn questions_mut(&mut self) -> impl Iterator<Item = &mut Question> {
        let questions = match &mut self.got {
            Ok(Got::Questions(questions)) => questions.as_mut_slice(),
            _ => &mut [],
        };
        // Too few launches decide nothing: what is not asked needs no correction.
        questions.iter_mut().filter(|one| one.ratio.launches >= DECISIVE_MIN)
    }

    pub(super) fn finding(self) -> Finding {
        let Asked { condition, measured, got } = self;
        let (verdict, why, questions, value) = match got {
            Err(why) => (Verdict::Undecided, why, Vec::new(), None),
            Ok(Got::Count(value, true)) => (Verdict::Holds, String::new(), Vec::new(), Some(value)),
            Ok(Got::Count(value, false)) => {
                (Verdict::Broken, "beyond the bound".into(), Vec::new(), Some(value))
            }
            Ok(Got::Questions(questions)) => {
                let answers: Vec<(Verdict, String)> =
                    questions.iter().map(Question::answer).collect();
                let verdict = super::worst(answers.iter().map(|(verdict, _)| *verdict));
                let whys = answers.into_iter().filter(|(_, why)| !why.is_empty());
                let whys: Vec<String> =
                    whys.filter(|(one, _)| *one == verdict).map(|(_, why)| why).collect();
                (verdict, whys.join("; "), questions, None)
            }
        };
        Finding { condition, verdict, measured, why, questions, value }
    }
}

impl Question {
    /// What it comes to, and why it does not hold.
    fn answer(&self) -> (Verdict, String) {
        let Question { ratio, bound, corrected, of, .. } = self;
        let (within, beyond) = match self.wants_above {
            true => (ratio.above(*bound), ratio.below(*bound)),
            false => (ratio.below(*bound), ratio.above(*bound)),
        };
        let place = match self.at.as_str() {
            "" => String::new(),
            at => format!("at {at} the ratio is {}: ", format::ratio(ratio)),
        };
        let bound = words::number(*bound);
        let why = if within {
            return (Verdict::Holds, String::new());
        } else if ratio.launches < DECISIVE_MIN {
            let launches = ratio.launches;
            format!("too few launches: {launches}, and it takes {DECISIVE_MIN} to decide")
        } else if !beyond {
            format!("the interval contains {bound}")
        } else {
            let chance = words::chance(*corrected);
            let asked = match of {
                1 => String::new(),
                many => format!(", corrected for {many} questions"),
            };
            if *corrected < LEVEL {
                let why = format!("{place}beyond {bound} ({chance}{asked})");
                return (Verdict::Broken, why);
            }
            format!("beyond {bound}, but that may be chance ({chance}{asked})")
        };
        (Verdict::Undecided, place + &why)
    }
}
