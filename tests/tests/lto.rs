//! Link-time optimisation as users see it: the same behaviour in every mode, inlining across
//! crates, archives, rebuilds, and errors with crate and unit.

use camino::Utf8Path;
use std::collections::BTreeMap;
use std::process::Command;
use tender_tests::{Run, TestSpace};

const MODES: [&str; 4] = ["off", "thin-local", "thin", "fat"];

/// The output of the program of `workspace`.
const SAYS: &str =
    "add 7, scale 116, hook 2, from assembly 42, calls 3, mid caught 5, order first second\n";

/// `app` (C and C++) needs `mid` (C++), which needs `base` (C, and assembly, the only user of one
/// of its functions).
fn workspace(profile: &str) -> TestSpace {
    let space = TestSpace::new();
    let members = "members = [\"base\", \"mid\", \"app\"]\n";
    space.write("Tender.toml", format!("[workspace]\n{members}[profile.release]\n{profile}\n"));
    let package = |name: &str, needs: &[&str]| {
        let mut text = format!("[package]\nname = \"{name}\"\n[dependencies]\n");
        for need in needs {
            text += &format!("{need} = {{ path = \"../{need}\" }}\n");
        }
        space.write(&format!("{name}/Tender.toml"), text);
    };
    package("base", &[]);
    package("mid", &["base"]);
    package("app", &["mid", "base"]);
    space.write(
        "base/include/base.h",
        "#ifdef __cplusplus\nextern \"C\" {\n#endif\n\
         int base_add(int, int);\nint base_calls(void);\nint base_scale(int);\nint base_hook(void);\n\
         int base_from_assembly(int);\n\
         #ifdef __cplusplus\n}\n#endif\n",
    );
    space.write(
        "base/src/add.c",
        "#include \"base.h\"\n\
         static int calls;\n\
         int base_add(int a, int b) { calls++; return a + b; }\n\
         int base_calls(void) { return calls; }\n\
         __attribute__((weak)) int base_hook(void) { return 1; }\n\
         int base_for_assembly(int x) { return x * 2; }\n",
    );
    space.write(
        "base/src/scale.c",
        "#include \"base.h\"\n\
         static int calls;\n\
         __attribute__((constructor)) static void start(void) { calls = 100; }\n\
         int base_scale(int x) { return base_add(x, x) + calls; }\n",
    );
    space.write(
        "base/src/jump.s",
        ".text\n.globl base_from_assembly\n.type base_from_assembly,@function\n\
         base_from_assembly:\n  jmp base_for_assembly@PLT\n.size base_from_assembly, .-base_from_assembly\n\
         .section .note.GNU-stack,\"\",@progbits\n",
    );
    space.write("mid/include/mid.h", "int mid_caught(int);\nextern const char *mid_order[2];\n");
    space.write(
        "mid/src/mid.cc",
        "#include \"base.h\"\n#include \"mid.h\"\n#include <stdexcept>\n#include <string>\n\
         struct Shape { virtual ~Shape() = default; virtual int size() const = 0; };\n\
         struct Square : Shape {\n  int side;\n  explicit Square(int s) : side(s) {}\n\
           int size() const override { if (side > 2) throw std::runtime_error(std::string(5, 'x')); return side; }\n};\n\
         int mid_caught(int x) {\n  Square square(base_add(x, x));\n\
           try { return square.size(); } catch (const std::exception &e) { return std::string(e.what()).size(); }\n}\n",
    );
    space.write(
        "mid/src/order.cc",
        "#include \"mid.h\"\n\
         const char *mid_order[2];\n\
         static int next;\n\
         namespace { struct Note { explicit Note(const char *text) { mid_order[next++] = text; } }; }\n\
         static Note first(\"first\");\nstatic Note second(\"second\");\n",
    );
    space.write(
        "app/src/main.c",
        "#include \"base.h\"\n#include <stdio.h>\n\
         void app_rest(void);\n\
         int base_hook(void) { return 2; }\n\
         int main(void) {\n\
           printf(\"add %d, scale %d, hook %d, from assembly %d\", base_add(3, 4), base_scale(8), base_hook(),\n\
                  base_from_assembly(21));\n\
           app_rest();\n  return 0;\n}\n",
    );
    space.write(
        "app/Tender.toml",
        space.read("app/Tender.toml") + "[[bin]]\nname = \"app\"\nsources = [\"src/*\"]\n",
    );
    space.write(
        "app/src/rest.cc",
        "#include \"base.h\"\n#include \"mid.h\"\n#include <cstdio>\n\
         extern \"C\" void app_rest() {\n  int caught = mid_caught(2);\n\
           std::printf(\", calls %d, mid caught %d, order %s %s\\n\", base_calls(), caught, mid_order[0], mid_order[1]);\n}\n",
    );
    space
}

