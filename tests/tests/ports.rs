//! Real projects, with the manifests of `workspace-examples/ports`: they are built, and their own
//! tests pass.
//!
//! `tools/ports.sh` gets the sources. `TENDER_PORTS=all` builds all ports, and `TENDER_PORTS="jq fmt"`
//! these, in a workspace that is kept below the target directory; else four small ones are built.
//! Prints a line for each.

use camino::Utf8PathBuf;
use serde_json::Value;
use std::io::Write;
use std::process::Command;
use tender_tests::libraries::{ports, sources};
use tender_tests::rounds::variable;
use tender_tests::{Feature, Run, TestSpace, skip};

struct Port {
    /// Its directory.
    name: &'static str,
    /// The packages that are built.
    packages: &'static [&'static str],
    /// Variables of the tests, `NAME=value`, with the placeholders of commands.
    env: &'static [&'static str],
    tests: &'static [Test],
}

/// What has to end with code 0, in an empty directory of the port's tests. `PATH` finds programs of
/// the workspace first.
enum Test {
    /// The tests of these packages, by `tender test`.
    Tests(&'static [&'static str]),
    /// A command. `{port}` stands for the port's directory, `{bin}` for that of the programs, and
    /// `{sources}` for that of all sources.
    Words(&'static [&'static str]),
    /// A command that prints results in the TAP format. Tests of these names may fail.
    Tap(&'static [&'static str], &'static [&'static str]),
}

use Test::{Tap, Tests, Words};

