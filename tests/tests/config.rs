//! Headers of `[config]`: what they tell of the system, and when they are made again.

use tender_tests::TestSpace;

const PACKAGE: &str = "[package]\nname = \"app\"\n";

/// A program that prints nothing and reads the header.
fn space(config: &str) -> TestSpace {
    let space = TestSpace::new();
    space.write("Tender.toml", format!("{PACKAGE}{config}"));
    space.write("src/main.c", "#include \"config.h\"\nint main(void) { return 0; }\n");
    space
}

const HEADER: &str = "target/debug/.tender/app/out/config.h";

/// The header that is made of this `[config]`, less the comment at its beginning.
#[track_caller]
fn check(config: &str, expect: &[&str]) {
    let space = space(config);
    space.tender(&["build"]).expect_ok();
    assert_eq!(lines(&space), expect, "{config}");
    space.expect_fresh(&[]);
}

fn lines(space: &TestSpace) -> Vec<String> {
    let text = space.read(HEADER);
    text.lines().filter(|line| !line.starts_with("/* Made")).map(str::to_owned).collect()
}

#[test]
fn config_probes_of_each_kind_are_true_and_false() {
    check(
        r#"
[config]
header = "config.h"
[config.probes]
F = { has-function = "printf" }
F_ABSENT = { has-function = "tender_absent" }
F_DECLARED = { has-function = "printf", headers = ["stdio.h"] }
F_UNDECLARED = { has-function = "printf", headers = ["limits.h"] }
F_LIB = { has-function = "crypt_absent", libs = ["m"] }
F_LIBS = { has-function = "cos", libs = ["m"] }
H = { has-header = "sys/stat.h" }
H_ABSENT = { has-header = "tender/absent.h" }
S = { has-symbol = "EOF", headers = ["stdio.h"] }
S_ABSENT = { has-symbol = "TENDER_ABSENT", headers = ["stdio.h"] }
M = { has-member = "struct stat.st_mode" }
M_ABSENT = { has-member = "struct stat.st_absent" }
T = { has-type = "size_t" }
T_ABSENT = { has-type = "tender_absent_t" }
D = { has-decl = "strlen" }
D_ABSENT = { has-decl = "tender_absent" }
L = { has-library = "m" }
L_ABSENT = { has-library = "tender_absent" }
SIZE = { sizeof = "short" }
SIZE_ABSENT = { sizeof = "tender_absent_t" }
ALIGN = { alignof = "short" }
C = { compiles = "int x = sizeof(int);" }
C_ABSENT = { compiles = "int x = sizeof(tender);" }
X = { links = "int main(void) { return 0; }" }
X_ABSENT = { links = "int f(void);\nint main(void) { return f(); }" }
BIG = { endian = "big" }
LITTLE = { endian = "little" }
FLAG = { has-flag = "-Wall" }
FLAG_ABSENT = { has-flag = "-ftender-absent" }
CXX = { has-type = "std::size_t", headers = ["cstddef"], language = "c++" }
CXX_ABSENT = { has-header = "cstddef" }
[config.values]
TEXT = '"1.2"'
NUMBER = -3
ON = true
OFF = false
"#,
        &[
            "#define F 1",
            "/* #undef F_ABSENT */",
            "#define F_DECLARED 1",
            "/* #undef F_UNDECLARED */",
            "/* #undef F_LIB */",
            "#define F_LIBS 1",
            "#define H 1",
            "/* #undef H_ABSENT */",
            "#define S 1",
            "/* #undef S_ABSENT */",
            "#define M 1",
            "/* #undef M_ABSENT */",
            "#define T 1",
            "/* #undef T_ABSENT */",
            "#define D 1",
            "#define D_ABSENT 0",
            "#define L 1",
            "/* #undef L_ABSENT */",
            "#define SIZE 2",
            "#define SIZE_ABSENT 0",
            "#define ALIGN 2",
            "#define C 1",
            "/* #undef C_ABSENT */",
            "#define X 1",
            "/* #undef X_ABSENT */",
            if cfg!(target_endian = "big") { "#define BIG 1" } else { "/* #undef BIG */" },
            if cfg!(target_endian = "big") { "/* #undef LITTLE */" } else { "#define LITTLE 1" },
            "#define FLAG 1",
            "/* #undef FLAG_ABSENT */",
            "#define CXX 1",
            "/* #undef CXX_ABSENT */",
            "#define TEXT \"1.2\"",
            "#define NUMBER -3",
            "#define ON 1",
            "/* #undef OFF */",
        ],
    );
}

