//! Change -> reason, on real files, with a pretended worker.

mod codegen;

use super::files::{hash_file, stamp_of};
use super::store::Store;
use super::*;
use crate::environment::Variables;
use crate::graph::{Command, Graph, Ingredients, Item, ItemKind, Program, Run};
use crate::keys::ItemId;
use crate::manifest::{CrateId, DebugInfo, Profile, Translate};
use camino::{Utf8Path, Utf8PathBuf};
use std::fs::{self, File};
use std::time::{Duration, SystemTime};
use tender_protocol::{
    Diagnostic, FileTime, InputFile, ItemReport, Language, Level, Member, Outcome, OutputFile,
    PlanId, Work,
};
use tender_units::{Bytes, Micros};

const UNIT: ItemId = ItemId(0);
const ARCHIVE: ItemId = ItemId(1);
const GENERATE: ItemId = ItemId(2);

struct Space {
    _dir: tempfile::TempDir,
    root: Utf8PathBuf,
    graph: Graph,
}

/// A unit `a.c` that includes `inc/a.h`, which was looked for in `first/` before; its archive; a
/// command that makes `out.h` from `in.txt`. All files are an hour old.
fn space() -> Space {
    let dir = tempfile::tempdir().unwrap();
    let root = Utf8PathBuf::from_path_buf(dir.path().canonicalize().unwrap()).unwrap();
    let state_dir = root.join("target/debug/.tender");
    let profile = Profile { debug: DebugInfo::None, ..Profile::dev() };
    let item = |key: &str, kind, run, inputs: &[&str], outputs: &[&str], after: &[ItemId]| Item {
        krate: CrateId(0),
        krate_name: "one".into(),
        host: false,
        kind,
        key: key.into(),
        label: key.into(),
        after: after.to_vec(),
        run,
        program: None,
        inputs: inputs.iter().map(Into::into).collect(),
        outputs: outputs.iter().map(Into::into).collect(),
        ingredients: Ingredients { own: vec![], profile: vec![], interfaces: vec![] },
        size: 0,
    };
    let compile = Work::Compile {
        source: "a.c".into(),
        language: Language::C,
        args: vec![],
        object: "a.o".into(),
        cut: None,
        lto: Default::default(),
        share: None,
        translation: None,
    };
    let archive = Work::Archive {
        output: "lib.a".into(),
        members: vec![Member { name: "a.o".into(), path: "a.o".into() }],
        lto: None,
    };
    let command = Command {
        words: vec!["gen".into()],
        shown: None,
        dir: root.clone(),
        env: vec![],
        depfile: None,
        retry: false,
    };
    let graph = Graph {
        root: root.clone(),
        host_profile: Profile::dev(),
        profile,
        out_dir: root.join("target/debug"),
        state_dir,
        items: vec![
            item("one lib a.c", ItemKind::Compile, Run::Worker(compile), &["a.c"], &["a.o"], &[]),
            item(
                "one archive",
                ItemKind::Archive,
                Run::Worker(archive),
                &["a.o"],
                &["lib.a"],
                &[UNIT],
            ),
            item(
                "one generate",
                ItemKind::Generate,
                Run::Command(command),
                &["in.txt"],
                &["out.h"],
                &[],
            ),
        ],
        artifacts: vec![],
        modules: vec![],
        unbuilt_archives: vec![],
        unscanned: vec![],
    };
    let space = Space { _dir: dir, root, graph };
    for (path, text) in
        [("a.c", "source"), ("inc/a.h", "header"), ("in.txt", "input"), ("worker", "worker")]
    {
        space.write(path, text);
    }
    space
}

impl Space {
    fn write(&self, path: &str, text: &str) {
        let path = self.root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        self.age(path.as_str(), 3600);
    }

    fn remove(&self, path: &str) {
        fs::remove_file(self.root.join(path)).unwrap();
    }

