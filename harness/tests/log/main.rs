//! Does what zclab reads and writes agree with what real brokers and clients read and write?

mod damage;
mod flips;
mod generated;
mod golden;
mod imports;
mod interop;
mod properties;
mod support;
