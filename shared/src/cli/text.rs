//! Tables and times for people.

use std::time::{Duration, UNIX_EPOCH};

/// Rows with aligned columns, two spaces apart.
pub fn columns<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..N).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(&widths);
        let padded: String = cells
            .map(|(cell, width)| format!("{cell:<width$}  "))
            .collect();
        text += padded.trim_end();
        text.push('\n');
    }
    text
}

/// A moment, given in milliseconds since the Unix epoch.
pub fn time(at_ms: u64) -> String {
    httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_millis(at_ms))
}