#[test]
fn config_template_has_inferred_names() {
    let space = space(
        "[config]\ntemplate = \"config.h.in\"\n[config.values]\nVERSION = '\"2\"'\nGUARD = 7\n",
    );
    let template = "/* #undef in a comment */\n#undef HAVE_STDIO_H\n#undef HAVE_TENDER_ABSENT_H\n\
        #undef HAVE_SYS_STAT_H\n#undef HAVE_PRINTF\n#undef HAVE_TENDER_ABSENT\n\
        #undef HAVE_STRUCT_STAT_ST_MODE\n#undef SIZEOF_SHORT\n#undef HAVE_DECL_STRLEN\n\
        #undef HAVE_DECL_TENDER_ABSENT\n#undef HAVE_LIBM\n#undef VERSION\n\
        #ifndef GUARD\n# define GUARD\n#endif\n#cmakedefine01 HAVE_SIZE_T\n";
    space.write("config.h.in", template);
    space.tender(&["build"]).expect_ok();
    assert_eq!(
        space.read(HEADER),
        "/* #undef in a comment */\n#define HAVE_STDIO_H 1\n/* #undef HAVE_TENDER_ABSENT_H */\n\
         #define HAVE_SYS_STAT_H 1\n#define HAVE_PRINTF 1\n/* #undef HAVE_TENDER_ABSENT */\n\
         #define HAVE_STRUCT_STAT_ST_MODE 1\n#define SIZEOF_SHORT 2\n#define HAVE_DECL_STRLEN 1\n\
         #define HAVE_DECL_TENDER_ABSENT 0\n#define HAVE_LIBM 1\n#define VERSION \"2\"\n\
         #ifndef GUARD\n# define GUARD 7\n#endif\n#define HAVE_SIZE_T 1\n"
    );
    space.expect_fresh(&[]);
    space.edit("config.h.in", "#undef HAVE_LIBM", "#undef HAVE_LIBTENDER_ABSENT");
    let rebuilt = space.build(&[]);
    assert!(rebuilt.iter().any(|one| one.unit == "config.h"), "{rebuilt:?}");
    assert!(space.read(HEADER).contains("/* #undef HAVE_LIBTENDER_ABSENT */"));
}

#[test]
fn config_template_with_unknown_names_is_an_error_that_lists_them() {
    let space = space("[config]\ntemplate = \"config.h.in\"\n");
    space.write("config.h.in", "#undef HAVE_STDIO_H\n#undef FIRST\n#define A @SECOND@\n");
    let run = space.tender(&["build"]).expect_code(101);
    assert!(run.stderr.contains("config.h.in:2: error: "), "{run}");
    assert!(run.stderr.contains("`FIRST`, `SECOND`"), "{run}");
    assert!(run.stderr.contains("config.h.in:3: SECOND"), "{run}");
    assert!(!space.exists(HEADER), "{run}");
}

/// The result of the last build, and what a change of the system makes of it.
#[track_caller]
fn check_noticed(config: &str, change: impl FnOnce(&TestSpace), before: &str, after: &str) {
    let space = space(config);
    space.tender(&["build"]).expect_ok();
    assert_eq!(lines(&space), [before], "{config}");
    space.expect_fresh(&[]);
    change(&space);
    space.tender(&["build"]).expect_ok();
    assert_eq!(lines(&space), [after], "{config}");
    space.expect_fresh(&[]);
}

#[test]
fn config_notices_a_header_that_appears() {
    let space = space(
        "include = [\"include\"]\n[config]\nheader = \"config.h\"\n[config.probes]\n\
         H = { has-header = \"here.h\" }\nF = { has-decl = \"here\", headers = [\"here.h\"] }\n",
    );
    space.write("include/keep", "");
    space.tender(&["build"]).expect_ok();
    assert_eq!(lines(&space), ["/* #undef H */", "#define F 0"]);
    space.expect_fresh(&[]);
    space.write("include/here.h", "int there(void);\n");
    space.tender(&["build"]).expect_ok();
    assert_eq!(lines(&space), ["#define H 1", "#define F 0"]);
    space.expect_fresh(&[]);
    space.write("include/here.h", "int here(void);\n");
    space.tender(&["build"]).expect_ok();
    assert_eq!(lines(&space), ["#define H 1", "#define F 1"]);
    space.expect_fresh(&[]);
    space.remove("include/here.h");
    space.tender(&["build"]).expect_ok();
    assert_eq!(lines(&space), ["/* #undef H */", "#define F 0"]);
    space.expect_fresh(&[]);
}

