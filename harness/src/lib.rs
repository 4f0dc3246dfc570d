//! zclab, the library behind the program: scenarios, logs, sinks, cache control, trials.

pub mod cache;
pub mod cgroup;
pub mod cmd;
pub mod counters;
pub mod cpus;
pub mod doctor;
pub mod gate;
pub mod ledger;
pub mod log;
pub mod machine;
pub mod net;
pub mod prove;
pub mod remote;
pub mod run;
pub mod scenario;
pub mod size;
pub mod trial;
pub mod volume;
pub mod watch;
