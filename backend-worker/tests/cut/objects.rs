//! A cut object looks like an uncut one: names, folding and debug information; and it is
//! reproducible.

use super::program::{SUFFIXES, bulks, concat_bin, program, same};
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// A function that is inlined everywhere is absent, as in clang's object.
#[test]
fn cut_drops_inlined_functions() {
    let mut text = "#include <stdio.h>\nstruct Sum {\n    int all = 0;\n".to_owned();
    // Too large for a replica.
    text.push_str("    void add(int x) { ");
    for factor in 2..12 {
        let _ = write!(text, "x = x * {factor} + (x >> {factor}); ");
    }
    text.push_str("all ^= x; }\n};\n");
    for name in ["one", "two", "three", "four"] {
        let _ = writeln!(
            text,
            "__attribute__((noinline)) int {name}(int x) {{ Sum s; for (int i = 0; i < x; i++) s.add(i); return s.all; }}"
        );
    }
    text.push_str("int main() { printf(\"%d\\n\", one(9) ^ two(8) ^ three(7) ^ four(6)); }\n");
    let program = same("-O2", &[("a.cpp", &text)]);
    let defined =
        |object: &str| program.tool("llvm-nm", &["--defined-only", "-C", &program.path(object)]);
    assert!(!defined("a.cpp.whole.o").contains("Sum::add"), "clang does not inline it");
    assert!(!defined("a.cpp.cut.o").contains("Sum::add"), "{}", defined("a.cpp.cut.o"));
}

/// Functions and constants that are absent in clang's object, although several pieces use them.
fn vanishing() -> String {
    let mut text = format!(
        "#include <stdio.h>\n{}\
         static int state;\n\
         static int tiny(int x) {{ return x * 3 + 1; }}\n\
         static int nested(int x) {{ return tiny(x) ^ tiny(x + 1); }}\n\
         static void change(int x) {{ state += tiny(x); }}\n\
         __attribute__((used)) static int kept(int x) {{ return x + 77; }}\n\
         __attribute__((cold)) static int rare(int x) {{ return x - 5; }}\n\
         __attribute__((noinline, cold)) static int rarely(int x) {{ return x - 6; }}\n\
         __attribute__((noinline)) static int stays(int x) {{ return x / 3 + state; }}\n\
         static int taken(int x) {{ return x * 5; }}\n",
        bulks(&["bulk_a", "bulk_b", "bulk_c", "bulk_d"])
    );
    for piece in ["a", "b", "c", "d"] {
        let _ = writeln!(
            text,
            "__attribute__((noinline)) int use_{piece}(int x) {{ change(x); return nested(x) + stays(x) + kept(x) + rare(x) + rarely(x) + bulk_{piece}(x) + taken(x); }}\n\
             __attribute__((noinline)) int (*take_{piece}(int x))(int) {{ return x ? taken : stays; }}"
        );
    }
    text.push_str(
        "int main(void) { printf(\"%d %d %d %d\\n\", use_a(1), use_b(2), use_c(3), use_d(4));\n\
         printf(\"%d %d %d\\n\", take_a(1) == take_b(1), take_c(0) == take_d(0), take_a(1)(3) + take_b(0)(4)); return 0; }\n",
    );
    text
}

#[test]
fn cut_object_has_the_names_of_an_uncut_one() {
    for args in [
        "-O2",
        "-O1 -fPIC",
        "-Os",
        "-O0",
        "-O2 -ffunction-sections -fdata-sections",
        "-O2 -fno-addrsig",
        "-O2 -fno-asynchronous-unwind-tables -fno-unwind-tables",
    ] {
        let program = same(args, &[("a.c", &vanishing())]);
        program.assert_apart("a.c", &["use_a", "use_b", "use_c", "use_d"]);
        let (whole, cut) = (program.path("a.c.whole.o"), program.path("a.c.cut.o"));
        let names = |object: &str| {
            let mut names = program.defined(object);
            names.retain(|name| !name.starts_with(".L"));
            names
        };
        assert_eq!(names(&cut), names(&whole), "{args}");
        let sections = |object: &str| {
            let sections = program.tool("llvm-readelf", &["--sections", "--wide", object]);
            let mut names: Vec<String> = sections
                .lines()
                .filter_map(|line| line.split_once("] ")?.1.split(' ').next().map(str::to_owned))
                .collect();
            // Section names contain symbol names.
            names.retain(|name| name != ".shstrtab");
            names.sort_unstable();
            names
        };
        assert_eq!(sections(&cut), sections(&whole), "{args}");
        let significant =
            |object: &str| {
                let table = program.tool("llvm-readelf", &["--addrsig", object]);
                let mut names: Vec<String> =
                    table
                        .lines()
                        .filter_map(|line| {
                            line.trim().split_once(": ")?.0.parse::<u32>().ok().map(|_| {
                                line.trim().split_once(": ").unwrap_or_default().1.to_owned()
                            })
                        })
                        .collect();
                names.sort_unstable();
                names
            };
        assert_eq!(significant(&cut), significant(&whole), "{args}");
    }
}

