//! Does the head need more sender CPU for each byte than the base does?
//!
//! Within a turn the arms follow each other, so that what disturbs one disturbs its neighbours; the
//! logarithm of their ratio cancels it. The head is set against the base and against the control, which
//! are the same program, so that two looks at the base tell its cost; the control against the base. A
//! launch is the mid-mean of its turns, the head's the mean of two; what is said is the mean over
//! launches, and the launch is what varies ([`crate::stats::interval`]). The control is treated as the
//! head is: what it differs from the base by is what this machine makes of nothing.
//!
//! It is a **regression** only where the lower end of the 95 % interval lies beyond the margin and
//! beyond the floor, and the permutation test, corrected for the number of cells, is significant. An
//! **improvement** is the same the other way round. It is a **pass** where the upper end of the interval
//! lies within the margin: more than that is excluded. Everything else is **inconclusive**. Where the
//! control itself lies beyond the margin, significantly, the measurement is **invalid** and nothing is
//! said of the head.
//!
//! Where the rule says so, first launches that found a regression or decided nothing are followed by as
//! many in fresh processes, once. Then all launches together decide, and a regression or an improvement
//! has to show in each of the two sets by itself: beyond the margin in the middle, and significant. What
//! one set alone has is an accident of it.

use super::record::{Arm, Measured, Phase, Record, Rule, Sample};
use super::{Judged, Launch, Timing, Verdict};
use crate::record::reading;
use crate::stats::interval::over_launches;
use crate::stats::paired::{self, Placed};
use crate::stats::power::Hurdles;
use crate::stats::{DECISIVE_MIN, Estimate, centre, permutation};
use std::collections::BTreeMap;

/// One turn: the ratios of its slices' sender CPU per KiB.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pair {
    /// Which launch.
    pub launch: u32,
    /// Which turn of it.
    pub turn: u32,
    /// Head over the base, of which the control is a second look.
    pub head: Option<f64>,
    /// Control over base.
    pub control: Option<f64>,
}

/// The paired samples of one phase, by launch and turn.
#[must_use]
pub fn pairs(measured: &Measured, phase: Phase) -> Vec<Pair> {
    let logs = Logs::of(measured, Set::Of(phase));
    let mut turns: BTreeMap<Place, Pair> = BTreeMap::new();
    let mut at = |(launch, turn): Place, set: &dyn Fn(&mut Pair)| {
        let new = Pair { launch, turn, head: None, control: None };
        set(turns.entry((launch, turn)).or_insert(new));
    };
    for (&place, log) in &logs.head_to_base {
        let second = logs.head_to_control.get(&place).unwrap_or(log);
        at(place, &|pair| pair.head = Some(((log + second) / 2.0).exp()));
    }
    for (&place, log) in &logs.control_to_base {
        at(place, &|pair| pair.control = Some(log.exp()));
    }
    turns.into_values().collect()
}

/// Cells whose first launches found a regression or decided nothing, though the rule has them launched
/// again. The measuring part makes these launches, in fresh processes.
#[must_use]
pub fn needs_second(record: &Record) -> Vec<&str> {
    judge(record)
        .into_iter()
        .zip(&record.cells)
        .filter(|(timing, _)| {
            let Ok(timing) = timing else { return false };
            let open = [Verdict::Regression, Verdict::Inconclusive].contains(&timing.first.verdict);
            record.opening.rule.confirm && open && timing.second.is_none()
        })
        .map(|(_, measured)| measured.id.as_str())
        .collect()
}

/// What is said of each cell's times, in the record's order; an error says why there is nothing.
#[must_use]
pub fn judge(record: &Record) -> Vec<Result<Timing, String>> {
    let rule = &record.opening.rule;
    if record.opening.timing != "yes" {
        let reason = record.opening.timing.trim_start_matches("no: ").to_owned();
        return record.cells.iter().map(|_| Err(reason.clone())).collect();
    }
    let first = judge_set(record, Set::Of(Phase::First));
    let second = judge_set(record, Set::Of(Phase::Second));
    let all = match second.iter().any(Result::is_ok) {
        true => judge_set(record, Set::All),
        false => first.clone(),
    };
    first
        .into_iter()
        .zip(second)
        .zip(all)
        .map(|((first, second), all)| {
            let (first, second) = (first?, second.ok());
            let all = if second.is_some() { all? } else { first.clone() };
            let verdict = come_to(&first, second.as_ref(), &all, rule);
            Ok(Timing { first, second, all, verdict })
        })
        .collect()
}

/// What the sets of launches come to.
fn come_to(first: &Judged, second: Option<&Judged>, all: &Judged, rule: &Rule) -> Verdict {
    let change = [Verdict::Regression, Verdict::Improvement].contains(&all.verdict);
    match second {
        None if rule.confirm && all.verdict == Verdict::Regression => Verdict::Inconclusive,
        Some(second)
            if change && ![first, second].iter().all(|set| shows(set, all.verdict, rule)) =>
        {
            Verdict::Inconclusive
        }
        _ => all.verdict,
    }
}

