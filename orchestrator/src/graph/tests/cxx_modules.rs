//! Scans and module files of C++20 units.

use super::*;
use crate::manifest::ShareHeaders;
use tender_protocol::{ModuleName, ModuleScan};

/// A library with an interface and a unit, and a program that imports it.
fn two_crates() -> Workspace {
    let standard = || TargetSettings { cxx_std: Some("c++20".into()), ..TargetSettings::default() };
    let mut math = lib(krate("math"), &["src/math.cppm", "src/part.cppm", "src/more.cc"]);
    math.libs[0].settings = standard();
    let mut app = bin(krate("app"), "app", &["src/main.cc"]);
    app.bins[0].settings = standard();
    workspace(vec![(math, &[]), (app, &["math"])])
}

fn name(name: &str) -> ModuleName {
    ModuleName { name: name.into(), file: format!("{name}.cppm"), line: 1 }
}

fn scan(provides: Option<&str>, requires: &[&str]) -> ModuleScan {
    ModuleScan {
        provides: provides.map(name),
        requires: requires.iter().map(|one| name(one)).collect(),
    }
}

fn scans() -> Scans {
    let all = [
        ("math scan lib src/math.cppm", scan(Some("math"), &["math:part"])),
        ("math scan lib src/part.cppm", scan(Some("math:part"), &[])),
        ("math scan lib src/more.cc", scan(None, &["math"])),
        ("app scan bin app src/main.cc", scan(None, &["math"])),
    ];
    all.into_iter().map(|(key, scan)| (key.to_owned(), scan)).collect()
}

fn with_scans(workspace: &Workspace, mode: Mode, scans: &Scans) -> Result<Graph, GraphError> {
    let profile = profile("dev");
    let request = request(workspace, &profile, mode, &["app"], &[], Targets::ALL);
    build(workspace, &GraphRequest { scans, ..request })
}

fn after<'g>(graph: &'g Graph, key: &str) -> Vec<&'g str> {
    item(graph, key).after.iter().map(|before| graph[*before].key.as_str()).collect()
}

#[test]
fn units_are_scanned_before_their_imports_are_known() {
    let workspace = two_crates();
    let graph = with_scans(&workspace, Mode::Build, &Scans::new()).unwrap();
    let unscanned: Vec<&str> = graph.unscanned.iter().map(|id| graph[*id].key.as_str()).collect();
    assert_eq!(
        unscanned,
        [
            "math lib src/math.cppm",
            "math lib src/part.cppm",
            "math lib src/more.cc",
            "app bin app src/main.cc"
        ]
    );
    let scanning = graph.scanning().unwrap();
    let mut expect: Vec<String> = scans().into_keys().collect();
    let mut found: Vec<String> = scanning.items.iter().map(|item| item.key.clone()).collect();
    expect.sort();
    found.sort();
    assert_eq!(found, expect);
    // What is known of one crate is of no use without its dependency.
    let mut of_app = scans();
    of_app.retain(|key, _| key.starts_with("app"));
    let graph = with_scans(&workspace, Mode::Build, &of_app).unwrap();
    assert_eq!(graph.unscanned.len(), 4);
}