    fn age(&self, path: &str, seconds: u64) {
        let then = SystemTime::now() - Duration::from_secs(seconds) + Duration::from_nanos(1);
        File::options().write(true).open(self.root.join(path)).unwrap().set_modified(then).unwrap();
    }

    fn mtime_s(&self, path: &str) -> i64 {
        let modified = fs::metadata(self.root.join(path)).unwrap().modified().unwrap();
        modified.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() as i64
    }

    fn open(&self) -> Fingerprints {
        let mut state = self.open_with("worker", &[]);
        state.tool_said("22.1.8", &[]);
        state
    }

    fn open_with(&self, worker: &str, variables: &[(&str, &str)]) -> Fingerprints {
        let variables = Variables::new(variables.iter().copied());
        Fingerprints::open(&self.root, &self.graph.state_dir, &self.root.join(worker), variables)
            .unwrap()
    }

    /// Without a word from a worker, as in a build that does nothing.
    fn check(&self, ix: ItemId) -> Freshness {
        let mut state = self.open_with("worker", &[]);
        let freshness = state.check(&self.graph, ix);
        state.close().unwrap();
        freshness
    }

    fn run(&self, state: &mut Fingerprints, ix: ItemId) {
        state.begin(&self.graph, ix).unwrap();
        self.record(state, ix);
    }

    /// What is left to do of an item that has begun.
    fn record(&self, state: &mut Fingerprints, ix: ItemId) {
        let (inputs, missing, output) = match ix {
            UNIT if self.root.join("first/a.h").exists() => {
                (vec!["a.c", "first/a.h"], vec![], "a.o")
            }
            UNIT => (vec!["a.c", "inc/a.h"], vec!["first/a.h"], "a.o"),
            // Workers do not read objects again to say what they are.
            ARCHIVE => (vec![], vec![], "lib.a"),
            _ => (vec![], vec![], "out.h"),
        };
        self.record_reads(state, ix, inputs, missing, output);
    }

    fn record_reads(
        &self,
        state: &mut Fingerprints,
        ix: ItemId,
        inputs: Vec<&str>,
        missing: Vec<&str>,
        output: &str,
    ) {
        let content = |path: &str| hash_file(&self.root.join(path)).unwrap();
        let inputs: Vec<InputFile> = inputs
            .into_iter()
            .map(|path| {
                let (stamp, hash) = content(path);
                InputFile { path: path.into(), stamp, hash: blake3::Hash::from(hash).to_string() }
            })
            .collect();
        // Comments do not change an object.
        let source = fs::read_to_string(self.root.join("a.c")).unwrap();
        fs::write(self.root.join(output), source.split("//").next().unwrap()).unwrap();
        let (stamp, hash) = content(output);
        let at_us = crate::sys::now_us();
        let report = match self.graph[ix].run {
            Run::Command(_) => {
                state.command_report(&self.graph, ix, Outcome::Ok, at_us, Micros(10)).unwrap()
            }
            Run::Worker(_) => ItemReport {
                programs: vec![],
                plan: PlanId(0),
                item: ItemId(0),
                outcome: Outcome::Ok,
                at_us,
                wall_us: Micros(10),
                busy_us: Micros(0),
                peak_bytes: Bytes(5),
                piece_peak_bytes: Bytes(0),
                inputs,
                missing: missing.into_iter().map(str::to_owned).collect(),
                dated: match source.contains("__TIMESTAMP__") {
                    true => vec![FileTime { path: "a.c".into(), mtime_s: self.mtime_s("a.c") }],
                    false => Vec::new(),
                },
                precompiled: Vec::new(),
                variables: vec![],
                outputs: vec![OutputFile {
                    path: output.into(),
                    stamp,
                    hash: blake3::Hash::from(hash).to_string(),
                }],
            },
        };
        state.record(&self.graph, ix, &report, &[]).unwrap();
    }

