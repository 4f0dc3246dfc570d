//! Which charts does a panel get?

use super::chart::{Chart, Mark, Series};
use super::dots::{Dot, Dots, Group};
use super::look::Looks;
use super::scale::Unit;
use crate::format;
use crate::hot;
use crate::metric::Metric;
use crate::stats::latency::Latency;
use crate::stats::{DECISIVE_MIN, Estimate};
use crate::study::{Figure, Panel, Row, State, Study};

/// A drawing and the line below it.
pub struct Drawn {
    /// Inline SVG.
    pub svg: String,
    /// What to see in it.
    pub caption: String,
}

/// What a chart shows of a row.
type Pick<'p> = &'p dyn Fn(&Row) -> Option<Mark>;

/// CPU of the measured side as a multiple of the baseline's: the chart that decides. Wide, and narrow for phones.
#[must_use]
pub fn decisive(study: &Study, panel: &Panel, looks: &Looks, id: &str) -> Vec<Drawn> {
    let baseline = &study.scenario.baseline;
    let pick: Pick = &|row: &Row| {
        if row.baseline {
            return None;
        }
        row.cost_ratio().map(mark_of)
    };
    let cpu = study.side.cpu().title();
    let title = format!("{cpu} per KiB as a multiple of {baseline}");
    let caption =
        format!("Paired turn by turn, with 95 % intervals. Below 1× is cheaper than {baseline}.");
    let sizes = [("wide", 1000, 400, true), ("narrow", 380, 380, false)];
    sizes
        .into_iter()
        .filter_map(|(class, width, height, labelled)| {
            let id = format!("{id}-{class}");
            let svg = if study.numeric_x() {
                let mut chart = along(study, panel, looks, pick, &id);
                chart.title.clone_from(&title);
                chart.size = (width, height);
                chart.labelled = labelled;
                chart.unit = Unit::Times;
                chart.reference = Some((1.0, format!("{baseline} = 1×")));
                chart.y_name = format!("{}, multiple of the baseline", lower(cpu));
                chart.svg()?
            } else {
                dots(study, panel, looks, pick, &id, &title, width).svg()?
            };
            Some(Drawn {
                svg: format!("<div class=\"{class}\">{svg}</div>"),
                caption: caption.clone(),
            })
        })
        .collect()
}

/// A small version of the decisive chart, for the index.
#[must_use]
pub fn thumbnail(study: &Study, panel: &Panel, looks: &Looks, id: &str) -> Option<String> {
    decisive(study, panel, looks, id).pop().map(|drawn| drawn.svg)
}

/// Name, caption and value of a latency chart.
type Percentile = (&'static str, &'static str, fn(&Latency) -> u64);

const LATENCIES: [Percentile; 2] = [
    ("p50", "half of the fetches take no longer", |latency| latency.p50_ns),
    ("p99", "99 of 100 fetches take no longer", |latency| latency.p99_ns),
];

/// The small charts of a panel.
#[must_use]
pub fn small(study: &Study, panel: &Panel, looks: &Looks, id: &str) -> Vec<Drawn> {
    let [voluntary, involuntary] = study.side.switches();
    let metrics: [Metric; 10] = [
        study.side.cpu(),
        Metric::TotalCpu,
        Metric::Throughput,
        Metric::CpuLeft,
        Metric::Syscalls,
        Metric::ModeSwitches,
        voluntary,
        involuntary,
        Metric::DeviceBytes,
        Metric::SentBytes,
    ];
    let mut drawn: Vec<Drawn> = metrics
        .iter()
        .filter(|metric| study.shows(**metric))
        .filter_map(|metric| of_metric(study, panel, looks, *metric, id))
        .collect();
    for (name, caption, percentile) in LATENCIES {
        let pick: Pick = &|row: &Row| {
            let latency = row.latency.as_ref().ok()?;
            Some(Mark { y: percentile(latency) as f64, interval: None })
        };
        let mut chart = along(study, panel, looks, pick, &format!("{id}-{name}"));
        chart.title = format!("Fetch latency, {name}");
        chart.y_name = format!("fetch latency, {name}");
        chart.unit = Unit::Duration;
        drawn.extend(chart.svg().map(|svg| Drawn { svg, caption: capital(caption) + "." }));
    }
    drawn.extend(memory(study, panel, looks, id));
    drawn
}

