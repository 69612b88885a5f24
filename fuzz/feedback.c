/*
 * State feedback, for each engine in its way.
 *
 * libFuzzer clears and reads the section __libfuzzer_extra_counters around each execution. AFL++ knows
 * no such thing: here a range of guards is given to its run-time library, which reserves a place in the
 * map for each; after an execution what was counted is added there. Its symbols are weak: without AFL++
 * they are NULL.
 */
#include "feedback.h"

#include <string.h>

#include "core/assert.h"

#define SWITCHES 4096u /* cleared and scanned by libFuzzer in every execution */
#define STATES LB_COVER_STATES_SIZE

#ifndef LASTBYTE_FEEDBACK
#define LASTBYTE_FEEDBACK 1
#endif

#if LASTBYTE_FEEDBACK

__attribute__((section("__libfuzzer_extra_counters"))) static uint8_t maps[SWITCHES + STATES];

extern uint8_t *__afl_area_ptr __attribute__((weak));
void __sanitizer_cov_trace_pc_guard_init(uint32_t *start, uint32_t *end) __attribute__((weak));

/* The places of the counts in AFL++'s map; 0: none. */
static uint32_t guards[SWITCHES + STATES];

static bool is_afl(void)
{
    return &__afl_area_ptr != NULL && __sanitizer_cov_trace_pc_guard_init != NULL;
}

/* Before main, since AFL++ learns the size of its map when it starts. */
__attribute__((constructor)) static void feedback_reserve(void)
{
    if (is_afl()) {
        __sanitizer_cov_trace_pc_guard_init(guards, guards + SWITCHES + STATES);
    }
}

void lb_feedback_begin(struct lb_target *target)
{
    lb_target_watch(target, maps, SWITCHES, maps + SWITCHES);
}

void lb_feedback_end(void)
{
    if (!is_afl()) {
        return;
    }
    for (size_t i = 0; i < sizeof(maps); i += sizeof(uint64_t)) {
        uint64_t word;
        memcpy(&word, maps + i, sizeof(word));
        for (size_t k = i; word != 0 && k < i + sizeof(word); k++) {
            LB_ASSERT(guards[k] != 0 || maps[k] == 0);
            __afl_area_ptr[guards[k]] = maps[k];
        }
    }
    memset(maps, 0, sizeof(maps));
}

#else

void lb_feedback_begin(struct lb_target *target)
{
    LB_ASSERT(target != NULL);
}

void lb_feedback_end(void)
{
}

#endif
