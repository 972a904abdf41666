//! Finds the symbols that inline assembly names, and keeps them in its piece. The assembler
//! resolves a name within its object. It knows neither promoted names nor definitions in the
//! assembly of another piece.
//!
//! This parses text and knows no instruction set. In doubt a word counts as a name, and a name as
//! one of the module's. That restricts the cut but keeps it correct. Directives that could name
//! anything (macros, other files, other sections) are an error, and the module stays whole. Escapes
//! are those of LLVM's IR: https://llvm.org/docs/LangRef.html#asm-template-argument-modifiers

use super::graph::Graph;
use std::collections::{BTreeSet, HashMap, HashSet};

/// The text of one inline assembly statement, as the IR spells it.
#[derive(Clone, Debug, Default)]
pub struct Assembly {
    /// The function that contains it.
    pub function: u32,
    pub text: String,
    /// Its operands that are symbols.
    pub operands: Vec<u32>,
}

/// Stands for unknown text in a word, such as an operand.
const HOLE: char = '\0';
/// Stands for `%=`, a number that is unique to the statement.
const UNIQUE: char = '\u{1}';

/// Directives that define no name. Names in their operands are found as ordinary words.
const HARMLESS: &[&str] = &[
    "2byte",
    "4byte",
    "8byte",
    "align",
    "ascii",
    "asciz",
    "att_syntax",
    "balign",
    "byte",
    "code16",
    "code32",
    "code64",
    "double",
    "else",
    "elseif",
    "endif",
    "endr",
    "error",
    "fill",
    "float",
    "hword",
    "int",
    "intel_syntax",
    "long",
    "nop",
    "nops",
    "octa",
    "org",
    "p2align",
    "quad",
    "rept",
    "short",
    "single",
    "skip",
    "sleb128",
    "space",
    "string",
    "uleb128",
    "value",
    "warning",
    "word",
    "zero",
];

/// Directives that define the names after them or change their properties.
const DEFINING: &[&str] = &[
    "comm",
    "equ",
    "equiv",
    "global",
    "globl",
    "hidden",
    "internal",
    "lcomm",
    "local",
    "protected",
    "set",
    "size",
    "symver",
    "type",
    "weak",
];

const SEGMENTS: &[&str] = &["cs", "ds", "es", "fs", "gs", "ss"];

/// The names in one statement.
#[derive(Debug, Default, PartialEq, Eq)]
struct Names {
    mentioned: BTreeSet<String>,
    defined: BTreeSet<String>,
    /// Whether an operand is part of a longer word.
    joins_operands: bool,
}

/// The names of a module's symbols, as the assembler sees them.
struct Symbols<'a> {
    names: HashSet<&'a str>,
    /// Names that must be quoted in assembly.
    quoted: Vec<&'a str>,
}

impl<'a> Symbols<'a> {
    fn of(names: &'a [String]) -> Symbols<'a> {
        let names = || names.iter().map(String::as_str).filter(|name| !name.is_empty());
        Symbols {
            names: names().collect(),
            quoted: names().filter(|name| !name.chars().all(is_plain)).collect(),
        }
    }
}

/// The largest supported number of alternatives `{a|b|...}`. LLVM selects one by dialect, and its
/// targets have at most two (`MCAsmInfo::getAssemblerDialect`).
const MOST_DIALECTS: usize = 4;

impl Graph {
    /// Ties functions to the symbols that their assembly names. `names` are the nodes' names as the
    /// assembler sees them; empty if it does not see them.
    ///
    /// # Errors
    /// The reason why the module must stay whole, in the form "it has …".
    pub fn bind(&mut self, assembly: &[Assembly], names: &[String]) -> Result<(), String> {
        if assembly.is_empty() {
            return Ok(());
        }
        let known = Symbols::of(names);
        let read = assembly.iter().map(|statement| read(&statement.text, &known));
        let read = read.collect::<Result<Vec<Names>, String>>()?;

        let symbols = Words::of(
            names.iter().map(String::as_str).zip(0..).filter(|(name, _)| !name.is_empty()),
        );
        for (statement, found) in assembly.iter().zip(&read) {
            for node in found.mentioned.iter().flat_map(|word| symbols.like(word)) {
                let facts = &self.nodes[node as usize];
                if facts.local || facts.linkonce || facts.optional {
                    self.pin(statement.function, node);
                }
            }
            // Directives about a symbol that other objects see, such as `.weak`, apply only to
            // their own object.
            for node in found.defined.iter().flat_map(|word| symbols.like(word)) {
                self.pin(statement.function, node);
            }
            if found.joins_operands {
                statement.operands.iter().for_each(|&node| self.pin(statement.function, node));
            }
            if found.defined.iter().any(|word| !is_number(word)) {
                self.nodes[statement.function as usize].keep_in_one_piece();
            }
        }

        let defined = assembly.iter().zip(&read).flat_map(|(statement, found)| {
            found.defined.iter().map(|word| (word.as_str(), statement.function))
        });
        let defined = Words::of(defined);
        for (statement, found) in assembly.iter().zip(&read) {
            // A numeric label means the nearest one.
            let elsewhere = |word: &&String| !is_number(word) || !found.defined.contains(*word);
            for definer in
                found.mentioned.iter().filter(elsewhere).flat_map(|word| defined.like(word))
            {
                if definer != statement.function {
                    self.nodes[statement.function as usize].keep_in_one_piece();
                    self.ties.push((statement.function, definer));
                }
            }
        }
        Ok(())
    }

