//! Where do engines keep bytes that the kernel may write at any moment?
//!
//! Buffers for direct reads have to be aligned, and buffers of a ring have to stay where they are
//! until the kernel has let go of them, even when the engine is dropped. Both come from [`Slots`]:
//! one anonymous mapping, cut into slots of equal length, of which references are formed only slot
//! by slot.

use crate::{OpenError, sys};
use memmap2::MmapMut;

/// Page size is a safe alignment for buffered input and output, and for most devices.
const ALIGN_MIN: usize = 4096;

/// Equal slots of zeroed, aligned memory.
#[derive(Debug)]
pub(crate) struct Slots {
    /// Owns the memory; never dereferenced, so that slots may be borrowed apart from each other.
    _map: MmapMut,
    base: *mut u8,
    count: usize,
    stride: usize,
    len: usize,
}

impl Slots {
    /// `count` slots of `len` bytes; every slot begins at a multiple of `align`, a power of two.
    pub(crate) fn new(count: usize, len: usize, align: usize) -> Result<Slots, OpenError> {
        let align = align.max(ALIGN_MIN);
        let stride = len.max(1).next_multiple_of(align);
        let whole = stride * count + align;
        let mut map = MmapMut::map_anon(whole)
            .map_err(|error| OpenError::failed("mmap(anonymous)", sys::errno_of(error)))?;
        let start = map.as_mut_ptr();
        let base = start.wrapping_add(start.align_offset(align));
        Ok(Slots { _map: map, base, count, stride, len })
    }

    /// How many slots there are.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Length of each slot.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Where a slot begins.
    pub(crate) fn pointer(&self, slot: usize) -> *mut u8 {
        assert!(slot < self.count, "no such slot");
        self.base.wrapping_add(slot * self.stride)
    }

    /// The bytes of a slot.
    ///
    /// # Safety
    /// No operation in flight may write to this slot while it is borrowed.
    pub(crate) unsafe fn bytes(&self, slot: usize) -> &[u8] {
        // SAFETY: the slot lies within the mapping that `self` owns and is initialised (anonymous
        // memory is zeroed). Our own writes need `&mut self`; the caller vouches for the kernel's.
        unsafe { std::slice::from_raw_parts(self.pointer(slot), self.len) }
    }

    /// The bytes of a slot, to write to.
    ///
    /// # Safety
    /// No operation in flight may touch this slot while it is borrowed.
    pub(crate) unsafe fn bytes_mut(&mut self, slot: usize) -> &mut [u8] {
        // SAFETY: as above, and `&mut self` makes this the only reference to any slot.
        unsafe { std::slice::from_raw_parts_mut(self.pointer(slot), self.len) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_aligned_and_do_not_overlap() {
        let mut slots = Slots::new(3, 5000, 16384).unwrap();
        assert!((0..3).all(|slot| slots.pointer(slot).align_offset(16384) == 0));
        for slot in 0..3 {
            // SAFETY: there is no ring, so nothing is in flight.
            unsafe { slots.bytes_mut(slot) }.fill(slot as u8 + 1);
        }
        for slot in 0..3 {
            // SAFETY: as above.
            let bytes = unsafe { slots.bytes(slot) };
            assert!(bytes.iter().all(|&byte| byte == slot as u8 + 1));
        }
    }
}
