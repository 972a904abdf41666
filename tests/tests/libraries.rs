//! Libraries as projects ship them, and what dependencies take of each other.

use std::process::Command;
use tender_tests::{Run, TestSpace};

/// The crate `app`, whose program calls `f` of the crate `lib`, with these keys of the dependency.
fn pair(keys: &str, lib: &str) -> TestSpace {
    let space = TestSpace::new();
    space.write("Tender.toml", "[workspace]\nmembers = [\"app\", \"lib\"]\n");
    space.write(
        "app/Tender.toml",
        format!("[package]\nname = \"app\"\n[dependencies]\nlib = {{ path = \"../lib\"{keys} }}\n"),
    );
    space.write("app/src/main.c", "#include <f.h>\nint main(void) { return f(); }\n");
    space.write("lib/Tender.toml", format!("[package]\nname = \"lib\"\nversion = \"1.3\"\n{lib}"));
    space.write("lib/include/f.h", "int f(void);\n");
    space.write("lib/src/f.c", "#include <f.h>\nint f(void) { return 0; }\n");
    space
}

#[test]
fn private_dependency_is_hidden_from_dependents() {
    let space = pair("", "[dependencies]\nlow = { path = \"../low\", public = false }\n");
    space.write("low/Tender.toml", "[package]\nname = \"low\"\n");
    space.write("low/include/low.h", "int low(void);\n");
    space.write("low/src/low.c", "int low(void) { return 0; }\n");
    space.write("lib/src/f.c", "#include <f.h>\n#include <low.h>\nint f(void) { return low(); }\n");
    space.tender(&["build"]).expect_ok();
    space.built("target/debug/app").expect_ok();
    space.edit("app/src/main.c", "#include <f.h>", "#include <f.h>\n#include <low.h>");
    space.tender(&["build"]).expect_code(101).expect_stderr(&["'low.h' file not found"]);
    space.edit("lib/Tender.toml", ", public = false", "");
    space.tender(&["build"]).expect_ok();
}

#[test]
fn headers_only_dependency_is_not_compiled() {
    let space = pair(", headers-only = true", "");
    space.write("lib/include/f.h", "static inline int f(void) { return 0; }\n");
    space.write("lib/src/f.c", "#error this is not compiled\n");
    space.tender(&["build", "-p", "app"]).expect_ok();
    space.built("target/debug/app").expect_ok();
    space.expect_fresh(&["-p", "app"]);
    space.write("lib/include/f.h", "static inline int f(void) { return 3; }\n");
    space.tender(&["build", "-p", "app"]).expect_ok();
    space.built("target/debug/app").expect_code(3);
}

#[test]
fn headers_only_dependency_generates_its_headers_first() {
    let space = pair(
        ", headers-only = true",
        "[[generate]]\nrun = [\"sh\", \"-c\", \"echo '#define F 0' > $OUT_DIR/g.h\"]\noutputs = [\"$OUT_DIR/g.h\"]\n",
    );
    space.write("lib/src/f.c", "#error this is not compiled\n");
    space.write("app/src/main.c", "#include <g.h>\nint main(void) { return F; }\n");
    space.tender(&["build", "-p", "app"]).expect_ok();
    space.built("target/debug/app").expect_ok();
}

#[test]
fn system_key_decides_whether_headers_may_warn() {
    let space = pair(", system = true", "");
    space.write("lib/include/f.h", "int f(void);\nstatic int g(void) { int x; return 1; }\n");
    space.edit("app/Tender.toml", "\"app\"\n", "\"app\"\nwarnings = [\"all\", \"error\"]\n");
    space.tender(&["build"]).expect_ok();
    space.edit("app/Tender.toml", "system = true", "system = false");
    space.tender(&["build"]).expect_code(101).expect_stderr(&["-Wunused-variable"]);
}

