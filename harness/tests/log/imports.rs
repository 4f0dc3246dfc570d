//! Does importing leave a user's partition alone, and is what it notes found again?

use crate::support::{GOLDEN, unpack};
use std::fs;
use std::path::Path;
use zclab::log::kafka::import::{import, lookup, names};
use zclab::log::kafka::verify::verify;
use zclab::log::{LogError, scan};

/// Names, bytes and times of change of a directory's files.
fn state(dir: &Path) -> Vec<(String, Vec<u8>, std::time::SystemTime)> {
    let mut state: Vec<_> = fs::read_dir(dir)
        .expect("a directory")
        .flatten()
        .map(|entry| {
            let changed = entry.metadata().and_then(|m| m.modified()).expect("a time of change");
            let name = entry.file_name().into_string().expect("UTF-8");
            (name, fs::read(entry.path()).expect("a file"), changed)
        })
        .collect();
    state.sort();
    state
}

#[test]
fn every_golden_partition_imports_in_place_and_as_a_copy() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let store = scratch.path().join("store");
    for name in GOLDEN {
        let dir = unpack(name, scratch.path());
        let before = state(&dir);
        let log = scan(&dir).expect(name);
        let bytes: u64 = log.segments.iter().map(|segment| segment.len_bytes).sum();
        let (known_as, reference) = import(&dir, None, &store, false).expect(name);
        assert_eq!(known_as, name);
        assert_eq!((reference.owned, reference.bytes), (false, bytes));
        assert_eq!(lookup(&store, name).expect(name), reference);
        assert_eq!(scan(&reference.dir).expect(name).batches, log.batches);
        let copied_as = format!("{name}.copy");
        let (_, copy) = import(&dir, Some(&copied_as), &store, true).expect(name);
        assert!(copy.owned && copy.dir.starts_with(store.canonicalize().expect("the store")));
        assert_eq!(lookup(&store, &copied_as).expect(name), copy);
        assert_eq!(scan(&copy.dir).expect(name).batches, log.batches);
        assert!(verify(&copy.dir).expect(name).is_clean());
        assert_eq!(state(&dir), before, "{name} was changed");
    }
    assert_eq!(names(&store).len(), 2 * GOLDEN.len());
}

#[test]
fn a_copy_can_be_written_even_where_the_original_cannot() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let dir = unpack("golden-zstd-0", scratch.path());
    for entry in fs::read_dir(&dir).expect("the partition").flatten() {
        let mut permissions = entry.metadata().expect("metadata").permissions();
        permissions.set_readonly(true);
        fs::set_permissions(entry.path(), permissions).expect("read-only");
    }
    let (_, copy) = import(&dir, Some("c"), &scratch.path().join("s"), true).expect("imported");
    for segment in scan(&copy.dir).expect("a log").segments {
        assert!(!segment.path.metadata().expect("metadata").permissions().readonly());
    }
}

#[test]
fn bad_names_and_vanished_logs_are_refused() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let store = scratch.path().join("store");
    let dir = unpack("golden-zstd-0", scratch.path());
    for name in ["", ".", "../escape", "a/b", "-x", "a b", "ä"] {
        let error = import(&dir, Some(name), &store, false).expect_err(name);
        assert!(matches!(error, LogError::Name { .. }), "{error}");
        assert!(lookup(&store, name).is_err());
    }
    let error = lookup(&store, "orders").expect_err("unknown").to_string();
    assert!(error.contains("zclab log import DIR --name orders"), "{error}");
    import(&dir, Some("orders"), &store, false).expect("imported");
    let error = import(&dir, Some("orders"), &store, true).expect_err("taken").to_string();
    assert!(error.contains("known already"), "{error}");
    let error = lookup(&store, "order").expect_err("near").to_string();
    assert!(error.contains("did you mean \"orders\""), "{error}");
    fs::remove_dir_all(&dir).expect("gone");
    let error = lookup(&store, "orders").expect_err("gone").to_string();
    assert!(error.contains("is gone"), "{error}");
    assert!(import(scratch.path(), Some("x"), &store, false).is_err(), "no partition");
    assert_eq!(names(&store), ["orders"]);
}
