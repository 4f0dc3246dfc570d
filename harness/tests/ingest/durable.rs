//! Is a file synced as often as the scenario says, and does the record count it?

use crate::support::{of_kind, results, run, scenario};

#[test]
fn syncs_are_counted() {
    let dir = results();
    let matrix = "fetch = \"128 KiB\"\nfsync = [\"never\", \"each-fetch\", \"end\"]";
    let file = scenario(dir.path(), "[\"recv-write\", \"mmap-recv\"]", matrix);
    let (code, said, record) = run("run", &file, dir.path());
    assert_eq!(code, Some(0), "{said}");
    let timed = of_kind(&record, "sample");
    assert!(!timed.is_empty());
    for sample in timed {
        let id = sample["cell"].as_str().expect("an id");
        let syncs = sample["calls"]["fdatasync"].as_u64().unwrap_or(0);
        let due = match id {
            _ if id.contains("fsync=each-fetch") => sample["fetches"].as_u64().expect("a count"),
            _ if id.contains("fsync=end") => 1,
            _ => 0,
        };
        assert_eq!(syncs, due, "{sample}");
    }
}
