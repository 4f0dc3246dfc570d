//! What does one scenario answer, and how can a reader check it?

use super::charts::{self, Drawn};
use super::grid::{self, Grid};
use super::hot::{self, HotView};
use super::look::Looks;
use super::path::{self, Way};
use super::profile::{self, Section};
use super::{Shell, alias, caveat, evidence, pinned};
use crate::demand::{self, Statement};
use crate::expect::{self, Expectation};
use crate::format;
use crate::metric::{Metric, Provenance};
use crate::study::{Figure, Study};
use crate::verdict::{self, Lead, NoResult, PanelAnswer};
use askama::Template;

/// The page of one scenario.
#[derive(Template)]
#[template(path = "scenario.html")]
pub struct ScenarioPage {
    shell: Shell,
    name: String,
    question: String,
    baseline: String,
    x_name: String,
    /// Whose cost decides: `sender`, `receiver`.
    side: &'static str,
    panels: Vec<PanelView>,
    notes: Vec<String>,
    /// What the file expects of the run, and what came of it.
    expected: Vec<Expectation>,
    legend: Vec<(String, String)>,
    troubles: Vec<NoResult>,
    strays: Vec<String>,
    /// What consumers got, and what holding them took.
    demand: Vec<Statement>,
    paths: String,
    /// How many cells agree, contradict, are unobserved: class and words.
    tally: Vec<(&'static str, String)>,
    /// Why nothing at all was observed.
    unavailable: Option<String>,
    /// Why some hops were not.
    unseen: Vec<String>,
    contradictions: Vec<String>,
    probes: Vec<alias::Statement>,
    pinned: Vec<pinned::Statement>,
    profile: Section,
    caveats: Vec<String>,
    analysis: Vec<String>,
    source: String,
    provenance: Vec<Obtained>,
    basis: Vec<&'static str>,
}

/// One panel: the answer, the charts, the tables.
struct PanelView {
    id: String,
    title: String,
    sentence: String,
    clauses: Vec<String>,
    /// What became of hot consumers, where there were any.
    hot: Option<HotView>,
    strip: Vec<Place>,
    decisive: Vec<Drawn>,
    small: Vec<Drawn>,
    cost: Grid,
    /// What the kernel did, or why nobody knows.
    kernel: Result<Grid, String>,
    counted: Grid,
}

/// One condition in the strip below the answer.
struct Place {
    x: String,
    /// Key and label of those who lead.
    leaders: Vec<(String, String)>,
    /// By how much, or why nobody leads.
    words: Vec<String>,
}

/// How one metric was obtained.
struct Obtained {
    title: &'static str,
    unit: &'static str,
    how: String,
    source: &'static str,
    missing: Vec<String>,
}

impl ScenarioPage {
    /// Gathers what the page shows.
    #[must_use]
    pub fn new(study: &Study, looks: &Looks) -> ScenarioPage {
        let scenario = study.scenario;
        let answer = verdict::answer(study);
        let ways = path::ways(study);
        ScenarioPage {
            shell: Shell::new(study.record, &format!("{} · zclab", scenario.scenario)),
            name: scenario.scenario.clone(),
            question: scenario.question.clone(),
            baseline: scenario.baseline.clone(),
            x_name: study.x_name(),
            side: study.side.name(),
            panels: panels(study, looks, &answer.panels),
            notes: answer.notes,
            expected: expect::verdicts(study),
            legend: scenario
                .contenders
                .iter()
                .map(|label| (looks.get(label).key(), label.clone()))
                .collect(),
            troubles: verdict::without_result(study),
            demand: demand::statements(study),
            strays: study.strays.iter().map(ToString::to_string).collect(),
            paths: path::svg(&ways, looks, study.side),
            tally: path::tally(&ways),
            unavailable: path::unavailable(&ways),
            unseen: path::unseen(&ways),
            contradictions: ways.iter().filter_map(Way::contradiction).collect(),
            probes: alias::statements(study),
            pinned: pinned::statements(study),
            profile: profile::section(study, looks),
            caveats: caveat::caveats(study),
            analysis: paragraphs(&scenario.analysis),
            source: scenario.source.clone(),
            provenance: Metric::ALL
                .iter()
                .filter(|metric| study.shows(**metric))
                .map(|metric| obtained(study, *metric))
                .chain([witnessed(study)])
                .collect(),
            basis: bases(study),
        }
    }
}

fn panels(study: &Study, looks: &Looks, answers: &[PanelAnswer]) -> Vec<PanelView> {
    let both = study.panels.iter().zip(answers).enumerate();
    both.map(|(n, (panel, answer))| {
        let id = format!("p{n}");
        PanelView {
            title: panel.title(),
            sentence: answer.sentence.clone(),
            clauses: answer.clauses.clone(),
            strip: answer.standings.iter().map(|one| place(&one.x, &one.lead, looks)).collect(),
            decisive: charts::decisive(study, panel, looks, &format!("{id}-decisive")),
            hot: hot::view(study, panel, looks, &id),
            small: charts::small(study, panel, looks, &id),
            cost: grid::cost(study, panel, looks, &id),
            kernel: evidence::table(study, panel, looks, &id),
            counted: grid::counted(study, panel, looks, &id),
            id,
        }
    })
    .collect()
}

fn place(x: &str, lead: &Lead, looks: &Looks) -> Place {
    let (leaders, words) = match lead {
        Lead::Led { leaders, behind, .. } if !lead.clear() => {
            let more: Vec<&str> = behind.iter().map(|(label, _)| label.as_str()).collect();
            let words = vec![
                format!("no winner between {}", format::list(leaders)),
                format!("dearer: {}", format::list(&more)),
            ];
            (Vec::new(), words)
        }
        Lead::Led { leaders, other, ratios, .. } => {
            // A tied leader that cannot be told from `other` does not need the least.
            let (firm, loose): (Vec<_>, Vec<_>) =
                leaders.iter().zip(ratios).partition(|(_, ratio)| ratio.differs_from(1.0));
            let mut words = Vec::new();
            if let Some((_, ratio)) = firm.first() {
                words.push(format!("{:.2}× {other}", ratio.point));
                words.extend(ratio.interval.map(|(low, high)| format!("({low:.2}–{high:.2})")));
            }
            if !loose.is_empty() {
                let labels: Vec<&String> = loose.into_iter().map(|(label, _)| label).collect();
                words.push(format!("not decided: {}", format::list(&labels)));
            }
            (firm.into_iter().map(|(label, _)| label.clone()).collect(), words)
        }
        Lead::Open { .. } => (Vec::new(), vec!["no winner can be named".into()]),
        Lead::Alone(label) => (Vec::new(), vec![format!("only {label} has a result")]),
        Lead::Nobody => (Vec::new(), vec!["no result".into()]),
    };
    let leaders = leaders.into_iter().map(|label| (looks.get(&label).key(), label)).collect();
    Place { x: x.to_owned(), leaders, words }
}

/// The paragraphs of a plain text.
fn paragraphs(text: &str) -> Vec<String> {
    text.split("\n\n").map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// The provenances of a metric over all cells, and why it is missing where it is.
fn obtained(study: &Study, metric: Metric) -> Obtained {
    let mut how: Vec<Provenance> = Vec::new();
    let mut missing: Vec<String> = Vec::new();
    for row in study.rows().filter(|row| row.state == crate::study::State::Ok) {
        let Some(figure) = row.figures.get(&metric) else { continue };
        if !how.contains(&figure.provenance()) {
            how.push(figure.provenance());
        }
        if let Figure::Unavailable { reason } = figure
            && !missing.contains(reason)
        {
            missing.push(reason.clone());
        }
    }
    how.sort();
    let names: Vec<&str> = how.iter().map(|one| one.name()).collect();
    Obtained {
        title: metric.title(),
        unit: metric.unit(),
        how: if names.is_empty() { format::NONE.into() } else { names.join(", ") },
        source: metric.source(),
        missing,
    }
}

/// How the numbers of the kernel's table were obtained.
fn witnessed(study: &Study) -> Obtained {
    let ok = || study.rows().filter(|row| row.state == crate::study::State::Ok);
    let mut missing: Vec<String> = Vec::new();
    for figure in ok().flat_map(|row| row.witnessed.values()) {
        if let Figure::Unavailable { reason } = figure
            && !missing.contains(reason)
        {
            missing.push(reason.clone());
        }
    }
    let observed = ok().any(|row| row.observation().is_some());
    let how = if observed { Provenance::Observed } else { Provenance::Unavailable };
    Obtained {
        title: "What the kernel did",
        unit: "per byte, per MiB",
        how: how.name().to_owned(),
        source: "BPF programs on tracepoints, between two marker calls of the measured process, in a \
                 block that is not timed",
        missing,
    }
}

/// How the intervals of this page were obtained.
fn bases(study: &Study) -> Vec<&'static str> {
    let mut bases: Vec<&str> =
        study.rows().flat_map(|row| row.ratios.values()).map(|ratio| ratio.basis.name()).collect();
    bases.sort_unstable();
    bases.dedup();
    bases
}

/// Conditions of cells without a result, in words.
fn places(none: &NoResult) -> String {
    if none.conditions.is_empty() { "everywhere".into() } else { format::list(&none.conditions) }
}
