//! Files that assembly reads are inputs, wherever the assembly is and whichever part of LLVM parses
//! it.

use std::collections::BTreeSet;
use std::time::Duration;
use tender_tests::TestSpace;

/// Prints the text at `data`, which assembly defines.
const SAY_DATA: &str = "int puts(const char *);\nextern const char data[];\nint main(void) { return puts(data) < 0; }\n";

const HEAD: &str = ".section .rodata\n.globl data\ndata:\n";

const STACK: &str = ".section .note.GNU-stack,\"\",@progbits\n";

/// Programs that print the content of `d.txt`: name, file with the assembly, its text. If that is
/// not C, `main.c` is beside it.
fn programs() -> Vec<(&'static str, &'static str, String)> {
    let file_level = |text: &str| format!("{SAY_DATA}__asm__({text});\n");
    let head = r#"".section .rodata\n.globl data\ndata:\n""#;
    let tail = r#""\n.byte 0\n.text\n""#;
    vec![
        ("s", "a.s", format!("{HEAD}.incbin \"d.txt\"\n.byte 0\n{STACK}")),
        ("s-upper", "a.s", format!("{HEAD}.INCBIN \"d.txt\" ; .byte 0\n{STACK}")),
        ("s-include", "a.s", format!("{HEAD}.include \"inc/outer.s\"\n.byte 0\n{STACK}")),
        ("s-search", "a.s", format!("{HEAD}.include \"searched.s\"\n.byte 0\n{STACK}")),
        ("s-part", "a.s", format!("{HEAD}.incbin \"d.txt\", 0, 5\n.byte 0\n{STACK}")),
        (
            "s-macro",
            "a.s",
            format!(
                ".macro bytes word, name\n.\\word \"\\name\\().txt\"\n.endm\n{HEAD}bytes incbin, d\n.byte 0\n{STACK}"
            ),
        ),
        ("s-escape", "a.s", format!("{HEAD}.incbin \"\\144.txt\"\n.byte 0\n{STACK}")),
        ("s-repeat", "a.s", format!("{HEAD}.irpc name, d\n.incbin \"\\name\\().txt\"\n.endr\n.byte 0\n{STACK}")),
        ("cpp", "a.S", format!("#define FILE \"d.txt\"\n{HEAD}.incbin FILE /* here */\n.byte 0\n{STACK}")),
        ("file", "main.c", file_level(&format!("{head} \".incbin \\\"d.txt\\\"\" {tail}"))),
        (
            "file-defined",
            "main.c",
            format!(
                "#define TEXT(x) #x\n#define QUOTED(x) TEXT(x)\n#define NAME d.txt\n{}",
                file_level(&format!("{head} \".incbin \\\"\" QUOTED(NAME) \"\\\"\" {tail}"))
            ),
        ),
        ("file-include", "main.c", file_level(&format!("{head} \".include \\\"inc/outer.s\\\"\" {tail}"))),
        (
            "file-macro",
            "main.c",
            file_level(&format!(
                "\".macro bytes word, name\\n.\\\\word \\\"\\\\name\\\\().txt\\\"\\n.endm\\n\" {head} \"bytes incbin, d\\n\" {tail}"
            )),
        ),
        ("cxx", "main.cc", format!("extern \"C\" {{\n{}}}\n", file_level(&format!("{head} \".incbin \\\"d.txt\\\"\" {tail}")))),
        (
            "function",
            "main.c",
            "int puts(const char *);\nint main(void) {\n  const char *p;\n  \
             __asm__(\".pushsection .rodata\\n88: .incbin \\\"d.txt\\\"\\n.byte 0\\n.popsection\\nlea 88b(%%rip), %0\" : \"=r\"(p));\n  \
             return puts(p) < 0;\n}\n"
                .to_owned(),
        ),
        (
            "operand",
            "main.c",
            // The name of the file results from the operands of the template.
            "int puts(const char *);\nint main(void) {\n  const char *p;\n  \
             __asm__(\".pushsection .rodata\\n88: .incbin \\\"d%c1.txt\\\"\\n.byte 0\\n.popsection\\nlea 88b(%%rip), %0\" : \"=r\"(p) : \"i\"(2));\n  \
             return puts(p) < 0;\n}\n"
                .to_owned(),
        ),
        (
            "ir",
            "a.ll",
            "module asm \".section .rodata\"\nmodule asm \".globl data\"\n\
             module asm \"data: .incbin \\22d.txt\\22\"\nmodule asm \".byte 0\"\n"
                .to_owned(),
        ),
    ]
}

