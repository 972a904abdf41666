//! Profiles: the two that always exist, those of `[profile.*]`, and who inherits from whom.

use super::model::{DebugInfo, Lto, OptLevel, Profile, Translate};
use super::problem::{Problem, suggestion};
use super::raw::ProfileTable;
use std::collections::BTreeMap;

fn dev() -> Profile {
    Profile {
        name: "dev".to_owned(),
        opt_level: OptLevel::O0,
        debug: DebugInfo::Full,
        lto: Lto::Off,
        codegen_units: None,
        translate: Translate::Parallel,
        defines: Vec::new(),
    }
}

fn release() -> Profile {
    Profile {
        name: "release".to_owned(),
        opt_level: OptLevel::O2,
        debug: DebugInfo::None,
        defines: vec!["NDEBUG".to_owned()],
        ..dev()
    }
}

pub(super) fn resolve_profiles(
    tables: &[ProfileTable],
    problems: &mut Vec<Problem>,
) -> BTreeMap<String, Profile> {
    let mut profiles =
        BTreeMap::from([dev(), release()].map(|profile| (profile.name.clone(), profile)));
    for table in tables {
        if profiles.contains_key(&table.name.value) {
            if let Some(inherits) = &table.inherits {
                let problem = Problem::error(format!(
                    "`inherits` cannot stand in `[profile.{}]`",
                    table.name.value
                ));
                let help = "`dev` and `release` always exist; make a profile of another name that inherits from one";
                problems.push(problem.at(inherits.at.clone()).help(help));
            }
            let base = profiles[&table.name.value].clone();
            profiles.insert(table.name.value.clone(), apply(base, table));
        }
    }
    for table in tables {
        if !profiles.contains_key(&table.name.value)
            && let Some(profile) = resolve_custom(table, tables, &profiles, problems)
        {
            profiles.insert(profile.name.clone(), profile);
        }
    }
    profiles
}

/// Follows `inherits` down to a profile that is known, then applies the tables on the way back.
fn resolve_custom(
    table: &ProfileTable,
    tables: &[ProfileTable],
    known: &BTreeMap<String, Profile>,
    problems: &mut Vec<Problem>,
) -> Option<Profile> {
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
            return Some(chain.into_iter().rev().fold(base.clone(), apply));
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

fn apply(base: Profile, table: &ProfileTable) -> Profile {
    Profile {
        name: table.name.value.clone(),
        opt_level: table.opt_level.unwrap_or(base.opt_level),
        debug: table.debug.unwrap_or(base.debug),
        lto: table.lto.unwrap_or(base.lto),
        codegen_units: table.codegen_units.or(base.codegen_units),
        translate: table.translate.unwrap_or(base.translate),
        defines: table.defines.clone().unwrap_or(base.defines),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::problem::ManifestText;
    use crate::manifest::raw;

    fn check(text: &str, expect: Result<&[Profile], &[&str]>) {
        let source = ManifestText::new("/w/Tender.toml".into(), &format!("[workspace]\n{text}"));
        let mut problems = Vec::new();
        let manifest = raw::parse(&source, &mut problems).unwrap();
        let profiles = resolve_profiles(&manifest.profiles, &mut problems);
        let messages: Vec<&str> = problems.iter().map(|problem| problem.message.as_str()).collect();
        match expect {
            Ok(expect) => {
                assert_eq!(messages, [""; 0]);
                let others: Vec<Profile> =
                    profiles.into_values().filter(|p| ![dev(), release()].contains(p)).collect();
                assert_eq!(others, expect);
            }
            Err(expect) => assert_eq!(messages, expect),
        }
    }

    #[test]
    fn profiles_inherit() {
        check("", Ok(&[]));
        check("[profile.dev]\nopt-level = 1", Ok(&[Profile { opt_level: OptLevel::O1, ..dev() }]));
        check("[profile.release]\ndefines = []", Ok(&[Profile { defines: vec![], ..release() }]));
        let all = "[profile.fast]\ninherits = \"release\"\nopt-level = \"s\"\ndebug = \"line-tables-only\"\nlto = \"thin\"\n\
                   codegen-units = 4\ntranslate = \"serial\"\ndefines = [\"X=1\"]";
        let fast = Profile {
            name: "fast".into(),
            opt_level: OptLevel::Os,
            debug: DebugInfo::LineTablesOnly,
            lto: Lto::Thin,
            codegen_units: Some(4),
            translate: Translate::Serial,
            defines: vec!["X=1".into()],
        };
        check(all, Ok(std::slice::from_ref(&fast)));
        let two = format!("[profile.a]\ninherits = \"fast\"\nlto = \"off\"\n{all}");
        check(&two, Ok(&[Profile { name: "a".into(), lto: Lto::Off, ..fast.clone() }, fast]));
        // Inherits what the manifest changes in `release`, wherever that stands.
        check(
            "[profile.x]\ninherits = \"release\"\n[profile.release]\nopt-level = 3",
            Ok(&[
                Profile { opt_level: OptLevel::O3, ..release() },
                Profile { name: "x".into(), opt_level: OptLevel::O3, ..release() },
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
}
