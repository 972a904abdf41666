//! Parses the linker's command line, as far as it matters for symbol resolution. Pure.

use super::resolve::ResolveOptions;
use super::version_script::Glob;
use std::ops::Range;

/// An input on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandInput {
    pub name: InputName,
    /// `--whole-archive`
    pub whole: bool,
    /// Between `--start-lib` and `--end-lib`.
    pub lazy: bool,
    /// `-Bstatic`: libraries are looked up only as archives.
    pub archives_only: bool,
}

/// What names an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InputName {
    File(String),
    /// `-lNAME`, without the `-l`.
    Library(String),
    /// Inputs that a placeholder stands for, by number.
    Placeholder(Range<usize>),
}

/// A parsed command line. Files that options name are not read yet.
#[derive(Clone, Debug, Default)]
pub struct LinkerCommand {
    pub entries: Vec<CommandInput>,
    /// `-L`, in order; a leading `=` stands for the system root.
    pub search: Vec<String>,
    pub sysroot: String,
    pub position_independent: bool,
    pub options: ResolveOptions,
    pub version_scripts: Vec<String>,
    pub dynamic_lists: Vec<String>,
    /// Archives whose symbols are not exported; `ALL` means all.
    pub exclude_libs: Vec<String>,
    /// `-r`
    pub relocatable: bool,
}

/// An argument for the driver that stands for inputs, so that their position can be found in the
/// linker's arguments. One placeholder stands for consecutive inputs, because the objects of a
/// large program do not fit on a command line.
pub fn placeholder(numbers: &Range<usize>) -> String {
    format!("-Wl,{PLACEHOLDER}{}+{}", numbers.start, numbers.len())
}

const PLACEHOLDER: &str = "--tender-input=";

/// Options of ld.lld and GNU ld that may take the next argument as value and do not matter here.
const WITH_VALUE: [&str; 35] = [
    "Map",
    "R",
    "T",
    "Tbss",
    "Tdata",
    "Ttext",
    "I",
    "a",
    "auxiliary",
    "b",
    "c",
    "chroot",
    "dependency-file",
    "dynamic-linker",
    "f",
    "filter",
    "format",
    "h",
    "hash-style",
    "image-base",
    "just-symbols",
    "m",
    "o",
    "output",
    "plugin",
    "plugin-opt",
    "print-map-file",
    "reproduce",
    "rpath",
    "rpath-link",
    "script",
    "section-start",
    "soname",
    "sort-section",
    "symbol-ordering-file",
];

#[derive(Clone, Copy, Default)]
struct PositionalState {
    whole: bool,
    lazy: bool,
    archives_only: bool,
}

/// Parses the linker's arguments, without its name.
pub fn parse(words: &[String]) -> LinkerCommand {
    let mut line = LinkerCommand {
        options: ResolveOptions { entry: Some("_start".to_owned()), ..ResolveOptions::default() },
        ..LinkerCommand::default()
    };
    let (mut state, mut saved) = (PositionalState::default(), Vec::new());
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let add = |name| CommandInput {
            name,
            whole: state.whole,
            lazy: state.lazy,
            archives_only: state.archives_only,
        };
        if let Some(numbers) = word.strip_prefix(PLACEHOLDER) {
            let numbers = numbers.split_once('+').and_then(|(start, count)| {
                let start: usize = start.parse().ok()?;
                Some(start..start.checked_add(count.parse().ok()?)?)
            });
            line.entries.extend(numbers.map(|numbers| add(InputName::Placeholder(numbers))));
            continue;
        }
        let Some(option) = word.strip_prefix('-').filter(|rest| !rest.is_empty()) else {
            line.entries.push(add(InputName::File(word.clone())));
            continue;
        };
        let option = option.strip_prefix('-').unwrap_or(option);
        let (name, joined) = match option.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (option, None),
        };
        let mut value = || joined.clone().or_else(|| words.next().cloned()).unwrap_or_default();
        let options = &mut line.options;
        match name {
            "shared" | "Bshareable" => options.shared = true,
            "pie" | "pic-executable" => line.position_independent = true,
            "no-pie" | "no-pic-executable" => line.position_independent = false,
            "export-dynamic" | "E" => options.export_dynamic = true,
            "no-export-dynamic" => options.export_dynamic = false,
            "r" | "relocatable" => line.relocatable = true,
            "static" | "Bstatic" | "dn" | "non_shared" => state.archives_only = true,
            "Bdynamic" | "dy" | "call_shared" => state.archives_only = false,
            "whole-archive" => state.whole = true,
            "no-whole-archive" => state.whole = false,
            "start-lib" => state.lazy = true,
            "end-lib" => state.lazy = false,
            "push-state" => saved.push(state),
            "pop-state" => state = saved.pop().unwrap_or_default(),
            "entry" | "e" => options.entry = Some(value()),
            "undefined" | "u" | "require-defined" => options.undefined.push(value()),
            "init" | "fini" => options.retained.push(value()),
            "wrap" => options.wrap.push(value()),
            "defsym" => {
                let definition = match joined {
                    Some(value) => value,
                    None => words.next().cloned().unwrap_or_default(),
                };
                if let Some((name, expression)) = definition.split_once('=') {
                    options.defined_by_linker.push(name.trim().to_owned());
                    options.used_by_linker.extend(names_in(expression));
                }
            }
            "version-script" => line.version_scripts.push(value()),
            "dynamic-list" | "export-dynamic-symbol-list" => line.dynamic_lists.push(value()),
            "export-dynamic-symbol" => options.dynamic_list.push(Glob::new(&value())),
            "exclude-libs" => {
                line.exclude_libs.extend(value().split([',', ':']).map(str::to_owned))
            }
            "sysroot" => line.sysroot = value(),
            "library-path" | "L" => line.search.push(value()),
            "library" | "l" => line.entries.push(add(InputName::Library(value()))),
            "z" => drop(value()),
            _ if WITH_VALUE.contains(&name) => drop(value()),
            _ => match option.split_at_checked(1) {
                Some(("l", rest)) => line.entries.push(add(InputName::Library(rest.to_owned()))),
                Some(("L", rest)) => line.search.push(rest.to_owned()),
                Some(("u", rest)) if word.starts_with("-u") => {
                    line.options.undefined.push(rest.to_owned())
                }
                Some(("e", rest)) if word.starts_with("-e") && is_symbol(rest) => {
                    line.options.entry = Some(rest.to_owned());
                }
                // Unknown options do not matter for symbols.
                _ => {}
            },
        }
    }
    line.position_independent |= line.options.shared;
    // The defaults of all ELF linkers.
    line.options.retained.extend(["_init".to_owned(), "_fini".to_owned()]);
    line
}

