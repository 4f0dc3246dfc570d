//! Who needs the least sender CPU, where, and how sure is that?
//!
//! A sentence is derived from paired intervals by rule, never from throughput:
//!
//! - the *leader* of a condition is the contender with the smallest typical sender CPU per KiB;
//! - whoever's paired ratio to the leader does not lie wholly above 1 shares the lead, and between
//!   those who share it no winner is named; when all share it, no winner is named at all;
//! - only cells that are `ok` and move the log take part;
//! - one launch gives no interval, and two give one of absurd width, hence no winner.

mod hot;
mod left;
mod sent;
mod sentence;
mod standing;
mod words;

pub use standing::{Lead, Standing, standing};

use crate::format;
use crate::stats::DECISIVE_MIN;
use crate::study::{Bottleneck, Panel, State, Study};
use std::collections::BTreeMap;

/// What a scenario's measurements say.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// One entry for each panel.
    pub panels: Vec<PanelAnswer>,
    /// What qualifies the answer: cells without a result, receiver-bound cells, the floor.
    pub notes: Vec<String>,
}

/// What one panel says.
#[derive(Clone, Debug, PartialEq)]
pub struct PanelAnswer {
    /// The values that the panel's points share; empty when there is one panel.
    pub title: String,
    /// Who needs the least, at the value of the axis that matters most.
    pub sentence: String,
    /// How each contender compares with the baseline along the axis.
    pub clauses: Vec<String>,
    /// Who leads at each point.
    pub standings: Vec<Standing>,
}

impl Answer {
    /// The lead sentences as plain text, for terminals and exports.
    #[must_use]
    pub fn text(&self) -> String {
        let parts: Vec<String> = self
            .panels
            .iter()
            .map(|panel| match panel.title.as_str() {
                "" => panel.sentence.clone(),
                title => format!("[{title}] {}", panel.sentence),
            })
            .collect();
        parts.join(" ")
    }
}

/// Derives the answer of a scenario.
#[must_use]
pub fn answer(study: &Study) -> Answer {
    let panels = study
        .panels
        .iter()
        .map(|panel| {
            let standings: Vec<Standing> =
                panel.points.iter().map(|point| standing(study, point)).collect();
            let own_cost = sentence::of_panel(study, panel, &standings);
            let mut clauses = sentence::against_baseline(study, panel);
            // Where there were hot consumers, what became of them is the answer; where there was a
            // canary, what was left for it is.
            let sentence = match (hot::of_panel(study, panel), left::of_panel(study, panel)) {
                (Some(sentence), _) => {
                    clauses.insert(0, format!("The scan itself: {own_cost}"));
                    clauses.splice(0..0, hot::floor(panel));
                    sentence
                }
                (None, Some((sentence, others))) => {
                    clauses.insert(0, format!("By sender CPU: {own_cost}"));
                    clauses.splice(0..0, others);
                    sentence
                }
                (None, None) => own_cost,
            };
            PanelAnswer { title: panel.title(), sentence, clauses, standings }
        })
        .collect();
    Answer { panels, notes: notes(study) }
}

/// What a reader of the answer has to know as well.
fn notes(study: &Study) -> Vec<String> {
    let mut notes = Vec::new();
    let mut floors: Vec<&str> =
        study.rows().filter(|row| !row.moves_the_log).map(|row| row.label).collect();
    floors.dedup();
    floors.sort_unstable();
    floors.dedup();
    if !floors.is_empty() {
        let one = floors.len() == 1;
        notes.push(format!(
            "{} {} no byte of the log: {} the floor that the others are measured against, and \
            left out of \
             every ranking.",
            format::list(&floors),
            if one { "moves" } else { "move" },
            if one { "it is" } else { "they are" },
        ));
    }
    let late = |label: &&String| study.rows().any(|row| row.label == **label && row.copied_late());
    let late: Vec<&String> = study.scenario.contenders.iter().filter(late).collect();
    if !late.is_empty() {
        notes.push(format!(
            "{}: copied at delivery on this machine, as on no network card, and so left out of every \
             ranking where that is so.",
            format::list(&late)
        ));
    }
    notes.extend(sent::sentence(study));
    notes.extend(far_end_bound(study));
    if study.rows().any(|row| row.state == State::Ok && row.launches() == 1) {
        notes.push(
            "Measured in a single launch: how launches differ is unknown, so there are no \
            intervals and no winner \
             is named."
                .into(),
        );
    } else if study.rows().any(|row| row.state == State::Ok && row.launches() < DECISIVE_MIN) {
        notes
            .push("Cells measured in two launches decide nothing: an interval takes three.".into());
    }
    notes
}

/// Names the cells whose throughput is the far end's.
fn far_end_bound(study: &Study) -> Option<String> {
    let measured: Vec<_> = study.rows().filter(|row| row.state == State::Ok).collect();
    let bound: Vec<_> = measured.iter().filter(|row| row.at_far_end()).collect();
    if bound.is_empty() {
        return None;
    }
    let mut labels: Vec<&str> = Vec::new();
    for row in &bound {
        if !labels.contains(&row.label) {
            labels.push(row.label);
        }
    }
    let both = bound.iter().filter(|row| row.bottleneck == Bottleneck::Both).count();
    let (own, far) = (study.side.name(), study.side.far().name());
    let too = if both > 0 { format!(" (in {both} of them the {own} too)") } else { String::new() };
    Some(format!(
        "In {} of {} measured cells ({}) the {far} was on CPU for 90 % of the time or \
        more{too}: throughput there is the \
         {far}'s, and says nothing about the {own}.",
        bound.len(),
        measured.len(),
        format::list(&labels),
    ))
}

/// A group of cells that have no result for the same reason.
#[derive(Clone, Debug, PartialEq)]
pub struct NoResult {
    /// The contender.
    pub label: String,
    /// `unsupported`, `failed`, …, or `unfinished`.
    pub status: &'static str,
    /// The conditions, in words; empty when it is all of them.
    pub conditions: Vec<String>,
    /// The reasons, with call and errno.
    pub reasons: Vec<String>,
}

/// The cells of a scenario that have no result, grouped by contender, status and reason.
#[must_use]
pub fn without_result(study: &Study) -> Vec<NoResult> {
    let mut groups: BTreeMap<(usize, &'static str, Vec<String>), Vec<String>> = BTreeMap::new();
    let mut points = 0;
    for panel in &study.panels {
        for point in &panel.points {
            points += 1;
            let condition = condition(study, panel, point);
            for (order, row) in point.rows.iter().enumerate() {
                let (status, reasons) = match &row.state {
                    State::Ok => continue,
                    State::Not(status, troubles) => {
                        (status.name(), troubles.iter().map(ToString::to_string).collect())
                    }
                    State::Unfinished => ("unfinished", Vec::new()),
                };
                groups.entry((order, status, reasons)).or_default().push(condition.clone());
            }
        }
    }
    groups
        .into_iter()
        .map(|((order, status, reasons), conditions)| NoResult {
            label: study.scenario.contenders[order].clone(),
            status,
            conditions: if conditions.len() == points { Vec::new() } else { conditions },
            reasons,
        })
        .collect()
}

/// A point's place in the matrix, in words.
pub(crate) fn condition(study: &Study, panel: &Panel, point: &crate::study::Point) -> String {
    let x = match study.x {
        Some(axis) => format!("{} {}", format::parameter_name(&axis.name), study.x_label(point)),
        None => String::new(),
    };
    let parts: Vec<String> =
        [panel.title(), x].into_iter().filter(|part| !part.is_empty()).collect();
    parts.join(", ")
}
