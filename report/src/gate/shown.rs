//! How is what a gate found written, on pages and in terminals alike?
//!
//! A ratio near 1 is read as a change in per cent. A cell is called by what tells it from the other
//! cells of its gate, not by all of its parameters.

use super::{Exact, Report, Verdict};
use crate::format::{self, NONE};
use crate::stats::{DECISIVE_MIN, Estimate};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// A sign beside the word, so that no verdict is told by its colour alone.
#[must_use]
pub fn sign(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Improvement => "▼",
        Verdict::Pass => "✓",
        Verdict::Inconclusive => "?",
        Verdict::Invalid => "!",
        Verdict::Regression => "✗",
    }
}

/// A ratio as a change in per cent, signed: `+2.13 %`, `−12.3 %`, `+250 %`.
#[must_use]
pub fn change(ratio: f64) -> String {
    signed(ratio).map_or_else(|| NONE.to_owned(), |text| format!("{text} %"))
}

/// The same without its unit.
fn signed(ratio: f64) -> Option<String> {
    let percent = (ratio - 1.0) * 100.0;
    if !percent.is_finite() {
        return None;
    }
    let decimals = match percent.abs() {
        size if size < 9.995 => 2,
        size if size < 99.95 => 1,
        _ => 0,
    };
    let size = format!("{:.decimals$}", percent.abs());
    let zero = size.chars().all(|c| c == '0' || c == '.');
    let sign = match percent < 0.0 {
        _ if zero => "",
        true => "−",
        false => "+",
    };
    let grouped = if decimals == 0 { format::number(percent.abs()) } else { size };
    Some(format!("{sign}{grouped}"))
}

/// How far a ratio of at least 1 is from 1, without a sign: `1 %`, `0.62 %`.
#[must_use]
pub fn size(ratio: f64) -> String {
    let percent = (ratio - 1.0) * 100.0;
    if !percent.is_finite() {
        return NONE.to_owned();
    }
    let digits = if percent.abs() < 1.0 { 2 } else { 3 };
    let text = format::significant(percent, digits);
    let text = match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.'),
        false => &text,
    };
    format!("{text} %")
}

/// The interval of a ratio in per cent: `+1.70 to +2.50 %`, or why there is none to rest on.
#[must_use]
pub fn interval(estimate: &Estimate) -> String {
    let ends = estimate.interval.and_then(|(low, high)| signed(low).zip(signed(high)));
    match ends {
        Some(_) if estimate.launches < DECISIVE_MIN => {
            format!("{} launches: too few", estimate.launches)
        }
        Some((low, high)) => format!("{low} to {high} %"),
        None => "no interval".to_owned(),
    }
}

/// A chance: `0.0004`, `< 0.0001`.
#[must_use]
pub fn chance(p: f64) -> String {
    match p {
        p if !p.is_finite() => NONE.to_owned(),
        p if p < 0.0001 => "< 0.0001".to_owned(),
        p => format::significant(p, 2),
    }
}

/// The name of a count with its unit, as words: `syscalls per MiB`.
#[must_use]
pub fn count_name(name: &str) -> String {
    let words = name.replace('_', " ");
    let units = words.split(' ').map(|word| match word {
        "mib" => "MiB",
        "kib" => "KiB",
        "cpu" => "CPU",
        "uring" => "io_uring",
        word => word,
    });
    units.collect::<Vec<_>>().join(" ")
}

/// Two values with as many digits as it takes to tell them apart, four at least.
#[must_use]
pub fn apart(base: f64, head: f64) -> (String, String) {
    let differs = (base - head).abs() > 0.0;
    let shown = |digits| (format::significant(base, digits), format::significant(head, digits));
    let mut digits = 4;
    while differs && digits < 12 && shown(digits).0 == shown(digits).1 {
        digits += 1;
    }
    let (base, head) = shown(digits);
    (bare(&base), bare(&head))
}

/// A number without zeros at its end.
#[must_use]
pub fn bare(number: &str) -> String {
    match number.contains('.') {
        true => number.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => number.to_owned(),
    }
}

