//! Options of `link-args` whose value is a file.

use super::Seen::{No, Yes};
use super::{Edited, clang, list, write};
use std::process::Command;
use tender_tests::{Feature, TestSpace, skip};

/// Programs that link.
const LLD: &str = "#!/bin/sh\nexec LLVM/ld.lld --defsym=v=1 \"$@\"\n";
const OTHER_LLD: &str = "#!/bin/sh\nexec LLVM/ld.lld --defsym=v=2 \"$@\"\n";

pub const ARGS: &[Edited] = &[
    (&["@a.rsp"], "a.rsp", "-Wl,--defsym=v=1", "-Wl,--defsym=v=2", Yes),
    (&["-Wl,@a.rsp"], "a.rsp", "--defsym=v=1", "--defsym=v=2", Yes),
    (&["-Xlinker", "@a.rsp"], "a.rsp", "--defsym=v=1", "--defsym=v=2", Yes),
    (&["@outer.rsp"], "a.rsp", "-Wl,--defsym=v=1", "-Wl,--defsym=v=2", Yes),
    (&["-Wl,@linker.rsp"], "a.rsp", "--defsym=v=1", "--defsym=v=2", Yes),
    (&["-rdynamic", "@script.rsp"], "a.map", "{ local: h*; };", "{ local: v*; };", Yes),
    (
        &["-rdynamic", "-Wl,--version-script=a.map"],
        "a.map",
        "{ local: h*; };",
        "{ local: v*; };",
        Yes,
    ),
    (&["-Wl,--dynamic-list,a.list"], "a.list", "{ hidden; };", "{ visible; };", Yes),
    (&["-Wl,--export-dynamic-symbol-list=a.list"], "a.list", "{ hidden; };", "{ visible; };", Yes),
    (&["-Wl,--retain-symbols-file=a.list"], "a.list", "hidden\n", "visible\n", Yes),
    (
        &["-Wl,--symbol-ordering-file=a.list"],
        "a.list",
        "hidden\nvisible\n",
        "visible\nhidden\n",
        Yes,
    ),
    (
        &["-Wl,--call-graph-ordering-file=a.list", "-Wl,--call-graph-profile-sort=hfsort"],
        "a.list",
        "main hidden 10\n",
        "hidden main 99\n",
        Yes,
    ),
    (
        &["-Wl,--remap-inputs-file=a.list"],
        "a.list",
        "nothing*.o=/dev/null\n",
        "nobody*.o=/dev/null\n",
        No,
    ),
    (
        &["-Wl,-T,a.ld"],
        "a.ld",
        "v = 1; SECTIONS { } INSERT AFTER .bss;\n",
        "v = 2; SECTIONS { } INSERT AFTER .bss;\n",
        Yes,
    ),
    (&["--config-user-dir=sub"], "sub/clang.cfg", "-Wl,--defsym=v=1\n", "-Wl,--defsym=v=2\n", Yes),
    (&["--config=./a.cfg"], "a.cfg", "-Wl,--defsym=v=1\n", "-Wl,--defsym=v=2\n", Yes),
    (
        &["-Wl,--script=a.ld"],
        "a.ld",
        "v = 1; SECTIONS { } INSERT AFTER .bss;\n",
        "v = 2; SECTIONS { } INSERT AFTER .bss;\n",
        Yes,
    ),
    (&["-Wl,--default-script=a.ld"], "a.ld", "v = 1;\n", "v = 2;\n", Yes),
    (&["-Wl,-dT,a.ld"], "a.ld", "v = 1;\n", "v = 2;\n", Yes),
    (&["-Wl,--just-symbols=a.o"], "a.o", "int v = 1;\n", "int w, v = 1;\n", Yes),
    // In lld a search path of the program, in GNU ld a file of symbols.
    (&["-Wl,-R,a.o"], "a.o", "int v = 1;\n", "int w, v = 1;\n", No),
    (
        &["-Wl,--remap-inputs=ghost.o=a.o", "-Wl,ghost.o"],
        "a.o",
        "int v = 1;\n",
        "int v = 2;\n",
        Yes,
    ),
    (&["-Wl,--irpgo-profile=a.profdata"], "a.profdata", "f\n1\n1\n1\n", "f\n1\n1\n2\n", No),
    (&["-Wl,--lto-sample-profile=a.samples"], "a.samples", "f:1:1\n", "f:2:1\n", No),
    (&["-Wl,--plugin-opt=sample-profile=a.samples"], "a.samples", "f:1:1\n", "f:2:1\n", No),
    (&["-Wl,--lto-cs-profile-file=a.profdata"], "a.profdata", "f\n1\n1\n1\n", "f\n1\n1\n2\n", No),
    (
        &["-Wl,--plugin-opt=cs-profile-path=a.profdata"],
        "a.profdata",
        "f\n1\n1\n1\n",
        "f\n1\n1\n2\n",
        No,
    ),
    (&["-Wl,--load-pass-plugin=a.so"], "a.so", "one", "two", No),
    (&["-fprofile-use=a.profdata"], "a.profdata", "f\n1\n1\n1\n", "f\n1\n1\n2\n", No),
    (&["-fprofile-instr-use=a.profdata"], "a.profdata", "f\n1\n1\n1\n", "f\n1\n1\n2\n", No),
    (&["-fprofile-sample-use=a.samples"], "a.samples", "f:1:1\n", "f:2:1\n", No),
    (&["-fmemory-profile-use=a.profdata"], "a.profdata", "f\n1\n1\n1\n", "f\n1\n1\n2\n", No),
    (
        &["--config-system-dir=sub"],
        "sub/clang.cfg",
        "-Wl,--defsym=v=1\n",
        "-Wl,--defsym=v=2\n",
        Yes,
    ),
    (&["--ld-path=ROOT/a.sh"], "a.sh", LLD, OTHER_LLD, Yes),
    (&["-fuse-ld=ROOT/a.sh"], "a.sh", LLD, OTHER_LLD, Yes),
];

