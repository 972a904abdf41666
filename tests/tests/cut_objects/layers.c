// Functions that call each other, for a debugger: static ones, inline ones, one behind a pointer, one that calls itself.
#include <stdio.h>

#define APART __attribute__((noinline))

static int calls;
static const char *const names[] = {"none", "one", "two"};

static inline __attribute__((always_inline)) int twist(int x) {
    int twisted = x * 3;
    return twisted + 1;
}
static inline int scale(int x) {
    calls++;
    return x * calls;
}
APART static int leaf(int x) {
    calls++;
    printf("leaf %d %d\n", x, calls);
    return twist(x) + scale(x);
}
APART static int even(int n);
APART static int odd(int n) {
    printf("odd %d\n", n);
    return n == 0 ? leaf(n) : even(n - 1) + 1;
}
APART static int even(int n) {
    printf("even %d\n", n);
    return n == 0 ? leaf(n) : odd(n - 1) + 2;
}
APART static int third(int x) {
    int bent = twist(x);
    printf("third %d\n", bent);
    int answer = even(bent % 4);
    printf("third ends %d\n", answer);
    return answer;
}
APART static int second(int x, const char *name) {
    printf("second %s\n", name);
    int answer = third(x + 1) + scale(x);
    printf("second ends %d\n", answer);
    return answer;
}
APART static int other(int x, const char *name) {
    printf("other %s\n", name);
    int answer = leaf(x) + twist(x);
    printf("other ends %d\n", answer);
    return answer;
}
static int (*const choices[])(int, const char *) = {other, second};
APART int first(int x) {
    printf("first %d\n", x);
    int answer = choices[x % 2](x, names[x % 3]);
    printf("first ends %d\n", answer);
    return answer;
}
int shapes(int);
int main(void) {
    int sum = first(1);
    sum += first(2);
    sum += shapes(3);
    printf("sum %d\n", sum);
    return 0;
}
