#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A name of at most BASE_NAME_MAX - 1 characters; longer ones are cut. */
struct base_name {
    char text[BASE_NAME_MAX];
};

struct base_name base_make_name(const char *text);

/* CRC-32 of `size` bytes; `crc` is 0, or the result for the bytes before. */
uint32_t base_crc32(uint32_t crc, const void *bytes, size_t size);

/* Written in assembly: the high half of the 128-bit product. */
uint64_t base_multiply_high(uint64_t a, uint64_t b);

#ifdef __cplusplus
}
#endif
