//! Examples of each command, which its help shows. Knows nothing of what options mean; a test
//! parses all of them.

pub const BUILD: &str = "Examples:
  tender build                      # the crate of this directory, or the workspace
  tender build --release -p app
  tender build -v                   # why each unit is built again
  tender build --profile asan --keep-going
  tender build --watch";

pub const CHECK: &str = "Examples:
  tender check                      # errors and warnings, sooner than by a build
  tender check --workspace --keep-going
  tender check --watch";

pub const RUN: &str = "Examples:
  tender run
  tender run -- -v file.txt         # words behind `--` are those of the program
  tender run --bin server --watch
  tender run --example hello";

pub const TEST: &str = "Examples:
  tender test                       # all tests of the crate, or of the workspace
  tender test parser                # those with `parser` in their names
  tender test -E 'package(zip) and not test(slow)'
  tender test --retries 2 --junit report.xml
  tender test --profile asan";

pub const BENCH: &str = "Examples:
  tender bench                      # all benchmarks, one at a time
  tender bench --bench sort";

pub const FMT: &str = "Examples:
  tender fmt                        # the sources of the crate
  tender fmt --check --workspace    # for CI: fails if a file is not formatted
  tender fmt --changed              # what git's HEAD does not have
  tender fmt -- --style=WebKit";

pub const TIDY: &str = "Examples:
  tender tidy                       # the sources of the crate, by .clang-tidy
  tender tidy --changed             # those that git's HEAD does not have, or that read such headers
  tender tidy --fix
  tender tidy -- --checks='bugprone-*' --warnings-as-errors='*'";

pub const CLEAN: &str = "Examples:
  tender clean                      # the whole target directory
  tender clean -p zip
  tender clean --release";

pub const NEW: &str = "Examples:
  tender new app                    # a program in C, with a test
  tender new --lib --cxx geometry";

pub const INIT: &str = "Examples:
  tender init                       # of the sources in this directory
  tender init --lib ../zip
  tender init --from-cmake build    # of what cmake builds in this directory
  tender init --from-compdb compile_commands.json";

pub const EXEC: &str = "Examples:
  tender exec -- make               # its jobs share the cores
  tender exec -j8 --memory 8G -- ninja
  tender exec --take 4 -- xz -T{jobs} big.tar";

pub const SCHEMA: &str = "Examples:
  tender schema > tender.schema.json";

pub const TREE: &str = "Examples:
  tender tree
  tender tree -i zlib               # what depends on it
  tender tree -e normal,features";

pub const EXPLAIN: &str = "Examples:
  tender explain zip                # a crate: what the next build runs, and why
  tender explain src/main.c         # a source: its command, what it reads, what it leads to
  tender explain include/zip.h      # a header: what reads it
  tender explain --release target/release/app";

pub const METADATA: &str = "Examples:
  tender metadata --format-version 1
  tender metadata --offline | jq '.packages[].name'";

pub const ADD: &str = "Examples:
  tender add greet                  # a crate of the workspace
  tender add ../zlib --features fast
  tender add fmt --git https://github.com/fmtlib/fmt --tag 11.1.4 --manifest ports/fmt/Tender.toml
  tender add --dev ../check";

pub const REMOVE: &str = "Examples:
  tender remove zlib
  tender remove --dev check -p app";

pub const FETCH: &str = "Examples:
  tender fetch                      # then `tender build --offline` works
  tender fetch --locked             # in CI, before the network is taken away";

pub const UPDATE: &str = "Examples:
  tender update                     # all
  tender update -p zlib";

pub const VENDOR: &str = "Examples:
  tender vendor                     # to `vendor`, where builds look for them from then on
  rm -r vendor                      # and no more";

pub const PACKAGE: &str = "Examples:
  tender package                    # target/package/NAME-VERSION.tar.gz
  tender package -p zip --list";

pub const INSTALL: &str = "Examples:
  tender install --prefix ~/.local
  tender install --prefix /usr --libdir lib/x86_64-linux-gnu --destdir debian/tmp
  tender install -p greet --dry-run";

pub const UNINSTALL: &str = "Examples:
  tender uninstall                  # the crate of this directory, from /usr/local
  tender uninstall greet --prefix ~/.local --dry-run";

pub const COMPLETIONS: &str = "Examples:
  tender completions bash > ~/.local/share/bash-completion/completions/tender
  tender completions zsh > ~/.zfunc/_tender
  tender completions fish > ~/.config/fish/completions/tender.fish";

pub const MAN_PAGES: &str = "Examples:
  tender man-pages ~/.local/share/man/man1";

pub const LIST: &str = "Examples:
  tender list
  tender --list";

#[cfg(test)]
mod tests {
    use crate::cli::options::Options;
    use clap::CommandFactory;
    use std::ffi::OsString;

    /// The words of a line of a shell, as far as the examples go.
    fn words(line: &str) -> Vec<OsString> {
        let line = line.split(" #").next().unwrap_or_default();
        let line = line.split([' ']).take_while(|word| !["|", ">"].contains(word));
        let line: Vec<&str> = line.collect();
        let mut words = Vec::new();
        for (number, part) in line.join(" ").split('\'').enumerate() {
            match number % 2 {
                0 => words.extend(part.split_whitespace().map(OsString::from)),
                _ if part.is_empty() => {}
                _ => words.push(part.into()),
            }
        }
        words
    }

    #[test]
    fn examples_of_each_command_are_right() {
        for command in Options::command().get_subcommands() {
            let name = command.get_name();
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let mut lines = help.lines();
            assert_eq!(lines.next(), Some("Examples:"), "{name}");
            let own: Vec<&str> =
                lines.map(str::trim_start).filter(|line| line.starts_with("tender ")).collect();
            assert!(!own.is_empty(), "{name}");
            for line in own {
                assert!(
                    line.split(' ').any(|word| word.trim_start_matches("--") == name),
                    "{line}"
                );
                let parsed = Options::of(&words(line));
                assert!(parsed.is_ok(), "{line}: {}", parsed.unwrap_err());
            }
        }
    }
}
