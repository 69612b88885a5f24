/*
 * State coverage: each event of the transport, paired with the state in which it finds its connection and
 * with that of the body there. For fuzzing engines, which keep an input that brings a new pair.
 *
 * The states are followed from the events alone. A connection is known by its name's hash; two that share
 * a slot, far beyond what a case opens, are taken for one, always in the same way.
 *
 * Invariant: a run begins with all connections unknown, so that what it counts depends on it alone.
 */
#include <string.h>

#include "core/assert.h"
#include "world.h"

#define EVENTS_MAX 16u /* of an event's number */
#define STATES_MAX 8u  /* of a state */

/* The states of a connection, as its events tell them. */
enum cover_state {
    COVER_NONE,
    COVER_DIALING,
    COVER_IDLE,
    COVER_BUSY,
    COVER_DRAINING,
    COVER_CLOSED,
};

LB_STATIC_ASSERT(LB_EVENT_COUNT <= EVENTS_MAX, "an event fits four bits");
LB_STATIC_ASSERT(LB_BODY_STATE_COUNT <= STATES_MAX, "a body's state fits three bits");
LB_STATIC_ASSERT(COVER_CLOSED < STATES_MAX, "a connection's state fits three bits");
LB_STATIC_ASSERT(LB_COVER_STATES_SIZE == 2 * EVENTS_MAX * STATES_MAX, "both pairs have room");

/* state_after: where an event leaves its connection. */
static uint8_t state_after(uint8_t state, enum lb_event event)
{
    switch (event) {
    case LB_EVENT_DIAL_START:
        return COVER_DIALING;
    case LB_EVENT_CONNECTION_IDLE:
        return COVER_IDLE;
    case LB_EVENT_CONNECTION_TAKE:
    case LB_EVENT_EXCHANGE_START:
        return COVER_BUSY;
    case LB_EVENT_CONNECTION_DRAIN:
        return COVER_DRAINING;
    case LB_EVENT_CONNECTION_CLOSE:
        return COVER_CLOSED;
    case LB_EVENT_DIAL_END:
    case LB_EVENT_REQUEST_WAIT:
    case LB_EVENT_EXCHANGE_WRITTEN:
    case LB_EVENT_EXCHANGE_INTERIM:
    case LB_EVENT_EXCHANGE_HEAD:
    case LB_EVENT_EXCHANGE_END:
    case LB_EVENT_BODY_STATE:
    case LB_EVENT_RETRY:
    case LB_EVENT_REQUEST_END:
    case LB_EVENT_COUNT:
        break;
    }
    return state;
}

static void count(uint8_t *counter)
{
    *counter = (uint8_t)(*counter + (*counter != UINT8_MAX));
}

void lb_cover_begin(struct lb_cover *cover)
{
    memset(cover->connections, 0, sizeof cover->connections);
    memset(cover->bodies, 0, sizeof cover->bodies);
}

void lb_cover_event(struct lb_cover *cover, enum lb_event event, const char *subject,
                    uint64_t value)
{
    LB_ASSERT(event < LB_EVENT_COUNT);
    bool has_connection =
        event != LB_EVENT_REQUEST_WAIT && event != LB_EVENT_RETRY && event != LB_EVENT_REQUEST_END;
    uint32_t slot = 0;
    for (const char *at = subject; has_connection && *at != '\0'; at++) {
        slot = slot * 31u + (unsigned char)*at;
    }
    slot = has_connection ? 1 + slot % (LB_COVER_SLOTS - 1) : 0;
    uint8_t *connection = &cover->connections[slot];
    uint8_t *body = &cover->bodies[slot];
    count(&cover->counters[*connection * EVENTS_MAX + event]);
    count(&cover->counters[(STATES_MAX + *body) * EVENTS_MAX + event]);
    *connection = state_after(*connection, event);
    if (event == LB_EVENT_BODY_STATE) {
        LB_ASSERT(value < LB_BODY_STATE_COUNT);
        *body = (uint8_t)value;
    } else if (event == LB_EVENT_EXCHANGE_START) {
        *body = LB_BODY_NONE;
    }
}