fn in_mode(mode: &str) -> TestSpace {
    workspace(&format!("lto = \"{mode}\""))
}

fn set_mode(space: &TestSpace, from: &str, to: &str) {
    space.edit("Tender.toml", &format!("lto = \"{from}\""), &format!("lto = \"{to}\""));
}

#[track_caller]
fn says(space: &TestSpace, expect: &str) {
    let run = space.built("target/release/app").expect_ok();
    assert_eq!(run.stdout, expect, "{run}");
}

/// Standard output of a program of LLVM.
#[track_caller]
fn llvm(space: &TestSpace, tool: &str, args: &[&str]) -> String {
    let mut command = Command::new(tender_tests::llvm_bin().join(tool));
    space.prepare(&mut command);
    command.args(args);
    space.run(command).expect_ok().stdout
}

/// Names of the functions and variables that a file defines.
fn defined(space: &TestSpace, path: &str) -> Vec<String> {
    let text = llvm(space, "llvm-nm", &["--defined-only", "--format=just-symbols", path]);
    text.lines()
        .filter(|line| !line.is_empty() && !line.ends_with(':'))
        .map(str::to_owned)
        .collect()
}

fn artifacts(space: &TestSpace) -> Vec<String> {
    space.outputs("release").into_keys().collect()
}

#[test]
fn modes_and_levels_give_the_same_behaviour() {
    for mode in MODES {
        for level in ["0", "2", "\"z\""] {
            let space = workspace(&format!("lto = \"{mode}\"\nopt-level = {level}\ndebug = true"));
            space.tender(&["build", "--release", "-j2"]).expect_ok();
            says(&space, SAYS);
        }
    }
}

#[test]
fn libraries_that_are_only_linked_have_no_archive() {
    for mode in MODES {
        let space = in_mode(mode);
        space.tender(&["build", "--release", "-j2"]).expect_ok();
        let expect: &[&str] = match mode {
            "off" | "thin-local" => &["app", "libbase.a", "libmid.a"],
            _ => &["app"],
        };
        assert_eq!(artifacts(&space), expect, "{mode}");
        space.expect_fresh(&["--release"]);
    }
}

#[test]
fn code_crosses_crates() {
    // A call across crates, from C++ to C.
    let calls = |mode: &str| {
        let space = in_mode(mode);
        space.tender(&["build", "--release", "-j2"]).expect_ok();
        let code =
            llvm(&space, "llvm-objdump", &["-d", "--no-show-raw-insn", "target/release/app"]);
        code.lines().filter(|line| line.contains("call") && line.contains("<base_add")).count()
    };
    assert!(calls("off") > 0);
    assert!(calls("thin-local") > 0);
    assert_eq!((calls("thin"), calls("fat")), (0, 0));
}

#[test]
fn symbols_that_are_used_from_outside_stay() {
    for mode in ["thin", "fat"] {
        let space = in_mode(mode);
        space.tender(&["build", "--release"]).expect_ok();
        let names = defined(&space, "target/release/app");
        for name in ["base_for_assembly", "base_from_assembly", "main"] {
            assert!(names.contains(&name.to_owned()), "{mode}: no {name} in {names:?}");
        }
        // Only other modules use it. After merging it is removed with the calls; a separate backend
        // must keep it for others.
        assert_eq!(names.contains(&"base_scale".to_owned()), mode == "thin", "{mode}: {names:?}");
    }
}

#[test]
fn modes_can_be_switched_back_and_forth() {
    let space = in_mode("off");
    let mut before = "off";
    let mut made: BTreeMap<&str, BTreeMap<String, Vec<u8>>> = BTreeMap::new();
    for mode in ["off", "thin", "fat", "thin-local", "thin", "off", "fat", "off"] {
        set_mode(&space, before, mode);
        let rebuilt = space.build(&["--release", "-j2"]);
        if mode != before {
            let reason = |unit: &str| {
                let found = rebuilt.iter().find(|rebuild| rebuild.unit == unit);
                found
                    .unwrap_or_else(|| panic!("{before} to {mode}: no {unit} in {rebuilt:?}"))
                    .reason
                    .clone()
            };
            let named = if mode == "off" {
                format!("removed lto={before}")
            } else {
                format!("added lto={mode}")
            };
            for unit in ["base/src/add.c", "app"] {
                let reason = reason(unit);
                assert!(
                    reason.contains("the profile has changed") && reason.contains(&named)
                        || unit == "app" && reason.contains("the command has changed"),
                    "{before} to {mode}: {reason}"
                );
            }
            // Not bitcode: assembly is compiled to machine code.
            assert!(rebuilt.iter().all(|rebuild| rebuild.unit != "base/src/jump.s"), "{rebuilt:?}");
        }
        says(&space, SAYS);
        let mut outputs = space.outputs("release");
        if matches!(mode, "thin" | "fat") {
            // An archive of an earlier build that is still current is kept.
            outputs.retain(|name, _| name == "app");
        }
        let first = made.entry(mode).or_insert_with(|| outputs.clone());
        assert!(
            *first == outputs,
            "{mode}, from {before}: other bytes, or other files: {:?}",
            outputs.keys()
        );
        space.expect_fresh(&["--release"]);
        before = mode;
    }
}

