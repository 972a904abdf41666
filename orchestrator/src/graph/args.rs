//! The words of compile commands, in a fixed order. Does no I/O and knows no items.
//!
//! The order, first to last (for clang the last `-O`, `-std` or `-f` wins, and the first `-I` that
//! has the header):
//!
//! 0. the platform, if `--target` names one
//! 1. `-std=`, if the manifest names one for the language
//! 2. profile: `-O`, `-g` or `-gline-tables-only`, `-gsplit-dwarf`, `-march`, sanitizers, coverage,
//!    profiles of runs
//! 3. `-fPIC` for libraries, `-fPIE` for programs; `-ffile-compilation-dir=`
//! 4. profile: its defines
//! 5. the target's defines
//! 6. the target's private include directories, then the public ones, with the public defines, of
//!    the crate's libraries: a library's own first, then those that it uses; for a program all
//! 7. OUT_DIR, if the crate has `[[generate]]`
//! 8. for every dependency, direct and through public ones, in declaration order, each once: public
//!    include directories, OUT_DIR if headers are generated there, public defines, pkg-config's
//!    cflags. Directories are `-isystem` where an edge or the place of the crate says so; clang looks
//!    there after all `-I`, and does not warn of what it finds
//! 9. the target's pkg-config cflags (system directories, so after those of the workspace)
//! 10. the target's `warnings` and `flags`, then those of the unit's language; `-w` for crates that were
//!     fetched: nobody here can mend them
//! 11. profile: the same. Who builds has the last word

use super::model::Ingredients;
use super::runtime;
use crate::manifest::{DebugInfo, OptLevel, Profile, SplitDebugInfo, TargetSettings};
use tender_protocol::Language;

/// All that compile commands of one target are made of, each part already as words.
pub(super) struct CompileWords<'a> {
    /// Part 0.
    pub platform: Vec<String>,
    pub profile: &'a Profile,
    pub settings: &'a TargetSettings,
    /// Part 3's first word.
    pub position: &'static str,
    /// Parts 6 and 7.
    pub directories: Vec<String>,
    /// Part 8, by dependency.
    pub interfaces: Vec<(String, Vec<String>)>,
    /// Part 9.
    pub pkg_config: Vec<String>,
    /// No warnings.
    pub is_silent: bool,
}

