//! Sets each variable of docs/environment.md, and checks that a build that was up to date rebuilds
//! what the document says.

use super::{EPOCH, LIBRARY, build_with, drivers, workspace};
use std::collections::BTreeSet;
use std::process::Command;
use tender_tests::{TestSpace, examples};

/// The items of `workspace` that depend on a variable.
const UNITS: &[&str] = &["c.c", "cpp.S", "cxx.cpp", "date.c", "ir.ll", "main.c", "plain.s"];
const MODULES: &[&str] = &["app", "c.c", "cxx.cpp", "date.c", "ir.ll", "main.c"];
const UNITS_AND_LINKS: &[&str] =
    &["app", "c.c", "cpp.S", "cxx.cpp", "date.c", "ir.ll", "main.c", "plain.s"];
const LINKS: &[&str] = &["app"];
const ARCHIVES: &[&str] = &["libbase.a"];
const COMMANDS: &[&str] = &["sh epoch.sh"];
const PREPROCESSED: &[&str] = &["c.c", "cpp.S", "cxx.cpp", "date.c", "main.c", "sh epoch.sh"];
const C: &[&str] = &["c.c", "cpp.S", "date.c", "main.c", "sh epoch.sh"];
const CXX: &[&str] = &["cxx.cpp", "sh epoch.sh"];
const LINKS_AND_COMMANDS: &[&str] = &["app", "sh epoch.sh"];

const COUNTED: &[(&str, &str, &[&str])] = &[
    ("CPATH", "inc2", PREPROCESSED),
    ("C_INCLUDE_PATH", "inc2", C),
    ("CPLUS_INCLUDE_PATH", "inc2", CXX),
    ("OBJC_INCLUDE_PATH", "inc2", COMMANDS),
    ("OBJCPLUS_INCLUDE_PATH", "inc2", COMMANDS),
    ("LIBRARY_PATH", "lib3", LINKS_AND_COMMANDS),
    ("LD_RUN_PATH", "/absent", LINKS),
    ("LD_LIBRARY_PATH", "/absent", LINKS),
    ("LPATH", "/absent", LINKS),
    ("LDEMULATION", "elf_x86_64", LINKS),
    ("GNUTARGET", "elf64-x86-64", LINKS),
    ("COLLECT_NO_DEMANGLE", "1", LINKS),
    ("LLD_VERSION", "LLD of this test", LINKS),
    ("ELF_PACKAGE_METADATA", "{}", LINKS),
    ("NO_PKG_METADATA", "1", LINKS),
    ("DEB_BUILD_OPTIONS", "nocheck", LINKS),
    ("NIX_...", "LDFLAGS", LINKS),
    ("GUIX_...", "LD_WRAPPER_ALLOW_IMPURITIES", LINKS),
    ("SPACK_...", "LDFLAGS", LINKS),
    ("CLANG_NO_DEFAULT_CONFIG", "1", UNITS_AND_LINKS),
    ("SYM64_THRESHOLD", "1", ARCHIVES),
    ("SDKROOT", "/absent", UNITS),
    ("MACOSX_DEPLOYMENT_TARGET", "10.10", UNITS),
    ("IPHONEOS_DEPLOYMENT_TARGET", "10.10", UNITS),
    ("TVOS_DEPLOYMENT_TARGET", "10.10", UNITS),
    ("WATCHOS_DEPLOYMENT_TARGET", "10.10", UNITS),
    ("XROS_DEPLOYMENT_TARGET", "10.10", UNITS),
    ("DRIVERKIT_DEPLOYMENT_TARGET", "10.10", UNITS),
    ("RC_DEBUG_OPTIONS", "1", UNITS),
    ("RC_DEBUG_PREFIX_MAP", "a=b", UNITS),
    ("INCLUDE", "/absent", UNITS),
    ("EXTERNAL_INCLUDE", "/absent", UNITS),
    ("SCE_ORBIS_SDK_DIR", "/absent", UNITS),
    ("SCE_PROSPERO_SDK_DIR", "/absent", UNITS),
    ("NCC_C_INCLUDE_PATH", "/absent", UNITS),
    ("NCC_CPLUS_INCLUDE_PATH", "/absent", UNITS),
    ("XCC_C_INCLUDE_PATH", "/absent", UNITS),
    ("XCC_CPLUS_INCLUDE_PATH", "/absent", UNITS),
    ("CLANG_CONFIG_PATH", "/absent", UNITS),
    ("OBJECT_MODE", "64", UNITS),
    ("HIP_DEVICE_LIB_PATH", "/absent", UNITS),
    ("HIP_PATH", "/absent", UNITS),
    ("ROCM_PATH", "/absent", UNITS),
];

