/*
 * Memory for tests: counts what is out, and fails one allocation of the test's choice.
 */
#ifndef LASTBYTE_TRANSPORT_TEST_MEMORY_FIXTURE_H
#define LASTBYTE_TRANSPORT_TEST_MEMORY_FIXTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

#include "lastbyte/memory.h"

struct test_memory {
    struct lb_memory memory;
    size_t alloc_count; /* allocations asked for, failed ones included */
    size_t fail_at;     /* the allocation that fails, 1 is the first; 0: none */
    size_t block_count; /* given and not yet released */
    size_t size;        /* their bytes */
    bool has_failed;
};

static void *test_memory_alloc(struct lb_memory *memory, size_t size)
{
    struct test_memory *test = (struct test_memory *)(void *)memory;
    test->alloc_count++;
    if (test->alloc_count == test->fail_at) {
        test->has_failed = true;
        return NULL;
    }
    test->block_count++;
    test->size += size;
    return malloc(size);
}

static void test_memory_release(struct lb_memory *memory, void *block, size_t size)
{
    struct test_memory *test = (struct test_memory *)(void *)memory;
    test->block_count--;
    test->size -= size;
    free(block);
}

/* test_memory_init: nothing is out; allocation number `fail_at` will fail. */
static void test_memory_init(struct test_memory *test, size_t fail_at)
{
    *test = (struct test_memory){.memory = {test_memory_alloc, test_memory_release},
                                 .fail_at = fail_at};
}

#endif
