//! What ran, and what came out, on one page?

use super::look::Looks;
use super::{Shell, charts, path};
use crate::format;
use crate::record::Record;
use crate::study::{Row, State, Study};
use crate::verdict::{self, NoResult};
use askama::Template;

/// The first page of a run.
#[derive(Template)]
#[template(path = "index.html")]
pub struct IndexPage {
    shell: Shell,
    /// How the run ended, in words, and whether that is as it should be.
    ended: (bool, String),
    remarks: Vec<String>,
    tally: Vec<(String, usize)>,
    cards: Vec<Card>,
    troubles: Vec<(String, String, NoResult)>,
    catalogue: Vec<Known>,
    /// Whether any copies were observed.
    copies: bool,
}

/// A strategy of the catalogue.
struct Known {
    key: String,
    name: String,
    question: String,
    /// Copies per byte that were observed of it.
    copies: String,
}

/// One scenario on the first page.
struct Card {
    name: String,
    file: String,
    question: String,
    answers: Vec<(String, String)>,
    more: usize,
    /// How many cells agree with their claim; empty where nothing was observed.
    tally: Vec<(&'static str, String)>,
    chart: String,
}

/// Answers that a card shows; the others are on the scenario's page.
const ANSWERS: usize = 2;

impl IndexPage {
    /// Gathers what the page shows; `files` are the pages of the studies, in their order.
    #[must_use]
    pub fn new(record: &Record, studies: &[Study], files: &[String], looks: &Looks) -> IndexPage {
        let mut tally: Vec<(String, usize)> = Vec::new();
        for row in studies.iter().flat_map(Study::rows) {
            let status = match &row.state {
                State::Ok => "ok",
                State::Not(status, _) => status.name(),
                State::Unfinished => "unfinished",
            };
            match tally.iter_mut().find(|(known, _)| known == status) {
                Some((_, count)) => *count += 1,
                None => tally.push((status.into(), 1)),
            }
        }
        tally.sort_by_key(|(status, _)| (status != "ok", status.clone()));
        IndexPage {
            shell: Shell::new(record, "zclab report"),
            ended: ended(record),
            remarks: record.remarks.clone(),
            tally,
            cards: studies
                .iter()
                .zip(files)
                .enumerate()
                .map(|(n, (study, file))| card(n, study, file, looks))
                .collect(),
            troubles: studies
                .iter()
                .zip(files)
                .flat_map(|(study, file)| {
                    let name = &study.scenario.scenario;
                    verdict::without_result(study)
                        .into_iter()
                        .map(move |none| (name.clone(), file.clone(), none))
                })
                .collect(),
            catalogue: record
                .run
                .catalogue
                .iter()
                .map(|fact| Known {
                    key: looks.get(&fact.name).key(),
                    name: fact.name.clone(),
                    question: fact.question.clone(),
                    copies: copies(studies, &fact.name).unwrap_or(format::NONE.into()),
                })
                .collect(),
            copies: studies.iter().flat_map(Study::rows).any(|row| row.copies().is_some()),
        }
    }
}

/// The copies per byte that were observed of a strategy, over all cells: `2.00`, `0.00 to 1.00`.
fn copies(studies: &[Study], strategy: &str) -> Option<String> {
    let of = |row: &&Row| {
        let cell = row.measured.and_then(|measured| measured.cell.as_ref());
        cell.is_some_and(|cell| cell.strategy == strategy)
    };
    let rows = studies.iter().flat_map(Study::rows).filter(of);
    let mut seen: Vec<f64> = rows
        .filter_map(|row| row.measured?.ledger.as_ref()?.cpu_copies_per_byte.observed)
        .collect();
    seen.sort_by(f64::total_cmp);
    let (low, high) = (format!("{:.2}", seen.first()?), format!("{:.2}", seen.last()?));
    Some(if low == high { low } else { format!("{low} to {high}") })
}

fn card(n: usize, study: &Study, file: &str, looks: &Looks) -> Card {
    let answer = verdict::answer(study);
    let ways = path::ways(study);
    let observed = ways.iter().any(path::Way::observed);
    let answers: Vec<(String, String)> =
        answer.panels.into_iter().map(|panel| (panel.title, panel.sentence)).collect();
    Card {
        name: study.scenario.scenario.clone(),
        file: file.to_owned(),
        question: study.scenario.question.clone(),
        tally: if observed { path::tally(&ways) } else { Vec::new() },
        more: answers.len().saturating_sub(ANSWERS),
        answers: answers.into_iter().take(ANSWERS).collect(),
        chart: study
            .panels
            .first()
            .and_then(|panel| charts::thumbnail(study, panel, looks, &format!("card{n}")))
            .unwrap_or_default(),
    }
}

fn ended(record: &Record) -> (bool, String) {
    let resumed = match record.resumed.len() {
        0 => String::new(),
        1 => ", resumed once".to_owned(),
        times => format!(", resumed {times} times"),
    };
    match &record.end {
        Some(end) if end.how == "complete" => (true, format!("complete{resumed}")),
        Some(end) => {
            (false, format!("{}{resumed}: the numbers are what was measured until then", end.how))
        }
        None => (false, format!("killed{resumed}: the numbers are what was measured until then")),
    }
}

/// Conditions of cells without a result, in words.
fn places(none: &NoResult) -> String {
    if none.conditions.is_empty() { "everywhere".into() } else { format::list(&none.conditions) }
}
