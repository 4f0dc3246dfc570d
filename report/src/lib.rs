//! What does a run mean? Values in, values out: no system call, no strategy's name.

pub mod record;
pub mod stats;
