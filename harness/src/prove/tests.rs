//! Words, contradictions and the answer, of cells as they were recorded.

use super::{Answer, Found, Place, answer, found, proof};
use zclab_report::record::Measured;

fn measured(copies: &str, agreement: &str, shared: u64, verdict: &str) -> Measured {
    let cell = r#"{"cell":"p/sendfile/x","scenario":"p","strategy":"sendfile","label":"sendfile",
        "params":{"sink":"tcp-loopback"},"status":"ok"}"#;
    let ledger = format!(
        r#"{{"cell":"p/sendfile/x","payload_bytes":100,
        "cpu_copies_per_byte":{{"predicted":0.0,"observed":{copies}}},
        "mode_switches_per_mib":{{"predicted":null,"observed":null}},"hops":[],
        "agreement":"{agreement}","reason":"a hop"}}"#
    );
    let probe = format!(
        r#"{{"cell":"p/sendfile/x","shared_bytes":{shared},"probed_bytes":100,
        "expected":"shared","verdict":"{verdict}"}}"#
    );
    Measured {
        cell: serde_json::from_str(cell).ok(),
        ledger: serde_json::from_str(&ledger).ok(),
        aliasing: serde_json::from_str(&probe).into_iter().collect(),
        ..Measured::default()
    }
}

fn place(measured: &[Measured]) -> Place {
    let proofs = measured.iter().filter_map(proof).collect();
    Place { dir: String::new(), filesystem: String::new(), proofs }
}

#[test]
fn witnesses_make_a_word() {
    let why = || "nobody".to_owned();
    assert_eq!(found(Some(0.0), Some(1.0), why), Found::Shared);
    assert_eq!(found(None, Some(1.0), why), Found::Shared);
    let copied = |copies_per_byte| Found::Copied { copies_per_byte };
    assert_eq!(found(Some(2.0), None, why), copied(Some(2.0)));
    assert_eq!(found(None, Some(0.0), why), copied(None));
    // A direct read is no copy, and yet nothing of the page cache is shared.
    assert_eq!(found(Some(0.0), Some(0.0), why), copied(Some(0.0)));
    assert_eq!(found(None, None, why), Found::Unobserved { why: why() });
}

#[test]
fn a_contradiction_of_any_witness_is_no() {
    let honest = measured("0.0", "agrees", 100, "agrees");
    assert_eq!(answer(&[place(std::slice::from_ref(&honest))]), Answer::Yes);
    let copied = measured("1.0", "contradicts", 0, "contradicts");
    let no = place(&[honest.clone(), copied]);
    assert_eq!(no.proofs[1].contradictions.len(), 2, "{:?}", no.proofs[1]);
    assert_eq!(answer(&[no]), Answer::No);
    // The witnesses disagree with each other, whatever the claim.
    let odd = place(&[measured("1.0", "agrees", 100, "agrees")]);
    assert!(odd.proofs[0].contradictions[0].contains("disagree"));
    assert_eq!(answer(&[odd]), Answer::No);
    let blind = measured("null", "unobserved", 0, "unobserved");
    let blind = Measured { aliasing: Vec::new(), ..blind };
    assert_eq!(answer(&[place(&[blind])]), Answer::Unknown);
}
