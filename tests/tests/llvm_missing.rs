//! The error of a build of `tender` itself if LLVM is missing or has another version.

#[path = "../../backend-worker/build/llvm.rs"]
mod llvm;

use llvm::Missing;
use tender_tests::TestSpace;

#[test]
fn missing_llvm_names_the_package() {
    let space = TestSpace::new();
    let root = space.root();
    let check = |what: String, package| {
        assert_eq!(llvm::check(root.as_std_path()), Err(Missing { what, package }));
    };
    check(format!("LLVM 22 is not found in {root}"), "llvm-22-dev");
    let config = "include/llvm/Config/llvm-config.h";
    space.write(config, "#define LLVM_VERSION_MAJOR 21\n");
    check(format!("LLVM in {root} is version 21, but 22 is needed"), "llvm-22-dev");
    space.write(config, "");
    check(format!("LLVM in {root} is version unknown, but 22 is needed"), "llvm-22-dev");
    space.write(config, "/* made */\n#define LLVM_VERSION_MAJOR 22\n");
    check(format!("clang's headers are not found in {root}/include"), "libclang-22-dev");
    space.write("include/clang/Frontend/CompilerInstance.h", "");
    assert_eq!(llvm::check(root.as_std_path()), Ok(()));
}
