//! The workspace of a command, and the settings from options, environment and manifest.

use super::config::CliConfig;
use super::env::{self, CliEnvironment};
use super::error::{CliError, problems_text, suggestion};
use super::options::{BuildOptions, FeatureArgs, MessageFormat, PlaceOptions, Selection};
use super::sources::{self, SourceReport, SystemPackages};
use super::terminal::Terminal;
use crate::manifest::{
    self, CrateId, FeatureCrates, FeatureOptions, LoadOptions, MemorySetting, ProbeAnswers,
    Profile, SourceChoice, Workspace,
};
use crate::memory::Budget;
use crate::sources::SourceStore;
use crate::sys::looks;
use camino::{Utf8Path, Utf8PathBuf};
use std::rc::Rc;

pub struct Project {
    pub workspace: Workspace,
    /// What is wrong and prevents nothing; empty: nothing is.
    pub warnings: String,
    /// Of all outputs. Absolute.
    pub target_dir: Utf8PathBuf,
    /// Of the outputs for the platform that is built for, without the profile. Absolute.
    pub output_dir: Utf8PathBuf,
    /// The crate of the current directory, or whose manifest was named.
    here: Option<CrateId>,
    profile: String,
    store: Rc<SourceStore>,
}

impl Project {
    /// Reads the workspace and shows the warnings about it.
    ///
    /// # Errors
    /// There is no manifest, or it has errors.
    pub fn open(
        place: &PlaceOptions,
        environment: &CliEnvironment,
        terminal: Terminal,
    ) -> Result<Self, CliError> {
        let report = SourceReport::new(terminal, MessageFormat::Human);
        Self::load(place, LoadOptions::default(), environment, (terminal, report))
    }

    /// As `open`, for a build. `dev`: it builds tests, examples or benchmarks. `probes`: their
    /// answers, if they have been made.
    ///
    /// # Errors
    /// As `open`; or there is no such feature.
    pub fn open_for(
        options: &BuildOptions,
        dev: bool,
        probes: Option<ProbeAnswers>,
        environment: &CliEnvironment,
        terminal: Terminal,
    ) -> Result<Self, CliError> {
        let BuildOptions { selection, features, place, .. } = options;
        let request = LoadOptions {
            features: feature_options(features, dev),
            crates: feature_crates(selection),
            probes,
            sources: SourceChoice::Needed,
            ..LoadOptions::default()
        };
        let report = SourceReport::new(terminal, options.message_format);
        Self::load(place, request, environment, (terminal, report))
    }

    /// As `open`, with features of the chosen crates, and whether their tests, examples or benchmarks
    /// count. `probes`: their answers, if they have been made. Nothing is fetched.
    ///
    /// # Errors
    /// As `open`; or there is no such feature.
    pub fn open_chosen(
        selection: &Selection,
        (features, dev): (&FeatureArgs, bool),
        place: &PlaceOptions,
        probes: Option<ProbeAnswers>,
        environment: &CliEnvironment,
        terminal: Terminal,
    ) -> Result<Self, CliError> {
        let request = LoadOptions {
            features: feature_options(features, dev),
            crates: feature_crates(selection),
            probes,
            ..LoadOptions::default()
        };
        let report = SourceReport::new(terminal, MessageFormat::Human);
        Self::load(place, request, environment, (terminal, report))
    }

    /// As `open`, for a command that shows the chosen crates with these features, and all that they may
    /// depend on.
    ///
    /// # Errors
    /// As `open`; or there is no such feature.
    pub fn open_shown(
        selection: &Selection,
        features: &FeatureArgs,
        place: &PlaceOptions,
        environment: &CliEnvironment,
        terminal: Terminal,
    ) -> Result<Self, CliError> {
        let request = LoadOptions {
            features: feature_options(features, false),
            crates: feature_crates(selection),
            sources: SourceChoice::All,
            ..LoadOptions::default()
        };
        let report = SourceReport::new(terminal, MessageFormat::Human);
        Self::load(place, request, environment, (terminal, report))
    }

