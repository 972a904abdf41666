//! What is said to users who type a command or an option of another build tool, and which of clap's
//! own tips are shown. Knows commands and options by name alone.

use super::error;
use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue};
use std::ffi::OsString;

/// Commands of other tools, and what to do in their place.
const COMMANDS: &[(&[&str], &str)] = &[
    (&["clippy", "lint", "fix"], "`tender tidy` runs clang-tidy, and with `--fix` changes sources"),
    (&["format"], "`tender fmt` formats sources"),
    (&["compile", "make", "all"], "`tender build` compiles and links"),
    (&["nextest", "ctest"], "`tender test` runs tests"),
    (&["start", "exe"], "`tender run` builds a program and runs it"),
    (&["watch"], "`--watch` of `build`, `check`, `run` and `test` does it again when files change"),
    (&["generate-lockfile", "lock"], "`tender fetch` writes `Tender.lock`"),
    (&["locate-project", "pkgid", "introspect"], "`tender metadata` describes the workspace"),
    (&["publish"], "there is no registry; `tender package` writes a source archive"),
    (
        &["search", "login", "logout", "owner", "yank", "info"],
        "there is no registry; `tender add --git` and `tender add --url` name sources by address",
    ),
    (&["version"], "`tender --version` says it"),
    (&["configure", "setup"], "nothing has to be configured: `tender build` does it all"),
    (&["llvm-cov", "coverage"], "`tender build --profile coverage` makes programs that count"),
    (&["why"], "`tender explain` says why something is built"),
];

/// An option of other tools.
struct Foreign {
    options: &'static [&'static str],
    /// Of which commands; none: of all.
    of: &'static [&'static str],
    help: &'static str,
}

const OPTIONS: &[Foreign] = &[
    Foreign {
        options: &["--all-targets", "--tests", "--test"],
        of: &["build", "b", "check", "c"],
        help: "`tender test --no-run` builds tests",
    },
    Foreign {
        options: &["--examples", "--example"],
        of: &["build", "b", "check", "c", "test", "t"],
        help: "`tender run --example NAME` builds an example and runs it",
    },
    Foreign {
        options: &["--benches", "--bench"],
        of: &["build", "b", "check", "c", "test", "t"],
        help: "`tender bench --no-run` builds benchmarks",
    },
    Foreign { options: &["--all"], of: &[], help: "`--workspace` is all members" },
    Foreign {
        options: &["--no-fail-fast"],
        of: &["build", "b", "check", "c"],
        help: "`--keep-going` builds all that does not depend on what failed",
    },
    Foreign {
        options: &["--test-threads"],
        of: &["test", "t"],
        help: "`--jobs` says how many run at once",
    },
    Foreign {
        options: &["--debug"],
        of: &["install", "bench"],
        help: "`--profile dev` is without optimisation",
    },
    Foreign {
        options: &["--debug"],
        of: &[],
        help: "leave it out: the profile `dev` is the default",
    },
    Foreign {
        options: &["--build-dir", "--out-dir", "--artifact-dir"],
        of: &[],
        help: "`--target-dir` is where outputs go",
    },
    Foreign {
        options: &["--root"],
        of: &["install", "uninstall"],
        help: "`--prefix` is where it goes",
    },
    Foreign {
        options: &["--path"],
        of: &["add"],
        help: "name the directory alone: `tender add ../zlib`",
    },
    Foreign { options: &["--path"], of: &[], help: "`-C DIR` changes to another directory first" },
    Foreign {
        options: &["--cpp", "--c++"],
        of: &["new", "init"],
        help: "`--cxx` makes a crate of C++",
    },
    Foreign {
        options: &["--sanitize", "--sanitizer", "--asan"],
        of: &[],
        help: "the profiles `asan`, `tsan` and `ubsan` have sanitizers: `--profile asan`",
    },
    Foreign {
        options: &["--coverage"],
        of: &[],
        help: "`--profile coverage` makes programs that count which lines run",
    },
    Foreign { options: &["--parallel"], of: &[], help: "`--jobs` says how many jobs run at once" },
];

/// Commands that take a crate by an option, and nothing else that is no option.
const PACKAGE_COMMANDS: &[&str] =
    &["build", "b", "check", "c", "clean", "install", "package", "tree", "update"];

fn has_command(arguments: &[OsString], names: &[&str]) -> bool {
    arguments.iter().skip(1).any(|word| names.iter().any(|name| word == name))
}

/// What to do in place of this command of another tool.
pub fn of_command(name: &str) -> Option<&'static str> {
    COMMANDS.iter().find(|(names, _)| names.contains(&name)).map(|(_, help)| *help)
}

