//! Literal workspaces -> expected items.

mod codegen;
mod cxx_modules;
mod libraries;
mod tools;

use super::*;
use crate::manifest::{
    Bin, BuildSettings, ConfigHeader, Crate, CrateId, DebugInfo, Dependency, Generate, Launch, Lib,
    Linker, Lto, OptLevel, Profile, ProgramKind, Sanitizer, Sources, TargetSettings, Workspace,
};
use camino::{Utf8Path, Utf8PathBuf};
use std::collections::BTreeMap;
use tender_protocol::Work;

fn profile(name: &str) -> Profile {
    Profile { name: name.into(), debug: DebugInfo::None, ..Profile::dev() }
}

fn krate(name: &str) -> Crate {
    let dir = Utf8PathBuf::from("/w").join(name);
    Crate {
        name: name.into(),
        version: "0.1.0".into(),
        manifest: dir.join("Tender.toml"),
        dir,
        libs: vec![],
        bins: vec![],
        default_run: None,
        scan_modules: None,
        dependencies: vec![],
        generate: vec![],
        config_headers: vec![],
        left_out: vec![],
        about: Default::default(),
        install: Default::default(),
        declared: vec![],
        features: Default::default(),
        source: None,
        files_for_sources: Vec::new(),
    }
}

fn sources(krate: &Crate, files: &[&str]) -> Sources {
    Sources {
        files: files.iter().map(|f| krate.dir.join(f)).collect(),
        ruled: vec![],
        patterns: files.iter().map(|f| f.to_string()).collect(),
    }
}

fn lib(mut krate: Crate, files: &[&str]) -> Crate {
    krate.libs.push(Lib {
        name: krate.name.clone(),
        in_list: false,
        found: false,
        sources: sources(&krate, files),
        headers: vec![krate.dir.join("include")],
        modules: None,
        public_defines: vec![],
        public_link_args: vec![],
        staticlib: true,
        cdylib: false,
        object: false,
        exports: None,
        output: None,
        soname: None,
        version: None,
        uses: vec![],
        settings: TargetSettings::default(),
    });
    krate
}

fn bin(mut krate: Crate, name: &str, files: &[&str]) -> Crate {
    let sources = sources(&krate, files);
    krate.bins.push(Bin {
        name: name.into(),
        kind: ProgramKind::Bin,
        sources,
        settings: TargetSettings::default(),
        launch: Launch::default(),
    });
    krate
}

/// Crates in any order; their `dependencies` are given by name.
fn workspace(crates: Vec<(Crate, &[&str])>) -> Workspace {
    let mut crates = crates;
    crates.sort_by(|a, b| a.0.name.cmp(&b.0.name));
    let names: Vec<String> = crates.iter().map(|(krate, _)| krate.name.clone()).collect();
    let edge = |name: &&str| {
        let place = names.iter().position(|n| n == name).unwrap();
        Dependency::on(CrateId(place as u32), name)
    };
    let crates: Vec<Crate> = crates
        .into_iter()
        .map(|(krate, needs)| Crate { dependencies: needs.iter().map(edge).collect(), ..krate })
        .collect();
    let members: Vec<CrateId> = (0..crates.len() as u32).map(CrateId).collect();
    Workspace {
        root: "/w".into(),
        manifest: "/w/Tender.toml".into(),
        crates,
        default_members: members.clone(),
        members,
        build: BuildSettings::default(),
        profiles: BTreeMap::new(),
        host_crates: BTreeMap::new(),
        dev_crates: BTreeMap::new(),
        target: None,
        awaits_probes: false,
        files_for_sources: Vec::new(),
    }
}

struct Table;

impl Surroundings for Table {
    fn pkg_config(&self, package: &str, _: bool) -> Result<PkgConfig, String> {
        match package {
            "ssl" => {
                let (cflags, libs) = (vec!["-I/opt/ssl".into()], vec!["-lssl".into()]);
                Ok(PkgConfig { cflags, libs, ..PkgConfig::default() })
            }
            "shapes" | "low" => Ok(PkgConfig::default()),
            _ => Err("no such package".into()),
        }
    }

    fn file_size(&self, _: &Utf8Path) -> u64 {
        7
    }

    fn chosen_driver(&self, cxx: bool) -> Option<String> {
        (!cxx).then(|| "gcc-9".to_owned())
    }

    fn target_words(&self) -> Vec<String> {
        Vec::new()
    }

    fn target_driver(&self, _: bool) -> Result<Option<Vec<String>>, String> {
        Ok(None)
    }

    fn clang(&self, cxx: bool, _: bool) -> Result<Vec<String>, String> {
        let clang = format!("/llvm/clang{}", if cxx { "++" } else { "" });
        Ok(vec![clang, "-fuse-ld=lld".into()])
    }