#[test]
fn importers_come_after_the_module_files_that_they_read() {
    let workspace = two_crates();
    for (mode, step) in [(Mode::Build, ""), (Mode::Check, "check ")] {
        let graph = with_scans(&workspace, mode, &scans()).unwrap();
        assert!(graph.scanning().is_none());
        // Files of `check` are apart, because nothing is translated with them.
        let math = &format!("math {step}interface lib math");
        let part = &format!("{math}:part");
        assert_eq!(after(&graph, part), [""; 0]);
        assert_eq!(after(&graph, math), [part]);
        assert_eq!(after(&graph, &format!("math {step}lib src/more.cc")), [part, math]);
        assert_eq!(after(&graph, &format!("app {step}bin app src/main.cc")), [part, math]);
        // Its own, so that an error is shown once.
        assert_eq!(after(&graph, &format!("math {step}lib src/math.cppm")), [part, math]);
        // Which has translated it already, if there is an object.
        let directory = format!("target/debug/.tender/math/modules/{}lib", step.replace(' ', "/"));
        let file = format!("{directory}/math.bc");
        let own = item(&graph, &format!("math {step}lib src/math.cppm"));
        let made = &item(&graph, math).outputs;
        match &own.run {
            Run::Worker(Work::Compile { translation, .. }) => {
                assert_eq!((translation.as_ref(), made[1].as_str()), (Some(&file), &*file));
                assert_eq!(own.inputs, [file]);
            }
            _ => assert_eq!(made.len(), 1),
        }
        let main = item(&graph, &format!("app {step}bin app src/main.cc"));
        let files = [format!("{directory}/math-part.pcm"), format!("{directory}/math.pcm")];
        assert_eq!(graph.module_files(main), files);
        let args = args(&graph, &main.key);
        for (name, file) in [("math:part", &files[0]), ("math", &files[1])] {
            assert!(args.contains(&format!("-fmodule-file={name}={file}")), "{args}");
        }
    }
}

#[test]
fn unit_that_declares_a_module_shares_no_headers() {
    // Else its object would depend on whether another unit imports the module.
    let mut workspace = two_crates();
    let math = workspace.crate_named("math").unwrap();
    let math = &mut workspace.crates[math.0 as usize].libs[0];
    math.sources.files.push("/w/math/src/plain.cc".into());
    let mut scans = scans();
    scans.insert("math scan lib src/plain.cc".into(), scan(None, &[]));
    let profile = Profile { share_headers: ShareHeaders::Auto, ..profile("dev") };
    let request = request(&workspace, &profile, Mode::Build, &["app"], &[], Targets::ALL);
    let graph = build(&workspace, &GraphRequest { scans: &scans, ..request }).unwrap();
    let shares = |source: &str| {
        let item = item(&graph, &format!("math lib src/{source}"));
        let Run::Worker(Work::Compile { share, .. }) = &item.run else { panic!("{:?}", item.run) };
        share.is_some()
    };
    assert!(shares("plain.cc"));
    assert!(!shares("part.cppm") && !shares("math.cppm") && !shares("more.cc"));
}

#[test]
fn module_that_nothing_imports_has_no_module_file() {
    let mut workspace = two_crates();
    let mut unused = scans();
    unused.insert("app scan bin app src/main.cc".into(), scan(None, &[]));
    unused.insert("math scan lib src/more.cc".into(), scan(None, &[]));
    let graph = with_scans(&workspace, Mode::Build, &unused).unwrap();
    assert_eq!(
        graph.items.iter().filter(|item| item.kind == ItemKind::Interface).count(),
        1,
        "{:?}",
        keys(&graph)
    );
    // Nor is anything scanned where it is not wanted.
    for krate in &mut workspace.crates {
        krate.scan_modules = Some(false);
    }
    let graph = with_scans(&workspace, Mode::Build, &Scans::new()).unwrap();
    assert!(graph.items.iter().all(|item| item.kind != ItemKind::Scan));
    assert!(graph.scanning().is_none());
}

#[test]
fn importer_of_another_mode_shares_nothing_with_the_others() {
    let mut workspace = two_crates();
    let app = workspace.crate_named("app").unwrap();
    let settings = &mut workspace.crates[app.0 as usize].bins[0].settings;
    settings.flags = vec!["-fno-exceptions".into()];
    settings.defines = vec!["APP".into()];
    workspace.crates[1].libs[0].settings.defines = vec!["MATH".into()];
    let graph = with_scans(&workspace, Mode::Build, &scans()).unwrap();
    let variants: Vec<&Item> =
        graph.items.iter().filter(|item| item.key.contains(" for ")).collect();
    assert_eq!(variants.len(), 2, "{:?}", keys(&graph));
    for variant in variants {
        let Run::Worker(Work::Interface { args, .. }) = &variant.run else { panic!() };
        let has = |word: &str| args.iter().any(|arg| arg == word);
        assert!(has("-fno-exceptions") && has("-DMATH") && !has("-DAPP"), "{args:?}");
    }
    assert_eq!(after(&graph, "math lib src/more.cc").len(), 2);
    assert!(after(&graph, "app bin app src/main.cc").iter().all(|key| key.contains(" for ")));
}

