//! Words of compile commands of other builds -> settings of manifests. Pure. What the profile and
//! the build itself decide, such as the level of optimisation, is passed by.

use crate::manifest::{SettingsDraft, check_define};
use std::collections::BTreeSet;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportLanguage {
    C,
    Cxx,
    /// Assembly: it has no settings of its own.
    Other,
}

/// How one source is compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportedUnit {
    /// As the manifest will name it.
    pub path: String,
    pub language: ImportLanguage,
    pub words: CompileOptions,
}

/// Words of a compile command by what they are about. Directories are as they were written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CompileOptions {
    pub std: Option<String>,
    pub include: Vec<String>,
    pub defines: Vec<String>,
    pub flags: Vec<String>,
    /// Words that change what is built and that no manifest has.
    pub refused: Vec<String>,
}

/// Options whose operand is the next word, and that are passed by.
const PASSED_BY_WITH_OPERAND: [&str; 7] = ["-o", "-MF", "-MT", "-MQ", "-MJ", "-x", "-arch"];
/// Options whose operand is the next word, and that stay.
const WITH_OPERAND: [&str; 8] =
    ["-include", "-imacros", "-idirafter", "-isysroot", "-target", "-Xclang", "--param", "-U"];

/// Sorts the words behind the compiler's name; sources are no part of them.
pub fn sort(words: impl IntoIterator<Item = String>) -> CompileOptions {
    let mut options = CompileOptions::default();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let word = word.as_str();
        if PASSED_BY_WITH_OPERAND.contains(&word) {
            words.next();
        } else if let Some(dir) =
            ["-isystem", "-iquote", "-I"].into_iter().find_map(|option| word.strip_prefix(option))
        {
            let dir = if dir.is_empty() { words.next() } else { Some(dir.to_owned()) };
            add(&mut options.include, dir);
        } else if let Some(define) = word.strip_prefix("-D") {
            let define = if define.is_empty() { words.next() } else { Some(define.to_owned()) };
            match define {
                Some(define) if check_define(&define).is_err() => options.refused.push(define),
                define => add(&mut options.defines, define),
            }
        } else if let Some(std) = word.strip_prefix("-std=") {
            options.std = Some(std.to_owned());
        } else if WITH_OPERAND.contains(&word) {
            if let Some(operand) = words.next() {
                options.flags.extend([word.to_owned(), operand]);
            }
        } else if word.starts_with("-Werror") || word.starts_with("-flto") || word.starts_with("@")
        {
            add(&mut options.refused, Some(word.to_owned()));
        } else if word.starts_with('-') && word.len() > 1 && !is_passed_by(word) {
            options.flags.push(word.to_owned());
        }
    }
    options
}

fn add(list: &mut Vec<String>, item: Option<String>) {
    if let Some(item) = item.filter(|item| !item.is_empty() && !list.contains(item)) {
        list.push(item);
    }
}

/// The profile has the level and debug information, and each target its kind of code; the rest is
/// about files that another build writes, or about the link.
fn is_passed_by(word: &str) -> bool {
    const WHOLE: [&str; 16] = [
        "-c",
        "-MD",
        "-MMD",
        "-MP",
        "-MG",
        "-M",
        "-MM",
        "-fPIC",
        "-fpic",
        "-fPIE",
        "-fpie",
        "-pipe",
        "-m64",
        "-pthread",
        "-Winvalid-pch",
        "-g",
    ];
    const STARTS: [&str; 9] = [
        "-O",
        "-ggdb",
        "-gdwarf",
        "-fdiagnostics-",
        "-Wl,",
        "-l",
        "-L",
        "-save-temps",
        "-fuse-ld=",
    ];
    let is_level = matches!(word, "-g0" | "-g1" | "-g2" | "-g3");
    WHOLE.contains(&word) || is_level || STARTS.iter().any(|start| word.starts_with(start))
}

