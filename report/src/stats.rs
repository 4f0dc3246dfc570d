//! What do many noisy samples say about one number, and how sure is that?
//!
//! - [`centre`]: median, mid-mean and percentiles of one set of values;
//! - [`spread`]: how far values lie apart;
//! - [`interval`]: an estimate and its 95 % interval from the launches of a run;
//! - [`paired`]: a contender against another, turn by turn;
//! - [`latency`]: percentiles of merged HdrHistograms;
//! - [`crossover`]: where along an axis the cheaper one changes.
//!
//! Every function takes slices and returns values; the one random generator is seeded with a
//! constant, so the same record always gives the same page.

pub mod centre;
pub mod crossover;
pub mod interval;
pub mod latency;
pub mod paired;
pub mod spread;

pub use interval::{Basis, DECISIVE_MIN, Estimate};
