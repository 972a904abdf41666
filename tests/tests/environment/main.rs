//! The environment of a build: a change of a variable rebuilds exactly the items that depend on it,
//! and every result is that of a clean build.

mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use tender_tests::{Feature, Rebuild, Run, TestSpace, skip};

/// A unit of each language, a prebuilt library, and a `[[generate]]` command.
fn workspace() -> TestSpace {
    let space = TestSpace::new();
    space.write("Tender.toml", "[workspace]\nmembers = [\"base\", \"app\"]\n");
    space.write(
        "base/Tender.toml",
        "[package]\nname = \"base\"\n[lib]\nsources = [\"src/*.c\", \"src/*.cpp\", \"src/*.S\", \"src/*.s\", \"src/*.ll\"]\n",
    );
    let of = |name: &str| {
        format!(
            "#if __has_include(<given.h>)\n#include <given.h>\n#else\n#define GIVEN 1\n#endif\n{name}\n"
        )
    };
    space.write("base/src/c.c", of("int of_c(void) { return GIVEN; }"));
    space.write("base/src/cxx.cpp", of("extern \"C\" int of_cxx() { return GIVEN; }"));
    space.write(
        "base/src/cpp.S",
        of(".globl of_cpp\nof_cpp: movl $GIVEN, %eax\nret\n.section .note.GNU-stack"),
    );
    space.write("base/src/plain.s", ".globl plain\nplain: ret\n.section .note.GNU-stack\n");
    space.write("base/src/ir.ll", "define i32 @ir() {\n  ret i32 0\n}\n");
    space.write(
        "base/src/date.c",
        "const char *date(void) { return __DATE__; }\nconst char *stamp(void) { return __TIMESTAMP__; }\n",
    );
    space.write(
        "app/Tender.toml",
        "[package]\nname = \"app\"\nlink = [\"given\"]\nlink-args = [\"-Llib\"]\n[dependencies]\nbase = { path = \"../base\" }\n\
         [[generate]]\nrun = [\"sh\", \"epoch.sh\"]\ninputs = [\"epoch.sh\"]\noutputs = [\"$OUT_DIR/epoch.h\"]\n",
    );
    space.write(
        "app/epoch.sh",
        "echo \"#define EPOCH ${SOURCE_DATE_EPOCH:-0}\" > $OUT_DIR/epoch.h\n",
    );
    space.write(
        "app/src/main.c",
        "#include <stdio.h>\n#include <epoch.h>\nint of_c(void), of_cxx(void), of_cpp(void), given(void);\nconst char *date(void);\n\
         int main(void) { printf(\"%d %d %d %d %d %s\\n\", of_c(), of_cxx(), of_cpp(), given(), EPOCH, date()); return 0; }\n",
    );
    for (name, value) in [("inc2", 2), ("inc3", 3)] {
        space.write(&format!("{name}/given.h"), format!("#define GIVEN {value}\n"));
    }
    for (dir, value) in [("lib", 1), ("lib2", 2), ("lib3", 3)] {
        library(&space, dir, value);
    }
    // Found only through `LIBRARY_PATH`.
    space.remove("lib/libgiven.a");
    space
}

/// `DIR/libgiven.a`, whose `given` returns `value`.
fn library(space: &TestSpace, dir: &str, value: i32) {
    space.write(&format!("{dir}/given.c"), format!("int given(void) {{ return {value}; }}\n"));
    let script = format!(
        "cd {dir} && cc -c given.c && rm -f libgiven.a && ar rcD libgiven.a given.o && rm given.*"
    );
    let mut command = Command::new("sh");
    space.prepare(&mut command);
    command.args(["-c", &script]);
    space.run(command).expect_ok();
}

fn build_with(space: &TestSpace, args: &[&str], variables: &[(&str, &str)]) -> Run {
    let mut command = space.command(&[&["build", "-v"], args].concat());
    command.envs(variables.iter().copied());
    space.run(command)
}

