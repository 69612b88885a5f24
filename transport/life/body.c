/*
 * The body as its caller sees it: read and close.
 *
 * The caller reads the socket itself, inside lb_body_read, without the lock; `is_reading` on the
 * connection says so, keeps the connection from being finished, and makes a second reader wait for
 * its turn. Whoever ends the body meanwhile (close, cancel, deadline, free) decides under the lock
 * and shuts the socket down; the reader finds the decision when it takes the lock again and brings no
 * bytes. So one outcome wins, once (O3), and each later call repeats it (F3).
 */
#include <stddef.h>

#include "core/assert.h"
#include "life/life.h"

static struct lb_request *body_request(struct lb_body *body)
{
    LB_ASSERT(body != NULL);
    struct lb_request *request =
        (struct lb_request *)(void *)((char *)body - offsetof(struct lb_request, body));
    LBI_CHECK_MAGIC(request, LBI_REQUEST_MAGIC);
    return request;
}

struct lb_body *lb_response_body(struct lb_response *response)
{
    LB_ASSERT(response != NULL);
    LB_ASSERT(response->head.code != 0);
    struct lb_request *request =
        (struct lb_request *)(void *)((char *)response - offsetof(struct lb_request, response));
    LBI_CHECK_MAGIC(request, LBI_REQUEST_MAGIC);
    return &request->body;
}

enum lb_body_state lb_body_state(struct lb_body *body)
{
    struct lb_request *request = body_request(body);
    lbi_lock(request->transport, LB_SITE_BODY_STATE);
    enum lb_body_state state = request->body_state;
    lbi_unlock(request->transport);
    return state;
}

/* body_outcome: what a read returns now without reading: LB_OK when it has to read. */
static enum lb_status body_outcome(const struct lb_request *request)
{
    return request->body.is_closed ? LB_CLOSED : request->outcome;
}

/* body_fill: brings bytes into the connection's empty input; under no lock. */
static enum lb_status body_fill(struct lbi_connection *c)
{
    LB_ASSERT(c->input_start == c->input_end);
    size_t size = 0;
    enum lb_status status = c->socket->ops->read(c->socket, c->input, sizeof c->input, LB_NEVER,
                                                 LB_SITE_SOCKET_READ_BODY, &size);
    c->input_start = 0;
    c->input_end = (uint32_t)size;
    return status == LB_END ? lbi_reader_finish(&c->reader) : status;
}

/* body_may_pass: whether bytes may go from the socket to the caller past the input: there are so many to
 * come that a copy of them would cost something, and none is waiting. The last ones go through the input,
 * which has room for what does not belong to the body (R2). */
static bool body_may_pass(const struct lbi_connection *c, size_t size)
{
    return c->input_start == c->input_end && size >= LBI_INPUT_SIZE &&
           lbi_reader_plain_size(&c->reader) >= LBI_INPUT_SIZE;
}

/* body_pass: reads at least one such byte, the end, or an error; under no lock. */
static enum lb_status body_pass(struct lbi_connection *c, char *bytes, size_t size,
                                size_t *ret_size)
{
    uint64_t plain_size = lbi_reader_plain_size(&c->reader);
    size_t stored = 0;
    enum lb_status status =
        c->socket->ops->read(c->socket, bytes, plain_size < size ? (size_t)plain_size : size,
                             LB_NEVER, LB_SITE_SOCKET_READ_BODY, &stored);
    if (status == LB_OK) {
        *ret_size = stored;
        return lbi_reader_pass(&c->reader, stored);
    }
    return status == LB_END ? lbi_reader_finish(&c->reader) : status;
}

/* body_decode: reads until there is at least one byte, the end, or an error; under no lock. */
static enum lb_status body_decode(struct lbi_connection *c, char *bytes, size_t size,
                                  size_t *ret_size)
{
    enum lb_status status = LB_OK;
    size_t stored = 0;
    if (body_may_pass(c, size)) {
        *ret_size = 0;
        return body_pass(c, bytes, size, ret_size);
    }
    while (status == LB_OK && stored == 0) {
        if (c->input_start == c->input_end) {
            status = body_fill(c);
        }
        if (status == LB_OK) {
            size_t used = 0;
            status =
                lbi_reader_feed_body(&c->reader, c->input + c->input_start,
                                     c->input_end - c->input_start, &used, bytes, size, &stored);
            c->input_start += (uint32_t)used;
        }
    }
    *ret_size = stored;
    return status;
}

/* body_settle: the read is over; what it brought becomes the body's outcome, unless somebody was
 * faster. Returns what the caller gets; *ret_size is 0 unless it gets bytes. */
static enum lb_status body_settle(struct lb_request *request, struct lbi_connection *c,
                                  enum lb_status status, size_t *ret_size, struct lbi_work *work)
{
    if (status == LB_END && request->connection == c) {
        lbi_connection_await_write(c, &request->wake, false);
    }
    c->is_reading = false;
    if (body_outcome(request) != LB_OK) {
        *ret_size = 0;
        lbi_wake(request->transport, &c->read_wake, LB_SITE_WAKE_READ);
        return body_outcome(request);
    }
    LB_ASSERT(request->connection == c);
    if (status == LB_END) {
        lbi_connection_end(c, work);
    } else if (status != LB_OK) {
        lbi_request_fail(request, status, work);
    }
    bool has_bytes = *ret_size > 0;
    return status != LB_END && has_bytes ? LB_OK : status;
}

enum lb_status lb_body_read(struct lb_body *body, void *bytes, size_t size, size_t *ret_size)
{
    struct lb_request *request = body_request(body);
    struct lb_transport *t = request->transport;
    LB_ASSERT(bytes != NULL);
    LB_ASSERT(size > 0);
    struct lbi_work work = LBI_NO_WORK;
    size_t stored = 0;
    lbi_lock(t, LB_SITE_BODY_READ);
    LB_ASSERT(request->body_state != LB_BODY_NONE);
    t->caller_count++;
    while (body_outcome(request) == LB_OK && request->connection->is_reading) {
        body->waiting_count++;
        (void)lbi_wait(t, &request->wake, LB_NEVER, LB_SITE_WAIT_READER);
        body->waiting_count--;
    }
    enum lb_status status = body_outcome(request);
    if (status == LB_OK) {
        struct lbi_connection *c = request->connection;
        c->is_reading = true;
        lbi_unlock(t);
        status = body_decode(c, bytes, size, &stored);
        lbi_lock(t, LB_SITE_BODY_READ_DONE);
        status = body_settle(request, c, status, &stored, &work);
        if (body->waiting_count > 0) {
            lbi_wake(t, &request->wake, LB_SITE_WAKE_CALLER);
        }
    }
    *ret_size = stored;
    lbi_leave(t, &work);
    return status;
}

void lb_body_close(struct lb_body *body)
{
    struct lb_request *request = body_request(body);
    struct lb_transport *t = request->transport;
    struct lbi_work work = LBI_NO_WORK;
    lbi_lock(t, LB_SITE_BODY_CLOSE);
    LB_ASSERT(request->body_state != LB_BODY_NONE);
    body->is_closed = true;
    if (request->phase == LBI_REQUEST_BODY) {
        lbi_request_fail(request, LB_CLOSED, &work);
    }
    lbi_unlock_run(t, &work);
}