/// Variables that count only for items that not every workspace has.
const COUNTED_SPECIALLY: &[&str] = &[
    "SOURCE_DATE_EPOCH", // main.rs, the_date_counts_...
    "TZ",                // main.rs, time_stamps_of_files_...
    "HOME",              // argument_files, the_home_directory_...
    "LLVM_OVERRIDE_PRODUCER",
    "CC",
    "CXX",
    "CC_x86_64-unknown-linux-gnu",
    "CC_x86_64_unknown_linux_gnu",
    "HOST_CC",
    "CXX_x86_64-unknown-linux-gnu",
    "CXX_x86_64_unknown_linux_gnu",
    "HOST_CXX",
    "NASM", // sources.rs, asm_is_assembled_again_...
    "PKG_CONFIG",
    "PKG_CONFIG_...",
    "DESTDIR",
];

/// Variables that replace a compiler or its arguments: `main.rs` tests them.
const REMOVED: &[&str] = &[
    "CCC_OVERRIDE_OPTIONS",
    "COMPILER_PATH",
    "GCC_EXEC_PREFIX",
    "GCC_ROOT",
    "BINUTILS_ROOT",
    "GCC_COMPARE_DEBUG",
    "AS_SECURE_LOG_FILE",
];

/// With values that would change outputs if they were used. `SPACE` stands for the workspace.
const HARMLESS: &[(&str, &str)] = &[
    ("TMPDIR", "SPACE/tmp"),
    ("TMP", "SPACE/tmp"),
    ("TEMP", "SPACE/tmp"),
    ("TEMPDIR", "SPACE/tmp"),
    ("LANG", "de_DE.UTF-8"),
    ("LANGUAGE", "de"),
    ("LC_...", "ALL"),
    ("COLUMNS", "20"),
    ("TERM", "xterm-256color"),
    ("COLORTERM", "truecolor"),
    ("TERM_URLS", "no"),
    ("NO_COLOR", "1"),
    ("GCC_COLORS", "error=01;32"),
    ("GCC_URLS", "no"),
    ("GCC_EXTRA_DIAGNOSTIC_OUTPUT", "fixits-v1"),
    ("PWD", "SPACE/base/.."),
    ("HOME", "SPACE/tmp"),
    ("XDG_CACHE_HOME", "SPACE/tmp"),
    ("XDG_CONFIG_HOME", "SPACE/tmp"),
    ("CLANG_MODULE_CACHE_PATH", "SPACE/tmp"),
    ("CLANG_CRASH_DIAGNOSTICS_DIR", "SPACE/tmp"),
    ("LLVM_DISABLE_CRASH_REPORT", "1"),
    ("LLVM_DISABLE_SYMBOLIZATION", "1"),
    ("LLVM_ENABLE_SYMBOLIZER_MARKUP", "1"),
    ("LLVM_SYMBOLIZER_PATH", "/absent"),
    ("GCC_NOAPPORT", "1"),
    ("CC_LOG_DIAGNOSTICS", "1"),
    ("CC_LOG_DIAGNOSTICS_FILE", "SPACE/tmp/diagnostics"),
    ("CC_PRINT_HEADERS", "1"),
    ("CC_PRINT_HEADERS_FILE", "SPACE/tmp/headers"),
    ("CC_PRINT_HEADERS_FILTERING", "only-direct-system"),
    ("CC_PRINT_HEADERS_FORMAT", "json"),
    ("CC_PRINT_INTERNAL_STAT", "1"),
    ("CC_PRINT_INTERNAL_STAT_FILE", "SPACE/tmp/stat"),
    ("CC_PRINT_OPTIONS", "1"),
    ("CC_PRINT_OPTIONS_FILE", "SPACE/tmp/options"),
    ("CC_PRINT_PROC_STAT", "1"),
    ("CC_PRINT_PROC_STAT_FILE", "SPACE/tmp/proc"),
    ("LLD_REPRODUCE", "SPACE/tmp/reproduce.tar"),
    ("LIBCTF_DEBUG", "1"),
    ("CLANG_TOOLCHAIN_PROGRAM_TIMEOUT", "1"),
    ("OFFLOAD_BUNDLER_...", "COMPRESS"),
    ("COLLECT_GCC", "/absent"),
    ("COLLECT_GCC_OPTIONS", "-g"),
    ("COLLECT_LTO_WRAPPER", "/absent"),
    ("DEPENDENCIES_OUTPUT", "SPACE/tmp/dependencies"),
    ("SUNPRO_DEPENDENCIES", "SPACE/tmp/sunpro"),
    ("G++_ROOT", "/absent"),
    ("CCACHE_...", "DISABLE"),
    ("XDG_RUNTIME_DIR", "SPACE/tmp"),
    ("LLVM_IGNORED_ENV_VAR", "1"),
    ("LLVM_CAS_MAX_MAPPING_SIZE", "1"),
    ("DEBUGINFOD_...", "URLS"),
    ("LLVM_PROFILE_FILE", "SPACE/tmp/profile"),
    ("CINDEXTEST_...", "EDITING"),
    ("LIBCLANG_...", "LOGGING"),
    ("MFLAGS", "-k"),
    ("MALLOC_...", "ARENA_MAX"),
    ("_RJEM_MALLOC_CONF", "narenas:1"),
    ("GLIBC_TUNABLES", "glibc.malloc.arena_max=1"),
    ("LD_BIND_NOW", "1"),
    ("RUST_BACKTRACE", "1"),
    ("RUST_MIN_STACK", "8000000"),
];