/// The settings that units of one target have in common, as far as a manifest can say them; the rest
/// is said in sentences.
pub fn merge(units: &[ImportedUnit]) -> (SettingsDraft, Vec<String>) {
    let mut settings = SettingsDraft::default();
    let mut unsaid = Vec::new();
    let of = |language| units.iter().filter(move |unit| unit.language == language);
    for unit in units {
        for dir in &unit.words.include {
            add(&mut settings.include, Some(dir.clone()));
        }
        for define in &unit.words.defines {
            let name = macro_name(define);
            match settings.defines.iter().find(|other| macro_name(other) == name) {
                Some(other) if other == define => {}
                Some(other) => unsaid.push(format!(
                    "`{}` is compiled with `-D{define}`, other sources with `-D{other}`",
                    unit.path
                )),
                None => settings.defines.push(define.clone()),
            }
        }
        for word in &unit.words.refused {
            let sentence = match word.strip_prefix("-Werror") {
                Some(_) => format!("`{word}`: another compiler has other warnings"),
                None => format!("`{word}`"),
            };
            add(&mut unsaid, Some(sentence));
        }
    }
    for (language, std) in
        [(ImportLanguage::C, &mut settings.c_std), (ImportLanguage::Cxx, &mut settings.cxx_std)]
    {
        for unit in of(language) {
            match (&*std, &unit.words.std) {
                (None, Some(own)) => *std = Some(own.clone()),
                (Some(first), Some(own)) if first != own => {
                    unsaid.push(format!("`{}` is compiled by `{own}`, not `{first}`", unit.path));
                }
                _ => {}
            }
        }
    }
    let mut common = |language| {
        let lists: Vec<Vec<Vec<String>>> =
            of(language).map(|unit| phrases(&unit.words.flags)).collect();
        let first = lists.first().cloned().unwrap_or_default();
        let (kept, _): (Vec<Vec<String>>, Vec<Vec<String>>) =
            first.into_iter().partition(|flag| lists.iter().all(|list| list.contains(flag)));
        for (unit, list) in of(language).zip(&lists) {
            let own: Vec<String> = list
                .iter()
                .filter(|flag| !kept.contains(flag))
                .map(|flag| flag.join(" "))
                .collect();
            if !own.is_empty() {
                unsaid.push(format!("`{}` alone is compiled with `{}`", unit.path, own.join(" ")));
            }
        }
        kept
    };
    let (c, cxx) = (common(ImportLanguage::C), common(ImportLanguage::Cxx));
    let is_mixed =
        of(ImportLanguage::C).next().is_some() && of(ImportLanguage::Cxx).next().is_some();
    let both: BTreeSet<Vec<String>> = c.iter().filter(|flag| cxx.contains(flag)).cloned().collect();
    for (own, list) in [(c, &mut settings.c_flags), (cxx, &mut settings.cxx_flags)] {
        for flag in own {
            match is_mixed && !both.contains(&flag) {
                true => list.extend(flag),
                false if settings.flags.windows(flag.len()).any(|words| words == flag) => {}
                false => settings.flags.extend(flag),
            }
        }
    }
    (settings, unsaid)
}

fn macro_name(define: &str) -> &str {
    define.split(['=', '(']).next().unwrap_or_default()
}

/// Flags with their operands.
fn phrases(flags: &[String]) -> Vec<Vec<String>> {
    let mut phrases: Vec<Vec<String>> = Vec::new();
    let mut words = flags.iter();
    while let Some(word) = words.next() {
        let mut phrase = vec![word.clone()];
        if WITH_OPERAND.contains(&word.as_str()) {
            phrase.extend(words.next().cloned());
        }
        if !phrases.contains(&phrase) {
            phrases.push(phrase);
        }
    }
    phrases
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(line: &str) -> CompileOptions {
        sort(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn words_are_sorted_by_what_they_are_about() {
        let options = sorted(
            "-c -O2 -g -ggdb3 -fPIC -pipe -pthread -MD -MF x.d -o x.o -Ia -I b -isystem c -I a -DA -D B=1 -std=gnu++17 \
             -Wall -fno-rtti -include pre.h -UX -U Y -Werror -flto=auto -Lx -lm -Wl,-z,now -x c++ -gcolumn-info x.c -",
        );
        assert_eq!(options.include, ["a", "b", "c"]);
        assert_eq!(options.defines, ["A", "B=1"]);
        assert_eq!(options.std.as_deref(), Some("gnu++17"));
        assert_eq!(
            options.flags.join(" "),
            "-Wall -fno-rtti -include pre.h -UX -U Y -gcolumn-info"
        );
        assert_eq!(options.refused, ["-Werror", "-flto=auto"]);
        assert_eq!(sorted("-I"), CompileOptions::default());
        assert_eq!(sorted("-D 1x").refused, ["1x"]);
    }

    fn unit(path: &str, language: ImportLanguage, line: &str) -> ImportedUnit {
        ImportedUnit { path: path.into(), language, words: sorted(line) }
    }

    #[test]
    fn units_have_settings_in_common() {
        use ImportLanguage::{C, Cxx, Other};
        let (settings, unsaid) = merge(&[
            unit("a.c", C, "-Ia -DA -std=c11 -Wall -Wc -include x.h"),
            unit("b.c", C, "-Ib -DA=2 -std=c99 -Wall -Wc -include x.h -mavx2"),
            unit("c.cc", Cxx, "-Ia -DB -std=c++17 -Wall -fno-rtti"),
            unit("d.S", Other, "-Wall"),
        ]);
        assert_eq!(settings.include, ["a", "b"]);
        assert_eq!(settings.defines, ["A", "B"]);
        assert_eq!(
            (settings.c_std.as_deref(), settings.cxx_std.as_deref()),
            (Some("c11"), Some("c++17"))
        );
        assert_eq!(settings.flags, ["-Wall"]);
        assert_eq!(settings.c_flags, ["-Wc", "-include", "x.h"]);
        assert_eq!(settings.cxx_flags, ["-fno-rtti"]);
        assert_eq!(
            unsaid,
            [
                "`b.c` is compiled with `-DA=2`, other sources with `-DA`",
                "`b.c` is compiled by `c99`, not `c11`",
                "`b.c` alone is compiled with `-mavx2`",
            ]
        );
        let (settings, unsaid) =
            merge(&[unit("a.c", C, "-Wall -Werror"), unit("b.c", C, "-Wall -Werror")]);
        assert_eq!((settings.flags.len(), settings.c_flags.len(), unsaid.len()), (1, 0, 1));
        assert_eq!(merge(&[]), (SettingsDraft::default(), vec![]));
    }
}
