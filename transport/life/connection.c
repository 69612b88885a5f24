/*
 * A connection: one socket to one host, with a read and a write worker.
 *
 *            lbi_connection_begin (dial.c)       lbi_connection_end -> lbi_pool_give
 *   DIALING ------------------------------> BUSY <-------------------------+
 *      |  \                                  |  |                          |
 *      |   \  lbi_pool_give                  |  +---> IDLE -- lbi_connection_begin --> BUSY
 *      |    +------------------> IDLE        |         |
 *      v                                     v         v
 *    CLOSED <---------- lbi_connection_close ----------+
 *      |
 *      v lbi_connection_finish (its read worker; its dial worker where there never was one)
 *    gone
 *
 * DIALING  no exchange; dialed_for, if any, waits in the queue; only a dial worker.
 * IDLE     in the pool exactly once; the read worker waits for the socket, the write worker for a
 *          request; whatever arrives ends it.
 * BUSY     has a request; exchange says whether the head or the body's end is awaited. Or it has none
 *          any more, and what is left of a body closed early is drained by the read worker (E5):
 *          lbi_connection_drain, then lbi_connection_drained -> lbi_pool_give, or closed.
 * CLOSED   in no pool, without a request; the socket is being or has been shut down, which unblocks
 *          every worker inside it; the slot is held until the socket is closed.
 */
#include <stddef.h>
#include <string.h>
#include <utlist.h>

#include "core/assert.h"
#include "life/life.h"

/* Which changes of state there are: connection_may[from][to]. */
static const bool connection_may[4][4] = {
    [LBI_CONNECTION_DIALING] = {[LBI_CONNECTION_IDLE] = true,
                                [LBI_CONNECTION_BUSY] = true,
                                [LBI_CONNECTION_CLOSED] = true},
    [LBI_CONNECTION_IDLE] = {[LBI_CONNECTION_BUSY] = true, [LBI_CONNECTION_CLOSED] = true},
    [LBI_CONNECTION_BUSY] = {[LBI_CONNECTION_BUSY] = true,
                             [LBI_CONNECTION_IDLE] = true,
                             [LBI_CONNECTION_CLOSED] = true},
};

void lbi_connection_set_state(struct lbi_connection *c, enum lbi_connection_state state)
{
    LBI_CHECK_MAGIC(c, LBI_CONNECTION_MAGIC);
    LB_ASSERT(c->transport->is_locked);
    LB_ASSERT(connection_may[c->state][state]);
    c->state = state;
}

const char *lbi_connection_name(const struct lbi_connection *c)
{
    return c->socket->ops->name(c->socket);
}

enum lb_status lbi_connection_new(struct lbi_host *host, struct lbi_connection **ret_connection)
{
    struct lb_transport *t = host->transport;
    LB_ASSERT(t->is_locked);
    struct lbi_connection *c = t->memory->alloc(t->memory, sizeof *c);
    if (c == NULL) {
        return LB_MEMORY;
    }
    memset(c, 0, offsetof(struct lbi_connection, input));
    struct lb_endpoint endpoint = {host->scheme, host->name, host->port};
    enum lb_status status =
        t->options.network->ops->open(t->options.network, &endpoint, &c->socket);
    if (status != LB_OK) {
        t->memory->release(t->memory, c, sizeof *c);
        return status;
    }
    c->magic = LBI_CONNECTION_MAGIC;
    c->transport = t;
    c->host = host;
    c->state = LBI_CONNECTION_DIALING;
    t->runtime->ops->cond_init(t->runtime, &c->read_wake);
    t->runtime->ops->cond_init(t->runtime, &c->write_wake);
    lbi_reader_init(&c->reader, t->memory, t->options.head_size_max);
    DL_APPEND(host->connections, c);
    host->slot_count++;
    host->user_count++;
    t->connection_count++;
    *ret_connection = c;
    return LB_OK;
}

bool lbi_connection_is_quiet(const struct lbi_connection *c)
{
    LB_ASSERT(c->exchange == LBI_EXCHANGE_NONE);
    return c->input_start == c->input_end && !c->socket->ops->is_pending(c->socket);
}

