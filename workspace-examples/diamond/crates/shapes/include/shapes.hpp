#pragma once

#include "base.h"

#include <memory>
#include <vector>

namespace shapes {

class Shape {
public:
    explicit Shape(const char *name) : name_(base_make_name(name)) {}
    virtual ~Shape() = default;
    virtual double area() const = 0;
    base_name name() const { return name_; }

private:
    base_name name_;
};

std::vector<std::unique_ptr<Shape>> samples();

} // namespace shapes
