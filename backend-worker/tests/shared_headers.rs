//! A unit that uses shared headers has the object, and depends on the files, that it has alone.

use std::sync::Mutex;
use tender_protocol::{Diagnostic, Language, Lto, PhaseName};
use tender_worker::frontend::{
    Alone, BeginOptions, BegunUnit, Code, Dependencies, HashCache, Observer, Offered, Unit,
    UnitScan,
};
use tender_worker::llvm::{self, SharedHeaders};
use tender_worker::sharing::{Group, Unfit};

const COMMON: &str = r#"
#pragma once
#include <map>
#include <string>
#include <vector>
namespace base {
class Table;
struct Counter { Counter(); ~Counter(); static int count; };
static Counter at_start;
struct Shape {
    virtual ~Shape();
    virtual double area() const { return size * factor; }
    static constexpr double factor = 1.5;
    double size = 2;
};
template <typename T> class List;
template <typename T> struct Box { T value; List<T> *list; T twice() const { return value + value; } };
template <typename U> class List { public: std::vector<U> all; U first() const { return all.at(0); } };
template <typename T> T largest(const T &, const T &);
template <typename Number> Number largest(const Number &one, const Number &two) { return one < two ? two : one; }
inline unsigned swapped(unsigned number) { __asm__("bswap %0" : "+r"(number)); return number; }
inline std::string text(int number) { static int calls; return std::to_string(number + calls++); }
using std::string;
}
"#;

const OTHER: &str = r#"
#pragma once
#include "common.h"
#include <functional>
namespace base {
class Table { public: std::map<string, Box<int>> entries; int find(const string &) const; };
inline int Table::find(const string &name) const { auto at = entries.find(name); return at == entries.end() ? -1 : at->second.twice(); }
extern template class List<long>;
}
"#;

const UNITS: [&str; 4] = [
    EXPLICIT,
    r#"#include "other.h"
       #include <algorithm>
       double Twice(const base::Shape &shape) { auto run = [&] { return shape.area() * 2; }; return run(); }
       unsigned other() { return base::swapped(7); }
       int sorted(std::vector<int> v) { std::sort(v.begin(), v.end()); return base::largest(v[0], base::List<int>{v}.first()); }
       static base::Counter mine;"#,
    r#"#include <functional>
       #include <set>
       #include "own.h"
       base::Shape::~Shape() {}
       namespace { struct Square : Own { double area() const override { return size * size; } } square; }
       double area() { return square.area() + base::Box<double>{3, nullptr}.twice(); }"#,
    r#"#include "common.h"
       #include "other.h"
       #include <cassert>
       int look(const base::Table &table) { assert(!table.entries.empty()); return table.find(base::text(__LINE__) + __FILE__); }
       std::function<int()> later(int n) { return [n] { return base::largest(n, 7); }; }"#,
];

/// Instantiates templates in another order than that in which they stand.
const EXPLICIT: &str = r#"
#include "common.h"
#include "other.h"
#include "own.h"
#include "one.h"
#include "two.h"
namespace { base::Counter before; }
template class Two<int>;
template struct One<long>;
template int Two<long>::tally;
int between() { return Two<int>::tally; }
template struct One<int>;
template int doubled(int);
"#;

const OWN: &str = r#"
#pragma once
#include "other.h"
#include <memory>
struct Own : base::Shape { std::unique_ptr<base::Table> table; using Many = std::map<int, base::List<Own *>>; };
"#;

/// Files in a directory, as a source tree has them. Paths are absolute.
struct Tree {
    dir: tempfile::TempDir,
    args: Vec<String>,
}

#[derive(Default)]
struct Seen {
    diagnostics: Mutex<Vec<(String, u32)>>,
}

impl Observer for Seen {
    fn diagnostic(&self, diagnostic: Diagnostic) {
        self.diagnostics.lock().unwrap().push((diagnostic.message, diagnostic.line));
    }
    fn enter(&self, _: PhaseName) {}
    fn live_modules(&self, _: i32) {}
}

struct Compiled {
    code: Vec<u8>,
    dependencies: Dependencies,
    diagnostics: Vec<String>,
    /// Of the diagnostics.
    lines: Vec<u32>,
    alone: Option<Alone>,
}