/// The program prints the names that constructors have put into a list; nothing refers to them.
fn registry(keys: &str, lib: &str) -> TestSpace {
    let space = pair(keys, lib);
    space.write(
        "app/src/main.c",
        "#include <stdio.h>\nconst char *names[9];\nint used;\nint main(void) {\n  \
         for (int i = 0; i < used; i++) puts(names[i]);\n  return 0;\n}\n",
    );
    space.remove("lib/src/f.c");
    for name in ["one", "two"] {
        space.write(
            &format!("lib/src/{name}.c"),
            format!(
                "extern const char *names[];\nextern int used;\n\
                 __attribute__((constructor)) static void add(void) {{ names[used++] = \"{name}\"; }}\n"
            ),
        );
    }
    space
}

/// Every mode of link-time optimisation.
const LTO: [&str; 4] = ["off", "thin-local", "thin", "fat"];

/// Builds the program with each driver and in each mode, and compares what it prints.
#[track_caller]
fn expect_names(space: &TestSpace, names: &str) {
    for driver in ["gcc", "clang-22"] {
        for lto in LTO {
            let config = format!("profile.dev.lto=\"{lto}\"");
            let build = || {
                let mut command = space.command(&["build", "--config", &config]);
                command.env("CC", driver);
                space.run(command).expect_ok()
            };
            build();
            build().expect_nothing_done();
            let run = space.built("target/debug/app").expect_ok();
            assert_eq!(run.stdout, names, "{driver} {lto}");
        }
    }
}

#[test]
fn whole_archive_links_what_nothing_refers_to() {
    let space = registry(", whole-archive = true", "");
    expect_names(&space, "one\ntwo\n");
    space.edit("app/Tender.toml", "whole-archive = true", "whole-archive = false");
    expect_names(&space, "");
}

#[test]
fn version_of_a_dependency_that_does_not_fit_is_refused() {
    let space = pair(", version = \"1.2\"", "");
    space.tender(&["build"]).expect_ok();
    space.edit("app/Tender.toml", "\"1.2\"", "\">=1.4\"");
    let run = space.tender(&["build"]).expect_code(2);
    run.expect_stderr(&[
        "error: the package `lib` has the version 1.3, which `>=1.4` excludes",
        "app/Tender.toml:4:",
    ]);
}

#[test]
fn dependency_may_be_named_differently_here() {
    let space = pair(", package = \"lib\"", "");
    space.edit("app/Tender.toml", "lib = {", "fun = {");
    space.tender(&["build"]).expect_ok();
    space.built("target/debug/app").expect_ok();
}

/// A crate with the libraries `core` and `extra`, which uses it, and `lone`, and a program.
/// `app` uses what the test chooses.
fn several(choice: &str) -> TestSpace {
    let space = pair(choice, "");
    space.write(
        "lib/Tender.toml",
        "[package]\nname = \"lib\"\n[[lib]]\nname = \"core\"\nsources = [\"core.c\"]\nheaders = [\"core\"]\n\
         [[lib]]\nname = \"extra\"\nsources = [\"extra.c\"]\nheaders = [\"extra\"]\nuses = [\"core\"]\n\
         [[lib]]\nname = \"lone\"\nsources = [\"lone.c\"]\nheaders = [\"lone\"]\nlink = [\"nowhere\"]\n",
    );
    space.write("lib/core/core.h", "int core(void);\n");
    space.write("lib/extra/extra.h", "int extra(void);\n");
    space.write("lib/lone/lone.h", "int lone(void);\n");
    space.write("lib/core.c", "#include <core.h>\nint core(void) { return 40; }\n");
    space.write(
        "lib/extra.c",
        "#include <core.h>\n#include <extra.h>\nint extra(void) { return core() + 2; }\n",
    );
    space.write("lib/lone.c", "#include <lone.h>\nint lone(void) { return 1; }\n");
    space.write("app/src/main.c", "#include <extra.h>\nint main(void) { return extra(); }\n");
    space
}

