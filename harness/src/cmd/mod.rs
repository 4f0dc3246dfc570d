//! Which subcommand does what? One file for each: `Args`, and `run` which gives the exit code.

pub mod completions;
pub mod list;
pub mod man;
pub mod show;
