//! What did a watched server do, on one page?

use super::{command, moment, render};
use crate::format::{NONE, bytes, duration, number, tick};
use crate::watch::{Moment, PARTS, Transfer, Watch, percent};
use askama::Template;
use std::fmt::Write;

/// The page of a watched server.
#[derive(Template)]
#[template(path = "watch.html")]
struct WatchPage<'a> {
    title: String,
    watch: &'a Watch,
    started: String,
    duration: String,
    bar: String,
    parts: Vec<Part>,
    timeline: String,
    figures: Vec<(&'static str, String, &'static str)>,
    transfers: Vec<(String, String, String, String)>,
    syscalls: Vec<(String, String)>,
    files: Vec<(String, String, String)>,
    cost: String,
    command: String,
    version: String,
}

/// A line of the legend.
struct Part {
    name: &'static str,
    words: &'static str,
    class: &'static str,
    share: String,
}

/// Files and calls that are listed.
const LISTED: usize = 20;
/// Size of the drawing over time, and the room for its words.
const WIDTH: f64 = 1000.0;
const HEIGHT: f64 = 220.0;
const LEFT: f64 = 92.0;
const FOOT: f64 = 26.0;
const HEAD: f64 = 10.0;

/// The page of a watched server, as HTML.
#[must_use]
pub fn watch(watch: &Watch, moments: &[Moment], argv: &[String], version: &str) -> String {
    let share = |share: Option<f64>| share.map_or_else(|| NONE.to_owned(), percent);
    let parts = PARTS.iter().zip(watch.parts()).filter(|(_, share)| *share > 0.0);
    let mut syscalls: Vec<(&String, &f64)> = watch.syscalls_per_mib.iter().flatten().collect();
    syscalls.sort_by(|a, b| b.1.total_cmp(a.1));
    let files = watch.files.iter().take(LISTED).map(|file| {
        let inode = || format!("inode {} of device {}", file.inode, file.device);
        let name = file.path.clone().unwrap_or_else(inode);
        (share(file.share), bytes(file.bytes as f64), name)
    });
    render(&WatchPage {
        title: format!("zclab watch: port {}", watch.port),
        watch,
        started: moment(&watch.started_at),
        duration: duration(watch.duration_ns as f64),
        bar: bar(watch),
        parts: parts
            .map(|((name, words, class), share)| Part { name, words, class, share: percent(share) })
            .collect(),
        timeline: timeline(moments),
        figures: figures(watch),
        transfers: watch.sends.iter().chain(&watch.reads).take(LISTED).map(row).collect(),
        syscalls: syscalls
            .into_iter()
            .take(LISTED)
            .map(|(name, count)| (name.clone(), number(*count)))
            .collect(),
        files: files.collect(),
        cost: cost(watch),
        command: command(argv),
        version: version.to_owned(),
    })
}

fn row(one: &Transfer) -> (String, String, String, String) {
    (one.name.clone(), bytes(one.bytes as f64), tick(one.calls as f64), bytes(one.bytes_per_call))
}

fn figures(watch: &Watch) -> Vec<(&'static str, String, &'static str)> {
    let size = |size: Option<u64>| size.map_or_else(|| NONE.to_owned(), |size| bytes(size as f64));
    let share = |share: Option<f64>| share.map_or_else(|| NONE.to_owned(), percent);
    let figure = |figure: Option<f64>| figure.map_or_else(|| NONE.to_owned(), number);
    let calls = watch.syscalls_per_mib.as_ref().map(|calls| calls.values().sum());
    vec![
        ("on the wire", bytes(watch.wire_bytes as f64), "payload that left the port"),
        ("each second", bytes(watch.bytes_per_second()), "on average"),
        (
            "made linear on the way",
            share(watch.linearised_share),
            "copied between the protocol (net_dev_queue) and the device (net_dev_start_xmit)",
        ),
        (
            "copied at a receiver",
            share(watch.deferred_share),
            "shared when sent, but copied when a client on this host was handed it",
        ),
        (
            "device reads",
            size(watch.device_read_bytes),
            "asked of block devices by anybody on this host meanwhile",
        ),
        ("device reads of the server", size(watch.server_read_bytes), "from /proc/<pid>/io"),
        (
            "page cache filled",
            size(watch.cache_fill_bytes),
            "pages that the server's own reads and faults brought in: cold fetches",
        ),
        ("system calls per MiB", figure(calls), "of the server's processes"),
        (
            "voluntary switches per MiB",
            figure(watch.voluntary_switches_per_mib),
            "the server gave up its CPU",
        ),
        (
            "involuntary switches per MiB",
            figure(watch.involuntary_switches_per_mib),
            "the server lost its CPU",
        ),
        (
            "server CPU, ns per KiB",
            figure(watch.cpu_ns_per_kib()),
            "of the server's processes, what they do besides sending included",
        ),
    ]
}

fn cost(watch: &Watch) -> String {
    let overhead = &watch.overhead;
    match (&overhead.unavailable, overhead.cpu_share) {
        (Some(why), _) => format!("What the watching cost the machine is not known: {why}."),
        (None, Some(cpu)) => format!(
            "The watching cost {} of one CPU in the kernel ({} ns for each MiB on the wire; the \
             system calls of all processes pass the programs), and {} in zclab itself.",
            percent(cpu),
            overhead.ns_per_mib.map_or_else(|| NONE.to_owned(), number),
            percent(overhead.reader_cpu_ns as f64 / watch.duration_ns.max(1) as f64)
        ),
        (None, None) => "What the watching cost is not known.".to_owned(),
    }
}

