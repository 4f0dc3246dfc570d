//! What will a scenario do, once everything that it leaves open is filled in?

use super::list::{duration, print, rendered, table};
use crate::log::kafka::Spec;
use crate::scenario::{Contender, LogChoice, Origin, Scenario, load_with_origin, words};
use crate::size;
use anyhow::Result;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::process::ExitCode;

/// Show what a scenario will do, with everything filled in that it leaves open.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  zclab show quick/size              question, contenders, axes, log, cost
  zclab show quick                   every scenario of the group
  zclab show --cells ./mine.toml     the id of each cell, too
  zclab show quick/size --json       the same for machines")]
pub struct Args {
    /// Scenario files, folders of them, or names of shipped scenarios.
    #[arg(required = true, value_name = "SCENARIO")]
    pub scenarios: Vec<String>,
    /// Print the id of each cell, too.
    #[arg(long)]
    pub cells: bool,
    /// Print JSON: an array with an object for each scenario, sizes in bytes, times in ns.
    #[arg(long)]
    pub json: bool,
}

/// Prints the scenarios.
///
/// # Errors
/// A scenario that cannot be found or is wrong; standard output that cannot be written.
pub fn run(args: Args) -> Result<ExitCode> {
    print(&text(&args)?)?;
    Ok(ExitCode::SUCCESS)
}

/// The scenarios, as they are printed.
///
/// # Errors
/// A scenario that cannot be found or is wrong.
pub fn text(args: &Args) -> Result<String> {
    let scenarios = load_with_origin(&args.scenarios)?;
    Ok(if args.json {
        let shown: Vec<Value> =
            scenarios.iter().map(|(one, origin)| to_json(one, origin, args.cells)).collect();
        format!("{}\n", serde_json::to_string_pretty(&shown)?)
    } else {
        let shown: Vec<String> =
            scenarios.iter().map(|(one, origin)| to_text(one, origin, args.cells)).collect();
        shown.join("\n")
    })
}

fn to_text(scenario: &Scenario, origin: &Origin, with_cells: bool) -> String {
    let mut text = format!("{}  ({origin})\n{}\n", scenario.name, scenario.question);
    if !scenario.analysis.is_empty() {
        let _ = write!(text, "\n{}\n", scenario.analysis);
    }
    let mut rows = table(&[]);
    for (index, contender) in scenario.contenders.iter().enumerate() {
        let title = if index == 0 { "contenders" } else { "" };
        rows.add_row([title.to_owned(), contender_text(contender, &scenario.baseline)]);
    }
    for (index, axis) in scenario.axes.iter().enumerate() {
        let values: Vec<String> = axis.values.iter().map(|v| value_text(&axis.name, v)).collect();
        let title = if index == 0 { "axes" } else { "" };
        rows.add_row([title.to_owned(), format!("{}: {}", axis.name, values.join(", "))]);
    }
    rows.add_row(["fixed".to_owned(), fixed_text(scenario)]);
    for (index, log) in logs_text(scenario).into_iter().enumerate() {
        rows.add_row([if index == 0 { "log".to_owned() } else { String::new() }, log]);
    }
    for (index, rule) in scenario.expect.iter().enumerate() {
        let x = scenario.axes.first().map(|axis| axis.name.as_str());
        let title = if index == 0 { "expects" } else { "" };
        rows.add_row([title.to_owned(), zclab_report::expect::claim(rule, x)]);
    }
    let budget = &scenario.budget;
    rows.add_row([
        "budget".to_owned(),
        format!(
            "{} launches of {} turns; a slice has {}, at most {} fetches",
            budget.launches,
            budget.turns,
            size::show(budget.slice_bytes),
            budget.fetches_max
        ),
    ]);
    let (cells, conditions) = (scenario.cells().count(), scenario.conditions.len());
    let contenders = scenario.contenders.len();
    rows.add_row([
        "cells".to_owned(),
        format!("{cells} = {conditions} conditions × {contenders} contenders"),
    ]);
    let estimate = scenario.estimate();
    rows.add_row([
        "cost".to_owned(),
        format!(
            "estimated: {} samples, {:.1} GiB delivered, {} (without generating the log)",
            estimate.samples,
            estimate.delivered_bytes as f64 / (1_u64 << 30) as f64,
            duration(estimate.wall_ns)
        ),
    ]);
    text.push_str(&rendered(rows));
    if with_cells {
        text.push('\n');
        for cell in scenario.cells() {
            let _ = writeln!(text, "{}", cell.id());
        }
    }
    text
}

