//! How often was the gate right, on one page?
//!
//! The rates first, then every gate as a dot at the effect that it measured, so that a reader sees how
//! far apart nothing and something lie; then the figures, and how all of it is made again.

use super::axis::Axis;
use super::canvas::{Anchor, Canvas};
use super::setting;
use super::{Fact, moment, render};
use crate::format::{self, NONE};
use crate::gate::power::{Gate, Planted, Proof, Proven, Summary, summaries};
use crate::gate::{Verdict, shown};
use askama::Template;
use std::collections::BTreeMap;

/// The page of a proof.
#[derive(Template)]
#[template(path = "proof.html")]
struct ProofPage<'a> {
    run_id: &'a str,
    started: String,
    revision: &'a str,
    version: &'a str,
    eyebrow: String,
    headline: String,
    sentences: Vec<(String, String)>,
    drawings: Vec<(&'static str, String)>,
    rows: Vec<Row>,
    said: Vec<(String, String)>,
    base_ns_per_kib: String,
    margin: String,
    changed: usize,
    gates: usize,
    /// What was moved, how.
    cell: Option<String>,
    facts: Vec<Fact>,
    remark: Option<&'a str>,
}

/// An experiment in the table.
struct Row {
    title: String,
    gates: u64,
    counts: Vec<String>,
    /// Head and control over base, how exactly, and what would have been seen; where times were compared.
    measured: Option<(String, String, String, String)>,
    longest: String,
}

/// The verdicts, as columns of the table.
const COLUMNS: [Verdict; 5] = [
    Verdict::Regression,
    Verdict::Inconclusive,
    Verdict::Pass,
    Verdict::Improvement,
    Verdict::Invalid,
];

/// The page of a proof, as HTML.
#[must_use]
pub fn proof(proven: &Proven) -> String {
    let Proven { proof, trials, remark } = proven;
    let all = summaries(proof, trials);
    let gates = || all.iter().flat_map(|one| &one.gates);
    let draw = |class: &'static str, wide| Some((class, svg(&all, proof, wide)?));
    let head = &proof.opening.head;
    render(&ProofPage {
        run_id: &proof.opening.run_id,
        started: moment(&proof.opening.started_at),
        revision: if head.revision.is_empty() { NONE } else { &head.revision },
        version: &proof.opening.version,
        eyebrow: format!("{} whole gates, one after the other", format::tick(trials.len() as f64)),
        headline: headline(&all),
        sentences: all.iter().map(|one| (sentence_case(&one.title()), one.sentence())).collect(),
        drawings: [("wide", true), ("narrow", false)]
            .into_iter()
            .filter_map(|(class, wide)| draw(class, wide))
            .collect(),
        rows: all.iter().map(Row::of).collect(),
        said: all.iter().filter_map(said).collect(),
        base_ns_per_kib: format::number(proof.base_ns_per_kib),
        margin: shown::size(1.0 + proof.opening.rule.margin),
        changed: gates().filter(|gate| gate.changed).count(),
        gates: gates().count(),
        cell: trials.iter().flat_map(|trial| &trial.cells).next().map(|packed| {
            let cell = &packed.cell;
            format!("{} {}, {}", cell.scenario, cell.label, shown::parameters(&cell.params))
        }),
        facts: setting::facts(&proof.opening).1,
        remark: remark.as_deref(),
    })
}

/// All experiments in one sentence.
fn headline(all: &[Summary]) -> String {
    let (nothing, something): (Vec<_>, Vec<_>) =
        all.iter().partition(|one| one.planted == Planted::Nothing);
    let sum = |of: &[&Summary], count: fn(&Summary) -> u64| of.iter().map(|one| count(one)).sum();
    let (quiet, faulty): (u64, u64) =
        (sum(&nothing, Summary::trials), sum(&something, Summary::trials));
    let called = |one: &Summary| one.count(Verdict::Regression);
    let (alarms, found): (u64, u64) = (sum(&nothing, called), sum(&something, called));
    let alarms = match alarms {
        0 => "No false alarm".to_owned(),
        1 => "1 false alarm".to_owned(),
        alarms => format!("{alarms} false alarms"),
    };
    format!(
        "{alarms} in {quiet} gates of a program against itself; of {faulty} gates with something \
         planted, {found} found it."
    )
}

