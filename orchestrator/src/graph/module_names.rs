//! Which named module of C++ an import means: what a target sees, what an import leads to, and what
//! is wrong with it: missing and twice declared modules, and cycles. Pure; knows no items.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use tender_protocol::ModuleName;

/// A module or partition that a unit declares, by its place among all of the build.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct ModuleId(pub usize);

#[derive(Clone, Debug)]
pub(super) struct DeclaredModule {
    pub at: ModuleName,
    pub origin: ModuleOrigin,
    pub requires: Vec<ModuleName>,
    /// What it sees itself.
    pub scope: ScopeId,
}

/// Who declares a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ModuleOrigin {
    /// A crate of the workspace, by its name.
    Crate(String),
    Std,
    Installed {
        library: String,
        /// It names the modules of the library.
        file: String,
        /// Modules of its library alone import it.
        is_private: bool,
    },
}

impl std::fmt::Display for ModuleOrigin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ModuleOrigin::Crate(name) => write!(f, "crate `{name}`"),
            ModuleOrigin::Std => f.write_str("the standard library"),
            ModuleOrigin::Installed { library, .. } => {
                write!(f, "the installed library `{library}`")
            }
        }
    }
}

/// What the units of a target see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ScopeId(pub usize);

#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum ModuleError {
    #[error("{}:{}: no unit declares the module `{}`, which is imported here\n  help: {help}", .import.file, .import.line, .import.name)]
    Missing { import: ModuleName, help: String },

    #[error(
        "the module `{}` is declared twice\n  first: {}:{} ({first_owner})\n  second: {}:{} ({second_owner})\n  help: rename one of them, or exclude its source",
        .first.name, .first.file, .first.line, .second.file, .second.line
    )]
    DeclaredTwice {
        first: Box<ModuleName>,
        first_owner: String,
        second: Box<ModuleName>,
        second_owner: String,
    },

    /// Each of them imports the next, the last one the first.
    #[error("modules import each other in a cycle{}", shown_cycle(.imports))]
    Cycle { imports: Vec<ModuleName> },

    #[error(
        "`modules` of crate `{krate}` names `{name}`, which no unit of the library declares\n  manifest: {manifest}\n  help: {help}"
    )]
    NotDeclared { krate: String, name: String, manifest: String, help: String },

    #[error(
        "`{source_file}` of crate `{krate}` is named as a module is, and is not compiled as C++20\n  help: write `cxx-std = \"c++20\"`, or a later one, into the manifest"
    )]
    OldStandard { source_file: String, krate: String },

    #[error("crate `{krate}` cannot use the modules of the package `{package}`: {message}")]
    Installed { krate: String, package: String, message: String },

    #[error(
        "`{file}` says that the module `{name}` is in `{source_file}`, which does not declare it\n  help: install the library again"
    )]
    NotAsListed { file: String, name: String, source_file: String },

    #[error(
        "crate `{krate}` has `precompiled-headers`, and its units are scanned for modules; tender cannot do both\n  manifest: {manifest}\n  help: remove `precompiled-headers`, or write `scan-modules = false` if no unit imports or declares a module"
    )]
    WithHeaders { krate: String, manifest: String },
}

/// The modules that others can import, and the files of their libraries.
fn shown_libraries(modules: &[(&str, &str)]) -> String {
    let mut by_file: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (file, name) in modules {
        by_file.entry(file).or_default().push(format!("`{name}`"));
    }
    let list = by_file.iter().map(|(file, names)| format!("`{file}` names {}", names.join(", ")));
    list.collect::<Vec<_>>().join("; ")
}

fn shown_cycle(imports: &[ModuleName]) -> String {
    imports.iter().fold(String::new(), |mut text, ModuleName { name, file, line }| {
        let _ = write!(text, "\n  {file}:{line}: imports `{name}`");
        text
    })
}

/// The modules of a build, and who sees which.
#[derive(Debug, Default)]
pub(super) struct ModuleNames {
    declared: Vec<DeclaredModule>,
    scopes: Vec<BTreeMap<String, ModuleId>>,
}

impl ModuleNames {
    pub fn new_scope(&mut self) -> ScopeId {
        self.scopes.push(BTreeMap::new());
        ScopeId(self.scopes.len() - 1)
    }

    pub fn declare(&mut self, module: DeclaredModule) -> ModuleId {
        self.declared.push(module);
        ModuleId(self.declared.len() - 1)
    }

    pub fn sees(&self, scope: ScopeId, name: &str) -> bool {
        self.scopes[scope.0].contains_key(name)
    }

    pub fn of(&self, id: ModuleId) -> &DeclaredModule {
        &self.declared[id.0]
    }

    /// Lets a scope see a module.
    ///
    /// # Errors
    /// [`ModuleError::DeclaredTwice`]: it sees another one of this name, of another source.
    pub fn show(&mut self, scope: ScopeId, id: ModuleId) -> Result<(), ModuleError> {
        let name = self.of(id).at.name.clone();
        let known = *self.scopes[scope.0].entry(name).or_insert(id);
        self.same(known, id)
    }

