//! Does odd data become a dash with a reason, rather than a panic or a zero?

mod support;

use serde_json::{Value, json};
use support::Builder;
use zclab_report::metric::Metric;
use zclab_report::record::{Histogram, Line, Status, reading};
use zclab_report::study::{Figure, studies};
use zclab_report::{page, table, verdict};

/// Everything that reads a record reads this one.
fn show(builder: &Builder) -> String {
    let record = builder.record();
    let pages = page::site(&record);
    let records = [record];
    let exports = table::cmp_csv(&records) + &table::cmp_json(&records).to_string();
    let pages: String = pages.into_iter().map(|(_, html)| html).collect();
    let text = table::cmp(&records) + &exports + &pages;
    assert!(!text.contains("NaN") && !text.contains(" inf"), "no number is a number");
    text
}

fn measured(axes: &[(&str, Value)], change: impl Fn(&mut Line)) -> Builder {
    let mut builder = Builder::new();
    builder.launches = 3;
    builder.turns = 4;
    let scenario = builder.scenario("odd", "What now?", axes);
    builder.measure(&scenario, &|_, _| None);
    builder.lines.iter_mut().for_each(change);
    builder
}

#[test]
fn samples_without_bytes_time_or_cpu() {
    let zero_bytes = measured(&[], |line| {
        if let Line::Sample(sample) = line {
            sample.bytes = 0;
        }
    });
    show(&zero_bytes);
    let record = zero_bytes.record();
    let studies = studies(&record);
    let row = studies[0].rows().nth(1).expect("a row");
    assert_eq!(
        row.figures[&Metric::SenderCpu],
        Figure::Unavailable { reason: "no payload byte arrived".into() }
    );
    show(&measured(&[], |line| {
        if let Line::Sample(sample) = line {
            sample.wall_ns = 0;
            sample.readings.insert(reading::SENDER_CPU_NS.into(), 0);
        }
    }));
    let silent = measured(&[("fetch", json!([4096, 65536]))], |line| {
        if let Line::Sample(sample) = line {
            sample.readings.clear();
            sample.cache = None;
        }
    });
    assert!(show(&silent).contains("no reading sender_cpu_ns"));
    let record = silent.record();
    let text = verdict::answer(&zclab_report::study::studies(&record)[0]).text();
    assert!(text.starts_with("No winner can be named"), "{text}");
}

#[test]
fn cells_without_samples_and_damaged_histograms() {
    let mut builder = measured(&[], |line| {
        if let Line::Histogram(histogram) = line {
            *histogram = Histogram { data: "not base64".into(), ..histogram.clone() };
        }
    });
    assert!(show(&builder).contains("histogram is not base64"));
    builder.lines.retain(|line| !matches!(line, Line::Sample(_) | Line::Histogram(_)));
    assert!(show(&builder).contains("no timing sample"));
}

#[test]
fn scenarios_that_do_not_fit_their_cells() {
    let axes: [&[(&str, Value)]; 6] = [
        &[("fetch", json!([]))],
        &[("fetch", json!([65536]))],
        &[("header", json!([0, 64, 4096])), ("cache", json!(["warm", "cold"]))],
        &[("message", json!([100, {"lognormal": {"median": 1024, "sigma": 0.5}}]))],
        &[("unheard_of", json!([true, null, ["a"]]))],
        &[("fetch", json!([1.5, 1e300]))],
    ];
    for axes in axes {
        show(&measured(axes, |_| {}));
    }
    let strangers = measured(&[("fetch", json!([4096, 65536]))], |line| match line {
        Line::Scenario(scenario) => {
            scenario.baseline = "nobody".into();
            scenario.contenders.push("never-ran".into());
            scenario.axes[0].values.pop();
        }
        Line::Cell(cell) if cell.label == "splice" => cell.status = Status::Invalid,
        _ => {}
    });
    let text = show(&strangers);
    assert!(text.contains("7 cells fit nowhere in the matrix"), "the other size's cells are named");
    assert!(text.contains("never-ran: unfinished"));
}
