/*
 * The read worker of a connection.
 *
 *   wait for the first bytes --> read the head, deliver it --> wait for the body's end --+
 *     ^   | idle: anything       | bodiless: the exchange ends    | by whoever ends it   |
 *     |   v ends the connection  v                                v                      |
 *     +---+----------------------+--------------------------------+----------------------+
 *
 * It waits for the socket without taking bytes from it (a read of size 0), so that what arrives on an
 * idle connection is still pending there when a request takes the connection, and is seen (R3).
 * The body's bytes are read by the caller; this worker only waits until the exchange is over: ended,
 * closed, cancelled or failed by somebody else, or past its deadline, which is its own to judge.
 * A body that was closed early and may be drained (E5) it reads itself, to its end or to the limits.
 * Whenever the connection is closed it ends, and takes the write worker and the socket with it (E2).
 */
#include <stddef.h>
#include <string.h>

#include "core/assert.h"
#include "life/life.h"

/* read_begin: waits until the dial worker has ended. Its handle is there once nobody pins the
 * connection: who starts a dial does. */
static uint64_t read_begin(struct lbi_connection *c)
{
    struct lb_transport *t = c->transport;
    lbi_lock(t, LB_SITE_READ_EVENT);
    c->has_read_worker = true;
    while (c->pin_count > 0) {
        (void)lbi_wait(t, &c->read_wake, LB_NEVER, LB_SITE_WAIT_WORKERS);
    }
    lbi_unlock(t);
    t->runtime->ops->worker_join(t->runtime, &c->dial_worker, LB_SITE_JOIN_DIAL);
    lbi_lock(t, LB_SITE_READ_EVENT);
    c->is_dial_joined = true;
    uint64_t deadline_ns = c->state == LBI_CONNECTION_IDLE ? c->idle_deadline_ns : LB_NEVER;
    lbi_unlock(t);
    return deadline_ns;
}

/* What the first bytes, the end, or a deadline mean for the connection. */
enum read_event { READ_AGAIN, READ_ANSWER, READ_OVER };

/* read_judge: decides on what a wait for the first bytes has brought; under the lock. */
static enum read_event read_judge(struct lbi_connection *c, enum lb_status status,
                                  struct lbi_work *work)
{
    switch (c->state) {
    case LBI_CONNECTION_IDLE:
        lbi_connection_close(c, status == LB_TIMEOUT ? LB_TIMEOUT : LB_PROTOCOL, false, work);
        return READ_OVER;
    case LBI_CONNECTION_BUSY:
        LB_ASSERT(c->exchange == LBI_EXCHANGE_HEAD);
        if (status == LB_TIMEOUT) {
            return READ_AGAIN; /* the idle time-out of before this exchange */
        }
        if (c->is_reused && !c->is_write_begun) {
            lbi_connection_close(c, LB_RESET, true, work); /* stale: nobody asked yet (R3) */
            return READ_OVER;
        }
        c->is_answered = true;
        return READ_ANSWER;
    case LBI_CONNECTION_DIALING:
    case LBI_CONNECTION_CLOSED:
        break;
    }
    LB_ASSERT(c->state == LBI_CONNECTION_CLOSED);
    return READ_OVER;
}

/* read_first: waits until a response begins; false when the connection is over. */
static bool read_first(struct lbi_connection *c, uint64_t deadline_ns)
{
    struct lb_transport *t = c->transport;
    enum read_event event = READ_AGAIN;
    while (event == READ_AGAIN) {
        size_t size = 0;
        enum lb_status status =
            c->socket->ops->read(c->socket, NULL, 0, deadline_ns, LB_SITE_SOCKET_READ_FIRST, &size);
        struct lbi_work work = LBI_NO_WORK;
        lbi_lock(t, LB_SITE_READ_EVENT);
        event = read_judge(c, status, &work);
        lbi_unlock_run(t, &work);
        deadline_ns = LB_NEVER;
    }
    return event == READ_ANSWER;
}

/* read_interim: an interim response has come: it may let the request's body go, and its hook sees it.
 * LB_AGAIN: on to the next head. Under no lock. */
