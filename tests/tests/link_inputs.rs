//! Files that a link reads or looks up besides its arguments: libraries, scripts, members of thin
//! archives, programs. After each edit exactly the link is made again, and its result is that of a
//! clean build.

use std::process::Command;
use tender_tests::{Run, TestSpace};

/// A program that prints the results of `foo` and `bar`.
const MAIN: &str = r#"#include <stdio.h>
int foo(void);
__attribute__((weak)) int bar(void) { return 0; }
int main(void) { printf("%d %d\n", foo(), bar()); return 0; }
"#;

struct Space {
    space: TestSpace,
    variables: Vec<(&'static str, String)>,
}

impl std::ops::Deref for Space {
    type Target = TestSpace;

    fn deref(&self) -> &TestSpace {
        &self.space
    }
}

impl Space {
    /// `app` with these link-args, and `profile` in the profile `dev`.
    fn new(link_args: &[&str], profile: &str) -> Space {
        let space = TestSpace::new();
        let args = link_args.iter().map(|arg| format!("{arg:?}")).collect::<Vec<_>>().join(", ");
        space.write(
            "Tender.toml",
            format!("[package]\nname = \"app\"\nlink-args = [{args}]\n[profile.dev]\n{profile}\n"),
        );
        space.write("src/main.c", MAIN);
        Space { space, variables: Vec::new() }
    }

    /// The object of a function that returns `value`.
    fn object(&self, path: &str, function: &str, value: u32) {
        self.write(&format!("{path}.c"), format!("int {function}(void) {{ return {value}; }}\n"));
        self.tool(Command::new("cc").args(["-c", "-fPIC", &format!("{path}.c"), "-o", path]));
        self.remove(&format!("{path}.c"));
    }

    /// An archive of one object with `foo`, which returns `value`.
    fn archive(&self, path: &str, value: u32) {
        self.object(&format!("{path}.o"), "foo", value);
        let _ = std::fs::remove_file(self.path(path));
        self.ar(&["rcD", path, &format!("{path}.o")]);
        self.remove(&format!("{path}.o"));
    }

    /// A shared library with `foo`, which returns `value`.
    fn shared(&self, path: &str, value: u32) {
        self.object(&format!("{path}.o"), "foo", value);
        let soname = format!("-Wl,-soname,{}", self.path(path));
        self.tool(Command::new("cc").args(["-shared", &soname, &format!("{path}.o"), "-o", path]));
        self.remove(&format!("{path}.o"));
    }

    fn ar(&self, args: &[&str]) {
        self.tool(Command::new("ar").args(args));
    }

    #[track_caller]
    fn tool(&self, command: &mut Command) {
        self.prepare(command);
        assert!(command.status().unwrap().success(), "{command:?}");
    }

    /// The directory, without a slash at the end.
    fn root(&self) -> String {
        self.path("x").parent().unwrap().to_string()
    }

    fn run_tender(&self, args: &[&str]) -> Run {
        let mut command = self.command(args);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        self.run(command)
    }

    /// Builds, and expects exactly these items, each with its reason. The program then prints
    /// `says`, and is that of a clean build.
    #[track_caller]
    fn check(&self, expect: &[&str], says: &str) {
        let built = self.run_tender(&["build", "-v"]).expect_ok().rebuilt();
        let found: Vec<String> =
            built.iter().map(|one| format!("{}: {}", one.unit, one.reason)).collect();
        let mut expect = expect.to_vec();
        expect.sort_unstable();
        assert_eq!(found, expect);
        assert_eq!(self.built("target/debug/app").expect_ok().stdout, format!("{says}\n"));
        self.run_tender(&["build", "-v"]).expect_ok().expect_nothing_done();
        self.check_against_clean();
    }

    #[track_caller]
    fn check_against_clean(&self) {
        self.run_tender(&["build", "--target-dir", "clean"]).expect_ok();
        assert!(
            self.read_bytes("target/debug/app") == self.read_bytes("clean/debug/app"),
            "a clean build differs"
        );
        self.remove("clean");
    }