    fn pin(&mut self, function: u32, symbol: u32) {
        if function != symbol {
            self.nodes[symbol as usize].pinned = true;
            self.nodes[symbol as usize].keep_in_one_piece();
            self.ties.push((function, symbol));
        }
        self.nodes[function as usize].keep_in_one_piece();
    }
}

/// Words with the nodes that they belong to.
struct Words<'a> {
    exact: HashMap<&'a str, BTreeSet<u32>>,
    with_holes: Vec<(&'a str, u32)>,
}

impl<'a> Words<'a> {
    fn of(words: impl Iterator<Item = (&'a str, u32)>) -> Words<'a> {
        let mut all = Words { exact: HashMap::new(), with_holes: Vec::new() };
        for (word, node) in words {
            if word.contains(HOLE) {
                all.with_holes.push((word, node));
            } else {
                all.exact.entry(word).or_default().insert(node);
            }
        }
        all
    }

    /// The nodes of all words that may equal `word`.
    fn like(&self, word: &str) -> BTreeSet<u32> {
        let mut nodes: BTreeSet<u32> = if word.contains(HOLE) {
            self.exact
                .iter()
                .filter(|(other, _)| matches(word, other))
                .flat_map(|(_, nodes)| nodes)
                .copied()
                .collect()
        } else {
            self.exact.get(word).cloned().unwrap_or_default()
        };
        let open = self.with_holes.iter().filter(|(other, _)| may_be_equal(word, other));
        nodes.extend(open.map(|&(_, node)| node));
        nodes
    }
}

fn read(text: &str, symbols: &Symbols<'_>) -> Result<Names, String> {
    let mut found = Names::default();
    // Options select the dialect, so the names of all dialects count.
    for dialect in 0..MOST_DIALECTS {
        let (text, more) = expand(text, dialect);
        read_dialect(&text, symbols, &mut found)?;
        if !more {
            return Ok(found);
        }
    }
    Err(format!("it has assembly with more than {MOST_DIALECTS} alternatives"))
}

fn read_dialect(text: &str, symbols: &Symbols<'_>, found: &mut Names) -> Result<(), String> {
    for name in symbols.quoted.iter().filter(|name| text.contains(**name)) {
        found.mentioned.insert((*name).to_owned());
        found.defined.insert((*name).to_owned());
    }

    let mut rest = text;
    // Whether names are defined up to the end of the statement.
    let mut defining = false;
    let mut before = ' ';
    while let Some(first) = rest.chars().next() {
        if !is_part(first) {
            defining &= !matches!(first, '\n' | ';');
            before = first;
            rest = &rest[first.len_utf8()..];
            continue;
        }
        let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        // In AT&T syntax a dollar marks an immediate value, and it may also be part of a name.
        let (word, after) = (rest[..end].trim_start_matches('$'), &rest[end..]);
        rest = after;
        let is_register = std::mem::replace(&mut before, ' ') == '%';
        if !word.contains(|c: char| c.is_ascii_alphanumeric() || c == '_') {
            continue;
        }
        found.joins_operands |= word.contains(HOLE);
        if let Some(directive) = word.strip_prefix('.')
            && directive.starts_with(|c: char| c.is_ascii_alphanumeric() || c == HOLE)
            && !word.starts_with(".L")
            && directive.parse::<f64>().is_err()
            && !symbols.names.contains(word)
        {
            match directive {
                _ if DEFINING.contains(&directive) => defining = true,
                _ if HARMLESS.contains(&directive) => {}
                _ if directive.starts_with("cfi_") || directive.starts_with("if") => {}
                _ => {
                    let shown = directive.replace([HOLE, UNIQUE], "…");
                    return Err(format!("it has assembly with the directive .{shown}"));
                }
            }
            continue;
        }
        let next = after.trim_start_matches([' ', '\t', '"']);
        let labels = next.starts_with(':') && !is_register && !SEGMENTS.contains(&word);
        let assigns = next.starts_with('=') && !next.starts_with("==");
        if (defining || labels || assigns) && !word.contains(UNIQUE) {
            found.defined.insert(word.to_owned());
        }
        if word.starts_with(|c: char| c.is_ascii_digit()) {
            // `1b` and `1f` refer to the nearest label `1:`. Other numbers are no names.
            if let Some(label) = word.strip_suffix(['b', 'f']).filter(|label| is_number(label)) {
                found.mentioned.insert(label.to_owned());
            }
        } else if !word.contains(UNIQUE) {
            found.mentioned.insert(word.to_owned());
        }
    }
    Ok(())
}

fn is_part(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '$' | '?' | HOLE | UNIQUE) || !c.is_ascii()
}

/// Whether a character may be part of an unquoted name.
fn is_plain(c: char) -> bool {
    is_part(c) && c != HOLE && c != UNIQUE
}

fn is_number(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|c| c.is_ascii_digit())
}

/// The text for one dialect, with holes for unknown text; and whether there is another dialect.
fn expand(text: &str, dialect: usize) -> (String, bool) {
    let mut out = String::with_capacity(text.len());
    let mut more = false;
    // The number of the current alternative in `{a|b}`.
    let mut alternative = None;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let counts = alternative.is_none_or(|at| at == dialect);
        let next = chars.peek().copied();
        if let ('$', Some(mark @ ('(' | '|' | ')'))) = (c, next) {
            chars.next();
            alternative = match mark {
                '(' => Some(0),
                '|' => alternative.map(|at| at + 1),
                _ => None,
            };
            more |= alternative.is_some_and(|at| at > dialect);
            continue;
        }
        let known = match (c, next) {
            ('$', Some('$')) => {
                chars.next();
                '$'
            }
            ('$', Some('{')) => {
                let operand: String = chars.by_ref().take_while(|&c| c != '}').collect();
                if operand == "{:uid" { UNIQUE } else { HOLE }
            }
            ('$', Some('0'..='9')) => {
                while chars.next_if(char::is_ascii_digit).is_some() {}
                HOLE
            }
            // A macro argument, or an escape in a quoted name.
            ('\\', _) => {
                while chars.next_if(|&c| c.is_ascii_alphanumeric() || c == '_').is_some() {}
                HOLE
            }
            _ => c,
        };
        if counts {
            out.push(known);
        }
    }
    (out, more)
}

