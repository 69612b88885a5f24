/*
 * A target as a program: what engines call and what they offer, and what the replay driver, which is no
 * engine, needs besides.
 *
 * LASTBYTE_TARGET is the row of the program's target; the build defines it.
 */
#ifndef LASTBYTE_FUZZ_ENGINE_H
#define LASTBYTE_FUZZ_ENGINE_H

#include "target.h"

/* lb_engine_target: the program's target, which the first call makes; static. */
struct lb_target *lb_engine_target(void);

/* lb_engine_row: its row. */
const struct lb_target_row *lb_engine_row(void);

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