/// Builds with `variables`, and expects exactly these items to be rebuilt because of a variable:
/// `UNIT: VARIABLE`. Other items are rebuilt only as a consequence, a further build does nothing,
/// and outputs are those of a clean build.
#[track_caller]
fn check(space: &TestSpace, args: &[&str], variables: &[(&str, &str)], expect: &[&str]) {
    let run = build_with(space, args, variables).expect_ok();
    let prefix = "the environment variable ";
    let (of_variables, others): (Vec<Rebuild>, Vec<Rebuild>) =
        run.rebuilt().into_iter().partition(|one| one.reason.starts_with(prefix));
    let found = of_variables.iter().map(|one| {
        let variable = one.reason[prefix.len()..].strip_suffix(" has changed").unwrap();
        format!("{}: {variable}", one.unit.rsplit('/').next().unwrap())
    });
    let mut found: Vec<String> = found.collect();
    found.sort_unstable();
    let mut expect = expect.to_vec();
    expect.sort_unstable();
    assert_eq!(found, expect, "{variables:?}\n{run}");
    // An archive is sent to a worker with its units, before their results are known.
    let follows =
        |one: &Rebuild| one.reason.starts_with("the file ") || one.reason.ends_with(" is rebuilt");
    assert!(others.iter().all(follows), "{variables:?}\n{run}");
    build_with(space, args, variables).expect_ok().expect_nothing_done();
    as_from_nothing(space, args, variables);
}

/// Outputs are those of a clean build.
#[track_caller]
fn as_from_nothing(space: &TestSpace, args: &[&str], variables: &[(&str, &str)]) {
    build_with(space, &[args, &["--target-dir", "clean"]].concat(), variables).expect_ok();
    let profile = if args.contains(&"--release") { "release" } else { "debug" };
    for name in ["app", "libbase.a"] {
        let bytes = |target: &str| space.read_bytes(&format!("{target}/{profile}/{name}"));
        assert!(
            bytes("target") == bytes("clean"),
            "{name} is not that of a clean build with {variables:?}"
        );
    }
    space.remove("clean");
}

#[track_caller]
fn says(space: &TestSpace, text: &str) {
    let said = space.built("target/debug/app").expect_ok().stdout;
    assert!(said.starts_with(text), "{said:?} instead of {text:?}");
}

/// A fixed date, so that bytes can be compared.
const EPOCH: (&str, &str) = ("SOURCE_DATE_EPOCH", "86400");
const LIBRARY: (&str, &str) = ("LIBRARY_PATH", "lib2");

#[test]
fn lists_of_header_directories_count_for_their_languages() {
    let space = workspace();
    build_with(&space, &[], &[EPOCH, LIBRARY]).expect_ok();
    says(&space, "1 1 1 2 86400");
    let check = |variables: &[(&str, &str)], variable: &str, units: &[&str], said: &str| {
        let expect: Vec<String> = units.iter().map(|unit| format!("{unit}: {variable}")).collect();
        let expect: Vec<&str> = expect.iter().map(String::as_str).collect();
        check(&space, &[], &[&[EPOCH, LIBRARY], variables].concat(), &expect);
        says(&space, said);
    };
    // The command may run a compiler.
    let all = ["c.c", "cpp.S", "cxx.cpp", "date.c", "main.c", "sh epoch.sh"];
    let c = ["c.c", "cpp.S", "date.c", "main.c", "sh epoch.sh"];
    let cxx = ["cxx.cpp", "sh epoch.sh"];
    check(&[("CPATH", "inc2")], "CPATH", &all, "2 2 2 2");
    check(&[], "CPATH", &all, "1 1 1 2");
    check(&[("CPATH", "")], "CPATH", &[], "1 1 1 2");
    check(&[("C_INCLUDE_PATH", "inc3")], "C_INCLUDE_PATH", &c, "3 1 3 2");
    check(&[("C_INCLUDE_PATH", "inc2:inc3")], "C_INCLUDE_PATH", &c, "2 1 2 2");
    check(&[], "C_INCLUDE_PATH", &c, "1 1 1 2");
    check(&[("CPLUS_INCLUDE_PATH", "inc3")], "CPLUS_INCLUDE_PATH", &cxx, "1 3 1 2");
    check(&[], "CPLUS_INCLUDE_PATH", &cxx, "1 1 1 2");
    // No unit is Objective-C.
    check(&[("OBJC_INCLUDE_PATH", "inc2")], "OBJC_INCLUDE_PATH", &["sh epoch.sh"], "1 1 1 2");
}

