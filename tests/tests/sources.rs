//! Which sources a target has, and how often each is compiled.

use tender_tests::{Run, TestSpace};

/// Three programs with a source that all of them name.
fn space_with_helper() -> TestSpace {
    let space = TestSpace::new();
    let bin = |name: &str| {
        format!("[[bin]]\nname = \"{name}\"\nsources = [\"{name}.c\", \"helper.c\"]\n")
    };
    let bins = ["one", "two", "three"].map(bin).concat();
    space.write("Tender.toml", format!("[package]\nname = \"x\"\n{bins}"));
    space.write("helper.c", "int helper(void) { return VALUE; }\n");
    space.edit("Tender.toml", "name = \"x\"\n", "name = \"x\"\ndefines = [\"VALUE=1\"]\n");
    for name in ["one", "two", "three"] {
        let main = "int helper(void);\nint main(void) { return helper(); }\n";
        space.write(&format!("{name}.c"), main);
    }
    space
}

/// The units that a build compiled, sorted.
#[track_caller]
fn compiled(space: &TestSpace, args: &[&str]) -> Vec<String> {
    let jobs = space.trace_build(args).jobs();
    let mut units: Vec<String> =
        jobs.into_iter().map(|job| job.unit).filter(|unit| unit.ends_with(".c")).collect();
    units.sort();
    units
}

#[test]
fn equal_units_of_programs_are_compiled_once() {
    let space = space_with_helper();
    assert_eq!(compiled(&space, &[]), ["helper.c", "one.c", "three.c", "two.c"]);
    for name in ["one", "two", "three"] {
        space.built(&format!("target/debug/{name}")).expect_code(1);
    }
    space.expect_fresh(&[]);
    let commands = space.read("target/compile_commands.json");
    assert_eq!(commands.matches("\"file\": \"helper.c\"").count(), 1);

    // An edit: compiled once, and linked by all.
    space.write("helper.c", "int helper(void) { return VALUE + 1; }\n");
    let units = |args: &[&str]| {
        space.build(args).into_iter().map(|rebuild| rebuild.unit).collect::<Vec<_>>()
    };
    assert_eq!(units(&[]), ["helper.c", "one", "three", "two"]);
    for name in ["one", "two", "three"] {
        space.built(&format!("target/debug/{name}")).expect_code(2);
    }

    // Another define: a unit of its own.
    space.edit(
        "Tender.toml",
        "\"two.c\", \"helper.c\"]\n",
        "\"two.c\", \"helper.c\"]\nflags = [\"-DTWO\"]\n",
    );
    assert_eq!(units(&[]), ["helper.c", "two", "two.c"]);
    space.expect_fresh(&[]);
    space.write("helper.c", "int helper(void) { return VALUE + 2; }\n");
    assert_eq!(compiled(&space, &[]), ["helper.c", "helper.c"]);

    // The first program drops it: the unit is now that of the third.
    space.edit("Tender.toml", "\"one.c\", \"helper.c\"", "\"one.c\"");
    space.write("one.c", "int main(void) { return 7; }\n");
    assert_eq!(compiled(&space, &[]), ["helper.c", "one.c"]);
    space.built("target/debug/one").expect_code(7);
    space.built("target/debug/three").expect_code(3);
    space.expect_fresh(&[]);
}

#[test]
fn equal_units_do_not_depend_on_what_is_built() {
    let space = space_with_helper();
    assert_eq!(compiled(&space, &["--bin", "three"]), ["helper.c", "three.c"]);
    assert_eq!(compiled(&space, &["--bin", "two"]), ["two.c"]);
    assert_eq!(compiled(&space, &[]), ["one.c"]);
    let run = space.tender(&["check", "-v"]).expect_ok();
    assert_eq!(
        run.rebuilt().iter().filter(|rebuild| rebuild.unit == "helper.c").count(),
        1,
        "{run}"
    );
}

