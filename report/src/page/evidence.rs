//! What did the kernel do, contender by contender?
//!
//! The second table of a panel: copies with the judge's word, the memory that packets referred to,
//! system calls by name, switches, faults. Columns of zeros are left out, and the caption names them;
//! what was not observed is a dash with its reason.

use super::grid::{self, Column, Entry, Grid};
use super::look::Looks;
use super::path;
use crate::format;
use crate::metric::Metric;
use crate::metric::kernel::{self, Witness};
use crate::record::{Ledger, Pass, Sample, reading};
use crate::study::{Figure, Panel, Row, Side, State, Study};

const MIB: f64 = 1024.0 * 1024.0;
/// So many system calls are named.
const CALLS: usize = 3;

/// What a column holds.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Number(Witness),
    Agreement,
    Calls,
    ModeSwitches,
}

/// All columns, in order.
const KINDS: [Kind; 15] = [
    Kind::Number(Witness::Copies),
    Kind::Agreement,
    Kind::Number(Witness::WireLog),
    Kind::Number(Witness::WirePrivate),
    Kind::Number(Witness::WireLinear),
    Kind::Number(Witness::WireOther),
    Kind::ModeSwitches,
    Kind::Number(Witness::Voluntary),
    Kind::Number(Witness::Involuntary),
    Kind::Number(Witness::FaultsUser),
    Kind::Number(Witness::FaultsKernel),
    Kind::Number(Witness::Submitted),
    Kind::Number(Witness::Punted),
    Kind::Number(Witness::Fill),
    Kind::Calls,
];

/// The table, or why there is none.
pub fn table(study: &Study, panel: &Panel, looks: &Looks, id: &str) -> Result<Grid, String> {
    let observed: Vec<&Row> = panel.rows().filter(|row| row.observation().is_some()).collect();
    if observed.is_empty() {
        return Err(nothing(panel));
    }
    let (kinds, zero): (Vec<Kind>, Vec<Kind>) =
        KINDS.into_iter().partition(|kind| !zero_everywhere(*kind, &observed));
    let caption = format!(
        "What the kernel did, seen by programs on its tracepoints while one block of each cell \
         moved. Copies are the {}’s; wire says in which memory the bytes of packets lay{}{}",
        study.side.name(),
        left_out(&zero),
        overhead(study, &observed)
    );
    let cells = |row: &Row| kinds.iter().map(|kind| entry(*kind, row)).collect();
    Ok(Grid {
        id: format!("{id}-kernel"),
        caption,
        columns: kinds.iter().map(|kind| column(*kind)).collect(),
        x_name: study.x_name(),
        lines: grid::lines(study, panel, looks, &cells),
    })
}

/// What the programs cost: the measured side's CPU time beside them over that of its timed slices.
fn overhead(study: &Study, rows: &[&Row]) -> String {
    let mut ratios: Vec<f64> = rows.iter().filter_map(|row| slower(row)).collect();
    ratios.sort_by(f64::total_cmp);
    match ratios.get(ratios.len() / 2) {
        Some(ratio) => {
            let times = format::significant(*ratio, 2);
            format!(
                ". While it was watched the {} used {times} times the CPU of its timed slices",
                study.side.name()
            )
        }
        None => String::new(),
    }
}

fn slower(row: &Row) -> Option<f64> {
    let counting = counting(row)?;
    let name = match row.side {
        Side::Sender => reading::SENDER_CPU_NS,
        Side::Receiver => reading::RECEIVER_CPU_NS,
    };
    let cpu_ns = *counting.readings.get(name)? as f64;
    let timed = row.median(row.side.cpu()).filter(|timed| *timed > 0.0)?;
    (counting.bytes > 0).then(|| cpu_ns / (counting.bytes as f64 / 1024.0) / timed)
}

/// Why nothing of a panel was observed.
fn nothing(panel: &Panel) -> String {
    let ledgers = panel.rows().filter(|row| row.state == State::Ok).map(|row| row.measured);
    let reason = ledgers.flatten().find_map(|measured| measured.ledger.as_ref()?.reason.as_deref());
    reason.unwrap_or("no cell has a ledger").trim_start_matches("unavailable: ").to_owned()
}

fn zero_everywhere(kind: Kind, rows: &[&Row]) -> bool {
    let Kind::Number(witness) = kind else { return false };
    witness != Witness::Copies
        && rows.iter().all(|row| row.witnessed.get(&witness).and_then(Figure::median) == Some(0.0))
}

fn left_out(zero: &[Kind]) -> String {
    // Lower case within a sentence, but for names.
    let title = |kind: &Kind| match column(*kind).title {
        title if title.starts_with("io_uring") => title,
        title => format!("{}{}", title[..1].to_lowercase(), &title[1..]),
    };
    let titles: Vec<String> = zero.iter().map(title).collect();
    if titles.is_empty() {
        String::new()
    } else {
        format!(". Zero in every cell: {}", format::list(&titles))
    }
}

