# Writes the table of the CRC-32 that zlib, PNG and Ethernet use.
set -eu
{
    echo 'static const uint32_t crc_table[256] = {'
    byte=0
    while [ "$byte" -lt 256 ]; do
        crc=$byte
        for bit in 1 2 3 4 5 6 7 8; do
            if [ $((crc & 1)) -eq 1 ]; then
                crc=$((crc >> 1 ^ 0xEDB88320))
            else
                crc=$((crc >> 1))
            fi
        done
        printf '    0x%08xu,\n' "$crc"
        byte=$((byte + 1))
    done
    echo '};'
} >"$OUT_DIR/crc_table.h"
