//! Statements for SQLite's shell: written ones, and generated ones from a fixed seed. Knows SQL,
//! and no builds.

use crate::random::Random;
use std::fmt::Write;

/// The whole script. It writes to both streams, and many of its statements fail.
pub fn script() -> String {
    // The written part ends with commands of the shell, so the generated statements come first.
    generated(300) + include_str!("script.sql")
}

/// Statements over two tables: changes, queries and expressions that no author of tests would
/// write.
fn generated(count: u32) -> String {
    let mut random = Random::new(15);
    let mut text = "CREATE TABLE g(a INTEGER PRIMARY KEY, b INT, c REAL, d TEXT);\n\
                    CREATE TABLE h(a INT, e TEXT, FOREIGN KEY(a) REFERENCES g(a));\n\
                    CREATE INDEX g_b ON g(b, c);\nCREATE INDEX h_a ON h(a) WHERE e <> '';\n"
        .to_owned();
    for _ in 0..40 {
        let (a, b) = (random.below(30), random.below(900));
        writeln!(text, "INSERT OR IGNORE INTO g VALUES({a}, {b}, {}.{}, 'd{}');", b / 7, a, a % 9)
            .unwrap();
        writeln!(
            text,
            "INSERT INTO h VALUES({}, '{}');",
            random.below(30),
            "xy".repeat((b % 4) as usize)
        )
        .unwrap();
    }
    for _ in 0..count {
        let (one, two) = (expression(&mut random, 3), expression(&mut random, 2));
        let line = match random.below(8) {
            0 => format!("SELECT a, {one} FROM g WHERE {two} ORDER BY 1, 2;"),
            1 => format!("SELECT count(*), sum({one}), min({two}) FROM g JOIN h USING(a);"),
            2 => format!("UPDATE g SET c = {one} WHERE b % 5 = {};", random.below(5)),
            3 => {
                format!("SELECT d, count(*), max({one}) FROM g GROUP BY d HAVING {two} ORDER BY 1;")
            }
            4 => format!(
                "SELECT a, sum(b) OVER (PARTITION BY d ORDER BY {one}, a) FROM g ORDER BY 1;"
            ),
            5 => format!(
                "SELECT g.a, h.e FROM g LEFT JOIN h ON h.a = g.a AND {one} ORDER BY 1, 2 LIMIT 6;"
            ),
            6 => format!("SELECT a FROM g WHERE b IN (SELECT {one} FROM h) OR {two} ORDER BY a;"),
            _ => format!("SELECT {one}, typeof({two}) FROM g ORDER BY a LIMIT 2;"),
        };
        writeln!(text, "{line}").unwrap();
    }
    text
}

fn expression(random: &mut Random, depth: u32) -> String {
    if depth == 0 {
        return match random.below(7) {
            0 => "b".to_owned(),
            1 => "c".to_owned(),
            2 => "d".to_owned(),
            3 => "NULL".to_owned(),
            4 => format!("'d{}'", random.below(9)),
            5 => format!("{}.5", random.below(99)),
            _ => random.below(1000).to_string(),
        };
    }
    let (left, right) = (expression(random, depth - 1), expression(random, depth - 1));
    match random.below(14) {
        0 => format!("({left} + {right})"),
        1 => format!("({left} * {right})"),
        2 => format!("({left} - {right})"),
        3 => format!("({left} / {right})"),
        4 => format!("({left} || {right})"),
        5 => format!("({left} < {right})"),
        6 => format!("({left} IS {right})"),
        7 => format!("({left} & ~{right})"),
        8 => format!("coalesce({left}, {right})"),
        9 => format!("iif({left}, {right}, b)"),
        10 => format!("({left} BETWEEN {right} AND 500)"),
        11 => format!("substr({left}, 1, {right} % 4)"),
        12 => format!("CASE {left} WHEN {right} THEN 1 ELSE -b END"),
        _ => format!("printf('%s:%d', {left}, {right})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn script_has_hundreds_of_statements_and_is_always_the_same() {
        let script = script();
        assert!(script.lines().filter(|line| line.ends_with(';')).count() > 550);
        assert_eq!(script, super::script());
    }
}