#[test]
fn equal_units_are_compiled_once_for_a_library_and_a_program() {
    let space = TestSpace::new();
    space.write(
        "Tender.toml",
        "[package]\nname = \"x\"\n[lib]\nsources = [\"f.c\"]\n\
         [[bin]]\nname = \"p\"\nsources = [\"main.c\", \"f.c\"]\n[profile.dev]\npic = false\npie = false\n",
    );
    space.write("f.c", "int f(void) { return 5; }\n");
    space.write("main.c", "int f(void);\nint main(void) { return f(); }\n");
    assert_eq!(compiled(&space, &[]), ["f.c", "main.c"]);
    space.built("target/debug/p").expect_code(5);
    // Code for libraries can be loaded at any address, so that the words differ.
    space.edit("Tender.toml", "pic = false\npie = false\n", "");
    assert_eq!(compiled(&space, &[]), ["f.c", "f.c", "main.c"]);
    space.built("target/debug/p").expect_code(5);
}

#[test]
fn equal_units_are_optimised_with_each_of_their_programs() {
    for lto in ["thin-local", "thin", "fat"] {
        let space = space_with_helper();
        let root = space.read("Tender.toml");
        space.write("Tender.toml", format!("{root}[profile.release]\nlto = \"{lto}\"\n"));
        let units = compiled(&space, &["--release"]);
        assert_eq!(units, ["helper.c", "one.c", "three.c", "two.c"], "{lto}");
        for name in ["one", "two", "three"] {
            space.built(&format!("target/release/{name}")).expect_code(1);
        }
        space.write("helper.c", "int helper(void) { return VALUE + 3; }\n");
        assert_eq!(compiled(&space, &["--release"]), ["helper.c"], "{lto}");
        for name in ["one", "two", "three"] {
            space.built(&format!("target/release/{name}")).expect_code(4);
        }
        space.expect_fresh(&["--release"]);
    }
}

/// A crate of `main.c` and `simd/f.asm`, whose function returns what `inc/value.inc` says.
fn space_with_asm() -> TestSpace {
    let space = TestSpace::new();
    space.write(
        "Tender.toml",
        "[package]\nname = \"x\"\ninclude = [\"inc\"]\ndefines = [\"MORE=1\"]\n\
         [lib]\nsources = [\"simd/*.asm\"]\n",
    );
    space.write("inc/value.inc", "%define VALUE 3\n");
    space.write("simd/beside.inc", "%define BESIDE 10\n");
    space.write(
        "simd/f.asm",
        "%include \"value.inc\"\n%include \"beside.inc\"\n%ifdef NDEBUG\n%define MODE 100\n%else\n\
         %define MODE 0\n%endif\nsection .text\nglobal f:function\nf:\n mov eax, VALUE + MORE + BESIDE + MODE\n ret\n\
         section .note.GNU-stack noalloc noexec nowrite progbits\n",
    );
    space.write("src/main.c", "int f(void);\nint main(void) { return f(); }\n");
    space
}

/// Builds with this assembler. `args` begin with the command.
#[track_caller]
fn with_assembler(space: &TestSpace, assembler: &str, args: &[&str]) -> Run {
    let mut command = space.command(args);
    command.env("NASM", assembler);
    space.run(command)
}

#[test]
fn asm_is_assembled_and_its_includes_are_tracked() {
    for assembler in ["nasm", "yasm"] {
        let space = space_with_asm();
        let build = |args: &[&str]| {
            with_assembler(&space, assembler, &[&["build", "-v"], args].concat()).expect_ok()
        };
        let run = build(&[]);
        run.expect_stderr(&[
            &format!("Running `{assembler} -felf64 -g"),
            "-DMORE=1 -Iinc/ -Isimd/ -o target/debug/.tender/x/obj/lib/simd/f.asm.o simd/f.asm`",
        ]);
        space.built("target/debug/x").expect_code(14);
        build(&[]).expect_nothing_done();
        for (file, text, code, unit) in [
            ("inc/value.inc", "%define VALUE 4\n", 15, "inc/value.inc"),
            ("simd/beside.inc", "%define BESIDE 20\n", 25, "simd/beside.inc"),
        ] {
            space.write(file, text);
            let run = build(&[]);
            let asm = run.rebuilt().into_iter().find(|rebuild| rebuild.unit == "simd/f.asm");
            let reason = asm.map(|rebuild| rebuild.reason);
            assert_eq!(reason, Some(format!("the file {unit} has changed")), "{run}");
            space.built("target/debug/x").expect_code(code);
        }
        space.edit("Tender.toml", "MORE=1", "MORE=2");
        build(&[]);
        space.built("target/debug/x").expect_code(26);
        build(&["--release"]);
        space.built("target/release/x").expect_code(126);
        let lines = space.read("target/compile_commands.json");
        assert!(lines.contains("main.c") && !lines.contains("f.asm"), "{lines}");
        space.tender(&["check"]).expect_ok();
    }
}

