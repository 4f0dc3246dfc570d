//! Which tracepoints and functions has this kernel, and under which number?
//!
//! The kernel describes its own types in `/sys/kernel/btf/vmlinux` (BTF,
//! `Documentation/bpf/btf.rst`). A tracepoint that BPF can attach to has a typedef
//! `btf_trace_<name>` there, and needs no tracefs to be found. Whether a name exists is told by the
//! section of strings alone, so that kinds of types that are newer than this file do no harm; its
//! number needs a walk over the types.

use super::failed;
use std::collections::HashSet;

const PATH: &str = "/sys/kernel/btf/vmlinux";
const MAGIC: u16 = 0xeb9f;

/// Which kind of type a name belongs to (`enum` of `linux/btf.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A typedef.
    Typedef = 8,
    /// A function.
    Func = 12,
}

/// The kernel's types, as read.
pub struct Btf {
    bytes: Vec<u8>,
    types: std::ops::Range<usize>,
    strings: std::ops::Range<usize>,
}

impl Btf {
    /// Those of the running kernel.
    ///
    /// # Errors
    /// A file that cannot be read, or that is no BTF.
    pub fn of_kernel() -> Result<Btf, String> {
        Btf::parse(std::fs::read(PATH).map_err(|error| failed(PATH, &error))?)
    }

    fn parse(bytes: Vec<u8>) -> Result<Btf, String> {
        let bad = |what: &str| format!("{PATH}: {what}");
        let word = |at| word(&bytes, at).ok_or_else(|| bad("it ends within its header"));
        if word(0)? as u16 != MAGIC {
            return Err(bad("it does not begin as BTF does"));
        }
        let header = word(4)? as usize;
        let section = |at: usize| -> Result<_, String> {
            let start = header + word(at)? as usize;
            let end = start + word(at + 4)? as usize;
            if end > bytes.len() {
                return Err(bad("a section reaches beyond its end"));
            }
            Ok(start..end)
        };
        let (types, strings) = (section(8)?, section(16)?);
        Ok(Btf { types, strings, bytes })
    }

    /// Every name that occurs.
    #[must_use]
    pub fn names(&self) -> HashSet<&[u8]> {
        self.bytes[self.strings.clone()].split(|byte| *byte == 0).collect()
    }

    /// The number of a type.
    ///
    /// # Errors
    /// A kind of type that is newer than this walk; a name that no such type has.
    pub fn number(&self, kind: Kind, name: &str) -> Result<u32, String> {
        let types = &self.bytes[self.types.clone()];
        let (mut at, mut number) = (0, 0);
        while let (Some(name_at), Some(info)) = (word(types, at), word(types, at + 4)) {
            // Number 0 is void and has no entry.
            number += 1;
            let of = info >> 24 & 0x1f;
            if of == kind as u32 && self.string(name_at as usize) == Some(name.as_bytes()) {
                return Ok(number);
            }
            let extra = extra_bytes(of, (info & 0xffff) as usize)
                .ok_or_else(|| format!("{PATH}: type {number} is of the unknown kind {of}"))?;
            at += 12 + extra;
        }
        Err(format!("{PATH}: no {kind:?} is called {name}"))
    }

    fn string(&self, at: usize) -> Option<&[u8]> {
        let rest = self.bytes[self.strings.clone()].get(at..)?;
        rest.split(|byte| *byte == 0).next()
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_ne_bytes)
}

/// What follows the twelve bytes that every type has, by its kind and its number of members.
fn extra_bytes(kind: u32, members: usize) -> Option<usize> {
    Some(match kind {
        // Integers, variables, declaration tags.
        1 | 14 | 17 => 4,
        // Arrays.
        3 => 12,
        // Structs, unions, sections of data, 64-bit enums.
        4 | 5 | 15 | 19 => members * 12,
        // Enums, prototypes.
        6 | 13 => members * 8,
        // Pointers, forward declarations, typedefs, qualifiers, functions, floats, type tags.
        2 | 7..=12 | 16 | 18 => 0,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An integer, a struct of two members, and a typedef and a function of the same name.
    fn small(last_kind: u32) -> Vec<u8> {
        let strings = b"\0int\0pair\0btf_trace_x\0";
        let mut types: Vec<u32> = vec![1, 1 << 24, 4, 32];
        types.extend([5, 4 << 24 | 2, 8, 1, 1, 0, 1, 1, 32]);
        types.extend([10, 8 << 24, 1, 10, last_kind << 24, 1]);
        let bytes_of = |words: &[u32]| words.iter().flat_map(|w| w.to_ne_bytes()).collect();
        let types: Vec<u8> = bytes_of(&types);
        let (types_len, strings_len) = (types.len() as u32, strings.len() as u32);
        let header = [u32::from(MAGIC) | 1 << 16, 24, 0, types_len, types_len, strings_len];
        let header: Vec<u8> = bytes_of(&header);
        [header, types, strings.to_vec()].concat()
    }

    #[test]
    fn types_are_numbered_from_one() {
        let btf = Btf::parse(small(12)).unwrap();
        assert_eq!(btf.number(Kind::Typedef, "btf_trace_x"), Ok(3));
        assert_eq!(btf.number(Kind::Func, "btf_trace_x"), Ok(4));
        assert!(btf.number(Kind::Func, "pair").unwrap_err().contains("no Func is called pair"));
        assert!(btf.names().contains(&b"pair"[..]) && !btf.names().contains(&b"air"[..]));
    }

    #[test]
    fn a_kind_from_the_future_is_named_and_hides_no_name() {
        let btf = Btf::parse(small(30)).unwrap();
        assert_eq!(btf.number(Kind::Typedef, "btf_trace_x"), Ok(3));
        assert!(btf.number(Kind::Func, "btf_trace_x").unwrap_err().contains("unknown kind 30"));
        assert!(btf.names().contains(&b"btf_trace_x"[..]));
    }

    #[test]
    fn what_is_no_btf_is_said() {
        assert!(Btf::parse(vec![0; 64]).err().unwrap().contains("begin"));
        assert!(Btf::parse(vec![0x9f, 0xeb]).err().unwrap().contains("header"));
        let mut cut = small(12);
        cut.truncate(40);
        assert!(Btf::parse(cut).err().unwrap().contains("beyond its end"));
    }
}
