//! What the text of a C or C++ file tells about its part in a project: whether it defines `main`,
//! and what it includes. Comments, strings and branches that this platform does not take are passed
//! by. Pure. It expands no macros, so that it may be wrong where a macro makes a function.

use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceFacts {
    /// Defines the function `main`.
    pub main: bool,
    /// Defines the entry of libFuzzer.
    pub fuzzer: bool,
    /// A module of C++20, which is compiled in another way than a source.
    pub module: bool,
    pub includes: Vec<Include>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Include {
    pub path: String,
    /// `"x.h"`, which is looked for beside the file first.
    pub quoted: bool,
}

/// Reads a file, `cxx` as C++.
pub fn facts(text: &str, cxx: bool) -> SourceFacts {
    let mut scanner = Scanner {
        text: text.as_bytes(),
        at: 0,
        is_line_start: true,
        branches: Vec::new(),
        macros: Macros { cxx, own: BTreeMap::new() },
        outline: Outline { cxx, ..Outline::default() },
        facts: SourceFacts::default(),
    };
    scanner.scan();
    scanner.facts
}

/// Macros that are defined where `tender` runs, and no others: those of headers and of a configure
/// step are not known.
const OF_PLATFORM: [&str; 12] = [
    "__linux__",
    "__linux",
    "linux",
    "__gnu_linux__",
    "__unix__",
    "__unix",
    "unix",
    "__GNUC__",
    "__clang__",
    "__STDC__",
    "__ELF__",
    "__LP64__",
];

/// A condition of the preprocessor. Where it is not known both branches are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Truth {
    Yes,
    No,
    Unknown,
}

impl Truth {
    fn of(is_true: bool) -> Truth {
        if is_true { Truth::Yes } else { Truth::No }
    }

    fn not(self) -> Truth {
        match self {
            Truth::Yes => Truth::No,
            Truth::No => Truth::Yes,
            Truth::Unknown => Truth::Unknown,
        }
    }

    fn and(self, other: Truth) -> Truth {
        match (self, other) {
            (Truth::No, _) | (_, Truth::No) => Truth::No,
            (Truth::Yes, Truth::Yes) => Truth::Yes,
            _ => Truth::Unknown,
        }
    }

    fn or(self, other: Truth) -> Truth {
        self.not().and(other.not()).not()
    }
}

/// An `#if` that is open.
struct Branch {
    is_parent_read: bool,
    is_read: bool,
    /// Whether an earlier branch of it is the one that is taken.
    is_taken: Truth,
    /// Braces at its beginning: each of its branches begins there.
    braces: Braces,
}

struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
    is_line_start: bool,
    branches: Vec<Branch>,
    macros: Macros,
    outline: Outline,
    facts: SourceFacts,
}

