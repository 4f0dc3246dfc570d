//! What is there to learn about each way to move a byte?
//!
//! A lesson is the documentation at the head of a strategy's own file, with the path that it claims. So
//! there is one text for whoever reads the code, the terminal and the page.

use super::list::{entries, option_bounds, print};
use anyhow::{Context, Result, bail};
use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use zclab_report::lesson::{Block, Lesson, plain};
use zclab_report::page::{self, Claim, Taught};
use zclab_strategies::{
    CacheState, Disturbance, Entry, IngestRoute, Pages, Path, Route, SinkKind, lesson,
};

/// Columns of a line in the terminal.
const WIDTH: usize = 96;

/// Teach how each strategy moves bytes, when it wins and when it loses.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  zclab teach                         the lessons there are
  zclab teach sendfile splice         two of them
  zclab teach --html lessons.html     all of them on one page, with the paths that they claim")]
pub struct Args {
    /// Names of strategies (`zclab list strategies`); without any, what there is to learn.
    #[arg(value_name = "STRATEGY")]
    pub names: Vec<String>,
    /// Write one page with these lessons, or with all.
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
}

/// Prints or writes lessons.
///
/// # Errors
/// An unknown strategy; a file or a standard output that cannot be written.
pub fn run(args: Args) -> Result<ExitCode> {
    let chosen = chosen(&args.names)?;
    if let Some(file) = &args.html {
        let all = if chosen.is_empty() { entries().collect() } else { chosen };
        let taught: Vec<Taught> = all.into_iter().map(taught).collect();
        let html = page::lessons(env!("CARGO_PKG_VERSION"), &taught);
        std::fs::write(file, html).with_context(|| format!("cannot write {}", file.display()))?;
        print(&format!("page: {}\n", file.display()))?;
        return Ok(ExitCode::SUCCESS);
    }
    print(&if chosen.is_empty() { contents() } else { chosen.into_iter().map(text).collect() })?;
    Ok(ExitCode::SUCCESS)
}

fn chosen(names: &[String]) -> Result<Vec<Entry>> {
    let known = || entries().map(Entry::name).collect::<Vec<_>>().join(", ");
    names
        .iter()
        .map(|name| match Entry::find(name) {
            Some(strategy) => Ok(strategy),
            None => bail!("{name} is no strategy; expected one of {}", known()),
        })
        .collect()
}

fn contents() -> String {
    let width = entries().map(|strategy| strategy.name().len()).max().unwrap_or(0);
    let mut text = String::new();
    for strategy in entries() {
        let _ = writeln!(text, "{:width$}  {}", strategy.name(), strategy.question());
    }
    text.push_str(
        "\nRead one with `zclab teach NAME`, all with `zclab teach --html lessons.html`.\n",
    );
    text
}

/// A lesson for the terminal.
fn text(strategy: Entry) -> String {
    let taught = taught(strategy);
    let lesson = Lesson::parse(&taught.lesson);
    let mut text = format!("{}\n{}\n\n", taught.name, "=".repeat(taught.name.len()));
    text.push_str(&wrapped(&lesson.question, ""));
    text.push('\n');
    for claim in &taught.claims {
        let _ = writeln!(text, "{:.2} copies per byte, {}:", claim.copies, claim.route);
        let stops = claim.stops.iter().map(|(place, by)| match by {
            Some((by, _)) => format!(" ─{by}→ {}", place.replace('-', " ")),
            None => place.replace('-', " "),
        });
        let _ = writeln!(text, "  {}", stops.collect::<String>());
    }
    for block in &lesson.blocks {
        text.push('\n');
        match block {
            Block::Paragraph(spans) => text.push_str(&wrapped(&plain(spans), "")),
            Block::List(items) => {
                items.iter().for_each(|item| text.push_str(&wrapped(&plain(item), "* ")));
            }
        }
    }
    for [name, default, bounds, what] in &taught.options {
        let _ = writeln!(text, "\n{name}={default} ({bounds}): {what}");
    }
    for (what, spans) in [("Timed", lesson.timed_spans()), ("Sources", lesson.source_spans())] {
        if !spans.is_empty() {
            text.push('\n');
            text.push_str(&wrapped(&format!("{what}: {}", plain(&spans)), ""));
        }
    }
    text.push('\n');
    text
}