/// The shares side by side.
fn bar(watch: &Watch) -> String {
    if watch.wire_bytes == 0 {
        return String::new();
    }
    let mut x = 0.0;
    let mut out = "<svg class=\"band\" role=\"img\" viewBox=\"0 0 1000 44\" \
                   preserveAspectRatio=\"none\" aria-labelledby=\"band-t\">"
        .to_owned();
    let shares: Vec<String> = PARTS
        .iter()
        .zip(watch.parts())
        .map(|((name, ..), share)| format!("{name} {}", percent(share)))
        .collect();
    let _ = write!(out, "<title id=\"band-t\">{}</title>", super::escape(&shares.join(", ")));
    for ((_, _, class), share) in PARTS.iter().zip(watch.parts()) {
        let width = share * 1000.0;
        let _ = write!(
            out,
            "<rect class=\"part {class}\" x=\"{x:.2}\" y=\"0\" width=\"{width:.2}\" height=\"44\"/>"
        );
        x += width;
    }
    out + "</svg>"
}

/// The next rate that is 1, 2, 4 or 5 times a power of ten in a binary unit, so that half of it is
/// round, too.
fn round_up(rate: f64) -> f64 {
    let unit = (0..4).rev().map(|n| 1024f64.powi(n)).find(|unit| rate >= *unit).unwrap_or(1.0);
    let tens = 10f64.powf((rate / unit).log10().floor());
    let steps = [1.0, 2.0, 4.0, 5.0, 10.0];
    let step = steps.into_iter().find(|step| step * tens * unit >= rate).unwrap_or(10.0);
    if rate > 0.0 { step * tens * unit } else { 0.0 }
}

/// Bytes for each second over time, stacked by what they lay in.
fn timeline(moments: &[Moment]) -> String {
    let rate = |one: &Moment| one.wire_bytes as f64 * 1e9 / one.duration_ns.max(1) as f64;
    let most = round_up(moments.iter().map(rate).fold(0.0, f64::max));
    let end = moments.iter().map(|one| one.at_ns + one.duration_ns).max().unwrap_or(0) as f64;
    if moments.len() < 2 || most <= 0.0 {
        return String::new();
    }
    let (right, base) = (WIDTH - LEFT - 8.0, HEIGHT - FOOT);
    let tall = base - HEAD;
    let x = |ns: f64| LEFT + ns / end * right;
    let mut out = format!(
        "<svg class=\"times\" role=\"img\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         aria-labelledby=\"times-t\"><title id=\"times-t\">Bytes on the wire for each second, below \
         {}</title>",
        super::escape(&bytes(most))
    );
    for share in [0.0, 0.5, 1.0] {
        let y = base - share * tall;
        let _ = write!(
            out,
            "<line x1=\"{LEFT}\" y1=\"{y}\" x2=\"{}\" y2=\"{y}\"/><text x=\"{}\" y=\"{}\" \
             text-anchor=\"end\">{}/s</text>",
            LEFT + right,
            LEFT - 8.0,
            y + 4.0,
            bytes(share * most)
        );
    }
    for one in moments {
        let (from, to) = (x(one.at_ns as f64), x((one.at_ns + one.duration_ns) as f64));
        let mut y = base;
        for ((_, _, class), share) in PARTS.iter().zip(one.parts) {
            let height = share * rate(one) / most * tall;
            y -= height;
            if height > 0.0 {
                let width = (to - from - 0.6).max(0.4);
                let _ = write!(
                    out,
                    "<rect class=\"part {class}\" x=\"{from:.2}\" y=\"{y:.2}\" \
                     width=\"{width:.2}\" height=\"{height:.2}\"/>"
                );
            }
        }
    }
    let foot = HEIGHT - 6.0;
    let _ = write!(out, "<text x=\"{LEFT}\" y=\"{foot}\">0 s</text>");
    let _ = write!(
        out,
        "<text x=\"{}\" y=\"{foot}\" text-anchor=\"end\">{}</text>",
        LEFT + right,
        duration(end)
    );
    out + "</svg>"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_end_at_a_round_rate() {
        for (rate, round) in [(493.0, 500.0), (101.0, 200.0), (3.0, 4.0), (1000.0, 1000.0)] {
            let mib = f64::from(1 << 20);
            assert!((round_up(rate * mib) / mib - round).abs() < 1e-6, "{rate}");
        }
        assert!(round_up(0.0).abs() < 1e-9 && (round_up(0.5) - 0.5).abs() < 1e-9);
    }

    #[test]
    fn what_a_server_is_called_is_escaped() {
        let mut seen = Watch { diagnosis: "<b>".into(), wire_bytes: 10, ..Watch::default() };
        seen.processes.push(crate::watch::Process { pid: 1, name: "<script>".into() });
        seen.files
            .push(crate::watch::FileShare { path: Some("/a<i>".into()), ..Default::default() });
        seen.gaps.insert("a".into(), "<u>".into());
        let moment =
            Moment { duration_ns: 5, wire_bytes: 7, parts: [1.0, 0.0, 0.0, 0.0, 0.0], at_ns: 0 };
        let html = watch(&seen, &[moment, Moment { at_ns: 5, ..moment }], &["<p>".into()], "1");
        for word in ["<b>", "<script", "<i>", "<u>", "<p>"] {
            assert!(!html.contains(word) || ["<b>", "<p>"].contains(&word), "{word}");
        }
        assert!(html.contains("&#60;script&#62;") || html.contains("&lt;script&gt;"), "escaped");
        assert!(html.contains("class=\"times\"") && !html.contains("http://"));
    }
}