const LIBRARY: &str = "[config]\nheader = \"config.h\"\n[config.probes]\n\
    L = { has-function = \"tender_here\", libs = [\"tenderhere\"] }\n\
    [profile.dev]\nlink-args = [\"-Llibs\"]\n";

fn write_library(space: &TestSpace, function: &str) {
    space.write("lib.c", format!("int {function}(void) {{ return 0; }}\n"));
    let mut command = std::process::Command::new("cc");
    space.prepare(&mut command);
    command.args(["-shared", "-fPIC", "-o", "libs/libtenderhere.so", "lib.c"]);
    space.run(command).expect_ok();
}

#[test]
fn config_notices_a_library_that_appears_and_changes() {
    let space = space(LIBRARY);
    space.write("libs/keep", "");
    space.tender(&["build"]).expect_ok();
    assert_eq!(lines(&space), ["/* #undef L */"]);
    space.expect_fresh(&[]);
    write_library(&space, "something_else");
    space.tender(&["build"]).expect_ok();
    assert_eq!(lines(&space), ["/* #undef L */"]);
    space.expect_fresh(&[]);
    write_library(&space, "tender_here");
    space.tender(&["build"]).expect_ok();
    assert_eq!(lines(&space), ["#define L 1"]);
    space.expect_fresh(&[]);
}

#[test]
fn config_notices_another_cpath() {
    let space = space(
        "[config]\nheader = \"config.h\"\n[config.probes]\nH = { has-header = \"here.h\" }\n",
    );
    space.write("elsewhere/here.h", "");
    space.tender(&["build"]).expect_ok();
    assert_eq!(lines(&space), ["/* #undef H */"]);
    let mut command = space.command(&["build"]);
    command.env("CPATH", "elsewhere");
    space.run(command).expect_ok();
    assert_eq!(lines(&space), ["#define H 1"]);
}

#[test]
fn config_notices_other_words() {
    let config = "[config]\nheader = \"config.h\"\n[config.probes]\n\
                  A = { compiles = \"int x[A];\" }\n";
    check_noticed(
        config,
        |space| space.write("Tender.toml", format!("{PACKAGE}defines = [\"A=2\"]\n{config}")),
        "/* #undef A */",
        "#define A 1",
    );
}

#[test]
fn config_of_a_library_is_public_if_it_says_so() {
    for public in [true, false] {
        let space = TestSpace::new();
        space.write("Tender.toml", "[workspace]\nmembers = [\"base\", \"app\"]\n");
        let header = "[config.values]\nBASE = 40\n";
        space.write(
            "base/Tender.toml",
            format!(
                "[package]\nname = \"base\"\n[lib]\n[config]\nheader = \"base_config.h\"\n\
                 public = {public}\n{header}"
            ),
        );
        space.write(
            "base/src/base.c",
            "#include <base_config.h>\nint base(void) { return BASE; }\n",
        );
        space.write(
            "app/Tender.toml",
            "[package]\nname = \"app\"\n[dependencies]\nbase = { path = \"../base\" }\n",
        );
        space.write(
            "app/src/main.c",
            "#include <base_config.h>\nint base(void);\nint main(void) { return base() - BASE; }\n",
        );
        let run = space.tender(&["build", "-j2"]);
        if public {
            run.expect_ok();
            space.built("target/debug/app").expect_ok();
        } else {
            let run = run.expect_code(101);
            assert!(run.stderr.contains("'base_config.h' file not found"), "{run}");
        }
    }
}

#[test]
fn config_headers_of_one_crate_have_their_own_names() {
    let space = space(
        "[[config]]\nheader = \"config.h\"\nvalues = { A = 1 }\n\
         [[config]]\nheader = \"sub/other.h\"\nvalues = { B = 2 }\n",
    );
    space.write(
        "src/main.c",
        "#include \"config.h\"\n#include <sub/other.h>\nint main(void) { return B - A - 1; }\n",
    );
    space.tender(&["build"]).expect_ok();
    space.built("target/debug/app").expect_ok();
    space.expect_fresh(&[]);
}

