//! What do other people's tools read?
//!
//! [`gate()`] and [`run()`] turn what was measured into a [`Suite`], which knows neither gates nor runs
//! but cases, arms and numbers; one file for each format writes it down. All of them are pure, hold
//! what the record holds, and leave out what is not known: no format says 0, NaN or infinity for it.

mod bmf;
mod criterion;
mod gha_benchmark;
mod github;
mod gobench;
mod hlog;
mod hyperfine;
mod json;
mod junit;
mod markdown;
mod rows;
pub mod suite;

pub use github::{ANNOTATIONS_MAX, SUMMARY_BYTES_MAX, commands};
pub use json::schema;
pub use suite::Suite;

use crate::gate::Report;
use crate::record::Record;
use std::str::FromStr;

/// A format that another tool reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// JUnit XML, as test reports of CI systems take it.
    Junit,
    /// Markdown for the summary of a step of GitHub Actions, of bounded size.
    Github,
    /// Bencher Metric Format.
    Bmf,
    /// github-action-benchmark: a file of what should be small, one of what should be big.
    GhaBenchmark,
    /// Go's benchmark format, for benchstat.
    Gobench,
    /// The tree that criterion leaves behind, for critcmp.
    Criterion,
    /// What hyperfine exports as JSON.
    Hyperfine,
    /// A log of HdrHistogram: every latency distribution.
    Hlog,
    /// Markdown, whole.
    Markdown,
    /// Everything that the other formats are made of.
    Json,
}

/// What an export consists of.
#[derive(Clone, Debug, PartialEq)]
pub enum Exported {
    /// One text.
    Text(String),
    /// Several files, named relative to a folder; none where nothing was measured that they could hold.
    Files(Vec<(String, String)>),
}

impl Format {
    /// All, in the order of lists.
    pub const ALL: [Format; 10] = [
        Format::Junit,
        Format::Github,
        Format::Bmf,
        Format::GhaBenchmark,
        Format::Gobench,
        Format::Criterion,
        Format::Hyperfine,
        Format::Hlog,
        Format::Markdown,
        Format::Json,
    ];

    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Format::Junit => "junit",
            Format::Github => "github",
            Format::Bmf => "bmf",
            Format::GhaBenchmark => "gha-benchmark",
            Format::Gobench => "gobench",
            Format::Criterion => "criterion",
            Format::Hyperfine => "hyperfine",
            Format::Hlog => "hlog",
            Format::Markdown => "markdown",
            Format::Json => "json",
        }
    }

    /// Whether it is several files, so that it needs a folder.
    #[must_use]
    pub fn is_files(self) -> bool {
        matches!(self, Format::GhaBenchmark | Format::Criterion)
    }
}

impl FromStr for Format {
    type Err = String;

    fn from_str(name: &str) -> Result<Format, String> {
        Format::ALL.into_iter().find(|format| format.name() == name).ok_or_else(|| {
            let known = Format::ALL.map(Format::name);
            format!("unknown format {name:?}: expected {}", known.join(", "))
        })
    }
}

/// What a gate concluded and measured, in a format.
#[must_use]
pub fn gate(report: &Report, format: Format) -> Exported {
    write(&Suite::of_gate(report), format)
}

/// What runs measured, in a format; cells of the same id stand side by side.
#[must_use]
pub fn run(records: &[Record], format: Format) -> Exported {
    write(&Suite::of_runs(records), format)
}

/// A suite in a format. Making the suite is what takes time: several formats can share one.
#[must_use]
pub fn write(suite: &Suite, format: Format) -> Exported {
    match format {
        Format::Junit => Exported::Text(junit::write(suite)),
        Format::Github => Exported::Text(github::summary(suite)),
        Format::Bmf => Exported::Text(bmf::write(suite)),
        Format::GhaBenchmark => Exported::Files(gha_benchmark::write(suite)),
        Format::Gobench => Exported::Text(gobench::write(suite)),
        Format::Criterion => Exported::Files(criterion::write(suite)),
        Format::Hyperfine => Exported::Text(hyperfine::write(suite)),
        Format::Hlog => Exported::Text(hlog::write(suite)),
        Format::Markdown => Exported::Text(markdown::write(suite)),
        Format::Json => Exported::Text(json::write(suite)),
    }
}

/// A value as one line of JSON. Numbers are finite by the making of a suite, and its keys are texts, so
/// nothing here can fail; were it to, the text would be no JSON, which every reader refuses.
fn json_text(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).map_or_else(|error| error.to_string(), |text| text + "\n")
}

/// A name of at most `chars_max` characters: a longer one ends in a checksum (FNV-1a) of the whole.
fn shortened(name: &str, chars_max: usize) -> String {
    if name.chars().count() <= chars_max {
        return name.to_owned();
    }
    let checksum = name.bytes().fold(0xcbf2_9ce4_8422_2325u64, |sum, byte| {
        (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let kept: String = name.chars().take(chars_max.saturating_sub(17)).collect();
    format!("{kept}~{checksum:016x}")
}