/// What to do in place of an option of another tool.
fn of_option(option: &str, arguments: &[OsString]) -> Option<&'static str> {
    let is_command = |of: &[&str]| of.is_empty() || has_command(arguments, of);
    let foreign = |foreign: &&Foreign| foreign.options.contains(&option) && is_command(foreign.of);
    OPTIONS.iter().find(foreign).map(|foreign| foreign.help)
}

/// An error of clap with the tips that help.
pub fn of_error(error: clap::Error, arguments: &[OsString]) -> clap::Error {
    let mut error = without_far_tips(error);
    let Some(ContextValue::String(wrong)) = error.get(ContextKind::InvalidArg) else {
        return error;
    };
    let tip = match of_option(wrong, arguments) {
        None if !wrong.starts_with('-') && has_command(arguments, PACKAGE_COMMANDS) => {
            format!("`--package {wrong}` chooses a crate")
        }
        None => return error,
        Some(help) => help.to_owned(),
    };
    error.remove(ContextKind::SuggestedArg);
    error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![StyledStr::from(tip)]));
    error
}

/// Takes tips out that name something too different to be what was meant: clap's measure counts any
/// letters in common, so `--offline` would be `--profile`.
fn without_far_tips(mut error: clap::Error) -> clap::Error {
    let kinds = [
        (ContextKind::InvalidArg, ContextKind::SuggestedArg),
        (ContextKind::InvalidSubcommand, ContextKind::SuggestedSubcommand),
        (ContextKind::InvalidValue, ContextKind::SuggestedValue),
    ];
    for (wrong, suggested) in kinds {
        let names = |kind| match error.get(kind) {
            Some(ContextValue::String(name)) => vec![name.clone()],
            Some(ContextValue::Strings(names)) => names.clone(),
            _ => Vec::new(),
        };
        let (wrong, tips) = (names(wrong), names(suggested));
        let Some(wrong) = wrong.first() else { continue };
        let near = |tip: &&String| error::suggestion(wrong, [tip.as_str()].into_iter()).is_some();
        let near: Vec<String> = tips.iter().filter(near).cloned().collect();
        if near.len() < tips.len() {
            error.remove(suggested);
            if near.is_empty() {
                // It is about the option that was suggested.
                error.remove(ContextKind::Usage);
            } else {
                error.insert(suggested, ContextValue::Strings(near));
            }
        }
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::options::Options;
    use clap::{Command, CommandFactory};

    /// The names that a command has, with its aliases.
    fn names(command: &Command) -> Vec<&str> {
        command.get_all_aliases().chain([command.get_name()]).collect()
    }

    #[test]
    fn tips_are_of_no_command_or_option_that_there_is() {
        let own = Options::command();
        for (foreign, _) in COMMANDS {
            for name in *foreign {
                assert!(own.get_subcommands().all(|one| !names(one).contains(name)), "{name}");
            }
        }
        for Foreign { options, of, .. } in OPTIONS {
            for command in own.get_subcommands() {
                let has = |option: &str| {
                    command.get_arguments().any(|arg| arg.get_long() == option.strip_prefix("--"))
                };
                let is_meant =
                    !of.is_empty() && names(command).iter().any(|name| of.contains(name));
                assert!(!is_meant || !options.iter().any(|option| has(option)), "{options:?}");
            }
            for name in of.iter().chain(PACKAGE_COMMANDS) {
                assert!(own.get_subcommands().any(|one| names(one).contains(name)), "{name}");
            }
        }
    }

    /// Each tip names commands and options that there are.
    #[test]
    fn tips_name_what_there_is() {
        let own = Options::command();
        let tips = COMMANDS.iter().map(|(_, help)| *help);
        for tip in tips.chain(OPTIONS.iter().map(|foreign| foreign.help)) {
            for quoted in tip.split('`').skip(1).step_by(2) {
                let Some(words) = quoted.strip_prefix("tender ") else { continue };
                let words: Vec<&str> = words.split(' ').collect();
                if words[0].starts_with('-') {
                    continue;
                }
                let command = own.get_subcommands().find(|one| names(one).contains(&words[0]));
                let command = command.unwrap_or_else(|| panic!("{tip}"));
                for option in words.iter().filter_map(|word| word.strip_prefix("--")) {
                    let is = |arg: &clap::Arg| arg.get_long() == Some(option);
                    assert!(command.get_arguments().any(is), "{tip}: --{option}");
                }
            }
        }
    }
}
