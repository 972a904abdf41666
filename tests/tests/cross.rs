//! `--target`: programs for other platforms, linked by their own tools, and run here by a runner.

use tender_tests::interop::in_path;
use tender_tests::{Feature, Run, TestSpace, skip};

/// Whether programs for 64-bit ARM can be built and run here.
fn has_arm64() -> bool {
    let there =
        ["aarch64-linux-gnu-g++", "qemu-aarch64"].iter().all(|name| !in_path(name).is_empty());
    if !there {
        skip(Feature::CrossArm64, "g++ for 64-bit ARM or qemu is not installed");
    }
    there
}

fn has_musl() -> bool {
    let there = !in_path(&format!("{}-linux-musl-gcc", std::env::consts::ARCH)).is_empty();
    if !there {
        skip(Feature::Musl, "musl is not installed");
    }
    there
}

const ARM64: &str = "aarch64-linux-gnu";

const RUNNER: &str =
    "[target.aarch64-linux-gnu]\nrunner = [\"qemu-aarch64\", \"-L\", \"/usr/aarch64-linux-gnu\"]\n";

/// A C++ library, and a C program that uses it.
fn space() -> TestSpace {
    let space = TestSpace::new();
    space.write("Tender.toml", format!("[workspace]\nmembers = [\"app\", \"text\"]\n{RUNNER}"));
    space.write(
        "app/Tender.toml",
        "[package]\nname = \"app\"\n[dependencies]\ntext = { path = \"../text\" }\n",
    );
    space.write(
        "app/src/main.c",
        "#include <stdio.h>\n#include \"text.h\"\nint main(void) { puts(text()); return 0; }\n",
    );
    space.write("text/Tender.toml", "[package]\nname = \"text\"\n");
    space.write(
        "text/include/text.h",
        "#ifdef __cplusplus\nextern \"C\"\n#endif\nconst char *text(void);\n",
    );
    space.write(
        "text/src/text.cpp",
        "#include \"text.h\"\n#include <string>\n\
         #ifdef __aarch64__\n#define ON \"arm64\"\n#else\n#define ON \"other\"\n#endif\n\
         const char *text(void) {\n  static std::string text;\n  try { throw 7; }\n  \
         catch (int n) { text = std::string(ON) + \" \" + std::to_string(n + sizeof(void *)); }\n  \
         return text.c_str();\n}\n",
    );
    space
}

#[track_caller]
fn expect_printed(run: &Run, text: &str) {
    assert_eq!(run.stdout, text, "{run}");
}

/// The machine of an ELF file.
fn machine(file: &[u8]) -> u16 {
    assert_eq!(&file[..4], b"\x7fELF");
    u16::from_le_bytes([file[18], file[19]])
}

const EM_AARCH64: u16 = 183;

#[test]
fn target_has_programs_of_its_own() {
    if !has_arm64() {
        return;
    }
    let space = space();
    expect_printed(&space.tender(&["run", "-q"]).expect_ok(), "other 15\n");
    for mode in ["off", "thin-local", "thin", "fat"] {
        let config = format!("profile.dev.lto=\"{mode}\"");
        let args = ["run", "-q", "--target", ARM64, "--config", &config];
        expect_printed(&space.tender(&args).expect_ok(), "arm64 15\n");
    }
    let release = ["run", "-q", "--release", "--target", ARM64];
    expect_printed(&space.tender(&release).expect_ok(), "arm64 15\n");
    let program = space.read_bytes("target/aarch64-linux-gnu/debug/app");
    assert_eq!(machine(&program), EM_AARCH64);
    // Neither build has touched the other's outputs.
    space.expect_fresh(&[]);
    space.expect_fresh(&["--release", "--target", ARM64]);
    space.tender(&["clean", "--target", ARM64]).expect_ok();
    assert!(!space.exists("target/aarch64-linux-gnu"));
    space.expect_fresh(&[]);
}

