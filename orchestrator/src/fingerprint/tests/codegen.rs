//! Cutting, link-time optimisation, and archives that a build does without.

use super::*;
use tender_protocol::{Cut, Lto as UnitLto, LtoArchive, LtoLibrary, LtoLink};

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| word.to_string()).collect()
}

fn compile(space: &mut Space, change: impl FnOnce(&mut Option<Cut>, &mut UnitLto)) {
    match &mut space.graph.items[UNIT.0 as usize].run {
        Run::Worker(Work::Compile { cut, lto, .. }) => change(cut, lto),
        other => panic!("{other:?}"),
    }
}

#[test]
fn codegen_settings_of_the_profile_are_a_reason() {
    let set = |space: &mut Space, units: u32, lto: UnitLto, profile: &[&str]| {
        compile(space, |cut, of| {
            *cut = (units > 1).then(|| Cut { units, suffix: "0123".into(), forced: false });
            *of = lto;
        });
        space.graph.items[UNIT.0 as usize].ingredients.profile = words(profile);
    };
    let mut space = space();
    set(&mut space, 8, UnitLto::Off, &["codegen-units=8"]);
    space.build();
    let mut check = |units, lto, profile: &[&str], added: &[&str], removed: &[&str]| {
        set(&mut space, units, lto, profile);
        let (added, removed) = (words(added), words(removed));
        assert_eq!(space.check(UNIT), dirty(RebuildReason::ProfileChanged { added, removed }));
        // The pretended worker makes the same object of it, so nothing else is to do.
        assert_eq!(space.build(), [(UNIT, "profile-changed")]);
        assert_eq!(space.build(), []);
    };
    let thin = &["codegen-units=8", "lto=thin"];
    check(4, UnitLto::Off, &["codegen-units=4"], &["codegen-units=4"], &["codegen-units=8"]);
    check(1, UnitLto::Off, &["codegen-units=1"], &["codegen-units=1"], &["codegen-units=4"]);
    check(8, UnitLto::Thin, thin, thin, &["codegen-units=1"]);
    check(8, UnitLto::Fat, &["codegen-units=8", "lto=fat"], &["lto=fat"], &["lto=thin"]);
    check(8, UnitLto::Off, &["codegen-units=8"], &[], &["lto=fat"]);
}

#[test]
fn suffix_change_is_a_reason() {
    let mut space = space();
    compile(&mut space, |cut, _| {
        *cut = Some(Cut { units: 8, suffix: "0123".into(), forced: false })
    });
    space.build();
    compile(&mut space, |cut, _| {
        *cut = Some(Cut { units: 8, suffix: "4567".into(), forced: false })
    });
    assert_eq!(space.build(), [(UNIT, "command-changed")]);
}

#[test]
fn translate_setting_is_no_reason() {
    let mut space = space();
    space.build();
    space.graph.profile.translate = Translate::Serial;
    assert_eq!(space.build(), []);
}

/// `space` with a program in the place of the archive, linked from the library's one member.
fn linked() -> Space {
    let mut space = space();
    let link = &mut space.graph.items[ARCHIVE.0 as usize];
    link.kind = ItemKind::Program;
    let lto = LtoLink {
        mode: UnitLto::Thin,
        opt_level: 2,
        work_dir: "lto".into(),
        libraries: vec![LtoLibrary {
            word: "libzip.a".into(),
            krate: "zip".into(),
            members: vec![Member { name: "a.o".into(), path: "a.o".into() }],
        }],
    };
    let args = words(&["libzip.a"]);
    let driver = words(&["cc"]);
    link.run = Run::Worker(Work::Link { driver, args, output: "lib.a".into(), lto: Some(lto) });
    link.ingredients = Ingredients {
        own: words(&["a.o"]),
        profile: words(&["lto=thin", "opt-level=2"]),
        interfaces: vec![],
    };
    space
}

fn link_of(space: &mut Space) -> (&mut LtoLink, &mut Ingredients) {
    let item = &mut space.graph.items[ARCHIVE.0 as usize];
    match &mut item.run {
        Run::Worker(Work::Link { lto: Some(lto), .. }) => (lto, &mut item.ingredients),
        other => panic!("{other:?}"),
    }
}

#[test]
fn lto_members_are_inputs_of_the_link() {
    let space = linked();
    space.build();
    space.write("a.c", "source// and a comment");
    assert_eq!(space.build(), [(UNIT, "input-changed")]);
    space.write("a.c", "another source");
    assert_eq!(space.build(), [(UNIT, "input-changed"), (ARCHIVE, "input-changed")]);
    assert_eq!(space.build(), []);
    space.remove("a.o");
    assert_eq!(space.check(ARCHIVE), dirty(RebuildReason::InputMissing { path: "a.o".into() }));
}

