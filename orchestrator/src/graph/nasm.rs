//! The commands of nasm and yasm, which translate `.asm`. Does no I/O.
//!
//! Both tell what a source includes by a command of its own, `-M`: yasm has no other, and `-MD` of
//! nasm 2.16 leaves out what is included. So a shell runs one after the other.

use super::GraphError;
use super::build::{Assembler, Builder};
use super::instance::Instance;
use super::model::{Command, Program};
use camino::{Utf8Path, Utf8PathBuf};

/// Its arguments are the assembler and what it is given. What is wrong with the source is said
/// once.
const SCRIPT: &str = r#""$0" "$@" && exec "$0" -M "$@" >"$DEPFILE" 2>/dev/null"#;

impl Assembler {
    /// The words for debug information.
    pub(super) fn debug(&self) -> &'static [&'static str] {
        if self.is_yasm { &["-g", "dwarf2"] } else { &["-g", "-F", "dwarf"] }
    }

    pub(super) fn program(&self) -> Program {
        Program { name: self.words[0].clone(), path: Some(self.path.clone()) }
    }

    /// What stands in its command apart from the words of the crate.
    pub(super) fn own_words(&self) -> Vec<String> {
        let mut words = self.words.clone();
        words.push(format!("-f{}", self.format));
        words
    }

    /// The command that makes `object` of `source`; both are relative to `root`, or absolute.
    pub(super) fn command(
        &self,
        root: &Utf8Path,
        args: Vec<String>,
        source: &Utf8Path,
        object: &Utf8Path,
    ) -> Command {
        let mut shown = self.own_words();
        shown.extend(args);
        // As the C preprocessor does, which looks there first.
        if let Some(dir) = source.parent().filter(|dir| !dir.as_str().is_empty()) {
            shown.push(format!("-I{dir}/"));
        }
        shown.extend(["-o", object.as_str(), source.as_str()].map(str::to_owned));
        let mut words = ["/bin/sh", "-c", SCRIPT].map(str::to_owned).to_vec();
        words.extend(shown.iter().cloned());
        let depfile = Utf8PathBuf::from(format!("{object}.d"));
        Command {
            words,
            shown: Some(shown),
            dir: root.to_owned(),
            // nasm takes arguments from it, which no manifest has.
            env: vec![("DEPFILE".into(), depfile.to_string()), ("NASMENV".into(), String::new())],
            depfile: Some(depfile),
            retry: true,
        }
    }
}

impl Builder<'_> {
    /// nasm or yasm, found once.
    ///
    /// # Errors
    /// [`GraphError::NoAssembler`].
    pub(super) fn assembler(
        &mut self,
        of: &Instance<'_>,
        source: &Utf8Path,
    ) -> Result<Assembler, GraphError> {
        let find = || self.request.surroundings.assembler(of.is_host());
        let found = self.assemblers.entry(of.built_for).or_insert_with(find).clone();
        found.map_err(|message| GraphError::NoAssembler {
            krate: of.krate.name.clone(),
            source_file: self.path_for_commands(source),
            message,
        })
    }
}
