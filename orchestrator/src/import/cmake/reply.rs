//! The replies of CMake's file API that say what is built: `codemodel-v2` and its targets
//! (cmake-file-api(7)). Pure: text in, a model out. What is not read here may be anything.

use crate::import::words::{CompileOptions, ImportLanguage, sort};
use crate::manifest::normalise;
use camino::{Utf8Path, Utf8PathBuf};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Deserialize)]
struct Index {
    /// By client; answers to queries that have no client are entries of their own.
    #[serde(default)]
    reply: BTreeMap<String, serde_json::Value>,
}

#[derive(Debug, Deserialize)]
struct IndexEntry {
    #[serde(rename = "jsonFile")]
    json_file: Option<String>,
    error: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Codemodel {
    paths: CodemodelPaths,
    configurations: Vec<Configuration>,
}

#[derive(Debug, Deserialize)]
struct CodemodelPaths {
    source: Utf8PathBuf,
    build: Utf8PathBuf,
}

#[derive(Debug, Deserialize)]
struct Configuration {
    #[serde(default)]
    name: String,
    targets: Vec<TargetReference>,
}

#[derive(Debug, Deserialize)]
struct TargetReference {
    #[serde(rename = "jsonFile")]
    json_file: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct TargetReply {
    id: String,
    name: String,
    #[serde(rename = "type")]
    kind: String,
    name_on_disk: Option<String>,
    paths: TargetPaths,
    #[serde(default)]
    artifacts: Vec<ArtifactReply>,
    #[serde(default)]
    sources: Vec<SourceReply>,
    #[serde(default)]
    compile_groups: Vec<CompileGroup>,
    #[serde(default)]
    dependencies: Vec<DependencyReply>,
    link: Option<LinkReply>,
    #[serde(default)]
    backtrace_graph: BacktraceGraph,
}

#[derive(Debug, Deserialize)]
struct TargetPaths {
    source: Utf8PathBuf,
}

#[derive(Debug, Deserialize)]
struct ArtifactReply {
    path: Utf8PathBuf,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SourceReply {
    path: Utf8PathBuf,
    compile_group_index: Option<usize>,
    #[serde(default)]
    is_generated: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct CompileGroup {
    language: String,
    #[serde(default)]
    compile_command_fragments: Vec<Fragment>,
    #[serde(default)]
    includes: Vec<IncludeReply>,
    #[serde(default)]
    defines: Vec<DefineReply>,
    #[serde(default)]
    precompile_headers: Vec<PrecompileHeader>,
}

/// A path, or a name in angle brackets.
#[derive(Debug, Deserialize)]
struct PrecompileHeader {
    header: String,
}

#[derive(Debug, Deserialize)]
struct Fragment {
    #[serde(default)]
    fragment: String,
    #[serde(default)]
    role: String,
}

#[derive(Debug, Deserialize)]
struct IncludeReply {
    path: Utf8PathBuf,
    backtrace: Option<usize>,
}

#[derive(Debug, Deserialize)]
struct DefineReply {
    define: String,
    backtrace: Option<usize>,
}

#[derive(Debug, Deserialize)]
struct DependencyReply {
    id: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct LinkReply {
    #[serde(default)]
    command_fragments: Vec<Fragment>,
}

#[derive(Debug, Default, Deserialize)]
struct BacktraceGraph {
    #[serde(default)]
    commands: Vec<String>,
    #[serde(default)]
    nodes: Vec<BacktraceNode>,
}

#[derive(Debug, Deserialize)]
struct BacktraceNode {
    command: Option<usize>,
}

impl BacktraceGraph {
    /// Whether something came from a library that is linked, and not from the target itself.
    fn is_inherited(&self, backtrace: Option<usize>) -> bool {
        let node = backtrace.and_then(|at| self.nodes.get(at));
        let command = node.and_then(|node| self.commands.get(node.command?));
        command.is_some_and(|command| command == "target_link_libraries")
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CmakeKind {
    Static,
    Shared,
    /// A shared library that nothing links.
    Plugin,
    Object,
    Program,
    /// A custom target, or an interface library.
    Other,
}

/// What cmake builds, in one configuration. Paths are absolute and normal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CmakeProject {
    pub source: Utf8PathBuf,
    pub build: Utf8PathBuf,
    /// The configuration's name, if there are several.
    pub configuration: Option<String>,
    pub targets: Vec<CmakeTarget>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CmakeTarget {
    pub id: String,
    pub name: String,
    pub kind: CmakeKind,
    pub name_on_disk: String,
    /// The directory whose `CMakeLists.txt` has it.
    pub dir: Utf8PathBuf,
    pub artifacts: Vec<Utf8PathBuf>,
    pub sources: Vec<CmakeSource>,
    /// Other files that custom commands make for it, such as headers.
    pub generated: Vec<Utf8PathBuf>,
    /// Of targets.
    pub dependencies: Vec<String>,
    /// Words of its link, by role.
    pub link: Vec<(String, Vec<String>)>,
    /// Absolute paths, and names in angle brackets.
    pub precompiled_headers: Vec<String>,
    /// Include directories and macros that it has by linking something.
    pub inherited: BTreeSet<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CmakeSource {
    pub path: Utf8PathBuf,
    pub is_generated: bool,
    pub language: ImportLanguage,
    pub options: CompileOptions,
}

/// Why a reply cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ReplyError {
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    #[error("cmake has not answered: {0}")]
    NoAnswer(String),
    #[error("it has no configuration")]
    NoConfiguration,
}

/// The file of the codemodel, by the index.
///
/// # Errors
/// It is no index, or has no answer for `client`.
pub fn codemodel_file(index: &str, client: &str) -> Result<String, ReplyError> {
    let mut index: Index = serde_json::from_str(index)?;
    let answers = index.reply.remove(client).unwrap_or_else(|| serde_json::json!({}));
    let mut answers: BTreeMap<String, IndexEntry> = serde_json::from_value(answers)?;
    match answers.remove("codemodel-v2") {
        Some(IndexEntry { json_file: Some(file), .. }) => Ok(file),
        Some(IndexEntry { error: Some(error), .. }) => Err(ReplyError::NoAnswer(error)),
        _ => Err(ReplyError::NoAnswer("there is no `codemodel-v2` in the index".to_owned())),
    }
}

/// The project without its targets, and the files of these.
///
/// # Errors
/// It is no codemodel, or one without a configuration.
pub fn codemodel(text: &str) -> Result<(CmakeProject, Vec<String>), ReplyError> {
    let model: Codemodel = serde_json::from_str(text)?;
    let is_one = model.configurations.len() == 1;
    let first = model.configurations.into_iter().next().ok_or(ReplyError::NoConfiguration)?;
    let project = CmakeProject {
        source: normalise(&model.paths.source),
        build: normalise(&model.paths.build),
        configuration: (!is_one).then_some(first.name),
        targets: Vec::new(),
    };
    Ok((project, first.targets.into_iter().map(|target| target.json_file).collect()))
}

/// # Errors
/// It is no target.
pub fn target(text: &str, project: &CmakeProject) -> Result<CmakeTarget, ReplyError> {
    let reply: TargetReply = serde_json::from_str(text)?;
    let absolute = |path: &Utf8Path| normalise(&project.source.join(path));
    let words = |text: &str| shlex::split(text).unwrap_or_default();
    let mut inherited = BTreeSet::new();
    let mut groups = Vec::new();
    for group in &reply.compile_groups {
        let fragments = group.compile_command_fragments.iter();
        let all = fragments.flat_map(|fragment| words(&fragment.fragment));
        let mut options = match group.precompile_headers.is_empty() {
            true => sort(all),
            false => sort(without_precompiled(&all.collect::<Vec<_>>())),
        };
        for include in &group.includes {
            let path = absolute(&include.path).into_string();
            if reply.backtrace_graph.is_inherited(include.backtrace) {
                inherited.insert(path.clone());
            }
            options.include.push(path);
        }
        for define in &group.defines {
            if reply.backtrace_graph.is_inherited(define.backtrace) {
                inherited.insert(define.define.clone());
            }
            options.defines.push(define.define.clone());
        }
        let language = match group.language.as_str() {
            "C" => ImportLanguage::C,
            "CXX" => ImportLanguage::Cxx,
            _ => ImportLanguage::Other,
        };
        groups.push((language, options));
    }
    let mut sources = Vec::new();
    let mut generated = Vec::new();
    // As for tender, those of C++ are for a target that has any.
    let of_language = |language: &str| {
        let mut groups = reply.compile_groups.iter().filter(|group| group.language == language);
        groups.find(|group| !group.precompile_headers.is_empty())
    };
    let precompiled = of_language("CXX").or_else(|| of_language("C"));
    let precompiled_headers: Vec<String> = (precompiled.iter())
        .flat_map(|group| &group.precompile_headers)
        .map(|one| match one.header.starts_with('<') {
            true => one.header.clone(),
            false => absolute(Utf8Path::new(&one.header)).into_string(),
        })
        .collect();
    for source in &reply.sources {
        let path = absolute(&source.path);
        // CMake's own file that includes the headers, and the source that it compiles it by.
        let is_pch = path.file_name().is_some_and(|name| name.starts_with(PCH_NAME));
        if precompiled.is_some() && is_pch {
            continue;
        }
        match source.compile_group_index.and_then(|at| groups.get(at)) {
            Some((language, options)) => sources.push(CmakeSource {
                path,
                is_generated: source.is_generated,
                language: *language,
                options: options.clone(),
            }),
            // CMake names the rules of its own so.
            None if source.is_generated && path.extension() != Some("rule") => generated.push(path),
            None => {}
        }
    }
    let fragments = reply.link.iter().flat_map(|link| &link.command_fragments);
    Ok(CmakeTarget {
        kind: match reply.kind.as_str() {
            "STATIC_LIBRARY" => CmakeKind::Static,
            "SHARED_LIBRARY" => CmakeKind::Shared,
            "MODULE_LIBRARY" => CmakeKind::Plugin,
            "OBJECT_LIBRARY" => CmakeKind::Object,
            "EXECUTABLE" => CmakeKind::Program,
            _ => CmakeKind::Other,
        },
        name_on_disk: reply.name_on_disk.unwrap_or_else(|| reply.name.clone()),
        id: reply.id,
        name: reply.name,
        dir: absolute(&reply.paths.source),
        artifacts: reply
            .artifacts
            .iter()
            .map(|artifact| normalise(&project.build.join(&artifact.path)))
            .collect(),
        sources,
        generated,
        precompiled_headers,
        dependencies: reply.dependencies.into_iter().map(|dependency| dependency.id).collect(),
        link: fragments
            .map(|fragment| (fragment.role.clone(), words(&fragment.fragment)))
            .collect(),
        inherited,
    })
}

/// What the names of the files begin with by which CMake makes precompiled headers
/// (cmGeneratorTarget::GetPchHeader).
const PCH_NAME: &str = "cmake_pch.";

/// Words without those by which CMake makes and uses precompiled headers.
fn without_precompiled(words: &[String]) -> Vec<String> {
    let is_pch =
        |word: &str| Utf8Path::new(word).file_name().is_some_and(|name| name.starts_with(PCH_NAME));
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (mut kept, mut rest) = (Vec::new(), &words[..]);
    while let [first, ..] = rest {
        let length = match rest {
            ["-Xclang", "-include" | "-include-pch", "-Xclang", path, ..] if is_pch(path) => 4,
            ["-Xclang", "-emit-pch", ..] => 2,
            ["-include", path, ..] if is_pch(path) => 2,
            ["-x", "c-header" | "c++-header", ..] => 2,
            ["-Winvalid-pch" | "-fpch-instantiate-templates", ..] => 1,
            _ => {
                kept.push((*first).to_owned());
                1
            }
        };
        rest = &rest[length..];
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODEMODEL: &str = r#"{"paths": {"source": "/s", "build": "/b/."}, "configurations":
        [{"name": "Debug", "targets": [{"jsonFile": "t.json", "more": 1}]}], "kind": "codemodel"}"#;

    const TARGET: &str = r#"{"id": "zip::@1", "name": "zip", "type": "STATIC_LIBRARY", "nameOnDisk": "libzip.a",
        "paths": {"source": "lib", "build": "lib"}, "artifacts": [{"path": "lib/libzip.a"}],
        "sources": [{"path": "lib/a.c", "compileGroupIndex": 0}, {"path": "/b/gen.c", "compileGroupIndex": 0,
        "isGenerated": true}, {"path": "/b/gen.h", "isGenerated": true}, {"path": "/b/gen.h.rule", "isGenerated": true}],
        "compileGroups": [{"language": "C", "sourceIndexes": [0, 1], "compileCommandFragments": [{"fragment":
        "-O2 -Wall '-DA=\"x y\"'"}], "includes": [{"path": "/s/./include", "backtrace": 1}, {"path": "/s"}],
        "defines": [{"define": "B", "backtrace": 1}]}], "dependencies": [{"id": "z::@2"}],
        "link": {"commandFragments": [{"fragment": "-lm -lz", "role": "libraries"}]},
        "backtraceGraph": {"commands": ["target_link_libraries"], "nodes": [{}, {"command": 0}]}}"#;

    #[test]
    fn replies_are_read() {
        let index = r#"{"reply": {"client-x": {"codemodel-v2": {"jsonFile": "c.json"}}, "codemodel-v2": {"jsonFile": "d",
            "version": {"major": 2}}, "client-y": 1}, "cmake": {}}"#;
        assert_eq!(codemodel_file(index, "client-x").unwrap(), "c.json");
        let (project, files) = codemodel(CODEMODEL).unwrap();
        assert_eq!((project.source.as_str(), project.build.as_str()), ("/s", "/b"));
        assert_eq!((project.configuration.as_deref(), files), (None, vec!["t.json".to_owned()]));
        let target = target(TARGET, &project).unwrap();
        assert_eq!((target.kind, target.dir.as_str()), (CmakeKind::Static, "/s/lib"));
        assert_eq!(target.artifacts, ["/b/lib/libzip.a"]);
        assert_eq!(target.sources.len(), 2);
        assert!(target.sources[1].is_generated);
        assert_eq!(target.sources[0].options.include, ["/s/include", "/s"]);
        assert_eq!(target.sources[0].options.defines, ["A=\"x y\"", "B"]);
        assert_eq!(target.generated, ["/b/gen.h"]);
        assert_eq!(target.inherited.iter().collect::<Vec<_>>(), ["/s/include", "B"]);
        assert_eq!(
            target.link,
            [("libraries".to_owned(), vec!["-lm".to_owned(), "-lz".to_owned()])]
        );
    }

    #[test]
    fn reply_names_precompiled_headers_and_not_how_cmake_makes_them() {
        let text = r#"{"id": "a", "name": "a", "type": "EXECUTABLE", "paths": {"source": ".", "build": "."},
            "sources": [{"path": "b/cmake_pch.hxx", "isGenerated": true}, {"path": "b/cmake_pch.hxx.cxx",
            "compileGroupIndex": 0, "isGenerated": true}, {"path": "m.cpp", "compileGroupIndex": 1}],
            "compileGroups": [{"language": "CXX", "sourceIndexes": [1], "precompileHeaders": [{"header": "/s/x.h"}]},
            {"language": "CXX", "sourceIndexes": [2], "precompileHeaders": [{"header": "/s/x.h"}, {"header": "<map>"}],
            "compileCommandFragments": [{"fragment": "-O2 -Xclang -fx -Winvalid-pch -Xclang -include-pch -Xclang /b/cmake_pch.hxx.pch -Xclang -include -Xclang /b/cmake_pch.hxx -include y.h"}]}]}"#;
        let (project, _) = codemodel(CODEMODEL).unwrap();
        let target = target(text, &project).unwrap();
        assert_eq!(target.precompiled_headers, ["/s/x.h"]);
        assert_eq!(target.generated, [""; 0]);
        let [source] = &target.sources[..] else { panic!("{:?}", target.sources) };
        assert_eq!(source.path, "/s/m.cpp");
        assert_eq!(source.options.flags, ["-Xclang", "-fx", "-include", "y.h"]);
        let of_gcc = ["-c", "-Winvalid-pch", "-x", "c++-header", "-include", "/b/cmake_pch.hxx"];
        assert_eq!(without_precompiled(&of_gcc.map(str::to_owned)), ["-c"]);
    }

