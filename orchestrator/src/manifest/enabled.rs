//! Which dependencies and features each crate of a workspace has in one build, for users and for
//! the build itself: conditions on the platform, then cargo's resolver (`features`).

use super::cfg::CfgFacts;
use super::check::Node;
use super::features::{
    EnabledFeatures, FeatureCrate, FeatureDependency, FeatureRequest, FeatureValue,
    resolve_features,
};
use super::model::DependencyKind;
use super::problem::{Problem, suggestion};
use super::raw::{DependencyTable, Manifest, TargetTable};
use crate::platform::Platform;
use camino::Utf8PathBuf;
use std::collections::{BTreeMap, BTreeSet};

/// What one build asks of features.
#[derive(Clone, Debug, Default)]
pub struct FeatureOptions {
    /// `loud`, or `zip/loud` for one crate.
    pub features: Vec<String>,
    pub no_default_features: bool,
    pub all_features: bool,
    /// Tests, examples or benchmarks of the chosen crates are built, so that their dependencies are
    /// part of the build.
    pub dev: bool,
}

/// The crates that features are for, as the command line names them.
#[derive(Clone, Debug, Default)]
pub enum FeatureCrates {
    /// The crate of this manifest; if there is none, the default members.
    #[default]
    Default,
    /// As `Default`, in the directory of this manifest.
    At(Utf8PathBuf),
    Members,
    Named(Vec<String>),
}

/// What a crate has in one of its two builds.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Enabled {
    /// It is built.
    pub reached: bool,
    pub features: BTreeSet<String>,
    /// Numbers of dependencies of the manifest.
    pub dependencies: BTreeSet<usize>,
    /// By table of `[target]`: its condition holds, as far as no probe decides.
    pub holds: Vec<bool>,
}

/// What all crates of a workspace have.
pub(super) struct EnabledCrates {
    /// For each crate what it has when built for users, and when built for the build.
    pub crates: Vec<[Enabled; 2]>,
    /// The places of those that this build needs, and that are not there yet.
    pub absent: BTreeSet<usize>,
}

/// The platforms of the two builds.
pub(super) struct Platforms<'a> {
    pub users: &'a Platform,
    pub build: &'a Platform,
}