    fn assembler(&self, _: bool) -> Result<Assembler, String> {
        Ok(Assembler {
            is_yasm: false,
            words: vec!["nasm".into()],
            path: "/usr/bin/nasm".into(),
            format: "elf64",
        })
    }

    fn linker(&self, linker: &Linker) -> Result<Vec<String>, String> {
        match linker {
            Linker::Lld => Ok(vec!["-B/llvm".into(), "-fuse-ld=lld".into()]),
            Linker::Named(name) => Ok(vec![format!("-fuse-ld={name}")]),
            Linker::Path(path) => Err(format!("`{path}` is not found")),
        }
    }

    fn std_modules(&self, is_libcxx: bool) -> Vec<StdModule> {
        let module = |name: &str| StdModule {
            name: name.to_owned(),
            source: format!("/llvm/{name}.cppm").into(),
            include: vec!["/llvm/v1".into()],
        };
        if is_libcxx { ["std", "std.compat"].map(module).to_vec() } else { Vec::new() }
    }

    fn library_modules(&self, package: &str, _: bool) -> Result<Vec<InstalledLibrary>, String> {
        let module = |name: &str, is_private| InstalledModule {
            name: name.to_owned(),
            source: format!("/p/{name}.cppm").into(),
            args: vec![format!("-DOF_{package}"), "-isystem/usr/include".into()],
            is_private,
        };
        let library = |name: &str, modules, uses: &[&str]| InstalledLibrary {
            name: name.to_owned(),
            file: format!("/p/lib{name}.modules.json").into(),
            cflags: vec!["-I/p/include".into()],
            modules,
            uses: uses.iter().map(|file| format!("/p/lib{file}.modules.json").into()).collect(),
        };
        let low = library("low", vec![module("low", false)], &[]);
        let shapes = vec![module("shapes", false), module("shapes:round", true)];
        Ok(match package {
            "shapes" => vec![library("shapes", shapes, &["low"]), low],
            "low" => vec![low],
            _ => Vec::new(),
        })
    }

    fn processor(&self) -> String {
        "x".to_owned()
    }

    fn driver(&self, cxx: bool) -> Program {
        let name = if cxx { "c++" } else { "gcc-9" };
        Program { name: name.to_owned(), path: Some(format!("/usr/bin/{name}").into()) }
    }

    fn program(&self, name: &str, _: &Utf8Path) -> Option<Utf8PathBuf> {
        (name != "absent").then(|| format!("/usr/bin/{name}").into())
    }
}

fn try_graph(workspace: &Workspace, mode: Mode, roots: &[&str]) -> Result<Graph, GraphError> {
    try_graph_with(workspace, &profile("dev"), mode, roots, &[])
}

fn graph_of_targets(
    workspace: &Workspace,
    profile: &Profile,
    roots: &[&str],
    targets: Targets,
) -> Graph {
    build(workspace, &request(workspace, profile, Mode::Build, roots, &[], targets)).unwrap()
}

fn try_graph_with(
    workspace: &Workspace,
    profile: &Profile,
    mode: Mode,
    roots: &[&str],
    named: &[&str],
) -> Result<Graph, GraphError> {
    build(workspace, &request(workspace, profile, mode, roots, named, Targets::ALL))
}

fn request<'a>(
    workspace: &Workspace,
    profile: &'a Profile,
    mode: Mode,
    roots: &[&str],
    named: &[&str],
    targets: Targets,
) -> GraphRequest<'a> {
    let ids =
        |names: &[&str]| names.iter().map(|name| workspace.crate_named(name).unwrap()).collect();
    GraphRequest {
        profile,
        mode,
        roots: ids(roots),
        named: ids(named),
        whole: vec![],
        targets,
        force_pieces: None,
        target_dir: workspace.root.join("target"),
        surroundings: &Table,
        scans: no_scans(),
    }
}

fn no_scans() -> &'static Scans {
    static NONE: std::sync::LazyLock<Scans> = std::sync::LazyLock::new(Scans::new);
    &NONE
}

fn graph(workspace: &Workspace, roots: &[&str]) -> Graph {
    try_graph(workspace, Mode::Build, roots).unwrap()
}

pub(super) fn graph_of_one_unit(root: &Utf8Path, target_dir: &Utf8Path, define: &str) -> Graph {
    let mut one = lib(krate("one"), &["src/a.c"]);
    one.dir = root.join("one");
    let lib = &mut one.libs[0];
    lib.sources.files = vec![root.join("one/src/a.c")];
    lib.settings.defines = vec![define.into()];
    let mut workspace = workspace(vec![(one, &[])]);
    workspace.root = root.to_owned();
    let profile = profile("dev");
    let request = GraphRequest {
        profile: &profile,
        mode: Mode::Build,
        roots: vec![CrateId(0)],
        named: vec![],
        whole: vec![],
        targets: Targets::ALL,
        force_pieces: None,
        target_dir: target_dir.to_owned(),
        surroundings: &Table,
        scans: no_scans(),
    };
    build(&workspace, &request).unwrap()
}