/// What the group of the senders had, where they were in one.
fn memory(study: &Study, panel: &Panel, looks: &Looks, id: &str) -> Vec<Drawn> {
    let charts = hot::MEMORY.iter().enumerate().filter_map(|(n, (name, title))| {
        let pick: Pick = &|row: &Row| {
            let y = hot::median(row.measured?, name)? / (1024.0 * 1024.0);
            Some(Mark { y, interval: None })
        };
        let mut chart = along(study, panel, looks, pick, &format!("{id}-memory-{n}"));
        chart.title = format!("{title}, MiB");
        chart.y_name = format!("{}, MiB", lower(title));
        let caption = "As the memory controller charged it to their group.".to_owned();
        chart.svg().map(|svg| Drawn { svg, caption })
    });
    charts.collect()
}

fn of_metric(
    study: &Study,
    panel: &Panel,
    looks: &Looks,
    metric: Metric,
    id: &str,
) -> Option<Drawn> {
    let pick: Pick = &|row: &Row| {
        let figure = row.figures.get(&metric)?;
        if metric.rare() { figure.mean().map(|y| Mark { y, interval: None }) } else { mark(figure) }
    };
    let mut chart =
        along(study, panel, looks, pick, &format!("{id}-{}", metric.key().replace('_', "-")));
    let all_zero = chart
        .series
        .iter()
        .flat_map(|series| series.marks.iter().flatten())
        .all(|mark| mark.y == 0.0);
    let nothing = chart.series.is_empty();
    if nothing || all_zero && metric == Metric::DeviceBytes {
        return None;
    }
    if all_zero {
        let svg = format!("<p class=\"zero\"><b>{}</b>none in any cell</p>", metric.title());
        return Some(Drawn { svg, caption: caption(study, panel, metric) });
    }
    chart.title = format!("{}, {}", metric.title(), metric.unit());
    chart.y_name = format!("{}, {}", lower(metric.title()), metric.unit());
    chart.svg().map(|svg| Drawn { svg, caption: caption(study, panel, metric) })
}

fn waited(side: &str) -> String {
    format!("Means. The {side} waited: it gave up its CPU.")
}

fn interrupted(side: &str) -> String {
    format!("Means. The {side} was interrupted: it lost its CPU.")
}

/// What to see in a metric's chart.
fn caption(study: &Study, panel: &Panel, metric: Metric) -> String {
    match metric {
        Metric::Throughput => {
            let bound =
                panel.rows().filter(|row| row.state == State::Ok && row.at_far_end()).count();
            match bound {
                0 => "Never names a winner by itself.".to_owned(),
                _ => format!(
                    "Never names a winner by itself: {bound} cells here are {}-bound.",
                    study.side.far().name()
                ),
            }
        }
        Metric::ModeSwitches => "User to kernel and back: 2 × system calls.".into(),
        Metric::Voluntary => waited("sender"),
        Metric::ReceiverVoluntary => waited("receiver"),
        Metric::Involuntary => interrupted("sender"),
        Metric::ReceiverInvoluntary => interrupted("receiver"),
        Metric::DeviceBytes => "Bytes that the device read, per byte of payload.".into(),
        Metric::CpuLeft => "What a canary on the sender's CPU got done; higher is better.".into(),
        Metric::SentBytes => "Bytes that the sinks took, headers included.".into(),
        Metric::TotalCpu => "Sender and receiver together.".into(),
        own if own == study.side.cpu() => "Medians; intervals over launches.".into(),
        _ => format!("{}.", capital(metric.source())),
    }
}

