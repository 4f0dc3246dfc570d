//! What did the receiver see of a file that was rewritten while its bytes were in flight?

use super::Agreement;
use crate::format;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the aliasing probe saw of a cell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Aliasing {
    /// The cell's id.
    pub cell: String,
    /// Payload bytes that the receiver saw rewritten: what was queued for it was the file's pages.
    pub shared_bytes: u64,
    /// Payload bytes that were rewritten in flight; 0 when the probe says nothing.
    pub probed_bytes: u64,
    /// What the claimed path predicts; absent when the probe says nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<Sharing>,
    /// Whether claim and probe agree.
    #[serde(default = "unobserved")]
    pub verdict: Agreement,
    /// Why the probe says nothing, where it says nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Whether what is queued for a receiver is the file's own pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Sharing {
    /// References to the file's pages lead all the way: a receiver sees what is written later.
    Shared,
    /// Somewhere on the way a private copy was made: a receiver sees what was sent.
    Copied,
}

impl Aliasing {
    /// The finding in words: `65,536 of 65,536 bytes shared`, or `not probed: <reason>`.
    #[must_use]
    pub fn words(&self) -> String {
        words(self.shared_bytes, self.probed_bytes, self.reason.as_deref())
    }

    /// The claim, where the probe contradicts it: `the claimed path copies on the way`.
    #[must_use]
    pub fn contradicted(&self) -> Option<&'static str> {
        match (self.verdict, self.expected?) {
            (Agreement::Contradicts, Sharing::Shared) => {
                Some("the claimed path hands the log's pages on by reference, all the way")
            }
            (Agreement::Contradicts, Sharing::Copied) => {
                Some("the claimed path copies before the receiver does")
            }
            _ => None,
        }
    }
}

/// [`Aliasing::words`] for sums over several cells.
#[must_use]
pub fn words(shared_bytes: u64, probed_bytes: u64, reason: Option<&str>) -> String {
    if probed_bytes == 0 {
        return format!("not probed: {}", reason.unwrap_or("no reason recorded"));
    }
    let count = |bytes: u64| format::significant(bytes as f64, 1);
    format!("{} of {} bytes shared", count(shared_bytes), count(probed_bytes))
}

fn unobserved() -> Agreement {
    Agreement::Unobserved
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_first_format_is_unobserved_and_words_are_exact() {
        let text = r#"{"cell":"c","shared_bytes":65536,"probed_bytes":65536}"#;
        let line: Aliasing = serde_json::from_str(text).unwrap();
        assert_eq!((line.verdict, line.expected), (Agreement::Unobserved, None));
        assert_eq!(line.words(), "65,536 of 65,536 bytes shared");
        assert_eq!(words(0, 1_234_567, None), "0 of 1,234,567 bytes shared");
        assert_eq!(words(0, 0, Some("a file")), "not probed: a file");
        assert_eq!(line.contradicted(), None);
    }
}
