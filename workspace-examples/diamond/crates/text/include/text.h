#pragma once

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Writes "name .......... value" into `line`, `width` characters and a final 0. */
void text_leader(char *line, size_t width, struct base_name name, const char *value);

#ifdef __cplusplus
}
#endif
