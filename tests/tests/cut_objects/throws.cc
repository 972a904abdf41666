// Exceptions, run-time types and static initialisers, each spread over many functions that are never inlined, so that a cut takes
// them apart. What it prints is what clang's own object prints.
#include "kinds.h"
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <memory>
#include <new>
#include <string>
#include <typeinfo>
#include <unistd.h>
#include <utility>
#include <vector>

// ---- Static initialisers: in the order of the file, by priority, of templates and inline variables; destructors in reverse.
namespace {
int steps;
struct Step {
    const char *name;
    int number;
    explicit Step(const char *text) : name(text), number(++steps) { std::printf("init %s %d\n", name, number); }
    ~Step() { std::printf("exit %s %d\n", name, number); }
};
Step first("first");
APART int reads_steps() { return steps * 10; }
int dynamic_one = reads_steps();
Step second("second");
int dynamic_two = reads_steps();
__attribute__((constructor(200))) void early() { std::puts("constructor 200"); }
__attribute__((constructor(150))) void earlier() { std::puts("constructor 150"); }
__attribute__((constructor)) void plain() { std::puts("constructor"); }
__attribute__((destructor)) void last() { std::puts("destructor"); }
template <int N> struct Holder {
    static Step step;
};
template <> Step Holder<1>::step("holder 1");
Step third("third");
thread_local Step per_thread("per thread");
} // namespace
Step by_priority_b __attribute__((init_priority(600)))("priority 600");
Step by_priority_a __attribute__((init_priority(500)))("priority 500");
inline Step shared_one("inline");
static Step *const table[] = {&first, &second, &third, &shared_one};

