//! Does what zclab reads and writes agree with what real brokers and clients read and write?

mod flips;
mod generated;
mod golden;
mod support;