    /// Builds what is dirty and says what that was.
    fn build(&self) -> Vec<(ItemId, &'static str)> {
        let mut state = self.open();
        let mut ran = Vec::new();
        for ix in [UNIT, ARCHIVE, GENERATE] {
            if let Freshness::Dirty(reason) = state.check(&self.graph, ix) {
                self.run(&mut state, ix);
                ran.push((ix, reason.kind()));
            }
        }
        state.close().unwrap();
        ran
    }

    fn ingredients(&mut self, ix: ItemId) -> &mut Ingredients {
        // What the words are taken from changes with them.
        if let Run::Worker(Work::Compile { args, .. }) = &mut self.graph.items[ix.0 as usize].run {
            args.push("-changed".into());
        }
        &mut self.graph.items[ix.0 as usize].ingredients
    }
}

fn dirty(reason: RebuildReason) -> Freshness {
    Freshness::Dirty(reason)
}

#[test]
fn readers_of_files_are_those_that_have_read_them() {
    let space = space();
    space.build();
    let state = space.open();
    let readers = |names: &[&str]| {
        let files = names.iter().map(|name| space.root.join(name)).collect();
        let mut readers: Vec<u32> =
            state.readers_of(&space.graph, &files).into_iter().map(|item| item.0).collect();
        readers.sort_unstable();
        readers
    };
    assert_eq!(readers(&["inc/a.h"]), [UNIT.0]);
    assert_eq!(readers(&["in.txt", "a.c", "other/a.c"]), [UNIT.0, GENERATE.0]);
    // The same name elsewhere, and what nobody has read.
    fs::create_dir_all(space.root.join("other")).unwrap();
    fs::write(space.root.join("other/a.h"), "").unwrap();
    assert_eq!(readers(&["other/a.h", "worker"]), [0; 0]);
    // So many that everything is judged anyway.
    let many: Vec<String> = (0..99).map(|number| format!("{number}.c")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).chain(["a.c"]).collect();
    assert_eq!(readers(&many), [0; 0]);
    let all = space.graph.items.iter().flat_map(|item| state.known_inputs(item)).collect();
    assert_eq!(state.all_known_inputs(&space.graph), all);
}

#[test]
fn reason_of_each_change() {
    let check = |change: fn(&mut Space), ix: ItemId, expect: RebuildReason| {
        let mut space = space();
        assert_eq!(space.build(), [(UNIT, "new"), (ARCHIVE, "new"), (GENERATE, "new")]);
        for ix in [UNIT, ARCHIVE, GENERATE] {
            assert_eq!(space.check(ix), Freshness::Fresh, "{}", space.graph[ix].key);
        }
        change(&mut space);
        assert_eq!(space.check(ix), dirty(expect.clone()));
        space.build();
        assert_eq!(space.build(), [], "{expect:?} is not cured by a build");
    };
    let path = |path: &str| path.to_owned();
    let changed = |p: &str| RebuildReason::InputChanged { path: path(p) };
    let appeared = |p: &str| RebuildReason::InputAppeared { path: path(p) };
    check(|s| s.write("a.c", "other"), UNIT, changed("a.c"));
    check(|s| s.write("inc/a.h", "header, longer"), UNIT, changed("inc/a.h"));
    check(|s| s.write("in.txt", "other"), GENERATE, changed("in.txt"));
    check(|s| s.write("first/a.h", "in the way"), UNIT, appeared("first/a.h"));
    check(|s| s.remove("a.o"), UNIT, RebuildReason::OutputMissing { path: path("a.o") });
    check(|s| s.write("a.o", "tampered"), UNIT, RebuildReason::OutputChanged { path: path("a.o") });
    check(
        |s| s.write("lib.a", "tampered"),
        ARCHIVE,
        RebuildReason::OutputChanged { path: path("lib.a") },
    );
    check(|s| s.remove("out.h"), GENERATE, RebuildReason::OutputMissing { path: path("out.h") });
    check(
        |s| s.ingredients(UNIT).own.push("-DX".into()),
        UNIT,
        RebuildReason::CommandChanged { added: vec!["-DX".into()], removed: vec![] },
    );
    check(
        |s| s.ingredients(UNIT).profile.push("-O2".into()),
        UNIT,
        RebuildReason::ProfileChanged { added: vec!["-O2".into()], removed: vec![] },
    );
    check(
        |s| s.ingredients(UNIT).interfaces.push(("zlib".into(), vec!["-Iz".into()])),
        UNIT,
        RebuildReason::DependencyInterface { dependency: "zlib".into() },
    );
    check(
        |s| {
            s.write("in2.txt", "");
            s.graph.items[2].inputs.push("in2.txt".into());
        },
        GENERATE,
        appeared("in2.txt"),
    );
}

