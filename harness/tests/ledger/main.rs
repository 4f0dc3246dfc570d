//! The ledger: its object, its lists, and what it counts on this machine.

mod object;
