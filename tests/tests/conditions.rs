//! `[features]` and `[target.'cfg(...)']`: what is built on which platform, with which features, and
//! when probes have found something.

use tender_tests::{Rebuild, TestSpace};

/// A program that prints the macros of its own and of the library that it may use.
fn space(features: &str, rest: &str) -> TestSpace {
    let space = TestSpace::new();
    space.write("Tender.toml", "[workspace]\nmembers = [\"app\", \"zip\"]\n");
    space.write(
        "app/Tender.toml",
        format!("[package]\nname = \"app\"\n[features]\n{features}\n{rest}\n"),
    );
    space.write(
        "app/src/main.c",
        "#include <stdio.h>\n#if __has_include(\"zip.h\")\n#include \"zip.h\"\n#endif\n\
         int main(void) {\n\
         #ifdef LOUD\n  printf(\"loud%d \", LOUD);\n#endif\n\
         #ifdef ZIP\n  printf(\"%s \", zip());\n#endif\n\
         #ifdef FAST\n  printf(\"fast \");\n#endif\n  puts(\".\");\n  return 0;\n}\n",
    );
    space.write(
        "zip/Tender.toml",
        "[package]\nname = \"zip\"\n[features]\ndefault = [\"deep\"]\n\
         fast = [\"public-define:FAST\"]\ndeep = [\"define:DEEP\"]\n\
         [lib]\npublic-defines = [\"ZIP\"]\n",
    );
    space.write("zip/include/zip.h", "const char *zip(void);\n");
    space.write(
        "zip/src/zip.c",
        "#include \"zip.h\"\n#ifdef DEEP\n#define NAME \"deep-zip\"\n#else\n\
         #define NAME \"zip\"\n#endif\nconst char *zip(void) { return NAME; }\n",
    );
    space
}

#[track_caller]
fn expect_printed(space: &TestSpace, args: &[&str], text: &str) {
    let run = space.tender(&[&["run", "-q", "-p", "app"], args].concat()).expect_ok();
    assert_eq!(run.stdout, format!("{text}.\n"), "{args:?}: {run}");
}

const OPTIONAL: &str = "[dependencies]\nzip = { path = \"../zip\", optional = true }";

#[test]
fn features_are_chosen_on_the_command_line() {
    let space = space(
        "default = [\"loud\"]\nloud = [\"define:LOUD=2\"]\nquick = [\"zip/fast\"]\nmaybe = [\"zip?/fast\"]",
        OPTIONAL,
    );
    expect_printed(&space, &[], "loud2 ");
    expect_printed(&space, &["--no-default-features"], "");
    expect_printed(&space, &["--features", "zip"], "loud2 deep-zip ");
    expect_printed(&space, &["--no-default-features", "-F", "zip"], "deep-zip ");
    expect_printed(&space, &["--features", "quick"], "loud2 deep-zip fast ");
    expect_printed(&space, &["--features", "maybe"], "loud2 ");
    expect_printed(&space, &["--features", "maybe,zip"], "loud2 deep-zip fast ");
    expect_printed(&space, &["--features", "maybe zip"], "loud2 deep-zip fast ");
    expect_printed(&space, &["--features", "app/zip"], "loud2 deep-zip ");
    expect_printed(&space, &["--features", "zip/fast"], "loud2 deep-zip fast ");
    expect_printed(&space, &["--all-features"], "loud2 deep-zip fast ");
    // The choice is part of what is built: another one builds again, the same one does not.
    space.expect_fresh(&["-p", "app", "--all-features"]);
    let units = |rebuilt: Vec<Rebuild>| {
        let all = rebuilt.into_iter().map(|one| one.unit);
        all.filter(|item| item.ends_with(".c")).collect::<Vec<_>>()
    };
    assert_eq!(units(space.build(&["-p", "app"])), ["app/src/main.c"]);
}

#[test]
fn features_of_dependencies_are_unified() {
    let space = space(
        "quick = []",
        "[dependencies]\nzip = { path = \"../zip\", default-features = false }",
    );
    expect_printed(&space, &[], "zip ");
    space.write("Tender.toml", "[workspace]\nmembers = [\"app\", \"zip\", \"other\"]\n");
    space.write(
        "other/Tender.toml",
        "[package]\nname = \"other\"\n[dependencies]\nzip = { path = \"../zip\", features = [\"fast\"] }\n",
    );
    space.write("other/src/main.c", "int main(void) { return 0; }\n");
    // A build that `other` is no part of does not have its features.
    expect_printed(&space, &[], "zip ");
    space.tender(&["build"]).expect_ok();
    let both = space.built("target/debug/app").expect_ok();
    assert_eq!(both.stdout, "deep-zip fast .\n");
}