/// Whether one set of launches shows by itself what all of them say.
fn shows(set: &Judged, change: Verdict, rule: &Rule) -> bool {
    let beyond = match change {
        Verdict::Regression => set.ratio.point > set.margin,
        _ => set.ratio.point < 1.0 / set.margin,
    };
    beyond && set.p < rule.alpha
}

/// One set of launches, or all, of every cell: they share the correction for their number.
fn judge_set(record: &Record, set: Set) -> Vec<Result<Judged, String>> {
    let drafts: Vec<Result<Draft, String>> =
        record.cells.iter().map(|measured| Draft::new(measured, set)).collect();
    let of = |p: fn(&Draft) -> f64| -> Vec<f64> { drafts.iter().flatten().map(p).collect() };
    let mut heads = permutation::holm(&of(|draft| draft.p)).into_iter();
    let mut controls = permutation::holm(&of(|draft| draft.p_control)).into_iter();
    let cells = heads.len();
    drafts
        .into_iter()
        .map(|draft| {
            let draft = draft?;
            let (p_holm, p_control) = (heads.next(), controls.next());
            let corrected = (p_holm.unwrap_or(1.0), p_control.unwrap_or(1.0));
            Ok(draft.judge(&record.opening.rule, corrected, cells, set))
        })
        .collect()
}

/// What one cell's launches say, before the number of cells is known.
struct Draft {
    launches: Vec<Launch>,
    ratio: Estimate,
    control: Estimate,
    /// Standard deviation of the launches' log-ratios.
    spread: f64,
    p: f64,
    p_control: f64,
    values: (Option<f64>, Option<f64>),
}

impl Draft {
    fn new(measured: &Measured, set: Set) -> Result<Draft, String> {
        if let Some(why) = measured.cell.as_ref().and_then(|cell| cell.untimed.clone()) {
            return Err(why);
        }
        let launches = launches(measured, set)?;
        let logs = |of: fn(&Launch) -> f64| -> Vec<f64> {
            launches.iter().map(|launch| of(launch).ln()).collect()
        };
        let (head, control) = (logs(|launch| launch.head), logs(|launch| launch.control));
        let estimate = |logs: &[f64]| over_launches(logs).ok_or("no ratio is a number");
        let (ratio, of_control) = (estimate(&head)?, estimate(&control)?);
        let typical = |arm| paired::typical(&placed(measured, set, arm)).map(|one| one.point);
        Ok(Draft {
            ratio: finite(ratio.map(f64::exp)),
            control: finite(of_control.map(f64::exp)),
            spread: spread(&head, ratio.point),
            p: permutation::sign_flip(&head),
            p_control: permutation::sign_flip(&control),
            values: (typical(Arm::Base), typical(Arm::Head)),
            launches,
        })
    }

    fn judge(self, rule: &Rule, (p_holm, p_control): (f64, f64), cells: usize, set: Set) -> Judged {
        let Draft { launches, ratio, control, spread, p, values, .. } = self;
        let (low, high) = control.interval.unwrap_or((control.point, control.point));
        let floor = high.max(1.0 / low).max(1.0);
        let margin = 1.0 + rule.margin.max(0.0);
        // What the control shows for sure is a bias of this machine's, which more launches keep.
        let lasting = if control.differs_from(1.0) { control.point.ln().abs() } else { 0.0 };
        let hurdles = Hurdles {
            spread,
            launches: launches.len(),
            margin: margin.ln(),
            floor_lasting: lasting,
            floor_shrinking: floor.ln() - lasting,
            alpha: rule.alpha,
            cells,
            twice: rule.confirm,
        };
        // Of one set where two may be made: both are within a gate's reach.
        let reach = if rule.confirm && set != Set::All { 2 } else { 1 };
        let smallest = hurdles.smallest_seen(reach * launches.len());
        let significant = p_holm < rule.alpha;
        let verdict = if beyond(&control, margin) && p_control < rule.alpha {
            Verdict::Invalid
        } else if ratio.above(margin) && ratio.above(floor) && significant {
            Verdict::Regression
        } else if ratio.below(1.0 / margin) && ratio.below(1.0 / floor) && significant {
            Verdict::Improvement
        } else if excludes_more_than(&ratio, margin) {
            Verdict::Pass
        } else {
            Verdict::Inconclusive
        };
        Judged {
            smallest_seen: smallest.map(f64::exp).filter(|ratio| ratio.is_finite()),
            launches_wanted: hurdles.launches_wanted((margin + 0.01).ln()),
            ratio,
            control,
            launches,
            p,
            p_holm,
            floor,
            margin,
            values,
            verdict,
        }
    }
}

