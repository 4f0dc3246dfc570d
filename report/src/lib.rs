//! What does a run mean? Values in, values out: no system call, no strategy's name.
//!
//! One straight line: [`record::read`] turns the lines of a run into a [`record::Record`];
//! [`study::studies`] lays its cells out as the matrix of each scenario, with the statistics of
//! [`stats`]; [`verdict`] turns intervals into sentences; [`page::site`] and [`table`] show both. Beside it
//! [`kernels`] lays the records of several kernels side by side, which [`page::kernels`] shows,
//! [`export`] writes what other tools read, and [`lesson`] takes the strategies' own documentation apart, which [`page::lessons`] shows.

pub mod demand;
pub mod expect;
pub mod export;
pub mod format;
pub mod gate;
pub mod hot;
pub mod kernels;
pub mod lesson;
pub mod lines;
pub mod metric;
pub mod page;
pub mod profile;
pub mod record;
pub mod stats;
pub mod study;
pub mod table;
pub mod verdict;
pub mod watch;
