//! What cutting and each mode of link-time optimisation make of items.

use super::super::codegen::DEFAULT_CODEGEN_UNITS;
use super::*;
use tender_protocol::{Cut, Lto as UnitLto, LtoLink};

fn with(lto: Lto) -> Profile {
    Profile { lto, opt_level: OptLevel::Os, ..profile("release") }
}

fn planned(workspace: &Workspace, lto: Lto, roots: &[&str], named: &[&str]) -> Graph {
    try_graph_with(workspace, &with(lto), Mode::Build, roots, named).unwrap()
}

/// `MODE OPT WORK_DIR WORD=CRATE(NAME=PATH ...) ...`, or nothing.
fn link_lto(graph: &Graph, key: &str) -> String {
    let Run::Worker(Work::Link { lto, .. }) = &item(graph, key).run else {
        panic!("{key} is no link")
    };
    let Some(LtoLink { mode, opt_level, work_dir, libraries }) = lto else { return String::new() };
    let mut text = format!("{mode:?} {opt_level} {work_dir}");
    for library in libraries {
        let members: Vec<String> = library
            .members
            .iter()
            .map(|member| format!("{}={}", member.name, member.path))
            .collect();
        text += &format!(" {}={}({})", library.word, library.krate, members.join(" "));
    }
    text
}

/// `OPT WORK_DIR`, or nothing.
fn archive_lto(graph: &Graph, key: &str) -> String {
    let Run::Worker(Work::Archive { lto, .. }) = &item(graph, key).run else {
        panic!("{key} is no archive")
    };
    lto.as_ref().map(|lto| format!("{} {}", lto.opt_level, lto.work_dir)).unwrap_or_default()
}

fn unit(graph: &Graph, key: &str) -> (Option<Cut>, UnitLto) {
    let Run::Worker(Work::Compile { cut, lto, .. }) = &item(graph, key).run else {
        panic!("{key} is no unit")
    };
    (cut.clone(), *lto)
}

fn units(graph: &Graph) -> Vec<UnitLto> {
    let lto = |item: &Item| match &item.run {
        Run::Worker(Work::Compile { lto, .. }) => Some(*lto),
        _ => None,
    };
    graph.items.iter().filter_map(lto).collect()
}

#[test]
fn lto_off_leaves_no_trace_in_items() {
    let graph = planned(&diamond(), Lto::Off, &["app"], &[]);
    assert_eq!(units(&graph), [UnitLto::Off; 4]);
    assert_eq!(link_lto(&graph, "app bin app"), "");
    assert_eq!(archive_lto(&graph, "base archive"), "");
    assert!(graph.unbuilt_archives.is_empty());
}

#[test]
fn lto_thin_local_ends_at_archives() {
    let graph = planned(&diamond(), Lto::ThinLocal, &["app"], &[]);
    assert_eq!(keys(&graph), keys(&planned(&diamond(), Lto::Off, &["app"], &[])));
    assert_eq!(units(&graph), [UnitLto::ThinLocal; 4]);
    assert_eq!(archive_lto(&graph, "base archive"), "2 target/release/.tender/base/lto/archive");
    assert_eq!(
        link_lto(&graph, "app bin app"),
        "ThinLocal 2 target/release/.tender/app/lto/bin-app"
    );
    assert_eq!(
        after(&graph, "app bin app"),
        ["app bin app src/main.c", "left archive", "right archive", "base archive"]
    );
}