impl Tree {
    fn new(flags: &[&str]) -> Tree {
        llvm::initialise(|text| panic!("LLVM: {text}"));
        let dir = tempfile::tempdir().unwrap();
        let mut args = vec!["-std=c++17".to_owned(), format!("-I{}", dir.path().display())];
        args.extend(flags.iter().map(|flag| (*flag).to_owned()));
        let tree = Tree { dir, args };
        for (name, text) in [
            ("common.h", COMMON),
            ("other.h", OTHER),
            ("own.h", OWN),
            (
                "one.h",
                "template <typename T> T doubled(T n) { return n + n; }\ntemplate <typename T> struct One { T all() { return doubled(T(3)); } };\n",
            ),
            (
                "two.h",
                "template <typename T> class Two { public: static int tally; T one() { return One<T>{}.all(); } };\ntemplate <typename T> int Two<T>::tally = sizeof(T);\n",
            ),
        ] {
            tree.write(name, text);
        }
        tree
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn unit<'a>(&'a self, source: &'a str, lto: Lto) -> Unit<'a> {
        let (args, settled, modules) = (&self.args[..], &[][..], &[][..]);
        Unit { source, language: Language::Cxx, args, object: "unit.o", lto, settled, modules }
    }

    fn share(&self, text: &str) -> Option<SharedHeaders> {
        let source = self.dir.path().join("shared-headers").to_str().unwrap().to_owned();
        let group = Group { text: text.to_owned(), source, members: Vec::new() };
        let unit = self.unit("unit.cc", Lto::Off);
        unit.share_headers(&group, &HashCache::default(), &Seen::default()).result.unwrap()
    }

    fn compile(&self, source: &str, lto: Lto, headers: &[SharedHeaders]) -> Compiled {
        self.compile_scanned(source, lto, headers, None)
    }

    fn compile_scanned(
        &self,
        source: &str,
        lto: Lto,
        headers: &[SharedHeaders],
        scan: Option<UnitScan>,
    ) -> Compiled {
        let seen = Seen::default();
        let plan = BeginOptions { cut: None, translate_only: false, translation: None };
        let unit = self.unit(source, lto);
        let offered = Offered { headers, scan, verify: false };
        let (result, alone) = unit.begin_in_order(plan, offered, &HashCache::default(), &seen);
        let code = match result.result {
            Ok(BegunUnit::Code(Code::Object(emitted))) => emitted.object.to_vec(),
            Ok(BegunUnit::Code(Code::Bitcode(bitcode))) => bitcode.to_vec(),
            Ok(BegunUnit::Modules(_)) => panic!("nothing was to be cut"),
            Err(_) => Vec::new(),
        };
        let (diagnostics, lines) = seen.diagnostics.into_inner().unwrap().into_iter().unzip();
        Compiled { code, dependencies: result.dependencies, diagnostics, lines, alone }
    }
}

const BOTH: &str = "#include \"common.h\"\n#include \"other.h\"\n";

#[test]
fn shared_headers_change_neither_objects_nor_dependencies() {
    for flags in [&["-O0", "-g"][..], &["-O2"], &["-O2", "-g"], &["-O1", "-fsanitize=undefined"]] {
        let tree = Tree::new(flags);
        let (common, both) = (tree.share("#include \"common.h\"\n"), tree.share(BOTH));
        for (number, text) in UNITS.iter().enumerate() {
            let source = tree.write(&format!("unit{number}.cc"), text);
            for lto in [Lto::Off, Lto::Thin] {
                let alone = tree.compile(&source, lto, &[]);
                assert_eq!(alone.diagnostics, [""; 0]);
                for headers in [&common, &both] {
                    let shared =
                        tree.compile(&source, lto, std::slice::from_ref(headers.as_ref().unwrap()));
                    let what = format!("{flags:?} unit {number} {lto:?}");
                    assert_eq!(shared.alone, None, "{what}");
                    assert!(!alone.code.is_empty() && alone.code == shared.code, "{what}");
                    assert!(alone.dependencies == shared.dependencies, "{what}");
                }
            }
        }
    }
}

/// Places in a module are numbers, which must be those of the unit alone and still mean the places.
#[test]
fn assembly_that_is_wrong_is_reported_at_its_line_with_shared_headers_too() {
    let tree = Tree::new(&["-O0"]);
    let headers = tree.share(BOTH);
    let text = "#include \"common.h\"\n#include \"other.h\"\nunsigned ok() { return base::swapped(1); }\n\
                void wrong() { __asm__(\"nop\");\n__asm__(\"nothing %eax\"); }\n";
    let source = tree.write("unit.cc", text);
    let shared = tree.compile(&source, Lto::Off, std::slice::from_ref(headers.as_ref().unwrap()));
    let alone = tree.compile(&source, Lto::Off, &[]);
    assert_eq!((shared.alone, &shared.lines), (None, &vec![5]));
    assert_eq!((shared.diagnostics, shared.lines), (alone.diagnostics, alone.lines));
}

#[test]
fn unit_is_preprocessed_again_where_what_it_reads_has_changed_since_headers_were_chosen() {
    let tree = Tree::new(&["-O0"]);
    let headers = tree.share(BOTH);
    let headers = std::slice::from_ref(headers.as_ref().unwrap());
    let source = tree.write("unit.cc", UNITS[2]);
    // Younger files are preprocessed again in any case.
    std::thread::sleep(std::time::Duration::from_millis(2100));
    let check = |change: &dyn Fn()| {
        let scan = tree.unit(&source, Lto::Off).tokens(&HashCache::default(), &Seen::default());
        assert!(scan.is_some());
        change();
        let shared = tree.compile_scanned(&source, Lto::Off, headers, scan);
        let alone = tree.compile(&source, Lto::Off, &[]);
        assert_eq!(shared.alone, None);
        assert!(!alone.code.is_empty() && alone.code == shared.code);
        assert!(alone.dependencies == shared.dependencies);
    };
    check(&|| ());
    check(&|| drop(tree.write("own.h", &OWN.replace("List<Own *>", "Box<Own *>"))));
    // Is found before the standard one.
    check(&|| drop(tree.write("set", "#include_next <set>\n")));
}

#[test]
fn unit_without_shared_headers_has_the_code_that_clang_gives_it() {
    let tree = Tree::new(&["-O2"]);
    for (number, text) in UNITS.iter().enumerate() {
        let source = tree.write(&format!("unit{number}.cc"), text);
        let ours = tree.compile(&source, Lto::Off, &[]).code;
        let object = tree.dir.path().join("clang.o");
        let clang = std::process::Command::new(llvm::clang_program())
            .args(&tree.args)
            .args(["-c", &source, "-o"])
            .arg(&object)
            .status();
        assert!(clang.unwrap().success());
        assert_eq!(symbols(&ours), symbols(&std::fs::read(&object).unwrap()), "unit {number}");
    }
}

/// The defined symbols of an object with their sizes, sorted. The code generator numbers some of its
/// own by the order of functions.
fn symbols(object: &[u8]) -> Vec<(String, u64)> {
    use object::{Object, ObjectSymbol};
    let file = object::File::parse(object).unwrap();
    let mut all: Vec<(String, u64)> = file
        .symbols()
        .filter(ObjectSymbol::is_definition)
        .map(|symbol| {
            let name = symbol.name().unwrap();
            let numbered = name.starts_with(".LCPI") || name.starts_with("GCC_except_table");
            let name = if numbered {
                name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '_')
            } else {
                name
            };
            (name.to_owned(), symbol.size())
        })
        .collect();
    all.sort();
    all
}

