//! zclab, the library behind the program: scenarios, logs, sinks, cache control, trials.

pub mod cmd;
pub mod log;
pub mod scenario;
