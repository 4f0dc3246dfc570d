//! What `list`, `show`, `completions` and `man` print.

use clap::{CommandFactory, Parser, Subcommand};
use serde_json::Value;
use zclab::cmd::{completions, list, man, show};
use zclab::scenario::keys;
use zclab_strategies::{Entry, Family, SinkKind};

/// The program as far as these subcommands know it.
#[derive(Parser)]
#[command(name = "zclab")]
struct Program {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    List(list::Args),
    Show(show::Args),
    Completions(completions::Args),
    Man(man::Args),
}

fn run(words: &[&str]) -> String {
    let words = ["zclab"].iter().chain(words);
    let program = Program::try_parse_from(words).expect("the words are right");
    match program.command {
        Command::List(args) => list::text(&args).expect("lists"),
        Command::Show(args) => show::text(&args).expect("shows"),
        Command::Completions(args) => completions::text(&args, Program::command()),
        Command::Man(args) => man::text(&args, Program::command()).expect("renders"),
    }
}

fn json(words: &[&str]) -> Vec<Value> {
    serde_json::from_str(&run(words)).expect("an array")
}

/// A scenario that needs nothing but the strategies that always exist.
fn file() -> tempfile::NamedTempFile {
    let file = tempfile::Builder::new().suffix(".toml").tempfile().expect("tempfile");
    let text = "question = \"Why?\"\nanalysis = \"Because.\"\nbaseline = \"read-write\"\n\
                strategies = [\"null\", \"read-write\"]\n[matrix]\nfetch = [\"1 KiB\", \"64 KiB\"]\n\
                cache = [\"warm\", \"cold\"]\n";
    std::fs::write(file.path(), text).expect("write");
    file
}

#[test]
fn strategies_are_listed_from_the_catalogue() {
    let text = run(&["list", "strategies"]);
    let listed = json(&["list", "strategies", "--json"]);
    let all: Vec<Entry> = Family::ALL.iter().flat_map(|family| family.entries()).collect();
    assert_eq!(listed.len(), all.len());
    for (strategy, row) in all.iter().zip(&listed) {
        assert_eq!(row["family"], strategy.family().name());
        assert!(text.contains(strategy.name()), "{text}");
        assert_eq!(row["name"], strategy.name());
        assert_eq!(row["question"], strategy.question());
        assert_eq!(row["options"].as_array().map(Vec::len), Some(strategy.options().len()));
    }
    let read_write = listed.iter().find(|row| row["name"] == "read-write").expect("it exists");
    assert_eq!(read_write["claimed_cpu_copies_per_byte"], 2.0);
    assert_eq!(read_write["options"][0]["default"], 1 << 20);
    assert!(!text.contains("bare:"), "{text}");
}

#[test]
fn sinks_and_params_are_listed() {
    let sinks = json(&["list", "sinks", "--json"]);
    assert_eq!(sinks.len(), SinkKind::ALL.len());
    assert!(run(&["list", "sinks"]).contains("tcp-loopback"));
    let params = json(&["list", "params", "--json"]);
    assert_eq!(params.len(), keys::ALL.len());
    let fetch = params.iter().find(|row| row["key"] == "matrix.fetch").expect("it exists");
    assert_eq!((&fetch["default"], &fetch["axis"]), (&"\"64 KiB\"".into(), &true.into()));
    assert!(run(&["list", "params"]).contains("budget.fetches_max"));
}

#[test]
fn a_scenario_is_shown_with_everything_filled_in() {
    let file = file();
    let path = file.path().to_str().expect("UTF-8");
    let text = run(&["show", path]);
    for words in [
        "Why?",
        "Because.",
        "read-write (buffer=1048576), the baseline",
        "fetch: 1 KiB, 64 KiB",
        "cache: warm, cold",
        "consumers=1, header=70 B",
        "kafka, 256 MiB in segments of 64 MiB",
        "4 launches of 12 turns",
        "8 = 4 conditions × 2 contenders",
        "estimated:",
    ] {
        assert!(text.contains(words), "{text}\nlacks {words}");
    }
    assert!(!text.contains("access=sequential,cache=cold"), "{text}");
    let text = run(&["show", path, "--cells"]);
    assert_eq!(text.matches("access=sequential,cache=").count(), 8, "{text}");
}

#[test]
fn a_scenario_is_shown_to_machines() {
    let file = file();
    let path = file.path().to_str().expect("UTF-8");
    let shown = json(&["show", path, "--json", "--cells"]);
    let one = &shown[0];
    assert_eq!(one["cells"], 8);
    assert_eq!(one["cell_ids"].as_array().map(Vec::len), Some(8));
    assert_eq!(one["conditions"].as_array().map(Vec::len), Some(4));
    assert_eq!(one["contenders"][1]["options"]["buffer"], 1 << 20);
    assert_eq!(one["logs"][0]["total_bytes"], 256 << 20);
    assert_eq!(one["estimated"]["log_bytes"], 256 << 20);
    // Two warm conditions of 4 × 12 slices, two cold ones of 4 rounds, two contenders.
    assert_eq!(one["estimated"]["samples"], 2 * (2 * 48 + 2 * 4));
}

#[test]
fn completions_and_manual_pages_know_the_subcommands() {
    for shell in ["bash", "zsh", "fish"] {
        assert!(run(&["completions", shell]).contains("completions"), "{shell}");
    }
    assert!(run(&["man"]).contains("zclab"));
    let page = run(&["man", "show"]);
    assert!(page.contains("quick/size"), "{page}");
    let args = man::Args { words: vec!["shwo".to_owned()], dir: None };
    let error = man::text(&args, Program::command()).expect_err("unknown").to_string();
    assert!(error.contains("expected one of list, show"), "{error}");
    let dir = tempfile::tempdir().expect("tempdir");
    let args = man::Args { words: Vec::new(), dir: Some(dir.path().to_owned()) };
    man::run(args, Program::command()).expect("writes");
    assert!(dir.path().join("zclab-show.1").exists());
}
