/*
 * Memory: where the transport's bytes come from. Every allocation may fail (rule B7).
 */
#ifndef LASTBYTE_MEMORY_H
#define LASTBYTE_MEMORY_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* An allocator. Embed it as the first member of a larger struct to give it state. */
struct lb_memory {
    /* alloc: gives `size` bytes (size > 0), aligned for any type, or NULL. Never blocks. */
    void *(*alloc)(struct lb_memory *memory, size_t size);
    /* release: releases what alloc gave; `size` is the size asked for then. Never blocks. */
    void (*release)(struct lb_memory *memory, void *block, size_t size);
};

/*
 * lb_memory_standard: the C library's malloc and free. Returns a static object; safe from any worker.
 */
struct lb_memory *lb_memory_standard(void);

#ifdef __cplusplus
}
#endif
#endif
