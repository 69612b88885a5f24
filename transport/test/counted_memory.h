/*
 * Memory for tests on threads: counts what is out, from any thread.
 */
#ifndef LASTBYTE_TRANSPORT_TEST_COUNTED_MEMORY_H
#define LASTBYTE_TRANSPORT_TEST_COUNTED_MEMORY_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>

#include "lastbyte/memory.h"

struct counted_memory {
    struct lb_memory memory; /* first */
    atomic_size_t block_count;
    atomic_size_t size; /* their bytes */
};

static inline void *counted_memory_alloc(struct lb_memory *memory, size_t size)
{
    struct counted_memory *counted = (struct counted_memory *)(void *)memory;
    void *block = malloc(size);
    if (block != NULL) {
        (void)atomic_fetch_add(&counted->block_count, 1);
        (void)atomic_fetch_add(&counted->size, size);
    }
    return block;
}

static inline void counted_memory_release(struct lb_memory *memory, void *block, size_t size)
{
    struct counted_memory *counted = (struct counted_memory *)(void *)memory;
    (void)atomic_fetch_sub(&counted->block_count, 1);
    (void)atomic_fetch_sub(&counted->size, size);
    free(block);
}

/* counted_memory_init: nothing is out. */
static inline void counted_memory_init(struct counted_memory *counted)
{
    counted->memory = (struct lb_memory){counted_memory_alloc, counted_memory_release};
    atomic_init(&counted->block_count, 0);
    atomic_init(&counted->size, 0);
}

#endif
