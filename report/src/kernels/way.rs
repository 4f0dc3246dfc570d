//! Which way did a cell's bytes go?
//!
//! A sender's way is its sink and whether the device there gathers fragments; a receiver's is the kind
//! of its socket and how the far end sent, since that decides what packets consist of.

use crate::record::Cell;
use serde_json::Value;

/// The way of a cell's bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// Out of the log.
    Out {
        /// The kind of sink.
        sink: String,
        /// The sending device may gather fragments, or there is none that could be denied it.
        gathers: bool,
    },
    /// Into it, or to a consumer.
    In {
        /// The kind of socket.
        source: String,
        /// How the far end sent.
        feed: String,
    },
}

impl Way {
    /// The way of a cell, by its parameters.
    #[must_use]
    pub fn of(cell: &Cell) -> Way {
        let param = |name: &str| cell.params.get(name).and_then(Value::as_str);
        match (param("source"), param("sink")) {
            (Some(source), None) => {
                let feed = param("feed").unwrap_or("?").to_owned();
                Way::In { source: source.to_owned(), feed }
            }
            (_, sink) => Way::Out {
                sink: sink.unwrap_or("?").to_owned(),
                gathers: param("scatter_gather") != Some("off"),
            },
        }
    }

    /// The bytes leave a log.
    #[must_use]
    pub fn leaves(&self) -> bool {
        matches!(self, Way::Out { .. })
    }

    /// Whether sharing pages is possible all the way: a file is written by a copy whoever writes it,
    /// and a device that gathers nothing is handed a copy.
    #[must_use]
    pub fn may_share(&self) -> bool {
        matches!(self, Way::Out { sink, gathers } if *gathers && sink != "file")
    }

    /// It in words: `TCP over loopback`.
    #[must_use]
    pub fn words(&self) -> String {
        let kind = |name: &str| match name {
            "tcp-loopback" => "TCP over loopback".to_owned(),
            "tcp-remote" => "TCP to another host".to_owned(),
            "tcp-veth" => "TCP to another host over veth".to_owned(),
            "unix-stream" => "Unix socket".to_owned(),
            other => other.to_owned(),
        };
        match self {
            Way::Out { sink, gathers: true } => kind(sink),
            Way::Out { sink, gathers: false } => {
                format!("{}, its device without scatter-gather", kind(sink))
            }
            Way::In { source, feed } => format!("{}, fed by {feed}", kind(source)),
        }
    }

    /// It as a heading of a narrow column: `loopback`.
    #[must_use]
    pub fn short(&self) -> String {
        let kind = |name: &str| match name {
            "tcp-loopback" => "TCP loopback".to_owned(),
            "tcp-remote" => "TCP remote".to_owned(),
            "tcp-veth" => "TCP veth".to_owned(),
            "unix-stream" => "Unix socket".to_owned(),
            other => other.to_owned(),
        };
        match self {
            Way::Out { sink, gathers: true } => kind(sink),
            Way::Out { sink, gathers: false } => format!("{}, no scatter-gather", kind(sink)),
            Way::In { source, feed } => format!("{} ← {feed}", kind(source)),
        }
    }
}
