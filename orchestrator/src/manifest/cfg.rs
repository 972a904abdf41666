//! `cfg(...)`: conditions on the platform, on features and on what was found by probes. Cargo's
//! predicates: https://doc.rust-lang.org/reference/conditional-compilation.html
//! Pure: text -> condition -> true or false. Knows no manifest.

use super::problem::suggestion;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// A condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cfg {
    All(Vec<Cfg>),
    Any(Vec<Cfg>),
    Not(Box<Cfg>),
    /// `unix`
    Name(String),
    /// `target_os = "linux"`
    Pair(String, String),
    /// `config.HAVE_X`: what a `[config]` of the crate has found.
    Probe(String),
}

/// What a text that is no condition lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CfgError {
    pub message: String,
    pub help: Option<String>,
    /// Bytes of the text.
    pub at: Range<usize>,
}

/// What conditions are judged by.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CfgFacts {
    /// `target_os` and the like, by name.
    pub platform: BTreeMap<&'static str, String>,
    /// Enabled features of the crate.
    pub features: BTreeSet<String>,
    /// Probes of the crate that have found something.
    pub probes: BTreeSet<String>,
}

/// Predicates with a value, `feature` apart.
const PAIRS: [&str; 7] = [
    "target_os",
    "target_arch",
    "target_env",
    "target_family",
    "target_pointer_width",
    "target_endian",
    "target_vendor",
];

/// Short for `target_family = "..."`.
const FAMILIES: [&str; 2] = ["unix", "windows"];

/// How deep conditions may be nested: far more than people write, and no stack ends before.
const DEEPEST: usize = 64;

impl Cfg {
    /// Reads `cfg(...)`.
    ///
    /// # Errors
    /// What is wrong, and where in `text`.
    pub fn parse(text: &str) -> Result<Cfg, CfgError> {
        let mut reader = Reader { text, at: 0 };
        reader.expect("cfg")?;
        reader.expect("(")?;
        let cfg = reader.condition(0)?;
        reader.expect(")")?;
        reader.blank();
        match reader.rest().is_empty() {
            true => Ok(cfg),
            false => Err(reader.error("there is more after the condition", None)),
        }
    }

    pub fn holds(&self, facts: &CfgFacts) -> bool {
        match self {
            Cfg::All(parts) => parts.iter().all(|part| part.holds(facts)),
            Cfg::Any(parts) => parts.iter().any(|part| part.holds(facts)),
            Cfg::Not(part) => !part.holds(facts),
            Cfg::Name(family) => facts.platform.get("target_family").is_some_and(|is| is == family),
            Cfg::Pair(name, feature) if name == "feature" => facts.features.contains(feature),
            Cfg::Pair(name, value) => {
                facts.platform.get(name.as_str()).is_some_and(|is| is == value)
            }
            Cfg::Probe(name) => facts.probes.contains(name),
        }
    }

    /// The names of probes that it asks for.
    pub fn probes(&self) -> Vec<&str> {
        match self {
            Cfg::All(parts) | Cfg::Any(parts) => parts.iter().flat_map(Cfg::probes).collect(),
            Cfg::Not(part) => part.probes(),
            Cfg::Probe(name) => vec![name],
            Cfg::Name(_) | Cfg::Pair(..) => Vec::new(),
        }
    }

    /// The names of features that it asks for.
    pub fn features(&self) -> Vec<&str> {
        match self {
            Cfg::All(parts) | Cfg::Any(parts) => parts.iter().flat_map(Cfg::features).collect(),
            Cfg::Not(part) => part.features(),
            Cfg::Pair(name, feature) if name == "feature" => vec![feature],
            Cfg::Name(_) | Cfg::Pair(..) | Cfg::Probe(_) => Vec::new(),
        }
    }
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Reader<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn blank(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    fn error(&self, message: impl Into<String>, help: Option<String>) -> CfgError {
        CfgError { message: message.into(), help, at: self.at..self.text.len().max(self.at) }
    }

    fn takes(&mut self, word: &str) -> bool {
        self.blank();
        let found = self.rest().starts_with(word);
        if found {
            self.at += word.len();
        }
        found
    }

    fn expect(&mut self, word: &str) -> Result<(), CfgError> {
        match self.takes(word) {
            true => Ok(()),
            false => Err(self.error(
                format!("`{word}` is missing in the condition"),
                Some(
                    "write `cfg(unix)`, `cfg(target_os = \"linux\")`, `cfg(all(..., ...))`"
                        .to_owned(),
                ),
            )),
        }
    }

    fn word(&mut self) -> &'t str {
        self.blank();
        let rest = self.rest();
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let word = &rest[..end.unwrap_or(rest.len())];
        self.at += word.len();
        word
    }