#[test]
fn lto_members_of_a_link_are_a_reason() {
    #[track_caller]
    fn check(change: fn(&mut LtoLink, &mut Ingredients), expect: RebuildReason) {
        let mut space = linked();
        space.build();
        let (lto, ingredients) = link_of(&mut space);
        change(lto, ingredients);
        assert_eq!(space.check(ARCHIVE), dirty(expect));
        assert_eq!(space.build().len(), 1);
        assert_eq!(space.build(), []);
    }
    let command =
        |added: &[&str]| RebuildReason::CommandChanged { added: words(added), removed: vec![] };
    check(
        |lto, ingredients| {
            lto.mode = UnitLto::Fat;
            ingredients.profile[0] = "lto=fat".into();
        },
        RebuildReason::ProfileChanged { added: words(&["lto=fat"]), removed: words(&["lto=thin"]) },
    );
    check(
        |lto, ingredients| {
            lto.opt_level = 3;
            ingredients.profile[1] = "opt-level=3".into();
        },
        RebuildReason::ProfileChanged {
            added: words(&["opt-level=3"]),
            removed: words(&["opt-level=2"]),
        },
    );
    check(
        |lto, ingredients| {
            lto.libraries[0].members.push(Member { name: "b.o".into(), path: "b.o".into() });
            ingredients.own.push("b.o".into());
        },
        command(&["b.o"]),
    );
    check(|lto, _| lto.libraries[0].members[0].name = "c.o".into(), command(&[]));
    check(|lto, _| lto.work_dir = "elsewhere".into(), command(&[]));
    check(|lto, _| lto.libraries.clear(), command(&[]));
}

/// The archive is one that builds do without.
fn without_archive(space: &mut Space) {
    space.graph.unbuilt_archives = vec![space.graph[ARCHIVE].clone()];
}

fn build_without_archive(space: &Space) {
    let mut state = space.open();
    if state.check(&space.graph, UNIT) != Freshness::Fresh {
        space.run(&mut state, UNIT);
    }
    state.remove_outdated(&space.graph).unwrap();
    state.close().unwrap();
}

#[test]
fn unmade_archive_stays_while_it_is_up_to_date() {
    let mut space = space();
    space.build();
    without_archive(&mut space);
    build_without_archive(&space);
    space.write("a.c", "source// and a comment");
    build_without_archive(&space);
    assert!(space.root.join("lib.a").exists());

    space.write("a.c", "another source");
    build_without_archive(&space);
    assert!(!space.root.join("lib.a").exists());
    // Whoever puts one there again: it would pass for what the sources make.
    space.write("lib.a", "other");
    build_without_archive(&space);
    assert!(!space.root.join("lib.a").exists());

    assert_eq!(space.build(), [(ARCHIVE, "not-finished")]);
    assert_eq!(space.build(), []);
    build_without_archive(&space);
    assert!(space.root.join("lib.a").exists());
}

#[test]
fn unmade_archive_of_another_mode_is_removed_once() {
    let mut space = space();
    space.build();
    without_archive(&mut space);
    match &mut space.graph.unbuilt_archives[0].run {
        Run::Worker(Work::Archive { lto, .. }) => {
            *lto = Some(LtoArchive { mode: UnitLto::Thin, opt_level: 2, work_dir: "lto".into() });
        }
        other => panic!("{other:?}"),
    }
    build_without_archive(&space);
    assert!(!space.root.join("lib.a").exists());
    // A file that was written just before it was read is read again once: 20 ms later its stamp is
    // trusted, which is recorded.
    std::thread::sleep(std::time::Duration::from_millis(30));
    build_without_archive(&space);
    let state = fs::read(space.graph.state_dir.join("state")).unwrap();
    build_without_archive(&space);
    assert_eq!(fs::read(space.graph.state_dir.join("state")).unwrap(), state);
}

#[test]
fn unmade_archive_that_no_build_made_is_not_touched() {
    let mut space = space();
    without_archive(&mut space);
    space.write("lib.a", "mine");
    build_without_archive(&space);
    assert_eq!(fs::read_to_string(space.root.join("lib.a")).unwrap(), "mine");
}

#[test]
fn unmade_archive_that_cannot_be_removed_is_an_error() {
    let mut space = space();
    space.build();
    without_archive(&mut space);
    space.graph.unbuilt_archives[0].outputs = vec!["inc".into()];
    space.write("a.c", "another source");
    let mut state = space.open();
    space.run(&mut state, UNIT);
    let error = state.remove_outdated(&space.graph).unwrap_err().to_string();
    assert!(error.contains("/inc cannot be removed"), "{error}");
}