const PORTS: [Port; 18] = [
    Port {
        name: "zlib",
        packages: &["z"],
        env: &[],
        tests: &[
            Tests(&["z"]),
            Words(&["cp", "{port}/ChangeLog", "text"]),
            Words(&["minigzip", "-9", "text"]),
            Words(&["gzip", "-t", "text.gz"]),
            Words(&["minigzip", "-d", "text.gz"]),
            Words(&["cmp", "text", "{port}/ChangeLog"]),
        ],
    },
    Port { name: "libpng", packages: &["png"], env: &[], tests: &[Tests(&["png"])] },
    Port {
        // Debian has Lua's own test suite for 5.1 alone. These parts of it hold for 5.4 too.
        name: "lua",
        packages: &["lua"],
        env: &[],
        tests: &[
            Words(&["lua", "-v", "{sources}/lua-tests/strings.lua"]),
            Words(&["lua", "{sources}/lua-tests/files.lua"]),
            Words(&["luac", "-o", "compiled", "{sources}/lua-tests/strings.lua"]),
            Words(&["lua", "compiled"]),
        ],
    },
    Port {
        // Modules are laid out as its makefile installs them. Its tests look for their own files in
        // the directory where they run.
        name: "luasocket",
        packages: &["luasocket", "lua"],
        env: &["LUA_PATH=?.lua;{port}/src/?.lua", "LUA_CPATH={bin}/?.so"],
        tests: &[
            Words(&["mkdir", "socket"]),
            Words(&[
                "cp",
                "{port}/src/headers.lua",
                "{port}/src/http.lua",
                "{port}/src/tp.lua",
                "{port}/src/url.lua",
                "socket",
            ]),
            Words(&["sh", "-c", "cp \"$1\"/test/*.lua \"$1\"/test/*.png .", "sh", "{port}"]),
            Words(&["lua", "urltest.lua"]),
            Words(&["lua", "mimetest.lua"]),
            Words(&["lua", "ltn12test.lua"]),
            Words(&["lua", "excepttest.lua"]),
            Words(&["lua", "test_bind.lua"]),
            Words(&["lua", "test_socket_error.lua"]),
            Words(&["lua", "-e", "require 'socket.unix' require 'socket.serial'"]),
        ],
    },
    Port {
        name: "googletest",
        packages: &["gtest", "gmock"],
        env: &[],
        tests: &[Tests(&["gtest-tests"])],
    },
    Port { name: "fmt", packages: &["fmt"], env: &[], tests: &[Tests(&["fmt-tests"])] },
    Port {
        name: "yaml-cpp",
        packages: &["yaml-cpp"],
        env: &[],
        tests: &[Tests(&["yaml-cpp-tests"])],
    },
    Port {
        name: "nlohmann-json",
        packages: &["nlohmann-json"],
        env: &[],
        tests: &[Tests(&["nlohmann-json-tests"])],
    },
    Port { name: "catch2", packages: &["catch2"], env: &[], tests: &[Tests(&["catch2-tests"])] },
    Port { name: "spdlog", packages: &["spdlog"], env: &[], tests: &[Tests(&["spdlog-tests"])] },
    Port { name: "snappy", packages: &["snappy"], env: &[], tests: &[Tests(&["snappy-tests"])] },
    Port { name: "leveldb", packages: &["leveldb"], env: &[], tests: &[Tests(&["leveldb-tests"])] },
    Port { name: "oniguruma", packages: &["onig"], env: &[], tests: &[Tests(&["onig-tests"])] },
    Port {
        name: "jq",
        packages: &["jq"],
        env: &["NO_VALGRIND=1", "JQ={bin}/jq"],
        tests: &[
            Words(&["{port}/tests/jqtest"]),
            Words(&["{port}/tests/mantest"]),
            Words(&["{port}/tests/shtest"]),
            Words(&["{port}/tests/utf8test"]),
            Words(&["{port}/tests/base64test"]),
            Words(&["{port}/tests/onigtest"]),
        ],
    },
    Port {
        name: "libuv",
        packages: &["uv", "uv-tests"],
        env: &["UV_RUN_AS_ROOT=1"],
        tests: &[Tap(
            &["env", "-C", "{port}", "{bin}/uv_run_tests"],
            // Root may write everywhere; two need an address that does not answer, and the last one has
            // to be started without nice(1).
            &[
                "fs_copyfile",
                "tcp_close_while_connecting",
                "tcp_connect_timeout",
                "thread_priority",
            ],
        )],
    },
    Port {
        name: "libjpeg-turbo",
        packages: &["jpeg"],
        env: &[],
        // The commands and sums are those of its CMakeLists.txt.
        tests: &[
            Tests(&["jpeg"]),
            Words(&[
                "cjpeg",
                "-rgb",
                "-dct",
                "int",
                "-icc",
                "{port}/testimages/test1.icc",
                "-outfile",
                "a.jpg",
                "{port}/testimages/testorig.ppm",
            ]),
            Words(&["md5cmp", "1d44a406f61da743b5fd31c0a9abdca3", "a.jpg"]),
            Words(&["djpeg", "-dct", "int", "-ppm", "-icc", "a.icc", "-outfile", "a.ppm", "a.jpg"]),
            Words(&["md5cmp", "00a257f5393fef8821f2b88ac7421291", "a.ppm"]),
            Words(&["md5cmp", "b06a39d730129122e85c1363ed1bbc9e", "a.icc"]),
            Words(&[
                "jpegtran",
                "-copy",
                "all",
                "-icc",
                "{port}/testimages/test2.icc",
                "-outfile",
                "b.jpg",
                "a.jpg",
            ]),
            Words(&["md5cmp", "31d121e57b6c2934c890a7fc7763bcd4", "b.jpg"]),
        ],
    },
    Port {
        name: "protobuf",
        packages: &["protobuf", "protobuf-examples"],
        env: &[],
        tests: &[
            Words(&["sh", "-c", "printf '7\\nAda\\n\\n\\n' | add_person book"]),
            Words(&["sh", "-c", "list_people book | grep -x '  Name: Ada'"]),
        ],
    },
    Port {
        name: "curl",
        packages: &["curl"],
        env: &[],
        tests: &[
            Words(&["sh", "-c", "curl --version | grep ' zlib/1.3.1'"]),
            Words(&["curl", "-sS", "-o", "copy", "file://{port}/README"]),
            Words(&["cmp", "copy", "{port}/README"]),
        ],
    },
];

/// A workspace of ports.
struct Ports {
    root: Utf8PathBuf,
    sources: Utf8PathBuf,
    /// Those whose sources are there.
    names: Vec<String>,
    /// Where tests run.
    space: TestSpace,
}

impl Ports {
    /// Of these ports in a new directory, or of all in one that is kept.
    fn new(names: &[&str]) -> Ports {
        let space = TestSpace::new();
        let sources = sources().to_owned();
        let root = match names {
            [] => sources.with_file_name("ports"),
            _ => space.path("ports"),
        };
        let names = ports(&sources, &root, names);
        Ports { root, sources, names, space }
    }

    /// Builds a port and runs its tests. Returns how many, or why it failed.
    fn check(&self, port: &Port) -> Result<usize, String> {
        let build = self.tender(&["build", "-q"], port.packages);
        if !build.status.success() {
            return Err(format!("it cannot be built\n{build}"));
        }
        std::fs::create_dir(self.space.path(port.name)).unwrap();
        port.tests.iter().map(|test| self.test(port, test)).sum()
    }