    fn condition(&mut self, depth: usize) -> Result<Cfg, CfgError> {
        self.blank();
        let start = self.at;
        if depth > DEEPEST {
            return Err(self.error("the condition is nested too deep", None));
        }
        let word = self.word();
        let wrong = |message: String, help: Option<String>| CfgError {
            message,
            help,
            at: start..start + word.len(),
        };
        match word {
            "" => Err(self.error("a condition is missing", None)),
            "all" => Ok(Cfg::All(self.list(depth)?)),
            "any" => Ok(Cfg::Any(self.list(depth)?)),
            "not" => {
                let mut parts = self.list(depth)?;
                match (parts.pop(), parts.is_empty()) {
                    (Some(part), true) => Ok(Cfg::Not(Box::new(part))),
                    _ => Err(wrong("`not` takes one condition".to_owned(), None)),
                }
            }
            "config" if self.rest().starts_with('.') => {
                self.at += 1;
                match self.word() {
                    "" => Err(self.error("the name of a probe is missing", None)),
                    name => Ok(Cfg::Probe(name.to_owned())),
                }
            }
            name if self.takes("=") => {
                let value = self.value()?;
                let known = || PAIRS.iter().copied().chain(["feature"]);
                match known().any(|pair| pair == name) {
                    true => Ok(Cfg::Pair(name.to_owned(), value)),
                    false => Err(wrong(
                        format!("`{name}` is no predicate with a value"),
                        suggestion(name, known()).map(|name| format!("did you mean `{name}`?")),
                    )),
                }
            }
            name if FAMILIES.contains(&name) => Ok(Cfg::Name(name.to_owned())),
            name => {
                let help = match PAIRS.contains(&name) || name == "feature" {
                    true => Some(format!("write `{name} = \"...\"`")),
                    false => {
                        suggestion(name, FAMILIES).map(|name| format!("did you mean `{name}`?"))
                    }
                };
                Err(wrong(format!("`{name}` is no predicate"), help))
            }
        }
    }

    /// `(a, b)`, with a comma at the end or without.
    fn list(&mut self, depth: usize) -> Result<Vec<Cfg>, CfgError> {
        self.expect("(")?;
        let mut parts = Vec::new();
        while !self.takes(")") {
            parts.push(self.condition(depth + 1)?);
            if !self.takes(",") {
                self.expect(")")?;
                break;
            }
        }
        Ok(parts)
    }

    fn value(&mut self) -> Result<String, CfgError> {
        self.expect("\"")?;
        match self.rest().split_once('"') {
            Some((value, _)) => {
                self.at += value.len() + 1;
                Ok(value.to_owned())
            }
            None => Err(self.error("the value has no end", None)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> CfgFacts {
        CfgFacts {
            platform: BTreeMap::from([
                ("target_os", "linux".to_owned()),
                ("target_arch", "x86_64".to_owned()),
                ("target_family", "unix".to_owned()),
                ("target_pointer_width", "64".to_owned()),
            ]),
            features: BTreeSet::from(["loud".to_owned()]),
            probes: BTreeSet::from(["HAVE_X".to_owned()]),
        }
    }

    #[test]
    fn cfg_holds_for_facts() {
        let check = |text: &str, expect: bool| {
            assert_eq!(Cfg::parse(text).unwrap().holds(&facts()), expect, "{text}");
        };
        check("cfg(unix)", true);
        check("cfg( windows )", false);
        check("cfg(target_os = \"linux\")", true);
        check("cfg(target_os=\"macos\")", false);
        check("cfg(all())", true);
        check("cfg(any())", false);
        check("cfg(all(unix, not(target_arch = \"aarch64\"),))", true);
        check("cfg(any(windows, feature = \"loud\"))", true);
        check("cfg(feature = \"quiet\")", false);
        check("cfg(config.HAVE_X)", true);
        check("cfg(not(config.HAVE_Y))", true);
        check("cfg(target_pointer_width = \"32\")", false);
    }

    #[test]
    fn cfg_is_refused_with_a_place() {
        let check = |text: &str, expect: &str, place: &str| {
            let error = Cfg::parse(text).unwrap_err();
            assert!(error.message.contains(expect), "{text}: {error:?}");
            assert_eq!(&text[error.at.clone()], place, "{text}: {error:?}");
        };
        check("cfg", "`(` is missing", "");
        check("unix", "`cfg` is missing", "unix");
        check("cfg(unix", "`)` is missing", "");
        check("cfg(unix) x", "more after the condition", "x");
        check("cfg(linux)", "`linux` is no predicate", "linux");
        check("cfg(target_os)", "`target_os` is no predicate", "target_os");
        check("cfg(target_oss = \"x\")", "no predicate with a value", "target_oss");
        check("cfg(not(unix, windows))", "`not` takes one condition", "not");
        check("cfg(target_os = linux)", "`\"` is missing", "linux)");
        check("cfg(all(unix, ,))", "a condition is missing", ",))");
        check("cfg(config.)", "the name of a probe is missing", ")");
        let deep = format!("cfg({}unix{})", "not(".repeat(9_000), ")".repeat(9_000));
        assert!(Cfg::parse(&deep).unwrap_err().message.contains("too deep"));
    }

    #[test]
    fn cfg_names_what_it_asks_for() {
        let cfg = Cfg::parse("cfg(any(config.A, not(config.B), feature = \"f\", unix))").unwrap();
        assert_eq!(cfg.probes(), ["A", "B"]);
        assert_eq!(cfg.features(), ["f"]);
    }

    #[test]
    fn fuzz_cfg() {
        tender_fuzz::check_text("cfg", 2_000, |text| {
            if let Err(error) = Cfg::parse(text) {
                assert!(text.get(error.at).is_some());
            }
        });
    }
}