#[test]
fn asm_has_debug_information_where_the_profile_has() {
    for assembler in ["nasm", "yasm"] {
        let space = space_with_asm();
        let has_lines = |profile: &str| {
            let object = format!("target/{profile}/.tender/x/obj/lib/simd/f.asm.o");
            let bytes = space.read_bytes(&object);
            bytes.windows(11).any(|name| name == b".debug_line")
        };
        with_assembler(&space, assembler, &["build"]).expect_ok();
        assert!(has_lines("debug"), "{assembler}");
        with_assembler(&space, assembler, &["build", "--release"]).expect_ok();
        assert!(!has_lines("release"), "{assembler}");
    }
}

#[test]
fn asm_is_assembled_again_by_another_assembler() {
    let space = space_with_asm();
    with_assembler(&space, "nasm", &["build"]).expect_ok();
    let run = with_assembler(&space, "yasm", &["build", "-v"]).expect_ok();
    let units: Vec<String> = run.rebuilt().into_iter().map(|rebuild| rebuild.unit).collect();
    assert!(units.contains(&"simd/f.asm".to_owned()), "{run}");
    // What nasm reads from the environment has no effect.
    let mut command = space.command(&["build"]);
    command.env("NASM", "nasm").env("NASMENV", "--no-such-option");
    space.run(command).expect_ok();
    space.built("target/debug/x").expect_code(14);
}

#[test]
fn asm_errors_name_the_place_or_the_package() {
    let space = space_with_asm();
    let run = with_assembler(&space, "absent-nasm", &["build"]).expect_code(2);
    run.expect_stderr(&[
        "error: `simd/f.asm` of crate `x` needs nasm or yasm: `absent-nasm`, which NASM names, is not found",
        "apt-get install nasm",
    ]);
    space.edit("simd/f.asm", "mov eax", "mow eax");
    for assembler in ["nasm", "yasm"] {
        let run = with_assembler(&space, assembler, &["build"]).expect_code(101);
        let run =
            run.expect_stderr(&["simd/f.asm:11: error:", &format!("`{assembler} -felf64 -g")]);
        assert_eq!(run.stderr.matches("simd/f.asm:11: error:").count(), 1, "{run}");
    }
    space.edit("simd/f.asm", "mow eax", "mov eax");
    space.remove("simd/beside.inc");
    let run = with_assembler(&space, "nasm", &["build"]).expect_code(101);
    run.expect_stderr(&["unable to open include file `beside.inc'"]);
    space.write("simd/beside.inc", "%define BESIDE 1\n");
    with_assembler(&space, "nasm", &["build"]).expect_ok();
    space.built("target/debug/x").expect_code(5);
}

/// A library of `src/a.c`, and the program `tool` of `src/tool.c` and `src/more.c`.
fn space_with_tool() -> TestSpace {
    let space = TestSpace::new();
    space.write(
        "Tender.toml",
        "[package]\nname = \"x\"\n\n[[bin]]\nname = \"tool\"\nsources = [\"src/tool.c\", \"src/more.c\"]\n",
    );
    space.write("src/a.c", "int a(void) { return 1; }\n");
    space.write("src/more.c", "int more(void) { return 2; }\n");
    space.write("src/tool.c", "int main(void) { return 3; }\n");
    space
}

