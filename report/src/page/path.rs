//! Which way do a contender's bytes go, and who moves them?
//!
//! Stations are columns, contenders rows, hops arrows: CPU copies, page references and device transfers each in a
//! colour and with a word of their own. A claim is drawn dashed; what was observed is drawn over it, as thick as
//! its share of the payload, so that a contradiction is seen.

use super::escape;
use super::look::Looks;
use crate::format;
use crate::record::{Agreement, Hop, Ledger};
use crate::study::Study;
use std::fmt::Write;

/// Places in the order in which a payload byte meets them, with the words on the page.
const STATIONS: [(&str, &str); 10] = [
    ("disk", "disk"),
    ("page-cache", "page cache"),
    ("user-buffer", "user buffer"),
    ("pipe", "pipe"),
    ("kernel-pages", "kernel pages"),
    ("socket-buffer", "socket buffer"),
    ("wire", "wire"),
    ("receiver", "receiver"),
    ("sink-page-cache", "sink's page cache"),
    ("nowhere", "nowhere"),
];

/// Height of a row, and what stands left of, above and right of the columns, in CSS pixels.
const ROW: f64 = 74.0;
const LEFT: f64 = 172.0;
const HEAD: f64 = 44.0;
const RIGHT: f64 = 150.0;
/// Width of the whole on a wide screen, and the least width of a column.
const WIDTH: f64 = 1028.0;
const COLUMN_MIN: f64 = 96.0;

/// A contender's way under one or several conditions.
pub struct Way<'a> {
    label: &'a str,
    conditions: Vec<String>,
    ledger: &'a Ledger,
}

/// The ways of a study: one for each contender and set of hops that its cells claim.
#[must_use]
pub fn ways<'a>(study: &Study<'a>) -> Vec<Way<'a>> {
    let mut ways: Vec<Way> = Vec::new();
    for label in &study.scenario.contenders {
        for panel in &study.panels {
            for point in &panel.points {
                let row = point.row(label).and_then(|row| row.measured?.ledger.as_ref());
                let Some(ledger) = row.filter(|ledger| !ledger.hops.is_empty()) else { continue };
                let title = panel.title();
                let x = study.x_label(point);
                let condition = if title.is_empty() { x } else { format!("{title}, {x}") };
                let known =
                    ways.iter_mut().find(|way| way.label == label && same_way(way.ledger, ledger));
                match known {
                    Some(way) => way.conditions.push(condition),
                    None => ways.push(Way { label, conditions: vec![condition], ledger }),
                }
            }
        }
    }
    ways
}

/// Whether two ledgers claim the same hops, and neither has evidence that the other lacks.
fn same_way(a: &Ledger, b: &Ledger) -> bool {
    let observed = |ledger: &Ledger| ledger.hops.iter().any(|hop| hop.observed_bytes.is_some());
    let claim = |hop: &Hop| (hop.from.clone(), hop.to.clone(), hop.by.clone());
    !observed(a) && !observed(b) && a.hops.iter().map(claim).eq(b.hops.iter().map(claim))
}

