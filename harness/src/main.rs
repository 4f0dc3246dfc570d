//! The `zclab` program.
fn main() {}
