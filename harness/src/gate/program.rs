//! Which program is one side of a gate, and where did it come from?
//!
//! A side is a file (a program that somebody built) or a revision of the repository that the gate is
//! called in. A revision is built in a work tree of its own, with the lock file that it was committed
//! with, and kept under `target/gate/` by its commit, so that the same one is built once. Nothing of
//! the user's own work tree is touched: `git worktree add --detach`, and it is removed again.

use crate::run::interrupt;
use anyhow::{Context, bail};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use zclab_report::gate::record::Side;

/// A build is given up after this.
const BUILD_LIMIT: Duration = Duration::from_secs(45 * 60);

/// A git command, and a program asked for its version, are given up after this.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);

/// A program that can run trials.
#[derive(Clone, Debug)]
pub struct Program {
    /// Its file.
    pub path: PathBuf,
    /// What the record says about it.
    pub side: Side,
}

impl Program {
    /// The program that a user names: a file, or else a revision, which is built unless it was before.
    ///
    /// # Errors
    /// What is neither, or could not be built.
    pub fn named(name: &str, quiet: bool) -> anyhow::Result<Program> {
        let path = Path::new(name);
        if path.is_file() {
            let path = path.canonicalize().with_context(|| format!("finding {name}"))?;
            return Program::at(path, name);
        }
        let commit = commit_of(name).with_context(|| {
            format!("{name} is neither a program's file nor a revision of the repository here")
        })?;
        Program::at(built(name, &commit, quiet)?, name)
    }

    /// This very program.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn this() -> anyhow::Result<Program> {
        Program::at(PathBuf::from(crate::trial::SELF), "this program")
    }

    fn at(path: PathBuf, label: &str) -> anyhow::Result<Program> {
        let bytes = std::fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
        let sum = Sha256::digest(&bytes);
        let words = answer(Command::new(&path).arg("--version"))
            .with_context(|| format!("asking {} for its version", path.display()))?;
        let (version, revision, dirty) = told(&words)
            .with_context(|| format!("{} --version says {:?}", path.display(), words.trim()))?;
        let program_sha256 = Some(sum.iter().map(|byte| format!("{byte:02x}")).collect());
        let label = label.to_owned();
        let machine = Default::default();
        Ok(Program {
            path,
            side: Side { label, revision, dirty, version, program_sha256, machine },
        })
    }
}

/// Version, revision and whether it was dirty, from `zclab 0.1.0 (revision 1a2b…, dirty)`.
fn told(words: &str) -> anyhow::Result<(String, String, bool)> {
    let rest = words.trim().strip_prefix("zclab ").context("that is no zclab")?;
    let (version, origin) = rest
        .split_once(" (revision ")
        .context("it is too old for a gate: it does not say its revision")?;
    let origin = origin.trim_end_matches(')');
    let (revision, dirty) = match origin.strip_suffix(", dirty") {
        Some(revision) => (revision, true),
        None => (origin, false),
    };
    Ok((version.to_owned(), revision.to_owned(), dirty))
}

/// The commit that a revision names, in the repository of the current folder.
fn commit_of(revision: &str) -> anyhow::Result<String> {
    let spec = format!("{revision}^{{commit}}");
    let verify = ["rev-parse", "--verify", "--quiet", "--end-of-options", &spec];
    let words = answer(Command::new("git").args(verify))?;
    Ok(words.trim().to_owned())
}

/// Builds a commit, unless it was built before; the program.
fn built(name: &str, commit: &str, quiet: bool) -> anyhow::Result<PathBuf> {
    let top = answer(Command::new("git").args(["rev-parse", "--show-toplevel"]))?;
    let home = Path::new(top.trim()).join("target").join("gate");
    let program = home.join(format!("zclab-{commit}"));
    if program.is_file() {
        return Ok(program);
    }
    std::fs::create_dir_all(&home).with_context(|| format!("mkdir {}", home.display()))?;
    let tree = home.join(format!("tree-{commit}-{}", std::process::id()));
    if !quiet {
        eprintln!("zclab: building {name} ({})", &commit[..commit.len().min(12)]);
    }
    answer(Command::new("git").args(["worktree", "add", "--detach"]).arg(&tree).arg(commit))
        .with_context(|| format!("checking {name} out"))?;
    let made = build(&tree, &home.join("build"), quiet);
    // The work tree is of no use any more, whatever came of it.
    let removed = answer(Command::new("git").args(["worktree", "remove", "--force"]).arg(&tree));
    let made = made.with_context(|| format!("building {name}"))?;
    removed.with_context(|| format!("removing the work tree {}", tree.display()))?;
    // Renamed into its place, so that a copy that was cut off is never taken for a program.
    let fresh = home.join(format!(".zclab-{commit}-{}", std::process::id()));
    std::fs::copy(&made, &fresh).with_context(|| format!("copying {}", made.display()))?;
    std::fs::rename(&fresh, &program).with_context(|| program.display().to_string())?;
    Ok(program)
}

fn build(tree: &Path, target: &Path, quiet: bool) -> anyhow::Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--release", "--locked", "-p", "zclab"]).current_dir(tree);
    command.env("CARGO_TARGET_DIR", target);
    if quiet {
        command.arg("--quiet");
    }
    // Progress is for stderr; stdout is for tables.
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let mut child = command.spawn().context("starting cargo")?;
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().context("waiting for cargo")? {
            break status;
        }
        if begun.elapsed() > BUILD_LIMIT || interrupt::asked() {
            child.kill().context("ending cargo")?;
            child.wait().context("waiting for cargo")?;
            bail!("cargo was ended after {:?}", begun.elapsed());
        }
        std::thread::sleep(Duration::from_millis(100));
    };
    if !status.success() {
        bail!("cargo build ended with {status}");
    }
    Ok(target.join("release").join("zclab"))
}

/// What a short command prints.
fn answer(command: &mut Command) -> anyhow::Result<String> {
    let name = format!("{command:?}");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("starting {name}"))?;
    let begun = Instant::now();
    while child.try_wait().with_context(|| format!("waiting for {name}"))?.is_none() {
        if begun.elapsed() > ANSWER_LIMIT {
            child.kill().with_context(|| format!("ending {name}"))?;
            child.wait().with_context(|| format!("waiting for {name}"))?;
            bail!("{name} did not end within {ANSWER_LIMIT:?}");
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    let output = child.wait_with_output().with_context(|| format!("waiting for {name}"))?;
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr);
        bail!("{name} ended with {}: {}", output.status, words.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_says_where_it_came_from() {
        let clean = told("zclab 0.1.0 (revision 1a2b)\n").unwrap();
        assert_eq!(clean, ("0.1.0".into(), "1a2b".into(), false));
        let dirty = told("zclab 0.1.0 (revision 1a2b, dirty)").unwrap();
        assert_eq!(dirty, ("0.1.0".into(), "1a2b".into(), true));
        assert!(told("zclab 0.1.0").unwrap_err().to_string().contains("too old"));
        assert!(told("bash 5").unwrap_err().to_string().contains("no zclab"));
    }

    #[test]
    fn what_is_neither_file_nor_revision_is_an_error() {
        let error = Program::named("no-such-thing-anywhere", true).unwrap_err();
        assert!(format!("{error:#}").contains("neither"), "{error:#}");
    }
}