    fn load(
        place: &PlaceOptions,
        mut request: LoadOptions,
        environment: &CliEnvironment,
        (terminal, mut report): (Terminal, SourceReport),
    ) -> Result<Self, CliError> {
        let here = current_dir()?;
        let (root, nearest) = match &place.manifest_path {
            Some(path) => (path.clone(), here.join(path)),
            None => {
                let found = manifest::find(&here, environment.logical_dir.as_deref())?;
                (found.root, found.nearest)
            }
        };
        request.config.clone_from(&environment.config.texts);
        request.target.clone_from(&place.target);
        if matches!(request.crates, FeatureCrates::Default) {
            request.crates = FeatureCrates::At(nearest.clone());
        }
        let option = if place.release { Some("release") } else { place.profile.as_deref() };
        let set = option.or_else(|| environment.chosen_profile());
        let profile = set.unwrap_or("dev").to_owned();
        let packages = SystemPackages {
            target_dir: target_dir(place, environment, &here),
            profile: profile.clone(),
        };
        request.packages = Some(Rc::new(packages));
        let store = sources::store(place, true, environment, &here);
        let loaded = sources::load(&root, &mut request, &store, &mut report)?;
        let warnings = match loaded.warnings.as_slice() {
            [] => String::new(),
            warnings => problems_text(warnings),
        };
        let workspace = loaded.workspace;
        let here_crate =
            workspace.crates.iter().position(|krate| same_file(&krate.manifest, &nearest));
        let here_crate =
            here_crate.map(|at| CrateId(u32::try_from(at).expect("crates are counted in 32 bits")));
        let target_dir = workspace.root.join(target_dir(place, environment, &here));
        let target_dir = tidy(&target_dir);
        let output_dir = match &place.target {
            Some(platform) => target_dir.join(platform.triple()),
            None => target_dir.clone(),
        };
        let here = here_crate;
        let project = Self { workspace, warnings, target_dir, output_dir, here, profile, store };
        if !environment.is_repeated {
            project.warn(terminal);
        }
        Ok(project)
    }

    /// Shows the warnings about it.
    pub fn warn(&self, terminal: Terminal) {
        if !self.warnings.is_empty() {
            terminal.console().print(&self.warnings);
        }
    }

    /// The workspace with all features, and with all that depends on probes. None if it is wrong.
    pub fn whole_workspace(
        &self,
        place: &PlaceOptions,
        environment: &CliEnvironment,
    ) -> Option<Workspace> {
        let request = LoadOptions {
            config: environment.config.texts.clone(),
            target: place.target.clone(),
            features: FeatureOptions { all_features: true, ..FeatureOptions::default() },
            crates: FeatureCrates::Members,
            finder: Some(self.store.clone()),
            ..LoadOptions::default()
        };
        let loaded = manifest::load_with(&self.workspace.manifest, &request);
        loaded.ok().map(|loaded| loaded.workspace)
    }

    /// # Errors
    /// There is no such profile.
    pub fn profile(&self) -> Result<&Profile, CliError> {
        // The directory of `dev` is `debug`, and users may use that name.
        let name = if self.profile == "debug" { "dev" } else { &self.profile };
        self.workspace.profiles.get(name).ok_or_else(|| {
            let known = self.workspace.profiles.keys().map(String::as_str);
            let help = suggestion(name, known.clone())
                .unwrap_or_else(|| format!("there are {}", known.collect::<Vec<_>>().join(", ")));
            CliError::usage(format!("there is no profile `{name}` in {}", self.workspace.manifest))
                .with_help(help)
        })
    }

    /// The crates that `-p` or `--workspace` select; else the crate of the current directory; else
    /// the default members.
    ///
    /// # Errors
    /// There is no such crate.
    pub fn select(&self, selection: &Selection) -> Result<Vec<CrateId>, CliError> {
        if selection.workspace {
            return Ok(self.workspace.members.clone());
        }
        if !selection.package.is_empty() {
            return self.named(&selection.package);
        }
        Ok(self.here.map_or_else(|| self.workspace.default_members.clone(), |krate| vec![krate]))
    }

