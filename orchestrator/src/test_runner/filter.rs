//! Which tests run: substrings of names, expressions (`-E`), and parts of all tests for several
//! machines. Pure.
//!
//! ```text
//! expression = term (("or" | "|") term)*          term = factor (("and" | "&") factor)*
//! factor     = ("not" | "!") factor | "(" expression ")" | predicate "(" matcher ")" | "all()" | "none()"
//! predicate  = "package" | "binary" | "test"      matcher = ["=" | "~" | "#"] text
//! ```
//!
//! `=` is the whole name, `~` a part of it, `#` a glob. Without one of them `test` takes a part of
//! the name, the others a glob. The names are those of nextest.

use super::model::TestProgram;
use globset::{GlobBuilder, GlobMatcher};

/// What of a test filters see.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate<'a> {
    pub program: &'a TestProgram,
    pub case: Option<&'a str>,
}

impl Candidate<'_> {
    /// `parser`, or `parser Suite.Case`.
    fn name(&self) -> String {
        match self.case {
            Some(case) => format!("{} {case}", self.program.name),
            None => self.program.name.clone(),
        }
    }
}

/// Which tests run. The default: all.
#[derive(Clone, Debug, Default)]
pub struct TestFilter {
    /// One of them is part of the name; none: any name.
    substrings: Vec<String>,
    /// One of them holds; none: all tests.
    expressions: Vec<Expression>,
}

/// Why an expression is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the filter `{text}` is wrong at `{rest}`: {why}")]
pub struct FilterError {
    text: String,
    /// From where it is wrong.
    rest: String,
    why: String,
}

impl TestFilter {
    /// # Errors
    /// An expression is wrong.
    pub fn new(substrings: Vec<String>, expressions: &[String]) -> Result<TestFilter, FilterError> {
        let expressions = expressions.iter().map(|text| Parser::parse(text));
        Ok(TestFilter { substrings, expressions: expressions.collect::<Result<_, _>>()? })
    }

    /// Whether it leaves any test out.
    pub fn is_all(&self) -> bool {
        self.substrings.is_empty() && self.expressions.is_empty()
    }

    pub(super) fn holds(&self, test: Candidate<'_>) -> bool {
        let name = test.name();
        let by_name = self.substrings.iter().any(|part| name.contains(part.as_str()));
        let by_expression = self.expressions.iter().any(|expression| expression.holds(test));
        (self.substrings.is_empty() || by_name) && (self.expressions.is_empty() || by_expression)
    }
}

#[derive(Clone, Debug)]
enum Expression {
    All,
    None,
    Package(NameMatcher),
    Binary(NameMatcher),
    Test(NameMatcher),
    Not(Box<Expression>),
    Or(Box<Expression>, Box<Expression>),
    And(Box<Expression>, Box<Expression>),
}

#[derive(Clone, Debug)]
enum NameMatcher {
    Whole(String),
    Part(String),
    Glob(GlobMatcher),
}

impl NameMatcher {
    fn holds(&self, name: &str) -> bool {
        match self {
            NameMatcher::Whole(whole) => name == whole,
            NameMatcher::Part(part) => name.contains(part.as_str()),
            NameMatcher::Glob(glob) => glob.is_match(name),
        }
    }
}

impl Expression {
    fn holds(&self, test: Candidate<'_>) -> bool {
        match self {
            Expression::All => true,
            Expression::None => false,
            Expression::Package(name) => name.holds(&test.program.krate),
            Expression::Binary(name) => name.holds(&test.program.name),
            // The name of the case, where there is one.
            Expression::Test(name) => name.holds(test.case.unwrap_or(&test.program.name)),
            Expression::Not(one) => !one.holds(test),
            Expression::Or(a, b) => a.holds(test) || b.holds(test),
            Expression::And(a, b) => a.holds(test) && b.holds(test),
        }
    }
}

/// Expressions that are nested deeper are refused, because each level is a call.
const DEEPEST: usize = 100;

