//! What is there to choose from: strategies, scenarios, sinks, parameters?

use crate::scenario::keys::{self, Key};
use crate::scenario::{load_shipped, words};
use anyhow::Result;
use clap::ValueEnum;
use comfy_table::{ContentArrangement, Table, presets};
use serde_json::{Value, json};
use std::io::{ErrorKind, Write};
use std::process::ExitCode;
use zclab_strategies::{
    Disturbance, Entry, Family, IngestRoute, OptionKind, OptionSpec, Pages, Route, SinkKind,
};

/// List what there is to choose from.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  zclab list strategies              what moves bytes, and which options it has
  zclab list strategies --json       the same for machines
  zclab list scenarios               the scenarios that come with zclab
  zclab list params                  every key of a scenario file, its default and its bounds")]
pub struct Args {
    /// What to list.
    #[arg(value_enum)]
    pub what: What,
    /// Print JSON: an array of objects, sizes in bytes, times in ns.
    #[arg(long)]
    pub json: bool,
}

/// What can be listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum What {
    /// The ways to move bytes, in the order of the story that reports tell.
    Strategies,
    /// The scenarios that come with zclab.
    Scenarios,
    /// Where bytes can go.
    Sinks,
    /// The keys of scenario files.
    Params,
}

/// Prints the list.
///
/// # Errors
/// Standard output that cannot be written; a shipped scenario that is broken.
pub fn run(args: Args) -> Result<ExitCode> {
    print(&text(&args)?)?;
    Ok(ExitCode::SUCCESS)
}

/// The list, as it is printed.
///
/// # Errors
/// A shipped scenario that is broken.
pub fn text(args: &Args) -> Result<String> {
    Ok(if args.json {
        let rows: Vec<Value> = match args.what {
            What::Strategies => entries().map(strategy_json).collect(),
            What::Scenarios => scenarios_json()?,
            What::Sinks => SinkKind::ALL.iter().map(|sink| sink_json(*sink)).collect(),
            What::Params => keys::ALL.iter().map(param_json).collect(),
        };
        format!("{}\n", serde_json::to_string_pretty(&rows)?)
    } else {
        match args.what {
            What::Strategies => strategies_text(),
            What::Scenarios => scenarios_text()?,
            What::Sinks => sinks_text(),
            What::Params => params_text(),
        }
    })
}

/// Writes to standard output. A reader that has seen enough (`| head`) is no error.
pub(super) fn print(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// A table without frames, as wide as the terminal allows.
pub(super) fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    if !header.is_empty() {
        table.set_header(header.iter().copied());
    }
    table
}

/// The table's text, two blanks between columns and none around them; no header where it is empty.
pub(super) fn rendered(mut table: Table) -> String {
    for column in table.column_iter_mut() {
        column.set_padding((0, 1));
    }
    table.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// Every strategy, family by family.
pub(super) fn entries() -> impl Iterator<Item = Entry> {
    Family::ALL.iter().flat_map(|family| family.entries())
}

/// The CPU copies that the strategy claims for each payload byte, on its own side, between a warm log
/// and TCP over loopback, whose far end sends plainly.
fn claimed_copies(strategy: Entry) -> f64 {
    let route = Route::to(SinkKind::TcpLoopback);
    let path = match strategy {
        Entry::Transfer(one) => one.path(&route),
        Entry::Ingest(one) => one.path(&IngestRoute {
            source: SinkKind::TcpLoopback,
            pages: Pages::None,
            durable: false,
        }),
    };
    // An empty sum of floats is negative zero, which nobody wants to read.
    path.sender_copies_per_byte() + 0.0
}

fn disturbs(strategy: Entry) -> &'static str {
    match strategy.disturbs() {
        Disturbance::Nothing => "nothing",
        Disturbance::PageCache => "page-cache",
        Disturbance::Core => "core",
    }
}

fn strategies_text() -> String {
    let mut rows = table(&["strategy", "family", "copies/byte", "disturbs", "question"]);
    for strategy in entries() {
        rows.add_row([
            strategy.name().to_owned(),
            strategy.family().name().to_owned(),
            claimed_copies(strategy).to_string(),
            disturbs(strategy).to_owned(),
            strategy.question().to_owned(),
        ]);
        for option in strategy.options() {
            let (default, bounds) = (option.default_value(), option_bounds(option));
            let text = format!("{}={default} ({bounds}): {}", option.name, option.what);
            rows.add_row(["", "", "", "", &text]);
        }
    }
    let families = Family::ALL.iter().map(|one| format!("{}: {}\n", one.name(), one.what()));
    format!(
        "{}\ncopies/byte: CPU copies on the strategy's own side as it claims them, between a warm \
         log and tcp-loopback.\n{}",
        rendered(rows),
        families.collect::<String>()
    )
}

