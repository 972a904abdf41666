//! Codegen units as users see them: large files are cut, and only the time differs.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use tender_tests::{Run, TestSpace};

/// A library of two large files with statics of equal names, tables of functions, constructors,
/// thread-locals and a common string, and a program that calls everything.
fn workspace(profile: &str) -> TestSpace {
    let space = TestSpace::new();
    space.write(
        "Tender.toml",
        format!(
            "[package]\nname = \"large\"\n[profile.release]\n{profile}\n[profile.dev]\n{profile}\n"
        ),
    );
    for file in ["left", "right"] {
        space.write(&format!("src/{file}.c"), large_file(file));
    }
    space.write(
        "src/main.c",
        "#include <stdio.h>\n\
         unsigned left(unsigned), right(unsigned);\nconst char *left_name(void), *right_name(void);\n\
         int main(void) {\n\
           printf(\"%u %u %u %s %s\\n\", left(1), right(1), left(2), left_name(), right_name());\n  return 0;\n}\n",
    );
    space
}

/// Enough code for the file to be cut.
const FUNCTIONS: usize = 500;

fn large_file(name: &str) -> String {
    let salt = name.len();
    let mut text = "static unsigned state;\nstatic _Thread_local unsigned depth;\n\
                    static const char text[] = \"the same in both\";\n\
                    __attribute__((constructor)) static void start(void) { state = 1; }\n\
                    static unsigned mix(unsigned x) { return x * 2654435761u ^ state++; }\n"
        .to_owned();
    for n in 0..FUNCTIONS {
        writeln!(
            text,
            "static __attribute__((noinline)) unsigned step{n}(unsigned x) {{\n  depth++;\n  \
             for (unsigned i = 0; i < (x & 7) + {salt}; i++) x = (x << {}) ^ mix(x + {n}) ^ (x >> {});\n  \
             switch (x % 5) {{ case 0: return x + {n}; case 1: return x ^ {n}; case 2: return ~x; default: return x * 3; }}\n}}",
            n % 13 + 1,
            n % 7 + 1,
        )
        .unwrap();
    }
    let all = (0..FUNCTIONS).map(|n| format!("step{n}")).collect::<Vec<_>>().join(", ");
    write!(
        text,
        "static unsigned (*const table[])(unsigned) = {{ {all} }};\n\
         unsigned {name}(unsigned x) {{\n  for (int i = 0; i < {FUNCTIONS}; i++) x = table[i](x);\n  return x + depth;\n}}\n\
         const char *{name}_name(void) {{ return text; }}\n"
    )
    .unwrap();
    text
}

fn says(space: &TestSpace, path: &str) -> String {
    space.built(path).expect_ok().stdout
}

#[test]
fn behaviour_does_not_depend_on_the_number_of_pieces() {
    for args in [&["build", "-j2"][..], &["build", "-j2", "--release"]] {
        let program = if args.len() == 3 { "target/release/large" } else { "target/debug/large" };
        let of = |units: u32| {
            let space = workspace(&format!("codegen-units = {units}"));
            space.tender(args).expect_ok();
            says(&space, program)
        };
        let whole = of(1);
        for units in [2, 16] {
            assert_eq!(of(units), whole, "{units} pieces");
        }
    }
}