fn space(profile: &str) -> TestSpace {
    let space = TestSpace::new();
    space.write(
        "Tender.toml",
        format!(
            "[package]\nname = \"many\"\nflags = [\"-Wa,-Iinc/searched\"]\n[profile.release]\n{profile}\n"
        ),
    );
    space.write("d.txt", "hello");
    space.write("d2.txt", "hello");
    space.write("inc/outer.s", ".include \"inc/inner.s\"\n");
    space.write("inc/inner.s", ".incbin \"d.txt\"\n");
    space.write("inc/searched/searched.s", ".incbin \"d.txt\"\n");
    for (name, file, text) in programs() {
        space.write(&format!("src/bin/{name}/{file}"), text);
        if !file.starts_with("main.") {
            space.write(&format!("src/bin/{name}/main.c"), SAY_DATA);
        }
    }
    space
}

#[track_caller]
fn all_say(space: &TestSpace, text: &str) {
    for (name, ..) in programs() {
        assert_eq!(
            space.built(&format!("target/release/{name}")).expect_ok().stdout,
            format!("{text}\n"),
            "{name}"
        );
    }
}

/// Changes the text of all programs, and checks that each prints it, that each is linked again, and
/// nothing else is done.
#[track_caller]
fn check(profile: &str) {
    let space = space(profile);
    space.build(&["--release"]);
    all_say(&space, "hello");
    space.expect_fresh(&["--release"]);
    space.touch("d.txt", Duration::from_secs(1000));
    space.expect_fresh(&["--release"]);

    // Of the same length, because only the content counts.
    space.write("d.txt", "HELLO");
    space.write("d2.txt", "HELLO");
    let built = space.build(&["--release"]);
    all_say(&space, "HELLO");
    let linked: BTreeSet<&str> =
        built.iter().map(|one| one.unit.as_str()).filter(|unit| !unit.contains('/')).collect();
    assert_eq!(linked, programs().iter().map(|(name, ..)| *name).collect(), "{built:?}");
    assert!(
        !built.iter().any(|one| one.unit.ends_with("/main.c") && one.unit.contains("/s")),
        "{built:?}"
    );
    space.expect_fresh(&["--release"]);
}

#[test]
fn files_read_by_assembly_count() {
    check("lto = \"off\"");
}

#[test]
fn files_read_by_assembly_count_where_modules_wait() {
    check("translate = \"serial\"");
}

#[test]
fn files_read_by_assembly_count_under_thin_local() {
    check("lto = \"thin-local\"");
}

#[test]
fn files_read_by_assembly_count_under_thin() {
    check("lto = \"thin\"");
}

#[test]
fn files_read_by_assembly_count_under_fat() {
    check("lto = \"fat\"");
}

#[test]
fn files_read_by_assembly_are_named_as_the_reason() {
    let space = space("");
    space.build(&[]);
    space.write("inc/inner.s", ".ascii \"other\"\n");
    let built = space.build(&[]);
    let reasons: BTreeSet<&str> =
        built.iter().filter(|one| one.unit.contains('/')).map(|one| one.reason.as_str()).collect();
    assert_eq!(reasons, BTreeSet::from(["the file inc/inner.s has changed"]), "{built:?}");
    let units: BTreeSet<&str> =
        built.iter().map(|one| one.unit.as_str()).filter(|unit| unit.contains('/')).collect();
    assert_eq!(
        units,
        BTreeSet::from(["src/bin/file-include/main.c", "src/bin/s-include/a.s"]),
        "{built:?}"
    );
}

