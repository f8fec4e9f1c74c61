//! [`Present`]: which groups of a partial object have been written and verified, one bit for each.

use std::ops::Range;

/// Groups in a word of the bitfield.
const WORD_BITS: u64 = u64::BITS as u64;

/// Bytes of the checksum behind the words.
const CHECKSUM_LEN: usize = 32;

/// A bitfield over an object's groups: 480 KiB for 60 GiB, constant time whatever the pattern.
///
/// Set a group's bit after its bytes were written. After a crash it is a hint: what it says is
/// there is to be verified before it is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Present {
    words: Vec<u64>,
    groups: u64,
    count: u64,
}

impl Present {
    /// Nothing is there of an object of `groups` groups.
    pub fn new(groups: u64) -> Self {
        Self {
            words: vec![0; groups.div_ceil(WORD_BITS) as usize],
            groups,
            count: 0,
        }
    }

    /// Groups of the object.
    pub fn groups(&self) -> u64 {
        self.groups
    }

    /// A group is there. Says whether that is new; a group past the end is ignored.
    pub fn set(&mut self, group: u64) -> bool {
        if group >= self.groups {
            return false;
        }
        let word = &mut self.words[(group / WORD_BITS) as usize];
        let bit = 1 << (group % WORD_BITS);
        let is_new = *word & bit == 0;
        *word |= bit;
        self.count += u64::from(is_new);
        is_new
    }

    /// Whether a group is there.
    pub fn get(&self, group: u64) -> bool {
        group < self.groups
            && self.words[(group / WORD_BITS) as usize] >> (group % WORD_BITS) & 1 == 1
    }

    /// Those before this group, and none from it on.
    pub fn before(&self, end: u64) -> Self {
        let mut words = self.words.clone();
        let first = (end / WORD_BITS) as usize;
        if let Some(word) = words.get_mut(first) {
            *word &= (1 << (end % WORD_BITS)) - 1;
        }
        words.iter_mut().skip(first + 1).for_each(|word| *word = 0);
        let count = words.iter().map(|word| u64::from(word.count_ones())).sum();
        Self {
            words,
            groups: self.groups,
            count,
        }
    }

    /// The last group that is there.
    pub fn last(&self) -> Option<u64> {
        let (at, word) = self
            .words
            .iter()
            .enumerate()
            .rfind(|(_, word)| **word != 0)?;
        Some((at as u64 + 1) * WORD_BITS - 1 - u64::from(word.leading_zeros()))
    }

    /// How many groups are there.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Whether all groups are there.
    pub fn is_complete(&self) -> bool {
        self.count == self.groups
    }

    /// The runs of missing groups inside a range, in order.
    pub fn missing(&self, range: Range<u64>) -> impl Iterator<Item = Range<u64>> + '_ {
        let end = range.end.min(self.groups);
        let mut at = range.start;
        std::iter::from_fn(move || {
            let start = self.next(at, end, false)?;
            at = self.next(start, end, true).unwrap_or(end);
            Some(start..at)
        })
    }

    /// The first group from `from` on, before `end`, that is there (or is not), a word at a time.
    fn next(&self, from: u64, end: u64, there: bool) -> Option<u64> {
        let mut at = from;
        while at < end {
            let word = self.words[(at / WORD_BITS) as usize];
            let wanted = (if there { word } else { !word }) >> (at % WORD_BITS);
            if wanted != 0 {
                let found = at + u64::from(wanted.trailing_zeros());
                return (found < end).then_some(found);
            }
            at = (at / WORD_BITS + 1) * WORD_BITS;
        }
        None
    }

    /// To be stored: the words, little endian, and the BLAKE3 hash of them. Write it to a temp file,
    /// after the data it speaks of was made durable, and rename.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.words.len() * 8 + CHECKSUM_LEN);
        for word in &self.words {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        let checksum = blake3::hash(&bytes);
        bytes.extend_from_slice(checksum.as_bytes());
        bytes
    }

    /// What [`to_bytes`](Self::to_bytes) gave. `None` if it is damaged or that of an object of
    /// another number of groups: then nothing can be said to be there.
    pub fn from_bytes(groups: u64, bytes: &[u8]) -> Option<Self> {
        let (body, checksum) = bytes.split_at_checked(bytes.len().checked_sub(CHECKSUM_LEN)?)?;
        if body.len() as u64 != groups.div_ceil(WORD_BITS) * 8
            || blake3::hash(body).as_bytes() != checksum
        {
            return None;
        }
        let words: Vec<u64> = body
            .as_chunks::<8>()
            .0
            .iter()
            .map(|word| u64::from_le_bytes(*word))
            .collect();
        let used_in_last = groups % WORD_BITS;
        if used_in_last != 0 && words.last()? >> used_in_last != 0 {
            return None;
        }
        let count = words.iter().map(|word| u64::from(word.count_ones())).sum();
        Some(Self {
            words,
            groups,
            count,
        })
    }
}
