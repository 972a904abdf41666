//! Why an item runs again: one value for text, JSON and trace. `Fingerprints::check` decides which.

use serde::Serialize;

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "reason")]
pub enum RebuildReason {
    /// No record of an earlier build.
    New,
    /// The last attempt failed or was interrupted.
    NotFinished,
    InputChanged {
        path: String,
    },
    /// An input is rebuilt in this build.
    InputRebuilt {
        path: String,
    },
    InputMissing {
        path: String,
    },
    /// The content of an input is the same, but the output has its time (`__TIMESTAMP__`).
    InputTimeChanged {
        path: String,
    },
    /// A look-up that failed before would succeed now, so another file may be read.
    InputAppeared {
        path: String,
    },
    OutputMissing {
        path: String,
    },
    /// The output was changed by something other than tender.
    OutputChanged {
        path: String,
    },
    /// The crate's own flags, defines, directories or members changed.
    CommandChanged {
        added: Vec<String>,
        removed: Vec<String>,
    },
    /// The directory of the command, of its source or of its output has changed.
    DirectoryChanged {
        was: String,
        is: String,
    },
    ProfileChanged {
        added: Vec<String>,
        removed: Vec<String>,
    },
    /// The public interface of a dependency changed (headers' place, public defines, link
    /// requirements).
    DependencyInterface {
        dependency: String,
    },
    /// An environment variable on which the result depends has another value, or was set or unset.
    EnvironmentChanged {
        variable: String,
    },
    /// The program of the command, or the link driver, is another file. Empty if there is none.
    ProgramChanged {
        program: String,
        was: String,
        is: String,
    },
    /// `tender-worker` or LLVM has changed.
    ToolChanged {
        was: String,
        is: String,
    },
}

impl RebuildReason {
    /// The reason in words, to stand in brackets after the item's name.
    pub fn present(&self) -> String {
        match self {
            Self::New => "it has not been built before".to_owned(),
            Self::NotFinished => "the last attempt did not finish".to_owned(),
            // A directory: the names of its entries have changed.
            Self::InputChanged { path } if path.ends_with('/') => {
                format!("the list of files in {path} has changed")
            }
            Self::InputChanged { path } => format!("the file {path} has changed"),
            Self::InputRebuilt { path } => format!("{path} is rebuilt"),
            Self::InputMissing { path } => format!("the file {path} is gone"),
            Self::InputTimeChanged { path } => {
                format!(
                    "the time of the file {path}, which is in the output (__TIMESTAMP__), has changed"
                )
            }
            Self::InputAppeared { path } => format!("the file {path} has appeared"),
            Self::OutputMissing { path } => format!("the output {path} is gone"),
            Self::OutputChanged { path } => {
                format!("the output {path} was changed by something other than tender")
            }
            Self::CommandChanged { added, removed } => {
                words("the command has changed", added, removed)
            }
            Self::DirectoryChanged { was, is } => {
                format!("its directory has changed from {was} to {is}")
            }
            Self::ProfileChanged { added, removed } => {
                words("the profile has changed", added, removed)
            }
            Self::DependencyInterface { dependency } => {
                format!("the public interface of {dependency} has changed")
            }
            Self::EnvironmentChanged { variable } => {
                format!("the environment variable {variable} has changed")
            }
            Self::ProgramChanged { program, is, .. } if is.is_empty() => {
                format!("the program {program} is not found any more")
            }
            Self::ProgramChanged { program, was, is } if was.is_empty() => {
                format!("the program {program} is now {is}")
            }
            Self::ProgramChanged { program, was, is } => {
                format!("the program {program} is now {is}, it was {was}")
            }
            Self::ToolChanged { was, is } => format!("it was built by {was}, now it is {is}"),
        }
    }

    /// The reason's name in JSON and in the trace.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::New => "new",
            Self::NotFinished => "not-finished",
            Self::InputChanged { .. } => "input-changed",
            Self::InputRebuilt { .. } => "input-rebuilt",
            Self::InputMissing { .. } => "input-missing",
            Self::InputTimeChanged { .. } => "input-time-changed",
            Self::InputAppeared { .. } => "input-appeared",
            Self::OutputMissing { .. } => "output-missing",
            Self::OutputChanged { .. } => "output-changed",
            Self::CommandChanged { .. } => "command-changed",
            Self::DirectoryChanged { .. } => "directory-changed",
            Self::ProfileChanged { .. } => "profile-changed",
            Self::DependencyInterface { .. } => "dependency-interface",
            Self::EnvironmentChanged { .. } => "environment-changed",
            Self::ProgramChanged { .. } => "program-changed",
            Self::ToolChanged { .. } => "tool-changed",
        }
    }
}

