//! Does a scan under a memory limit leave its evidence, and is nothing left of the group, whatever ends it?

use crate::support::{finish, latest, lines, of_kind, results, zclab};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use zclab::cgroup::place::Place;

const LIMIT: Duration = Duration::from_secs(300);

/// One run at a time: each removes the groups that others left behind.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether groups can be made here; if not, the reason is printed.
fn possible(dir: &Path) -> bool {
    let tmpfs = nix::sys::statfs::statfs(dir).unwrap().filesystem_type().0 == 0x0102_1994;
    if tmpfs {
        println!("SKIPPED: little memory: {} is tmpfs, whose pages have no device", dir.display());
        return false;
    }
    match Place::find() {
        Ok(_) => true,
        Err(refusal) => {
            println!("SKIPPED: little memory: {refusal}");
            false
        }
    }
}

/// A log of 64 MiB, 24 MiB of memory, 8 MiB that are hot.
fn scenario(dir: &Path, strategies: &str, launches: u32, before_ms: u32) -> PathBuf {
    let path = dir.join("pressed.toml");
    let text = format!(
        "question = \"Does it work?\"\nanalysis = \"A test.\"\nbaseline = \"read-write\"\n\
         strategies = [{strategies}]\n[log]\nsize = \"64 MiB\"\nsegment = \"24 MiB\"\n\
         [pressure]\nmemory = \"24 MiB\"\nhot = \"8 MiB\"\nhot_rate = 200\n\
         before_ms = {before_ms}\nafter_ms = 200\n\
         [budget]\nlaunches = {launches}\nslice = \"1 MiB\"\n"
    );
    std::fs::write(&path, text).unwrap();
    path
}

fn run(program: impl AsRef<Path>, file: &Path, results: &Path) -> Command {
    let mut run = Command::new(program.as_ref());
    run.arg("run").arg(file).arg("--quiet").arg("--results").arg(results);
    run
}

/// Groups that a process made, anywhere in the hierarchy.
fn groups_of(process: u32) -> Vec<PathBuf> {
    let Ok(place) = Place::find() else { return Vec::new() };
    let prefix = format!("zclab-{process}-");
    let (mut found, mut open) = (Vec::new(), vec![place.mount().to_owned()]);
    while let Some(dir) = open.pop() {
        let Ok(entries) = std::fs::read_dir(dir) else { continue };
        for entry in entries.flatten().filter(|e| e.file_type().is_ok_and(|kind| kind.is_dir())) {
            match entry.file_name().to_string_lossy().starts_with(&prefix) {
                true => found.push(entry.path()),
                false => open.push(entry.path()),
            }
        }
    }
    found
}

#[test]
fn a_scan_through_the_cache_pushes_pages_out_and_one_past_it_does_not() {
    let dir = results();
    if !possible(dir.path()) {
        return;
    }
    let _alone = alone();
    let strategies = "\"null\", \"read-write\", \"sendfile\", \"direct-write\"";
    let file = scenario(dir.path(), strategies, 2, 200);
    let run = run(env!("CARGO_BIN_EXE_zclab"), &file, dir.path());
    let child = { run }.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let id = child.id();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert_eq!(groups_of(id), Vec::<PathBuf>::new(), "{said}");
    let record = lines(&latest(dir.path()));
    for cell in of_kind(&record, "cell") {
        let unsupported = cell["status"] == "unsupported" && cell["strategy"] == "direct-write";
        if unsupported {
            println!("SKIPPED: direct-write: {}", cell["reasons"]);
            continue;
        }
        assert_eq!(cell["status"], "ok", "{cell}");
        assert_eq!(cell["params"]["pressure_memory"], 24 << 20);
        evidence(&record, cell);
    }
    assert!(dir.path().join("runs/latest/pressed.html").is_file());
}

