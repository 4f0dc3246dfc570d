//! How are the figures shown in a terminal?

use std::collections::BTreeMap;
use std::io::Write;
use zclab_report::format::{NONE, bytes, number, tick};
use zclab_report::watch::{Transfer, Watch, percent};

/// Rows of lists that are shown.
const ROWS: usize = 6;
/// Width of names, of a column, and of the sentence.
const NAME: usize = 36;
const COLUMN: usize = 16;
const WIDTH: usize = 98;

/// One line for an interval, where nothing can be drawn anew.
#[must_use]
pub fn line(watch: &Watch) -> String {
    format!(
        "{}  {:>12}/s on the wire: {:>8} page cache, {:>8} copied, {:>8} user memory, {:>8} linear",
        watch.started_at.get(11..19).unwrap_or(&watch.started_at),
        bytes(watch.bytes_per_second()),
        share(watch.reference_share),
        share(watch.copied_share),
        share(watch.user_share),
        share(watch.linear_share),
    )
}

/// The live table, in place of what is on the screen.
///
/// # Errors
/// A terminal that is gone.
pub fn redraw(out: &mut impl Write, whole: &Watch, interval: &Watch) -> std::io::Result<()> {
    let width = columns();
    // Home; each line is cleared to its end, and what lies below the last one.
    let mut text = "\x1b[H".to_owned();
    for row in table(whole, Some(interval)) {
        text.extend(row.chars().take(width));
        text.push_str("\x1b[K\n");
    }
    text.push_str("\x1b[J");
    out.write_all(text.as_bytes())
}

/// Columns of the terminal, so that no line wraps.
fn columns() -> usize {
    let mut size = libc::winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: TIOCGWINSZ writes one struct winsize, which lives on this stack frame.
    let answer = unsafe { libc::ioctl(libc::STDOUT_FILENO, libc::TIOCGWINSZ, &raw mut size) };
    if answer == 0 && size.ws_col > 0 { size.ws_col.into() } else { 80 }
}

/// The report at the end.
///
/// # Errors
/// An output that is gone.
pub fn report(out: &mut impl Write, whole: &Watch) -> std::io::Result<()> {
    if std::io::IsTerminal::is_terminal(&std::io::stdout()) {
        out.write_all(b"\x1b[H\x1b[J")?;
    }
    table(whole, None).into_iter().try_for_each(|row| writeln!(out, "{row}"))
}

fn share(share: Option<f64>) -> String {
    share.map_or_else(|| NONE.to_owned(), percent)
}

fn size(size: Option<u64>) -> String {
    size.map_or_else(|| NONE.to_owned(), |size| bytes(size as f64))
}

fn figure(figure: Option<f64>) -> String {
    figure.map_or_else(|| NONE.to_owned(), number)
}

