//! What stands in the tables of a cell?

use super::Said;
use crate::format::{self, NONE};
use crate::gate::{Advisory, Exact, Fact, Judged, shown};

/// A count of base and head.
pub struct ExactRow {
    /// Its name in the record and in exports.
    pub key: String,
    /// Its name in words, with its unit.
    pub name: String,
    /// The base's value.
    pub base: String,
    /// The head's value.
    pub head: String,
    /// Head less base.
    pub difference: String,
    /// The same in per cent of the base.
    pub percent: String,
    /// What is declared to be tolerated.
    pub slack: String,
    /// What it comes to.
    pub verdict: Said,
    /// Why nothing could be said, or what was made of it.
    pub reason: String,
}

impl ExactRow {
    /// A row of the table.
    #[must_use]
    pub fn of(exact: &Exact) -> ExactRow {
        let one = |value: Option<f64>| {
            value.map_or_else(|| NONE.to_owned(), |value| shown::apart(value, value).0)
        };
        let (base, head) = match exact.base.zip(exact.head) {
            Some((base, head)) => shown::apart(base, head),
            None => (one(exact.base), one(exact.head)),
        };
        let both = exact.base.zip(exact.head);
        let (difference, percent) = both.map_or_else(
            || (NONE.to_owned(), String::new()),
            |(base, head)| difference(base, head),
        );
        ExactRow {
            key: exact.name.clone(),
            name: shown::count_name(&exact.name),
            base,
            head,
            difference,
            percent,
            slack: match exact.slack {
                slack if slack > 0.0 => shown::bare(&format::number(slack)),
                _ => "none".to_owned(),
            },
            verdict: Said::of(exact.verdict),
            reason: exact.reason.clone().unwrap_or_default(),
        }
    }
}

/// What has to be the same for both, in words.
pub struct FactRow {
    /// Its name.
    pub name: String,
    /// What was so for the base.
    pub base: String,
    /// What was so for the head.
    pub head: String,
    /// What it comes to.
    pub verdict: Said,
    /// Why.
    pub reason: String,
}

impl FactRow {
    /// A row of the table.
    #[must_use]
    pub fn of(fact: &Fact) -> FactRow {
        let one = |value: &Option<String>| value.clone().unwrap_or_else(|| NONE.to_owned());
        FactRow {
            name: fact.name.replace('_', " "),
            base: one(&fact.base),
            head: one(&fact.head),
            verdict: Said::of(fact.verdict),
            reason: fact.reason.clone().unwrap_or_default(),
        }
    }
}

/// `+1` and `+100 %`; nothing in per cent of nothing.
fn difference(base: f64, head: f64) -> (String, String) {
    let difference = head - base;
    if difference.abs() <= 0.0 {
        return ("0".to_owned(), String::new());
    }
    let sign = if difference < 0.0 { "−" } else { "+" };
    let size = shown::bare(&format::significant(difference.abs(), 4));
    let percent = if base.abs() > 0.0 { shown::change(head / base) } else { String::new() };
    (format!("{sign}{size}"), percent)
}

/// A figure of the judged metric, a value for each set of launches.
pub struct FigureRow {
    /// What it is.
    pub name: &'static str,
    /// What it means.
    pub words: &'static str,
    /// Its values.
    pub values: Vec<String>,
}

