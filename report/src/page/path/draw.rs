//! How is a way drawn?
//!
//! Stations are columns, contenders rows, hops arrows: CPU copies, page references and device
//! transfers each in a colour and with a word of their own. The claim is a faint band, what was
//! observed an arrow over it; a hop that nobody claimed has an outline, one that nobody observed is
//! dashed.

use super::super::escape;
use super::super::look::Looks;
use super::words::{all_conditions, copies, description, who};
use super::{Seen, Way, claimed, name};
use crate::record::{Agreement, Hop};
use crate::study::Side;
use std::fmt::Write;

/// Places in the order in which a payload byte meets them, with the words on the page.
pub(super) const STATIONS: [(&str, &str); 11] = [
    ("disk", "disk"),
    ("page-cache", "page cache"),
    ("user-buffer", "user buffer"),
    ("pipe", "pipe"),
    ("kernel-pages", "kernel pages"),
    ("socket-buffer", "socket buffer"),
    ("wire", "wire"),
    ("sink-pipe", "sink's pipe"),
    ("receiver", "receiver"),
    ("sink-page-cache", "sink's page cache"),
    ("nowhere", "nowhere"),
];

/// Height of a row, of a second arrow between the same stations, and what stands left of (with the place
/// of the number of copies in it), above and right of the columns, in CSS pixels.
const ROW: f64 = 88.0;
const SECOND: f64 = 54.0;
/// How far a hop that ends where it began hangs down, and half its width.
const LOOP: f64 = 46.0;
const LOOP_SIDE: f64 = 46.0;
const LEFT: f64 = 316.0;
const COPIES: f64 = 168.0;
const HEAD: f64 = 42.0;
const RIGHT: f64 = 10.0;
/// Width of the whole on a wide screen, and the least width of a column.
const WIDTH: f64 = 1028.0;
const COLUMN_MIN: f64 = 96.0;
/// Thickness of an arrow for each observed byte per payload byte, and its bounds.
const THICK: f64 = 9.0;
const THIN: f64 = 1.5;
const FAT: f64 = 17.0;
/// By how much the faint claim is wider than the arrow, and the length of an arrow's head.
const BAND: f64 = 8.0;
const TIP: f64 = 11.0;

/// A place's column.
struct Station {
    name: &'static str,
    words: &'static str,
    x: f64,
}

/// Where one arrow goes.
struct Line {
    x1: f64,
    x2: f64,
    y: f64,
    /// Height of the bow over stations that are passed; 0 for neighbours; below 0 for a hop that ends
    /// where it began, which hangs below its station.
    lift: f64,
}

/// The drawing; empty where no way is known.
#[must_use]
pub fn svg(ways: &[Way], looks: &Looks, side: Side) -> String {
    let stations = stations(ways);
    let Some(last) = stations.last() else { return String::new() };
    let column = if stations.len() > 1 { stations[1].x - stations[0].x } else { COLUMN_MIN };
    let width = (last.x + column / 2.0 + RIGHT).round();
    let heights: Vec<f64> = ways
        .iter()
        .map(|way| {
            let lanes = lanes(way).into_iter().max().unwrap_or(0) as f64;
            let room =
                if way.ledger.hops.iter().any(|hop| hop.from == hop.to) { LOOP } else { 0.0 };
            ROW + room.max(SECOND * lanes)
        })
        .collect();
    let height = HEAD + heights.iter().sum::<f64>() + 6.0;
    let mut out = format!(
        "<svg class=\"paths\" role=\"img\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
         height=\"{height}\" aria-labelledby=\"paths-t paths-d\"><title id=\"paths-t\">Path of each \
         contender, observed over claimed</title><desc id=\"paths-d\">{}</desc>{}",
        escape(&description(ways)),
        tips()
    );
    for (n, Station { words, x, .. }) in stations.iter().enumerate() {
        // A long name stands in two lines.
        let parts: Vec<&str> = match words.split_once(' ') {
            Some((one, two)) if words.len() > 13 => vec![one, two],
            _ => vec![words],
        };
        for (line, part) in parts.iter().rev().enumerate() {
            let y = 26.0 - 15.0 * line as f64;
            let _ = write!(
                out,
                "<text class=\"station\" data-n=\"{n}\" x=\"{x}\" y=\"{y}\" \
                 text-anchor=\"middle\">{}</text>",
                escape(part)
            );
        }
        let _ =
            write!(out, "<line class=\"rail\" x1=\"{x}\" y1=\"34\" x2=\"{x}\" y2=\"{height}\"/>");
    }
    let side = side.name();
    let _ =
        write!(out, "<text class=\"station\" x=\"{COPIES}\" y=\"26\">{side}’s CPU copies</text>");
    let all = all_conditions(ways);
    let mut top = HEAD;
    for (way, height) in ways.iter().zip(heights) {
        row(&mut out, way, looks, &stations, [width, top, height], &all);
        top += height;
    }
    out + "</svg>"
}