/// At most `SHOWN` added and removed words are shown, and `LONGEST` characters of each; the JSON
/// has all of them.
const SHOWN: usize = 4;
const LONGEST: usize = 200;

fn start(word: &str) -> String {
    match word.len() <= LONGEST {
        true => word.to_owned(),
        false => word.chars().take(LONGEST).chain("...".chars()).collect(),
    }
}

fn words(what: &str, added: &[String], removed: &[String]) -> String {
    let list = |verb: &str, words: &[String]| {
        let shown = words.iter().take(SHOWN).map(|word| start(word)).collect::<Vec<_>>().join(" ");
        let more = words.len().saturating_sub(SHOWN);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        (!words.is_empty()).then(|| format!("{verb} {shown}{more}"))
    };
    let parts: Vec<String> =
        [list("added", added), list("removed", removed)].into_iter().flatten().collect();
    if parts.is_empty() {
        format!("{what}: only the order")
    } else {
        format!("{what}: {}", parts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reason_text() {
        let check = |reason: RebuildReason, expect: &str| {
            assert_eq!(reason.present(), expect);
            let json = serde_json::to_value(&reason).unwrap();
            assert_eq!(json["reason"], reason.kind());
        };
        let path = || "include/zstd.h".to_owned();
        check(RebuildReason::New, "it has not been built before");
        check(RebuildReason::NotFinished, "the last attempt did not finish");
        check(RebuildReason::InputChanged { path: path() }, "the file include/zstd.h has changed");
        check(
            RebuildReason::InputChanged { path: "/usr/lib/gcc/".into() },
            "the list of files in /usr/lib/gcc/ has changed",
        );
        check(RebuildReason::InputRebuilt { path: "a.o".into() }, "a.o is rebuilt");
        check(RebuildReason::InputMissing { path: path() }, "the file include/zstd.h is gone");
        check(
            RebuildReason::InputTimeChanged { path: path() },
            "the time of the file include/zstd.h, which is in the output (__TIMESTAMP__), has changed",
        );
        check(
            RebuildReason::InputAppeared { path: path() },
            "the file include/zstd.h has appeared",
        );
        check(RebuildReason::OutputMissing { path: "a.o".into() }, "the output a.o is gone");
        check(
            RebuildReason::OutputChanged { path: "a.o".into() },
            "the output a.o was changed by something other than tender",
        );
        let command = |added: &[&str], removed: &[&str]| RebuildReason::CommandChanged {
            added: added.iter().map(|s| s.to_string()).collect(),
            removed: removed.iter().map(|s| s.to_string()).collect(),
        };
        check(
            command(&["-DA"], &["-DB", "-DC"]),
            "the command has changed: added -DA, removed -DB -DC",
        );
        check(command(&[], &[]), "the command has changed: only the order");
        check(
            command(&["1", "2", "3", "4", "5", "6"], &[]),
            "the command has changed: added 1 2 3 4 and 2 more",
        );
        let long = "x".repeat(LONGEST + 1);
        let expect = format!("the command has changed: added {}...", &long[..LONGEST]);
        check(command(&[&long], &[]), &expect);
        check(
            RebuildReason::DirectoryChanged { was: "a/src".into(), is: "b/src".into() },
            "its directory has changed from a/src to b/src",
        );
        check(
            RebuildReason::ProfileChanged { added: vec!["-O2".into()], removed: vec![] },
            "the profile has changed: added -O2",
        );
        check(
            RebuildReason::DependencyInterface { dependency: "zlib".into() },
            "the public interface of zlib has changed",
        );
        let program = |was: &str, is: &str| RebuildReason::ProgramChanged {
            program: "gen".into(),
            was: was.into(),
            is: is.into(),
        };
        check(program("/bin/gen", "/opt/gen"), "the program gen is now /opt/gen, it was /bin/gen");
        check(program("", "/opt/gen"), "the program gen is now /opt/gen");
        check(program("/bin/gen", ""), "the program gen is not found any more");
        check(
            RebuildReason::EnvironmentChanged { variable: "CPATH".into() },
            "the environment variable CPATH has changed",
        );
        check(
            RebuildReason::ToolChanged { was: "LLVM 22.1.7".into(), is: "LLVM 22.1.8".into() },
            "it was built by LLVM 22.1.7, now it is LLVM 22.1.8",
        );
    }
}