#[test]
fn lto_thin_and_fat_link_members_in_place_of_archives() {
    let words = |graph: &Graph| args(graph, "app bin app");
    for (lto, mode) in [(Lto::Thin, UnitLto::Thin), (Lto::Fat, UnitLto::Fat)] {
        let graph = planned(&diamond(), lto, &["app"], &[]);
        assert_eq!(
            keys(&graph),
            [
                "base lib b.c",
                "left lib l.c",
                "right lib r.c",
                "app bin app src/main.c",
                "app bin app"
            ]
        );
        assert_eq!(units(&graph), [mode; 4]);
        assert_eq!(words(&graph), words(&planned(&diamond(), Lto::Off, &["app"], &[])));
        assert_eq!(
            link_lto(&graph, "app bin app"),
            format!(
                "{mode:?} 2 target/release/.tender/app/lto/bin-app \
                 target/release/libleft.a=left(l.o=target/release/.tender/left/obj/lib/l.c.o) \
                 target/release/libright.a=right(r.o=target/release/.tender/right/obj/lib/r.c.o) \
                 target/release/libbase.a=base(b.o=target/release/.tender/base/obj/lib/b.c.o)"
            )
        );
        assert_eq!(
            after(&graph, "app bin app"),
            ["app bin app src/main.c", "left lib l.c", "right lib r.c", "base lib b.c"]
        );
        let link = item(&graph, "app bin app");
        assert_eq!(
            link.inputs,
            [
                "app/obj/bin-app/src/main.c.o",
                "left/obj/lib/l.c.o",
                "right/obj/lib/r.c.o",
                "base/obj/lib/b.c.o"
            ]
            .map(|path| Utf8Path::new("target/release/.tender").join(path))
        );
        assert_eq!(link.ingredients.profile[1], "opt-level=2");
        let unbuilt_archives: Vec<&str> =
            graph.unbuilt_archives.iter().map(|item| item.key.as_str()).collect();
        assert_eq!(unbuilt_archives, ["base archive", "left archive", "right archive"]);
    }
}

#[test]
fn archives_are_made_under_lto_when_asked_for() {
    #[track_caller]
    fn check(workspace: &Workspace, roots: &[&str], named: &[&str], expect: &[&str]) {
        let graph = planned(workspace, Lto::Thin, roots, named);
        let archives = graph.items.iter().filter(|item| item.kind == ItemKind::Archive);
        assert_eq!(archives.map(|item| item.key.as_str()).collect::<Vec<_>>(), expect);
        for archive in expect {
            assert_ne!(archive_lto(&graph, archive), "");
        }
        let made =
            graph.artifacts.iter().filter(|artifact| artifact.kind == ArtifactKind::Staticlib);
        assert_eq!(made.count(), expect.len());
    }
    check(&diamond(), &["app"], &[], &[]);
    check(&diamond(), &["app", "base", "left", "right"], &[], &[]);
    check(&diamond(), &["app", "base"], &["app", "base"], &["base archive"]);
    check(&diamond(), &["left"], &["left"], &["left archive"]);
    // Nothing links `left`, and `base` is no root.
    check(&diamond(), &["left"], &[], &["left archive"]);
    check(&diamond(), &["left", "base"], &[], &["base archive", "left archive"]);
    // A program links the library of its own crate.
    let both = workspace(vec![(bin(lib(krate("app"), &["l.c"]), "app", &["main.c"]), &[])]);
    check(&both, &["app"], &[], &[]);
    check(&both, &["app"], &["app"], &["app archive"]);
}

#[test]
fn shared_library_is_a_link_of_its_own_under_lto() {
    let mut plugin = lib(krate("plugin"), &["p.c"]);
    let settings = &mut plugin.libs[0];
    (settings.staticlib, settings.cdylib) = (false, true);
    let workspace = workspace(vec![
        (bin(krate("app"), "app", &["main.c"]), &["plugin"]),
        (plugin, &["base"]),
        (lib(krate("base"), &["b.c"]), &[]),
    ]);
    let graph = planned(&workspace, Lto::Thin, &["app"], &[]);
    let base = "target/release/libbase.a=base(b.o=target/release/.tender/base/obj/lib/b.c.o)";
    let dir = "target/release/.tender";
    assert_eq!(link_lto(&graph, "plugin shared"), format!("Thin 2 {dir}/plugin/lto/shared {base}"));
    assert_eq!(link_lto(&graph, "app bin app"), format!("Thin 2 {dir}/app/lto/bin-app {base}"));
    assert!(
        args(&graph, "app bin app")
            .contains("target/release/libplugin.so target/release/libbase.a")
    );
    assert_eq!(
        after(&graph, "app bin app"),
        ["app bin app main.c", "plugin shared", "base lib b.c"]
    );
    // Of a library in both forms, its own shared one does not keep the archive away.
    let mut both = workspace.clone();
    both.crates.iter_mut().find(|krate| krate.name == "plugin").unwrap().libs[0].staticlib = true;
    let graph = planned(&both, Lto::Thin, &["plugin"], &[]);
    assert_eq!(keys(&graph)[2..], ["plugin archive", "plugin shared"]);
}

