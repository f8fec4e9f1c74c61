//! [`Notes`]: what became of the lines of a log, and what was assumed because the log does not say it.

use std::fmt;

/// Characters of a line that are shown.
const SHOWN_CHARS: usize = 80;

/// What became of the lines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Notes {
    /// All lines.
    pub lines: u64,
    /// Those that are views.
    pub views: usize,
    /// Of so many objects.
    pub objects: usize,
    /// Lines about something else than bytes of an object: other methods, errors, a program's messages.
    pub left_out: u64,
    /// Lines that cannot be read.
    pub unreadable: u64,
    /// The number, from 1 on, and the beginning of the first of them.
    pub first_unreadable: Option<(u64, String)>,
    /// Ranges of which the log does not say where they are.
    pub somewhere: u64,
    /// Objects of which nobody says how large the whole is.
    pub in_parts: usize,
}

impl Notes {
    /// The line counted last cannot be read.
    pub(super) fn cannot_read(&mut self, text: &str) {
        self.unreadable += 1;
        let shown = || text.trim().chars().take(SHOWN_CHARS).collect();
        self.first_unreadable
            .get_or_insert_with(|| (self.lines, shown()));
    }
}

impl fmt::Display for Notes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} views of {} objects in {} lines",
            self.views, self.objects, self.lines
        )?;
        if self.left_out > 0 {
            let left_out = self.left_out;
            write!(
                f,
                "; {left_out} left out (HEAD and other methods, errors, 304, no bytes)"
            )?;
        }
        if let Some((line, text)) = &self.first_unreadable {
            let unreadable = self.unreadable;
            write!(
                f,
                "; {unreadable} cannot be read, first line {line}: {text:?}"
            )?;
        }
        if self.somewhere > 0 {
            write!(
                f,
                "\n{} of the views are ranges of which the log does not say where they begin: taken to be at the \
                 beginning of the object. It matters with --extent; log the answer's Content-Range to have them \
                 where they were",
                self.somewhere
            )?;
        }
        if self.in_parts > 0 {
            write!(
                f,
                "\n{} objects were seen in parts only: each is taken to be as large as what was seen of it",
                self.in_parts
            )?;
        }
        Ok(())
    }
}