static enum lb_status read_interim(struct lbi_connection *c)
{
    struct lb_transport *t = c->transport;
    struct lb_response response;
    memset(&response, 0, sizeof response);
    lbi_lock(t, LB_SITE_READ_INTERIM);
    if (c->state != LBI_CONNECTION_BUSY) {
        lbi_unlock(t);
        return LB_CLOSED;
    }
    lbi_emit(t, LB_EVENT_EXCHANGE_INTERIM, lbi_connection_name(c), c->reader.head.code);
    if (c->reader.head.code == 100 && c->go_ahead == LBI_CONTINUE_OPEN) {
        c->go_ahead = LBI_CONTINUE_WANTED;
        lbi_wake(t, &c->write_wake, LB_SITE_WAKE_WRITE);
    }
    struct lb_request *request = c->request;
    struct lb_interim *interim = request->interim;
    if (interim == NULL) {
        lbi_unlock(t);
        lbi_reader_next(&c->reader, false);
        return LB_AGAIN;
    }
    lbi_request_pin(request);
    lbi_unlock(t);
    lbi_reader_take_head(&c->reader, &response.head);
    lbi_reader_next(&c->reader, true);
    enum lb_status status = interim->seen(interim, &response);
    lbi_head_deinit(&response.head);
    lbi_lock(t, LB_SITE_READ_INTERIM);
    lbi_request_unpin(request);
    lbi_unlock(t);
    return status == LB_OK ? LB_AGAIN : LB_PROTOCOL;
}

/* read_head_bytes: reads until the response's head is complete, or cannot be. */
static enum lb_status read_head_bytes(struct lbi_connection *c)
{
    enum lb_status status = LB_AGAIN;
    while (status == LB_AGAIN) {
        if (c->input_start == c->input_end) {
            size_t size = 0;
            status = c->socket->ops->read(c->socket, c->input, sizeof c->input, LB_NEVER,
                                          LB_SITE_SOCKET_READ_HEAD, &size);
            if (status != LB_OK) {
                return status == LB_END ? LB_INCOMPLETE : status;
            }
            c->input_start = 0;
            c->input_end = (uint32_t)size;
        }
        size_t used = 0;
        status = lbi_reader_feed_head(&c->reader, c->input + c->input_start,
                                      c->input_end - c->input_start, &used);
        c->input_start += (uint32_t)used;
        if (status == LB_OK && lbi_reader_is_interim(&c->reader)) {
            status = read_interim(c);
        }
    }
    return status;
}

/* read_upgrade: the connection changes its protocol: its socket leaves the transport (F10). */
static void read_upgrade(struct lbi_connection *c, struct lbi_work *work)
{
    struct lb_request *request = c->request;
    enum lb_status status = lbi_upgrade_new(c, &request->upgraded);
    if (status != LB_OK) {
        lbi_connection_close(c, status, false, work);
        return;
    }
    lbi_connection_end(c, work);
    LB_ASSERT(c->state == LBI_CONNECTION_CLOSED);
    c->socket = NULL;
}

/* read_deliver: hands the head to the caller; without a body the exchange ends here, and the
 * connection is back in the pool before the caller knows (F7). */
static void read_deliver(struct lbi_connection *c, struct lbi_work *work)
{
    struct lb_transport *t = c->transport;
    struct lb_request *request = c->request;
    struct lb_response *response = &request->response;
    bool may_decode = request->is_coding_asked && c->reader.framing != LBI_FRAMING_NONE;
    lbi_reader_take_head(&c->reader, &response->head);
    response->size = c->reader.said_size;
    response->coding_kind = may_decode ? lbi_coding_kind_of(&response->head) : LBI_CODING_NONE;
    lbi_request_set_phase(request, LBI_REQUEST_BODY);
    request->body_state = LB_BODY_OPEN;
    c->exchange = LBI_EXCHANGE_BODY;
    lbi_emit(t, LB_EVENT_EXCHANGE_HEAD, lbi_connection_name(c), request->response.head.code);
    lbi_emit(t, LB_EVENT_BODY_STATE, lbi_connection_name(c), LB_BODY_OPEN);
    lbi_wake(t, &request->wake, LB_SITE_WAKE_CALLER);
    if (c->is_write_done) {
        lbi_request_close_source(request, work); /* from here on it is never sent again */
    }
    if (request->response.head.code == 101 && request->is_upgrade && c->is_write_done) {
        read_upgrade(c, work);
    } else if (c->reader.framing == LBI_FRAMING_NONE) {
        lbi_connection_end(c, work);
    }
}

/* read_answer: what a complete head means for a request that is still being written: whether a body
 * that waits for 100 is to be sent (R8). */
static void read_answer(struct lbi_connection *c)
{
    if (c->go_ahead == LBI_CONTINUE_OPEN && !c->is_write_done) {
        bool is_upgrade = c->reader.head.code == 101 && c->request->is_upgrade;
        bool is_kept = is_upgrade || (c->reader.may_keep_alive && !c->request->is_close);
        c->go_ahead = is_kept ? LBI_CONTINUE_WANTED : LBI_CONTINUE_REFUSED;
        lbi_wake(c->transport, &c->write_wake, LB_SITE_WAKE_WRITE);
    }
}