fn stations(ways: &[Way]) -> Vec<Station> {
    let visits =
        |way: &Way, name: &str| way.ledger.hops.iter().any(|h| h.from == name || h.to == name);
    let used: Vec<_> =
        STATIONS.iter().filter(|(name, _)| ways.iter().any(|way| visits(way, name))).collect();
    let column = ((WIDTH - LEFT - RIGHT) / used.len().max(1) as f64).max(COLUMN_MIN);
    let x = |n: usize| (LEFT + column * (n as f64 + 0.5)).round();
    used.iter().enumerate().map(|(n, (name, words))| Station { name, words, x: x(n) }).collect()
}

/// Heads of arrows: for observed bytes, thick and thin, and for what was only claimed.
fn tips() -> String {
    let mut out = "<defs>".to_owned();
    for class in ["cpu-copy", "reference", "device"] {
        for (kind, size, at) in [("fat", 22, 0.4), ("thin", 12, 0.4), ("claim", 10, 7.0)] {
            let long = if kind == "fat" { TIP + 1.0 } else { f64::from(size) };
            let _ = write!(
                out,
                "<marker id=\"tip-{kind}-{class}\" viewBox=\"0 0 8 8\" refX=\"{at}\" refY=\"4\" \
                 markerUnits=\"userSpaceOnUse\" markerWidth=\"{long}\" markerHeight=\"{size}\" \
                 preserveAspectRatio=\"none\" orient=\"auto\"><path class=\"tip {class}\" \
                 d=\"M0,0 L8,4 L0,8 z\"/></marker>"
            );
        }
    }
    out + "</defs>"
}

/// Which lane below the first each hop takes: hops between the same stations must not lie on one
/// another.
fn lanes(way: &Way) -> Vec<usize> {
    let hops = &way.ledger.hops;
    let same = |a: &Hop, b: &Hop| a.from == b.from && a.to == b.to;
    hops.iter()
        .enumerate()
        .map(|(n, hop)| hops[..n].iter().filter(|before| same(before, hop)).count())
        .collect()
}

fn row(
    out: &mut String,
    way: &Way,
    looks: &Looks,
    stations: &[Station],
    [width, top, height]: [f64; 3],
    all: &[Vec<(String, String)>],
) {
    let y = top + 52.0;
    let colour = looks.get(way.label).css();
    let agreement = way.ledger.agreement;
    let _ = write!(
        out,
        "<g class=\"way\" data-contender=\"{0}\" data-agreement=\"{1}\">",
        escape(way.label),
        name(agreement),
    );
    if agreement == Agreement::Contradicts {
        let (top, height) = (top + 3.0, height - 6.0);
        let _ = write!(
            out,
            "<rect class=\"alarm\" x=\"0\" y=\"{top}\" width=\"{width}\" height=\"{height}\" \
             rx=\"6\"/>"
        );
    }
    let _ = write!(
        out,
        "<rect x=\"0\" y=\"{}\" width=\"4\" height=\"26\" fill=\"{colour}\"/>",
        y - 12.0
    );
    who(out, way, all, y);
    let place = |name: &str| stations.iter().position(|station| station.name == name);
    for ((hop, seen), lane) in way.hops().zip(lanes(way)) {
        if let (Some(from), Some(to)) = (place(&hop.from), place(&hop.to)) {
            let forward = if to >= from { 1.0 } else { -1.0 };
            let span = from.abs_diff(to);
            if from == to {
                let (x, y) = (stations[from].x, y + 7.0);
                let line = Line { x1: x - 5.0, x2: x + 5.0, y, lift: -LOOP };
                arrow(out, hop, seen, claimed(hop, way.ledger), &line);
                continue;
            }
            let line = Line {
                x1: stations[from].x + 9.0 * forward,
                x2: stations[to].x - 9.0 * forward,
                y: y + SECOND * lane as f64,
                lift: if span <= 1 || lane > 0 { 0.0 } else { 8.0 + 7.0 * span.min(4) as f64 },
            };
            arrow(out, hop, seen, claimed(hop, way.ledger), &line);
        }
    }
    let visited = |station: &&Station| {
        way.ledger.hops.iter().any(|hop| hop.from == station.name || hop.to == station.name)
    };
    for station in stations.iter().filter(visited) {
        let _ = write!(out, "<circle class=\"stop\" cx=\"{}\" cy=\"{y}\" r=\"6\"/>", station.x);
    }
    copies(out, way, COPIES, y);
    *out += "</g>";
}

