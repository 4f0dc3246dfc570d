//! What did the aliasing probe see of each contender, in a line for each kind of sink?

use crate::format;
use crate::record::{Agreement, Aliasing, aliasing};
use crate::study::Study;

/// What the probe saw of a contender's cells that end in the same kind of sink and are alike.
pub struct Statement {
    /// The contender.
    pub label: String,
    /// The finding: `65,536 of 65,536 bytes shared`, summed over the cells.
    pub words: String,
    /// `agrees`, `contradicts`, `unobserved`.
    pub verdict: &'static str,
    /// The verdict in words; empty when there is none.
    pub agreement: &'static str,
    /// The claim that is contradicted.
    pub contradicted: Option<&'static str>,
    sink: String,
    cells: usize,
    conditions: Vec<String>,
    seen: Aliasing,
}

/// The statements of a study; none for a record without the probe.
#[must_use]
pub fn statements(study: &Study) -> Vec<Statement> {
    let mut all: Vec<Statement> = Vec::new();
    for label in &study.scenario.contenders {
        for panel in &study.panels {
            for point in &panel.points {
                let Some(measured) = point.row(label).and_then(|row| row.measured) else {
                    continue;
                };
                // Where bytes are taken from a socket there is a source instead.
                let param = |name| measured.cell.as_ref()?.params.get(name)?.as_str();
                let sink = param("sink").or_else(|| param("source"));
                let sink = sink.unwrap_or("sink not recorded");
                let parts = [panel.title(), study.x_label(point)];
                let parts: Vec<&str> =
                    parts.iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
                for seen in &measured.aliasing {
                    take(&mut all, label, sink, parts.join(", "), seen);
                }
            }
        }
    }
    for one in &mut all {
        let Aliasing { shared_bytes, probed_bytes, reason, .. } = &one.seen;
        one.words = aliasing::words(*shared_bytes, *probed_bytes, reason.as_deref());
    }
    all
}

/// Adds what was seen of a cell to the statement that it belongs to.
fn take(all: &mut Vec<Statement>, label: &str, sink: &str, condition: String, seen: &Aliasing) {
    let alike = |one: &&mut Statement| {
        let known = &one.seen;
        one.label == label
            && one.sink == sink
            && (known.verdict, known.expected) == (seen.verdict, seen.expected)
            && known.reason == seen.reason
    };
    if let Some(one) = all.iter_mut().find(alike) {
        one.seen.shared_bytes += seen.shared_bytes;
        one.seen.probed_bytes += seen.probed_bytes;
        one.cells += 1;
        one.conditions.push(condition);
        return;
    }
    let (verdict, agreement) = match seen.verdict {
        Agreement::Agrees => ("agrees", "as claimed"),
        Agreement::Contradicts => ("contradicts", "contradicting the claim"),
        Agreement::Unobserved => ("unobserved", ""),
    };
    all.push(Statement {
        label: label.to_owned(),
        words: String::new(),
        verdict,
        agreement,
        contradicted: seen.contradicted(),
        sink: sink.to_owned(),
        cells: 1,
        conditions: vec![condition],
        seen: seen.clone(),
    });
}

impl Statement {
    /// The sink, and under which conditions where these are few.
    #[must_use]
    pub fn places(&self) -> String {
        let conditions: Vec<&String> =
            self.conditions.iter().filter(|words| !words.is_empty()).collect();
        match (self.cells, self.seen.verdict) {
            (_, Agreement::Contradicts) if !conditions.is_empty() => {
                format!("{}; {}", self.sink, format::list(&conditions))
            }
            (1, _) => self.sink.clone(),
            (cells, _) => format!("{}, {cells} cells", self.sink),
        }
    }
}

/// How many cells agree, contradict, or were not probed.
#[must_use]
pub fn summary(statements: &[Statement]) -> String {
    let count = |verdict: Agreement| -> usize {
        statements.iter().filter(|one| one.seen.verdict == verdict).map(|one| one.cells).sum()
    };
    let counts = [
        (count(Agreement::Agrees), "agree with the claimed path"),
        (count(Agreement::Contradicts), "contradict it"),
        (count(Agreement::Unobserved), "not probed"),
    ];
    let words: Vec<String> = counts
        .iter()
        .filter(|(cells, _)| *cells > 0)
        .map(|(cells, words)| format!("{cells} {words}"))
        .collect();
    words.join(", ")
}
