//! What is refused, and that nothing is half done then.

use super::space::{greet, install, tree};
use tender_tests::{Disk, TestSpace};

#[test]
fn install_over_files_of_others_is_refused() {
    let space = greet("\"staticlib\"");
    space.write("out/include/words.h", "theirs\n");
    let refused = install(&space, "greet", "out", &[]).expect_code(101);
    refused.expect_stderr(&[
        "files that this installation did not make are in its way:\n  include/words.h\n",
        "choose another `--prefix`",
    ]);
    assert_eq!(tree(&space, "out"), ["include/words.h"]);
    install(&space, "greet", "out", &["--dry-run"]).expect_code(101);
    space.remove("out/include/words.h");
    // A directory, and a dangling link, are of others too.
    space.write("out/include/words.h/x", "");
    let refused = install(&space, "greet", "out", &[]).expect_code(101);
    refused.expect_stderr(&["include/words.h (a directory)"]);
    space.remove("out/include");
    space.write("out/include/x", "");
    std::os::unix::fs::symlink("nowhere", space.path("out/include/words.h")).unwrap();
    install(&space, "greet", "out", &[]).expect_code(101);
    assert_eq!(tree(&space, "out"), ["include/words.h", "include/x"]);
}

#[test]
fn install_over_files_of_another_crate_is_refused() {
    let space = greet("\"staticlib\"");
    space.write("two/Tender.toml", "[package]\nname = \"two\"\n[lib]\nname = \"words\"\n");
    space.write("two/include/two.h", "");
    space.write("two/src/two.c", "int two;\n");
    install(&space, "words", "out", &[]).expect_ok();
    let before = tree(&space, "out");
    let prefix = space.path("out");
    let refused = space.tender(&["-C", "two", "install", "--prefix", prefix.as_str()]);
    refused.expect_code(101).expect_stderr(&["lib/libwords.a (of the crate `words`)"]);
    assert_eq!(tree(&space, "out"), before);
}

#[test]
fn install_of_two_files_to_one_place_is_refused() {
    let space = greet("\"staticlib\"");
    space.write("ws/greet/include/words.h", "#define OTHER\n");
    let refused = install(&space, "greet", "out", &[]).expect_code(2);
    refused.expect_stderr(&["two files would be installed as `include/words.h`", "`include-dir`"]);
    assert!(!space.exists("out"));
}

#[test]
fn install_into_a_prefix_that_is_no_directory_is_refused() {
    let space = greet("\"staticlib\"");
    space.write("out", "a file");
    let refused = install(&space, "greet", "out", &[]).expect_code(101);
    refused.expect_stderr(&["cannot install to `", "not a directory"]);
    // Before anything is built.
    assert!(!space.exists("ws/target"));
    install(&space, "greet", "x", &["--libdir", "../lib"])
        .expect_code(2)
        .expect_stderr(&["is not below the prefix"]);
}

#[test]
fn install_into_a_prefix_that_cannot_be_written_is_refused() {
    let space = greet("\"staticlib\"");
    let Some(disk) = Disk::mount(&space, "out", "10m") else { return };
    disk.set_read_only(true);
    let refused = install(&space, "greet", "out", &[]).expect_code(101);
    refused.expect_stderr(&["cannot install to `", "Read-only file system", "--prefix ~/.local"]);
    assert!(!space.exists("ws/target"), "said before anything is built");
    disk.set_read_only(false);
    install(&space, "greet", "out", &[]).expect_ok();
    let before = tree(&space, "out");
    disk.set_read_only(true);
    space.tender(&["uninstall", "greet", "--prefix", "out"]).expect_code(101);
    assert_eq!(tree(&space, "out"), before);
}