struct Parser<'a> {
    text: &'a str,
    rest: &'a str,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn parse(text: &'a str) -> Result<Expression, FilterError> {
        let mut parser = Parser { text, rest: text, depth: 0 };
        let expression = parser.expression()?;
        parser.skip_blanks();
        match parser.rest.is_empty() {
            true => Ok(expression),
            false => Err(parser.wrong("write `and`, `or`, or nothing")),
        }
    }

    fn wrong(&self, why: &str) -> FilterError {
        let rest = if self.rest.is_empty() { "the end" } else { self.rest };
        FilterError { text: self.text.to_owned(), rest: rest.to_owned(), why: why.to_owned() }
    }

    fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_start();
    }

    /// Takes a word such as `or`, which does not go on, or its sign.
    fn takes(&mut self, word: &str, sign: &str) -> bool {
        self.skip_blanks();
        let goes_on = |rest: &str| rest.starts_with(|c: char| c.is_alphanumeric() || c == '_');
        let rest = match self.rest.strip_prefix(word) {
            Some(rest) if !word.is_empty() && !goes_on(rest) => Some(rest),
            _ => self.rest.strip_prefix(sign),
        };
        if let Some(rest) = rest {
            self.rest = rest;
        }
        rest.is_some()
    }

    fn expression(&mut self) -> Result<Expression, FilterError> {
        let mut left = self.term()?;
        while self.takes("or", "|") {
            left = Expression::Or(Box::new(left), Box::new(self.term()?));
        }
        Ok(left)
    }

    fn term(&mut self) -> Result<Expression, FilterError> {
        let mut left = self.factor()?;
        while self.takes("and", "&") {
            left = Expression::And(Box::new(left), Box::new(self.factor()?));
        }
        Ok(left)
    }

    fn factor(&mut self) -> Result<Expression, FilterError> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(self.wrong("it is nested too deeply"));
        }
        let factor = self.factor_inside();
        self.depth -= 1;
        factor
    }

    fn factor_inside(&mut self) -> Result<Expression, FilterError> {
        if self.takes("not", "!") {
            return Ok(Expression::Not(Box::new(self.factor()?)));
        }
        if self.takes("", "(") {
            let inner = self.expression()?;
            return match self.takes("", ")") {
                true => Ok(inner),
                false => Err(self.wrong("a `)` is missing")),
            };
        }
        let predicates = ["package", "binary", "test", "all", "none"];
        let Some((name, rest)) = predicates
            .into_iter()
            .find_map(|name| Some((name, self.rest.strip_prefix(name)?.strip_prefix('(')?)))
        else {
            return Err(self.wrong("write `package(...)`, `binary(...)` or `test(...)`"));
        };
        let Some(end) = end_of(rest) else {
            return Err(self.wrong("a `)` is missing"));
        };
        let (matcher, rest) = (rest[..end].trim(), &rest[end + 1..]);
        let expression = match name {
            "all" | "none" if !matcher.is_empty() => {
                return Err(self.wrong("nothing stands between these parentheses"));
            }
            "all" => Expression::All,
            "none" => Expression::None,
            "package" => Expression::Package(self.matcher(matcher, '#')?),
            "binary" => Expression::Binary(self.matcher(matcher, '#')?),
            _ => Expression::Test(self.matcher(matcher, '~')?),
        };
        self.rest = rest;
        Ok(expression)
    }

    fn matcher(&self, text: &str, default: char) -> Result<NameMatcher, FilterError> {
        let (sign, name) = match text.chars().next() {
            Some(sign @ ('=' | '~' | '#')) => (sign, &text[1..]),
            _ => (default, text),
        };
        if name.is_empty() {
            return Err(self.wrong("a name is missing"));
        }
        Ok(match sign {
            '=' => NameMatcher::Whole(name.to_owned()),
            '~' => NameMatcher::Part(name.to_owned()),
            _ => {
                let glob = GlobBuilder::new(name).build();
                let glob = glob.map_err(|error| self.wrong(&error.kind().to_string()))?;
                NameMatcher::Glob(glob.compile_matcher())
            }
        })
    }
}

/// Where the text of a matcher ends: at the first `)` that closes none within.
fn end_of(text: &str) -> Option<usize> {
    let mut open = 0;
    for (at, c) in text.char_indices() {
        match c {
            '(' => open += 1,
            ')' if open == 0 => return Some(at),
            ')' => open -= 1,
            _ => {}
        }
    }
    None
}

/// One of several parts of all tests: each test is in one part, by the hash of its name, so that
/// a new test moves no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partition {
    /// From 1.
    part: u64,
    of: u64,
}

impl Partition {
    /// Reads `hash:1/4`.
    ///
    /// # Errors
    /// Text for users: it has another form, or there is no such part.
    pub fn parse(text: &str) -> Result<Partition, String> {
        let parts = text.strip_prefix("hash:").and_then(|parts| parts.split_once('/'));
        let number = |text: &str| text.parse::<u64>().ok().filter(|number| *number > 0);
        let parsed = parts.and_then(|(part, of)| Some((number(part)?, number(of)?)));
        match parsed {
            Some((part, of)) if part <= of => Ok(Partition { part, of }),
            Some((part, of)) => Err(format!("there is no part {part} of {of}")),
            None => Err("write `hash:1/4` for the first of four parts".to_owned()),
        }
    }

