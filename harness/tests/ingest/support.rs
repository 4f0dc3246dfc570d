//! How do the tests run the program, and what do they read of its record?

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// No command of this suite takes longer unless something hangs.
const LIMIT: Duration = Duration::from_secs(240);

/// A folder for results on a real file system, removed at the end.
pub fn results() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder for results")
}

/// A scenario file of the receive side.
pub fn scenario(dir: &Path, strategies: &str, matrix: &str) -> PathBuf {
    let path = dir.join("taken.toml");
    let baseline = if strategies.contains("receive") { "recv-drop" } else { "recv-write" };
    let text = format!(
        "question = \"Does it work?\"\nanalysis = \"A test.\"\nbaseline = \"{baseline}\"\n\
         strategies = {strategies}\n[log]\nsize = \"8 MiB\"\nsegment = \"3 MiB\"\n\
         [matrix]\n{matrix}\n[budget]\nlaunches = 2\nturns = 2\nslice = \"1 MiB\"\n"
    );
    std::fs::write(&path, text).expect("a scenario file");
    path
}

/// Runs a command of the program on a scenario to the end; its exit code, what it printed, and the
/// record's lines.
pub fn run(command: &str, file: &Path, dir: &Path) -> (Option<i32>, String, Vec<Value>) {
    let mut zclab = Command::new(env!("CARGO_BIN_EXE_zclab"));
    zclab.arg(command).arg(file).arg("--results").arg(dir);
    let child = zclab
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let pid = nix::unistd::Pid::from_raw(child.id() as i32);
    let (done, waits) = mpsc::channel();
    std::thread::spawn(move || done.send(child.wait_with_output()));
    let output: Output = match waits.recv_timeout(LIMIT) {
        Ok(output) => output.expect("its output can be read"),
        Err(_) => {
            nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).expect("kill");
            panic!("no end within {LIMIT:?}");
        }
    };
    let said = [&output.stdout[..], &output.stderr[..]].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    (output.status.code(), said, record(dir))
}

/// The lines of the only record below a folder.
fn record(dir: &Path) -> Vec<Value> {
    let runs = std::fs::read_dir(dir.join("runs")).into_iter().flatten().flatten();
    let folder = runs.map(|entry| entry.path()).find(|path| !path.is_symlink());
    let Some(folder) = folder else { return Vec::new() };
    let text = std::fs::read_to_string(folder.join("run.jsonl")).expect("a record");
    text.lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect()
}

/// The lines of one kind.
pub fn of_kind<'a>(lines: &'a [Value], kind: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["kind"] == kind).collect()
}
