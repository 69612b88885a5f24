/*
 * gzip as the scripted servers write it: the standard pattern in stored blocks (RFC 1951 section 3.2.4,
 * RFC 1952), byte for byte the same whatever zlib is installed.
 */
#ifndef LASTBYTE_CONFORMANCE_CODING_H
#define LASTBYTE_CONFORMANCE_CODING_H

#include <stddef.h>
#include <stdint.h>

/* lb_gzip_size: bytes of the coding of `size` bytes: 18, and 5 for each block of at most 65,535 bytes,
 * of which there is one at least. */
size_t lb_gzip_size(size_t size);

/* lb_gzip_write: the coding of `size` bytes of the pattern from `offset` on; ret_bytes has room for
 * lb_gzip_size(size). */
void lb_gzip_write(uint64_t offset, size_t size, uint8_t *ret_bytes);

#endif
