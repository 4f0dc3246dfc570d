//! Are scenario files read as `scenarios/README.md` says, and refused where they cannot be meant?

mod commands;
mod expect;
mod format;
mod fuzz;
mod load;
mod readme;
mod refused;
mod shipped;

use zclab::scenario::{Scenario, parse};

/// The top of a file that lacks nothing.
const HEAD: &str = "question = \"Why?\"\nbaseline = \"read-write\"\n\
                    strategies = [\"null\", \"read-write\"]\n";

/// The scenario of a file with this text behind the usual head.
fn with_head(rest: &str) -> Scenario {
    whole(&format!("{HEAD}{rest}"))
}

/// The scenario of a file with this text.
fn whole(text: &str) -> Scenario {
    match parse("group/test", "test.toml", text) {
        Ok(scenario) => scenario,
        Err(bad) => panic!("refused:\n{bad}\n--- text\n{text}"),
    }
}
