//! What does the kernel tell a process about its own costs, and can sender and receiver be kept apart?

use super::{Capability, Found, read};

/// Whether `/proc/self/io` counts the bytes of this process.
#[must_use]
pub fn process_io() -> Capability {
    let found = match (crate::counters::process_io(), read("/proc/self/io")) {
        (Some(_), _) => Found::Yes("/proc/self/io".to_owned()),
        (None, Err(reason)) => {
            Found::No(reason, "a kernel built with CONFIG_TASK_IO_ACCOUNTING=y".to_owned())
        }
        (None, Ok(_)) => Found::No(
            "/proc/self/io has no rchar and read_bytes".to_owned(),
            "a kernel built with CONFIG_TASK_IO_ACCOUNTING=y".to_owned(),
        ),
    };
    Capability::new("process_io", "bytes read by calls and from devices; proof of cold", found)
}

/// Whether there are two CPUs for sender and receiver.
#[must_use]
pub fn pinning() -> Capability {
    let found = match crate::trial::pins() {
        Some((sender, receiver)) => {
            Found::Yes(format!("sender on CPU {sender}, receiver on CPU {receiver}"))
        }
        None => Found::No(
            "only one CPU".to_owned(),
            "taskset -c 0,1 zclab run …, on a machine with two CPUs".to_owned(),
        ),
    };
    Capability::new("pinning", "sender and receiver on CPUs of their own", found)
}

fn irq_time() -> Found {
    match crate::machine::irq_time_accounting() {
        Ok(true) => Found::Yes("CONFIG_IRQ_TIME_ACCOUNTING=y".to_owned()),
        Ok(false) => Found::No(
            "CONFIG_IRQ_TIME_ACCOUNTING is off: softirq time is billed to whoever runs".to_owned(),
            "a kernel built with CONFIG_IRQ_TIME_ACCOUNTING=y".to_owned(),
        ),
        Err(reason) => Found::No(
            reason,
            "a kernel built with CONFIG_IKCONFIG_PROC=y, or its configuration in /boot".to_owned(),
        ),
    }
}

/// The rows of this group.
#[must_use]
pub fn rows() -> Vec<Capability> {
    let softirq = "softirq time told apart from the sender's own";
    vec![process_io(), pinning(), Capability::new("irq_time", softirq, irq_time())]
}
