//! Keeps the layers apart and the tree clean: reads all sources as text, and says of each breach
//! what to do instead.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// What must not stand where.
struct Rule {
    /// Files and directories it is about, relative to the root; empty: the whole tree.
    of: &'static [&'static str],
    /// Files and directories among those that may.
    but: &'static [&'static str],
    /// Any of these in a line of code breaks it. Comments and the tests at the foot of a file do
    /// not count.
    words: &'static [&'static str],
    instead: &'static str,
}

const RULES: &[Rule] = &[
    Rule {
        of: &["orchestrator/src/schedule"],
        but: &[],
        words: &[
            "std::process",
            "std::fs",
            "Instant",
            "SystemTime",
            "camino",
            "std::path",
            "crate::engine",
            "crate::host",
            "crate::sys",
        ],
        instead: "the scheduler is pure: make it an event that `engine` reports or an action that it executes",
    },
    Rule {
        of: &["orchestrator/src/tokens"],
        but: &["orchestrator/src/tokens/escrow.rs"],
        words: &["std::process", "Instant", "SystemTime"],
        instead: "tokens know no processes and no clocks: take the time as an argument",
    },
    Rule {
        of: &["orchestrator/src"],
        but: &["orchestrator/src/report/screen.rs"],
        words: &["Mutex", "RwLock", "Condvar"],
        instead: "`tender` has one thread and no locks: give the value an owner",
    },
    Rule {
        of: &["orchestrator/src"],
        but: &[
            "orchestrator/src/cli/env.rs",
            "orchestrator/src/sys/directories.rs",
            "orchestrator/src/sys/signals.rs",
            "orchestrator/src/toolchain",
        ],
        words: &["disallowed_methods"],
        instead: "what `clippy.toml` says: only these files read the environment or end the process",
    },
    Rule {
        of: &["tests", "bench", "fuzz"],
        but: &[
            "tests/src/bin/in-foreground.rs",
            "tests/src/bin/probe-memory.rs",
            "tests/src/programs.rs",
            "tests/tests/engine",
            "tests/tests/interrupt.rs",
            "tests/tests/tokens",
        ],
        words: &["tender::"],
        instead: "tests run the programs and see what users see: read messages, traces and files",
    },
    Rule {
        of: &["orchestrator/src/tokens", "jobclient/src"],
        but: &[],
        words: &[
            "clang",
            "llvm",
            "tender_protocol",
            "crate::graph",
            "crate::engine",
            "crate::host",
            "crate::schedule",
        ],
        instead: "tokens know no compilers and no plans: let `engine` translate",
    },
    Rule {
        of: &["orchestrator/src/memory"],
        but: &[],
        words: &[
            "clang",
            "llvm",
            "tender_protocol",
            "std::process",
            "Instant",
            "SystemTime",
            "crate::graph",
            "crate::engine",
            "crate::host",
            "crate::schedule",
            "crate::tokens",
        ],
        instead: "memory knows no compilers, workers, tokens or clocks: let `engine` pass the facts",
    },
    Rule {
        of: &["orchestrator/src/memory/readings"],
        but: &[],
        words: &["crate::memory::account", "crate::memory::policy", "crate::keys"],
        instead: "readings decide nothing: move it to `account` or `policy`",
    },
    Rule {
        of: &["orchestrator/src/memory/account"],
        but: &[],
        words: &["crate::memory::policy"],
        instead: "the account does not act: let `policy` take what it needs as an argument",
    },
    Rule {
        of: &[
            "orchestrator/src/graph",
            "orchestrator/src/fingerprint",
            "orchestrator/src/schedule",
        ],
        // The tests of the scheduler and of the account of slots are one.
        but: &["orchestrator/src/schedule/simulation"],
        words: &[
            "crate::cli",
            "crate::engine",
            "crate::exec",
            "crate::host",
            "crate::report",
            "crate::tokens",
        ],
        instead: "layers point one way, from `cli` down: move what both need to the lower one",
    },
    Rule {
        of: &[
            "orchestrator/src/fingerprint",
            "orchestrator/src/graph",
            "orchestrator/src/manifest",
            "orchestrator/src/toolchain",
        ],
        but: &[
            // They check or write, or tell the record what they have seen.
            "orchestrator/src/fingerprint/certificate.rs",
            "orchestrator/src/fingerprint/depfile.rs",
            "orchestrator/src/fingerprint/files.rs",
            "orchestrator/src/fingerprint/fingerprints.rs",
            "orchestrator/src/fingerprint/listing.rs",
            "orchestrator/src/fingerprint/lock.rs",
            "orchestrator/src/fingerprint/outputs.rs",
            "orchestrator/src/fingerprint/tests",
            "orchestrator/src/fingerprint/tests.rs",
            "orchestrator/src/graph/tests",
            "orchestrator/src/graph/tests.rs",
            "orchestrator/src/manifest/join.rs",
            "orchestrator/src/manifest/scaffold.rs",
            "orchestrator/src/manifest/tests",
            "orchestrator/src/manifest/tests.rs",
            "orchestrator/src/manifest/walk.rs",
            "orchestrator/src/toolchain/processor.rs",
        ],
        words: &[
            ".exists()",
            ".is_dir()",
            ".is_file()",
            ".metadata()",
            ".try_exists()",
            "canonicalize_utf8",
            "fs::canonicalize",
            "fs::metadata",
            "fs::read",
            "fs::stat",
            "fs::symlink_metadata",
            "read_dir_utf8",
            "read_link_utf8",
            "symlink_metadata()",
        ],
        instead: "what a build looks at belongs to its certificate: look through `sys::looks`",
    },
    Rule {
        of: &["orchestrator/src/graph", "orchestrator/src/fingerprint"],
        but: &[],
        words: &["crate::memory"],
        instead: "`graph` and `fingerprint` know no memory: let `schedule` ask the ledger",
    },
    Rule {
        of: &[
            "orchestrator/src/engine",
            "orchestrator/src/exec",
            "orchestrator/src/host",
            "orchestrator/src/report",
            "orchestrator/src/test_runner",
        ],
        but: &[],
        words: &["crate::cli"],
        instead: "`cli` is the top layer: pass what is needed as an argument",
    },
    Rule {
        of: &[
            "orchestrator/src/engine",
            "orchestrator/src/exec",
            "orchestrator/src/host",
            "orchestrator/src/test_runner",
        ],
        but: &["orchestrator/src/exec/memory.rs"],
        words: &["crate::report"],
        instead: "`report` is only a reader of events: report an `events::Event`",
    },
    Rule {
        of: &["orchestrator/src/engine/children.rs"],
        but: &[],
        words: &["Scheduler", "Progress", "Record", "crate::memory", "crate::events"],
        instead: "children are processes: return events, and let `dispatch` translate them",
    },
    Rule {
        of: &["orchestrator/src/engine"],
        but: &["orchestrator/src/engine/mod.rs"],
        words: &["impl Engine", "impl<'a> Engine", "super::Engine"],
        instead: "the engine only wires its owners: give a function the owners that it needs",
    },
    Rule {
        of: &["orchestrator/src/engine/dispatch.rs"],
        but: &[],
        words: &["crate::sys", "Children", "Signals"],
        instead: "dispatch translates: let `children` return it as data, or `mod.rs` do it",
    },
    Rule {
        of: &["orchestrator/src/engine/memory"],
        but: &[],
        words: &["Scheduler", "Children", "Record", "crate::events", "super::progress"],
        instead: "memory takes a view and returns orders: let `mod.rs` execute and report them",
    },
    Rule {
        of: &["orchestrator/src/engine/worker.rs", "orchestrator/src/engine/command.rs"],
        but: &[],
        words: &[
            "Scheduler",
            "toolchain",
            "crate::manifest",
            "Progress",
            "Record",
            "crate::events",
        ],
        instead: "a process knows the protocol only: let `execute` complete what is sent",
    },
    Rule {
        of: &["orchestrator/src/engine/progress"],
        but: &[],
        words: &["Scheduler", "crate::schedule", "Children", "Record", "Ledger"],
        instead: "progress reports what it is given: let the caller ask the scheduler",
    },
    Rule {
        of: &["orchestrator/src/engine/record.rs", "orchestrator/src/engine/crash.rs"],
        but: &[],
        words: &["Scheduler", "Children", "Progress", "crate::events"],
        instead: "these only keep facts: let `dispatch` decide",
    },
    Rule {
        of: &["orchestrator/src/host"],
        but: &[],
        words: &["crate::engine", "crate::exec", "crate::graph", "crate::schedule"],
        instead: "a host knows slots and processes: let `engine` or `exec` decide",
    },
    Rule {
        of: &["orchestrator/src/exec"],
        but: &[],
        words: &["crate::engine", "crate::graph", "crate::schedule"],
        instead: "`exec` has one program and no items: move what both need to `host`",
    },
    Rule {
        of: &["orchestrator/src/test_runner"],
        but: &[],
        words: &["crate::engine", "crate::exec", "crate::graph", "crate::schedule"],
        instead: "tests are programs that were built: let `cli` take what is needed from the graph",
    },
    Rule {
        of: &["orchestrator/src/test_runner"],
        but: &[
            "orchestrator/src/test_runner/attempt.rs",
            "orchestrator/src/test_runner/leftovers.rs",
            "orchestrator/src/test_runner/runner.rs",
            "orchestrator/src/test_runner/suite.rs",
        ],
        words: &["std::process", "std::fs", "now_us()", "crate::sys::process"],
        instead: "what decides about tests is pure: make it an event or an order of `TestRun`",
    },
    Rule {
        of: &["orchestrator/src/manifest", "orchestrator/src/import"],
        but: &[],
        words: &[
            "crate::cli",
            "crate::engine",
            "crate::exec",
            "crate::graph",
            "crate::host",
            "crate::report",
        ],
        instead: "manifests know nothing of builds: let `graph` or `cli` ask them",
    },
    Rule {
        of: &["orchestrator/src/manifest"],
        but: &[],
        words: &["crate::import", "std::process"],
        instead: "`import` is above `manifest`: give it the values to write",
    },
    Rule {
        of: &["orchestrator/src/import"],
        but: &["orchestrator/src/import/survey.rs", "orchestrator/src/import/cmake/query.rs"],
        words: &["std::process", "std::fs", "whole_file"],
        instead: "what is decided about a project is pure: read it in `survey`, ask cmake in `query`",
    },
    Rule {
        of: &["orchestrator/src/install", "orchestrator/src/package"],
        but: &[],
        words: &[
            "crate::cli",
            "crate::engine",
            "crate::exec",
            "crate::fingerprint",
            "crate::host",
            "crate::report",
            "crate::schedule",
        ],
        instead: "an installation knows what was built, not how: let `cli` build it first",
    },
    Rule {
        of: &["orchestrator/src/install"],
        but: &["orchestrator/src/install/files.rs", "orchestrator/src/install/tests.rs"],
        words: &["std::fs", "std::process", "rustix"],
        instead: "what is installed where is decided without looking: read and write in `files`",
    },
    Rule {
        of: &["orchestrator/src/package/contents.rs"],
        but: &[],
        words: &["std::fs", "std::process", "crate::graph"],
        instead: "what is packed is decided without looking: list files in `listing`, read them in `archive`",
    },
    Rule {
        of: &["orchestrator/src/sources"],
        but: &[],
        words: &[
            "clang",
            "llvm",
            "crate::cli",
            "crate::engine",
            "crate::exec",
            "crate::fingerprint",
            "crate::graph",
            "crate::host",
            "crate::report",
            "crate::schedule",
            "crate::toolchain",
        ],
        instead: "sources are there before anything is built: let `cli` say what is wanted",
    },
    Rule {
        of: &["orchestrator/src"],
        but: &["orchestrator/src/sources"],
        words: &["ureq", "rustls"],
        instead: "only `sources` knows the network: ask its store",
    },
    Rule {
        of: &["orchestrator/src/graph", "orchestrator/src/manifest"],
        but: &[],
        words: &["crate::install", "crate::package", "crate::sources"],
        instead: "these are above: let them ask for what they need, or give a value of `manifest`",
    },
    Rule {
        of: &["orchestrator/src/platform.rs"],
        but: &[],
        words: &["crate::", "std::fs", "std::env::var"],
        instead: "a platform is what its triple says: find tools for it in `toolchain`",
    },
    Rule {
        of: &["orchestrator/src/sys"],
        but: &[],
        words: &[
            "tender_protocol",
            "crate::cli",
            "crate::engine",
            "crate::exec",
            "crate::fingerprint",
            "crate::graph",
            "crate::host",
            "crate::manifest",
            "crate::memory",
            "crate::report",
            "crate::schedule",
            "crate::tokens",
            "crate::toolchain",
        ],
        instead: "`sys` wraps the operating system and nothing else: return data, and decide above",
    },
    Rule {
        of: &["orchestrator/src"],
        but: &["orchestrator/src/manifest"],
        words: &["toml::", "serde_spanned"],
        instead: "only `manifest` knows TOML: add what is needed to its model",
    },
    Rule {
        of: &["orchestrator/src"],
        but: &["orchestrator/src/cli", "orchestrator/src/report"],
        words: &["anstream", "stdout().", "stderr().", "println!", "print!"],
        instead: "only `cli` and `report` print: send an `Event` to the `Sink`",
    },
    Rule {
        of: &["orchestrator/src"],
        // A new crate's test reads a variable that `tender test` sets.
        but: &[
            "orchestrator/src/cli",
            "orchestrator/src/manifest/scaffold.rs",
            "orchestrator/src/manifest/tests",
            "orchestrator/src/manifest/tests.rs",
            "orchestrator/src/toolchain",
        ],
        words: &["\"TENDER_"],
        instead: "only `cli::env` reads tender's own variables: give the value as an argument",
    },
    Rule {
        of: &[
            "backend-worker/src/configure",
            "backend-worker/src/frontend",
            "backend-worker/src/partition",
            "backend-worker/src/sharing",
            "backend-worker/src/lto",
            "backend-worker/src/emit",
            "backend-worker/src/llvm",
        ],
        but: &[],
        words: &["tender_jobclient", "coordinator", "jobserver"],
        instead: "these know no tokens: let `execute` pass what is needed in, or take it as a trait",
    },
    Rule {
        of: &["backend-worker/src/coordinator"],
        but: &[],
        words: &["crate::llvm", "crate::frontend", "crate::emit", "inkwell"],
        instead: "the coordinator knows no LLVM: put it behind `Execute`",
    },
    Rule {
        of: &["backend-worker/src/partition"],
        but: &[],
        words: &["crate::llvm", "std::fs", "std::thread", "Instant"],
        instead: "a cut is decided on a plain graph: let `llvm::cut` make it from the module",
    },
    Rule {
        of: &["backend-worker/src/sharing"],
        but: &[],
        words: &["crate::llvm", "crate::frontend", "std::fs", "std::thread", "Instant"],
        instead: "sharing is decided on names and counts: let `llvm::shared_headers` read them",
    },
    Rule {
        of: &["backend-worker/src"],
        but: &["backend-worker/src/llvm"],
        words: &["inkwell", "llvm_sys", "extern \"C\""],
        instead: "only `llvm` touches LLVM's pointers: give it a safe type",
    },
    Rule {
        of: &["protocol/src"],
        but: &[],
        words: &["std::process", "std::fs", "std::thread", "std::env"],
        instead: "`protocol` has types and no logic",
    },
    Rule {
        of: &[],
        but: &[
            "backend-worker/src/allocator.rs",
            "backend-worker/src/channel.rs",
            "backend-worker/src/emit/child.rs",
            "backend-worker/src/llvm",
            "bench/src/measure.rs",
            "jobclient/src/pool.rs",
            "orchestrator/src/exec/foreground.rs",
            "orchestrator/src/host/watchdog.rs",
            "orchestrator/src/sys/process.rs",
            "orchestrator/src/sys/signals.rs",
            "tests",
        ],
        words: &["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern"],
        instead: "`unsafe` is for descriptors, for starting processes and for LLVM: use rustix, or a safe type of theirs",
    },
    Rule {
        of: &[],
        // GoogleTest writes that.
        but: &["tests/src/features.rs", "orchestrator/src/test_runner/harness.rs"],
        words: &["SKIPPED"],
        instead: "a skipped test has to be in the list at the end: call `tender_tests::skip`",
    },
    Rule {
        of: &[],
        but: &[],
        words: &["todo!(", "unimplemented!(", "dbg!(", "#[ignore"],
        instead: "finish it, or leave it out and say so in the documents",
    },
    Rule {
        of: &[],
        but: &[],
        words: &["/home/", "/Users/", "/root/"],
        instead: "no path of a developer's machine: make a temporary directory, or start from the manifest's",
    },
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The packages' Rust files, relative to the root with their contents.
fn sources() -> Vec<(String, String)> {
    let root = root();
    let mut left: Vec<PathBuf> = [
        "orchestrator",
        "backend-worker",
        "jobclient",
        "protocol",
        "units",
        "tests",
        "bench",
        "fuzz",
    ]
    .map(|dir| root.join(dir))
    .into();
    let mut found = Vec::new();
    while let Some(path) = left.pop() {
        if path.is_dir() {
            left.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
            found.push((name, std::fs::read_to_string(&path).unwrap()));
        }
    }
    found.sort();
    found
}

/// This file names what it forbids.
const SELF: &str = "orchestrator/tests/tidy.rs";

fn is_below(file: &str, places: &[&str]) -> bool {
    places.iter().any(|place| Path::new(file).starts_with(place))
}

/// What the head of a file promises, and what then stands nowhere in its code. A phrase counts in
/// whatever case.
const PROMISES: &[(&[&str], &[&str])] = &[
    (
        &["pure:", "pure.", "pure;", "pure,", "does no i/o", "does no input or output"],
        &[
            "std::fs",
            "std::process",
            "std::env",
            "std::thread",
            "File::",
            "Instant::",
            "SystemTime::",
            "rustix::",
            "libc::",
        ],
    ),
    (
        &["no clock", "no processes, paths or clocks"],
        &["Instant", "SystemTime", "now_us()", "clock_gettime"],
    ),
    (&["no processes"], &["std::process", "Command::new", "waitid", "kill_process"]),
    (&["prints nothing"], &["println!", "print!", "stdout()", "stderr()"]),
    (&["no locks"], &["Mutex", "RwLock", "Condvar"]),
];

/// The lines of code with their numbers, without comments and without the tests: what stands behind
/// `#[cfg(test)]`, up to the end of that item.
fn code(text: &str) -> Vec<(usize, String)> {
    let mut lines = (1..).zip(text.lines());
    let mut code = Vec::new();
    while let Some((number, line)) = lines.next() {
        if line.trim() != "#[cfg(test)]" {
            code.push((number, without_comment(line).to_owned()));
            continue;
        }
        let indent = line.len() - line.trim_start().len();
        for (_, line) in lines.by_ref() {
            let is_at_level = line.len() > indent && !line[indent..].starts_with([' ', '#', '/']);
            if is_at_level && line.trim_end().ends_with([';', '}', ',']) {
                break;
            }
        }
    }
    code
}

/// Up to `//`, but for one inside a string.
fn without_comment(line: &str) -> &str {
    let (mut is_string, mut is_escaped, mut before) = (false, false, ' ');
    for (at, c) in line.char_indices() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => is_string = !is_string,
            '/' if before == '/' && !is_string => return &line[..at - 1],
            _ => {}
        }
        before = c;
    }
    line
}