/// Compiles with shared headers; the result must be that of the unit alone in every case. Returns why
/// the headers were not used.
fn alone(tree: &Tree, text: &str, headers: &str) -> Option<Alone> {
    let source = tree.write("unit.cc", text);
    let headers = tree.share(headers).unwrap();
    let (shared, alone) = (
        tree.compile(&source, Lto::Off, std::slice::from_ref(&headers)),
        tree.compile(&source, Lto::Off, &[]),
    );
    assert!(shared.code == alone.code, "{text}");
    assert_eq!(shared.diagnostics, alone.diagnostics, "{text}");
    assert!(shared.dependencies == alone.dependencies, "{text}");
    shared.alone
}

/// Debug information has one function of a using-declaration. That of `<stdlib.h>` finds those of
/// `std::abs` in the shared headers or in the unit.
#[test]
fn using_declaration_has_the_same_function_in_debug_information() {
    let tree = Tree::new(&["-O0", "-g"]);
    let text = "#include <cmath>\n#include <stdlib.h>\nint f(int x) { return abs(x); }\n";
    assert_eq!(alone(&tree, text, "#include <cmath>\n"), None);
    tree.write(
        "lib.h",
        "#pragma once\nnamespace lib { void g(int); void g(long); void g(char); }\n",
    );
    let text = "#include \"lib.h\"\nusing lib::g;\nvoid h() { g(1); }\n";
    assert_eq!(alone(&tree, text, "#include \"lib.h\"\n"), None);
}