/// They do not affect what is up to date, but with them a clean build would fail, or print more.
const HARMLESS_WHERE_NOTHING_RUNS: &[(&str, &str)] = &[
    ("FORCE_CLANG_DIAGNOSTICS_CRASH", "1"),
    ("FORCE_LLD_DIAGNOSTICS_CRASH", "1"),
    ("LLD_IN_TEST", "1"),
    ("LD_DEBUG", "unused"),
    ("LD_PRELOAD", "SPACE/tmp/absent.so"),
    ("LD_AUDIT", "SPACE/tmp/absent.so"),
    ("MAKEFLAGS", "k"),
    ("CARGO_MAKEFLAGS", "k"),
    // `TestSpace` runs with it.
    ("PATH", "/usr/bin:/bin:SPACE/tmp"),
];

/// The variable of a row. For a family, `value` is the rest of a name.
fn variable(name: &str, value: &str, space: &TestSpace) -> (String, String) {
    match name.strip_suffix("...") {
        Some(prefix) => (format!("{prefix}{value}"), "1".to_owned()),
        None => (name.to_owned(), value.replace("SPACE", space.root().as_str())),
    }
}

/// The variables of each table of the document, in order.
fn documented() -> [BTreeSet<String>; 3] {
    let document =
        std::fs::read_to_string(examples().parent().unwrap().join("docs/environment.md")).unwrap();
    let sections = ["## What counts", "## What is removed", "## What does no harm"];
    sections.map(|title| {
        let text = &document[document.find(title).unwrap() + title.len()..];
        let text = &text[..text.find("\n## ").unwrap_or(text.len())];
        let cells = text
            .lines()
            .filter_map(|line| line.strip_prefix("| `"))
            .map(|row| row.split(" |").next().unwrap());
        cells
            .flat_map(|cell| {
                cell.split('`').step_by(2).filter(|name| !name.is_empty()).map(str::to_owned)
            })
            .collect()
    })
}

