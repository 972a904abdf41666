//! The files of a workspace, generated from a recipe, and the expected output of its program.

use super::code::{Code, FunctionIx, Shape};
use super::lists::{HEADER, List};
use super::recipe::{Kind, Recipe};
use super::tables::{SCRIPT, Walks};
use crate::random::Random;
use camino::Utf8Path;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::io;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workspace {
    /// By path.
    pub files: BTreeMap<String, String>,
    /// The expected output of its program: a line for each crate.
    pub expected: String,
}

/// The contents of the units of a kind, at weight 1.
struct Sizes {
    units: u32,
    functions: u32,
    shape: Shape,
    lists: u32,
    /// The length of each list.
    length: u32,
    /// How many numbers the command of each crate keeps. `None`: there are no commands.
    kept: u32,
    profile: &'static str,
}

impl Kind {
    fn sizes(self) -> Sizes {
        let c = |units, functions, steps, table, profile| Sizes {
            units,
            functions,
            shape: Shape { steps, table },
            lists: 0,
            length: 0,
            kept: 0,
            profile,
        };
        match self {
            Kind::Many => c(3, 15, 6, 3000, "opt-level = 0\ndebug = false\n"),
            Kind::Huge => c(1, 60, 8, 6000, "opt-level = 0\ndebug = true\n"),
            Kind::Giant => c(1, 100, 5, 7000, "opt-level = 1\ndebug = false\n"),
            Kind::Lto => c(2, 8, 5, 8000, "opt-level = 2\ndebug = false\nlto = \"thin\"\n"),
            Kind::Fat => c(4, 8, 5, 6000, "opt-level = 2\ndebug = false\nlto = \"fat\"\n"),
            Kind::Templates => {
                let profile = "opt-level = 0\ndebug = false\n";
                Sizes { lists: 2, length: 60, ..c(1, 0, 0, 0, profile) }
            }
            Kind::Generated => {
                Sizes { kept: 1_000_000, ..c(1, 15, 6, 3000, "opt-level = 0\ndebug = false\n") }
            }
        }
    }
}

impl Workspace {
    pub fn new(recipe: &Recipe) -> Workspace {
        let mut maker = Maker {
            recipe,
            sizes: recipe.kind.sizes(),
            random: Random::new(recipe.seed),
            code: Code::default(),
            crates: Vec::new(),
            files: BTreeMap::new(),
        };
        let width = if recipe.kind == Kind::Giant { 1 } else { recipe.width.max(1) };
        (0..width).for_each(|_| maker.add_crate());
        maker.finish()
    }

    /// Writes all files, and creates their directories.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn write(&self, directory: &Utf8Path) -> io::Result<()> {
        for (path, text) in &self.files {
            let path = directory.join(path);
            std::fs::create_dir_all(path.parent().expect("a file is in a directory"))?;
            std::fs::write(path, text)?;
        }
        Ok(())
    }
}

struct Maker<'a> {
    recipe: &'a Recipe,
    sizes: Sizes,
    random: Random,
    code: Code,
    crates: Vec<Crate>,
    files: BTreeMap<String, String>,
}

struct Crate {
    name: String,
    /// A small function that other crates call.
    step: FunctionIx,
    all: FunctionIx,
}

