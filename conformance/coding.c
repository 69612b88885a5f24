/*
 * gzip in stored blocks: a header of ten bytes, blocks of five bytes and their data, the check sum and
 * the size.
 */
#include "coding.h"

#include <string.h>

#include "case.h"
#include "core/assert.h"

#define GZIP_HEADER_SIZE 10u
#define GZIP_BLOCK_HEADER_SIZE 5u
#define GZIP_TRAILER_SIZE 8u

size_t lb_gzip_size(size_t size)
{
    size_t blocks = size == 0 ? 1 : (size + LB_CASE_GZIP_BLOCK - 1) / LB_CASE_GZIP_BLOCK;
    return GZIP_HEADER_SIZE + blocks * GZIP_BLOCK_HEADER_SIZE + size + GZIP_TRAILER_SIZE;
}

/* crc_add: the check sum of RFC 1952 section 8, a byte further. */
static uint32_t crc_add(uint32_t crc, uint8_t byte)
{
    crc ^= byte;
    for (int i = 0; i < 8; i++) {
        crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0xEDB88320u : 0);
    }
    return crc;
}

static void put_low_first(uint8_t *bytes, uint64_t number, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        bytes[i] = (uint8_t)(number >> (8 * i));
    }
}

void lb_gzip_write(uint64_t offset, size_t size, uint8_t *ret_bytes)
{
    static const uint8_t header[GZIP_HEADER_SIZE] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff};
    uint8_t *at = ret_bytes;
    uint32_t crc = UINT32_MAX;
    size_t done = 0;
    memcpy(at, header, sizeof header);
    at += sizeof header;
    do {
        size_t left = size - done;
        size_t count = left < LB_CASE_GZIP_BLOCK ? left : LB_CASE_GZIP_BLOCK;
        at[0] = count == left ? 1 : 0;
        put_low_first(at + 1, count, 2);
        put_low_first(at + 3, ~count & 0xffff, 2);
        at += GZIP_BLOCK_HEADER_SIZE;
        for (size_t i = 0; i < count; i++) {
            at[i] = (uint8_t)lb_fill_byte(offset + done + i);
            crc = crc_add(crc, at[i]);
        }
        at += count;
        done += count;
    } while (done < size);
    put_low_first(at, ~crc, 4);
    put_low_first(at + 4, size, 4);
    at += GZIP_TRAILER_SIZE;
    LB_ASSERT((size_t)(at - ret_bytes) == lb_gzip_size(size));
}