/// One hop: the claim faint, the evidence over it.
fn arrow(out: &mut String, hop: &Hop, seen: Seen, claimed: f64, line: &Line) {
    let (class, word) = mover(&hop.by);
    let _ = write!(
        out,
        "<g class=\"hop\" data-from=\"{}\" data-to=\"{}\" data-by=\"{}\" \
         data-seen=\"{}\"><title>{}</title>",
        escape(&hop.from),
        escape(&hop.to),
        escape(&hop.by),
        match seen {
            Seen::AsClaimed(_) => "as-claimed",
            Seen::Other { .. } => "other",
            Seen::Unclaimed(_) => "unclaimed",
            Seen::Unseen => "unseen",
        },
        escape(&hint(hop, seen, claimed)),
    );
    if claimed > 0.0 {
        let wide = thickness(claimed) + BAND;
        let d = line.path(0.0);
        let _ =
            write!(out, "<path class=\"claimed {class}\" d=\"{d}\" stroke-width=\"{wide:.1}\"/>");
    }
    let share = match seen {
        Seen::AsClaimed(share) | Seen::Unclaimed(share) => Some(share),
        Seen::Other { observed, .. } => Some(observed),
        Seen::Unseen => None,
    };
    match share {
        Some(share) if share > 0.0 => {
            let thick = thickness(share);
            let (kind, tip) = if thick >= 5.0 { ("fat", TIP) } else { ("thin", TIP) };
            let d = line.path(tip);
            if matches!(seen, Seen::Unclaimed(_)) {
                let wide = thick + 5.0;
                let _ = write!(out, "<path class=\"loud\" d=\"{d}\" stroke-width=\"{wide:.1}\"/>");
            }
            let _ = write!(
                out,
                "<path class=\"observed {class}\" d=\"{d}\" stroke-width=\"{thick:.1}\" \
                 marker-end=\"url(#tip-{kind}-{class})\"/>"
            );
        }
        Some(_) => {}
        None => {
            let d = line.path(0.0);
            let _ = write!(
                out,
                "<path class=\"unseen {class}\" d=\"{d}\" marker-end=\"url(#tip-claim-{class})\"/>"
            );
        }
    }
    let fat = thickness(share.unwrap_or(0.0).max(claimed)) / 2.0;
    label(out, (class, word), seen, share, line, fat);
    *out += "</g>";
}

/// What stands at an arrow: its mover and bytes per payload byte, and below it what is not as claimed.
fn label(
    out: &mut String,
    (class, word): (&str, &str),
    seen: Seen,
    share: Option<f64>,
    line: &Line,
    fat: f64,
) {
    let middle = (line.x1 + line.x2) / 2.0;
    let number = share.map_or(String::new(), |share| format!(" {share:.2}"));
    let (above, below) = match line.lift < 0.0 {
        // The lowest point of a loop is at three quarters of its control points.
        true => (line.y - 0.75 * line.lift + fat + 13.0, line.y - 0.75 * line.lift + fat + 28.0),
        false => (line.y - line.lift - fat - 8.0, line.y - line.lift + fat + 16.0),
    };
    let _ = write!(
        out,
        "<text class=\"mover {class}\" x=\"{middle}\" y=\"{above:.1}\" \
         text-anchor=\"middle\">{}{number}</text>",
        escape(word)
    );
    let note = match seen {
        Seen::AsClaimed(_) => return,
        Seen::Other { claimed, .. } => ("loudly", format!("✗ {claimed:.2} claimed")),
        Seen::Unclaimed(_) => ("loudly", "✗ not claimed".to_owned()),
        Seen::Unseen => ("quietly", "not observed".to_owned()),
    };
    let _ = write!(
        out,
        "<text class=\"note {}\" x=\"{middle}\" y=\"{below:.1}\" text-anchor=\"middle\">{}</text>",
        note.0, note.1
    );
}

fn thickness(share: f64) -> f64 {
    (share * THICK).clamp(THIN, FAT)
}

fn mover(by: &str) -> (&'static str, &str) {
    match by {
        "cpu-copy" => ("cpu-copy", "copy"),
        "reference" => ("reference", "reference"),
        "device" => ("device", "device"),
        other => ("device", other),
    }
}

fn hint(hop: &Hop, seen: Seen, claimed: f64) -> String {
    let what = format!("{} to {} by {}: {}.", hop.from, hop.to, hop.by, hop.why);
    match seen {
        Seen::AsClaimed(share) | Seen::Unclaimed(share) | Seen::Other { observed: share, .. } => {
            format!(
                "{what} Observed {share:.2} bytes per payload byte, {claimed:.2} claimed ({})",
                hop.evidence
            )
        }
        Seen::Unseen => format!("{what} Claimed, not observed ({})", hop.evidence),
    }
}

impl Line {
    /// The path, ending so much before its end.
    fn path(&self, short: f64) -> String {
        let Line { x1, x2, y, lift } = *self;
        let forward = if x2 >= x1 { 1.0 } else { -1.0 };
        if lift == 0.0 {
            return format!("M{x1},{y} L{:.1},{y}", x2 - short * forward);
        }
        if lift < 0.0 {
            let (left, right, deep) = (x1 - LOOP_SIDE, x2 + LOOP_SIDE, y - lift);
            return format!("M{x1},{y} C{left},{deep} {right},{deep} {x2},{:.1}", y + short);
        }
        let middle = (x1 + x2) / 2.0;
        // The last bit goes down along the tangent of the bow's end.
        let (dx, dy) = (x2 - middle, 2.0 * lift - 4.0);
        let length = dx.hypot(dy).max(1.0);
        let (end_x, end_y) = (x2 - short * dx / length, y - 4.0 - short * dy / length);
        format!("M{x1},{} Q{middle},{} {end_x:.1},{end_y:.1}", y - 4.0, y - 2.0 * lift)
    }
}