/// `FILE:LINE: what stands there` for each line of `text` that breaks `rule`.
fn breaches(rule: &Rule, file: &str, text: &str) -> String {
    let mut found = String::new();
    if file == SELF || is_below(file, rule.but) || !(rule.of.is_empty() || is_below(file, rule.of))
    {
        return found;
    }
    for (number, code) in code(text) {
        if let Some(word) = rule.words.iter().find(|word| code.contains(*word)) {
            let _ = writeln!(
                found,
                "{file}:{number}: `{word}` does not belong here\n  instead: {}",
                rule.instead
            );
        }
    }
    found
}

#[test]
fn rules_are_kept() {
    let sources = sources();
    assert!(sources.len() > 100, "the sources are found");
    let found: String = RULES
        .iter()
        .flat_map(|rule| sources.iter().map(|(file, text)| breaches(rule, file, text)))
        .collect();
    assert!(found.is_empty(), "\n{found}");
}

/// Fields of the structs in a file: name of the struct, and how many.
fn fields(text: &str) -> Vec<(String, usize)> {
    let mut found: Vec<(String, usize)> = Vec::new();
    let mut is_inside = false;
    for line in text.lines() {
        let words: Vec<&str> = line.split([' ', '<', '(']).collect();
        if let Some(at) = words.iter().position(|word| *word == "struct")
            && line.ends_with('{')
            && !line.starts_with(' ')
        {
            found.push((words[at + 1].to_owned(), 0));
            is_inside = true;
        } else if line.starts_with('}') {
            is_inside = false;
        } else if is_inside
            && let Some((field, _)) = line.trim().split_once(": ")
            && let Some(name) = field.split(' ').next_back()
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
            && let Some((_, count)) = found.last_mut()
        {
            *count += 1;
        }
    }
    found
}

