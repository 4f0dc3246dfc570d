//! Does a canary work beside what is timed and nothing else, are cells without one as before, and does
//! none outlive its run?

use crate::support::{finish, latest, lines, of_kind, results, scenario, zclab};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(300);

const READINGS: [&str; 6] = [
    "canary_work",
    "canary_cpu_ns",
    "canary_ns",
    "canary_control_work",
    "canary_control_cpu_ns",
    "canary_control_ns",
];

#[test]
fn a_canary_works_beside_timed_samples_alone() {
    if zclab::trial::pins().is_none() {
        println!("SKIPPED: canary: it needs two CPUs, and there is one");
        return;
    }
    let dir = results();
    let matrix = "canary = [\"off\", \"on\"]\nrate = 2000\narrivals = \"fixed\"";
    let contenders = "\"read-write\", \"sendfile\", \"uring-sqpoll\"";
    let budget = "launches = 2\nturns = 2\nslice = \"2 MiB\"";
    let file = scenario(dir.path(), "canary", contenders, matrix, budget);
    let mut run = zclab();
    run.arg("run").arg(&file).arg("--quiet").arg("--results").arg(dir.path());
    let (output, out, err) = finish(&mut run, LIMIT);
    assert!(output.status.success(), "{out}{err}");
    let record = lines(&latest(dir.path()));
    let cells = of_kind(&record, "cell");
    assert_eq!(cells.len(), 6);
    for cell in cells {
        let id = cell["cell"].as_str().unwrap();
        let with = cell["params"]["canary"] == "on";
        assert_eq!(id.contains("canary=on"), with, "{id}: cells are called as they were before");
        if cell["status"] == "unsupported" {
            println!("SKIPPED: {}: {}", cell["strategy"], cell["reasons"]);
            continue;
        }
        assert_eq!(cell["status"], "ok", "{cell}");
        let class = cell["setup"].get("canary_class");
        assert_eq!(class.is_some_and(|class| class == "SCHED_IDLE"), with, "{cell}");
        let mut control_work = 0;
        for sample in of_kind(&record, "sample").into_iter().filter(|s| s["cell"] == id) {
            let beside = with && sample["pass"] == "timing";
            for name in READINGS {
                assert_eq!(sample["readings"].get(name).is_some(), beside, "{name}: {sample}");
            }
            let number = |name: &str| sample["readings"][name].as_u64().unwrap_or_default();
            let control_ns = Duration::from_nanos(number("canary_control_ns"));
            assert!(!beside || control_ns >= zclab::trial::canary::CONTROL, "{sample}");
            control_work += number("canary_control_work");
        }
        assert_eq!(control_work > 0, with, "{id}: it works where it is wanted");
    }
    let html = std::fs::read_dir(dir.path().join("runs/latest")).unwrap().flatten();
    let pages = html.filter_map(|entry| std::fs::read_to_string(entry.path()).ok());
    assert!(pages.collect::<String>().contains("CPU left to others"));
}
