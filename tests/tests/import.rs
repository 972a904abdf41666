//! `tender init --from-cmake` and `--from-compdb`: builds of cmake become workspaces, which are built
//! and used.

use std::process::Command;

use tender_tests::libraries::pinned;
use tender_tests::{Feature, Run, TestSpace, skip};

/// Configures `source` into the directory `build`; false if there is no cmake, and the test is
/// skipped.
#[track_caller]
fn configure(space: &TestSpace, source: &str, build: &str, options: &[&str]) -> bool {
    if Command::new("cmake").arg("--version").output().is_err() {
        skip(Feature::Cmake, "there is no cmake");
        return false;
    }
    let mut command = Command::new("cmake");
    space.prepare(&mut command);
    command.args(["-S", source, "-B", build]).args(options);
    space.run(command).expect_ok();
    true
}

#[track_caller]
fn import(space: &TestSpace, build: &str) -> Run {
    space.tender(&["init", "--from-cmake", build]).expect_ok()
}

/// A library with all kinds of settings, an object library, a shared one, and programs.
fn project() -> TestSpace {
    let space = TestSpace::new();
    space.write(
        "p/CMakeLists.txt",
        "cmake_minimum_required(VERSION 3.14)\nproject(p C CXX)\nset(CMAKE_CXX_STANDARD 17)\n\
         configure_file(config.h.in config.h)\n\
         add_library(parts OBJECT parts.c)\n\
         add_library(zip STATIC src/zip.c $<TARGET_OBJECTS:parts>)\n\
         target_include_directories(zip PUBLIC include PRIVATE src ${CMAKE_CURRENT_BINARY_DIR})\n\
         target_compile_definitions(zip PUBLIC ZIP_PUBLIC=2 PRIVATE \"ZIP_PRIVATE=\\\"a b\\\"\")\n\
         target_link_libraries(zip PUBLIC m)\n\
         add_library(headers INTERFACE)\ntarget_compile_definitions(headers INTERFACE FROM_HEADERS=7)\n\
         add_executable(tool tool.cc)\ntarget_link_libraries(tool PRIVATE zip headers)\n\
         add_subdirectory(shared)\nadd_subdirectory(app)\n",
    );
    space.write("p/config.h.in", "#define FROM_CONFIG 1\n");
    space.write("p/parts.c", "int parts(void) { return 10; }\n");
    space.write(
        "p/include/zip/zip.h",
        "#ifdef __cplusplus\nextern \"C\"\n#endif\nint zip(double x);\n",
    );
    space.write("p/src/private.h", "int parts(void);\n");
    space.write(
        "p/src/zip.c",
        "#include <config.h>\n#include <math.h>\n#include <zip/zip.h>\n#include \"private.h\"\n\
         int zip(double x) { return parts() + (int)cbrt(x) + ZIP_PUBLIC + (int)sizeof ZIP_PRIVATE + FROM_CONFIG; }\n",
    );
    space.write(
        "p/tool.cc",
        "#include <cstdio>\n#include <optional>\n#include <zip/zip.h>\n\
         int main() { std::optional<int> x = zip(27.0); std::printf(\"%d\\n\", *x + ZIP_PUBLIC + FROM_HEADERS); }\n",
    );
    space.write(
        "p/shared/CMakeLists.txt",
        "add_library(share SHARED share.c)\ntarget_include_directories(share INTERFACE .)\n",
    );
    space.write("p/shared/share.h", "int share(void);\n");
    space.write("p/shared/share.c", "int share(void) { return 5; }\n");
    space.write(
        "p/app/CMakeLists.txt",
        "add_executable(app app.c)\ntarget_link_libraries(app zip share)\n",
    );
    space.write(
        "p/app/app.c",
        "#include <share.h>\n#include <stdio.h>\n#include <zip/zip.h>\nint main(void) { printf(\"%d\\n\", zip(8.0) + share()); }\n",
    );
    space
}