/// A struct with more fields owns what others could own.
const MOST_FIELDS: usize = 14;

#[test]
fn structs_of_the_engine_have_few_fields() {
    let mut counted = Vec::new();
    for (file, text) in sources() {
        if is_below(&file, &["orchestrator/src/engine"]) {
            counted.extend(
                fields(&text).into_iter().map(|(name, fields)| (file.clone(), name, fields)),
            );
        }
    }
    assert!(
        counted.iter().any(|(_, name, fields)| name == "Engine" && *fields > 10),
        "{counted:?}"
    );
    for (file, name, fields) in counted {
        assert!(
            fields <= MOST_FIELDS,
            "{file}: `{name}` has {fields} fields, more than {MOST_FIELDS}: split it into owners"
        );
    }
}

/// The types that a file declares outside of its tests.
fn types(text: &str) -> Vec<String> {
    let declared = |(_, line): &(usize, String)| {
        let words: Vec<&str> = line
            .split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
            .filter(|word| !["", "pub", "super", "crate", "in"].contains(word))
            .collect();
        match words[..] {
            ["struct" | "enum" | "trait" | "type", name, ..] if !line.starts_with(' ') => {
                Some(name.to_owned())
            }
            _ => None,
        }
    };
    code(text).iter().filter_map(declared).collect()
}

