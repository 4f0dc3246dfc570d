//! Does Ctrl-C leave a valid record and a page, and does `--resume` go on from there?

use crate::support::{finish, latest, lines, of_kind, results, scenario, zclab};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(120);

#[test]
fn an_interrupted_run_is_resumed_where_it_was() {
    let dir = results();
    let matrix = "fetch = [\"16 KiB\", \"32 KiB\", \"64 KiB\", \"128 KiB\"]";
    let budget = "launches = 3\nturns = 20\nslice = \"1 MiB\"";
    let file = scenario(dir.path(), "resume", "\"read-write\", \"sendfile\"", matrix, budget);
    let mut run = zclab();
    run.arg("run").arg(&file).arg("--quiet").arg("--results").arg(dir.path());
    let run = run.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let started = Instant::now();
    // After the first condition is over and the second has begun.
    loop {
        let text = std::fs::read_to_string(latest(dir.path())).unwrap_or_default();
        let over = text.matches("\"kind\":\"cell\"").count();
        if over >= 2 && !text.trim_end().ends_with("\"setup\"") && text.contains("fetch=32768") {
            break;
        }
        assert!(started.elapsed() < LIMIT, "no cell came to its end");
        std::thread::sleep(Duration::from_millis(2));
    }
    kill(Pid::from_raw(run.id() as i32), Signal::SIGINT).unwrap();
    let output = run.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let record = latest(dir.path());
    let before = lines(&record);
    assert_eq!(of_kind(&before, "end")[0]["how"], "interrupted");
    let over = of_kind(&before, "cell").len();
    assert!((2..8).contains(&over), "{over} cells were over");
    assert!(record.with_file_name("index.html").is_file(), "a page of what was measured");

    // A crash would also have left half a line.
    let mut text = std::fs::read_to_string(&record).unwrap();
    text.push_str("{\"kind\":\"sample\",\"cell\":\"resu");
    std::fs::write(&record, text).unwrap();
    let mut again = zclab();
    again.arg("run").arg("--quiet").arg("--results").arg(dir.path());
    again.arg("--resume").arg(record.parent().unwrap());
    let (output, out, err) = finish(&mut again, LIMIT);
    assert_eq!(output.status.code(), Some(0), "{out}{err}");
    let after = lines(&record);
    let mut cells = BTreeMap::new();
    for cell in of_kind(&after, "cell") {
        *cells.entry(cell["cell"].as_str().unwrap()).or_insert(0) += 1;
        assert_eq!(cell["status"], "ok");
    }
    assert_eq!(cells.len(), 8);
    assert!(cells.values().all(|&times| times == 1), "a cell that was over is not measured again");
    assert_eq!(of_kind(&after, "resumed").len(), 1);
    assert_eq!(of_kind(&after, "end").last().unwrap()["how"], "complete");
    // Samples of the cells that were cut off are void: every cell has just its budget.
    let (output, out, _) = finish(zclab().arg("cmp").arg(&record).arg("--json"), LIMIT);
    assert_eq!(output.status.code(), Some(0), "{out}");
}

#[test]
fn a_record_that_is_being_written_or_is_of_a_check_is_not_resumed() {
    let dir = results();
    let budget = "launches = 40\nturns = 40\nslice = \"1 MiB\"";
    let file = scenario(dir.path(), "busy", "\"read-write\"", "fetch = \"64 KiB\"", budget);
    let mut run = zclab();
    run.arg("run").arg(&file).arg("--quiet").arg("--results").arg(dir.path());
    let mut run = run.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let started = Instant::now();
    while !std::fs::read_to_string(latest(dir.path())).unwrap_or_default().contains("\"sample\"") {
        assert!(started.elapsed() < LIMIT, "no sample came");
        std::thread::sleep(Duration::from_millis(5));
    }
    let resume = |record: &std::path::Path| {
        let mut again = zclab();
        again.arg("run").arg("--quiet").arg("--results").arg(dir.path());
        finish(again.arg("--resume").arg(record), LIMIT)
    };
    let (output, _, err) = resume(&latest(dir.path()));
    run.kill().unwrap();
    run.wait().unwrap();
    assert_eq!(output.status.code(), Some(2), "{err}");
    assert!(err.contains("another run"), "{err}");

    let mut check = zclab();
    check.arg("check").arg(&file).arg("--quiet").arg("--results").arg(dir.path());
    let (_, out, _) = finish(&mut check, LIMIT);
    let record = out.lines().find_map(|line| line.strip_prefix("record: ")).unwrap();
    let (output, _, err) = resume(std::path::Path::new(record));
    assert_eq!(output.status.code(), Some(2), "{err}");
    assert!(err.contains("check"), "{err}");
}

#[test]
fn a_run_is_taken_up_on_the_logs_that_it_was_measured_on() {
    let dir = results();
    let budget = "launches = 1\nturns = 2\nslice = \"1 MiB\"";
    let file = scenario(dir.path(), "place", "\"read-write\"", "fetch = \"64 KiB\"", budget);
    let mut run = zclab();
    run.arg("run").arg(&file).arg("--quiet").arg("--results").arg(dir.path());
    let logs = dir.path().join("elsewhere");
    let (output, out, err) = finish(run.arg("--logs").arg(&logs), LIMIT);
    assert_eq!(output.status.code(), Some(0), "{out}{err}");
    let resume = |more: &[&str]| {
        let mut again = zclab();
        again.arg("run").arg("--quiet").arg("--results").arg(dir.path()).args(more);
        finish(again.arg("--resume").arg(latest(dir.path())), LIMIT)
    };
    let (output, out, err) = resume(&[]);
    assert_eq!(output.status.code(), Some(0), "{out}{err}");
    assert!(out.contains("1 ok (1 of them before)"), "{out}");
    assert!(!dir.path().join("logs").exists(), "no second log");
    let other = dir.path().join("other").display().to_string();
    let (output, _, err) = resume(&["--logs", &other]);
    assert_eq!(output.status.code(), Some(2), "{err}");
    assert!(err.contains("elsewhere") && err.contains("other"), "{err}");
}