fn item<'a>(graph: &'a Graph, key: &str) -> &'a Item {
    let keys: Vec<&str> = graph.items.iter().map(|item| item.key.as_str()).collect();
    graph
        .items
        .iter()
        .find(|item| item.key == key)
        .unwrap_or_else(|| panic!("{key} is not in {keys:?}"))
}

fn keys(graph: &Graph) -> Vec<&str> {
    graph.items.iter().map(|item| item.key.as_str()).collect()
}

fn after<'a>(graph: &'a Graph, key: &str) -> Vec<&'a str> {
    item(graph, key).after.iter().map(|ix| graph[*ix].key.as_str()).collect()
}

fn args(graph: &Graph, key: &str) -> String {
    match &item(graph, key).run {
        Run::Worker(
            Work::Compile { args, .. } | Work::Check { args, .. } | Work::Link { args, .. },
        ) => args.join(" "),
        other => panic!("{other:?} has no args"),
    }
}

fn driver(graph: &Graph, key: &str) -> String {
    match &item(graph, key).run {
        Run::Worker(Work::Link { driver, .. }) => driver.join(" "),
        other => panic!("{other:?} has no driver"),
    }
}

/// app -> left, right -> base
fn diamond() -> Workspace {
    workspace(vec![
        (bin(krate("app"), "app", &["src/main.c"]), &["left", "right"]),
        (lib(krate("left"), &["l.c"]), &["base"]),
        (lib(krate("right"), &["r.c"]), &["base"]),
        (lib(krate("base"), &["b.c"]), &[]),
    ])
}

#[test]
fn link_takes_a_diamond_once_in_order() {
    let graph = graph(&diamond(), &["app"]);
    assert_eq!(
        keys(&graph),
        [
            "base lib b.c",
            "base archive",
            "left lib l.c",
            "left archive",
            "right lib r.c",
            "right archive",
            "app bin app src/main.c",
            "app bin app"
        ]
    );
    assert_eq!(
        args(&graph, "app bin app"),
        "-pie target/debug/.tender/app/obj/bin-app/src/main.c.o \
         target/debug/libleft.a target/debug/libright.a target/debug/libbase.a"
    );
    assert_eq!(
        args(&graph, "app bin app src/main.c"),
        "-O0 -fPIE -ffile-compilation-dir=. -Ileft/include -Ibase/include -Iright/include"
    );
    assert_eq!(
        after(&graph, "app bin app"),
        ["app bin app src/main.c", "left archive", "right archive", "base archive"]
    );
    // Units need only headers, so nothing keeps them from running at once.
    assert!(after(&graph, "app bin app src/main.c").is_empty());
    assert_eq!(driver(&graph, "app bin app"), DRIVER_C);
    assert!(item(&graph, "app bin app").ingredients.own.contains(&"CC=gcc-9".to_owned()));
    assert_eq!(item(&graph, "app bin app src/main.c").label, "app/src/main.c");
    assert_eq!(item(&graph, "app bin app src/main.c").size, 7);
}

#[test]
fn linker_of_the_profile_stands_behind_the_driver() {
    let workspace = workspace(vec![(bin(krate("app"), "app", &["main.c"]), &[])]);
    let of = |linker: Linker, sanitize: &[Sanitizer]| {
        let sanitize = sanitize.to_vec();
        let profile = Profile { linker: Some(linker), sanitize, ..profile("dev") };
        try_graph_with(&workspace, &profile, Mode::Build, &["app"], &[])
    };
    let graph = of(Linker::Named("mold".into()), &[]).unwrap();
    assert_eq!(driver(&graph, "app bin app"), format!("{DRIVER_C} -fuse-ld=mold"));
    let words = &item(&graph, "app bin app").ingredients.own;
    assert!(words.contains(&"linker=mold".to_owned()), "{words:?}");
    // clang has lld among its words, unless another is chosen.
    let graph = of(Linker::Named("mold".into()), &[Sanitizer::Address]).unwrap();
    assert_eq!(driver(&graph, "app bin app"), "/llvm/clang -fuse-ld=mold");
    let error = of(Linker::Path("/opt/ld.x".into()), &[]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`app` of crate `app` cannot be linked: `/opt/ld.x` is not found"
    );
}

#[test]
fn dependents_are_the_reverse_of_after() {
    let graph = graph(&diamond(), &["app"]);
    let dependents = graph.dependents();
    for (ix, item) in graph.indexed() {
        for before in &item.after {
            assert!(*before < ix, "not in topological order");
            assert!(dependents[before.0 as usize].contains(&ix));
        }
    }
    assert_eq!(
        dependents.iter().map(Vec::len).sum::<usize>(),
        graph.items.iter().map(|i| i.after.len()).sum::<usize>()
    );
}