impl Scanner<'_> {
    fn scan(&mut self) {
        while let Some(byte) = self.peek(0) {
            let was_line_start = self.is_line_start;
            self.is_line_start = false;
            match byte {
                b'\n' => {
                    self.at += 1;
                    self.is_line_start = true;
                }
                b' ' | b'\t' | b'\r' | 0x0b | 0x0c => {
                    self.at += 1;
                    self.is_line_start = was_line_start;
                }
                b'\\' if self.peek(1) == Some(b'\n') => {
                    self.at += 2;
                    self.is_line_start = was_line_start;
                }
                // In what is not read an escaped quote opens nothing.
                b'\\' => self.at += if self.is_read() { 1 } else { 2 },
                b'/' if matches!(self.peek(1), Some(b'/' | b'*')) => {
                    self.comment();
                    self.is_line_start = was_line_start;
                }
                b'#' if was_line_start => self.directive(),
                b'"' => self.string(),
                b'\'' => self.quoted(b'\''),
                b'0'..=b'9' => self.number(),
                byte if is_word(byte) => self.word(),
                byte => {
                    self.at += 1;
                    self.token(Token::Sign(byte));
                }
            }
        }
        self.facts.main = self.outline.defined.contains("main");
        self.facts.fuzzer = self.outline.defined.contains("LLVMFuzzerTestOneInput");
        self.facts.module = self.outline.module;
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.text.get(self.at + ahead).copied()
    }

    fn is_read(&self) -> bool {
        self.branches.last().is_none_or(|branch| branch.is_read)
    }

    fn token(&mut self, token: Token<'_>) {
        if self.is_read() {
            self.outline.token(token);
        }
    }

    fn comment(&mut self) {
        let is_block = self.peek(1) == Some(b'*');
        self.at += 2;
        while let Some(byte) = self.peek(0) {
            match byte {
                b'\n' if !is_block => return,
                b'\\' if !is_block => self.at += 1 + usize::from(self.peek(1).is_some()),
                b'*' if is_block && self.peek(1) == Some(b'/') => {
                    self.at += 2;
                    return;
                }
                _ => self.at += 1,
            }
        }
    }

    fn string(&mut self) {
        self.quoted(b'"');
        self.token(Token::Text);
    }

    /// Up to the closing quote, or the end of the line: what is not read may be prose.
    fn quoted(&mut self, quote: u8) {
        let start = self.at;
        self.at += 1;
        while let Some(byte) = self.peek(0) {
            match byte {
                b'\n' if self.is_read() => return,
                b'\n' => break,
                b'\\' => self.at += 1 + usize::from(self.peek(1).is_some()),
                byte => {
                    self.at += 1;
                    if byte == quote {
                        return;
                    }
                }
            }
        }
        if !self.is_read() {
            self.at = start + 1;
        }
    }

    /// With the digits' separators of C++, which are no quotes.
    fn number(&mut self) {
        while let Some(byte) = self.peek(0) {
            let is_separator = byte == b'\'' && self.peek(1).is_some_and(is_word);
            if !is_word(byte) && byte != b'.' && !is_separator {
                break;
            }
            self.at += 1;
        }
        self.token(Token::Number);
    }

    fn word(&mut self) {
        let start = self.at;
        while self.peek(0).is_some_and(is_word) {
            self.at += 1;
        }
        let text = self.text;
        let word = std::str::from_utf8(&text[start..self.at]).unwrap_or("?");
        if self.peek(0) == Some(b'"') && matches!(word, "R" | "LR" | "uR" | "UR" | "u8R") {
            return self.raw_string();
        }
        self.token(Token::Word(word));
    }

    fn raw_string(&mut self) {
        let rest = &self.text[self.at + 1..];
        // The delimiter has at most sixteen characters ([lex.string]).
        let open = rest.iter().take(17).position(|byte| *byte == b'(');
        let Some(open) = open else { return self.string() };
        let end = [b")", &rest[..open], b"\""].concat();
        let body = &rest[open..];
        let length = body.windows(end.len()).position(|window| window == end);
        self.at += 1 + open + length.map_or(body.len(), |length| length + end.len());
        self.token(Token::Text);
    }

    /// From `#` to the end of the line, continued lines joined and comments left out.
    fn directive(&mut self) {
        self.at += 1;
        let mut line = Vec::new();
        let mut quote = None;
        while let Some(byte) = self.peek(0) {
            match (byte, quote) {
                (b'\n', _) => break,
                (b'\\', _) if self.peek(1) == Some(b'\n') => self.at += 2,
                (b'\\', _) if self.peek(1) == Some(b'\r') && self.peek(2) == Some(b'\n') => {
                    self.at += 3;
                }
                (b'/', None) if matches!(self.peek(1), Some(b'/' | b'*')) => {
                    self.comment();
                    line.push(b' ');
                }
                _ => {
                    match quote {
                        None if matches!(byte, b'"' | b'<') => quote = Some(byte),
                        Some(b'<') if byte == b'>' => quote = None,
                        Some(b'"') if byte == b'"' => quote = None,
                        _ => {}
                    }
                    // Only the path of an include may have `//` in it.
                    if quote == Some(b'<') && !is_include(&line) {
                        quote = None;
                    }
                    line.push(byte);
                    self.at += 1;
                }
            }
        }
        let line = String::from_utf8_lossy(&line);
        let line = line.trim();
        let end = line.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(line.len());
        let (name, rest) = (&line[..end], line[end..].trim());
        match name {
            "if" => {
                let condition = self.macros.condition(rest);
                self.open(condition);
            }
            "ifdef" => {
                let condition = self.macros.is_defined(first_word(rest));
                self.open(condition);
            }
            "ifndef" => {
                let condition = self.macros.is_defined(first_word(rest)).not();
                self.open(condition);
            }
            "elif" => {
                let condition = self.macros.condition(rest);
                self.next(condition);
            }
            "elifdef" => {
                let condition = self.macros.is_defined(first_word(rest));
                self.next(condition);
            }
            "elifndef" => {
                let condition = self.macros.is_defined(first_word(rest)).not();
                self.next(condition);
            }
            "else" => self.next(Truth::Yes),
            "endif" => drop(self.branches.pop()),
            _ if !self.is_read() => {}
            "include" | "include_next" | "import" => self.facts.includes.extend(include(rest)),
            "define" => self.macros.define(rest),
            "undef" => self.macros.undefine(first_word(rest)),
            _ => {}
        }
    }

    fn open(&mut self, condition: Truth) {
        let is_parent_read = self.is_read();
        let is_read = is_parent_read && condition != Truth::No;
        let braces = self.outline.braces;
        self.branches.push(Branch { is_parent_read, is_read, is_taken: condition, braces });
    }

    fn next(&mut self, condition: Truth) {
        let Some(branch) = self.branches.last_mut() else { return };
        let condition = condition.and(branch.is_taken.not());
        if branch.is_read {
            self.outline.braces = branch.braces;
        }
        branch.is_read = branch.is_parent_read && condition != Truth::No;
        branch.is_taken = branch.is_taken.or(condition);
    }
}

