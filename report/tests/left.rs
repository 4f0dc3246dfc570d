//! What is said of the CPU that senders leave to others?

mod support;

use serde_json::json;
use support::{Builder, Noise};
use zclab_report::metric::Metric;
use zclab_report::record::{Line, Record, reading};
use zclab_report::study::studies;
use zclab_report::{page, table, verdict};

/// What a contender leaves of its CPU, in percent.
fn left(label: &str) -> u64 {
    match label {
        "sendfile" => 60,
        "splice" => 36,
        "read-write" => 30,
        _ => 28,
    }
}

/// A record of one rate with a canary, which has its CPU for so many percent of the control stretch.
fn record(rate: u64, had_percent: u64) -> Record {
    let mut builder = Builder::new();
    let scenario = builder.scenario("consume/canary", "What is left?", &[]);
    builder.measure(&scenario, &|_, _| None);
    let mut noise = Noise::new(11);
    for line in &mut builder.lines {
        match line {
            Line::Cell(cell) => {
                cell.params.insert("rate".to_owned(), json!(rate));
            }
            Line::Sample(sample) => {
                let left = left(sample.cell.split('/').nth(2).unwrap_or_default());
                // Work by the microsecond; everybody has the same luck, whatever it does.
                let work = (left * 1000) as f64 * (1.0 + 0.01 * noise.next());
                let readings = [
                    (reading::CANARY_WORK, work as u64),
                    (reading::CANARY_CPU_NS, left * 1_000_000),
                    (reading::CANARY_NS, 100_000_000),
                    (reading::CANARY_CONTROL_WORK, 500 * had_percent),
                    (reading::CANARY_CONTROL_CPU_NS, 500_000 * had_percent),
                    (reading::CANARY_CONTROL_NS, 50_000_000),
                ];
                // One is late by half of its schedule.
                let late = sample.cell.contains("/splice/");
                sample.readings.insert(reading::SCHEDULE_NS.to_owned(), 1_000_000);
                sample.readings.insert(reading::LATE_NS.to_owned(), 500_000 * u64::from(late));
                sample.readings.extend(readings.map(|(name, value)| (name.to_owned(), value)));
            }
            _ => {}
        }
    }
    builder.record()
}

#[test]
fn what_is_left_is_work_over_that_of_a_whole_cpu() {
    for had_percent in [100, 20] {
        let record = record(6400, had_percent);
        let studies = studies(&record);
        let row = studies[0].rows().find(|row| row.label == "sendfile").expect("it was measured");
        let percent = row.median(Metric::CpuLeft).expect("it is known");
        assert!((percent - 60.0).abs() < 1.0, "{percent}: whoever else had the CPU in the control");
        let ratio = row.ratios.get(&Metric::CpuLeft).expect("it is compared");
        assert!((ratio.point - 2.0).abs() < 0.05, "{ratio:?}");
    }
}

#[test]
fn who_leaves_the_most_is_said_and_shown_as_better() {
    let record = record(6400, 100);
    let studies = studies(&record);
    let answer = verdict::answer(&studies[0]);
    let sentence = &answer.panels[0].sentence;
    let begin = "Of the sender's CPU sendfile leaves the most to others: 2.0 times as much as \
                 read-write (";
    assert!(sentence.starts_with(begin), "{sentence}");
    assert!(sentence.ends_with("splice cannot keep up and is not compared."), "{sentence}");
    assert!(answer.panels[0].clauses[0].starts_with("By sender CPU: "), "{answer:?}");
    assert!(!Metric::CpuLeft.less_is_better());
    let text = table::cmp(std::slice::from_ref(&record));
    assert!(text.contains("CPU left to others"), "{text}");
    let csv = table::cmp_csv(std::slice::from_ref(&record));
    assert!(csv.contains("cpu_left_percent,"), "{csv}");
}

#[test]
fn a_canary_is_no_part_of_other_scenarios() {
    let record = support::showcase().record();
    assert!(studies(&record).iter().all(|study| !study.canary()));
    for (name, page) in page::site(&record) {
        assert!(!page.contains("canary") && !page.contains("CPU left"), "{name}");
    }
    assert!(!table::cmp(&[record]).contains("CPU left"));
}

#[test]
fn pages_warn_of_the_canary_of_others_and_of_no_rate() {
    let page = |rate, had| {
        let pages = page::site(&record(rate, had)).into_iter();
        pages.map(|(_, page)| page).collect::<String>()
    };
    let quiet = page(6400, 100);
    assert!(quiet.contains("A canary worked on the sender’s CPU"), "{quiet}");
    assert!(!quiet.contains("somebody else had the rest") && !quiet.contains("Without a rate"));
    let loud = page(0, 20);
    assert!(loud.contains("for only 20\u{a0}% of the time: somebody else had the rest"), "{loud}");
    assert!(loud.contains("Without a rate each contender"), "{loud}");
}