#[test]
fn link_has_a_library_after_all_that_use_it() {
    // app names base first, yet left uses it.
    let mut workspace = diamond();
    let base = workspace.crates.iter().position(|k| k.name == "base").unwrap() as u32;
    workspace.crates[0].dependencies.insert(0, Dependency::on(CrateId(base), "base"));
    let graph = graph(&workspace, &["app"]);
    assert!(
        args(&graph, "app bin app")
            .trim_end_matches('/')
            .ends_with("target/debug/libleft.a target/debug/libright.a target/debug/libbase.a")
    );
    assert!(
        args(&graph, "app bin app src/main.c")
            .ends_with("-Ibase/include -Ileft/include -Iright/include")
    );
}

#[test]
fn dependents_get_interfaces_and_link_requirements() {
    let mut base = lib(krate("base"), &["b.cc"]);
    let settings = &mut base.libs[0];
    settings.public_defines = vec!["BASE=1".into()];
    settings.settings.include = vec!["/w/base/private".into()];
    settings.settings.defines = vec!["SECRET".into()];
    settings.settings.link = vec!["m".into()];
    settings.settings.link_args = vec!["-Wl,--own".into()];
    settings.public_link_args = vec!["-Wl,--wrap=f".into()];
    settings.settings.pkg_config = vec!["ssl".into()];
    let workspace = workspace(vec![
        (bin(krate("app"), "app", &["main.c"]), &["mid"]),
        (lib(krate("mid"), &["m.c"]), &["base"]),
        (base, &[]),
    ]);
    let graph = graph(&workspace, &["app"]);
    assert_eq!(
        args(&graph, "base lib b.cc"),
        "-O0 -fPIC -ffile-compilation-dir=. -DSECRET -Ibase/private -Ibase/include -DBASE=1 -isystem/opt/ssl"
    );
    assert_eq!(
        args(&graph, "app bin app main.c"),
        "-O0 -fPIE -ffile-compilation-dir=. -Imid/include -Ibase/include -DBASE=1 -isystem/opt/ssl"
    );
    assert!(
        args(&graph, "app bin app")
            .trim_end_matches('/')
            .ends_with("target/debug/libmid.a target/debug/libbase.a -Wl,--wrap=f -lm -lssl")
    );
    // One C++ file anywhere below asks for the C++ driver.
    assert_eq!(driver(&graph, "app bin app"), DRIVER_CXX);
    assert_eq!(
        item(&graph, "app bin app main.c").ingredients.interfaces[1],
        (
            "base".to_owned(),
            vec!["-Ibase/include".to_owned(), "-DBASE=1".to_owned(), "-isystem/opt/ssl".to_owned()]
        )
    );
}

#[test]
fn shared_libraries_are_linked() {
    let mut plugin = lib(krate("plugin"), &["p.cc"]);
    let settings = &mut plugin.libs[0];
    settings.staticlib = false;
    settings.cdylib = true;
    settings.exports = Some("/w/plugin/lib.map".into());
    let workspace = workspace(vec![
        (bin(krate("app"), "app", &["main.c"]), &["plugin"]),
        (plugin, &["base"]),
        (lib(krate("base"), &["b.c"]), &[]),
    ]);
    let graph = graph(&workspace, &["app"]);
    assert_eq!(
        args(&graph, "plugin shared"),
        "-shared -Wl,-soname,libplugin.so -Wl,--version-script=plugin/lib.map \
         target/debug/.tender/plugin/obj/lib/p.cc.o target/debug/libbase.a"
    );
    assert_eq!(driver(&graph, "plugin shared"), DRIVER_CXX);
    assert!(item(&graph, "plugin shared").inputs.contains(&"plugin/lib.map".into()));
    assert!(
        args(&graph, "app bin app")
            .trim_end_matches('/')
            .ends_with("target/debug/libplugin.so target/debug/libbase.a -Wl,-rpath,$ORIGIN")
    );
    // The C++ runtime is the shared library's own business.
    assert_eq!(driver(&graph, "app bin app"), DRIVER_C);
}

#[test]
fn library_of_both_forms_is_linked_as_archive() {
    let both = |name| {
        let mut both = lib(krate(name), &["p.c"]);
        both.libs[0].cdylib = true;
        both
    };
    let workspace =
        workspace(vec![(bin(krate("app"), "app", &["main.c"]), &["both"]), (both("both"), &[])]);
    let only_app = graph(&workspace, &["app"]);
    assert!(args(&only_app, "app bin app").ends_with("target/debug/libboth.a"));
    assert!(!keys(&only_app).contains(&"both shared"), "nobody asked for it");
    let all = graph(&workspace, &["app", "both"]);
    assert!(keys(&all).contains(&"both shared"));
    let artifacts: Vec<&str> = all.artifacts.iter().map(|a| a.path.as_str()).collect();
    assert_eq!(
        artifacts,
        ["/w/target/debug/app", "/w/target/debug/libboth.a", "/w/target/debug/libboth.so"]
    );
}

