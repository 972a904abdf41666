#include <stdio.h>

int main(void)
{
    puts("Hello from tender.");
    return 0;
}
