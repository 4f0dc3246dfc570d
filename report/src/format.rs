//! How is a number written so that a person reads it right?

use crate::stats::{DECISIVE_MIN, Estimate};
use serde_json::Value;

/// What stands where there is no number.
pub const NONE: &str = "–";

/// Parameters whose numbers are bytes.
const BYTE_AXES: [&str; 9] = [
    "fetch",
    "message",
    "header",
    "socket_buffer",
    "slow_rate",
    "append_rate",
    "batch",
    "segment",
    "log_size",
];

/// A size in bytes with a binary unit: `128 B`, `64 KiB`, `1.5 MiB`.
#[must_use]
pub fn bytes(bytes: f64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    if !bytes.is_finite() {
        return NONE.into();
    }
    let mut value = bytes;
    let mut unit = 0;
    while value.abs() >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    let exact = value.fract() == 0.0 || value * 2.0 == (value * 2.0).round();
    format!("{} {}", if exact { plain(value) } else { significant(value, 2) }, UNITS[unit])
}

/// Three significant digits, thousands grouped: `0.321`, `45.6`, `12,300`.
#[must_use]
pub fn number(value: f64) -> String {
    significant(value, 3)
}

/// A number without trailing zeros, at most two decimals.
fn plain(value: f64) -> String {
    let text = format!("{value:.2}");
    if !text.contains('.') {
        return text;
    }
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// `digits` significant digits; whole numbers beyond them are rounded to a whole number, not to
/// zeros.
#[must_use]
pub fn significant(value: f64, digits: usize) -> String {
    if !value.is_finite() {
        return NONE.into();
    }
    if value == 0.0 {
        return "0".into();
    }
    let magnitude = value.abs().log10().floor() as i32;
    let decimals = (digits as i32 - 1 - magnitude).max(0) as usize;
    let rounded = format!("{value:.decimals$}");
    // 9.996 with three digits is 10.0, not 10.00.
    let again = rounded.parse::<f64>().unwrap_or(value);
    let grown = again.abs().log10().floor() as i32 > magnitude && decimals > 0;
    group(&if grown { format!("{again:.*}", decimals - 1) } else { rounded })
}

/// Groups the whole part's digits by thousands.
fn group(text: &str) -> String {
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let (sign, digits) = whole.strip_prefix('-').map_or(("", whole), |digits| ("-", digits));
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    format!("{sign}{grouped}{rest}")
}

/// A round number without trailing zeros, as ticks need it: `0.5`, `2,000`.
#[must_use]
pub fn tick(value: f64) -> String {
    let text = significant(value, 3);
    if !text.contains('.') {
        return text;
    }
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A round duration: `20 µs`.
#[must_use]
pub fn duration_tick(ns: f64) -> String {
    if ns == 0.0 {
        return "0".into();
    }
    let (value, unit) = in_unit(ns);
    format!("{} {unit}", tick(value))
}

/// A duration with the unit that fits: `850 ns`, `12.3 µs`, `4.56 ms`, `1.2 s`.
#[must_use]
pub fn duration(ns: f64) -> String {
    let (value, unit) = in_unit(ns);
    format!("{} {unit}", number(value))
}

fn in_unit(ns: f64) -> (f64, &'static str) {
    match ns.abs() {
        size if size < 1e3 => (ns, "ns"),
        size if size < 1e6 => (ns / 1e3, "µs"),
        size if size < 1e9 => (ns / 1e6, "ms"),
        _ => (ns / 1e9, "s"),
    }
}

/// Both ends of an interval with as many digits as it takes to tell them apart, two at least.
#[must_use]
pub fn ends(low: f64, high: f64) -> (String, String) {
    let mut shown = (significant(low, 2), significant(high, 2));
    for digits in 3..=4 {
        if shown.0 != shown.1 {
            break;
        }
        shown = (significant(low, digits), significant(high, digits));
    }
    shown
}

/// A ratio with its interval, and `~` in front where the interval contains 1: `0.32 (0.30–0.34)`.
#[must_use]
pub fn ratio(estimate: &Estimate) -> String {
    let mark = if estimate.differs_from(1.0) { "" } else { "~ " };
    match estimate.interval {
        Some(_) if estimate.launches < DECISIVE_MIN => {
            format!("{mark}{:.2} ({} launches: too few)", estimate.point, estimate.launches)
        }
        Some((low, high)) => {
            format!("{mark}{:.2} ({:.2}–{:.2})", estimate.point, low, high)
        }
        None => format!("{mark}{:.2} (no interval)", estimate.point),
    }
}

/// A parameter's value: bytes with their unit, numbers and strings bare, objects as `name(key
/// value, …)`.
#[must_use]
pub fn parameter(name: &str, value: &Value) -> String {
    match value {
        Value::Number(number) => match number.as_f64() {
            Some(value) if BYTE_AXES.contains(&name) => bytes(value),
            Some(0.0) if name == "bandwidth" => "unbounded".into(),
            Some(value) if name == "bandwidth" => format!("{}/s", bytes(value)),
            _ => number.to_string(),
        },
        Value::String(text) => text.clone(),
        Value::Object(map) => map
            .iter()
            .map(|(key, inner)| match inner {
                Value::Object(fields) => {
                    let fields: Vec<String> = fields
                        .iter()
                        .map(|(field, value)| format!("{field} {}", parameter("", value)))
                        .collect();
                    format!("{key}({})", fields.join(", "))
                }
                other => format!("{key} {}", parameter(name, other)),
            })
            .collect::<Vec<_>>()
            .join(", "),
        Value::Array(values) => {
            values.iter().map(|value| parameter(name, value)).collect::<Vec<_>>().join(", ")
        }
        Value::Bool(flag) => flag.to_string(),
        Value::Null => NONE.into(),
    }
}

/// A parameter's name in a sentence: `fetch size`, `cache`.
#[must_use]
pub fn parameter_name(name: &str) -> String {
    match name {
        "fetch" | "message" | "header" => format!("{name} size"),
        other => other.replace('_', " "),
    }
}

/// A position on an axis, in the axis' own unit.
#[must_use]
pub fn position(name: &str, x: f64) -> String {
    if BYTE_AXES.contains(&name) { bytes(x) } else { tick(x) }
}

/// Both ends of a stretch of an axis; a unit that both share is written once: `2.4`, `3.7 KiB`.
#[must_use]
pub fn span(name: &str, low: f64, high: f64) -> (String, String) {
    let (low, high) = (position(name, low), position(name, high));
    match (low.split_once(' '), high.split_once(' ')) {
        (Some((number, unit)), Some((_, same))) if unit == same => (number.to_owned(), high),
        _ => (low, high),
    }
}

/// `a`, `a and b`, `a, b and c`.
#[must_use]
pub fn list<S: AsRef<str>>(items: &[S]) -> String {
    match items {
        [] => String::new(),
        [one] => one.as_ref().to_owned(),
        [init @ .., last] => {
            let init: Vec<&str> = init.iter().map(AsRef::as_ref).collect();
            format!("{} and {}", init.join(", "), last.as_ref())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn sizes_and_numbers() {
        assert_eq!(bytes(128.0), "128 B");
        assert_eq!(bytes(65536.0), "64 KiB");
        assert_eq!(bytes(1536.0), "1.5 KiB");
        assert_eq!(bytes(f64::NAN), NONE);
        assert_eq!(number(0.0), "0");
        assert_eq!(number(0.32149), "0.321");
        assert_eq!(number(9.996), "10.0");
        assert_eq!(number(123_456.7), "123,457");
        assert_eq!(number(-1234.0), "-1,234");
        assert_eq!(duration(12_345.0), "12.3 µs");
        assert_eq!(ends(2.541, 2.549), ("2.54".into(), "2.55".into()));
    }

    #[test]
    fn two_launches_give_no_interval_to_print() {
        let basis = crate::stats::Basis::StudentT;
        let two = Estimate { point: 0.95, interval: Some((0.90, 0.99)), basis, launches: 2 };
        assert_eq!(ratio(&two), "~ 0.95 (2 launches: too few)");
        assert_eq!(ratio(&Estimate { launches: 3, ..two }), "0.95 (0.90–0.99)");
    }

    #[test]
    fn parameters_of_every_shape() {
        assert_eq!(parameter("fetch", &json!(1_048_576)), "1 MiB");
        assert_eq!(parameter("consumers", &json!(4)), "4");
        let shape = json!({"lognormal": {"median": 1024, "sigma": 0.5}});
        assert_eq!(parameter("message", &shape), "lognormal(median 1024, sigma 0.5)");
        assert_eq!(parameter("cache", &json!({"partial": 0.5})), "partial 0.5");
        assert_eq!(parameter("cache", &Value::Null), NONE);
        assert_eq!(list(&["a", "b", "c"]), "a, b and c");
    }
}
