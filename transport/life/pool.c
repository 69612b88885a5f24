/*
 * The pool: per host key the idle connections, the dials under way and the requests that wait.
 *
 *   request                                          connection
 *   lbi_pool_obtain                                  lbi_pool_give
 *     an idle one, newest first -> exchange            a waiter, oldest first -> exchange
 *     none -> queue, dial (lbi_pool_dial)              room -> idle
 *                                                      no room -> closed
 *
 * Facts, true whenever the lock is free (check.c):
 * - no request waits while a connection of its host is idle (B5);
 * - a waiting request without a dial of its own waits because its host's limit is reached (B5);
 * - slot_count counts sockets that are not closed yet, so the limit bounds descriptors (B2, O4);
 * - a dial is made for one request but bound to none: served otherwise, it leaves the dial to whoever
 *   waits, or to the pool (R9).
 *
 * Limits (B2): per host the newcomer is refused, over all hosts the oldest is closed.
 */
#include <stddef.h>
#include <string.h>
#include <utlist.h>

#include "core/assert.h"
#include "life/life.h"

/* host_new: an empty host in the transport's list. */
static enum lb_status host_new(struct lb_transport *t, const struct lb_endpoint *endpoint,
                               struct lbi_host **ret_host)
{
    size_t scheme_size = strlen(endpoint->scheme) + 1;
    size_t name_size = strlen(endpoint->host) + 1;
    size_t size = sizeof(struct lbi_host) + scheme_size + name_size;
    struct lbi_host *host = t->memory->alloc(t->memory, size);
    if (host == NULL) {
        return LB_MEMORY;
    }
    memset(host, 0, sizeof *host);
    host->magic = LBI_HOST_MAGIC;
    host->transport = t;
    host->size = size;
    host->scheme = (char *)(host + 1);
    memcpy(host->scheme, endpoint->scheme, scheme_size);
    host->name = host->scheme + scheme_size;
    memcpy(host->name, endpoint->host, name_size);
    host->port = endpoint->port;
    DL_APPEND(t->hosts, host);
    *ret_host = host;
    return LB_OK;
}

/* host_is: whether connections to the endpoint are the host's (R6). */
static bool host_is(const struct lbi_host *host, const struct lb_endpoint *endpoint)
{
    return host->port == endpoint->port && strcmp(host->name, endpoint->host) == 0 &&
           strcmp(host->scheme, endpoint->scheme) == 0;
}

enum lb_status lbi_host_acquire(struct lb_transport *t, const struct lb_endpoint *endpoint,
                                struct lbi_host **ret_host)
{
    LB_ASSERT(t->is_locked);
    struct lbi_host *host = t->hosts;
    while (host != NULL && !host_is(host, endpoint)) {
        host = host->next;
    }
    if (host == NULL) {
        enum lb_status status = host_new(t, endpoint, &host);
        if (status != LB_OK) {
            return status;
        }
    }
    host->user_count++;
    *ret_host = host;
    return LB_OK;
}

void lbi_host_release(struct lbi_host **host_pointer)
{
    struct lbi_host *host = *host_pointer;
    *host_pointer = NULL;
    LBI_CHECK_MAGIC(host, LBI_HOST_MAGIC);
    LB_ASSERT(host->transport->is_locked);
    LB_ASSERT(host->user_count > 0);
    if (--host->user_count > 0) {
        return;
    }
    LB_ASSERT(host->connections == NULL);
    LB_ASSERT(host->waiters == NULL);
    struct lb_transport *t = host->transport;
    DL_DELETE(t->hosts, host);
    host->magic = 0;
    t->memory->release(t->memory, host, host->size);
}

struct lbi_host *lbi_host_find(struct lb_transport *t, const char *name,
                               const struct lbi_host *after)
{
    LB_ASSERT(t->is_locked);
    struct lbi_host *host = after == NULL ? t->hosts : after->next;
    while (host != NULL && name != NULL && strcmp(host->name, name) != 0) {
        host = host->next;
    }
    return host;
}

/* pool_take_idle: the newest idle connection that nothing has happened to, or NULL; the others are
 * closed on the way (R3). */
static struct lbi_connection *pool_take_idle(struct lbi_host *host, struct lbi_work *work)
{
    uint64_t now_ns = lbi_now(host->transport);
    while (host->idle != NULL) {
        struct lbi_connection *c = host->idle;
        LB_ASSERT(c->state == LBI_CONNECTION_IDLE);
        if (c->idle_deadline_ns <= now_ns) {
            lbi_connection_close(c, LB_TIMEOUT, false, work);
        } else if (!lbi_connection_is_quiet(c)) {
            lbi_connection_close(c, LB_PROTOCOL, false, work);
        } else {
            lbi_pool_remove(c);
            return c;
        }
    }
    return NULL;
}

