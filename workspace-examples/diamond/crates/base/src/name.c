#include "base.h"

#include <string.h>

struct base_name base_make_name(const char *text)
{
    struct base_name name = {{0}};
    strncpy(name.text, text, sizeof name.text - 1);
    return name;
}