void lbi_connection_begin(struct lbi_connection *c, struct lb_request *request)
{
    LB_ASSERT(c->request == NULL);
    LB_ASSERT(c->exchange == LBI_EXCHANGE_NONE);
    LB_ASSERT(c->input_start == c->input_end);
    LB_ASSERT(c->writing == NULL);
    lbi_connection_set_state(c, LBI_CONNECTION_BUSY);
    c->exchange = LBI_EXCHANGE_HEAD;
    c->request = request;
    c->input_start = 0;
    c->input_end = 0;
    c->is_answered = false;
    c->write_site = LB_SITE_SOCKET_WRITE;
    c->go_ahead = LBI_CONTINUE_OPEN;
    c->is_write_wanted = true;
    c->is_write_begun = false;
    c->is_write_done = false;
    c->is_write_failed = false;
    c->is_write_empty = true;
    c->is_head_written = false;
    c->is_write_awaited = false;
    c->head_deadline_ns = LB_NEVER;
    lbi_reader_begin(&c->reader, request->is_head_method);
    request->connection = c;
    lbi_request_set_phase(request, LBI_REQUEST_STARTED);
    lbi_emit(c->transport, LB_EVENT_EXCHANGE_START, lbi_connection_name(c), request->id);
    lbi_wake(c->transport, &c->write_wake, LB_SITE_WAKE_WRITE);
}

/* connection_detach: the exchange is over for the connection. */
static struct lb_request *connection_detach(struct lbi_connection *c)
{
    struct lb_request *request = c->request;
    LB_ASSERT(request != NULL);
    LB_ASSERT(request->connection == c);
    lbi_emit(c->transport, LB_EVENT_EXCHANGE_END, lbi_connection_name(c), request->id);
    request->connection = NULL;
    c->request = NULL;
    c->exchange = LBI_EXCHANGE_NONE;
    return request;
}

/* connection_is_reusable: every condition of rule R1 but the pool's own. */
static bool connection_is_reusable(const struct lbi_connection *c)
{
    const struct lbi_reader *reader = &c->reader;
    bool is_last = c->request != NULL && c->request->is_close; /* such a one is not drained */
    bool is_body_read = reader->is_complete || reader->framing == LBI_FRAMING_NONE;
    return is_body_read && reader->failure == LB_OK && reader->may_keep_alive &&
           reader->framing != LBI_FRAMING_UNTIL_CLOSE && !is_last && c->is_write_done &&
           !c->is_write_failed;
}

void lbi_connection_await_write(struct lbi_connection *c, struct lb_cond *cond, bool is_head_enough)
{
    struct lb_transport *t = c->transport;
    if (c->is_write_done) {
        return; /* as a rule, and then it does not matter what time it is */
    }
    uint64_t deadline_ns = lbi_deadline(t, t->options.written_duration_ns);
    while (c->state == LBI_CONNECTION_BUSY && !c->is_write_done &&
           !(is_head_enough && c->is_head_written)) {
        c->is_write_awaited = true;
        if (!lbi_wait(t, cond, deadline_ns, LB_SITE_WAIT_WRITTEN)) {
            return;
        }
    }
}

bool lbi_connection_may_repeat(const struct lbi_connection *c)
{
    const struct lb_request *request = c->request;
    LB_ASSERT(request != NULL);
    bool is_unwritten = !c->is_write_begun || (c->is_write_done && c->is_write_empty);
    bool has_rewind = request->source != NULL && request->source->ops->rewind != NULL;
    bool is_at_hand = !request->has_body || !request->is_source_read || has_rewind;
    return request->phase == LBI_REQUEST_STARTED && c->is_reused && is_at_hand &&
           (is_unwritten || request->may_repeat);
}

void lbi_connection_end(struct lbi_connection *c, struct lbi_work *work)
{
    LB_ASSERT(c->state == LBI_CONNECTION_BUSY);
    bool is_reusable = connection_is_reusable(c);
    if (c->reader.framing == LBI_FRAMING_CHUNKED) {
        lbi_reader_take_trailers(&c->reader, &c->request->response.trailers);
    }
    lbi_request_end(connection_detach(c), c, work);
    c->is_reused = true;
    lbi_wake(c->transport, &c->read_wake, LB_SITE_WAKE_READ);
    if (is_reusable) {
        lbi_pool_give(c, work);
    } else {
        lbi_connection_close(c, LB_END, false, work);
    }
}

bool lbi_connection_may_drain(const struct lbi_connection *c)
{
    LB_ASSERT(c->exchange == LBI_EXCHANGE_BODY);
    const struct lb_transport_options *options = &c->transport->options;
    const struct lbi_reader *reader = &c->reader;
    if (options->drain_size_max == 0 || c->is_reading) {
        return false; /* who reads has the reader to himself */
    }
    bool is_uploading = c->request->has_body && !c->is_write_done;
    bool is_written = c->is_write_begun && !c->is_write_failed && !is_uploading;
    bool is_kept = reader->may_keep_alive && !c->request->is_close;
    bool has_taker = options->idle_per_host_max > 0 || c->host->waiters != NULL;
    uint64_t left = reader->framing == LBI_FRAMING_LENGTH ? reader->length_left : 0;
    return is_written && is_kept && has_taker && reader->failure == LB_OK &&
           left <= options->drain_size_max;
}