/// The estimate without an interval that no number can hold, as two launches of absurd values have.
pub(super) fn finite(estimate: Estimate) -> Estimate {
    let held = |(low, high): &(f64, f64)| low.is_normal() && high.is_normal();
    Estimate { interval: estimate.interval.filter(held), ..estimate }
}

/// Whether the interval lies beyond the margin on either side.
fn beyond(estimate: &Estimate, margin: f64) -> bool {
    estimate.above(margin) || estimate.below(1.0 / margin)
}

/// Whether more than the margin is excluded.
fn excludes_more_than(ratio: &Estimate, margin: f64) -> bool {
    ratio.launches >= DECISIVE_MIN && ratio.interval.is_some_and(|(_, high)| high <= margin)
}

/// The launches that have pairs of both kinds, with their mid-means.
fn launches(measured: &Measured, set: Set) -> Result<Vec<Launch>, String> {
    if !measured.samples.iter().any(|sample| set.launch(sample).is_some()) {
        return Err("no timing sample was recorded".into());
    }
    let logs = Logs::of(measured, set);
    if logs.head_to_base.is_empty() {
        return Err("no turn has sender CPU of both base and head".into());
    }
    let turns = by_launch(&logs.head_to_base);
    let (second, control) = (by_launch(&logs.head_to_control), by_launch(&logs.control_to_base));
    let found: Vec<Launch> = turns
        .into_iter()
        .filter_map(|(launch, turns)| {
            // The mid-means are taken apart: a ratio to both at once is skewed, and its mid-mean is
            // lower than nothing by some tenths of a per cent.
            let centre = |of: &BTreeMap<u32, Vec<f64>>| centre::mid_mean(of.get(&launch)?);
            let head = (centre::mid_mean(&turns)? + centre(&second)?) / 2.0;
            let (head, control) = (head.exp(), centre(&control)?.exp());
            let sane = head.is_normal() && control.is_normal();
            sane.then_some(Launch { launch, head, control, turns: turns.len() })
        })
        .collect();
    if found.is_empty() { Err("no launch has an A/A control".into()) } else { Ok(found) }
}

/// Which launches are looked at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Set {
    /// Those of a phase.
    Of(Phase),
    /// All of them.
    All,
}

impl Set {
    /// The number of this sample's launch, if it belongs to the set.
    fn launch(self, sample: &Sample) -> Option<u32> {
        match self {
            Set::Of(phase) => (sample.phase == phase).then_some(sample.launch),
            Set::All => Some(sample.phase.among_all(sample.launch)),
        }
    }
}

/// Launch and turn.
type Place = (u32, u32);

/// Log-ratios of sender CPU per KiB.
struct Logs {
    head_to_base: BTreeMap<Place, f64>,
    head_to_control: BTreeMap<Place, f64>,
    control_to_base: BTreeMap<Place, f64>,
}

impl Logs {
    fn of(measured: &Measured, set: Set) -> Logs {
        let [base, head, control] =
            [Arm::Base, Arm::Head, Arm::Control].map(|arm| placed(measured, set, arm));
        Logs {
            head_to_base: paired::log_ratios(&head, &base),
            head_to_control: paired::log_ratios(&head, &control),
            control_to_base: paired::log_ratios(&control, &base),
        }
    }
}

fn by_launch(logs: &BTreeMap<Place, f64>) -> BTreeMap<u32, Vec<f64>> {
    let mut launches: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
    for (&(launch, _), log) in logs {
        launches.entry(launch).or_default().push(*log);
    }
    launches
}

/// Sender CPU per KiB of one arm's slices.
fn placed(measured: &Measured, set: Set, arm: Arm) -> Vec<Placed> {
    select(measured, set, arm, |sample| per_kib(sample, reading::SENDER_CPU_NS))
}

/// A value of each of one arm's slices, of those that have it.
pub(super) fn select(
    measured: &Measured,
    set: Set,
    arm: Arm,
    value: impl Fn(&Sample) -> Option<f64>,
) -> Vec<Placed> {
    let samples = measured.samples.iter();
    samples
        .filter(|sample| sample.arm == arm)
        .filter_map(|sample| {
            let (launch, turn) = (set.launch(sample)?, sample.turn);
            Some(Placed { launch, turn, value: value(sample)? })
        })
        .collect()
}

/// A reading for each KiB of payload.
pub(super) fn per_kib(sample: &Sample, name: &str) -> Option<f64> {
    let value = *sample.readings.get(name)?;
    (sample.bytes > 0).then(|| value as f64 / (sample.bytes as f64 / 1024.0))
}

/// Standard deviation, with one degree of freedom spent on the mean.
fn spread(values: &[f64], mean: f64) -> f64 {
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (squares / (values.len() as f64 - 1.0)).sqrt()
}