/// For every crate what it has when built for users, and when built for the build.
pub(super) fn enabled(
    nodes: &[Node],
    roots: &[usize],
    options: &FeatureOptions,
    platforms: &Platforms<'_>,
    problems: &mut Vec<Problem>,
) -> EnabledCrates {
    if options.features.is_empty() && nodes.iter().all(is_plain) {
        let all = |node: &Node| Enabled {
            reached: true,
            dependencies: (0..node.manifest.dependencies.len()).collect(),
            ..Enabled::default()
        };
        let crates = nodes.iter().map(|node| [all(node), all(node)]).collect();
        return EnabledCrates { crates, absent: BTreeSet::new() };
    }
    let before = problems.len();
    check_features(nodes, problems);
    if problems.len() > before {
        let crates = vec![Default::default(); nodes.len()];
        return EnabledCrates { crates, absent: BTreeSet::new() };
    }
    let sides = [platforms.users, platforms.build];
    let facts =
        sides.map(|platform| CfgFacts { platform: platform.facts(), ..CfgFacts::default() });
    let holds = |table: &TargetTable, side: usize, facts: &CfgFacts| {
        table.condition.holds(facts, sides[side].triple())
    };
    // A crate is three crates of the resolver: the one of users, the one of the build, and its tests.
    let all = |node| [USERS, BUILD, DEV].map(|side| (node, side));
    let platform_of = |side: usize| if side == BUILD { BUILD } else { USERS };
    let (crates, numbers): (Vec<FeatureCrate>, Vec<Vec<usize>>) = nodes
        .iter()
        .flat_map(all)
        .map(|(node, side)| {
            let platform = platform_of(side);
            feature_crate(node, side, &|table| holds(table, platform, &facts[platform]))
        })
        .unzip();
    let mut resolve = |requests: &[FeatureRequest]| {
        resolve_features(&crates, requests).unwrap_or_else(|missing| {
            problems.push(Problem::error(format!(
                "the package `{}` has no feature `{}`",
                nodes[missing.krate / SIDES].name(),
                missing.feature
            )));
            vec![EnabledFeatures::default(); crates.len()]
        })
    };
    let (requests, mut missing) = requests(nodes, roots, options);
    let first = resolve(&requests);
    // What this build does not reach is looked at as well: commands for editors are written for all
    // crates.
    let rest = (0..nodes.len()).flat_map(|node| [USERS, DEV].map(|side| node * SIDES + side));
    let rest = rest.filter(|at| !first[*at].reached);
    let rest = rest.map(FeatureRequest::plain);
    let second = resolve(&requests.iter().cloned().chain(rest).collect::<Vec<_>>());
    problems.append(&mut missing);
    let absent = (0..nodes.len()).filter(|at| nodes[*at].is_absent);
    let is_needed = |at: &usize| (0..SIDES).any(|side| first[at * SIDES + side].reached);
    let absent = absent.filter(is_needed).collect();
    let found = first.into_iter().zip(second).zip(numbers);
    let mut found = found
        .map(|((first, second), numbers)| (if first.reached { first } else { second }, numbers));
    let mut next = || found.next().expect("three crates for each node");
    let of_side = |node: &Node, side: usize, (found, numbers): (EnabledFeatures, Vec<usize>)| {
        let facts = CfgFacts { features: found.features, ..facts[side].clone() };
        // A probe that has not been made decides later.
        let counts = |table: &TargetTable| {
            !table.condition.probes().is_empty() || holds(table, side, &facts)
        };
        Enabled {
            reached: found.reached,
            dependencies: found.dependencies.iter().map(|place| numbers[*place]).collect(),
            holds: node.manifest.targets.iter().map(counts).collect(),
            features: facts.features,
        }
    };
    let mut both = |node: &Node| {
        let mut both = [USERS, BUILD].map(|side| of_side(node, side, next()));
        // Those of the tests, which are built for users.
        let (dev, numbers) = next();
        both[USERS].dependencies.extend(dev.dependencies.iter().map(|place| numbers[*place]));
        both
    };
    EnabledCrates { crates: nodes.iter().map(&mut both).collect(), absent }
}

/// Whether nothing about a crate depends on features or conditions.
fn is_plain(node: &Node) -> bool {
    let manifest = &node.manifest;
    // What is not there yet is asked for only if the build needs it.
    if node.is_absent {
        return false;
    }
    let plain =
        |dependency: &DependencyTable| !dependency.optional && dependency.features.is_empty();
    manifest.features.is_empty()
        && manifest.targets.is_empty()
        && manifest.dependencies.iter().all(plain)
        && manifest.libs.iter().all(|lib| lib.required_features.is_empty())
        && manifest.bins.iter().all(|bin| bin.required_features.is_empty())
        && manifest.dev.iter().all(|dev| dev.bin.required_features.is_empty())
}

/// The place of a crate's build for users, and of its build for the build.
pub(super) const USERS: usize = 0;
pub(super) const BUILD: usize = 1;
/// The place of its tests, examples and benchmarks in the resolver, and how many places there are.
const DEV: usize = 2;
const SIDES: usize = 3;

