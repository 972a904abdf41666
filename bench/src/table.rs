//! A table of figures as text that is also Markdown. Knows nothing about the figures.

use crate::statistics::{Interval, Summary};
use std::fmt;

/// A table with notes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    pub title: String,
    pub columns: Vec<&'static str>,
    /// Each as long as `columns`.
    pub rows: Vec<Vec<String>>,
    /// Explanations of the figures, one sentence each.
    pub notes: Vec<String>,
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |column: usize| {
            let cells = self.rows.iter().map(|row| row[column].chars().count());
            cells.chain([self.columns[column].chars().count()]).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.columns.len()).map(width).collect();
        let line = |f: &mut fmt::Formatter<'_>, cells: &mut dyn Iterator<Item = &str>| {
            for (number, (cell, &width)) in cells.zip(&widths).enumerate() {
                // The first column is aligned to the left, figures to the right.
                if number == 0 {
                    write!(f, "| {cell:<width$} |")
                } else {
                    write!(f, " {cell:>width$} |")
                }?;
            }
            writeln!(f)
        };
        writeln!(f, "{}\n", self.title)?;
        line(f, &mut self.columns.iter().copied())?;
        for (number, width) in widths.iter().enumerate() {
            let dashes = "-".repeat(width + 1);
            if number == 0 { write!(f, "|{dashes}-|") } else { write!(f, "{dashes}:|") }?;
        }
        writeln!(f)?;
        for row in &self.rows {
            line(f, &mut row.iter().map(String::as_str))?;
        }
        if !self.notes.is_empty() {
            writeln!(f)?;
        }
        for note in &self.notes {
            writeln!(f, "{note}")?;
        }
        Ok(())
    }
}

/// The median, with the quartiles in brackets.
pub fn spread(summary: Summary, decimals: usize) -> String {
    let Summary { lower, median, upper, .. } = summary;
    format!("{median:.decimals$} ({lower:.decimals$}-{upper:.decimals$})")
}

/// The mean, with the interval in brackets.
pub fn interval(interval: Option<Interval>) -> String {
    let show = |Interval { low, mean, high }| format!("{mean:.3} ({low:.3}-{high:.3})");
    interval.map_or_else(|| "-".to_owned(), show)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_columns_are_as_wide_as_their_widest_cell() {
        let table = Table {
            title: "Cut".into(),
            columns: vec!["units", "wall"],
            rows: vec![vec!["default".into(), "0.5".into()], vec!["1".into(), "0.123".into()]],
            notes: vec!["A note.".into()],
        };
        let expect = "\
Cut

| units   |  wall |
|---------|------:|
| default |   0.5 |
| 1       | 0.123 |

A note.
";
        assert_eq!(table.to_string(), expect);
    }

    #[test]
    fn table_formats_spread_and_interval() {
        assert_eq!(spread(Summary::of([1.0, 2.0, 3.0]), 1), "2.0 (1.5-2.5)");
        assert_eq!(interval(Interval::of([1.0, 1.0])), "1.000 (1.000-1.000)");
        assert_eq!(interval(None), "-");
    }
}
