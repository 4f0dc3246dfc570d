//! Did the head get worse than the base, on one page?
//!
//! The verdict first, then every cell at a glance, then each cell with all that was measured of it:
//! what a reader would need to disagree.

mod axis;
mod canvas;
mod caveat;
mod forest;
mod proof;
mod rows;
mod setting;
mod strip;

pub use proof::proof;

use super::{command, moment, render};
use crate::format;
use crate::gate::record::{Measured, Phase};
use crate::gate::timing::{self, Pair};
use crate::gate::{CellReport, Judged, Report, Verdict, shown};
use crate::record::Status;
use askama::Template;
use rows::{AdvisoryRow, ExactRow, FactRow, FigureRow};
use setting::{Fact, SideShown};
use std::cmp::Reverse;

/// The page of a gate.
#[derive(Template)]
#[template(path = "gate.html")]
struct GatePage<'a> {
    title: String,
    run_id: &'a str,
    started: String,
    version: &'a str,
    command: String,
    question: String,
    eyebrow: String,
    verdict: Said,
    sentence: &'a str,
    /// Why times were not compared, where they were not.
    untimed: Option<String>,
    tally: Vec<(Said, String)>,
    forest: Vec<(&'static str, String)>,
    cells: Vec<CellShown<'a>>,
    sides: Vec<SideShown>,
    /// How many facts of two machines differ; nothing where there is one machine.
    differing: Option<usize>,
    facts: Vec<Fact>,
    rule: Vec<(&'static str, String)>,
    steps: Vec<String>,
    caveats: Vec<String>,
}

/// A verdict with its sign.
#[derive(Clone, Copy)]
struct Said {
    word: &'static str,
    sign: &'static str,
}

impl Said {
    fn of(verdict: Verdict) -> Said {
        Said { word: verdict.name(), sign: shown::sign(verdict) }
    }
}

/// A cell on the page.
struct CellShown<'a> {
    id: String,
    name: String,
    verdict: Said,
    /// Whether it is shown without asking.
    open: bool,
    scenario: &'a str,
    params: String,
    status: Option<&'static str>,
    reasons: &'a [String],
    sentences: &'a [String],
    untimed: Option<&'a str>,
    strips: Vec<StripShown>,
    /// Sets of launches, and all of them where there are two.
    sets: Vec<&'static str>,
    figures: Vec<FigureRow>,
    differ: Vec<ExactRow>,
    equal: Vec<ExactRow>,
    uncounted: Option<&'a str>,
    held: Vec<FactRow>,
    advisory: Vec<AdvisoryRow>,
}

