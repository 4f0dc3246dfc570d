//! Does a gate come to what is true, and never to more than was measured?

mod support;

#[path = "gate/reading.rs"]
mod reading;
