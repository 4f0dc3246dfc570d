//! What does a run look like to a person who wants the answer first?
//!
//! [`site`] makes an index and one page for each scenario. A page needs no network and no script;
//! its colours are CSS variables, so that light and dark are one document. Everything that comes
//! from a record is escaped: by Askama in the templates, by `escape` in drawings.

mod alias;
mod caveat;
mod chart;
mod charts;
mod dots;
mod evidence;
mod gate;
mod grid;
mod hot;
mod index;
mod kernels;
mod lesson;
mod look;
mod paint;
mod path;
mod pinned;
mod profile;
mod scale;
mod scenario;
mod watch;

pub use gate::{gate, proof};
pub use lesson::{Claim, Taught};
pub use watch::watch;

use crate::format;
use crate::kernels::Matrix;
use crate::record::Record;
use crate::study;
use askama::Template;
use look::Looks;
use serde_json::Value;
use std::collections::BTreeSet;

/// The pages of a record: `index.html` first, then one for each scenario, as (relative path, HTML).
#[must_use]
pub fn site(record: &Record) -> Vec<(String, String)> {
    let looks = Looks::of(record);
    let studies = study::studies(record);
    let files = file_names(studies.iter().map(|study| study.scenario.scenario.as_str()));
    let index = index::IndexPage::new(record, &studies, &files, &looks);
    let mut pages = vec![("index.html".to_owned(), render(&index))];
    pages.extend(studies.iter().zip(files).map(|(study, file)| {
        let page = scenario::ScenarioPage::new(study, &looks);
        (file, render(&page))
    }));
    pages
}

/// The page of a matrix of kernels.
#[must_use]
pub fn kernels(matrix: &Matrix) -> String {
    render(&kernels::KernelsPage::new(matrix))
}

/// The page that teaches these strategies.
#[must_use]
pub fn lessons(version: &str, taught: &[Taught]) -> String {
    render(&lesson::LessonsPage::new(version, taught))
}

/// The files of the pages of these scenarios, no two alike: a number is added where two names differ
/// only in what a URL would not carry, or on a file system that ignores case.
fn file_names<'a>(scenarios: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut taken = BTreeSet::from(["index.html".to_owned()]);
    scenarios
        .map(|scenario| {
            let wanted = file_name(scenario);
            let stem = wanted.trim_end_matches(".html");
            let numbered = (2..).map(|n| format!("{stem}-{n}.html"));
            let file = std::iter::once(wanted.clone())
                .chain(numbered)
                .find(|file| taken.insert(file.to_ascii_lowercase()));
            file.unwrap_or(wanted)
        })
        .collect()
}

/// The file of a scenario's page: its name with `/` (and whatever else a URL would not carry)
/// replaced by `-`.
fn file_name(scenario: &str) -> String {
    let safe: String = scenario
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' })
        .collect();
    match safe.trim_start_matches('.') {
        "" | "index" => format!("scenario-{}.html", safe.trim_start_matches('.')),
        name => format!("{name}.html"),
    }
}

/// Renders a template. Writing to memory cannot fail; if it did, the page would say so. Control
/// characters, which HTML does not allow, become replacement characters.
fn render(page: &impl Template) -> String {
    let html = page.render().unwrap_or_else(|error| {
        let message = escape(&error.to_string());
        format!("<!doctype html><html lang=\"en\"><title>zclab</title><p>{message}</p></html>")
    });
    let forbidden = |c: char| c.is_control() && c != '\n' && c != '\t';
    html.replace(forbidden, "\u{fffd}")
}

/// Text that is safe within an element or a quoted attribute.
fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}

/// What the head and foot of every page of a run need.
struct Shell {
    title: String,
    run_id: String,
    started: String,
    version: String,
    revision: String,
    command: String,
    machine: Vec<(String, String)>,
    capabilities: Vec<(String, bool, String)>,
}

impl Shell {
    fn new(record: &Record, title: &str) -> Shell {
        let run = &record.run;
        let words = |text: &str| text.replace('_', " ");
        Shell {
            title: title.to_owned(),
            run_id: run.run_id.clone(),
            started: moment(&run.started_at),
            version: run.version.clone(),
            revision: if run.dirty {
                format!("{} + changes", run.revision)
            } else {
                run.revision.clone()
            },
            command: command(&run.argv),
            machine: run
                .machine
                .iter()
                .map(|(name, value)| (words(name), fact(name, value)))
                .collect(),
            capabilities: run
                .capabilities
                .iter()
                .map(|(name, value)| (words(name), value.starts_with("yes"), value.clone()))
                .collect(),
        }
    }
}

/// An RFC 3339 time without fractions of a second: `2026-11-24 09:15:00 UTC`.
fn moment(rfc3339: &str) -> String {
    let whole = rfc3339.trim_end_matches('Z');
    let whole = whole.split_once('.').map_or(whole, |(whole, _)| whole);
    format!("{} UTC", whole.replace('T', " "))
}

/// A fact of the machine, sizes with their unit.
fn fact(name: &str, value: &Value) -> String {
    match value.as_f64() {
        Some(size) if name.ends_with("_bytes") => format::bytes(size),
        _ => format::parameter(name, value),
    }
}

/// A command line that a shell reads back as the same words.
fn command(argv: &[String]) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    let words: Vec<String> = argv
        .iter()
        .map(|word| {
            if !word.is_empty() && word.chars().all(plain) {
                word.clone()
            } else {
                format!("'{}'", word.replace('\'', "'\\''"))
            }
        })
        .collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files() {
        assert_eq!(file_name("consume/size-sweep"), "consume-size-sweep.html");
        assert_eq!(file_name("../x y"), "-x-y.html");
        assert_eq!(file_name("index"), "scenario-index.html");
        let alike = ["a/b", "a-b", "A b", "index", "scenario-index", "a-b-2"];
        let files = file_names(alike.into_iter());
        let expected = ["a-b", "a-b-2", "A-b-3", "scenario-index", "scenario-index-2", "a-b-2-2"];
        assert_eq!(files, expected.map(|stem| format!("{stem}.html")));
    }

    #[test]
    fn commands_survive_a_shell() {
        let argv = ["zclab", "run", "it's", "", "a b"].map(String::from);
        assert_eq!(command(&argv), "zclab run 'it'\\''s' '' 'a b'");
    }
}
