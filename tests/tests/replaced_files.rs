//! Files whose content changes while size and modification time stay: `cp -p`, `mv`, `rsync -t`,
//! `tar`, checkouts with constant times. Also the opposite: changes of a file's state without a
//! change of content.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::{Duration, SystemTime};
use tender_tests::TestSpace;

/// All files have the same time, as in a checkout with constant times.
fn epoch() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1)
}

const FILES: [&str; 4] = ["src/main.c", "src/value.h", "src/part.s", "input.txt"];

fn space() -> TestSpace {
    let space = TestSpace::new();
    space.write(
        "Tender.toml",
        "[package]\nname = \"app\"\n[[generate]]\nrun = [\"cp\", \"input.txt\", \"made.h\"]\n\
         inputs = [\"input.txt\"]\noutputs = [\"made.h\"]\n",
    );
    write(&space, "", 1);
    space
}

/// The sources below `dir`, of the same size for each digit.
fn write(space: &TestSpace, dir: &str, digit: u8) {
    let at = |path: &str| format!("{dir}{path}");
    space.write(
        &at("src/main.c"),
        format!(
            "#include <stdio.h>\n#include \"value.h\"\n#include \"../made.h\"\nint part(void);\n\
             int main(void) {{ printf(\"%d %d %d %d\\n\", {digit}, VALUE, MADE, part()); return 0; }}\n"
        ),
    );
    space.write(&at("src/value.h"), format!("#define VALUE {digit}\n"));
    space.write(&at("input.txt"), format!("#define MADE {digit}\n"));
    space.write(
        &at("src/part.s"),
        format!(".globl part\npart:\n movl ${digit}, %eax\n ret\n.section .note.GNU-stack,\"\",@progbits\n"),
    );
    for file in FILES {
        space.set_mtime(&at(file), epoch());
    }
}

fn says(space: &TestSpace) -> String {
    space.tender(&["build", "-q"]).expect_ok();
    space.built("target/debug/app").expect_ok().stdout
}

fn shell(space: &TestSpace, script: &str) {
    let done = Command::new("sh").args(["-ec", script]).current_dir(space.root()).status().unwrap();
    assert!(done.success(), "{script}");
}

/// Builds, replaces files with `script` by others of the same sizes and times, and builds again:
/// twice, so that the stamps of the second build are tested too. `@` stands for each file in turn.
#[track_caller]
fn check(script: &str) {
    let space = space();
    assert_eq!(says(&space), "1 1 1 1\n");
    for digit in [2, 3] {
        write(&space, "new/", digit);
        for file in FILES {
            shell(&space, &script.replace('@', file));
            assert_eq!(space.mtime(file), epoch());
        }
        assert_eq!(says(&space), format!("{digit} {digit} {digit} {digit}\n"), "{script}");
        space.expect_fresh(&[]);
    }
}

#[test]
fn copies_that_keep_times_are_seen() {
    check("cp -p new/@ @");
    check("cp -p --remove-destination new/@ @");
}

#[test]
fn files_that_are_moved_in_are_seen() {
    check("mv new/@ @");
    check("mv @ @.old; mv new/@ @");
    check("cp -p new/@ @.tmp; mv @.tmp @");
}

#[test]
fn unpacked_files_are_seen() {
    check("tar -C new -cf - @ | tar -xf -");
    check("tar -C new -cf - @ | tar -x --overwrite -f -");
}

#[test]
fn files_that_are_written_over_and_set_back_are_seen() {
    check("cat new/@ > @; touch -d @1 @".replace("@1", "1970-01-01T00:00:01Z").as_str());
    check("dd if=new/@ of=@ conv=notrunc status=none; touch -r new/@ @");
}

#[test]
fn links_to_other_files_are_seen() {
    check("ln -f new/@ @");
    check("ln -sf \"$PWD/new/@\" @");
}

#[test]
fn output_that_was_replaced_is_rebuilt() {
    let space = space();
    assert_eq!(says(&space), "1 1 1 1\n");
    for path in ["target/debug/app", "target/debug/.tender/app/obj/bin-app/src/main.c.o", "made.h"]
    {
        let was = space.read_bytes(path);
        let time = space.mtime(path);
        space.write(path, vec![b'x'; was.len()]);
        space.set_mtime(path, time);
        space.tender(&["build", "-q"]).expect_ok();
        assert!(space.read_bytes(path) == was, "{path} is stale");
    }
}

#[test]
fn changes_that_leave_contents_alone_rebuild_nothing() {
    let space = space();
    assert_eq!(says(&space), "1 1 1 1\n");
    for file in FILES {
        std::fs::set_permissions(space.path(file), std::fs::Permissions::from_mode(0o640)).unwrap();
        space.expect_fresh(&[]);
        std::fs::hard_link(space.path(file), space.path(&format!("{file}.link"))).unwrap();
        space.expect_fresh(&[]);
        shell(&space, &format!("cp {file} {file}.copy; mv {file}.copy {file}"));
        space.expect_fresh(&[]);
        space.touch(file, Duration::ZERO);
        space.expect_fresh(&[]);
    }
    std::fs::set_permissions(
        space.path("target/debug/app"),
        std::fs::Permissions::from_mode(0o700),
    )
    .unwrap();
    space.expect_fresh(&[]);
}