/// A name, how it is written, and where it is found.
type Row = (&'static str, fn(&Watch) -> String);

/// What has a number in each column.
const FIGURES: [Row; 16] = [
    ("on the wire", |w| size(Some(w.wire_bytes))),
    ("each second", |w| bytes(w.bytes_per_second())),
    ("page cache, by reference", |w| share(w.reference_share)),
    ("copied, in the kernel's own pages", |w| share(w.copied_share)),
    ("user memory, shared", |w| share(w.user_share)),
    ("linear in the packets", |w| share(w.linear_share)),
    ("other memory", |w| share(w.other_share)),
    ("  made linear on the way", |w| share(w.linearised_share)),
    ("  shared, but copied at a receiver", |w| share(w.deferred_share)),
    ("device reads, anybody's", |w| size(w.device_read_bytes)),
    ("device reads, the server's", |w| size(w.server_read_bytes)),
    ("page cache filled by its reads", |w| size(w.cache_fill_bytes)),
    ("voluntary switches per MiB", |w| figure(w.voluntary_switches_per_mib)),
    ("involuntary switches per MiB", |w| figure(w.involuntary_switches_per_mib)),
    ("system calls per MiB", |w| {
        figure(w.syscalls_per_mib.as_ref().map(|calls| calls.values().sum()))
    }),
    ("server CPU, ns per KiB", |w| figure(w.cpu_ns_per_kib())),
];

/// The table: the whole, beside it the interval if there is one.
fn table(whole: &Watch, interval: Option<&Watch>) -> Vec<String> {
    let seconds = whole.duration_ns as f64 / 1e9;
    let mut rows = vec![format!("port {}, {}: {seconds:.1} s", whole.port, whole.who())];
    rows.push(match interval {
        Some(_) => format!("{:NAME$}{:>COLUMN$}{:>COLUMN$}", "", "now", "so far"),
        None => String::new(),
    });
    for (name, of) in FIGURES {
        let now = interval.map(|interval| format!("{:>COLUMN$}", of(interval)));
        rows.push(format!("{name:NAME$}{}{:>COLUMN$}", now.unwrap_or_default(), of(whole)));
    }
    if let Some(calls) = &whole.syscalls_per_mib {
        rows.push(format!("{:NAME$}{}", "  by name", by_name(calls)));
    }
    rows.extend(transfers("sent by", &whole.sends));
    rows.extend(transfers("files read by", &whole.reads));
    files(&mut rows, whole);
    rows.push(cost(whole));
    if interval.is_none() {
        rows.extend(
            whole.gaps.iter().flat_map(|(name, why)| wrap(&format!("not seen: {name}: {why}"))),
        );
    }
    rows.push(String::new());
    rows.extend(wrap(&whole.diagnosis));
    rows
}

/// The most frequent calls.
fn by_name(calls: &BTreeMap<String, f64>) -> String {
    let mut calls: Vec<(&String, &f64)> = calls.iter().collect();
    calls.sort_by(|a, b| b.1.total_cmp(a.1));
    let shown = calls.iter().take(ROWS).map(|(name, count)| format!("{name} {}", number(**count)));
    shown.collect::<Vec<_>>().join(", ")
}

fn transfers(title: &str, all: &[Transfer]) -> Vec<String> {
    let row = |(n, one): (usize, &Transfer)| {
        format!(
            "{:14}{:<48}{:>12} in {} calls, {} each",
            if n == 0 { title } else { "" },
            one.name,
            bytes(one.bytes as f64),
            tick(one.calls as f64),
            bytes(one.bytes_per_call)
        )
    };
    all.iter().take(ROWS).enumerate().map(row).collect()
}

fn files(rows: &mut Vec<String>, whole: &Watch) {
    for (n, file) in whole.files.iter().take(ROWS).enumerate() {
        let name = match &file.path {
            Some(path) => path.clone(),
            None => format!("inode {} of device {}", file.inode, file.device),
        };
        let title = if n == 0 { "files" } else { "" };
        rows.push(format!("{title:14}{:>8}  {name}", share(file.share)));
    }
    if whole.files.len() > ROWS {
        rows.push(format!("{:14}{:>8}  others", "", whole.files.len() - ROWS));
    }
}

fn cost(whole: &Watch) -> String {
    let own = whole.overhead.reader_cpu_ns as f64 / whole.duration_ns.max(1) as f64;
    let own = format!("zclab itself {}", percent(own));
    match (&whole.overhead.unavailable, whole.overhead.cpu_share) {
        (Some(why), _) => {
            format!("{:NAME$}programs: unknown ({why}); {own} of a CPU", "cost of watching")
        }
        (None, None) => format!("{:NAME$}{own} of a CPU", "cost of watching"),
        (None, Some(cpu)) => format!(
            "{:NAME$}programs {} of a CPU, everybody's calls included, {} ns per MiB; {own}",
            "cost of watching",
            percent(cpu),
            figure(whole.overhead.ns_per_mib)
        ),
    }
}

/// Breaks a text between words.
fn wrap(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.last_mut().filter(|line| {
            line.is_empty() || line.chars().count() + 1 + word.chars().count() <= WIDTH
        });
        match last {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) => {
                line.push(' ');
                line.push_str(word);
            }
            None => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_seen_is_no_number() {
        let whole = Watch { diagnosis: "words ".repeat(40), ..Watch::default() };
        let rows = table(&whole, Some(&Watch::default()));
        let row = rows.iter().find(|row| row.starts_with("copied")).unwrap();
        assert!(row.ends_with(NONE) && !row.contains('0'), "{row}");
        assert!(rows.iter().all(|row| row.chars().count() <= 110), "{rows:#?}");
        assert!(line(&Watch::default()).contains("0 B/s on the wire"));
    }
}
