//! How are a rule and what came of it said to people?

use super::{Expectation, Finding, Verdict};
use crate::format;
use crate::metric::Metric;
use crate::metric::kernel::Witness;
use crate::record::{Claim, Expect};

/// Conditions that a sentence spells out.
const SPELLED_OUT: usize = 3;

/// A rule in words; `x` is the name of the first axis, along which a crossover goes.
#[must_use]
pub fn claim(rule: &Expect, x: Option<&str>) -> String {
    let Expect { strategy, claim, places, .. } = rule;
    let what = quantity(rule);
    let said = match claim {
        Claim::Ratio { than, above, below } => {
            let bound = bounds(than, *above, *below);
            format!("{strategy} stays {bound} in {what}")
        }
        Claim::Crossover { than, from, to } => {
            let axis = x.unwrap_or_default();
            let (from, to) = (format::position(axis, *from), format::position(axis, *to));
            let name = format::parameter_name(axis);
            format!("{strategy} overtakes {than} in {what} between {name} {from} and {to}")
        }
        Claim::Value { at_least, at_most } => {
            let bound = match (at_least.map(number), at_most.map(number)) {
                (Some(least), Some(most)) if least == most => format!("at {least}"),
                (Some(least), Some(most)) => format!("between {least} and {most}"),
                (Some(least), None) => format!("at {least} or above"),
                (None, Some(most)) if most == "0" => "at 0".to_owned(),
                (None, Some(most)) => format!("at {most} or below"),
                (None, None) => "anywhere".to_owned(),
            };
            format!("{strategy} stays {bound} in {what}")
        }
    };
    let places: Vec<String> = places
        .iter()
        .map(|(name, values)| {
            let values: Vec<String> =
                values.iter().map(|value| format::parameter(name, value)).collect();
            format!("{} {}", format::parameter_name(name), format::list(&values))
        })
        .collect();
    match places.is_empty() {
        true => said,
        false => format!("{said} ({})", places.join("; ")),
    }
}

/// `below mmap-write`, `below 0.8 times mmap-write`, `between 0.5 and 1.5 times mmap-write`.
fn bounds(than: &str, above: Option<f64>, below: Option<f64>) -> String {
    let times = |bound: f64| match bound {
        1.0 => than.to_owned(),
        _ => format!("{} times {than}", number(bound)),
    };
    match (above, below) {
        (None, Some(below)) => format!("below {}", times(below)),
        (Some(above), None) => format!("above {}", times(above)),
        (Some(above), Some(below)) => {
            format!("between {} and {} times {than}", number(above), number(below))
        }
        (None, None) => "anywhere".to_owned(),
    }
}

/// The quantity in a sentence: `sender CPU`, `CPU copies per byte`.
fn quantity(rule: &Expect) -> String {
    let metric = Metric::ALL.into_iter().find(|metric| metric.key() == rule.metric);
    let witness = Witness::ALL.into_iter().find(|witness| witness.key() == rule.metric);
    match (metric, witness) {
        (Some(metric), _) => lower(metric.title()),
        (None, Some(witness)) => format!("{} {}", lower(witness.title()), witness.unit()),
        (None, None) => rule.metric.clone(),
    }
}

/// With a small first letter, unless an abbreviation begins there.
fn lower(title: &str) -> String {
    let mut letters = title.chars();
    let (first, second) = (letters.next(), letters.next());
    match first {
        Some(first) if !second.is_some_and(char::is_uppercase) => {
            first.to_lowercase().collect::<String>() + &title[first.len_utf8()..]
        }
        _ => title.to_owned(),
    }
}

/// A bound as short as it was written: `0.8`, `1`.
pub(super) fn number(value: f64) -> String {
    value.to_string()
}

/// A count.
pub(super) fn count(value: f64) -> String {
    if value.fract() == 0.0 { number(value) } else { format::number(value) }
}

/// A chance in words: `p = 0.04`, `p < 0.0001`.
pub(super) fn chance(chance: f64) -> String {
    match chance {
        tiny if tiny < 1e-4 => "p < 0.0001".to_owned(),
        other => format!("p = {}", format::significant(other, 2)),
    }
}

impl Expectation {
    /// What came of it, behind the claim and a colon: `holds (0.61)`, `broken at fetch size 4 KiB: …`.
    #[must_use]
    pub fn outcome(&self) -> String {
        let worst: Vec<&Finding> =
            self.findings.iter().filter(|one| one.verdict == self.verdict).collect();
        let name = self.verdict.name();
        match (self.verdict, self.findings.as_slice()) {
            (Verdict::Holds, [only]) => format!("{name}: {}", only.measured),
            (Verdict::Holds, all) => format!("{name} under all {} conditions", all.len()),
            (_, [only]) => format!("{name}: {}", only.told()),
            (_, all) => {
                let spelled = worst.iter().take(SPELLED_OUT).map(|one| match &one.condition {
                    none if none.is_empty() => one.told(),
                    condition => format!("{condition}: {}", one.told()),
                });
                let mut parts: Vec<String> = spelled.collect();
                if worst.len() > SPELLED_OUT {
                    parts.push(format!("and {} more", worst.len() - SPELLED_OUT));
                }
                let (some, all) = (worst.len(), all.len());
                format!("{name} under {some} of {all} conditions: {}", parts.join("; "))
            }
        }
    }
}

impl Finding {
    /// Numbers and reason.
    fn told(&self) -> String {
        let parts = [self.measured.as_str(), self.why.as_str()];
        let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        parts.join(", ")
    }
}

impl std::fmt::Display for Expectation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.claim, self.outcome())
    }
}
