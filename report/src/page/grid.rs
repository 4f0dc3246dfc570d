//! What stands in the tables of a page, cell by cell?

use super::evidence;
use super::look::Looks;
use crate::format::{self, NONE};
use crate::hot;
use crate::metric::{Metric, Provenance};
use crate::stats::latency::Latency;
use crate::study::{Figure, Panel, Point, Row, State, Study};

/// A table, sortable where scripts run.
pub struct Grid {
    /// Unique within a page.
    pub id: String,
    /// What it holds.
    pub caption: String,
    /// The columns after condition and contender.
    pub columns: Vec<Column>,
    /// Name of the first axis; empty where there is none.
    pub x_name: String,
    /// The rows.
    pub lines: Vec<Line>,
}

/// A column's head.
pub struct Column {
    /// What it holds.
    pub title: String,
    /// In which unit, or compared with what.
    pub unit: String,
}

/// One row.
pub struct Line {
    /// The condition.
    pub x: String,
    /// Its place in the order.
    pub x_order: usize,
    /// Whether it is the first of its condition.
    pub first: bool,
    /// The contender.
    pub label: String,
    /// `baseline`, `floor`, or nothing.
    pub tag: &'static str,
    /// Its key (inline SVG).
    pub key: String,
    /// Its cells; empty where there is no result.
    pub cells: Vec<Entry>,
    /// Status and reasons where there is no result.
    pub trouble: Option<(&'static str, String)>,
    /// `ok`, or the status.
    pub status: &'static str,
}

/// One cell.
pub struct Entry {
    /// The text.
    pub text: String,
    /// What stands smaller behind it: an interval.
    pub detail: String,
    /// The value to sort by; empty where there is none.
    pub order: String,
    /// More on it, for a pointer that rests there.
    pub hint: String,
    /// `~` cells, ratios, `unavailable`.
    pub class: &'static str,
}

/// What is compared: CPU, throughput, latency, bottleneck.
#[must_use]
pub fn cost(study: &Study, panel: &Panel, looks: &Looks, id: &str) -> Grid {
    let mut columns = Vec::new();
    let copies = study.rows().any(|row| row.copies().is_some());
    if copies {
        columns.push(Column { title: "Copies".into(), unit: "per byte".into() });
    }
    for metric in study.compared() {
        columns.push(column(metric));
        let better = if metric.less_is_better() { "" } else { ", higher is better" };
        let unit = format!("÷ {}{better}", study.scenario.baseline);
        columns.push(Column { title: short(metric).into(), unit });
    }
    columns.push(Column { title: "Held back by".into(), unit: "≥ 90 % busy".into() });
    for percentile in ["p50", "p99", "p99.9", "max"] {
        columns.push(Column { title: format!("Fetch {percentile}"), unit: "µs".into() });
    }
    let cells = |row: &Row| {
        let mut cells = Vec::new();
        if copies {
            cells.push(evidence::copies(row));
        }
        for metric in study.compared() {
            cells.push(figure(row, metric));
            cells.push(ratio(row, metric));
        }
        cells.push(bottleneck(row));
        let percentiles: [fn(&Latency) -> u64; 4] =
            [|one| one.p50_ns, |one| one.p99_ns, |one| one.p999_ns, |one| one.max_ns];
        cells.extend(percentiles.map(|percentile| latency(row, percentile)));
        cells
    };
    let caption = "Medians; ratios paired turn by turn, with 95 % intervals".to_owned();
    Grid {
        id: format!("{id}-cost"),
        caption,
        columns,
        x_name: study.x_name(),
        lines: lines(study, panel, looks, &cells),
    }
}

/// What was counted: calls, switches, faults, device bytes.
#[must_use]
pub fn counted(study: &Study, panel: &Panel, looks: &Looks, id: &str) -> Grid {
    let metrics: Vec<Metric> = [study.side.far().cpu()]
        .into_iter()
        .chain(Metric::ALL.into_iter().skip_while(|metric| *metric != Metric::Syscalls))
        .filter(|metric| study.shows(*metric))
        .collect();
    let known = |row: &Row, name: &str| row.measured.and_then(|one| hot::median(one, name));
    let in_a_group =
        panel.rows().any(|row| hot::MEMORY.iter().any(|(name, _)| known(row, name).is_some()));
    let memory = hot::MEMORY.iter().filter(|_| in_a_group);
    let cells = |row: &Row| {
        let counted = metrics.iter().map(|metric| figure(row, *metric));
        counted.chain(memory.clone().map(|(name, _)| memory_of(row, name))).collect()
    };
    let titles =
        memory.clone().map(|(_, title)| Column { title: (*title).into(), unit: "MiB".into() });

    Grid {
        id: format!("{id}-counted"),
        caption:
            "What was counted, medians; mode switches and context switches are different things"
                .into(),
        columns: metrics.iter().map(|metric| column(*metric)).chain(titles).collect(),
        x_name: study.x_name(),
        lines: lines(study, panel, looks, &cells),
    }
}

fn memory_of(row: &Row, name: &str) -> Entry {
    let Some(bytes) = row.measured.and_then(|measured| hot::median(measured, name)) else {
        return unavailable(&group_reason(row));
    };
    let mib = bytes / (1024.0 * 1024.0);
    Entry {
        text: format::number(mib),
        detail: String::new(),
        order: mib.to_string(),
        hint: "observed: charged to the senders' group".into(),
        class: "",
    }
}

/// Why a cell has no memory: what the lab noted when it could make no group.
fn group_reason(row: &Row) -> String {
    let cell = row.measured.and_then(|measured| measured.cell.as_ref());
    let noted = cell.and_then(|cell| cell.setup.get("group")?.as_str());
    noted.unwrap_or("the senders were in no group").to_owned()
}

pub(super) fn lines(
    study: &Study,
    panel: &Panel,
    looks: &Looks,
    cells: &dyn Fn(&Row) -> Vec<Entry>,
) -> Vec<Line> {
    let mut lines = Vec::new();
    for (order, point) in panel.points.iter().enumerate() {
        for (n, row) in point.rows.iter().enumerate() {
            lines.push(line(study, point, order, n, row, looks, cells));
        }
    }
    lines
}

fn line(
    study: &Study,
    point: &Point,
    order: usize,
    n: usize,
    row: &Row,
    looks: &Looks,
    cells: &dyn Fn(&Row) -> Vec<Entry>,
) -> Line {
    let (status, trouble) = match &row.state {
        State::Ok => ("ok", None),
        State::Not(status, troubles) => {
            let reasons: Vec<String> = troubles.iter().map(ToString::to_string).collect();
            (status.name(), Some((status.name(), reasons.join("; "))))
        }
        State::Unfinished => (
            "unfinished",
            Some(("unfinished", "the run ended before this cell was over".to_owned())),
        ),
    };
    let tag = match (row.baseline, row.moves_the_log) {
        (_, false) => "floor",
        (true, true) => "baseline",
        _ => "",
    };
    Line {
        x: study.x_label(point),
        x_order: order,
        first: n == 0,
        label: row.label.to_owned(),
        tag,
        key: looks.get(row.label).key(),
        cells: if trouble.is_none() { cells(row) } else { Vec::new() },
        trouble,
        status,
    }
}

fn column(metric: Metric) -> Column {
    Column { title: metric.title().into(), unit: metric.unit().into() }
}

fn short(metric: Metric) -> &'static str {
    match metric {
        Metric::SenderCpu => "Sender ratio",
        Metric::ReceiverCpu => "Receiver ratio",
        Metric::TotalCpu => "Total ratio",
        _ => "Throughput ratio",
    }
}

