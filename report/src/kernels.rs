//! What does each kernel do with a log's bytes: share its pages, copy them, or refuse?
//!
//! Values in: a [`Listing`] of the kernels that were asked for, and the records that each left. Values
//! out: a [`Matrix`] of kernels × routes × contenders. What nobody observed is a cell that says so.

use crate::record::{Agreement, Ledger, Measured, Record, Status};
use serde::Deserialize;
use serde_json::Value;

mod answer;

pub use answer::answer;
pub(crate) use answer::times;

/// The kernels that were asked for, as `matrix.json` lists them.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Listing {
    /// RFC 3339, UTC.
    pub made_at: String,
    /// What the guests ran in, with its version.
    pub emulator: String,
    /// The kernels, oldest first.
    pub kernels: Vec<Asked>,
}

/// One kernel that was asked for.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct Asked {
    /// What was asked for: `6.1`.
    pub series: String,
    /// The suite that has it.
    #[serde(default)]
    pub suite: String,
    /// The package that it comes from.
    #[serde(default)]
    pub package: String,
    /// That package's version.
    #[serde(default)]
    pub version: String,
    /// `uname -r` of the guest.
    #[serde(default)]
    pub release: String,
    /// Files of the records that it left.
    #[serde(default)]
    pub records: Vec<String>,
    /// Why it left none.
    #[serde(default)]
    pub missing: Option<String>,
}

/// Kernels as columns, routes and contenders as rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Matrix {
    /// When it was made.
    pub made_at: String,
    /// What the guests ran in.
    pub emulator: String,
    /// The columns, oldest first.
    pub kernels: Vec<Kernel>,
    /// The rows in groups.
    pub routes: Vec<Route>,
}

/// A column.
#[derive(Clone, Debug, PartialEq)]
pub struct Kernel {
    /// What was asked for, and where it came from.
    pub asked: Asked,
    /// What the ledger could not show there, and why, by purpose.
    pub gaps: Vec<(String, String)>,
    /// The revision of zclab that ran, and whether its tree had changes.
    pub revision: Option<(String, bool)>,
    /// Cells of which the receiver's own copy was as large as the payload, and cells observed.
    pub received: (usize, usize),
    /// Cells of which the aliasing probe agrees with the claim, and cells probed.
    pub probed: (usize, usize),
}

/// The rows of one way to the sink.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// The file system that the log lies on.
    pub filesystem: String,
    /// The sink.
    pub sink: String,
    /// Contenders, and what became of each on each kernel.
    pub rows: Vec<(String, Vec<Fate>)>,
}

/// What became of the log's bytes.
#[derive(Clone, Debug, PartialEq)]
pub enum Fate {
    /// No CPU copied them, and the socket's packets held the log's own pages: their share.
    Shared(f64),
    /// So many times, on the sending side.
    Copied(f64),
    /// The kernel refused a call, or the contender the condition.
    Refused(String),
    /// Nobody can say, and why.
    Unobserved(String),
    /// What was seen is not what the contender claims.
    Contradicts(String),
    /// It should have worked.
    Failed(String),
    /// The kernel was not tried.
    Untried,
}

/// From this share of the payload on, bytes count as shared, and copies as none.
const SHARE: f64 = 0.99;

impl Fate {
    /// The word for it, which is its class on pages, too.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Fate::Shared(_) => "shared",
            Fate::Copied(_) => "copied",
            Fate::Refused(_) => "refused",
            Fate::Unobserved(_) => "unobserved",
            Fate::Contradicts(_) => "contradicts",
            Fate::Failed(_) => "failed",
            Fate::Untried => "untried",
        }
    }

    /// What became of a cell's bytes.
    #[must_use]
    pub fn of(measured: &Measured) -> Fate {
        let Some(cell) = &measured.cell else {
            return Fate::Failed("the cell was never over".to_owned());
        };
        let why = || match measured.failures.first() {
            Some(failure) => failure.message.clone(),
            None => cell.reasons.join("; "),
        };
        match cell.status {
            Status::Ok => {}
            Status::Unsupported | Status::Refused | Status::Skipped => return Fate::Refused(why()),
            Status::Invalid | Status::Failed => return Fate::Failed(why()),
        }
        let Some(ledger) = &measured.ledger else {
            return Fate::Unobserved("the cell has no ledger".to_owned());
        };
        let reason = || ledger.reason.clone().unwrap_or_default();
        let probe = measured.aliasing.first().filter(|probe| probe.probed_bytes > 0);
        if let Some(claim) = probe.and_then(|probe| probe.contradicted()) {
            return Fate::Contradicts(format!("{claim}, and the aliasing probe saw otherwise"));
        }
        match (ledger.agreement, ledger.cpu_copies_per_byte.observed) {
            (Agreement::Contradicts, _) => Fate::Contradicts(reason()),
            (Agreement::Agrees, Some(copies)) => {
                let share = shared(ledger);
                if copies <= 1.0 - SHARE && share >= SHARE {
                    Fate::Shared(share)
                } else {
                    Fate::Copied(copies)
                }
            }
            _ => Fate::Unobserved(match probe {
                Some(probe) => format!("{}; aliasing probe: {}", reason(), probe.words()),
                None => reason(),
            }),
        }
    }
}