#[test]
fn link_args_of_a_library_are_its_own() {
    let mut shared = lib(krate("shared"), &["s.c"]);
    let own = &mut shared.libs[0];
    (own.cdylib, own.staticlib) = (true, false);
    own.settings.link_args = vec!["-Wl,-soname,s.so.1".into()];
    own.public_link_args = vec!["-Wl,-z,now".into()];
    let app = bin(krate("app"), "app", &["main.c"]);
    let graph = graph(&workspace(vec![(app, &["shared"]), (shared, &[])]), &["app"]);
    assert!(args(&graph, "shared shared").ends_with("-Wl,-soname,s.so.1 -Wl,-z,now"));
    let program = args(&graph, "app bin app");
    assert!(program.ends_with("-Wl,-z,now") && !program.contains("s.so.1"), "{program}");
}

#[test]
fn headers_outside_the_workspace_are_those_of_a_system() {
    let mut out = lib(krate("out"), &["o.c"]);
    out.dir = "/elsewhere/out".into();
    out.libs[0].headers = vec!["/elsewhere/out/inc".into(), "/usr/include".into()];
    let app = bin(krate("app"), "app", &["main.c"]);
    let graph = graph(&workspace(vec![(app, &["out"]), (out, &[])]), &["app"]);
    let unit = args(&graph, "app bin app main.c");
    assert!(unit.ends_with("-isystem/elsewhere/out/inc"), "{unit}");
}

#[test]
fn program_links_the_library_of_its_crate() {
    let mut app = bin(lib(krate("app"), &["lib.c"]), "app", &["main.c"]);
    app.libs[0].public_link_args = vec!["-Wl,--lib".into()];
    app.bins[0].settings.link_args = vec!["-Wl,-z,now".into(), "-Wl,--bin".into()];
    let graph = graph(&workspace(vec![(app, &[])]), &["app"]);
    assert_eq!(
        args(&graph, "app bin app"),
        "-pie target/debug/.tender/app/obj/bin-app/main.c.o target/debug/libapp.a \
         -Wl,-z,now -Wl,--bin -Wl,--lib"
    );
}

#[test]
fn targets_can_be_chosen() {
    let mut app = bin(bin(lib(krate("app"), &["l.c"]), "one", &["one.c"]), "two", &["two.c"]);
    app.libs[0].cdylib = true;
    let workspace = workspace(vec![(app, &[])]);
    let check = |lto, libraries, programs, expect: &[&str]| {
        let profile = Profile { lto, ..profile("dev") };
        let graph = graph_of_targets(
            &workspace,
            &profile,
            &["app"],
            Targets { libraries, programs, dev: Vec::new() },
        );
        let links: Vec<&str> =
            keys(&graph).into_iter().filter(|key| !key.ends_with(".c")).collect();
        assert_eq!(links, expect);
    };
    let named =
        |names: &[&str]| Programs::Named(names.iter().map(|name| name.to_string()).collect());
    check(
        Lto::Off,
        true,
        Programs::All,
        &["app archive", "app shared", "app bin one", "app bin two"],
    );
    check(Lto::Off, false, Programs::All, &["app archive", "app bin one", "app bin two"]);
    check(Lto::Off, false, named(&["two"]), &["app archive", "app bin two"]);
    check(Lto::Off, true, named(&[]), &["app archive", "app shared"]);
    check(Lto::Thin, true, Programs::All, &["app shared", "app bin one", "app bin two"]);
    check(Lto::Thin, false, named(&["two"]), &["app bin two"]);
    check(Lto::Thin, true, named(&[]), &["app archive", "app shared"]);
}

#[test]
fn prebuilt_files_are_linked_as_they_are() {
    let app = bin(lib(krate("app"), &["pre/x.o", "x.c", "pre/liby.a"]), "app", &["main.c", "z.o"]);
    let graph = graph(&workspace(vec![(app, &[])]), &["app"]);
    match &item(&graph, "app archive").run {
        Run::Worker(Work::Archive { members, .. }) => {
            let members: Vec<String> =
                members.iter().map(|m| format!("{}={}", m.name, m.path)).collect();
            assert_eq!(
                members,
                [
                    "pre_x.o.o=app/pre/x.o",
                    "x.c.o=target/debug/.tender/app/obj/lib/x.c.o",
                    "liby.a=app/pre/liby.a"
                ]
            );
        }
        other => panic!("{other:?}"),
    }
    assert!(args(&graph, "app bin app").contains("main.c.o app/z.o target/debug/libapp.a"));
}

