//! Buffers for pieces of files, used again and again: a piece is handed to the connection's socket soon
//! after it was read, so a few buffers per thread that stay in the processor's cache do for all
//! connections, and none is cleared or allocated for each piece.

use std::cell::RefCell;

use bytes::Bytes;

use super::hold::{self, Hold};

/// Bytes of a buffer.
const BUFFER_BYTES: usize = super::body::WARM_SLICE_BYTES as usize;
/// Pieces below this are cheaper to allocate than to lend.
const LEND_BYTES_MIN: usize = 4 * 1024;
/// Buffers kept per thread; more are freed when they come back.
const KEPT_MAX: usize = 16;

thread_local! {
    static KEPT: RefCell<Vec<Box<[u8]>>> = const { RefCell::new(Vec::new()) };
}

/// A buffer that goes back to the thread where it is dropped.
struct Lent {
    buffer: Box<[u8]>,
    len: usize,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.buffer[..self.len]
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let buffer = std::mem::take(&mut self.buffer);
        // At the end of a thread there is nobody to keep it for.
        let _ = KEPT.try_with(|kept| {
            let mut kept = kept.borrow_mut();
            if kept.len() < KEPT_MAX && buffer.len() == BUFFER_BYTES {
                kept.push(buffer);
            }
        });
    }
}

/// What `read` puts into a buffer of at most `want` bytes; it says how many it has put there.
pub(super) fn filled<E>(
    want: usize,
    read: impl FnOnce(&mut [u8]) -> Result<usize, E>,
) -> Result<Bytes, E> {
    if !(LEND_BYTES_MIN..=BUFFER_BYTES).contains(&want) {
        let mut buffer = vec![0; want];
        let len = read(&mut buffer)?;
        buffer.truncate(len);
        return Ok(buffer.into());
    }
    let kept = KEPT.with(|kept| kept.borrow_mut().pop());
    let buffer = kept.unwrap_or_else(|| vec![0; BUFFER_BYTES].into());
    let mut lent = Lent { buffer, len: 0 };
    lent.len = read(&mut lent.buffer[..want])?.min(want);
    // Nothing else is in the buffer.
    Ok(hold::mark(Bytes::from_owner(lent), Hold::InPlace))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(byte: u8, want: usize) -> Bytes {
        let fill = |buffer: &mut [u8]| {
            buffer.fill(byte);
            Ok::<_, ()>(buffer.len())
        };
        filled(want, fill).unwrap()
    }

    #[test]
    fn a_piece_that_is_still_held_is_not_written_over() {
        let held: Vec<Bytes> = (0..40u8).map(|byte| of(byte, BUFFER_BYTES)).collect();
        for (byte, piece) in held.iter().enumerate() {
            assert!(piece.iter().all(|at| usize::from(*at) == byte));
        }
        drop(held);
        assert!(KEPT.with(|kept| kept.borrow().len()) <= KEPT_MAX);
        for want in [
            0,
            1,
            LEND_BYTES_MIN,
            BUFFER_BYTES - 1,
            BUFFER_BYTES,
            BUFFER_BYTES + 1,
        ] {
            assert_eq!(of(7, want), vec![7; want]);
        }
    }

    #[test]
    fn nothing_that_another_piece_left_is_handed_out() {
        drop(of(1, BUFFER_BYTES));
        let short = filled(BUFFER_BYTES, |buffer| {
            buffer[..3].copy_from_slice(b"abc");
            Ok::<_, ()>(3)
        });
        assert_eq!(short.unwrap(), "abc");
        assert_eq!(filled(BUFFER_BYTES, |_| Err("no")), Err("no"));
    }
}
