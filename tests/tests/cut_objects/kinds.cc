#include "kinds.h"
#include <cstdio>
#include <string>
#include <typeinfo>

Kind::~Kind() {}
int Kind::rank() const { return 0; }
int Warm::rank() const { return 1; }
int Wet::rank() const { return 2; }
int Steam::rank() const { return 3; }

namespace {
// Of the same name as in throws.cc, and another type.
struct Private : std::runtime_error {
    using std::runtime_error::runtime_error;
};
} // namespace

APART Kind *make_kind(int which) {
    switch (which) {
    case 0: return new Kind;
    case 1: return new Warm;
    case 2: return new Wet;
    default: return new Steam;
    }
}

APART const std::type_info &type_of(const Kind &kind) { return typeid(kind); }
APART bool is_steam(Kind *kind) { return dynamic_cast<Steam *>(kind) != nullptr; }

APART static void throw_numbered(int which) {
    if (which == 0) throw Numbered<1>("one, from kinds");
    if (which == 1) throw Numbered<2>("two, from kinds");
}
APART static void throw_private() { throw Private("private of kinds"); }
APART static void throw_kind(int which) {
    if (which == 3) throw Steam();
    if (which == 4) throw Wet();
}

APART void throw_from_kinds(int which) {
    throw_numbered(which);
    if (which == 2) throw_private();
    throw_kind(which);
    throw which;
}

APART const char *catch_in_kinds(void (*call)(int), int argument) {
    static std::string text;
    try {
        call(argument);
    } catch (const Private &error) {
        text = std::string("my private: ") + error.what();
    } catch (const Numbered<2> &error) {
        text = std::string("two: ") + error.what();
    } catch (const std::logic_error &error) {
        text = std::string("logic: ") + error.what();
    } catch (const std::exception &error) {
        text = std::string("exception: ") + error.what();
    } catch (const Kind &kind) {
        text = "kind of rank " + std::to_string(kind.rank());
    } catch (int number) {
        text = "number " + std::to_string(number);
    }
    return text.c_str();
}
