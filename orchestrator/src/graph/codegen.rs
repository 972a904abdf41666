//! A profile's settings of code generation, as items have them: cutting into codegen units,
//! link-time optimisation. Knows no items and does no I/O.
//!
//! A unit has the number of pieces that it may be cut into, and a suffix for the symbols that its
//! pieces share. The suffix is a hash of crate, target, source and profile: it does not depend on
//! the directory of the workspace, nor on the contents of the source.
//!
//! With `lto` a unit's object is bitcode. `thin-local` optimises in the archive or the link of the
//! unit's own target. Under `thin` and `fat` a library is no item: a link comes directly after the
//! units of all its libraries, and gets their members where the archive would stand. The archive is
//! an item only if it was asked for. One that an earlier build left is removed if this build would
//! make it differently (`Graph::unbuilt_archives`).
//!
//! `translate` is not part of an item: both values make the same bytes.

use crate::manifest::{self, OptLevel, Profile};
use crate::platform::Platform;
use tender_protocol::{Cut, Language, Lto, Share};

/// Pieces per source file if the profile does not set them and optimises.
pub(super) const DEFAULT_CODEGEN_UNITS: u32 = 8;

/// Pieces per source file if the profile does not set them and does not optimise: files stay whole.
/// Most of the time of such a unit is parsing, which a cut does not share out, and the pieces cost
/// more than they save. sqlite3.c, `-O0 -g`: 3.1 s whole; 1.9 s until the cut, 0.4 s for the cut, 4
/// times 0.4 s for the pieces and 0.1 s for the join, so 3.9 s, of which four processors would save
/// a tenth. Its object grew by 18 %. real-world at `-j2`: 0.90 of the processor time and 0.90 of the
/// time without cuts (5 pairs).
const UNOPTIMISED_CODEGEN_UNITS: u32 = 1;

/// At most this many pieces per source file.
fn codegen_units(profile: &Profile) -> u32 {
    profile.codegen_units.unwrap_or(match profile.opt_level {
        OptLevel::O0 => UNOPTIMISED_CODEGEN_UNITS,
        _ => DEFAULT_CODEGEN_UNITS,
    })
}

/// Hexadecimal digits, 64 bits: two of a million sources share a suffix in one workspace of 40
/// million.
const SUFFIX_DIGITS: usize = 16;

pub(super) fn lto(profile: &Profile) -> Lto {
    match profile.lto {
        manifest::Lto::Off => Lto::Off,
        manifest::Lto::ThinLocal => Lto::ThinLocal,
        manifest::Lto::Thin => Lto::Thin,
        manifest::Lto::Fat => Lto::Fat,
    }
}

/// Programs and shared libraries are optimised together with the libraries that they link, which
/// are then no archives.
pub(super) fn crosses_crates(profile: &Profile) -> bool {
    matches!(profile.lto, manifest::Lto::Thin | manifest::Lto::Fat)
}

/// The level of link-time optimisation, 0 to 3: it has no levels for size, clang gives a linker 2
/// for them.
pub(super) fn lto_level(profile: &Profile) -> u8 {
    match profile.opt_level {
        OptLevel::O0 => 0,
        OptLevel::O1 => 1,
        OptLevel::O2 | OptLevel::Os | OptLevel::Oz => 2,
        OptLevel::O3 => 3,
    }
}

/// Whether units may be cut for a platform: where cutting is proved, which is where the programs of
/// other people that prove it have run.
pub(super) fn may_cut_for(platform: &Platform) -> bool {
    platform.architecture() == "x86_64"
}

/// Units of this language become modules; of others there is only machine code.
pub(super) fn has_module(language: Language) -> bool {
    match language {
        Language::C | Language::Cxx | Language::LlvmIr | Language::Bitcode => true,
        Language::Assembly | Language::AssemblyWithCpp => false,
    }
}

/// What a source is called where its name ends up in symbols.
pub(super) struct UnitOrigin<'a> {
    pub krate: &'a str,
    /// `lib`, `bin zip`
    pub target: &'a str,
    /// It does not depend on the directory of the workspace.
    pub source: &'a str,
}

