//! How do these tests find the project's files, and run what a document tells a reader to run?

use std::fs::File;
use std::io::{Read, Seek};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The project's folder.
pub fn root() -> PathBuf {
    let harness = Path::new(env!("CARGO_MANIFEST_DIR"));
    harness.parent().expect("harness lies in the project").to_owned()
}

/// A file of the project, as text.
pub fn read(path: &str) -> String {
    let path = root().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The files that belong to the project: those that git tracks, or would if they were added.
pub fn files() -> Vec<String> {
    let listed = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output();
    let mut files = match listed {
        Ok(output) if output.status.success() => {
            let text = String::from_utf8(output.stdout).expect("names in UTF-8");
            text.split_terminator('\0').map(str::to_owned).collect()
        }
        // An unpacked archive: everything but what is built or measured.
        _ => {
            let mut found = Vec::new();
            walk(&root(), "", &mut found);
            found
        }
    };
    files.retain(|file| root().join(file).is_file());
    files.sort();
    files.dedup();
    files
}

fn walk(dir: &Path, below: &str, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(dir).expect("a folder of the project").flatten() {
        let name = entry.file_name().into_string().expect("a name in UTF-8");
        let path = if below.is_empty() { name } else { format!("{below}/{name}") };
        let skipped = ["target", ".git", "results/runs", "results/logs"].contains(&path.as_str());
        match entry.path().is_dir() {
            true if skipped => {}
            true => walk(&entry.path(), &path, found),
            false => found.push(path),
        }
    }
}

/// A folder for what a test makes, on a real file system, removed at the end.
pub fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a scratch folder")
}

/// `PATH` with a folder in front in which this program is called `zclab`.
pub fn path_with(program: &Path, dir: &Path) -> String {
    let bin = dir.join("bin");
    std::fs::create_dir_all(&bin).expect("a folder");
    std::os::unix::fs::symlink(program, bin.join("zclab")).expect("a link");
    format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default())
}

/// The program that was built for this test.
pub fn zclab() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_zclab"))
}

/// What a command printed, and whether it ended well.
pub struct Ran {
    pub ok: bool,
    pub out: String,
    pub err: String,
}

impl Ran {
    /// Standard output of a command that ended well.
    pub fn expect_ok(self, what: &str) -> String {
        assert!(self.ok, "{what}\n--- stdout\n{}\n--- stderr\n{}", self.out, self.err);
        self.out
    }
}

/// Runs a command to its end; it and its children are killed when it takes longer than the limit.
pub fn run(command: &mut Command, limit: Duration) -> Ran {
    let mut out = tempfile::tempfile().expect("a temporary file");
    let mut err = tempfile::tempfile().expect("a temporary file");
    let started = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(out.try_clone().expect("dup"))
        .stderr(err.try_clone().expect("dup"))
        .process_group(0)
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let status = loop {
        if let Some(status) = child.try_wait().expect("wait") {
            break status;
        }
        if started.elapsed() > limit {
            let group = nix::unistd::Pid::from_raw(child.id() as i32);
            let _ = nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGKILL);
            let _ = child.wait();
            panic!("no end within {limit:?}: {command:?}\n{}{}", text(&mut out), text(&mut err));
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    Ran { ok: status.success(), out: text(&mut out), err: text(&mut err) }
}

fn text(file: &mut File) -> String {
    let mut bytes = Vec::new();
    file.rewind().and_then(|()| file.read_to_end(&mut bytes)).expect("what was printed");
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Runs a block of shell commands in a folder, `zclab` on its path; the first that fails ends it.
pub fn shell(block: &str, dir: &Path, path: &str, limit: Duration) -> String {
    let mut command = Command::new("sh");
    command.args(["-euc", block]).current_dir(dir).env("PATH", path);
    run(&mut command, limit).expect_ok(block)
}
