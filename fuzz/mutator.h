/*
 * The mutator of inputs that are rows of records, for libFuzzer (engine.c) and AFL++ (afl_mutator.c), and
 * what it and the dictionary know of operations that mean something together.
 */
#ifndef LASTBYTE_FUZZ_MUTATOR_H
#define LASTBYTE_FUZZ_MUTATOR_H

#include "target.h"

/* How to mutate. */
struct lb_mutator {
    unsigned int seed;
    enum lb_target_form form; /* not TEXT */
    /* Operations that half of the new ones are; count 0: all by their slots. */
    const uint8_t *favoured;
    size_t favoured_count;
    /* The engine's own mutation, which a quarter of the calls go to; NULL: none do. */
    size_t (*mutate_bytes)(uint8_t *bytes, size_t size, size_t size_max);
};

/* lb_mutator_mutate: changes `size` bytes in place, of size_max; returns how many they are then. Same
 * bytes and same seed, same result. */
size_t lb_mutator_mutate(const struct lb_mutator *mutator, uint8_t *bytes, size_t size,
                         size_t size_max);

/* lb_mutator_cross: `first` with a slice of `second` in place of one of its own, into ret_bytes, of
 * size_max; returns the size. */
size_t lb_mutator_cross(unsigned int seed, const uint8_t *first, size_t first_size,
                        const uint8_t *second, size_t second_size, uint8_t *ret_bytes,
                        size_t size_max);

/* lb_dictionary_text: the dictionary of the byte form; gives *ret_text (malloc, free),
 * NUL-terminated. */
void lb_dictionary_text(char **ret_text, size_t *ret_size);

/* lb_idiom: operations that mean something together, number `index`; NULL beyond the last.
 * Static. */
const uint8_t *lb_idiom(uint32_t index, size_t *ret_size, const char **ret_name);

#endif