fn is_include(line: &[u8]) -> bool {
    line.trim_ascii_start().starts_with(b"include")
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte >= 0x80
}

fn first_word(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_ascii() || !is_word(c as u8)).unwrap_or(text.len());
    &text[..end]
}

fn include(rest: &str) -> Option<Include> {
    let (end, quoted) = match rest.as_bytes().first()? {
        b'"' => ('"', true),
        b'<' => ('>', false),
        // A macro.
        _ => return None,
    };
    let path = rest[1..].split_once(end)?.0.trim();
    (!path.is_empty()).then(|| Include { path: path.to_owned(), quoted })
}

struct Macros {
    cxx: bool,
    /// Those that the file defines itself, with their values; None: it has undefined them.
    own: BTreeMap<String, Option<String>>,
}

impl Macros {
    fn define(&mut self, rest: &str) {
        let name = first_word(rest);
        let value = rest[name.len()..].trim();
        self.own.insert(name.to_owned(), Some(value.to_owned()));
    }

    fn undefine(&mut self, name: &str) {
        self.own.insert(name.to_owned(), None);
    }

    fn is_defined(&self, name: &str) -> Truth {
        if let Some(value) = self.own.get(name) {
            return Truth::of(value.is_some());
        }
        Truth::of(match name {
            "__cplusplus" => self.cxx,
            "__x86_64__" => cfg!(target_arch = "x86_64"),
            "__aarch64__" => cfg!(target_arch = "aarch64"),
            name => OF_PLATFORM.contains(&name),
        })
    }

    fn value(&self, name: &str) -> Truth {
        match self.own.get(name) {
            Some(Some(value)) => integer(value),
            Some(None) => Truth::No,
            // A header may define it, but for those of other platforms.
            None if name.starts_with("_WIN") || name.starts_with("__APPLE") => Truth::No,
            None => match self.is_defined(name) {
                Truth::Yes => Truth::Yes,
                _ => Truth::Unknown,
            },
        }
    }

    fn condition(&self, text: &str) -> Truth {
        let mut parser = ConditionParser { macros: self, tokens: condition_tokens(text), at: 0 };
        let truth = parser.any(0);
        if parser.at == parser.tokens.len() { truth } else { Truth::Unknown }
    }
}

/// What an integer is worth as a condition.
fn integer(text: &str) -> Truth {
    let digits = text.trim().trim_end_matches(['u', 'U', 'l', 'L']);
    match digits.parse::<u64>() {
        Ok(number) => Truth::of(number != 0),
        Err(_) => Truth::Unknown,
    }
}

