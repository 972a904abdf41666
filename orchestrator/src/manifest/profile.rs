//! Profiles: those that always exist, those of `[profile.*]`, and which inherits from which.
//!
//! A key that is absent is inherited; one that stands replaces what would be inherited. What a
//! profile says of single crates (`[profile.NAME.package.CRATE]`) comes on top: single values
//! replace the profile's, lists are added to it. Programs that run in the build have a profile of
//! their own (`[profile.NAME.build-override]`), which takes nothing from this one.

use super::model::{
    DebugInfo, Linker, Lto, OptLevel, Sanitizer, ShareHeaders, SplitDebugInfo, Strip, Translate,
};
use super::problem::{Problem, suggestion};
use super::raw::ProfileTable;
use camino::Utf8PathBuf;
use std::borrow::Cow;
use std::collections::BTreeMap;

macro_rules! values {
    ($($(#[$about:meta])* $field:ident: $type:ty,)*) => {
        /// The keys of a profile that stand somewhere.
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct ProfileValues {
            $($(#[$about])* pub $field: Option<$type>,)*
        }

        impl ProfileValues {
            /// These values, and those of `base` where none stands here.
            fn or(self, base: &ProfileValues) -> ProfileValues {
                ProfileValues { $($field: self.$field.or_else(|| base.$field.clone()),)* }
            }
        }
    };
}

values! {
    opt_level: OptLevel,
    debug: DebugInfo,
    lto: Lto,
    codegen_units: u32,
    translate: Translate,
    share_headers: ShareHeaders,
    defines: Vec<String>,
    flags: Vec<String>,
    c_flags: Vec<String>,
    cxx_flags: Vec<String>,
    link_args: Vec<String>,
    linker: Linker,
    sanitize: Vec<Sanitizer>,
    coverage: bool,
    pgo_generate: bool,
    /// Absolute.
    pgo_use: Utf8PathBuf,
    strip: Strip,
    split_debuginfo: SplitDebugInfo,
    pic: bool,
    pie: bool,
    march: String,
    compilation_dir: String,
}

/// How to compile and link.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    pub name: String,
    pub opt_level: OptLevel,
    pub debug: DebugInfo,
    pub lto: Lto,
    /// At most this many pieces per source file; absent: the measured default.
    pub codegen_units: Option<u32>,
    pub translate: Translate,
    pub share_headers: ShareHeaders,
    pub defines: Vec<String>,
    /// For units of every language, before those of the crate.
    pub flags: Vec<String>,
    pub c_flags: Vec<String>,
    pub cxx_flags: Vec<String>,
    pub link_args: Vec<String>,
    /// Absent: lld, if LLVM's is there, else the one that the driver starts.
    pub linker: Option<Linker>,
    /// Sorted, each once.
    pub sanitize: Vec<Sanitizer>,
    pub coverage: bool,
    pub pgo_generate: bool,
    /// Absolute.
    pub pgo_use: Option<Utf8PathBuf>,
    pub strip: Strip,
    pub split_debuginfo: SplitDebugInfo,
    /// Static libraries can be linked into shared ones.
    pub pic: bool,
    /// Programs can be loaded at any address.
    pub pie: bool,
    pub march: Option<String>,
    pub compilation_dir: String,
    /// By the name of the crate, in order of name; `*` is every crate that is no member.
    pub packages: BTreeMap<String, ProfileValues>,
    /// What stands for programs that run in the build.
    pub build_override: ProfileValues,
}

impl Profile {
    fn new(name: &str, all: ProfileValues, packages: BTreeMap<String, ProfileValues>) -> Profile {
        let mut sanitize = all.sanitize.unwrap_or_default();
        sanitize.sort_unstable();
        sanitize.dedup();
        let pic = all.pic.unwrap_or(true);
        Profile {
            name: name.to_owned(),
            opt_level: all.opt_level.unwrap_or(OptLevel::O0),
            debug: all.debug.unwrap_or(DebugInfo::None),
            lto: all.lto.unwrap_or(Lto::Off),
            codegen_units: all.codegen_units,
            translate: all.translate.unwrap_or(Translate::Parallel),
            share_headers: all.share_headers.unwrap_or(ShareHeaders::Off),
            defines: all.defines.unwrap_or_default(),
            flags: all.flags.unwrap_or_default(),
            c_flags: all.c_flags.unwrap_or_default(),
            cxx_flags: all.cxx_flags.unwrap_or_default(),
            link_args: all.link_args.unwrap_or_default(),
            linker: all.linker,
            sanitize,
            coverage: all.coverage.unwrap_or(false),
            pgo_generate: all.pgo_generate.unwrap_or(false),
            pgo_use: all.pgo_use,
            strip: all.strip.unwrap_or(Strip::Nothing),
            split_debuginfo: all.split_debuginfo.unwrap_or(SplitDebugInfo::Off),
            pic,
            pie: all.pie.unwrap_or(pic),
            march: all.march,
            compilation_dir: all.compilation_dir.unwrap_or_else(|| ".".to_owned()),
            packages,
            build_override: ProfileValues::default(),
        }
    }

    /// The profile `dev`, unless a manifest changes it.
    pub fn dev() -> Profile {
        Profile::new("dev", dev(), BTreeMap::new())
    }

    /// The profile `release`, unless a manifest changes it.
    pub fn release() -> Profile {
        Profile::new("release", release(), BTreeMap::new())
    }

    /// As it is for programs that run in the build. They are optimised, because they run in every
    /// build and nobody debugs them, and are not instrumented.
    pub fn for_build(&self) -> Profile {
        let values = ProfileValues { opt_level: Some(OptLevel::O2), ..ProfileValues::default() };
        let values = self.build_override.clone().or(&values);
        Profile::new(&self.name, values, BTreeMap::new())
    }

    /// As it is for one crate.
    pub fn of_crate(&self, name: &str, member: bool) -> Cow<'_, Profile> {
        let rest = (!member).then(|| self.packages.get("*")).flatten();
        let own = [rest, self.packages.get(name)].into_iter().flatten();
        own.fold(Cow::Borrowed(self), |profile, of_crate| Cow::Owned(profile.with(of_crate)))
    }

    /// With the values that stand for one crate.
    fn with(&self, own: &ProfileValues) -> Profile {
        let own = own.clone();
        let joined = |all: &[String], own: Option<Vec<String>>| -> Vec<String> {
            all.iter().cloned().chain(own.into_iter().flatten()).collect()
        };
        Profile {
            opt_level: own.opt_level.unwrap_or(self.opt_level),
            debug: own.debug.unwrap_or(self.debug),
            codegen_units: own.codegen_units.or(self.codegen_units),
            march: own.march.or_else(|| self.march.clone()),
            defines: joined(&self.defines, own.defines),
            flags: joined(&self.flags, own.flags),
            c_flags: joined(&self.c_flags, own.c_flags),
            cxx_flags: joined(&self.cxx_flags, own.cxx_flags),
            ..self.clone()
        }
    }

    /// Its links need clang's run-time library, so clang is their driver, whatever `CC` names: the
    /// run-time libraries of other compilers do not fit code that clang has instrumented.
    pub fn needs_runtime(&self) -> bool {
        !self.sanitize.is_empty() || self.coverage || self.pgo_generate
    }

    /// The optimiser's instrumentation looks at whole modules.
    pub fn keeps_units_whole(&self) -> bool {
        self.needs_runtime() || self.pgo_use.is_some()
    }
}

fn dev() -> ProfileValues {
    ProfileValues {
        opt_level: Some(OptLevel::O0),
        debug: Some(DebugInfo::Full),
        ..ProfileValues::default()
    }
}

fn release() -> ProfileValues {
    ProfileValues {
        opt_level: Some(OptLevel::O2),
        debug: Some(DebugInfo::None),
        defines: Some(vec!["NDEBUG".to_owned()]),
        ..ProfileValues::default()
    }
}

/// Profiles that look for faults: as `dev`, instrumented. A table of the manifest with such a name
/// changes it, or, if it has `inherits`, replaces it.
fn ready_made() -> [(&'static str, ProfileValues); 4] {
    let sanitized = |sanitizers: &[Sanitizer]| ProfileValues {
        sanitize: Some(sanitizers.to_vec()),
        ..ProfileValues::default()
    };
    [
        ("asan", sanitized(&[Sanitizer::Address])),
        ("coverage", ProfileValues { coverage: Some(true), ..ProfileValues::default() }),
        ("tsan", sanitized(&[Sanitizer::Thread])),
        ("ubsan", sanitized(&[Sanitizer::Undefined])),
    ]
}

/// A profile on the way to its place.
#[derive(Clone)]
struct Draft {
    values: ProfileValues,
    packages: BTreeMap<String, ProfileValues>,
    build_override: ProfileValues,
}

impl Draft {
    fn of(values: ProfileValues) -> Draft {
        Draft { values, packages: BTreeMap::new(), build_override: ProfileValues::default() }
    }

    /// This profile, with what a table changes in it.
    fn with(self, table: &ProfileTable) -> Draft {
        let mut packages = self.packages;
        for (name, own) in &table.packages {
            let known = packages.entry(name.value.clone()).or_default();
            *known = own.clone().or(known);
        }
        Draft {
            values: table.values.clone().or(&self.values),
            packages,
            build_override: table.build_override.clone().or(&self.build_override),
        }
    }
}

/// `tables` are those of the manifest, then those of the command line, which may have the same
/// names.
pub(super) fn resolve_profiles(
    tables: &[ProfileTable],
    problems: &mut Vec<Problem>,
) -> BTreeMap<String, Profile> {
    let tables = merged(tables);
    let mut drafts: BTreeMap<String, Draft> = BTreeMap::from([
        ("dev".to_owned(), Draft::of(dev())),
        ("release".to_owned(), Draft::of(release())),
    ]);
    for table in &tables {
        if let Some(base) = drafts.get(&table.name.value) {
            if let Some(inherits) = &table.inherits {
                let problem = Problem::error(format!(
                    "`inherits` cannot stand in `[profile.{}]`",
                    table.name.value
                ));
                let help = "`dev` and `release` always exist; make a profile of another name that inherits from one";
                problems.push(problem.at(inherits.at.clone()).help(help));
            }
            let changed = base.clone().with(table);
            drafts.insert(table.name.value.clone(), changed);
        }
    }
    // A table with `inherits` is a profile of the user's own, which `resolve_custom` makes below.
    for (name, values) in ready_made() {
        let own = tables.iter().find(|table| table.name.value == name);
        if own.is_none_or(|table| table.inherits.is_none()) {
            let mut draft = drafts["dev"].clone();
            draft.values = values.or(&draft.values);
            drafts.insert(name.to_owned(), own.into_iter().fold(draft, Draft::with));
        }
    }
    let known = drafts.clone();
    for table in &tables {
        if !known.contains_key(&table.name.value)
            && let Some(draft) = resolve_custom(table, &tables, &known, problems)
        {
            drafts.insert(table.name.value.clone(), draft);
        }
    }
    for table in &tables {
        if let Some(draft) = drafts.get(&table.name.value) {
            check_sanitizers(table, &draft.values, problems);
        }
    }
    drafts
        .into_iter()
        .map(|(name, Draft { values, packages, build_override })| {
            let profile = Profile::new(&name, values, packages);
            (name, Profile { build_override, ..profile })
        })
        .collect()
}

/// One table for each name; of what several say, the last counts.
fn merged(tables: &[ProfileTable]) -> Vec<ProfileTable> {
    let mut merged: Vec<ProfileTable> = Vec::new();
    for table in tables {
        match merged.iter_mut().find(|known| known.name.value == table.name.value) {
            None => merged.push(table.clone()),
            Some(known) => {
                known.inherits = table.inherits.clone().or_else(|| known.inherits.take());
                known.values = table.values.clone().or(&known.values);
                known.packages.extend(table.packages.iter().cloned());
                known.build_override = table.build_override.clone().or(&known.build_override);
                known.sanitize_at = table.sanitize_at.clone().or_else(|| known.sanitize_at.take());
            }
        }
    }
    merged
}

/// Sanitizers that clang does not combine: their run-time libraries use the same addresses for
/// different things.
fn check_sanitizers(table: &ProfileTable, values: &ProfileValues, problems: &mut Vec<Problem>) {
    use Sanitizer::{Address, Leak, Memory, Thread};
    let (Some(at), Some(chosen)) = (&table.sanitize_at, &values.sanitize) else { return };
    let pairs =
        [(Address, Thread), (Address, Memory), (Thread, Memory), (Leak, Thread), (Leak, Memory)];
    if let Some((a, b)) = pairs.iter().find(|(a, b)| chosen.contains(a) && chosen.contains(b)) {
        let message = format!("`{}` and `{}` exclude each other", a.name(), b.name());
        let help = "make a profile for each: `[profile.NAME]` with `inherits = \"dev\"`";
        problems.push(Problem::error(message).at(at.clone()).help(help));
    }
}

impl Sanitizer {
    /// As clang's `-fsanitize=` has it.
    pub fn name(self) -> &'static str {
        match self {
            Sanitizer::Address => "address",
            Sanitizer::Undefined => "undefined",
            Sanitizer::Thread => "thread",
            Sanitizer::Memory => "memory",
            Sanitizer::Leak => "leak",
        }
    }
}

/// Follows `inherits` down to a profile that is known, then applies the tables on the way back.
fn resolve_custom(
    table: &ProfileTable,
    tables: &[ProfileTable],
    known: &BTreeMap<String, Draft>,
    problems: &mut Vec<Problem>,
) -> Option<Draft> {
    let mut chain = vec![table];
    loop {
        let last = *chain.last()?;
        let name = &last.name.value;
        let Some(inherits) = &last.inherits else {
            // Said once, for the profile that lacks it, not again for those that inherit from it.
            if chain.len() == 1 {
                let problem = Problem::error(format!("`[profile.{name}]` has no `inherits`"));
                problems.push(
                    problem
                        .at(last.name.at.clone())
                        .help("write `inherits = \"release\"` or `\"dev\"`"),
                );
            }
            return None;
        };
        if let Some(base) = known.get(&inherits.value) {
            return Some(chain.into_iter().rev().fold(base.clone(), Draft::with));
        }
        if let Some(start) = chain.iter().position(|table| table.name.value == inherits.value) {
            if start == 0 {
                let names: Vec<&str> =
                    chain.iter().map(|table| table.name.value.as_str()).collect();
                let circle = format!("{} -> {}", names.join(" -> "), inherits.value);
                // Each profile of the circle comes here once; the first by name speaks for all.
                if names.iter().min() == Some(&names[0]) {
                    let problem = Problem::error(format!("profiles inherit in a circle: {circle}"));
                    problems.push(
                        problem
                            .at(inherits.at.clone())
                            .help("let one of them inherit from `dev` or `release`"),
                    );
                }
            }
            return None;
        }
        match tables.iter().find(|table| table.name.value == inherits.value) {
            Some(next) => chain.push(next),
            None => {
                if chain.len() == 1 {
                    let names = known.keys().chain(tables.iter().map(|table| &table.name.value));
                    let problem =
                        Problem::error(format!("there is no profile `{}`", inherits.value));
                    let problem = problem.at(inherits.at.clone());
                    problems.push(match suggestion(&inherits.value, names.map(String::as_str)) {
                        Some(name) => problem.help(format!("did you mean `{name}`?")),
                        None => problem,
                    });
                }
                return None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::problem::ManifestText;
    use crate::manifest::raw;

    /// `expect`: the profiles that are not as without a manifest.
    fn check(text: &str, expect: Result<&[Profile], &[&str]>) {
        let source = ManifestText::new("/w/Tender.toml".into(), &format!("[workspace]\n{text}"));
        let mut problems = Vec::new();
        let manifest = raw::parse(&source, &mut problems).unwrap();
        let profiles = resolve_profiles(&manifest.profiles, &mut problems);
        let messages: Vec<&str> = problems.iter().map(|problem| problem.message.as_str()).collect();
        match expect {
            Ok(expect) => {
                assert_eq!(messages, [""; 0]);
                let known = resolve_profiles(&[], &mut problems);
                let others: Vec<Profile> = profiles
                    .into_iter()
                    .filter(|(name, profile)| known.get(name) != Some(profile))
                    .map(|(_, profile)| profile)
                    .collect();
                assert_eq!(others, expect);
            }
            Err(expect) => assert_eq!(messages, expect),
        }
    }

    #[test]
    fn profile_for_the_build_takes_its_own_values_alone() {
        let source = ManifestText::new(
            "/w/Tender.toml".into(),
            "[workspace]\n[profile.release]\nlto = \"thin\"\ndefines = [\"A\"]\n\
             [profile.release.build-override]\ndebug = true\ndefines = [\"B\"]\n\
             [profile.fast]\ninherits = \"release\"\nsanitize = [\"address\"]\n\
             [profile.fast.build-override]\ndebug = false\ncodegen-units = 2\n",
        );
        let mut problems = Vec::new();
        let manifest = raw::parse(&source, &mut problems).unwrap();
        let profiles = resolve_profiles(&manifest.profiles, &mut problems);
        assert!(problems.is_empty(), "{problems:?}");
        let of = |opt_level, debug, defines: &[&str], codegen_units| {
            let values = ProfileValues {
                opt_level: Some(opt_level),
                debug: Some(debug),
                defines: Some(defines.iter().map(|define| (*define).to_owned()).collect()),
                codegen_units,
                ..ProfileValues::default()
            };
            Profile::new("", values, BTreeMap::new())
        };
        let check = |name: &str, expect: Profile| {
            assert_eq!(profiles[name].for_build(), Profile { name: name.to_owned(), ..expect });
        };
        check("dev", of(OptLevel::O2, DebugInfo::None, &[], None));
        check("release", of(OptLevel::O2, DebugInfo::Full, &["B"], None));
        check("fast", of(OptLevel::O2, DebugInfo::None, &["B"], Some(2)));
    }

    #[test]
    fn profiles_inherit() {
        check("", Ok(&[]));
        let mut all = Vec::new();
        for (name, values) in ready_made() {
            let values = values.or(&dev());
            all.push(Profile {
                opt_level: OptLevel::O1,
                ..Profile::new(name, values, BTreeMap::new())
            });
        }
        all.insert(2, Profile { opt_level: OptLevel::O1, ..Profile::dev() });
        check("[profile.dev]\nopt-level = 1", Ok(&all));
        check(
            "[profile.release]\ndefines = []",
            Ok(&[Profile { defines: vec![], ..Profile::release() }]),
        );
        let all = "[profile.fast]\ninherits = \"release\"\nopt-level = \"s\"\ndebug = \"line-tables-only\"\nlto = \"thin\"\n\
                   codegen-units = 4\ntranslate = \"serial\"\nshare-headers = \"auto\"\ndefines = [\"X=1\"]";
        let fast = Profile {
            name: "fast".into(),
            opt_level: OptLevel::Os,
            debug: DebugInfo::LineTablesOnly,
            lto: Lto::Thin,
            codegen_units: Some(4),
            translate: Translate::Serial,
            share_headers: ShareHeaders::Auto,
            defines: vec!["X=1".into()],
            ..Profile::release()
        };
        check(all, Ok(std::slice::from_ref(&fast)));
        let two = format!("[profile.a]\ninherits = \"fast\"\nlto = \"off\"\n{all}");
        check(&two, Ok(&[Profile { name: "a".into(), lto: Lto::Off, ..fast.clone() }, fast]));
        // Inherits what the manifest changes in `release`, wherever that stands.
        check(
            "[profile.x]\ninherits = \"release\"\n[profile.release]\nopt-level = 3",
            Ok(&[
                Profile { opt_level: OptLevel::O3, ..Profile::release() },
                Profile { name: "x".into(), opt_level: OptLevel::O3, ..Profile::release() },
            ]),
        );
    }

    #[test]
    fn profiles_are_refused() {
        check("[profile.x]", Err(&["`[profile.x]` has no `inherits`"]));
        check("[profile.x]\ninherits = \"relaese\"", Err(&["there is no profile `relaese`"]));
        check(
            "[profile.dev]\ninherits = \"release\"",
            Err(&["`inherits` cannot stand in `[profile.dev]`"]),
        );
        check("[profile.x]\ninherits = \"x\"", Err(&["profiles inherit in a circle: x -> x"]));
        check(
            "[profile.b]\ninherits = \"c\"\n[profile.a]\ninherits = \"b\"\n[profile.c]\ninherits = \"b\"",
            Err(&["profiles inherit in a circle: b -> c -> b"]),
        );
        check("[profile.debug]", Err(&["a profile cannot be named `debug`"]));
        check("[profile.\"a/b\"]", Err(&["the character `/` cannot stand in a profile name"]));
    }
    fn resolved(text: &str) -> (BTreeMap<String, Profile>, Vec<String>) {
        let source = ManifestText::new("/w/Tender.toml".into(), &format!("[workspace]\n{text}"));
        let mut problems = Vec::new();
        let manifest = raw::parse(&source, &mut problems).unwrap();
        let profiles = resolve_profiles(&manifest.profiles, &mut problems);
        (profiles, problems.into_iter().map(|problem| problem.message).collect())
    }

    #[test]
    fn profiles_that_look_for_faults_are_ready_made() {
        let (profiles, _) =
            resolved("[profile.dev]\nopt-level = 1\n[profile.asan]\nlto = \"thin\"");
        assert_eq!(profiles["asan"].sanitize, [Sanitizer::Address]);
        assert_eq!((profiles["asan"].lto, profiles["asan"].opt_level), (Lto::Thin, OptLevel::O1));
        assert!(profiles["coverage"].coverage && profiles["tsan"].needs_runtime());
        // One that inherits is another profile.
        let (profiles, _) = resolved("[profile.asan]\ninherits = \"release\"");
        assert!(profiles["asan"].sanitize.is_empty());
    }

    #[test]
    fn profile_of_one_crate_adds_to_the_profile() {
        let text = "[profile.dev]\nflags = [\"-a\"]\n[profile.dev.package.zip]\nopt-level = 3\nflags = [\"-b\"]\n\
                    [profile.dev.package.\"*\"]\ndebug = false\n[profile.x]\ninherits = \"dev\"\n\
                    [profile.x.package.zip]\nmarch = \"native\"";
        let (profiles, problems) = resolved(text);
        assert_eq!(problems, [""; 0]);
        let dev = &profiles["dev"];
        let zip = dev.of_crate("zip", true);
        assert_eq!((zip.opt_level, zip.debug), (OptLevel::O3, DebugInfo::Full));
        assert_eq!(zip.flags, ["-a", "-b"]);
        assert_eq!(dev.of_crate("zip", false).debug, DebugInfo::None);
        assert_eq!(dev.of_crate("zap", true), Cow::Borrowed(dev));
        let inherited = profiles["x"].of_crate("zip", true).into_owned();
        assert_eq!(
            (inherited.march.as_deref(), inherited.opt_level),
            (Some("native"), OptLevel::O3)
        );
    }

    #[test]
    fn profile_values_that_exclude_each_other_are_refused() {
        let check = |text: &str, expect: &str| assert_eq!(resolved(text).1, [expect], "{text}");
        check(
            "[profile.dev]\nsanitize = [\"thread\", \"address\"]",
            "`address` and `thread` exclude each other",
        );
        check(
            "[profile.dev]\nsanitize = [\"asan\"]",
            "`sanitize` must be one of \"address\", \"undefined\", \"thread\", \"memory\", \"leak\"",
        );
        check(
            "[profile.dev.package.x]\nlto = \"thin\"",
            "unknown key `lto` in `[profile.dev.package.x]`",
        );
    }
}
