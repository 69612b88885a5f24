/*
 * Words: the one spelling of every enumerator that a person may read, and the standard memory.
 *
 * Mental model: lists that only name things (sites, events) are tables made from the list itself;
 * enums with a meaning (status, role, body state) are switches without default, so that the
 * compiler names the enumerator that was forgotten here.
 *
 * Invariants: every result is a static string, never NULL or empty. A value outside its enum is a
 * programmer's error.
 */
#include <stdlib.h>

#include "core/assert.h"
#include "lastbyte/client.h"
#include "lastbyte/memory.h"
#include "lastbyte/runtime.h"
#include "lastbyte/site.h"
#include "lastbyte/status.h"
#include "lastbyte/trace.h"

LB_STATIC_ASSERT(LB_SOURCE + 1 == LB_STATUS_COUNT, "LB_STATUS_COUNT counts enum lb_status");
LB_STATIC_ASSERT(LB_ROLE_SERVER + 1 == LB_ROLE_COUNT, "LB_ROLE_COUNT counts enum lb_role");
LB_STATIC_ASSERT(LB_BODY_CLOSED + 1 == LB_BODY_STATE_COUNT,
                 "LB_BODY_STATE_COUNT counts enum lb_body_state");

const char *lb_status_word(enum lb_status status)
{
    switch (status) {
    case LB_OK:
        return "ok";
    case LB_END:
        return "end";
    case LB_AGAIN:
        return "again";
    case LB_INCOMPLETE:
        return "incomplete";
    case LB_CANCELLED:
        return "cancelled";
    case LB_RESET:
        return "reset";
    case LB_TIMEOUT:
        return "timeout";
    case LB_PROTOCOL:
        return "protocol";
    case LB_REFUSED:
        return "refused";
    case LB_CLOSED:
        return "closed";
    case LB_LIMIT:
        return "limit";
    case LB_MEMORY:
        return "memory";
    case LB_SOURCE:
        return "source";
    }
    lb_assert_fail(__FILE__, __LINE__, "status is an enum lb_status");
}

const char *lb_role_word(enum lb_role role)
{
    switch (role) {
    case LB_ROLE_READ:
        return "read";
    case LB_ROLE_WRITE:
        return "write";
    case LB_ROLE_DIAL:
        return "dial";
    case LB_ROLE_CALLER:
        return "caller";
    case LB_ROLE_SERVER:
        return "server";
    }
    lb_assert_fail(__FILE__, __LINE__, "role is an enum lb_role");
}

const char *lb_body_state_word(enum lb_body_state state)
{
    switch (state) {
    case LB_BODY_NONE:
        return "none";
    case LB_BODY_OPEN:
        return "open";
    case LB_BODY_ENDED:
        return "ended";
    case LB_BODY_FAILED:
        return "failed";
    case LB_BODY_CANCELLED:
        return "cancelled";
    case LB_BODY_CLOSED:
        return "closed";
    }
    lb_assert_fail(__FILE__, __LINE__, "state is an enum lb_body_state");
}

const char *lb_site_label(enum lb_site site)
{
    static const char *const labels[LB_SITE_COUNT] = {
#define SITE_LABEL(name, label) [LB_SITE_##name] = label,
        LB_SITE_LIST(SITE_LABEL)
#undef SITE_LABEL
    };
    LB_ASSERT((unsigned)site < LB_SITE_COUNT);
    LB_ASSERT(labels[site] != NULL);
    return labels[site];
}

const char *lb_event_word(enum lb_event event)
{
    static const char *const words[LB_EVENT_COUNT] = {
#define EVENT_WORD(name, word) [LB_EVENT_##name] = word,
        LB_EVENT_LIST(EVENT_WORD)
#undef EVENT_WORD
    };
    LB_ASSERT((unsigned)event < LB_EVENT_COUNT);
    LB_ASSERT(words[event] != NULL);
    return words[event];
}

static void *memory_standard_alloc(struct lb_memory *memory, size_t size)
{
    LB_ASSERT(memory != NULL);
    LB_ASSERT(size > 0);
    return malloc(size);
}

static void memory_standard_release(struct lb_memory *memory, void *block, size_t size)
{
    LB_ASSERT(memory != NULL);
    LB_ASSERT(block == NULL || size > 0);
    free(block);
}

struct lb_memory *lb_memory_standard(void)
{
    /* Never written: it is only not const because the interface passes allocators with state. */
    static struct lb_memory standard = {memory_standard_alloc, memory_standard_release};
    return &standard;
}
