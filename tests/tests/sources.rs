//! Which sources a target has, and how often each is compiled.

use tender_tests::TestSpace;

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
