//! An address that a program or clang itself may compare is the same in all pieces.

use super::program::{bulk, bulks, program, same};
use std::fmt::Write;

/// clang compares the vtable's address if the class is final, even if an anonymous namespace makes
/// the vtable `internal unnamed_addr`.
#[test]
fn cut_local_vtable_has_one_address() {
    let text = "#include <cstdio>\n\
        namespace { struct B { virtual ~B() {} virtual int f() { return 1; } };\n\
          struct D final : B { int x = 5; int f() override { return x; } }; }\n\
        __attribute__((noinline)) B *make0(int k) { return k ? (B *)new D : new B; }\n\
        __attribute__((noinline)) B *make1(int k) { return k > 1 ? (B *)new D : new B; }\n\
        __attribute__((noinline)) int test0(B *b) { auto d = dynamic_cast<D *>(b); return d ? d->x : -1; }\n\
        __attribute__((noinline)) int test1(B *b) { auto d = dynamic_cast<D *>(b); return d ? d->x * 2 : -2; }\n\
        int main() { for (int k = 0; k < 4; k++) printf(\"%d %d\\n\", test0(make0(k)), test1(make1(k))); }\n";
    for args in ["-O0", "-O1", "-O2", "-O3", "-Os", "-O2 -fPIC"] {
        let program = same(args, &[("a.cc", text)]);
        program.assert_apart(
            "a.cc",
            &["_Z5make1i", "_Z5test0PN12_GLOBAL__N_11BE", "_Z5test1PN12_GLOBAL__N_11BE"],
        );
    }
}

/// Four functions in different pieces return the address of each constant that `unnamed_addr` or
/// merging by the linker might duplicate. All must return the same address.
#[test]
fn cut_constant_has_one_address() {
    let kinds = [
        ("literal", "\"literal\""),
        ("embedded", "\"a\\0b\""),
        ("wide", "L\"wide\""),
        ("utf16", "u\"utf16\""),
        ("empty", "\"\""),
        ("eight", "\"1234567\""),
        (
            "long_literal",
            "\"a text that is longer than any register, and than two of them as well\"",
        ),
        ("table", "table"),
        ("text_table", "text_table"),
        ("fields", "&fields"),
        ("number", "&number"),
        ("single", "&single"),
        ("of_inline", "of_inline()"),
        ("function_name", "name_of()"),
        ("local_function", "(const void *)local_function"),
    ];
    let shared = "static const int table[] = {3, 1, 4, 1, 5};\n\
        static const char *const text_table[] = {\"one\", \"two\", \"three\"};\n\
        static const struct { int a; const char *b; } fields = {1, \"field\"};\n\
        static const int number = 5;\nstatic const double single = 2.5;\n\
        static inline const char *of_inline(void) { static const char text[] = \"inline\"; return text; }\n\
        static inline const char *name_of(void) { return __func__; }\n\
        static int local_function(int x) { return x + 1; }\n";
    let mut text = format!("#include <stdio.h>\n#include <wchar.h>\n{shared}");
    for piece in ["a", "b", "c", "d"] {
        text.push_str(&bulk(&format!("bulk_{piece}")));
        let _ = writeln!(
            text,
            "__attribute__((noinline)) const void *at_{piece}(int k) {{ switch (k) {{"
        );
        for (number, (_, expression)) in kinds.iter().enumerate() {
            let _ = writeln!(text, "case {number}: return {expression};");
        }
        let _ = writeln!(text, "}} return (void *)(long)bulk_{piece}(k); }}");
    }
    let names: Vec<String> = kinds.iter().map(|(name, _)| format!("\"{name}\"")).collect();
    let _ = writeln!(
        text,
        "static const char *const names[] = {{{}}};\nint main(void) {{ for (int k = 0; k < {}; k++)\n\
         printf(\"%s %d %d %d\\n\", names[k], at_a(k) == at_b(k), at_a(k) == at_c(k), at_a(k) == at_d(k)); return 0; }}",
        names.join(", "),
        kinds.len()
    );
    let cxx = text.replace("u\"utf16\"", "u\"utf16\" u\"\"");
    for args in [
        "-O0",
        "-O2",
        "-Os",
        "-O2 -fmerge-all-constants",
        "-O2 -fPIC -fdata-sections",
        "-O2 -fno-pie -mcmodel=large",
    ] {
        let c = text.replace("u\"utf16\"", "L\"another\"");
        let program = same(
            args,
            &[
                ("a.c", &c),
                (
                    "b.cc",
                    &cxx.replace("int main", "int other_main")
                        .replace("at_", "cxx_at_")
                        .replace("bulk_", "cxx_bulk_"),
                ),
            ],
        );
        program.assert_apart("a.c", &["at_a", "at_b", "at_c", "at_d"]);
        let lines = program.run(&program.dir.path().join("cut"), &[]);
        let lines = String::from_utf8_lossy(&lines.stdout).into_owned();
        assert!(
            lines.lines().count() == kinds.len()
                && lines.lines().all(|line| line.ends_with(" 1 1 1")),
            "{args}: {lines}"
        );
    }
}

