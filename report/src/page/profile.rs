//! Where does the sender's CPU time go, and how is that shown?
//!
//! A bar for each contender, parted by group, and a flame graph for each under one condition of a
//! panel (the middle one of numbers, else the first), since every graph is as large as a chart.

mod flame;

use super::escape;
use super::look::Looks;
use super::path::short;
use crate::format;
use crate::profile::Group;
use crate::record::Profile;
use crate::study::{Panel, Point, Row, Study};
use std::fmt::Write;

/// Width of a drawing, what stands left and right of the bars, and the height of a row.
const WIDTH: f64 = 1000.0;
const LEFT: f64 = 178.0;
const RIGHT: f64 = 100.0;
const ROW: f64 = 24.0;
const HEAD: f64 = 24.0;
/// Width of a letter of a label.
const LETTER: f64 = 6.7;
/// So many conditions of a panel are in sight; the others unfold.
const POINTS: usize = 3;

/// The section of a page.
pub struct Section {
    /// Class and words of every group that occurs.
    pub legend: Vec<(String, &'static str)>,
    /// A part for each panel that has a profile.
    pub parts: Vec<Part>,
    /// Why some cells, or all, have none.
    pub unavailable: Vec<String>,
    /// Whether the run tried to: then a privilege may be missing.
    pub refused: bool,
    /// What limits those that there are.
    pub notes: Vec<String>,
}

/// One panel.
pub struct Part {
    /// Its condition.
    pub title: String,
    /// Bars of the conditions in sight.
    pub bars: String,
    /// Bars of the others, and how many those are; empty where all are in sight.
    pub more: (String, usize),
    /// Flame graphs: a line on each, and the drawing.
    pub flames: Vec<(String, String)>,
}

/// What a page shows of the profiles of a study.
#[must_use]
pub fn section(study: &Study, looks: &Looks) -> Section {
    let taken = || study.rows().filter_map(taken);
    let occurs = |group: &Group| taken().any(|profile| profile.groups.contains_key(group.name()));
    let legend = Group::ALL.into_iter().filter(occurs);
    Section {
        legend: legend.map(|group| (class(group), group.words())).collect(),
        parts: study
            .panels
            .iter()
            .enumerate()
            .filter(|(_, panel)| panel.rows().any(|row| self::taken(row).is_some()))
            .map(|(n, panel)| part(study, panel, looks, n))
            .collect(),
        unavailable: unavailable(study),
        refused: study.rows().any(|row| row.measured.is_some_and(|one| one.profile.is_some())),
        notes: notes(study),
    }
}

/// The profile of a row, where samples were taken.
fn taken<'a>(row: &Row<'a>) -> Option<&'a Profile> {
    row.measured?.profile.as_ref().filter(|profile| profile.samples > 0)
}

fn unavailable(study: &Study) -> Vec<String> {
    let mut reasons: Vec<(String, usize)> = Vec::new();
    for profile in study.rows().filter_map(|row| row.measured?.profile.as_ref()) {
        let Some(reason) = &profile.reason else { continue };
        match reasons.iter_mut().find(|(known, _)| known == reason) {
            Some((_, cells)) => *cells += 1,
            None => reasons.push((reason.clone(), 1)),
        }
    }
    if reasons.is_empty() && !study.rows().any(|row| taken(row).is_some()) {
        return vec!["this run took no profile (a check never does)".to_owned()];
    }
    let cells = |cells| if cells == 1 { "1 cell".to_owned() } else { format!("{cells} cells") };
    reasons.into_iter().map(|(reason, n)| format!("{reason} ({})", cells(n))).collect()
}

fn notes(study: &Study) -> Vec<String> {
    let mut notes: Vec<String> = Vec::new();
    let mut add = |note: String| {
        if !notes.contains(&note) {
            notes.push(note);
        }
    };
    for profile in study.rows().filter_map(taken) {
        if profile.kernel_symbols != "yes" {
            add(format!("Kernel functions have no names here: {}.", profile.kernel_symbols));
        }
        if profile.lost > 0 {
            add("Some samples were lost: the shares of short bursts may be too low.".to_owned());
        }
    }
    notes
}

fn part(study: &Study, panel: &Panel, looks: &Looks, n: usize) -> Part {
    let points: Vec<&Point> = panel
        .points
        .iter()
        .filter(|point| point.rows.iter().any(|row| taken(row).is_some()))
        .collect();
    let middle = points.len() / 2;
    let in_sight =
        |at: &usize| points.len() <= POINTS || [0, middle, points.len() - 1].contains(at);
    let (seen, hidden): (Vec<usize>, Vec<usize>) = (0..points.len()).partition(in_sight);
    let pick = |indices: &[usize]| indices.iter().map(|at| points[*at]).collect::<Vec<_>>();
    let more = if hidden.is_empty() {
        String::new()
    } else {
        bars(study, &pick(&hidden), looks, &format!("p{n}-more"))
    };
    // Values that are no numbers have no middle: the first is what the scenario names first.
    let chosen = if study.numeric_x() { middle } else { 0 };
    let flames = points.get(chosen).into_iter().flat_map(|point| flames(study, point, n)).collect();
    Part {
        title: panel.title(),
        bars: bars(study, &pick(&seen), looks, &format!("p{n}-bars")),
        more: (more, hidden.len()),
        flames,
    }
}