/// A crate as the resolver sees it on one side, and for each of its dependencies there the number
/// in the manifest.
fn feature_crate(
    node: &Node,
    side: usize,
    holds: &dyn Fn(&TargetTable) -> bool,
) -> (FeatureCrate, Vec<usize>) {
    let manifest = &node.manifest;
    let (mut numbers, mut dependencies) = (Vec::new(), Vec::new());
    for (number, dependency) in manifest.dependencies.iter().enumerate() {
        let counts = dependency.target.is_none_or(|at| holds(&manifest.targets[at]));
        let Some(target) = node.dependencies[number].filter(|_| counts) else { continue };
        let of = match (dependency.kind, side) {
            (DependencyKind::Dev, DEV) => USERS,
            (DependencyKind::Dev, _) | (_, DEV) => continue,
            (DependencyKind::Normal, _) => side,
            (DependencyKind::Build, _) => BUILD,
        };
        numbers.push(number);
        dependencies.push(FeatureDependency {
            name: dependency.name.value.clone(),
            krate: target * SIDES + of,
            optional: dependency.optional,
            default_features: dependency.default_features,
            features: dependency.features.iter().map(|name| name.value.clone()).collect(),
        });
    }
    if side == DEV {
        let features = BTreeMap::new();
        return (FeatureCrate { features, dependencies, is_unknown: node.is_absent }, numbers);
    }
    let features = manifest.features.iter().map(|table| {
        let values = table.values.iter().map(|(value, _)| value.clone());
        (table.name.value.clone(), values.collect())
    });
    let optional = manifest.dependencies.iter().filter(|dependency| dependency.optional);
    let is_unknown = node.is_absent;
    let krate = FeatureCrate { features: features.collect(), dependencies, is_unknown }
        .with_implicit_features(optional.map(|one| one.name.value.as_str()));
    (krate, numbers)
}

/// The names of a crate's features, implicit ones too.
fn feature_names(manifest: &Manifest) -> BTreeSet<&str> {
    let declared = manifest.features.iter();
    let named =
        declared.clone().flat_map(|table| &table.values).filter_map(|(value, _)| match value {
            FeatureValue::Dependency(name) => Some(name.as_str()),
            _ => None,
        });
    let named: BTreeSet<&str> = named.collect();
    let optional = manifest.dependencies.iter().filter(|dependency| dependency.optional);
    let implicit = optional.map(|one| one.name.value.as_str()).filter(|name| !named.contains(name));
    declared.map(|table| table.name.value.as_str()).chain(implicit).collect()
}

/// What the command line asks of the crates that it chooses, and what of it does not exist.
fn requests(
    nodes: &[Node],
    roots: &[usize],
    options: &FeatureOptions,
) -> (Vec<FeatureRequest>, Vec<Problem>) {
    let mut problems = Vec::new();
    let mut asked: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    for text in &options.features {
        let mut found = false;
        for root in roots {
            let manifest = &nodes[*root].manifest;
            let own = match text.split_once('/') {
                Some((krate, feature)) if krate == nodes[*root].name() => Some(feature),
                Some((krate, _)) => {
                    let dependencies = &manifest.dependencies;
                    let mut names = dependencies.iter().map(|one| one.name.value.as_str());
                    names.any(|name| name == krate).then_some(text.as_str())
                }
                None => feature_names(manifest).contains(text.as_str()).then_some(text.as_str()),
            };
            found |= own.is_some();
            asked.entry(*root).or_default().extend(own.map(str::to_owned));
        }
        if !found {
            problems.push(no_such_feature(nodes, roots, text));
        }
    }
    let request = |root: &usize| FeatureRequest {
        features: asked.get(root).cloned().unwrap_or_default(),
        default_features: !options.no_default_features,
        all_features: options.all_features,
        ..FeatureRequest::plain(root * SIDES + USERS)
    };
    let dev = roots.iter().filter(|_| options.dev);
    let dev = dev.map(|root| FeatureRequest::plain(root * SIDES + DEV));
    (roots.iter().map(request).chain(dev).collect(), problems)
}

fn no_such_feature(nodes: &[Node], roots: &[usize], text: &str) -> Problem {
    let names = || roots.iter().map(|root| nodes[*root].name());
    if let Some((krate, _)) = text.split_once('/') {
        let message = format!("`{krate}` of the feature `{text}` is no crate that is built");
        let problem = Problem::error(message);
        return match suggestion(krate, names()) {
            Some(name) => problem.help(format!("did you mean `{name}`?")),
            None => problem,
        };
    }
    let known: BTreeSet<&str> =
        roots.iter().flat_map(|root| feature_names(&nodes[*root].manifest)).collect();
    let problem = match roots {
        [one] => {
            Problem::error(format!("the package `{}` has no feature `{text}`", nodes[*one].name()))
        }
        _ => Problem::error(format!("no package that is built has the feature `{text}`")),
    };
    match suggestion(text, known.iter().copied()) {
        Some(name) => problem.help(format!("did you mean `{name}`?")),
        None if known.is_empty() => problem.help("features are declared in `[features]`"),
        None => problem,
    }
}