#[test]
fn config_results_are_shown_and_kept() {
    let space = space(
        "[config]\nheader = \"config.h\"\n[config.probes]\nA = { has-type = \"tender_absent_t\" }\n\
         B = { sizeof = \"short\" }\n",
    );
    let run = space.tender(&["build", "-v"]).expect_ok();
    assert!(run.stderr.contains("  A: no (has-type `tender_absent_t`)\n"), "{run}");
    assert!(run.stderr.contains("  B: 2 (sizeof `short`)\n"), "{run}");
    let text = space.read("target/debug/.tender/app/config/config.h.json");
    let results: serde_json::Value = serde_json::from_str(&text).unwrap();
    let first = &results["probes"][0];
    assert_eq!((&first["name"], &first["found"]), (&"A".into(), &false.into()), "{text}");
    let error = first["error"].as_str().unwrap();
    assert!(error.contains("use of undeclared identifier 'tender_absent_t'"), "{text}");
    assert_eq!(results["probes"][1]["value"], 2, "{text}");
}

#[test]
fn config_errors_have_carets() {
    let rows = [
        ("[config]\n", "`[config]` names no header"),
        ("[config]\nheader = \"../x.h\"\n", "is no path below `$OUT_DIR`"),
        ("[config]\ntemplate = \"absent.h.in\"\n", "the file `absent.h.in` does not exist"),
        ("[config]\ntemplate = \"src/main.c\"\n", "does not end in `.in`"),
        ("[config]\nheader = \"config.h\"\nprobes = { A = {} }\n", "asks for nothing"),
        (
            "[config]\nheader = \"config.h\"\n\
             probes = { A = { has-type = \"x\", sizeof = \"x\" } }\n",
            "asks for `has-type` and `sizeof`",
        ),
        (
            "[config]\nheader = \"config.h\"\nprobes = { A = { sizeof = \"x\", libs = [\"m\"] } }\n",
            "`libs` has no effect",
        ),
        (
            "[config]\nheader = \"config.h\"\nprobes = { A-B = { sizeof = \"x\" } }\n",
            "is no name of a macro",
        ),
        ("[config]\nheader = \"config.h\"\nvalues = { A = [1] }\n", "a string, an integer or a bo"),
        (
            "[config]\nheader = \"config.h\"\nvalues = { A = 1 }\n\
             probes = { A = { sizeof = \"x\" } }\n",
            "`A` is a probe and a value",
        ),
        (
            "[[config]]\nheader = \"config.h\"\n[[config]]\nheader = \"config.h\"\n",
            "is written twice",
        ),
    ];
    for (config, expect) in rows {
        let run = space(config).tender(&["build"]).expect_code(2);
        assert!(run.stderr.contains(expect), "{config}{run}");
        assert!(run.stderr.contains("Tender.toml:"), "{config}{run}");
    }
}

/// Header and results are the same whatever runs at once, and wherever the workspace lies.
#[test]
fn config_is_the_same_for_any_number_of_jobs_and_in_any_directory() {
    let config = "[config]\nheader = \"config.h\"\n[config.probes]\n\
        A = { has-function = \"tender_absent\" }\nB = { sizeof = \"long\" }\n\
        C = { has-header = \"tender_absent.h\" }\nD = { compiles = \"int x = ;\" }\n\
        E = { links = \"int f(void); int main(void) { return f(); }\" }\n\
        F = { has-function = \"cos\", libs = [\"tender_absent\"] }\n";
    let build = |jobs| {
        let space = space(config);
        space.tender(&["build", jobs]).expect_ok();
        (space.read(HEADER), space.read("target/debug/.tender/app/config/config.h.json"))
    };
    let first = build("-j1");
    assert_eq!(first, build("-j1"));
    assert_eq!(first, build("-j4"));
}

#[test]
fn config_whose_settings_do_not_compile_is_an_error() {
    let space = TestSpace::new();
    space.write(
        "Tender.toml",
        "[package]\nname = \"x\"\nflags = [\"-include\", \"x_config.h\"]\n[config]\nheader = \"x_config.h\"\n\
         [config.probes]\nHAVE_STDIO_H = { has-header = \"stdio.h\" }\n",
    );
    space.write("src/x.c", "#ifndef HAVE_STDIO_H\n#error\n#endif\n");
    let run = space.tender(&["build"]);
    run.expect_code(101).expect_stderr(&[
        "no probe compiles with the settings of `[package]`: 'x_config.h' file not found",
        "belong to `[lib]`",
    ]);
    space.edit("Tender.toml", "flags = [\"-include\", \"x_config.h\"]\n", "");
    space.edit(
        "Tender.toml",
        "[config]\n",
        "[lib]\nflags = [\"-include\", \"x_config.h\"]\n[config]\n",
    );
    space.tender(&["build"]).expect_ok();
}
