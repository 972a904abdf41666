#pragma once

#include <iosfwd>

struct Circle {
    int x;
    int y;
    int radius;
};

void describe(std::ostream &out, const Circle &circle);