#[test]
fn variables_of_the_document_are_all_tested() {
    let [counted, removed, harmless] = documented();
    let names = |tables: &[&[(&str, &str)]]| -> BTreeSet<String> {
        tables.iter().flat_map(|table| table.iter().map(|(name, _)| (*name).to_owned())).collect()
    };
    let special = COUNTED_SPECIALLY.iter().copied();
    let tried = COUNTED.iter().map(|(name, ..)| *name).chain(special).map(str::to_owned).collect();
    assert_eq!(counted, tried);
    assert_eq!(removed, REMOVED.iter().map(|name| (*name).to_owned()).collect());
    assert_eq!(harmless, names(&[HARMLESS, HARMLESS_WHERE_NOTHING_RUNS]));
}

/// The items that were rebuilt because of `name`. No item was rebuilt without a reason.
fn rebuilt_for(
    space: &TestSpace,
    args: &[&str],
    variables: &[(&str, &str)],
    name: &str,
) -> Vec<String> {
    let run = build_with(space, args, variables).expect_ok();
    let because = format!("the environment variable {name} has changed");
    let (found, others): (Vec<_>, Vec<_>) =
        run.rebuilt().into_iter().partition(|one| one.reason == because);
    let follows = |reason: &str| reason.starts_with("the file ") || reason.ends_with(" is rebuilt");
    assert!(others.iter().all(|one| follows(&one.reason)), "{name}: {run}");
    let mut units: Vec<String> =
        found.iter().map(|one| one.unit.rsplit('/').next().unwrap().to_owned()).collect();
    units.sort_unstable();
    units
}

#[test]
fn variables_that_count_rebuild_what_depends_on_them_and_nothing_else() {
    let space = workspace();
    build_with(&space, &[], &[EPOCH, LIBRARY]).expect_ok();
    for (name, value, expect) in COUNTED {
        let (name, value) = variable(name, value, &space);
        // The last value of a variable counts.
        let set = [EPOCH, LIBRARY, (name.as_str(), value.as_str())];
        assert_eq!(rebuilt_for(&space, &[], &set, &name), *expect, "{name} is set");
        build_with(&space, &[], &set).expect_ok().expect_nothing_done();
        assert_eq!(rebuilt_for(&space, &[], &[EPOCH, LIBRARY], &name), *expect, "{name} is gone");
    }
    // Members of the families that do not count.
    for name in ["NIX_BUILD_TOP", "NIX_LOG_FD", "SPACK_DEBUG_LOG_DIR"] {
        build_with(&space, &[], &[EPOCH, LIBRARY, (name, "1")]).expect_ok().expect_nothing_done();
    }
}

#[test]
fn producer_of_modules_counts_where_there_are_modules() {
    let space = workspace();
    space.edit("Tender.toml", "[workspace]\n", "[profile.release]\nlto = \"thin\"\n[workspace]\n");
    let plain = [EPOCH, LIBRARY];
    let set = [EPOCH, LIBRARY, ("LLVM_OVERRIDE_PRODUCER", "of this test")];
    for args in [&["-p", "app"][..], &["-p", "app", "--release"]] {
        build_with(&space, args, &plain).expect_ok();
    }
    build_with(&space, &["-p", "app"], &set).expect_ok().expect_nothing_done();
    let args = ["-p", "app", "--release"];
    for variables in [&set[..], &plain] {
        assert_eq!(rebuilt_for(&space, &args, variables, "LLVM_OVERRIDE_PRODUCER"), MODULES);
        build_with(&space, &args, variables).expect_ok().expect_nothing_done();
    }
}

#[test]
fn variables_that_name_the_program_to_link_with_count_for_links() {
    let drivers = drivers();
    let [gxx, clangxx] = &drivers[..] else { return };
    let space = workspace();
    // Its program is in C++, because of the library.
    for variable in ["CXX", "CC"] {
        let name = |form: &str| form.replace('*', variable);
        if variable == "CC" {
            space.remove("base/src/cxx.cpp");
            space.edit("base/Tender.toml", " \"src/*.cpp\",", "");
            space.edit("app/src/main.c", "of_cxx()", "0");
        }
        let gcc = if variable == "CC" { gxx.replace("g++", "gcc") } else { gxx.clone() };
        let plain = [EPOCH, LIBRARY, (&name("*"), gcc.as_str())];
        build_with(&space, &[], &plain).expect_ok();
        for form in ["*", "HOST_*", "*_x86_64_unknown_linux_gnu", "*_x86_64-unknown-linux-gnu"] {
            let name = name(form);
            let set = [&plain[..], &[(name.as_str(), clangxx.as_str())]].concat();
            for variables in [&set[..], &plain] {
                let run = build_with(&space, &[], variables).expect_ok();
                let rebuilt = run.rebuilt();
                assert!(rebuilt.len() == 1 && rebuilt[0].unit == "app", "{name}: {run}");
                build_with(&space, &[], variables).expect_ok().expect_nothing_done();
            }
        }
    }
}

