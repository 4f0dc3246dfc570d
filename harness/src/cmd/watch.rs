//! `zclab watch`: what does a running server do with the bytes that it sends?

use crate::watch::Options;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Watch a running server from outside: which of the bytes it sends are copied, and why (needs root)
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// TCP port that the server listens on
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,
    /// Only this process and its children [default: all that listen on the port]
    #[arg(long, value_name = "P")]
    pid: Option<u32>,
    /// Folder of the files that it serves, to name them [default: only those it has open or mapped]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Time between two figures: 500ms, 1s, 1m
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = time)]
    interval: Duration,
    /// End after this time [default: on Ctrl-C]
    #[arg(long, value_name = "TIME", value_parser = time)]
    duration: Option<Duration>,
    /// JSON Lines: an object for each interval, then one for the whole
    #[arg(long)]
    json: bool,
    /// Write a page, too
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Watch as long as this command runs, which asks the server for something
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

const EXAMPLES: &str = "\
Examples:
  sudo zclab watch --port 9092                               a table that is drawn anew each second
  sudo zclab watch --port 9092 --dir /var/lib/kafka          with the names of the files
  sudo zclab watch --port 443 --duration 30s --html tls.html  a page at the end
  sudo zclab watch --port 80 --duration 10s --json | tail -1  the whole as one JSON object
  sudo zclab watch --port 80 --json -- ./fetch.sh >>after.jsonl  for `zclab gate --watched`

Nothing of the server is touched: programs on the kernel's tracepoints count what leaves the port,
and go with this program however it ends. They cost CPU time; how much is printed.

Exit codes: 0 watched (also when Ctrl-C or the server's end ended it) · 2 could not watch,
or the command failed";

/// The shortest interval: reading the counts takes a while, too.
const INTERVAL_MIN: Duration = Duration::from_millis(100);

/// A time such as `500ms`, `1s`, `2m`, `1h`.
fn time(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let scale = match &text[digits.len()..] {
        "ms" => 1,
        "" | "s" => 1000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        unit => return Err(format!("{unit:?} is no unit of time (ms, s, m, h)")),
    };
    let number = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(scale));
    match number.map(Duration::from_millis) {
        Some(time) if time >= INTERVAL_MIN => Ok(time),
        Some(_) => Err("100ms is the shortest".to_owned()),
        None => Err("a time is a whole number and a unit, as in 500ms or 10s".to_owned()),
    }
}

/// Runs the command.
///
/// # Errors
/// Why the server cannot be watched.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    crate::watch::run(&Options {
        port: args.port,
        pid: args.pid,
        dir: args.dir,
        interval: args.interval,
        duration: args.duration,
        json: args.json,
        html: args.html,
        command: args.command,
    })?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_and_nonsense_is_refused() {
        for (text, millis) in [("500ms", 500), ("1s", 1000), ("10", 10_000), ("2m", 120_000)] {
            assert_eq!(time(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "s", "1.5s", "5 s", "1d", "0s", "50ms", "99999999999999999999h"] {
            assert!(time(text).is_err(), "{text}");
        }
    }
}
