//! Parses linker scripts that stand for libraries, such as glibc's `libc.so`, for the files that
//! they name. Pure.

/// A file that a script names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScriptInput {
    File(String),
    /// `-lNAME`
    Library(String),
    /// Another script, `INCLUDE`.
    Script(String),
}

/// Whether a file with these first bytes is an object or an archive.
pub fn is_binary(start: &[u8]) -> bool {
    start.starts_with(b"\x7fELF") || start.starts_with(b"!<arch>\n") || start.contains(&0)
}

/// The text of a file, if it may be a linker script that names files. Objects and archives are not.
pub fn text(content: &[u8]) -> Option<&str> {
    let text = if is_binary(content) { None } else { std::str::from_utf8(content).ok() };
    text.filter(|text| ["INPUT", "GROUP", "INCLUDE"].iter().any(|word| text.contains(word)))
}

/// The files in INPUT and GROUP, AS_NEEDED included, and after INCLUDE. Everything else in a script
/// is about sections.
pub fn inputs(text: &str) -> Vec<ScriptInput> {
    let mut found = Vec::new();
    // The depth of parentheses inside INPUT or GROUP; 0 outside.
    let mut depth = 0u32;
    let mut armed = false;
    let mut included = false;
    for word in words(text) {
        if std::mem::take(&mut included) {
            found.push(ScriptInput::Script(word.trim_matches('"').to_owned()));
            continue;
        }
        match word {
            "INCLUDE" => included = true,
            "(" if armed || depth > 0 => {
                depth += 1;
                armed = false;
            }
            ")" => depth = depth.saturating_sub(1),
            "INPUT" | "GROUP" if depth == 0 => armed = true,
            "AS_NEEDED" | "," | "(" => {}
            name if depth > 0 => {
                let name = name.trim_matches('"');
                found.push(match name.strip_prefix("-l") {
                    Some(library) => ScriptInput::Library(library.to_owned()),
                    None => ScriptInput::File(name.to_owned()),
                });
            }
            _ => armed = false,
        }
    }
    found
}

fn words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        let Some(first) = rest.chars().next() else { return words };
        if let Some(comment) = rest.strip_prefix("/*") {
            rest = comment.split_once("*/").map_or("", |(_, after)| after);
            continue;
        }
        let end = if matches!(first, '(' | ')' | ',' | ';') {
            1
        } else if first == '"' {
            rest[1..].find('"').map_or(rest.len(), |at| at + 2)
        } else {
            rest.find(|c: char| c.is_whitespace() || matches!(c, '(' | ')' | ',' | ';'))
                .unwrap_or(rest.len())
        };
        words.push(&rest[..end]);
        rest = &rest[end..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expect: &[&str]) {
        let shown: Vec<String> = inputs(text)
            .into_iter()
            .map(|named| match named {
                ScriptInput::File(path) => path,
                ScriptInput::Library(name) => format!("-l{name}"),
                ScriptInput::Script(path) => format!("INCLUDE {path}"),
            })
            .collect();
        assert_eq!(shown, expect);
    }

    #[test]
    fn script_inputs_of_common_scripts() {
        check(
            "/* GNU ld script\n */\nOUTPUT_FORMAT(elf64-x86-64)\n\
             GROUP ( /lib/libc.so.6 /usr/lib/libc_nonshared.a  AS_NEEDED ( /lib64/ld-linux-x86-64.so.2 ) )\n",
            &["/lib/libc.so.6", "/usr/lib/libc_nonshared.a", "/lib64/ld-linux-x86-64.so.2"],
        );
        check("GROUP ( libgcc_s.so.1 -lgcc )", &["libgcc_s.so.1", "-lgcc"]);
        check("INPUT(libncurses.so.6 -ltinfo)", &["libncurses.so.6", "-ltinfo"]);
        check("INPUT(\"a b.o\", c.o)", &["a b.o", "c.o"]);
        check(
            "INCLUDE a.ld INPUT(b.o) INCLUDE \"c d.ld\"",
            &["INCLUDE a.ld", "b.o", "INCLUDE c d.ld"],
        );
        check("SECTIONS { .x : { INCLUDE in.ld *(.x) } }", &["INCLUDE in.ld"]);
        check("SECTIONS { .x : { *(.x) } }", &[]);
    }

    #[test]
    fn fuzz_link_script() {
        tender_fuzz::check_text("link_script", 3_000, |text| drop(inputs(text)));
    }
}
