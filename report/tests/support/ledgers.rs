//! What kernel programs would have counted in the made-up runs.

use super::{Builder, showcase};
use zclab_report::record::{Agreement, Hop, Ledger, Line};

const PAYLOAD: u64 = 16 << 20;

/// The showcase as root would have it: every cell of `quick/size` counted, all as claimed, but
/// sendfile copies at 64 KiB, and nobody sees what splice's receiver does.
pub fn witnessed() -> Builder {
    let mut builder = showcase();
    for line in &mut builder.lines {
        if let Line::Ledger(ledger) = line
            && ledger.cell.starts_with("quick/size/")
        {
            observe(ledger);
            if ledger.cell.contains("/sendfile/") && ledger.cell.contains("fetch=65536") {
                contradict(ledger);
            }
            if ledger.cell.contains("/splice/") {
                hide_the_last(ledger);
            }
        }
    }
    builder
}

fn observe(ledger: &mut Ledger) {
    ledger.payload_bytes = PAYLOAD;
    ledger.cpu_copies_per_byte.observed = ledger.cpu_copies_per_byte.predicted;
    ledger.mode_switches_per_mib.observed = Some(96.0);
    ledger.agreement = Agreement::Agrees;
    ledger.reason = None;
    for hop in &mut ledger.hops {
        hop.predicted_bytes = PAYLOAD;
        hop.observed_bytes = Some(if hop.by == "device" { PAYLOAD * 5 / 4 } else { PAYLOAD });
        hop.evidence = "a made-up program".into();
    }
    let by_reference =
        ledger.hops.iter().any(|hop| hop.from == "page-cache" && hop.by == "reference");
    let class = if by_reference { "wire_log_bytes" } else { "wire_private_bytes" };
    ledger.counts = [
        (class, PAYLOAD),
        ("wire_packets", 512),
        ("faults_user", 32),
        ("sender_voluntary_switches", 16),
        ("sender_involuntary_switches", 2),
        ("cache_fill_bytes", PAYLOAD / 2),
        ("windows", 2),
    ]
    .map(|(name, count)| (name.to_owned(), count))
    .into();
    ledger.syscalls =
        [("pread64", 256u64), ("sendto", 512)].map(|(name, n)| (name.to_owned(), n)).into();
}

fn contradict(ledger: &mut Ledger) {
    ledger.cpu_copies_per_byte.observed = Some(1.0);
    ledger.agreement = Agreement::Contradicts;
    ledger.reason = Some("page cache to socket buffer was copied".into());
    let claimed = &mut ledger.hops[0];
    claimed.observed_bytes = Some(0);
    let copied = Hop {
        by: "cpu-copy".into(),
        predicted_bytes: 0,
        observed_bytes: Some(PAYLOAD),
        why: "not claimed".into(),
        ..claimed.clone()
    };
    ledger.hops.push(copied);
}

fn hide_the_last(ledger: &mut Ledger) {
    ledger.agreement = Agreement::Unobserved;
    ledger.reason = Some("wire → receiver: the receiver drops its bytes".into());
    if let Some(hop) = ledger.hops.last_mut() {
        hop.observed_bytes = None;
        hop.evidence = "unavailable: the receiver drops its bytes".into();
    }
}
