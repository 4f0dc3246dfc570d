//! Does the whole program do what its documents say? Each module runs the built binary as a user would.

mod aliasing;
mod allocations;
mod bad_input;
mod canary;
mod counts;
mod death;
mod drivers;
mod end_to_end;
mod files;
mod gate;
mod interrupted;
mod liar;
mod placement;
mod pressure;
mod profile;
mod readers;
mod routes;
mod senders;
mod support;
mod tail;
mod transforms;
