//! Exceptions, run-time types and static initialisers of a program that is cut.

use crate::{MODES, build_cut, workspace};
use tender_tests::TestSpace;
use tender_tests::libraries::{Session, build_with_clang, expect_same};

const SOURCES: [(&str, &str); 3] = [
    ("kinds.h", include_str!("kinds.h")),
    ("kinds.cc", include_str!("kinds.cc")),
    ("throws.cc", include_str!("throws.cc")),
];

/// The whole output, and each way in which the program ends early.
fn report(space: &TestSpace, name: &str, programs: &str) -> String {
    let mut session = Session::new(space, name, &space.path(programs));
    for words in
        [&[][..], &["unhandled"], &["noexcept"], &["in-flight"], &["rethrow-nothing"], &["other"]]
    {
        session.run("app", words, None);
    }
    session.finish()
}

/// Two numbers of pieces for each mode, which differ by level.
fn check(level: u32, pieces: [[u32; 2]; 4]) {
    let profile = |mode: &str| {
        format!("[profile.{mode}]\ninherits = \"release\"\nopt-level = {level}\nlto = \"{mode}\"\n")
    };
    let space = workspace(&SOURCES, &MODES.map(profile).concat());
    let mut expect = None;
    for (mode, pieces) in MODES.into_iter().zip(pieces) {
        for pieces in pieces {
            build_cut(&space, mode, pieces, &["kinds.cc", "throws.cc"]);
            let expect = expect.get_or_insert_with(|| {
                build_with_clang(&space, mode, "clang");
                let report = report(&space, "clang", "clang/programs");
                assert!(
                    report.contains("exit priority 500 1\n")
                        && report.contains("terminated by derived\n"),
                    "{report}"
                );
                report
            });
            let found = report(&space, mode, &format!("target/{mode}"));
            expect_same(&format!("-O{level}, {mode}, {pieces} pieces"), expect, &found);
        }
    }
}

#[test]
fn exceptions_without_optimisation() {
    check(0, [[2, 9], [3, 7], [5, 8], [4, 6]]);
}

#[test]
fn exceptions_with_optimisation() {
    check(2, [[3, 8], [2, 9], [4, 7], [5, 6]]);
}