namespace {
// ---- What is thrown, and what is destroyed on the way.
struct Guard {
    std::string name;
    explicit Guard(std::string text) : name(std::move(text)) {}
    ~Guard() { std::printf("  -%s (%d in flight)\n", name.c_str(), std::uncaught_exceptions()); }
};
struct Private : std::runtime_error {
    using std::runtime_error::runtime_error;
};
struct Derived final : Private {
    int extra;
    explicit Derived(int number) : Private("derived"), extra(number) {}
};
struct Copied {
    static int copies;
    int id;
    explicit Copied(int number) : id(number) {}
    Copied(const Copied &other) : id(other.id) { ++copies; }
};
int Copied::copies;
struct NotAnException {
    virtual ~NotAnException() {}
    virtual const char *name() const { return "not an exception"; }
};
struct StillNone final : NotAnException {
    const char *name() const override { return "still none"; }
};

APART void throw_private() { throw Private("private"); }
APART void throw_derived() { throw Derived(42); }
APART void throw_number(int number) { throw number; }
APART void throw_text() { throw "text"; }
APART void throw_pointer() {
    static StillNone none;
    throw static_cast<NotAnException *>(&none);
}
APART void throw_value() { throw Copied(7); }
APART void throw_class() { throw StillNone(); }
APART void throw_logic() { throw std::out_of_range("out of range"); }
APART void throw_numbered() { throw Numbered<2>("two, from throws"); }

APART void pick(int which) {
    switch (which) {
    case 0: throw_private(); break;
    case 1: throw_derived(); break;
    case 2: throw_number(5); break;
    case 3: throw_text(); break;
    case 4: throw_pointer(); break;
    case 5: throw_value(); break;
    case 6: throw_class(); break;
    case 7: throw_logic(); break;
    case 8: throw_numbered(); break;
    default: throw_from_kinds(which - 9);
    }
}

// Layers between the throw and the catch, each with something to destroy.
APART void layer_one(int which) {
    Guard guard("one");
    pick(which);
    std::puts("never");
}
APART void layer_two(int which) {
    Guard outer("two outer");
    {
        Guard inner("two inner");
        layer_one(which);
    }
    std::puts("never");
}
APART void layer_three(int which) {
    std::vector<Guard> guards;
    guards.reserve(2);
    guards.emplace_back("three a");
    guards.emplace_back("three b");
    layer_two(which);
}
// Catches and throws on, the same or another.
APART void layer_four(int which) {
    auto guard = std::make_unique<Guard>("four");
    try {
        layer_three(which);
    } catch (const Derived &error) {
        std::printf("  derived %d goes on\n", error.extra);
        throw;
    } catch (int &number) {
        ++number;
        throw;
    }
}
APART void layer_five(int which) {
    try {
        layer_four(which);
    } catch (const Private &) {
        std::throw_with_nested(std::runtime_error("around it"));
    }
}
APART void tell_nested(const std::exception &error, int depth) {
    std::printf("  %*s%s, %s\n", depth * 2, "", error.what(), typeid(error).name());
    try {
        std::rethrow_if_nested(error);
    } catch (const std::exception &inner) {
        tell_nested(inner, depth + 1);
    }
}
APART void catch_all(int which) {
    std::printf("catch %d\n", which);
    try {
        Guard guard("all");
        layer_five(which);
    } catch (const std::logic_error &error) {
        std::printf("  logic %s\n", error.what());
    } catch (const std::exception &error) {
        tell_nested(error, 0);
    } catch (const NotAnException *pointer) {
        std::printf("  pointer to %s\n", pointer->name());
    } catch (NotAnException &object) {
        std::printf("  reference to %s\n", object.name());
    } catch (Copied copied) {
        std::printf("  value %d, copied %s\n", copied.id, Copied::copies ? "yes" : "no");
    } catch (int number) {
        std::printf("  number %d\n", number);
    } catch (const char *text) {
        std::printf("  text %s\n", text);
    } catch (const Wet &wet) {
        std::printf("  wet of rank %d\n", wet.rank());
    } catch (...) {
        std::puts("  something");
    }
}

// ---- Constructors that throw: members and elements made so far are destroyed.
struct Part {
    int id;
    explicit Part(int number) : id(number) {
        if (number == 3) throw Private("no part 3");
        std::printf("  part %d\n", id);
    }
    ~Part() { std::printf("  ~part %d\n", id); }
};
struct Whole {
    Part one;
    Part two;
    Guard guard;
    Part three;
    APART explicit Whole(int number) try : one(1), two(2), guard("member"), three(number) {
        std::puts("  whole");
    } catch (const Private &error) {
        std::printf("  whole failed: %s\n", error.what());
    }
};
int elements;
struct Element {
    int id;
    Element() : id(++elements) {
        if (id == 4) throw std::bad_alloc();
    }
    ~Element() { std::printf("  ~element %d\n", id); }
};
APART void construct() {
    std::puts("construct");
    for (int number : {3, 4}) {
        try {
            Whole whole(number);
        } catch (const Private &error) {
            std::printf("  outside: %s\n", error.what());
        }
    }
    try {
        std::unique_ptr<Element[]> all(new Element[6]);
    } catch (const std::bad_alloc &) {
        std::puts("  no more elements");
    }
}

// ---- Exceptions that are kept, and destructors that throw.
std::exception_ptr kept;
APART void keep(int which) {
    try {
        layer_one(which);
    } catch (...) {
        kept = std::current_exception();
    }
}
APART void rethrow_kept() {
    try {
        std::rethrow_exception(kept);
    } catch (const Derived &error) {
        std::printf("  kept derived %d\n", error.extra);
    } catch (const Private &error) {
        std::printf("  kept %s\n", error.what());
    }
}
struct Thrower {
    ~Thrower() noexcept(false) {
        if (!std::uncaught_exceptions()) throw Private("from a destructor");
        std::puts("  destructor does not throw in flight");
    }
};
APART void destroy(bool in_flight) {
    try {
        Thrower thrower;
        if (in_flight) throw_number(1);
    } catch (const Private &error) {
        std::printf("  %s\n", error.what());
    } catch (int) {
        std::puts("  number");
    }
}

// ---- Static locals whose first initialisation throws.
int attempts;
struct Stubborn {
    int after;
    Stubborn() : after(attempts) {
        if (++attempts < 3) throw Private("not yet");
    }
};
APART Stubborn &stubborn() {
    static Stubborn one;
    return one;
}
APART void try_stubborn() {
    for (int n = 0; n < 4; n++) {
        try {
            std::printf("  stubborn after %d\n", stubborn().after);
        } catch (const Private &error) {
            std::printf("  %s\n", error.what());
        }
    }
}

// ---- Through C, function pointers and virtual functions.
extern "C" int compare(const void *left, const void *right) {
    if (*static_cast<const int *>(left) == 13 || *static_cast<const int *>(right) == 13) throw Derived(13);
    return *static_cast<const int *>(left) - *static_cast<const int *>(right);
}
struct Caller {
    virtual ~Caller() {}
    virtual void call(int) const = 0;
};
struct Direct final : Caller {
    void call(int which) const override { layer_two(which); }
};
struct Indirect final : Caller {
    void (*const function)(int);
    explicit Indirect(void (*pointer)(int)) : function(pointer) {}
    void call(int which) const override { function(which); }
};
APART Caller *make_caller(int which) {
    return which ? static_cast<Caller *>(new Indirect(layer_three)) : new Direct;
}
APART void through() {
    std::puts("through");
    try {
        int numbers[] = {4, 2, 13, 1};
        std::qsort(numbers, 4, sizeof *numbers, compare);
    } catch (const Private &error) {
        std::printf("  out of qsort: %s\n", error.what());
    }
    for (int which : {0, 1}) {
        std::unique_ptr<Caller> caller(make_caller(which));
        try {
            caller->call(which);
        } catch (const Private &error) {
            std::printf("  %s through %s\n", error.what(), typeid(*caller).name());
        }
        std::printf("  direct %d\n", dynamic_cast<Direct *>(caller.get()) != nullptr);
    }
    auto lambda = [guard = Guard("captured")](int which) { layer_one(which); };
    try {
        lambda(8);
    } catch (const Numbered<2> &error) {
        std::printf("  numbered %d\n", error.number());
    }
    for (int which : {0, 1, 7, 8, 9, 10, 11, 12, 13, 14}) std::printf("  %s\n", catch_in_kinds(layer_one, which));
}

// ---- Run-time types.
struct Animal {
    virtual ~Animal() {}
};
struct Cat final : Animal {
    int lives = 9;
};
struct Dog : Animal {
    int tricks = 2;
};
struct Puppy final : Dog {
    int chewed = 3;
};
APART Animal *make_animal(int which) {
    switch (which) {
    case 0: return new Cat;
    case 1: return new Dog;
    default: return new Puppy;
    }
}
APART Animal *make_another(int which) {
    switch (which) {
    case 0: return new Puppy;
    case 1: return new Cat;
    default: return new Dog;
    }
}
APART int lives(Animal *animal) {
    auto *cat = dynamic_cast<Cat *>(animal);
    return cat ? cat->lives : -1;
}
APART int lives_too(Animal *animal) {
    auto *cat = dynamic_cast<Cat *>(animal);
    return cat ? cat->lives * 2 : -2;
}
APART int chewed(Animal *animal) {
    auto *puppy = dynamic_cast<Puppy *>(animal);
    return puppy ? puppy->chewed : -1;
}
APART int tricks(Animal *animal) {
    auto *dog = dynamic_cast<Dog *>(animal);
    return dog ? dog->tricks : -1;
}
APART bool same_type(Animal *left, Animal *right) { return typeid(*left) == typeid(*right); }
APART const std::type_info &type(Animal *animal) { return typeid(*animal); }
APART bool is_cat(const std::type_info &info) {
    return info == typeid(Cat) && info.hash_code() == typeid(Cat).hash_code() && !info.before(typeid(Cat));
}
template <class T> APART const std::type_info &type_of_local(T value) {
    struct Local {
        T kept;
    };
    (void)value;
    return typeid(Local);
}
APART void types() {
    std::puts("types");
    for (int which = 0; which < 3; which++) {
        std::unique_ptr<Animal> one(make_animal(which)), other(make_another(which));
        for (Animal *animal : {one.get(), other.get()})
            std::printf("  %d %d %d %d %s %d\n", lives(animal), lives_too(animal), chewed(animal), tricks(animal),
                        type(animal).name(), is_cat(type(animal)));
        std::printf("  same %d\n", same_type(one.get(), other.get()));
    }
    for (int which = 0; which < 4; which++) {
        std::unique_ptr<Kind> kind(make_kind(which));
        auto *warm = dynamic_cast<Warm *>(kind.get());
        auto *wet = warm ? dynamic_cast<Wet *>(warm) : nullptr;
        std::printf("  %s steam %d %d warm %d wet %d start %d equal %d\n", type_of(*kind).name(), is_steam(kind.get()),
                    dynamic_cast<Steam *>(kind.get()) != nullptr, warm != nullptr, wet != nullptr,
                    dynamic_cast<void *>(kind.get()) == static_cast<void *>(kind.get()), type_of(*kind) == typeid(*kind));
        try {
            std::printf("  pressure %d\n", dynamic_cast<Steam &>(*kind).pressure);
        } catch (const std::bad_cast &) {
            std::puts("  bad cast");
        }
    }
    Animal *volatile nothing = nullptr;
    try {
        std::puts(typeid(*nothing).name());
    } catch (const std::bad_typeid &) {
        std::puts("  bad typeid");
    }
    std::printf("  local %d %d\n", type_of_local(1) == type_of_local(2), type_of_local(1) == type_of_local(1.0));
}

// ---- Ends of the program.
APART void may_not_throw(int which) noexcept {
    Guard guard("noexcept");
    layer_two(which);
}
[[noreturn]] void terminated() {
    if (auto pointer = std::current_exception()) {
        try {
            std::rethrow_exception(pointer);
        } catch (const std::exception &error) {
            std::printf("terminated by %s\n", error.what());
        } catch (...) {
            std::puts("terminated by something");
        }
    }
    std::fflush(stdout);
    _exit(7);
}
struct DiesInFlight {
    APART ~DiesInFlight() { throw_private(); }
};
APART void die_in_flight() {
    DiesInFlight one;
    throw_number(3);
}
} // namespace

int main(int count, char **words) {
    const char *word = count > 1 ? words[1] : "";
    if (!std::strcmp(word, "unhandled")) layer_four(1);
    std::set_terminate(terminated);
    if (!std::strcmp(word, "noexcept")) may_not_throw(1);
    if (!std::strcmp(word, "in-flight")) die_in_flight();
    if (!std::strcmp(word, "rethrow-nothing")) throw;
    if (*word) return 2;
    std::printf("main %d %d %s\n", dynamic_one, dynamic_two, per_thread.name);
    for (Step *step : table) std::printf("%s %d\n", step->name, step->number);
    std::printf("%s\n", Holder<1>::step.name);
    for (int which = 0; which < 15; which++) catch_all(which);
    construct();
    for (int which : {0, 1}) {
        keep(which);
        rethrow_kept();
        rethrow_kept();
    }
    destroy(false);
    destroy(true);
    try_stubborn();
    through();
    types();
    return 0;
}
