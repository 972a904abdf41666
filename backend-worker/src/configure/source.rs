//! The text of units that ask several questions at once. Pure.
//!
//! Each probe stands in lines of its own, which `#line` names, so that clang's errors tell which
//! probe they belong to. A probe must have the answer that it would have alone, so it declares
//! nothing that another one could see, and only probes with the same includes share a unit.

use std::fmt::Write;
use tender_protocol::{Language, Probe, ProbeTest};

/// The headers that a probe includes if it names none: autoconf's `AC_INCLUDES_DEFAULT`
/// (https://www.gnu.org/software/autoconf/manual/autoconf-2.72/html_node/Default-Includes.html).
/// Those that the system lacks are left out.
pub const COMMON_HEADERS: [&str; 10] = [
    "stddef.h",
    "stdio.h",
    "stdlib.h",
    "string.h",
    "inttypes.h",
    "stdint.h",
    "strings.h",
    "sys/types.h",
    "sys/stat.h",
    "unistd.h",
];

/// What stands before the probes of a unit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Includes {
    Common,
    Named(Vec<String>),
    /// Functions are declared by the probes themselves.
    Nothing,
}

impl Includes {
    pub fn of(probe: &Probe) -> Includes {
        match (&probe.headers, &probe.test) {
            (Some(headers), _) => Includes::Named(headers.clone()),
            (None, ProbeTest::HasFunction(_) | ProbeTest::Endian(_)) => Includes::Nothing,
            (None, _) => Includes::Common,
        }
    }

    /// The lines that include them.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let optional = |text: &mut String, header: &str| {
            let _ = writeln!(text, "#if __has_include(<{header}>)\n#include <{header}>\n#endif");
        };
        match self {
            Includes::Common => COMMON_HEADERS.iter().for_each(|name| optional(&mut text, name)),
            Includes::Named(headers) => {
                headers.iter().for_each(|name| text += &format!("#include <{name}>\n"));
            }
            // It declares no functions, but tells those of which the C library has only a stub.
            Includes::Nothing => optional(&mut text, "limits.h"),
        }
        text
    }
}

/// The file to which errors of a probe belong.
pub fn place(number: usize, name: &str) -> String {
    format!("probe {number} ({name})")
}

/// The function that uses what a probe asks for.
pub fn use_name(number: usize) -> String {
    format!("tender_use_{number}")
}

/// The variable whose initial value is a probe's value.
pub fn value_name(number: usize) -> String {
    format!("tender_value_{number}")
}

/// Whether the probe asks within a function or declaration of its own, so that it can stand in one
/// unit with others.
pub fn is_shareable(test: &ProbeTest) -> bool {
    match test {
        ProbeTest::HasHeader(_)
        | ProbeTest::HasLibrary(_)
        | ProbeTest::Compiles(_)
        | ProbeTest::Links(_)
        | ProbeTest::HasFlag(_) => false,
        other => is_plain(other.parts().1),
    }
}

/// No text of these characters ends the declaration or the function that it stands in. Brackets
/// that match do not either.
fn is_plain(text: &str) -> bool {
    let mut depth = 0_i32;
    text.chars().all(|c| {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            _ => {}
        }
        depth >= 0 && (c.is_ascii_alphanumeric() || " _*.:<>,()[]".contains(c))
    }) && depth == 0
}

/// A unit that asks these questions, which have the same includes. The numbers are those of places.
pub fn unit<'p>(
    includes: &Includes,
    language: Language,
    probes: impl Iterator<Item = (usize, &'p Probe)>,
) -> String {
    let mut text = includes.text();
    for (number, probe) in probes {
        let _ = writeln!(text, "#line 1 \"{}\"", place(number, &probe.name));
        text += &lines(number, probe, language, *includes == Includes::Nothing);
    }
    text
}

