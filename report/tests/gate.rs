//! Does a gate come to what is true, and never to more than was measured?

mod support;

#[path = "gate/exact.rs"]
mod exact;
#[path = "gate/odd.rs"]
mod odd;
#[path = "gate/reading.rs"]
mod reading;
#[path = "gate/timing.rs"]
mod timing;
#[path = "gate/words.rs"]
mod words;
