//! [`Block`]: bytes gathered in memory for one write, which begins where a page does: so it can go to the disk
//! past the page cache.

/// What a write past the page cache must be a multiple of, in memory, in the file and in length: the
/// largest that file systems ask for.
pub(super) const ALIGN: usize = 4096;

/// Memory for one write. It does not grow.
#[derive(Default)]
pub(super) struct Block {
    memory: Vec<u8>,
    /// Where the bytes begin.
    start: usize,
    capacity: usize,
}

impl Block {
    /// Room for so many bytes.
    pub(super) fn with_capacity(capacity: usize) -> Self {
        let mut memory: Vec<u8> = Vec::with_capacity(capacity + ALIGN);
        let start = memory.as_ptr().align_offset(ALIGN).min(ALIGN);
        memory.resize(start, 0);
        Self {
            memory,
            start,
            capacity,
        }
    }

    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    pub(super) fn len(&self) -> usize {
        self.memory.len() - self.start
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.memory[self.start..]
    }

    /// Takes as many of these bytes as there is room for below `len_max`, and says how many.
    pub(super) fn take(&mut self, bytes: &[u8], len_max: usize) -> usize {
        let room = len_max.min(self.capacity).saturating_sub(self.len());
        let taken = room.min(bytes.len());
        self.memory.extend_from_slice(&bytes[..taken]);
        taken
    }

    /// Forgets the bytes and keeps the memory.
    pub(super) fn clear(&mut self) {
        self.memory.truncate(self.start);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_stays_where_it_is_and_begins_with_a_page() {
        for capacity in [0, 1, 4095, 4096, 4097, 300_000] {
            let mut block = Block::with_capacity(capacity);
            let at = block.bytes().as_ptr();
            assert_eq!(at.align_offset(ALIGN), 0);
            let bytes: Vec<u8> = (0..capacity + 10).map(|n| n as u8).collect();
            let first = block.take(&bytes, capacity / 2);
            assert_eq!(first, capacity / 2);
            assert_eq!(block.take(&bytes[first..], usize::MAX), capacity - first);
            assert_eq!(block.take(&bytes, usize::MAX), 0);
            assert_eq!(block.bytes(), &bytes[..capacity]);
            block.clear();
            assert!(block.is_empty());
            assert_eq!(block.take(&bytes, usize::MAX), capacity);
            assert_eq!(block.bytes().as_ptr(), at);
        }
    }
}
