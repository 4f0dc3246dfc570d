//! What do many noisy samples say about one number, and how sure is that?
//!
//! - [`centre`]: median, mid-mean and percentiles of one set of values;
//! - [`spread`]: how far values lie apart;
//! - [`interval`]: an estimate and its 95 % interval from the launches of a run;
//! - [`paired`]: a contender against another, turn by turn;
//! - [`latency`]: percentiles of merged HdrHistograms;
//! - [`crossover`]: where along an axis the cheaper one changes;
//! - [`permutation`]: how often chance alone would show as much, over launches and over cells;
//! - [`student`]: Student's t distribution and its quantiles;
//! - [`power`]: the smallest effect that a gate would have seen, and launches for a smaller one.
//!
//! Every function takes slices and returns values; the one random generator is seeded with a
//! constant, so the same record always gives the same page.

pub mod binomial;
pub mod centre;
pub mod crossover;
pub mod interval;
pub mod latency;
pub mod paired;
pub mod permutation;
pub mod power;
pub mod spread;
pub mod student;

pub use interval::{Basis, DECISIVE_MIN, Estimate};
