//! The figures of a run: by measurement, figure and server, medians of the rounds, and ratios.

use std::{collections::BTreeMap, fmt};

use crate::rig::Which;

/// All figures.
#[derive(Debug, Default)]
pub struct Table {
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    what: String,
    figure: &'static str,
    values: BTreeMap<Which, Vec<f64>>,
}

impl Table {
    /// Adds what one round gave.
    pub fn add(&mut self, what: &str, figure: &'static str, which: Which, value: f64) {
        let known = self
            .rows
            .iter_mut()
            .find(|row| row.what == what && row.figure == figure);
        let row = match known {
            Some(row) => row,
            None => {
                self.rows.push(Row {
                    what: what.to_owned(),
                    figure,
                    values: BTreeMap::new(),
                });
                self.rows.last_mut().expect("just put in")
            }
        };
        row.values.entry(which).or_default().push(value);
    }
}

fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied()
}

/// Three significant digits, without an exponent.
fn short(value: f64) -> String {
    let digits = match value.abs() {
        0.0 => 0,
        size => (2 - size.log10().floor() as i64).clamp(0, 5) as usize,
    };
    format!("{value:.digits$}")
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "| | figure | nginx | Varnish | Argus | ÷ nginx | ÷ Varnish | Colossus | ÷ nginx |"
        )?;
        writeln!(f, "|---|---|--:|--:|--:|--:|--:|--:|--:|")?;
        let mut before = "";
        for row in &self.rows {
            let value = |which| row.values.get(&which).and_then(|values| median(values));
            let cell = |value: Option<f64>| value.map_or("–".to_owned(), short);
            let (argus, colossus) = (value(Which::Argus), value(Which::Colossus));
            let over = |ours: Option<f64>, other: Option<f64>| match (ours, other) {
                (Some(ours), Some(theirs)) if theirs > 0.0 => format!("{:.2}", ours / theirs),
                _ => "–".to_owned(),
            };
            let (nginx, varnish) = (value(Which::Nginx), value(Which::Varnish));
            let what = if row.what == before { "" } else { &row.what };
            before = &row.what;
            writeln!(
                f,
                "| {what} | {} | {} | {} | {} | {} | {} | {} | {} |",
                row.figure,
                cell(nginx),
                cell(varnish),
                cell(argus),
                over(argus, nginx),
                over(argus, varnish),
                cell(colossus),
                over(colossus, nginx)
            )?;
        }
        Ok(())
    }
}
