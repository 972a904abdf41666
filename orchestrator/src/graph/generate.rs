//! The commands of `[[generate]]` as items, and where the files that they write go.

use super::GraphError;
use super::build::Builder;
use super::model::{Command, Ingredients, Item, ItemKind, Program, Run};
use crate::keys::ItemId;
use crate::manifest::{Crate, CrateId, Generate, Mention, OUT_DIR, Sources, mention, source_kind};
use camino::{Utf8Path, Utf8PathBuf};

/// The items that write a crate's generated files, and where those files go.
#[derive(Default)]
pub(super) struct Generated {
    pub items: Vec<ItemId>,
    pub header_items: Vec<ItemId>,
    /// Headers are in OUT_DIR, so dependents need it as an include directory.
    pub headers_in_out_dir: bool,
    pub lib_sources: Vec<Utf8PathBuf>,
    pub bin_sources: Vec<Vec<Utf8PathBuf>>,
    pub all: Vec<Utf8PathBuf>,
}

impl Builder<'_> {
    /// Adds the `[[generate]]` commands of a crate.
    ///
    /// # Errors
    /// [`GraphError::GenerateCycle`], [`GraphError::OutputOutside`] or [`GraphError::SameOutput`].
    pub(super) fn plan_generate(
        &mut self,
        id: CrateId,
        krate: &Crate,
    ) -> Result<Generated, GraphError> {
        let mut generated =
            Generated { bin_sources: vec![Vec::new(); krate.bins.len()], ..Generated::default() };
        if krate.generate.is_empty() {
            return Ok(generated);
        }
        let crate_out = self.crate_out(krate);

        for (number, generate) in self.generate_order(krate)? {
            let mut outputs = Vec::new();
            let mut writes_headers = false;
            for written in &generate.outputs {
                let in_out_dir = Utf8Path::new(written).starts_with(OUT_DIR);
                let path = self.expanded(krate, written.as_ref());
                if !path.starts_with(&krate.dir) && !path.starts_with(&crate_out) {
                    return Err(GraphError::OutputOutside {
                        krate: krate.name.clone(),
                        output: written.clone(),
                        dir: krate.dir.clone(),
                    });
                }
                outputs.push(self.path_for_commands(&path));
                generated.all.push(path.clone());
                if source_kind(&path).is_none() {
                    writes_headers = true;
                    generated.headers_in_out_dir |= in_out_dir;
                    continue;
                }
                let of = |sources: &Sources| mention(&krate.dir, &sources.patterns, written);
                let in_lib = krate.lib.as_ref().map(|lib| of(&lib.sources));
                let in_bins: Vec<Mention> = krate.bins.iter().map(|bin| of(&bin.sources)).collect();
                let unmentioned = in_lib.unwrap_or(Mention::No) == Mention::No
                    && in_bins.iter().all(|m| *m == Mention::No);
                let joins_by_default = unmentioned && in_out_dir;
                if in_lib == Some(Mention::Included) || (joins_by_default && in_lib.is_some()) {
                    generated.lib_sources.push(path.clone());
                }
                for (bin, mention) in in_bins.iter().enumerate() {
                    if *mention == Mention::Included || (joins_by_default && in_lib.is_none()) {
                        generated.bin_sources[bin].push(path.clone());
                    }
                }
            }
            let inputs: Vec<_> = generate
                .inputs
                .iter()
                .map(|path| self.path_for_commands(&self.expanded(krate, path)))
                .collect();
            let program = self.command_program(krate, generate);
            // A command may read what another one, of this crate or of a dependency, writes, and
            // run it.
            let read = inputs.iter().chain(&program.path);
            let after = read.filter_map(|path| self.writers.get(path).copied()).collect();
            let command = Command {
                words: generate.run.clone(),
                dir: krate.dir.clone(),
                env: self.command_environment(&crate_out),
                retry: generate.retry,
            };
            let mut own = command.words.clone();
            own.extend(command.env.iter().map(|(key, value)| format!("{key}={value}")));
            let ix = self.add(Item {
                krate: id,
                krate_name: krate.name.clone(),
                kind: ItemKind::Generate,
                key: format!("{} generate {number}", krate.name),
                label: generate.run.join(" "),
                after,
                run: Run::Command(command),
                program: Some(program),
                inputs,
                outputs,
                ingredients: Ingredients { own, profile: Vec::new(), interfaces: Vec::new() },
                size: 0,
            })?;
            generated.items.push(ix);
            if writes_headers {
                generated.header_items.push(ix);
            }
        }
        Ok(generated)
    }

    /// A path may be that of a file that another command writes, so it is not looked at.
    fn command_program(&self, krate: &Crate, generate: &Generate) -> Program {
        let name = generate.run.first().cloned().unwrap_or_default();
        let path = match name.contains('/') {
            true => Some(self.path_for_commands(&crate::manifest::resolve(&krate.dir, &name))),
            false => self.request.surroundings.program(&name, &krate.dir),
        };
        Program { name, path }
    }

    /// The crate's commands with their numbers in the manifest, those that others read from first.
    fn generate_order<'k>(
        &self,
        krate: &'k Crate,
    ) -> Result<Vec<(usize, &'k Generate)>, GraphError> {
        let mut left: Vec<(usize, &Generate)> = krate.generate.iter().enumerate().collect();
        let mut order = Vec::new();
        while !left.is_empty() {
            let waits_for = |reader: &Generate, writer: &Generate| {
                let written = |path: &String| self.expanded(krate, path.as_ref());
                let program = reader.run.first().filter(|name| name.contains('/'));
                let read = reader.inputs.iter().map(|path| self.expanded(krate, path));
                read.chain(program.map(|name| self.expanded(krate, name.as_ref())))
                    .any(|read| writer.outputs.iter().any(|path| written(path) == read))
            };
            let ready = |(number, reader): &(usize, &Generate)| {
                left.iter().all(|(other, writer)| other == number || !waits_for(reader, writer))
            };
            let Some(next) = left.iter().position(ready) else {
                let commands: Vec<String> = left
                    .iter()
                    .map(|(_, generate)| format!("`{}`", generate.run.join(" ")))
                    .collect();
                return Err(GraphError::GenerateCycle {
                    krate: krate.name.clone(),
                    manifest: krate.manifest.clone(),
                    commands: commands.join(", "),
                });
            };
            order.push(left.remove(next));
        }
        Ok(order)
    }

    /// The names are cargo's for build scripts. None begins with `TENDER_`: those would reach a
    /// nested `tender`.
    fn command_environment(&self, crate_out: &Utf8Path) -> Vec<(String, String)> {
        let profile = self.request.profile;
        let level = format!("{:?}", profile.opt_level).trim_start_matches('O').to_owned();
        let debug = profile.debug != crate::manifest::DebugInfo::None;
        vec![
            ("OUT_DIR".into(), crate_out.to_string()),
            ("PROFILE".into(), profile.name.clone()),
            ("OPT_LEVEL".into(), level),
            ("DEBUG".into(), debug.to_string()),
        ]
    }
}
