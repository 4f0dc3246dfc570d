//! Whose cost decides: the sender's, or the receiver's?
//!
//! Strategies that move a log to sinks are compared by what they cost the sender; those that take bytes
//! from a socket, by what they cost the receiver. The other side is the far end: its CPU time stands
//! beside it, and where it was busy throughout, throughput says how fast *it* is.

use super::row::Bottleneck;
use crate::metric::Metric;
use crate::record::{FAMILY_TRANSFER, Record, SIDE_RECEIVER, SIDE_SENDER, Scenario};

/// The side that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// It sends.
    Sender,
    /// It receives.
    Receiver,
}

impl Side {
    /// The side that a scenario's contenders are of; they are of one family.
    #[must_use]
    pub fn of(record: &Record, scenario: &Scenario) -> Side {
        let first = scenario.contenders.first().map(String::as_str).unwrap_or_default();
        let name = first.split(' ').next().unwrap_or_default();
        let fact = record.run.catalogue.iter().find(|fact| fact.name == name);
        match fact {
            Some(fact) if fact.family != FAMILY_TRANSFER => Side::Receiver,
            _ => Side::Sender,
        }
    }

    /// Its name in words and records.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Side::Sender => SIDE_SENDER,
            Side::Receiver => SIDE_RECEIVER,
        }
    }

    /// The other side.
    #[must_use]
    pub fn far(self) -> Side {
        match self {
            Side::Sender => Side::Receiver,
            Side::Receiver => Side::Sender,
        }
    }

    /// Its CPU time: the headline.
    #[must_use]
    pub fn cpu(self) -> Metric {
        match self {
            Side::Sender => Metric::SenderCpu,
            Side::Receiver => Metric::ReceiverCpu,
        }
    }

    /// The metrics that are compared with the baseline turn by turn, where they are there.
    #[must_use]
    pub fn compared(self) -> [Metric; 4] {
        [self.cpu(), Metric::TotalCpu, Metric::Throughput, Metric::CpuLeft]
    }

    /// Times it gave up its CPU, and times it lost it.
    #[must_use]
    pub fn switches(self) -> [Metric; 2] {
        match self {
            Side::Sender => [Metric::Voluntary, Metric::Involuntary],
            Side::Receiver => [Metric::ReceiverVoluntary, Metric::ReceiverInvoluntary],
        }
    }

    /// Whether the far end was busy throughout.
    #[must_use]
    pub fn held_back_by_far_end(self, bottleneck: &Bottleneck) -> bool {
        matches!(
            (self, bottleneck),
            (_, Bottleneck::Both)
                | (Side::Sender, Bottleneck::Receiver)
                | (Side::Receiver, Bottleneck::Sender)
        )
    }
}