#[test]
fn source_of_a_program_does_not_silently_join_the_library() {
    let space = space_with_tool();
    space.tender(&["build"]).expect_ok();
    space.edit("Tender.toml", ", \"src/more.c\"", "");
    let refused = |args: &[&str]| {
        space.tender(args).expect_code(2).expect_stderr(&[
            "error: `src/more.c` of crate `x` was part of the program `tool`, and no target names it",
            "`sources` of a `[[bin]]`",
            "`sources` of `[lib]`",
            "tender clean -p x",
        ]);
    };
    refused(&["build"]);
    refused(&["build", "--bin", "tool"]);
    // A clean build cannot know.
    space.tender(&["build", "--release"]).expect_ok();
    // Each of the ways out.
    space.edit(
        "Tender.toml",
        "[[bin]]",
        "[lib]\nsources = [\"src/a.c\", \"src/more.c\"]\n\n[[bin]]",
    );
    space.tender(&["build"]).expect_ok();
    space.edit("Tender.toml", "[lib]\nsources = [\"src/a.c\", \"src/more.c\"]\n\n", "");
    space.expect_fresh(&[]);
    // It was the library's by default; the program takes it, and drops it again.
    space.edit("Tender.toml", "\"src/tool.c\"", "\"src/tool.c\", \"src/more.c\"");
    space.tender(&["build"]).expect_ok();
    space.edit("Tender.toml", ", \"src/more.c\"", "");
    refused(&["build"]);
    space.edit("Tender.toml", "name = \"x\"\n", "name = \"x\"\nautolib = false\n");
    space.tender(&["build"]).expect_ok();
    space.edit("Tender.toml", "autolib = false\n", "");
    refused(&["build"]);
    space.tender(&["clean", "-p", "x"]).expect_ok();
    space.tender(&["build"]).expect_ok();
    space.expect_fresh(&[]);
}

#[test]
fn source_of_a_program_that_is_gone_is_no_error() {
    let space = space_with_tool();
    space.tender(&["build"]).expect_ok();
    space.edit("Tender.toml", ", \"src/more.c\"", "");
    space.remove("src/more.c");
    space.tender(&["build"]).expect_ok();
    // A program that is found takes its sources from its place.
    space.write("src/bin/tool.c", "int main(void) { return 4; }\n");
    space.remove("src/tool.c");
    space.write("Tender.toml", "[package]\nname = \"x\"\n");
    space.tender(&["build"]).expect_ok();
    space.built("target/debug/tool").expect_code(4);
}

#[test]
fn default_run_chooses_among_programs() {
    let space = TestSpace::new();
    space.write("Tender.toml", "[workspace]\nmembers = [\"a\", \"b\"]\n");
    for name in ["a", "b"] {
        space.write(&format!("{name}/Tender.toml"), format!("[package]\nname = \"{name}\"\n"));
        space.write(&format!("{name}/src/main.c"), "int main(void) { return 1; }\n");
    }
    space.write("a/src/bin/second.c", "int main(void) { return 2; }\n");
    let several = &["there are several programs", "`--bin`, or by `default-run`"];
    space.tender(&["run"]).expect_code(2).expect_stderr(several);
    space.edit("a/Tender.toml", "name = \"a\"\n", "name = \"a\"\ndefault-run = \"second\"\n");
    let run = space.tender(&["run"]).expect_code(2);
    assert!(run.stderr.contains("second"), "{run}");
    space.tender(&["run", "--bin", "a"]).expect_code(1);
    space.tender(&["-C", "a", "run"]).expect_code(2);
    space.write("b/Tender.toml", "[package]\nname = \"b\"\ndefault-run = \"b\"\n");
    space.tender(&["run"]).expect_code(2).expect_stderr(several);
}

/// The workspace's own `upper` makes C of `.msg` files: a function by the file's name that returns
/// its first line, in upper case.
fn space_with_rule() -> TestSpace {
    let space = TestSpace::new();
    space.write("Tender.toml", "[workspace]\nmembers = [\"app\", \"upper\"]\n");
    space.write("upper/Tender.toml", "[package]\nname = \"upper\"\n");
    space.write(
        "upper/src/main.c",
        "#include <ctype.h>\n#include <stdio.h>\n\
         int main(int argc, char **argv) {\n\
         if (argc != 4) return 2;\n\
         FILE *in = fopen(argv[1], \"r\"), *out = fopen(argv[2], \"w\");\n\
         int c;\n\
         fprintf(out, \"const char *%s(void) { return \\\"\", argv[3]);\n\
         while ((c = getc(in)) != EOF && c != '\\n') putc(toupper(c), out);\n\
         fprintf(out, \"\\\"; }\\n\");\n\
         return fclose(out);\n}\n",
    );
    space.write(
        "app/Tender.toml",
        "[package]\nname = \"app\"\n[build-dependencies]\nupper = { path = \"../upper\" }\n\
         [[rule]]\nname = \"upper\"\nextensions = [\"msg\"]\nrun = [\"upper\", \"{input}\", \"{output}\", \"{stem}\"]\n\
         outputs = [\"{outdir}/{stem}.c\"]\n",
    );
    space.write("app/src/hello.msg", "hello\n");
    space.write("app/src/world.msg", "world\n");
    space.write(
        "app/src/main.c",
        "#include <stdio.h>\nconst char *hello(void), *world(void);\n\
         int main(void) { printf(\"%s %s\\n\", hello(), world()); return 0; }\n",
    );
    space
}

