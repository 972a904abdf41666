#include "shapes.hpp"

#include <cmath>

namespace shapes {
namespace {

class Circle final : public Shape {
public:
    explicit Circle(double radius) : Shape("circle"), radius_(radius) {}
    double area() const override { return std::acos(-1.0) * std::pow(radius_, 2); }

private:
    double radius_;
};

class Square final : public Shape {
public:
    explicit Square(double side) : Shape("square"), side_(side) {}
    double area() const override { return side_ * side_; }

private:
    double side_;
};

} // namespace

std::vector<std::unique_ptr<Shape>> samples()
{
    std::vector<std::unique_ptr<Shape>> all;
    all.push_back(std::make_unique<Circle>(1.0));
    all.push_back(std::make_unique<Square>(1.5));
    return all;
}

} // namespace shapes