/// No build reads them again: one that was changed would never be noticed.
#[test]
fn objects_of_a_finished_link_are_removed() {
    for mode in MODES {
        let space = in_mode(mode);
        space.tender(&["build", "--release", "-j2"]).expect_ok();
        space.tender(&["build", "--release", "-p", "base"]).expect_ok();
        for krate in ["base", "mid", "app"] {
            let dir = space.path(&format!("target/release/.tender/{krate}/lto"));
            let left = walk(&dir);
            assert_eq!(left, [""; 0], "{mode}");
        }
    }
}

/// The files below a directory, which may be absent.
fn walk(dir: &Utf8Path) -> Vec<String> {
    let Ok(entries) = dir.read_dir_utf8() else { return Vec::new() };
    let entries = entries.map(|entry| entry.unwrap().into_path());
    entries
        .flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path.into_string()] })
        .collect()
}

#[test]
fn archive_is_made_when_asked_for() {
    for mode in ["thin", "fat"] {
        let space = in_mode(mode);
        space.tender(&["build", "--release", "-p", "base"]).expect_ok();
        assert_eq!(artifacts(&space), ["libbase.a"]);
        let archive = "target/release/libbase.a";
        let members = llvm(&space, "llvm-ar", &["t", archive]);
        assert_eq!(members.lines().collect::<Vec<_>>(), ["add.o", "jump.o", "scale.o"], "{mode}");
        // Machine code for any linker, with every symbol.
        let file = llvm(&space, "llvm-readobj", &["--file-headers", archive]);
        assert_eq!(file.matches("Format: elf64-x86-64").count(), 3, "{mode}: {file}");
        let names = defined(&space, archive);
        for name in ["base_add", "base_calls", "base_hook", "base_scale", "base_for_assembly"] {
            assert!(names.contains(&name.to_owned()), "{mode}: no {name} in {names:?}");
        }
        space.write("by_hand.c", "int base_scale(int); int main(void) { return base_scale(8); }\n");
        let mut cc = Command::new("cc");
        space.prepare(&mut cc);
        cc.args(["by_hand.c", archive, "-o", "by_hand"]);
        space.run(cc).expect_ok();
        space.built("by_hand").expect_code(116);

        // It is kept while it is current, and removed when its sources change.
        space.tender(&["build", "--release"]).expect_ok();
        assert_eq!(artifacts(&space), ["app", "libbase.a"]);
        space.edit("base/src/add.c", "x * 2", "x * 3");
        space.tender(&["build", "--release"]).expect_ok();
        assert_eq!(artifacts(&space), ["app"]);
        space.expect_fresh(&["--release"]);
    }
}

#[test]
fn library_that_is_built_for_itself_is_an_archive() {
    let space = in_mode("thin");
    let mut command = space.command(&["build", "--release"]);
    command.current_dir(space.path("mid"));
    space.run(command).expect_ok();
    assert_eq!(artifacts(&space), ["libmid.a"]);
}

#[test]
fn edit_rebuilds_its_unit_and_the_links() {
    for mode in ["thin", "fat"] {
        let space = in_mode(mode);
        space.tender(&["build", "--release", "-j2"]).expect_ok();
        space.write("base/src/add.c", space.read("base/src/add.c") + "// A comment.\n");
        let units = |rebuilt: Vec<tender_tests::Rebuild>| {
            rebuilt.into_iter().map(|rebuild| rebuild.unit).collect::<Vec<_>>()
        };
        assert_eq!(units(space.build(&["--release"])), ["base/src/add.c"], "{mode}");
        space.edit("base/src/add.c", "return a + b;", "return a + b + 1;");
        assert_eq!(units(space.build(&["--release"])), ["app", "base/src/add.c"], "{mode}");
        says(&space, &SAYS.replace("add 7, scale 116", "add 8, scale 117"));
        space.expect_fresh(&["--release"]);
    }
}