/// The drawing; empty where no way is known.
#[must_use]
pub fn svg(ways: &[Way], looks: &Looks, points: usize) -> String {
    let used: Vec<&(&str, &str)> = STATIONS
        .iter()
        .filter(|(name, _)| {
            ways.iter()
                .any(|way| way.ledger.hops.iter().any(|hop| hop.from == *name || hop.to == *name))
        })
        .collect();
    if used.is_empty() {
        return String::new();
    }
    let column = ((WIDTH - LEFT - RIGHT) / used.len() as f64).max(COLUMN_MIN);
    let width = (LEFT + column * used.len() as f64 + RIGHT).round();
    let height = HEAD + ROW * ways.len() as f64 + 8.0;
    let mut out = format!(
        "<svg class=\"paths\" role=\"img\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
         aria-labelledby=\"paths-t paths-d\"><title id=\"paths-t\">Claimed path of each contender</title>\
         <desc id=\"paths-d\">{}</desc>{ARROWS}",
        escape(&description(ways))
    );
    let stations: Vec<Station> = used
        .iter()
        .enumerate()
        .map(|(n, (name, words))| Station {
            name,
            words,
            x: (LEFT + column * (n as f64 + 0.5)).round(),
        })
        .collect();
    for Station { words, x, .. } in &stations {
        let _ = write!(
            out,
            "<text class=\"station\" x=\"{x}\" y=\"20\" text-anchor=\"middle\">{}</text>\
             <line class=\"rail\" x1=\"{x}\" y1=\"32\" x2=\"{x}\" y2=\"{height}\"/>",
            escape(words)
        );
    }
    let x_right = width - RIGHT + 4.0;
    let _ =
        write!(out, "<text class=\"station\" x=\"{x_right}\" y=\"20\">sender's CPU copies</text>");
    for (n, way) in ways.iter().enumerate() {
        let y = HEAD + ROW * n as f64 + ROW / 2.0 + 8.0;
        row(&mut out, way, looks, &stations, (x_right, y), points);
    }
    out + "</svg>"
}

const ARROWS: &str = "<defs>\
    <marker id=\"tip-cpu-copy\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerUnits=\"userSpaceOnUse\" markerWidth=\"10\" markerHeight=\"10\" orient=\"auto\"><path class=\"tip cpu-copy\" d=\"M0,0 L8,4 L0,8 z\"/></marker>\
    <marker id=\"tip-reference\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerUnits=\"userSpaceOnUse\" markerWidth=\"10\" markerHeight=\"10\" orient=\"auto\"><path class=\"tip reference\" d=\"M0,0 L8,4 L0,8 z\"/></marker>\
    <marker id=\"tip-device\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerUnits=\"userSpaceOnUse\" markerWidth=\"10\" markerHeight=\"10\" orient=\"auto\"><path class=\"tip device\" d=\"M0,0 L8,4 L0,8 z\"/></marker>\
    </defs>";

/// A place's column.
struct Station {
    name: &'static str,
    words: &'static str,
    x: f64,
}

fn row(
    out: &mut String,
    way: &Way,
    looks: &Looks,
    stations: &[Station],
    (x_right, y): (f64, f64),
    points: usize,
) {
    let colour = looks.get(way.label).css();
    let _ = write!(
        out,
        "<g class=\"way\" data-contender=\"{0}\" data-agreement=\"{1}\"><rect x=\"0\" y=\"{2}\" width=\"4\" height=\"26\" \
         fill=\"{colour}\"/><text class=\"who\" x=\"12\" y=\"{y}\">{0}</text>",
        escape(way.label),
        agreement(way.ledger.agreement),
        y - 17.0,
    );
    if way.conditions.len() < points {
        let mut when = way.conditions.join("; ");
        if when.chars().count() > 28 {
            when = format!("{} conditions", way.conditions.len());
        }
        let _ = write!(
            out,
            "<text class=\"when\" x=\"12\" y=\"{}\">{}</text>",
            y + 15.0,
            escape(&when)
        );
    }
    for hop in &way.ledger.hops {
        let place = |name: &str| stations.iter().position(|station| station.name == name);
        if let (Some(from), Some(to)) = (place(&hop.from), place(&hop.to)) {
            let (start, end) = (stations[from].x, stations[to].x);
            arrow(out, hop, way.ledger, (start, end), from.abs_diff(to), y - 5.0);
        }
    }
    let visited = |station: &&Station| {
        way.ledger.hops.iter().any(|hop| hop.from == station.name || hop.to == station.name)
    };
    for station in stations.iter().filter(visited) {
        let _ =
            write!(out, "<circle class=\"stop\" cx=\"{}\" cy=\"{}\" r=\"6\"/>", station.x, y - 5.0);
    }
    let copies = way.ledger.cpu_copies_per_byte;
    let claimed = copies.predicted.map_or(format::NONE.into(), format::tick);
    let observed = copies
        .observed
        .map_or(String::new(), |seen| format!(", {} observed", format::number(seen)));
    let _ = write!(
        out,
        "<text class=\"copies\" x=\"{x_right}\" y=\"{y}\"><tspan class=\"big\">{claimed}</tspan> claimed{observed}</text></g>"
    );
}

