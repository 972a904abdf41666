//! The files of a generated workspace, without manifests. They read each other in all the ways in
//! which compilers, assemblers, linkers and commands read files.
//!
//! Numbers of four digits are what edits change: [`renumbered`] changes one.

use super::edit::{Edit, Writing};
use super::prebuilt::Prebuilt;
use super::state::State;
use crate::random::Random;

/// The text of each source, by its path; `@C@` stands for the directory of crates, and each `0000`
/// for a number.
const TEXTS: &[(&str, &str)] = &[
    // A library in C and C++: headers that include headers, may be absent, or are links; data by
    // `#embed`.
    (
        "@C@/core/include/core.h",
        r#"#pragma once
#include "deep/deep.h"
#include "common.h"
#if __has_include("deep/option.h")
#include "deep/option.h"
#endif
#ifndef OPTION
#define OPTION 0
#endif
#define CORE_NUMBER 0000
#ifdef __cplusplus
extern "C" {
#endif
int core_value(int);
int core_table(int);
int core_part(int);
const char *core_stamp(int);
static inline int core_inline(int x) { return x * CORE_NUMBER + DEEP + OPTION + COMMON; }
#ifdef __cplusplus
}
#endif
"#,
    ),
    (
        "@C@/core/include/deep/deep.h",
        "#pragma once\n#include \"linked.h\"\n#define DEEP (0000 + LINKED)\n",
    ),
    ("@C@/core/include/common.h", "#define COMMON 0000\n"),
    ("@C@/core/alt/linked-a.h", "#define LINKED 0000\n"),
    ("@C@/core/alt/linked-b.h", "#define LINKED 0000\n"),
    ("@C@/core/alt/one/directory.h", "#define DIRECTORY 0000\n"),
    ("@C@/core/alt/two/directory.h", "#define DIRECTORY 0000\n"),
    // Include directories must exist.
    ("@C@/core/private/first/first.h", "#define FIRST 0000\n"),
    ("@C@/core/private/second/knob.h", "#define KNOB 0000\n"),
    ("@C@/core/private/third/knob.h", "#define KNOB 0000\n"),
    ("@C@/core/forced.h", "#define FORCED 0000\n"),
    ("@C@/core/core.cfg", "-DCONFIGURED=0000\n"),
    ("@C@/core/embed/second/table.txt", "0000 is embedded\n"),
    (
        "@C@/core/src/core.c",
        r#"#include "core.h"
#include "knob.h"
#include "directory.h"
#if __has_include(<envknob.h>)
#include <envknob.h>
#else
#define ENVKNOB 0
#endif
int core_value(int x) {
    for (int i = 0; i < x; i++) x = x * 0000 ^ core_inline(i + KNOB);
    return x + ENVKNOB + LEVEL + DIRECTORY + FORCED + CONFIGURED + PROFILE_LEVEL + PACKAGE_LEVEL + INNER_LEVEL;
}
int core_file(void) { return __LINE__ + sizeof __FILE__; }
"#,
    ),
    (
        "@C@/core/src/table.c",
        r#"#include "core.h"
static const unsigned char table[] = {
#embed <table.txt>
};
int core_table(int x) { return table[x % sizeof table] + 0000; }
"#,
    ),
    (
        "@C@/core/src/stamp.c",
        r#"#include "core.h"
const char *core_stamp(int x) {
    static const char when[] = __TIMESTAMP__, day[] = __DATE__, time[] = __TIME__;
    return x > 0000 ? when : x > 2 ? day : time;
}
"#,
    ),
    (
        "@C@/core/src/part.cpp",
        r#"#include "core.h"
#include "knob.h"
#if __has_include(<envknob.h>)
#include <envknob.h>
#else
#define ENVKNOB 0
#endif
namespace {
struct Base { virtual ~Base() {} virtual int f(int x) { return x + 0000; } };
struct Derived final : Base { int f(int x) override { return x * KNOB + ENVKNOB; } };
}
template <int N> int folded(int x) { if constexpr (N == 0) return x; else return folded<N - 1>(x * 0000 + N); }
static int start = core_inline(0000);
extern "C" int core_part(int x) {
    Derived derived;
    Base *base = x > 2 ? &derived : new Base;
    return base->f(x) + folded<3>(x) + start;
}
"#,
    ),
    ("@C@/core/src/weak.c", "int core_weak(int x) { return x ^ 0000; }\n"),
    // A library of assembly, LLVM IR and C with assembly in it.
    (
        "@C@/low/include/low.h",
        "#pragma once\n#include \"common.h\"\n#define LOW_NUMBER (COMMON + 0000)\nint low_asm(void);\nint low_inline(int);\nint low_ir(int);\nint low_bits(int);\n",
    ),
    ("@C@/low/include/common.h", "#define COMMON 0000\n"),
    ("@C@/low/inc/first/first.inc", "    .set FIRST, 0000\n"),
    ("@C@/low/inc/second/low_abi.h", "#define LOW_ABI 0000\n"),
    ("@C@/low/inc/second/more.inc", "    .set MORE, 0000\n    .include \"deeper.inc\"\n"),
    ("@C@/low/inc/second/deeper.inc", "    .set DEEPER, 0000\n"),
    ("@C@/low/inc/second/blob.txt", "0000 is a blob\n"),
    ("data/plain.txt", "0000 is plain\n"),
    ("data/inline.txt", "0000 is inline\n"),
    ("data/within.txt", "0000 is within\n"),
    (
        "@C@/low/src/a.S",
        r#"#include "low_abi.h"
    .include "more.inc"
    .section .rodata
    .globl low_blob
low_blob:
    .incbin "blob.txt"
    .byte 0
    .text
    .globl low_asm
low_asm:
    movl $(LOW_ABI + MORE + DEEPER), %eax
    ret
    .section .note.GNU-stack,"",@progbits
"#,
    ),
    (
        "@C@/low/src/b.s",
        r#"    .section .rodata
    .globl low_plain
low_plain:
    .long 0000
    .incbin "data/plain.txt"
    .section .note.GNU-stack,"",@progbits
"#,
    ),
    (
        "@C@/low/src/inline.c",
        r#"#include "low.h"
#include "low_abi.h"
#define TEXT "data/inline.txt"
__asm__(".pushsection .rodata\n.globl low_text\nlow_text:\n.incbin \"" TEXT "\"\n.byte 0\n.popsection\n");
extern const char low_text[];
int low_inline(int x) {
    const char *found;
    __asm__(".pushsection .rodata\n771: .incbin \"data/within.txt\"\n.popsection\n leaq 771b(%%rip), %0" : "=r"(found));
    return found[0] + low_text[0] + x + LEVEL + LOW_ABI;
}
"#,
    ),
    (
        "@C@/low/src/ir.ll",
        r#"target triple = "x86_64-pc-linux-gnu"
@low_ir_mark = constant i32 0000
define i32 @low_ir(i32 %x) {
  %y = add i32 %x, 0000
  ret i32 %y
}
"#,
    ),
    // Generated sources, by a shell script and by a program that PATH finds.
    (
        "@C@/made/make.sh",
        r#"set -e
number=0000
total=0
for file in in/*.txt; do
    read -r value < "$file"
    total=$((total + value))
done
printf '#define MADE %s\n#define MADE_TOTAL %s\nint made_value(int);\n' "$number" "$total" > "$OUT_DIR/made.h"
printf 'int made_from_list(int x) { return x * %s + %s; }\n' "$total" "$1" > "$OUT_DIR/made_list.c"
"#,
    ),
    ("@C@/made/in/a.txt", "0000\n"),
    ("@C@/made/in/b.txt", "0000\n"),
    ("@C@/made/tree.txt", "0000\n"),
    (
        "@C@/made/src/made.c",
        "#include \"made.h\"\nint made_value(int x) { return x * MADE + MADE_TOTAL + LEVEL + 0000; }\n",
    ),
    (
        "tools/second/made-tool",
        "#!/bin/sh\nread -r value < tree.txt\nprintf 'int made_in_tree(int x) { return x + %s + 0000; }\\n' \"$value\" > src/made_tree.c\n",
    ),
    // A shared library with a version script.
    ("@C@/wrap/wrap.map", "VERSION_0000 { global: wrap_one; local: *; };\n"),
    (
        "@C@/wrap/src/wrap.c",
        "#include \"core.h\"\nint wrap_one(int x) { return core_inline(x) + core_value(x) + 0000; }\nint wrap_two(int x) { return x + LEVEL; }\n",
    ),
    // Objects and archives as sources.
    (
        "@C@/pre/src/pre.c",
        "const char *pre_one_value(void);\nconst char *pre_all(void) { return pre_one_value() + LEVEL + 0000; }\n",
    ),
    // Programs, whose links read files in all ways.
    (
        "@C@/app/src/main.c",
        r#"#include "core.h"
#include "low.h"
#include "made.h"
const char *pick_value(void), *env_value(void), *sym_value(void), *script_value(void), *thin_a_value(void);
const char *pre_all(void), *pre_pair_b_value(void), *pre_thin_a_value(void), *dir_value(void);
int wrap_one(int), made_from_list(int), made_in_tree(int);
__attribute__((weak)) int core_weak(int);
int main(void) {
    const char *texts[] = {pick_value(), env_value(), sym_value(), script_value(), thin_a_value(), pre_all(),
                           pre_pair_b_value(), pre_thin_a_value(), dir_value(), core_stamp(0000)};
    int sum = core_value(1) + core_table(2) + core_part(3) + low_asm() + low_inline(4) + low_ir(5) + low_bits(6);
    sum += made_value(6) + made_from_list(7) + made_in_tree(8) + wrap_one(9) + (core_weak ? core_weak(sum) : 0);
    for (unsigned i = 0; i < sizeof texts / sizeof *texts; i++) sum += *texts[i];
    return (sum + LOW_NUMBER + CORE_PUBLIC + LEVEL) & 0x7f;
}
"#,
    ),
    (
        "@C@/app/src/bin/small.c",
        "#include <stdio.h>\n#include \"core.h\"\nint main(void) { return printf(\"%d\\n\", core_value(0000)) < 0; }\n",
    ),
    ("@C@/app/driver.rsp", "-Wl,--defsym=driver_mark=0000\n-Wl,@libs/inner.rsp\n"),
    ("@C@/app/lld.rsp", "--defsym=lld_mark=0000\n"),
    ("libs/inner.rsp", "--defsym=inner_mark=0000\n"),
    ("libs/script/extra.ld", "extra_mark = 0000;\n"),
    ("libs/script/insert.ld", "SECTIONS { .tender_mark : { LONG(0000) } } INSERT AFTER .data;\n"),
    ("libs/script/libscript.so", "/* GNU ld script */\nINPUT(libs/script/inner.ld)\n"),
    ("libs/script/inner.ld", "inner_script_mark = 0000;\nINPUT(libs/script/script.o)\n"),
    // Files that are found only through environment variables.
    ("env/one/envknob.h", "#define ENVKNOB 0000\n"),
    ("env/two/envknob.h", "#define ENVKNOB 0000\n"),
    (
        "env/packages/edits.pc",
        "Name: edits\nDescription: numbers\nVersion: 1\nRequires: inner\nCflags: -DPACKAGE_LEVEL=0000\nLibs: -Wl,--defsym=package_mark=0000\n",
    ),
    (
        "env/packages/inner.pc",
        "Name: inner\nDescription: numbers\nVersion: 1\nCflags: -DINNER_LEVEL=0000\n",
    ),
    ("tools/second/link-tool", "#!/bin/sh\nexec c++ \"$@\" -Wl,--defsym=tool_mark=0000\n"),
];

/// Symbolic links and their targets.
const LINKS: &[(&str, &str)] = &[
    ("@C@/core/include/deep/linked.h", "../../alt/linked-a.h"),
    ("@C@/core/private/turned", "../alt/one"),
    ("libs/second/libsym.a", "../kept/libsym.1.a"),
    ("libs/turned", "kept/one"),
];

/// The paths of the files of [`Prebuilt`].
pub(super) const BINARIES: &[(&str, &str)] = &[
    ("libs/second/libpick.a", "libpick.a"),
    ("libs/third/libpick.a", "libpick.a"),
    ("libs/kept/libsym.1.a", "libsym.a"),
    ("libs/kept/libsym.2.a", "libsym.a"),
    ("libs/kept/one/libdir.a", "libdir.a"),
    ("libs/kept/two/libdir.a", "libdir.a"),
    ("libs/script/script.o", "script.o"),
    ("libs/thin/libthin.a", "libthin.a"),
    ("libs/thin/thin_a.o", "thin_a.o"),
    ("libs/thin/thin_b.o", "thin_b.o"),
    ("env/two/libenv.a", "libenv.a"),
    ("@C@/low/src/bits.bc", "bits.bc"),
    ("@C@/pre/objects/one.o", "pre_one.o"),
    ("@C@/pre/objects/libpre_pair.a", "libpre_pair.a"),
    ("@C@/pre/objects/libpre_thin.a", "libpre_thin.a"),
    ("@C@/pre/objects/pre_thin_a.o", "pre_thin_a.o"),
    ("@C@/pre/objects/pre_thin_b.o", "pre_thin_b.o"),
];

/// Makes all files.
pub(super) fn write(state: &mut State, random: &mut Random, prebuilt: &Prebuilt) {
    let mut write = |path: &str, content: Vec<u8>| {
        let edit = Edit::write(&path.replace("@C@", "crates"), content, Writing::Recreated);
        assert!(state.apply(&edit), "{edit}");
    };
    for (path, text) in TEXTS {
        let mut parts = text.split("0000");
        let mut filled = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            filled += &format!("{}{part}", number(random));
        }
        write(path, filled.into_bytes());
    }
    for (path, name) in BINARIES {
        let content = prebuilt.get(name);
        write(path, renumbered(&content, random).unwrap_or(content));
    }
    for (path, target) in LINKS {
        let edit =
            Edit::Symlink { path: path.replace("@C@", "crates"), target: (*target).to_owned() };
        assert!(state.apply(&edit), "{edit}");
    }
    for tool in ["tools/second/link-tool", "tools/second/made-tool"] {
        state.apply(&Edit::SetMode { path: tool.to_owned(), mode: 0o755 });
    }
}