/// Whether everything that manifests enable is there.
fn check_features(nodes: &[Node], problems: &mut Vec<Problem>) {
    for node in nodes {
        let manifest = &node.manifest;
        for (dependency, target) in manifest.dependencies.iter().zip(&node.dependencies) {
            let Some(target) = target.map(|index| &nodes[index]) else { continue };
            if target.is_absent {
                continue;
            }
            let known = feature_names(&target.manifest);
            for feature in &dependency.features {
                if !known.contains(feature.value.as_str()) {
                    let problem = missing_feature(target, &feature.value, &known);
                    problems.push(problem.at(feature.at.clone()));
                }
            }
        }
        let own = feature_names(manifest);
        let of_libs = manifest.libs.iter().flat_map(|lib| &lib.required_features);
        let of_programs = manifest.bins.iter().chain(manifest.dev.iter().map(|dev| &dev.bin));
        let of_programs = of_programs.flat_map(|program| &program.required_features);
        for feature in of_libs.chain(of_programs) {
            if !own.contains(feature.value.as_str()) {
                let problem = missing_feature(node, &feature.value, &own);
                problems.push(problem.at(feature.at.clone()));
            }
        }
        for table in &manifest.targets {
            let asked = table.condition.features();
            if let Some(feature) = asked.into_iter().find(|name| !own.contains(name)) {
                let problem = missing_feature(node, feature, &own);
                problems.push(problem.at(table.name.at.clone()));
            }
        }
        for (value, at) in manifest.features.iter().flat_map(|table| &table.values) {
            let of = |name: &str| {
                let mut all = manifest.dependencies.iter().zip(&node.dependencies);
                all.find(|(dependency, _)| dependency.name.value == name)
            };
            let problem = match value {
                FeatureValue::Define { .. } => continue,
                FeatureValue::Feature(name) if own.contains(name.as_str()) => continue,
                FeatureValue::Feature(name) => missing_feature(node, name, &own),
                FeatureValue::Dependency(name) => match of(name) {
                    Some((dependency, _)) if dependency.optional => continue,
                    Some(_) => Problem::error(format!("the dependency `{name}` is not optional"))
                        .help("add `optional = true` to it"),
                    None => no_dependency(manifest, name),
                },
                FeatureValue::OfDependency { dependency: name, feature, .. } => match of(name) {
                    None => no_dependency(manifest, name),
                    Some((_, target)) => {
                        let Some(target) = target.map(|index| &nodes[index]) else { continue };
                        let known = feature_names(&target.manifest);
                        if known.contains(feature.as_str()) || target.is_absent {
                            continue;
                        }
                        missing_feature(target, feature, &known)
                    }
                },
            };
            problems.push(problem.at(at.clone()));
        }
    }
}

fn missing_feature(node: &Node, feature: &str, known: &BTreeSet<&str>) -> Problem {
    let problem =
        Problem::error(format!("the package `{}` has no feature `{feature}`", node.name()));
    match suggestion(feature, known.iter().copied()) {
        Some(name) => problem.help(format!("did you mean `{name}`?")),
        None => problem.help("features are declared in `[features]`; a macro is `define:NAME`"),
    }
}

fn no_dependency(manifest: &Manifest, name: &str) -> Problem {
    let problem = Problem::error(format!("there is no dependency `{name}`"));
    let names = manifest.dependencies.iter().map(|dependency| dependency.name.value.as_str());
    match suggestion(name, names) {
        Some(name) => problem.help(format!("did you mean `{name}`?")),
        None => problem.help("declare it in `[dependencies]`, with `optional = true`"),
    }
}