/// One hop: the claim dashed, the evidence solid over it.
fn arrow(
    out: &mut String,
    hop: &Hop,
    ledger: &Ledger,
    (from, to): (f64, f64),
    span: usize,
    y: f64,
) {
    let forward = if to >= from { 1.0 } else { -1.0 };
    let (x1, x2) = (from + 8.0 * forward, to - 8.0 * forward);
    let lift = if span <= 1 { 0.0 } else { 9.0 + 7.0 * span as f64 };
    let middle = (x1 + x2) / 2.0;
    let d = if lift == 0.0 {
        format!("M{x1},{y} L{x2},{y}")
    } else {
        format!("M{x1},{} Q{middle},{} {x2},{}", y - 4.0, y - 2.0 * lift, y - 4.0)
    };
    let (class, word) = match hop.by.as_str() {
        "cpu-copy" => ("cpu-copy", "copy"),
        "reference" => ("reference", "reference"),
        "device" => ("device", "device"),
        other => ("device", other),
    };
    let evidence = match hop.observed_bytes {
        Some(bytes) => format!("observed {}: {}", format::bytes(bytes as f64), hop.evidence),
        None => format!("claimed, not observed ({})", hop.evidence),
    };
    let _ = write!(
        out,
        "<g class=\"hop\" data-from=\"{}\" data-to=\"{}\" data-by=\"{}\"><title>{}</title>\
         <path class=\"claimed {class}\" d=\"{d}\" marker-end=\"url(#tip-{class})\"/>",
        escape(&hop.from),
        escape(&hop.to),
        escape(&hop.by),
        escape(&format!("{} to {} by {}: {}. {evidence}", hop.from, hop.to, hop.by, hop.why)),
    );
    if let Some(bytes) = hop.observed_bytes.filter(|bytes| *bytes > 0) {
        let share = bytes as f64 / ledger.payload_bytes.max(1) as f64;
        let thick = 1.0 + 7.0 * share.min(1.5);
        let _ =
            write!(out, "<path class=\"observed {class}\" d=\"{d}\" stroke-width=\"{thick:.1}\"/>");
    }
    let _ = write!(
        out,
        "<text class=\"mover {class}\" x=\"{middle}\" y=\"{}\" text-anchor=\"middle\">{}</text></g>",
        if lift == 0.0 { y - 7.0 } else { y - lift - 6.0 },
        escape(word)
    );
}

fn agreement(agreement: Agreement) -> &'static str {
    match agreement {
        Agreement::Agrees => "agrees",
        Agreement::Contradicts => "contradicts",
        Agreement::Unobserved => "unobserved",
    }
}

/// The ways in words, for those who do not see the drawing.
fn description(ways: &[Way]) -> String {
    let each: Vec<String> = ways
        .iter()
        .map(|way| {
            let hops: Vec<String> = way
                .ledger
                .hops
                .iter()
                .map(|hop| format!("{} to {} by {}", hop.from, hop.to, hop.by))
                .collect();
            format!("{}: {}.", way.label, hops.join(", then "))
        })
        .collect();
    each.join(" ")
}

impl Way<'_> {
    /// Whether any of its hops was observed.
    #[must_use]
    pub fn observed(&self) -> bool {
        self.ledger.hops.iter().any(|hop| hop.observed_bytes.is_some())
    }

    /// The contender whose evidence contradicts its claim, and the reason.
    #[must_use]
    pub fn contradiction(&self) -> Option<String> {
        (self.ledger.agreement == Agreement::Contradicts).then(|| {
            format!(
                "{}: {}",
                self.label,
                self.ledger.reason.as_deref().unwrap_or("no reason recorded")
            )
        })
    }
}
