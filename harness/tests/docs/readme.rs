//! Does every command of the README do what it says?
//!
//! Its `sh` blocks are run in order, in an empty folder, with the program of this build on the path.
//! `console` blocks are not run: `make run` and `make test` build and test the whole tree, this test
//! included, one needs another disk, one another host (`harness/tests/places` does that), and two a
//! server and root (`harness/tests/watch` does that). For those the Makefile's own lines are looked at
//! in `makefile`, and what `make run` does is done here on the README's own small scenario.

use crate::markdown::blocks;
use crate::support::{files, path_with, read, scratch, shell, zclab};
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(240);

#[test]
fn every_command_of_the_readme_runs() {
    let dir = scratch();
    let path = path_with(zclab(), dir.path());
    let work = dir.path().join("work");
    std::fs::create_dir(&work).expect("a folder");
    let started = Instant::now();
    let readme = read("README.md");
    let mut printed = String::new();
    for block in blocks(&readme).iter().filter(|block| block.language == "sh") {
        let left = LIMIT.saturating_sub(started.elapsed());
        printed.push_str(&shell(&block.text, &work, &path, left));
    }
    for words in ["sendfile", "quick/size", "clean", "6 of 6 cells ok", "cells: 6 ok"] {
        assert!(printed.contains(words), "{words:?} is not in\n{printed}");
    }
    let latest = work.join("results/runs/latest");
    for file in ["run.jsonl", "index.html"] {
        assert!(latest.join(file).is_file(), "{file}");
    }
    let csv = std::fs::read_to_string(work.join("run.csv")).expect("run.csv");
    assert_eq!(csv.lines().count(), 7, "a header and six cells:\n{csv}");
    let json = std::fs::read_to_string(work.join("run.json")).expect("run.json");
    assert!(serde_json::from_str::<serde_json::Value>(&json).is_ok_and(|rows| rows.is_object()));
}

#[test]
fn blocks_that_are_not_run_are_few() {
    let readme = read("README.md");
    let all = blocks(&readme);
    let skipped = all.iter().filter(|block| block.language == "console").count();
    assert!(skipped <= 5, "{skipped} blocks of the README are not run");
    for block in all.iter().filter(|block| block.language == "console") {
        assert!(block.text.lines().all(|line| line.starts_with("$ ")), "{}", block.text);
    }
}

#[test]
fn documents_name_files_that_exist() {
    let known = files();
    for document in ["README.md", "ARCHITECTURE.md", "METHODOLOGY.md", "results/README.md"] {
        let text = read(document);
        let prose: String = text.split("```").step_by(2).collect();
        for name in prose.split('`').skip(1).step_by(2) {
            let is_file = [".md", ".rs", ".toml", ".html"].iter().any(|end| name.ends_with(end));
            let kernels = name.starts_with("net/") || name.starts_with("mm/");
            if is_file && !kernels && !name.contains(['<', ' ', '*']) && name != "index.html" {
                let there = known.iter().any(|f| f == name || f.ends_with(&format!("/{name}")));
                assert!(there, "{document} names {name}, which does not exist");
            }
        }
    }
    for picture in ["docs/report.png", "docs/watch.png"] {
        assert!(read("README.md").contains(picture));
        let path = crate::support::root().join(picture);
        let len = std::fs::metadata(path).expect("the picture").len();
        assert!(len <= 250 << 10, "{picture} has {len} bytes, at most 250 KiB are meant");
    }
}

#[test]
fn the_map_names_every_module() {
    let map = read("ARCHITECTURE.md");
    let mut missing = Vec::new();
    for file in files() {
        let Some((_, below)) = file.split_once("/src/") else { continue };
        let name = below.split(['/', '.']).next().expect("a name");
        let roots = ["lib", "main"].contains(&name) || !file.ends_with(".rs");
        let named = [format!("`{name}`"), format!("`{name}/")].iter().any(|n| map.contains(n));
        if !roots && !named {
            missing.push(file);
        }
    }
    assert!(missing.is_empty(), "ARCHITECTURE.md does not name the modules of {missing:?}");
}