fn elsewhere(tree: &Tree, file: &str) -> Option<Alone> {
    let path = tree.dir.path().join(file).to_str().unwrap().to_owned();
    Some(Alone::Unfit(Unfit::Elsewhere(path)))
}

#[test]
fn unit_is_compiled_alone_where_headers_would_change_places() {
    let tree = Tree::new(&["-O1"]);
    tree.write("call.h", "int over(double);\ninline int call() { return over(1); }\n");
    tree.write("over.h", "#pragma once\nint over(int);\n");
    let over = "#include \"over.h\"\n";
    let text = "#include \"call.h\"\n#include \"over.h\"\nint f() { return call(); }\n";
    assert_eq!(alone(&tree, text, over), elsewhere(&tree, "over.h"));
    let text = "int over(double);\nint g() { return over(1); }\n#include \"over.h\"\n";
    assert_eq!(alone(&tree, text, over), elsewhere(&tree, "over.h"));
    let text = "#include \"over.h\"\n#include \"call.h\"\nint f() { return call(); }\n";
    assert_eq!(alone(&tree, text, over), None);
}

#[test]
fn unit_is_compiled_alone_where_macros_make_a_difference() {
    let tree = Tree::new(&["-O1"]);
    tree.write("macro.h", "#pragma once\n#ifdef WIDE\ntypedef long Number;\n#else\ntypedef int Number;\n#endif\n#ifndef LIMIT\n#define LIMIT 5\n#endif\n");
    let headers = "#include \"macro.h\"\n";
    let text = "#define WIDE\n#include \"macro.h\"\nNumber n = sizeof(Number);\n";
    assert_eq!(alone(&tree, text, headers), elsewhere(&tree, "macro.h"));
    let text = "#define LIMIT 9\n#include \"macro.h\"\nNumber n = LIMIT;\n";
    assert_eq!(alone(&tree, text, headers), Some(Alone::Diagnostic));
    let text = "#ifdef LIMIT\nint known = 1;\n#endif\n#include \"macro.h\"\nNumber n = LIMIT;\n";
    let source = tree.dir.path().join("unit.cc").to_str().unwrap().to_owned();
    assert_eq!(alone(&tree, text, headers), Some(Alone::Unfit(Unfit::Otherwise(source.clone()))));
    tree.write("counter.h", "#pragma once\ninline int counted() { return __COUNTER__; }\n");
    let text = "int first = __COUNTER__;\n#include \"counter.h\"\nint next() { return counted() + __COUNTER__; }\n";
    assert_eq!(alone(&tree, text, "#include \"counter.h\"\n"), elsewhere(&tree, "counter.h"));
    let text = "#include \"counter.h\"\nint next() { return counted() + __COUNTER__; }\n";
    assert_eq!(alone(&tree, text, "#include \"counter.h\"\n"), None);
    let text =
        "#define NDEBUG\n#include \"macro.h\"\n#include <cassert>\nvoid f(int x) { assert(x); }\n";
    let with_assert = "#include <cassert>\n#include \"macro.h\"\n";
    assert_eq!(alone(&tree, text, with_assert), Some(Alone::Unfit(Unfit::StandardText)));
}

