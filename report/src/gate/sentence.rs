//! What is a verdict in plain words?
//!
//! One sentence for each thing that was found, with the numbers that it rests on. Where nothing can be
//! said the sentence says why, and what would help.

use super::record::{Arm, Record};
use super::{CellReport, Exact, Fact, Judged, Timing, Verdict, judge, words};
use crate::format;
use crate::record::Status;
use crate::stats::permutation;

/// The sentences of one cell.
pub(super) fn of(record: &Record, report: &CellReport<'_>) -> Vec<String> {
    if report.status != Status::Ok {
        return vec![ended(record, report)];
    }
    let base = words::base(record);
    let mut sentences: Vec<String> = Vec::new();
    sentences.extend(report.exact.iter().filter_map(|row| of_count(report, row)));
    sentences.extend(report.facts.iter().filter_map(|fact| of_fact(fact, base)));
    let changed = |row: &Exact| row.verdict != Verdict::Pass;
    if !report.exact.is_empty() && !report.exact.iter().any(changed) {
        let slack = report.exact.iter().any(|row| row.base != row.head);
        let same = if slack { "the same within the slack" } else { "the same" };
        let all = words::count(report.exact.len(), "count");
        sentences.push(format!("What is done for the bytes is {same} as {base}'s: {all}."));
    }
    if let Some(missing) = &report.exact_missing {
        sentences.push(format!("Not counted: {missing}."));
    }
    match &report.timing {
        Ok(timing) => sentences.push(of_timing(record, timing)),
        Err(reason) => sentences.push(format!("Times were not compared: {reason}.")),
    }
    sentences
}

/// What is said of a cell that did not go well in both arms.
fn ended(record: &Record, report: &CellReport<'_>) -> String {
    let reasons = match report.reasons {
        [] => String::new(),
        reasons => format!(" ({})", reasons.join("; ")),
    };
    let cell = record.cells.iter().find(|cell| cell.id == report.cell);
    let Some(cell) = cell.and_then(|measured| measured.cell.as_ref()) else {
        return format!("Nothing can be said{reasons}.");
    };
    let of = |arm| cell.status.get(&arm).copied().unwrap_or(Status::Ok);
    let (base, head) = (of(Arm::Base), of(Arm::Head));
    let name = words::base(record);
    match (base, head) {
        (Status::Ok, _) if report.verdict == Verdict::Regression => {
            format!("What {name} can do, the head cannot: {}{reasons}: a regression.", head.name())
        }
        (_, Status::Ok) if report.verdict == Verdict::Pass => format!(
            "The head can do what {name} could not: {}{reasons}; there is nothing to compare.",
            base.name()
        ),
        (base, head) if base == head => {
            format!("There is nothing to compare: both are {}{reasons}.", base.name())
        }
        (base, head) => format!(
            "Nothing can be said: {name} is {}, the head {}{reasons}.",
            base.name(),
            head.name()
        ),
    }
}

fn of_fact(fact: &Fact, base: &str) -> Option<String> {
    let name = match fact.name.as_str() {
        "strategy" => "The strategy really used",
        "verified" => "What was verified of the bytes",
        "agreement" => "What the kernel's evidence says of the claim",
        other => other,
    };
    let unknown = "unknown".to_owned();
    let (a, b) = (fact.base.as_ref().unwrap_or(&unknown), fact.head.as_ref().unwrap_or(&unknown));
    let end = match (fact.verdict, &fact.reason) {
        (Verdict::Pass, _) => return None,
        (Verdict::Regression, _) => "a regression".to_owned(),
        (Verdict::Improvement, _) => "an improvement".to_owned(),
        (_, Some(reason)) => format!("nothing can be said, {reason}"),
        (_, None) => "nothing can be said".to_owned(),
    };
    Some(format!("{name}: {b} instead of {base}'s {a}: {end}."))
}