    /// Whether one program may have both.
    fn same(&self, a: ModuleId, b: ModuleId) -> Result<(), ModuleError> {
        let (first, second) = (self.of(a), self.of(b));
        if a == b || first.at.name != second.at.name || first.at.file == second.at.file {
            return Ok(());
        }
        Err(ModuleError::DeclaredTwice {
            first: Box::new(first.at.clone()),
            first_owner: first.origin.to_string(),
            second: Box::new(second.at.clone()),
            second_owner: second.origin.to_string(),
        })
    }

    /// All modules that imports in a scope lead to, those that others import first.
    ///
    /// # Errors
    /// A module is missing or declared twice, or modules import each other.
    pub fn reached(
        &self,
        scope: ScopeId,
        requires: &[ModuleName],
    ) -> Result<Vec<ModuleId>, ModuleError> {
        let mut walk =
            Walk { names: self, order: Vec::new(), path: Vec::new(), by_name: HashMap::new() };
        for import in requires {
            walk.visit(scope, import)?;
        }
        Ok(walk.order)
    }

    fn missing(&self, scope: ScopeId, import: &ModuleName) -> ModuleError {
        let elsewhere = self.declared.iter().find(|module| module.at.name == import.name);
        let seen = self.scopes[scope.0].values().map(|id| self.of(*id));
        let installed: Vec<(&str, &str)> = seen
            .filter_map(|module| match &module.origin {
                ModuleOrigin::Installed { file, is_private: false, .. } => {
                    Some((file.as_str(), module.at.name.as_str()))
                }
                _ => None,
            })
            .collect();
        let help = match (elsewhere, import.name.split_once(':')) {
            (_, Some((module, _))) => {
                format!("a partition is a unit of the same library or program as the other units of `{module}`")
            }
            (Some(DeclaredModule { origin, .. }), _) => match origin {
                ModuleOrigin::Installed { library, file, is_private: true } => format!(
                    "the installed library `{library}` has it for itself alone, as `{file}` says: import one of its other modules"
                ),
                ModuleOrigin::Installed { library, .. } => format!(
                    "the installed library `{library}` has it: the importing crate has to name its package in `pkg-config`"
                ),
                origin => format!(
                    "{origin} declares it: it has to be among the dependencies of the importing crate, and among `modules` of its `[lib]` if that key is there"
                ),
            },
            (None, None) if is_std(&import.name) => {
                "the C++ library that the unit is compiled with has no modules. LLVM's has: install libc++-22-dev and libc++abi-22-dev, and write `cxx-flags = [\"-stdlib=libc++\"]` and `link = [\"c++\"]`".to_owned()
            }
            (None, None) if !installed.is_empty() => format!(
                "of the installed libraries that are used, {}: install one that has it, and name its package in `pkg-config`; in the workspace `export module NAME;` declares one",
                shown_libraries(&installed)
            ),
            (None, None) => "`export module NAME;` declares one. Units of a crate are scanned for it if a source ends in .cppm, .ixx, .mpp, .ccm, .cxxm or .c++m, if `[lib]` has `modules`, or with `scan-modules = true` in `[package]`".to_owned(),
        };
        ModuleError::Missing { import: import.clone(), help }
    }
}

/// A module of the standard library, of which no unit of the workspace has the source: https://eel.is/c++draft/std.modules
pub(super) fn is_std(name: &str) -> bool {
    ["std", "std.compat"].contains(&name)
}

struct Walk<'n> {
    names: &'n ModuleNames,
    order: Vec<ModuleId>,
    /// The modules that have led here, and what each of them imports.
    path: Vec<(ModuleId, &'n ModuleName)>,
    by_name: HashMap<&'n str, ModuleId>,
}