/// Whether `-e` is followed by a symbol, as in `-emain`. `-eh-frame-hdr` is another option.
fn is_symbol(text: &str) -> bool {
    !text.is_empty()
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '$'))
}

fn names_in(expression: &str) -> impl Iterator<Item = String> + '_ {
    expression
        .split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '$' | '@')))
        .filter(|word| word.starts_with(|c: char| !c.is_ascii_digit()))
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> LinkerCommand {
        parse(&text.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn command_inputs_keep_their_order_and_state() {
        let line = line(
            "-pie a.o --push-state -Bstatic -lz --pop-state --whole-archive w.a --no-whole-archive \
             --start-lib l.o --end-lib --tender-input=3+2 -l:libq.so.1 --library=m",
        );
        assert!(line.position_independent);
        let entry = |name| CommandInput { name, whole: false, lazy: false, archives_only: false };
        let file = |name: &str| InputName::File(name.to_owned());
        let library = |name: &str| InputName::Library(name.to_owned());
        assert_eq!(
            line.entries,
            [
                entry(file("a.o")),
                CommandInput { archives_only: true, ..entry(library("z")) },
                CommandInput { whole: true, ..entry(file("w.a")) },
                CommandInput { lazy: true, ..entry(file("l.o")) },
                entry(InputName::Placeholder(3..5)),
                entry(library(":libq.so.1")),
                entry(library("m")),
            ]
        );
    }

    #[test]
    fn command_options_with_symbols_in_every_form() {
        let line = line(
            "--eh-frame-hdr -m elf_x86_64 -z now -o out -u one -utwo --undefined=three -e go -soname x \
             --wrap malloc --wrap=free --defsym=a=b+4 --defsym c=0x10 --version-script=v.map -E \
             --exclude-libs ALL --export-dynamic-symbol=f* -rpath /x -L/a -L /b -plugin p -hash-style=gnu",
        );
        assert!(line.entries.is_empty(), "{:?}", line.entries);
        let options = &line.options;
        assert_eq!(options.undefined, ["one", "two", "three"]);
        assert_eq!(options.entry.as_deref(), Some("go"));
        assert_eq!(options.wrap, ["malloc", "free"]);
        assert_eq!(options.defined_by_linker, ["a", "c"]);
        assert_eq!(options.used_by_linker, ["b"]);
        assert_eq!(line.version_scripts, ["v.map"]);
        assert_eq!(line.exclude_libs, ["ALL"]);
        assert_eq!(line.search, ["/a", "/b"]);
        assert_eq!(options.dynamic_list, [Glob::new("f*")]);
        assert!(options.export_dynamic && !options.shared && !line.position_independent);
    }

    #[test]
    fn command_long_options_with_one_dash() {
        let line = line("-export-dynamic -eh-frame-hdr -dynamic-linker /lib/ld.so -shared -emain");
        assert_eq!(line.options.entry.as_deref(), Some("main"));
        assert!(
            line.options.shared && line.options.export_dynamic && line.options.undefined.is_empty()
        );
        assert!(line.entries.is_empty());
    }

    #[test]
    fn fuzz_link_command() {
        tender_fuzz::check_text("link_command", 3_000, |text| {
            let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
            assert!(parse(&words).entries.len() <= words.len());
        });
    }
}