#[test]
fn target_decides_conditions_and_probes() {
    if !has_arm64() {
        return;
    }
    let space = TestSpace::new();
    space.write(
        "Tender.toml",
        format!(
            "[package]\nname = \"app\"\n{RUNNER}\
             [target.'cfg(target_arch = \"aarch64\")']\ndefines = [\"ARM=1\"]\n\
             [target.'cfg(not(target_arch = \"aarch64\"))']\ndefines = [\"ARM=0\"]\n\
             [config]\nheader = \"config.h\"\n[config.probes]\n\
             IS_ARM = {{ compiles = \"#ifndef __aarch64__\\n#error\\n#endif\\n\" }}\n\
             HAVE_PUTS = {{ has-function = \"puts\" }}\nHAVE_NONE = {{ has-function = \"tender_none\" }}\n"
        ),
    );
    space.write(
        "src/main.c",
        "#include <stdio.h>\n#include \"config.h\"\n#ifndef IS_ARM\n#define IS_ARM 0\n#endif\n\
         #if !defined HAVE_PUTS || defined HAVE_NONE\n#error\n#endif\n\
         int main(void) { printf(\"%d %d\\n\", ARM, IS_ARM); return 0; }\n",
    );
    expect_printed(&space.tender(&["run", "-q"]).expect_ok(), "0 0\n");
    expect_printed(&space.tender(&["run", "-q", "--target", ARM64]).expect_ok(), "1 1\n");
}

/// The program of a build-dependency runs here, whatever the platform of the build.
#[test]
fn target_has_tools_of_the_machine_itself() {
    if !has_arm64() {
        return;
    }
    let space = TestSpace::new();
    space.write("Tender.toml", format!("[workspace]\nmembers = [\"app\", \"tool\"]\n{RUNNER}"));
    space.write(
        "app/Tender.toml",
        "[package]\nname = \"app\"\n[build-dependencies]\ntool = { path = \"../tool\" }\n\
         [[generate]]\nrun = [\"tool\", \"{output}\"]\noutputs = [\"$OUT_DIR/made.h\"]\n",
    );
    space.write(
        "app/src/main.c",
        "#include <stdio.h>\n#include \"made.h\"\nint main(void) { puts(MADE); return 0; }\n",
    );
    space.write(
        "tool/Tender.toml",
        "[package]\nname = \"tool\"\n[target.'cfg(target_arch = \"aarch64\")']\ndefines = [\"ARM\"]\n",
    );
    space.write(
        "tool/src/main.c",
        "#include <stdio.h>\n#if defined ARM != defined __aarch64__\n#error\n#endif\n\
         int main(int n, char **words) {\n  FILE *out = fopen(words[1], \"w\");\n  \
         fputs(\"#define MADE \\\"by the tool\\\"\\n\", out);\n  return fclose(out);\n}\n",
    );
    let run = ["run", "-q", "-p", "app", "--target", ARM64];
    expect_printed(&space.tender(&run).expect_ok(), "by the tool\n");
    let own = space.read_bytes("target/aarch64-linux-gnu/debug/.tender/host/bin/tool");
    assert_ne!(machine(&own), EM_AARCH64);
    space.expect_fresh(&["-p", "app", "--target", ARM64]);
}

#[test]
fn target_of_musl_gives_static_programs() {
    if !has_musl() {
        return;
    }
    let triple = format!("{}-linux-musl", std::env::consts::ARCH);
    let space = TestSpace::new();
    space.write(
        "Tender.toml",
        "[package]\nname = \"app\"\n[target.'cfg(target_env = \"musl\")']\ndefines = [\"MUSL\"]\n",
    );
    space.write(
        "src/main.c",
        "#include <features.h>\n#include <stdio.h>\n#include <stdlib.h>\n\
         #if defined MUSL == defined __GLIBC__\n#error\n#endif\n\
         int main(void) { char *text = malloc(9); snprintf(text, 9, \"%g\", 1.5); puts(text); return 0; }\n",
    );
    expect_printed(&space.tender(&["run", "-q"]).expect_ok(), "1.5\n");
    for profile in ["dev", "release"] {
        let run = ["run", "-q", "--profile", profile, "--target", &triple];
        expect_printed(&space.tender(&run).expect_ok(), "1.5\n");
    }
    let program = space.read_bytes(&format!("target/{triple}/debug/app"));
    let interpreter = b"ld-musl";
    assert!(!program.windows(interpreter.len()).any(|text| text == interpreter));
}

