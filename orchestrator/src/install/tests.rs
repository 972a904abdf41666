//! Workspaces as manifests describe them, and what is installed of them.

use super::needs::{LibraryNeed, library_needs, needed_crates};
use super::plan::{InstallEntry, InstallRequest, RuntimePath, plan};
use super::{InstallLayout, survey};
use crate::graph::{Artifact, ArtifactKind};
use crate::keys::ItemId;
use crate::manifest::{self, CrateId, ProgramKind, Workspace};
use camino::{Utf8Path, Utf8PathBuf};

/// Crates `a`, `b`, ... by their manifests below `[package]`, each with a source and a header of its
/// name.
fn workspace(crates: &[(&str, &str)]) -> (tempfile::TempDir, Workspace) {
    let dir = tempfile::tempdir().unwrap();
    let root = Utf8Path::from_path(dir.path()).unwrap();
    let write = |path: &str, text: &str| {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("Tender.toml", "[workspace]\nmembers = [\"*\"]\n");
    for (name, text) in crates {
        write(&format!("{name}/Tender.toml"), &format!("[package]\nname = \"{name}\"\n{text}"));
        write(&format!("{name}/src/{name}.c"), "");
        write(&format!("{name}/include/{name}.h"), "");
    }
    let loaded = manifest::load(&root.join("Tender.toml"));
    let workspace = loaded.unwrap_or_else(|errors| panic!("{errors}")).workspace;
    (dir, workspace)
}

fn on(names: &[&str]) -> String {
    let lines = names.iter().map(|name| format!("{name} = {{ path = \"../{name}\" }}\n"));
    format!("[dependencies]\n{}", lines.collect::<String>())
}

const SHARED: &str = "[lib]\ncrate-type = [\"cdylib\"]\n";
const BOTH: &str = "[lib]\ncrate-type = [\"staticlib\", \"cdylib\"]\n";

fn names(workspace: &Workspace, ids: &[CrateId]) -> Vec<String> {
    ids.iter().map(|id| workspace[*id].name.clone()).collect()
}

#[track_caller]
fn check_needed(crates: &[(&str, &str)], root: &str, expect: &[&str]) {
    let (_dir, workspace) = workspace(crates);
    let root = workspace.crate_named(root).unwrap();
    assert_eq!(names(&workspace, &needed_crates(&workspace, &[root])), expect);
}

#[test]
fn archive_needs_all_that_it_depends_on() {
    let crates = [("a", &*on(&["b"])), ("b", &on(&["c"])), ("c", "")];
    check_needed(&crates, "a", &["b", "c"]);
    let private = on(&["b"]).replace(" }", ", public = false }");
    check_needed(&[("a", &private), ("b", "")], "a", &["b"]);
}

#[test]
fn shared_library_needs_what_it_loads_and_what_its_headers_include() {
    let private = |lib: &str| format!("{lib}{}", on(&["b"]).replace(" }", ", public = false }"));
    check_needed(&[("a", &private(SHARED)), ("b", "")], "a", &[]);
    check_needed(&[("a", &private(SHARED)), ("b", SHARED)], "a", &["b"]);
    check_needed(&[("a", &format!("{SHARED}{}", on(&["b"]))), ("b", "")], "a", &["b"]);
    // Through an archive.
    let middle = on(&["c"]);
    check_needed(&[("a", &private(SHARED)), ("b", &middle), ("c", SHARED)], "a", &["c"]);
    check_needed(&[("a", &private(BOTH)), ("b", "")], "a", &["b"]);
}

#[test]
fn program_needs_what_it_loads() {
    let program =
        format!("autolib = false\n[[bin]]\nname = \"a\"\nsources = [\"src/a.c\"]\n{}", on(&["b"]));
    check_needed(&[("a", &program), ("b", "")], "a", &[]);
    check_needed(&[("a", &program), ("b", SHARED)], "a", &["b"]);
    check_needed(&[("a", &program), ("b", &on(&["c"])), ("c", SHARED)], "a", &["c"]);
}

#[test]
fn headers_alone_are_needed_where_headers_may_include_them() {
    let headers = on(&["b"]).replace(" }", ", headers-only = true }");
    check_needed(&[("a", &headers), ("b", "")], "a", &["b"]);
    let private = headers.replace(" }", ", public = false }");
    check_needed(&[("a", &private), ("b", "")], "a", &[]);
}

#[test]
fn library_needs_are_public_where_links_name_them() {
    let needs = |a: &str, b: &str| {
        let (_dir, workspace) = workspace(&[("a", a), ("b", b)]);
        library_needs(&workspace, workspace.crate_named("a").unwrap(), 0)
    };
    let need = |public, whole| vec![LibraryNeed { krate: CrateId(1), lib: 0, public, whole }];
    let b = on(&["b"]);
    // There is an archive alone: each link names all.
    assert_eq!(needs(&b, ""), need(true, false));
    assert_eq!(needs(&format!("{BOTH}{b}"), ""), need(false, false));
    assert_eq!(needs(&format!("{SHARED}{b}"), ""), need(false, false));
    // Users may call what the headers of the other one declare.
    assert_eq!(needs(&format!("{SHARED}{b}"), SHARED), need(true, false));
    let private = b.replace(" }", ", public = false }");
    assert_eq!(needs(&format!("{SHARED}{private}"), SHARED), need(false, false));
    let whole = b.replace(" }", ", whole-archive = true }");
    assert_eq!(needs(&whole, ""), need(true, true));
}

/// The plan for a root, without the files for other builds: paths and what they are.
fn planned(
    workspace: &Workspace,
    root: &str,
    prefix: &str,
    artifacts: &[(&str, ArtifactKind, &str)],
) -> Result<Vec<String>, String> {
    let root = workspace.crate_named(root).unwrap();
    let artifact = |(krate, kind, name): &(&str, ArtifactKind, &str)| Artifact {
        item: ItemId(0),
        krate: workspace.crate_named(krate).unwrap(),
        kind: *kind,
        name: (*name).to_owned(),
        path: Utf8PathBuf::from("/t").join(name),
    };
    let artifacts: Vec<Artifact> = artifacts.iter().map(artifact).collect();
    let all = (0..workspace.crates.len() as u32).map(CrateId);
    let files = all.map(|id| (id, survey(&workspace[id], "/t/out".as_ref()))).collect();
    let layout = InstallLayout::new("/".into(), prefix.as_ref(), "lib".as_ref(), None).unwrap();
    let (roots, layout) = ([root], &layout);
    let (artifacts, files) = (&artifacts[..], &files);
    let request =
        InstallRequest { workspace, roots: &roots, artifacts, modules: &[], files, layout };
    let plan = plan(&request).map_err(|error| error.to_string())?;
    let entries = plan.crates.iter().flat_map(|krate| &krate.entries);
    let shown = |(path, entry): (&Utf8PathBuf, &InstallEntry)| match entry {
        InstallEntry::Text(_) => None,
        InstallEntry::Link(to) => Some(format!("{path} -> {to}")),
        InstallEntry::Copy { executable, runtime_path, .. } => Some(match runtime_path {
            RuntimePath::Absent => format!("{path}{}", if *executable { " x" } else { "" }),
            RuntimePath::Removed => format!("{path} without"),
            RuntimePath::Replaced(way) => format!("{path} {way}"),
        }),
    };
    Ok(entries.filter_map(shown).collect())
}

#[test]
fn plan_has_programs_libraries_links_and_headers() {
    use ArtifactKind::{Cdylib, Staticlib};
    let program = ArtifactKind::Program(ProgramKind::Bin);
    let manifest = format!(
        "{BOTH}version = \"1.3\"\n[[bin]]\nname = \"tool\"\nsources = [\"src/bin/tool.c\"]\n\
         [install]\ninclude-dir = \"include/a-1\"\n{}",
        on(&["b"])
    );
    let (dir, _) = workspace(&[("a", ""), ("b", "")]);
    let root = Utf8Path::from_path(dir.path()).unwrap();
    std::fs::create_dir_all(root.join("a/src/bin")).unwrap();
    std::fs::write(root.join("a/src/bin/tool.c"), "").unwrap();
    std::fs::write(root.join("a/Tender.toml"), format!("[package]\nname = \"a\"\n{manifest}"))
        .unwrap();
    let workspace = manifest::load(&root.join("Tender.toml")).unwrap().workspace;
    let artifacts = [
        ("a", Staticlib, "a"),
        ("a", Cdylib, "a"),
        ("a", program, "tool"),
        ("b", Staticlib, "b"),
        ("b", program, "other"),
    ];
    let expect = |way: &str, own: &str| {
        vec![
            "include/b.h".to_owned(),
            "lib/libb.a".to_owned(),
            format!("bin/tool {way}"),
            "include/a-1/a.h".to_owned(),
            "lib/liba.a".to_owned(),
            "lib/liba.so -> liba.so.1.3".to_owned(),
            "lib/liba.so.1 -> liba.so.1.3".to_owned(),
            format!("lib/liba.so.1.3 {own}"),
        ]
    };
    let found = planned(&workspace, "a", "/opt/x", &artifacts).unwrap();
    assert_eq!(found, expect("$ORIGIN/../lib", "$ORIGIN"));
    assert_eq!(planned(&workspace, "a", "/usr", &artifacts).unwrap(), expect("without", "without"));
}

#[test]
fn plan_says_what_cannot_be_installed() {
    use ArtifactKind::Staticlib;
    let left_out = "[lib]\n[install]\nlibraries = []\n";
    let (_dir, one) = workspace(&[("a", &on(&["b"])), ("b", left_out)]);
    let found = planned(&one, "a", "/usr", &[("a", Staticlib, "a"), ("b", Staticlib, "b")]);
    let expect =
        "the library `a` of crate `a` needs `b` of crate `b`, which `[install]` there leaves out";
    assert_eq!(found, Err(expect.to_owned()));

    let (_dir, two) = workspace(&[("a", "[install.data]\n\"share/tender\" = [\"src/*\"]\n")]);
    let found = planned(&two, "a", "/usr", &[("a", Staticlib, "a")]).unwrap_err();
    assert!(found.starts_with("`share/tender/a.c` is among the lists"), "{found}");

    let clash = "[install.data]\n\"include/b.h\" = [\"src/*\"]\n";
    let (_dir, three) = workspace(&[("a", &format!("{clash}{}", on(&["b"]))), ("b", "")]);
    let found = planned(&three, "a", "/usr", &[("a", Staticlib, "a"), ("b", Staticlib, "b")]);
    assert!(found.unwrap_err().starts_with("two files would be installed as `include/b.h`"));
}

#[test]
fn nested_include_directories_stay_nested() {
    let (dir, _) = workspace(&[("a", "[lib]\nheaders = [\"include\"]\n")]);
    let root = Utf8Path::from_path(dir.path()).unwrap();
    std::fs::create_dir_all(root.join("a/include/deep")).unwrap();
    std::fs::write(root.join("a/include/deep/d.h"), "").unwrap();
    std::fs::write(
        root.join("a/Tender.toml"),
        "[package]\nname = \"a\"\n[lib]\nheaders = [\"include/deep\", \"include\"]\n",
    )
    .unwrap();
    let workspace = manifest::load(&root.join("Tender.toml")).unwrap().workspace;
    let found = survey(&workspace.crates[0], "/t".as_ref()).headers;
    let below: Vec<&str> = found.iter().map(|header| header.below.as_str()).collect();
    assert_eq!(below, ["a.h", "deep/d.h"]);
    let dirs = super::survey::include_dirs(&workspace.crates[0], &workspace.crates[0].libs[0]);
    assert_eq!(dirs, ["", "deep"]);
}

#[test]
fn generated_headers_are_those_that_dependents_see() {
    let manifest = "[[generate]]\nrun = [\"x\"]\noutputs = [\"$OUT_DIR/v/version.h\", \"$OUT_DIR/x.c\", \"$OUT_DIR/x.txt\"]\n\
                    [[config]]\nheader = \"a_config.h\"\npublic = true\n[[config]]\nheader = \"config.h\"\n";
    let (_dir, workspace) = workspace(&[("a", manifest)]);
    let found = survey(&workspace.crates[0], "/t/out".as_ref()).headers;
    let shown: Vec<(&str, &str)> =
        found.iter().map(|header| (header.path.as_str(), header.below.as_str())).collect();
    let generated = [("/t/out/a_config.h", "a_config.h"), ("/t/out/v/version.h", "v/version.h")];
    assert_eq!(shown[1..], generated);
}
