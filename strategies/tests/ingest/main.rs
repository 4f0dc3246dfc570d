//! Does every ingest strategy put exactly the bytes that came where they belong, however awkward?
//!
//! Each case runs for every entry of [`zclab_strategies::ingest::ALL`] from each kind of socket, and
//! the file is compared byte for byte, what was there before included. A strategy that this machine's
//! kernel refuses prints `SKIPPED: <strategy>: <call>: <errno>`; every wait is bounded by a watchdog.

#[path = "../conformance/allocations.rs"]
mod allocations;
mod catalogue;
mod counts;
mod failures;
mod flow;
mod mapped;
mod refusals;
mod world;
