// clang casts to a final class by comparing the address of the vtable, which therefore must be one in all pieces.
#include <cstdio>

namespace {
struct Base {
  virtual ~Base() {}
  virtual int value() { return 1; }
};
struct Derived final : Base {
  int own = 5;
  int value() override { return own; }
};
} // namespace

__attribute__((noinline)) Base *makeDerived(int k) { return k ? (Base *)new Derived : new Base; }
__attribute__((noinline)) Base *makeLate(int k) { return k > 1 ? (Base *)new Derived : new Base; }
__attribute__((noinline)) int once(Base *base) {
  auto *derived = dynamic_cast<Derived *>(base);
  return derived ? derived->own : -1;
}
__attribute__((noinline)) int twice(Base *base) {
  auto *derived = dynamic_cast<Derived *>(base);
  return derived ? derived->own * 2 : -2;
}

int main() {
  for (int k = 0; k < 4; k++)
    printf("%d %d %d %d\n", once(makeDerived(k)), twice(makeDerived(k)), once(makeLate(k)), twice(makeLate(k)));
}
