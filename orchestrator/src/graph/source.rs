//! What a file is, by its extension, and which target a generated file joins. Knows no profiles and no paths of outputs.

use super::GraphError;
use camino::Utf8Path;
use globset::{GlobBuilder, GlobMatcher};
use tender_protocol::Language;

/// How a file that stands among the sources takes part in the build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceKind {
    Unit(Language),
    /// `.o`, `.a`: goes into the archive or the link as it is.
    Prebuilt,
    /// A header or anything else: read by others, not built.
    Other,
}

impl SourceKind {
    /// Extensions are those of clang's driver; upper case counts (`.C` is C++, `.S` is preprocessed).
    pub fn of(path: &Utf8Path) -> Self {
        match path.extension() {
            Some("c") => Self::Unit(Language::C),
            Some("cc" | "cpp" | "cxx" | "c++" | "C") => Self::Unit(Language::Cxx),
            Some("ll") => Self::Unit(Language::LlvmIr),
            Some("bc") => Self::Unit(Language::Bitcode),
            Some("s") => Self::Unit(Language::Assembly),
            Some("S") => Self::Unit(Language::AssemblyWithCpp),
            Some("o" | "a") => Self::Prebuilt,
            _ => Self::Other,
        }
    }
}

/// A target's source patterns, to ask whether a file that does not exist yet would be one of its sources.
pub(super) struct Patterns {
    include: Vec<GlobMatcher>,
    exclude: Vec<GlobMatcher>,
    /// Excluded words as they are: one that names a directory takes all that lies below it.
    excluded_paths: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mention {
    Included,
    Excluded,
    No,
}

impl Patterns {
    /// # Errors
    /// A pattern that is no glob; the manifest has normally refused it before.
    pub fn new(krate: &str, patterns: &[String]) -> Result<Self, GraphError> {
        let mut include = Vec::new();
        let mut exclude = Vec::new();
        let mut excluded_paths = Vec::new();
        for pattern in patterns {
            let (list, glob) = match pattern.strip_prefix('!') {
                Some(rest) => {
                    excluded_paths.push(rest.trim_start_matches("./").trim_end_matches('/').to_owned());
                    (&mut exclude, rest)
                }
                None => (&mut include, pattern.as_str()),
            };
            let glob = GlobBuilder::new(glob.trim_start_matches("./"))
                .literal_separator(true)
                .build()
                .map_err(|error| GraphError::BadPattern {
                    krate: krate.to_owned(),
                    pattern: pattern.clone(),
                    message: error.kind().to_string(),
                })?;
            list.push(glob.compile_matcher());
        }
        Ok(Self { include, exclude, excluded_paths })
    }

    /// `output` is as written in the manifest: relative to the crate's directory, or beginning with `$OUT_DIR`.
    pub fn mention(&self, output: &str) -> Mention {
        let output = output.trim_start_matches("./");
        let below = |path: &String| Utf8Path::new(output).starts_with(path);
        if self.exclude.iter().any(|glob| glob.is_match(output)) || self.excluded_paths.iter().any(below) {
            Mention::Excluded
        } else if self.include.iter().any(|glob| glob.is_match(output)) {
            Mention::Included
        } else {
            Mention::No
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extensions() {
        let check =
            |path: &str, expect: SourceKind| assert_eq!(SourceKind::of(path.into()), expect, "{path}");
        check("a.c", SourceKind::Unit(Language::C));
        check("a.C", SourceKind::Unit(Language::Cxx));
        check("a.b.cc", SourceKind::Unit(Language::Cxx));
        check("a.s", SourceKind::Unit(Language::Assembly));
        check("a.S", SourceKind::Unit(Language::AssemblyWithCpp));
        check("a.ll", SourceKind::Unit(Language::LlvmIr));
        check("a.bc", SourceKind::Unit(Language::Bitcode));
        check("a.o", SourceKind::Prebuilt);
        check("libx.a", SourceKind::Prebuilt);
        check("a.h", SourceKind::Other);
        check("Makefile", SourceKind::Other);
    }

    #[test]
    fn which_outputs_patterns_mention() {
        let patterns = Patterns::new(
            "x",
            &["src/**/*.c".into(), "!src/win32/**".into(), "!src/old".into(), "$OUT_DIR/*.c".into()],
        )
        .unwrap();
        let check = |output: &str, expect| assert_eq!(patterns.mention(output), expect, "{output}");
        check("src/a.c", Mention::Included);
        check("./src/deep/a.c", Mention::Included);
        check("src/win32/a.c", Mention::Excluded);
        check("src/old/deep/a.c", Mention::Excluded);
        check("$OUT_DIR/a.c", Mention::Included);
        check("$OUT_DIR/sub/a.c", Mention::No);
        check("gen/a.c", Mention::No);
    }
}