fn of_count(report: &CellReport<'_>, row: &Exact) -> Option<String> {
    let end = match (row.verdict, &row.reason) {
        (Verdict::Pass, _) => return None,
        (Verdict::Regression, _) => "a regression".to_owned(),
        (Verdict::Improvement, _) => "an improvement".to_owned(),
        (_, Some(reason)) => format!("nothing can be said, {reason}"),
        (_, None) => "nothing can be said".to_owned(),
    };
    let (Some(base), Some(head)) = (row.base, row.head) else {
        return Some(format!("{}: {end}.", row.name));
    };
    if row.name == "cpu_copies_per_byte" {
        let (base, head) = (format::tick(base), format::tick(head));
        return Some(format!("CPU copies of each byte: {head} instead of {base}: {end}."));
    }
    if let ("syscalls_per_mib", Some((base, head))) =
        (row.name.as_str(), per_fetch(report, base, head))
    {
        let calls = words::count(head as usize, "system call");
        return Some(format!("Every fetch makes {calls} instead of {base}: {end}."));
    }
    let slack = match row.slack {
        slack if slack > 0.0 => {
            format!(" ({} more would have been allowed)", format::number(slack))
        }
        _ => String::new(),
    };
    let (base, head) = (format::tick(base), format::tick(head));
    Some(format!("{}: {head} instead of {base}{slack}: {end}.", words::unit(&row.name)))
}

/// Calls of each fetch, where both are whole numbers of them.
fn per_fetch(report: &CellReport<'_>, base: f64, head: f64) -> Option<(u64, u64)> {
    let fetch_mib = report.params.get("fetch")?.as_f64()? / (1024.0 * 1024.0);
    let whole = |per_mib: f64| {
        let calls = per_mib * fetch_mib;
        let near = (calls - calls.round()).abs() < 0.01 && (0.5..1e6).contains(&calls);
        near.then(|| calls.round() as u64)
    };
    let (base, head) = (whole(base)?, whole(head)?);
    (base != head).then_some((base, head))
}

/// The judged metric.
fn of_timing(record: &Record, timing: &Timing) -> String {
    let all = &timing.all;
    let base = words::base(record);
    let found = format!("Sender CPU per KiB: {}", words::change(&all.ratio, Some(base)));
    let margin = words::percent(all.margin);
    let beyond = format!(
        "beyond the margin of {margin} and beyond what this machine makes of nothing ({})",
        words::percent(all.floor)
    );
    let sets = timing.second.as_ref().map(|second| {
        let change = |set: &Judged| words::change(&set.ratio, None);
        format!("{} and, in fresh processes, {}", change(&timing.first), change(second))
    });
    match (timing.verdict, all.verdict, sets) {
        (Verdict::Invalid, ..) => invalid(all),
        (Verdict::Regression | Verdict::Improvement, _, sets) => {
            let seen = sets.map(|sets| format!("; seen twice, {sets}")).unwrap_or_default();
            let a = if timing.verdict == Verdict::Regression { "a" } else { "an" };
            format!("{found}, {beyond}{seen}: {a} {}.", timing.verdict.name())
        }
        (Verdict::Pass, ..) if all.ratio.above(1.0) => {
            format!("{found}: within the margin of {margin}, which is tolerated.")
        }
        (Verdict::Pass, ..) => format!("{found}: more than the margin of {margin} is excluded."),
        (Verdict::Inconclusive, Verdict::Regression, None) => {
            format!("{found}, {beyond}; not looked at again in fresh processes: inconclusive.")
        }
        (Verdict::Inconclusive, Verdict::Regression | Verdict::Improvement, Some(sets)) => {
            format!("{found}, {beyond}; but only one of two sets shows it, {sets}: inconclusive.")
        }
        (Verdict::Inconclusive, ..) => {
            format!("{found}: {}; {}", undecided(record, all), would_help(all))
        }
    }
}

fn invalid(judged: &Judged) -> String {
    format!(
        "Sender CPU per KiB: a second copy of the base needs {} itself, beyond the margin of {}: what \
        was measured cannot be trusted, and nothing is said of the head.",
        words::change(&judged.control, Some("the base")),
        words::percent(judged.margin)
    )
}