#[test]
fn rule_makes_sources_by_a_program_of_the_workspace() {
    let space = space_with_rule();
    let output = || space.built("target/debug/app").expect_ok().stdout;
    space.tender(&["build"]).expect_ok();
    assert_eq!(output(), "HELLO WORLD\n");
    space.expect_fresh(&[]);
    let units =
        || -> Vec<String> { space.build(&[]).into_iter().map(|rebuild| rebuild.unit).collect() };
    space.write("app/src/hello.msg", "good morning\n");
    let rebuilt = units();
    assert_eq!(output(), "GOOD MORNING WORLD\n");
    assert!(rebuilt.iter().any(|unit| unit.contains("hello.msg")), "{rebuilt:?}");
    assert!(rebuilt.iter().all(|unit| !unit.contains("world")), "{rebuilt:?}");
    // A new source is one more command; that of a removed one is gone.
    space.write("app/src/moon.msg", "moon\n");
    space.edit("app/src/main.c", "*world(void)", "*moon(void)");
    space.edit("app/src/main.c", "world()", "moon()");
    space.remove("app/src/world.msg");
    space.tender(&["build"]).expect_ok();
    assert_eq!(output(), "GOOD MORNING MOON\n");
    assert!(!space.exists("target/debug/.tender/app/out/world.c"));
    space.expect_fresh(&[]);
    // Another program runs again for each.
    space.edit("upper/src/main.c", "toupper(c)", "tolower(c)");
    space.tender(&["build"]).expect_ok();
    assert_eq!(output(), "good morning moon\n");
    space.tender(&["check"]).expect_ok();
}

#[test]
fn rule_source_of_two_programs_is_made_and_compiled_once() {
    let space = space_with_rule();
    let bin = |name: &str| {
        format!("[[bin]]\nname = \"{name}\"\nsources = [\"{name}.c\", \"src/*.msg\"]\n")
    };
    let manifest = space.read("app/Tender.toml");
    space.write("app/Tender.toml", format!("{manifest}{}{}", bin("one"), bin("two")));
    let main = space.read("app/src/main.c");
    space.remove("app/src/main.c");
    space.write("app/one.c", &main);
    space.write("app/two.c", &main);
    let jobs = space.trace_build(&[]).jobs();
    let count = |end: &str| jobs.iter().filter(|job| job.unit.ends_with(end)).count();
    assert_eq!((count("hello.msg"), count("out/hello.c"), count("one.c")), (1, 1, 1), "{jobs:?}");
    for name in ["one", "two"] {
        assert_eq!(
            space.built(&format!("target/debug/{name}")).expect_ok().stdout,
            "HELLO WORLD\n"
        );
    }
    assert!(!space.exists("target/debug/libapp.a"));
}

