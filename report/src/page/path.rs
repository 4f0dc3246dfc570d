//! Which way did a contender's bytes go, who moved them, and is that what it claims?
//!
//! A [`Way`] is what a contender's cells have in common: the same claim, the same evidence. The
//! drawing is in [`draw`]: the claim faint behind, what was observed over it as thick as its share of
//! the payload, so that a contradiction is seen. What was not observed is said so, never 0.

mod draw;
mod words;

pub use draw::svg;
pub use words::short;

use crate::format;
use crate::record::{Agreement, Cell, Hop, Ledger, Status};
use crate::study::Study;

/// By more than this share of the payload, an observed hop is another than the claimed one.
const SAME: f64 = 0.015;

/// A contender's way under one or several conditions.
pub struct Way<'a> {
    label: &'a str,
    /// Of each condition, name and value of every axis, in words.
    conditions: Vec<Vec<(String, String)>>,
    ledger: &'a Ledger,
    /// Observed bytes per payload byte of each hop, one entry for each condition.
    shares: Vec<Vec<f64>>,
}

/// How a hop fares.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Seen {
    /// Observed, as claimed; bytes per payload byte.
    AsClaimed(f64),
    /// Observed, but another share than the claimed one.
    Other { observed: f64, claimed: f64 },
    /// Observed, and claimed by nobody.
    Unclaimed(f64),
    /// Not observed.
    Unseen,
}

/// The ways of a study: one for each contender and set of hops that its cells claim and show.
#[must_use]
pub fn ways<'a>(study: &Study<'a>) -> Vec<Way<'a>> {
    let mut ways: Vec<Way> = Vec::new();
    for label in &study.scenario.contenders {
        for panel in &study.panels {
            for point in &panel.points {
                let row = point.row(label).and_then(|row| row.measured);
                // What was refused beforehand went no way, and nobody failed to look.
                let refused = |cell: &Cell| cell.status == Status::Refused;
                let went = row.filter(|row| !row.cell.as_ref().is_some_and(refused));
                let row = went.and_then(|row| row.ledger.as_ref());
                let Some(ledger) = row.filter(|ledger| !ledger.hops.is_empty()) else { continue };
                let x = study.x.zip(point.x).map(|(axis, value)| (axis.name.as_str(), value));
                let axes = panel.fixed.iter().copied().chain(x);
                let condition = axes
                    .map(|(name, value)| {
                        (format::parameter_name(name), format::parameter(name, value))
                    })
                    .collect();
                let known =
                    ways.iter_mut().find(|way| way.label == label && same_way(way.ledger, ledger));
                match known {
                    Some(way) => way.add(condition, ledger),
                    None => {
                        let shares = vec![Vec::new(); ledger.hops.len()];
                        let mut way = Way { label, conditions: Vec::new(), ledger, shares };
                        way.add(condition, ledger);
                        ways.push(way);
                    }
                }
            }
        }
    }
    ways
}

/// Whether two ledgers claim the same hops, and show the same.
fn same_way(a: &Ledger, b: &Ledger) -> bool {
    let shape = |ledger: &Ledger| -> Vec<(String, String, String, i64, Option<i64>)> {
        let share = |hop: &Hop| {
            let share = hop.observed_bytes? as f64 / ledger.payload_bytes.max(1) as f64;
            // Read-ahead and alignment differ from size to size, and change no claim.
            Some(if hop.by == "device" { i64::from(share > 0.0) } else { (share * 10.0) as i64 })
        };
        let claim = |hop: &Hop| (claimed(hop, ledger) * 10.0) as i64;
        let hops = ledger.hops.iter();
        hops.map(|hop| (hop.from.clone(), hop.to.clone(), hop.by.clone(), claim(hop), share(hop)))
            .collect()
    };
    let copies = |ledger: &Ledger| {
        let copies = ledger.cpu_copies_per_byte;
        (copies.predicted.map(hundredths), copies.observed.map(hundredths))
    };
    a.agreement == b.agreement && copies(a) == copies(b) && shape(a) == shape(b)
}

fn hundredths(value: f64) -> i64 {
    (value * 100.0).round() as i64
}

impl<'a> Way<'a> {
    fn add(&mut self, condition: Vec<(String, String)>, ledger: &Ledger) {
        self.conditions.push(condition);
        for (shares, hop) in self.shares.iter_mut().zip(&ledger.hops) {
            let share = |bytes: u64| bytes as f64 / ledger.payload_bytes.max(1) as f64;
            shares.extend(hop.observed_bytes.map(share));
        }
    }

    /// The hops, each with how it fares.
    fn hops(&self) -> impl Iterator<Item = (&'a Hop, Seen)> {
        let ledger = self.ledger;
        ledger.hops.iter().zip(&self.shares).map(move |(hop, shares)| {
            let seen = match shares.as_slice() {
                [] => Seen::Unseen,
                shares => {
                    let observed = shares.iter().sum::<f64>() / shares.len() as f64;
                    seen(hop, observed, claimed(hop, ledger))
                }
            };
            (hop, seen)
        })
    }

    /// Whether any of its hops was observed.
    #[must_use]
    pub fn observed(&self) -> bool {
        self.ledger.hops.iter().any(|hop| hop.observed_bytes.is_some())
    }

