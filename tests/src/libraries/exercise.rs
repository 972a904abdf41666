//! What is done with each library's programs. Knows not who built them.

use super::session::Session;
use super::sources::Sources;
use super::{Library, sql};
use crate::space::TestSpace;
use camino::Utf8Path;
use std::fmt::Write;

/// Runs the programs of a library that are in `programs`, and answers all that they said and wrote.
///
/// # Panics
/// A program whose own tests have to pass fails, or a round trip does not end where it began.
pub fn exercise(
    library: Library,
    sources: &Sources,
    space: &TestSpace,
    name: &str,
    programs: &Utf8Path,
) -> String {
    let session = Session::new(space, &format!("{name}/{}", library.name()), programs);
    match library {
        Library::Sqlite => sqlite(session),
        Library::Zlib => zlib(session),
        Library::Zstd => zstd(session),
        Library::Lua => lua(session, sources),
        Library::JsonCpp => jsoncpp(session),
    }
}

fn sqlite(mut session: Session) -> String {
    session.write("script.sql", sql::script());
    session.write("imported.csv", "a,b\n1,\"two, three\"\n4,5\n");
    session.run("sqlite3", &["-batch", "test.db"], Some("script.sql"));
    for file in ["test.db", "copy.db", "saved.db", "written.txt"] {
        session.look_at(file);
    }
    session.run("sqlite3", &["-batch", "test.db", ".dump"], None);
    let said = session.finish();
    assert!(said.ends_with("COMMIT;\n"), "the dump is not whole:\n{said}");
    said
}

fn zlib(mut session: Session) -> String {
    session.write("text", text());
    session.write("noise", noise());
    session.run("example", &[], None);
    session.run("infcover", &[], None);
    for file in ["text", "noise"] {
        for level in ["-1", "-4", "-6", "-9", "-f", "-h", "-r"] {
            round_trip(&mut session, file, "minigzip", &[level], &["-d"]);
        }
    }
    let said = session.finish();
    for program in ["example", "infcover"] {
        assert!(said.contains(&format!("$ {program} : exit status: 0")), "{program}:\n{said}");
    }
    said
}

fn zstd(mut session: Session) -> String {
    session.write("text", text());
    session.write("noise", noise());
    for level in ["-1", "-2", "-3", "-5", "-7", "-9", "-12", "-15", "-17", "-19"] {
        round_trip(&mut session, "text", "zstd", &[level, "-q", "-c"], &["-d", "-q", "-c"]);
    }
    round_trip(&mut session, "noise", "zstd", &["-q", "-c"], &["-d", "-q", "-c"]);
    round_trip(&mut session, "text", "zstd", &["-T2", "-B16384", "-q", "-c"], &["-d", "-q", "-c"]);
    round_trip(
        &mut session,
        "text",
        "zstd",
        &["--ultra", "-22", "--long", "-q", "-c"],
        &["-d", "-q", "-c"],
    );
    // Not what it once was.
    session.run("zstd", &["-d", "-q", "-c"], Some("noise"));
    session.run("fuzzer", &["-s1", "-i40", "--no-big-tests"], None);
    let said = session.finish();
    assert!(said.contains("40 fuzzer tests completed"), "{said}");
    said
}

/// Files of the suite that do not depend on where a standalone `lua` is, on names of temporary
/// files, or on Lua in Go.
const LUA_TESTS: [&str; 22] = [
    "api",
    "attrib",
    "big",
    "calls",
    "checktable",
    "closure",
    "code",
    "constructs",
    "db",
    "errors",
    "events",
    "files",
    "gc",
    "literals",
    "locals",
    "math",
    "nextvar",
    "pm",
    "sort",
    "strings",
    "vararg",
    "verybig",
];

/// Changed for Lua in Go, so that Lua itself ends them with an error: the same one.
const LUA_FAILS: [&str; 3] = ["big", "math", "pm"];

fn lua(mut session: Session, sources: &Sources) -> String {
    for entry in sources.lua_tests().read_dir_utf8().unwrap() {
        let entry = entry.unwrap();
        if entry.file_name().ends_with(".lua") {
            session.write(entry.file_name(), std::fs::read(entry.path()).unwrap());
        }
    }
    // The only assertion about a duration.
    let mut files = std::fs::read(sources.lua_tests().join("files.lua")).unwrap();
    let timed = b"assert(os.difftime(t1,t) <= 2)";
    let place = files
        .windows(timed.len())
        .position(|bytes| bytes == timed)
        .expect("files.lua compares times");
    files.drain(place..place + timed.len());
    session.write("files.lua", files);
    // Modules that the suite writes; git has kept no empty directories.
    session.make_directory("libs/P1");
    for name in LUA_TESTS {
        // According to the suite's README, names of modules are also files in this directory.
        let path = "package.path = './?.lua;?'";
        session.run("lua", &["-e", path, &format!("{name}.lua")], None);
    }
    let said = session.finish();
    for name in LUA_TESTS {
        let code = i32::from(LUA_FAILS.contains(&name));
        assert!(said.contains(&format!("{name}.lua: exit status: {code}")), "{name}:\n{said}");
    }
    // The date, and how long sorting took.
    let lines = said.lines().filter(|line| !line.starts_with("test done on "));
    let lines = lines
        .map(|line| if line.contains(" sec.") { line.split(" in ").next().unwrap() } else { line });
    lines.collect::<Vec<_>>().join("\n")
}

fn jsoncpp(mut session: Session) -> String {
    session.run("jsontest", &[], None);
    let said = session.finish();
    let last = said.lines().rfind(|line| line.starts_with("All "));
    let passed = last.and_then(|line| line.split(' ').nth(1)?.parse::<u32>().ok());
    assert!(passed.is_some_and(|count| count > 100) && !said.contains(": FAILED"), "{said}");
    said
}

/// Compresses a file, decompresses the result, and expects the file.
fn round_trip(session: &mut Session, file: &str, program: &str, pack: &[&str], unpack: &[&str]) {
    let packed = session.run(program, pack, Some(file));
    session.write("packed", packed);
    let unpacked = session.run(program, unpack, Some("packed"));
    let expect = if file == "text" { text() } else { noise() };
    assert!(
        unpacked == expect,
        "{program} {pack:?}: {file} comes back as {} bytes",
        unpacked.len()
    );
}

/// A quarter of a megabyte that compresses like text.
fn text() -> Vec<u8> {
    let mut text = String::new();
    for n in 0_u32.. {
        let word = n.wrapping_mul(2_654_435_761) >> 20;
        write!(
            text,
            "{word:x} and {}",
            ["piece", "pieces of", "a whole\n", "cut at "][n as usize % 4]
        )
        .unwrap();
        if text.len() > 250_000 {
            break;
        }
    }
    text.into_bytes()
}

/// Data that does not compress.
fn noise() -> Vec<u8> {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"noise");
    let mut bytes = vec![0; 50_000];
    hasher.finalize_xof().fill(&mut bytes);
    bytes
}
