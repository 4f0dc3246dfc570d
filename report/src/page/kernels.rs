//! On which kernels does a log reach the socket without being copied, on one page?

use super::moment;
use crate::kernels::{self, Fate, Kernel, Matrix, Said, Way};
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
    overviews: Vec<Overview>,
    ways: Vec<Detail>,
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

/// All kernels and file systems at once: contenders by ways.
struct Overview {
    title: &'static str,
    ways: Vec<String>,
    rows: Vec<(String, Vec<Vec<Said>>)>,
}

/// One way, kernel by kernel.
struct Detail {
    name: String,
    groups: Vec<Group>,
}

/// The rows of one way on one file system.
struct Group {
    filesystem: String,
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
        let detail = |way: &Way| Detail::of(matrix, way, &mut reasons);
        let ways = matrix.ways().into_iter().map(detail).collect();
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
            overviews: [
                Overview::of("From the log to the sink", matrix, true),
                Overview::of("From the socket into a log, or to a consumer", matrix, false),
            ]
            .into_iter()
            .flatten()
            .collect(),
            ways,
            reasons,
            revisions,
        }
    }
}

impl Overview {
    /// The ways that leave a log, or those that lead into one; none, where none was tried.
    fn of(title: &'static str, matrix: &Matrix, leaving: bool) -> Option<Overview> {
        let ways: Vec<&Way> = matrix.ways().into_iter().filter(|w| w.leaves() == leaving).collect();
        let mut labels: Vec<&str> = Vec::new();
        for route in matrix.routes.iter().filter(|route| route.way.leaves() == leaving) {
            for (label, _) in &route.rows {
                if !labels.contains(&label.as_str()) {
                    labels.push(label);
                }
            }
        }
        let row = |label: &str| {
            let cells = ways.iter().map(|way| matrix.summary(way, label));
            (label.to_owned(), cells.collect())
        };
        (!ways.is_empty()).then(|| Overview {
            title,
            ways: ways.iter().map(|way| way.short()).collect(),
            rows: labels.into_iter().map(row).collect(),
        })
    }
}

impl Detail {
    fn of(matrix: &Matrix, way: &Way, reasons: &mut Vec<(String, String)>) -> Detail {
        let mut row = |(label, fates): &(String, Vec<Fate>)| {
            let shown = fates.iter().map(|fate| Shown::of(fate, reasons));
            (label.clone(), shown.collect())
        };
        let routes = matrix.routes.iter().filter(|route| route.way == *way);
        let groups = routes.map(|route| Group {
            filesystem: route.filesystem.clone(),
            rows: route.rows.iter().map(&mut row).collect(),
        });
        Detail { name: way.words(), groups: groups.collect() }
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
            Fate::Shared(_) | Fate::Aliased | Fate::Uncopied | Fate::Copied(_) | Fate::Untried => {
                ""
            }
            Fate::Refused(why)
            | Fate::Unshared(why)
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
                let hint = format!("{copies} CPU copies per byte on the side that is measured");
                (format!("copied ×{copies}"), String::new(), hint)
            }
            Fate::Aliased => {
                let hint = "the receiver saw what was written into the log's pages after sending";
                ("shared".to_owned(), "by the probe".to_owned(), hint.to_owned())
            }
            Fate::Unshared(_) => {
                let hint = "the receiver saw nothing of what was written after sending";
                ("not shared".to_owned(), "by the probe".to_owned(), hint.to_owned())
            }
            Fate::Uncopied => {
                let hint = "0 CPU copies per byte, in other pages than the log's own";
                ("no copy".to_owned(), String::new(), hint.to_owned())
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