pub(super) fn figure(row: &Row, metric: Metric) -> Entry {
    let figure = row.figures.get(&metric);
    match figure {
        Some(Figure::Known { median, mean, samples, provenance, .. }) => {
            let interval = match figure.and_then(Figure::interval) {
                Some((low, high)) => format!(", {}–{}", format::number(low), format::number(high)),
                None => String::new(),
            };
            let text = if *median == 0.0 && *mean > 0.0 {
                format!("0 (mean {})", format::significant(*mean, 2))
            } else {
                format::number(*median)
            };
            Entry {
                text,
                detail: String::new(),
                order: if *median == 0.0 { mean } else { median }.to_string(),
                hint: format!("{}{interval}, {}", provenance.name(), number_of(*samples)),
                class: "",
            }
        }
        Some(Figure::Unavailable { reason }) => unavailable(reason),
        None => unavailable("not derived"),
    }
}

fn number_of(samples: usize) -> String {
    if samples == 1 { "one sample".to_owned() } else { format!("{samples} samples") }
}

fn ratio(row: &Row, metric: Metric) -> Entry {
    if row.baseline {
        return Entry {
            text: "1".into(),
            detail: String::new(),
            order: "1".into(),
            hint: "the baseline itself".into(),
            class: "one",
        };
    }
    match row.ratios.get(&metric) {
        Some(estimate) => {
            let better =
                if metric.less_is_better() { estimate.below(1.0) } else { estimate.above(1.0) };
            let shown = format::ratio(estimate);
            let (ratio, detail) = shown.split_once('(').unwrap_or((&shown, ""));
            Entry {
                text: ratio.trim().to_owned(),
                detail: detail.trim_end_matches(')').to_owned(),
                order: estimate.point.to_string(),
                hint: format!(
                    "{}, {} launches; {}",
                    Provenance::Estimated.name(),
                    estimate.launches,
                    estimate.basis.name()
                ),
                class: match (estimate.differs_from(1.0), better) {
                    _ if !row.moves_the_log => "ratio same",
                    (false, _) => "ratio same",
                    (true, true) => "ratio better",
                    (true, false) => "ratio",
                },
            }
        }
        None => unavailable("the baseline has no result here, or no turn pairs up"),
    }
}

fn latency(row: &Row, percentile: fn(&Latency) -> u64) -> Entry {
    match &row.latency {
        Ok(latency) => {
            let us = percentile(latency) as f64 / 1e3;
            let hint = format!("counted, {} fetches", latency.fetches);
            Entry {
                text: format::number(us),
                detail: String::new(),
                order: us.to_string(),
                hint,
                class: "",
            }
        }
        Err(reason) => unavailable(reason),
    }
}

fn bottleneck(row: &Row) -> Entry {
    let hint = match &row.bottleneck {
        crate::study::Bottleneck::Unknown(reason) => reason.clone(),
        _ => String::new(),
    };
    let class = if row.at_far_end() { "word flag" } else { "word" };
    Entry {
        text: row.bottleneck.name().into(),
        detail: String::new(),
        order: String::new(),
        hint,
        class,
    }
}

pub(super) fn unavailable(reason: &str) -> Entry {
    Entry {
        text: NONE.into(),
        detail: String::new(),
        order: String::new(),
        hint: format!("unavailable: {reason}"),
        class: "none",
    }
}
