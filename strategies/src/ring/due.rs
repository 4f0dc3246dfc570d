//! Which sends of one slot still have the kernel's notice to come?
//!
//! A slot may be sent from several times when sinks take little at a time. Each send that was
//! accepted is known by a number of its own: a notice comes of sends that failed, too, and even of
//! those that were cancelled with their chain, unannounced, and nobody waits for those.

/// So many sends of one slot may wait for their notices.
const DUE_MAX: usize = 8;

/// The numbers of those sends.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Due {
    numbers: [u64; DUE_MAX],
    count: usize,
}

impl Due {
    /// Whether no notice is due: the slot may be written to.
    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether one of them has to come before the slot may be sent from again.
    pub(crate) fn is_full(&self) -> bool {
        self.count == DUE_MAX
    }

    /// Notes a send; the caller has asked whether there is room.
    pub(crate) fn add(&mut self, number: u64) {
        self.numbers[self.count] = number;
        self.count += 1;
    }

    /// Notes a notice; whether anybody waited for it.
    pub(crate) fn take(&mut self, number: u64) -> bool {
        let due = &self.numbers[..self.count];
        let Some(at) = due.iter().position(|&other| other == number) else { return false };
        self.count -= 1;
        self.numbers.swap(at, self.count);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notices_come_in_any_order_and_some_unasked() {
        let mut due = Due::default();
        (0..DUE_MAX as u64).for_each(|number| due.add(number));
        assert!(due.is_full());
        assert!(!due.take(99), "of a send that failed");
        for number in [3, 0, 7, 1, 2, 6, 5, 4] {
            assert!(!due.is_empty() && due.take(number));
            assert!(!due.take(number), "only once");
        }
        assert!(due.is_empty());
    }
}