/// What is judged, by set of launches.
#[must_use]
pub fn figures(sets: &[&Judged]) -> Vec<FigureRow> {
    if sets.is_empty() {
        return Vec::new();
    }
    let row = |name, words, value: &dyn Fn(&Judged) -> String| FigureRow {
        name,
        words,
        values: sets.iter().map(|judged| value(judged)).collect(),
    };
    let turns = |judged: &Judged| judged.launches.iter().map(|one| one.turns).sum::<usize>();
    let ns = |value: Option<f64>| value.map_or_else(|| NONE.to_owned(), format::number);
    let wanted = |of: &Judged| {
        of.launches_wanted.map_or_else(|| NONE.to_owned(), |count| format::tick(count.into()))
    };
    let least = |of: &Judged| of.smallest_seen.map_or_else(|| NONE.to_owned(), shown::size);
    vec![
        row("Base", "ns of sender CPU per KiB", &|of| ns(of.values.0)),
        row("Head", "ns of sender CPU per KiB", &|of| ns(of.values.1)),
        row("Head ÷ base", "mean over launches", &|of| shown::change(of.ratio.point)),
        row("its interval", "95 %, over launches", &|of| shown::interval(&of.ratio)),
        row("Control ÷ base", "the same twice", &|of| shown::change(of.control.point)),
        row("its interval", "95 %, over launches", &|of| shown::interval(&of.control)),
        row("Floor", "what this machine makes of nothing", &|of| shown::size(of.floor)),
        row("Margin", "what is tolerated", &|of| shown::size(of.margin)),
        row("Smallest effect seen", "in 8 of 10 such gates", &least),
        row("Launches wanted", "in all, to see 1 % beyond the margin", &wanted),
        row("p", "permutation over launches", &|of| shown::chance(of.p)),
        row("p, corrected", "for all cells, Holm", &|of| shown::chance(of.p_holm)),
        row("Launches", "sets of fresh processes", &|of| of.launches.len().to_string()),
        row("Turns", "paired slices in them", &|of| format::tick(turns(of) as f64)),
        row("Verdict", "of these launches alone", &|of| shown::verdict(of.verdict)),
    ]
}

/// A metric that is shown and never judged.
pub struct AdvisoryRow {
    /// Its name in exports.
    pub key: String,
    /// Its name.
    pub name: String,
    /// Its unit.
    pub unit: &'static str,
    /// Typical value of the base.
    pub base: String,
    /// Typical value of the head.
    pub head: String,
    /// Head over base.
    pub change: String,
    /// Its interval.
    pub interval: String,
    /// `less`, or `more`.
    pub better: &'static str,
}

impl AdvisoryRow {
    /// A row of the table.
    #[must_use]
    pub fn of(advisory: &Advisory) -> AdvisoryRow {
        let unit = unit(&advisory.metric);
        let value = |value: Option<f64>| match value {
            None => NONE.to_owned(),
            Some(ns) if unit.is_empty() && advisory.metric.ends_with("_ns") => format::duration(ns),
            Some(value) => format::number(value),
        };
        let ratio = advisory.ratio.as_ref();
        AdvisoryRow {
            key: advisory.metric.clone(),
            name: advisory.name.clone(),
            unit,
            base: value(advisory.values.0),
            head: value(advisory.values.1),
            change: ratio.map_or_else(|| NONE.to_owned(), |ratio| shown::change(ratio.point)),
            interval: ratio.map(shown::interval).unwrap_or_default(),
            better: if advisory.less_is_better { "less" } else { "more" },
        }
    }
}

/// The unit that a metric's key ends in; nothing for durations, which carry their own.
fn unit(metric: &str) -> &'static str {
    const UNITS: [(&str, &str); 4] = [
        ("_ns_per_kib", "ns/KiB"),
        ("_mib_per_s", "MiB/s"),
        ("_per_mib", "per MiB"),
        ("_per_s", "per s"),
    ];
    UNITS.iter().find(|(end, _)| metric.ends_with(end)).map_or("", |(_, unit)| unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_read_both_ways() {
        let pair = |base, head| {
            let (difference, percent) = difference(base, head);
            format!("{difference} {percent}")
        };
        assert_eq!(pair(16.0, 17.0), "+1 +6.25 %");
        assert_eq!(pair(2.0, 1.0), "−1 −50.0 %");
        assert_eq!(pair(0.0, 1.0), "+1 ");
        assert_eq!(pair(0.5, 0.5), "0 ");
    }

    #[test]
    fn units_follow_from_keys() {
        assert_eq!(unit("total_cpu_ns_per_kib"), "ns/KiB");
        assert_eq!(unit("throughput_mib_per_s"), "MiB/s");
        assert_eq!(unit("fetch_latency_p99_ns"), "");
    }
}