/// What the state file numbers first is whatever ended first.
#[test]
fn reason_does_not_depend_on_the_order_of_reported_files() {
    let reason = |told: &[&str], missing: &[&str], change: &dyn Fn(&Space)| {
        let space = space();
        for path in told {
            space.write(path, "was");
        }
        let mut state = space.open();
        state.begin(&space.graph, UNIT).unwrap();
        space.record_reads(&mut state, UNIT, [&["a.c"], told].concat(), missing.to_vec(), "a.o");
        state.close().unwrap();
        assert_eq!(space.check(UNIT), Freshness::Fresh);
        change(&space);
        space.check(UNIT)
    };
    let orders = [["b.h", "a.h"], ["a.h", "b.h"]];
    for order in orders {
        let both =
            |s: &Space| ["b.h", "a.h"].iter().for_each(|path| s.write(path, "is, and longer"));
        let changed = RebuildReason::InputChanged { path: "a.h".into() };
        assert_eq!(reason(&order, &[], &both), dirty(changed));
        let gone = |s: &Space| ["b.h", "a.h"].iter().for_each(|path| s.remove(path));
        assert_eq!(
            reason(&order, &[], &gone),
            dirty(RebuildReason::InputMissing { path: "a.h".into() })
        );
    }
    for order in [["new", "new/a.h", "new/b.h"], ["new/b.h", "new/a.h", "new"]] {
        let all = |s: &Space| ["new/b.h", "new/a.h"].iter().for_each(|path| s.write(path, "is"));
        let appeared = RebuildReason::InputAppeared { path: "new/a.h".into() };
        assert_eq!(
            reason(&[], &order, &all),
            dirty(appeared),
            "the file tells more than its directory"
        );
    }
}

#[test]
fn manifest_inputs_of_a_unit_count() {
    let mut space = space();
    space.write("data/one.txt", "1");
    space.graph.items[0].inputs.push("data/one.txt".into());
    space.build();
    assert_eq!(space.check(UNIT), Freshness::Fresh);
    space.age("data/one.txt", 7200);
    assert_eq!(space.check(UNIT), Freshness::Fresh);
    space.write("data/one.txt", "2");
    assert_eq!(
        space.check(UNIT),
        dirty(RebuildReason::InputChanged { path: "data/one.txt".into() })
    );
    space.build();
    // The pattern matches more files.
    space.write("data/two.txt", "1");
    space.graph.items[0].inputs.push("data/two.txt".into());
    assert_eq!(
        space.check(UNIT),
        dirty(RebuildReason::InputAppeared { path: "data/two.txt".into() })
    );
    space.build();
    assert_eq!(space.check(UNIT), Freshness::Fresh);
    // And fewer.
    space.remove("data/one.txt");
    space.graph.items[0].inputs.remove(1);
    assert_eq!(
        space.check(UNIT),
        dirty(RebuildReason::InputMissing { path: "data/one.txt".into() })
    );
    space.build();
    assert_eq!(space.check(UNIT), Freshness::Fresh);
}

