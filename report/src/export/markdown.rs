//! How does a document show it?
//!
//! GitHub's Markdown, whole: what the whole comes to, then for each scenario its sentences and one table.

use super::Suite;
use super::rows::{Rows, escaped, mark};
use super::suite::{Source, Statement};

pub(super) fn write(suite: &Suite) -> String {
    let mut out = opening(suite);
    for scenario in suite.scenarios() {
        out += &format!("\n## {}\n\n", escaped(scenario));
        out += &sentences(suite, scenario);
        let table = Rows::of(suite, scenario);
        out += &table.header;
        out += &table.rows.concat();
    }
    out
}

/// Title, verdict, and what was compared.
pub(super) fn opening(suite: &Suite) -> String {
    let mut out = match (suite.source, &suite.conclusion) {
        (Source::Gate, Some(conclusion)) => format!(
            "# {} zclab gate: {}\n\n{}\n",
            mark(conclusion.outcome),
            escaped(&conclusion.word),
            escaped(&conclusion.sentence)
        ),
        _ => "# zclab run\n".to_owned(),
    };
    out.push('\n');
    for arm in &suite.arms {
        let fact = |name: &str| arm.machine.get(name).and_then(|value| value.as_str());
        let machine = ["kernel", "cpu_model", "filesystem"].into_iter().filter_map(fact);
        let facts: Vec<&str> = [arm.label.as_str(), arm.started_at.as_str()]
            .into_iter()
            .chain(machine)
            .filter(|fact| !fact.is_empty())
            .collect();
        out += &format!("* {}: {}\n", escaped(&arm.name), escaped(&facts.join(" · ")));
    }
    out
}

/// What is said of a scenario, a line each.
pub(super) fn sentences(suite: &Suite, scenario: &str) -> String {
    let said = suite.statements.iter().filter(|one| one.scenario == scenario);
    let lines: Vec<String> = said.flat_map(|one| said_of(suite, one)).collect();
    if lines.is_empty() { String::new() } else { format!("{}\n", lines.concat()) }
}

fn said_of(suite: &Suite, one: &Statement) -> Vec<String> {
    let run = suite.arm_key().map(|_| one.arm.as_str());
    let condition = Some(one.condition.as_str()).filter(|text| !text.is_empty());
    let place: Vec<&str> = run.into_iter().chain(condition).collect();
    let place = match place.is_empty() {
        true => String::new(),
        false => format!("**{}** ", escaped(&place.join(", "))),
    };
    one.sentences.iter().map(|text| format!("* {place}{}\n", escaped(text))).collect()
}
