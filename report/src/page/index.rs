//! What ran, and what came out, on one page?

use super::look::Looks;
use super::{Shell, charts};
use crate::format;
use crate::record::Record;
use crate::study::{State, Study};
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
    catalogue: Vec<(String, String, String)>,
}

/// One scenario on the first page.
struct Card {
    name: String,
    file: String,
    question: String,
    answers: Vec<(String, String)>,
    more: usize,
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
                .map(|fact| (looks.get(&fact.name).key(), fact.name.clone(), fact.question.clone()))
                .collect(),
        }
    }
}

fn card(n: usize, study: &Study, file: &str, looks: &Looks) -> Card {
    let answer = verdict::answer(study);
    let answers: Vec<(String, String)> =
        answer.panels.into_iter().map(|panel| (panel.title, panel.sentence)).collect();
    Card {
        name: study.scenario.scenario.clone(),
        file: file.to_owned(),
        question: study.scenario.question.clone(),
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