pub(super) fn number(random: &mut Random) -> u64 {
    1000 + random.below(9000)
}

/// The content with another number of the same length: in text any number of four digits, else one
/// after `mark=`. `None` if there is none.
pub(super) fn renumbered(content: &[u8], random: &mut Random) -> Option<Vec<u8>> {
    let is_text = std::str::from_utf8(content).is_ok();
    let is_there = |at: usize| {
        let digits = &content[at..at + 4];
        let follows = content.get(at + 4).is_none_or(|next| !next.is_ascii_alphanumeric());
        let before = &content[..at];
        let stands_alone = match is_text {
            true => before.last().is_none_or(|last| !last.is_ascii_alphanumeric()),
            false => before.ends_with(b"mark="),
        };
        digits[0] != b'0' && digits.iter().all(u8::is_ascii_digit) && follows && stands_alone
    };
    let places: Vec<usize> =
        (0..content.len().saturating_sub(3)).filter(|at| is_there(*at)).collect();
    if places.is_empty() {
        return None;
    }
    let at = random.one_of(&places);
    let mut changed = content.to_vec();
    while changed == content {
        changed[at..at + 4].copy_from_slice(number(random).to_string().as_bytes());
    }
    Some(changed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_changed_where_they_stand_alone() {
        let mut random = Random::new(1);
        let mut check = |content: &[u8], expect: usize| {
            let mut seen = std::collections::BTreeSet::new();
            for _ in 0..50 {
                let Some(changed) = renumbered(content, &mut random) else { continue };
                assert_eq!(changed.len(), content.len());
                let differs = changed.iter().zip(content).position(|(a, b)| a != b).unwrap();
                seen.insert(differs / 10);
            }
            assert_eq!(seen.len(), expect, "{}", content.escape_ascii());
        };
        check(b"V_1234 {  x = 2345;  y = 01234; a1234 12345", 2);
        check(b"nothing 123 0123", 0);
        check(b"\xff 1234 mark=2345\0", 1);
        check(b"\xff 1234 mark=23456", 0);
    }
}
