//! zclab, the library behind the program: scenarios, logs, sinks, cache control, trials.

pub mod log;
