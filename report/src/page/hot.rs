//! How is it shown what became of hot consumers beside a cold scan?

use super::chart::{Chart, Mark, Series};
use super::charts::Drawn;
use super::grid::{self, Column, Entry, Grid};
use super::look::Looks;
use super::scale::Unit;
use crate::format;
use crate::hot::{DURING, Hot, PHASES, Phase, median};
use crate::record::reading;
use crate::stats::latency::Latency;
use crate::stats::paired;
use crate::stats::{DECISIVE_MIN, Estimate};
use crate::study::{Panel, Row, State, Study};

const MIB: f64 = 1024.0 * 1024.0;

/// What a panel shows of them.
pub struct HotView {
    /// Latency and residency over the phases.
    pub charts: Vec<Drawn>,
    /// The numbers.
    pub table: Grid,
    /// What the phases were, in a sentence.
    pub words: String,
}

/// What a panel shows of hot consumers; nothing where there were none.
#[must_use]
pub fn view(study: &Study, panel: &Panel, looks: &Looks, id: &str) -> Option<HotView> {
    panel.rows().find_map(hot)?;
    let p99 = chart(study, panel, looks, &|phase| phase.p99().map(mark), &format!("{id}-hot-p99"));
    let share = |phase: &Phase| {
        let percent = phase.share()?.map(|share| share * 100.0);
        Some(mark(Estimate { interval: within(percent.interval), ..percent }))
    };
    let share = chart(study, panel, looks, &share, &format!("{id}-hot-resident"));
    let latency = Chart {
        title: "Latency of hot fetches, p99".into(),
        y_name: "hot fetches, p99".into(),
        unit: Unit::Duration,
        ..p99
    };
    let resident = Chart {
        title: "Resident share of the hot set".into(),
        y_name: "hot set in memory, %".into(),
        unit: Unit::Share,
        ..share
    };
    let charts = [
        (latency, "From the moment at which a fetch was due until the socket took its last byte."),
        (resident, "By mincore: as the scan began, the least during it, and at the end."),
    ];
    let drawn = |(chart, caption): (Chart, &str)| {
        Some(Drawn { svg: chart.svg()?, caption: caption.to_owned() })
    };
    Some(HotView {
        charts: charts.into_iter().filter_map(drawn).collect(),
        table: table(study, panel, looks, id),
        words: words(panel),
    })
}

fn hot(row: &Row) -> Option<Hot> {
    row.measured.filter(|_| row.state == State::Ok).and_then(Hot::of)
}

/// A share is never below nothing nor above all, whatever the interval's arithmetic says.
fn within(interval: Option<(f64, f64)>) -> Option<(f64, f64)> {
    interval.map(|(low, high)| (low.max(0.0), high.min(100.0)))
}

fn mark(estimate: Estimate) -> Mark {
    // Two launches' interval would squeeze everything else into a corner.
    let interval = estimate.interval.filter(|_| estimate.launches >= DECISIVE_MIN);
    Mark { y: estimate.point, interval }
}

/// A chart over the phases, the contenders beside each other in each.
fn chart(
    study: &Study,
    panel: &Panel,
    looks: &Looks,
    pick: &dyn Fn(&Phase) -> Option<Mark>,
    id: &str,
) -> Chart {
    let labels: Vec<String> = panel
        .points
        .iter()
        .flat_map(|point| {
            let x = study.x_label(point);
            PHASES.map(|phase| format!("{x} {phase}").trim().to_owned())
        })
        .collect();
    let series: Vec<Series> = study
        .scenario
        .contenders
        .iter()
        .map(|label| {
            let marks = panel.points.iter().flat_map(|point| {
                let hot = point.row(label).and_then(hot);
                (0..PHASES.len()).map(move |n| hot.as_ref().and_then(|hot| pick(&hot.phases[n])))
            });
            Series { label: label.clone(), look: looks.get(label), marks: marks.collect() }
        })
        .filter(|series| series.marks.iter().any(Option::is_some))
        .collect();
    let count = labels.len() as f64;
    Chart {
        id: id.to_owned(),
        title: String::new(),
        description: description(&labels, &series),
        size: (480, 340),
        x_name: String::new(),
        x_places: (0..labels.len()).map(|n| (n as f64 + 0.5) / count).collect(),
        x_labels: labels,
        joined: false,
        y_name: String::new(),
        unit: Unit::Number,
        reference: None,
        series,
        labelled: false,
    }
}

fn description(labels: &[String], series: &[Series]) -> String {
    let each = series.iter().map(|one| {
        let known = labels.iter().zip(&one.marks);
        let values: Vec<String> = known
            .filter_map(|(label, mark)| {
                Some(format!("{label} {}", format::number(mark.as_ref()?.y)))
            })
            .collect();
        format!("{}: {}.", one.label, values.join(", "))
    });
    each.collect::<Vec<_>>().join(" ")
}

/// The limit, the hot set and the rate, as the cells have them.
fn words(panel: &Panel) -> String {
    let cell = panel.rows().find_map(|row| row.measured?.cell.as_ref());
    let param = |name: &str| cell.and_then(|cell| cell.params.get(&format!("pressure_{name}")));
    let bytes = |name: &str| param(name).and_then(|v| v.as_f64()).map(format::bytes);
    let word = |name: &str| param(name).map(|value| format::parameter(name, value));
    match (bytes("memory"), bytes("hot"), word("hot_rate"), word("hot_strategy")) {
        (Some(memory), Some(hot), Some(rate), Some(strategy)) => format!(
            "Senders of the scan and of the hot consumers share {memory} of memory. Hot consumers \
             ask for fetches of the log's last {hot}, {rate} each second whether or not they are \
             served in time, and {strategy} serves them beside every contender. The scan reads the \
             rest once."
        ),
        _ => String::new(),
    }
}