#[test]
fn manifest_input_is_recorded_as_it_was_when_the_unit_began() {
    let mut space = space();
    space.write("data.txt", "before");
    space.graph.items[0].inputs.push("data.txt".into());
    let mut state = space.open();
    state.begin(&space.graph, UNIT).unwrap();
    space.write("data.txt", "after!");
    space.age("data.txt", 1800);
    space.record(&mut state, UNIT);
    state.close().unwrap();
    assert_eq!(space.check(UNIT), dirty(RebuildReason::InputChanged { path: "data.txt".into() }));
}

#[test]
fn times_count_where_they_are_in_the_output() {
    let space = space();
    space.write("a.c", "const char *when = __TIMESTAMP__;");
    space.build();
    assert_eq!(space.check(UNIT), Freshness::Fresh);
    space.age("inc/a.h", 7200);
    assert_eq!(space.check(UNIT), Freshness::Fresh);
    space.age("a.c", 7200);
    assert_eq!(space.check(UNIT), dirty(RebuildReason::InputTimeChanged { path: "a.c".into() }));
    space.build();
    assert_eq!(space.check(UNIT), Freshness::Fresh);
}

#[test]
fn header_that_was_deleted_is_a_reason() {
    let space = space();
    space.build();
    space.remove("inc/a.h");
    assert_eq!(space.check(UNIT), dirty(RebuildReason::InputMissing { path: "inc/a.h".into() }));
}

#[test]
fn contents_decide_not_times() {
    let space = space();
    space.build();
    for path in ["a.c", "inc/a.h", "a.o", "lib.a", "in.txt", "out.h", "worker"] {
        space.age(path, 7200);
    }
    assert_eq!(space.build(), []);
    // The new stamps are kept, so that files need not be read again, as soon as they are old enough
    // to be believed.
    let known = || {
        let store = Store::open(&space.graph.state_dir.join("state"));
        let mut ids = 0..store.tables.texts() as u32;
        let id = ids.find(|id| store.tables.text(*id) == "a.c").unwrap();
        store.tables.observed(id).unwrap()
    };
    let stamp = stamp_of(&space.root.join("a.c")).unwrap();
    while !known().trusted {
        std::thread::sleep(Duration::from_millis(5));
        assert_eq!(space.build(), []);
    }
    assert_eq!(known().stamp, stamp);
}

#[test]
fn content_with_the_size_and_time_of_another_is_noticed() {
    let space = space();
    space.build();
    let path = space.root.join("a.c");
    let set_back = |text: &str, then: SystemTime, path: &Utf8Path| {
        fs::write(path, text).unwrap();
        File::options().write(true).open(path).unwrap().set_modified(then).unwrap();
    };
    for (round, in_place) in [true, false, true].into_iter().enumerate() {
        let then = fs::metadata(&path).unwrap().modified().unwrap();
        let text = format!("other{round}");
        assert_eq!(text.len(), "source".len());
        if in_place {
            set_back(&text, then, &path);
        } else {
            let other = space.root.join("b.c");
            set_back(&text, then, &other);
            fs::rename(&other, &path).unwrap();
        }
        assert_eq!(space.check(UNIT), dirty(RebuildReason::InputChanged { path: "a.c".into() }));
        assert_eq!(space.build(), [(UNIT, "input-changed"), (ARCHIVE, "input-changed")]);
    }
    // The same of outputs.
    let output = space.root.join("out.h");
    let then = fs::metadata(&output).unwrap().modified().unwrap();
    let size = fs::metadata(&output).unwrap().len() as usize;
    set_back(&"x".repeat(size), then, &output);
    assert_eq!(space.check(GENERATE), dirty(RebuildReason::OutputChanged { path: "out.h".into() }));
}

#[test]
fn mode_or_hard_link_is_no_reason() {
    use std::os::unix::fs::PermissionsExt;
    let space = space();
    space.build();
    for path in ["a.c", "inc/a.h", "a.o", "lib.a", "in.txt", "out.h"] {
        let path = space.root.join(path);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(space.build(), []);
        fs::hard_link(&path, format!("{path}.link")).unwrap();
        assert_eq!(space.build(), []);
    }
}

