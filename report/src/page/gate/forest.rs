//! How do all cells of a gate compare, at a glance?
//!
//! One row for each cell: the mean of head over base with its interval, the floor of its control
//! behind it, the margin as a line, the verdict as a word.

use super::axis::Axis;
use super::canvas::{Anchor, Canvas};
use crate::gate::{CellReport, Judged, shown};
use crate::record::Status;

/// A row.
pub struct Row<'a> {
    /// What the cell is called.
    pub name: &'a str,
    /// What stands above it and its fellows; empty where all cells are of one scenario.
    pub group: &'a str,
    /// The id of its part of the page.
    pub target: String,
    /// What is said of it.
    pub cell: &'a CellReport<'a>,
}

/// Where things lie, in CSS pixels.
struct Frame {
    width: f64,
    left: f64,
    right: f64,
    /// Height of a row, and how far below its top the interval lies.
    row: f64,
    middle: f64,
    /// Letters of a name for which there is room.
    letters: usize,
    wide: bool,
}

const TOP: f64 = 30.0;
const FOOT: f64 = 28.0;
const HEAD: f64 = 32.0;

/// The plot of these cells; `None` where none was timed.
#[must_use]
pub fn svg(rows: &[Row], wide: bool) -> Option<String> {
    let axis = axis(rows)?;
    let frame = match wide {
        true => Frame {
            width: 1000.0,
            left: 330.0,
            right: 690.0,
            row: 36.0,
            middle: 18.0,
            letters: 46,
            wide,
        },
        false => Frame {
            width: 380.0,
            left: 26.0,
            right: 354.0,
            row: 62.0,
            middle: 44.0,
            letters: 36,
            wide,
        },
    };
    let tops = tops(rows, frame.row);
    let bottom = tops.last().map_or(TOP, |(top, _)| top + frame.row);
    let title = "Sender CPU per KiB of each cell, head over base";
    let id = if wide { "forest-wide" } else { "forest-narrow" };
    let size = (frame.width, bottom + FOOT);
    let mut canvas = Canvas::new(id, size, title, &description(rows));
    let x = |ratio: f64| frame.left + axis.within(ratio).0 * (frame.right - frame.left);
    let ticks = axis.ticks(46.0 / (frame.right - frame.left));
    for (ratio, label) in &ticks {
        let words = if label == "0" { "no change" } else { label.as_str() };
        canvas.text("tick", (x(*ratio), bottom + 17.0), Anchor::Middle, words);
    }
    canvas.text("tick", (x(1.0) - 8.0, TOP - 10.0), Anchor::End, "← cheaper");
    canvas.text("tick", (x(1.0) + 8.0, TOP - 10.0), Anchor::Start, "head costs more →");
    for (row, (top, headed)) in rows.iter().zip(tops) {
        if headed {
            canvas.rect("group", (0.0, top - HEAD), (frame.width, top));
            canvas.text("head-name", (8.0, top - 10.0), Anchor::Start, row.group);
        }
        canvas.line("grid", (0.0, top), (frame.width, top));
        for (ratio, label) in ticks.iter().filter(|_| row.cell.timing.is_ok()) {
            let class = if label == "0" { "one" } else { "grid" };
            let from = if frame.wide { top } else { top + frame.middle - 16.0 };
            canvas.line(class, (x(*ratio), from), (x(*ratio), top + frame.row));
        }
        canvas.link(&row.target, row.name, |canvas| one(canvas, &frame, &axis, row, top));
    }
    canvas.line("grid", (0.0, bottom), (frame.width, bottom));
    Some(canvas.finish())
}

/// Where each row begins, and whether a heading stands above it.
fn tops<'a>(rows: &[Row<'a>], height: f64) -> Vec<(f64, bool)> {
    let mut top = TOP;
    let mut above: &'a str = "";
    let row = |row: &Row<'a>| {
        let headed = row.group != above;
        above = row.group;
        let begins = if headed { top + HEAD } else { top };
        top = begins + height;
        (begins, headed)
    };
    rows.iter().map(row).collect()
}

fn axis(rows: &[Row]) -> Option<Axis> {
    let timed = || rows.iter().filter_map(|row| row.cell.timing.as_ref().ok());
    let judged = || timed().map(|timing| &timing.all);
    let core = judged().flat_map(|one| [one.ratio.point, one.margin, 1.0 / one.margin]);
    let more = judged().flat_map(|one| {
        let (low, high) = one.ratio.interval.unwrap_or((one.ratio.point, one.ratio.point));
        [low, high, one.floor, 1.0 / one.floor]
    });
    Axis::holding(core, more, 1.0)
}