#[test]
fn types_of_the_orchestrator_have_unique_names() {
    let mut files: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (file, text) in sources() {
        let is_test = file.ends_with("tests.rs")
            || ["/tests/", "/simulation", "/fixture.rs", "/fake.rs"]
                .iter()
                .any(|part| file.contains(part));
        if is_below(&file, &["orchestrator/src"]) && !is_test {
            for name in types(&text) {
                files.entry(name).or_default().push(file.clone());
            }
        }
    }
    assert!(files.len() > 100, "the types are found");
    let twice: Vec<_> = files.iter().filter(|(_, files)| files.len() > 1).collect();
    assert!(twice.is_empty(), "one name for two types, so rename one: {twice:#?}");
}

/// `FILE:LINE: what stands there` for each line that breaks a promise of the file's head.
fn broken_promises(file: &str, text: &str) -> String {
    let head = text.lines().map_while(|line| line.strip_prefix("//!"));
    // What stands in a list is about the parts of a module.
    let head = head.filter(|line| !line.starts_with(" - ") && !line.starts_with("   "));
    let head = head.map(str::trim).collect::<Vec<_>>().join(" ").to_lowercase();
    let promises =
        PROMISES.iter().filter(|(phrases, _)| phrases.iter().any(|phrase| head.contains(phrase)));
    let mut found = String::new();
    for (phrases, words) in promises {
        for (number, line) in code(text) {
            if let Some(word) = words.iter().find(|word| line.contains(*word)) {
                let phrase = phrases.iter().find(|phrase| head.contains(*phrase)).unwrap();
                let _ =
                    writeln!(found, "{file}:{number}: `{word}`, but the head says \"{phrase}\"");
            }
        }
    }
    found
}