#[test]
fn unit_that_clang_warns_about_is_compiled_alone_and_warned_about_once() {
    let tree = Tree::new(&["-O1", "-Wall"]);
    let text = "#include \"common.h\"\nint f() { int unused; return 1; }\n";
    let source = tree.write("unit.cc", text);
    let headers = tree.share("#include \"common.h\"\n").unwrap();
    let compiled = tree.compile(&source, Lto::Off, std::slice::from_ref(&headers));
    assert_eq!(compiled.alone, Some(Alone::Diagnostic));
    assert_eq!(compiled.diagnostics, ["unused variable 'unused'"]);
    let source = tree.write("wrong.cc", "#include \"common.h\"\n#error no\n");
    let compiled = tree.compile(&source, Lto::Off, std::slice::from_ref(&headers));
    assert_eq!(
        (compiled.alone, compiled.diagnostics),
        (Some(Alone::Diagnostic), vec!["no".into()])
    );
}

#[test]
fn headers_with_something_to_say_are_not_shared() {
    let tree = Tree::new(&["-O1"]);
    tree.write("warns.h", "#warning old\n");
    tree.write("packs.h", "#pragma pack(1)\nstruct Odd { char a; int b; };\n");
    tree.write(
        "pairs.h",
        "#pragma pack(push, 1)\nstruct Odd { char a; int b; };\n#pragma pack(pop)\n",
    );
    assert!(tree.share("#include \"warns.h\"\n").is_none());
    assert!(tree.share("#include \"packs.h\"\n").is_none());
    assert!(tree.share("#include \"missing.h\"\n").is_none());
    assert!(tree.share("#include \"pairs.h\"\n").is_some());
    // The same by the operator, within a macro.
    let push =
        "_Pragma(\"clang diagnostic push\") _Pragma(\"clang diagnostic ignored \\\"-Wall\\\"\")";
    let text = |end: &str| format!("#define PUSH {push}\nPUSH int odd();\n{end}\n");
    tree.write("operators.h", &text("_Pragma(\"clang diagnostic pop\")"));
    tree.write("open.h", &text(""));
    tree.write("packs_operator.h", "_Pragma(\"pack(1)\") struct Odd { char a; int b; };\n");
    assert!(tree.share("#include \"operators.h\"\n").is_some());
    assert!(tree.share("#include \"open.h\"\n").is_none());
    assert!(tree.share("#include \"packs_operator.h\"\n").is_none());
}

#[test]
fn headers_that_changed_after_they_were_shared_are_not_used() {
    let tree = Tree::new(&["-O1"]);
    tree.write("value.h", "#pragma once\ninline int value() { return 1; }\n");
    let headers = tree.share("#include \"value.h\"\n").unwrap();
    // Of the same size.
    tree.write("value.h", "#pragma once\ninline int value() { return 2; }\n");
    let source = tree.write("unit.cc", "#include \"value.h\"\nint f() { return value(); }\n");
    let shared = tree.compile(&source, Lto::Off, std::slice::from_ref(&headers));
    assert_eq!(shared.alone, elsewhere(&tree, "value.h"));
    assert!(shared.code == tree.compile(&source, Lto::Off, &[]).code);
}

/// Templates that a unit can change after the headers.
const TEMPLATES: &str = r#"
#pragma once
namespace lib {
struct Base { int n; };
struct Item { int n; };
struct Later;
struct Holder { Later *later; };
extern const int limit;
template <typename T> struct Trait { static constexpr int value = 1; };
template <typename T> struct Owner { T *one; ~Owner() { delete one; } };
inline int pick(void *) { return 1; }
inline int pick(Base *) { return 2; }
template <typename T> int rank(T, long) { return 1; }
template <typename T> int ranked(const T &item) { return rank(item, 0) + Trait<T *>::value; }
template <typename T> int picked(const T &holder) { return pick(holder.later); }
inline int both(const Holder &holder) { return ranked(Item{}) + picked(holder); }
inline void drop(Owner<Later> *owner) { owner->~Owner(); }
}
"#;