/// What the gates said that found what was planted: the first of them, as an example.
fn said(one: &Summary) -> Option<(String, String)> {
    let found = one.gates.iter().find(|gate| gate.verdict == Verdict::Regression)?;
    Some((sentence_case(&one.title()), found.words.clone()?))
}

fn sentence_case(words: &str) -> String {
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().collect::<String>() + letters.as_str()
    })
}

impl Row {
    fn of(one: &Summary) -> Row {
        let percent = |share: f64| format!("{:.2} %", share * 100.0);
        let pair =
            |(mean, sd): (f64, f64)| format!("{} ({:.2})", shown::change(1.0 + mean), sd * 100.0);
        Row {
            title: sentence_case(&one.title()),
            gates: one.trials(),
            counts: COLUMNS.map(|verdict| one.count(verdict).to_string()).to_vec(),
            measured: one.effect().map(|effect| {
                let known = one.exactness().map_or(NONE.to_owned(), |(typical, worst)| {
                    format!("± {} ({:.2})", percent(typical), worst * 100.0)
                });
                let seen = one.smallest_seen().map_or(NONE.to_owned(), percent);
                (pair(effect), one.control().map_or(NONE.to_owned(), pair), known, seen)
            }),
            longest: format!("{:.0} s", one.took_ns_max() as f64 / 1e9),
        }
    }
}

/// Where things lie, in CSS pixels.
struct Frame {
    width: f64,
    left: f64,
    right: f64,
    /// How far apart dots of a heap are.
    step: f64,
    wide: bool,
}

/// Room above a heap: the experiment's name.
const NAME: f64 = 30.0;
/// The least room for a heap, which its words need.
const HEAP_MIN: f64 = 30.0;
const TOP: f64 = 26.0;
const FOOT: f64 = 26.0;

/// Every gate as a dot at its effect, those of one experiment in a heap. `None` where no gate compared
/// times.
fn svg(all: &[Summary], proof: &Proof, wide: bool) -> Option<String> {
    let frame = match wide {
        true => Frame { width: 1000.0, left: 30.0, right: 970.0, step: 5.0, wide },
        false => Frame { width: 380.0, left: 14.0, right: 366.0, step: 4.0, wide },
    };
    let timed: Vec<&Summary> = all.iter().filter(|one| one.effect().is_some()).collect();
    let points = timed.iter().flat_map(|one| &one.gates);
    let points = points.filter_map(|gate| Some(gate.judged.as_ref()?.ratio.point));
    let margin = 1.0 + proof.opening.rule.margin.max(0.0);
    let axis = Axis::holding(points.chain([margin, 1.0 / margin]), [], 0.0)?;
    let x = |ratio: f64| frame.left + axis.within(ratio).0 * (frame.right - frame.left);
    let heaps: Vec<Heap> = timed.into_iter().map(|one| Heap::of(one, x, frame.step)).collect();
    let height = TOP + heaps.iter().map(|heap| NAME + heap.height).sum::<f64>();
    let (id, title) =
        (if wide { "heaps-wide" } else { "heaps-narrow" }, "The effect that each gate measured");
    let described: Vec<String> =
        heaps.iter().map(|heap| format!("{}: {}", heap.of.title(), heap.of.sentence())).collect();
    let mut canvas = Canvas::new(id, (frame.width, height + FOOT), title, &described.join(" "));
    canvas.rect("margin", (x(1.0 / margin), TOP), (x(margin), height));
    for (ratio, label) in axis.ticks(46.0 / (frame.right - frame.left)) {
        let class = if label == "0" { "one" } else { "grid" };
        canvas.line(class, (x(ratio), TOP), (x(ratio), height));
        let words = if label == "0" { "no change" } else { label.as_str() };
        canvas.text("tick", (x(ratio), height + 17.0), Anchor::Middle, words);
    }
    canvas.line("edge", (x(margin), TOP), (x(margin), height));
    canvas.line("edge", (x(1.0 / margin), TOP), (x(1.0 / margin), height));
    canvas.text("edge-name", (x(margin), TOP - 8.0), Anchor::Middle, "margin");
    let mut top = TOP;
    for heap in &heaps {
        heap.draw(&mut canvas, &frame, x, top);
        top += NAME + heap.height;
    }
    Some(canvas.finish())
}

