//! Any text as a root manifest: from TOML through the model and the patterns to what is said of it.

use super::super::load::load_root;
use super::super::pattern::{Pattern, PatternKind, in_out_dir};
use super::super::problem::ManifestText;
use super::super::raw::{self, DependencyPlace, Manifest, Settings};
use super::super::reader::Text;
use super::super::user::user_settings;
use super::*;

fn tree() -> Tree {
    Tree::new(&[
        ("src/a.c", ""),
        ("src/main.cpp", ""),
        ("src/bin/other.c", ""),
        ("include/p/p.h", ""),
        ("gen.sh", ""),
        ("exports.map", ""),
        ("m/Tender.toml", "[package]\nname = \"m\"\nversion.workspace = true\n"),
        ("m/src/m.c", ""),
        ("broken/Tender.toml", "[package"),
    ])
}

/// What the manifest names is looked for on disk, and a pattern such as `/**` is the whole disk.
/// Whether all of it is below `dir`.
fn stays_below(dir: &Utf8Path, manifest: &Manifest) -> bool {
    let include = |settings: &Settings| settings.include.clone().unwrap_or_default();
    let mut texts: Vec<Text> = Vec::new();
    if let Some(workspace) = &manifest.workspace {
        texts.extend(workspace.members.iter().chain(&workspace.exclude).cloned());
        texts.extend(workspace.shared.iter().flat_map(|shared| include(&shared.settings)));
    }
    texts.extend(manifest.package.iter().flat_map(|package| include(&package.shared.settings)));
    for lib in &manifest.libs {
        texts.extend(
            [&lib.sources, &lib.headers]
                .into_iter()
                .flatten()
                .flatten()
                .chain(&lib.exports)
                .cloned(),
        );
        texts.extend(include(&lib.settings));
    }
    for bin in &manifest.bins {
        texts.extend(bin.sources.iter().flatten().cloned().chain(include(&bin.settings)));
    }
    let paths = manifest.dependencies.iter().filter_map(|dependency| match &dependency.place {
        DependencyPlace::Path(path) => Some(path.clone()),
        DependencyPlace::Elsewhere(..) | DependencyPlace::System { .. } => None,
    });
    texts.extend(paths);
    texts.extend(manifest.generate.iter().flat_map(|command| {
        let each = command.for_each.iter().flatten();
        each.chain(&command.inputs).chain(&command.outputs).cloned()
    }));
    texts.iter().all(|text| match Pattern::parse(dir, &text.value).map(|pattern| pattern.place) {
        Ok(PatternKind::Path(path)) => path.starts_with(dir) || in_out_dir(path.as_str()),
        Ok(PatternKind::Glob(glob)) => glob.base.starts_with(dir) || in_out_dir(glob.base.as_str()),
        Err(_) => true,
    })
}

#[test]
fn fuzz_manifest() {
    let tree = tree();
    let path = tree.path("Tender.toml");
    let dir = tree.path("");
    tender_fuzz::check_text("manifest", 300, |text| {
        let source = ManifestText::new(path.clone(), text);
        raw::workspace_of(&source);
        let _ = (user_settings(&source, false), user_settings(&source, true));
        let mut problems = Vec::new();
        let manifest = raw::parse(&source, &mut problems);
        if manifest.is_some_and(|manifest| stays_below(&dir, &manifest)) {
            problems = match load_root(&source, &LoadOptions::default(), Vec::new()) {
                Ok(Loaded { warnings, .. }) => warnings,
                Err(LoadError::Sources { .. }) => panic!("no sources were asked for"),
                Err(LoadError::Manifest(errors)) => {
                    assert!(errors.problems.iter().any(Problem::is_error));
                    errors.problems
                }
            };
        }
        assert!(problems.iter().take(20).all(|problem| !render(problem, true, None).is_empty()));
    });
}