#[test]
fn rule_runs_flex_bison_and_ld() {
    let space = TestSpace::new();
    space.write(
        "Tender.toml",
        "[package]\nname = \"calc\"\n\
         [[rule]]\nextensions = [\"y\"]\nrun = [\"bison\", \"--header={outdir}/{stem}.h\", \"-o\", \"{output}\", \"{input}\"]\n\
         outputs = [\"{outdir}/{stem}.c\"]\n\
         [[rule]]\nextensions = [\"l\"]\nrun = [\"flex\", \"-o\", \"{output}\", \"{input}\"]\noutputs = [\"{outdir}/{stem}-lex.c\"]\n\
         [[rule]]\nextensions = [\"txt\"]\nrun = [\"ld\", \"-r\", \"-b\", \"binary\", \"-o\", \"{output}\", \"{input}\"]\n\
         outputs = [\"{outdir}/{stem}.o\"]\n\
         [lib]\nsources = [\"src/calc.y\", \"src/calc.l\", \"sum.txt\"]\n",
    );
    space.write("sum.txt", "1 + 2 + 39");
    space.write(
        "src/calc.l",
        "%option noyywrap noinput nounput\n%{\n#include \"calc.h\"\n#include <stdlib.h>\n%}\n%%\n\
         [0-9]+ { yylval = atoi(yytext); return NUMBER; }\n\"+\" { return '+'; }\n[ \\n] ;\n%%\n\
         void scan(const char *text, int length) { yy_scan_bytes(text, length); }\n",
    );
    space.write(
        "src/calc.y",
        "%{\nint yylex(void);\nvoid yyerror(const char *why) { (void)why; }\nint result;\n%}\n\
         %token NUMBER\n%left '+'\n%%\nall: sum { result = $1; };\nsum: NUMBER | sum '+' NUMBER { $$ = $1 + $3; };\n",
    );
    space.write(
        "src/main.c",
        "extern const char _binary_sum_txt_start[], _binary_sum_txt_end[];\nextern int result;\n\
         void scan(const char *text, int length);\nint yyparse(void);\n\
         int main(void) {\n\
         scan(_binary_sum_txt_start, (int)(_binary_sum_txt_end - _binary_sum_txt_start));\n\
         return yyparse() ? 1 : result;\n}\n",
    );
    space.tender(&["build"]).expect_ok();
    space.built("target/debug/calc").expect_code(42);
    space.expect_fresh(&[]);
    space.write("sum.txt", "1 + 2");
    space.tender(&["build"]).expect_ok();
    space.built("target/debug/calc").expect_code(3);
    space.edit("src/calc.y", "$1 + $3", "$1 + 2 * $3");
    space.tender(&["build"]).expect_ok();
    space.built("target/debug/calc").expect_code(5);
}

/// A workspace of `app` with the programs `app` and `tool`, and of the shared library `dyn`.
fn space_of_outputs() -> TestSpace {
    let space = TestSpace::new();
    space.write("Tender.toml", "[workspace]\nmembers = [\"app\", \"dyn\"]\n");
    space.write("app/Tender.toml", "[package]\nname = \"app\"\n");
    space.write("app/src/main.c", "int main(void) { return 0; }\n");
    space.write("app/src/bin/tool.c", "int main(void) { return 0; }\n");
    space.write("dyn/Tender.toml", "[package]\nname = \"dyn\"\n[lib]\ncrate-type = [\"cdylib\"]\n");
    space.write("dyn/src/d.c", "int d(void) { return 0; }\n");
    space
}

#[track_caller]
fn expect_outputs(space: &TestSpace, expect: &[&str]) {
    assert_eq!(space.outputs("debug").into_keys().collect::<Vec<_>>(), expect);
}

#[test]
fn outputs_of_targets_that_are_gone_are_removed() {
    let space = space_of_outputs();
    space.tender(&["build"]).expect_ok();
    expect_outputs(&space, &["app", "libdyn.so", "tool"]);
    // Renamed; static now.
    space.write("app/src/bin/better.c", "int main(void) { return 0; }\n");
    space.remove("app/src/bin/tool.c");
    space.edit("dyn/Tender.toml", "cdylib", "staticlib");
    // A part of the workspace, another command, or a manifest that is wrong, removes nothing.
    space.tender(&["build", "-p", "app"]).expect_ok();
    space.tender(&["build", "--bins"]).expect_ok();
    space.tender(&["check"]).expect_ok();
    space.edit("app/Tender.toml", "name = ", "nmae = ");
    space.tender(&["build"]).expect_code(2);
    space.edit("app/Tender.toml", "nmae = ", "name = ");
    expect_outputs(&space, &["app", "better", "libdyn.so", "tool"]);
    // The crate of the current directory is judged against the whole workspace.
    space.tender(&["-C", "app", "build"]).expect_ok();
    expect_outputs(&space, &["app", "better"]);
    space.tender(&["build"]).expect_ok();
    expect_outputs(&space, &["app", "better", "libdyn.a"]);
    space.expect_fresh(&[]);
    // The whole crate.
    space.write("Tender.toml", "[workspace]\nmembers = [\"app\"]\n");
    space.tender(&["build"]).expect_ok();
    expect_outputs(&space, &["app", "better"]);
}

