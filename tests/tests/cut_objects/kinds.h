// Types that both units of the program throw, catch and ask about. Their vtables and type information are in kinds.cc.
#pragma once
#include <stdexcept>

#define APART __attribute__((noinline))

struct Kind {
    virtual ~Kind();
    virtual int rank() const;
    int code = 1;
};
struct Warm : virtual Kind {
    int rank() const override;
};
struct Wet : virtual Kind {
    int rank() const override;
};
struct Steam final : Warm, Wet {
    int rank() const override;
    int pressure = 11;
};

// Emitted in each unit that uses it.
template <int N> struct Numbered : std::runtime_error {
    explicit Numbered(const char *text) : std::runtime_error(text) {}
    virtual int number() const { return N; }
};

Kind *make_kind(int which);
const std::type_info &type_of(const Kind &kind);
bool is_steam(Kind *kind);
[[noreturn]] void throw_from_kinds(int which);
const char *catch_in_kinds(void (*call)(int), int argument);
