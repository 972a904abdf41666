#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Adds bytes to the library's own running checksum. */
void tally_add(const void *bytes, size_t size);
uint32_t tally_result(void);

#ifdef __cplusplus
}
#endif