/// One cell.
fn one(canvas: &mut Canvas, frame: &Frame, axis: &Axis, row: &Row, top: f64) {
    let verdict = row.cell.verdict;
    let class = format!("v-{}", verdict.name());
    let said = shown::verdict(verdict);
    canvas.rect("hit", (0.0, top), (frame.width, top + frame.row));
    let line = if frame.wide { top + 22.0 } else { top + 19.0 };
    let letters = if frame.wide { frame.letters } else { frame.letters - 2 };
    canvas.text("name", (8.0, line), Anchor::Start, &short(row.name, letters));
    canvas.text(&format!("word {class}"), (frame.width - 8.0, line), Anchor::End, &said);
    match &row.cell.timing {
        Ok(timing) => {
            interval(canvas, frame, axis, &timing.all, top);
            if frame.wide {
                let ratio = &timing.all.ratio;
                let at = frame.right + 14.0;
                let words = shown::change(ratio.point);
                canvas.text("name", (at + 58.0, line), Anchor::End, &words);
                canvas.text("tick", (at + 66.0, line), Anchor::Start, &shown::interval(ratio));
            }
        }
        Err(why) => {
            let at = (frame.left + 6.0, top + frame.middle + 4.0);
            let why = match row.cell.status {
                Status::Ok => format!("not timed: {why}"),
                status => format!("{}: {}", status.name(), row.cell.reasons.join("; ")),
            };
            let room = ((frame.right - frame.left) / 6.4) as usize;
            canvas.text("tick", at, Anchor::Start, &short(&why, room));
        }
    }
}

fn interval(canvas: &mut Canvas, frame: &Frame, axis: &Axis, of: &Judged, top: f64) {
    let x = |ratio: f64| frame.left + axis.within(ratio).0 * (frame.right - frame.left);
    let middle = top + frame.middle;
    let Judged { floor, margin, .. } = *of;
    canvas.rect("floor", (x(1.0 / floor), middle - 11.0), (x(floor), middle + 11.0));
    for edge in [margin, 1.0 / margin] {
        canvas.line("edge", (x(edge), middle - 14.0), (x(edge), middle + 14.0));
    }
    if let Some((low, high)) = of.ratio.interval {
        canvas.rect("bar head", (x(low), middle - 1.2), (x(high), middle + 1.2));
        for end in [low, high].into_iter().filter(|end| axis.within(*end).1) {
            let (from, to) = ((x(end) - 0.8, middle - 4.5), (x(end) + 0.8, middle + 4.5));
            canvas.rect("bar head", from, to);
        }
    }
    if of.ratio.point.is_finite() {
        let inside = if axis.within(of.ratio.point).1 { "" } else { " out" };
        canvas.dot(&format!("launch head{inside}"), (x(of.ratio.point), middle), 4.8, None);
    }
}

/// A name that fits: the middle of a longer one is left out, since names differ at both ends.
fn short(name: &str, letters: usize) -> String {
    let all: Vec<char> = name.chars().collect();
    if all.len() <= letters {
        return name.to_owned();
    }
    let (head, tail) = (letters / 2, letters - letters / 2 - 1);
    let head: String = all[..head].iter().collect();
    let tail: String = all[all.len() - tail..].iter().collect();
    format!("{}…{}", head.trim_end(), tail.trim_start())
}

fn description(rows: &[Row]) -> String {
    let said: Vec<String> = rows
        .iter()
        .map(|row| {
            let word = row.cell.verdict.name();
            match &row.cell.timing {
                Ok(timing) => {
                    let ratio = &timing.all.ratio;
                    let (change, interval) = (shown::change(ratio.point), shown::interval(ratio));
                    format!("{}: {change} ({interval}), {word}.", row.name)
                }
                Err(_) => format!("{}: not timed, {word}.", row.name),
            }
        })
        .collect();
    said.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_keep_both_ends() {
        assert_eq!(short("sendfile", 20), "sendfile");
        assert_eq!(short("sendfile · fetch size 64 KiB", 16), "sendfile…64 KiB");
        assert_eq!(short("ääääääääää", 5), "ää…ää");
    }
}
