//! How is a ratio said in words?

use crate::format;
use crate::stats::Estimate;

/// A ratio below 1 in words: `3.1 times less than other (2.9–3.3)`, `12 % less than other (9–15
/// %)`.
pub(super) fn less(ratio: &Estimate, other: Option<&str>) -> String {
    let than = other.map(|other| format!(" than {other}")).unwrap_or_default();
    let Some((low, high)) = ratio.interval else {
        return format!("{}{than} (no interval)", amount(ratio.point));
    };
    if ratio.point <= 1.0 / 1.5 {
        let (from, to) = format::ends(1.0 / high, 1.0 / low);
        return format!("{}{than} ({from}–{to})", amount(ratio.point));
    }
    // Below 1 the interval is of what is saved, above 1 of what is added.
    let sign = if ratio.point <= 1.0 { 1.0 } else { -1.0 };
    let percent = |share: f64| sign * (1.0 - share) * 100.0;
    let (a, b) = (percent(low), percent(high));
    let (from, to) = (a.min(b), a.max(b));
    let shown = |p: f64| format::significant(p, 2).replace('-', "−");
    let joint = if from < 0.0 { " to " } else { "–" };
    let tilde = if ratio.differs_from(1.0) { "" } else { "~ " };
    format!("{tilde}{}{than} ({}{joint}{}\u{a0}%)", amount(ratio.point), shown(from), shown(to))
}

/// Those behind, and how far: `only c needs more: 2.0 times as much as a (1.8–2.2)`.
pub(super) fn trailing(behind: &[(String, Estimate)], reference: &str) -> String {
    let points = || behind.iter().map(|(_, ratio)| ratio.point);
    let labels: Vec<&str> = behind.iter().map(|(label, _)| label.as_str()).collect();
    let (least, most) = format::ends(
        points().fold(f64::INFINITY, f64::min),
        points().fold(f64::NEG_INFINITY, f64::max),
    );
    match behind {
        [(label, ratio)] => {
            let interval = ratio.interval.map_or("no interval".into(), |(low, high)| {
                let (low, high) = format::ends(low, high);
                format!("{low}–{high}")
            });
            let times = format::significant(ratio.point, 2);
            format!("only {label} needs more: {times} times as much as {reference} ({interval})")
        }
        _ => format!(
            "{} need more: {least} to {most} times as much as {reference}",
            format::list(&labels)
        ),
    }
}

/// A ratio in words, without its interval.
pub(super) fn amount(ratio: f64) -> String {
    if ratio <= 1.0 / 1.5 {
        return format!("{} times less", format::significant(1.0 / ratio, 2));
    }
    let percent = (1.0 - ratio) * 100.0;
    if percent >= 0.0 {
        format!("{}\u{a0}% less", format::significant(percent, 2))
    } else {
        format!("{}\u{a0}% more", format::significant(-percent, 2))
    }
}
