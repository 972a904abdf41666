//! Options whose value looks like a file that is not read: an edit rebuilds nothing. And options
//! that are refused.

use super::{clang, library, list};
use tender_tests::{Feature, TestSpace, skip};

/// The words of an option, with `*` for the value.
type Words = &'static [&'static str];

/// Clang for Linux accepts these options and does not open the files.
pub const FLAGS: &[Words] = &[
    &["-fbuild-session-file=*"],
    &["-isystem-after", "*"],
    &["-iapinotes-modules", "*"],
    &["-multi-lib-config=*"],
    &["--cuda-path=*"],
    &["--hip-path=*"],
    &["--hipstdpar-path=*"],
    &["--hipstdpar-prim-path=*"],
    &["--hipstdpar-thrust-path=*"],
    &["--rocm-path=*"],
    &["--rocm-device-lib-path=*"],
    &["--libomptarget-amdgcn-bc-path=*"],
    &["--libomptarget-amdgpu-bc-path=*"],
    &["--libomptarget-nvptx-bc-path=*"],
    &["--libomptarget-spirv-bc-path=*"],
    &["--ptxas-path=*"],
    &["--dxv-path=*"],
    &["--no-system-header-prefix=*"],
    &["--system-header-prefix=*"],
    &["--hipspv-pass-plugin=*"],
    &["-fthinlto-distributor=*"],
    &["-dependency-dot", "*"],
    &["-dependency-file", "*"],
    &["-module-dependency-dir", "*"],
    &["-dsym-dir", "*"],
    &["-fcs-profile-generate=*"],
    &["-fprofile-generate=*"],
    &["-fprofile-instr-generate=*"],
    &["-fmemory-profile=*"],
    &["-fmodule-output=*"],
    &["-fmodules-cache-path=*"],
    &["-fmodules-user-build-path", "*"],
    &["--symbol-graph-dir=*"],
    &["-fcoverage-compilation-dir=*"],
    &["-fdebug-compilation-dir=*"],
    &["-ffile-compilation-dir=*"],
    &["-ffile-prefix-map=*=other"],
    &["--coverage", "-fprofile-exclude-files=*"],
    &["--coverage", "-fprofile-filter-files=*"],
    &["-funique-source-file-identifier=*"],
    &["-fsanitize-undefined-strip-path-components=1"],
    &["-fmodules-embed-all-files"],
    &["-dumpdir", "*"],
    &["-ccc-gcc-name", "*"],
    &["-B*"],
];

pub const REFUSED_FLAGS: &[Words] = &[
    &["-fcodegen-data-use=*"],
    &["-fcodegen-data-generate=*"],
    &["-fplugin=*"],
    &["-fpass-plugin=*"],
    &["@*"],
    &["-working-directory=*"],
    &["-o", "*"],
    &["-MD", "-MF", "*"],
    &["-MD", "-MQ", "*"],
    &["-MD", "-MT", "*"],
    &["-MJ", "*"],
    &["-gen-cdb-fragment-path", "*"],
    &["-fprofile-generate-cold-function-coverage=*"],
    &["-fcrash-diagnostics-dir=*"],
    &["-foptimization-record-file=*"],
    &["-ftime-trace=*"],
    &["-save-temps=*"],
    &["-object-file-name=*"],
    &["-print-file-name=*"],
    &["-print-prog-name=*"],
];

pub const LINK_ARGS: &[Words] = &[
    &["-Wl,--Map=*"],
    &["-Wl,--dependency-file=*"],
    &["-Wl,--print-symbol-order=*"],
    &["-Wl,--print-archive-stats=*"],
    &["-Wl,--print-gc-sections=*"],
    &["-Wl,--why-extract=*"],
    &["-Wl,--reproduce=*"],
    &["-Wl,--time-trace=*"],
    &["-Wl,--opt-remarks-filename,*"],
    &["-Wl,--plugin-opt=opt-remarks-filename=*"],
    &["-Wl,--plugin-opt=stats-file=*"],
    &["-Wl,--plugin-opt=dwo_dir=*"],
    &["-Wl,--plugin-opt=obj-path=*"],
    &["-Wl,--lto-obj-path=*"],
    &["-Wl,--thinlto-cache-dir=*"],
    &["-Wl,--plugin-opt=cs-profile-generate"],
    &["-Wl,--plugin-opt=thinlto-emit-imports-files"],
    &["-Wl,-rpath,*"],
    &["-Wl,--error-handling-script=*"],
];

fn with_value(words: Words, value: &str) -> Vec<String> {
    words.iter().map(|word| word.replace('*', value)).collect()
}

#[test]
fn flags_that_read_no_file_rebuild_nothing() {
    let space = TestSpace::new();
    space.write("src/a.c", "int f(void) { return 1; }\n");
    let mut wrong = Vec::new();
    for words in FLAGS {
        for value in ["dir/named", "dir"] {
            let words = with_value(words, value);
            library(&space, &words.iter().map(String::as_str).collect::<Vec<_>>());
            space.write("dir/named", "one\n");
            let run = space.tender(&["build"]);
            if !run.status.success() {
                wrong.push(format!("{words:?}: {run}"));
                continue;
            }
            let left = space.read("dir/named") == "one\n"
                && std::fs::read_dir(space.path("dir")).unwrap().count() == 1;
            if !left {
                wrong.push(format!("{words:?} writes files"));
            }
            space.write("dir/named", "two\n");
            space.write("dir/include/other.h", "");
            let built = space.build(&[]);
            if !built.is_empty() {
                wrong.push(format!("{words:?}: {built:?}"));
            }
            space.remove("dir");
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn flags_that_are_refused_read_no_file() {
    let space = TestSpace::new();
    space.write("src/a.c", "int f(void) { return 1; }\n");
    let mut wrong = Vec::new();
    for words in REFUSED_FLAGS {
        let words = with_value(words, "dir/named");
        library(&space, &words.iter().map(String::as_str).collect::<Vec<_>>());
        space.write("dir/named", "-DV=1\n");
        let run = space.tender(&["build"]);
        if run.status.code() != Some(101) || !run.stderr.contains("support") {
            wrong.push(format!("{words:?}: {run}"));
        }
        if space.read("dir/named") != "-DV=1\n"
            || std::fs::read_dir(space.path("dir")).unwrap().count() != 1
        {
            wrong.push(format!("{words:?} writes files"));
        }
        space.remove("dir");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn link_args_that_read_no_file_rebuild_nothing() {
    let Some(clang) = clang() else {
        return skip(Feature::Clang, "there is no clang to link with");
    };
    let space = TestSpace::new();
    space.write("src/main.c", "int main(void) { return 0; }\n");
    let mut wrong = Vec::new();
    for words in LINK_ARGS {
        let words = with_value(words, "dir/named");
        let args = list(&words.iter().map(String::as_str).collect::<Vec<_>>());
        space.write("Tender.toml", format!("[package]\nname = \"a\"\nlink-args = [{args}]\n"));
        space.write("dir/other", "");
        let build = || {
            let mut command = space.command(&["build", "-v"]);
            command.env("CC", &clang);
            space.run(command)
        };
        let run = build();
        if !run.status.success() {
            wrong.push(format!("{words:?}: {run}"));
            continue;
        }
        if !std::fs::metadata(space.path("dir/named")).is_ok_and(|found| found.is_dir()) {
            space.write("dir/named", "edited\n");
        }
        space.write("dir/other", "edited\n");
        let run = build();
        if !run.status.success() || !run.rebuilt().is_empty() {
            wrong.push(format!("{words:?}: {run}"));
        }
        space.remove("dir");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
