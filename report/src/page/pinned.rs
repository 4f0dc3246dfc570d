//! What did the kernel itself say of sends that it was to make from pinned pages?
//!
//! It answers each of them when it gives the pages back, and says whether it copied them after all.
//! That needs no privilege and no program on a tracepoint.

use crate::format;
use crate::record::{Sample, reading};
use crate::study::Study;

/// The kernel's answers for a contender, all its cells and samples together.
pub struct Statement {
    /// The contender.
    pub label: String,
    /// `The kernel says that it copied 64 of 64 zero-copy sends`.
    pub words: String,
}

/// The statements of a study; none where nothing was sent so.
#[must_use]
pub fn statements(study: &Study) -> Vec<Statement> {
    let of = |label: &String| {
        let points = study.panels.iter().flat_map(|panel| &panel.points);
        let rows = points.filter_map(|point| point.row(label)?.measured);
        let samples: Vec<&Sample> = rows.flat_map(|measured| &measured.samples).collect();
        let sum = |name: &str| -> u64 {
            samples.iter().filter_map(|sample| sample.readings.get(name)).sum()
        };
        let words = words(
            sum(reading::ZEROCOPY_SENDS),
            sum(reading::ZEROCOPY_ANSWERED),
            sum(reading::ZEROCOPY_COPIED),
        )?;
        Some(Statement { label: label.clone(), words })
    };
    study.scenario.contenders.iter().filter_map(of).collect()
}

fn words(sends: u64, answered: u64, copied: u64) -> Option<String> {
    let count = |sends: u64| format::significant(sends as f64, 1);
    match (sends, answered) {
        (0, 0) => None,
        (sends, 0) => Some(format!(
            "the kernel has not said whether it copied any of {} zero-copy sends",
            count(sends)
        )),
        (_, answered) => Some(format!(
            "the kernel says that it copied {} of {} zero-copy sends",
            count(copied),
            count(answered)
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn answers_are_counted_and_silence_is_said() {
        assert_eq!(words(0, 0, 0), None);
        let said = words(70, 64, 64).unwrap();
        assert_eq!(said, "the kernel says that it copied 64 of 64 zero-copy sends");
        assert!(words(4736, 4736, 0).unwrap().contains("copied 0 of 4,736"));
        assert!(words(70, 0, 0).unwrap().contains("has not said"));
    }
}