fn generating() -> Workspace {
    let mut base = lib(krate("base"), &["b.c"]);
    base.generate = vec![
        Generate {
            run: vec!["make".into(), "config".into()],
            inputs: vec!["/w/base/config.in".into()],
            outputs: vec!["$OUT_DIR/config.h".into()],
            ..Generate::default()
        },
        Generate {
            number: 1,
            run: vec!["make".into()],
            inputs: vec![],
            outputs: vec!["$OUT_DIR/table.c".into()],
            ..Generate::default()
        },
    ];
    let mut app = bin(krate("app"), "app", &["main.c"]);
    app.bins[0].sources.patterns = vec!["main.c".into(), "gen/*.c".into()];
    app.generate = vec![Generate {
        run: vec!["./gen".into()],
        inputs: vec!["/w/target/debug/.tender/base/out/config.h".into()],
        outputs: vec!["gen/x.c".into(), "gen/ignored.txt".into()],
        ..Generate::default()
    }];
    workspace(vec![(app, &["base"]), (base, &[])])
}

#[test]
fn config_headers_come_before_all_that_see_them() {
    let config = |header: &str, public| ConfigHeader {
        template: Some("/w/base/config.h.in".into()),
        header: header.to_owned(),
        public,
        probes: vec![],
        values: vec![],
        settings: TargetSettings { defines: vec!["P=1".into()], ..TargetSettings::default() },
    };
    let mut base = lib(krate("base"), &["b.c"]);
    base.config_headers = vec![config("config.h", false), config("public.h", true)];
    let app = bin(krate("app"), "app", &["main.c"]);
    let graph = graph(&workspace(vec![(base, &[]), (app, &["base"])]), &["app"]);
    let [private, public] = ["base config config.h", "base config public.h"];
    assert_eq!(after(&graph, "base lib b.c"), [private, public]);
    assert_eq!(after(&graph, "app bin app main.c"), [public]);
    assert!(args(&graph, "app bin app main.c").contains("-Itarget/debug/.tender/base/out"));
    let item = item(&graph, private);
    assert_eq!(item.inputs, ["base/config.h.in"]);
    assert_eq!(
        item.outputs,
        [
            "target/debug/.tender/base/out/config.h",
            "target/debug/.tender/base/config/config.h.json"
        ]
    );
    let Run::Worker(Work::Configure(request)) = &item.run else { panic!("{:?}", item.run) };
    let words = request.c_args.join(" ");
    assert!(words.contains("-DP=1 -Ibase/include"), "{words}");
    assert!(!words.contains("/out"), "what an earlier build left there is not found: {words}");
}

