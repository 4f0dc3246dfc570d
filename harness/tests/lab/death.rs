//! What becomes of a cell whose child dies, hangs, or finds its log cut?

use crate::support::{finish, latest, lines, of_kind, results, scenario, zclab};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(120);

/// Starts a run that goes on for a while.
fn long_run(dir: &Path, strategies: &str) -> Child {
    let matrix = "fetch = \"64 KiB\"\ncanary = \"on\"";
    let budget = "launches = 40\nturns = 40\nslice = \"4 MiB\"";
    let file = scenario(dir, "long", strategies, matrix, budget);
    let mut run = zclab();
    run.arg("run").arg(&file).arg("--quiet").arg("--results").arg(dir);
    run.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts")
}

/// Waits until the record has so many samples that were timed.
fn wait_for_samples(dir: &Path, count: usize) {
    let started = Instant::now();
    loop {
        let text = std::fs::read_to_string(latest(dir)).unwrap_or_default();
        if text.matches("\"pass\":\"timing\"").count() >= count {
            return;
        }
        assert!(started.elapsed() < LIMIT, "no samples came");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The trial children of a run: processes whose parent it is.
fn children_of(parent: u32) -> Vec<i32> {
    let path = format!("/proc/{parent}/task/{parent}/children");
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

#[test]
fn a_child_that_dies_of_sigbus_is_a_row_and_the_others_go_on() {
    let dir = results();
    let budget = "launches = 1\nturns = 1500\nslice = \"1 MiB\"";
    let strategies = "\"read-write\", \"sendfile\"";
    let file = scenario(dir.path(), "bus", strategies, "fetch = \"64 KiB\"", budget);
    let mut run = zclab();
    run.arg("run").arg(&file).arg("--quiet").arg("--results").arg(dir.path());
    let run = run.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_for_samples(dir.path(), 3);
    // Children are started in the order of the contenders. Rust's runtime takes the first SIGBUS to see
    // whether a stack overflowed, and leaves the next one to the kernel, as a real fault would raise it.
    let victim = Pid::from_raw(children_of(run.id())[1]);
    kill(victim, Signal::SIGBUS).unwrap();
    std::thread::sleep(Duration::from_millis(50));
    kill(victim, Signal::SIGBUS).unwrap();
    let output = run.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    let record = lines(&latest(dir.path()));
    let cells = of_kind(&record, "cell");
    assert_eq!(cells[0]["status"], "ok", "{}", cells[0]);
    assert_eq!(cells[1]["status"], "failed", "{}", cells[1]);
    assert!(cells[1]["reasons"].to_string().contains("SIGBUS"), "{}", cells[1]);
}

#[test]
fn the_receiver_dies_and_the_cell_says_so() {
    let dir = results();
    let file = scenario(
        dir.path(),
        "gone",
        "\"read-write\"",
        "fetch = \"64 KiB\"",
        "launches = 2\nturns = 4000\nslice = \"4 MiB\"",
    );
    let mut run = zclab();
    run.arg("run").arg(&file).arg("--quiet").arg("--results").arg(dir.path());
    let run = run.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_for_samples(dir.path(), 2);
    let trial = children_of(run.id())[0];
    let receiver = children_of(trial as u32)[0];
    kill(Pid::from_raw(receiver), Signal::SIGKILL).unwrap();
    let output = run.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let record = lines(&latest(dir.path()));
    let error = of_kind(&record, "error")[0];
    assert_eq!(error["status"], "failed");
    let cell = of_kind(&record, "cell")[0];
    assert_eq!(cell["status"], "failed", "{cell}");
}

#[test]
fn no_child_outlives_a_killed_run() {
    let dir = results();
    let mut run = long_run(dir.path(), "\"read-write\", \"splice\"");
    wait_for_samples(dir.path(), 2);
    let mut family = children_of(run.id());
    let grandchildren: Vec<i32> =
        family.iter().flat_map(|&child| children_of(child as u32)).collect();
    family.extend(grandchildren);
    // Each has a receiver and a canary, where there are two CPUs.
    let each = if zclab::trial::pins().is_some() { 3 } else { 2 };
    assert!(family.len() >= each, "{family:?}");
    run.kill().unwrap();
    run.wait().unwrap();
    let started = Instant::now();
    // A process that is gone, or a zombie that waits for its reaper, runs no more.
    let alive = |pid: &i32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with('Z'))
    };
    while family.iter().any(alive) {
        assert!(started.elapsed() < Duration::from_secs(20), "{family:?} live on");
        std::thread::sleep(Duration::from_millis(20));
    }
    // What was measured before is a valid record.
    let record = lines(&latest(dir.path()));
    assert!(of_kind(&record, "sample").len() >= 2);
}

#[test]
fn a_log_cut_short_fails_the_cells_that_read_it() {
    let dir = results();
    let matrix = "fetch = \"64 KiB\"";
    let names = "\"read-write\", \"mmap-write\", \"sendfile\", \"splice\", \"uring-read-send\"";
    let budget = "launches = 1\nturns = 3000\nslice = \"1 MiB\"";
    let file = scenario(dir.path(), "cut", names, matrix, budget);
    let mut run = zclab();
    run.arg("run").arg(&file).arg("--quiet").arg("--results").arg(dir.path());
    let run = run.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_for_samples(dir.path(), 5);
    for segment in segments(dir.path()) {
        let file = std::fs::File::options().write(true).open(segment).unwrap();
        file.set_len(4096).unwrap();
    }
    let output = run.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    let record = lines(&latest(dir.path()));
    for cell in of_kind(&record, "cell") {
        assert_eq!(cell["status"], "failed", "{cell}");
        println!("{}: {}", cell["strategy"], cell["reasons"]);
    }
}

fn segments(results: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![results.join("logs")];
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(dir).unwrap().flatten() {
            let path = entry.path();
            match path.is_dir() {
                true => open.push(path),
                false if path.extension().is_some_and(|e| e == "log") => found.push(path),
                false => {}
            }
        }
    }
    found
}

#[test]
fn a_hidden_part_that_is_started_by_hand_says_what_it_is() {
    // Without a terminal it waits for a specification; what is no specification is an error.
    let (output, _, err) = finish(zclab().arg("trial"), Duration::from_secs(20));
    assert_eq!(output.status.code(), Some(2));
    assert!(err.contains("specification"), "{err}");
}
