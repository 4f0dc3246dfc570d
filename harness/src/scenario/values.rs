//! What may a key be set to, and how is that told to people?

use crate::size;

/// What a key may be set to, and the value when the file is silent.
#[derive(Clone, Copy, Debug)]
pub enum Values {
    /// A text.
    Text {
        /// Whether the file must have it.
        required: bool,
    },
    /// A number of bytes, written as `"64 KiB"` or as a whole number; required without a default.
    Bytes {
        /// The value when the file is silent.
        default: Option<u64>,
        /// The least value.
        min: u64,
        /// The greatest value.
        max: u64,
    },
    /// A whole number; required without a default.
    Count {
        /// The value when the file is silent.
        default: Option<u64>,
        /// The least value.
        min: u64,
        /// The greatest value.
        max: u64,
    },
    /// A number between two bounds, neither of them included; always required.
    Real {
        /// The lower bound.
        above: f64,
        /// The upper bound.
        below: f64,
    },
    /// One word of a list.
    Word {
        /// The value when the file is silent.
        default: &'static str,
        /// The words.
        of: fn() -> Vec<&'static str>,
    },
    /// Something with a form of its own.
    Form {
        /// The value when the file is silent, as TOML; empty when the file must have it.
        default: &'static str,
        /// The forms, for people.
        forms: &'static str,
    },
}

impl Values {
    /// The values for people, so that it completes "expected …".
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Values::Text { .. } => "a text in quotes".to_owned(),
            Values::Bytes { min, max, .. } => {
                let (min, max) = (size::show(*min), size::show(*max));
                format!("bytes from {min} to {max}, as in \"64 KiB\" or 65536")
            }
            Values::Count { min, max, .. } => format!("a whole number from {min} to {max}"),
            Values::Real { above, below } => format!("a number above {above} and below {below}"),
            Values::Word { of, .. } => format!("one of {}", of().join(", ")),
            Values::Form { forms, .. } => (*forms).to_owned(),
        }
    }

    /// The value when the file is silent, as a file would write it; nothing when there is none.
    #[must_use]
    pub fn default_text(&self) -> Option<String> {
        match self {
            Values::Bytes { default, .. } => {
                default.map(|bytes| format!("\"{}\"", size::show(bytes)))
            }
            Values::Count { default, .. } => default.map(|count| count.to_string()),
            Values::Word { default, .. } => Some(format!("\"{default}\"")),
            Values::Form { default, .. } => (!default.is_empty()).then(|| (*default).to_owned()),
            Values::Text { .. } | Values::Real { .. } => None,
        }
    }

    /// The default of a word.
    pub(super) fn default_word(&self) -> Option<&'static str> {
        match self {
            Values::Word { default, .. } => Some(default),
            _ => None,
        }
    }

    /// The default of a number; 0 where there is none.
    pub(super) fn default_number(&self) -> u64 {
        match self {
            Values::Bytes { default, .. } | Values::Count { default, .. } => default.unwrap_or(0),
            _ => 0,
        }
    }
}
