//! Is a file opened and closed for each fetch, and do those say so that would not read it?

use crate::support::{finish, latest, lines, of_kind, results, scenario, zclab};
use serde_json::Value;
use std::time::Duration;

#[test]
fn each_fetch_opens_its_file_and_who_would_not_read_it_is_refused() {
    let dir = results();
    let strategies = "\"null\", \"read-write\", \"sendfile\", \"splice\", \"uring-read-send\", \
                      { strategy = \"mmap-write\", map = [\"once\", \"per-fetch\"] }";
    let matrix = "fetch = \"16 KiB\"\naccess = \"files\"\nconsumers = 2";
    let budget = "launches = 1\nturns = 2\nslice = \"1 MiB\"";
    let file = scenario(dir.path(), "files", strategies, matrix, budget);
    let text = std::fs::read_to_string(&file).expect("the scenario");
    let small = text.replace("segment = \"3 MiB\"", "segment = \"40 KiB\"");
    std::fs::write(&file, small).expect("the scenario");
    let mut command = zclab();
    command.arg("run").arg(&file).args(["--quiet", "--results"]).arg(dir.path().join("results"));
    let (output, out, err) = finish(&mut command, Duration::from_secs(120));
    assert!(output.status.success(), "{out}{err}");
    let record = lines(&latest(&dir.path().join("results")));
    let cells = of_kind(&record, "cell");
    assert_eq!(cells.len(), 7);
    for cell in &cells {
        let once = cell["params"]["map"] == "once";
        assert_eq!(cell["status"], if once { "refused" } else { "ok" }, "{cell}");
        if once {
            assert!(cell["reasons"].to_string().contains("nobody's"), "{cell}");
        }
    }
    let samples = of_kind(&record, "sample");
    let timed = samples.iter().filter(|sample| sample["pass"] == "timing");
    let counted: Vec<&&Value> = timed.filter(|sample| sample["calls"].is_object()).collect();
    assert!(!counted.is_empty(), "timed samples carry the strategy's own counts of calls");
    for sample in counted {
        // Two consumers have each fetch, whose file is opened once.
        let fetches = sample["fetches"].as_u64().expect("a number") / 2;
        assert_eq!(sample["calls"]["openat"], fetches, "{sample}");
        assert_eq!(sample["calls"]["close"], fetches, "{sample}");
    }
}

#[test]
fn a_log_without_a_file_of_that_size_says_so() {
    let dir = results();
    let matrix = "fetch = \"4 MiB\"\naccess = \"files\"";
    let budget = "launches = 1\nturns = 1\nslice = \"4 MiB\"";
    let file = scenario(dir.path(), "large", "\"read-write\"", matrix, budget);
    let mut command = zclab();
    command.arg("check").arg(&file).args(["--quiet", "--results"]).arg(dir.path().join("results"));
    let (output, out, err) = finish(&mut command, Duration::from_secs(60));
    assert!(!output.status.success(), "{out}");
    assert!(format!("{out}{err}").contains("no segment of the log has"), "{out}{err}");
}
