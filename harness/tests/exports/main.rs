//! Does `zclab cmp --format` print and write what other tools read?

use assert_cmd::Command;
use std::path::{Path, PathBuf};
use zclab_report::export::Format;

/// A record that lies in the tree.
fn record() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../results/record/overhead")
}

fn cmp(arguments: &[&str]) -> Command {
    let mut zclab = Command::new(env!("CARGO_BIN_EXE_zclab"));
    zclab.arg("cmp").arg(record()).args(arguments);
    zclab
}

/// Names of all files below a folder.
fn below(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths.flat_map(|path| if path.is_dir() { below(&path) } else { vec![path] }).collect()
}

#[test]
fn every_format_can_be_written() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    for format in Format::ALL {
        let place = scratch.path().join("new").join(format.name());
        cmp(&["--format", format.name(), "--out"]).arg(&place).assert().success();
        assert_eq!(place.is_dir(), format.is_files(), "{}", format.name());
        assert!(!format.is_files() || below(&place).len() >= 2, "{}", format.name());
    }
    let printed = cmp(&["--format", "markdown"]).assert().success();
    let text = std::fs::read(scratch.path().join("new/markdown")).expect("the file");
    assert!(text == printed.get_output().stdout, "printed is not what is written");
}

#[test]
fn what_cannot_be_is_refused() {
    for wrong in [&["--format", "xunit"][..], &["--out", "x"], &["--format", "json", "--csv"]] {
        let said = cmp(wrong).assert().code(2);
        assert!(!said.get_output().stderr.is_empty() && said.get_output().stdout.is_empty());
    }
    let said = cmp(&["--format", "criterion"]).assert().code(2);
    let said = String::from_utf8_lossy(&said.get_output().stderr).into_owned();
    assert!(said.contains("64 files") && said.contains("--out"), "{said}");
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let file = scratch.path().join("file");
    std::fs::write(&file, "").expect("written");
    // A folder cannot be made where a file is.
    let said = cmp(&["--format", "criterion", "--out"]).arg(&file).assert().code(2);
    let said = String::from_utf8_lossy(&said.get_output().stderr).into_owned();
    assert!(said.contains(&file.display().to_string()), "{said}");
}