#[test]
fn header_directories_of_variables_are_watched_like_others() {
    let space = workspace();
    let variables = [EPOCH, LIBRARY, ("CPATH", "first:inc2")];
    build_with(&space, &[], &variables).expect_ok();
    says(&space, "2 2 2 2");
    space.write("inc2/given.h", "#define GIVEN 4\n");
    check(&space, &[], &variables, &[]);
    says(&space, "4 4 4 2");
    space.write("first/given.h", "#define GIVEN 5\n");
    check(&space, &[], &variables, &[]);
    says(&space, "5 5 5 2");
    space.remove("first");
    check(&space, &[], &variables, &[]);
    says(&space, "4 4 4 2");
}

#[test]
fn header_directories_of_variables_start_from_the_root() {
    let space = workspace();
    let variables = [EPOCH, LIBRARY, ("CPATH", "inc2")];
    build_with(&space, &[], &variables).expect_ok();
    // In another directory, and through another path to the same one.
    let mut command = space.command(&["build", "-v", "--workspace"]);
    command.current_dir(space.path("app/src")).envs(variables);
    space.run(command).expect_ok().expect_nothing_done();
    let mut command = space.command(&["-C", "base", "build", "-v", "--workspace"]);
    command.envs(variables);
    space.run(command).expect_ok().expect_nothing_done();
}

#[test]
fn library_paths_count_for_links() {
    for driver in &drivers() {
        let space = workspace();
        let set = |path: &'static str| {
            [("CC", driver.as_str()), ("CXX", driver), EPOCH, ("LIBRARY_PATH", path)]
        };
        build_with(&space, &[], &set("lib2")).expect_ok();
        says(&space, "1 1 1 2");
        check(&space, &[], &set("lib3"), &["app: LIBRARY_PATH", "sh epoch.sh: LIBRARY_PATH"]);
        says(&space, "1 1 1 3");
        check(&space, &[], &set("lib2:lib3"), &["app: LIBRARY_PATH", "sh epoch.sh: LIBRARY_PATH"]);
        says(&space, "1 1 1 2");
        let without = [("CC", driver.as_str()), ("CXX", driver), EPOCH];
        build_with(&space, &[], &without)
            .expect_code(101)
            .expect_stderr(&["unable to find library -lgiven"]);
    }
}

/// Link drivers by name.
fn drivers() -> Vec<String> {
    let there = |name: &String| {
        Command::new(name).arg("--version").output().is_ok_and(|done| done.status.success())
    };
    let prefix = std::env::var("LLVM_SYS_221_PREFIX").unwrap_or_else(|_| "/usr/lib/llvm-22".into());
    let drivers =
        [(Feature::Gxx, "g++".to_owned()), (Feature::Clang, format!("{prefix}/bin/clang++"))];
    let mut found = Vec::new();
    for (feature, name) in drivers {
        match there(&name) {
            true => found.push(name),
            false => skip(feature, &format!("there is no {name} to link with")),
        }
    }
    assert!(!found.is_empty(), "no driver is installed");
    found
}

#[test]
fn variables_of_links_count_for_links_alone() {
    let space = workspace();
    build_with(&space, &[], &[EPOCH, LIBRARY]).expect_ok();
    for variable in
        ["LD_RUN_PATH", "LD_LIBRARY_PATH", "LLD_VERSION", "NIX_LDFLAGS", "ELF_PACKAGE_METADATA"]
    {
        let value = if variable == "LLD_VERSION" { "LLD of this test" } else { "/absent" };
        let expect = format!("app: {variable}");
        check(&space, &[], &[EPOCH, LIBRARY, (variable, value)], &[&expect]);
        check(&space, &[], &[EPOCH, LIBRARY], &[&expect]);
    }
}

