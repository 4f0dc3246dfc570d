//! Do the recipes of CONTRIBUTING.md work when they are followed to the letter?
//!
//! The tree is copied, the blocks are applied in order, and what they made is built and run. The copy shares
//! the target folder, so that crates of the registry are not built again. It is built as an *example* that is
//! the program: a binary of the name `zclab` would take the place of the one that other tests are running.

use crate::markdown::{Block, blocks, code};
use crate::support::{files, path_with, read, root, run, scratch, shell};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// On two busy cores a debug build of the three crates takes less than this by far.
const BUILD_LIMIT: Duration = Duration::from_secs(600);
const RUN_LIMIT: Duration = Duration::from_secs(120);

/// The program, as an example.
const PROGRAM: &str = "//! The program, built by a test of the documents.\n
use clap::Parser;

fn main() -> std::process::ExitCode {
    zclab::cmd::run(zclab::cmd::Cli::parse()).unwrap_or_else(|error| {
        eprintln!(\"{error:#}\");
        std::process::ExitCode::from(2)
    })
}
";

/// A copy of the project, always in the same place: cargo then finds what it built there before.
fn copy() -> PathBuf {
    let copy = Path::new(env!("CARGO_TARGET_TMPDIR")).join("recipes");
    let _ = std::fs::remove_dir_all(&copy);
    for file in files() {
        if file.starts_with("harness/tests/") || file.starts_with("docs/") {
            continue;
        }
        let to = copy.join(&file);
        std::fs::create_dir_all(to.parent().expect("a folder")).expect("mkdir");
        std::fs::copy(root().join(&file), &to).unwrap_or_else(|e| panic!("{file}: {e}"));
    }
    std::fs::create_dir_all(copy.join("harness/examples")).expect("mkdir");
    std::fs::write(copy.join("harness/examples/recipes.rs"), PROGRAM).expect("the example");
    copy
}

/// Does what the line above a block says; false where it says nothing of a file.
fn apply(block: &Block, copy: &Path) -> bool {
    let above = &block.above;
    let new = above.starts_with("New file `");
    if !new && !above.starts_with("In `") {
        return false;
    }
    let (name, rest) = code(above).unwrap_or_else(|| panic!("no file in {above:?}"));
    let path = copy.join(name);
    if new {
        assert!(!path.exists(), "{name} is not new");
        std::fs::write(&path, &block.text).expect("a new file");
        return true;
    }
    let (anchor, _) = code(rest).unwrap_or_else(|| panic!("no line in {above:?}"));
    let before = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{name}: {e}"));
    let found = before.lines().filter(|line| *line == anchor).count();
    assert_eq!(found, 1, "{name} should have this line once:\n{anchor}");
    let instead = rest.starts_with(", instead of the line");
    assert!(instead || rest.starts_with(", after the line"), "{above:?}");
    let mut after = String::new();
    for line in before.lines() {
        if !(instead && line == anchor) {
            after.push_str(line);
            after.push('\n');
        }
        if line == anchor {
            after.push_str(&block.text);
        }
    }
    std::fs::write(&path, after).expect("a changed file");
    true
}

/// Builds the program of the copy, with the features that the whole workspace's tests are built with.
fn build(copy: &Path) -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("the target folder");
    let mut command = Command::new(env!("CARGO"));
    command
        .args(["build", "--workspace", "--example", "recipes", "--locked", "--offline"])
        .current_dir(copy)
        .env("CARGO_TARGET_DIR", target)
        .env("CARGO_INCREMENTAL", "0")
        .env("CARGO_PROFILE_DEV_DEBUG", "false");
    run(&mut command, BUILD_LIMIT).expect_ok("building the copy");
    target.join("debug/examples/recipes")
}

fn formatted(copy: &Path) {
    let mut command = Command::new(env!("CARGO"));
    command.args(["fmt", "--all", "--check"]).current_dir(copy);
    let ran = run(&mut command, RUN_LIMIT);
    if ran.err.contains("is not installed") || ran.err.contains("no such command") {
        println!("SKIPPED: rustfmt is not installed (rustup component add rustfmt)");
    } else {
        ran.expect_ok("what the recipes make is formatted");
    }
}

#[test]
fn the_recipes_work_to_the_letter() {
    let document = read("CONTRIBUTING.md");
    let blocks = blocks(&document);
    let started = Instant::now();
    let copy = copy();
    let applied = blocks.iter().filter(|block| apply(block, &copy)).count();
    let code = |block: &&Block| ["rust", "toml"].contains(&block.language.as_str());
    assert_eq!(applied, blocks.iter().filter(code).count(), "every block of code is applied");
    formatted(&copy);
    let program = build(&copy);
    let dir = scratch();
    let path = path_with(&program, dir.path());
    let work = dir.path().join("work");
    std::fs::create_dir(&work).expect("a folder");
    let commands: Vec<&Block> = blocks.iter().filter(|block| block.language == "sh").collect();
    assert_eq!(commands.len(), 3, "one block of commands for each recipe");
    let [strategy, reading, scenario] =
        [0, 1, 2].map(|index| shell(&commands[index].text, &work, &path, RUN_LIMIT));
    let listed = strategy.lines().find(|line| line.starts_with("read-page "));
    assert!(listed.is_some_and(|line| line.contains("one page at a time?")), "{strategy}");
    for printed in [&strategy, &reading] {
        assert!(all_ok(printed), "{printed}");
        let refused = printed
            .lines()
            .filter(|line| line.contains("unsupported: ") || line.contains("refused: "));
        let own: Vec<&str> = refused.filter(|line| line.contains("/read-page/")).collect();
        assert!(own.is_empty(), "the recipe's strategy runs everywhere: {own:?}");
    }
    assert!(scenario.contains("quick/pages/read-page/"), "{scenario}");
    assert!(scenario.contains("cells: 4 ok"), "{scenario}");
    println!("the recipes took {:?}", started.elapsed());
}

/// Whether `zclab check` found every cell ok, or told why not: what the kernel or a device refuses (a
/// sink that takes no pinned pages, no direct I/O) is no fault of a recipe.
fn all_ok(printed: &str) -> bool {
    const BAD: [&str; 3] = ["failed", "invalid", "skipped"];
    let sum = printed.lines().find(|line| line.starts_with("cells: "));
    sum.is_some_and(|sum| sum.contains(" ok") && !BAD.iter().any(|bad| sum.contains(bad)))
}
