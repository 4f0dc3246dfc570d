//! How do the tests run the program, and what do they read of its record?

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

/// The program that was built for this test.
pub fn zclab() -> Command {
    Command::new(env!("CARGO_BIN_EXE_zclab"))
}

/// A folder for results on a real file system (a memory file system has no cold cache), removed at the end.
pub fn results() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder for results")
}

/// Runs to the end, within a bound; standard output and error as text.
pub fn finish(command: &mut Command, limit: Duration) -> (Output, String, String) {
    let child = command
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("the program starts");
    let id = child.id();
    let (done, waits) = std::sync::mpsc::channel();
    std::thread::spawn(move || done.send(child.wait_with_output()));
    let started = Instant::now();
    let output = match waits.recv_timeout(limit) {
        Ok(output) => output.expect("its output can be read"),
        Err(_) => {
            let pid = nix::unistd::Pid::from_raw(id as i32);
            nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).expect("kill");
            panic!("no end within {:?}", started.elapsed());
        }
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    (output, out, err)
}

/// Writes a scenario file; what is not given has small values.
pub fn scenario(dir: &Path, name: &str, strategies: &str, matrix: &str, budget: &str) -> PathBuf {
    let path = dir.join(format!("{name}.toml"));
    let text = format!(
        "question = \"Does it work?\"\nanalysis = \"A test.\"\nbaseline = \"read-write\"\n\
         strategies = [{strategies}]\n[log]\nsize = \"8 MiB\"\nsegment = \"3 MiB\"\n\
         [matrix]\n{matrix}\n[budget]\n{budget}\n"
    );
    std::fs::write(&path, text).expect("a scenario file");
    path
}

/// The lines of a record.
pub fn lines(record: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(record).expect("a record");
    text.lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect()
}

/// The lines of one kind.
pub fn of_kind<'a>(lines: &'a [Value], kind: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["kind"] == kind).collect()
}

/// The record of the newest run.
pub fn latest(results: &Path) -> PathBuf {
    results.join("runs/latest/run.jsonl")
}
