//! Where a file is opened for each fetch: who reads it through that descriptor, and what goes with it?
//!
//! Whoever mapped the log once, registered its files with a ring, or opened them for direct I/O would
//! go on with what it has, and the file that was opened would be nobody's.

use crate::scenario::{Access, Cell, Transform};
use crate::trial::wire::demand::Driver;

/// Strategies that name the file by its descriptor in each call.
pub const BY_DESCRIPTOR: &[&str] = &[
    "null",
    "read-write",
    "preadv-sendmsg",
    "sendfile",
    "sendfile-dropbehind",
    "splice",
    "splice-tee",
    "ktls-sendfile",
    "copy-file-range",
    "uncached-write",
    "uring-read-send",
    "uring-splice",
    "uring-sqpoll",
    "uring-send-zc",
];

/// Those that do with this value of this option.
const BY_OPTION: &[(&str, &str, &str)] = &[
    ("mmap-write", "map", "per-fetch"),
    ("msg-zerocopy", "source", "buffer"),
    ("vmsplice-splice", "source", "gift"),
];

/// Those that keep the log mapped, registered, or open by themselves, whatever their options.
#[cfg(test)]
const KEEPING: &[&str] = &[
    "mmap-heap-write",
    "mmap-write-each",
    "mmap-writev",
    "uring-fixed",
    "uring-mmap-send-zc",
    "direct-write",
    "direct-sendfile",
    "direct-send-zc",
];

/// Why a cell cannot open a file for each fetch, if it is asked to.
#[must_use]
pub fn refused(cell: &Cell) -> Option<String> {
    let condition = cell.condition;
    if condition.access != Access::Files {
        return None;
    }
    let demand = condition.demand;
    let alone = condition.senders.is_none_or(|senders| senders.count <= 1);
    let why = match () {
        () if cell.contender.bare => "a bare loop opens nothing",
        () if demand.driver != Driver::Blocking => {
            "only driver = \"blocking\" opens a file for each fetch"
        }
        () if demand.rate > 0 => {
            "a fetch begins when the one before has been delivered, at no rate"
        }
        () if condition.transform != Transform::None => {
            "what is transformed is read ahead of its fetch"
        }
        () if !alone => "each of many senders would need files of its own",
        () if !by_descriptor(cell) => {
            "it keeps the log mapped, registered, or open by itself: a file that is opened for a \
             fetch would be nobody's"
        }
        () => return None,
    };
    Some(format!("access = \"files\": {why}"))
}

fn by_descriptor(cell: &Cell) -> bool {
    let name = cell.contender.strategy.name();
    let options = cell.contender.complete_options();
    BY_DESCRIPTOR.contains(&name)
        || BY_OPTION.iter().any(|&(of, option, value)| of == name && options.word(option) == value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_strategy_is_in_one_of_the_lists() {
        for strategy in zclab_strategies::ALL {
            let name = strategy.name();
            let optional = BY_OPTION.iter().filter(|(of, ..)| *of == name).count();
            let always =
                [BY_DESCRIPTOR, KEEPING].iter().filter(|list| list.contains(&name)).count();
            assert_eq!(
                optional + always,
                1,
                "{name}: does it read a file through the descriptor that it was given, each time?"
            );
        }
    }

    #[test]
    fn the_lists_name_strategies_and_options_that_there_are() {
        for name in BY_DESCRIPTOR {
            assert!(zclab_strategies::find(name).is_some(), "{name}");
        }
        for (name, option, value) in BY_OPTION {
            let options = zclab_strategies::find(name).expect(name).options();
            let spec = options.iter().find(|one| one.name == *option).expect(option);
            assert!(format!("{:?}", spec.kind).contains(value), "{value}");
        }
    }
}