#[test]
fn dependent_chooses_of_several_libraries() {
    let space = several(", lib = [\"extra\"]");
    for lto in LTO {
        let config = format!("profile.dev.lto=\"{lto}\"");
        space.tender(&["build", "-p", "app", "--config", &config]).expect_ok();
        space.built("target/debug/app").expect_code(42);
        space.expect_fresh(&["-p", "app", "--config", &config]);
    }
    assert!(!space.exists("target/debug/liblone.a"));
    // All three: one of them needs a library that is nowhere.
    space.edit("app/Tender.toml", ", lib = [\"extra\"]", "");
    space.tender(&["build", "-p", "app"]).expect_code(101).expect_stderr(&["-lnowhere"]);
    space.edit("app/Tender.toml", "lib\" }", "lib\", lib = [\"exrta\"] }");
    let run = space.tender(&["build"]).expect_code(2);
    run.expect_stderr(&["the package `lib` has no library `exrta`", "did you mean `extra`?"]);
}

#[test]
fn shared_library_of_several_uses_another_one() {
    let space = several(", lib = [\"extra\"]");
    space.edit("lib/Tender.toml", "uses =", "crate-type = [\"cdylib\"]\nuses =");
    let core = "headers = [\"core\"]\n";
    space.edit("lib/Tender.toml", core, &format!("{core}crate-type = [\"cdylib\"]\n"));
    // Shared libraries are built as well; nobody has what this one needs.
    space.edit("lib/Tender.toml", "link = [\"nowhere\"]", "");
    space.tender(&["build"]).expect_ok();
    space.built("target/debug/app").expect_code(42);
    assert!(space.exists("target/debug/liblone.a") && space.exists("target/debug/libcore.so"));
    space.expect_fresh(&[]);
}

#[test]
fn messages_name_one_of_several_libraries() {
    let space = several("");
    let run = space.tender(&["build", "-p", "lib", "--message-format", "json"]).expect_ok();
    let name = |line: &str| {
        let message: serde_json::Value = serde_json::from_str(line).unwrap();
        (message["reason"] == "compiler-artifact")
            .then(|| message["target"]["name"].as_str().unwrap().to_owned())
    };
    let mut names: Vec<String> = run.stdout.lines().filter_map(name).collect();
    names.sort();
    assert_eq!(names, ["core", "extra", "lone"]);
}

#[test]
fn headers_alone_make_a_library() {
    let space = pair("", "");
    space.remove("lib/src/f.c");
    space.write("lib/include/f.h", "static inline int f(void) { return 5; }\n");
    space.tender(&["build"]).expect_ok();
    space.built("target/debug/app").expect_code(5);
    space.expect_fresh(&[]);
}

fn run(space: &TestSpace, program: &str, args: &[&str]) -> Run {
    let mut command = Command::new(program);
    command.args(args).current_dir(space.root());
    space.run(command)
}

/// What `readelf -d` says of a file.
fn dynamic(space: &TestSpace, file: &str) -> String {
    run(space, "readelf", &["-dW", file]).expect_ok().stdout
}

/// The names of files and links in a directory.
fn names(space: &TestSpace, dir: &str) -> Vec<String> {
    let entries = std::fs::read_dir(space.path(dir).as_std_path()).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| name != ".tender");
    names.sort();
    names
}

fn link_of(space: &TestSpace, link: &str) -> String {
    let to = std::fs::read_link(space.path(link).as_std_path()).unwrap();
    to.into_os_string().into_string().unwrap()
}

#[test]
fn versioned_library_has_its_links() {
    let space = pair("", "[lib]\nname = \"f\"\ncrate-type = [\"cdylib\"]\nversion = \"1.3.1\"\n");
    space.tender(&["build"]).expect_ok();
    assert_eq!(names(&space, "target/debug"), ["app", "libf.so", "libf.so.1", "libf.so.1.3.1"]);
    assert_eq!(link_of(&space, "target/debug/libf.so"), "libf.so.1.3.1");
    assert_eq!(link_of(&space, "target/debug/libf.so.1"), "libf.so.1.3.1");
    assert!(dynamic(&space, "target/debug/libf.so.1.3.1").contains("soname: [libf.so.1]"));
    assert!(dynamic(&space, "target/debug/app").contains("Shared library: [libf.so.1]"));
    space.built("target/debug/app").expect_ok();
    space.expect_fresh(&[]);
    space.tender(&["clean", "-p", "lib"]).expect_ok();
    assert_eq!(names(&space, "target/debug"), ["app"]);
}

