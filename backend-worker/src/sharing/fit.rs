//! Whether a unit may use shared headers: beforehand by its tokens, and afterwards by those that were
//! left of it.

use super::{TokenFile, Tokens};
use std::collections::{HashMap, HashSet};
use std::fmt;

/// The reason why a unit is compiled alone. Names the file.
#[derive(Clone, Debug, PartialEq)]
pub enum Unfit {
    /// The unit includes it later, after other text, not at all, or with other tokens.
    Elsewhere(String),
    /// A standard header that the unit does not include.
    NotIncluded(String),
    /// It yields other tokens after the shared headers than in the unit alone.
    Otherwise(String),
    /// Standard headers yield other statements after the shared ones than in the unit alone.
    StandardText,
    /// A template of the headers could mean this declaration of the unit where the unit uses it.
    TemplateInput(String),
    /// A type that several standard headers declare, of which the unit includes another one first.
    Redeclared(String),
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unfit::Elsewhere(file) => {
                write!(f, "{file} is not among the first headers, or reads differently")
            }
            Unfit::NotIncluded(file) => write!(f, "{file} is not included"),
            Unfit::Otherwise(file) => {
                write!(f, "{file} would read differently after the shared headers")
            }
            Unfit::StandardText => write!(f, "standard headers would read differently"),
            Unfit::TemplateInput(name) => {
                write!(f, "templates of the headers could depend on {name}, which comes after them")
            }
            Unfit::Redeclared(file) => {
                write!(f, "{file} declares a type that another header declares before it")
            }
        }
    }
}

/// Whether headers may be shared at all, as their own tokens show.
pub fn is_sound(headers: &Tokens) -> bool {
    headers
        .files
        .iter()
        .enumerate()
        .all(|(at, file)| !file.leaves_state && (headers.is_standard(at) || file.entries <= 1))
}

/// Whether `headers` are the first text of the project that the unit has.
///
/// # Errors
/// The first file for which that is not so.
pub fn fit(unit: &Tokens, headers: &Tokens) -> Result<(), Unfit> {
    let mut runs = unit.project_runs();
    for shared in headers.project_runs() {
        if !runs.next().is_some_and(|run| headers.is_same_run(shared, unit, run)) {
            return Err(Unfit::Elsewhere(headers.files[shared.file].name.clone()));
        }
    }
    let known: HashMap<&str, &TokenFile> =
        unit.files.iter().map(|file| (file.name.as_str(), file)).collect();
    let standard = headers.files.iter().enumerate().filter(|(at, _)| headers.is_standard(*at));
    for (_, file) in standard.filter(|(_, file)| file.tokens > 0) {
        let Some(of_unit) = known.get(file.name.as_str()) else {
            return Err(Unfit::NotIncluded(file.name.clone()));
        };
        // A file that is entered once yields all that it does in the headers.
        let once = file.entries == 1 && of_unit.entries == 1;
        if unit.shows_places && once && file.statements != of_unit.statements {
            return Err(Unfit::Otherwise(file.name.clone()));
        }
    }
    check_order(unit, headers)
}

fn check_order(unit: &Tokens, part: &Tokens) -> Result<(), Unfit> {
    match unit.reversed(&part.redeclarations) {
        Some(pair) => Err(Unfit::Redeclared(pair.first.file.clone())),
        None => Ok(()),
    }
}

/// Whether the unit's own text yielded the same tokens after the shared headers, as `rest`, as it
/// does alone.
///
/// # Errors
/// The first file for which that is not so.
pub fn check(unit: &Tokens, headers: &Tokens, rest: &Tokens) -> Result<(), Unfit> {
    if let Some(name) = &rest.template_input {
        return Err(Unfit::TemplateInput(name.clone()));
    }
    let by_name = |tokens: &Tokens| -> HashMap<String, (u32, u64)> {
        tokens.files.iter().map(|file| (file.name.clone(), (file.tokens, file.hash))).collect()
    };
    let (shared, left) = (by_name(headers), by_name(rest));
    for (at, file) in unit.files.iter().enumerate().filter(|(at, _)| !unit.is_standard(*at)) {
        let in_headers = shared.get(&file.name).is_some_and(|(tokens, _)| *tokens > 0);
        let (tokens, hash) = left.get(&file.name).copied().unwrap_or_default();
        let expected = if in_headers { 0 } else { file.tokens };
        let same = tokens == expected && (tokens == 0 || hash == file.hash);
        if !same {
            return Err(Unfit::Otherwise(unit.files[at].name.clone()));
        }
    }
    check_order(unit, rest)?;
    if unit.shows_places {
        return check_places(unit, headers, rest);
    }
    // Parts of the C library declare a type where it is needed first, so statements move between files.
    // The rest knows few of the files by their directives, so what is standard is known by name.
    let names: HashSet<&str> = [unit, headers]
        .iter()
        .flat_map(|tokens| {
            tokens.files.iter().enumerate().map(move |(at, file)| (tokens, at, file))
        })
        .filter(|(tokens, at, _)| tokens.is_standard(*at))
        .map(|(_, _, file)| file.name.as_str())
        .collect();
    let statements = |tokens: &Tokens| {
        let standard = tokens.files.iter().filter(|file| names.contains(file.name.as_str()));
        standard.fold(0u64, |sum, file| sum.wrapping_add(file.statements))
    };
    let both = statements(headers).wrapping_add(statements(rest));
    if statements(unit) == both { Ok(()) } else { Err(Unfit::StandardText) }
}

/// Whether each statement of standard headers stands in the file in which it stands in the unit alone.
fn check_places(unit: &Tokens, headers: &Tokens, rest: &Tokens) -> Result<(), Unfit> {
    let files = unit.files.iter().enumerate().filter(|(at, _)| unit.is_standard(*at));
    let mut left: HashMap<&str, u64> =
        files.map(|(_, file)| (file.name.as_str(), file.statements)).collect();
    for file in headers.files.iter().chain(&rest.files) {
        if let Some(left) = left.get_mut(file.name.as_str()) {
            *left = left.wrapping_sub(file.statements);
        }
    }
    match left.into_iter().filter(|(_, left)| *left != 0).map(|(name, _)| name).min() {
        Some(name) => Err(Unfit::Otherwise(name.to_owned())),
        None => Ok(()),
    }
}
