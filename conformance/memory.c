/*
 * The memory that the transport of a run gets: the C library's, with a list of what lives, so that
 * every byte is asked back (E3), and reclaimed when a run is cut short. A fault makes one allocation
 * fail (B7).
 *
 * A transport rarely has more than some dozen blocks, and mostly releases what it got last: the list is
 * an array that is searched from its end.
 */
#include <stdlib.h>
#include <string.h>

#include "core/assert.h"
#include "world.h"

#define MEMORY_ROOM_MIN 64

static struct lb_counted_memory *counted_of(struct lb_memory *memory)
{
    return (struct lb_counted_memory *)(void *)memory;
}

static void *counted_alloc(struct lb_memory *memory, size_t size)
{
    struct lb_counted_memory *counted = counted_of(memory);
    LB_ASSERT(counted->block_count <= counted->block_room);
    if (lb_fault_strike(counted->fault, LB_FAULT_ALLOC, false) != LB_FAULT_NOT) {
        return NULL;
    }
    if (counted->block_count == counted->block_room) {
        size_t room = counted->block_room == 0 ? MEMORY_ROOM_MIN : counted->block_room * 2;
        void **blocks = realloc(counted->blocks, room * sizeof(*blocks));
        LB_ASSERT(blocks != NULL);
        counted->blocks = blocks;
        counted->block_room = room;
    }
    void *block = malloc(size);
    if (block != NULL) {
        counted->blocks[counted->block_count++] = block;
    }
    return block;
}

static void counted_release(struct lb_memory *memory, void *block, size_t size)
{
    struct lb_counted_memory *counted = counted_of(memory);
    LB_ASSERT(size > 0);
    size_t at = counted->block_count;
    while (at > 0 && counted->blocks[at - 1] != block) {
        at--;
    }
    LB_ASSERT(at > 0); /* it lives */
    memmove(&counted->blocks[at - 1], &counted->blocks[at],
            (counted->block_count - at) * sizeof(*counted->blocks));
    counted->block_count--;
    free(block);
}

void lb_memory_count(struct lb_counted_memory *counted)
{
    memset(counted, 0, sizeof(*counted));
    counted->memory.alloc = counted_alloc;
    counted->memory.release = counted_release;
}

void lb_memory_reclaim(struct lb_counted_memory *counted)
{
    while (counted->block_count > 0) {
        free(counted->blocks[--counted->block_count]);
    }
}
