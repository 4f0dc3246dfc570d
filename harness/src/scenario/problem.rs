//! What is wrong with a scenario file, and where exactly?

use std::fmt;
use std::ops::Range;

/// A file gets no more problems listed than this; the rest are counted.
const PROBLEMS_MAX: usize = 20;

/// A quoted line is cut to this many characters.
const QUOTE_CHARS_MAX: usize = 96;

/// All that is wrong with one scenario file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct BadScenario {
    /// The problems, in the order of the file.
    pub problems: Vec<Problem>,
}

/// One thing that is wrong with a scenario file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file, as the user named it.
    pub file: String,
    /// Where: absent where the file as a whole is meant.
    pub place: Option<Spot>,
    /// The key, with the tables and positions that lead to it: `matrix.fetch[2]`; empty for the
    /// file itself.
    pub key: String,
    /// What is wrong, as a clause.
    pub what: String,
    /// What was expected instead, or empty.
    pub expected: String,
    /// What was probably meant, where something comes near.
    pub near: Option<String>,
}

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spot {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// The line's text, without control characters, cut when it is long.
    pub quote: String,
    /// How many characters from `column` on are meant.
    pub width: usize,
}

impl Spot {
    /// Where a range of bytes lies in a text. Ranges beyond the text point at its end.
    #[must_use]
    pub fn find(text: &str, span: &Range<usize>) -> Spot {
        let start = floor_char(text, span.start);
        let end = floor_char(text, span.end.max(start));
        let line_start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |newline| start + newline);
        let quote = text[line_start..line_end].trim_end_matches('\r');
        Spot {
            line: text[..start].matches('\n').count() + 1,
            column: text[line_start..start].chars().count() + 1,
            quote: printable(quote, QUOTE_CHARS_MAX),
            width: text[start..end.min(line_end).max(start)].trim_end().chars().count().max(1),
        }
    }
}

/// The last character boundary that is no greater than `at`.
fn floor_char(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// A file's text may hold anything; a terminal should not be steered by it.
pub(super) fn printable(text: &str, chars_max: usize) -> String {
    let mut shown: String =
        text.chars().take(chars_max).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(chars_max).is_some() {
        shown.push('…');
    }
    shown
}

/// The candidate that is most like `word`, if one is like it at all.
pub(super) fn near<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    const ALIKE: f64 = 0.7;
    // Similarity is quadratic in the length, and a long word is no misspelt key.
    if word.chars().count() > 64 {
        return None;
    }
    let word = word.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(&word, &candidate.to_lowercase()), candidate))
        .filter(|(alike, _)| *alike > ALIKE)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate.to_owned())
}

impl fmt::Display for BadScenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().take(PROBLEMS_MAX).enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        match self.problems.len().saturating_sub(PROBLEMS_MAX) {
            0 => Ok(()),
            more => write!(f, "\n… and {more} more problems in this file"),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(spot) = &self.place {
            write!(f, ":{}:{}", spot.line, spot.column)?;
        }
        f.write_str(": ")?;
        if !self.key.is_empty() {
            write!(f, "{}: ", printable(&self.key, QUOTE_CHARS_MAX))?;
        }
        f.write_str(&self.what)?;
        if let Some(near) = &self.near {
            write!(f, "; did you mean `{near}`?")?;
        }
        if let Some(spot) = &self.place {
            spot.fmt(f)?;
        }
        if !self.expected.is_empty() {
            write!(f, "\n       = expected {}", self.expected)?;
        }
        Ok(())
    }
}

impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\n{:>6} | {}", self.line, self.quote)?;
        let room = (QUOTE_CHARS_MAX + 2).saturating_sub(self.column);
        if room == 0 {
            return Ok(());
        }
        let indent = " ".repeat(self.column - 1);
        write!(f, "\n       | {indent}{}", "^".repeat(self.width.min(room)))
    }
}

#[cfg(test)]
mod tests {
    use super::{Spot, near};
    use proptest::prelude::*;

    #[test]
    fn a_spot_counts_lines_and_characters() {
        let text = "a = 1\nüb = \"x\"\r\n";
        let spot = Spot::find(text, &(12..15));
        assert_eq!((spot.line, spot.column, spot.width), (2, 6, 3));
        assert_eq!(spot.quote, "üb = \"x\"");
    }

    #[test]
    fn a_near_match_has_to_be_near() {
        let keys = ["consumers", "access", "cache"];
        assert_eq!(near("consumer", keys).as_deref(), Some("consumers"));
        assert_eq!(near("Cache", keys).as_deref(), Some("cache"));
        assert_eq!(near("zzz", keys), None);
    }

    proptest! {
        #[test]
        fn any_span_of_any_text_has_a_spot(text: String, start in 0..200_usize, end in 0..200_usize) {
            let spot = Spot::find(&text, &(start..end));
            let _ = spot.to_string();
        }
    }
}