/// Whether both sides have the count, and the same, and nothing is held against it.
#[must_use]
pub fn is_equal(exact: &Exact) -> bool {
    let same = match (exact.base, exact.head) {
        (Some(base), Some(head)) => base.total_cmp(&head).is_eq() || (base - head).abs() <= 0.0,
        (None, None) => true,
        _ => false,
    };
    same && exact.verdict == Verdict::Pass
}

/// A verdict with its sign: `✗ regression`.
#[must_use]
pub fn verdict(verdict: Verdict) -> String {
    format!("{} {}", sign(verdict), verdict.name())
}

/// A parameter as words: `fetch size 64 KiB`.
fn parameter(name: &str, value: &Value) -> String {
    format!("{} {}", format::parameter_name(name), format::parameter(name, value))
}

/// All parameters of a cell as words.
#[must_use]
pub fn parameters(params: &BTreeMap<String, Value>) -> String {
    let words: Vec<String> = params.iter().map(|(name, value)| parameter(name, value)).collect();
    words.join(" · ")
}

/// What each cell is called: its contender and what tells it from the others; its id where that
/// would call two cells the same.
#[must_use]
pub fn names(report: &Report) -> Vec<String> {
    let cells = &report.cells;
    let keys: BTreeSet<&String> = cells.iter().flat_map(|cell| cell.params.keys()).collect();
    let varies = |name: &&&String| {
        let first = cells.first().and_then(|cell| cell.params.get(**name));
        cells.iter().any(|cell| cell.params.get(**name) != first)
    };
    let varying: Vec<&String> = keys.iter().filter(varies).copied().collect();
    let scenarios: BTreeSet<&str> = cells.iter().map(|cell| cell.scenario).collect();
    let names: Vec<String> = cells
        .iter()
        .map(|cell| {
            let mut words = Vec::new();
            if scenarios.len() > 1 {
                words.push(cell.scenario.to_owned());
            }
            words.push(if cell.label.is_empty() { cell.cell } else { cell.label }.to_owned());
            let shown = varying.iter().filter_map(|name| Some((name, cell.params.get(*name)?)));
            words.extend(shown.map(|(name, value)| parameter(name, value)));
            words.join(" · ")
        })
        .collect();
    let once = |name: &String| names.iter().filter(|other| *other == name).count() == 1;
    let named = cells.iter().zip(&names);
    named.map(|(cell, name)| if once(name) { name.clone() } else { cell.cell.to_owned() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_in_per_cent() {
        assert_eq!(change(1.0213), "+2.13 %");
        assert_eq!(change(0.877), "−12.3 %");
        assert_eq!(change(3.5), "+250 %");
        assert_eq!(change(21.5), "+2,050 %");
        assert_eq!(change(0.999_999), "0.00 %");
        assert_eq!(change(f64::NAN), NONE);
        assert_eq!(size(1.01), "1 %");
        assert_eq!(size(1.0062), "0.62 %");
        assert_eq!(size(1.123), "12.3 %");
        assert_eq!(size(3.0), "200 %");
        assert_eq!(size(f64::INFINITY), NONE);
        assert_eq!(chance(0.000_01), "< 0.0001");
        assert_eq!(chance(0.0432), "0.043");
    }

    #[test]
    fn intervals_say_when_they_are_none() {
        let basis = crate::stats::Basis::StudentT;
        let some = Estimate { point: 1.0, interval: Some((0.99, 1.02)), basis, launches: 12 };
        assert_eq!(interval(&some), "−1.00 to +2.00 %");
        assert_eq!(interval(&Estimate { launches: 2, ..some }), "2 launches: too few");
        assert_eq!(interval(&Estimate { interval: None, ..some }), "no interval");
        let wide = Estimate { interval: Some((0.5, f64::INFINITY)), ..some };
        assert_eq!(interval(&wide), "no interval");
    }

    #[test]
    fn counts_that_differ_look_different() {
        assert_eq!(apart(16.0, 16.0), ("16".into(), "16".into()));
        assert_eq!(apart(16.0, 17.0), ("16".into(), "17".into()));
        assert_eq!(apart(1.0, 1.000_012), ("1".into(), "1.00001".into()));
        assert_eq!(apart(1_048_576.0, 0.0), ("1,048,576".into(), "0".into()));
        assert_eq!(count_name("cpu_copied_bytes_per_kib"), "CPU copied bytes per KiB");
    }
}
