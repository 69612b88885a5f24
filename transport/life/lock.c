/*
 * The transport's lock, and the effects that wait until it is released.
 *
 * A connection in a work is pinned: whoever finishes it waits until the effects have been done, so
 * that a socket is never shut down after its close. Pins are given back under the lock.
 */
#include <stddef.h>

#include "core/assert.h"
#include "life/life.h"

void lbi_lock(struct lb_transport *t, enum lb_site site)
{
    LBI_CHECK_MAGIC(t, LBI_TRANSPORT_MAGIC);
    t->runtime->ops->mutex_lock(t->runtime, &t->lock, site);
    LB_ASSERT(!t->is_locked);
    t->is_locked = true;
}

/* lock_check: the lock is given up: what it guards must hold together. */
static void lock_check(const struct lb_transport *t)
{
    if (t->options.is_checked) {
        lbi_transport_check(t);
    }
}

void lbi_unlock(struct lb_transport *t)
{
    LB_ASSERT(t->is_locked);
    lock_check(t);
    t->is_locked = false;
    t->runtime->ops->mutex_unlock(t->runtime, &t->lock);
}

bool lbi_wait(struct lb_transport *t, struct lb_cond *cond, uint64_t deadline_ns, enum lb_site site)
{
    LB_ASSERT(t->is_locked);
    lock_check(t);
    t->is_locked = false;
    enum lb_status status =
        t->runtime->ops->cond_wait(t->runtime, cond, &t->lock, deadline_ns, site);
    LB_ASSERT(!t->is_locked);
    t->is_locked = true;
    return status == LB_OK;
}

void lbi_wake(struct lb_transport *t, struct lb_cond *cond, enum lb_site site)
{
    LB_ASSERT(t->is_locked);
    t->runtime->ops->cond_wake(t->runtime, cond, site);
}

uint64_t lbi_now(const struct lb_transport *t)
{
    return t->runtime->ops->now(t->runtime);
}

uint64_t lbi_deadline(const struct lb_transport *t, uint64_t duration_ns)
{
    if (duration_ns == LB_NEVER) {
        return LB_NEVER;
    }
    uint64_t now = lbi_now(t);
    return duration_ns > LB_NEVER - now ? LB_NEVER : now + duration_ns;
}

void lbi_emit(const struct lb_transport *t, enum lb_event event, const char *subject,
              uint64_t value)
{
    if (t->options.trace != NULL) {
        t->options.trace->emit(t->options.trace, event, subject, value);
    }
}

/* work_unpin: gives the pins of one list back. */
static void work_unpin(struct lb_transport *t, struct lbi_connection *c)
{
    LBI_CHECK_MAGIC(c, LBI_CONNECTION_MAGIC);
    LB_ASSERT(c->pin_count > 0);
    c->pin_count--;
    lbi_wake(t, &c->read_wake, LB_SITE_WAKE_READ);
}

/* work_start_dials: starts the dials of a work; returns those that could not be started. */
static struct lbi_connection *work_start_dials(struct lb_transport *t, struct lbi_work *work)
{
    struct lbi_connection *failed = NULL;
    struct lbi_connection *started = NULL;
    while (work->dials != NULL) {
        struct lbi_connection *c = work->dials;
        work->dials = c->next_dial;
        bool is_started = lbi_dial_start(c) == LB_OK;
        c->next_dial = is_started ? started : failed;
        *(is_started ? &started : &failed) = c;
    }
    lbi_lock(t, LB_SITE_WORK_UNPIN);
    for (struct lbi_connection *c = failed; c != NULL; c = c->next_dial) {
        work_unpin(t, c);
    }
    while (started != NULL) {
        struct lbi_connection *c = started;
        started = c->next_dial;
        c->next_dial = NULL;
        work_unpin(t, c);
    }
    lbi_unlock(t);
    return failed;
}