#[test]
fn variables_that_do_not_count_rebuild_nothing_and_are_in_no_output() {
    for driver in &drivers() {
        let space = workspace();
        space.write("tmp/file", "");
        let plain = [EPOCH, LIBRARY, ("CC", driver.as_str()), ("CXX", driver)];
        build_with(&space, &[], &plain).expect_ok();
        let rows: Vec<(String, String)> =
            HARMLESS.iter().map(|(name, value)| variable(name, value, &space)).collect();
        let others =
            HARMLESS_WHERE_NOTHING_RUNS.iter().map(|(name, value)| variable(name, value, &space));
        for (name, value) in rows.iter().cloned().chain(others) {
            let set = [&plain[..], &[(name.as_str(), value.as_str())]].concat();
            let run = build_with(&space, &[], &set).expect_ok();
            assert!(run.rebuilt().is_empty(), "{name}: {run}");
        }
        let mut all = plain.to_vec();
        all.extend(rows.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        build_with(&space, &["--target-dir", "other"], &all).expect_ok();
        for name in ["app", "libbase.a"] {
            let bytes = |target: &str| space.read_bytes(&format!("{target}/debug/{name}"));
            assert!(bytes("other") == bytes("target"), "{name} with {driver}");
        }
    }
}

/// The output of pkg-config is in commands, so the reason is a changed command.
#[test]
fn variables_that_change_what_pkg_config_says_change_commands() {
    let space = TestSpace::new();
    space.write("Tender.toml", "[package]\nname = \"a\"\n[lib]\npkg-config = [\"demo\"]\n");
    space.write("src/a.c", "int f(void) { return V; }\n");
    for (dir, value) in [("one", 1), ("two", 2)] {
        let text = format!(
            "v={value}\nName: demo\nDescription: of this test\nVersion: 1\nCflags: -DV=${{v}} -I/demo -I/usr/include\n"
        );
        space.write(&format!("{dir}/demo.pc"), text);
    }
    space.write("pc.sh", "#!/bin/sh\nexec pkg-config --define-variable=v=3 \"$@\"\n");
    let mut command = Command::new("chmod");
    command.args(["+x", space.path("pc.sh").as_str()]);
    space.run(command).expect_ok();
    let [one, two, script] = ["one", "two", "pc.sh"].map(|name| space.path(name).to_string());
    let of_path = [("PKG_CONFIG_PATH", one.as_str())];
    let of_directory = [("PKG_CONFIG_LIBDIR", one.as_str())];
    for (plain, name, value) in [
        (of_path, "PKG_CONFIG_PATH", two.as_str()),
        (of_directory, "PKG_CONFIG_LIBDIR", &two),
        (of_path, "PKG_CONFIG", &script),
        (of_path, "PKG_CONFIG_SYSROOT_DIR", "/sysroot"),
    ] {
        build_with(&space, &[], &plain).expect_ok();
        let set = [&plain[..], &[(name, value)]].concat();
        for variables in [&set[..], &plain] {
            let rebuilt = build_with(&space, &[], variables).expect_ok().rebuilt();
            let unit = rebuilt.iter().find(|one| one.unit == "src/a.c");
            assert!(
                unit.is_some_and(|one| one.reason.starts_with("the command has changed")),
                "{name}: {rebuilt:?}"
            );
            build_with(&space, &[], variables).expect_ok().expect_nothing_done();
        }
    }
    // These do not change the words: clang searches `/usr/include` by itself.
    for other in [("DESTDIR", "/destination"), ("PKG_CONFIG_ALLOW_SYSTEM_CFLAGS", "1")] {
        build_with(&space, &[], &[of_path[0], other]).expect_ok().expect_nothing_done();
    }
}