    #[test]
    fn replies_that_are_none_are_refused() {
        let why = |result: Result<String, ReplyError>| result.unwrap_err().to_string();
        assert!(why(codemodel_file("{", "client-x")).contains("EOF"));
        let none = r#"{"reply": {"client-x": {"codemodel-v2": {"error": "unknown query"}}}}"#;
        assert_eq!(why(codemodel_file(none, "client-x")), "cmake has not answered: unknown query");
        assert!(why(codemodel_file("{}", "client-x")).contains("no `codemodel-v2`"));
        assert!(
            codemodel(r#"{"paths": {"source": "/s", "build": "/b"}, "configurations": []}"#)
                .is_err()
        );
        assert!(codemodel("[]").is_err());
    }

    /// The first line is an index, then a codemodel, then targets; then they are translated.
    #[test]
    fn fuzz_cmake_reply() {
        tender_fuzz::check_text("cmake_reply", 1_000, |text| {
            let mut lines = text.lines();
            let _ = codemodel_file(lines.next().unwrap_or_default(), "client-tender");
            let Ok((mut project, _)) = codemodel(lines.next().unwrap_or_default()) else { return };
            let targets = lines.filter_map(|line| target(line, &project).ok()).collect();
            project.targets = targets;
            crate::import::cmake::translate(&project, &|_| true);
        });
    }
}