#[test]
fn form_of_archives_counts_for_archives() {
    let space = workspace();
    build_with(&space, &[], &[EPOCH, LIBRARY]).expect_ok();
    let first = space.read_bytes("target/debug/libbase.a");
    check(
        &space,
        &[],
        &[EPOCH, LIBRARY, ("SYM64_THRESHOLD", "1")],
        &["libbase.a: SYM64_THRESHOLD"],
    );
    assert!(space.read_bytes("target/debug/libbase.a") != first, "the variable does something");
    check(&space, &[], &[EPOCH, LIBRARY], &["libbase.a: SYM64_THRESHOLD"]);
    assert!(space.read_bytes("target/debug/libbase.a") == first);
}

#[test]
fn date_counts_for_units_that_use_it() {
    let space = workspace();
    let set = |epoch: &'static str| [("SOURCE_DATE_EPOCH", epoch), LIBRARY];
    let expect = ["date.c: SOURCE_DATE_EPOCH", "sh epoch.sh: SOURCE_DATE_EPOCH"];
    build_with(&space, &[], &set("86400")).expect_ok();
    says(&space, "1 1 1 2 86400 Jan  2 1970");
    check(&space, &[], &set("0"), &expect);
    says(&space, "1 1 1 2 0 Jan  1 1970");
    check(&space, &[], &set("951782400"), &expect);
    says(&space, "1 1 1 2 951782400 Feb 29 2000");
    // Then the time zone does not matter.
    let zone = [("SOURCE_DATE_EPOCH", "951782400"), LIBRARY, ("TZ", "UTC+12")];
    build_with(&space, &[], &zone).expect_ok().expect_nothing_done();
    // Unset, and set again.
    let run = build_with(&space, &[], &[LIBRARY]).expect_ok();
    assert!(run.rebuilt().iter().any(|one| one.unit.ends_with("date.c")), "{run}");
    build_with(&space, &[], &[LIBRARY]).expect_ok().expect_nothing_done();
    check(&space, &[], &set("0"), &expect);
}

#[test]
fn date_counts_in_every_form_in_which_a_unit_can_use_it() {
    let space = TestSpace::new();
    space.write(
        "Tender.toml",
        "[package]\nname = \"base\"\n[lib]\nsources = [\"src/*.c\", \"src/*.S\"]\nflags = [\"-Iinc\"]\n",
    );
    space.write("inc/header.h", "#define WHEN __TIME__\n");
    space.write("src/header.c", "#include <header.h>\nconst char *f(void) { return WHEN; }\n");
    space.write(
        "src/condition.c",
        "#define S __DATE__\n#ifdef X\n#endif\nint g(void) { return sizeof S; }\n",
    );
    space.write("src/assembly.S", ".section .rodata\n.asciz __DATE__\n.section .note.GNU-stack\n");
    space.write(
        "src/not.c",
        "#ifdef __DATE__\nint h(void) { return 1; }\n#endif\n/* __TIME__ */\nconst char *k = \"__DATE__\";\n",
    );
    let build = |args: &[&str], epoch: &str| {
        let run = build_with(&space, args, &[("SOURCE_DATE_EPOCH", epoch)]).expect_ok();
        let units: BTreeSet<String> = run.rebuilt().into_iter().map(|one| one.unit).collect();
        units.into_iter().filter(|unit| unit.starts_with("src/")).collect::<Vec<_>>()
    };
    for args in [&["--release"][..], &[]] {
        assert_eq!(build(args, "1").len(), 4);
        assert_eq!(build(args, "100000"), ["src/assembly.S", "src/condition.c", "src/header.c"]);
        assert_eq!(build(args, "100000"), [""; 0]);
    }
    let check = |epoch: &str| {
        let mut command = space.command(&["check", "-v"]);
        command.env("SOURCE_DATE_EPOCH", epoch);
        space.run(command).expect_ok().rebuilt().len()
    };
    assert_eq!([check("1"), check("1"), check("2")], [4, 0, 3]);
}

