//! clang's run-time library: which flags need it, and the words that say so to clang when it compiles
//! and when it links. Does no I/O and knows no items.
//!
//! Code that clang has instrumented calls functions of clang's own run-time library. Other drivers
//! would link another library, or none, so links of such code are driven by clang.

use crate::manifest::{Profile, Sanitizer, TargetSettings, flags_without_operands};

/// What a profile's sanitizers, coverage and profiles of runs add to compile commands.
pub(super) fn compile_words(profile: &Profile) -> Vec<String> {
    let mut words = link_words(profile);
    if !profile.sanitize.is_empty() {
        // So that reports have whole stacks, as the manuals of the sanitizers advise.
        words.push("-fno-omit-frame-pointer".to_owned());
    }
    if profile.coverage {
        words.push("-fcoverage-mapping".to_owned());
    }
    words.extend(profile.pgo_use.as_ref().map(|path| format!("-fprofile-use={path}")));
    words
}

/// What they add to links.
pub(super) fn link_words(profile: &Profile) -> Vec<String> {
    let mut words = Vec::new();
    if !profile.sanitize.is_empty() {
        let names: Vec<&str> = profile.sanitize.iter().map(|one| Sanitizer::name(*one)).collect();
        words.push(format!("-fsanitize={}", names.join(",")));
    }
    if profile.coverage {
        words.push("-fprofile-instr-generate".to_owned());
    }
    if profile.pgo_generate {
        words.push("-fprofile-generate".to_owned());
    }
    words
}

/// Whether a word asks for instrumented code.
pub(super) fn is_instrumentation(word: &str) -> bool {
    needs_runtime(word)
        || ["-fcoverage-mapping", "-ftest-coverage", "-fprofile-use="]
            .iter()
            .any(|start| word.starts_with(start))
}

/// The flags of a target whose code needs the run-time library where it is linked.
pub(super) fn words_of_flags(profile: &Profile, settings: &TargetSettings) -> Vec<String> {
    let own = [&settings.flags, &settings.c_flags, &settings.cxx_flags];
    let all = own.into_iter().chain([&profile.flags, &profile.c_flags, &profile.cxx_flags]);
    let mut words: Vec<String> = Vec::new();
    for flag in all.flat_map(|flags| flags_without_operands(flags)) {
        if needs_runtime(flag) && !words.iter().any(|known| known == flag) {
            words.push(flag.clone());
        }
    }
    words
}

/// https://clang.llvm.org/docs/UsersManual.html#controlling-code-generation and
/// https://clang.llvm.org/docs/UsersManual.html#profile-guided-optimization
fn needs_runtime(flag: &str) -> bool {
    if let Some(sanitizers) = flag.strip_prefix("-fsanitize=") {
        return sanitizers.split(',').any(|name| !WITHOUT_RUNTIME.contains(&name));
    }
    ["--coverage", "-coverage", "-fprofile-arcs"].contains(&flag)
        || ["-fprofile-generate", "-fcs-profile-generate", "-fprofile-instr-generate"]
            .iter()
            .any(|start| flag.starts_with(start))
}

/// Sanitizers that are code alone.
const WITHOUT_RUNTIME: [&str; 2] = ["kcfi", "shadow-call-stack"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runtime_is_needed_by_instrumented_code() {
        let check = |flags: &[&str], expect: &[&str]| {
            let settings = TargetSettings {
                flags: flags.iter().map(|flag| (*flag).to_owned()).collect(),
                ..TargetSettings::default()
            };
            assert_eq!(words_of_flags(&Profile::dev(), &settings), expect, "{flags:?}");
        };
        check(&["-O2", "-fsanitize=kcfi", "-fcoverage-mapping"], &[]);
        check(&["-fsanitize=address", "-fsanitize=address"], &["-fsanitize=address"]);
        check(&["-fsanitize=kcfi,undefined"], &["-fsanitize=kcfi,undefined"]);
        check(&["--coverage", "-fprofile-generate=x"], &["--coverage", "-fprofile-generate=x"]);
        check(&["-include", "--coverage"], &[]);
    }

    #[test]
    fn runtime_words_follow_the_profile() {
        let profile = Profile {
            sanitize: vec![Sanitizer::Address, Sanitizer::Undefined],
            coverage: true,
            ..Profile::dev()
        };
        assert_eq!(
            link_words(&profile),
            ["-fsanitize=address,undefined", "-fprofile-instr-generate"]
        );
        assert_eq!(compile_words(&profile)[2..], ["-fno-omit-frame-pointer", "-fcoverage-mapping"]);
        assert_eq!(compile_words(&Profile::release()), [""; 0]);
    }
}
