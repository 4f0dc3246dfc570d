//! Where bytes are taken from a socket, is it the receiver's cost that decides, and do pages say so?

mod support;

use zclab_report::metric::Metric;
use zclab_report::record::{Line, Record, reading};
use zclab_report::study::{Bottleneck, Side, studies};
use zclab_report::{page, table, verdict};

/// The showcase with its two sides exchanged: what the sender cost there the receiver costs here.
fn exchanged() -> Record {
    let mut run = support::showcase();
    for line in &mut run.lines {
        match line {
            Line::Run(run) => run.catalogue.iter_mut().for_each(|f| f.family = "ingest".into()),
            Line::Sample(sample) => {
                for (a, b) in [
                    (reading::SENDER_CPU_NS, reading::RECEIVER_CPU_NS),
                    (reading::VOLUNTARY_SWITCHES, reading::RECEIVER_VOLUNTARY_SWITCHES),
                    (reading::INVOLUNTARY_SWITCHES, reading::RECEIVER_INVOLUNTARY_SWITCHES),
                ] {
                    let (of_a, of_b) = (sample.readings.remove(a), sample.readings.remove(b));
                    sample.readings.extend(of_a.map(|value| (b.to_owned(), value)));
                    sample.readings.extend(of_b.map(|value| (a.to_owned(), value)));
                }
            }
            Line::Ledger(ledger) => ledger.side = "receiver".into(),
            Line::Cell(cell) => {
                let sink = cell.params.remove("sink");
                cell.params.extend(sink.map(|sink| ("source".to_owned(), sink)));
            }
            _ => {}
        }
    }
    run.record()
}

#[test]
fn the_verdicts_are_those_of_the_other_side() {
    let (sent, taken) = (support::showcase().record(), exchanged());
    for (sent, taken) in studies(&sent).iter().zip(&studies(&taken)) {
        assert_eq!((sent.side, taken.side), (Side::Sender, Side::Receiver));
        assert_eq!(taken.side.cpu(), Metric::ReceiverCpu);
        let words = |study| verdict::answer(study).text();
        assert_eq!(words(taken), words(sent).replace("sender CPU", "receiver CPU"));
        for (one, other) in sent.rows().zip(taken.rows()) {
            assert_eq!(one.at_far_end(), other.at_far_end(), "{}", one.label);
            let same = match one.bottleneck {
                Bottleneck::Sender => Bottleneck::Receiver,
                Bottleneck::Receiver => Bottleneck::Sender,
                ref both => both.clone(),
            };
            assert_eq!(other.bottleneck, same, "{}", one.label);
        }
    }
}

#[test]
fn pages_and_tables_name_the_side_that_was_measured() {
    let record = exchanged();
    let terminal = table::cmp(std::slice::from_ref(&record));
    assert!(terminal.contains("Receiver CPU") && !terminal.contains("Sender CPU"), "{terminal}");
    for (file, html) in page::site(&record) {
        for words in ["sender’s CPU", "least sender CPU", "Sender CPU per KiB", "sink not recorded"]
        {
            assert!(!html.contains(words), "{file}: {words}");
        }
    }
}
