//! Do all strategies serve logs on file systems that a run makes, and is nothing left of them?

use crate::lab::{finish, latest, lines, of_kind, results, scenario, zclab};
use crate::sink::{HIDDEN_MAX, hidden, soon};
use serde_json::Value;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(300);

fn all() -> String {
    let names: Vec<_> = zclab_strategies::ALL.iter().map(|s| format!("\"{}\"", s.name())).collect();
    names.join(", ")
}

/// Images of loop devices that lie on the file system of this folder, in whatever namespace.
fn loop_devices(on: &Path) -> Vec<String> {
    let below = on.metadata().unwrap().dev();
    let Ok(devices) = std::fs::read_dir("/sys/block") else { return Vec::new() };
    let names = devices.flatten().map(|device| device.path());
    let of = |path: std::path::PathBuf| {
        let backing = std::fs::read_to_string(path.join("loop/backing_file")).ok()?;
        // An image without a name says so, and begins with its folder.
        let here = backing.starts_with(on.to_str()?) && backing.contains("(deleted)");
        here.then(|| format!("{} {backing} ({below})", path.display()))
    };
    names.filter_map(of).collect()
}

fn mounts(below: &Path) -> usize {
    let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    table.lines().filter(|line| line.contains(below.to_str().unwrap())).count()
}

#[test]
fn every_strategy_serves_a_log_on_every_file_system() {
    let dir = results();
    let matrix = "filesystem = [\"here\", \"ext4\", \"xfs\", \"btrfs\", \"tmpfs\"]\ncache = [\"warm\", \"cold\"]\n\
                  fetch = \"64 KiB\"";
    let file = scenario(dir.path(), "on", &all(), matrix, "launches = 1\nslice = \"2 MiB\"");
    let mut check = zclab();
    check.args(["check", "--quiet"]).arg(file).arg("--results").arg(dir.path());
    let (output, out, err) = finish(&mut check, LIMIT);
    assert_eq!(output.status.code(), Some(0), "{out}{err}");
    let path = out.lines().find_map(|line| line.strip_prefix("record: ")).unwrap();
    let record = lines(Path::new(path));
    let cells = of_kind(&record, "cell");
    assert_eq!(cells.len(), 10 * zclab_strategies::ALL.len());
    for cell in cells {
        acceptable(cell, &record, err.contains("no kernel counters"));
    }
    let blurred = of_kind(&record, "ledger").into_iter().filter(|ledger| hidden(ledger)).count();
    assert!(blurred <= HIDDEN_MAX, "{blurred} cells had packets hidden");
    assert_eq!(mounts(dir.path()), 0, "mounts are the run's own");
    soon("loop devices go with the run", || loop_devices(dir.path()).is_empty().then_some(()));
}

fn acceptable(cell: &Value, record: &[Value], blind: bool) {
    let filesystem = cell["params"]["filesystem"].as_str().unwrap_or("here");
    let (cold, reasons) = (cell["params"]["cache"] == "cold", cell["reasons"].to_string());
    match cell["status"].as_str().unwrap() {
        "ok" => {
            let own = filesystem != "here";
            assert!(!own || cell["setup"]["log_filesystem"] == filesystem, "{cell}");
            assert!(!(cold && filesystem == "tmpfs"), "{cell}");
        }
        "skipped" => println!("SKIPPED: a log on {filesystem}: {reasons}"),
        "unsupported" if reasons.contains("the log lies on tmpfs") => assert!(cold),
        "unsupported" => {
            let errors = of_kind(record, "error");
            let error = errors.iter().find(|error| error["cell"] == cell["cell"]).unwrap();
            assert!(error["call"].is_string() && error["errno"].is_string(), "{error}");
        }
        "refused" => assert!(cold, "{cell}"),
        _ => panic!("{cell}"),
    }
    let of = |kind| of_kind(record, kind).into_iter().filter(|line| line["cell"] == cell["cell"]);
    let ledger = of("ledger").next().unwrap();
    assert_ne!(ledger["agreement"], "contradicts", "{ledger}");
    if cell["status"] == "ok" && ledger["agreement"] != "agrees" {
        // What cannot be seen of a strategy on this file system was not seen on the first one either.
        let id = cell["cell"].as_str().unwrap();
        let here = id.replace(&format!("filesystem={filesystem},"), "");
        let here = of_kind(record, "ledger").into_iter().find(|line| line["cell"] == here).unwrap();
        println!("{id}: {}", ledger["reason"]);
        let alike = here["agreement"] == "unobserved";
        assert!(blind || alike || hidden(ledger), "{ledger}\n{here}");
    }
    let proof = of("sample").find(|sample| !sample["cache"].is_null()).map(|s| &s["cache"]);
    if let (Some(proof), true) = (proof, cold && !["here", "tmpfs"].contains(&filesystem)) {
        let device = proof["device"].as_str().unwrap();
        assert!(device.contains("below loop") || device.starts_with("unavailable"), "{proof}");
    }
}

