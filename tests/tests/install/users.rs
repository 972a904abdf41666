//! Other builds use what is installed: CMake, Meson, and make with pkg-config.

use super::space::{USER, greet, install, run};
use std::process::Command;
use tender_tests::{Feature, Run, TestSpace, skip};

/// Whether there is a program; if not, reports a skip.
#[track_caller]
fn there_is(program: &str, feature: Feature) -> bool {
    let is_there = Command::new(program).arg("--version").output().is_ok();
    if !is_there {
        skip(feature, &format!("there is no {program}"));
    }
    is_there
}

/// Runs a command in which pkg-config finds what is installed in `out`.
fn with_prefix(space: &TestSpace, program: &str, args: &[&str]) -> Run {
    let packages = space.path("out/lib/pkgconfig");
    let libraries = space.path("out/lib");
    let env = [("PKG_CONFIG_PATH", packages.as_str()), ("LD_LIBRARY_PATH", libraries.as_str())];
    run(space, program, args, &env)
}

/// Installs `greet` in these forms, and takes the build away.
fn installed(types: &str) -> TestSpace {
    let space = greet(types);
    install(&space, "greet", "out", &[]).expect_ok();
    std::fs::remove_dir_all(space.path("ws")).unwrap();
    space.write("user/main.c", USER);
    space.write("user/main.cc", USER);
    space
}

const FORMS: [&str; 3] = ["\"staticlib\"", "\"cdylib\"", "\"staticlib\", \"cdylib\""];

/// Whether a program loads `libgreet.so.1`.
fn is_linked_shared(space: &TestSpace, program: &str) -> bool {
    let found = run(space, "readelf", &["-dW", program], &[]).expect_ok().stdout;
    found.contains("[libgreet.so.1]")
}

#[test]
fn makefile_uses_an_installed_library() {
    for forms in FORMS {
        let space = installed(forms);
        space.write(
            "user/Makefile",
            "CFLAGS += $(shell pkg-config --cflags greet)\nLDLIBS += $(shell pkg-config $(FORM) --libs greet)\n\
             all: main\nmain: main.c\n\t$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $< $(LDLIBS)\n",
        );
        let makes = |words: &[&str], is_shared: bool| {
            with_prefix(&space, "make", &[&["-B", "-C", "user"], words].concat()).expect_ok();
            let done = with_prefix(&space, "user/main", &[]).expect_ok();
            assert_eq!(done.stdout, "6\n", "{forms} {words:?}");
            assert_eq!(is_linked_shared(&space, "user/main"), is_shared, "{forms} {words:?}");
        };
        makes(&[], forms.contains("cdylib"));
        if forms.contains("static") {
            makes(&["FORM=--static", "LDFLAGS=-static"], false);
        }
        let version = with_prefix(&space, "pkg-config", &["--modversion", "greet"]).expect_ok();
        assert_eq!(version.stdout, "1.2.0\n");
        with_prefix(&space, "pkg-config", &["--exists", "greet >= 1.1", "words = 0.3.1"])
            .expect_ok();
        with_prefix(&space, "pkg-config", &["--validate", "greet"]).expect_ok();
    }
}

#[test]
fn cmake_project_uses_an_installed_library() {
    if !there_is("cmake", Feature::Cmake) {
        return;
    }
    for forms in FORMS {
        let space = installed(forms);
        space.write(
            "user/CMakeLists.txt",
            "cmake_minimum_required(VERSION 3.14)\nproject(user C CXX)\n\
             find_package(greet 1.1 REQUIRED)\n\
             add_executable(one main.c)\ntarget_link_libraries(one PRIVATE greet::greet)\n\
             add_executable(two main.cc)\ntarget_link_libraries(two PRIVATE greet::greet)\n",
        );
        let prefix = format!("-DCMAKE_PREFIX_PATH={}", space.path("out"));
        let builds = |words: &[&str], is_shared: bool| {
            let _ = std::fs::remove_dir_all(space.path("build"));
            let configure = ["-S", "user", "-B", "build", prefix.as_str()];
            run(&space, "cmake", &[&configure[..], words].concat(), &[]).expect_ok();
            run(&space, "cmake", &["--build", "build"], &[]).expect_ok();
            for program in ["build/one", "build/two"] {
                let done = space.built(program).expect_ok();
                assert_eq!(done.stdout, "6\n", "{forms} {words:?}");
                assert_eq!(is_linked_shared(&space, program), is_shared, "{forms} {words:?}");
            }
        };
        builds(&[], forms.contains("cdylib"));
        builds(&["-Dgreet_USE_STATIC_LIBS=ON"], !forms.contains("static"));
        // A tree may be moved.
        std::fs::rename(space.path("out"), space.path("moved")).unwrap();
        let prefix = format!("-DCMAKE_PREFIX_PATH={}", space.path("moved"));
        let configure = ["-S", "user", "-B", "again", prefix.as_str()];
        run(&space, "cmake", &configure, &[]).expect_ok();
        run(&space, "cmake", &["--build", "again"], &[]).expect_ok();
    }
}