    /// Whether a test of this name is in the part.
    pub(super) fn has(self, name: &str) -> bool {
        let hash = blake3::hash(name.as_bytes());
        let mut first = [0; 8];
        first.copy_from_slice(&hash.as_bytes()[..8]);
        u64::from_le_bytes(first) % self.of == self.part - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_runner::suite::tests::program;

    fn holds(words: &[&str], expressions: &[&str], case: Option<&str>) -> bool {
        let words = words.iter().map(|word| (*word).to_owned()).collect();
        let expressions: Vec<String> = expressions.iter().map(|text| (*text).to_owned()).collect();
        let filter = TestFilter::new(words, &expressions).unwrap();
        filter.holds(Candidate { program: &program("zip", "parser"), case })
    }

    #[test]
    fn filter_matches_substrings_of_names() {
        let check = |words: &[&str], case, expect| assert_eq!(holds(words, &[], case), expect);
        check(&[], None, true);
        check(&["pars"], None, true);
        check(&["zip"], None, false);
        check(&["nothing", "ser"], None, true);
        check(&["A.b"], Some("A.b"), true);
        check(&["parser A"], Some("A.b"), true);
        check(&["parser B"], Some("A.b"), false);
    }

    #[test]
    fn filter_expressions_are_evaluated() {
        let check =
            |text: &str, expect| assert_eq!(holds(&[], &[text], Some("A.b (c)")), expect, "{text}");
        check("package(zip)", true);
        check("package(z*)", true);
        check("package(zi)", false);
        check("package(~zi)", true);
        check("binary(=parser)", true);
        check("binary(=pars)", false);
        check("test(A.b)", true);
        check("test(b (c))", true);
        check("test(=A.b)", false);
        check("test(#A.*)", true);
        check("not test(A)", false);
        check("!test(B) & package(zip)", true);
        check("test(B) or binary(parser) and package(zip)", true);
        check("(test(B) or binary(parser)) and package(zap)", false);
        check("all() and not none()", true);
        check("not not all()", true);
        assert!(holds(&["ser"], &["none()", "all()"], None), "one of them holds");
        assert!(!holds(&["ser"], &["none()"], None));
    }

    #[test]
    fn filter_errors_name_the_place() {
        let check = |text: &str, rest: &str, why: &str| {
            let error = TestFilter::new(vec![], &[text.to_owned()]).unwrap_err();
            assert_eq!((error.rest.as_str(), error.why.as_str()), (rest, why), "{text}");
        };
        check("", "the end", "write `package(...)`, `binary(...)` or `test(...)`");
        check("tset(a)", "tset(a)", "write `package(...)`, `binary(...)` or `test(...)`");
        check("test(a", "test(a", "a `)` is missing");
        check("(test(a)", "the end", "a `)` is missing");
        check("test()", "test()", "a name is missing");
        check("test(a) test(b)", "test(b)", "write `and`, `or`, or nothing");
        check("all(x)", "all(x)", "nothing stands between these parentheses");
        check("not", "the end", "write `package(...)`, `binary(...)` or `test(...)`");
        let deep = "!".repeat(DEEPEST + 1);
        assert!(TestFilter::new(vec![], &[deep]).unwrap_err().why.contains("too deeply"));
    }

    #[test]
    fn partition_has_each_test_once() {
        let parts: Vec<Partition> =
            (1..=4).map(|part| Partition::parse(&format!("hash:{part}/4")).unwrap()).collect();
        let mut counts = [0; 4];
        for number in 0..200 {
            let name = format!("zip::test{number}");
            let of: Vec<usize> = (0..4).filter(|at| parts[*at].has(&name)).collect();
            assert_eq!(of.len(), 1, "{name}");
            counts[of[0]] += 1;
        }
        assert!(counts.iter().all(|count| *count > 20), "{counts:?}");
    }

    #[test]
    fn partition_is_parsed() {
        assert_eq!(Partition::parse("hash:2/3"), Ok(Partition { part: 2, of: 3 }));
        for text in ["hash:0/3", "hash:4/3", "1/3", "hash:1", "hash:1/0", "count:1/2", ""] {
            assert!(Partition::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn fuzz_test_filter() {
        tender_fuzz::check_text("test_filter", 3_000, |text| {
            if let Ok(expression) = Parser::parse(text) {
                expression.holds(Candidate { program: &program("zip", "parser"), case: None });
            }
        });
    }
}
