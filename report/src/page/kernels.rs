//! On which kernels does a log reach the socket without being copied, on one page?

use super::moment;
use crate::kernels::{self, Fate, Kernel, Matrix};
use askama::Template;

/// The page of a matrix.
#[derive(Template)]
#[template(path = "kernels.html")]
pub struct KernelsPage {
    made_at: String,
    emulator: String,
    sentence: String,
    clauses: Vec<String>,
    columns: Vec<Column>,
    groups: Vec<Group>,
    gaps: Vec<(Column, Vec<(String, String)>)>,
    reasons: Vec<(String, String)>,
    revisions: Vec<String>,
}

/// A kernel, as headings have it.
#[derive(Clone)]
struct Column {
    series: String,
    release: String,
    version: String,
    package: String,
    suite: String,
    missing: Option<String>,
}

/// The rows of one way to the sink.
struct Group {
    filesystem: String,
    sink: String,
    rows: Vec<(String, Vec<Shown>)>,
}

/// A cell: its class, what stands in it, and what a reader who rests on it sees.
struct Shown {
    word: &'static str,
    text: String,
    detail: String,
    hint: String,
    /// The number of the reason below the table; 0 for none.
    note: usize,
}

impl KernelsPage {
    /// Gathers what the page shows.
    #[must_use]
    pub fn new(matrix: &Matrix) -> KernelsPage {
        let (sentence, clauses) = kernels::answer(matrix);
        let mut reasons: Vec<(String, String)> = Vec::new();
        let columns: Vec<Column> = matrix.kernels.iter().map(Column::of).collect();
        let groups = matrix.routes.iter().map(|route| Group {
            filesystem: route.filesystem.clone(),
            sink: sink(&route.sink),
            rows: route
                .rows
                .iter()
                .map(|(label, fates)| {
                    let shown = fates.iter().map(|fate| Shown::of(fate, &mut reasons));
                    (label.clone(), shown.collect())
                })
                .collect(),
        });
        let groups = groups.collect();
        let mut revisions: Vec<String> = Vec::new();
        for (revision, dirty) in matrix.kernels.iter().filter_map(|k| k.revision.as_ref()) {
            let named = format!("{revision}{}", if *dirty { " + changes" } else { "" });
            if !revisions.contains(&named) {
                revisions.push(named);
            }
        }
        KernelsPage {
            made_at: moment(&matrix.made_at),
            emulator: matrix.emulator.clone(),
            sentence,
            clauses,
            gaps: columns
                .iter()
                .cloned()
                .zip(matrix.kernels.iter().map(|k| k.gaps.clone()))
                .collect(),
            columns,
            groups,
            reasons,
            revisions,
        }
    }
}

impl Column {
    fn of(kernel: &Kernel) -> Column {
        let asked = kernel.asked.clone();
        Column {
            series: asked.series,
            release: asked.release,
            version: asked.version,
            package: asked.package,
            suite: asked.suite,
            missing: asked.missing,
        }
    }
}

impl Shown {
    fn of(fate: &Fate, reasons: &mut Vec<(String, String)>) -> Shown {
        let word = fate.word();
        let why = match fate {
            Fate::Shared(_) | Fate::Copied(_) | Fate::Untried => "",
            Fate::Refused(why)
            | Fate::Unobserved(why)
            | Fate::Contradicts(why)
            | Fate::Failed(why) => why,
        };
        let (text, detail, hint) = match fate {
            Fate::Shared(share) => {
                // Never rounded up to all of them.
                let percent = (share.min(1.0) * 1000.0).floor() / 10.0;
                let hint = format!(
                    "0 CPU copies per byte; {percent} % of the payload lay in the log's own pages"
                );
                ("shared".to_owned(), format!("{percent} %"), hint)
            }
            Fate::Copied(copies) => {
                let copies = kernels::times(*copies);
                let hint = format!("{copies} CPU copies per byte on the sending side");
                (format!("copied ×{copies}"), String::new(), hint)
            }
            Fate::Untried => ("not tried".to_owned(), String::new(), String::new()),
            _ => (word.to_owned(), head(why), why.to_owned()),
        };
        Shown { word, text, detail, hint, note: note(word, why, reasons) }
    }
}

/// The number of a reason, which is added when it is new.
fn note(word: &str, why: &str, reasons: &mut Vec<(String, String)>) -> usize {
    if why.is_empty() {
        return 0;
    }
    let reason = (word.to_owned(), why.to_owned());
    let at = reasons.iter().position(|known| *known == reason).unwrap_or_else(|| {
        reasons.push(reason);
        reasons.len() - 1
    });
    at + 1
}

/// The call and the errno that a message begins with: `statx(STATX_DIOALIGN): EOPNOTSUPP`.
fn head(message: &str) -> String {
    let mut parts = message.split(": ");
    let call = parts.next().filter(|call| call.len() <= 32).unwrap_or_default();
    let is_errno = |word: &&str| {
        word.starts_with('E') && word.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit())
    };
    match parts.next().filter(is_errno) {
        Some(errno) => format!("{call}: {errno}"),
        None => String::new(),
    }
}

/// A sink in words.
fn sink(name: &str) -> String {
    match name {
        "tcp-loopback" => "TCP over loopback".to_owned(),
        "tcp-remote" => "TCP to another host".to_owned(),
        "tcp-veth" => "TCP to another host over veth".to_owned(),
        "unix-stream" => "Unix socket".to_owned(),
        other => other.to_owned(),
    }
}
