//! Compiles the shim and links LLVM and clang. If they are missing, fails with one line that names
//! the package.

#[path = "build/link.rs"]
mod link;
#[path = "build/llvm.rs"]
mod llvm;
#[path = "build/shim.rs"]
mod shim;

use std::path::{Path, PathBuf};

const SOURCES: [&str; 27] = [
    "archive",
    "assemble",
    "assembler_files",
    "bitcode",
    "canonical",
    "clang",
    "cut_graph",
    "cut_join",
    "cut_pieces",
    "cxx_modules",
    "source_locations",
    "diagnostics",
    "driver",
    "instantiate",
    "instantiations",
    "lto",
    "lto_input",
    "precompile",
    "precompiled",
    "process",
    "recording_fs",
    "redeclarations",
    "shared_headers",
    "template_inputs",
    "time_macros",
    "token_record",
    "unit_order",
];

fn main() {
    println!("cargo:rerun-if-changed=llvm-shim");
    println!("cargo:rerun-if-changed=build");
    println!("cargo:rerun-if-env-changed=LLVM_SYS_221_PREFIX");
    println!("cargo:rerun-if-env-changed=TENDER_SHIM_SANITIZE");
    let prefix = PathBuf::from(
        std::env::var("LLVM_SYS_221_PREFIX").unwrap_or_else(|_| "/usr/lib/llvm-22".to_owned()),
    );
    let include = prefix.join("include");
    if let Err(missing) = llvm::check(&prefix) {
        fail(&missing.what, missing.package);
    }

    let clangxx = prefix.join("bin/clang++");
    let mut build = cc::Build::new();
    // Any C++ compiler works. clang is faster, if it is there.
    if std::env::var_os("CXX").is_none() && clangxx.exists() {
        build.compiler(clangxx);
    }
    build
        .cpp(true)
        .std("c++17")
        .include(&include)
        .flag_if_supported("-fno-exceptions")
        .flag_if_supported("-fvisibility=hidden")
        // Most warnings would be about LLVM's headers.
        .warnings(false)
        .opt_level(2)
        .debug(false)
        .define("_GNU_SOURCE", None)
        .define("__STDC_CONSTANT_MACROS", None)
        .define("__STDC_LIMIT_MACROS", None);
    // Sanitizers for the shim alone, such as `address,undefined`; see `tools/sanitize.sh`.
    let sanitizers = std::env::var("TENDER_SHIM_SANITIZE").unwrap_or_default();
    if !sanitizers.is_empty() {
        let flag = format!("-fsanitize={sanitizers}");
        build
            .flag(&flag)
            .flag("-fno-sanitize-recover=all")
            .flag("-fno-omit-frame-pointer")
            .debug(true);
        println!("cargo:rustc-link-arg={flag}");
    }
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets it"));
    let version = include.join("llvm/Config/llvm-config.h");
    shim::compile(build, Path::new("llvm-shim"), &SOURCES, &version, &out, "tender-llvm-shim");

    // LLVM has 200,000 pointers that a program for any address would adjust each time it starts: a
    // quarter of the time, and 6 MiB of memory that workers could not share.
    println!("cargo:rustc-link-arg-bins=-no-pie");
    // `tender` identifies the program by its build id, without reading all of it.
    println!("cargo:rustc-link-arg=-Wl,--build-id=sha1");
    for argument in
        link::arguments(&prefix).unwrap_or_else(|missing| fail(&missing.what, missing.package))
    {
        println!("cargo:rustc-link-arg={argument}");
    }
    println!("cargo:rustc-env=TENDER_LLVM_PREFIX={}", prefix.display());
}

/// Fails with one line that says what to do.
#[expect(clippy::disallowed_methods, reason = "a build script fails by its exit status")]
fn fail(what: &str, package: &str) -> ! {
    println!(
        "cargo:warning={what}: install the package {package} (`make deps` does it on Debian and Ubuntu), or set LLVM_SYS_221_PREFIX"
    );
    std::process::exit(1);
}
