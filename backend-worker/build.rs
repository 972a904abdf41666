//! Compiles the shim and finds LLVM and clang, or says in one line which package is missing.

#![expect(clippy::disallowed_methods, reason = "cargo speaks to build scripts through the environment")]

#[path = "build/llvm.rs"]
mod llvm;

use std::path::{Path, PathBuf};

const SOURCES: [&str; 14] = [
    "archive",
    "assemble",
    "bitcode",
    "clang",
    "cut_graph",
    "cut_join",
    "cut_pieces",
    "cut_places",
    "diagnostics",
    "driver",
    "lto",
    "lto_input",
    "process",
    "recording_fs",
];

fn main() {
    println!("cargo:rerun-if-changed=llvm-shim");
    println!("cargo:rerun-if-env-changed=LLVM_SYS_221_PREFIX");
    let prefix =
        PathBuf::from(std::env::var("LLVM_SYS_221_PREFIX").unwrap_or_else(|_| "/usr/lib/llvm-22".to_owned()));
    let include = prefix.join("include");
    if let Err(missing) = llvm::check(&prefix) {
        fail(&missing.what, missing.package);
    }

    let clangxx = prefix.join("bin/clang++");
    let mut build = cc::Build::new();
    // Either compiler will do; clang is not a build requirement of the shim, but where it is it is quicker.
    if std::env::var_os("CXX").is_none() && clangxx.exists() {
        build.compiler(clangxx);
    }
    build
        .cpp(true)
        .std("c++17")
        .include(&include)
        .flag_if_supported("-fno-exceptions")
        .flag_if_supported("-fvisibility=hidden")
        // The headers are LLVM's, and so are their warnings.
        .warnings(false)
        .opt_level(2)
        .debug(false)
        .define("_GNU_SOURCE", None)
        .define("__STDC_CONSTANT_MACROS", None)
        .define("__STDC_LIMIT_MACROS", None);
    for source in SOURCES {
        build.file(format!("llvm-shim/{source}.cpp"));
    }
    build.compile("tender-llvm-shim");

    let lib = prefix.join("lib");
    println!("cargo:rustc-link-search=native={}", lib.display());
    // The -dev package has no plain `.so` name for it, so it is linked by its full one.
    println!("cargo:rustc-link-arg=-l:{}", clang_library(&lib));
    println!("cargo:rustc-env=TENDER_LLVM_PREFIX={}", prefix.display());
}

fn clang_library(lib: &Path) -> String {
    let mut names: Vec<String> = std::fs::read_dir(lib)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.starts_with("libclang-cpp.so.22"))
        .collect();
    names.sort();
    names.pop().unwrap_or_else(|| fail("libclang-cpp.so.22 is not there", "libclang-cpp22"))
}

/// One plain line, with the way out, in place of pages of compiler errors.
fn fail(what: &str, package: &str) -> ! {
    println!(
        "cargo:warning={what}: install the package {package} (`make deps` does it on Debian and Ubuntu), or set LLVM_SYS_221_PREFIX"
    );
    std::process::exit(1);
}