/// A program that runs in the build has the features that the build asks of it, and no others.
#[test]
fn features_of_tools_are_apart() {
    let space = space(
        "default = []",
        "[dependencies]\nzip = { path = \"../zip\", features = [\"fast\"] }\n\
         [build-dependencies]\ntool = { path = \"../tool\" }\n\
         [[generate]]\nrun = [\"tool\", \"{output}\"]\noutputs = [\"$OUT_DIR/tool.txt\"]",
    );
    space.write("Tender.toml", "[workspace]\nmembers = [\"app\", \"zip\", \"tool\"]\n");
    space.write(
        "tool/Tender.toml",
        "[package]\nname = \"tool\"\n[dependencies]\nzip = { path = \"../zip\", default-features = false }\n",
    );
    space.write(
        "tool/src/main.c",
        "#include <stdio.h>\n#include \"zip.h\"\n#ifdef FAST\n#error\n#endif\n\
         int main(int n, char **words) {\n  FILE *out = fopen(words[1], \"w\");\n  \
         fputs(zip(), out);\n  return fclose(out);\n}\n",
    );
    expect_printed(&space, &[], "deep-zip fast ");
    assert_eq!(space.read("target/debug/.tender/app/out/tool.txt"), "zip");
    space.expect_fresh(&["-p", "app"]);
}

#[test]
fn features_decide_which_targets_there_are() {
    let space = TestSpace::new();
    space.write(
        "Tender.toml",
        "[package]\nname = \"net\"\ndefault-run = \"client\"\n[features]\nssl = []\nextra = []\n\
         [[lib]]\nname = \"net\"\nsources = [\"src/net.c\"]\n\
         [[lib]]\nname = \"net_ssl\"\nsources = [\"src/ssl.c\"]\nuses = [\"net\"]\n\
         pkg-config = [\"tender-no-such-package\"]\nrequired-features = [\"ssl\"]\n\
         [[bin]]\nname = \"client\"\nsources = [\"src/client.c\"]\n\
         required-features = [\"ssl\", \"extra\"]\n\
         [[bin]]\nname = \"plain\"\nsources = [\"src/plain.c\"]\n",
    );
    space.write("src/net.c", "int net(void) { return 1; }\n");
    space.write("src/ssl.c", "int net(void);\nint ssl(void) { return net() + 1; }\n");
    space.write("src/client.c", "int ssl(void);\nint main(void) { return ssl(); }\n");
    space.write("src/plain.c", "int net(void);\nint main(void) { return net() - 1; }\n");
    space.tender(&["build"]).expect_ok();
    assert!(space.exists("target/debug/libnet.a") && !space.exists("target/debug/libnet_ssl.a"));
    space.tender(&["run"]).expect_ok();
    let run = space.tender(&["run", "--bin", "client", "-F", "extra"]).expect_code(2);
    run.expect_stderr(&["the program `client` needs the feature `ssl`", "`--features ssl`"]);
    space.tender(&["build", "-F", "ssl"]).expect_code(2).expect_stderr(&["tender-no-such-package"]);
    space.edit("Tender.toml", "pkg-config = [\"tender-no-such-package\"]\n", "");
    space.tender(&["run", "--all-features"]).expect_code(2);
    assert!(space.exists("target/debug/libnet_ssl.a") && space.exists("target/debug/client"));
    // A build with less features keeps what another has made.
    space.tender(&["build"]).expect_ok();
    assert!(space.exists("target/debug/libnet_ssl.a") && space.exists("target/debug/client"));
    space.edit("Tender.toml", "\"extra\"]", "\"extar\"]");
    space.tender(&["build"]).expect_code(2).expect_stderr(&["no feature `extar`", "`extra`?"]);
}

#[test]
fn features_that_do_not_exist_are_named() {
    let check = |features: &str, rest: &str, args: &[&str], expect: &[&str]| {
        let space = space(features, rest);
        let run = space.tender(&[&["build", "-p", "app"], args].concat());
        run.expect_code(2).expect_stderr(expect);
        assert!(!space.exists("target"), "{features}");
    };
    check("loud = []", OPTIONAL, &["--features", "lout"], &["no feature `lout`", "mean `loud`?"]);
    check("loud = []", OPTIONAL, &["--features", "zap/loud"], &["`zap`", "no crate that is built"]);
    check("loud = [\"lout\"]", OPTIONAL, &[], &["Tender.toml:4:9", "no feature `lout`"]);
    check("loud = [\"dep:zap\"]", OPTIONAL, &[], &["no dependency `zap`", "did you mean `zip`?"]);
    check("loud = [\"zip/fats\"]", OPTIONAL, &[], &["`zip` has no feature `fats`", "`fast`?"]);
    check("loud = [\"define:1X\"]", OPTIONAL, &[], &["Tender.toml:4:9"]);
    check("loud = true", OPTIONAL, &[], &["`loud` must be an array of strings"]);
    check("\"a/b\" = []", OPTIONAL, &[], &["names a feature of another crate"]);
    let plain = "[dependencies]\nzip = { path = \"../zip\" }";
    check("loud = [\"dep:zip\"]", plain, &[], &["`zip` is not optional", "`optional = true`"]);
    let asks = "[dependencies]\nzip = { path = \"../zip\", features = [\"fats\"] }";
    check("loud = []", asks, &[], &["`zip` has no feature `fats`", "mean `fast`?"]);
    let cfg = "[target.'cfg(feature = \"lout\")']\ndefines = [\"X\"]";
    check("loud = []", cfg, &[], &["no feature `lout`", "Tender.toml:5:9"]);
}

