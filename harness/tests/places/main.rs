//! Where bytes go to and come from, beyond this host and its own file systems: both ends of a run
//! over a network, and logs on file systems that a run makes.

#[path = "../lab/support.rs"]
#[allow(dead_code)]
mod lab;

mod remote;
mod sink;
mod strangers;
mod volumes;