#[test]
fn install_onto_a_disk_that_gets_full_leaves_nothing() {
    let space = greet("\"staticlib\", \"cdylib\"");
    space.write("ws/greet/include/greet/big.h", vec![b'\n'; 300_000]);
    let Some(disk) = Disk::mount(&space, "out", "10m") else { return };
    install(&space, "words", "out", &[]).expect_ok();
    let before = tree(&space, "out");
    let list = space.read("out/share/tender/words.json");
    disk.resize("200k");
    let refused = install(&space, "greet", "out", &[]).expect_code(101);
    refused.expect_stderr(&["cannot write `", "No space left on device"]);
    assert_eq!(tree(&space, "out"), before);
    assert_eq!(space.read("out/share/tender/words.json"), list);
    disk.resize("10m");
    install(&space, "greet", "out", &[]).expect_ok();
    assert!(space.exists("out/include/greet/big.h"));
}

#[test]
fn static_library_with_an_object_library_is_refused() {
    let space = greet("\"staticlib\"");
    space.edit("ws/words/Tender.toml", "[package]", "[lib]\ncrate-type = [\"object\"]\n[package]");
    let refused = install(&space, "greet", "out", &[]).expect_code(2);
    refused.expect_stderr(&["it needs the objects of `words`, which has no file", "whole-archive"]);
    // A shared library has them in it.
    let space = greet("\"cdylib\"");
    space.edit("ws/words/Tender.toml", "[package]", "[lib]\ncrate-type = [\"object\"]\n[package]");
    install(&space, "greet", "out", &[]).expect_ok();
    assert!(space.exists("out/lib/libgreet.so.1"));
}

#[test]
fn install_that_was_interrupted_can_be_repeated() {
    let space = greet("\"staticlib\"");
    install(&space, "words", "out", &[]).expect_ok();
    // As if it had been killed before it renamed all files: the list names those of before and
    // after.
    let list = space.read("out/share/tender/words.json");
    let archive = list.find("lib/libwords.a").unwrap();
    let entry = &list[list[..archive].rfind('{').unwrap()..];
    let entry = &entry[..entry.find('}').unwrap() + 1];
    let old = entry.replace("\"blake3\": \"", "\"blake3\": \"00");
    space.write("out/share/tender/words.json", list.replace(entry, &format!("{entry},\n{old}")));
    space.write("out/lib/.tender-new-0123456789abcdef", "half of a fi");
    space.remove("out/lib/pkgconfig/words.pc");
    install(&space, "words", "out", &[]).expect_ok();
    space.tender(&["uninstall", "words", "--prefix", "out"]).expect_ok();
    assert_eq!(tree(&space, "out"), ["lib/.tender-new-0123456789abcdef"]);
}

#[test]
fn list_that_is_damaged_is_named() {
    let space = greet("\"staticlib\"");
    install(&space, "words", "out", &[]).expect_ok();
    let list = space.read("out/share/tender/words.json");
    space.write("precious", "x");
    for damaged in [
        "{".to_owned(),
        list.replace("lib/libwords.a", "../precious"),
        list.replace("\"format\": 1", "\"format\": 9"),
    ] {
        space.write("out/share/tender/words.json", damaged);
        for words in [
            &["-C", "ws", "install", "-p", "words", "--prefix", "../out"][..],
            &["uninstall", "words", "--prefix", "out"],
        ] {
            let run = space.tender(words).expect_code(101);
            assert!(run.stderr.contains("words.json"), "{run}");
        }
    }
    assert!(space.exists("precious") && space.exists("out/lib/libwords.a"));
}

#[test]
fn install_of_nothing_is_refused() {
    let space = TestSpace::new();
    space.write("Tender.toml", "[package]\nname = \"parts\"\n[lib]\ncrate-type = [\"object\"]\n");
    space.write("src/a.c", "int a;\n");
    let refused = space.tender(&["install", "--prefix", "out"]).expect_code(2);
    refused.expect_stderr(&[
        "there is nothing to install: `parts` has no programs, libraries or headers",
    ]);
    assert!(!space.exists("out"));
}
