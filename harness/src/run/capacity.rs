//! Can this machine hold so many consumers, and can they be served as the scenario says?
//!
//! What is asked here is known before a child is started. Each consumer is one descriptor in the
//! sender and one in its receiver, and one local port; each may be a thread.

use crate::scenario::{Access, Cell};
use crate::trial::footprint::descriptor_limits;
use crate::trial::wire::Trouble;
use crate::trial::wire::demand::Driver;
use zclab_report::record::Status;
use zclab_strategies::SinkKind;

/// Descriptors that a process of a trial needs beside those of log and consumers: pipes of a
/// strategy, rings, the epoll, its standard streams.
const OTHERS: u64 = 192;

/// What the engine of one thread needs of them.
const OF_AN_ENGINE: u64 = 4;

/// More threads than this show nothing but the scheduler.
pub const THREADS_MAX: u32 = 1024;

/// An open loop that takes longer for one slice is a mistake.
const SCHEDULE_S_MAX: u64 = 600;

/// What a machine or a combination of keys does not allow.
#[must_use]
pub fn refused(cell: &Cell, segments: u64) -> Option<Trouble> {
    combination(cell).or_else(|| {
        let consumers = u64::from(cell.condition.consumers);
        let over_tcp = cell.condition.sink == SinkKind::TcpLoopback;
        let engines = OTHERS
            + match cell.condition.demand.driver {
                Driver::Threads => consumers * OF_AN_ENGINE,
                Driver::Blocking | Driver::Reactor => 0,
            };
        // Where the log's end is followed, each segment has a file that grows, opened twice.
        let files = if cell.condition.access == Access::Tail { 3 * segments } else { segments };
        descriptors(consumers + files + engines, consumers, descriptor_limits())
            .or_else(|| over_tcp.then(|| ports(consumers)).flatten())
    })
}

fn combination(cell: &Cell) -> Option<Trouble> {
    let condition = cell.condition;
    let demand = condition.demand;
    let refused = |message: String| Some(Trouble::failed(message).with_status(Status::Refused));
    if demand.driver == Driver::Threads && condition.consumers > THREADS_MAX {
        return refused(format!(
            "{} threads: driver = \"threads\" serves at most {THREADS_MAX} consumers",
            condition.consumers
        ));
    }
    if cell.contender.bare && (demand.driver != Driver::Blocking || demand.rate > 0) {
        return refused("a bare loop has no other driver than the blocking one".to_owned());
    }
    let follows = condition.access == Access::Tail;
    if cell.contender.bare && follows {
        return refused("a bare loop does not wait for bytes to be appended".to_owned());
    }
    if demand.slow > condition.consumers {
        let (slow, all) = (demand.slow, condition.consumers);
        return refused(format!("{slow} slow consumers of {all}"));
    }
    if demand.slow > 0 && !condition.sink.is_socket() {
        return refused("this sink has no receiver that could be slow".to_owned());
    }
    let fetches = u64::from(super::cells::fetches(condition, cell.scenario.budget));
    let deliveries = fetches * u64::from(condition.consumers);
    // Without a rate there is nothing to divide by, and no schedule.
    let seconds = deliveries.checked_div(demand.rate).unwrap_or(0);
    let appended_bytes = fetches.saturating_mul(condition.fetch_bytes);
    let grows_s = appended_bytes.checked_div(condition.append_rate_bytes).unwrap_or(0);
    if follows && grows_s > SCHEDULE_S_MAX {
        return refused(format!(
            "appending a slice of {appended_bytes} bytes at {} a second takes {grows_s} s, more \
             than {SCHEDULE_S_MAX}: a smaller budget.slice",
            condition.append_rate_bytes
        ));
    }
    if seconds > SCHEDULE_S_MAX {
        return refused(format!(
            "a slice of {fetches} fetches for each of {} consumers at {}/s takes {seconds} s, \
             more than {SCHEDULE_S_MAX}: a smaller budget.slice",
            condition.consumers, demand.rate
        ));
    }
    None
}

/// Too few descriptors are a privilege that is missing: root can raise the hard limit.
fn descriptors(needed: u64, consumers: u64, (soft, hard): (u64, u64)) -> Option<Trouble> {
    (needed > hard).then(|| Trouble {
        call: Some("getrlimit(RLIMIT_NOFILE)".to_owned()),
        ..Trouble::failed(format!(
            "{consumers} consumers need {needed} descriptors in one process, and \
             getrlimit(RLIMIT_NOFILE) says {soft}, at most {hard}: as root \
             `ulimit -Hn {needed} && ulimit -Sn {needed}` before zclab, LimitNOFILE= for a \
             service, --ulimit nofile={needed} for a container"
        ))
        .with_status(Status::Skipped)
    })
}

/// Each connection to a port takes a local port of its own.
fn ports(consumers: u64) -> Option<Trouble> {
    const RANGE: &str = "/proc/sys/net/ipv4/ip_local_port_range";
    let text = std::fs::read_to_string(RANGE).ok()?;
    let mut numbers = text.split_whitespace().map_while(|word| word.parse::<u64>().ok());
    let (low, high) = (numbers.next()?, numbers.next()?);
    let there = (high + 1).saturating_sub(low);
    (consumers > there).then(|| {
        Trouble::failed(format!(
            "{consumers} connections to one port need as many local ports, and {RANGE} has {there} \
             ({low} to {high}): as root `sysctl -w net.ipv4.ip_local_port_range=\"1024 65535\"`"
        ))
        .with_status(Status::Skipped)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_said_with_the_limits_and_the_remedy() {
        assert!(descriptors(1000, 900, (1000, 1000)).is_none());
        let trouble = descriptors(1001, 900, (256, 1000)).unwrap();
        assert_eq!(trouble.status, Status::Skipped);
        for words in ["900 consumers need 1001", "says 256, at most 1000", "ulimit -Hn 1001"] {
            assert!(trouble.message.contains(words), "{}", trouble.message);
        }
        assert!(ports(1).is_none());
        assert!(ports(70_000).unwrap().message.contains("ip_local_port_range"));
    }
}