/// The readings and histograms of one cell.
fn evidence(record: &[Value], cell: &Value) {
    let of = |kind: &str| -> Vec<&Value> {
        of_kind(record, kind).into_iter().filter(|line| line["cell"] == cell["cell"]).collect()
    };
    let timed: Vec<&Value> = of("sample").into_iter().filter(|s| s["pass"] == "timing").collect();
    assert_eq!(timed.len(), 2, "{cell}");
    for sample in timed {
        let reading = |name: &str| sample["readings"][name].as_u64();
        let set = reading("hot_set_bytes").unwrap();
        assert!((8 << 20..=9 << 20).contains(&set), "{sample}");
        // It was proven that all of it was there; reclaim by the kernel itself may take single pages.
        assert!(reading("hot_resident_bytes_before").unwrap() > set * 9 / 10, "{sample}");
        assert!(sample["bytes"].as_u64().unwrap() > 50 << 20, "the rest was scanned: {sample}");
        assert!(reading("hot_fetches").unwrap() > 40, "{sample}");
        assert!(reading("group_limit_bytes") == Some(24 << 20), "{sample}");
        assert!(reading("group_peak_bytes").is_none_or(|peak| peak <= 24 << 20), "{sample}");
        let file = reading("group_file_bytes").unwrap();
        let through_the_cache = cell["strategy"] == "read-write" || cell["strategy"] == "sendfile";
        assert_eq!(file > 14 << 20, through_the_cache, "{sample}");
        assert_eq!(reading("group_limit_hits").unwrap() > 0, through_the_cache, "{sample}");
        let through_a_device = cell["strategy"] != "null";
        let cold = sample["cache"]["resident_before"] == 0;
        assert!(cold && (reading("io_read_bytes").unwrap() > 50 << 20) == through_a_device);
    }
    for what in zclab_report::record::reading::HOT_LATENCIES {
        let of_phase = of("histogram").into_iter().filter(|one| one["what"] == what).count();
        // A scan may be over before a single hot fetch was due.
        let least = if what == "hot_latency_ns_during" { 0 } else { 2 };
        assert!(of_phase >= least, "{what}: {cell}");
    }
}

#[test]
fn a_killed_run_leaves_a_group_that_the_next_one_removes() {
    let dir = results();
    if !possible(dir.path()) {
        return;
    }
    let _alone = alone();
    let file = scenario(dir.path(), "\"read-write\"", 1, 20_000);
    let mut victim = run(env!("CARGO_BIN_EXE_zclab"), &file, dir.path());
    let mut victim = victim.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let started = Instant::now();
    let group = loop {
        let groups = groups_of(victim.id());
        let of_trials = groups.into_iter().find(|dir| !dir.ends_with("self"));
        let holds_both = |dir: &PathBuf| {
            let text = std::fs::read_to_string(dir.join("cgroup.procs")).unwrap_or_default();
            text.lines().count() >= 2
        };
        match of_trials.filter(holds_both) {
            Some(group) => break group,
            None => assert!(started.elapsed() < LIMIT, "no group was made"),
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    kill(Pid::from_raw(victim.id() as i32), Signal::SIGKILL).unwrap();
    victim.wait().unwrap();
    assert!(group.exists(), "a group does not go with its maker");
    // The children die with their parent, and a group goes only when they have.
    let started = Instant::now();
    while !std::fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default().is_empty() {
        assert!(started.elapsed() < LIMIT, "children live on");
        std::thread::sleep(Duration::from_millis(10));
    }
    let file = scenario(dir.path(), "\"read-write\"", 1, 100);
    let (output, out, err) =
        finish(&mut run(env!("CARGO_BIN_EXE_zclab"), &file, dir.path()), LIMIT);
    assert_eq!(output.status.code(), Some(0), "{out}{err}");
    assert!(!group.exists() && err.contains("of a run that was killed"), "{err}");
}

#[test]
fn without_the_privilege_cells_are_skipped_and_say_how_to_unlock_it() {
    if !nix::unistd::geteuid().is_root() {
        println!("SKIPPED: a run of another user: only root can become one");
        return;
    }
    // The user may not be able to reach the target folder, so that the program is copied.
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    let program = dir.path().join("zclab");
    std::fs::copy(env!("CARGO_BIN_EXE_zclab"), &program).unwrap();
    let file = scenario(dir.path(), "\"read-write\", \"sendfile\"", 1, 100);
    let mut run = run(&program, &file, &dir.path().join("out"));
    run.uid(65534).gid(65534).current_dir(dir.path());
    let (output, out, err) = finish(&mut run, LIMIT);
    assert_eq!(output.status.code(), Some(0), "{out}{err}");
    let record = lines(&latest(&dir.path().join("out")));
    let cells = of_kind(&record, "cell");
    assert_eq!(cells.len(), 2, "{out}{err}");
    if cells.iter().all(|cell| cell["status"] == "unsupported") {
        println!("SKIPPED: a run of another user: {}", cells[0]["reasons"]);
        return;
    }
    for cell in cells {
        assert_eq!(cell["status"], "skipped", "{cell}");
        let why = cell["reasons"].to_string();
        assert!(why.contains("to unlock it"), "{why}");
    }
    let errors = of_kind(&record, "error");
    assert!(errors.iter().all(|one| one["call"].is_string() && one["errno"].is_string()));
}

#[test]
fn a_check_looks_at_every_byte_and_makes_no_group() {
    let dir = results();
    let file = scenario(dir.path(), "\"read-write\"", 3, 100);
    let mut check = zclab();
    check.arg("check").arg(&file).arg("--quiet").arg("--results").arg(dir.path());
    let (output, out, err) = finish(&mut check, LIMIT);
    assert_eq!(output.status.code(), Some(0), "{out}{err}");
    assert!(out.contains("1 of 1 cells ok") || out.contains("unsupported"), "{out}{err}");
}