#[test]
fn std_modules_are_those_of_the_library_that_the_importer_is_compiled_with() {
    let mut app = bin(krate("app"), "app", &["src/main.cc"]);
    app.scan_modules = Some(true);
    let of = |flags: &[&str]| TargetSettings {
        cxx_std: Some("c++23".into()),
        cxx_flags: flags.iter().map(|flag| (*flag).to_owned()).collect(),
        ..TargetSettings::default()
    };
    app.bins[0].settings = of(&["-stdlib=libc++", "-fno-rtti"]);
    let mut other = app.clone();
    let scans: Scans =
        [("app scan bin app src/main.cc".to_owned(), scan(None, &["std.compat"]))].into();
    let graph = with_scans(&workspace(vec![(app, &[])]), Mode::Build, &scans).unwrap();
    let files: Vec<&Item> =
        graph.items.iter().filter(|item| item.kind == ItemKind::Interface).collect();
    assert_eq!(files.len(), 2);
    assert!(files[0].key.starts_with("std interface std for "), "{}", files[0].key);
    let Run::Worker(Work::Interface { source, args, output, .. }) = &files[1].run else { panic!() };
    assert_eq!(source, "/llvm/std.compat.cppm");
    assert!(output.starts_with("target/debug/.tender/.std/"), "{output}");
    let file = &files[0].outputs[0];
    assert_eq!(
        args[..],
        [
            "-Wno-reserved-module-identifier".to_owned(),
            "-isystem/llvm/v1".to_owned(),
            "-std=c++23".to_owned(),
            "-stdlib=libc++".to_owned(),
            "-fno-rtti".to_owned(),
            format!("-fmodule-file=std={file}"),
        ]
    );
    assert_eq!(files[1].after, [crate::keys::ItemId(1)]);
    other.bins[0].settings = of(&[]);
    let error = with_scans(&workspace(vec![(other, &[])]), Mode::Build, &scans).unwrap_err();
    assert!(error.to_string().contains("-stdlib=libc++"), "{error}");
}

/// A program that uses a package whose library has modules.
fn of_packages(packages: &[&str], flags: &[&str]) -> Crate {
    let mut app = bin(krate("app"), "app", &["src/main.cc"]);
    app.bins[0].settings = TargetSettings {
        cxx_std: Some("c++20".into()),
        flags: flags.iter().map(|flag| (*flag).to_owned()).collect(),
        pkg_config: packages.iter().map(|package| (*package).to_owned()).collect(),
        ..TargetSettings::default()
    };
    app
}

/// The scans of a graph, answered by the file that each reads.
fn answered(graph: &Graph, answers: &[(&str, ModuleScan)]) -> Scans {
    let scans = graph.items.iter().filter(|item| item.kind == ItemKind::Scan);
    let answer = |item: &Item| {
        let (_, scan) = answers.iter().find(|(file, _)| item.label == *file).unwrap();
        (item.key.clone(), scan.clone())
    };
    scans.map(answer).collect()
}

