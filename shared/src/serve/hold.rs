//! [`Hold`]: what becomes of a piece of a body for which a client has no room. Whoever makes a piece says so
//! ([`mark`]), and the [lane](super::lane) asks: both are on one thread, and whatever wraps a body between
//! them hands its pieces on as they are.

use std::cell::RefCell;

use bytes::Bytes;

use super::pages::Pages;

/// What becomes of a piece that has to wait.
#[derive(Debug, Default)]
pub enum Hold {
    /// It is copied if others have it, too: it may be a part of something larger, which would all be kept
    /// for as long as a client likes.
    #[default]
    Copy,
    /// It waits where it is: nothing else is kept by it, or what is kept counts elsewhere.
    InPlace,
    /// It waits where it is, which is in the page cache. The kernel may forget it there meanwhile.
    Pages(Pages),
}

thread_local! {
    /// Where the piece lies that was marked last.
    static LAST: RefCell<Option<(usize, usize, Hold)>> = const { RefCell::new(None) };
}

/// Says what becomes of this piece, which is the next that its body gives.
pub fn mark(piece: Bytes, hold: Hold) -> Bytes {
    LAST.set(Some((piece.as_ptr().addr(), piece.len(), hold)));
    piece
}

/// Forgets what was said: before a body is asked for a piece.
pub(super) fn forget() {
    LAST.set(None);
}

/// What was said of this piece since.
pub(super) fn said_of(piece: &Bytes) -> Hold {
    match LAST.take() {
        Some((start, len, hold)) if (start, len) == (piece.as_ptr().addr(), piece.len()) => hold,
        _ => Hold::Copy,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_holds_for_this_piece_and_once() {
        let (one, other) = (Bytes::from(vec![1; 9]), Bytes::from(vec![2; 9]));
        let is_in_place = |piece: &Bytes| matches!(said_of(piece), Hold::InPlace);
        assert!(!is_in_place(&one), "nothing was said");
        let one = mark(one, Hold::InPlace);
        assert!(is_in_place(&one));
        assert!(!is_in_place(&one), "it was said of the piece before");
        mark(one.clone(), Hold::InPlace);
        assert!(!is_in_place(&other));
        mark(one.clone(), Hold::InPlace);
        assert!(!is_in_place(&one.slice(1..)), "a part of it");
        mark(one.clone(), Hold::InPlace);
        forget();
        assert!(!is_in_place(&one));
    }
}
