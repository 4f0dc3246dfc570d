//! Which revision is being built? The record of every run says so.

use std::path::Path;
use std::process::Command;

fn main() {
    let git = |args: &[&str]| {
        let output = Command::new("git").args(args).output().ok().filter(|o| o.status.success())?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let revision = git(&["rev-parse", "HEAD"]).unwrap_or_else(|| "unknown".into());
    // Results and documents may differ without making another program.
    let sources =
        ["--", "harness", "strategies", "report", "scenarios", "Cargo.toml", "Cargo.lock"];
    let status = git(&[&["-C", "..", "status", "--porcelain"][..], &sources].concat());
    println!("cargo:rustc-env=ZCLAB_REVISION={revision}");
    let dirty = status.is_some_and(|text| !text.is_empty());
    println!("cargo:rustc-env=ZCLAB_DIRTY={dirty}");
    let origin = if dirty { format!("{revision}, dirty") } else { revision };
    println!("cargo:rustc-env=ZCLAB_ORIGIN={origin}");
    let git_files = ["../.git/HEAD", "../.git/index", "../.git/logs/HEAD", "../.git/refs/heads"];
    let sources =
        ["src", "../strategies/src", "../report/src", "../report/templates", "../scenarios"];
    for path in git_files.into_iter().chain(sources).filter(|path| Path::new(path).exists()) {
        println!("cargo:rerun-if-changed={path}");
    }
}