/// The assembler looks in the working directory, then along the search path.
#[test]
fn file_that_assembly_would_find_earlier_counts() {
    let space = TestSpace::new();
    space.write("Tender.toml", "[package]\nname = \"one\"\nflags = [\"-Ifirst\", \"-Isecond\"]\n");
    let function = "int puts(const char *);\nint main(void) {\n  const char *p;\n  \
         __asm__(\".pushsection .rodata\\n88: .incbin \\\"d.txt\\\"\\n.byte 0\\n.popsection\\nlea 88b(%%rip), %0\" : \"=r\"(p));\n  \
         return puts(p) < 0;\n}\n";
    space.write("src/bin/function/main.c", function);
    space.write("src/bin/native/a.s", format!("{HEAD}.incbin \"d.txt\"\n.byte 0\n{STACK}"));
    space.write("src/bin/native/main.c", SAY_DATA);
    space.write("second/d.txt", "second");
    let says = |text: &str| {
        for name in ["function", "native"] {
            assert_eq!(
                space.built(&format!("target/debug/{name}")).expect_ok().stdout,
                format!("{text}\n"),
                "{name}"
            );
        }
    };
    space.build(&[]);
    says("second");
    for (path, text) in [("first/d.txt", "first"), ("d.txt", "here")] {
        space.write(path, text);
        let built = space.build(&[]);
        says(text);
        for unit in ["src/bin/function/main.c", "src/bin/native/a.s"] {
            let reason = built.iter().find(|one| one.unit == unit).map(|one| one.reason.clone());
            assert_eq!(reason, Some(format!("the file {path} has appeared")), "{built:?}");
        }
        space.expect_fresh(&[]);
    }
    space.remove("d.txt");
    space.build(&[]);
    says("first");
}

/// A module that imports functions from another one reads the files of their assembly.
#[test]
fn files_read_by_assembly_count_for_every_link_that_has_it() {
    for mode in ["thin", "fat"] {
        let space = TestSpace::new();
        space.write(
            "Tender.toml",
            format!(
                "[workspace]\nmembers = [\"base\", \"one\", \"two\"]\n[profile.release]\nlto = \"{mode}\"\n"
            ),
        );
        space.write("base/Tender.toml", "[package]\nname = \"base\"\n");
        space.write("base/include/base.h", "const char *base(void);\n");
        space.write(
            "base/src/base.c",
            "#include \"base.h\"\nconst char *base(void) {\n  const char *p;\n  \
             __asm__(\".pushsection .rodata\\n88: .incbin \\\"d.txt\\\"\\n.byte 0\\n.popsection\\nlea 88b(%%rip), %0\" : \"=r\"(p));\n  \
             return p;\n}\n",
        );
        for name in ["one", "two"] {
            let package = format!(
                "[package]\nname = \"{name}\"\n[dependencies]\nbase = {{ path = \"../base\" }}\n"
            );
            space.write(&format!("{name}/Tender.toml"), package);
            space.write(
                &format!("{name}/src/main.c"),
                "#include \"base.h\"\nint puts(const char *);\nint main(void) { return puts(base()) < 0; }\n",
            );
        }
        space.write("d.txt", "old");
        space.build(&["--release"]);
        space.write("d.txt", "new");
        let built = space.build(&["--release"]);
        for name in ["one", "two"] {
            assert_eq!(
                space.built(&format!("target/release/{name}")).expect_ok().stdout,
                "new\n",
                "{mode} {built:?}"
            );
        }
        space.expect_fresh(&["--release"]);
    }
}

/// Each piece of a unit has its own assembly.
#[test]
fn files_read_by_assembly_count_in_pieces_of_a_unit() {
    let space = TestSpace::new();
    space.write("Tender.toml", "[package]\nname = \"one\"\n");
    let mut source = "int puts(const char *);\n".to_owned();
    for number in 0..4 {
        space.write(&format!("d{number}.txt"), "old");
        source += &format!(
            "__attribute__((noinline)) void say{number}(void) {{\n  const char *p;\n  \
             __asm__(\".pushsection .rodata\\n88: .incbin \\\"d{number}.txt\\\"\\n.byte 0\\n.popsection\\nlea 88b(%%rip), %0\" : \"=r\"(p));\n  \
             puts(p);\n}}\n"
        );
    }
    source += "int main(void) { say0(); say1(); say2(); say3(); return 0; }\n";
    space.write("src/main.c", source);
    let build = || {
        let mut command = space.command(&["build", "-v"]);
        command.env("TENDER_FORCE_PIECES", "4");
        space.run(command).expect_ok()
    };
    build();
    for number in 0..4 {
        space.write(&format!("d{number}.txt"), "new");
        let run = build();
        let reasons: Vec<String> = run.rebuilt().into_iter().map(|one| one.reason).collect();
        assert!(reasons.contains(&format!("the file d{number}.txt has changed")), "{run}");
        let expect = "new\n".repeat(number + 1) + &"old\n".repeat(3 - number);
        assert_eq!(space.built("target/debug/one").expect_ok().stdout, expect);
        build().expect_nothing_done();
    }
}
