//! Which features of which crates a build has: cargo's rules, unified over the build.
//! https://doc.rust-lang.org/cargo/reference/features.html
//! Pure: declarations and a request -> enabled features and dependencies. Knows no files.

use std::collections::{BTreeMap, BTreeSet};

/// What a feature enables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FeatureValue {
    /// Another feature of the crate.
    Feature(String),
    /// `dep:zlib`: an optional dependency.
    Dependency(String),
    /// `zlib/fast`: a feature of a dependency, and the dependency; `zlib?/fast`: only if something
    /// else enables it.
    OfDependency { dependency: String, feature: String, weak: bool },
    /// `define:NAME` or `public-define:NAME`: a macro.
    Define { define: String, public: bool },
}

impl FeatureValue {
    pub fn parse(text: &str) -> FeatureValue {
        if let Some(name) = text.strip_prefix("dep:") {
            return FeatureValue::Dependency(name.to_owned());
        }
        if let Some(define) = text.strip_prefix("define:") {
            return FeatureValue::Define { define: define.to_owned(), public: false };
        }
        if let Some(define) = text.strip_prefix("public-define:") {
            return FeatureValue::Define { define: define.to_owned(), public: true };
        }
        match text.split_once('/') {
            Some((dependency, feature)) => FeatureValue::OfDependency {
                dependency: dependency.trim_end_matches('?').to_owned(),
                feature: feature.to_owned(),
                weak: dependency.ends_with('?'),
            },
            None => FeatureValue::Feature(text.to_owned()),
        }
    }
}

/// A crate as far as features go.
#[derive(Clone, Debug, Default)]
pub struct FeatureCrate {
    /// `[features]`. Optional dependencies that no `dep:` names are among them.
    pub features: BTreeMap<String, Vec<FeatureValue>>,
    pub dependencies: Vec<FeatureDependency>,
    /// Its manifest is not known yet: it seems to have every feature.
    pub is_unknown: bool,
}

#[derive(Clone, Debug)]
pub struct FeatureDependency {
    pub name: String,
    /// Place of the crate among all.
    pub krate: usize,
    pub optional: bool,
    pub default_features: bool,
    pub features: Vec<String>,
}

impl FeatureCrate {
    /// Adds the features that cargo adds: each optional dependency is a feature of its name, unless
    /// a `dep:` names it. `optional` are the names of all of them, on every platform.
    pub fn with_implicit_features<'a>(
        mut self,
        optional: impl Iterator<Item = &'a str>,
    ) -> FeatureCrate {
        let named: BTreeSet<String> = self
            .features
            .values()
            .flatten()
            .filter_map(|value| match value {
                FeatureValue::Dependency(name) => Some(name.clone()),
                _ => None,
            })
            .collect();
        for name in optional.filter(|name| !named.contains(*name)) {
            let value = FeatureValue::Dependency(name.to_owned());
            self.features.entry(name.to_owned()).or_insert_with(|| vec![value]);
        }
        self
    }
}

/// What the command line asks of one crate.
#[derive(Clone, Debug, Default)]
pub struct FeatureRequest {
    pub krate: usize,
    pub features: Vec<String>,
    pub default_features: bool,
    pub all_features: bool,
}

impl FeatureRequest {
    /// A crate with its default features.
    pub fn plain(krate: usize) -> FeatureRequest {
        FeatureRequest { krate, default_features: true, ..FeatureRequest::default() }
    }
}

/// What one crate has in a build.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EnabledFeatures {
    /// It is part of the build.
    pub reached: bool,
    pub features: BTreeSet<String>,
    /// Places of enabled dependencies among those of the crate.
    pub dependencies: BTreeSet<usize>,
}

/// A feature that does not exist, and who asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingFeature {
    /// The crate that lacks it.
    pub krate: usize,
    pub feature: String,
}

/// The features of all crates: the smallest set that has what is requested, and what each enabled
/// feature and dependency enables.
///
/// # Errors
/// A feature that is asked for does not exist.
pub fn resolve_features(
    crates: &[FeatureCrate],
    requests: &[FeatureRequest],
) -> Result<Vec<EnabledFeatures>, MissingFeature> {
    let mut resolver = FeatureResolver {
        crates,
        enabled: vec![EnabledFeatures::default(); crates.len()],
        waiting: Vec::new(),
        pending: Vec::new(),
    };
    for request in requests {
        resolver.reach(request.krate);
        if request.default_features && crates[request.krate].features.contains_key("default") {
            resolver.waiting.push((request.krate, "default".to_owned()));
        }
        let all = crates[request.krate].features.keys().filter(|_| request.all_features);
        for feature in request.features.iter().chain(all) {
            resolver.waiting.push((request.krate, feature.clone()));
        }
        resolver.run()?;
    }
    Ok(resolver.enabled)
}

