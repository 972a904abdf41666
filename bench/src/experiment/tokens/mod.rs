//! Experiments about job tokens: how long they are idle, how soon they are back after a process was
//! killed, and the cost of taking one.

mod cost;
mod external;
mod hosted;
mod own;
mod recovery;
mod reuse;

use super::Settings;
use crate::contest::Tools;
use crate::progress;
use crate::statistics::Tail;
use crate::table::Table;
use std::error::Error;
use std::path::Path;

/// Runs the experiments.
///
/// # Errors
/// A build or a client fails.
pub fn run(
    tools: &Tools,
    examples: &Path,
    settings: &Settings,
) -> Result<Vec<Table>, Box<dyn Error>> {
    let mut latency = own::run(tools, examples, settings)?;
    latency.extend(external::run(tools, settings)?);
    let tables = vec![
        latency.table(),
        recovery::run(tools, examples, settings)?,
        cost::run(tools, settings)?,
    ];
    progress::show("");
    Ok(tables)
}

/// Rows of a table of times, with notes.
#[derive(Default)]
struct Latency {
    rows: Vec<Vec<String>>,
    notes: Vec<String>,
}

impl Latency {
    fn extend(&mut self, other: Latency) {
        self.rows.extend(other.rows);
        self.notes.extend(other.notes);
    }

    fn table(self) -> Table {
        let mut notes = vec![
            "Milliseconds from the end of a job, or from the return of a token, to the start of the next job on that \
             slot, while at least one waits. Late: more than was promised."
                .to_owned(),
        ];
        notes.extend(self.notes);
        Table {
            title: "How long job tokens are idle".into(),
            columns: vec![
                "from one job to the next",
                "times",
                "median",
                "p95",
                "max",
                "promise",
                "late",
            ],
            rows: self.rows,
            notes,
        }
    }
}

/// A row of times in milliseconds, with the number of times above a promised limit.
fn row(title: String, millis: &[f64], promise: Option<f64>) -> Vec<String> {
    let mut row = vec![title, millis.len().to_string()];
    match Tail::of(millis.iter().copied()) {
        Some(Tail { median, p95, max, .. }) => {
            row.extend([median, p95, max].map(|value| format!("{value:.2}")));
        }
        None => row.extend(["-", "-", "-"].map(str::to_owned)),
    }
    let none = || "-".to_owned();
    row.push(promise.map_or_else(none, |promise| promise.to_string()));
    let late = |promise| millis.iter().filter(|&&value| value > promise).count().to_string();
    row.push(promise.map_or_else(none, late));
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_rows_count_late_times() {
        let row = |millis: &[f64], promise| row("a".into(), millis, promise).join(" ");
        assert_eq!(row(&[1.0, 5.0, 6.0], Some(5.0)), "a 3 5.00 5.90 6.00 5 1");
        assert_eq!(row(&[1.0], None), "a 1 1.00 1.00 1.00 - -");
        assert_eq!(row(&[], Some(5.0)), "a 0 - - - 5 0");
    }
}