#[test]
fn machine_code_is_linked_as_it_is_under_lto() {
    let app = bin(lib(krate("app"), &["pre/x.o", "s.S", "pre/liby.a"]), "app", &["main.s"]);
    let workspace = workspace(vec![(app, &[])]);
    let obj = "target/release/.tender/app/obj/lib";
    let graph = planned(&workspace, Lto::Fat, &["app"], &[]);
    assert_eq!(unit(&graph, "app lib s.S"), (None, UnitLto::Off));
    assert_eq!(
        link_lto(&graph, "app bin app"),
        format!(
            "Fat 2 target/release/.tender/app/lto/bin-app \
             target/release/libapp.a=app(x.o=app/pre/x.o s.o={obj}/s.S.o liby.a=app/pre/liby.a)"
        )
    );
    // Without modules there is nothing to optimise.
    let graph = planned(&workspace, Lto::ThinLocal, &["app"], &[]);
    assert_eq!(archive_lto(&graph, "app archive"), "");
    assert_eq!(link_lto(&graph, "app bin app"), "");
    // No word of the profile: another mode is no reason to assemble again.
    assert!(
        item(&graph, "app lib s.S").ingredients.profile.iter().all(|word| word.starts_with('-'))
    );
}

#[test]
fn units_are_cut_unless_one_piece_is_wanted() {
    let of_level = |level: OptLevel, units: Option<u32>, key: &str| {
        let workspace =
            workspace(vec![(lib(krate("zip"), &["a.c", "b.cc", "c.ll", "d.bc", "e.s"]), &[])]);
        let profile = Profile { codegen_units: units, opt_level: level, ..profile("dev") };
        let graph = try_graph_with(&workspace, &profile, Mode::Build, &["zip"], &[]).unwrap();
        unit(&graph, key).0.map(|cut| cut.units)
    };
    let of = |units, key| of_level(OptLevel::O1, units, key);
    for key in ["zip lib a.c", "zip lib b.cc", "zip lib c.ll", "zip lib d.bc"] {
        assert_eq!(of_level(OptLevel::O0, None, key), None, "{key}");
        assert_eq!(of_level(OptLevel::O0, Some(3), key), Some(3), "{key}");
        assert_eq!(of(None, key), Some(DEFAULT_CODEGEN_UNITS), "{key}");
        assert_eq!(of(Some(3), key), Some(3), "{key}");
        assert_eq!(of(Some(1), key), None, "{key}");
    }
    assert_eq!(of(Some(3), "zip lib e.s"), None);
}

#[test]
fn forced_pieces_count_only_for_units_that_may_be_cut() {
    let zip = lib(krate("zip"), &["a.c", "b.cc", "c.ll", "d.bc", "e.s"]);
    let workspace = workspace(vec![(bin(zip, "zip", &["main.c"]), &[])]);
    let plan = |units: Option<u32>, lto: Lto, force_pieces: Option<u32>| {
        let profile = Profile { codegen_units: units, lto, ..profile("release") };
        let request = request(&workspace, &profile, Mode::Build, &["zip"], &["zip"], Targets::ALL);
        build(&workspace, &GraphRequest { force_pieces, ..request }).unwrap()
    };
    for (units, lto) in [(None, Lto::Off), (Some(1), Lto::Thin), (Some(16), Lto::Fat)] {
        let (plain, forced) = (plan(units, lto, None), plan(units, lto, Some(3)));
        for (was, now) in plain.items.iter().zip(&forced.items) {
            let key = now.key.as_str();
            let cut = match &now.run {
                Run::Worker(Work::Compile { cut, .. }) => cut.clone(),
                _ => None,
            };
            let Some(cut) = cut else {
                assert!(
                    !["a.c", "b.cc", "c.ll", "d.bc", "main.c"]
                        .iter()
                        .any(|name| key.ends_with(name)),
                    "{key}"
                );
                assert_eq!(format!("{:?}", was.run), format!("{:?}", now.run), "{key}");
                assert_eq!(was.ingredients, now.ingredients, "{key}");
                continue;
            };
            assert_eq!((cut.units, cut.forced), (3, true), "{key}");
            assert!(unit(&plain, key).0.is_none_or(|cut| !cut.forced), "{key}");
            let mut own = was.ingredients.own.clone();
            own.push("forced-pieces=3".into());
            assert_eq!(now.ingredients, Ingredients { own, ..was.ingredients.clone() }, "{key}");
        }
    }
}