#[test]
fn promises_of_heads_are_kept() {
    let sources = sources();
    let found: String = sources.iter().map(|(file, text)| broken_promises(file, text)).collect();
    assert!(found.is_empty(), "\n{found}");

    let broken = |text: &str| broken_promises("a.rs", text).lines().count();
    assert_eq!(broken("//! Counts. Pure.\nuse std::fs;\nuse std::mem;\n"), 1);
    assert_eq!(broken("//! Counts. Knows no\n//! clocks.\nlet now = Instant::now();\n"), 1);
    assert_eq!(broken("//! Counts.\nuse std::fs;\n//! Pure.\n"), 0);
}

#[test]
fn code_is_all_but_comments_and_tests() {
    let text = "a();\n#[cfg(test)]\nmod fake;\nb(\"//\"); // c\n#[cfg(test)]\nmod tests {\n    fn d() {\n    }\n}\n\
        impl E {\n    #[cfg(test)]\n    #[must_use]\n    fn f() {\n        g();\n    }\n    fn h() {}\n}\n";
    let lines: Vec<String> =
        code(text).into_iter().map(|(_, line)| line.trim().to_owned()).collect();
    assert_eq!(lines, ["a();", "b(\"//\");", "impl E {", "fn h() {}", "}"]);
}

#[test]
fn rules_are_about_places_that_exist() {
    for place in RULES.iter().flat_map(|rule| rule.of.iter().chain(rule.but)) {
        assert!(
            root().join(place).exists(),
            "a rule is about {place}, which is not there: change the rule"
        );
    }
}

#[test]
fn files_say_what_they_are_for() {
    for (file, text) in sources() {
        assert!(
            text.starts_with("//! "),
            "{file}: begin with `//!` and what the file does and must not know"
        );
    }
}

#[test]
fn rules_can_be_broken() {
    let rule = &RULES[0];
    let check = |file: &str, text: &str, expect: usize| {
        assert_eq!(breaches(rule, file, text).matches("instead").count(), expect, "{file}: {text}");
    };
    let inside = "orchestrator/src/schedule/scheduler.rs";
    check(inside, "use std::time::Instant;\nlet now = Instant::now();\n", 2);
    check(inside, "// An Instant would be a clock.\n#[cfg(test)]\nuse std::fs;\n", 0);
    check("orchestrator/src/engine/mod.rs", "use std::time::Instant;", 0);
    check("orchestrator/src/scheduled.rs", "use std::time::Instant;", 0);
}