    /// The contender whose evidence contradicts its claim, and the reason.
    #[must_use]
    pub fn contradiction(&self) -> Option<String> {
        (self.ledger.agreement == Agreement::Contradicts).then(|| {
            let reason = self.ledger.reason.as_deref().unwrap_or("no reason recorded");
            format!("{}: {reason}", self.label)
        })
    }

    /// Under which of all conditions it was taken, shortly: the values of the axes that tell them from
    /// the others; empty when it was all.
    fn when(&self, all: &[Vec<(String, String)>]) -> String {
        if self.conditions.len() >= all.len() {
            return String::new();
        }
        let (mut parts, mut product) = (Vec::new(), 1);
        for axis in 0..all[0].len() {
            let own = distinct(&self.conditions, axis);
            product *= own.len();
            if own.len() < distinct(all, axis).len() {
                parts.push(own.join(" or "));
            }
        }
        if product == self.conditions.len() {
            return parts.join(", ");
        }
        format!("{} of {} conditions", self.conditions.len(), all.len())
    }

    /// Its share of the sentence that says how many cells agree.
    fn cells(&self, agreement: Agreement) -> usize {
        if self.ledger.agreement == agreement { self.conditions.len() } else { 0 }
    }
}

/// The values of an axis, each once, in order.
fn distinct(conditions: &[Vec<(String, String)>], axis: usize) -> Vec<&str> {
    let mut values: Vec<&str> = Vec::new();
    for (_, value) in conditions.iter().filter_map(|condition| condition.get(axis)) {
        if !values.contains(&value.as_str()) {
            values.push(value);
        }
    }
    values
}

/// The claim for a hop, per payload byte.
fn claimed(hop: &Hop, ledger: &Ledger) -> f64 {
    // Where nothing was observed, a claim is for one MiB.
    let payload = if ledger.payload_bytes == 0 { 1 << 20 } else { ledger.payload_bytes };
    hop.predicted_bytes as f64 / payload as f64
}

fn seen(hop: &Hop, observed: f64, claimed: f64) -> Seen {
    let more = hop.by == "device" && observed >= claimed;
    match claimed {
        _ if hop.predicted_bytes == 0 => Seen::Unclaimed(observed),
        claimed if more || (observed - claimed).abs() <= SAME => Seen::AsClaimed(observed),
        claimed => Seen::Other { observed, claimed },
    }
}

/// How many cells agree with their claim, contradict it, and were not observed, in words with marks;
/// empty where there is no cell.
#[must_use]
pub fn tally(ways: &[Way]) -> Vec<(&'static str, String)> {
    let all = [
        (Agreement::Agrees, "of {} cells agree with their claim"),
        (Agreement::Contradicts, "of {} cells contradict their claim"),
        (Agreement::Unobserved, "of {} cells are unobserved"),
    ];
    let total: usize = ways.iter().map(|way| way.conditions.len()).sum();
    all.into_iter()
        .filter_map(|(agreement, words)| {
            let count: usize = ways.iter().map(|way| way.cells(agreement)).sum();
            let words = words.replace("{}", &total.to_string());
            let text = format!("{} {count} {words}", mark(agreement));
            (count > 0).then_some((name(agreement), text))
        })
        .collect()
}

/// Why some hops were not observed, each reason once, with whom it concerns.
#[must_use]
pub fn unseen(ways: &[Way]) -> Vec<String> {
    let mut reasons: Vec<(String, Vec<&str>)> = Vec::new();
    for way in ways {
        for (hop, _) in way.hops().filter(|(_, seen)| *seen == Seen::Unseen) {
            let why = hop.evidence.trim_start_matches("unavailable: ");
            let reason = format!("{} → {}: {why}", place(&hop.from), place(&hop.to));
            match reasons.iter_mut().find(|(known, _)| *known == reason) {
                Some((_, labels)) if labels.contains(&way.label) => {}
                Some((_, labels)) => labels.push(way.label),
                None => reasons.push((reason, vec![way.label])),
            }
        }
    }
    reasons
        .into_iter()
        .map(|(reason, labels)| format!("{reason} ({})", format::list(&labels)))
        .collect()
}

/// Why nothing at all was observed; nothing where something was.
#[must_use]
pub fn unavailable(ways: &[Way]) -> Option<String> {
    if ways.is_empty() || ways.iter().any(Way::observed) {
        return None;
    }
    let reason = ways.iter().find_map(|way| way.ledger.reason.as_deref());
    let reason = reason.unwrap_or("no reason recorded");
    Some(reason.trim_start_matches("unavailable: ").to_owned())
}

/// A place in words.
fn place(place: &str) -> &str {
    draw::STATIONS.iter().find(|(name, _)| *name == place).map_or(place, |(_, words)| words)
}

/// The word for an agreement.
#[must_use]
pub fn name(agreement: Agreement) -> &'static str {
    match agreement {
        Agreement::Agrees => "agrees",
        Agreement::Contradicts => "contradicts",
        Agreement::Unobserved => "unobserved",
    }
}

/// Its mark, for those who do not see the colour.
#[must_use]
pub fn mark(agreement: Agreement) -> &'static str {
    match agreement {
        Agreement::Agrees => "✓",
        Agreement::Contradicts => "✗",
        Agreement::Unobserved => "?",
    }
}
