//! What did each launch say, and the control beside it?
//!
//! Two plots with one axis of changes: on the left head over base, on the right the second copy of
//! the base over the first. In each, every paired turn is a faint dot, every launch's mid-mean a
//! marker in the order in which they ran, and the mean with its interval stands at the end.

use super::axis::Axis;
use super::canvas::{Anchor, Canvas};
use crate::gate::timing::Pair;
use crate::gate::{Judged, Launch, shown};
use crate::stats::{Estimate, centre};

/// Launches up to which each marker says its value to who rests on it.
const HINTED_MAX: usize = 60;
/// Room for a launch, in CSS pixels, below which its turns are drawn smaller than it.
const CROWDED: f64 = 6.0;

/// The axis that the strips of a cell share: it holds all of what decides, and most of the turns.
#[must_use]
pub fn axis(strips: &[(&Judged, &[Pair])]) -> Option<Axis> {
    let mut core = Vec::new();
    let mut more = Vec::new();
    for (judged, pairs) in strips {
        core.extend([judged.ratio.point, judged.control.point]);
        core.extend([judged.margin, 1.0 / judged.margin]);
        for launch in [|one: &Launch| one.head, |one: &Launch| one.control] {
            core.extend(usual(judged.launches.iter().map(launch).collect()));
        }
        more.extend([judged.floor, 1.0 / judged.floor]);
        let ends = [judged.ratio.interval, judged.control.interval];
        more.extend(ends.into_iter().flatten().flat_map(|(low, high)| [low, high]));
        more.extend(judged.launches.iter().flat_map(|one| [one.head, one.control]));
        for ratio in [|pair: &Pair| pair.head, |pair: &Pair| pair.control] {
            let turns: Vec<f64> = pairs.iter().filter_map(ratio).collect();
            more.extend([0.25, 0.75].into_iter().filter_map(|q| centre::percentile(&turns, q)));
        }
    }
    Axis::holding(core, more, 1.0)
}

/// The values without those that lie far out, for which no axis is stretched.
fn usual(mut values: Vec<f64>) -> Vec<f64> {
    let quartile = |q| centre::percentile(&values, q);
    if let Some((low, high)) = quartile(0.25).zip(quartile(0.75)) {
        let room = 3.0 * (high - low).max(1e-4);
        values.retain(|value| (low - room..=high + room).contains(value));
    }
    values
}

/// One set of launches.
pub struct Strip<'a> {
    /// Unique within a page.
    pub id: String,
    /// The cell, and which set of launches.
    pub title: String,
    /// What they say.
    pub judged: &'a Judged,
    /// Their turns.
    pub pairs: &'a [Pair],
    /// The axis of the cell.
    pub axis: Axis,
    /// Wide, or for phones.
    pub wide: bool,
}

/// Where the plots lie, in CSS pixels.
struct Frame {
    left: f64,
    middle: (f64, f64),
    right: f64,
    top: f64,
    bottom: f64,
    width: f64,
}

/// One of the two plots.
struct Plot<'a> {
    class: &'static str,
    span: (f64, f64),
    launch: fn(&Launch) -> f64,
    turn: fn(&Pair) -> Option<f64>,
    mean: &'a Estimate,
}