impl CompileWords<'_> {
    /// The arguments for nasm and yasm: macros and include directories in the order of those for
    /// clang, which find the same files. `debug` are the words for debug information.
    pub fn of_nasm(&self, debug: &[&str]) -> (Vec<String>, Ingredients) {
        let debug = debug.iter().filter(|_| self.profile.debug != DebugInfo::None);
        let all = |words: &[String]| words.iter().filter_map(|word| for_nasm(word)).collect();
        let defined = |words: &[String]| all(&defines(words).collect::<Vec<_>>());
        let mut profile: Vec<String> = debug.map(|word| (*word).to_owned()).collect();
        profile.extend(defined(&self.profile.defines));
        let mut own: Vec<String> = defined(&self.settings.defines);
        own.extend(all(&self.directories));
        let interfaces = self.interfaces.iter().map(|(name, words)| (name.clone(), all(words)));
        let interfaces: Vec<(String, Vec<String>)> =
            interfaces.filter(|(_, words)| !words.is_empty()).collect();
        let pkg_config: Vec<String> = all(&self.pkg_config);
        let mut args = [&profile[..], &own].concat();
        args.extend(interfaces.iter().flat_map(|(_, words)| words.iter().cloned()));
        args.extend(pkg_config.iter().cloned());
        own.extend(pkg_config);
        (args, Ingredients { own, profile, interfaces })
    }

    /// Arguments without program, input, `-c` and `-o`, and the same in parts.
    pub fn of(&self, language: Language) -> (Vec<String>, Ingredients) {
        let takes = |word: &String| accepts(language, word);
        let mut args = Vec::new();
        let mut own = Vec::new();
        let mut profile = Vec::new();
        let add = |args: &mut Vec<String>, part: &mut Vec<String>, words: Vec<String>| {
            args.extend(words.iter().cloned());
            part.extend(words);
        };

        add(
            &mut args,
            &mut own,
            self.platform.iter().filter(|word| takes(word)).cloned().collect(),
        );
        let std = match language {
            Language::C => self.settings.c_std.as_ref(),
            Language::Cxx => self.settings.cxx_std.as_ref(),
            _ => None,
        };
        add(&mut args, &mut own, std.map(|std| format!("-std={std}")).into_iter().collect());
        add(
            &mut args,
            &mut profile,
            optimisation(self.profile).into_iter().filter(takes).collect(),
        );
        let dir = format!("-ffile-compilation-dir={}", self.profile.compilation_dir);
        add(&mut args, &mut own, vec![self.position.to_owned(), dir]);
        add(&mut args, &mut profile, defines(&self.profile.defines).filter(takes).collect());
        add(&mut args, &mut own, defines(&self.settings.defines).filter(takes).collect());
        add(
            &mut args,
            &mut own,
            self.directories.iter().filter(|word| takes(word)).cloned().collect(),
        );
        let mut interfaces = Vec::with_capacity(self.interfaces.len());
        for (name, words) in &self.interfaces {
            let mut part = Vec::new();
            add(&mut args, &mut part, words.iter().filter(|word| takes(word)).cloned().collect());
            if !part.is_empty() {
                interfaces.push((name.clone(), part));
            }
        }
        add(
            &mut args,
            &mut own,
            self.pkg_config.iter().filter(|word| takes(word)).cloned().collect(),
        );
        if has_diagnostics(language) {
            let warnings = self.settings.warnings.iter().map(|name| format!("-W{name}"));
            add(&mut args, &mut own, warnings.collect());
        }
        let TargetSettings { flags, c_flags, cxx_flags, .. } = self.settings;
        add(&mut args, &mut own, of_language(language, [flags, c_flags, cxx_flags]));
        if self.is_silent && has_diagnostics(language) {
            add(&mut args, &mut own, vec!["-w".to_owned()]);
        }
        let Profile { flags, c_flags, cxx_flags, .. } = self.profile;
        add(&mut args, &mut profile, of_language(language, [flags, c_flags, cxx_flags]));
        (args, Ingredients { own, profile, interfaces })
    }
}

/// A word for clang as nasm and yasm read it; none where it does not concern them. They append what
/// is included to the directory as it stands.
fn for_nasm(word: &str) -> Option<String> {
    let dir = word.strip_prefix("-isystem").or_else(|| word.strip_prefix("-I"));
    match dir {
        Some(dir) => Some(format!("-I{}/", dir.trim_end_matches('/'))),
        None => word.starts_with("-D").then(|| word.to_owned()),
    }
}

/// The compiler warns of what is in its sources.
fn has_diagnostics(language: Language) -> bool {
    matches!(language, Language::C | Language::Cxx | Language::AssemblyWithCpp)
}

/// The flags for all languages, then those for this one.
fn of_language(language: Language, [all, c, cxx]: [&Vec<String>; 3]) -> Vec<String> {
    let own = match language {
        Language::C => &c[..],
        Language::Cxx => &cxx[..],
        _ => &[],
    };
    [all, own].concat()
}

pub(super) fn defines(defines: &[String]) -> impl Iterator<Item = String> + '_ {
    defines.iter().map(|define| format!("-D{define}"))
}

fn optimisation(profile: &Profile) -> Vec<String> {
    let level = match profile.opt_level {
        OptLevel::O0 => "-O0",
        OptLevel::O1 => "-O1",
        OptLevel::O2 => "-O2",
        OptLevel::O3 => "-O3",
        OptLevel::Os => "-Os",
        OptLevel::Oz => "-Oz",
    };
    let debug = match profile.debug {
        DebugInfo::None => None,
        DebugInfo::LineTablesOnly => Some("-gline-tables-only"),
        DebugInfo::Full => Some("-g"),
    };
    let split = (profile.split_debuginfo == SplitDebugInfo::Unpacked
        && profile.debug != DebugInfo::None)
        .then_some("-gsplit-dwarf");
    let mut words: Vec<String> =
        [Some(level), debug, split].into_iter().flatten().map(str::to_owned).collect();
    words.extend(profile.march.as_ref().map(|cpu| format!("-march={cpu}")));
    words.extend(runtime::compile_words(profile));
    words
}

