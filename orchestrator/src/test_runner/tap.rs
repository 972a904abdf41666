//! The Test Anything Protocol, <https://testanything.org/tap-version-13-specification.html>. Pure.
//! Lines that are indented (subtests) or of no known form are output like any other.

/// What an output says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct TapReport {
    /// How many points the plan announces.
    plan: Option<u64>,
    /// The plan says that all is skipped, and why.
    skip_all: Option<String>,
    points: u64,
    /// Points that are not ok and not to be done.
    failed: Vec<String>,
    bail_out: Option<String>,
}

/// What the report means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TapVerdict {
    Passed,
    Skipped(String),
    /// Why, in one line.
    Failed(String),
}

/// More points are only counted.
const MOST_NAMED: usize = 5;

impl TapReport {
    pub fn parse(text: &str) -> TapReport {
        let mut report = TapReport::default();
        for line in text.lines() {
            report.line(line.trim_end());
        }
        report
    }

    fn line(&mut self, line: &str) {
        if let Some(why) = line.strip_prefix("Bail out!") {
            self.bail_out.get_or_insert_with(|| why.trim().to_owned());
            return;
        }
        if let Some(plan) = line.strip_prefix("1..") {
            let (number, rest) = split_number(plan);
            self.plan = number;
            if let (Some(0), Some((why, _))) = (number, directive(rest, "skip")) {
                self.skip_all = Some(why.to_owned());
            }
            return;
        }
        let (is_ok, rest) = match (line.strip_prefix("not ok"), line.strip_prefix("ok")) {
            (Some(rest), _) => (false, rest),
            (None, Some(rest)) => (true, rest),
            (None, None) => return,
        };
        if !(rest.is_empty() || rest.starts_with(' ')) {
            return;
        }
        self.points += 1;
        let is_excused = directive(rest, "todo").is_some() || directive(rest, "skip").is_some();
        if !is_ok && !is_excused {
            let (number, text) = split_number(rest.trim_start());
            let number = number.unwrap_or(self.points);
            let text = text.trim_start().trim_start_matches('-').trim();
            let name =
                if text.is_empty() { format!("{number}") } else { format!("{number} ({text})") };
            self.failed.push(name);
        }
    }

    pub fn verdict(&self) -> TapVerdict {
        if let Some(why) = &self.bail_out {
            let why = if why.is_empty() { String::new() } else { format!(": {why}") };
            return TapVerdict::Failed(format!("it bailed out{why}"));
        }
        if !self.failed.is_empty() {
            let mut names: Vec<String> = self.failed.iter().take(MOST_NAMED).cloned().collect();
            if self.failed.len() > MOST_NAMED {
                names.push(format!("{} more", self.failed.len() - MOST_NAMED));
            }
            let noun = if self.failed.len() == 1 { "point is" } else { "points are" };
            return TapVerdict::Failed(format!(
                "{} {noun} not ok: {}",
                self.failed.len(),
                names.join(", ")
            ));
        }
        if let Some(why) = &self.skip_all {
            return TapVerdict::Skipped(why.clone());
        }
        match self.plan {
            None if self.points == 0 => TapVerdict::Failed("it wrote no plan and no points".into()),
            None => TapVerdict::Failed("it wrote no plan".into()),
            Some(plan) if plan != self.points => TapVerdict::Failed(format!(
                "the plan announces {plan} points, and there are {}",
                self.points
            )),
            Some(_) => TapVerdict::Passed,
        }
    }
}

/// The text before and behind the first `# WORD`, in whatever case. A description may have other `#`,
/// and `\#`, which begins none.
fn directive<'a>(text: &'a str, word: &str) -> Option<(&'a str, &'a str)> {
    text.match_indices('#').find_map(|(at, _)| {
        let (before, after) = (&text[..at], text[at + 1..].trim_start());
        let start = after.get(..word.len())?;
        if before.ends_with('\\') || !start.eq_ignore_ascii_case(word) {
            return None;
        }
        let rest = &after[word.len()..];
        // `# SKIPPED` is as common as `# SKIP`.
        let rest = rest.trim_start_matches(|c: char| c.is_ascii_alphabetic());
        Some((rest.trim(), before))
    })
}

fn split_number(text: &str) -> (Option<u64>, &str) {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    (text[..digits].parse().ok(), &text[digits..])
}

#[cfg(test)]
mod tests {
    use super::TapVerdict::{Failed, Passed, Skipped};
    use super::*;

    #[test]
    fn tap_verdict_follows_points_and_plan() {
        let check = |text: &str, expect: TapVerdict| {
            assert_eq!(TapReport::parse(text).verdict(), expect, "{text}");
        };
        check("1..2\nok 1 - a\nok 2\n", Passed);
        check("TAP version 13\nok\nok\n# done\n1..2\n", Passed);
        check("1..2\nok 1\nnot ok 2 # TODO later\n", Passed);
        check("1..1\nok 1 # skip no network\n", Passed);
        check("1..1\nnot ok 1 - of issue #5 # TODO later\n", Passed);
        check("1..1\nnot ok 1 \\# todo\n", Failed("1 point is not ok: 1 (\\# todo)".into()));
        check("1..1\nnot ok 1 - #5\n", Failed("1 point is not ok: 1 (#5)".into()));
        check("1..0 # SKIP no network\n", Skipped("no network".into()));
        check("1..0\n", Passed);
        check("1..2\nok 1\nnot ok 2 - adds\n", Failed("1 point is not ok: 2 (adds)".into()));
        check("not ok\nnot ok\n1..2\n", Failed("2 points are not ok: 1, 2".into()));
        check("1..3\nok 1\n", Failed("the plan announces 3 points, and there are 1".into()));
        check("ok 1\n", Failed("it wrote no plan".into()));
        check("", Failed("it wrote no plan and no points".into()));
        check("1..2\nok 1\nBail out! no disk\n", Failed("it bailed out: no disk".into()));
        check("1..1\nok 1\n    not ok 1 - of a subtest\nokay\nnot okay\n", Passed);
    }

    #[test]
    fn fuzz_tap() {
        tender_fuzz::check("tap", 3_000, |bytes| {
            let text = String::from_utf8_lossy(bytes);
            let _ = TapReport::parse(&text).verdict();
        });
    }
}