    /// # Errors
    /// There is no such crate.
    pub fn named(&self, names: &[String]) -> Result<Vec<CrateId>, CliError> {
        let mut found: Vec<CrateId> =
            names.iter().map(|name| self.one(name)).collect::<Result<_, _>>()?;
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    fn one(&self, name: &str) -> Result<CrateId, CliError> {
        let crates = &self.workspace.crates;
        match crates.iter().position(|krate| krate.name == name) {
            Some(at) => Ok(CrateId(u32::try_from(at).expect("crates are counted in 32 bits"))),
            None => {
                let error = CliError::usage(format!(
                    "there is no crate `{name}` in {}",
                    self.workspace.manifest
                ));
                Err(match suggestion(name, crates.iter().map(|krate| krate.name.as_str())) {
                    Some(help) => error.with_help(help),
                    None => error,
                })
            }
        }
    }
}

/// The directory of all outputs; where it is relative, it is below that of the workspace.
pub fn target_dir(
    place: &PlaceOptions,
    environment: &CliEnvironment,
    here: &Utf8Path,
) -> Utf8PathBuf {
    let CliConfig { line, files, .. } = &environment.config;
    let option = place.target_dir.as_ref().map(|dir| dir.as_str());
    let variable = environment.target_dir.as_deref();
    match option.or(line.target_dir.as_deref()).or(variable) {
        Some(dir) => here.join(dir),
        None => files.target_dir.as_deref().unwrap_or("target").into(),
    }
}

/// The crates that features of the command line are for.
fn feature_crates(Selection { package, workspace }: &Selection) -> FeatureCrates {
    match (workspace, package.is_empty()) {
        (true, _) => FeatureCrates::Members,
        (false, false) => FeatureCrates::Named(package.clone()),
        (false, true) => FeatureCrates::Default,
    }
}

/// `dev`: tests, examples or benchmarks are built.
fn feature_options(features: &FeatureArgs, dev: bool) -> FeatureOptions {
    let FeatureArgs { features, all_features, no_default_features } = features;
    // As in cargo, blanks separate features too.
    let features = features.iter().flat_map(|text| text.split_whitespace());
    FeatureOptions {
        features: features.map(str::to_owned).collect(),
        all_features: *all_features,
        no_default_features: *no_default_features,
        dev,
    }
}

/// The memory budget: of the option, else of `--config`, of `TENDER_MEMORY`, of a config file, of
/// the manifest, else the available memory.
///
/// # Errors
/// One of them is not an amount of memory, or no build can run in it.
pub fn budget(
    option: Option<MemorySetting>,
    environment: &CliEnvironment,
    manifest: Option<MemorySetting>,
) -> Result<Budget, CliError> {
    let parse = |text: &String| {
        manifest::parse_memory(text).map_err(|error| CliError::value(env::MEMORY, error))
    };
    let of_environment = environment.memory.as_ref().map(parse).transpose()?;
    let CliConfig { line, files, .. } = &environment.config;
    let in_file = files.memory.or(manifest);
    Budget::new(option.or(line.memory), of_environment, in_file).map_err(|error| {
        CliError::usage(format!("the memory budget cannot be used: {error}"))
            .with_help("write an amount, such as `4GiB` or `75%`")
    })
}

/// The current directory, absolute.
///
/// # Errors
/// It was removed, cannot be reached, or its path is not UTF-8.
pub fn current_dir() -> Result<Utf8PathBuf, CliError> {
    let dir = env::current_dir()
        .map_err(|error| CliError::usage(format!("cannot find the current directory: {error}")))?;
    Utf8PathBuf::from_path_buf(dir).map_err(|dir| {
        CliError::usage(format!("the current directory's path is not UTF-8: `{}`", dir.display()))
    })
}

/// Compares the texts first: most equal paths have the same text.
fn same_file(a: &Utf8Path, b: &Utf8Path) -> bool {
    a == b
        || a.file_name() == b.file_name()
            && looks::canonicalize(a.as_std_path()).ok()
                == looks::canonicalize(b.as_std_path()).ok()
}

/// Without `.` and trailing slashes; `..` stays, because what it means depends on symbolic links.
fn tidy(path: &Utf8Path) -> Utf8PathBuf {
    path.components().collect()
}
