#include "circle.h"
#include "city.h"

#include <iostream>

int main() {
    describe(std::cout, Circle{1, 2, 3});
    describe(std::cout, City{"Ulm", 126000});
}