/// The share of the payload that lay in the log's own pages: on the wire, or at the receiver's copy
/// where there is no wire.
fn shared(ledger: &Ledger) -> f64 {
    let wired = ledger.counts.keys().any(|name| name.starts_with("wire_"));
    let name = if wired { "wire_log_bytes" } else { "received_log_bytes" };
    let bytes = ledger.counts.get(name).copied().unwrap_or(0);
    bytes as f64 / ledger.payload_bytes.max(1) as f64
}

fn text(value: Option<&Value>) -> String {
    value.and_then(Value::as_str).unwrap_or("?").to_owned()
}

/// A contender on a way to the sink.
#[derive(Clone, PartialEq)]
struct Place {
    filesystem: String,
    sink: String,
    label: String,
}

/// The finished cells of a record that move the log.
fn cells(record: &Record) -> impl Iterator<Item = (Place, &Measured)> {
    let catalogue = &record.run.catalogue;
    let moves = |name: &str| catalogue.iter().all(|fact| fact.name != name || fact.moves_the_log);
    record.cells.iter().filter_map(move |measured| {
        let cell = measured.cell.as_ref().filter(|cell| moves(&cell.strategy))?;
        let place = Place {
            filesystem: text(record.run.machine.get("filesystem")),
            sink: text(cell.params.get("sink")),
            label: cell.label.clone(),
        };
        Some((place, measured))
    })
}

impl Matrix {
    /// The matrix of a listing; each kernel with the records that it left.
    #[must_use]
    pub fn of(listing: Listing, records: &[Vec<Record>]) -> Matrix {
        let mut routes: Vec<Route> = Vec::new();
        for (place, _) in records.iter().flatten().flat_map(cells) {
            let same = |r: &Route| r.filesystem == place.filesystem && r.sink == place.sink;
            let at = routes.iter().position(same).unwrap_or_else(|| {
                let Place { filesystem, sink, .. } = place.clone();
                routes.push(Route { filesystem, sink, rows: Vec::new() });
                routes.len() - 1
            });
            if !routes[at].rows.iter().any(|(label, _)| *label == place.label) {
                routes[at].rows.push((place.label, Vec::new()));
            }
        }
        for left in records {
            for Route { filesystem, sink, rows } in &mut routes {
                for (label, fates) in rows {
                    let found = left.iter().flat_map(cells).find(|(place, _)| {
                        (&place.filesystem, &place.sink, &place.label) == (filesystem, sink, label)
                    });
                    fates.push(found.map_or(Fate::Untried, |(_, measured)| Fate::of(measured)));
                }
            }
        }
        let kernels = listing.kernels.into_iter().zip(records);
        Matrix {
            made_at: listing.made_at,
            emulator: listing.emulator,
            kernels: kernels.map(|(asked, left)| Kernel::of(asked, left)).collect(),
            routes,
        }
    }

    /// The kernels that left something.
    pub fn tried(&self) -> impl Iterator<Item = &Kernel> {
        self.kernels.iter().filter(|kernel| kernel.asked.missing.is_none())
    }
}

impl Kernel {
    fn of(asked: Asked, records: &[Record]) -> Kernel {
        let first = records.first().map(|record| &record.run);
        let gap = |(name, answer): (&String, &String)| {
            let purpose = name.strip_prefix("ledger_").or((name == "ledger").then_some("all"))?;
            Some((purpose.replace('_', "-"), answer.strip_prefix("no: ")?.to_owned()))
        };
        let gaps = first.map(|run| run.capabilities.iter().filter_map(gap).collect());
        let (mut received, mut probed) = ((0, 0), (0, 0));
        let probes = records.iter().flat_map(cells).flat_map(|(_, cell)| &cell.aliasing);
        for probe in probes.filter(|probe| probe.probed_bytes > 0) {
            probed.1 += 1;
            probed.0 += usize::from(probe.verdict == Agreement::Agrees);
        }
        for ledger in records.iter().flat_map(cells).filter_map(|(_, cell)| cell.ledger.as_ref()) {
            if let Some(bytes) = ledger.counts.get("received_bytes") {
                received.1 += 1;
                received.0 += usize::from(*bytes == ledger.payload_bytes);
            }
        }
        Kernel {
            asked,
            gaps: gaps.unwrap_or_default(),
            revision: first.map(|run| (run.revision.clone(), run.dirty)),
            received,
            probed,
        }
    }
}