/// How the module of `origin` is cut; None where the profile wants one piece and no number is
/// forced.
pub(super) fn cut(profile: &Profile, forced: Option<u32>, origin: &UnitOrigin<'_>) -> Option<Cut> {
    let units = forced.unwrap_or_else(|| codegen_units(profile));
    (units > 1).then(|| Cut {
        units,
        suffix: suffix(&profile.name, origin),
        forced: forced.is_some(),
    })
}

/// What a forced number of pieces adds to the command of a unit.
pub(super) fn forced_word(pieces: u32) -> String {
    format!("forced-pieces={pieces}")
}

/// Names alone go in. With content, N or time in it, outputs would differ where nothing else does.
fn suffix(profile: &str, origin: &UnitOrigin<'_>) -> String {
    // No name holds a NUL.
    let names = [origin.krate, origin.target, origin.source, profile].join("\0");
    blake3::hash(names.as_bytes()).to_hex()[..SUFFIX_DIGITS].to_owned()
}

/// What the profile adds to the command of a unit, to name it when it changes.
pub(super) fn unit_words(profile: &Profile, language: Language) -> Vec<String> {
    if !has_module(language) {
        return Vec::new();
    }
    let mut words = vec![format!("codegen-units={}", codegen_units(profile))];
    words.extend(lto_word(profile));
    words
}

/// The word for a unit that shares headers: its object is in another order than without.
pub(super) fn share_word(share: &Share) -> String {
    format!("share-headers={}", if share.verify { "verify" } else { "auto" })
}

/// Whether units with these arguments may use headers that were parsed before: not where the front end
/// reports what it reads, counts what runs, or reads what is compiled already.
pub(super) fn may_share_headers(args: &[String]) -> bool {
    const WORDS: [&str; 6] =
        ["-H", "--coverage", "-ftest-coverage", "-fprofile-arcs", "-include-pch", "-Xclang"];
    const BEGINNINGS: [&str; 12] = [
        "-M",
        "-fprofile-",
        "-fcs-profile-",
        "-fcoverage-",
        "-fsave-optimization-record",
        "-R",
        "-fmodule",
        "-fcxx-modules",
        "-fplugin",
        "-ftime-",
        "-save-temps",
        "--config",
    ];
    !args.iter().any(|arg| {
        WORDS.contains(&arg.as_str()) || BEGINNINGS.iter().any(|begin| arg.starts_with(begin))
    })
}

/// As `unit_words`, for an archive or a link with bitcode in it.
pub(super) fn lto_words(profile: &Profile) -> Vec<String> {
    let level = format!("opt-level={}", lto_level(profile));
    lto_word(profile).into_iter().chain([level]).collect()
}

fn lto_word(profile: &Profile) -> Option<String> {
    let mode = match profile.lto {
        manifest::Lto::Off => return None,
        manifest::Lto::ThinLocal => "thin-local",
        manifest::Lto::Thin => "thin",
        manifest::Lto::Fat => "fat",
    };
    Some(format!("lto={mode}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suffix_depends_on_each_name() {
        let of =
            |krate, target, source, profile| suffix(profile, &UnitOrigin { krate, target, source });
        let all = [
            of("zip", "lib", "src/a.c", "release"),
            of("zap", "lib", "src/a.c", "release"),
            of("zip", "bin zip", "src/a.c", "release"),
            of("zip", "lib", "src/b.c", "release"),
            of("zip", "lib", "src/a.c", "dev"),
            of("zi", "plib", "src/a.c", "release"),
        ];
        for (number, one) in all.iter().enumerate() {
            assert!(
                one.len() == SUFFIX_DIGITS && one.chars().all(|c| c.is_ascii_hexdigit()),
                "{one}"
            );
            assert!(!all[..number].contains(one), "{one} of {all:?}");
        }
        // It stands in object files: another value makes every workspace's outputs other ones.
        assert_eq!(all[0], "bfe0298ba55507e3");
    }
}