void lbi_connection_drain(struct lbi_connection *c, struct lbi_work *work)
{
    struct lb_transport *t = c->transport;
    LB_ASSERT(c->state == LBI_CONNECTION_BUSY);
    LB_ASSERT(!c->is_reading);
    struct lb_request *request = connection_detach(c);
    if (c->writing != NULL) { /* its head stays with who writes it, and the request is free (B6) */
        LB_ASSERT(!request->has_body);
        c->head = request->head;
        request->head = NULL;
        c->writing = NULL;
        lbi_request_unpin(request);
    }
    c->exchange = LBI_EXCHANGE_DRAIN;
    c->drain_deadline_ns = lbi_deadline(t, t->options.drain_duration_ns);
    lbi_emit(t, LB_EVENT_CONNECTION_DRAIN, lbi_connection_name(c), 0);
    lbi_request_lost(request, c, LB_CLOSED, false, work);
    lbi_wake(t, &c->read_wake, LB_SITE_WAKE_READ);
}

void lbi_connection_drained(struct lbi_connection *c, enum lb_status status, struct lbi_work *work)
{
    LB_ASSERT(c->state == LBI_CONNECTION_BUSY);
    LB_ASSERT(c->exchange == LBI_EXCHANGE_DRAIN);
    LB_ASSERT(c->request == NULL);
    c->exchange = LBI_EXCHANGE_NONE;
    c->is_reused = true;
    if (status == LB_END && connection_is_reusable(c)) {
        lbi_pool_give(c, work);
    } else {
        lbi_connection_close(c, status, false, work);
    }
}

void lbi_connection_close(struct lbi_connection *c, enum lb_status cause, bool may_retry,
                          struct lbi_work *work)
{
    LBI_CHECK_MAGIC(c, LBI_CONNECTION_MAGIC);
    LB_ASSERT(c->state != LBI_CONNECTION_CLOSED);
    struct lb_transport *t = c->transport;
    if (c->state == LBI_CONNECTION_IDLE) {
        lbi_pool_remove(c);
    }
    may_retry = may_retry && c->request != NULL && lbi_connection_may_repeat(c);
    struct lb_request *lost = c->request == NULL ? NULL : connection_detach(c);
    c->exchange = LBI_EXCHANGE_NONE; /* a drain's, too */
    if (c->dialed_for != NULL) {
        lost = c->dialed_for;
        LB_ASSERT(lost->phase == LBI_REQUEST_QUEUED);
        lbi_pool_unqueue(lost);
    }
    lbi_connection_set_state(c, LBI_CONNECTION_CLOSED);
    lbi_emit(t, LB_EVENT_CONNECTION_CLOSE, lbi_connection_name(c), cause);
    if (lost != NULL) {
        lbi_request_lost(lost, c, cause, may_retry, work);
    }
    c->pin_count++;
    c->next_shut = work->shuts;
    work->shuts = c;
    lbi_wake(t, &c->read_wake, LB_SITE_WAKE_READ);
    lbi_wake(t, &c->write_wake, LB_SITE_WAKE_WRITE);
}

void lbi_connection_finish(struct lbi_connection *c, struct lbi_work *work)
{
    struct lb_transport *t = c->transport;
    struct lbi_work own = LBI_NO_WORK;
    lbi_lock(t, LB_SITE_READ_END);
    LB_ASSERT(c->state == LBI_CONNECTION_CLOSED);
    LB_ASSERT(!c->is_finishing);
    c->is_finishing = true;
    while (c->pin_count > 0 || c->is_reading) {
        (void)lbi_wait(t, &c->read_wake, LB_NEVER, LB_SITE_WAIT_WORKERS);
    }
    lbi_unlock(t);
    if (c->write_worker != NULL) {
        t->runtime->ops->worker_join(t->runtime, &c->write_worker, LB_SITE_JOIN_WRITE);
    }
    if (c->socket != NULL) {
        c->socket->ops->close(&c->socket, LB_SITE_SOCKET_CLOSE);
    }
    lbi_reader_deinit(&c->reader);

    lbi_lock(t, LB_SITE_READ_END);
    struct lbi_host *host = c->host;
    LB_ASSERT(c->writing == NULL);
    LB_ASSERT(c->head == NULL);
    DL_DELETE(host->connections, c);
    LB_ASSERT(host->slot_count > 0);
    LB_ASSERT(t->connection_count > 0);
    host->slot_count--;
    t->connection_count--;
    c->next_ended = t->ended;
    t->ended = c;
    lbi_pool_dial(host, work == NULL ? &own : work);
    lbi_host_release(&c->host);
    if (t->is_closing && t->connection_count == 0) {
        lbi_wake(t, &t->drained, LB_SITE_WAKE_DRAINED);
    }
    lbi_unlock_run(t, &own);
}
