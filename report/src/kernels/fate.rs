//! What became of a cell's bytes, in one word?
//!
//! The word is derived from what was observed; a claim decides nothing but whether the word contradicts
//! it. What nobody observed is said to be so.

use crate::record::{Agreement, Ledger, Measured, Status};

/// What became of the log's bytes.
#[derive(Clone, Debug, PartialEq)]
pub enum Fate {
    /// No CPU copied them, and the socket's packets held the log's own pages: their share.
    Shared(f64),
    /// The receiver saw what was written into the log's pages after they were sent; no program counts
    /// on this way.
    Aliased,
    /// The receiver saw nothing of that, and no program counts on this way, which is why: somebody
    /// copied, or a device filled other pages.
    Unshared(String),
    /// No CPU copied them, but they did not lie in the log's own pages: a device filled others, or a
    /// consumer was given those of the packets.
    Uncopied,
    /// So many times, on the side that is measured.
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
            Fate::Shared(_) | Fate::Aliased => "shared",
            Fate::Unshared(_) => "unshared",
            Fate::Uncopied => "uncopied",
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
                match none(copies) {
                    true if share >= SHARE => Fate::Shared(share),
                    true => Fate::Uncopied,
                    false => Fate::Copied(copies),
                }
            }
            (_, copies)
                if copies.is_none_or(none)
                    && probe.is_some_and(|probe| probe.shared_bytes == probe.probed_bytes) =>
            {
                Fate::Aliased
            }
            _ => match probe {
                Some(probe) if probe.shared_bytes == 0 => Fate::Unshared(reason()),
                Some(probe) => {
                    Fate::Unobserved(format!("{}; aliasing probe: {}", reason(), probe.words()))
                }
                None => Fate::Unobserved(reason()),
            },
        }
    }
}

/// Whether so many copies for each byte count as none.
fn none(copies: f64) -> bool {
    copies <= 1.0 - SHARE
}

/// The share of the payload that lay in the log's own pages: on the wire, or at the receiver's copy
/// where there is no wire.
fn shared(ledger: &Ledger) -> f64 {
    let wired = ledger.counts.keys().any(|name| name.starts_with("wire_"));
    let name = if wired { "wire_log_bytes" } else { "received_log_bytes" };
    let bytes = ledger.counts.get(name).copied().unwrap_or(0);
    bytes as f64 / ledger.payload_bytes.max(1) as f64
}

/// A number of copies: `1`, `1.25`.
pub(crate) fn times(copies: f64) -> String {
    let text = format!("{copies:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