/// Whether a word with holes may equal `name`.
fn matches(word: &str, name: &str) -> bool {
    let mut parts = word.split(HOLE);
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let mut last = None;
    for part in parts {
        // Inner parts are matched as early as possible. The last part must end the name.
        if let Some(middle) = last.replace(part) {
            match rest.find(middle) {
                Some(at) => rest = &rest[at + middle.len()..],
                None => return false,
            }
        }
    }
    last.map_or(rest.is_empty(), |end: &str| rest.ends_with(end))
}

/// Whether two words may be the same name. If both have holes, it is enough that their ends agree.
fn may_be_equal(a: &str, b: &str) -> bool {
    match (a.contains(HOLE), b.contains(HOLE)) {
        (_, false) => matches(a, b),
        (false, true) => matches(b, a),
        (true, true) => {
            let ends = |word: &str| {
                let mut parts = word.split(HOLE);
                let first = parts.next().unwrap_or_default().to_owned();
                (first, parts.next_back().unwrap_or_default().to_owned())
            };
            let ((a_first, a_last), (b_first, b_last)) = (ends(a), ends(b));
            (a_first.starts_with(&b_first) || b_first.starts_with(&a_first))
                && (a_last.ends_with(&b_last) || b_last.ends_with(&a_last))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::graph::Node;
    use super::*;

    /// A graph after `bind`. Each of the first functions contains one statement.
    struct Bound {
        graph: Graph,
        whole: Option<String>,
    }

    fn bind(texts: &[&str], symbols: &[(&str, Node)]) -> Bound {
        let function = Node {
            function: true,
            defined: true,
            copyable: true,
            replicable: true,
            ..Node::default()
        };
        let mut nodes = vec![function; texts.len()];
        nodes.extend(symbols.iter().map(|(_, node)| *node));
        let mut names: Vec<String> = (0..texts.len()).map(|at| format!("function{at}")).collect();
        names.extend(symbols.iter().map(|(name, _)| (*name).to_owned()));
        let assembly: Vec<Assembly> = (texts.iter().zip(0..))
            .map(|(text, function)| Assembly {
                function,
                text: (*text).to_owned(),
                operands: Vec::new(),
            })
            .collect();
        let mut graph = Graph { nodes, ..Graph::default() };
        let whole = graph.bind(&assembly, &names).err();
        Bound { graph, whole }
    }

    const LOCAL: Node = Node { defined: true, local: true, ..EMPTY };
    const EMPTY: Node = Node {
        function: false,
        defined: false,
        local: false,
        pinned: false,
        follows_users: false,
        copyable: true,
        replicable: false,
        always_inline: false,
        linkonce: false,
        optional: false,
        special: false,
        instructions: 0,
        blocks: 0,
        bytes: 0,
    };

    #[track_caller]
    fn check_named(text: &str, name: &str, expect: bool) {
        let bound = bind(&[text], &[(name, LOCAL)]);
        assert_eq!(bound.whole, None, "{text}");
        assert_eq!(bound.graph.nodes[1].pinned, expect, "{name} in {text:?}");
        assert_eq!(bound.graph.ties.contains(&(0, 1)), expect, "{name} in {text:?}");
        if expect {
            assert!(!bound.graph.nodes[0].copyable && !bound.graph.nodes[1].copyable, "{text:?}");
        }
    }

    #[test]
    fn assembly_finds_local_names_in_every_spelling() {
        for text in [
            "movq $$table, $0",
            "movl table(%rip), $0",
            "movl table+8(%rip), $0",
            "movl 4+table(%rip), $0",
            "movl $$table+4, $0",
            "movl $$(table-.), $0",
            "call table@PLT",
            "movq table@GOTPCREL(%rip), $0",
            "call *table(,%rax,8)",
            "lea $0, [rip + table]",
            "mov $0, OFFSET FLAT:table",
            "mov$(l $$table, $0$| $0, offset table$)",
            "mov$(l table(%rip), $0$| $0, table[rip]$)",
            "call $(table$|tab$)",
            "call tab$(le$|$)",
            "call tab$(x$|le$)",
            "$(call $|call $)table",
            "call \"table\"",
            ".quad table, 0",
            ".set other, table",
            "other = table",
            "nop; call table; nop",
            "nop\n\tcall table\n",
            "# table",
            "call ${0:c}le",
            "call t${1:P}",
            "call tab\\()le",
            "jmp table",
            "table: nop",
        ] {
            check_named(text, "table", true);
        }
        check_named("movq $$dollar$$name, $0", "dollar$name", true);
        check_named("movq dollar$$name(%rip), $0", "dollar$name", true);
        check_named("call \"two words\"", "two words", true);
        check_named("call .L.str.5", ".L.str.5", true);
        check_named("call .quoted.name", ".quoted.name", true);
        check_named("call größe", "größe", true);
    }

    #[test]
    fn assembly_without_names_ties_nothing() {
        for text in [
            "movq $$tables, $0",
            "call my_table",
            "mov$(l$|$) $1, $0",
            "mov$(l $1, $0$| $0, $1$)",
            "call *$0",
            "call ${0:P}",
            "lock; cmpxchgl $2, $1",
            "jne .Ltmp${:uid}",
            "nop # a comment",
            "cpuid",
            "vaddps {$0}, %zmm1 {%k1}",
            "",
        ] {
            check_named(text, "table", false);
        }
    }

    #[test]
    fn assembly_with_unknown_directives_keeps_a_module_whole() {
        for (text, directive) in [
            (".macro twice x\n call \\x\n.endm", "macro"),
            (".irp n, a, b\n call f_\\n\n.endr", "irp"),
            (".include \"other.s\"", "include"),
            (".pushsection table, \"a\"\n.quad 1b\n.popsection", "pushsection"),
            (".section .rodata", "section"),
            (".text", "text"),
            (".altmacro", "altmacro"),
            (".se${:comment}t x, y", "se…t"),
        ] {
            let bound = bind(&[text], &[]);
            assert_eq!(
                bound.whole,
                Some(format!("it has assembly with the directive .{directive}")),
                "{text:?}"
            );
        }
    }

    #[test]
    fn assembly_definition_is_tied_to_its_users() {
        for (definer, user) in [
            ("shared: ret", "call shared"),
            ("shared : ret", "jmp shared"),
            (".globl shared\nshared: ret", "call shared@PLT"),
            (".set shared, 5", "movl $$shared, $0"),
            ("shared = 5", "movl $$shared, $0"),
            (".comm shared, 8, 8", "movl shared(%rip), $0"),
            (".equ shared, . - 4", ".long shared"),
            ("shared${0:c}: nop", "jmp shared3"),
            ("shared3: nop", "jmp shared${0:c}"),
            ("shared${0:c}: nop", "jmp shared${0:c}"),
            ("\"quoted name\": nop", "nop"),
            ("7: nop", "jmp 7b"),
            (".Lmine: nop", "jmp .Lmine"),
        ] {
            let bound = bind(&[definer, user], &[]);
            let expect = user != "nop";
            assert_eq!(bound.graph.ties.contains(&(1, 0)), expect, "{definer:?} and {user:?}");
            assert!(
                !bound.graph.nodes[0].copyable || is_number(&definer[..1]) || !expect,
                "{definer:?}"
            );
        }
    }

    #[test]
    fn assembly_local_labels_tie_nothing() {
        for text in [
            "1: jmp 1b",
            ".Lx${:uid}: jmp .Lx${:uid}",
            "movq %fs:0, $0",
            "mov $0, fs:0",
            "cmp $0, 1",
        ] {
            let bound = bind(&[text, text], &[]);
            assert_eq!(bound.graph.ties, [], "{text:?}");
        }
    }

    #[test]
    fn assembly_directives_pin_their_symbol() {
        let declared = Node { local: false, defined: false, ..EMPTY };
        let visible = Node { local: false, defined: true, ..EMPTY };
        let inline = Node { linkonce: true, ..visible };
        for (text, node, expect) in [
            ("call other", declared, false),
            ("call other", visible, false),
            ("call other", inline, true),
            (".weak other\ncall other", declared, true),
            (".weak other\ncall other", visible, true),
            (".hidden other", declared, true),
            ("other: ret", declared, true),
            (".set other, 4", declared, true),
        ] {
            let bound = bind(&[text], &[("other", node)]);
            assert_eq!(bound.graph.nodes[1].pinned, expect, "{text:?} {node:?}");
        }
    }

    #[test]
    fn assembly_operand_within_a_word_is_pinned() {
        for (text, expect) in [
            ("call ${0:c}_slow", true),
            ("call ${0:P}", false),
            ("lea $0+4(%rip), $1", false),
            ("movl $$${0:c}, %eax", false),
            ("call ${0:P}@PLT", false),
        ] {
            let mut graph =
                Graph { nodes: vec![Node { function: true, ..LOCAL }, LOCAL], ..Graph::default() };
            let statement = Assembly { function: 0, text: text.to_owned(), operands: vec![1] };
            graph.bind(&[statement], &["f".to_owned(), "g".to_owned()]).unwrap();
            assert_eq!(graph.nodes[1].pinned, expect, "{text:?}");
        }
    }

    #[test]
    fn assembly_dialects_have_a_limit() {
        check_named("call $(a$|b$|c$|table$)", "table", true);
        let bound = bind(&["call $(a$|b$|c$|d$|e$)"], &[]);
        assert_eq!(bound.whole.as_deref(), Some("it has assembly with more than 4 alternatives"));
        // A definition in one dialect does not count in another one.
        let bound = bind(&["$(.set other, 1$|call shared$)", "jmp other", "call shared"], &[]);
        assert_eq!(bound.graph.ties, [(1, 0)]);
    }

    /// The first line of the input has the names of symbols, the other lines are a statement.
    #[test]
    fn fuzz_assembly() {
        tender_fuzz::check_text("assembly", 2_000, |input| {
            let (names, text) = input.split_once('\n').unwrap_or_default();
            let names: Vec<&str> =
                names.split(' ').filter(|name| !name.is_empty()).take(100).collect();
            let symbols: Vec<(&str, Node)> = names.iter().map(|name| (*name, LOCAL)).collect();
            let bound = bind(&[text, "jmp table", "table${0:c}: nop"], &symbols);
            let owned: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            let Ok(found) = read(text, &Symbols::of(&owned)) else { return };

            for word in found.mentioned.iter().chain(&found.defined) {
                // A word consists of characters of the text, in order: an alternative or an escape
                // may be removed between them.
                let mut rest = text.chars();
                assert!(
                    word.chars().all(|c| c == HOLE || rest.any(|other| other == c)),
                    "{word:?}"
                );
            }
            if bound.whole.is_none() && !text.contains(['$', '\\', '{']) {
                let words: HashSet<&str> = text.split(|c| !is_part(c)).collect();
                for (name, node) in names.iter().zip(&bound.graph.nodes[3..]) {
                    let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
                    assert!(
                        !(is_name && words.contains(name)) || node.pinned,
                        "{name:?} is not found"
                    );
                }
            }
        });
    }
}