#[test]
fn large_file_is_cut_and_joined_into_one_object() {
    let trace = |units: u32| {
        let space = workspace(&format!("codegen-units = {units}"));
        let trace = space.trace_build(&["--release", "-j2"]);
        let members = std::process::Command::new(tender_tests::llvm_bin().join("llvm-ar"))
            .args(["t", space.path("target/release/liblarge.a").as_str()])
            .output()
            .unwrap();
        let members = String::from_utf8(members.stdout).unwrap();
        assert_eq!(members.lines().collect::<Vec<_>>(), ["left.o", "right.o"], "{units} pieces");
        trace.phases().into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let (cut, whole) = (trace(8), trace(1));
    for phase in ["cut", "join"] {
        assert!(cut.contains(&phase.to_owned()), "no {phase} in {cut:?}");
        assert!(!whole.contains(&phase.to_owned()), "{phase} in {whole:?}");
    }
}

/// As in zstd's compressors: little code, which forced inlining multiplies.
#[test]
fn file_that_grows_by_inlining_is_cut() {
    let space = TestSpace::new();
    space.write("Tender.toml", "[package]\nname = \"grows\"\n");
    let mut text =
        "static inline __attribute__((always_inline)) unsigned body(unsigned x, int way) {\n"
            .to_owned();
    for n in 0..80 {
        writeln!(text, "  if (x % {} == (unsigned)way) x = x * {} ^ (x >> 3);", n + 2, n * 2 + 3)
            .unwrap();
    }
    text += "  return x;\n}\n";
    for n in 0..24 {
        writeln!(
            text,
            "unsigned f{n}(unsigned x) {{ return body(x, {n}) + body(x + 1, {n} + 1); }}"
        )
        .unwrap();
    }
    space.write("src/grows.c", text);
    let trace = space.trace_build(&["--release", "-j2"]);
    assert!(trace.phases().into_iter().any(|phase| phase == "cut"), "{:?}", trace.phases());
}

#[test]
fn outputs_depend_on_sources_and_profile_alone() {
    let outputs = |jobs: &str, translate: &str| {
        let space =
            workspace(&format!("codegen-units = 8\ntranslate = \"{translate}\"\ndebug = true"));
        space.tender(&["build", "--release", jobs]).expect_ok();
        space.outputs("release")
    };
    let expect = outputs("-j1", "parallel");
    for (jobs, translate) in [("-j8", "parallel"), ("-j1", "serial"), ("-j8", "serial")] {
        let found = outputs(jobs, translate);
        let differ: Vec<&String> =
            expect.keys().filter(|name| expect[*name] != found[*name]).collect();
        assert!(differ.is_empty(), "{jobs} {translate}: these differ: {differ:?}");
    }
}

#[test]
fn number_of_pieces_is_a_reason_to_rebuild_and_the_form_of_translation_is_none() {
    let space = workspace("codegen-units = 2\ntranslate = \"parallel\"");
    space.tender(&["build", "--release", "-j2"]).expect_ok();
    let two = space.outputs("release");
    space.edit("Tender.toml", "translate = \"parallel\"", "translate = \"serial\"");
    space.expect_fresh(&["--release"]);
    space.edit("Tender.toml", "codegen-units = 2", "codegen-units = 4");
    let rebuilt = space.build(&["--release", "-j2"]);
    let reason = "the profile has changed: added codegen-units=4, removed codegen-units=2";
    let units: Vec<&str> = rebuilt
        .iter()
        .filter(|rebuild| rebuild.reason == reason)
        .map(|rebuild| rebuild.unit.as_str())
        .collect();
    assert_eq!(units, ["src/left.c", "src/main.c", "src/right.c"]);
    space.expect_fresh(&["--release"]);
    space.edit("Tender.toml", "codegen-units = 4", "codegen-units = 2");
    space.build(&["--release", "-j2"]);
    assert!(space.outputs("release") == two, "other bytes after there and back");
}

#[test]
fn object_of_one_piece_is_that_of_clang() {
    let space = workspace("codegen-units = 1");
    space.tender(&["build", "--release", "-j2"]).expect_ok();
    let commands: serde_json::Value =
        serde_json::from_str(&space.read("target/compile_commands.json")).unwrap();
    let left =
        commands.as_array().unwrap().iter().find(|entry| entry["file"] == "src/left.c").unwrap();
    let words: Vec<&str> =
        left["arguments"].as_array().unwrap().iter().map(|w| w.as_str().unwrap()).collect();
    let ours = space.read_bytes("target/release/.tender/large/obj/lib/src/left.c.o");
    // The command for tools is a plain compile.
    let mut clang = std::process::Command::new(words[0]);
    space.prepare(&mut clang);
    let output = words.iter().position(|word| *word == "-o").unwrap();
    clang.args(&words[1..output]).args(["-o", "left.o"]);
    space.run(clang).expect_ok();
    assert!(space.read_bytes("left.o") == ours, "{words:?}");
}

/// `tender build --release` with a forced number of pieces.
fn forced(space: &TestSpace, pieces: &str, args: &[&str]) -> Run {
    let mut command =
        space.command(&[&["build", "-v", "--release", "--message-format", "json"], args].concat());
    command.env("TENDER_FORCE_PIECES", pieces);
    space.run(command).expect_ok()
}

/// The number of pieces of each unit, by the JSON messages.
fn pieces(run: &Run) -> BTreeMap<String, usize> {
    let mut pieces: BTreeMap<String, BTreeSet<u64>> = BTreeMap::new();
    for message in
        run.stdout.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
    {
        if let ("phase", Some("optimise"), Some(cgu)) = (
            message["reason"].as_str().unwrap(),
            message["phase"].as_str(),
            message["cgu"].as_u64(),
        ) {
            pieces.entry(message["unit"].as_str().unwrap().to_owned()).or_default().insert(cgu);
        }
    }
    pieces.into_iter().map(|(unit, cgus)| (unit, cgus.len())).collect()
}

#[test]
fn forced_number_of_pieces_cuts_the_smallest_files_in_every_mode() {
    for lto in ["off", "thin-local", "thin", "fat"] {
        let space = TestSpace::new();
        space.write(
            "Tender.toml",
            format!("[package]\nname = \"small\"\n[profile.release]\nlto = \"{lto}\"\n"),
        );
        space.write("src/one.c", "int one(void) { return 1; }\n");
        space.write(
            "src/two.cc",
            "extern \"C\" int two() { return 2; }\nint three() { return 3; }\n",
        );
        space.write(
            "src/ir.ll",
            "define i32 @a() {\n  ret i32 1\n}\ndefine i32 @b() {\n  ret i32 2\n}\n",
        );
        space.write(
            "src/main.c",
            "int one(void), two(void), a(void), b(void);\nstatic int sum;\n\
             static void add(int x) { sum += x; }\n\
             int main(void) { add(one()); add(two()); add(a()); add(b()); return sum; }\n",
        );
        let cut = |expect: &[(&str, usize)], run: Run| {
            let expect: BTreeMap<String, usize> =
                expect.iter().map(|(name, n)| (name.to_string(), *n)).collect();
            assert_eq!(pieces(&run), expect, "{lto}: {run}");
            space.built("target/release/small").expect_code(6);
        };
        cut(&[("src/two.cc", 2), ("src/ir.ll", 2), ("src/main.c", 2)], forced(&space, "2", &[]));
        let run = forced(&space, "3", &[]);
        let reason = "the command has changed: added forced-pieces=3, removed forced-pieces=2";
        assert!(run.stderr.contains(reason), "{run}");
        cut(&[("src/two.cc", 2), ("src/ir.ll", 2), ("src/main.c", 3)], run);
        assert!(pieces(&forced(&space, "3", &[])).is_empty());
        space.build(&["--release"]);
        assert_eq!(space.built("target/release/small").status.code(), Some(6));
    }
}

/// Objects that are compared by address exist once, whichever piece takes the address, in every
/// mode, and also if the linker merges no strings. clang's cast to a final class compares addresses
/// of vtables.
#[test]
fn addresses_are_the_same_in_all_pieces_in_every_mode() {
    let source = r#"#include <cstdio>
namespace {
struct Base { virtual ~Base() {} virtual int f() { return 1; } };
struct Derived final : Base { int x = 5; int f() override { return x; } };
}
#define APART __attribute__((noinline))
APART Base *make0(int k) { return k ? (Base *)new Derived : new Base; }
APART Base *make1(int k) { return k > 1 ? (Base *)new Derived : new Base; }
APART int test0(Base *b) { auto d = dynamic_cast<Derived *>(b); return d ? d->x : -1; }
APART int test1(Base *b) { auto d = dynamic_cast<Derived *>(b); return d ? d->x * 2 : -2; }
static const char *const words[] = {"one", "two"};
APART const void *literal0(int k) { return k == 0 ? "a\0b" : k == 1 ? (const void *)L"wide" : k == 2 ? "" : words[k - 3]; }
APART const void *literal1(int k) { return k == 0 ? "a\0b" : k == 1 ? (const void *)L"wide" : k == 2 ? "" : words[k - 3]; }
APART const void *literal2(int k) { return k == 3 ? "one" : k == 4 ? "two" : literal1(k); }
int main() {
    for (int k = 0; k < 4; k++) printf("%d %d\n", test0(make0(k)), test1(make1(k)));
    for (int k = 0; k < 5; k++) printf("%d %d\n", literal0(k) == literal1(k), literal0(k) == literal2(k));
}
"#;
    let expected = "-1 -2\n5 -2\n5 10\n5 10\n1 1\n1 1\n1 1\n1 1\n1 1\n";
    for lto in ["off", "thin-local", "thin", "fat"] {
        for link_args in ["", "\"-Wl,-O0\""] {
            let space = TestSpace::new();
            space.write(
                "Tender.toml",
                format!("[package]\nname = \"cast\"\nlink-args = [{link_args}]\n[profile.release]\nlto = \"{lto}\"\n"),
            );
            space.write("src/main.cc", source);
            for number in ["2", "5"] {
                let run = forced(&space, number, &[]);
                assert!(pieces(&run)["src/main.cc"] > 1, "{run}");
                assert_eq!(
                    says(&space, "target/release/cast"),
                    expected,
                    "{lto} {link_args} {number}"
                );
            }
        }
    }
}

/// LLVM itself writes them, when the object's directory does not exist yet.
#[test]
fn notes_for_coverage_stand_beside_the_object() {
    let space = TestSpace::new();
    space.write("Tender.toml", "[package]\nname = \"noted\"\nflags = [\"--coverage\"]\n");
    space.write("src/noted.c", "int noted(void) { return 1; }\n");
    space.tender(&["build"]).expect_ok();
    for file in ["noted.c.o", "noted.c.gcno"] {
        assert!(
            space.exists(&format!("target/debug/.tender/noted/obj/lib/src/{file}")),
            "no {file}"
        );
    }
}
