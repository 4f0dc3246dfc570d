//! The ledger: its object, its lists, what it counts on this machine, and whom it finds out.

#[path = "../lab/support.rs"]
mod lab;
#[path = "../lab/liar.rs"]
mod liar;

mod counting;
mod filesystems;
mod leaks;
mod lies;
mod object;
mod prove;
mod rings;
mod routes;
mod support;
