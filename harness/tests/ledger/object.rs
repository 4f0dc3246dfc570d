//! Is the committed object what its source says, and do both sides of it know the same lists?

use std::path::{Path, PathBuf};
use std::process::Command;
use zclab::ledger::counts::{CLASSES, ENTRIES, ROLES, SINGLES, STAGES};
use zclab::ledger::moves::ENDS;
use zclab::ledger::object::PURPOSES;

fn bpf(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("bpf").join(name)
}

fn source(name: &str) -> String {
    std::fs::read_to_string(bpf(name)).unwrap()
}

/// The first `version` word of `clang --version`.
fn clang() -> Option<String> {
    let out = Command::new("clang").arg("--version").output().ok()?;
    let text = String::from_utf8(out.stdout).ok()?;
    let version = text.split("version ").nth(1)?.split_whitespace().next()?.to_owned();
    Some(version)
}

#[test]
fn the_object_is_compiled_from_the_source() {
    let Some(version) = clang() else {
        println!("SKIPPED: the object is not compiled anew: no clang");
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let fresh = dir.path().join("ledger.bpf.o");
    let built = Command::new("sh").arg(bpf("build.sh")).arg(&fresh).output().unwrap();
    let said = String::from_utf8_lossy(&built.stderr).into_owned();
    if !built.status.success() && said.contains("file not found") {
        println!("SKIPPED: the object is not compiled anew: {}", said.lines().next().unwrap());
        return;
    }
    assert!(built.status.success(), "{said}");
    // Another compiler makes other code of the same source.
    let made_by = source("compiler.txt");
    if made_by.trim() != version {
        println!("SKIPPED: the object was made by clang {}, here is {version}", made_by.trim());
        return;
    }
    let same = std::fs::read(&fresh).unwrap() == std::fs::read(bpf("ledger.bpf.o")).unwrap();
    assert!(same, "harness/bpf/ledger.bpf.o is not what its source compiles to: `make bpf`");
}

/// The names of an enum of a header, in order, without values and comments.
fn names(header: &str, of: &str) -> Vec<String> {
    let text = source(header);
    let start = text.find(&format!("enum {of} {{")).unwrap();
    let body = text[start..].split_once('{').unwrap().1.split_once('}').unwrap().0;
    let mut plain = String::new();
    let mut rest = body;
    while let Some((before, after)) = rest.split_once("/*") {
        plain.push_str(before);
        rest = after.split_once("*/").unwrap().1;
    }
    plain.push_str(rest);
    let name = |item: &str| item.split('=').next().unwrap().trim().to_owned();
    plain.split(',').map(name).filter(|name| !name.is_empty()).collect()
}

fn shouted(name: &str) -> String {
    name.to_uppercase().replace('-', "_")
}

#[test]
fn both_sides_count_the_same_things_in_the_same_order() {
    let classes: Vec<String> = CLASSES.iter().map(|c| format!("CLASS_{}", shouted(c))).collect();
    assert_eq!(names("maps.h", "class"), [classes, vec!["CLASSES".to_owned()]].concat());
    let roles: Vec<String> = names("maps.h", "role");
    let expected = ["ROLE_NONE", "ROLE_SENDER", "ROLE_RECEIVER", "ROLE_WORKER", "ROLE_POLLER"];
    assert_eq!(roles, expected);
    assert_eq!(roles.len(), ROLES.len());
    let stages: Vec<String> = STAGES.iter().map(|stage| shouted(stage)).collect();
    let counts = names("maps.h", "count");
    assert_eq!(counts[..3], stages[..]);
    // Units stand in the names of records, not in those of the programs.
    let bare = |name: &str| shouted(name.trim_end_matches("_bytes"));
    let singles: Vec<String> = SINGLES.iter().map(|name| bare(name)).collect();
    let there: Vec<String> = counts[3..].iter().map(|n| bare(&n.to_lowercase())).collect();
    assert_eq!(there[..SINGLES.len()], singles[..]);
    let rest = ["URING_PUNTED", "SWITCHES", "WINDOWS", "LOST", "COUNTS"];
    assert_eq!(there[SINGLES.len()..], rest);
    let entries = STAGES.len() * CLASSES.len() + SINGLES.len() + 1 + 2 * ROLES.len() + 2;
    assert_eq!(ENTRIES, entries);
    let ends: Vec<String> = ENDS.iter().map(|(_, name)| format!("END_{}", shouted(name))).collect();
    assert_eq!(names("calls.h", "end"), ends);
}

#[test]
fn every_program_has_a_purpose_and_the_tracepoint_of_its_section() {
    let text = source("ledger.bpf.c");
    let mut programs = Vec::new();
    for (at, _) in text.match_indices("SEC(\"tp_btf/") {
        let rest = &text[at + 12..];
        let tracepoint = rest.split('"').next().unwrap();
        let name = rest.split_once("BPF_PROG(").unwrap().1;
        let name = name.split([',', ')']).next().unwrap().trim();
        programs.push((name, tracepoint));
    }
    programs.sort_unstable();
    let mut known: Vec<_> = PURPOSES.iter().flat_map(|(_, forms)| forms.iter().copied()).collect();
    known.sort_unstable();
    assert_eq!(programs, known);
}

#[test]
fn no_folder_of_the_machine_that_compiled_it_is_in_the_object() {
    let object = std::fs::read(bpf("ledger.bpf.o")).unwrap();
    let text: String = object.iter().map(|&byte| byte as char).collect();
    let path = |name: &&str| {
        let rest = name.strip_prefix('/').unwrap_or_default();
        rest.starts_with(|c: char| c.is_ascii_alphanumeric()) && rest.contains('/')
    };
    let traces: Vec<&str> = text.split('\0').filter(path).collect();
    assert!(traces.is_empty(), "{traces:?}");
}
