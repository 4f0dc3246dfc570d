//! Does every strategy of the catalogue move exactly the bytes it was asked to, however awkward?
//!
//! Each case runs for every entry of [`zclab_strategies::ALL`], over every kind of sink, and what
//! arrived is compared byte for byte. A strategy that this machine's kernel or file system refuses
//! prints `SKIPPED: <strategy>: <call>: <errno>`; every wait is bounded by a watchdog.

mod allocations;
mod catalogue;
mod child;
mod counts;
mod due;
mod failures;
mod far_end;
mod flow;
mod paths;
mod queue_model;
mod random;
mod ranges;
mod refusals;
mod segments;
mod transforms;
mod world;