pub(super) fn option_bounds(option: &OptionSpec) -> String {
    match option.kind {
        OptionKind::Number { min, max, .. } => format!("{min} to {max}"),
        OptionKind::Choice { of, .. } => of.join(", "),
    }
}

fn strategy_json(strategy: Entry) -> Value {
    let options: Vec<Value> = strategy.options().iter().map(option_json).collect();
    json!({
        "name": strategy.name(),
        "family": strategy.family().name(),
        "question": strategy.question(),
        "moves_the_log": strategy.moves_the_log(),
        "disturbs": disturbs(strategy),
        "claimed_cpu_copies_per_byte": claimed_copies(strategy),
        "options": options,
    })
}

fn option_json(option: &OptionSpec) -> Value {
    let default = words::option(&option.default_value());
    match option.kind {
        OptionKind::Number { min, max, .. } => json!({
            "name": option.name, "what": option.what, "default": default, "min": min, "max": max,
        }),
        OptionKind::Choice { of, .. } => json!({
            "name": option.name, "what": option.what, "default": default, "words": of,
        }),
    }
}

fn scenarios_text() -> Result<String> {
    let mut rows = table(&["scenario", "cells", "about", "question"]);
    for scenario in load_shipped()? {
        rows.add_row([
            scenario.name.clone(),
            scenario.cells().count().to_string(),
            duration(scenario.estimate().wall_ns),
            scenario.question.clone(),
        ]);
    }
    Ok(rendered(rows))
}

/// A time for people, as coarse as an estimate is.
pub(super) fn duration(ns: u64) -> String {
    match ns / 1_000_000_000 {
        0 => "1 s".to_owned(),
        seconds @ 1..=99 => format!("{seconds} s"),
        seconds @ 100..=5999 => format!("{} min", seconds.div_ceil(60)),
        seconds => format!("{} h", seconds.div_ceil(3600)),
    }
}

fn scenarios_json() -> Result<Vec<Value>> {
    let row = |scenario: &crate::scenario::Scenario| {
        json!({
            "scenario": scenario.name,
            "question": scenario.question,
            "cells": scenario.cells().count(),
            "estimated_wall_ns": scenario.estimate().wall_ns,
        })
    };
    Ok(load_shipped()?.iter().map(row).collect())
}

/// What a sink is, and how arriving bytes can be verified there.
fn sink_facts(sink: SinkKind) -> (&'static str, &'static str) {
    match sink {
        SinkKind::TcpLoopback => ("a TCP connection over the loopback device", "content"),
        SinkKind::TcpRemote => {
            ("a TCP connection to `zclab sink` on another host (needs --to)", "content")
        }
        SinkKind::TcpVeth => ("a TCP connection to another network namespace over veth", "content"),
        SinkKind::UnixStream => ("a connected Unix stream socket", "content"),
        SinkKind::Pipe => ("a pipe to the receiver", "content"),
        SinkKind::File => ("a regular file, written at its own position", "content"),
        SinkKind::Null => ("/dev/null, which forgets the bytes", "none"),
    }
}

/// What the receiver may do there: only TCP can drop bytes without copying them.
fn receivers(sink: SinkKind) -> Vec<&'static str> {
    match sink {
        SinkKind::TcpLoopback | SinkKind::TcpVeth | SinkKind::TcpRemote => {
            words::names(words::RECEIVERS)
        }
        SinkKind::UnixStream | SinkKind::Pipe => vec!["copy"],
        SinkKind::File | SinkKind::Null => Vec::new(),
    }
}

fn sinks_text() -> String {
    let mut rows = table(&["sink", "receivers", "verified", "what it is"]);
    for sink in SinkKind::ALL {
        let (what, verified) = sink_facts(*sink);
        rows.add_row([sink.name(), &receivers(*sink).join(", "), verified, what]);
    }
    rendered(rows)
}

fn sink_json(sink: SinkKind) -> Value {
    let (what, verified) = sink_facts(sink);
    json!({
        "name": sink.name(), "what": what, "receivers": receivers(sink), "verified": verified,
    })
}

fn dotted(key: &Key) -> String {
    if key.table.is_empty() { key.name.to_owned() } else { format!("{}.{}", key.table, key.name) }
}

fn params_text() -> String {
    let mut rows = table(&["key", "default", "values", "what it sets"]);
    for key in keys::ALL {
        rows.add_row([
            dotted(key),
            key.values.default_text().unwrap_or_default(),
            key.values.describe(),
            key.what.to_owned(),
        ]);
    }
    format!("{}\nAny key of matrix may be an array: an axis.\n", rendered(rows))
}

fn param_json(key: &Key) -> Value {
    json!({
        "key": dotted(key),
        "what": key.what,
        "values": key.values.describe(),
        "default": key.values.default_text(),
        "axis": key.is_axis(),
    })
}
