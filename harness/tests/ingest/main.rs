//! Does the receive side work from a scenario file to a log that a broker could read?

mod durable;
mod end_to_end;
mod refused;
mod support;
mod whole_log;