#[test]
fn conditions_choose_settings_sources_and_dependencies() {
    let space = TestSpace::new();
    space.write(
        "Tender.toml",
        "[package]\nname = \"app\"\n[features]\nextra = []\n[workspace]\nmembers = [\"on\", \"off\"]\n\
         [lib]\nsources = [\"lib/*.c\"]\n\
         [target.'cfg(unix)']\ndefines = [\"UNIX\"]\n\
         [target.'cfg(unix)'.dependencies]\non = { path = \"on\" }\n\
         [target.'cfg(windows)'.dependencies]\noff = { path = \"off\" }\n\
         [target.'cfg(windows)'.lib]\nsources = [\"lib/windows.c\", \"lib/both.c\"]\n\
         [target.'cfg(target_os = \"linux\")'.lib]\nsources = [\"lib/both.c\", \"linux/*.c\"]\n\
         headers = [\"linux\"]\npublic-defines = [\"LINUX\"]\n\
         [target.'cfg(all(feature = \"extra\", not(windows)))'.lib]\nsources = [\"extra/extra.c\"]\n",
    );
    space.write("lib/common.c", "#ifdef UNIX\nint common(void) { return 1; }\n#endif\n");
    space.write("lib/windows.c", "#error for another platform\n");
    space.write("lib/both.c", "int both(void) { return 2; }\n");
    space.write("linux/linux.c", "#include \"linux.h\"\nint on_linux(void) { return 4; }\n");
    space.write("linux/linux.h", "int on_linux(void);\n");
    space.write("extra/extra.c", "int extra(void) { return 8; }\n");
    for (name, text) in [("on", "int on(void) { return 16; }\n"), ("off", "#error never built\n")] {
        space.write(&format!("{name}/Tender.toml"), format!("[package]\nname = \"{name}\"\n"));
        space.write(&format!("{name}/src/{name}.c"), text);
    }
    space.write(
        "src/main.c",
        "#include <stdio.h>\n#include \"linux.h\"\n#ifndef LINUX\n#error\n#endif\n\
         int common(void), both(void), on(void);\n__attribute__((weak)) int extra(void);\n\
         int main(void) {\n  int (*volatile more)(void) = extra;\n  \
         printf(\"%d\\n\", common() + both() + on_linux() + on() + (more ? more() : 0));\n  return 0;\n}\n",
    );
    let printed = |args: &[&str]| {
        let run = space.tender(&[&["run", "-q", "-p", "app"], args].concat());
        run.expect_ok().stdout
    };
    assert_eq!(printed(&[]), "23\n");
    space.expect_fresh(&["-p", "app"]);
    assert_eq!(printed(&["--features", "extra"]), "23\n");
}

/// What a table of a condition names is left out of `src/**` where the condition does not hold.
#[test]
fn conditions_take_sources_out_of_the_default() {
    let space = TestSpace::new();
    space.write(
        "Tender.toml",
        "[package]\nname = \"os\"\n[target.'cfg(windows)'.lib]\nsources = [\"src/windows.c\"]\n",
    );
    space.write("src/common.c", "int common;\n");
    space.write("src/windows.c", "#error for another platform\n");
    assert_eq!(space.build(&[]).len(), 2, "one unit and the archive");
    space.expect_fresh(&[]);
}

const PROBED: &str = "[package]\nname = \"app\"\n[config]\nheader = \"config.h\"\n[config.probes]\n\
    HAVE_EXTRA_H = { has-header = \"extra.h\" }\nHAVE_PUTS = { has-function = \"puts\" }\n\
    [lib]\nsources = [\"lib/common.c\"]\n\
    [target.'cfg(config.HAVE_EXTRA_H)'.lib]\nsources = [\"lib/extra.c\"]\n\
    [target.'cfg(not(config.HAVE_EXTRA_H))'.lib]\nsources = [\"lib/plain.c\"]\n\
    [target.'cfg(all(config.HAVE_PUTS, not(config.HAVE_EXTRA_H)))']\ndefines = [\"PLAIN\"]\n";

