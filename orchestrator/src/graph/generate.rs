//! The commands of `[[generate]]` and `[[rule]]` as items, and where the files that they write go.

use super::GraphError;
use super::build::Builder;
use super::instance::{BuiltFor, Instance};
use super::model::{Command, Ingredients, Item, ItemKind, Program, Run};
use super::paths::name_in_crate;
use crate::keys::ItemId;
use crate::manifest::{
    CommandWord, Crate, Generate, Mention, OUT_DIR, Sources, mention, source_kind,
};
use camino::{Utf8Path, Utf8PathBuf};
use std::collections::{BTreeSet, HashMap};

/// The items that write a crate's generated files, and where those files go.
#[derive(Clone, Default)]
pub(super) struct Generated {
    pub items: Vec<ItemId>,
    pub header_items: Vec<ItemId>,
    /// Headers are in OUT_DIR, so dependents need it as an include directory.
    pub headers_in_out_dir: bool,
    /// By library, and by program.
    pub lib_sources: Vec<Vec<Utf8PathBuf>>,
    pub bin_sources: Vec<Vec<Utf8PathBuf>>,
    pub all: Vec<Utf8PathBuf>,
}

impl Generated {
    /// Adds the headers of `[config]`, which come before what commands write.
    pub fn add(&mut self, configured: Generated) {
        self.items.splice(0..0, configured.items);
        self.header_items.splice(0..0, configured.header_items);
        self.headers_in_out_dir |= configured.headers_in_out_dir;
        self.all.extend(configured.all);
    }
}