fn lines(number: usize, probe: &Probe, language: Language, declares: bool) -> String {
    let external = if language == Language::Cxx { "extern \"C\" " } else { "" };
    let use_name = use_name(number);
    let value_name = value_name(number);
    match &probe.test {
        ProbeTest::HasFunction(name) if declares => format!(
            "#if defined __stub_{name} || defined __stub___{name}\n\
             #error the C library has only a stub of it\n\
             #endif\n\
             {external}char {name}(void);\n\
             {external}int {use_name}(void) {{ return {name}(); }}\n"
        ),
        ProbeTest::HasFunction(name) | ProbeTest::HasSymbol(name) => unless_macro(
            name,
            &format!(
                "{external}__UINTPTR_TYPE__ {use_name}(void) {{ return (__UINTPTR_TYPE__) &{name}; }}"
            ),
            &format!("{external}__UINTPTR_TYPE__ {use_name}(void) {{ return 0; }}"),
        ),
        ProbeTest::HasDecl(name) => {
            unless_macro(name, &format!("static void {use_name}(void) {{ (void) {name}; }}"), "")
        }
        ProbeTest::HasType(name) => format!(
            "static void {use_name}(void) {{ (void) sizeof ({name}); (void) ({name} *) 0; }}\n"
        ),
        ProbeTest::HasMember(path) => {
            let (base, member) = path.split_once('.').unwrap_or((path, ""));
            format!("static void {use_name}(void) {{ (void) (({base} *) 0)->{member}; }}\n")
        }
        ProbeTest::Sizeof(name) => {
            format!("unsigned long long {value_name} = sizeof ({name});\n")
        }
        ProbeTest::Alignof(name) => {
            format!("unsigned long long {value_name} = _Alignof ({name});\n")
        }
        ProbeTest::Endian(which) => {
            let order =
                if which == "big" { "__ORDER_BIG_ENDIAN__" } else { "__ORDER_LITTLE_ENDIAN__" };
            format!("unsigned long long {value_name} = __BYTE_ORDER__ == {order};\n")
        }
        ProbeTest::HasHeader(_)
        | ProbeTest::HasLibrary(_)
        | ProbeTest::Compiles(_)
        | ProbeTest::Links(_)
        | ProbeTest::HasFlag(_) => unreachable!("they are asked alone"),
    }
}

/// `#ifndef` takes identifiers only.
fn unless_macro(name: &str, text: &str, otherwise: &str) -> String {
    match name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        true => format!("#ifndef {name}\n{text}\n#else\n{otherwise}\n#endif\n"),
        false => format!("{text}\n"),
    }
}

/// A unit that has an error at the place of each header that cannot be found.
pub fn headers_unit<'p>(probes: impl Iterator<Item = (usize, &'p Probe)>) -> String {
    let mut text = String::new();
    for (number, probe) in probes {
        let (_, header) = probe.test.parts();
        let _ = writeln!(
            text,
            "#line 1 \"{}\"\n#if !__has_include(<{header}>)\n#error '{header}' file not found\n#endif",
            place(number, &probe.name)
        );
    }
    text
}

/// The unit of one header.
pub fn header_unit(includes: &Includes, header: &str) -> String {
    format!("{}#include <{header}>\n", includes.text())
}

/// A program that calls these functions.
pub fn main_unit(functions: impl Iterator<Item = String> + Clone) -> String {
    let mut text = String::new();
    for name in functions.clone() {
        let _ = writeln!(text, "int {name}(void);");
    }
    text += "int main(void) {\nint sum = 0;\n";
    functions.for_each(|name| text += &format!("sum += {name}();\n"));
    text + "return sum;\n}\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn source_shares_a_unit_only_among_plain_probes() {
        let check = |test, expect| assert_eq!(is_shareable(&test), expect, "{test:?}");
        check(ProbeTest::HasType("unsigned long".into()), true);
        check(ProbeTest::HasType("std::vector<int>".into()), true);
        check(ProbeTest::Sizeof("int (*)(void)".into()), true);
        check(ProbeTest::Sizeof("int); } int x".into()), false);
        check(ProbeTest::HasType("a)(b".into()), false);
        check(ProbeTest::HasDecl("x; }\n#define y".into()), false);
        check(ProbeTest::Links("int main(void) { return 0; }".into()), false);
    }

    #[test]
    fn source_has_a_place_for_each_probe() {
        let probe = |name: &str, test| Probe {
            name: name.into(),
            test,
            headers: None,
            libs: vec![],
            language: Language::C,
        };
        let probes = [
            probe("A", ProbeTest::HasType("a_t".into())),
            probe("B", ProbeTest::Sizeof("b_t".into())),
        ];
        let text = unit(&Includes::Named(vec!["x.h".into()]), Language::C, (3..).zip(&probes));
        assert_eq!(
            text,
            "#include <x.h>\n#line 1 \"probe 3 (A)\"\n\
             static void tender_use_3(void) { (void) sizeof (a_t); (void) (a_t *) 0; }\n\
             #line 1 \"probe 4 (B)\"\nunsigned long long tender_value_4 = sizeof (b_t);\n"
        );
    }
}
