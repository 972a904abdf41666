//! Which environment variables an item's result depends on, and whether one of them has changed.
//! Does no I/O.

use crate::environment::{Kind, USER_CONFIG_IN_HOME, Variables};
use crate::graph::{Item, ItemKind, Run};
use tender_protocol::{Language, Work};

/// The variables on which a result depends, as they are now, in the form of `Variables::entry`.
/// `told` are those that the worker reported.
pub(super) fn entries(variables: &Variables, item: &Item, told: &[String]) -> Vec<String> {
    let kinds = kinds(item);
    let names = variables.counted(&kinds).chain(told.iter().map(String::as_str)).chain(home(item));
    let mut entries: Vec<String> = names.map(|name| variables.entry(name)).collect();
    entries.sort_unstable();
    entries.dedup();
    entries
}

/// The first variable whose value has changed.
pub(super) fn changed<'a>(
    variables: &Variables,
    item: &Item,
    recorded: impl Iterator<Item = &'a str> + Clone,
) -> Option<String> {
    let name = |entry: &str| entry.split_once('=').map_or(entry, |(name, _)| name).to_owned();
    if let Some(entry) = recorded.clone().find(|entry| !variables.holds(entry)) {
        return Some(name(entry));
    }
    let kinds = kinds(item);
    let added =
        variables.counted(&kinds).find(|now| !recorded.clone().any(|entry| name(entry) == *now));
    added.map(str::to_owned)
}

fn kinds(item: &Item) -> Vec<Kind> {
    let of_unit = |language: Language| match language {
        Language::C | Language::AssemblyWithCpp => vec![Kind::Unit, Kind::Preprocessed, Kind::C],
        Language::Cxx => vec![Kind::Unit, Kind::Preprocessed, Kind::Cxx],
        Language::Assembly | Language::LlvmIr | Language::Bitcode => vec![Kind::Unit],
    };
    let (mut kinds, modules) = match &item.run {
        // The command of an assembler reads none.
        Run::Command(_) if item.kind == ItemKind::Compile => (Vec::new(), false),
        Run::Command(_) => (vec![Kind::Command], false),
        Run::Worker(work) => match work {
            Work::Compile { language, lto, .. } => (of_unit(*language), !lto.is_off()),
            Work::Check { language, .. } | Work::Preprocess { language, .. } => {
                (of_unit(*language), false)
            }
            Work::Precompile { language, .. } => (of_unit(*language), false),
            Work::Scan { .. } | Work::Interface { .. } | Work::ShareHeaders { .. } => {
                (of_unit(Language::Cxx), false)
            }
            Work::Archive { lto, .. } => (vec![Kind::Archive], lto.is_some()),
            Work::Link { lto, .. } => (vec![Kind::Link], lto.is_some()),
            Work::Configure(_) => {
                (vec![Kind::Unit, Kind::Preprocessed, Kind::C, Kind::Cxx, Kind::Link], false)
            }
        },
    };
    kinds.extend(modules.then_some(Kind::Modules));
    kinds
}

/// `HOME`, if the driver uses it.
fn home(item: &Item) -> Option<&'static str> {
    let words = match &item.run {
        Run::Worker(
            Work::Compile { args, .. }
            | Work::Check { args, .. }
            | Work::Scan { args, .. }
            | Work::Interface { args, .. }
            | Work::Precompile { args, .. }
            | Work::ShareHeaders { args, .. }
            | Work::Preprocess { args, .. }
            | Work::Link { args, .. },
        ) => args,
        Run::Worker(Work::Configure(request)) => &request.c_args,
        _ => return None,
    };
    words.iter().any(|word| word.starts_with(USER_CONFIG_IN_HOME)).then_some("HOME")
}