fn probed() -> TestSpace {
    let space = TestSpace::new();
    space.write("Tender.toml", PROBED);
    space.write("lib/common.c", "int common;\n");
    space.write("lib/extra.c", "#include <extra.h>\nconst char *kind(void) { return EXTRA; }\n");
    space.write("lib/plain.c", "const char *kind(void) { return \"plain\"; }\n");
    space.write(
        "src/main.c",
        "#include <stdio.h>\nconst char *kind(void);\n#ifdef PLAIN\n#define TAIL \" plain\"\n#else\n\
         #define TAIL \"\"\n#endif\nint main(void) { printf(\"%s%s\\n\", kind(), TAIL); return 0; }\n",
    );
    space
}

#[test]
fn conditions_know_what_probes_have_found() {
    let space = probed();
    space.write("system/empty.h", "");
    let run = |args: &[&str]| {
        let mut command = space.command(&[&["run", "-q"], args].concat());
        command.env("CPATH", space.path("system"));
        space.run(command).expect_ok().stdout
    };
    assert_eq!(run(&[]), "plain plain\n");
    // The header appears, then goes away.
    space.write("system/extra.h", "#define EXTRA \"extra\"\n");
    assert_eq!(run(&[]), "extra\n");
    space.remove("system/extra.h");
    assert_eq!(run(&[]), "plain plain\n");
    let mut command = space.command(&["build", "-v"]);
    command.env("CPATH", space.path("system"));
    space.run(command).expect_ok().expect_nothing_done();
}

#[test]
fn conditions_on_a_probe_that_fails_end_the_build() {
    let space = probed();
    space.edit(
        "Tender.toml",
        "name = \"app\"",
        "name = \"app\"\nflags = [\"-include\", \"none.h\"]",
    );
    let run = space.tender(&["build"]).expect_code(101);
    run.expect_stderr(&["none.h"]);
    let run = space.tender(&["build", "--message-format", "json"]).expect_code(101);
    let last = run.messages().pop().unwrap();
    assert_eq!(
        (last["reason"].as_str(), last["success"].as_bool()),
        (Some("build-finished"), Some(false))
    );
}

#[test]
fn conditions_report_one_build() {
    let space = probed();
    let run = space.tender(&["build", "--message-format", "json"]).expect_ok();
    let ends = run.messages().iter().filter(|one| one["reason"] == "build-finished").count();
    assert_eq!(ends, 1, "{run}");
    let run = space.tender(&["build", "--timings", "--trace", "trace.json"]).expect_ok();
    assert_eq!(run.stderr.matches("Finished").count(), 1, "{run}");
}

#[test]
fn conditions_that_are_wrong_are_refused() {
    let check = |text: &str, expect: &[&str]| {
        let space = TestSpace::new();
        space.write("Tender.toml", format!("[package]\nname = \"app\"\n{text}"));
        space.write("src/a.c", "int a;\n");
        space.tender(&["build"]).expect_code(2).expect_stderr(expect);
    };
    check(
        "[target.'cfg(linux)']\nlink = [\"m\"]\n",
        &["Tender.toml:3:9", "`linux` is no predicate"],
    );
    check("[target.'cfg(unix']\nlink = [\"m\"]\n", &["`)` is missing"]);
    check("[target.arm64]\nlinker = \"x\"\n", &["`arm64` is no target triple"]);
    check("[target.'cfg(unix)']\nlinker = \"x\"\n", &["needs the platform's name"]);
    check(
        "[target.'cfg(unix)']\nsources = [\"x\"]\n",
        &["`sources` belongs to `[target.'cfg(...)'.lib]`"],
    );
    check(
        "[target.'cfg(config.HAVE_X)'.dependencies]\nx = { path = \"x\" }\n",
        &["cannot depend on `config.HAVE_X`", "before anything is probed"],
    );
    check(
        "[features]\nf = []\n[target.'cfg(feature = \"f\")'.dependencies]\nx = { path = \"x\" }\n",
        &["cannot depend on the feature `f`", "`f = [\"dep:NAME\"]`"],
    );
    check(
        "[target.'cfg(config.HAVE_X)']\ndefines = [\"X\"]\n",
        &["no probe `HAVE_X`", "Tender.toml:3"],
    );
    check("[target.'cfg(unix)'.lib]\nsources = [\"none.c\"]\n", &["none.c"]);
    let two = "[[lib]]\nname = \"x\"\nsources = [\"src/a.c\"]\n[target.'cfg(unix)'.lib]\n";
    check(two, &["does not say which library", "`name = \"...\"`"]);
    check(&format!("{two}name = \"y\"\n"), &["no library `y`"]);
    check("[target.'cfg(windows)'.lib]\nsources = [\"none.c\"]\n", &["none.c"]);
}