#[test]
fn installed_modules_are_made_of_the_sources_that_their_library_names() {
    let workspace = workspace(vec![(of_packages(&["shapes"], &["-fno-rtti", "-DAPP"]), &[])]);
    let graph = with_scans(&workspace, Mode::Build, &Scans::new()).unwrap();
    assert_eq!(graph.unscanned.len(), 1);
    let answers = [
        ("/p/shapes.cppm", scan(Some("shapes"), &["shapes:round", "low"])),
        ("/p/shapes:round.cppm", scan(Some("shapes:round"), &[])),
        ("/p/low.cppm", scan(Some("low"), &[])),
        ("app/src/main.cc", scan(None, &["shapes"])),
    ];
    let scans = answered(&graph, &answers);
    assert_eq!(scans.len(), 4, "{:?}", keys(&graph));
    let graph = with_scans(&workspace, Mode::Build, &scans).unwrap();
    assert!(graph.scanning().is_none());
    let made: Vec<&Item> =
        graph.items.iter().filter(|item| item.kind == ItemKind::Interface).collect();
    assert_eq!(made.len(), 3, "{:?}", keys(&graph));
    let shapes = made.iter().find(|item| item.label == "/p/shapes.cppm").unwrap();
    let Run::Worker(Work::Interface { args, output, .. }) = &shapes.run else { panic!() };
    // Its own words, then the mode of the importer; no macros of that.
    assert_eq!(args[..5], ["-w", "-DOF_shapes", "-isystem/p/include", "-std=c++20", "-fno-rtti"]);
    assert!(output.starts_with("target/debug/.tender/.installed/shapes-"), "{output}");
    assert_eq!(graph.module_files(item(&graph, "app bin app src/main.cc")).len(), 3);
    assert_eq!(graph.modules, [], "they are not of this workspace");
}

#[test]
fn installed_module_that_is_not_for_others_is_named_with_its_library() {
    let workspace = workspace(vec![(of_packages(&["shapes"], &[]), &[])]);
    let graph = with_scans(&workspace, Mode::Build, &Scans::new()).unwrap();
    let error = |shapes: ModuleScan, import: &str| {
        let answers = [
            ("/p/shapes.cppm", shapes),
            ("/p/shapes:round.cppm", scan(Some("shapes:round"), &[])),
            ("/p/low.cppm", scan(Some("low"), &[])),
            ("app/src/main.cc", scan(None, &[import])),
        ];
        let scans = answered(&graph, &answers);
        with_scans(&workspace, Mode::Build, &scans).unwrap_err().to_string()
    };
    let shapes = || scan(Some("shapes"), &[]);
    let absent = error(shapes(), "absent");
    assert!(absent.contains("`/p/libshapes.modules.json` names `shapes`"), "{absent}");
    assert!(error(shapes(), "shapes:round").contains("a partition is a unit of the same library"));
    let other = error(scan(Some("shape"), &[]), "shapes");
    assert!(other.contains("`/p/libshapes.modules.json` says that the module `shapes`"), "{other}");
}

#[test]
fn installed_modules_are_not_looked_for_where_none_can_be_imported() {
    let old = |krate: &mut Crate| krate.bins[0].settings.cxx_std = Some("c++17".into());
    let unwanted = |krate: &mut Crate| krate.scan_modules = Some(false);
    let with_headers =
        |krate: &mut Crate| krate.bins[0].settings.precompiled_headers = vec!["<vector>".into()];
    for change in [&old as &dyn Fn(&mut Crate), &unwanted, &with_headers] {
        let mut app = of_packages(&["shapes"], &[]);
        change(&mut app);
        let graph = with_scans(&workspace(vec![(app, &[])]), Mode::Build, &Scans::new()).unwrap();
        assert!(graph.scanning().is_none(), "{:?}", keys(&graph));
    }
}

#[test]
fn modules_that_users_of_a_library_need_are_exported() {
    let mut workspace = two_crates();
    let mut known = scans();
    known.insert("math scan lib src/more.cc".into(), scan(Some("inner"), &[]));
    let exported = |workspace: &Workspace, scans: &Scans| {
        let graph = with_scans(workspace, Mode::Build, scans).unwrap();
        let shown = |one: &ExportedModule| format!("{} {}", one.name, one.is_public);
        graph.modules.iter().map(shown).collect::<Vec<_>>()
    };
    assert_eq!(exported(&workspace, &known), ["inner true", "math true", "math:part false"]);
    workspace.crates[1].libs[0].modules = Some(vec!["math".into()]);
    assert_eq!(exported(&workspace, &known), ["math true", "math:part false"]);
    known.insert("math scan lib src/part.cppm".into(), scan(Some("math:part"), &["inner"]));
    assert_eq!(exported(&workspace, &known), ["inner false", "math true", "math:part false"]);
}