#[test]
fn program_counts_by_its_content_and_by_where_its_name_leads() {
    let mut space = space();
    let program = |space: &Space, path: Option<&str>| Program {
        name: "gen".into(),
        path: path.map(|path| space.root.join(path)),
    };
    space.write("one/gen", "#!/bin/sh one");
    space.write("two/gen", "#!/bin/sh one");
    space.graph.items[2].program = Some(program(&space, Some("one/gen")));
    space.build();
    assert_eq!(space.check(GENERATE), Freshness::Fresh);
    space.write("one/gen", "#!/bin/sh two");
    let one = space.root.join("one/gen").into_string();
    let two = space.root.join("two/gen").into_string();
    assert_eq!(space.check(GENERATE), dirty(RebuildReason::InputChanged { path: one.clone() }));
    space.build();
    assert_eq!(space.build(), []);
    let changed = |was: &str, is: &str| {
        let (was, is) = (was.to_owned(), is.to_owned());
        dirty(RebuildReason::ProgramChanged { program: "gen".into(), was, is })
    };
    space.graph.items[2].program = Some(program(&space, Some("two/gen")));
    assert_eq!(space.check(GENERATE), changed(&one, &two));
    space.build();
    assert_eq!(space.build(), []);
    space.graph.items[2].program = Some(program(&space, None));
    assert_eq!(space.check(GENERATE), changed(&two, ""));
}

#[test]
fn object_with_the_same_content_leaves_the_archive_fresh() {
    let space = space();
    space.build();
    space.write("a.c", "source// and a comment");
    assert_eq!(space.build(), [(UNIT, "input-changed")]);
    space.write("a.c", "another source");
    assert_eq!(space.build(), [(UNIT, "input-changed"), (ARCHIVE, "input-changed")]);
}

#[test]
fn change_within_one_tick_of_the_clock_is_noticed() {
    let space = space();
    // Just written when it is read, and changed at once to the same size with the same time. That
    // time is ahead of the clock, so that the file is young however slow this test runs.
    let mtime = SystemTime::now() + Duration::from_secs(3600);
    let change = |text: &str| {
        fs::write(space.root.join("inc/a.h"), text).unwrap();
        File::options()
            .write(true)
            .open(space.root.join("inc/a.h"))
            .unwrap()
            .set_modified(mtime)
            .unwrap();
    };
    change("first");
    space.build();
    change("other");
    assert_eq!(space.check(UNIT), dirty(RebuildReason::InputChanged { path: "inc/a.h".into() }));
    change("first");
    assert_eq!(space.check(UNIT), Freshness::Fresh);
}

#[test]
fn unfinished_item_runs_again() {
    let space = space();
    space.build();
    let mut state = space.open();
    state.begin(&space.graph, UNIT).unwrap();
    // Killed here: nothing is closed.
    std::mem::forget(state);
    assert_eq!(space.check(UNIT), dirty(RebuildReason::NotFinished));
    assert_eq!(space.build(), [(UNIT, "not-finished")]);
}

#[test]
fn failed_item_runs_again() {
    let space = space();
    space.build();
    let mut state = space.open();
    state.begin(&space.graph, UNIT).unwrap();
    let report =
        state.command_report(&space.graph, UNIT, Outcome::Failed, Micros(1), Micros(1)).unwrap();
    state.record(&space.graph, UNIT, &report, &[]).unwrap();
    state.close().unwrap();
    assert_eq!(space.check(UNIT), dirty(RebuildReason::NotFinished));
}