#[test]
fn a_killed_run_leaves_no_mount_and_no_loop_device() {
    let dir = results();
    let matrix = "filesystem = [\"ext4\", \"xfs\"]\nfetch = \"64 KiB\"";
    let budget = "launches = 1\nturns = 2000\nslice = \"1 MiB\"";
    let file = scenario(dir.path(), "killed", "\"read-write\"", matrix, budget);
    // Once as soon as a device is there, once while it measures.
    for samples in [0, 5] {
        let mut run = zclab();
        run.arg("run").arg(&file).arg("--quiet").arg("--results").arg(dir.path());
        let mut run = run.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let made = soon("a loop device is made", || {
            if run.try_wait().unwrap().is_some() {
                return Some(false);
            }
            let text = std::fs::read_to_string(latest(dir.path())).unwrap_or_default();
            let there = text.matches("\"pass\":\"timing\"").count() >= samples;
            (there && !loop_devices(dir.path()).is_empty()).then_some(true)
        });
        run.kill().unwrap();
        run.wait().unwrap();
        if !made {
            println!("SKIPPED: what a killed run leaves of its file systems: none could be made");
            return;
        }
        soon("devices go with the run", || loop_devices(dir.path()).is_empty().then_some(()));
        assert_eq!(mounts(dir.path()), 0);
    }
    let left = std::fs::read_dir(dir.path().join("logs/filesystems/ext4")).unwrap().count();
    assert_eq!(left, 0, "a mount point is an empty folder");
}

#[test]
fn who_is_not_root_is_told_the_call_and_what_would_help() {
    if !nix::unistd::geteuid().is_root() {
        println!("SKIPPED: another user's file systems: only root can become one");
        return;
    }
    // The user may not be able to reach the target folder, so that the program is copied.
    let dir = tempfile::tempdir().unwrap();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(dir.path(), open).unwrap();
    let program = dir.path().join("zclab");
    std::fs::copy(env!("CARGO_BIN_EXE_zclab"), &program).unwrap();
    let matrix = "filesystem = [\"here\", \"xfs\"]\nfetch = \"64 KiB\"";
    let file = scenario(dir.path(), "nobody", "\"read-write\"", matrix, "slice = \"1 MiB\"");
    let mut check = Command::new(&program);
    check.uid(65534).gid(65534).current_dir(dir.path());
    check.args(["check", "--quiet"]).arg(file).arg("--results").arg(dir.path().join("own"));
    let (output, out, err) = finish(&mut check, LIMIT);
    assert_eq!(output.status.code(), Some(0), "{out}{err}");
    let path = out.lines().find_map(|line| line.strip_prefix("record: ")).unwrap();
    let record = lines(Path::new(path));
    let cells = of_kind(&record, "cell");
    assert_eq!((&cells[0]["status"], &cells[1]["status"]), (&"ok".into(), &"skipped".into()));
    let error = of_kind(&record, "error")[0];
    assert_eq!(
        (&error["call"], &error["errno"]),
        (&"unshare(CLONE_NEWNS)".into(), &"EPERM".into())
    );
    assert!(error["message"].as_str().unwrap().contains("root"), "{error}");
}

#[test]
fn file_sinks_lie_where_they_are_told_to() {
    let (dir, elsewhere) = (results(), tempfile::tempdir_in("/dev/shm"));
    let Ok(elsewhere) = elsewhere else {
        println!("SKIPPED: a file sink on another file system: /dev/shm cannot be written");
        return;
    };
    let matrix = "sink = \"file\"\nfetch = \"64 KiB\"";
    let file = scenario(dir.path(), "files", &all(), matrix, "launches = 1\nslice = \"1 MiB\"");
    let mut check = zclab();
    check.args(["check", "--quiet"]).arg(file).arg("--results").arg(dir.path());
    let (output, out, err) = finish(check.arg("--scratch").arg(elsewhere.path()), LIMIT);
    assert_eq!(output.status.code(), Some(0), "{out}{err}");
    let path = out.lines().find_map(|line| line.strip_prefix("record: ")).unwrap();
    let record = lines(Path::new(path));
    assert_eq!(record[0]["machine"]["scratch_filesystem"], "tmpfs");
    let mut ok = 0;
    for cell in of_kind(&record, "cell").into_iter().filter(|cell| cell["status"] == "ok") {
        ok += 1;
        assert_eq!(cell["setup"]["sink_filesystem"], "tmpfs", "{cell}");
        assert_ne!(cell["setup"]["log_filesystem"], "", "{cell}");
    }
    assert!(ok >= 5, "{out}");
    assert_eq!(elsewhere.path().read_dir().unwrap().count(), 0, "sinks have no names");
}