#[test]
fn time_stamps_of_files_are_in_the_time_zone_of_the_environment() {
    let space = TestSpace::new();
    space.write("Tender.toml", "[package]\nname = \"app\"\n");
    space.write(
        "src/main.c",
        "#include <stdio.h>\nint main(void) { puts(__TIMESTAMP__); return 0; }\n",
    );
    let build = |zone: &str| {
        let run = build_with(&space, &[], &[("TZ", zone)]).expect_ok();
        (run.rebuilt().len(), space.built("target/debug/app").stdout)
    };
    let (_, west) = build("UTC+11");
    let (rebuilt, east) = build("UTC-11");
    assert_eq!(rebuilt, 2);
    assert_ne!(west, east);
    assert_eq!(build("UTC-11"), (0, east));
}

#[test]
fn invalid_date_is_refused_before_anything_is_built() {
    let space = workspace();
    for value in ["", "now", "-1", "253402300800"] {
        let text = format!("the value of SOURCE_DATE_EPOCH is not a time: `{value}`");
        let run = build_with(&space, &[], &[("SOURCE_DATE_EPOCH", value), LIBRARY]);
        run.expect_code(2).expect_stderr(&[&text, "help: "]);
        assert!(!space.exists("target"));
    }
}

#[test]
fn variables_that_redirect_the_compiler_are_ignored_with_a_warning() {
    for driver in &drivers() {
        let space = workspace();
        let set = [("CC", driver.as_str()), ("CXX", driver), EPOCH, LIBRARY];
        build_with(&space, &[], &set).expect_ok();
        // Programs that always fail.
        for program in ["ld", "ld.lld", "collect2", "as", "cc1", "clang"] {
            space.write(&format!("evil/{program}"), "#!/bin/sh\nexit 1\n");
            let mut command = Command::new("chmod");
            command.args(["+x", space.path(&format!("evil/{program}")).as_str()]);
            space.run(command).expect_ok();
        }
        let evil = space.path("evil").to_string();
        let prefix = format!("{evil}/");
        for (name, value) in [
            ("CCC_OVERRIDE_OPTIONS", "+-DGIVEN=9 +-Wl,-z,norelro #"),
            ("COMPILER_PATH", &evil),
            ("GCC_EXEC_PREFIX", &prefix),
            ("GCC_ROOT", &evil),
            ("BINUTILS_ROOT", &evil),
            ("GCC_COMPARE_DEBUG", "-g"),
            ("AS_SECURE_LOG_FILE", "log"),
        ] {
            let variables = [&set[..], &[(name, value)]].concat();
            let warning = format!("warning: `{name}` is set, but tender ignores it");
            let run = build_with(&space, &[], &variables).expect_ok().expect_nothing_done();
            assert_eq!(run.stderr.matches(&warning).count(), 1, "{run}");
            as_from_nothing(&space, &[], &variables);
            // The link is unchanged too.
            build_with(&space, &["--target-dir", "other"], &variables).expect_ok();
            assert!(
                space.read_bytes("other/debug/app") == space.read_bytes("target/debug/app"),
                "{name}"
            );
            space.remove("other");
        }
        assert!(!space.exists("log"));
    }
}

#[test]
fn path_of_the_workspace_is_in_no_output() {
    let space = workspace();
    space.edit("base/Tender.toml", "[lib]\n", "[lib]\nflags = [\"-fprofile-arcs\"]\n");
    build_with(&space, &["-p", "base"], &[EPOCH]).expect_ok();
    // A working directory whose logical path leads through a symbolic link, as a shell would have
    // it.
    let way = TestSpace::new();
    std::os::unix::fs::symlink(space.root(), way.path("link")).unwrap();
    let mut command = space.command(&["build", "-p", "base", "--target-dir", "clean"]);
    command.current_dir(way.path("link")).env("PWD", way.path("link")).envs([EPOCH]);
    space.run(command).expect_ok();
    let strings = |path: &str| String::from_utf8_lossy(&space.read_bytes(path)).into_owned();
    assert!(
        strings("target/debug/libbase.a").contains(space.path("target").as_str()),
        "the instance shows it"
    );
    assert!(!strings("clean/debug/libbase.a").contains(way.root().as_str()));
}