#[test]
fn warnings_of_fresh_items_are_kept() {
    let space = space();
    let mut state = space.open();
    let warning = Diagnostic {
        level: Level::Warning,
        message: "unused".into(),
        file: None,
        line: 3,
        column: 1,
        rendered: "\u{1b}[1munused".into(),
    };
    state.begin(&space.graph, UNIT).unwrap();
    fs::write(space.root.join("a.o"), "").unwrap();
    let report =
        state.command_report(&space.graph, UNIT, Outcome::Ok, Micros(1), Micros(1)).unwrap();
    state.record(&space.graph, UNIT, &report, std::slice::from_ref(&warning)).unwrap();
    state.close().unwrap();
    assert_eq!(space.open().diagnostics(&space.graph, UNIT), [warning]);
    assert_eq!(space.open().diagnostics(&space.graph, ARCHIVE), []);
}

#[test]
fn tool_change_is_a_reason_for_all_but_commands() {
    let space = space();
    let with = |llvm: &str, library: &str| {
        let mut state = space.open_with("worker", &[]);
        state.tool_said(llvm, &[space.root.join(library).to_string()]);
        state
    };
    space.write("libLLVM.so", "one");
    let mut state = with("22.1.8", "libLLVM.so");
    [UNIT, GENERATE].iter().for_each(|ix| space.run(&mut state, *ix));
    state.close().unwrap();
    assert_eq!(space.check(UNIT), Freshness::Fresh);

    // A copy of the same worker elsewhere is the same tool.
    fs::copy(space.root.join("worker"), space.root.join("copy")).unwrap();
    let mut state = space.open_with("copy", &[]);
    assert_eq!(state.check(&space.graph, UNIT), Freshness::Fresh);

    space.write("worker", "a new one");
    let Freshness::Dirty(RebuildReason::ToolChanged { was, is }) = space.check(UNIT) else {
        panic!("fresh in spite of another worker")
    };
    assert!(was.starts_with("LLVM 22.1.8 (tender-worker "), "{was}");
    assert!(is.starts_with("tender-worker "), "{is}");
    assert_eq!(space.check(GENERATE), Freshness::Fresh);
    space.write("worker", "worker");
    assert_eq!(space.check(UNIT), Freshness::Fresh);

    space.write("libLLVM.so", "another");
    assert!(matches!(space.check(UNIT), Freshness::Dirty(RebuildReason::ToolChanged { .. })));
    let mut state = with("22.1.9", "libLLVM.so");
    let reason = state.check(&space.graph, UNIT);
    assert!(
        matches!(&reason, Freshness::Dirty(RebuildReason::ToolChanged { is, .. }) if is.contains("22.1.9"))
    );
}

#[test]
fn variables_that_bear_on_an_item_count_and_no_others() {
    let space = space();
    let built = [("CPATH", "inc"), ("LIBRARY_PATH", "lib"), ("HOME", "/h")];
    let mut state = space.open_with("worker", &built);
    state.tool_said("22.1.8", &[]);
    [UNIT, ARCHIVE, GENERATE].iter().for_each(|ix| space.run(&mut state, *ix));
    state.close().unwrap();

    let check = |now: &[(&str, &str)], ix: ItemId, expect: Option<&str>| {
        let found = space.open_with("worker", now).check(&space.graph, ix);
        let expect = expect.map_or(Freshness::Fresh, |variable| {
            dirty(RebuildReason::EnvironmentChanged { variable: variable.into() })
        });
        assert_eq!(found, expect, "{now:?} {ix:?}");
    };
    check(&built, UNIT, None);
    check(&[("CPATH", "inc"), ("CPLUS_INCLUDE_PATH", "x"), ("HOME", "/other")], UNIT, None);
    check(&[("CPATH", "other"), ("LIBRARY_PATH", "lib")], UNIT, Some("CPATH"));
    check(&[("LIBRARY_PATH", "lib")], UNIT, Some("CPATH"));
    check(&[("CPATH", "inc"), ("C_INCLUDE_PATH", "x")], UNIT, Some("C_INCLUDE_PATH"));
    check(&[], ARCHIVE, None);
    check(&[("CPATH", "inc")], GENERATE, Some("LIBRARY_PATH"));
}