fn flames(study: &Study, point: &Point, n: usize) -> Vec<(String, String)> {
    let x = study.x_label(point);
    let at = if x.is_empty() { String::new() } else { format!(", {} {x}", study.x_name()) };
    let rows = point.rows.iter().enumerate();
    rows.filter_map(|(row_n, row)| {
        let profile = taken(row)?;
        let summary = format!("{}{at}, {} samples", row.label, profile.samples);
        let svg = flame::svg(profile, &summary, &format!("flame-p{n}-{row_n}"))?;
        Some((summary, svg))
    })
    .collect()
}

/// The CSS class of a group.
fn class(group: Group) -> String {
    format!("g-{}", group.name())
}

/// Stacked bars: one for each contender under each of these conditions.
fn bars(study: &Study, points: &[&Point], looks: &Looks, id: &str) -> String {
    let mut body = String::new();
    let mut y = 4.0;
    let mut described = Vec::new();
    for point in points {
        let x = study.x_label(point);
        if !x.is_empty() {
            let name = study.x_name();
            let _ = write!(
                body,
                "<text class=\"point\" x=\"0\" y=\"{}\">{} {}</text>",
                y + 16.0,
                escape(&name),
                escape(&x)
            );
            y += HEAD;
        }
        for row in point.rows.iter().filter(|row| taken(row).is_some()) {
            described.extend(bar(&mut body, row, looks, y).map(|words| format!("{x} {words}")));
            y += ROW;
        }
        y += 6.0;
    }
    format!(
        "<svg class=\"profile\" role=\"img\" viewBox=\"0 0 {WIDTH} {y}\" width=\"{WIDTH}\" \
         height=\"{y}\" aria-labelledby=\"{id}-t {id}-d\"><title id=\"{id}-t\">Share of the \
         {}’s CPU time by what it was spent on</title><desc id=\"{id}-d\">{}</desc>{body}</svg>",
        study.side.name(),
        escape(&described.join("; "))
    )
}

/// One bar; what it says in words.
fn bar(out: &mut String, row: &Row, looks: &Looks, y: f64) -> Option<String> {
    let profile = taken(row)?;
    let cpu = row.median(row.side.cpu());
    let (name, options) = row.label.split_once(' ').unwrap_or((row.label, ""));
    let _ = write!(
        out,
        "<g data-contender=\"{0}\"><rect x=\"0\" y=\"{y}\" width=\"4\" height=\"18\" fill=\"{1}\"/>\
         <text class=\"who\" x=\"10\" y=\"{2}\"><title>{0}</title>{3} <tspan \
         class=\"options\">{4}</tspan></text>",
        escape(row.label),
        looks.get(row.label).css(),
        y + 13.5,
        escape(&short(name, 18)),
        escape(&short(options, (26 - name.chars().count().min(18)).max(4))),
    );
    let whole = WIDTH - LEFT - RIGHT;
    let mut x = LEFT;
    let mut words = Vec::new();
    for group in Group::ALL {
        let samples = profile.groups.get(group.name()).copied().unwrap_or(0);
        if samples == 0 {
            continue;
        }
        let share = samples as f64 / profile.samples as f64;
        let width = whole * share;
        let percent =
            format!("{} %", format::significant(share * 100.0, if share < 0.1 { 1 } else { 2 }));
        words.push(format!("{} {percent}", group.words()));
        let per_kib = cpu.map_or(String::new(), |cpu| {
            format!(", {} of {} ns/KiB", format::number(cpu * share), format::number(cpu))
        });
        let _ = write!(
            out,
            "<g class=\"{}\"><title>{}: {percent}, {samples} of {} samples{per_kib}</title>\
             <rect x=\"{x:.1}\" y=\"{y}\" width=\"{width:.1}\" height=\"18\"/>",
            class(group),
            group.words(),
            profile.samples
        );
        // The longest label that fits, or none: the legend and the title have it.
        let labels = [format!("{} {percent}", group.words()), percent];
        let fits = labels.iter().find(|label| label.chars().count() as f64 * LETTER + 8.0 < width);
        if let Some(label) = fits {
            let middle = x + width / 2.0;
            let _ = write!(
                out,
                "<text x=\"{middle:.1}\" y=\"{}\" text-anchor=\"middle\">{label}</text>",
                y + 13.0
            );
        }
        *out += "</g>";
        x += width;
    }
    let total =
        cpu.map_or(format::NONE.to_owned(), |cpu| format!("{} ns/KiB", format::number(cpu)));
    let _ = write!(
        out,
        "<text class=\"total\" x=\"{}\" y=\"{}\" text-anchor=\"end\">{total}</text></g>",
        WIDTH - 6.0,
        y + 13.5
    );
    Some(format!("{}: {}", row.label, words.join(", ")))
}
