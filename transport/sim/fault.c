/*
 * Faults: which call is struck. What a struck call does is its own affair: net_fault.c for the network,
 * sim_runtime.c for workers; allocations are the world's.
 *
 * Invariant: calls are counted in the order in which they take effect, so that the n-th is the same in
 * every run of the same program under the same schedule.
 */
#include "sim/fault.h"

#include <stddef.h>

#include "core/assert.h"
#include "sim/sim.h"

static const char *const kind_words[LB_FAULT_KIND_COUNT] = {
    "none",  "alloc",      "start",       "open",       "connect", "read",
    "write", "short-read", "short-write", "slow-write", "window"};

static const char *const how_words[LB_FAULT_HOW_COUNT] = {
    "not", "memory",     "refused",  "timeout", "reset",
    "end", "late-reset", "late-end", "broken",  "closed"};

const char *lb_fault_kind_word(enum lb_fault_kind kind)
{
    LB_ASSERT((unsigned)kind < LB_FAULT_KIND_COUNT);
    return kind_words[kind];
}

const char *lb_fault_how_word(enum lb_fault_how how)
{
    LB_ASSERT((unsigned)how < LB_FAULT_HOW_COUNT);
    return how_words[how];
}

bool lb_fault_is_bound(enum lb_fault_kind kind)
{
    LB_ASSERT((unsigned)kind < LB_FAULT_KIND_COUNT);
    return kind >= LB_FAULT_SHORT_READ;
}

bool lb_fault_may(enum lb_fault_kind kind, enum lb_fault_how how)
{
    switch (kind) {
    case LB_FAULT_ALLOC:
    case LB_FAULT_START:
    case LB_FAULT_OPEN:
        return how == LB_FAULT_MEMORY;
    case LB_FAULT_CONNECT:
        return how == LB_FAULT_REFUSED || how == LB_FAULT_TIMEOUT;
    case LB_FAULT_READ:
        return how == LB_FAULT_TIMEOUT || how == LB_FAULT_RESET || how == LB_FAULT_END ||
               how == LB_FAULT_LATE_RESET || how == LB_FAULT_LATE_END;
    case LB_FAULT_WRITE:
        return how == LB_FAULT_RESET || how == LB_FAULT_BROKEN || how == LB_FAULT_CLOSED;
    case LB_FAULT_NONE:
    case LB_FAULT_SHORT_READ:
    case LB_FAULT_SHORT_WRITE:
    case LB_FAULT_SLOW_WRITE:
    case LB_FAULT_WINDOW:
        break;
    }
    return how == LB_FAULT_NOT;
}

/* fault_note: the trace says where it struck. */
static void fault_note(const struct lb_fault_state *state)
{
    const struct lb_fault *fault = &state->fault;
    if (state->sim != NULL) {
        lb_sim_note(state->sim, lb_fault_kind_word(fault->kind), "fault",
                    lb_fault_is_bound(fault->kind) ? fault->amount : fault->number);
    }
}

enum lb_fault_how lb_fault_strike(struct lb_fault_state *state, enum lb_fault_kind kind,
                                  bool has_deadline)
{
    LB_ASSERT(kind != LB_FAULT_NONE);
    LB_ASSERT(!lb_fault_is_bound(kind));
    if (state == NULL || state->fault.kind != kind ||
        (state->fault.how == LB_FAULT_TIMEOUT && !has_deadline)) {
        return LB_FAULT_NOT;
    }
    LB_ASSERT(lb_fault_may(kind, state->fault.how));
    LB_ASSERT(state->fault.number > 0);
    state->call_count += 1;
    if (state->call_count != state->fault.number) {
        return LB_FAULT_NOT;
    }
    state->is_reached = true;
    fault_note(state);
    return state->fault.how;
}

uint64_t lb_fault_bound(struct lb_fault_state *state, enum lb_fault_kind kind)
{
    LB_ASSERT(lb_fault_is_bound(kind));
    if (state == NULL || state->fault.kind != kind) {
        return 0;
    }
    LB_ASSERT(state->fault.amount > 0);
    if (!state->is_reached) {
        state->is_reached = true;
        fault_note(state);
    }
    return state->fault.amount;
}