#[test]
fn cmake_project_gets_no_version_that_does_not_fit() {
    if !there_is("cmake", Feature::Cmake) {
        return;
    }
    let space = installed("\"staticlib\"");
    let prefix = format!("-DCMAKE_PREFIX_PATH={}", space.path("out"));
    let finds = |package: &str| {
        let _ = std::fs::remove_dir_all(space.path("build"));
        space.write(
            "user/CMakeLists.txt",
            format!(
                "cmake_minimum_required(VERSION 3.14)\nproject(user C)\nfind_package({package} REQUIRED)\n"
            ),
        );
        let configure = ["-S", "user", "-B", "build", prefix.as_str()];
        run(&space, "cmake", &configure, &[]).status.success()
    };
    assert!(finds("greet") && finds("greet 1") && finds("greet 1.2.0 EXACT") && finds("Greet 1.0"));
    assert!(!finds("greet 1.3") && !finds("greet 2.0") && !finds("greet 0.9"));
    // Before 1.0 the second number counts.
    assert!(finds("words 0.3") && finds("words 0") && !finds("words 0.2") && !finds("words 0.4"));
}

#[test]
fn meson_project_uses_an_installed_library() {
    if !there_is("meson", Feature::Meson) {
        return;
    }
    for forms in FORMS {
        let space = installed(forms);
        space.write(
            "user/meson.build",
            "project('user', 'c', 'cpp')\n\
             greet = dependency('greet', version: '>=1.1', static: get_option('static'))\n\
             executable('one', 'main.c', dependencies: greet)\n\
             executable('two', 'main.cc', dependencies: greet)\n",
        );
        space.write("user/meson_options.txt", "option('static', type: 'boolean', value: false)\n");
        let builds = |words: &[&str], is_shared: bool| {
            let _ = std::fs::remove_dir_all(space.path("build"));
            with_prefix(&space, "meson", &[&["setup", "build", "user"], words].concat())
                .expect_ok();
            with_prefix(&space, "ninja", &["-C", "build"]).expect_ok();
            for program in ["build/one", "build/two"] {
                let done = with_prefix(&space, program, &[]).expect_ok();
                assert_eq!(done.stdout, "6\n", "{forms} {words:?}");
                assert_eq!(is_linked_shared(&space, program), is_shared, "{forms} {words:?}");
            }
        };
        builds(&[], forms.contains("cdylib"));
        if forms.contains("static") {
            builds(&["-Dstatic=true"], false);
        }
    }
}

/// A library of C++ behind an interface of C, which needs a package of the system and all objects of
/// another library.
#[test]
fn users_get_what_an_archive_needs() {
    if !there_is("cmake", Feature::Cmake) {
        return;
    }
    let space = TestSpace::new();
    space.write("ws/Tender.toml", "[workspace]\nmembers = [\"top\", \"parts\"]\n");
    space.write(
        "ws/top/Tender.toml",
        "[package]\nname = \"top\"\nversion = \"0.1.0\"\n[lib]\npkg-config = [\"zlib >= 1.2\"]\n\
         [dependencies]\nparts = { path = \"../parts\", whole-archive = true, public = false }\n",
    );
    space.write(
        "ws/top/include/top.h",
        "#ifdef __cplusplus\nextern \"C\"\n#endif\nint top(void);\n",
    );
    space.write(
        "ws/top/src/top.cc",
        "#include <top.h>\n#include <zlib.h>\n#include <string>\nint parts_found;\n\
         int top() { return parts_found + (int)std::to_string(zlibVersion()[0] - '0').size(); }\n",
    );
    space.write("ws/parts/Tender.toml", "[package]\nname = \"parts\"\n");
    space.write(
        "ws/parts/src/parts.c",
        "extern int parts_found;\n__attribute__((constructor)) static void found(void) { parts_found = 41; }\n",
    );
    install(&space, "top", "out", &[]).expect_ok();
    space.write("user/main.c", "#include <top.h>\nint main(void) { return top(); }\n");
    space.write(
        "user/CMakeLists.txt",
        "cmake_minimum_required(VERSION 3.14)\nproject(user C CXX)\nfind_package(top REQUIRED)\n\
         add_executable(one main.c)\ntarget_link_libraries(one PRIVATE top::top)\n",
    );
    let prefix = format!("-DCMAKE_PREFIX_PATH={}", space.path("out"));
    run(&space, "cmake", &["-S", "user", "-B", "build", &prefix], &[]).expect_ok();
    run(&space, "cmake", &["--build", "build"], &[]).expect_ok();
    space.built("build/one").expect_code(42);
    let words =
        with_prefix(&space, "pkg-config", &["--cflags", "--libs", "top"]).expect_ok().stdout;
    let line = format!("cc -o user/one user/main.c {words}");
    run(&space, "sh", &["-c", &line], &[]).expect_ok();
    space.built("user/one").expect_code(42);
}