#[test]
fn unit_with_split_debug_information_stays_whole() {
    let mut zip = lib(krate("zip"), &["a.c"]);
    zip.libs[0].settings.flags = vec!["-gsplit-dwarf".into()];
    let workspace = workspace(vec![(zip, &[])]);
    let dwo = |graph: &Graph| {
        let item = item(graph, "zip lib a.c");
        let Run::Worker(Work::Compile { cut, .. }) = &item.run else { panic!("{:?}", item.run) };
        (item.outputs.get(1).map(ToString::to_string), cut.is_some())
    };
    let object = "target/release/.tender/zip/obj/lib/a.c";
    assert_eq!(
        dwo(&planned(&workspace, Lto::Off, &["zip"], &[])),
        (Some(format!("{object}.dwo")), false)
    );
    assert_eq!(dwo(&planned(&workspace, Lto::Thin, &["zip"], &[])), (None, true));
}

#[test]
fn suffix_is_of_one_unit_and_of_no_directory() {
    let at = |root: &str| {
        let mut workspace = generating();
        workspace.root = root.into();
        let move_here = |path: &mut Utf8PathBuf| {
            *path = Utf8Path::new(root).join(path.strip_prefix("/w").unwrap())
        };
        for krate in &mut workspace.crates {
            move_here(&mut krate.dir);
            let lib = krate.libs.iter_mut().map(|lib| &mut lib.sources.files);
            for files in
                lib.into_iter().chain(krate.bins.iter_mut().map(|bin| &mut bin.sources.files))
            {
                files.iter_mut().for_each(move_here);
                files.push(Utf8Path::new(root).parent().unwrap().join("shared/s.c"));
            }
        }
        let profile = Profile { codegen_units: Some(2), ..profile("dev") };
        let roots = &["app", "base"];
        let graph = try_graph_with(&workspace, &profile, Mode::Build, roots, &[]).unwrap();
        let suffix = |item: &Item| match &item.run {
            Run::Worker(Work::Compile { cut: Some(cut), .. }) => {
                Some((item.key.clone(), cut.suffix.clone()))
            }
            _ => None,
        };
        let found: Vec<_> = graph.items.iter().filter_map(suffix).collect();
        let suffixes: std::collections::BTreeSet<_> =
            found.iter().map(|(_, suffix)| suffix.clone()).collect();
        assert_eq!(suffixes.len(), found.len(), "{found:?}");
        suffixes
    };
    let first = at("/w");
    assert_eq!(first.len(), 6, "{first:?}");
    assert_eq!(first, at("/somewhere/else/w"));
}

#[test]
fn compile_commands_do_not_show_cutting_or_lto() {
    let plain = |lto, units| {
        let profile = Profile { lto, codegen_units: units, ..profile("release") };
        let graph = try_graph_with(&diamond(), &profile, Mode::Build, &["app"], &[]).unwrap();
        compile_commands::compile_commands(&graph, "/llvm/bin".into())
    };
    assert_eq!(plain(Lto::Thin, Some(16)), plain(Lto::Off, Some(1)));
}
