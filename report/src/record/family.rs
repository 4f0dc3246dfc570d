//! Which way do a record's bytes go, and whose costs are measured?
//!
//! Records from before there was a choice are of transfers, whose sender is measured.

/// Family of the strategies that move a log to sinks; all others take bytes from a socket.
pub const FAMILY_TRANSFER: &str = "transfer";

/// The side that is measured where a log is sent.
pub const SIDE_SENDER: &str = "sender";

/// The side that is measured where bytes are ingested or received.
pub const SIDE_RECEIVER: &str = "receiver";

pub(super) fn transfer() -> String {
    FAMILY_TRANSFER.to_owned()
}

pub(super) fn sender() -> String {
    SIDE_SENDER.to_owned()
}