fn contender_text(contender: &Contender, baseline: &str) -> String {
    let options: Vec<String> = contender
        .complete_options()
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let mut text = contender.name();
    if !options.is_empty() {
        let _ = write!(text, " ({})", options.join(", "));
    }
    if contender.label == baseline {
        text.push_str(", the baseline");
    }
    text
}

/// The parameters that are sizes, which people read with a unit.
const SIZES: &[&str] = &["message", "fetch", "header", "socket_buffer"];

fn value_text(name: &str, value: &Value) -> String {
    match value {
        Value::Number(number) if SIZES.contains(&name) => {
            number.as_u64().map_or_else(|| number.to_string(), size::show)
        }
        Value::String(word) => word.clone(),
        other => other.to_string(),
    }
}

fn fixed_text(scenario: &Scenario) -> String {
    let is_axis = |name: &str| scenario.axes.iter().any(|axis| axis.name == name);
    let params = scenario.conditions.first().map(|first| first.key_params()).unwrap_or_default();
    let fixed: Vec<String> = params
        .iter()
        .filter(|(name, _)| !is_axis(name) && *name != "log")
        .map(|(name, value)| format!("{name}={}", value_text(name, value)))
        .collect();
    fixed.join(", ")
}

fn logs_text(scenario: &Scenario) -> Vec<String> {
    let generated = scenario.generated_logs();
    let mut shown: Vec<String> = generated.iter().map(|spec| log_text(spec)).collect();
    if let Some(LogChoice::Imported(name)) = scenario.conditions.first().map(|first| &first.log) {
        shown.push(format!("imported as {name}"));
    }
    shown
}

fn log_text(spec: &Spec) -> String {
    format!(
        "kafka, {} in segments of {}; messages {}, key {}, {} headers; batches of {}, codec {}; \
         seed {}",
        size::show(spec.total_bytes),
        size::show(spec.segment_bytes),
        value_text("message", &words::message(&spec.message)),
        size::show(spec.key_bytes.into()),
        spec.headers,
        size::show(spec.batch_bytes.into()),
        words::codec(spec.codec),
        spec.seed
    )
}

fn to_json(scenario: &Scenario, origin: &Origin, with_cells: bool) -> Value {
    let conditions: Vec<_> = scenario.conditions.iter().map(|one| one.params()).collect();
    let estimate = scenario.estimate();
    let mut shown = json!({
        "scenario": scenario.name,
        "origin": origin.to_string(),
        "question": scenario.question,
        "analysis": scenario.analysis,
        "baseline": scenario.baseline,
        "contenders": scenario.contenders.iter().map(contender_json).collect::<Vec<_>>(),
        "axes": scenario.axes,
        "conditions": conditions,
        "expect": scenario.expect,
        "budget": {
            "launches": scenario.budget.launches,
            "turns": scenario.budget.turns,
            "slice_bytes": scenario.budget.slice_bytes,
            "fetches_max": scenario.budget.fetches_max,
        },
        "logs": scenario.generated_logs(),
        "cells": scenario.cells().count(),
        "estimated": {
            "samples": estimate.samples,
            "delivered_bytes": estimate.delivered_bytes,
            "log_bytes": estimate.log_bytes,
            "wall_ns": estimate.wall_ns,
        },
    });
    if with_cells {
        shown["cell_ids"] = scenario.cells().map(|cell| cell.id()).collect();
    }
    shown
}

fn contender_json(contender: &Contender) -> Value {
    let options: BTreeMap<String, Value> = contender
        .complete_options()
        .iter()
        .map(|(name, value)| (name.to_owned(), words::option(value)))
        .collect();
    json!({
        "label": contender.label,
        "strategy": contender.strategy.name(),
        "bare": contender.bare,
        "options": options,
    })
}
