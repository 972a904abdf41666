//! Order is kept: of constructors, and of objects in named sections.

use super::program::{SUFFIXES, bulks, program, same};
use std::path::Path;

#[test]
fn cut_static_initialisers_run_in_order() {
    same(
        "-O2",
        &[(
            "a.cc",
            "#include <cstdio>\n\
             struct Say { const char *name; Say(const char *name) : name(name) { std::printf(\"+%s\\n\", name); }\n\
               ~Say() { std::printf(\"-%s\\n\", name); } };\n\
             static Say first(\"first\");\n\
             template <class T> struct Holder { static Say say; };\n\
             template <class T> Say Holder<T>::say(\"template\");\n\
             static Say second(\"second\");\n\
             __attribute__((noinline)) int use() { return Holder<int>::say.name[0]; }\n\
             static int third = (std::printf(\"third\\n\"), use());\n\
             __attribute__((constructor(200))) static void early() { std::printf(\"early\\n\"); }\n\
             __attribute__((destructor)) static void late() { std::printf(\"late\\n\"); }\n\
             int main() { std::printf(\"main %d\\n\", third); return 0; }\n",
        )],
    );
}

#[test]
fn cut_constructor_is_linked_with_its_function() {
    let text = format!(
        "static int ready;\n{}__attribute__((constructor)) static void prepare(void) {{ ready = bulk_a(3) != 0; }}\n\
         __attribute__((noinline)) int is_ready(void) {{ return bulk_b(2) * 0 + ready; }}\n",
        bulks(&["bulk_a", "bulk_b", "bulk_c", "bulk_d"])
    );
    let program = program("-O2", &[("lib.c", &text)]);
    std::fs::write(
        program.path("main.c"),
        "int is_ready(void);\nint main(void) { return is_ready() != 1; }\n",
    )
    .unwrap();
    let (object, _) = program.joined("lib.c", SUFFIXES[0]);
    program.assert_apart("lib.c", &["prepare", "is_ready"]);
    program.tool("llvm-ar", &["rc", "lib.a", &object]);
    let built = program.link("main", &[program.whole("main.c"), program.path("lib.a")], &[]);
    assert_eq!(program.run(&built, &[]).status.code(), Some(0));
}

#[test]
fn cut_registries_in_sections_keep_their_order() {
    let text = format!(
        "#include <stdio.h>\nstruct entry {{ const char *name; int (*run)(int); }};\n{}\
         #define REGISTER(f) static const struct entry entry_##f \
         __attribute__((used, section(\"registry\"))) = {{#f, f}}\n\
         REGISTER(one);\nREGISTER(two);\nREGISTER(three);\nREGISTER(four);\nREGISTER(five);\n\
         extern const struct entry __start_registry[], __stop_registry[];\n\
         int main(void) {{ for (const struct entry *e = __start_registry; e < __stop_registry; ++e)\n\
         printf(\"%s %d\\n\", e->name, e->run(9)); return 0; }}\n",
        bulks(&["one", "two", "three", "four", "five"])
    );
    let program = same("-O2", &[("a.c", &text)]);
    let built = program.path("cut");
    let output = program.run(Path::new(&built), &[]);
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 5);
}

/// A section that functions and pragmas name is one section.
#[test]
fn cut_sections_of_functions_and_pragmas_keep_their_order() {
    let text = format!(
        "#include <stdio.h>\n{}\
         typedef int (*function)(int);\n\
         __attribute__((section(\"inits\"), used, noinline)) static int first(int x) {{ return one(x) + 1; }}\n\
         __attribute__((section(\"inits\"), used, noinline)) static int second(int x) {{ return two(x) + 2; }}\n\
         __attribute__((section(\"inits\"), used, noinline)) static int third(int x) {{ return three(x) + 3; }}\n\
         #pragma clang section data=\"registry\" rodata=\"readonly\" text=\"codes\"\n\
         function entry_one = one;\n\
         static const long fixed_one = 1;\n\
         __attribute__((noinline)) int code_one(int x) {{ return one(x) + (int)fixed_one; }}\n\
         #pragma clang section data=\"\" rodata=\"\" text=\"\"\n\
         int other = 4;\n\
         #pragma clang section data=\"registry\" rodata=\"readonly\" text=\"codes\"\n\
         function entry_two = two;\n\
         static const long fixed_two = 2;\n\
         __attribute__((noinline)) int code_two(int x) {{ return two(x) + (int)fixed_two; }}\n\
         function entry_three = three;\n\
         static const long fixed_three = 3;\n\
         __attribute__((noinline)) int code_three(int x) {{ return three(x) + (int)fixed_three; }}\n\
         #pragma clang section data=\"\" rodata=\"\" text=\"\"\n\
         const long *fixed(int n) {{ return n == 0 ? &fixed_one : n == 1 ? &fixed_two : &fixed_three; }}\n\
         extern function __start_registry[], __stop_registry[];\n\
         extern const long __start_readonly[], __stop_readonly[];\n\
         extern char __start_codes[], __stop_codes[];\n\
         extern char __start_inits[], __stop_inits[];\n\
         int main(void) {{ for (function *e = __start_registry; e < __stop_registry; ++e) printf(\"%d\\n\", (*e)(9));\n\
           for (const long *e = __start_readonly; e < __stop_readonly; ++e) printf(\"%ld %d\\n\", *e, e == fixed((int)*e - 1));\n\
           printf(\"%d %d\\n\", (char *)code_one < (char *)code_two, (char *)code_two < (char *)code_three);\n\
           printf(\"%d %d\\n\", (char *)first < (char *)second, (char *)second < (char *)third);\n\
           printf(\"%d %d\\n\", (char *)code_one == __start_codes, (char *)first == __start_inits);\n\
           return other - 4 + code_one(1) - code_one(1) + code_two(1) * 0 + code_three(1) * 0 + first(1) * 0; }}\n",
        bulks(&["one", "two", "three", "four", "five"])
    );
    for args in ["-O2 -fPIC", "-O0 -fPIC"] {
        let program = same(args, &[("a.c", &text)]);
        program.assert_apart("a.c", &["one", "two", "three", "four"]);
    }
}

/// The source adds entries to the linker's arrays of constructors by hand.
#[test]
fn cut_constructors_in_arrays_keep_their_order() {
    let text = format!(
        "#include <stdio.h>\n{}\
         static void by_hand_one(void) {{ printf(\"by hand one %d\\n\", one(3)); }}\n\
         static void by_hand_two(void) {{ printf(\"by hand two %d\\n\", two(3)); }}\n\
         __attribute__((used, section(\".init_array\"))) static void (*entry_one)(void) = by_hand_one;\n\
         __attribute__((constructor)) static void by_attribute(void) {{ printf(\"by attribute %d\\n\", three(3)); }}\n\
         __attribute__((constructor(150))) static void early(void) {{ printf(\"early %d\\n\", four(3)); }}\n\
         __attribute__((used, section(\".init_array\"))) static void (*entry_two)(void) = by_hand_two;\n\
         __attribute__((destructor)) static void late(void) {{ printf(\"late\\n\"); }}\n\
         int main(void) {{ return 0; }}\n",
        bulks(&["one", "two", "three", "four"])
    );
    same("-O2", &[("a.c", &text)]);
    same("-O0", &[("a.c", &text)]);
}
