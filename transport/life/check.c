/*
 * The invariants of the transport's machines, asserted each time the lock is given up, and by a
 * simulation between its steps. A checker changes nothing and derives everything again.
 */
#include <stddef.h>

#include "core/assert.h"
#include "life/life.h"

/* What a host's connections add up to. */
struct census {
    uint32_t slots;
    uint32_t idle;
};

/* check_drain: E5: nobody's any more, and only where it may be worth it. */
static void check_drain(const struct lbi_connection *c)
{
    LB_ASSERT(c->request == NULL);
    LB_ASSERT(c->writing == NULL);
    LB_ASSERT(!c->is_reading);
    LB_ASSERT(c->is_answered);
    LB_ASSERT(c->transport->options.drain_size_max > 0);
    LB_ASSERT(c->reader.may_keep_alive);
    LB_ASSERT(c->reader.framing != LBI_FRAMING_UNTIL_CLOSE);
}

static void check_exchange(const struct lbi_connection *c)
{
    const struct lb_request *request = c->request;
    LB_ASSERT(c->is_write_wanted + c->is_write_begun == 1);
    LB_ASSERT(c->is_write_begun || !c->is_write_done);
    bool is_writing = c->is_write_begun && !c->is_write_done;
    LB_ASSERT(is_writing == (c->writing != NULL || c->head != NULL));
    if (c->exchange == LBI_EXCHANGE_DRAIN) {
        check_drain(c);
        return;
    }
    LBI_CHECK_MAGIC(request, LBI_REQUEST_MAGIC);
    LB_ASSERT(request->connection == c);
    LB_ASSERT(request->host == c->host);
    LB_ASSERT(c->writing == NULL || c->writing == request);
    LB_ASSERT(c->head == NULL);
    if (c->exchange == LBI_EXCHANGE_HEAD) {
        LB_ASSERT(request->phase == LBI_REQUEST_STARTED);
        LB_ASSERT(!c->is_reading);
    } else {
        LB_ASSERT(c->exchange == LBI_EXCHANGE_BODY);
        LB_ASSERT(request->phase == LBI_REQUEST_BODY);
        LB_ASSERT(c->is_answered);
        LB_ASSERT(c->is_reading == request->body.is_read);
        LB_ASSERT(request->response.coding_kind != LBI_CODING_NONE || request->body.coding == NULL);
    }
}

static void check_connection(const struct lbi_connection *c, struct census *census)
{
    LBI_CHECK_MAGIC(c, LBI_CONNECTION_MAGIC);
    census->slots++;
    switch (c->state) {
    case LBI_CONNECTION_BUSY:
        LB_ASSERT(c->dialed_for == NULL);
        check_exchange(c);
        return;
    case LBI_CONNECTION_IDLE:
        census->idle++;
        LB_ASSERT(c->request == NULL);
        LB_ASSERT(c->dialed_for == NULL);
        LB_ASSERT(c->exchange == LBI_EXCHANGE_NONE);
        LB_ASSERT(c->input_start == c->input_end);
        LB_ASSERT(c->is_reused);
        LB_ASSERT(!c->is_reading);
        return;
    case LBI_CONNECTION_DIALING:
        LB_ASSERT(c->request == NULL);
        LB_ASSERT(c->dialed_for == NULL || c->dialed_for->dial == c);
        return;
    case LBI_CONNECTION_CLOSED:
        LB_ASSERT(c->request == NULL);
        LB_ASSERT(c->dialed_for == NULL);
        LB_ASSERT(c->exchange == LBI_EXCHANGE_NONE);
        return;
    }
}

static void check_waiters(const struct lbi_host *host)
{
    uint32_t slot_max = host->transport->options.connections_per_host_max;
    uint32_t count = 0;
    for (const struct lb_request *w = host->waiters; w != NULL; w = w->queue_next) {
        LBI_CHECK_MAGIC(w, LBI_REQUEST_MAGIC);
        LB_ASSERT(w->phase == LBI_REQUEST_QUEUED);
        LB_ASSERT(w->host == host);
        LB_ASSERT(w->connection == NULL);
        if (w->dial == NULL) {
            LB_ASSERT(slot_max != 0); /* B5: it waits for nothing but the limit */
            LB_ASSERT(host->slot_count >= slot_max);
        } else {
            LB_ASSERT(w->dial->dialed_for == w);
            LB_ASSERT(w->dial->state == LBI_CONNECTION_DIALING);
        }
        count++;
    }
    LB_ASSERT(count == host->waiter_count);
    LB_ASSERT(count == 0 || host->idle_count == 0); /* B5: nobody waits beside an idle connection */
}

static void check_host(const struct lbi_host *host)
{
    LBI_CHECK_MAGIC(host, LBI_HOST_MAGIC);
    const struct lb_transport_options *options = &host->transport->options;
    struct census census = {0, 0};
    for (const struct lbi_connection *c = host->connections; c != NULL; c = c->next) {
        LB_ASSERT(c->host == host);
        check_connection(c, &census);
    }
    LB_ASSERT(census.slots == host->slot_count);
    LB_ASSERT(census.idle == host->idle_count);
    uint32_t listed = 0;
    for (const struct lbi_connection *c = host->idle; c != NULL; c = c->idle_next) {
        LB_ASSERT(c->state == LBI_CONNECTION_IDLE);
        listed++;
    }
    LB_ASSERT(listed == host->idle_count); /* R4: each idle connection stands there once */
    LB_ASSERT(host->idle_count <= options->idle_per_host_max);
    if (options->connections_per_host_max != 0) {
        LB_ASSERT(host->slot_count <= options->connections_per_host_max);
    }
    check_waiters(host);
}

void lbi_transport_check(const struct lb_transport *t)
{
    LBI_CHECK_MAGIC(t, LBI_TRANSPORT_MAGIC);
    uint32_t idle = 0;
    uint32_t slots = 0;
    for (const struct lbi_host *host = t->hosts; host != NULL; host = host->next) {
        check_host(host);
        idle += host->idle_count;
        slots += host->slot_count;
    }
    LB_ASSERT(idle == t->idle_count);
    LB_ASSERT(slots == t->connection_count);
    if (t->options.idle_total_max != 0) {
        LB_ASSERT(t->idle_count <= t->options.idle_total_max);
    }
}

void lb_transport_check(const struct lb_transport *t)
{
    if (!t->is_locked) {
        lbi_transport_check(t);
    }
}