void lbi_pool_remove(struct lbi_connection *c)
{
    struct lbi_host *host = c->host;
    LB_ASSERT(c->state == LBI_CONNECTION_IDLE);
    LB_ASSERT(host->idle_count > 0);
    DL_DELETE2(host->idle, c, idle_prev, idle_next);
    DL_DELETE2(host->transport->oldest_idle, c, age_prev, age_next);
    host->idle_count--;
    host->transport->idle_count--;
}

/* pool_add: puts a connection into the pool as its host's newest. */
static void pool_add(struct lbi_connection *c, struct lbi_work *work)
{
    struct lbi_host *host = c->host;
    struct lb_transport *t = host->transport;
    uint32_t total_max = t->options.idle_total_max;
    lbi_connection_set_state(c, LBI_CONNECTION_IDLE);
    c->is_reused = true;
    c->idle_deadline_ns = lbi_deadline(t, t->options.idle_duration_ns);
    DL_PREPEND2(host->idle, c, idle_prev, idle_next);
    DL_APPEND2(t->oldest_idle, c, age_prev, age_next);
    host->idle_count++;
    t->idle_count++;
    lbi_emit(t, LB_EVENT_CONNECTION_IDLE, lbi_connection_name(c), 0);
    if (total_max != 0 && t->idle_count > total_max) {
        lbi_connection_close(t->oldest_idle, LB_LIMIT, false, work);
    }
}

void lbi_pool_unqueue(struct lb_request *request)
{
    struct lbi_host *host = request->host;
    LB_ASSERT(request->phase == LBI_REQUEST_QUEUED);
    LB_ASSERT(host->waiter_count > 0);
    DL_DELETE2(host->waiters, request, queue_prev, queue_next);
    host->waiter_count--;
    if (request->dial != NULL) {
        LB_ASSERT(request->dial->dialed_for == request);
        request->dial->dialed_for = NULL;
        request->dial = NULL;
    }
}

void lbi_pool_give(struct lbi_connection *c, struct lbi_work *work)
{
    struct lbi_host *host = c->host;
    struct lb_transport *t = host->transport;
    LB_ASSERT(t->is_locked);
    LB_ASSERT(c->request == NULL);
    LB_ASSERT(c->exchange == LBI_EXCHANGE_NONE);
    if (t->is_closing) {
        lbi_connection_close(c, LB_CLOSED, false, work);
    } else if (t->options.is_keep_alive_off) {
        lbi_connection_close(c, LB_LIMIT, false, work); /* whom it was dialed for has gone */
    } else if (!lbi_connection_is_quiet(c)) {
        lbi_connection_close(c, LB_PROTOCOL, false, work);
    } else if (host->waiters != NULL) {
        struct lb_request *waiter = host->waiters;
        lbi_pool_unqueue(waiter);
        c->is_reused = true;
        lbi_connection_begin(c, waiter);
    } else if (host->is_idle_refused || host->idle_count >= t->options.idle_per_host_max) {
        lbi_connection_close(c, LB_LIMIT, false, work);
    } else {
        pool_add(c, work);
    }
}

/* pool_dial_for: a dial begins for a waiting request; without memory the request ends. */
static void pool_dial_for(struct lb_request *request, struct lbi_work *work)
{
    struct lbi_connection *c = NULL;
    enum lb_status status = lbi_connection_new(request->host, &c);
    if (status != LB_OK) {
        lbi_request_fail(request, status, work);
        return;
    }
    c->dialed_for = request;
    request->dial = c;
    c->pin_count++;
    c->next_dial = work->dials;
    work->dials = c;
    lbi_emit(c->transport, LB_EVENT_DIAL_START, lbi_connection_name(c), request->id);
}

void lbi_pool_dial(struct lbi_host *host, struct lbi_work *work)
{
    LBI_CHECK_MAGIC(host, LBI_HOST_MAGIC);
    struct lb_transport *t = host->transport;
    uint32_t slot_max = t->options.connections_per_host_max;
    struct lb_request *waiter = host->waiters;
    while (waiter != NULL && (slot_max == 0 || host->slot_count < slot_max)) {
        struct lb_request *next = waiter->queue_next;
        if (waiter->dial == NULL) {
            pool_dial_for(waiter, work);
        }
        waiter = next;
    }
}

void lbi_pool_obtain(struct lb_request *request, struct lbi_work *work)
{
    LB_ASSERT(request->phase == LBI_REQUEST_NEW);
    struct lbi_host *host = request->host;
    host->is_idle_refused = false;
    struct lbi_connection *c = pool_take_idle(host, work);
    if (c != NULL) {
        lbi_emit(c->transport, LB_EVENT_CONNECTION_TAKE, lbi_connection_name(c), request->id);
        lbi_connection_begin(c, request);
        return;
    }
    lbi_request_set_phase(request, LBI_REQUEST_QUEUED);
    lbi_emit(request->transport, LB_EVENT_REQUEST_WAIT, "", request->id);
    DL_APPEND2(host->waiters, request, queue_prev, queue_next);
    host->waiter_count++;
    lbi_pool_dial(host, work);
}