    #[track_caller]
    fn check_first(&self, says: &str) {
        let new = "it has not been built before";
        self.check(&[&format!("src/main.c: {new}"), &format!("app: {new}")], says);
    }
}

/// The modes of link-time optimisation, in which the worker reads inputs itself.
const MODES: [&str; 3] = ["lto = \"off\"", "lto = \"thin\"", "lto = \"fat\""];

#[test]
fn library_in_an_earlier_directory_is_taken() {
    for mode in MODES {
        let space = Space::new(&["-Ldeps/first", "-Ldeps/absent", "-Ldeps/second", "-lfoo"], mode);
        space.archive("deps/second/libfoo.a", 2);
        space.write("deps/first/README", "");
        space.check_first("2 0");
        space.archive("deps/first/libfoo.a", 1);
        space.check(&["app: the file deps/first/libfoo.a has appeared"], "1 0");
        // Only the first match is used.
        space.archive("deps/second/libfoo.a", 3);
        space.run_tender(&["build", "-v"]).expect_ok().expect_nothing_done();
        space.remove("deps/first/libfoo.a");
        space.check(&["app: the file deps/first/libfoo.a is gone"], "3 0");
        // A new directory.
        space.archive("deps/absent/libfoo.a", 4);
        space.check(&["app: the file deps/absent/libfoo.a has appeared"], "4 0");
        space.remove("deps/absent");
        space.check(&["app: the file deps/absent/libfoo.a is gone"], "3 0");
        // A shared library is preferred to an archive in the same directory.
        space.shared("deps/second/libfoo.so", 5);
        space.check(&["app: the file deps/second/libfoo.so has appeared"], "5 0");
        space.shared("deps/second/libfoo.so", 6);
        space.check(&["app: the file deps/second/libfoo.so has changed"], "6 0");
        // Only the content counts.
        let before = space.read_bytes("deps/second/libfoo.so");
        space.write("deps/second/libfoo.so", before);
        space.run_tender(&["build", "-v"]).expect_ok().expect_nothing_done();
    }
}

#[test]
fn static_links_look_for_archives_and_names_for_themselves() {
    let space = Space::new(&["-Ldeps/first", "-Ldeps/second", "-Wl,-Bstatic,-lfoo,-Bdynamic"], "");
    space.archive("deps/second/libfoo.a", 2);
    space.shared("deps/second/libfoo.so", 7);
    space.check_first("2 0");
    space.archive("deps/first/libfoo.a", 1);
    space.check(&["app: the file deps/first/libfoo.a has appeared"], "1 0");

    let space = Space::new(&["-Ldeps/first", "-Ldeps/second", "-l:foo.lib"], "");
    space.archive("deps/second/foo.lib", 2);
    space.check_first("2 0");
    space.archive("deps/first/foo.lib", 1);
    space.check(&["app: the file deps/first/foo.lib has appeared"], "1 0");
    space.archive("deps/first/foo.lib", 3);
    space.check(&["app: the file deps/first/foo.lib has changed"], "3 0");
}

#[test]
fn files_that_scripts_name_count_and_are_looked_for() {
    for mode in MODES {
        let space = Space::new(&["-Ldeps/first", "-Ldeps/second", "-lfoo"], mode);
        space.write("deps/second/libfoo.so", "INPUT(part.o)\nINCLUDE more.ld\n");
        space.write("deps/second/more.ld", "GROUP(-lbar)\n");
        space.object("deps/second/part.o", "foo", 2);
        space.object("bar.o", "bar", 20);
        space.ar(&["rcD", "deps/second/libbar.a", "bar.o"]);
        // The program has a weak definition, so no member of an archive is linked.
        space.check_first("2 0");
        space.write("deps/second/more.ld", "INPUT(bar.o)\n");
        space.check(&["app: the file deps/second/more.ld has changed"], "2 20");
        space.object("bar.o", "bar", 21);
        space.check(&["app: the file bar.o has changed"], "2 21");
        space.object("deps/second/part.o", "foo", 3);
        space.check(&["app: the file deps/second/part.o has changed"], "3 21");
        // Included scripts are searched from the first directory on.
        space.object("deps/first/else.o", "bar", 22);
        space.write("deps/first/more.ld", "INPUT(else.o)\n");
        space.check(&["app: the file deps/first/more.ld has appeared"], "3 22");
        space.write("more.ld", "INPUT(deps/first/else.o)\n");
        let built = space.run_tender(&["build", "-v"]).expect_ok().rebuilt();
        assert_eq!(built.len(), 1, "{built:?}");
        space.remove("more.ld");
        space.check(&["app: the file more.ld is gone"], "3 22");
    }
}

#[test]
fn scripts_that_options_name_are_looked_for() {
    for mode in MODES {
        let args =
            ["-Ldeps/first", "-Ldeps/second", "-rdynamic", "-Wl,--version-script=app.map", "x.o"];
        let space = Space::new(&args, mode);
        space.object("x.o", "foo", 1);
        space.write("deps/second/app.map", "{ local: *; };\n");
        space.check_first("1 0");
        space.write("deps/first/app.map", "{ global: foo; local: *; };\n");
        space.check(&["app: the file deps/first/app.map has appeared"], "1 0");
    }
}

#[test]
fn libraries_that_an_object_asks_for_are_looked_for() {
    let space = Space::new(&["-Ldeps/first", "-Ldeps/second"], "");
    space.write("src/main.c", format!("#pragma comment(lib, \"foo\")\n{MAIN}"));
    space.archive("deps/second/libfoo.a", 2);
    space.check_first("2 0");
    space.archive("deps/first/libfoo.a", 1);
    space.check(&["app: the file deps/first/libfoo.a has appeared"], "1 0");
    space.archive("deps/first/libfoo.a", 3);
    space.check(&["app: the file deps/first/libfoo.a has changed"], "3 0");
}

#[test]
fn members_of_thin_archives_count() {
    for mode in MODES {
        // As a word of the link; one of them is in another thin archive as well.
        let space = Space::new(&["deps/libthin.a"], mode);
        space.object("deps/parts/foo.o", "foo", 1);
        space.object("deps/other.o", "other", 1);
        space.ar(&["rcTD", "deps/libinner.a", "deps/parts/foo.o"]);
        space.ar(&["rcTD", "deps/libthin.a", "deps/libinner.a", "deps/other.o"]);
        space.check_first("1 0");
        space.object("deps/parts/foo.o", "foo", 2);
        space.check(&["app: the file deps/parts/foo.o has changed"], "2 0");
        // lld reads members that are not needed, too; what comes out may be the same.
        space.object("deps/other.o", "other", 2);
        space.check(&["app: the file deps/other.o has changed"], "2 0");

        // As a source, of a program and of a library.
        let space = Space::new(&[], mode);
        space.object("parts/foo.o", "foo", 1);
        space.ar(&["rcTD", "libthin.a", "parts/foo.o"]);
        let manifest = space.read("Tender.toml");
        let program = "[[bin]]\nname = \"app\"\nsources = [\"src/main.c\", \"libthin.a\"]\n";
        space.write("Tender.toml", manifest.replace("[profile", &format!("{program}[profile")));
        space.check_first("1 0");
        space.object("parts/foo.o", "foo", 2);
        space.check(&["app: the file parts/foo.o has changed"], "2 0");
    }
}

#[test]
fn members_of_thin_archives_go_into_a_library() {
    for mode in ["lto = \"off\"", "lto = \"thin-local\""] {
        let space = Space::new(&[], mode);
        space.object("parts/foo.o", "foo", 1);
        space.ar(&["rcTD", "libthin.a", "parts/foo.o"]);
        space.write("src/more.c", "int more(void) { return 1; }\n");
        let manifest = space.read("Tender.toml");
        let targets = "[lib]\nsources = [\"src/more.c\", \"libthin.a\"]\n[[bin]]\nname = \"app\"\nsources = [\"src/main.c\"]\n";
        space.write("Tender.toml", manifest.replace("[profile", &format!("{targets}[profile")));
        let new = ["src/main.c", "src/more.c", "app", "libapp.a"];
        let new: Vec<String> =
            new.iter().map(|item| format!("{item}: it has not been built before")).collect();
        space.check(&new.iter().map(String::as_str).collect::<Vec<_>>(), "1 0");
        space.object("parts/foo.o", "foo", 2);
        space.check(
            &[
                "libapp.a: the file parts/foo.o has changed",
                "app: the file target/debug/libapp.a has changed",
            ],
            "2 0",
        );
    }
}

#[test]
fn directories_of_the_environment_are_looked_at_in_order() {
    let drivers = ["cc".to_owned(), format!("{}/bin/clang", llvm())];
    for driver in drivers {
        let mut space = Space::new(&["-lfoo"], "");
        space.variables = vec![
            ("CC", driver),
            ("LIBRARY_PATH", format!("{0}/one:{0}/absent:{0}/two", space.root())),
        ];
        space.archive("two/libfoo.a", 2);
        space.write("one/README", "");
        space.check_first("2 0");
        space.archive("one/libfoo.a", 1);
        let built = space.run_tender(&["build", "-v"]).expect_ok().rebuilt();
        assert!(
            built.len() == 1 && built[0].reason.ends_with("/one/libfoo.a has appeared"),
            "{built:?}"
        );
        assert_eq!(space.built("target/debug/app").expect_ok().stdout, "1 0\n");
        space.remove("one/libfoo.a");
        space.run_tender(&["build"]).expect_ok();
        // A directory that was not there, and which the driver does not even tell the linker of.
        space.archive("absent/libfoo.a", 3);
        space.run_tender(&["build"]).expect_ok();
        assert_eq!(space.built("target/debug/app").expect_ok().stdout, "3 0\n");
    }
}

#[test]
fn startup_files_that_appear_earlier_are_taken() {
    let space = Space::new(&["-Bown", "foo.o"], "");
    space.object("foo.o", "foo", 1);
    space.write("own/README", "");
    space.check_first("1 0");
    let startup = Command::new("cc").arg("-print-file-name=Scrt1.o").output().unwrap();
    let startup = String::from_utf8(startup.stdout).unwrap();
    space.write("own/Scrt1.o", std::fs::read(startup.trim()).unwrap());
    space.check(&["app: the file own/Scrt1.o has appeared"], "1 0");
}

#[test]
fn path_through_a_symbolic_link_and_back_is_the_one_that_the_linker_opened() {
    let space = Space::new(&["-Llink/../lib", "-lfoo"], "");
    space.write("far/away/README", "");
    std::os::unix::fs::symlink("far/away", space.path("link")).unwrap();
    space.archive("far/lib/libfoo.a", 1);
    space.check_first("1 0");
    space.archive("far/lib/libfoo.a", 2);
    space.check(&["app: the file link/../lib/libfoo.a has changed"], "2 0");
}

#[test]
fn library_that_changes_while_it_is_linked_is_linked_again() {
    let mut space = Space::new(&["-Ldeps", "-lfoo"], "");
    space.archive("deps/libfoo.a", 1);
    space.archive("next.a", 2);
    // The file is replaced after the linker has read it, and before any other process has.
    let script = "#!/bin/sh\ncc \"$@\" || exit\ncase \"$*\" in *--dependency-file=*) [ ! -e next.a ] || mv next.a deps/libfoo.a;; esac\n";
    space.write("driver", script);
    space.tool(Command::new("chmod").args(["+x", "driver"]));
    space.variables = vec![("CC", space.path("driver").to_string())];
    space.run_tender(&["build"]).expect_ok();
    assert_eq!(space.built("target/debug/app").expect_ok().stdout, "1 0\n");
    space.check(&["app: the file deps/libfoo.a has changed"], "2 0");
}

/// A driver that adds `word` to each link.
fn driver(space: &Space, path: &str, word: &str) {
    space.write(path, format!("#!/bin/sh\nexec /usr/bin/cc \"$@\" {word}\n"));
    space.tool(Command::new("chmod").args(["+x", path]));
}

#[test]
fn link_driver_counts_and_where_it_is_found() {
    let mut space = Space::new(&["foo.o"], "");
    space.object("foo.o", "foo", 1);
    let path = std::env::var("PATH").unwrap();
    space.variables =
        vec![("CC", "mycc".to_owned()), ("PATH", format!("{0}/one:{0}/two:{path}", space.root()))];
    driver(&space, "two/mycc", "-Wl,--build-id=0x22");
    space.check_first("1 0");
    // The same program again, which is read and found equal.
    driver(&space, "two/mycc", "-Wl,--build-id=0x22");
    space.run_tender(&["build", "-v"]).expect_ok().expect_nothing_done();
    driver(&space, "two/mycc", "-Wl,--build-id=0x23");
    let root = space.root();
    space.check(&[&format!("app: the file {root}/two/mycc has changed")], "1 0");
    driver(&space, "one/mycc", "-Wl,--build-id=0x11");
    space.check(
        &[&format!("app: the program mycc is now {root}/one/mycc, it was {root}/two/mycc")],
        "1 0",
    );
    space.remove("one/mycc");
    space.check(
        &[&format!("app: the program mycc is now {root}/two/mycc, it was {root}/one/mycc")],
        "1 0",
    );
    // Behind a symbolic link.
    space.remove("two/mycc");
    driver(&space, "real-driver", "-Wl,--build-id=0x33");
    std::os::unix::fs::symlink(space.path("real-driver"), space.path("two/mycc")).unwrap();
    space.check(&[&format!("app: the file {root}/two/mycc has changed")], "1 0");
    driver(&space, "real-driver", "-Wl,--build-id=0x44");
    space.check(&[&format!("app: the file {root}/two/mycc has changed")], "1 0");
}

#[test]
fn linker_counts_and_where_the_driver_finds_it() {
    let mut space = Space::new(&["foo.o"], "");
    space.object("foo.o", "foo", 1);
    // Searched before LLVM's directory, because the driver adds it.
    space.write("bin/README", "");
    space.variables = vec![("CC", format!("cc -B{}", space.path("bin")))];
    space.check_first("1 0");
    let linker = |id: &str| {
        space.write(
            "bin/ld.lld",
            format!("#!/bin/sh\nexec {}/bin/ld.lld \"$@\" --build-id={id}\n", llvm()),
        );
        space.tool(Command::new("chmod").args(["+x", "bin/ld.lld"]));
    };
    linker("0x11");
    let path = space.path("bin/ld.lld");
    space.check(&[&format!("app: the file {path} has appeared")], "1 0");
    linker("0x12");
    space.check(&[&format!("app: the file {path} has changed")], "1 0");
    space.remove("bin/ld.lld");
    space.check(&[&format!("app: the file {path} is gone")], "1 0");
}

#[test]
fn program_of_a_generator_counts_and_where_it_is_found() {
    let mut space = Space::new(&[], "");
    let path = std::env::var("PATH").unwrap();
    space.variables = vec![("PATH", format!("{0}/one:{0}/two:{path}", space.root()))];
    let manifest = space.read("Tender.toml");
    let command = "[[generate]]\nrun = [\"generator\"]\noutputs = [\"$OUT_DIR/foo.c\"]\n";
    space.write("Tender.toml", format!("{manifest}{command}"));
    let generator = |path: &str, value: u32| {
        space.write(
            path,
            format!("#!/bin/sh\necho 'int foo(void) {{ return {value}; }}' > $OUT_DIR/foo.c\n"),
        );
        space.tool(Command::new("chmod").args(["+x", path]));
    };
    generator("two/generator", 2);
    // Without debug information, which has the path of the generated file.
    assert_eq!(space.run_tender(&["build", "-v"]).expect_ok().rebuilt().len(), 4);
    let root = space.root();
    let check = |why: &str, says: &str| {
        let built = space.run_tender(&["build", "-v"]).expect_ok().rebuilt();
        assert!(
            built.iter().any(|one| one.unit == "generator" && one.reason == why),
            "{why}: {built:?}"
        );
        assert_eq!(built.len(), 3, "what follows from it is made again: {built:?}");
        assert_eq!(space.built("target/debug/app").expect_ok().stdout, format!("{says}\n"));
        space.run_tender(&["build", "-v"]).expect_ok().expect_nothing_done();
    };
    generator("two/generator", 3);
    check(&format!("the file {root}/two/generator has changed"), "3 0");
    generator("one/generator", 1);
    check(
        &format!("the program generator is now {root}/one/generator, it was {root}/two/generator"),
        "1 0",
    );
    space.remove("one/generator");
    check(
        &format!("the program generator is now {root}/two/generator, it was {root}/one/generator"),
        "3 0",
    );

    // A library that is named by its path, and written by another command.
    let commands = "[[generate]]\nrun = [\"./made\"]\noutputs = [\"$OUT_DIR/foo.c\"]\n\
                    [[generate]]\nrun = [\"cp\", \"template\", \"made\"]\ninputs = [\"template\"]\noutputs = [\"made\"]\n";
    space.write("Tender.toml", format!("{manifest}{commands}"));
    generator("template", 4);
    space.run_tender(&["build"]).expect_ok();
    assert_eq!(space.built("target/debug/app").expect_ok().stdout, "4 0\n");
    space.run_tender(&["build", "-v"]).expect_ok().expect_nothing_done();
    generator("template", 5);
    space.run_tender(&["build"]).expect_ok();
    assert_eq!(space.built("target/debug/app").expect_ok().stdout, "5 0\n");
    space.run_tender(&["build", "-v"]).expect_ok().expect_nothing_done();
}

fn llvm() -> &'static str {
    option_env!("LLVM_SYS_221_PREFIX").unwrap_or("/usr/lib/llvm-22")
}