#[test]
fn files_of_others_are_not_removed() {
    let space = space_of_outputs();
    space.tender(&["build"]).expect_ok();
    space.write("target/debug/notes", "mine");
    space.write("target/debug/tool", "changed by somebody");
    space.remove("app/src/bin/tool.c");
    space.tender(&["build"]).expect_ok();
    expect_outputs(&space, &["app", "libdyn.so", "notes", "tool"]);
    // A target that writes the same file is another one.
    space.write("dyn/Tender.toml", "[package]\nname = \"dyn\"\n");
    space.write("dyn/src/main.c", "int main(void) { return 0; }\n");
    space.edit(
        "dyn/Tender.toml",
        "[package]\n",
        "[[bin]]\nname = \"app\"\nsources = [\"src/main.c\"]\n[package]\n",
    );
    space.write(
        "app/Tender.toml",
        "[package]\nname = \"app\"\n[[bin]]\nname = \"old\"\nsources = [\"src/main.c\"]\n",
    );
    space.tender(&["build"]).expect_ok();
    expect_outputs(&space, &["app", "libdyn.a", "notes", "old", "tool"]);
    space.built("target/debug/app").expect_ok();
}

#[test]
fn outputs_that_a_feature_makes_are_kept() {
    let space = space_of_outputs();
    space.write(
        "app/Tender.toml",
        "[package]\nname = \"app\"\n[features]\nextra = [\"dep:more\"]\n\
         [dependencies]\nmore = { path = \"../more\", optional = true }\n",
    );
    space.write("more/Tender.toml", "[package]\nname = \"more\"\n");
    space.write("more/src/m.c", "int more(void) { return 0; }\n");
    space.write("Tender.toml", "[workspace]\nmembers = [\"app\"]\n");
    space.tender(&["build", "--features", "app/extra"]).expect_ok();
    expect_outputs(&space, &["app", "libmore.a", "tool"]);
    space.tender(&["build"]).expect_ok();
    expect_outputs(&space, &["app", "libmore.a", "tool"]);
    space.write("app/Tender.toml", "[package]\nname = \"app\"\n");
    space.tender(&["build"]).expect_ok();
    expect_outputs(&space, &["app", "tool"]);
}

#[test]
fn outputs_in_a_directory_outside_of_the_workspace_are_kept() {
    let space = space_of_outputs();
    let elsewhere = TestSpace::new();
    let dir = elsewhere.path("out");
    space.tender(&["build", "--target-dir", dir.as_str()]).expect_ok();
    space.remove("app/src/bin/tool.c");
    space.tender(&["build", "--target-dir", dir.as_str()]).expect_ok();
    assert!(dir.join("debug/tool").exists());
}

#[test]
fn outputs_that_a_target_no_longer_makes_are_removed() {
    let space = space_of_outputs();
    space.edit("dyn/Tender.toml", "[lib]\n", "[lib]\nversion = \"1.2\"\n");
    space.tender(&["build"]).expect_ok();
    expect_outputs(&space, &["app", "libdyn.so.1.2", "tool"]);
    space.edit("dyn/Tender.toml", "\"1.2\"", "\"2.0\"");
    space.tender(&["build"]).expect_ok();
    expect_outputs(&space, &["app", "libdyn.so.2.0", "tool"]);
    assert!(!space.exists("target/debug/libdyn.so.1") && space.exists("target/debug/libdyn.so.2"));
    space.expect_fresh(&[]);
    // Headers alone.
    space.remove("dyn/src/d.c");
    space.write("dyn/include/d.h", "");
    space.write("dyn/Tender.toml", "[package]\nname = \"dyn\"\n[lib]\n");
    space.tender(&["build"]).expect_ok();
    expect_outputs(&space, &["app", "tool"]);
}