fn condition_tokens(text: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = match first_word(rest).len() {
            0 if rest.starts_with("&&") || rest.starts_with("||") => 2,
            0 => first.len_utf8(),
            length => length,
        };
        tokens.push(&rest[..length]);
        rest = rest[length..].trim_start();
    }
    tokens
}

/// Deeper brackets are not looked into.
const DEEPEST: usize = 32;

struct ConditionParser<'a> {
    macros: &'a Macros,
    tokens: Vec<&'a str>,
    at: usize,
}

impl<'a> ConditionParser<'a> {
    fn peek(&self) -> Option<&'a str> {
        self.tokens.get(self.at).copied()
    }

    fn takes(&mut self, token: &str) -> bool {
        let is_it = self.peek() == Some(token);
        self.at += usize::from(is_it);
        is_it
    }

    fn any(&mut self, depth: usize) -> Truth {
        let mut truth = self.all(depth);
        while self.takes("||") {
            truth = truth.or(self.all(depth));
        }
        truth
    }

    fn all(&mut self, depth: usize) -> Truth {
        let mut truth = self.operand(depth);
        while self.takes("&&") {
            truth = truth.and(self.operand(depth));
        }
        truth
    }

    fn operand(&mut self, depth: usize) -> Truth {
        let mut is_negated = false;
        while self.takes("!") {
            is_negated = !is_negated;
        }
        let truth = match self.peek() {
            Some("(") if depth < DEEPEST => {
                self.at += 1;
                let truth = self.any(depth + 1);
                if self.takes(")") { truth } else { Truth::Unknown }
            }
            Some("defined") => {
                self.at += 1;
                let is_bracketed = self.takes("(");
                let name = self.peek().unwrap_or_default();
                self.at += usize::from(self.peek().is_some());
                if is_bracketed {
                    self.takes(")");
                }
                self.macros.is_defined(name)
            }
            Some(word) if first_word(word).is_empty() => Truth::Unknown,
            Some(word) => {
                self.at += 1;
                match word.starts_with(|c: char| c.is_ascii_digit()) {
                    true => integer(word),
                    false => self.macros.value(word),
                }
            }
            None => Truth::Unknown,
        };
        // A comparison, or a macro with arguments: not known.
        if !self.is_at_end_of_operand() {
            self.skip_operand();
            return Truth::Unknown;
        }
        if is_negated { truth.not() } else { truth }
    }

    fn is_at_end_of_operand(&self) -> bool {
        matches!(self.peek(), None | Some("&&" | "||" | ")"))
    }

    fn skip_operand(&mut self) {
        let mut open = 0_usize;
        while let Some(token) = self.peek() {
            match token {
                "(" => open += 1,
                ")" if open > 0 => open -= 1,
                "&&" | "||" | ")" if open == 0 => return,
                _ => {}
            }
            self.at += 1;
        }
    }
}

enum Token<'a> {
    Word(&'a str),
    Number,
    /// A string.
    Text,
    Sign(u8),
}

/// Open braces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Braces {
    /// Those of `extern "C"`, in which functions are still at the top.
    linkage: usize,
    others: usize,
}

/// How far a definition at the top has been read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Definition {
    #[default]
    None,
    Named(String),
    Parameters {
        name: String,
        open: usize,
        /// Names and commas alone, as K&R wrote them.
        is_plain: bool,
        commas: usize,
        was_word: bool,
    },
    Parameterised {
        name: String,
        /// Declarations of the parameters may follow.
        is_old: bool,
    },
}

