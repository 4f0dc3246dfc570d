//! Which subcommand does what? One file for each: `Args`, and `run` which gives the exit code.

pub mod log;