/// A chart along the first axis, without its title.
fn along(study: &Study, panel: &Panel, looks: &Looks, pick: Pick, id: &str) -> Chart {
    let labels: Vec<String> = panel.points.iter().map(|point| study.x_label(point)).collect();
    let series: Vec<Series> = study
        .scenario
        .contenders
        .iter()
        .map(|label| Series {
            label: label.clone(),
            look: looks.get(label),
            marks: panel.points.iter().map(|point| ok(point.row(label)?).and_then(pick)).collect(),
        })
        .filter(|series| series.marks.iter().any(Option::is_some))
        .collect();
    Chart {
        id: id.to_owned(),
        title: String::new(),
        description: description(&labels, &series),
        size: (480, 300),
        x_name: study.x_name(),
        x_places: places(study, panel),
        x_labels: labels,
        joined: study.numeric_x(),
        y_name: String::new(),
        unit: Unit::Number,
        reference: None,
        series,
        labelled: false,
    }
}

/// Categories as groups of rows, a contender a row.
fn dots(
    study: &Study,
    panel: &Panel,
    looks: &Looks,
    pick: Pick,
    id: &str,
    title: &str,
    width: u32,
) -> Dots {
    let baseline = &study.scenario.baseline;
    let groups = panel.points.iter().map(|point| Group {
        title: study.x_label(point),
        dots: point
            .rows
            .iter()
            .filter_map(|row| {
                let mark = ok(row).and_then(pick)?;
                Some(Dot { label: row.label.to_owned(), look: looks.get(row.label), mark })
            })
            .collect(),
    });
    Dots {
        id: id.to_owned(),
        title: title.to_owned(),
        width,
        x_name: format!("{}, multiple of the baseline", lower(study.side.cpu().title())),
        reference: (1.0, format!("{baseline} = 1×")),
        groups: groups.filter(|group: &Group| !group.dots.is_empty()).collect(),
    }
}

/// Rows without a result are in no chart.
fn ok<'r, 'a>(row: &'r Row<'a>) -> Option<&'r Row<'a>> {
    (row.state == State::Ok).then_some(row)
}

/// Where the x values lie: by logarithm where all are above 0, evenly where they are no numbers.
fn places(study: &Study, panel: &Panel) -> Vec<f64> {
    let count = panel.points.len();
    let numbers: Vec<f64> = panel.points.iter().filter_map(|point| point.x?.as_f64()).collect();
    if !study.numeric_x() || numbers.len() != count {
        return (0..count).map(|n| (n as f64 + 0.5) / count as f64).collect();
    }
    let log = numbers.iter().all(|x| *x > 0.0);
    let position = |x: f64| if log { x.ln() } else { x };
    let (low, high) = (position(numbers[0]), position(numbers[count - 1]));
    numbers.iter().map(|x| (position(*x) - low) / (high - low).max(f64::MIN_POSITIVE)).collect()
}

fn mark_of(estimate: &Estimate) -> Mark {
    // Two launches' interval would squeeze everything else into a corner.
    let interval = estimate.interval.filter(|_| estimate.launches >= DECISIVE_MIN);
    Mark { y: estimate.point, interval }
}

fn mark(figure: &Figure) -> Option<Mark> {
    figure.median().map(|y| Mark { y, interval: figure.interval() })
}

/// The values in words, for those who do not see the chart.
fn description(labels: &[String], series: &[Series]) -> String {
    let each: Vec<String> = series
        .iter()
        .map(|series| {
            let values: Vec<String> = labels
                .iter()
                .zip(&series.marks)
                .filter_map(|(label, mark)| {
                    Some(format!("{label} {}", format::number(mark.as_ref()?.y)))
                })
                .collect();
            format!("{}: {}.", series.label, values.join(", "))
        })
        .collect();
    each.join(" ")
}

/// The text with a capital first letter.
fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().collect::<String>() + letters.as_str()
    })
}

/// The text with a small first letter, unless it begins with an abbreviation.
fn lower(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_lowercase().collect::<String>() + letters.as_str()
    })
}