#[test]
fn unit_is_compiled_alone_where_it_could_change_templates_of_the_headers() {
    let tree = Tree::new(&["-O1", "-Wno-delete-incomplete"]);
    tree.write("templates.h", TEMPLATES);
    let include = "#include \"templates.h\"\n";
    let names = tree.share(include).unwrap().facts.names.expect("they are instantiated");
    assert!(["rank", "class lib::Later"].iter().all(|name| names.contains(&(*name).to_owned())));
    let call = "int f(const lib::Holder &h) { return lib::both(h); }\n";
    let changed_by = |text: &str| match alone(&tree, &format!("{include}{text}{call}"), include) {
        None => None,
        Some(Alone::Unfit(Unfit::TemplateInput(name))) => Some(name),
        other => panic!("{text}: {other:?}"),
    };
    for (text, name) in [
        ("namespace lib { inline int rank(Item, int) { return 7; } }\n", "lib::rank"),
        ("namespace lib { inline namespace more { int rank(Item, int); } }\n", "lib::more::rank"),
        (
            "namespace more { int rank(lib::Item, int); }\nnamespace lib { using more::rank; }\n",
            "lib::rank",
        ),
        (
            "namespace lib { template <typename T> struct Trait<T *> { static constexpr int value = 5; }; }\n",
            "lib::Trait",
        ),
        ("namespace lib { bool operator==(Item, Item); }\n", "lib::operator=="),
        (
            "struct Any { template <typename T> Any(T); };\nnamespace lib { bool operator==(Any, Any); }\n",
            "lib::operator==",
        ),
        ("namespace lib { struct Later : Base {}; }\n", "lib::Later"),
        ("namespace lib { const int limit = 3; }\n", "lib::limit"),
        ("template int lib::ranked<lib::Base>(const lib::Base &);\n", "template"),
        ("extern template int lib::ranked<lib::Item>(const lib::Item &);\n", "template"),
        ("template __attribute__((noinline)) int lib::ranked(const lib::Base &);\n", "template"),
        ("using Of = lib::Trait<lib::Base>;\ntemplate const int Of::value;\n", "template"),
        ("using Of = lib::Owner<lib::Base>;\ntemplate Of::~Owner();\n", "template"),
    ] {
        let found = changed_by(text).unwrap_or_else(|| panic!("{text} was not noticed"));
        assert!(found == name || found.starts_with(&format!("{name} (")), "{text}: {found}");
    }
    for text in [
        "",
        "namespace more { struct Own {}; int rank(Own, int); }\n",
        "namespace lib { int other(Item); static int helper() { return 3; } }\n",
        "namespace lib { namespace { inline int rank(Item, int) { return 7; } } }\n",
        "namespace lib { struct Own { Own(const char *, int); }; bool operator==(const Own &, const Own &); }\n",
        "struct Only { template <typename T> explicit Only(T); };\nnamespace lib { bool operator==(Only, Only); }\n",
        "namespace lib { struct Wide { Wide(int); }; bool operator<(Wide, Wide); Wide operator+(Wide, int); }\n",
        "template <typename T> struct Own {};\nnamespace lib { template <typename T> struct Trait<Own<T>> {}; template <typename T> int rank(Own<T>, int); }\n",
        "template <typename T> T *mine(T one, lib::Item item) { return nullptr; }\nextern template lib::Item *mine<lib::Item>(lib::Item, lib::Item item);\ntemplate __attribute__((visibility(\"default\"))) int *mine(int, lib::Item);\n",
        "struct Own { template <typename T> int call(T x) { return x.template get<int>(); } };\n",
        "#include <deque>\n#include <iostream>\n#include <system_error>\n#include <thread>\n#include <tuple>\n",
    ] {
        assert_eq!(changed_by(text), None, "{text}");
    }
}

#[test]
fn templates_that_need_what_units_define_are_instantiated_by_the_units() {
    let tree = Tree::new(&["-O1"]);
    let define = "struct Later { ~Later(); int n; };\n";
    // With a class that the headers only declare as an argument, and with one in a member of an argument:
    // then clang has an error to tell.
    for (header, instantiates) in [
        (
            "#pragma once\nstruct Later;\ntemplate <typename T> int size(T *) { return sizeof(T); }\ninline int f(Later *l) { return size(l); }\n",
            true,
        ),
        (
            "#pragma once\nstruct Later;\nstruct Holder { Later *later; };\ntemplate <typename T> int size(T t) { return t.later->n; }\ninline int f(Later *l) { return size(Holder{l}); }\n",
            false,
        ),
    ] {
        tree.write("later.h", header);
        let include = "#include \"later.h\"\n";
        assert_eq!(tree.share(include).unwrap().facts.names.is_some(), instantiates);
        let text = format!("{include}{define}int g(Later *l) {{ return f(l); }}\n");
        assert_eq!(alone(&tree, &text, include), None);
    }
}
