//! Which kernel function does an address lie in?

use std::collections::BTreeMap;

/// The kernel's functions by address.
pub struct Symbols {
    /// Start and name, sorted by start.
    functions: Vec<(u64, String)>,
}

impl Symbols {
    /// Those of the running kernel.
    ///
    /// # Errors
    /// Why there are none: without the privilege the kernel shows every address as 0.
    pub fn load() -> Result<Symbols, String> {
        let text = std::fs::read_to_string("/proc/kallsyms")
            .map_err(|error| format!("reading /proc/kallsyms: {error}"))?;
        Symbols::parse(&text).ok_or_else(|| {
            let restrict = std::fs::read_to_string("/proc/sys/kernel/kptr_restrict");
            let restrict = restrict.map_or("unknown".to_owned(), |text| text.trim().to_owned());
            format!(
                "/proc/kallsyms shows no addresses (kernel.kptr_restrict is {restrict}; \
                 CAP_SYSLOG or root sees them)"
            )
        })
    }

    /// Reads `kallsyms`: address, type, name, and the module in brackets.
    fn parse(text: &str) -> Option<Symbols> {
        let mut functions = BTreeMap::new();
        for line in text.lines() {
            let mut words = line.split_whitespace();
            let (Some(address), Some(kind), Some(name)) =
                (words.next(), words.next(), words.next())
            else {
                continue;
            };
            let is_function = ["t", "T", "w", "W"].contains(&kind);
            if let Some(address) = u64::from_str_radix(address, 16).ok().filter(|at| *at > 0)
                && is_function
            {
                // Of several names for one address, the first is as good as any.
                functions.entry(address).or_insert_with(|| name.to_owned());
            }
        }
        let functions: Vec<_> = functions.into_iter().collect();
        (!functions.is_empty()).then_some(Symbols { functions })
    }

    #[cfg(test)]
    pub(super) fn for_tests(text: &str) -> Symbols {
        Symbols::parse(text).expect("symbols")
    }

    /// The function that an address lies in.
    #[must_use]
    pub fn of(&self, address: u64) -> Option<&str> {
        let next = self.functions.partition_point(|(start, _)| *start <= address);
        next.checked_sub(1).map(|at| self.functions[at].1.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KALLSYMS: &str = "ffffffff81000000 T _stext\nffffffff81000000 T _text\n\
        ffffffff81000200 t tcp_sendmsg\nffffffff81000300 D jiffies\n\
        ffffffffc0000000 t ext4_read\t[ext4]\n";

    #[test]
    fn addresses_have_the_name_of_the_function_before_them() {
        let symbols = Symbols::parse(KALLSYMS).expect("symbols");
        assert_eq!(symbols.of(0xffff_ffff_8100_0000), Some("_stext"));
        assert_eq!(symbols.of(0xffff_ffff_8100_0234), Some("tcp_sendmsg"));
        assert_eq!(symbols.of(0xffff_ffff_8100_0345), Some("tcp_sendmsg"), "data is no function");
        assert_eq!(symbols.of(0xffff_ffff_c000_0010), Some("ext4_read"));
        assert_eq!(symbols.of(0x1000), None);
    }

    #[test]
    fn hidden_addresses_are_no_symbols() {
        assert!(Symbols::parse("0000000000000000 T _stext\n0000000000000000 t a\n").is_none());
    }
}