/// Types of an anonymous namespace are compared by the address of their names or typeinfo.
#[test]
fn cut_local_type_has_one_identity() {
    let mut text = "#include <cstdio>\n#include <typeinfo>\n#include <exception>\n\
        namespace { struct Base { virtual ~Base() {} }; struct UnitResult : virtual Base { int l = 1; }; struct Right : virtual Base { int r = 2; };\n\
          struct Both final : UnitResult, Right { int b = 3; }; enum Colour { red, green }; template <class T> struct Of { T t; }; }\n"
        .to_owned();
    for piece in ["a", "b", "c", "d"] {
        text.push_str(&bulk(&format!("bulk_{piece}")));
        let _ = writeln!(
            text,
            "__attribute__((noinline)) const std::type_info &type_{piece}(int k) {{ switch (k) {{ case 0: return typeid(Both);\n\
             case 1: return typeid(Colour); case 2: return typeid(Of<Both *>); default: return typeid(Both **); }} }}\n\
             __attribute__((noinline)) Base *make_{piece}(int k) {{ return k ? (Base *)new Both : (Base *)new UnitResult; }}\n\
             __attribute__((noinline)) int ask_{piece}(Base *base) {{ auto both = dynamic_cast<Both *>(base); auto right = dynamic_cast<Right *>(base);\n\
               return (both ? both->b : -1) + (right ? right->r * 10 : -20) + (typeid(*base) == type_{piece}(0)) * 100; }}\n\
             __attribute__((noinline)) void throw_{piece}(int k) {{ if (k) throw Both(); throw Of<Colour>{{green}}; }}"
        );
    }
    text.push_str(
        "typedef const std::type_info &(*type)(int); typedef Base *(*make)(int); typedef int (*ask)(Base *); typedef void (*thrower)(int);\n\
         static type types[] = {type_a, type_b, type_c, type_d}; static make makes[] = {make_a, make_b, make_c, make_d};\n\
         static ask asks[] = {ask_a, ask_b, ask_c, ask_d}; static thrower throwers[] = {throw_a, throw_b, throw_c, throw_d};\n\
         __attribute__((noinline)) int caught_0(thrower f, int k) { try { f(k); } catch (const Base &) { return 1; } catch (const Of<Colour> &o) { return 2 + o.t; } return 0; }\n\
         int main() { for (auto t : types) for (int k = 0; k < 4; k++) std::printf(\"%d %d\\n\", t(k) == types[0](k), &t(k) == &types[0](k));\n\
           for (auto m : makes) for (auto a : asks) std::printf(\"%d %d\\n\", a(m(0)), a(m(1)));\n\
           for (auto f : throwers) std::printf(\"%d %d\\n\", caught_0(f, 0), caught_0(f, 1)); }\n",
    );
    for args in ["-O0", "-O2", "-O2 -fPIC -ffunction-sections -fdata-sections"] {
        let program = same(args, &[("a.cc", &text)]);
        program.assert_apart("a.cc", &["_Z6type_ai", "_Z6type_bi", "_Z6type_ci", "_Z6type_di"]);
    }
}

#[test]
fn cut_aliases_and_ifuncs() {
    let text = format!(
        "#include <stdio.h>\n{}\
         static int target(int x) {{ return x + 40 + bulk_a(1) * 0; }}\n\
         int strong(int) __attribute__((alias(\"target\")));\n\
         static int local(int) __attribute__((alias(\"target\")));\n\
         int feeble(int) __attribute__((weak, alias(\"target\")));\n\
         static int data[2] = {{1, 2}};\nextern int same_data[2] __attribute__((alias(\"data\")));\n\
         static int chosen(int x) {{ return x * 2 + bulk_b(1) * 0; }}\n\
         static int (*resolve(void))(int) {{ return chosen; }}\n\
         int indirect(int) __attribute__((ifunc(\"resolve\")));\n\
         __attribute__((noinline)) int one(int x) {{ return strong(x) + local(x) + indirect(x); }}\n\
         __attribute__((noinline)) int two(int x) {{ same_data[1] += x; return data[1] + feeble(x) + indirect(x); }}\n\
         int main(void) {{ printf(\"%d %d %d\\n\", one(1), two(2), bulk_c(3)); return 0; }}\n",
        bulks(&["bulk_a", "bulk_b", "bulk_c"])
    );
    same("-O2", &[("a.c", &text)]);
    same("-O0", &[("a.c", &text)]);
}

/// An alias is a second name of one address, and an ifunc has one address.
#[test]
fn cut_aliases_and_ifuncs_have_one_address() {
    let text = format!(
        "#include <stdio.h>\n#define N __attribute__((noinline))\n{}\
         static int impl(int x) {{ return x + 1; }}\n\
         int feeble(int) __attribute__((weak, alias(\"impl\")));\nint strong(int) __attribute__((alias(\"impl\")));\n\
         static int data = 5;\nextern int other_data __attribute__((alias(\"data\")));\n\
         static int chosen(int x) {{ return x + 2; }}\nstatic int (*resolve(void))(int) {{ return chosen; }}\n\
         int indirect(int) __attribute__((ifunc(\"resolve\")));\n\
         N int a(int x) {{ return feeble(x); }}\nN int b(int x) {{ return strong(x) + impl(x); }}\n\
         N int c(void) {{ return (void *)feeble == (void *)strong; }}\nN int d(void) {{ return (void *)strong == (void *)impl; }}\n\
         N int e(void) {{ other_data++; return data; }}\nN int f(void) {{ data += 2; return &data == &other_data; }}\n\
         N void *g(void) {{ return (void *)indirect; }}\nN void *h(void) {{ return (void *)indirect; }}\nN int i(int x) {{ return indirect(x); }}\n\
         int main(void) {{ printf(\"%d %d %d %d %d %d %d %d\\n\", a(1), b(2), c(), d(), e(), f(), g() == h(), i(3)); return 0; }}\n",
        bulks(&["one", "two", "three"])
    );
    for args in ["-O0", "-O2", "-O2 -fPIC -ffunction-sections"] {
        for pieces in [2, 5, 9] {
            let mut program = program(args, &[("a.c", &text)]);
            (program.limits.units, program.limits.least) = (pieces, pieces);
            program.same();
        }
    }
}