impl Strip<'_> {
    /// The drawing as an inline SVG element.
    #[must_use]
    pub fn svg(&self) -> String {
        let frame = match self.wide {
            true => Frame {
                left: 64.0,
                middle: (534.0, 558.0),
                right: 872.0,
                top: 36.0,
                bottom: 268.0,
                width: 1000.0,
            },
            false => Frame {
                left: 52.0,
                middle: (226.0, 236.0),
                right: 378.0,
                top: 62.0,
                bottom: 276.0,
                width: 380.0,
            },
        };
        let size = (frame.width, frame.bottom + 26.0);
        let mut canvas = Canvas::new(&self.id, size, &self.title, &self.description());
        self.bands(&mut canvas, &frame);
        let head = Plot {
            class: "head",
            span: (frame.left, frame.middle.0),
            launch: |launch| launch.head,
            turn: |pair| pair.head,
            mean: &self.judged.ratio,
        };
        let control = Plot {
            class: "control",
            span: (frame.middle.1, frame.right),
            launch: |launch| launch.control,
            turn: |pair| pair.control,
            mean: &self.judged.control,
        };
        self.plot(&mut canvas, &frame, &head, "head ÷ base");
        self.plot(&mut canvas, &frame, &control, "control ÷ base");
        if self.wide {
            self.names(&mut canvas, &frame);
        }
        canvas.finish()
    }

    fn y(&self, frame: &Frame, ratio: f64) -> f64 {
        frame.bottom - self.axis.within(ratio).0 * (frame.bottom - frame.top)
    }

    /// What both plots stand on: margin, floor, gridlines, no change.
    fn bands(&self, canvas: &mut Canvas, frame: &Frame) {
        let (floor, margin) = (self.judged.floor, self.judged.margin);
        let spans = [(frame.left, frame.middle.0), (frame.middle.1, frame.right)];
        let ticks = self.axis.ticks(26.0 / (frame.bottom - frame.top));
        for (left, right) in spans {
            let band =
                |ratio: f64| ((left, self.y(frame, ratio)), (right, self.y(frame, 1.0 / ratio)));
            canvas.rect("plot", (left, frame.top), (right, frame.bottom));
            for (class, ratio) in [("margin", margin), ("floor", floor)] {
                let (from, to) = band(ratio);
                canvas.rect(class, from, to);
            }
            for (ratio, _) in &ticks {
                let y = self.y(frame, *ratio);
                canvas.line("grid", (left, y), (right, y));
            }
            for edge in [margin, 1.0 / margin] {
                let y = self.y(frame, edge);
                canvas.line("edge", (left, y), (right, y));
            }
            let y = self.y(frame, 1.0);
            canvas.line("one", (left, y), (right, y));
        }
        for (ratio, label) in ticks {
            let at = (frame.left - 7.0, self.y(frame, ratio) + 4.0);
            canvas.text("tick", at, Anchor::End, &label);
        }
    }

    fn plot(&self, canvas: &mut Canvas, frame: &Frame, plot: &Plot, name: &str) {
        let (left, right) = plot.span;
        let mean_room = if self.wide { 44.0 } else { 26.0 };
        let launches = &self.judged.launches;
        let slot = (right - left - mean_room) / launches.len().max(1) as f64;
        let inside = |ratio: f64| self.axis.within(ratio).1;
        let turns = launches.iter().enumerate().flat_map(|(n, launch)| {
            let start = left + (n as f64 + 0.12) * slot;
            let mut of: Vec<&Pair> =
                self.pairs.iter().filter(|pair| pair.launch == launch.launch).collect();
            of.sort_by_key(|pair| pair.turn);
            let step = slot * 0.76 / of.len().max(1) as f64;
            let spots = of.into_iter().enumerate().filter_map(move |(at, pair)| {
                Some((start + (at as f64 + 0.5) * step, (plot.turn)(pair)?))
            });
            spots.collect::<Vec<_>>()
        });
        let (near, far): (Vec<_>, Vec<_>) = turns.partition(|(_, ratio)| inside(*ratio));
        let spot = |(x, ratio): (f64, f64)| (x, self.y(frame, ratio));
        let crowd = if slot < CROWDED { " crowd" } else { "" };
        canvas.dust(&format!("turns {}{crowd}", plot.class), near.into_iter().map(spot));
        canvas.dust("turns out", far.into_iter().map(spot));
        let r = (slot * 0.36).clamp(1.9, 4.6);
        for (n, launch) in launches.iter().enumerate() {
            let ratio = (plot.launch)(launch);
            let at = (left + (n as f64 + 0.5) * slot, self.y(frame, ratio));
            let hint = || {
                let (number, turns) = (launch.launch + 1, launch.turns);
                format!("launch {number}: {}, {turns} turns", shown::change(ratio))
            };
            let hint = (launches.len() <= HINTED_MAX).then(hint);
            let out = if inside(ratio) { "" } else { " out" };
            canvas.dot(&format!("launch {}{out}", plot.class), at, r, hint.as_deref());
        }
        self.mean(canvas, frame, plot.mean, right - mean_room / 2.0);
        self.title(canvas, frame, plot, name);
    }

    /// The mean over launches, and its interval as a bar.
    fn mean(&self, canvas: &mut Canvas, frame: &Frame, mean: &Estimate, x: f64) {
        if !mean.point.is_finite() {
            return;
        }
        if let Some((low, high)) = mean.interval {
            canvas.rect("bar", (x - 1.6, self.y(frame, high)), (x + 1.6, self.y(frame, low)));
            for end in [low, high].into_iter().filter(|end| self.axis.within(*end).1) {
                let y = self.y(frame, end);
                canvas.rect("bar", (x - 8.0, y - 0.8), (x + 8.0, y + 0.8));
            }
        }
        let y = self.y(frame, mean.point);
        canvas.polygon("mean", &[(x, y - 7.0), (x + 7.0, y), (x, y + 7.0), (x - 7.0, y)]);
    }

    fn title(&self, canvas: &mut Canvas, frame: &Frame, plot: &Plot, name: &str) {
        let (change, interval) = (shown::change(plot.mean.point), shown::interval(plot.mean));
        let left = plot.span.0;
        if self.wide {
            let words = format!("{name}: {change} ({interval})");
            canvas.text("name", (left, frame.top - 12.0), Anchor::Start, &words);
        } else {
            canvas.text("tick", (left, 14.0), Anchor::Start, name);
            canvas.text("name", (left, 32.0), Anchor::Start, &change);
            canvas.text("tick", (left, 50.0), Anchor::Start, &interval);
        }
        let below = (plot.span.0, frame.bottom + 18.0);
        let words = match self.judged.launches.len() {
            1 => "1 launch".to_owned(),
            count => format!("{count} launches, in order"),
        };
        let room = plot.span.1 - plot.span.0;
        let words = if room < 160.0 { format!("{}", self.judged.launches.len()) } else { words };
        canvas.text("tick", below, Anchor::Start, &words);
        canvas.text("tick", (plot.span.1, below.1), Anchor::End, "mean");
    }

    /// What the bands are, beside them, moved apart where they would overlap.
    fn names(&self, canvas: &mut Canvas, frame: &Frame) {
        let (floor, margin) = (self.judged.floor, self.judged.margin);
        let mut names = vec![
            (self.y(frame, margin), "edge-name", format!("margin {}", shown::size(margin))),
            (self.y(frame, floor), "floor-name", format!("floor {}", shown::size(floor))),
            (self.y(frame, 1.0), "name", "no change".to_owned()),
        ];
        names.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut lowest = f64::INFINITY;
        for (y, class, words) in names {
            let at = (y + 4.0).min(lowest - 16.0);
            lowest = at;
            canvas.line("grid", (frame.right, y), (frame.right + 8.0, at - 4.0));
            canvas.text(class, (frame.right + 12.0, at), Anchor::Start, &words);
        }
    }

    fn description(&self) -> String {
        let judged = self.judged;
        let mean = |of: &Estimate| format!("{} ({})", shown::change(of.point), shown::interval(of));
        format!(
            "{} launches, {} paired turns. Head over base: {}. Control over base: {}. Floor {}, \
             margin {}.",
            judged.launches.len(),
            self.pairs.len(),
            mean(&judged.ratio),
            mean(&judged.control),
            shown::size(judged.floor),
            shown::size(judged.margin)
        )
    }
}

/// How many ratios of turns lie beyond the axis, of how many.
#[must_use]
pub fn beyond(axis: &Axis, pairs: &[Pair]) -> (usize, usize) {
    let ratios = pairs.iter().flat_map(|pair| [pair.head, pair.control]).flatten();
    let all: Vec<f64> = ratios.collect();
    (all.iter().filter(|ratio| !axis.within(**ratio).1).count(), all.len())
}