    fn tender(&self, words: &[&str], packages: &[&str]) -> Run {
        let packages = packages.iter().flat_map(|package| ["-p", package]);
        let options = ["-C", self.root.as_str()].into_iter().chain(words.iter().copied());
        let words: Vec<&str> = options.chain(["-j2"]).chain(packages).collect();
        self.space.tender(&words)
    }

    fn test(&self, port: &Port, test: &Test) -> Result<usize, String> {
        match test {
            Tests(packages) => {
                let run =
                    self.tender(&["test", "--no-fail-fast", "--message-format", "json"], packages);
                let count = tests_passed(&run);
                assert!(!run.status.success() || count > 0, "{packages:?} have no tests: {run}");
                passed(run).map(|()| count)
            }
            Words(words) => passed(self.run(port, words)).map(|()| 1),
            Tap(words, may_fail) => {
                let run = self.run(port, words);
                let of = |verdict| {
                    run.stdout
                        .lines()
                        .filter_map(move |line| line.strip_prefix(verdict)?.split(' ').nth(2))
                };
                let failed: Vec<&str> =
                    of("not ok ").filter(|name| !may_fail.contains(name)).collect();
                match (failed.as_slice(), of("ok ").count()) {
                    ([], passed @ 1..) => Ok(passed),
                    _ => Err(format!("tests failed: {}\n{run}", failed.join(", "))),
                }
            }
        }
    }

    fn expand(&self, port: &Port, word: &str) -> String {
        word.replace("{port}", self.root.join(port.name).as_str())
            .replace("{bin}", self.bin().as_str())
            .replace("{sources}", self.sources.as_str())
    }

    fn bin(&self) -> Utf8PathBuf {
        self.root.join("target/debug")
    }

    fn run(&self, port: &Port, words: &[impl AsRef<str>]) -> Run {
        // `Command` itself would not look in a `PATH` that is set for the child.
        let mut command = Command::new("env");
        self.space.prepare(&mut command);
        let path = format!("PATH={}:{}", self.bin(), variable("PATH").unwrap_or_default());
        let env = port.env.iter().map(|word| self.expand(port, word));
        let words = words.iter().map(|word| self.expand(port, word.as_ref()));
        command.arg(path).args(env).args(words).current_dir(self.space.path(port.name));
        self.space.run(command)
    }
}

fn passed(run: Run) -> Result<(), String> {
    if run.status.success() { Ok(()) } else { Err(format!("a test failed\n{run}")) }
}

/// How many tests passed, by the messages of `tender test`.
fn tests_passed(run: &Run) -> usize {
    let messages = run.stdout.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut ends = messages.filter(|message| message["reason"] == "test-run-finished");
    ends.next().and_then(|end| end["passed"].as_u64()).unwrap_or(0) as usize
}

/// Checks `ports` in a workspace of `names`.
fn check<'a>(ports: impl IntoIterator<Item = &'a Port>, names: &[&str]) {
    let workspace = Ports::new(names);
    let mut failed = Vec::new();
    for port in ports {
        if !workspace.names.iter().any(|name| name == port.name) {
            let why = format!("the sources of {} are not there; run `make fetch-ports`", port.name);
            skip(Feature::PinnedSources, &why);
            continue;
        }
        let line = match workspace.check(port) {
            Ok(tests) => format!("{}: built; {tests} tests passed", port.name),
            Err(why) => {
                failed.push(port.name);
                format!("{}: FAILED: {why}", port.name)
            }
        };
        // Not by `eprintln!`, whose output the test harness keeps until the end.
        let _ = writeln!(std::io::stderr(), "{line}");
    }
    assert!(failed.is_empty(), "these ports failed: {}", failed.join(", "));
}

#[test]
fn ports_pass_their_own_tests() {
    if let Some(chosen) = variable("TENDER_PORTS") {
        let chosen: Vec<&str> = chosen.split_whitespace().collect();
        let is = |port: &&Port| chosen == ["all"] || chosen.contains(&port.name);
        return check(PORTS.iter().filter(is), &[]);
    }
    let small = ["zlib", "lua", "oniguruma", "snappy"];
    // snappy's tests need googletest.
    let names = [&small[..], &["googletest"]].concat();
    check(PORTS.iter().filter(|port| small.contains(&port.name)), &names);
}