/// Linkers fold identical functions if their addresses are not significant.
#[test]
fn cut_identical_functions_are_folded_safely() {
    let program = program("-O2 -ffunction-sections", &[("a.c", &vanishing())]);
    let (whole, (cut, _)) = (program.whole("a.c"), program.joined("a.c", SUFFIXES[0]));
    let fold = |name: &str, object: &String| {
        let output = program.path(name);
        let words = [
            object,
            "-o",
            &output,
            "-B",
            concat_bin(),
            "-fuse-ld=lld",
            "-Wl,--icf=safe,--print-icf-sections,--fatal-warnings",
        ];
        let mut folded: Vec<String> = program
            .tool("clang", &words)
            .lines()
            .map(|line| line.rsplit('(').next().unwrap_or_default().to_owned())
            .collect();
        folded.sort_unstable();
        (folded, PathBuf::from(output))
    };
    let ((expected, whole), (folded, cut)) = (fold("whole", &whole), fold("cut", &cut));
    assert!(expected.iter().any(|line| line.contains("take_")), "{expected:?}");
    assert_eq!(folded, expected);
    program.runs_the_same(&whole, &cut);
}

/// Debug information marks dropped functions as such, and a debugger can stop at the others.
#[test]
fn cut_debug_information_of_dropped_functions() {
    for args in ["-O2 -g", "-O2 -g -gdwarf-4", "-O2 -g -ffunction-sections", "-O1 -g3 -gz"] {
        let program = same(args, &[("a.c", &vanishing())]);
        let built = program.path("cut");
        program.tool("llvm-dwarfdump", &["--verify", &program.path("a.c.cut.o")]);
        program.tool("llvm-dwarfdump", &["--verify", &built]);
        let words = [
            "-batch",
            "-nx",
            "-ex",
            "break tiny",
            "-ex",
            "break stays",
            "-ex",
            "run",
            "-ex",
            "bt 1",
            "-ex",
            "info breakpoints",
            &built,
        ];
        let text =
            String::from_utf8_lossy(&program.run(Path::new("gdb"), &words).stdout).into_owned();
        assert!(
            text.contains("Breakpoint 1 at") && text.contains("Breakpoint 2 at"),
            "{args}: {text}"
        );
        assert!(
            text.lines().any(|line| line.starts_with("#0") && line.contains("tiny")),
            "{args}: {text}"
        );
    }
}

const DEBUGGED: &str = "static int total;\n\
    static const int factors[] = {2, 3, 5};\n\
    enum color { red, green };\n\
    struct point { int x, y; enum color color; };\n\
    __attribute__((noinline)) static int deepest(struct point *p)\n{\n\
    \ttotal += p->x;\n\
    \treturn *(volatile int *)0 + factors[p->y];\n}\n\
    __attribute__((noinline)) int middle(int x)\n{\n\
    \tstruct point p = {x, 1, green};\n\
    \treturn deepest(&p) + 1;\n}\n\
    __attribute__((noinline)) int outer(int x)\n{\n\
    \treturn middle(x + 1) * 2;\n}\n\
    int main(int argc, char **argv)\n{\n\
    \t(void)argv;\n\
    \treturn outer(argc) + total;\n}\n";

#[test]
fn cut_debug_information_has_each_line_once() {
    for args in ["-O1 -g", "-O0 -g", "-O2 -gline-tables-only"] {
        let program = program(args, &[("a.c", DEBUGGED)]);
        let (object, pieces) = program.joined("a.c", SUFFIXES[0]);
        assert!(pieces > 1);
        program.tool("llvm-dwarfdump", &["--verify", &object]);
        let built = program.link("a", std::slice::from_ref(&object), &[]);
        let built = built.to_str().unwrap();
        let words =
            ["-batch", "-nx", "-ex", "run", "-ex", "bt", "-ex", "up", "-ex", "info line", built];
        let output = program.run(Path::new("gdb"), &words);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        for (function, line) in [("deepest", 8), ("middle", 13), ("outer", 17), ("main", 22)] {
            let frame =
                text.lines().find(|l| l.starts_with('#') && l.contains(&format!(" {function} ")));
            let frame = frame.unwrap_or_else(|| panic!("{args}: no frame of {function}: {text}"));
            assert!(frame.ends_with(&format!("a.c:{line}")), "{args}: {frame}");
        }
        if args.ends_with("-g") {
            let dump = program.tool("llvm-dwarfdump", &["--debug-info", &object]);
            for name in ["total", "factors", "color"] {
                let lines =
                    dump.lines().filter(|l| l.contains(&format!("DW_AT_name\t(\"{name}\")")));
                // The member of the structure has the enumeration's name too.
                let expected = if name == "color" { 2..=4 } else { 1..=1 };
                assert!(expected.contains(&lines.count()), "{args}: {name} in {dump}");
            }
        }
    }
}

#[test]
fn cut_is_reproducible() {
    let text = bulks(&["a", "b", "c", "d", "e"]);
    let program = program("-O2 -g", &[("a.c", &text)]);
    let read = |(object, _): (String, usize)| std::fs::read(object).unwrap();
    let first = read(program.joined("a.c", SUFFIXES[0]));
    assert_eq!(first, read(program.joined("a.c", SUFFIXES[0])));
}