#[test]
fn link_to_a_library_that_is_lost_or_changed_is_made_again() {
    let space = pair("", "[lib]\ncrate-type = [\"cdylib\"]\nversion = \"1.3.1\"\n");
    space.tender(&["build"]).expect_ok();
    let link = "target/debug/liblib.so.1";
    let check = |reason: &str| {
        let run = space.tender(&["build", "-v"]).expect_ok();
        run.expect_stderr(&[reason]);
        assert_eq!(link_of(&space, link), "liblib.so.1.3.1");
        space.built("target/debug/app").expect_ok();
        space.expect_fresh(&[]);
    };
    space.remove(link);
    check("the output target/debug/liblib.so.1 is gone");
    space.remove(link);
    space.write(link, "no library");
    check("the output target/debug/liblib.so.1 was changed");
    space.write("target/debug/other", "no library");
    space.remove(link);
    std::os::unix::fs::symlink("other", space.path(link).as_std_path()).unwrap();
    check("the output target/debug/liblib.so.1 was changed");
    assert_eq!(space.read("target/debug/other"), "no library");
}

#[test]
fn old_names_of_a_library_are_removed() {
    let space = pair("", "[lib]\ncrate-type = [\"cdylib\"]\n");
    let check = |from: &str, to: &str, expect: &[&str]| {
        space.edit("lib/Tender.toml", from, to);
        space.tender(&["build"]).expect_ok();
        assert_eq!(names(&space, "target/debug"), [&["app"], expect].concat());
        space.built("target/debug/app").expect_ok();
        space.expect_fresh(&[]);
    };
    check("[lib]", "[lib]", &["liblib.so"]);
    check(
        "\"cdylib\"]\n",
        "\"cdylib\"]\nversion = \"1.3.1\"\n",
        &["liblib.so", "liblib.so.1", "liblib.so.1.3.1"],
    );
    check("1.3.1", "2.0", &["liblib.so", "liblib.so.2", "liblib.so.2.0"]);
    check(
        "\"2.0\"\n",
        "\"2.0\"\nsoname = \"libold.so.7\"\n",
        &["liblib.so", "liblib.so.2.0", "libold.so.7"],
    );
    check("version = \"2.0\"\n", "", &["liblib.so", "libold.so.7"]);
    check("soname = \"libold.so.7\"\n", "name = \"g\"\n", &["libg.so"]);
}

#[test]
fn links_of_a_library_that_became_static_are_removed() {
    let space = pair("", "[lib]\ncrate-type = [\"cdylib\"]\nversion = \"1.3.1\"\n");
    space.tender(&["build"]).expect_ok();
    space.edit("lib/Tender.toml", "crate-type = [\"cdylib\"]\nversion = \"1.3.1\"\n", "");
    space.tender(&["build"]).expect_ok();
    assert_eq!(names(&space, "target/debug"), ["app", "liblib.a"]);
    space.edit("lib/Tender.toml", "[lib]\n", "[lib]\ncrate-type = [\"object\"]\n");
    space.tender(&["build"]).expect_ok();
    assert_eq!(names(&space, "target/debug"), ["app"]);
}

#[test]
fn old_name_of_a_library_that_something_else_has_changed_is_kept() {
    let space = pair("", "");
    space.tender(&["build"]).expect_ok();
    space.write("target/debug/liblib.a", "mine");
    space.edit("lib/Tender.toml", "\"1.3\"\n", "\"1.3\"\n[lib]\nname = \"g\"\n");
    space.tender(&["build"]).expect_ok();
    assert_eq!(names(&space, "target/debug"), ["app", "libg.a", "liblib.a"]);
}