/// The launches of a phase.
struct StripShown {
    title: &'static str,
    drawings: Vec<(&'static str, String)>,
    caption: String,
}

/// Cells up to which all of them are shown without asking; of more, those that did not pass.
const OPEN_MAX: usize = 4;

/// The page of a gate, as HTML.
#[must_use]
pub fn gate(report: &Report) -> String {
    let opening = &report.record.opening;
    let names = shown::names(report);
    let cells = report.cells.iter().zip(&names).enumerate();
    let cells: Vec<CellShown> =
        cells.map(|(n, (cell, name))| CellShown::new(report, cell, n, name.clone())).collect();
    let scenarios = report.cells.iter().any(|cell| cell.scenario != report.cells[0].scenario);
    let rows: Vec<forest::Row> = report
        .cells
        .iter()
        .zip(&names)
        .zip(&cells)
        .map(|((cell, name), shown)| {
            let group = if scenarios { cell.scenario } else { "" };
            let own = name.strip_prefix(group).map(|rest| rest.trim_start_matches(" · "));
            let name = own.filter(|own| !own.is_empty()).unwrap_or(name);
            forest::Row { name, group, target: shown.id.clone(), cell }
        })
        .collect();
    let several = rows.len() > 1;
    let forest = [("wide", true), ("narrow", false)].into_iter().filter(|_| several);
    let forest: Vec<_> =
        forest.filter_map(|(class, wide)| Some((class, forest::svg(&rows, wide)?))).collect();
    let (base, head) = (setting::name(&opening.base), setting::name(&opening.head));
    let untimed =
        opening.timing.strip_prefix("no").map(|why| why.trim_start_matches(':').trim().to_owned());
    let (differing, facts) = setting::facts(opening);
    render(&GatePage {
        title: format!("zclab gate: {}", report.verdict.name()),
        run_id: &opening.run_id,
        started: moment(&opening.started_at),
        version: &opening.version,
        command: command(&opening.argv),
        question: format!("Is {head} worse than {base}?"),
        eyebrow: setting::eyebrow(opening, report.cells.len()),
        verdict: Said::of(report.verdict),
        sentence: &report.sentence,
        untimed,
        tally: tally(report),
        forest,
        cells,
        sides: setting::sides(opening),
        differing,
        facts,
        rule: setting::rule(opening),
        steps: setting::steps(report),
        caveats: caveat::caveats(report),
    })
}

/// How many cells came to each verdict, the worst first.
fn tally(report: &Report) -> Vec<(Said, String)> {
    let count = |of: Verdict| report.cells.iter().filter(|cell| cell.verdict == of).count();
    let found = Verdict::ALL.into_iter().rev().map(|verdict| (verdict, count(verdict)));
    let found: Vec<_> = found.filter(|(_, count)| *count > 0 && report.cells.len() > 1).collect();
    found.into_iter().map(|(of, count)| (Said::of(of), format!("{count}"))).collect()
}

impl<'a> CellShown<'a> {
    fn new(report: &'a Report, cell: &'a CellReport, n: usize, name: String) -> CellShown<'a> {
        let id = format!("cell-{}", n + 1);
        let measured = report.record.cells.iter().find(|measured| measured.id == cell.cell);
        let (mut phases, mut sets) = (Vec::new(), Vec::new());
        if let Ok(timing) = &cell.timing {
            let all = timing.second.is_some().then_some(("All launches", &timing.all));
            sets.extend(all);
            phases.push((Phase::First, "First launches", &timing.first));
            let second = timing.second.as_ref();
            phases.extend(second.map(|second| (Phase::Second, "Second launches", second)));
        }
        sets.extend(phases.iter().map(|(_, title, of)| (*title, *of)));
        let open = report.cells.len() <= OPEN_MAX
            || ![Verdict::Pass, Verdict::Improvement].contains(&cell.verdict);
        let (equal, mut differ): (Vec<_>, Vec<_>) =
            cell.exact.iter().partition(|exact| shown::is_equal(exact));
        differ.sort_by_key(|exact| (exact.verdict == Verdict::Pass, Reverse(exact.verdict)));
        CellShown {
            verdict: Said::of(cell.verdict),
            open,
            scenario: cell.scenario,
            params: shown::parameters(cell.params),
            status: (cell.status != Status::Ok).then(|| cell.status.name()),
            reasons: cell.reasons,
            sentences: &cell.sentences,
            untimed: cell.timing.as_ref().err().map(String::as_str),
            strips: strips(&id, &name, measured, &phases),
            sets: sets.iter().map(|(title, _)| *title).collect(),
            figures: rows::figures(&sets.iter().map(|(_, of)| *of).collect::<Vec<_>>()),
            differ: differ.into_iter().map(ExactRow::of).collect(),
            equal: equal.into_iter().map(ExactRow::of).collect(),
            held: cell.facts.iter().map(FactRow::of).collect(),
            uncounted: cell.exact_missing.as_deref(),
            advisory: cell.advisory.iter().map(AdvisoryRow::of).collect(),
            id,
            name,
        }
    }
}

/// The drawings of a cell, all on one axis.
fn strips(
    id: &str,
    name: &str,
    measured: Option<&Measured>,
    phases: &[(Phase, &'static str, &Judged)],
) -> Vec<StripShown> {
    let pairs = |phase: &Phase| measured.map(|of| timing::pairs(of, *phase)).unwrap_or_default();
    let pairs: Vec<Vec<Pair>> = phases.iter().map(|(phase, ..)| pairs(phase)).collect();
    let all: Vec<(&Judged, &[Pair])> =
        phases.iter().zip(&pairs).map(|((.., of), pairs)| (*of, pairs.as_slice())).collect();
    let Some(axis) = strip::axis(&all) else { return Vec::new() };
    let drawn = phases.iter().zip(all).enumerate().map(|(n, ((_, title, _), (judged, pairs)))| {
        let draw = |class: &'static str, wide: bool| {
            let id = format!("{id}-{}-{class}", n + 1);
            let title = format!("{name}: {}", title.to_lowercase());
            (class, strip::Strip { id, title, judged, pairs, axis, wide }.svg())
        };
        StripShown {
            title,
            drawings: vec![draw("wide", true), draw("narrow", false)],
            caption: caption(&axis, pairs),
        }
    });
    drawn.collect()
}

/// What the dots of a drawing are.
fn caption(axis: &axis::Axis, pairs: &[Pair]) -> String {
    let (out, all) = strip::beyond(axis, pairs);
    let turns = match all {
        0 => "The record has no paired turns to show behind them.".to_owned(),
        _ => "The faint dots behind it are its paired turns.".to_owned(),
    };
    let edge = match out {
        0 => String::new(),
        _ => format!(
            " {} of {} paired ratios lie beyond the axis and are drawn at its edges.",
            format::tick(out as f64),
            format::tick(all as f64)
        ),
    };
    format!("A marker is the mid-mean of one launch. {turns}{edge}")
}
