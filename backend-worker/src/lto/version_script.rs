//! Parses version scripts and dynamic lists: which names a link exports. Pure.
//!
//! Only what matters for link-time optimisation is parsed. If a pattern is for demangled names, all
//! names that it might match count as exported.

/// A shell pattern as linkers support it: `*`, `?`, `[a-z]`, `[!x]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob(String);

impl Glob {
    /// Takes the pattern's text.
    pub fn new(pattern: &str) -> Glob {
        Glob(pattern.to_owned())
    }

    fn is_exact(&self) -> bool {
        !self.0.contains(['*', '?', '['])
    }

    /// Whether the whole name matches.
    pub fn matches(&self, name: &str) -> bool {
        matches(self.0.as_bytes(), name.as_bytes())
    }
}

fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    // The position after the last star, and how much of the name it matches so far.
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        let step = match pattern.get(p) {
            Some(b'*') => {
                star = Some((p + 1, n));
                p += 1;
                continue;
            }
            Some(b'?') => Some(p + 1),
            Some(b'[') => one_of(pattern, p, name[n]),
            Some(c) if *c == name[n] => Some(p + 1),
            _ => None,
        };
        match (step, &mut star) {
            (Some(next), _) => (p, n) = (next, n + 1),
            (None, Some((after, reach))) => {
                *reach += 1;
                (p, n) = (*after, *reach);
            }
            (None, None) => return false,
        }
    }
    pattern[p..].iter().all(|c| *c == b'*')
}

/// The position after `[...]`, if `c` matches it.
fn one_of(pattern: &[u8], open: usize, c: u8) -> Option<usize> {
    let close = open + 2 + pattern.get(open + 2..)?.iter().position(|c| *c == b']')?;
    let negated = matches!(pattern[open + 1], b'!' | b'^');
    let set = &pattern[open + 1 + usize::from(negated)..close];
    let mut found = false;
    let mut at = 0;
    while at < set.len() {
        if at + 2 < set.len() && set[at + 1] == b'-' {
            found |= (set[at]..=set[at + 2]).contains(&c);
            at += 3;
        } else {
            found |= set[at] == c;
            at += 1;
        }
    }
    (found != negated).then_some(close + 1)
}

/// The names that version scripts make global or local.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VersionScript {
    global: Vec<Glob>,
    local: Vec<Glob>,
    /// `extern "C++"` patterns match demangled names.
    global_cxx: bool,
}

impl VersionScript {
    /// Parses a script. Any text is accepted.
    pub fn parse(text: &str) -> VersionScript {
        let mut script = VersionScript::default();
        script.add(text);
        script
    }

    /// Adds a further script of the same link.
    pub fn add(&mut self, text: &str) {
        let mut global = true;
        let mut depth = 0u32;
        // The depth of braces inside which patterns are for demangled names.
        let mut demangled = None;
        let words = words(text);
        let mut at = 0;
        while at < words.len() {
            let next = words.get(at + 1).map_or("", |word| word.text.as_str());
            let word = &words[at];
            match word.text.as_str() {
                "{" if !word.quoted => depth += 1,
                "}" if !word.quoted => {
                    depth = depth.saturating_sub(1);
                    if demangled.is_some_and(|inside| depth < inside) {
                        demangled = None;
                    }
                    if depth == 0 {
                        global = true;
                        // Skips the version that this one inherits from: `} V1;`
                        while words
                            .get(at + 1)
                            .is_some_and(|word| word.text != ";" && word.text != "{")
                        {
                            at += 1;
                        }
                    }
                }
                ";" | ":" if !word.quoted => {}
                "global" if next == ":" => global = true,
                "local" if next == ":" => global = false,
                "extern" if depth > 0 => {
                    demangled = (next != "C").then_some(depth + 1);
                    at += 1;
                }
                // The name of a version.
                _ if depth == 0 => {}
                _ if demangled.is_some() => self.global_cxx |= global,
                name => {
                    let list = if global { &mut self.global } else { &mut self.local };
                    list.push(Glob::new(name));
                }
            }
            at += 1;
        }
    }

    /// Whether a name is local. Exact names have precedence over patterns, and `*` has the lowest.
    pub fn makes_local(&self, name: &str) -> bool {
        let exact = |list: &[Glob]| list.iter().any(|glob| glob.0 == name);
        let pattern = |list: &[Glob]| {
            list.iter().any(|glob| !glob.is_exact() && glob.0 != "*" && glob.matches(name))
        };
        let all = |list: &[Glob]| list.iter().any(|glob| glob.0 == "*");
        if exact(&self.global) || (self.global_cxx && name.starts_with("_Z")) {
            return false;
        }
        if exact(&self.local) {
            return true;
        }
        if pattern(&self.global) {
            return false;
        }
        pattern(&self.local) || (all(&self.local) && !all(&self.global))
    }
}

