//! Do many readers share the page cache and multiply their own memory, and is a sample the sum of theirs?

use crate::support::{finish, latest, lines, of_kind, results, zclab};
use std::time::Duration;
use zclab::cgroup::place::Place;

const LIMIT: Duration = Duration::from_secs(300);

#[test]
fn readers_share_the_cache_and_a_sample_is_their_sum() {
    let dir = results();
    let file = dir.path().join("many.toml");
    let text = "question = \"Does it work?\"\nanalysis = \"A test.\"\nbaseline = \"read-write\"\n\
                strategies = [\"read-write\", { strategy = \"direct-write\", depth = 8 }]\n\
                [log]\nsize = \"16 MiB\"\nsegment = \"6 MiB\"\n[matrix]\nreaders = [1, 3]\n\
                [budget]\nlaunches = 1\nturns = 2\nslice = \"2 MiB\"\n";
    std::fs::write(&file, text).unwrap();
    let mut run = zclab();
    run.arg("run").arg(&file).arg("--quiet").arg("--results").arg(dir.path());
    let (output, out, err) = finish(&mut run, LIMIT);
    assert_eq!(output.status.code(), Some(0), "{out}{err}");
    let record = lines(&latest(dir.path()));
    let memory = |strategy: &str, readers: u64| -> Option<(u64, u64)> {
        let cells = of_kind(&record, "cell").into_iter();
        let cell = cells
            .filter(|cell| cell["strategy"] == strategy && cell["params"]["readers"] == readers)
            .find(|cell| cell["status"] == "ok")?;
        let samples = of_kind(&record, "sample").into_iter();
        let timed: Vec<_> =
            samples.filter(|one| one["cell"] == cell["cell"] && one["pass"] == "timing").collect();
        assert_eq!(timed.len(), 2, "{cell}");
        for sample in &timed {
            assert_eq!(sample["bytes"], readers * (2 << 20), "{sample}");
            assert_eq!(sample["fetches"], readers * 32, "{sample}");
        }
        let reading = |name: &str| timed[0]["readings"][name].as_u64();
        let known = reading("group_file_bytes").zip(reading("group_anon_bytes"));
        if known.is_none() {
            println!("SKIPPED: memory of {readers} readers: {}", cell["setup"]["group"]);
            assert!(Place::find().is_err() || cell["setup"]["group"].is_string(), "{cell}");
        }
        known
    };
    let (Some(one), Some(three)) = (memory("read-write", 1), memory("read-write", 3)) else {
        return;
    };
    for (file_bytes, _) in [one, three] {
        assert!((16 << 20..20 << 20).contains(&file_bytes), "the log once: {one:?} {three:?}");
    }
    let (Some(one), Some(three)) = (memory("direct-write", 1), memory("direct-write", 3)) else {
        println!("SKIPPED: direct-write is unsupported here");
        return;
    };
    assert!(one.0 < 1 << 20 && three.0 < 1 << 20, "nothing is cached: {one:?} {three:?}");
    assert!(three.1 > 2 * one.1, "each has buffers of its own: {one:?} {three:?}");
}
