#include "text.h"

#include <string.h>

void text_leader(char *line, size_t width, struct base_name name, const char *value)
{
    size_t left = strlen(name.text), right = strlen(value);
    memset(line, '.', width);
    line[width] = 0;
    if (left + right + 2 > width)
        return;
    memcpy(line, name.text, left);
    line[left] = ' ';
    line[width - right - 1] = ' ';
    memcpy(line + width - right, value, right);
}