/// The patterns of a dynamic list: `{ a; b*; };`
pub fn dynamic_list(text: &str) -> Vec<Glob> {
    let mut script = VersionScript::parse(text);
    if script.global_cxx {
        script.global.push(Glob::new("_Z*"));
    }
    script.global
}

struct Token {
    text: String,
    quoted: bool,
}

fn words(text: &str) -> Vec<Token> {
    let mut words: Vec<Token> = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        let Some(first) = rest.chars().next() else { return words };
        let (word, quoted, after) = if let Some(comment) = rest.strip_prefix("/*") {
            rest = comment.split_once("*/").map_or("", |(_, after)| after);
            continue;
        } else if first == '#' {
            rest = rest.split_once('\n').map_or("", |(_, after)| after);
            continue;
        } else if first == '"' {
            let (word, after) = rest[1..].split_once('"').unwrap_or((&rest[1..], ""));
            (word, true, after)
        } else if matches!(first, '{' | '}' | ';') || rest == ":" {
            (&rest[..1], false, &rest[1..])
        } else {
            let end = rest
                .find(|c: char| c.is_whitespace() || matches!(c, '{' | '}' | ';'))
                .unwrap_or(rest.len());
            let word = &rest[..end];
            // `global:` is two words, `a::b` is one.
            match word.find(':').filter(|at| !word[*at..].starts_with("::")) {
                Some(0) => (":", false, &rest[1..]),
                Some(colon) => (&rest[..colon], false, &rest[colon..]),
                None => (word, false, &rest[end..]),
            }
        };
        words.push(Token { text: word.to_owned(), quoted });
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_script_patterns_match_as_in_a_shell() {
        let check = |pattern: &str, name: &str, expect: bool| {
            assert_eq!(Glob::new(pattern).matches(name), expect, "{pattern} {name}");
        };
        check("zip_*", "zip_open", true);
        check("zip_*", "unzip_open", false);
        check("*", "", true);
        check("a?c", "abc", true);
        check("a?c", "ac", false);
        check("a*b*c", "a1b2b3c", true);
        check("a*b*c", "a1b2b3", false);
        check("[a-c]x", "bx", true);
        check("[!a-c]x", "bx", false);
        check("[]]", "]", true);
        check("[a", "a", false);
    }

    #[track_caller]
    fn check(script: &str, exported: &[&str], local: &[&str]) {
        let script = VersionScript::parse(script);
        for name in exported {
            assert!(!script.makes_local(name), "{name} is exported");
        }
        for name in local {
            assert!(script.makes_local(name), "{name} is local");
        }
    }

    #[test]
    fn version_script_makes_names_global_or_local() {
        check("{ global: f; g_*; local: *; };", &["f", "g_1"], &["h"]);
        check("{ f; };", &["f", "anything"], &[]);
        check(
            "V1 { global: a; local: *; };\n# text\nV2 { /* b: */ global: b; } V1;",
            &["a", "b"],
            &["V1", "c"],
        );
        check("{global:*;local:g;h*;};", &["f"], &["g", "h1"]);
        check("{ local: f*; global: fa; };", &["fa", "b"], &["fb"]);
        check("{ global: \"a;b\"; local: *; };", &["a;b"], &["a"]);
    }

    #[test]
    fn version_script_cxx_patterns_keep_every_mangled_name() {
        check(
            "{ global: extern \"C++\" { zip::*; \"f(int)\" }; g; local: *; };",
            &["_ZN3zip1fEv", "g"],
            &["h", "zip::*"],
        );
        check(
            "{ global: extern \"C\" { f; }; local: extern \"C++\" { a*; }; *; };",
            &["f"],
            &["_Z1av"],
        );
    }

    #[test]
    fn version_script_dynamic_list_is_global() {
        assert_eq!(dynamic_list("{ f; g*; };"), [Glob::new("f"), Glob::new("g*")]);
    }

    /// The input is a script, an empty line, and names.
    #[test]
    fn fuzz_version_script() {
        tender_fuzz::check_text("version_script", 2_000, |text| {
            let (script, names) = text.split_once("\n\n").unwrap_or((text, ""));
            let (parsed, list) = (VersionScript::parse(script), dynamic_list(script));
            for name in names.lines().take(8) {
                parsed.makes_local(name);
                for glob in list.iter().take(64) {
                    glob.matches(name);
                }
            }
        });
    }
}
