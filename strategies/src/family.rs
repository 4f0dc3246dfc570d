//! Which families of strategies are there, and what do all their members have in common?
//!
//! A family has a contract and a catalogue of its own; a scenario compares members of one. Lists,
//! labels and records need only what an [`Entry`] says.

use crate::{Disturbance, Ingest, OptionSpec, Strategy, ingest, transfer};

/// What a strategy moves from where to where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// From the log to sinks.
    Transfer,
    /// From a socket into a log's file.
    Ingest,
    /// From a socket to a consumer, which keeps nothing.
    Receive,
}

impl Family {
    /// All, in the order of lists.
    pub const ALL: &'static [Family] = &[Family::Transfer, Family::Ingest, Family::Receive];

    /// The name in scenario files and records.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Family::Transfer => "transfer",
            Family::Ingest => "ingest",
            Family::Receive => "receive",
        }
    }

    /// What its members do, for lists.
    #[must_use]
    pub fn what(self) -> &'static str {
        match self {
            Family::Transfer => "from the log to sinks: what a broker does for consumers",
            Family::Ingest => "from a socket into a log: what a follower does, and an upload",
            Family::Receive => "from a socket into memory: what a consumer does",
        }
    }

    /// Its members, in the order of the story that reports tell.
    pub fn entries(self) -> impl Iterator<Item = Entry> {
        entries().filter(move |entry| entry.family() == self)
    }
}

/// A member of any family.
#[derive(Clone, Copy)]
pub enum Entry {
    /// A transfer strategy.
    Transfer(&'static dyn Strategy),
    /// An ingest strategy, or one of a consumer.
    Ingest(&'static dyn Ingest),
}

/// Every strategy of every family, family by family.
pub fn entries() -> impl Iterator<Item = Entry> {
    let transfers = transfer::ALL.iter().map(|strategy| Entry::Transfer(*strategy));
    transfers.chain(ingest::ALL.iter().map(|strategy| Entry::Ingest(*strategy)))
}

impl Entry {
    /// The strategy of that name, whatever its family.
    #[must_use]
    pub fn find(name: &str) -> Option<Entry> {
        entries().find(|entry| entry.name() == name)
    }

    /// Which family it is of.
    #[must_use]
    pub fn family(self) -> Family {
        match self {
            Entry::Transfer(_) => Family::Transfer,
            Entry::Ingest(one) if one.keeps() => Family::Ingest,
            Entry::Ingest(_) => Family::Receive,
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Entry::Transfer(one) => one.name(),
            Entry::Ingest(one) => one.name(),
        }
    }

    /// The question that it asks the kernel.
    #[must_use]
    pub fn question(self) -> &'static str {
        match self {
            Entry::Transfer(one) => one.question(),
            Entry::Ingest(one) => one.question(),
        }
    }

    /// What running it does to its neighbours.
    #[must_use]
    pub fn disturbs(self) -> Disturbance {
        match self {
            Entry::Transfer(one) => one.disturbs(),
            Entry::Ingest(one) => one.disturbs(),
        }
    }

    /// The options that a scenario may set.
    #[must_use]
    pub fn options(self) -> &'static [OptionSpec] {
        match self {
            Entry::Transfer(one) => one.options(),
            Entry::Ingest(one) => one.options(),
        }
    }

    /// Whether it moves the log's bytes: see [`Strategy::moves_the_log`].
    #[must_use]
    pub fn moves_the_log(self) -> bool {
        match self {
            Entry::Transfer(one) => one.moves_the_log(),
            Entry::Ingest(_) => true,
        }
    }
}
