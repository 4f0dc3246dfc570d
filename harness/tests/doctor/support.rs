//! How do these tests run the doctor, and find a row of what it says?

use serde_json::Value;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A group gives up after ten seconds, and groups are asked one after the other.
const LIMIT: Duration = Duration::from_secs(180);

/// The program that was built for this test.
pub fn zclab() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_zclab"))
}

/// A folder on a real file system, removed at the end.
pub fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder")
}

/// Standard output of a command that has to end with exit code 0, in time.
pub fn output(command: &mut Command) -> String {
    let folder = folder();
    let (out, err) = (folder.path().join("out"), folder.path().join("err"));
    let create = |path| std::fs::File::create(path).expect("a file");
    let mut child = command
        .stdin(Stdio::null())
        .stdout(create(&out))
        .stderr(create(&err))
        .spawn()
        .expect("it starts");
    let started = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().expect("wait") {
            break status;
        }
        if started.elapsed() > LIMIT {
            let _ = child.kill();
            let _ = child.wait();
            panic!("no end within {LIMIT:?}: {command:?}");
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    let err = std::fs::read_to_string(err).expect("standard error");
    assert!(status.code() == Some(0) && err.is_empty(), "{status}: {err}");
    std::fs::read_to_string(out).expect("standard output")
}

/// The rows that a command prints as JSON.
pub fn rows(command: &mut Command) -> Vec<Value> {
    serde_json::from_str(&output(command)).expect("an array in JSON")
}

/// What the doctor says about a folder.
pub fn doctor(dir: &Path) -> Vec<Value> {
    rows(Command::new(zclab()).args(["doctor", "--json"]).arg(dir))
}

/// The row of a name.
pub fn row<'a>(rows: &'a [Value], group: &str, name: &str) -> &'a Value {
    let found = rows.iter().find(|row| row["group"] == group && row["name"] == name);
    found.unwrap_or_else(|| panic!("no row {group}/{name}"))
}

/// The same as a pair of state and value.
pub fn said<'a>(rows: &'a [Value], group: &str, name: &str) -> (&'a str, &'a str) {
    let row = row(rows, group, name);
    let text = |field: &str| row[field].as_str().unwrap_or_else(|| panic!("{row}: {field}"));
    (text("state"), text("value"))
}

/// A file of the kernel, or nothing and a line that says what is skipped.
pub fn kernel(path: &str) -> Option<String> {
    match std::fs::read_to_string(path) {
        Ok(text) => Some(text.trim().to_owned()),
        Err(error) => {
            println!("SKIPPED: what the doctor says of {path}: {error}");
            None
        }
    }
}