#[test]
fn import_makes_a_workspace_of_a_cmake_build() {
    let space = project();
    if !configure(&space, "p", "out", &[]) {
        return;
    }
    let run = import(&space, "out");
    run.expect_stderr(&[
        "Library `zip`: 2 sources, static",
        "Program `tool`: 1 source",
        "Library `share`",
        "Keep `",
        "Created 3 crates in ",
    ]);
    assert!(
        space.read("p/Tender.toml").contains("link = [\"m\"]"),
        "{}",
        space.read("p/Tender.toml")
    );
    space.tender(&["-C", "p", "build", "--workspace"]).expect_ok();
    assert_eq!(space.built("p/target/debug/tool").expect_ok().stdout, "29\n");
    assert_eq!(space.built("p/target/debug/app").expect_ok().stdout, "24\n");
    assert!(space.exists("p/target/debug/libshare.so") && space.exists("p/target/debug/libzip.a"));
}

#[test]
fn import_writes_over_no_manifest() {
    let space = project();
    if !configure(&space, "p", "p/build", &[]) {
        return;
    }
    space.write("p/app/Tender.toml", "mine\n");
    let run = space.tender(&["init", "--from-cmake", "p/build"]).expect_code(2);
    run.expect_stderr(&["p/app/Tender.toml` exists already"]);
    assert!(!space.exists("p/Tender.toml") && !space.exists("p/shared/Tender.toml"));
    assert_eq!(space.read("p/app/Tender.toml"), "mine\n");
}

