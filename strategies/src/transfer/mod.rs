//! The transfer strategies: log to sink, one file each.

pub mod null;
pub mod read_write;
