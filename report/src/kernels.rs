//! What does each kernel do with a log's bytes: share its pages, copy them, or refuse?
//!
//! Values in: a [`Listing`] of the kernels that were asked for, and the records that each left. Values
//! out: a [`Matrix`] of kernels × routes × contenders. What nobody observed is a cell that says so.

use crate::record::{Agreement, Measured, Record, SIDE_SENDER};
use serde::Deserialize;
use serde_json::Value;

mod answer;
mod fate;
mod summary;
mod way;

pub use answer::answer;
pub use fate::Fate;
pub(crate) use fate::times;
pub use summary::Said;
pub use way::Way;

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
    /// Cells of senders of which the receiver's own copy was as large as the payload, and those
    /// observed.
    pub received: (usize, usize),
    /// Cells of which the aliasing probe agrees with the claim, and cells probed.
    pub probed: (usize, usize),
}

/// The rows of one way of the bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// The file system that the log lies on.
    pub filesystem: String,
    /// The way.
    pub way: Way,
    /// Contenders, and what became of each on each kernel.
    pub rows: Vec<(String, Vec<Fate>)>,
}

fn text(value: Option<&Value>) -> String {
    value.and_then(Value::as_str).unwrap_or("?").to_owned()
}

/// A contender on a way.
#[derive(Clone, PartialEq)]
struct Place {
    filesystem: String,
    way: Way,
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
            way: Way::of(cell),
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
            let same = |r: &Route| r.filesystem == place.filesystem && r.way == place.way;
            let at = routes.iter().position(same).unwrap_or_else(|| {
                let Place { filesystem, way, .. } = place.clone();
                routes.push(Route { filesystem, way, rows: Vec::new() });
                routes.len() - 1
            });
            if !routes[at].rows.iter().any(|(label, _)| *label == place.label) {
                routes[at].rows.push((place.label, Vec::new()));
            }
        }
        for left in records {
            for Route { filesystem, way, rows } in &mut routes {
                for (label, fates) in rows {
                    let found = left.iter().flat_map(cells).find(|(place, _)| {
                        (&place.filesystem, &place.way, &place.label) == (filesystem, way, label)
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

    /// The ways, each once, in the order of the records.
    #[must_use]
    pub fn ways(&self) -> Vec<&Way> {
        let mut ways: Vec<&Way> = Vec::new();
        for route in &self.routes {
            if !ways.contains(&&route.way) {
                ways.push(&route.way);
            }
        }
        ways
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
        let ledgers = records.iter().flat_map(cells).filter_map(|(_, cell)| cell.ledger.as_ref());
        for ledger in ledgers.filter(|ledger| ledger.side == SIDE_SENDER) {
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
