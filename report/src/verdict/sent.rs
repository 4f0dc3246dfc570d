//! How many bytes does each transform send for each byte of the log?
//!
//! Derived from samples whose `sent_bytes` is not simply payload and headers: what only looks at the
//! bytes is not named.

use crate::format;
use crate::metric::Metric;
use crate::record::{Sample, reading};
use crate::study::{State, Study};

/// The sentence; none where nothing was changed on its way.
pub(super) fn sentence(study: &Study) -> Option<String> {
    let mut found: Vec<(String, f64, f64)> = Vec::new();
    for row in study.rows().filter(|row| row.state == State::Ok) {
        let cell = row.measured.and_then(|measured| measured.cell.as_ref());
        let Some(name) = cell.and_then(|cell| cell.params.get("transform")) else { continue };
        let Some(sent) = row.median(Metric::SentBytes).filter(|_| row.samples().any(changed))
        else {
            continue;
        };
        let name = format::parameter("transform", name);
        match found.iter_mut().find(|(other, ..)| *other == name) {
            Some((_, least, most)) => (*least, *most) = (least.min(sent), most.max(sent)),
            None => found.push((name, sent, sent)),
        }
    }
    let (first, rest) = found.split_first()?;
    let number = |(_, least, most): &(String, f64, f64)| {
        let [least, most] = [least, most].map(|sent| format!("{sent:.3}"));
        if least == most { least } else { format!("{least} to {most}") }
    };
    let others: Vec<String> = rest.iter().map(|one| format!("{} {}", one.0, number(one))).collect();
    let others = if others.is_empty() { String::new() } else { format!("; {}", others.join("; ")) };
    Some(format!(
        "Headers included, {} sends {} bytes for each byte of the log{others}.",
        first.0,
        number(first)
    ))
}

/// Whether what was sent is something else than payload and headers.
fn changed(sample: &Sample) -> bool {
    let sent = sample.readings.get(reading::SENT_BYTES);
    sent.is_some_and(|sent| *sent != sample.bytes + sample.header_bytes)
}
