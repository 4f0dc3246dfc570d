//! Does `zclab watch` say of servers what they are known to do? Nothing here asserts a time.

mod ends;
mod gated;
mod nginx;
mod sender;
mod senders;
mod support;
