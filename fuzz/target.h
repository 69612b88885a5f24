/*
 * What a fuzz target offers: the engines' entry points, and, to the replay driver, what its runs
 * did.
 */
#ifndef LASTBYTE_FUZZ_TARGET_H
#define LASTBYTE_FUZZ_TARGET_H

#include <stddef.h>
#include <stdint.h>

/* Counts since the process began. */
struct lb_target_counters {
    uint64_t runs;
    uint64_t responded;  /* runs in which a request came to a response */
    uint64_t reused;     /* runs in which a connection carried a second request */
    uint64_t broken;     /* runs whose servers or schedule did not fit the conversation */
    uint64_t trace_hash; /* of the last run */
};

/* lb_target_counters: the counters of the linked target; a static object. */
const struct lb_target_counters *lb_target_counters(void);

/* lb_dictionary_text: the dictionary of the byte form; gives *ret_text (malloc, free),
 * NUL-terminated. */
void lb_dictionary_text(char **ret_text, size_t *ret_size);

/* lb_idiom: operations that mean something together, number `index`; NULL beyond the last.
 * Static. */
const uint8_t *lb_idiom(uint32_t index, size_t *ret_size, const char **ret_name);

/* Of the engines: a target is LLVMFuzzerTestOneInput, which returns 0 always. */
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t size, size_t size_max, unsigned int seed);
size_t LLVMFuzzerCustomCrossOver(const uint8_t *first, size_t first_size, const uint8_t *second,
                                 size_t second_size, uint8_t *ret_bytes, size_t size_max,
                                 unsigned int seed);

/* Of the mutator's engine: changes bytes in place; the replay driver has its own. */
size_t LLVMFuzzerMutate(uint8_t *bytes, size_t size, size_t size_max);

#endif