/* work_shut: shuts the sockets of a work down. */
static void work_shut(struct lb_transport *t, struct lbi_work *work)
{
    for (struct lbi_connection *c = work->shuts; c != NULL; c = c->next_shut) {
        if (c->socket != NULL) { /* or it belongs to somebody else now (upgrade.c) */
            c->socket->ops->shutdown(c->socket, LB_SITE_SOCKET_SHUTDOWN);
        }
    }
    lbi_lock(t, LB_SITE_WORK_UNPIN);
    while (work->shuts != NULL) {
        struct lbi_connection *c = work->shuts;
        work->shuts = c->next_shut;
        c->next_shut = NULL;
        work_unpin(t, c);
    }
    lbi_unlock(t);
}

/* work_close_sources: closes the sources of a work. */
static void work_close_sources(struct lb_transport *t, struct lbi_work *work)
{
    for (struct lb_request *request = work->sources; request != NULL;
         request = request->next_source) {
        request->source_closing->ops->close(request->source_closing);
    }
    lbi_lock(t, LB_SITE_SOURCE_CLOSE);
    while (work->sources != NULL) {
        struct lb_request *request = work->sources;
        work->sources = request->next_source;
        request->next_source = NULL;
        request->source_closing = NULL;
        lbi_request_unpin(request);
    }
    lbi_unlock(t);
}

bool lbi_work_is_empty(const struct lbi_work *work)
{
    return work->dials == NULL && work->shuts == NULL && work->sources == NULL;
}

void lbi_unlock_run(struct lb_transport *t, struct lbi_work *work)
{
    lbi_unlock(t);
    while (!lbi_work_is_empty(work)) {
        if (work->shuts != NULL) {
            work_shut(t, work);
        }
        if (work->sources != NULL) {
            work_close_sources(t, work);
        }
        struct lbi_connection *failed = work->dials != NULL ? work_start_dials(t, work) : NULL;
        while (failed != NULL) { /* no worker has it: who would have started it finishes it */
            struct lbi_connection *c = failed;
            failed = c->next_dial;
            c->next_dial = NULL;
            lbi_connection_finish(c, work); /* whose slot brings more to be done */
        }
    }
}

void lbi_leave(struct lb_transport *t, struct lbi_work *work)
{
    if (!lbi_work_is_empty(work)) {
        lbi_unlock_run(t, work);
        lbi_lock(t, LB_SITE_WORK_UNPIN);
    }
    LB_ASSERT(t->caller_count > 0);
    t->caller_count--;
    if (t->is_closing && t->caller_count == 0) {
        lbi_wake(t, &t->drained, LB_SITE_WAKE_DRAINED);
    }
    lbi_unlock(t);
}

/* connection_reap: joins the last worker of an ended connection and frees it. */
static void connection_reap(struct lb_transport *t, struct lbi_connection *c)
{
    LBI_CHECK_MAGIC(c, LBI_CONNECTION_MAGIC);
    LB_ASSERT(c->write_worker == NULL);
    struct lb_runtime *runtime = t->runtime;
    if (c->read_worker != NULL) {
        runtime->ops->worker_join(runtime, &c->read_worker, LB_SITE_JOIN_READ);
    }
    if (c->dial_worker != NULL) {
        runtime->ops->worker_join(runtime, &c->dial_worker, LB_SITE_JOIN_DIAL);
    }
    runtime->ops->cond_deinit(runtime, &c->read_wake);
    runtime->ops->cond_deinit(runtime, &c->write_wake);
    c->magic = 0;
    t->memory->release(t->memory, c, sizeof *c);
}

void lbi_reap(struct lb_transport *t)
{
    lbi_lock(t, LB_SITE_CLIENT_REAP);
    struct lbi_connection *ended = t->ended;
    t->ended = NULL;
    lbi_unlock(t);
    while (ended != NULL) {
        struct lbi_connection *c = ended;
        ended = c->next_ended;
        connection_reap(t, c);
    }
}