/// The gates of one experiment, heaped up.
struct Heap<'a> {
    of: &'a Summary,
    /// Each gate with its place: a column of the page, and how many lie below it.
    dots: Vec<(&'a Gate, f64, usize)>,
    height: f64,
}

impl<'a> Heap<'a> {
    fn of(one: &'a Summary, x: impl Fn(f64) -> f64, step: f64) -> Heap<'a> {
        let mut below: BTreeMap<i64, usize> = BTreeMap::new();
        let dots = one.gates.iter().filter_map(|gate| {
            let column = (x(gate.judged.as_ref()?.ratio.point) / step).round() as i64;
            let count = below.entry(column).or_insert(0);
            *count += 1;
            Some((gate, column as f64 * step, *count - 1))
        });
        let dots: Vec<_> = dots.collect();
        let most = dots.iter().map(|(.., below)| below + 1).max().unwrap_or(0);
        Heap { of: one, dots, height: (most as f64 * step + step).max(HEAP_MIN) }
    }

    fn draw(&self, canvas: &mut Canvas, frame: &Frame, x: impl Fn(f64) -> f64, top: f64) {
        let bottom = top + NAME + self.height;
        let name = sentence_case(&self.of.title());
        let (called, all) = (self.of.count(Verdict::Regression), self.of.trials());
        let words = match self.of.planted {
            Planted::Nothing => format!("{called} of {all} raised an alarm"),
            _ => format!("{called} of {all} found it"),
        };
        // Words stand on the side where the heap is not.
        let left = self.dots.iter().filter(|(_, at, _)| *at < frame.width / 2.0).count();
        let (at, anchor) = match 2 * left > self.dots.len() {
            true => (frame.right, Anchor::End),
            false => (frame.left, Anchor::Start),
        };
        // A narrow page has room for them above the heap only.
        let line = if frame.wide { bottom - 22.0 } else { top + 12.0 };
        canvas.text("name", (at, line), anchor, &name);
        canvas.text("tick", (at, line + 15.0), anchor, &words);
        if let Planted::Cpu(share) = self.of.planted {
            let (at, from) =
                (x(1.0 + share), if frame.wide { top + NAME / 2.0 } else { top + NAME });
            canvas.line("planted", (at, from), (at, bottom));
            let words = format!("planted: {}", shown::size(1.0 + share));
            if frame.wide {
                canvas.text("tick", (at, from - 4.0), Anchor::Middle, &words);
            }
        }
        for (gate, at, below) in &self.dots {
            let y = bottom - (*below as f64 + 0.5) * frame.step - 1.0;
            let class = class(&self.of.planted, gate.verdict);
            // What is wrong is told by its size, too.
            let r = frame.step * if class == "wrong" { 0.8 } else { 0.43 };
            canvas.dot(&format!("heap {class}"), (*at, y), r, Some(&hint(gate)));
        }
        canvas.line("grid", (0.0, bottom), (frame.width, bottom));
    }
}

/// Whether a gate was right, wrong, or left it open.
fn class(planted: &Planted, verdict: Verdict) -> &'static str {
    let right = match planted {
        Planted::Nothing => Verdict::Pass,
        _ => Verdict::Regression,
    };
    match verdict {
        verdict if verdict == right => "right",
        Verdict::Inconclusive | Verdict::Invalid => "open",
        _ => "wrong",
    }
}

fn hint(gate: &Gate) -> String {
    let ratio = gate.judged.as_ref().map(|judged| &judged.ratio);
    let effect = ratio.map_or(NONE.to_owned(), |ratio| {
        format!("{} ({})", shown::change(ratio.point), shown::interval(ratio))
    });
    format!("{effect}: {}; load average {}", gate.verdict.name(), format::tick(gate.load))
}