#[test]
fn outputs_depend_on_sources_and_profile_alone() {
    for mode in MODES {
        let outputs = |jobs: &str, translate: &str| {
            let space =
                workspace(&format!("lto = \"{mode}\"\ntranslate = \"{translate}\"\ndebug = true"));
            space.tender(&["build", "--release", jobs]).expect_ok();
            let all = space.outputs("release");
            let root = space.root().as_str().as_bytes();
            for (name, bytes) in &all {
                let found = bytes.windows(root.len()).any(|window| window == root);
                assert!(!found, "{mode}: {name} names {}", space.root());
            }
            all
        };
        let expect = outputs("-j1", "parallel");
        for (jobs, translate) in [("-j8", "parallel"), ("-j1", "serial"), ("-j8", "serial")] {
            let found = outputs(jobs, translate);
            assert_eq!(expect.keys().collect::<Vec<_>>(), found.keys().collect::<Vec<_>>());
            let differ: Vec<&String> =
                expect.keys().filter(|name| expect[*name] != found[*name]).collect();
            assert!(differ.is_empty(), "{mode} {jobs} {translate}: these differ: {differ:?}");
        }
    }
}

#[test]
fn shared_library_exports_what_its_list_says() {
    for mode in MODES {
        let space = in_mode(mode);
        space.edit("Tender.toml", "\"app\"]", "\"app\", \"plugin\"]");
        space.write(
            "plugin/Tender.toml",
            "[package]\nname = \"plugin\"\n[lib]\ncrate-type = [\"cdylib\"]\nexports = \"plugin.map\"\n\
             [dependencies]\nbase = { path = \"../base\" }\n",
        );
        space.write("plugin/plugin.map", "{ global: plugin_*; local: *; };\n");
        space.write("plugin/include/plugin.h", "int plugin_run(int);\n");
        space.write(
            "plugin/src/plugin.c",
            "#include \"base.h\"\n#include \"plugin.h\"\n\
             int helper(int x) { return base_add(x, 1); }\nint plugin_run(int x) { return helper(x); }\n",
        );
        space.write(
            "host/Tender.toml",
            "[package]\nname = \"host\"\n[dependencies]\nplugin = { path = \"../plugin\" }\n",
        );
        space.edit("Tender.toml", "\"plugin\"]", "\"plugin\", \"host\"]");
        space.write(
            "host/src/main.c",
            "#include \"plugin.h\"\nint main(void) { return plugin_run(6); }\n",
        );
        space.tender(&["build", "--release", "-j2"]).expect_ok();
        space.built("target/release/host").expect_code(7);
        let exported = llvm(
            &space,
            "llvm-nm",
            &["-D", "--defined-only", "--format=just-symbols", "target/release/libplugin.so"],
        );
        assert_eq!(exported.lines().collect::<Vec<_>>(), ["plugin_run"], "{mode}");
        space.expect_fresh(&["--release"]);
    }
}

#[test]
fn link_args_apply_to_modules() {
    for mode in MODES {
        let space = in_mode(mode);
        let manifest = space.read("app/Tender.toml");
        space.write("app/Tender.toml", manifest + "link-args = [\"-Wl,--wrap=base_hook\"]\n");
        space.edit(
            "app/src/main.c",
            "int base_hook(void) { return 2; }",
            "int __wrap_base_hook(void) { return 9; }",
        );
        space.tender(&["build", "--release", "-j2"]).expect_ok();
        says(&space, &SAYS.replace("hook 2", "hook 9"));
    }
}

/// The only line of standard error with `text`.
#[track_caller]
fn line_with<'a>(run: &'a Run, text: &str) -> &'a str {
    let lines: Vec<&str> = run.stderr.lines().filter(|line| line.contains(text)).collect();
    assert_eq!(lines.len(), 1, "{text:?} in {run}");
    lines[0]
}

#[test]
fn duplicate_symbols_are_named_with_their_crates() {
    for mode in MODES {
        let space = in_mode(mode);
        // In members that are also linked for other symbols.
        space.write(
            "mid/src/mid.cc",
            space.read("mid/src/mid.cc") + "extern \"C\" int twice() { return 1; }\n",
        );
        space.write(
            "base/src/add.c",
            space.read("base/src/add.c") + "int twice(void) { return 2; }\n",
        );
        let run = space.tender(&["build", "--release", "-j2"]).expect_code(101);
        let line = line_with(&run, "duplicate symbol `twice`");
        for text in ["base/src/add.c", "mid/src/mid.cc", "`base`", "`mid`"] {
            assert!(line.contains(text), "{mode}: no {text} in {line}");
        }
        assert!(!space.exists("target/release/app"), "{mode}");
    }
}