fn column(kind: Kind) -> Column {
    let (title, unit) = match kind {
        Kind::Number(witness) => (witness.title(), witness.unit()),
        Kind::Agreement => ("Claim", "judged"),
        Kind::Calls => ("System calls, most frequent", Witness::Syscalls.unit()),
        Kind::ModeSwitches => (Metric::ModeSwitches.title(), Metric::ModeSwitches.unit()),
    };
    Column { title: title.into(), unit: unit.into() }
}

fn entry(kind: Kind, row: &Row) -> Entry {
    match (kind, row.observation()) {
        (Kind::Number(Witness::Copies), _) => copies(row),
        (Kind::Number(witness), _) => number(row, witness),
        (_, None) => grid::unavailable(&reason(row, Witness::Syscalls)),
        (Kind::Agreement, Some(ledger)) => agreement(ledger),
        (Kind::Calls, Some(ledger)) => calls(ledger, row),
        (Kind::ModeSwitches, Some(_)) => grid::figure(row, Metric::ModeSwitches),
    }
}

fn reason(row: &Row, witness: Witness) -> String {
    match row.witnessed.get(&witness) {
        Some(Figure::Unavailable { reason }) => reason.clone(),
        _ => "not observed".to_owned(),
    }
}

/// Observed copies per byte, the claim beside them where it is another.
pub fn copies(row: &Row) -> Entry {
    let Some((observed, claim)) = row.copies() else {
        return grid::unavailable(&reason(row, Witness::Copies));
    };
    let order = row.witnessed.get(&Witness::Copies).and_then(Figure::median);
    Entry {
        text: observed,
        class: if claim.is_some() { "flag" } else { "" },
        hint: match &claim {
            Some(claim) => format!("observed; {claim}"),
            None => "observed; the claim is the same".to_owned(),
        },
        detail: claim.unwrap_or_default(),
        order: order.map_or(String::new(), |value| value.to_string()),
    }
}

fn number(row: &Row, witness: Witness) -> Entry {
    let Some(value) = row.witnessed.get(&witness).and_then(Figure::median) else {
        return grid::unavailable(&reason(row, witness));
    };
    let text = if witness.unit() == "per byte" && value > 0.0 {
        format!("{value:.2}")
    } else {
        format::number(value)
    };
    let (detail, hint) = beside(row, witness, value);
    Entry { text, detail, order: value.to_string(), hint, class: "" }
}

/// What rusage says of the same block, where it counts the same: shown where it differs.
fn beside(row: &Row, witness: Witness, value: f64) -> (String, String) {
    let name = match witness {
        Witness::Voluntary => reading::VOLUNTARY_SWITCHES,
        Witness::Involuntary => reading::INVOLUNTARY_SWITCHES,
        _ => return (String::new(), "observed, one block".to_owned()),
    };
    let rusage = counting(row).and_then(|sample| {
        Some(*sample.readings.get(name)? as f64 / (sample.bytes.max(1) as f64 / MIB))
    });
    match rusage {
        Some(rusage) if rusage == value => {
            (String::new(), "observed, one block; rusage says the same".to_owned())
        }
        Some(rusage) => {
            let rusage = format::number(rusage);
            (format!("rusage {rusage}"), format!("observed, one block; rusage says {rusage}"))
        }
        None => (String::new(), "observed, one block; no rusage of it".to_owned()),
    }
}

/// The sample during which the programs counted.
fn counting<'a>(row: &Row<'a>) -> Option<&'a Sample> {
    row.measured?.samples.iter().find(|sample| sample.pass == Pass::Counting)
}

fn agreement(ledger: &Ledger) -> Entry {
    let name = path::name(ledger.agreement);
    Entry {
        text: format!("{} {name}", path::mark(ledger.agreement)),
        detail: String::new(),
        order: String::new(),
        hint: ledger.reason.clone().unwrap_or_else(|| "every hop as claimed".to_owned()),
        class: match name {
            "agrees" => "word verdict agrees",
            "contradicts" => "word verdict contradicts",
            _ => "word verdict",
        },
    }
}

fn calls(ledger: &Ledger, row: &Row) -> Entry {
    let calls = kernel::calls_per_mib(ledger);
    let named = |(name, count): &(&str, f64)| format!("{name} {}", format::number(*count));
    let all: Vec<String> = calls.iter().map(named).collect();
    let more = if all.len() > CALLS { ", …" } else { "" };
    let total = row.witnessed.get(&Witness::Syscalls).and_then(Figure::median);
    Entry {
        text: if all.is_empty() {
            "none".into()
        } else {
            all[..all.len().min(CALLS)].join(", ") + more
        },
        detail: String::new(),
        order: total.map_or(String::new(), |value| value.to_string()),
        hint: format!("observed, one block: {}", all.join(", ")),
        class: "calls",
    }
}