/* read_head: reads and delivers the head; false when the connection is over. */
static bool read_head(struct lbi_connection *c)
{
    struct lb_transport *t = c->transport;
    enum lb_status status = read_head_bytes(c);
    struct lbi_work work = LBI_NO_WORK;
    lbi_lock(t, LB_SITE_READ_HEAD);
    if (c->state == LBI_CONNECTION_BUSY && status == LB_OK) {
        read_answer(c);
    }
    bool is_bodiless = status == LB_OK && c->reader.framing == LBI_FRAMING_NONE;
    if (c->is_reused || is_bodiless) {
        /* What came on a used connection is an answer only if the question got through; whatever ends
         * here must have been asked to the end (R1, R3). A write that got nowhere closes c. */
        lbi_connection_await_write(c, &c->read_wake, !is_bodiless);
    }
    if (c->state == LBI_CONNECTION_BUSY && status == LB_OK) {
        read_deliver(c, &work);
    } else if (c->state == LBI_CONNECTION_BUSY) {
        lbi_connection_close(c, status, c->input_end == 0, &work);
    }
    bool is_open = c->state != LBI_CONNECTION_CLOSED;
    lbi_unlock_run(t, &work);
    return is_open;
}

/* read_drain_bytes: reads the rest of a body that nobody wants, without its coding: LB_END, or why it
 * has no end within the limits; under no lock. */
static enum lb_status read_drain_bytes(struct lbi_connection *c)
{
    struct lbi_reader *reader = &c->reader;
    uint64_t body_size_max = reader->body_size + c->transport->options.drain_size_max;
    body_size_max = body_size_max < reader->body_size ? UINT64_MAX : body_size_max;
    enum lb_status status = reader->is_complete ? LB_END : LB_OK;
    lbi_reader_drop_trailers(reader);
    while (status == LB_OK) {
        char dropped[LBI_DROP_SIZE];
        size_t size = 0;
        if (c->input_start == c->input_end) {
            status = c->socket->ops->read(c->socket, c->input, sizeof c->input,
                                          c->drain_deadline_ns, LB_SITE_SOCKET_READ_DRAIN, &size);
            c->input_start = 0;
            c->input_end = (uint32_t)size;
        }
        if (status == LB_OK) {
            size_t used = 0;
            status = lbi_reader_feed_body(reader, c->input + c->input_start,
                                          c->input_end - c->input_start, &used, dropped,
                                          sizeof dropped, &size);
            c->input_start += (uint32_t)used;
            status = reader->body_size > body_size_max ? LB_LIMIT : status;
        } else if (status == LB_END) {
            status = LB_INCOMPLETE;
        }
    }
    return status;
}

/* read_drain: drains the body and gives the connection back or closes it; with the lock held before
 * and after. */
static void read_drain(struct lbi_connection *c, struct lbi_work *work)
{
    struct lb_transport *t = c->transport;
    lbi_unlock(t);
    enum lb_status status = read_drain_bytes(c);
    lbi_lock(t, LB_SITE_READ_DRAIN);
    bool is_woken = true;
    while (is_woken && status == LB_END && c->exchange == LBI_EXCHANGE_DRAIN && !c->is_write_done) {
        c->is_write_awaited = true;
        is_woken = lbi_wait(t, &c->read_wake, c->drain_deadline_ns, LB_SITE_WAIT_WRITTEN);
    }
    if (c->exchange == LBI_EXCHANGE_DRAIN) { /* nobody has closed it meanwhile */
        lbi_connection_drained(c, status, work);
    }
}

/* read_body_end: waits until the exchange is over, and drains it if its end says so; false when the
 * connection is over, too. */
static bool read_body_end(struct lbi_connection *c, uint64_t *ret_deadline_ns)
{
    struct lb_transport *t = c->transport;
    struct lbi_work work = LBI_NO_WORK;
    lbi_lock(t, LB_SITE_READ_EVENT);
    while (c->exchange == LBI_EXCHANGE_BODY) {
        uint64_t deadline_ns = c->request->deadline_ns;
        bool is_woken = lbi_wait(t, &c->read_wake, deadline_ns, LB_SITE_WAIT_BODY_END);
        if (!is_woken && c->exchange == LBI_EXCHANGE_BODY) {
            lbi_request_fail(c->request, LB_TIMEOUT, &work);
        }
    }
    if (c->exchange == LBI_EXCHANGE_DRAIN) {
        read_drain(c, &work);
    }
    bool is_open = c->state != LBI_CONNECTION_CLOSED;
    *ret_deadline_ns = c->state == LBI_CONNECTION_IDLE ? c->idle_deadline_ns : LB_NEVER;
    lbi_unlock_run(t, &work);
    return is_open;
}

void lbi_read_worker(void *argument)
{
    struct lbi_connection *c = argument;
    LBI_CHECK_MAGIC(c, LBI_CONNECTION_MAGIC);
    uint64_t deadline_ns = read_begin(c);
    while (read_first(c, deadline_ns) && read_head(c) && read_body_end(c, &deadline_ns)) {
    }
    lbi_connection_finish(c, NULL);
}