/// Words in lines of at most [`WIDTH`] columns; lines after the first are indented as the mark is wide.
fn wrapped(words: &str, mark: &str) -> String {
    let mut text = mark.to_owned();
    let mut column = mark.chars().count();
    let indent = " ".repeat(column);
    for (at, word) in words.split_whitespace().enumerate() {
        let letters = word.chars().count();
        if at > 0 && column + 1 + letters > WIDTH {
            let _ = write!(text, "\n{indent}");
            column = indent.len();
        } else if at > 0 {
            text.push(' ');
            column += 1;
        }
        text.push_str(word);
        column += letters;
    }
    text.push('\n');
    text
}

/// A strategy as plain values for the page.
fn taught(strategy: Entry) -> Taught {
    Taught {
        name: strategy.name().to_owned(),
        lesson: lesson(strategy.name()).unwrap_or_default(),
        disturbs: match strategy.disturbs() {
            Disturbance::Nothing => String::new(),
            Disturbance::PageCache => "it changes which pages of the log are cached".to_owned(),
            Disturbance::Core => "it keeps a core busy while it is idle".to_owned(),
        },
        options: strategy
            .options()
            .iter()
            .map(|option| {
                let default = option.default_value().to_string();
                let (name, what) = (option.name.to_owned(), option.what.to_owned());
                [name, default, option_bounds(option), what]
            })
            .collect(),
        claims: match strategy {
            Entry::Transfer(one) => {
                routes().map(|(words, route)| claim(words, &one.path(&route))).into()
            }
            Entry::Ingest(one) => {
                ingest_routes().map(|(words, route)| claim(words, &one.path(&route))).into()
            }
        },
    }
}

/// The routes that lessons show.
fn routes() -> [(&'static str, Route); 3] {
    let tcp = Route::to(SinkKind::TcpLoopback);
    let cold = Route { cache: CacheState::Cold, ..tcp };
    let no_gather = Route { scatter_gather: false, ..tcp };
    [
        ("warm log to TCP over loopback", tcp),
        ("cold log to TCP over loopback", cold),
        ("warm log to TCP over a device that cannot gather", no_gather),
    ]
}

/// Those of the receive side.
fn ingest_routes() -> [(&'static str, IngestRoute); 3] {
    let (source, durable) = (SinkKind::TcpLoopback, false);
    let plain = IngestRoute { source, pages: Pages::None, durable };
    [
        ("TCP over loopback, sent plainly", plain),
        ("TCP, packets of whole pages", IngestRoute { pages: Pages::All, ..plain }),
        ("TCP over loopback, synced to a device", IngestRoute { durable: true, ..plain }),
    ]
}

fn claim(route: &str, path: &Path) -> Claim {
    let mut stops: Vec<(String, Option<(String, String)>)> = Vec::new();
    for hop in &path.hops {
        if stops.last().is_none_or(|(place, _)| place != hop.from.name()) {
            stops.push((hop.from.name().to_owned(), None));
        }
        let by = (hop.by.name().to_owned(), hop.why.to_owned());
        stops.push((hop.to.name().to_owned(), Some(by)));
    }
    Claim { route: route.to_owned(), copies: path.sender_copies_per_byte(), stops }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_strategy_has_a_lesson_with_sources_and_what_is_timed() {
        for strategy in entries() {
            let parsed = Lesson::parse(&taught(strategy).lesson);
            assert_eq!(parsed.question, strategy.question());
            assert!(!parsed.blocks.is_empty(), "{} teaches nothing", strategy.name());
            assert!(!parsed.timed.is_empty(), "{}: what is timed?", strategy.name());
            let moves = strategy.moves_the_log();
            assert!(!moves || !parsed.sources.is_empty(), "{}: from where?", strategy.name());
        }
    }

    #[test]
    fn lessons_fit_the_terminal() {
        for strategy in entries() {
            let text = text(strategy);
            let prose = text.lines().filter(|line| !line.contains('→') && !line.contains('='));
            let long: Vec<&str> = prose.filter(|line| line.chars().count() > WIDTH).collect();
            assert!(long.is_empty(), "{}: {long:?}", strategy.name());
        }
        assert_eq!(wrapped("one two", "* "), "* one two\n");
        assert!(chosen(&["sendfil".to_owned()]).is_err());
    }
}
