//! Which sentence do the cells of a matrix allow?
//!
//! A contender is said to share or to copy only when every cell that was observed says the same; what
//! was not observed, or refused, is said beside it.

use super::{Fate, Matrix};
use crate::format;

/// The sentence that answers, and what qualifies it.
#[must_use]
pub fn answer(matrix: &Matrix) -> (String, Vec<String>) {
    let tried: Vec<&str> = matrix.tried().map(|kernel| kernel.asked.series.as_str()).collect();
    let (Some(oldest), Some(newest)) = (tried.first(), tried.last()) else {
        return ("No kernel was tried, so nothing can be said.".to_owned(), Vec::new());
    };
    let kernels = match tried.len() {
        1 => format!("On the one kernel tried ({oldest})"),
        count => format!("On all {count} kernels tried ({oldest} to {newest})"),
    };
    let (mut shared, mut copied, mut mixed) = (Vec::new(), Vec::new(), Vec::new());
    for label in labels(matrix) {
        match common(&fates(matrix, label)) {
            Common::Shared => shared.push(label.to_owned()),
            Common::Copied(times) => copied.push((times, label.to_owned())),
            Common::Unknown => {}
            Common::Mixed => mixed.push(label.to_owned()),
        }
    }
    let sentence = match shared.len() {
        0 => format!("{kernels} nothing shared the log’s own pages everywhere."),
        1 => format!(
            "{kernels} {} puts the log’s own pages into the socket, with no CPU copy.",
            shared[0]
        ),
        _ => format!(
            "{kernels} {} put the log’s own pages into the socket, with no CPU copy.",
            format::list(&shared)
        ),
    };
    let mut clauses = copies(copied);
    if !mixed.is_empty() {
        clauses.push(format!("Not the same everywhere: {}.", format::list(&mixed)));
    }
    clauses.extend(exceptions(matrix));
    clauses.extend(receivers(matrix));
    clauses.extend(probes(matrix));
    (sentence, clauses)
}

/// Contenders in the order of the rows, each once.
fn labels(matrix: &Matrix) -> Vec<&str> {
    let mut labels: Vec<&str> = Vec::new();
    for (label, _) in matrix.routes.iter().flat_map(|route| &route.rows) {
        if !labels.contains(&label.as_str()) {
            labels.push(label);
        }
    }
    labels
}

fn fates<'a>(matrix: &'a Matrix, of: &str) -> Vec<&'a Fate> {
    let rows = matrix.routes.iter().flat_map(|route| &route.rows);
    rows.filter(|(label, _)| label == of).flat_map(|(_, fates)| fates).collect()
}

enum Common {
    Shared,
    Copied(String),
    Mixed,
    Unknown,
}

/// What all observed cells say alike.
fn common(fates: &[&Fate]) -> Common {
    let words = fates.iter().filter_map(|fate| match fate {
        Fate::Shared(_) => Some(None),
        Fate::Copied(copies) => Some(Some(times(*copies))),
        Fate::Contradicts(_) | Fate::Failed(_) => Some(Some("?".to_owned())),
        Fate::Refused(_) | Fate::Unobserved(_) | Fate::Untried => None,
    });
    let mut words: Vec<Option<String>> = words.collect();
    words.dedup();
    match &words[..] {
        [] => Common::Unknown,
        [None] => Common::Shared,
        [Some(copies)] if copies != "?" => Common::Copied(copies.clone()),
        _ => Common::Mixed,
    }
}

