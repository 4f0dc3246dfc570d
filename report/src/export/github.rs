//! How does a step of GitHub Actions show it?
//!
//! The summary is Markdown for `$GITHUB_STEP_SUMMARY`: the verdict first, what went wrong in sight, the
//! tables folded away. GitHub drops a summary of more than 1 MiB altogether, so whole rows are left out
//! before that, and their number stands there. [`commands`] are lines for standard output, which GitHub
//! shows as annotations beside the job; it shows ten of each kind and step.

use super::Suite;
use super::markdown::{opening, sentences};
use super::rows::{Rows, escaped, mark};
use super::suite::{Case, Check, Outcome};

/// The largest summary. GitHub takes 1 MiB for all that a step appends, so there is room for another.
pub const SUMMARY_BYTES_MAX: usize = 1_000_000;

/// Annotations of one kind that GitHub shows for a step.
pub const ANNOTATIONS_MAX: usize = 10;

/// Bytes that are kept free for closing tags and the note about what was left out.
const RESERVE_BYTES: usize = 512;

/// The longest sentence in the list of what went wrong, in characters.
const SENTENCE_CHARS_MAX: usize = 2000;

/// A text that says how much it could not take.
struct Bounded {
    text: String,
    left_out: usize,
}

impl Bounded {
    /// Takes a piece whole, or counts its rows as left out; once full it stays full, in order.
    fn push(&mut self, piece: &str, rows: usize) -> bool {
        let fits = self.text.len() + piece.len() + RESERVE_BYTES <= SUMMARY_BYTES_MAX;
        if self.left_out == 0 && fits {
            self.text += piece;
            return true;
        }
        self.left_out += rows.max(1);
        false
    }
}

pub(super) fn summary(suite: &Suite) -> String {
    let mut out = Bounded { text: String::new(), left_out: 0 };
    out.push(&opening(suite), 1);
    out.push(&format!("\n{}\n", tally(suite)), 1);
    for one in wrong(suite) {
        let said: String = one.said.chars().take(SENTENCE_CHARS_MAX).collect();
        let (id, word, said) = (escaped(&one.case.id), escaped(one.word), escaped(&said));
        out.push(&format!("\n* {} **{word}** {id}: {said}", mark(one.outcome)), 1);
    }
    out.push("\n", 0);
    for scenario in suite.scenarios() {
        let table = Rows::of(suite, scenario);
        let (name, cells) = (escaped(scenario), table.rows.len());
        let rows = if cells == 1 { "row" } else { "rows" };
        let head = format!("\n<details><summary>{name}: {cells} {rows}</summary>\n\n");
        let said = sentences(suite, scenario);
        if !out.push(&format!("{head}{said}{}", table.header), cells) {
            continue;
        }
        for row in &table.rows {
            out.push(row, 1);
        }
        // The reserve is for this.
        out.text += "\n</details>\n";
    }
    if out.left_out > 0 {
        let note =
            "left out: GitHub takes 1 MiB of a summary. `zclab gate` and `zclab cmp` print all.";
        out.text += &format!("\n{} lines were {note}\n", out.left_out);
    }
    out.text
}

/// `3 failed · 1 improved · 20 passed`.
fn tally(suite: &Suite) -> String {
    let words = [
        (Outcome::Failed, "failed"),
        (Outcome::Errored, "not to be trusted"),
        (Outcome::Improved, "improved"),
        (Outcome::Passed, "passed"),
        (Outcome::Skipped, "open or not measured"),
    ];
    let counts = words.into_iter().map(|(outcome, word)| (suite.count(outcome), outcome, word));
    let shown = counts.filter(|(count, ..)| *count > 0);
    let parts: Vec<String> = shown.map(|(n, o, word)| format!("{} {n} {word}", mark(o))).collect();
    if parts.is_empty() { "Nothing was checked.".into() } else { parts.join(" · ") }
}

/// Something that failed or cannot be trusted.
struct Wrong<'a> {
    case: &'a Case,
    outcome: Outcome,
    word: &'a str,
    said: String,
}

/// What failed or cannot be trusted, the worst first: cells of a gate, checks of a run.
fn wrong(suite: &Suite) -> Vec<Wrong<'_>> {
    let mut all: Vec<Wrong> = suite.cases.iter().flat_map(wrong_of).collect();
    all.sort_by_key(|one| std::cmp::Reverse(one.outcome));
    all
}

fn wrong_of<'a>(case: &'a Case) -> Vec<Wrong<'a>> {
    let of =
        |check: &'a Check, said| Wrong { case, outcome: check.outcome, word: &check.word, said };
    let is_wrong = |check: &&Check| check.outcome >= Outcome::Errored;
    match &case.conclusion {
        Some(whole) => Some(whole)
            .filter(is_wrong)
            .map(|one| of(one, one.sentence.clone()))
            .into_iter()
            .collect(),
        None => {
            let wrong = case.checks.iter().filter(is_wrong);
            wrong.map(|one| of(one, format!("{}: {}", one.name, one.sentence))).collect()
        }
    }
}

/// Annotations: an error for each failure, a warning for each measurement that cannot be trusted.
#[must_use]
pub fn commands(suite: &Suite) -> String {
    let wrong = wrong(suite);
    let mut out = String::new();
    for (outcome, level) in [(Outcome::Failed, "error"), (Outcome::Errored, "warning")] {
        let own: Vec<&Wrong> = wrong.iter().filter(|one| one.outcome == outcome).collect();
        let shown = if own.len() > ANNOTATIONS_MAX { ANNOTATIONS_MAX - 1 } else { own.len() };
        for one in own.iter().take(shown) {
            let title = format!("zclab: {} of {}", one.word, one.case.contender);
            out += &command(level, &title, &format!("{}: {}", one.case.id, one.said));
        }
        if own.len() > shown {
            let more = format!("{} more: see the summary", own.len() - shown);
            out += &command(level, "zclab", &more);
        }
    }
    out
}

fn command(level: &str, title: &str, message: &str) -> String {
    let data = |text: &str| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let property = |text: &str| data(text).replace(':', "%3A").replace(',', "%2C");
    format!("::{level} title={}::{}\n", property(title), data(message))
}
