//! `tender metadata`: the workspace as JSON, for programs. The format is documented in docs/json.md.

use super::env::CliEnvironment;
use super::error::CliError;
use super::exit::CliExit;
use super::options::MetadataOptions;
use super::print;
use super::terminal::Terminal;
use super::tree::open;
use crate::manifest::{
    Bin, Crate, CrateId, CrateSource, Lib, SourceOrigin, TargetSettings, Workspace,
};
use camino::Utf8Path;
use serde_json::{Value, json};

/// `tender metadata`: prints one line of JSON.
///
/// # Errors
/// The manifest or the choice is wrong, or standard output cannot be written.
pub fn metadata(
    options: &MetadataOptions,
    environment: &CliEnvironment,
    terminal: Terminal,
) -> Result<CliExit, CliError> {
    let project = open(&options.read, environment, terminal)?;
    print(&format!("{}\n", of_workspace(&project.workspace, &project.target_dir)))
}

fn of_workspace(workspace: &Workspace, target_dir: &Utf8Path) -> Value {
    let names = |ids: &[CrateId]| -> Vec<&str> {
        ids.iter().map(|id| workspace[*id].name.as_str()).collect()
    };
    let crates = (0u32..).map(CrateId).zip(&workspace.crates);
    json!({
        "version": 1,
        "workspace_root": workspace.root,
        "manifest_path": workspace.manifest,
        "target_directory": target_dir,
        "members": names(&workspace.members),
        "default_members": names(&workspace.default_members),
        "profiles": workspace.profiles.keys().collect::<Vec<_>>(),
        "packages": crates.map(|(id, krate)| of_crate(workspace, id, krate)).collect::<Vec<_>>(),
    })
}

fn of_crate(workspace: &Workspace, id: CrateId, krate: &Crate) -> Value {
    let dependencies = krate.declared.iter().map(|one| {
        let other = &workspace[one.krate];
        json!({
            "name": one.name,
            "package": other.name,
            "path": other.dir,
            "kind": one.kind.name(),
            "version": one.version,
            "optional": one.optional,
            "features": one.features,
            "default_features": one.default_features,
            "used": one.used,
        })
    });
    let libs = krate.libs.iter().map(of_lib);
    let dev = workspace.dev_crates.get(&id).into_iter().flat_map(|krate| &krate.bins);
    let bins = krate.bins.iter().chain(dev).map(of_bin);
    json!({
        "name": krate.name,
        "version": krate.version,
        "manifest_path": krate.manifest,
        "directory": krate.dir,
        "is_member": workspace.members.contains(&id),
        "source": krate.source.as_ref().map(|source| of_source(source)),
        "description": krate.about.description,
        "homepage": krate.about.homepage,
        "license": krate.about.license,
        "default_run": krate.default_run,
        "features": krate.features,
        "dependencies": dependencies.collect::<Vec<_>>(),
        "targets": libs.chain(bins).collect::<Vec<_>>(),
    })
}

fn of_source(source: &CrateSource) -> Value {
    match &source.origin {
        SourceOrigin::Archive { url, sha256, .. } => {
            json!({ "kind": "archive", "url": url, "sha256": sha256, "directory": source.dir })
        }
        SourceOrigin::Git { url, reference } => {
            let mut value = json!({
                "kind": "git",
                "url": url,
                "commit": source.commit,
                "directory": source.dir,
            });
            if let Some((key, name)) = reference.key() {
                value[key] = json!(name);
            }
            value
        }
    }
}

fn of_lib(lib: &Lib) -> Value {
    let forms = [(lib.staticlib, "staticlib"), (lib.cdylib, "cdylib"), (lib.object, "object")];
    let forms = forms.iter().filter(|(has, _)| *has).map(|(_, form)| *form);
    let own = json!({
        "name": lib.name,
        "kind": "lib",
        "crate_types": forms.collect::<Vec<_>>(),
        "sources": lib.sources.all().collect::<Vec<_>>(),
        "headers": lib.headers,
        "public_defines": lib.public_defines,
    });
    with_settings(own, &lib.settings)
}

fn of_bin(bin: &Bin) -> Value {
    let own = json!({
        "name": bin.name,
        "kind": bin.kind.word(),
        "crate_types": ["bin"],
        "sources": bin.sources.all().collect::<Vec<_>>(),
        "headers": [],
        "public_defines": [],
    });
    with_settings(own, &bin.settings)
}

fn with_settings(mut target: Value, settings: &TargetSettings) -> Value {
    target["include"] = json!(settings.include);
    target["defines"] = json!(settings.defines);
    target["flags"] = json!(settings.flags);
    target["c_flags"] = json!(settings.c_flags);
    target["cxx_flags"] = json!(settings.cxx_flags);
    target["c_std"] = json!(settings.c_std);
    target["cxx_std"] = json!(settings.cxx_std);
    target["link"] = json!(settings.link);
    target["link_args"] = json!(settings.link_args);
    target["pkg_config"] = json!(settings.pkg_config);
    target
}
