//! The manifests of a generated workspace, as values that steps change. Knows no other files.

use std::collections::BTreeMap;
use std::fmt::Write;

#[derive(Clone, Debug, Default)]
pub(super) struct Manifests {
    pub(super) crates: Vec<Crate>,
    pub(super) profiles: Vec<Profile>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Crate {
    pub(super) name: &'static str,
    /// Its directory, relative to the root.
    pub(super) home: String,
    pub(super) includes: Vec<&'static str>,
    /// `@HOME@` in these and in `link_args` stands for `home`.
    pub(super) flags: Vec<String>,
    /// The value of a macro that the crate's units use.
    pub(super) level: u32,
    pub(super) link_args: Vec<String>,
    /// A package of `pkg-config`.
    pub(super) packages: Vec<&'static str>,
    /// Lines of `[lib]`, such as `exports = "wrap.map"`. `None`: the crate has no library.
    pub(super) library: Option<Vec<String>>,
    /// The value of a macro that dependents use too.
    pub(super) public_level: Option<u32>,
    pub(super) dependencies: Vec<&'static str>,
    pub(super) commands: Vec<Command>,
    /// Complete tables, such as those of programs.
    pub(super) tables: Vec<String>,
}

/// A `[[generate]]` table.
#[derive(Clone, Debug, Default)]
pub(super) struct Command {
    pub(super) run: Vec<String>,
    pub(super) inputs: Vec<&'static str>,
    pub(super) outputs: Vec<String>,
}

#[derive(Clone, Debug)]
pub(super) struct Profile {
    pub(super) name: &'static str,
    pub(super) opt_level: &'static str,
    pub(super) debug: &'static str,
    pub(super) lto: &'static str,
    pub(super) codegen_units: u32,
    /// The value of a macro.
    pub(super) level: u32,
}

impl Manifests {
    pub(super) fn krate(&mut self, name: &str) -> &mut Crate {
        self.crates.iter_mut().find(|krate| krate.name == name).expect("every workspace has it")
    }

    pub(super) fn home(&self, name: &str) -> &str {
        let krate = self.crates.iter().find(|krate| krate.name == name);
        &krate.expect("every workspace has it").home
    }

    /// Whether the crate with this name has a static library.
    pub(super) fn makes_archive(&self, name: &str) -> bool {
        let library = self
            .crates
            .iter()
            .find(|krate| krate.name == name)
            .and_then(|krate| krate.library.as_ref());
        library.is_some_and(|lines| !lines.iter().any(|line| line == "crate-type = [\"cdylib\"]"))
    }

    /// The text of each manifest, by its path.
    pub(super) fn texts(&self) -> BTreeMap<String, String> {
        let mut texts: BTreeMap<String, String> = self
            .crates
            .iter()
            .map(|krate| (format!("{}/Tender.toml", krate.home), self.text_of(krate)))
            .collect();
        let mut root = "[workspace]\nmembers = [\"crates/*\"]\n".to_owned();
        for Profile { name, opt_level, debug, lto, codegen_units, level } in &self.profiles {
            let _ = write!(
                root,
                "\n[profile.{name}]\nopt-level = {opt_level}\ndebug = {debug}\nlto = \"{lto}\"\n\
                 codegen-units = {codegen_units}\ndefines = [\"PROFILE_LEVEL={level}\"]\n"
            );
        }
        texts.insert("Tender.toml".to_owned(), root);
        texts
    }

    fn text_of(&self, krate: &Crate) -> String {
        let at_home = |words: &[String]| -> Vec<String> {
            words.iter().map(|word| word.replace("@HOME@", &krate.home)).collect()
        };
        let mut text = format!(
            "[package]\nname = \"{}\"\nc-std = \"gnu23\"\ncxx-std = \"gnu++20\"\ninclude = {:?}\nflags = {:?}\n\
             defines = [\"LEVEL={}\"]\nlink-args = {:?}\npkg-config = {:?}\n",
            krate.name,
            krate.includes,
            at_home(&krate.flags),
            krate.level,
            at_home(&krate.link_args),
            krate.packages,
        );
        if let Some(lines) = &krate.library {
            text.push_str("\n[lib]\n");
            lines.iter().for_each(|line| text += &format!("{line}\n"));
            if let Some(level) = krate.public_level {
                let _ = writeln!(
                    text,
                    "public-defines = [\"{}_PUBLIC={level}\"]",
                    krate.name.to_uppercase()
                );
            }
        }
        krate.tables.iter().for_each(|table| text += &format!("\n{table}"));
        text.push_str("\n[dependencies]\n");
        for name in &krate.dependencies {
            let steps = "../".repeat(krate.home.split('/').count());
            let _ = writeln!(text, "{name} = {{ path = \"{steps}{}\" }}", self.home(name));
        }
        for Command { run, inputs, outputs } in &krate.commands {
            let _ = write!(
                text,
                "\n[[generate]]\nrun = {run:?}\ninputs = {inputs:?}\noutputs = {outputs:?}\n"
            );
        }
        text
    }
}