impl Maker<'_> {
    fn add_crate(&mut self) {
        let name = format!("c{:02}", self.crates.len());
        let used = self.dependencies();
        let small = Shape { steps: 2, table: 0 };
        let step = self.code.add(format!("{name}_step"), &mut self.random, small, &[]);
        let mut entries = Vec::new();
        for unit in 0..self.sizes.units {
            entries.push(self.add_unit(&name, unit, &used));
        }
        if self.sizes.kept > 0 {
            entries.push(self.add_command(&name));
        }
        let all = self.code.add_chain(name.clone(), &entries);
        let declared: String = entries.iter().map(|entry| self.code.declaration(*entry)).collect();
        let mut text = format!("#include \"{name}.h\"\n\n{declared}\n");
        self.code.write(step, "", &mut text);
        self.code.write(all, "", &mut text);
        self.file(&name, "src/all.c", text);
        self.add_header(&name, &[step, all]);
        self.add_manifest(&name, &used);
        self.crates.push(Crate { name, step, all });
    }

    /// Up to three of the earlier crates.
    fn dependencies(&mut self) -> Vec<usize> {
        let before = self.crates.len() as u64;
        let mut chosen: Vec<usize> =
            (0..before.min(3)).map(|_| self.random.below(before) as usize).collect();
        chosen.sort_unstable();
        chosen.dedup();
        chosen
    }

    /// Returns the function that uses all of the unit.
    fn add_unit(&mut self, krate: &str, unit: u32, used: &[usize]) -> FunctionIx {
        let name = format!("{krate}_u{unit}");
        let mut text = String::new();
        for krate in used {
            let _ = writeln!(text, "#include \"{}.h\"", self.crates[*krate].name);
        }
        if self.recipe.kind == Kind::Templates {
            return self.add_lists(krate, name, text);
        }
        let mut callees: Vec<FunctionIx> =
            used.iter().map(|krate| self.crates[*krate].step).collect();
        let mut functions = Vec::new();
        for helper in 0..4 {
            let shape = Shape { steps: 3, table: 0 };
            let helper = self.code.add(format!("{name}_h{helper}"), &mut self.random, shape, &[]);
            self.code.write(helper, "static ", &mut text);
            callees.push(helper);
        }
        for number in 0..self.amount(self.sizes.functions) {
            let shape = self.sizes.shape;
            let function =
                self.code.add(format!("{name}_f{number}"), &mut self.random, shape, &callees);
            self.code.write(function, "", &mut text);
            functions.push(function);
        }
        let entry = self.code.add_chain(name, &functions);
        self.code.write(entry, "", &mut text);
        self.file(krate, &format!("src/u{unit}.c"), text);
        entry
    }

    fn add_lists(&mut self, krate: &str, name: String, mut text: String) -> FunctionIx {
        text.push_str("#include \"lists.hpp\"\n\n");
        let count = self.amount(self.sizes.lists);
        let lists = (0..count).map(|_| List::new(&mut self.random, self.sizes.length)).collect();
        let entry = self.code.add_lists(name, lists);
        self.code.write(entry, "extern \"C\" ", &mut text);
        self.file(krate, "src/u0.cpp", text);
        entry
    }

    /// Returns the function that the command writes.
    fn add_command(&mut self, krate: &str) -> FunctionIx {
        let name = format!("{krate}_made");
        let count = self.amount(self.sizes.kept);
        let walks = Walks::new(&mut self.random, count);
        self.file(krate, "made.txt", walks.input(&name));
        self.code.add_fold(name, walks.table())
    }

    /// The weight times three quarters to five quarters, so that units differ.
    fn amount(&mut self, at_weight_one: u32) -> u32 {
        let all = u64::from(at_weight_one) * u64::from(self.recipe.weight.max(1));
        let half = (all / 2).max(1);
        (all - half / 2 + self.random.below(half)).max(1) as u32
    }

    fn add_header(&mut self, name: &str, functions: &[FunctionIx]) {
        let declared: String =
            functions.iter().map(|function| self.code.declaration(*function)).collect();
        let text = format!(
            "#pragma once\n#ifdef __cplusplus\nextern \"C\" {{\n#endif\n{declared}#ifdef __cplusplus\n}}\n#endif\n"
        );
        self.file(name, &format!("include/{name}.h"), text);
    }

    fn add_manifest(&mut self, name: &str, used: &[usize]) {
        let mut text = format!("[package]\nname = \"{name}\"\n");
        if self.recipe.kind == Kind::Templates {
            text.push_str("[lib]\ninclude = [\"../../include\"]\n");
        }
        text.push_str("[dependencies]\n");
        for krate in used {
            let other = &self.crates[*krate].name;
            let _ = writeln!(text, "{other} = {{ path = \"../{other}\" }}");
        }
        if self.sizes.kept > 0 {
            let _ = write!(
                text,
                "[[generate]]\nrun = [\"awk\", \"-f\", \"../../made.awk\", \"made.txt\"]\n\
                 inputs = [\"../../made.awk\", \"made.txt\"]\noutputs = [\"$OUT_DIR/{name}_made.c\"]\nretry = true\n"
            );
        }
        self.file(name, "Tender.toml", text);
    }

    fn file(&mut self, krate: &str, path: &str, text: String) {
        self.files.insert(format!("crates/{krate}/{path}"), text);
    }

    /// The program, and the root manifest.
    fn finish(mut self) -> Workspace {
        let start = self.random.word();
        let (mut included, mut body, mut expected) = (String::new(), String::new(), String::new());
        let mut manifest = "[package]\nname = \"app\"\n[dependencies]\n".to_owned();
        for Crate { name, all, .. } in &self.crates {
            let _ = writeln!(included, "#include \"{name}.h\"");
            let _ =
                writeln!(body, "    printf(\"{name} %u\\n\", {}({start}u));", self.code.name(*all));
            let _ = writeln!(manifest, "{name} = {{ path = \"../crates/{name}\" }}");
            let _ = writeln!(expected, "{name} {}", self.code.result(*all, start));
        }
        let main = format!(
            "#include <stdio.h>\n{included}\nint main(void)\n{{\n{body}    return 0;\n}}\n"
        );
        let Recipe { kind, .. } = self.recipe;
        let root = format!(
            "# Made by a generator: {}.\n[workspace]\nmembers = [\"app\", \"crates/*\"]\n[profile.dev]\n{}",
            self.recipe, self.sizes.profile
        );
        if *kind == Kind::Templates {
            self.files.insert("include/lists.hpp".into(), HEADER.into());
        }
        if self.sizes.kept > 0 {
            self.files.insert("made.awk".into(), SCRIPT.into());
        }
        self.files.insert("Tender.toml".into(), root);
        self.files.insert("app/Tender.toml".into(), manifest);
        self.files.insert("app/src/main.c".into(), main);
        self.files.insert("expected-output.txt".into(), expected.clone());
        Workspace { files: self.files, expected }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(workspace: &Workspace) -> String {
        let mut hasher = blake3::Hasher::new();
        for (path, text) in &workspace.files {
            hasher.update(path.as_bytes()).update(text.as_bytes());
        }
        hasher.finalize().to_hex()[..16].to_owned()
    }

    #[test]
    fn recipe_gives_the_same_bytes_everywhere() {
        let check = |kind, expect: &str| {
            let recipe = Recipe::new(kind, 1);
            assert_eq!(hash(&Workspace::new(&recipe)), expect, "{recipe}");
        };
        check(Kind::Many, "147a478acd2bf9f1");
        check(Kind::Huge, "aa8a607c35ee3d6a");
        check(Kind::Templates, "f830f864f77c506b");
        check(Kind::Giant, "98d29a528c0241d0");
        check(Kind::Lto, "a489281d6bcf3ae4");
        check(Kind::Fat, "faca8a96e3bc921c");
        check(Kind::Generated, "a690d0f4bdb6e1c1");
    }

    #[test]
    fn seed_width_and_weight_each_change_the_workspace() {
        let recipe = Recipe { width: 2, ..Recipe::new(Kind::Many, 1) };
        let size = |recipe: &Recipe| {
            Workspace::new(recipe).files.values().map(String::len).sum::<usize>() as f64
        };
        let base = size(&recipe);
        let larger = |other: Recipe| size(&other) / base;
        assert!((1.5..2.5).contains(&larger(Recipe { width: 4, ..recipe })));
        assert!((1.5..2.5).contains(&larger(Recipe { weight: 2, ..recipe })));
        assert_ne!(Workspace::new(&recipe), Workspace::new(&Recipe { seed: 2, ..recipe }));
    }
}