#[test]
fn import_says_what_is_wrong_with_a_build_directory() {
    let space = TestSpace::new();
    let check = |build: &str, says: &[&str]| {
        let run = space.tender(&["init", "--from-cmake", build]).expect_code(2);
        run.expect_stderr(says);
    };
    check("none", &["error: `none` is no build directory of cmake", "help: make it by `cmake -S"]);
    space.write("p/CMakeLists.txt", "cmake_minimum_required(VERSION 3.14)\nproject(p NONE)\n");
    if !configure(&space, "p", "out", &[]) {
        return;
    }
    check("out", &["error: cmake builds no library and no program in `out`"]);
    space.write("p/CMakeLists.txt", "message(FATAL_ERROR \"broken on purpose\")\n");
    check("out", &["error: `cmake out` failed", "broken on purpose", "help: mend the project"]);
    let mut command = space.command(&["init", "--from-cmake", "out"]);
    command.env("PATH", space.path("empty"));
    space
        .run(command)
        .expect_code(2)
        .expect_stderr(&["error: cannot run `cmake`", "help: install cmake"]);
    let old = space.path("old");
    space.write("old/cmake", "#!/bin/sh\necho cmake version 3.10.2\n");
    std::fs::set_permissions(
        old.join("cmake"),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    let mut command = space.command(&["init", "--from-cmake", "out"]);
    command.env("PATH", format!("{old}:{}", std::env::var("PATH").unwrap()));
    space.run(command).expect_code(2).expect_stderr(&[
        "error: cmake 3.10.2 has no file API",
        "help: install cmake 3.14 or newer",
    ]);
    assert!(!space.exists("p/Tender.toml"));
}

/// The build directory has answers to other programs' queries too.
#[test]
fn import_takes_over_precompiled_headers() {
    let space = TestSpace::new();
    space.write(
        "p/CMakeLists.txt",
        "cmake_minimum_required(VERSION 3.16)\nproject(p CXX)\nadd_executable(app src/main.cpp)\n\
         target_precompile_headers(app PRIVATE src/pch.h <vector>)\n",
    );
    space.write("p/src/pch.h", "#include <string>\n");
    space.write(
        "p/src/main.cpp",
        "int main() { return int(std::vector<std::string>(3).size()); }\n",
    );
    space.write("p/b/.cmake/api/v1/query/codemodel-v2", "");
    if !configure(&space, "p", "p/b", &[]) {
        return;
    }
    import(&space, "p/b");
    let manifest = space.read("p/Tender.toml");
    let expect =
        "sources = [\"src/main.cpp\"]\nprecompiled-headers = [\"src/pch.h\", \"<vector>\"]\n";
    assert!(manifest.contains(expect), "{manifest}");
    space.tender(&["-C", "p", "build"]).expect_ok();
    space.built("p/target/debug/app").expect_code(3);
}

#[test]
fn import_tells_what_custom_commands_make() {
    let space = TestSpace::new();
    space.write(
        "p/CMakeLists.txt",
        "cmake_minimum_required(VERSION 3.14)\nproject(p C)\n\
         add_custom_command(OUTPUT table.c COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/make.sh > table.c DEPENDS make.sh)\n\
         add_library(zip STATIC zip.c ${CMAKE_CURRENT_BINARY_DIR}/table.c)\nadd_executable(app app.c)\ntarget_link_libraries(app zip)\n",
    );
    space.write("p/make.sh", "echo 'int table = 42;'\n");
    space.write("p/zip.c", "extern int table;\nint zip(void) { return table; }\n");
    space.write("p/app.c", "int zip(void);\nint main(void) { return zip() != 42; }\n");
    if !configure(&space, "p", "out", &[]) {
        return;
    }
    import(&space, "out").expect_stderr(&[
        "Left out `table.c` of `zip`: custom commands make them",
        "write `[[generate]]`",
    ]);
    // What the manifest says to write is written.
    space.edit("p/Tender.toml", "# [[generate]]\n# run = [\"...\"]\n# outputs", "[[generate]]\nrun = [\"sh\", \"-c\", \"sh make.sh > $OUT_DIR/table.c\"]\ninputs = [\"make.sh\"]\noutputs");
    space.tender(&["-C", "p", "build"]).expect_ok();
    space.built("p/target/debug/app").expect_ok();
}

#[test]
fn import_makes_a_crate_of_compile_commands() {
    let space = project();
    if !configure(&space, "p", "out", &["-DCMAKE_EXPORT_COMPILE_COMMANDS=ON"]) {
        return;
    }
    space.remove("p/app");
    space.remove("p/shared");
    let run =
        space.tender(&["init", "--from-compdb", "out/compile_commands.json", "p"]).expect_ok();
    run.expect_stderr(&[
        "Left out `",
        "app/app.c`: it is not there",
        "Library `p`: 2 sources",
        "Program `tool`: `tool.cc` defines `main`",
        "Unknown which system libraries",
    ]);
    space.edit("p/Tender.toml", "[package]\n", "[package]\nlink = [\"m\"]\n");
    space.tender(&["-C", "p", "build"]).expect_ok();
    assert_eq!(space.built("p/target/debug/tool").expect_ok().stdout, "29\n");
    let bad = |text: &str, says: &[&str]| {
        space.write("bad.json", text);
        space
            .tender(&["init", "--from-compdb", "bad.json", "q"])
            .expect_code(2)
            .expect_stderr(says);
    };
    bad("{", &["error: `bad.json` is no compilation database", "help: cmake writes one"]);
    bad("[]", &["error: `bad.json` names no source that is there"]);
    let run = space.tender(&["init", "--from-compdb", "none.json", "q"]).expect_code(2);
    run.expect_stderr(&["error: cannot read `none.json`"]);
    assert!(!space.exists("q"));
}

/// The sources of `name`, configured into `out` and imported.
#[track_caller]
fn imported(name: &str, options: &[&str]) -> Option<TestSpace> {
    let sources = pinned(name)?;
    let space = TestSpace::new();
    space.copy_in(&sources, name);
    if !configure(&space, name, "out", options) {
        return None;
    }
    import(&space, "out");
    Some(space)
}

/// A program beside the imported crates in `paths` builds, and runs.
#[track_caller]
fn use_from_a_program(space: &TestSpace, crates: &[(&str, &str)], main: &str) {
    let dependencies: String = crates
        .iter()
        .map(|(name, path)| format!("{name} = {{ path = \"../{path}\" }}\n"))
        .collect();
    space.write(
        "user/Tender.toml",
        format!("[package]\nname = \"user\"\ncxx-std = \"c++17\"\n[dependencies]\n{dependencies}"),
    );
    space.write("user/src/main.cc", main);
    space.tender(&["-C", "user", "build"]).expect_ok();
    space.built("user/target/debug/user").expect_ok();
}

#[test]
fn import_makes_a_workspace_of_googletest() {
    let Some(space) = imported("googletest", &[]) else { return };
    let gtest = [
        ("gtest", "googletest/googletest"),
        ("gtest_main", "googletest/googletest/gtest_main"),
        ("gmock", "googletest/googlemock"),
    ];
    use_from_a_program(
        &space,
        &gtest,
        "#include <gmock/gmock.h>\nTEST(a, b) { EXPECT_THAT(1 + 1, testing::Eq(2)); }\n",
    );
}

#[test]
fn import_makes_a_workspace_of_yaml_cpp() {
    let Some(space) = imported("yaml-cpp", &["-DYAML_CPP_BUILD_TESTS=OFF"]) else { return };
    space.tender(&["-C", "yaml-cpp", "build", "--workspace"]).expect_ok();
    assert!(space.exists("yaml-cpp/target/debug/parse"));
    use_from_a_program(
        &space,
        &[("yaml-cpp", "yaml-cpp")],
        "#include <yaml-cpp/yaml.h>\nint main() { return YAML::Load(\"{a: [1, 42]}\")[\"a\"][1].as<int>() != 42; }\n",
    );
}

#[test]
fn import_makes_a_workspace_of_leveldb() {
    let options = ["-DLEVELDB_BUILD_TESTS=OFF", "-DLEVELDB_BUILD_BENCHMARKS=OFF"];
    let Some(space) = imported("leveldb", &options) else { return };
    space.tender(&["-C", "leveldb", "build", "--workspace"]).expect_ok();
    assert!(space.exists("leveldb/target/debug/leveldbutil"));
    use_from_a_program(
        &space,
        &[("leveldb", "leveldb")],
        "#include <leveldb/db.h>\nint main() { leveldb::DB *db = nullptr; return leveldb::DB::Open({}, \"/nonexistent/x\", &db).ok(); }\n",
    );
}

/// Its `pnglibconf.h` is made by a custom command, which the manifest asks for.
#[test]
fn import_makes_a_workspace_of_libpng() {
    let options = ["-DPNG_SHARED=OFF", "-DPNG_TESTS=OFF", "-DPNG_TOOLS=OFF"];
    let Some(space) = imported("libpng", &options) else { return };
    let manifest = space.read("libpng/Tender.toml");
    let at = manifest.find("# [[generate]]").expect(&manifest);
    assert!(manifest[at..].contains("\"$OUT_DIR/pnglibconf.h\""), "{manifest}");
    space.write(
        "libpng/Tender.toml",
        manifest[..at].to_owned()
            + "[[generate]]\nrun = [\"sh\", \"-c\", \"cp scripts/pnglibconf.h.prebuilt $OUT_DIR/pnglibconf.h\"]\n\
               inputs = [\"scripts/pnglibconf.h.prebuilt\"]\noutputs = [\"$OUT_DIR/pnglibconf.h\"]\n",
    );
    space.edit("libpng/Tender.toml", "[lib]\n", "[lib]\nlink = [\"z\", \"m\"]\n");
    use_from_a_program(
        &space,
        &[("png_static", "libpng")],
        "#include <png.h>\nint main() { return png_access_version_number() / 10000 != 1; }\n",
    );
}