#[test]
fn undefined_symbols_are_named_with_the_crate_that_uses_them() {
    for mode in MODES {
        for debug in ["false", "true"] {
            let space = workspace(&format!("lto = \"{mode}\"\ndebug = {debug}"));
            space.edit(
                "base/src/scale.c",
                "return base_add",
                "extern int lost(int); return lost(x) + base_add",
            );
            let run = space.tender(&["build", "--release", "-j2"]).expect_code(101);
            let line = line_with(&run, "undefined symbol `lost`");
            assert!(line.contains("crate `app` (bin `app`)"), "{mode}: {line}");
            if debug == "true" || mode != "fat" {
                assert!(line.contains("base/src/scale.c"), "{mode}: {line}");
                assert!(line.contains("(crate `base`)"), "{mode}: {line}");
            }
            assert!(!space.exists("target/release/app"), "{mode}");
        }
    }
}

#[test]
fn unit_that_does_not_translate_is_reported_among_many() {
    for mode in MODES {
        let space = in_mode(mode);
        for number in 0..20 {
            space.write(&format!("base/src/n{number}.c"), format!("int n{number};\n"));
        }
        space.write("base/src/n7.c", "int n7(void) { return x; }\n");
        for translate in ["parallel", "serial"] {
            space.write(
                "Tender.toml",
                format!(
                    "[workspace]\nmembers = [\"base\", \"mid\", \"app\"]\n\
                     [profile.release]\nlto = \"{mode}\"\ntranslate = \"{translate}\"\n"
                ),
            );
            let run = space.tender(&["build", "--release", "--keep-going", "-j2"]).expect_code(101);
            line_with(&run, "base/src/n7.c:1:23: error: use of undeclared identifier 'x'");
            line_with(&run, "could not compile `base` (base/src/n7.c) due to 1 error");
            assert!(!space.exists("target/release/app"), "{mode}");
        }
        space.write("base/src/n7.c", "int n7;\n");
        space.tender(&["build", "--release", "-j2"]).expect_ok();
        says(&space, SAYS);
    }
}

/// `base` with one more source, which is IR or bitcode.
fn with_ir(mode: &str, file: &str, content: &[u8]) -> TestSpace {
    let space = in_mode(mode);
    space.write(&format!("base/src/{file}"), content);
    space
}

const IR: &str = "define i32 @from_ir(i32 %x) {\n  %y = add i32 %x, 1\n  ret i32 %y\n}\n";

#[test]
fn ir_is_optimised_with_the_rest() {
    for mode in MODES {
        let space = with_ir(mode, "ir.ll", IR.as_bytes());
        space.edit(
            "app/src/main.c",
            "int main(void) {",
            "int from_ir(int);\nint main(void) { if (from_ir(1) != 2) return 1;",
        );
        space.tender(&["build", "--release", "-j2"]).expect_ok();
        says(&space, SAYS);
    }
}

#[test]
fn errors_in_ir_have_their_place() {
    for mode in MODES {
        let space = with_ir(mode, "ir.ll", IR.replace("%y = add", "%y = ad").as_bytes());
        let run = space.tender(&["build", "--release"]).expect_code(101);
        run.expect_stderr(&[
            "base/src/ir.ll:2:8: error: expected instruction opcode",
            "%y = ad i32",
            "^",
        ]);
    }
}

#[test]
fn bitcode_that_is_truncated_is_an_error_of_its_unit() {
    let space = TestSpace::new();
    space.write("whole.ll", IR);
    llvm(&space, "llvm-as", &["whole.ll", "-o", "whole.bc"]);
    let bitcode = space.read_bytes("whole.bc");
    for mode in MODES {
        let space = with_ir(mode, "ir.bc", &bitcode[..bitcode.len() / 2]);
        let run = space.tender(&["build", "--release"]).expect_code(101);
        assert!(run.stderr.contains("base/src/ir.bc"), "{mode}: {run}");
        assert!(run.stderr.contains("could not compile `base`"), "{mode}: {run}");
        let space = with_ir(mode, "ir.bc", &bitcode);
        space.tender(&["build", "--release"]).expect_ok();
    }
}

#[test]
fn flag_flto_is_refused_in_every_mode() {
    for mode in ["off", "thin"] {
        let space = in_mode(mode);
        space.edit(
            "base/Tender.toml",
            "name = \"base\"\n",
            "name = \"base\"\nflags = [\"-flto=thin\"]\n",
        );
        let run = space.tender(&["build", "--release"]).expect_code(101);
        run.expect_stderr(&["-flto", "lto"]);
    }
}
