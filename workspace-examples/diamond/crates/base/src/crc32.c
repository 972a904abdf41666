#include "base.h"

#include "crc_table.h" /* made by crc_table.sh */

uint32_t base_crc32(uint32_t crc, const void *bytes, size_t size)
{
    const unsigned char *byte = bytes;
    crc = ~crc;
    while (size--)
        crc = crc >> 8 ^ crc_table[(crc ^ *byte++) & 0xff];
    return ~crc;
}