#[test]
fn compiler_of_another_library_is_refused_without_its_target() {
    let space = space();
    for (variable, value) in [("CC", "musl-gcc"), ("CXX", "ccache /opt/bin/x86_64-linux-musl-g++")]
    {
        let mut command = space.command(&["build"]);
        command.env(variable, value);
        let run = space.run(command).expect_code(2);
        run.expect_stderr(&[
            &format!("in {variable} links another C library"),
            "`tender build --target",
            "-linux-musl`",
        ]);
    }
    assert!(!space.exists("target"));
}

#[test]
fn target_that_cannot_be_built_for_is_refused() {
    let space = space();
    let check = |triple: &str, expect: &[&str]| {
        space.tender(&["build", "--target", triple]).expect_code(2).expect_stderr(expect);
    };
    check("arm64", &["`arm64` is no target triple", "`aarch64-linux-gnu`"]);
    check("x86_64-pc-windows-msvc", &["is no platform of Linux"]);
    check("sparc64-linux-gnu", &["no code generator", "AArch64"]);
    space.write(
        "Tender.toml",
        "[workspace]\nmembers = [\"app\", \"text\"]\n[target.riscv64-linux-gnu]\nlinker = \"no-such-gcc\"\n",
    );
    check("riscv64-linux-gnu", &["`no-such-gcc`", "is not found", "[target.riscv64-linux-gnu]"]);
    space.write(
        "Tender.toml",
        "[workspace]\nmembers = [\"app\", \"text\"]\n[target.riscv64-linux-gnu]\nsysroot = \"none\"\n",
    );
    check("riscv64-linux-gnu", &["the directory `none` does not exist", "Tender.toml:4"]);
}

/// Without a runner, a shell would read the program as a script.
#[test]
fn program_of_another_platform_needs_a_runner() {
    if std::path::Path::new("/proc/sys/fs/binfmt_misc/qemu-riscv64").exists() {
        return;
    }
    let space = space();
    let run = space.tender(&["run", "--target", "riscv64-linux-gnu"]).expect_code(2);
    run.expect_stderr(&["do not run here", "`[target.riscv64-linux-gnu] runner"]);
    assert!(!space.exists("target"));
}

/// A directory with headers, libraries and packages of the platform, made of Debian's, and one more of
/// each that is nowhere else.
#[test]
fn target_sysroot_has_headers_libraries_and_packages() {
    if !has_arm64() {
        return;
    }
    let space = TestSpace::new();
    let system = camino::Utf8Path::new("/usr/aarch64-linux-gnu");
    let link = |from: &camino::Utf8Path, to: &str| {
        let to = space.path(to);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(from, to).unwrap();
    };
    for part in ["include", "lib"] {
        for entry in system.join(part).read_dir_utf8().unwrap() {
            let entry = entry.unwrap();
            link(entry.path(), &format!("root/usr/{part}/{}", entry.file_name()));
        }
    }
    // The script in place of `libc.so` names its libraries by these paths.
    link(system, "root/usr/aarch64-linux-gnu");
    link(&system.join("lib"), "root/lib");
    space.write("root/usr/include/only.h", "#define ONLY \"in the root\"\n");
    space.write(
        "root/usr/lib/pkgconfig/only.pc",
        "Name: only\nDescription: x\nVersion: 1\nCflags: -DPACKAGE\n",
    );
    space.write(
        "Tender.toml",
        "[package]\nname = \"app\"\npkg-config = [\"only\"]\n[target.aarch64-linux-gnu]\nsysroot = \"root\"\n\
         runner = [\"qemu-aarch64\", \"-L\", \"/usr/aarch64-linux-gnu\"]\n",
    );
    space.write(
        "src/main.c",
        "#include <stdio.h>\n#include <only.h>\n#ifndef PACKAGE\n#error\n#endif\n\
         int main(void) { puts(ONLY); return 0; }\n",
    );
    expect_printed(&space.tender(&["run", "-q", "--target", ARM64]).expect_ok(), "in the root\n");
    space.tender(&["build"]).expect_code(2).expect_stderr(&["package `only`"]);
    space.edit("root/usr/include/only.h", "in the root", "in the root, again");
    let run = space.tender(&["run", "-q", "--target", ARM64]).expect_ok();
    expect_printed(&run, "in the root, again\n");
}