#[test]
fn generated_files_are_inputs_of_their_readers() {
    let graph = graph(&generating(), &["app"]);
    assert_eq!(
        keys(&graph),
        [
            "base generate 0",
            "base generate 1",
            "base lib b.c",
            "base lib $OUT_DIR/table.c",
            "base archive",
            "app generate 0",
            "app bin app main.c",
            "app bin app gen/x.c",
            "app bin app"
        ]
    );
    // All of the crate's own commands, but only those of a dependency that write headers.
    assert_eq!(after(&graph, "base lib b.c"), ["base generate 0", "base generate 1"]);
    assert_eq!(after(&graph, "app bin app main.c"), ["app generate 0", "base generate 0"]);
    assert_eq!(after(&graph, "app generate 0"), ["base generate 0"]);
    assert_eq!(
        args(&graph, "app bin app main.c"),
        "-O0 -fPIE -ffile-compilation-dir=. -Itarget/debug/.tender/app/out \
         -Ibase/include -Itarget/debug/.tender/base/out"
    );
    let generate = item(&graph, "base generate 0");
    assert_eq!(generate.outputs, ["target/debug/.tender/base/out/config.h"]);
    match &generate.run {
        Run::Command(command) => {
            assert_eq!(command.dir, "/w/base");
            assert_eq!(
                command.env[0],
                ("OUT_DIR".to_owned(), "/w/target/debug/.tender/base/out".to_owned())
            );
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn commands_run_after_those_they_read_from() {
    let generate = |run: &str, inputs: &[&str], outputs: &[&str]| Generate {
        run: vec![run.into()],
        inputs: inputs.iter().map(Into::into).collect(),
        outputs: outputs.iter().map(|s| s.to_string()).collect(),
        ..Generate::default()
    };
    let mut a = lib(krate("a"), &["a.c"]);
    a.generate = vec![
        generate("second", &["$OUT_DIR/x.txt"], &["$OUT_DIR/inc/y.h"]),
        Generate { number: 1, ..generate("first", &["/w/a/x.in"], &["$OUT_DIR/x.txt"]) },
    ];
    let library = &mut a.libs[0];
    library.headers = vec!["$OUT_DIR/inc".into()];
    library.cdylib = true;
    library.exports = Some("$OUT_DIR/x.txt".into());
    let mut workspace = workspace(vec![(a, &[])]);
    let graph = graph(&workspace, &["a"]);
    assert_eq!(keys(&graph)[..2], ["a generate 1", "a generate 0"]);
    assert_eq!(after(&graph, "a generate 0"), ["a generate 1"]);
    assert!(args(&graph, "a lib a.c").contains("-Itarget/debug/.tender/a/out/inc "));
    assert_eq!(after(&graph, "a shared"), ["a generate 1", "a lib a.c"]);
    assert!(args(&graph, "a shared").contains("--version-script=target/debug/.tender/a/out/x.txt"));

    workspace.crates[0].generate[1].inputs = vec!["$OUT_DIR/inc/y.h".into()];
    let error = try_graph(&workspace, Mode::Build, &["a"]).unwrap_err().to_string();
    assert!(error.contains("crate `a`") && error.contains("`second`, `first`"), "{error}");
}

#[test]
fn manifest_inputs_count_for_every_unit() {
    let generate = |output: &str| Generate {
        run: vec!["gen".into()],
        inputs: vec![],
        outputs: vec![output.into()],
        ..Generate::default()
    };
    let mut base = lib(krate("base"), &["b.c"]);
    base.generate = vec![generate("data/made.txt")];
    let mut a = lib(krate("a"), &["a.c", "b.c"]);
    a.generate = vec![generate("$OUT_DIR/x.txt")];
    let inputs = ["/w/a/d.txt", "/w/base/data/made.txt", "$OUT_DIR/x.txt"];
    a.libs[0].settings.inputs = inputs.map(Utf8PathBuf::from).into();
    let a = bin(a, "tool", &["main.c"]);
    let graph = graph(&workspace(vec![(a, &["base"]), (base, &[])]), &["a"]);
    let expect = |source: &str| {
        [source, "a/d.txt", "base/data/made.txt", "target/debug/.tender/a/out/x.txt"]
            .map(Utf8PathBuf::from)
    };
    for unit in ["a.c", "b.c"] {
        let key = format!("a lib {unit}");
        assert_eq!(item(&graph, &key).inputs, expect(&format!("a/{unit}")));
        let mut after = after(&graph, &key);
        after.sort_unstable();
        assert_eq!(after, ["a generate 0", "base generate 0"]);
    }
    assert_eq!(item(&graph, "a bin tool main.c").inputs, ["a/main.c"]);
}

#[test]
fn generated_source_keeps_its_place_once_it_exists() {
    let before = graph(&generating(), &["app"]);
    let mut workspace = generating();
    let app = workspace.crates.iter_mut().find(|k| k.name == "app").unwrap();
    app.bins[0].sources.files.insert(0, "/w/app/gen/x.c".into());
    assert_eq!(args(&graph(&workspace, &["app"]), "app bin app"), args(&before, "app bin app"));
}

#[test]
fn check_has_no_outputs() {
    let graph = try_graph(&diamond(), Mode::Check, &["app"]).unwrap();
    assert_eq!(
        keys(&graph),
        [
            "base check lib b.c",
            "left check lib l.c",
            "right check lib r.c",
            "app check bin app src/main.c"
        ]
    );
    assert!(graph.items.iter().all(|item| item.outputs.is_empty() && item.kind == ItemKind::Check));
    assert!(graph.artifacts.is_empty());
}

#[test]
fn header_only_library_has_no_archive() {
    let workspace = workspace(vec![
        (bin(krate("app"), "app", &["main.c"]), &["h"]),
        (lib(krate("h"), &[]), &[]),
    ]);
    let graph = graph(&workspace, &["app", "h"]);
    assert_eq!(keys(&graph), ["app bin app main.c", "app bin app"]);
    assert!(args(&graph, "app bin app main.c").ends_with("-Ih/include"));
}

#[test]
fn graph_errors_name_the_crates() {
    let check = |workspace: Workspace, roots: &[&str], parts: &[&str]| {
        let error = try_graph(&workspace, Mode::Build, roots).unwrap_err().to_string();
        for part in parts {
            assert!(error.contains(part), "`{part}` is not in: {error}");
        }
    };
    check(
        workspace(vec![
            (bin(krate("a"), "same", &["m.c"]), &[]),
            (bin(krate("b"), "same", &["m.c"]), &[]),
        ]),
        &["a", "b"],
        &["target/debug/same", "a bin same", "b bin same"],
    );
    let mut absent = lib(krate("a"), &["m.c"]);
    absent.libs[0].settings.pkg_config = vec!["absent >= 2".into()];
    check(
        workspace(vec![(absent, &[])]),
        &["a"],
        &["crate `a`", "`absent >= 2`", "pkg-config", "/w/a/Tender.toml", "no such package"],
    );
    let mut outside = lib(krate("a"), &["m.c"]);
    outside.generate = vec![Generate {
        run: vec!["x".into()],
        inputs: vec![],
        outputs: vec!["../b/x.h".into()],
        ..Generate::default()
    }];
    check(workspace(vec![(outside, &[])]), &["a"], &["`../b/x.h`", "$OUT_DIR", "/w/a"]);
}

#[test]
fn commands_are_the_same_from_any_directory() {
    let words = |root: &str| {
        let graph = graph_of_one_unit(root.into(), &Utf8Path::new(root).join("target"), "X");
        graph
            .items
            .iter()
            .map(|item| format!("{:?} {:?}", item.run, item.outputs))
            .collect::<Vec<_>>()
    };
    assert_eq!(words("/first"), words("/second/deeper"));
}

/// Programs `one` and `two` with a source that both name.
fn two_programs() -> Crate {
    let one = bin(krate("x"), "one", &["one.c", "helper.c"]);
    bin(one, "two", &["two.c", "helper.c"])
}

#[test]
fn equal_units_are_one_item() {
    let workspace = workspace(vec![(two_programs(), &[])]);
    let whole = graph(&workspace, &["x"]);
    let helper = "x bin one helper.c";
    assert_eq!(
        keys(&whole),
        ["x bin one one.c", helper, "x bin one", "x bin two two.c", "x bin two"]
    );
    assert!(after(&whole, "x bin two").contains(&helper));
    let object = "target/debug/.tender/x/obj/bin-one/helper.c.o";
    assert!(args(&whole, "x bin two").contains(object));
    let check = try_graph(&workspace, Mode::Check, &["x"]).unwrap();
    assert_eq!(
        keys(&check),
        ["x check bin one one.c", "x check bin one helper.c", "x check bin two two.c"]
    );
    // The same unit where only the second is built.
    let programs = Programs::Named(vec!["two".into()]);
    let targets = Targets { libraries: false, programs, dev: Vec::new() };
    let second = graph_of_targets(&workspace, &profile("dev"), &["x"], targets);
    assert_eq!(keys(&second), ["x bin two two.c", helper, "x bin two"]);
}

#[test]
fn units_with_other_words_or_inputs_are_items_of_their_own() {
    let check = |change: fn(&mut TargetSettings)| {
        let mut programs = two_programs();
        change(&mut programs.bins[1].settings);
        let graph = graph(&workspace(vec![(programs, &[])]), &["x"]);
        assert!(keys(&graph).contains(&"x bin two helper.c"));
    };
    check(|settings| settings.defines = vec!["D".into()]);
    check(|settings| settings.flags = vec!["-fwrapv".into()]);
    check(|settings| settings.inputs = vec!["/w/x/data".into()]);
    // A flag of another language changes nothing.
    let mut programs = two_programs();
    programs.bins[1].settings.cxx_flags = vec!["-fno-rtti".into()];
    let graph = graph(&workspace(vec![(programs, &[])]), &["x"]);
    assert!(!keys(&graph).contains(&"x bin two helper.c"));
}

#[test]
fn package_of_a_program_that_is_not_built_may_be_missing() {
    let mut programs = two_programs();
    programs.bins[0].settings.pkg_config = vec!["missing".into()];
    let workspace = workspace(vec![(programs, &[])]);
    let programs = Programs::Named(vec!["two".into()]);
    let targets = Targets { libraries: false, programs, dev: Vec::new() };
    let graph = graph_of_targets(&workspace, &profile("dev"), &["x"], targets);
    assert_eq!(keys(&graph), ["x bin two two.c", "x bin two helper.c", "x bin two"]);
}

#[test]
fn asm_is_assembled_by_a_command() {
    let mut asm = lib(krate("x"), &["a.c", "simd/f.asm"]);
    asm.libs[0].settings.flags = vec!["-fwrapv".into()];
    let asm = bin(asm, "p", &["main.c"]);
    let workspace = workspace(vec![(asm, &[])]);
    let graph = graph(&workspace, &["x"]);
    let unit = item(&graph, "x lib simd/f.asm");
    let Run::Command(command) = &unit.run else { panic!("{unit:?}") };
    let object = "target/debug/.tender/x/obj/lib/simd/f.asm.o";
    assert_eq!(
        command.shown().join(" "),
        format!("nasm -felf64 -Ix/include/ -Ix/simd/ -o {object} x/simd/f.asm")
    );
    assert_eq!(command.depfile.as_deref(), Some(Utf8Path::new(&format!("{object}.d"))));
    assert_eq!((unit.kind, unit.outputs[0].as_str()), (ItemKind::Compile, object));
    assert_eq!(unit.program.as_ref().unwrap().path.as_deref(), Some("/usr/bin/nasm".into()));
    assert!(after(&graph, "x archive").contains(&"x lib simd/f.asm"));
    let check = try_graph(&workspace, Mode::Check, &["x"]).unwrap();
    assert_eq!(keys(&check), ["x check lib a.c", "x check bin p main.c"]);
}