/// A number of copies: `1`, `1.25`.
pub(crate) fn times(copies: f64) -> String {
    let text = format!("{copies:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn copies(mut copied: Vec<(String, String)>) -> Vec<String> {
    copied.sort_by(|a, b| a.0.cmp(&b.0));
    let mut clauses: Vec<(String, Vec<String>)> = Vec::new();
    for (copies, label) in copied {
        match clauses.last_mut() {
            Some((known, labels)) if *known == copies => labels.push(label),
            _ => clauses.push((copies, vec![label])),
        }
    }
    let said = |(copies, labels): (String, Vec<String>)| {
        let how_often = match copies.as_str() {
            "1" => "once".to_owned(),
            "2" => "twice".to_owned(),
            copies => format!("{copies} times"),
        };
        let verb = if labels.len() == 1 { "copies" } else { "copy" };
        format!("{} {verb} each byte {how_often} before it leaves.", format::list(&labels))
    };
    clauses.into_iter().map(said).collect()
}

/// Refused and unobserved cells, by contender, kernel and file system.
fn exceptions(matrix: &Matrix) -> Vec<String> {
    let words = [
        ("contradicts", "contradicts its claim"),
        ("failed", "failed"),
        ("unobserved", "is unobserved"),
        ("refused", "is refused"),
    ];
    let of = |(word, said): (&str, &str)| -> Vec<String> {
        let said = |label| Some(format!("{label} {said} on {}.", places(matrix, label, word)?));
        labels(matrix).into_iter().filter_map(said).collect()
    };
    words.into_iter().flat_map(of).collect()
}

/// Where this became of a contender's bytes: `5.10 (ext4) and every kernel (tmpfs)`.
fn places(matrix: &Matrix, label: &str, word: &str) -> Option<String> {
    let mut filesystems: Vec<&str> = Vec::new();
    let mut by_kernels: Vec<(Vec<String>, Vec<&str>)> = Vec::new();
    for route in &matrix.routes {
        if filesystems.contains(&route.filesystem.as_str()) {
            continue;
        }
        filesystems.push(&route.filesystem);
        let there = matrix.routes.iter().filter(|one| one.filesystem == route.filesystem);
        let rows: Vec<_> = there.flat_map(|one| &one.rows).filter(|(of, _)| of == label).collect();
        let hit = |index: usize| rows.iter().any(|(_, fates)| fates[index].word() == word);
        let kernels = matrix.kernels.iter().enumerate().filter(|(index, _)| hit(*index));
        let kernels: Vec<String> = kernels.map(|(_, k)| k.asked.series.clone()).collect();
        match by_kernels.iter_mut().find(|(known, _)| *known == kernels) {
            Some((_, on)) => on.push(&route.filesystem),
            None => by_kernels.push((kernels, vec![&route.filesystem])),
        }
    }
    by_kernels.retain(|(kernels, _)| !kernels.is_empty());
    let tried = matrix.tried().count();
    let part = |(kernels, on): &(Vec<String>, Vec<&str>)| {
        let every = tried > 1 && kernels.len() == tried;
        let kernels = if every { "every kernel".to_owned() } else { format::list(kernels) };
        match on.len() == filesystems.len() {
            true => kernels,
            false => format!("{kernels} ({})", format::list(on)),
        }
    };
    let parts: Vec<String> = by_kernels.iter().map(part).collect();
    (!parts.is_empty()).then(|| format::list(&parts))
}

/// What the receivers' own copies say.
fn receivers(matrix: &Matrix) -> Option<String> {
    let (same, all) = matrix
        .kernels
        .iter()
        .fold((0, 0), |sum, kernel| (sum.0 + kernel.received.0, sum.1 + kernel.received.1));
    let said = match (same, all) {
        (_, 0) => return None,
        (same, all) if same == all => {
            format!(
                "In all {all} observed cells the receiver’s own copy was the payload, to the byte."
            )
        }
        (same, all) => {
            format!(
                "The receiver’s own copy was the payload, to the byte, in {same} of {all} cells."
            )
        }
    };
    Some(said)
}

/// What the second witness says.
fn probes(matrix: &Matrix) -> Option<String> {
    let (agree, all) = matrix
        .kernels
        .iter()
        .fold((0, 0), |sum, kernel| (sum.0 + kernel.probed.0, sum.1 + kernel.probed.1));
    (all > 0).then(|| {
        format!(
            "The second witness, which rewrites a private copy of the log while its bytes are in \
             flight, agreed in {agree} of {all} cells that it probed."
        )
    })
}
