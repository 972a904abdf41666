//! Language features in cut programs: the program behaves as the uncut one.

use super::program::{SUFFIXES, bulks, program, same};
use std::path::Path;

#[test]
fn cut_two_files_with_the_same_statics() {
    let text = |name: &str| {
        format!(
            "#include <stdio.h>\nstatic int counter;\n\
             __attribute__((noinline)) static int helper(int x) {{ return ++counter + x; }}\n\
             __attribute__((noinline)) int {name}_one(int x) {{ printf(\"{name} one %d\\n\", x); return helper(x); }}\n\
             __attribute__((noinline)) int {name}_two(int x) {{ printf(\"{name} two %d\\n\", x); return helper(x); }}\n\
             int {name}_count(void) {{ return counter; }}\n"
        )
    };
    let main = "int a_one(int), a_two(int), b_one(int), b_two(int), a_count(void), b_count(void);\n\
                int main(void) { return a_one(1) + a_two(2) + b_one(3) + b_two(4) != 16 || a_count() != 2 || b_count() != 2; }\n";
    let program = program("-O2", &[("a.c", &text("a")), ("b.c", &text("b"))]);
    std::fs::write(program.path("main.c"), main).unwrap();
    let objects = [program.joined("a.c", SUFFIXES[0]), program.joined("b.c", SUFFIXES[1])];
    assert!(objects.iter().all(|(_, pieces)| *pieces > 1));
    let [(a, _), (b, _)] = objects;
    let built = program.link("cut", &[program.whole("main.c"), a, b], &[]);
    let output = program.run(&built, &[]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn cut_string_constants_tables_and_recursion() {
    same(
        "-O2",
        &[(
            "a.c",
            "#include <stdio.h>\n#include <string.h>\n\
             static const int table[] = {3, 1, 4, 1, 5, 9, 2, 6};\n\
             static const char *const words[] = {\"zero\", \"one\", \"two\", \"three\"};\n\
             static int odd(int n);\n\
             __attribute__((noinline)) static int even(int n) { return n == 0 ? table[0] : odd(n - 1); }\n\
             __attribute__((noinline)) static int odd(int n) { return n == 0 ? table[1] : even(n - 1); }\n\
             __attribute__((noinline)) void say(int i) { printf(\"%s %s\\n\", words[i], \"same text\"); }\n\
             __attribute__((noinline)) void cry(int i) { printf(\"%s! %s\\n\", words[i], \"same text\"); }\n\
             __attribute__((noinline)) int sum(void) { int s = 0; for (int i = 0; i < 8; ++i) s += table[i]; return s; }\n\
             int main(void) { say(1); cry(2); printf(\"%d %d %d\\n\", even(10), odd(10), sum()); return 0; }\n",
        )],
    );
}

#[test]
fn cut_comdats_inline_functions_and_templates() {
    let header = "#pragma once\n#include <string>\n#include <vector>\n\
        struct Shape { virtual ~Shape() {} virtual int area() const { return 1; } virtual const char *name() const = 0; };\n\
        inline int next() { static int count = 100; return ++count; }\n\
        inline std::string &shared() { static std::string text = \"start\"; return text; }\n\
        template <class T> T twice(T x) { static int calls; ++calls; return x + x + (calls > 1000 ? T() : T()); }\n\
        template <class T> struct Counted { static int live; Counted() { ++live; } ~Counted() { --live; } };\n\
        template <class T> int Counted<T>::live = 0;\n\
        int other(Shape &shape);\n";
    let a = format!(
        "#include \"h.h\"\n#include <cstdio>\n{}\
         struct Square : Shape {{ int side; Square(int s) : side(s) {{}} int area() const override {{ return side * side + bulk_a(2) * 0; }}\n\
           const char *name() const override {{ return \"square\"; }} }};\n\
         __attribute__((noinline)) int f(int x) {{ shared() += \"f\"; return twice(x) + next(); }}\n\
         __attribute__((noinline)) int g(int x) {{ shared() += \"g\"; std::vector<int> v(x, 3); return twice((int)v.size()) + next(); }}\n\
         int main() {{ Square s(5); Counted<int> c; int r = f(1) + g(2) + other(s);\n\
           std::printf(\"%d %s %d %zu\\n\", r, shared().c_str(), Counted<int>::live, twice(std::string(\"ab\")).size()); return 0; }}\n",
        bulks(&["bulk_a", "bulk_b"])
    );
    let b = format!(
        "#include \"h.h\"\n#include <cstdio>\n{}\
         __attribute__((noinline)) int h(int x) {{ shared() += \"h\"; Counted<int> c; return twice(x) * Counted<int>::live; }}\n\
         int other(Shape &shape) {{ shared() += \"o\"; std::printf(\"%s %d\\n\", shape.name(), shape.area());\n\
           Shape *dynamic = &shape; return h(next()) + dynamic->area() + bulk_c(1) + bulk_d(2); }}\n",
        bulks(&["bulk_c", "bulk_d"])
    );
    for args in ["-O2", "-O0", "-O2 -fPIC -ffunction-sections -fdata-sections"] {
        same(args, &[("h.h", header), ("a.cc", &a), ("b.cc", &b)]);
    }
}

#[test]
fn cut_computed_goto_setjmp_and_varargs() {
    let text = format!(
        "#include <setjmp.h>\n#include <stdarg.h>\n#include <stdio.h>\n{}\
         __attribute__((noinline)) int interpret(const unsigned char *code) {{\n\
           static const void *const labels[] = {{&&stop, &&add, &&twice}};\n\
           int value = 1;\n goto *labels[*code++];\n add: value += 5; goto *labels[*code++];\n\
           twice: value *= 2; goto *labels[*code++];\n stop: return value; }}\n\
         static jmp_buf where;\n\
         __attribute__((noinline)) static void thrower(int x) {{ if (x > 1) longjmp(where, x); }}\n\
         __attribute__((noinline)) int catcher(int x) {{ volatile int seen = 0; int code = setjmp(where);\n\
           if (code) return code + seen; seen = 10; thrower(x); return -1; }}\n\
         __attribute__((noinline)) static int sum(int n, ...) {{ va_list list; va_start(list, n); int s = 0;\n\
           while (n--) s += va_arg(list, int); va_end(list); return s; }}\n\
         __attribute__((noinline)) int caller(int x) {{ return sum(3, x, 2, 3) + sum(1, x); }}\n\
         int main(void) {{ const unsigned char code[] = {{1, 2, 2, 1, 0}};\n\
           printf(\"%d %d %d %d\\n\", interpret(code), catcher(7), catcher(0), caller(4)); return bulk_a(1) == 99999; }}\n",
        bulks(&["bulk_a", "bulk_b"])
    );
    same("-O2", &[("a.c", &text)]);
    same("-O0", &[("a.c", &text)]);
}

#[test]
fn cut_thread_locals_are_one_per_thread() {
    let text = format!(
        "#include <cstdio>\n#include <thread>\n#include <string>\n{}\
         static thread_local int plain = 5;\nthread_local std::string text = \"new\";\n\
         __attribute__((noinline)) int one(int x) {{ plain += x; text += 'a'; return plain; }}\n\
         __attribute__((noinline)) int two(int x) {{ plain *= x; text += 'b'; return plain; }}\n\
         int main() {{ one(1); two(2); std::thread([] {{ one(3); std::printf(\"%d %s\\n\", two(4), text.c_str()); }}).join();\n\
           std::printf(\"%d %s\\n\", plain, text.c_str()); return bulk_a(1) == 99999; }}\n",
        bulks(&["bulk_a", "bulk_b"])
    );
    same("-O2 -fPIC", &[("a.cc", &text)]);
}

#[test]
fn cut_weak_and_common_symbols_and_visibility() {
    let a = format!(
        "#include <stdio.h>\n{}\
         int common_value;\n__attribute__((weak)) int feeble(void) {{ return 1; }}\n\
         __attribute__((weak)) int own(void) {{ return 10; }}\n\
         __attribute__((weak)) extern int absent(void);\n\
         __attribute__((visibility(\"hidden\"))) int concealed(int x) {{ return x + 1; }}\n\
         __attribute__((visibility(\"protected\"))) int guarded(int x) {{ return x + 2; }}\n\
         __attribute__((noinline)) int one(int x) {{ common_value += x; return feeble() + own() + concealed(x); }}\n\
         __attribute__((noinline)) int two(int x) {{ return common_value + feeble() + guarded(x) + (absent ? 1000 : 0); }}\n\
         int main(void) {{ int sum = one(3); printf(\"%d %d\\n\", sum, two(4)); return bulk_a(1) == 99999; }}\n",
        bulks(&["bulk_a", "bulk_b"])
    );
    let b = format!(
        "{}int common_value;\nint feeble(void) {{ return 2; }}\n",
        bulks(&["ub", "uc", "ud"])
    );
    same("-O2 -fcommon -fPIC", &[("a.c", &a), ("b.c", &b)]);
}

#[test]
fn cut_exceptions_across_pieces() {
    let text = format!(
        "#include <cstdio>\n#include <stdexcept>\n#include <string>\n{}\
         namespace {{ struct Mine : std::runtime_error {{ using std::runtime_error::runtime_error; int code = 4; }}; \n\
         struct Guard {{ const char *name; ~Guard() {{ std::printf(\"~%s\\n\", name); }} }}; }}\n\
         __attribute__((noinline)) static void thrower(int x) {{ Guard g{{\"thrower\"}}; if (x) throw Mine(\"mine\"); throw 5; }}\n\
         __attribute__((noinline)) int middle(int x) {{ Guard g{{\"middle\"}}; thrower(x); return 0; }}\n\
         __attribute__((noinline)) int outer(int x) {{ try {{ middle(x); }} catch (const Mine &e) {{ std::printf(\"%s %d\\n\", e.what(), e.code); return 1; }}\n\
           catch (int i) {{ return i; }} return 9; }}\n\
         int main() {{ int a = outer(1), b = outer(0); std::printf(\"%d %d\\n\", a, b); return bulk_a(1) == 99999; }}\n",
        bulks(&["bulk_a", "bulk_b"])
    );
    same("-O2", &[("a.cc", &text)]);
    same("-O0", &[("a.cc", &text)]);
}

#[test]
fn cut_sanitizers_see_the_whole_program() {
    let text = format!(
        "#include <limits.h>\n#include <pthread.h>\n#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n{}\
         static int shared, numbers[4] = {{1, 2, 3, 4}};\n\
         __attribute__((noinline)) static int read_at(int i) {{ return numbers[i]; }}\n\
         __attribute__((noinline)) int overflow(int i) {{ return read_at(i) + bulk_a(1); }}\n\
         __attribute__((noinline)) int signed_add(int x) {{ return x + 1; }}\n\
         static void *increment(void *p) {{ for (int i = 0; i < 1000; ++i) ++shared; return p; }}\n\
         __attribute__((noinline)) int race(void) {{ pthread_t a, b; pthread_create(&a, 0, increment, 0);\n\
           pthread_create(&b, 0, increment, 0); pthread_join(a, 0); pthread_join(b, 0); return shared != 0; }}\n\
         int main(int argc, char **argv) {{ if (argc == 1) {{ printf(\"clean %d %d\\n\", read_at(2), signed_add(3)); return 0; }}\n\
           if (!strcmp(argv[1], \"address\")) return overflow(atoi(argv[2])) == 12345;\n\
           if (!strcmp(argv[1], \"undefined\")) return signed_add(INT_MAX - 4 + atoi(argv[2])) == 5;\n\
           return race() == 5; }}\n",
        bulks(&["bulk_a", "bulk_b", "bulk_c"])
    );
    for (kind, word) in [
        ("address", "global-buffer-overflow"),
        ("undefined", "signed integer overflow"),
        ("thread", "data race"),
    ] {
        let program = program(&format!("-O1 -g -fPIC -fsanitize={kind}"), &[("a.c", &text)]);
        let (object, pieces) = program.joined("a.c", SUFFIXES[0]);
        assert!(pieces > 1);
        // The runtime of either compiler works, and GCC's is present with a C++ compiler.
        let built = program.path("san");
        let words = [&object, "-o", &built, &format!("-fsanitize={kind}"), "-pthread"];
        let linked = program.run(Path::new("g++"), &words);
        assert!(linked.status.success(), "{}", String::from_utf8_lossy(&linked.stderr));
        let clean = program.run(Path::new(&built), &[]);
        assert_eq!(String::from_utf8_lossy(&clean.stdout), "clean 3 4\n");
        assert_eq!(clean.status.code(), Some(0), "{}", String::from_utf8_lossy(&clean.stderr));
        let caught = program.run(Path::new(&built), &[kind, "4"]);
        let text = String::from_utf8_lossy(&caught.stderr).into_owned();
        assert!(text.contains(word), "{kind}: {text}");
    }
}