struct FeatureResolver<'a> {
    crates: &'a [FeatureCrate],
    enabled: Vec<EnabledFeatures>,
    /// Features to enable, by crate.
    waiting: Vec<(usize, String)>,
    /// `zlib?/fast` of a crate whose `zlib` is not enabled yet: crate, dependency, feature.
    pending: Vec<(usize, usize, String)>,
}

impl FeatureResolver<'_> {
    fn run(&mut self) -> Result<(), MissingFeature> {
        while let Some((krate, feature)) = self.waiting.pop() {
            self.enable(krate, &feature)?;
        }
        Ok(())
    }

    /// The crate is part of the build.
    fn reach(&mut self, krate: usize) {
        if std::mem::replace(&mut self.enabled[krate].reached, true) {
            return;
        }
        for place in 0..self.crates[krate].dependencies.len() {
            if !self.crates[krate].dependencies[place].optional {
                self.enable_dependency(krate, place);
            }
        }
    }

    fn enable_dependency(&mut self, krate: usize, place: usize) {
        if !self.enabled[krate].dependencies.insert(place) {
            return;
        }
        let dependency = &self.crates[krate].dependencies[place];
        let target = dependency.krate;
        if dependency.default_features && self.crates[target].features.contains_key("default") {
            self.waiting.push((target, "default".to_owned()));
        }
        self.waiting.extend(dependency.features.iter().map(|name| (target, name.clone())));
        let is_of = |pending: &(usize, usize, String)| pending.0 == krate && pending.1 == place;
        let (now, later) = std::mem::take(&mut self.pending).into_iter().partition(is_of);
        self.pending = later;
        let now: Vec<(usize, usize, String)> = now;
        self.waiting.extend(now.into_iter().map(|(_, _, feature)| (target, feature)));
        self.reach(target);
    }

    fn enable(&mut self, krate: usize, feature: &str) -> Result<(), MissingFeature> {
        let own = &self.crates[krate];
        let missing = || MissingFeature { krate, feature: feature.to_owned() };
        if let (FeatureValue::OfDependency { dependency, feature, weak }, false) =
            (FeatureValue::parse(feature), own.features.contains_key(feature))
        {
            self.of_dependency(krate, &dependency, &feature, weak);
            return Ok(());
        }
        if own.is_unknown {
            self.enabled[krate].features.insert(feature.to_owned());
            return Ok(());
        }
        let values = own.features.get(feature).ok_or_else(missing)?;
        if !self.enabled[krate].features.insert(feature.to_owned()) {
            return Ok(());
        }
        for value in values {
            match value {
                FeatureValue::Feature(name) => self.waiting.push((krate, name.clone())),
                FeatureValue::Dependency(name) => {
                    for place in self.places(krate, name) {
                        self.enable_dependency(krate, place);
                    }
                }
                FeatureValue::OfDependency { dependency, feature, weak } => {
                    self.of_dependency(krate, dependency, feature, *weak);
                }
                FeatureValue::Define { .. } => {}
            }
        }
        Ok(())
    }

    /// The places of a dependency, of which there is none where no condition on the platform holds,
    /// and several where several do.
    fn places(&self, krate: usize, dependency: &str) -> Vec<usize> {
        let all = self.crates[krate].dependencies.iter().enumerate();
        all.filter(|(_, known)| known.name == dependency).map(|(place, _)| place).collect()
    }

    fn of_dependency(&mut self, krate: usize, dependency: &str, feature: &str, weak: bool) {
        for place in self.places(krate, dependency) {
            let target = self.crates[krate].dependencies[place].krate;
            if weak && !self.enabled[krate].dependencies.contains(&place) {
                self.pending.push((krate, place, feature.to_owned()));
                continue;
            }
            // As in cargo: `zlib/fast` enables the feature `zlib` too where that is an implicit
            // one.
            if self.crates[krate].dependencies[place].optional
                && self.crates[krate].features.contains_key(dependency)
            {
                self.waiting.push((krate, dependency.to_owned()));
            }
            self.enable_dependency(krate, place);
            self.waiting.push((target, feature.to_owned()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dependency(text: &str, names: &[&str]) -> FeatureDependency {
        // `zlib`, `zlib?`: optional; `zlib -default`; `zlib +fast`.
        let mut words = text.split(' ');
        let name = words.next().unwrap();
        let rest: Vec<&str> = words.collect();
        FeatureDependency {
            name: name.trim_end_matches('?').to_owned(),
            krate: names.iter().position(|known| *known == name.trim_end_matches('?')).unwrap(),
            optional: name.ends_with('?'),
            default_features: !rest.contains(&"-default"),
            features: rest.iter().filter_map(|w| w.strip_prefix('+')).map(str::to_owned).collect(),
        }
    }

    /// Name, features, dependencies.
    type Row<'a> = (&'a str, &'a [(&'a str, &'a [&'a str])], &'a [&'a str]);

    /// The first crate is built, with `asked`; the answer has a line for each crate.
    fn check(rows: &[Row<'_>], asked: &[&str], default: bool, expect: Result<&[&str], &str>) {
        let names: Vec<&str> = rows.iter().map(|row| row.0).collect();
        let crates: Vec<FeatureCrate> = rows
            .iter()
            .map(|(_, features, dependencies)| {
                let features = features.iter().map(|(name, values)| {
                    ((*name).to_owned(), values.iter().map(|v| FeatureValue::parse(v)).collect())
                });
                let dependencies: Vec<FeatureDependency> =
                    dependencies.iter().map(|d| dependency(d, &names)).collect();
                let optional = dependencies.iter().filter(|one| one.optional);
                let optional: Vec<String> = optional.map(|one| one.name.clone()).collect();
                FeatureCrate { features: features.collect(), dependencies, is_unknown: false }
                    .with_implicit_features(optional.iter().map(String::as_str))
            })
            .collect();
        let request = FeatureRequest {
            krate: 0,
            features: asked.iter().map(|name| (*name).to_owned()).collect(),
            default_features: default,
            all_features: false,
        };
        match (resolve_features(&crates, &[request]), expect) {
            (Ok(found), Ok(expect)) => {
                let lines: Vec<String> = found
                    .iter()
                    .zip(&names)
                    .map(|(one, name)| {
                        let features: Vec<&str> = one.features.iter().map(String::as_str).collect();
                        let places: Vec<String> =
                            one.dependencies.iter().map(usize::to_string).collect();
                        format!("{name}: {} -> {}", features.join(" "), places.join(" "))
                    })
                    .collect();
                assert_eq!(lines, expect, "{asked:?}");
            }
            (Err(found), Err(expect)) => {
                assert_eq!(format!("{} {}", names[found.krate], found.feature), expect);
            }
            (found, expect) => panic!("{found:?} {expect:?}"),
        }
    }

    #[test]
    fn features_default_unless_they_are_not_wanted() {
        let rows: &[Row<'_>] =
            &[("a", &[("default", &["loud"]), ("loud", &["define:LOUD"]), ("z", &[])], &[])];
        check(rows, &[], true, Ok(&["a: default loud -> "]));
        check(rows, &["z"], true, Ok(&["a: default loud z -> "]));
        check(rows, &["z"], false, Ok(&["a: z -> "]));
        check(rows, &["y"], false, Err("a y"));
    }

    #[test]
    fn features_enable_optional_dependencies() {
        let rows: &[Row<'_>] = &[
            (
                "a",
                &[("gz", &["dep:zlib"]), ("fast", &["zlib/fast"]), ("weak", &["zlib?/fast"])],
                &["zlib?"],
            ),
            ("zlib", &[("default", &[]), ("fast", &[])], &[]),
        ];
        check(rows, &[], true, Ok(&["a:  -> ", "zlib:  -> "]));
        check(rows, &["gz"], true, Ok(&["a: gz -> 0", "zlib: default -> "]));
        check(rows, &["fast"], true, Ok(&["a: fast -> 0", "zlib: default fast -> "]));
        check(rows, &["weak"], true, Ok(&["a: weak -> ", "zlib:  -> "]));
        check(rows, &["weak", "gz"], true, Ok(&["a: gz weak -> 0", "zlib: default fast -> "]));
        check(rows, &["gz", "weak"], true, Ok(&["a: gz weak -> 0", "zlib: default fast -> "]));
        // `dep:` takes the implicit feature away.
        check(rows, &["zlib"], true, Err("a zlib"));
        check(rows, &["zlib/none"], true, Err("zlib none"));
    }

    #[test]
    fn features_of_optional_dependencies_are_implicit() {
        let rows: &[Row<'_>] = &[
            ("a", &[("fast", &["zlib/fast"])], &["zlib? -default"]),
            ("zlib", &[("default", &[]), ("fast", &[])], &[]),
        ];
        check(rows, &["zlib"], true, Ok(&["a: zlib -> 0", "zlib:  -> "]));
        check(rows, &["fast"], true, Ok(&["a: fast zlib -> 0", "zlib: fast -> "]));
        check(rows, &["zlib/fast"], true, Ok(&["a: zlib -> 0", "zlib: fast -> "]));
    }

    #[test]
    fn features_are_unified_over_the_build() {
        let rows: &[Row<'_>] = &[
            ("a", &[], &["b", "c"]),
            ("b", &[], &["z +one -default"]),
            ("c", &[], &["z +two"]),
            ("z", &[("default", &["three"]), ("one", &[]), ("two", &[]), ("three", &[])], &[]),
            ("unused", &[("default", &[])], &[]),
        ];
        check(
            rows,
            &[],
            true,
            Ok(&[
                "a:  -> 0 1",
                "b:  -> 0",
                "c:  -> 0",
                "z: default one three two -> ",
                "unused:  -> ",
            ]),
        );
    }

    #[test]
    fn features_that_enable_each_other_come_to_an_end() {
        let rows: &[Row<'_>] = &[("a", &[("x", &["y"]), ("y", &["x"])], &[])];
        check(rows, &["x"], true, Ok(&["a: x y -> "]));
    }
}
