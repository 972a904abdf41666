//! The headers of `[config]` as items.

use super::GraphError;
use super::args::CompileWords;
use super::build::{Builder, system_cflags};
use super::generate::{Generated, commands_of};
use super::instance::{BuiltFor, Instance};
use super::model::{Ingredients, Item, ItemKind, Run};
use super::runtime;
use crate::keys::ItemId;
use crate::manifest::{ConfigHeader, OUT_DIR};
use camino::Utf8Path;
use tender_protocol::{ConfigValue, Configure, Language, Probe, Work};

impl Builder<'_> {
    /// Adds the configuration headers of a crate, once for each build of it. `interfaces` and `after` are those of the crates
    /// that it depends on.
    ///
    /// # Errors
    /// [`GraphError::PkgConfig`] or [`GraphError::SameOutput`].
    pub(super) fn plan_config_headers(
        &mut self,
        of: &Instance<'_>,
        interfaces: &[(String, Vec<String>)],
        after: &[ItemId],
    ) -> Result<Generated, GraphError> {
        // Those of the crate itself, which is planned before its tests, examples and benchmarks.
        let of = match of.built_for {
            BuiltFor::Dev => {
                let krate = &self.workspace[of.id];
                &Instance { krate, built_for: BuiltFor::Users, ..*of }
            }
            _ => of,
        };
        // They lie beside what the crate's commands write.
        let of = &commands_of(of);
        let mut generated = Generated::default();
        for config in &of.krate.config_headers {
            let item = self.plan_config_header(of, config, interfaces, after)?;
            generated.items.push(item);
            generated.all.push(self.expanded(of, &in_out_dir(config)));
            if config.public {
                generated.header_items.push(item);
                generated.headers_in_out_dir = true;
            }
        }
        Ok(generated)
    }

    fn plan_config_header(
        &mut self,
        of: &Instance<'_>,
        config: &ConfigHeader,
        interfaces: &[(String, Vec<String>)],
        after: &[ItemId],
    ) -> Result<ItemId, GraphError> {
        let krate = of.krate;
        let header = self.path_for_commands(&self.expanded(of, &in_out_dir(config)));
        let key = of.key(&format!("config {}", config.header));
        let known = self.writers.get(&header).copied();
        if let Some(item) = known.filter(|item| self.graph[*item].key == key) {
            return Ok(item);
        }
        let profile = &*self.profile(of);
        // Not OUT_DIR: what an earlier build left there must not be found.
        let mut directories: Vec<String> =
            config.settings.include.iter().map(|dir| self.include(of, dir)).collect();
        for lib in &krate.libs {
            directories.extend(lib.headers.iter().map(|dir| self.include(of, dir)));
        }
        let out_dir = self.include(of, OUT_DIR.as_ref());
        directories.retain(|word| *word != out_dir);
        let mut pkg_config = Vec::new();
        for package in &config.settings.pkg_config {
            pkg_config.extend(system_cflags(self.pkg_config(of, package)?.cflags));
        }
        let words = CompileWords {
            platform: self.platform_words(of),
            profile,
            settings: &config.settings,
            position: if profile.pie { "-fPIE" } else { "-fno-pie" },
            directories,
            interfaces: interfaces.to_vec(),
            pkg_config,
            is_silent: false,
        };
        // What the system has does not depend on how programs are instrumented.
        let args = |language| -> (Vec<String>, Ingredients) {
            let (mut args, mut ingredients) = words.of(language);
            for words in [&mut args, &mut ingredients.own, &mut ingredients.profile] {
                words.retain(|word| !runtime::is_instrumentation(word));
            }
            (args, ingredients)
        };
        let (c_args, mut ingredients) = args(Language::C);
        let (cxx_args, of_cxx) = args(Language::Cxx);
        let has_cxx = config.probes.iter().any(|probe| probe.language == Language::Cxx);
        if has_cxx {
            let own = of_cxx.own.into_iter().map(|word| format!("c++ {word}"));
            ingredients.own.extend(own);
        }

        let (c_driver, mut program, chosen) = self.chosen_driver(of, false, &config.header)?;
        ingredients.own.push(chosen);
        let mut cxx_driver = Vec::new();
        if has_cxx {
            let (driver, of_cxx, chosen) = self.chosen_driver(of, true, &config.header)?;
            ingredients.own.push(chosen);
            (cxx_driver, program) = (driver, of_cxx);
        }
        let mut link_args = self.program_words(of);
        link_args.extend(profile.link_args.iter().cloned());
        ingredients.profile.extend(profile.link_args.iter().cloned());
        ingredients.own.extend(config.probes.iter().map(words_of));
        let value = |(name, value): &(String, ConfigValue)| match value {
            ConfigValue::Switch(on) => format!("{name}={on}"),
            ConfigValue::Integer(number) => format!("{name}={number}"),
            ConfigValue::Text(text) => format!("{name}={text}"),
        };
        ingredients.own.extend(config.values.iter().map(value));

        let results = self
            .path_for_commands(&self.side(of.built_for).crates_dir)
            .join(&krate.name)
            .join("config")
            .join(format!("{}.json", config.header));
        let template =
            config.template.as_ref().map(|path| self.path_for_commands(&self.expanded(of, path)));
        let mut after = after.to_vec();
        let writer = template.as_ref().and_then(|path| self.writers.get(path).copied());
        after.extend(writer.filter(|writer| !after.contains(writer)));
        self.add(Item {
            krate: of.id,
            krate_name: krate.name.clone(),
            host: of.is_host(),
            kind: ItemKind::Configure,
            key,
            label: config.header.clone(),
            after,
            run: Run::Worker(Work::Configure(Box::new(Configure {
                header: header.to_string(),
                results: results.to_string(),
                template: template.as_ref().map(ToString::to_string),
                c_args,
                cxx_args: if has_cxx { cxx_args } else { Vec::new() },
                c_driver,
                cxx_driver,
                link_args,
                probes: config.probes.clone(),
                values: config.values.clone(),
            }))),
            program: Some(program),
            inputs: template.into_iter().collect(),
            outputs: vec![header, results],
            ingredients,
            size: 0,
        })
    }
}

/// A probe in short, to name it when it changes.
fn words_of(probe: &Probe) -> String {
    let (kind, of) = probe.test.parts();
    let mut text = format!("{}={kind}:{of}", probe.name);
    probe.headers.iter().flatten().for_each(|header| text += &format!(" <{header}>"));
    probe.libs.iter().for_each(|name| text += &format!(" -l{name}"));
    if probe.language == Language::Cxx {
        text += " c++";
    }
    text
}

fn in_out_dir(config: &ConfigHeader) -> camino::Utf8PathBuf {
    Utf8Path::new(OUT_DIR).join(&config.header)
}