impl Builder<'_> {
    /// Adds the `[[generate]]` commands of a crate.
    ///
    /// # Errors
    /// [`GraphError::GenerateCycle`], [`GraphError::OutputOutside`] or [`GraphError::SameOutput`].
    pub(super) fn plan_generate(&mut self, of: &Instance<'_>) -> Result<Generated, GraphError> {
        let of = &commands_of(of);
        if let Some(known) = self.generated.get(&(of.id, of.built_for)) {
            return Ok(known.clone());
        }
        let generated = self.plan_commands(of)?;
        self.generated.insert((of.id, of.built_for), generated.clone());
        Ok(generated)
    }

    /// What the commands of a crate write for its tests, examples and benchmarks: the commands belong
    /// to the crate itself, which is planned before.
    pub(super) fn generated_for_dev(&self, of: &Instance<'_>) -> Generated {
        let workspace = self.workspace;
        let users = Instance { krate: &workspace[of.id], built_for: BuiltFor::Users, ..*of };
        let mut generated =
            self.generated.get(&(of.id, BuiltFor::Users)).cloned().unwrap_or_default();
        generated.lib_sources = Vec::new();
        generated.bin_sources = vec![Vec::new(); of.krate.bins.len()];
        for generate in &users.krate.generate {
            for written in &generate.outputs {
                let path = self.expanded(&users, written.as_ref());
                if source_kind(&path).is_none() {
                    continue;
                }
                for (bin, sources) in of.krate.bins.iter().zip(&mut generated.bin_sources) {
                    if mentioned(users.krate, generate, &bin.sources, written) == Mention::Included
                    {
                        sources.push(path.clone());
                    }
                }
            }
        }
        generated
    }

    fn plan_commands(&mut self, of: &Instance<'_>) -> Result<Generated, GraphError> {
        let krate = of.krate;
        let mut generated = Generated {
            lib_sources: vec![Vec::new(); krate.libs.len()],
            bin_sources: vec![Vec::new(); krate.bins.len()],
            ..Generated::default()
        };
        if krate.generate.is_empty() {
            return Ok(generated);
        }
        let crate_out = self.crate_out(of);

        for generate in self.generate_order(of)? {
            let mut outputs = Vec::new();
            let mut writes_headers = false;
            for written in &generate.outputs {
                let in_out_dir = Utf8Path::new(written).starts_with(OUT_DIR);
                let path = self.expanded(of, written.as_ref());
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
                let by = |sources: &Sources| mentioned(krate, generate, sources, written);
                let in_libs: Vec<Mention> = krate.libs.iter().map(|lib| by(&lib.sources)).collect();
                let in_bins: Vec<Mention> = krate.bins.iter().map(|bin| by(&bin.sources)).collect();
                let unmentioned = in_libs.iter().chain(&in_bins).all(|m| *m == Mention::No);
                let joins_by_default = unmentioned && in_out_dir;
                // Which of several libraries, the manifest has to say.
                for (lib, mention) in in_libs.iter().enumerate() {
                    if *mention == Mention::Included || (joins_by_default && in_libs.len() == 1) {
                        generated.lib_sources[lib].push(path.clone());
                    }
                }
                for (bin, mention) in in_bins.iter().enumerate() {
                    if *mention == Mention::Included || (joins_by_default && in_libs.is_empty()) {
                        generated.bin_sources[bin].push(path.clone());
                    }
                }
            }
            let mut inputs: Vec<_> = generate
                .inputs
                .iter()
                .map(|path| self.path_for_commands(&self.expanded(of, path)))
                .collect();
            let filled = |word: &CommandWord| word.with_out_dir(crate_out.as_str());
            let mut words: Vec<String> = generate.run.iter().map(filled).collect();
            let (key, label) = self.command_names(of, generate, &words);
            let program = self.command_program(of, generate);
            if let (Some(_), Some(path)) = (generate.tool, &program.path) {
                words[0] = self.workspace.root.join(path).into_string();
                inputs.extend(self.shared_libraries(path));
            }
            // A command may read what another one, of this crate or of a dependency, writes, and
            // run it.
            let read = inputs.iter().chain(&program.path);
            let after = read.filter_map(|path| self.writers.get(path).copied()).collect();
            let mut env = self.command_environment(of, &crate_out);
            env.extend(generate.env.iter().map(|(name, word)| (name.clone(), filled(word))));
            let depfile = generate
                .depfile
                .as_ref()
                .map(|path| self.path_for_commands(&self.expanded(of, path.as_ref())));
            let mut own = words.clone();
            own.extend(env.iter().map(|(key, value)| format!("{key}={value}")));
            if let Some(depfile) = &depfile {
                own.push(format!("depfile={depfile}"));
                // The record has these among those that the depfile names.
                own.extend(inputs.iter().map(|path| format!("input={path}")));
            }
            let command = Command {
                words,
                shown: None,
                dir: krate.dir.clone(),
                env,
                depfile,
                retry: generate.retry,
            };
            let ix = self.add(Item {
                krate: of.id,
                krate_name: krate.name.clone(),
                host: of.is_host(),
                kind: ItemKind::Generate,
                key,
                label,
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

    /// The item's key, and what messages call it. A name has no space and no bracket in it.
    fn command_names(
        &self,
        of: &Instance<'_>,
        generate: &Generate,
        words: &[String],
    ) -> (String, String) {
        let mut key = of.key(if generate.is_rule { "rule" } else { "generate" });
        match &generate.name {
            Some(name) => key += &format!(" [{name}]"),
            None => key += &format!(" {}", generate.number),
        }
        let mut label = generate.name.clone().unwrap_or_else(|| words.join(" "));
        if let Some(each) = &generate.each {
            let path = self.expanded(of, each);
            let name = name_in_crate(&self.workspace.root, of.krate, &self.crate_out(of), &path);
            key += &format!(" {name}");
            if generate.name.is_some() {
                label += &format!(" {}", self.path_for_commands(&path));
            }
        }
        (key, label)
    }

    /// A path may be that of a file that another command writes, so it is not looked at.
    fn command_program(&self, of: &Instance<'_>, generate: &Generate) -> Program {
        let name = program_of(generate);
        if generate.tool.is_some() {
            let path = self.side(BuiltFor::Build).out_dir.join(&name);
            return Program { name, path: Some(self.path_for_commands(&path)) };
        }
        let path = match name.contains('/') {
            true => Some(self.path_for_commands(&self.expanded(of, name.as_ref()))),
            false => self.request.surroundings.program(&name, &of.krate.dir),
        };
        Program { name, path }
    }

    /// The shared libraries of this build that a program of this build loads when it runs.
    fn shared_libraries(&self, program: &Utf8Path) -> Vec<Utf8PathBuf> {
        let mut found = Vec::new();
        let mut left: Vec<ItemId> = self.writers.get(program).copied().into_iter().collect();
        while let Some(link) = left.pop() {
            for before in &self.graph[link].after {
                let item = &self.graph[*before];
                if item.kind == ItemKind::Shared && !found.contains(&item.outputs[0]) {
                    found.push(item.outputs[0].clone());
                    left.push(*before);
                }
            }
        }
        found.sort();
        found
    }

    /// The crate's commands, those that others read from first, else in the order of the manifest.
    fn generate_order<'k>(&self, of: &Instance<'k>) -> Result<Vec<&'k Generate>, GraphError> {
        let krate = of.krate;
        let commands = &krate.generate;
        let mut writers = HashMap::new();
        for (number, command) in commands.iter().enumerate() {
            let written = command.outputs.iter().map(|path| self.expanded(of, path.as_ref()));
            writers.extend(written.map(|path| (path, number)));
        }
        let mut readers = vec![Vec::new(); commands.len()];
        let mut waits_for = vec![0_usize; commands.len()];
        for (number, command) in commands.iter().enumerate() {
            let program = Some(program_of(command)).filter(|name| name.contains('/'));
            let read = command.inputs.iter().map(|path| self.expanded(of, path));
            let read = read.chain(program.map(|name| self.expanded(of, name.as_ref())));
            for writer in read.filter_map(|path| writers.get(&path)).filter(|one| **one != number) {
                readers[*writer].push(number);
                waits_for[number] += 1;
            }
        }
        let mut ready: BTreeSet<usize> =
            (0..commands.len()).filter(|number| waits_for[*number] == 0).collect();
        let mut order = Vec::new();
        while let Some(next) = ready.pop_first() {
            order.push(&commands[next]);
            for reader in &readers[next] {
                waits_for[*reader] -= 1;
                if waits_for[*reader] == 0 {
                    ready.insert(*reader);
                }
            }
        }
        if order.len() < commands.len() {
            let left = commands.iter().enumerate().filter(|(number, _)| waits_for[*number] > 0);
            let left: Vec<String> = left
                .map(|(_, command)| {
                    let words: Vec<String> = command.run.iter().map(CommandWord::text).collect();
                    format!("`{}`", words.join(" "))
                })
                .collect();
            return Err(GraphError::GenerateCycle {
                krate: krate.name.clone(),
                manifest: krate.manifest.clone(),
                commands: left.join(", "),
            });
        }
        Ok(order)
    }

    /// The names are cargo's for build scripts. None begins with `TENDER_`: those would reach a
    /// nested `tender`.
    fn command_environment(
        &self,
        of: &Instance<'_>,
        crate_out: &Utf8Path,
    ) -> Vec<(String, String)> {
        let host = &self.graph.host_profile;
        let profile = if of.is_host() { host } else { self.request.profile };
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

/// The build of a crate that its commands belong to. Those that write into the crate's own directory
/// run once, whichever of its builds uses what they write.
pub(super) fn commands_of<'a>(of: &Instance<'a>) -> Instance<'a> {
    let in_crate = |path: &String| !Utf8Path::new(path).starts_with(OUT_DIR);
    match of.krate.generate.iter().flat_map(|command| &command.outputs).any(in_crate) {
        true => Instance { built_for: BuiltFor::Users, ..*of },
        false => *of,
    }
}

/// Whether a target has a source that a command writes.
fn mentioned(krate: &Crate, generate: &Generate, sources: &Sources, written: &str) -> Mention {
    match &generate.each {
        Some(each) if generate.is_rule => match sources.ruled.contains(each) {
            true => Mention::Included,
            false => Mention::Excluded,
        },
        _ => mention(&krate.dir, &sources.patterns, written),
    }
}

/// As it is written in the manifest.
fn program_of(generate: &Generate) -> String {
    generate.run.first().map(CommandWord::text).unwrap_or_default()
}