#[test]
fn change_of_the_environment_has_a_reason_in_json() {
    let space = workspace();
    build_with(&space, &[], &[EPOCH, LIBRARY]).expect_ok();
    let mut command = space.command(&["build", "--message-format", "json"]);
    command.envs([EPOCH, LIBRARY, ("CPLUS_INCLUDE_PATH", "inc2")]);
    let messages = space.run(command).expect_ok().messages();
    let finished = messages.iter().find(|message| {
        message["reason"] == "unit-finished"
            && message["unit"].as_str().is_some_and(|unit| unit.ends_with("cxx.cpp"))
    });
    let expect =
        serde_json::json!({ "reason": "environment-changed", "variable": "CPLUS_INCLUDE_PATH" });
    assert_eq!(finished.unwrap()["rebuild"], expect);
}

/// Records each name that a program looks up.
const LOGGER: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
extern char *program_invocation_short_name;
static char *ask(const char *function, const char *name) {
    char *(*real)(const char *) = (char *(*)(const char *))dlsym(RTLD_NEXT, function);
    char *(*get)(const char *) = (char *(*)(const char *))dlsym(RTLD_NEXT, "getenv");
    const char *path = get("GETENV_LOG");
    int file = path ? open(path, O_WRONLY | O_APPEND | O_CREAT, 0666) : -1;
    if (file >= 0) {
        char line[512];
        int length = snprintf(line, sizeof line, "%s %s\n", program_invocation_short_name, name);
        if (write(file, line, length) < 0) {}
        close(file);
    }
    return real(name);
}
char *getenv(const char *name) { return ask("getenv", name); }
char *secure_getenv(const char *name) { return ask("secure_getenv", name); }
"#;

/// The programs themselves show which variables they read in all these builds.
#[test]
fn variables_that_programs_ask_for_are_documented() {
    let document = std::fs::read_to_string(
        tender_tests::examples().parent().unwrap().join("docs/environment.md"),
    )
    .unwrap();
    let names: Vec<&str> = document.split('`').skip(1).step_by(2).collect();
    let documented = |name: &str| {
        names.iter().any(|known| match known.strip_suffix("...") {
            Some(prefix) => name.starts_with(prefix),
            None => *known == name,
        })
    };
    let space = workspace();
    space.write("logger.c", LOGGER);
    let mut command = Command::new("cc");
    space.prepare(&mut command);
    command.args(["-shared", "-fPIC", "-O1", "-o", "logger.so", "logger.c", "-ldl"]);
    space.run(command).expect_ok();
    space.edit(
        "Tender.toml",
        "[workspace]\n",
        "[profile.release]\nlto = \"thin\"\n[profile.local]\ninherits = \"release\"\nlto = \"thin-local\"\n[workspace]\n",
    );
    let (log, logger) = (space.path("asked").to_string(), space.path("logger.so").to_string());
    for driver in &drivers() {
        for profile in ["dev", "release", "local"] {
            let target = format!("target-{profile}-{}", driver.len());
            let variables = [
                ("CC", driver.as_str()),
                ("CXX", driver),
                EPOCH,
                LIBRARY,
                ("GETENV_LOG", log.as_str()),
                ("LD_PRELOAD", logger.as_str()),
            ];
            build_with(&space, &["--profile", profile, "--target-dir", &target], &variables)
                .expect_ok();
        }
    }
    let mut asked: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in space.read("asked").lines() {
        let (program, name) = line.split_once(' ').unwrap();
        // Those of commands and of tender, which are not compilers.
        if !["sh", "tender"].contains(&program) {
            asked.entry(name.to_owned()).or_default().insert(program.to_owned());
        }
    }
    assert!(
        asked.contains_key("CPATH") && asked.contains_key("LIBRARY_PATH"),
        "the logger works: {asked:?}"
    );
    asked.retain(|name, _| !documented(name) && name != "GETENV_LOG");
    assert!(asked.is_empty(), "docs/environment.md does not name these variables: {asked:?}");
}