/// A program that loads a plugin, which calls a function of the program.
#[test]
fn plugin_is_a_shared_library_at_its_path() {
    let space = TestSpace::new();
    space.write("Tender.toml", "[workspace]\nmembers = [\"host\", \"plugs\", \"low\"]\n");
    space.write(
        "host/Tender.toml",
        "[package]\nname = \"host\"\nlink = [\"dl\"]\nlink-args = [\"-rdynamic\"]\n",
    );
    space.write(
        "host/src/main.c",
        "#include <dlfcn.h>\n#include <stdio.h>\nint of_host(void) { return 40; }\n\
         int main(int argc, char **argv) {\n  void *h = dlopen(argv[1], RTLD_NOW);\n  \
         if (!h) { puts(dlerror()); return 1; }\n  \
         int (*f)(void) = (int (*)(void))dlsym(h, \"plug\");\n  return f();\n}\n",
    );
    space.write("low/Tender.toml", "[package]\nname = \"low\"\n[lib]\ncrate-type = [\"cdylib\"]\n");
    space.write("low/src/low.c", "int low(void) { return 2; }\n");
    space.write(
        "plugs/Tender.toml",
        "[package]\nname = \"plugs\"\n[[lib]]\nname = \"one\"\nsources = [\"one.c\", \"shared.c\"]\noutput = \"deep/er/one.so\"\n\
         [[lib]]\nname = \"two\"\nsources = [\"two.c\", \"shared.c\"]\noutput = \"deep/two.so\"\n\
         [dependencies]\nlow = { path = \"../low\" }\n",
    );
    space.write(
        "plugs/shared.c",
        "int of_host(void);\nint low(void);\nint sum(void) { return of_host() + low(); }\n",
    );
    space.write("plugs/one.c", "int sum(void);\nint plug(void) { return sum(); }\n");
    space.write("plugs/two.c", "int sum(void);\nint plug(void) { return sum() + 1; }\n");
    let run_with = |plugin: &str| run(&space, "target/debug/host", &[plugin]);
    for driver in ["gcc", "clang-22"] {
        for lto in LTO {
            let config = format!("profile.dev.lto=\"{lto}\"");
            let mut command = space.command(&["build", "--config", &config]);
            command.env("CC", driver);
            space.run(command).expect_ok();
            run_with("target/debug/deep/er/one.so").expect_code(42);
            run_with("target/debug/deep/two.so").expect_code(43);
        }
    }
    assert!(!dynamic(&space, "target/debug/deep/two.so").contains("SONAME"));
    assert_eq!(names(&space, "target/debug"), ["deep", "host", "liblow.so"]);
    // The source that both have is compiled once.
    space.tender(&["clean"]).expect_ok();
    let built = space.build(&[]);
    assert_eq!(built.iter().filter(|item| item.unit == "plugs/shared.c").count(), 1, "{built:?}");
    space.edit(
        "host/Tender.toml",
        "[\"-rdynamic\"]\n",
        "[\"-rdynamic\"]\n[dependencies]\nplugs = { path = \"../plugs\" }\n",
    );
    let run = space.tender(&["build"]).expect_code(2);
    run.expect_stderr(&["no library to depend on", "its libraries are plugins"]);
}

#[test]
fn object_library_is_a_registry() {
    let space = registry("", "[lib]\ncrate-type = [\"object\"]\n");
    expect_names(&space, "one\ntwo\n");
    space.tender(&["build"]).expect_ok();
    assert_eq!(names(&space, "target/debug"), ["app"]);
    // The objects go into the shared library between them, and not into the program again.
    space.write(
        "middle/Tender.toml",
        "[package]\nname = \"middle\"\n[lib]\ncrate-type = [\"cdylib\"]\n[dependencies]\nlib = { path = \"../lib\" }\n",
    );
    space.write("middle/src/list.c", "const char *names[9];\nint used;\n");
    space.edit(
        "app/Tender.toml",
        "lib = { path = \"../lib\" }",
        "middle = { path = \"../middle\" }",
    );
    space.edit(
        "app/src/main.c",
        "const char *names[9];\nint used;",
        "extern const char *names[];\nextern int used;",
    );
    expect_names(&space, "one\ntwo\n");
}