/// The functions that are defined at the top.
#[derive(Default)]
struct Outline {
    cxx: bool,
    braces: Braces,
    definition: Definition,
    defined: BTreeSet<String>,
    module: bool,
    /// The tokens before, as far as they matter.
    last: Last,
    is_after_extern: bool,
    is_linkage: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Last {
    /// Nothing, or the end of a declaration.
    #[default]
    End,
    Export,
    Module,
    /// `.`, `->` or `::`: what follows belongs to something.
    Member,
    Other,
}

impl Outline {
    fn token(&mut self, token: Token<'_>) {
        let is_linkage = self.is_linkage;
        self.is_linkage = self.is_after_extern && matches!(token, Token::Text);
        self.is_after_extern = matches!(token, Token::Word("extern"));
        if let Token::Sign(b'}') = token {
            match (&mut self.braces.others, &mut self.braces.linkage) {
                (others, _) if *others > 0 => *others -= 1,
                (_, linkage) => *linkage = linkage.saturating_sub(1),
            }
        }
        let is_top = self.braces.others == 0;
        if is_top {
            self.at_top(&token);
        }
        if let Token::Sign(b'{') = token {
            match is_linkage && is_top {
                true => self.braces.linkage += 1,
                false => self.braces.others += 1,
            }
        }
    }

