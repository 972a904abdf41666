#pragma once

#include <iosfwd>
#include <string>

struct City {
    std::string name;
    int people;
};

void describe(std::ostream &out, const City &city);