/// Clang warns of words that have no effect on its input. Those that we add by ourselves must not
/// cause such a warning; those in `flags` are the user's own, and are passed as they are.
fn accepts(language: Language, word: &str) -> bool {
    match language {
        Language::C | Language::Cxx | Language::AssemblyWithCpp => true,
        Language::Assembly => {
            !["-D", "-O", "-fprofile", "-fcoverage", "-fsanitize", "-fno-omit", "-nostdlibinc"]
                .iter()
                .any(|start| word.starts_with(start))
        }
        Language::LlvmIr | Language::Bitcode => {
            !["-D", "-I", "-isystem", "-fcoverage", "-fno-omit", "-nostdlibinc"]
                .iter()
                .any(|start| word.starts_with(start))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(language: Language) -> String {
        with_words(|words| words.of(language).0.join("|"))
    }

    fn with_words(show: impl FnOnce(&CompileWords<'_>) -> String) -> String {
        let profile = Profile {
            debug: DebugInfo::LineTablesOnly,
            march: Some("x86-64-v3".into()),
            flags: vec!["-fall".into()],
            c_flags: vec!["-fc".into()],
            cxx_flags: vec!["-fcxx".into()],
            ..Profile::release()
        };
        let settings = TargetSettings {
            defines: vec!["A=1 2".into()],
            warnings: vec!["all".into()],
            flags: vec!["-fx".into()],
            c_flags: vec!["-Wc".into()],
            cxx_flags: vec!["-Wcxx".into()],
            c_std: Some("c17".into()),
            cxx_std: Some("c++20".into()),
            ..TargetSettings::default()
        };
        let words = CompileWords {
            platform: Vec::new(),
            profile: &profile,
            settings: &settings,
            position: "-fPIC",
            directories: vec!["-Iown".into()],
            interfaces: vec![("dep".into(), vec!["-Idep".into(), "-DDEP".into()])],
            pkg_config: vec!["-Isys".into()],
            is_silent: false,
        };
        show(&words)
    }

    #[test]
    fn nasm_gets_macros_and_directories_with_a_slash() {
        let shown = with_words(|words| {
            let (args, ingredients) = words.of_nasm(&["-g", "-F", "dwarf"]);
            assert_eq!(ingredients.profile, ["-g", "-F", "dwarf", "-DNDEBUG"]);
            assert_eq!(
                ingredients.interfaces,
                [("dep".to_owned(), vec!["-Idep/".into(), "-DDEP".into()])]
            );
            args.join("|")
        });
        assert_eq!(shown, "-g|-F|dwarf|-DNDEBUG|-DA=1 2|-Iown/|-Idep/|-DDEP|-Isys/");
        let check = |word, expect: Option<&str>| assert_eq!(for_nasm(word).as_deref(), expect);
        check("-isystem/usr/x/", Some("-I/usr/x/"));
        check("-I/", Some("-I/"));
        check("-pthread", None);
    }

    #[test]
    fn compile_command_has_its_words_in_order_for_each_language() {
        let check = |language, expect: &str| assert_eq!(words(language), expect);
        check(
            Language::C,
            "-std=c17|-O2|-gline-tables-only|-march=x86-64-v3|-fPIC|-ffile-compilation-dir=.|-DNDEBUG|-DA=1 2|-Iown|-Idep|-DDEP|-Isys|-Wall|-fx|-Wc|-fall|-fc",
        );
        check(
            Language::Cxx,
            "-std=c++20|-O2|-gline-tables-only|-march=x86-64-v3|-fPIC|-ffile-compilation-dir=.|-DNDEBUG|-DA=1 2|-Iown|-Idep|-DDEP|-Isys|-Wall|-fx|-Wcxx|-fall|-fcxx",
        );
        check(
            Language::Assembly,
            "-gline-tables-only|-march=x86-64-v3|-fPIC|-ffile-compilation-dir=.|-Iown|-Idep|-Isys|-fx|-fall",
        );
        check(
            Language::LlvmIr,
            "-O2|-gline-tables-only|-march=x86-64-v3|-fPIC|-ffile-compilation-dir=.|-fx|-fall",
        );
    }
}