    fn at_top(&mut self, token: &Token<'_>) {
        let last = self.last;
        self.last = match token {
            Token::Sign(b';' | b'}' | b'{') => Last::End,
            Token::Sign(b'.' | b'>' | b':') => Last::Member,
            Token::Word("export") if last == Last::End => Last::Export,
            Token::Word("module") if matches!(last, Last::End | Last::Export) => Last::Module,
            _ => Last::Other,
        };
        let follows = matches!(token, Token::Word(_) | Token::Sign(b';' | b':'));
        self.module |= self.cxx && last == Last::Module && follows;
        self.definition = match (std::mem::take(&mut self.definition), token) {
            (Definition::Named(name), Token::Sign(b'(')) => {
                Definition::Parameters { name, open: 1, is_plain: true, commas: 0, was_word: false }
            }
            (Definition::Parameters { name, open, is_plain, commas, was_word }, token) => {
                let open = match token {
                    Token::Sign(b'(') => open + 1,
                    Token::Sign(b')') => open - 1,
                    _ => open,
                };
                if open == 0 {
                    Definition::Parameterised { name, is_old: is_plain && commas > 0 }
                } else {
                    let is_word = matches!(token, Token::Word(_));
                    let is_comma = matches!(token, Token::Sign(b','));
                    Definition::Parameters {
                        name,
                        open,
                        is_plain: is_plain && (is_comma || is_word && !was_word),
                        commas: commas + usize::from(is_comma),
                        was_word: is_word,
                    }
                }
            }
            (Definition::Parameterised { name, .. }, Token::Sign(b'{')) => {
                self.defined.insert(name);
                Definition::None
            }
            (Definition::Parameterised { is_old: false, .. }, Token::Sign(b';' | b',' | b'=')) => {
                Definition::None
            }
            (definition @ Definition::Parameterised { .. }, _) => definition,
            (_, Token::Word(word @ ("main" | "LLVMFuzzerTestOneInput")))
                if last != Last::Member =>
            {
                Definition::Named((*word).to_owned())
            }
            _ => Definition::None,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn main(text: &str, expect: bool) {
        assert_eq!(facts(text, true).main, expect, "{text}");
    }

    #[test]
    fn main_is_seen_where_it_is_defined() {
        main("int main(void) { return 0; }", true);
        main("int\nmain (int argc, char *argv[])\n{\n}", true);
        main("auto main() -> int { }", true);
        main("int main() try { } catch (...) { }", true);
        main("extern \"C\" { int main(void) {} }", true);
        main("extern \"C\" int main(void) {}", true);
        main("main(argc, argv) int argc; char **argv; { }", true);
        main(
            "struct x { int a; };\nstatic int f(void) { if (1) { } }\nint main(int c, char **v) {}",
            true,
        );
        main("const char *q = \"}\"; char c = '}'; int n = 1'000; int main() {}", true);
        main("auto s = R\"x(int } )\" )x\"; int main() {}", true);
        main("/* } */ // }\nint main() {}", true);
        main("[[noreturn]] int main() {}", true);
    }

    #[test]
    fn main_is_not_seen_elsewhere() {
        main("int main(void);", false);
        main("int main(int, char **); int f(void) {}", false);
        main("/* int main() {} */ // int main() {}", false);
        main("const char *help = \"int main() {}\";", false);
        main("const char *help = R\"(\nint main() {}\n)\";", false);
        main("#define M int main() {}\nint x;", false);
        main("#define M \\\nint main() {}\nint x;", false);
        main("namespace a { int main() {} }", false);
        main("int app::main() {}", false);
        main("struct s { int main() { return 0; } };", false);
        main("int f(void) { return s.main(0); }", false);
        main("int domain(void) {} int main_loop(void) {}", false);
        main("int main = 3; int f(void) {}", false);
        main("", false);
    }

    #[test]
    fn main_counts_in_the_branches_that_are_taken() {
        main("#ifdef MAKECRCH\nint main(void) {}\n#endif", false);
        main("#ifndef NO_MAIN\nint main(void) {}\n#endif", true);
        main("#if 0\nit's int main(void) {}\n#endif", false);
        main("#if 1\nint main(void) {}\n#endif", true);
        main("#if defined(TEST) || defined SELF_TEST\nint main(void) {}\n#endif", false);
        main("#if !defined(TEST) && (1)\nint main(void) {}\n#endif", true);
        main("#define TEST\n#ifdef TEST\nint main(void) {}\n#endif", true);
        main("#define TEST 0\n#if TEST\nint main(void) {}\n#endif", false);
        main("#ifdef _WIN32\nint wmain() {}\n#else\nint main() {}\n#endif", true);
        main("#ifdef _WIN32\nint main() {}\n#else\nint f() {}\n#endif", false);
        main("#ifdef X\n#elif defined(__linux__)\nint main() {}\n#else\n#endif", true);
        main("#ifdef __unix__\n#else\nint main() {}\n#endif", false);
        main("#if X >= 2 && defined(Y)\n#else\nint main() {}\n#endif", true);
        main("#if VERSION >= 2\nint f(int a) {\n#else\nint f() {\n#endif\n}\nint main() {}", true);
        main(
            "#ifdef __cplusplus\nextern \"C\" {\n#endif\nint f(void);\n#ifdef __cplusplus\n}\n#endif\nint main() {}",
            true,
        );
    }

    #[test]
    fn fuzzers_and_modules_are_seen() {
        let fuzzer = "extern \"C\" int LLVMFuzzerTestOneInput(const uint8_t *d, size_t n) { }";
        assert!(facts(fuzzer, true).fuzzer);
        assert!(!facts("int LLVMFuzzerTestOneInput(const uint8_t *, size_t);", true).fuzzer);
        assert!(facts("module;\n#include <a>\nexport module fmt;", true).module);
        assert!(facts("export module fmt:part;", true).module);
        assert!(!facts("int module; struct module *m; module = 1;", true).module);
        assert!(!facts("module;", false).module);
    }

    #[test]
    fn includes_are_listed() {
        let check = |text: &str, expect: &[&str]| {
            let found = facts(text, false).includes.into_iter();
            let found = found.map(|include| match include.quoted {
                true => format!("\"{}\"", include.path),
                false => format!("<{}>", include.path),
            });
            assert_eq!(found.collect::<Vec<_>>(), expect, "{text}");
        };
        check("#include <a/b.h>\n  #  include \"c.h\" // x", &["<a/b.h>", "\"c.h\""]);
        check("/*\n#include <a.h>\n*/ #include <b.h>", &["<b.h>"]);
        check("#include MACRO\n#include <>\n#include \"a", &[]);
        check("#ifdef HAVE_CONFIG_H\n#include \"config.h\"\n#endif", &[]);
        check("#if X > 1\n#include <a.h>\n#else\n#include <b.h>\n#endif", &["<a.h>", "<b.h>"]);
        check(
            "#include \"http://a//b.h\"\r\n#include <a//b.h>\r\n",
            &["\"http://a//b.h\"", "<a//b.h>"],
        );
        check("\"#include <a.h>\"\nx \\\n#include <b.h>", &[]);
        check("\\\n#include <a.h>", &["<a.h>"]);
    }

    #[test]
    fn fuzz_source_text() {
        tender_fuzz::check_text("source_text", 2_000, |text| {
            facts(text, true);
            facts(text, false);
        });
    }
}