impl<'n> Walk<'n> {
    fn visit(&mut self, scope: ScopeId, import: &ModuleName) -> Result<(), ModuleError> {
        let names = self.names;
        let Some(id) = names.scopes[scope.0].get(&import.name).copied() else {
            return Err(names.missing(scope, import));
        };
        if let Some(first) = self.path.iter().position(|(module, _)| *module == id) {
            let imports = self.path[first..].iter().map(|(_, import)| (*import).clone());
            return Err(ModuleError::Cycle { imports: imports.collect() });
        }
        let module = names.of(id);
        if let Some(known) = self.by_name.get(module.at.name.as_str()) {
            return names.same(*known, id);
        }
        for next in &module.requires {
            self.path.push((id, next));
            let visited = self.visit(module.scope, next);
            self.path.pop();
            visited?;
        }
        self.by_name.insert(&module.at.name, id);
        self.order.push(id);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each module as `NAME: IMPORT IMPORT`, all of one target.
    fn names(modules: &[&str]) -> Result<(ModuleNames, ScopeId), ModuleError> {
        let mut names = ModuleNames::default();
        let scope = names.new_scope();
        for (number, text) in modules.iter().enumerate() {
            let (name, imports) = text.split_once(" <- ").unwrap_or((text, ""));
            let file = format!("{number}.cppm");
            let place = |(line, name): (usize, &str)| ModuleName {
                name: name.to_owned(),
                file: file.clone(),
                line: u32::try_from(line).unwrap() + 2,
            };
            let id = names.declare(DeclaredModule {
                at: ModuleName { name: name.to_owned(), file: file.clone(), line: 1 },
                origin: ModuleOrigin::Crate("x".to_owned()),
                requires: imports.split_whitespace().enumerate().map(place).collect(),
                scope,
            });
            names.show(scope, id)?;
        }
        Ok((names, scope))
    }

    fn reached(modules: &[&str], imports: &str) -> Result<String, String> {
        let (names, scope) = names(modules).map_err(|error| error.to_string())?;
        let place = |name: &str| ModuleName { name: name.to_owned(), file: "m.cc".into(), line: 7 };
        let requires: Vec<ModuleName> = imports.split_whitespace().map(place).collect();
        let order = names.reached(scope, &requires).map_err(|error| error.to_string())?;
        let shown: Vec<&str> = order.iter().map(|id| names.of(*id).at.name.as_str()).collect();
        Ok(shown.join(" "))
    }

    #[track_caller]
    fn check_error(modules: &[&str], imports: &str, expect: &[&str]) {
        let error = reached(modules, imports).unwrap_err();
        for part in expect {
            assert!(error.contains(part), "{part:?} is not in {error:?}");
        }
    }

    #[test]
    fn imports_lead_to_all_modules_imported_ones_first() {
        let modules = ["a <- b c", "b <- d", "c <- d a:p", "d", "a:p", "other"];
        assert_eq!(reached(&modules, "a"), Ok("d b a:p c a".into()));
        assert_eq!(reached(&modules, "d b d"), Ok("d b".into()));
        assert_eq!(reached(&modules, ""), Ok(String::new()));
    }

    #[test]
    fn import_of_a_missing_module_names_its_place() {
        check_error(&["a"], "b", &["m.cc:7: no unit declares the module `b`", "scan-modules"]);
        check_error(&["a <- b", "c"], "c a", &["0.cppm:2: no unit declares the module `b`"]);
        check_error(&[], "std", &["m.cc:7", "-stdlib=libc++"]);
        check_error(&["a"], "a:p", &["`a:p`", "a partition is a unit of the same library"]);
    }

    #[test]
    fn modules_in_a_cycle_are_named_with_their_imports() {
        check_error(
            &["a <- b", "b <- x c", "c <- a", "x"],
            "a",
            &[
                "in a cycle\n  0.cppm:2: imports `b`\n  1.cppm:3: imports `c`\n  2.cppm:2: imports `a`",
            ],
        );
        // What leads to the cycle is no part of it.
        check_error(&["a <- b", "b <- b"], "a", &["in a cycle\n  1.cppm:2: imports `b`"]);
        let error = reached(&["a <- b", "b <- b"], "a").unwrap_err();
        assert!(!error.contains("0.cppm"), "{error}");
    }

    #[test]
    fn module_that_is_declared_twice_names_both_places() {
        check_error(
            &["a", "b", "a"],
            "",
            &["the module `a` is declared twice", "first: 0.cppm:1", "second: 2.cppm:1"],
        );
    }

    #[test]
    fn modules_of_one_name_clash_where_both_are_reached() {
        // Each of two libraries has a module of its own that is called `detail`.
        let mut names = ModuleNames::default();
        let mut library = |name: &str| {
            let scope = names.new_scope();
            let at = |name: &str, file: String| ModuleName { name: name.into(), file, line: 1 };
            let mut declare = |at: ModuleName, requires| {
                let origin = ModuleOrigin::Crate(name.to_owned());
                let id = names.declare(DeclaredModule { at, origin, requires, scope });
                names.show(scope, id).unwrap();
                id
            };
            let import = at("detail", format!("{name}.cppm"));
            declare(at("detail", format!("{name}-detail.cppm")), vec![]);
            declare(at(name, format!("{name}.cppm")), vec![import])
        };
        let (a, b) = (library("a"), library("b"));
        let scope = names.new_scope();
        names.show(scope, a).unwrap();
        names.show(scope, b).unwrap();
        let import = |name: &str| ModuleName { name: name.into(), file: "m.cc".into(), line: 1 };
        assert_eq!(names.reached(scope, &[import("a")]).unwrap().len(), 2);
        let error = names.reached(scope, &[import("a"), import("b")]).unwrap_err().to_string();
        assert!(error.contains("a-detail.cppm:1 (crate `a`)"), "{error}");
        assert!(error.contains("b-detail.cppm:1 (crate `b`)"), "{error}");
    }
}
