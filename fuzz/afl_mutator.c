/*
 * The mutator for AFL++, as a shared object: AFL_CUSTOM_MUTATOR_LIBRARY=build/liblastbyte_mutator.so
 *
 * Mutation goes through the havoc hook only, a quarter of its steps: as a stage of its own it found less than
 * havoc alone. Trimming leaves out operations, from the last to the first, as long as the path stays the
 * same. Which target it is for is not known here: operations are chosen as for `lifecycle`.
 */
#include <stdlib.h>
#include <string.h>

#include "codec.h"
#include "core/assert.h"
#include "mutator.h"

#define HAVOC_PERCENT 25
#define SIZE_MAX_MUTATED (1u << 20)

struct afl_mutator {
    struct lb_mutator mutator;
    uint8_t *bytes; /* the result of the last call; AFL++ reads it until the next one */
    size_t capacity;
    /* trimming: what is kept so far, and the record that is left out next, counted from the end */
    uint8_t *trimmed;
    size_t trimmed_size;
    int32_t step;
    int32_t step_count;
};

/* What AFL++ calls; its own documentation says when (custom_mutators.md). */
void *afl_custom_init(void *afl, unsigned int seed);
void afl_custom_deinit(void *data);
uint8_t afl_custom_havoc_mutation_probability(void *data);
size_t afl_custom_havoc_mutation(void *data, uint8_t *bytes, size_t size, uint8_t **ret_bytes,
                                 size_t size_max);
int32_t afl_custom_init_trim(void *data, uint8_t *bytes, size_t size);
size_t afl_custom_trim(void *data, uint8_t **ret_bytes);
int32_t afl_custom_post_trim(void *data, unsigned char is_kept);

static void *room(void *block, size_t size)
{
    void *grown = realloc(block, size > 0 ? size : 1);
    LB_ASSERT(grown != NULL);
    return grown;
}

void *afl_custom_init(void *afl, unsigned int seed)
{
    struct afl_mutator *state = calloc(1, sizeof(*state));
    (void)afl;
    LB_ASSERT(state != NULL);
    state->mutator.seed = seed;
    state->mutator.form = LB_TARGET_OPERATIONS;
    return state;
}

void afl_custom_deinit(void *data)
{
    struct afl_mutator *state = data;
    free(state->bytes);
    free(state->trimmed);
    free(state);
}

uint8_t afl_custom_havoc_mutation_probability(void *data)
{
    (void)data;
    return HAVOC_PERCENT;
}

size_t afl_custom_havoc_mutation(void *data, uint8_t *bytes, size_t size, uint8_t **ret_bytes,
                                 size_t size_max)
{
    struct afl_mutator *state = data;
    size_max = size_max < SIZE_MAX_MUTATED ? size_max : SIZE_MAX_MUTATED;
    size = size < size_max ? size : size_max;
    if (state->capacity < size_max) {
        state->bytes = room(state->bytes, size_max);
        state->capacity = size_max;
    }
    if (size > 0) {
        memcpy(state->bytes, bytes, size);
    }
    state->mutator.seed++;
    *ret_bytes = state->bytes;
    size_t mutated = lb_mutator_mutate(&state->mutator, state->bytes, size, size_max);
    if (mutated == 0) { /* AFL++ takes that for a failure */
        state->bytes[0] = 0x80;
        mutated = 1;
    }
    return mutated;
}

/* record_start: where record `index` from the end begins, 0 being the last; `size` if there are fewer. */
static size_t record_start(const uint8_t *bytes, size_t size, int32_t index)
{
    for (size_t at = size; at > 0; at--) {
        if (bytes[at - 1] >= 0x80) {
            if (index == 0) {
                return at - 1;
            }
            index--;
        }
    }
    return size;
}

int32_t afl_custom_init_trim(void *data, uint8_t *bytes, size_t size)
{
    struct afl_mutator *state = data;
    state->trimmed = room(state->trimmed, size);
    memcpy(state->trimmed, bytes, size);
    state->trimmed_size = size;
    state->step = 0;
    state->step_count = 0;
    for (size_t i = 0; i < size; i++) {
        state->step_count += bytes[i] >= 0x80 ? 1 : 0;
    }
    return state->step_count;
}

/* trim_index: the record that this step leaves out, counted from the end of what is kept: those before it
 * were kept. */
static int32_t trim_index(const struct afl_mutator *state)
{
    int32_t left = 0;
    for (size_t i = 0; i < state->trimmed_size; i++) {
        left += state->trimmed[i] >= 0x80 ? 1 : 0;
    }
    return state->step - (state->step_count - left);
}

size_t afl_custom_trim(void *data, uint8_t **ret_bytes)
{
    struct afl_mutator *state = data;
    int32_t index = trim_index(state);
    LB_ASSERT(index >= 0);
    size_t from = record_start(state->trimmed, state->trimmed_size, index);
    size_t to = from + 1;
    while (to < state->trimmed_size && state->trimmed[to] < 0x80) {
        to++;
    }
    LB_ASSERT(from < state->trimmed_size);
    if (state->capacity < state->trimmed_size) {
        state->bytes = room(state->bytes, state->trimmed_size);
        state->capacity = state->trimmed_size;
    }
    memcpy(state->bytes, state->trimmed, from);
    memcpy(state->bytes + from, state->trimmed + to, state->trimmed_size - to);
    *ret_bytes = state->bytes;
    return state->trimmed_size - (to - from);
}

int32_t afl_custom_post_trim(void *data, unsigned char is_kept)
{
    struct afl_mutator *state = data;
    if (is_kept != 0) {
        uint8_t *ignored;
        size_t size = afl_custom_trim(data, &ignored);
        memcpy(state->trimmed, state->bytes, size);
        state->trimmed_size = size;
    }
    state->step++;
    return state->step;
}
