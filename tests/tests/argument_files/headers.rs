//! Options of `flags` whose value is a directory: failed look-ups there count like successful ones.

use super::{as_from_nothing, library};
use tender_tests::TestSpace;

const SOURCE: &str = "#if __has_include(<v.h>)\n#include <v.h>\n#elif __has_include(\"v.h\")\n#include \"v.h\"\n\
    #elif __has_include(<F/v.h>)\n#include <F/v.h>\n#else\n#define V 0\n#endif\n\
    #if __has_embed(<v.h>)\nconst char data[] = {\n#embed <v.h>\n};\n#endif\nint f(void) { return V; }\n";

/// The words of an option, and a file that is found through it.
type Looked = (&'static [&'static str], &'static str);

pub const C: &[Looked] = &[
    (&["-I", "inc"], "inc/v.h"),
    (&["-Iinc"], "inc/v.h"),
    (&["-iquote", "inc"], "inc/v.h"),
    (&["-isystem", "inc"], "inc/v.h"),
    (&["-idirafter", "inc"], "inc/v.h"),
    (&["-iprefix", "inc/", "-iwithprefix", "sub"], "inc/sub/v.h"),
    (&["-iprefix", "inc/", "-iwithprefixbefore", "sub"], "inc/sub/v.h"),
    (&["-isysroot", "root", "-iwithsysroot", "/inc"], "root/inc/v.h"),
    (&["-iframework", "inc"], "inc/F.framework/Headers/v.h"),
    (&["-isysroot", "root", "-iframeworkwithsysroot", "/inc"], "root/inc/F.framework/Headers/v.h"),
    (&["-F", "inc"], "inc/F.framework/Headers/v.h"),
    (&["--sysroot=root"], "root/usr/include/v.h"),
    (&["-resource-dir=res"], "res/include/v.h"),
    (&["--embed-dir=inc"], "inc/v.h"),
];

pub const CXX: &[Looked] = &[
    (&["-cxx-isystem", "inc"], "inc/v.h"),
    (&["-stdlib++-isystem", "inc"], "inc/v.h"),
    (&["--gcc-install-dir=tools/lib/gcc/x86_64-linux-gnu/12"], "tools/include/c++/12/v.h"),
    (&["-stdlib=libc++", "-ccc-install-dir", "tools/bin"], "tools/include/c++/v1/v.h"),
];

fn check(source: &str, table: &[Looked]) {
    let space = TestSpace::new();
    let unit = format!("src/{source}");
    space.write(&unit, SOURCE);
    space.write("tools/lib/gcc/x86_64-linux-gnu/12/crtbegin.o", "");
    space.write("tools/bin/clang", "");
    for (words, file) in table {
        library(&space, words);
        space.tender(&["build"]).expect_ok();
        space.expect_fresh(&[]);
        let archive = || space.read_bytes("target/debug/liba.a");
        let mut seen = vec![archive()];
        let mut step = |what: &str| {
            let built = space.build(&[]);
            let reason = built.iter().find(|one| one.unit == unit).map(|one| one.reason.as_str());
            let of_files =
                |reason: &str| reason.starts_with("the file ") || reason.starts_with("what is in ");
            assert!(reason.is_some_and(of_files), "{words:?}, {what}: {built:?}");
            assert!(!seen.contains(&archive()), "{words:?}, {what}: nothing is seen of it");
            seen.push(archive());
            as_from_nothing(&space, "liba.a");
            space.expect_fresh(&[]);
        };
        space.write(file, "#define V 1\n");
        step("appears");
        space.write(file, "#define V 2\n");
        step("is edited");
        space.remove(file);
        let built = space.build(&[]);
        assert!(built.iter().any(|one| one.unit == unit), "{words:?}, is gone: {built:?}");
        assert!(archive() == seen[0], "{words:?}, is gone: not as before");
        // The directory is removed too, because the next row searches it.
        for top in ["inc", "root", "res", "tools/include"] {
            if space.exists(top) {
                space.remove(top);
            }
        }
    }
}

#[test]
fn flags_that_name_directories_of_headers_count() {
    check("a.c", C);
}

#[test]
fn flags_that_name_directories_of_headers_count_for_cxx() {
    check("a.cpp", CXX);
}