#[test]
fn variable_that_the_worker_names_counts_for_that_item() {
    let space = space();
    let mut state = space.open();
    state.begin(&space.graph, UNIT).unwrap();
    let report = ItemReport {
        plan: PlanId(0),
        item: ItemId(0),
        outcome: Outcome::Ok,
        at_us: Micros(0),
        wall_us: Micros(0),
        busy_us: Micros(0),
        peak_bytes: Bytes(0),
        piece_peak_bytes: Bytes(0),
        inputs: vec![],
        missing: vec![],
        dated: vec![],
        precompiled: vec![],
        variables: vec!["SOURCE_DATE_EPOCH".into()],
        programs: Vec::new(),
        outputs: vec![],
    };
    state.record(&space.graph, UNIT, &report, &[]).unwrap();
    space.run(&mut state, ARCHIVE);
    state.close().unwrap();
    assert_eq!(space.check(UNIT), Freshness::Fresh);
    let mut state = space.open_with("worker", &[("SOURCE_DATE_EPOCH", "1")]);
    let reason = RebuildReason::EnvironmentChanged { variable: "SOURCE_DATE_EPOCH".into() };
    assert_eq!(state.check(&space.graph, UNIT), dirty(reason));
    assert_eq!(state.check(&space.graph, ARCHIVE), Freshness::Fresh);
}

#[test]
fn command_that_does_not_write_its_output_is_an_error() {
    let space = space();
    let mut state = space.open();
    let error = state
        .command_report(&space.graph, GENERATE, Outcome::Ok, Micros(1), Micros(1))
        .unwrap_err();
    assert_eq!(error.to_string(), "the command `one generate` has not written its output out.h");
}

#[test]
fn state_that_cannot_be_written_is_an_error_and_harms_nothing() {
    let space = space();
    fs::create_dir_all(space.root.join("target")).unwrap();
    fs::write(space.root.join("target/debug"), "a file in the way").unwrap();
    let mut state = space.open();
    assert_eq!(state.check(&space.graph, UNIT), dirty(RebuildReason::New));
    let error = state.begin(&space.graph, UNIT).unwrap_err().to_string();
    assert!(error.contains("target/debug/.tender/state cannot be written"), "{error}");
    fs::remove_file(space.root.join("target/debug")).unwrap();
    // Later records do not build on what could not be written.
    space.run(&mut state, UNIT);
    assert_eq!(space.check(UNIT), Freshness::Fresh);
}

#[test]
fn state_cut_at_any_byte_leaves_the_next_build_right() {
    let space = space();
    space.build();
    space.write("a.c", "a second source");
    space.build();
    let path = space.graph.state_dir.join("state");
    let whole = fs::read(&path).unwrap();
    for len in 0..whole.len() {
        fs::write(&path, &whole[..len]).unwrap();
        // Files are those of the second build, so whatever is called fresh must be.
        if space.check(UNIT) == Freshness::Fresh {
            let object = fs::read_to_string(space.root.join("a.o")).unwrap();
            assert_eq!(object, "a second source");
        }
        if len % 16 == 0 {
            space.build();
            assert_eq!(space.build(), []);
        }
    }
}

#[test]
fn state_is_not_written_where_nothing_is_done() {
    let space = space();
    space.build();
    // A file that was written just before it was read is read again once: 20 ms later its stamp is
    // trusted, which is recorded.
    std::thread::sleep(std::time::Duration::from_millis(30));
    space.build();
    let path: &Utf8Path = &space.graph.state_dir.join("state");
    let before = (stamp_of(path), fs::read(path).unwrap());
    assert_eq!(space.check(UNIT), Freshness::Fresh);
    assert_eq!((stamp_of(path), fs::read(path).unwrap()), before);
}
