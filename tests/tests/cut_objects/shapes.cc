// The same for C++: methods, templates, lambdas, names without linkage, and a throw to stop at.
#include <cstdio>
#include <stdexcept>

#define APART __attribute__((noinline))

namespace {
struct Shape {
    virtual ~Shape() {}
    virtual int area(int scale) const = 0;
};
struct Square final : Shape {
    int side;
    explicit Square(int length) : side(length) {}
    int area(int scale) const override {
        std::printf("square %d\n", side);
        return side * side * scale;
    }
};
struct Bar final : Shape {
    int length;
    explicit Bar(int size) : length(size) {}
    int area(int scale) const override {
        std::printf("bar %d\n", length);
        return length * scale;
    }
};
template <class T> APART T largest(T left, T right) {
    std::printf("largest\n");
    return left < right ? right : left;
}
APART int grow(const Shape &shape, int scale) {
    std::printf("grow %d\n", scale);
    int grown = shape.area(scale);
    std::printf("grown %d\n", grown);
    return grown;
}
APART int check(int value) {
    std::printf("check %d\n", value);
    if (value > 20) throw std::out_of_range("too large");
    return value;
}
} // namespace

namespace outer {
namespace inner {
APART int guarded(int value) {
    std::printf("guarded %d\n", value);
    try {
        return check(value);
    } catch (const std::exception &error) {
        std::printf("caught %s\n", error.what());
        return -1;
    }
}
} // namespace inner
} // namespace outer

extern "C" APART int shapes(int count) {
    std::printf("shapes %d\n", count);
    Square square(count);
    Bar bar(count);
    int areas = grow(square, 2) + grow(bar, 5);
    auto twice = [areas](int value) APART {
        std::printf("lambda %d\n", value);
        return value * 2 + areas;
    };
    int most = largest(areas, twice(count));
    double real = largest(0.5, 1.5);
    std::printf("most %d %.1f\n", most, real);
    return outer::inner::guarded(most);
}