pub const GCC_ARGS: &[Edited] = &[
    (
        &["-specs=a.specs"],
        "a.specs",
        "*link:\n+ --defsym=v=1\n\n",
        "*link:\n+ --defsym=v=2\n\n",
        Yes,
    ),
    (&["@outer.rsp"], "a.rsp", "-Wl,--defsym=v=1", "-Wl,--defsym=v=2", Yes),
    (&["-Wl,@a.rsp"], "a.rsp", "--defsym=v=1", "--defsym=v=2", Yes),
    (&["-fauto-profile=a.afdo"], "a.afdo", "one", "two", No),
];

/// `mode`: that of link-time optimisation.
fn link_args<'a>(driver: &str, mode: &str, table: impl IntoIterator<Item = &'a Edited>) {
    let space = TestSpace::new();
    space.write("src/hidden.c", "int hidden(void) { return 1; }\n");
    space.write("src/visible.c", "int visible(void) { return 2; }\n");
    space.write(
        "src/main.c",
        "int hidden(void), visible(void);\nint main(void) { return hidden() + visible(); }\n",
    );
    space.write("outer.rsp", "\"@a.rsp\" '-Wl,--no-undefined'\n");
    space.write("linker.rsp", "--no-undefined @a.rsp\n");
    space.write("script.rsp", "-Wl,--version-script\n-Xlinker a.map\n");
    for (words, file, before, after, seen) in table {
        let words: Vec<&str> = [*words, &["-Wl,--build-id=none"]].concat();
        let args = list(&words).replace("ROOT", space.root().as_str());
        let flags = "flags = [\"-ffunction-sections\"]";
        let profile = format!("[profile.dev]\nlto = \"{mode}\"");
        space.write(
            "Tender.toml",
            format!("[package]\nname = \"a\"\n{flags}\nlink-args = [{args}]\n{profile}\n"),
        );
        write(&space, file, before);
        let build = |args: &[&str]| {
            let mut command = space.command(&[&["build", "-v"], args].concat());
            command.env("CC", driver);
            space.run(command)
        };
        build(&[]).expect_ok();
        build(&[]).expect_ok().expect_nothing_done();
        let first = space.read_bytes("target/debug/a");
        write(&space, file, after);
        let run = build(&[]).expect_ok();
        let reasons = run.rebuilt();
        assert!(
            reasons.len() == 1
                && reasons[0].unit == "a"
                && reasons[0].reason.ends_with(&format!("{file} has changed")),
            "{words:?}: {run}"
        );
        let second = space.read_bytes("target/debug/a");
        assert!((second != first) == (*seen == Yes), "{words:?}: what is seen of it");
        build(&["--target-dir", "clean"]).expect_ok();
        assert!(
            space.read_bytes("clean/debug/a") == second,
            "{words:?}: not that of a clean build"
        );
        build(&[]).expect_ok().expect_nothing_done();
        space.remove("clean");
        space.remove(file);
    }
}

#[test]
fn link_args_that_name_files_count_with_clang() {
    let Some(clang) = clang() else {
        return skip(Feature::Clang, "there is no clang to link with");
    };
    link_args(&clang, "off", ARGS);
}

#[test]
fn link_args_that_name_files_count_with_gcc() {
    if Command::new("gcc").arg("--version").output().is_err() {
        return skip(Feature::Gcc, "there is no gcc to link with");
    }
    link_args("gcc", "off", GCC_ARGS);
}

#[test]
fn response_files_count_for_links_with_link_time_optimisation() {
    let clang = clang();
    if clang.is_none() {
        skip(Feature::Clang, "there is no clang to link with");
    }
    for driver in clang.iter().map(String::as_str).chain(["gcc"]) {
        for mode in ["thin-local", "thin", "fat"] {
            link_args(driver, mode, ARGS.iter().filter(|(_, file, ..)| *file == "a.rsp"));
        }
    }
}

#[test]
fn configuration_file_that_appears_counts_for_links() {
    let Some(clang) = clang() else {
        return skip(Feature::Clang, "there is no clang to link with");
    };
    let space = TestSpace::new();
    space.write("src/main.c", "int main(void) { return 0; }\n");
    space.write(
        "Tender.toml",
        "[package]\nname = \"a\"\nlink-args = [\"--config-user-dir=sub\", \"-Wl,--build-id=none\"]\n",
    );
    let build = || {
        let mut command = space.command(&["build", "-v"]);
        command.env("CC", &clang);
        space.run(command).expect_ok().rebuilt()
    };
    build();
    assert_eq!(build(), []);
    space.write("sub/clang.cfg", "-Wl,--defsym=v=1\n");
    assert_eq!(build()[0].reason, "the file sub/clang.cfg has appeared");
    space.remove("sub/clang.cfg");
    assert_eq!(build()[0].reason, "the file sub/clang.cfg is gone");
    assert_eq!(build(), []);
}