/// Why a set of launches decides nothing.
fn undecided(record: &Record, judged: &Judged) -> String {
    let rule = &record.opening.rule;
    let launches = judged.launches.len();
    let margin = words::percent(judged.margin);
    let cells = record.cells.iter().filter(|cell| !cell.samples.is_empty()).count();
    if permutation::least_p(launches) * cells as f64 >= rule.alpha {
        let few = words::count(launches, "launch");
        let tests = words::count(cells, "cell");
        return match permutation::least_values(cells, rule.alpha) {
            Some(least) => format!("{few} cannot be significant for {tests}, it takes {least}"),
            None => format!("no number of launches can be significant for {tests}"),
        };
    }
    let beyond_margin = judged.ratio.above(judged.margin);
    if beyond_margin && !judged.ratio.above(judged.floor) {
        let floor = words::percent(judged.floor);
        return format!(
            "beyond the margin of {margin}, but not beyond what this machine makes of nothing, up \
            to {floor}"
        );
    }
    if beyond_margin && judged.p_holm >= rule.alpha {
        return format!(
            "beyond the margin of {margin}, but chance would show as much too often (p = {} over \
            {}, {} is asked for)",
            format::significant(judged.p_holm, 2),
            words::count(cells, "cell"),
            rule.alpha
        );
    }
    format!("the interval neither excludes more than the margin of {margin} nor lies beyond it")
}

/// What was within reach, and what would be with more launches.
fn would_help(judged: &Judged) -> String {
    let launches = judged.launches.len();
    let seen = match judged.smallest_seen {
        Some(seen) => format!("{} would have been seen", words::percent(seen)),
        None => "no regression would have been seen, however large".to_owned(),
    };
    let target = words::percent(judged.margin + 0.01);
    match judged.launches_wanted {
        Some(wanted) if wanted as usize > launches => {
            format!("{seen}, {wanted} launches instead of {launches} would see {target}.")
        }
        Some(_) => format!("{seen}."),
        None => format!("{seen}, and more launches would not help: a quieter machine would."),
    }
}

/// The whole gate in one sentence or two.
pub(super) fn headline(record: &Record, cells: &[CellReport<'_>], verdict: Verdict) -> String {
    let of = |wanted: Verdict| cells.iter().filter(move |cell| cell.verdict == wanted);
    let all = words::count(cells.len(), "cell");
    let how_many = |wanted: Verdict| match (of(wanted).count(), cells.len()) {
        (1, 1) => "in its only cell".to_owned(),
        (n, _) => format!("in {n} of {all}"),
    };
    let (base, margin) = (words::base(record), words::percent(1.0 + record.opening.rule.margin));
    let first = |wanted: Verdict| {
        let cell = of(wanted).next()?;
        let sentence = words::decisive(cell)?;
        Some(format!(" {}: {sentence}", words::cell(cells, cell)))
    };
    let first = |wanted| first(wanted).unwrap_or_default();
    let timed = record.opening.timing == "yes";
    let counted = judge::counted(record);
    let cut_short = record.end.as_ref().is_none_or(|end| end.how != "complete");
    let text = match verdict {
        Verdict::Regression => {
            format!("The head is worse than {base} {}.{}", how_many(verdict), first(verdict))
        }
        Verdict::Invalid => {
            let what = "What was measured cannot be trusted";
            format!("{what} {}.{}", how_many(verdict), first(verdict))
        }
        Verdict::Inconclusive if cells.iter().all(|cell| cell.status != Status::Ok) => {
            "Nothing was compared.".to_owned()
        }
        Verdict::Inconclusive if of(verdict).next().is_some() => {
            format!("Nothing can be said {}.{}", how_many(verdict), first(verdict))
        }
        Verdict::Inconclusive => "What was compared passes, and that is not all.".to_owned(),
        Verdict::Improvement => format!(
            "The head is better than {base} {}, and worse in none.{}",
            how_many(verdict),
            first(verdict)
        ),
        Verdict::Pass if timed && counted => format!(
            "The head does no more than {base} for the same bytes, and needs at most {margin} more \
            sender CPU: {all}."
        ),
        Verdict::Pass if timed => {
            format!("The head needs at most {margin} more sender CPU than {base}: {all}.")
        }
        Verdict::Pass => format!("The head does no more than {base} for the same bytes: {all}."),
    };
    let cut = if cut_short { " The gate was cut short." } else { "" };
    let untimed = match record.opening.timing.strip_prefix("no: ") {
        Some(reason) => format!(" Times were not compared: {reason}."),
        None => String::new(),
    };
    let uncounted = if timed && !counted { " Counts were not compared." } else { "" };
    format!("{text}{cut}{untimed}{uncounted}")
}