fn table(study: &Study, panel: &Panel, looks: &Looks, id: &str) -> Grid {
    let column = |title: &str, unit: &str| Column { title: title.into(), unit: unit.into() };
    let against = format!("÷ {}", study.scenario.baseline);
    let columns = vec![
        column("p99 before", "µs"),
        column("p99 during", "µs"),
        column("p99 ratio", &against),
        column("p99 after", "µs"),
        column("Least resident", "% of the hot set"),
        column("Resident at the end", "% of the hot set"),
        column("p50 before", "µs"),
        column("p50 during", "µs"),
        column("Max during", "µs"),
        column("Read again", "MiB, hot"),
        column("Refaults", "pages"),
    ];
    let cells = |row: &Row| {
        let Some(hot) = hot(row) else {
            return columns_missing(11);
        };
        let mut cells = vec![
            p99(&hot.phases[0]),
            p99(&hot.phases[DURING]),
            ratio(study, panel, row, &hot),
            p99(&hot.phases[2]),
            share(&hot.phases[DURING]),
            share(&hot.phases[2]),
            latency(&hot.phases[0], |one| one.p50_ns),
            latency(&hot.phases[DURING], |one| one.p50_ns),
            latency(&hot.phases[DURING], |one| one.max_ns),
        ];
        let readings = [(reading::HOT_READ_BYTES, MIB), (reading::GROUP_REFAULTS, 1.0)];
        cells.extend(readings.map(|(name, unit)| counted(row, name, unit)));
        cells
    };
    Grid {
        id: format!("{id}-hot"),
        caption: "Hot consumers: typical of the launches, with 95 % intervals".into(),
        columns,
        x_name: study.x_name(),
        lines: grid::lines(study, panel, looks, &cells),
    }
}

fn columns_missing(count: usize) -> Vec<Entry> {
    (0..count).map(|_| grid::unavailable("the cell had no hot consumers")).collect()
}

fn entry(value: f64, detail: Option<String>, hint: String, class: &'static str) -> Entry {
    let text = format::number(value);
    Entry { text, detail: detail.unwrap_or_default(), order: value.to_string(), hint, class }
}

fn latency(phase: &Phase, of: fn(&Latency) -> u64) -> Entry {
    match &phase.latency {
        Ok(latency) => {
            let hint = format!("counted, {} fetches of all launches", latency.fetches);
            entry(of(latency) as f64 / 1e3, None, hint, "")
        }
        Err(reason) => grid::unavailable(reason),
    }
}

/// An interval behind a number, in the number's unit.
fn behind(estimate: &Estimate) -> Option<String> {
    let (low, high) = estimate.interval.filter(|_| estimate.launches >= DECISIVE_MIN)?;
    let (low, high) = format::ends(low, high);
    Some(format!("{low}–{high}"))
}

fn p99(phase: &Phase) -> Entry {
    let Some(p99) = phase.p99().map(|p99| p99.map(|ns| ns / 1e3)) else {
        let reason = phase.latency.as_ref().err().map_or("no launch has one", String::as_str);
        return grid::unavailable(reason);
    };
    let hint = format!("estimated, {} launches; {}", p99.launches, p99.basis.name());
    entry(p99.point, behind(&p99), hint, "")
}

fn ratio(study: &Study, panel: &Panel, row: &Row, hot_here: &Hot) -> Entry {
    if row.baseline {
        return entry(1.0, None, "the baseline itself".into(), "one");
    }
    let here =
        panel.points.iter().find(|point| point.rows.iter().any(|other| std::ptr::eq(other, row)));
    let baseline = here.and_then(|point| point.row(&study.scenario.baseline)).and_then(hot);
    let found =
        baseline.and_then(|other| paired::ratio(&hot_here.during().p99_ns, &other.during().p99_ns));
    let Some(found) = found else {
        return grid::unavailable("the baseline has no result here, or no launch pairs up");
    };
    let shown = format::ratio(&found);
    let (ratio, detail) = shown.split_once('(').unwrap_or((&shown, ""));
    Entry {
        text: ratio.trim().to_owned(),
        detail: detail.trim_end_matches(')').to_owned(),
        order: found.point.to_string(),
        hint: format!("estimated, {} launches; {}", found.launches, found.basis.name()),
        class: match (found.below(1.0), found.differs_from(1.0)) {
            (true, _) if row.moves_the_log => "ratio better",
            (_, true) if row.moves_the_log => "ratio",
            _ => "ratio same",
        },
    }
}

fn share(phase: &Phase) -> Entry {
    let Some(share) = phase.share() else {
        return grid::unavailable("nobody looked in this phase: the scan was too short");
    };
    let percent = share.map(|share| share * 100.0);
    let percent = Estimate { interval: within(percent.interval), ..percent };
    let hint = format!("observed by mincore, {} launches", percent.launches);
    entry(percent.point, behind(&percent), hint, "")
}

fn counted(row: &Row, name: &str, unit: f64) -> Entry {
    match row.measured.and_then(|measured| median(measured, name)) {
        Some(value) => entry(value / unit, None, "observed, median".into(), ""),
        None => grid::unavailable(&format!("no reading {name}: this kernel does not count it")),
    }
}
