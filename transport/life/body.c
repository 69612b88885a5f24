/*
 * The body as its caller sees it: read and close.
 *
 * The caller reads the socket itself, inside lb_body_read, without the lock; `is_reading` on the
 * connection says so, keeps the connection from being finished, and makes a second reader wait for
 * its turn. Whoever ends the body meanwhile (close, cancel, deadline, free) decides under the lock
 * and shuts the socket down; the reader finds the decision when it takes the lock again and brings no
 * bytes. So one outcome wins, once (O3), and each later call repeats it (F3).
 *
 *   plain   socket -> input -> framing -> the caller's bytes; large ones past input and framing
 *   coded   socket -> input -> framing -> the decoder's input -> zlib -> the caller's bytes
 *
 * The decoder belongs to the request and is the reader's, too; when the body is over it is released, by
 * the reader if there is one inside.
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

/* body_unframe: takes bytes out of the framing, those that have arrived or else the next to arrive;
 * perhaps none. Under no lock. */
static enum lb_status body_unframe(struct lbi_connection *c, char *bytes, size_t size,
                                   size_t *ret_size)
{
    *ret_size = 0;
    enum lb_status status = c->input_start == c->input_end ? body_fill(c) : LB_OK;
    if (status == LB_OK) {
        size_t used = 0;
        status = lbi_reader_feed_body(&c->reader, c->input + c->input_start,
                                      c->input_end - c->input_start, &used, bytes, size, ret_size);
        c->input_start += (uint32_t)used;
    }
    return status;
}

/* body_plain: reads until there is at least one byte, the end, or an error; under no lock. */
static enum lb_status body_plain(struct lbi_connection *c, char *bytes, size_t size,
                                 size_t *ret_size)
{
    enum lb_status status = LB_OK;
    *ret_size = 0;
    if (body_may_pass(c, size)) {
        return body_pass(c, bytes, size, ret_size);
    }
    while (status == LB_OK && *ret_size == 0) {
        status = body_unframe(c, bytes, size, ret_size);
    }
    return status;
}

/* body_coding: the decoder of a body, made when it is first read; under no lock, by the reader. */
static enum lb_status body_coding(struct lb_request *request)
{
    struct lb_transport *t = request->transport;
    const struct lbi_coding_options options = {
        .kind = request->response.coding_kind,
        .tail = t->options.gzip_tail,
        .decoded_ratio_max = t->options.gzip_ratio_max,
    };
    LB_ASSERT(request->body.is_read);
    return request->body.coding != NULL
               ? LB_OK
               : lbi_coding_new(t->memory, &options, &request->body.coding);
}

/* body_coded: as body_plain, of a body whose coding is undone. The decoder has room for all that is in
 * the connection's input, so that an end that has arrived comes with the last bytes. */
static enum lb_status body_coded(struct lb_request *request, struct lbi_connection *c, char *bytes,
                                 size_t size, size_t *ret_size)
{
    *ret_size = 0;
    enum lb_status status = body_coding(request);
    struct lbi_coding *coding = request->body.coding;
    bool may_go_on = status == LB_OK;
    while (may_go_on) {
        size_t stored = 0;
        status = lbi_coding_decode(coding, bytes + *ret_size, size - *ret_size, &stored);
        *ret_size += stored;
        may_go_on = status == LB_AGAIN && *ret_size == 0;
        if (may_go_on) {
            size_t coded_max = 0;
            size_t coded = 0;
            char *room = lbi_coding_room(coding, &coded_max);
            enum lb_status framing = body_unframe(c, room, coded_max, &coded);
            lbi_coding_feed(coding, coded, framing);
            LB_ASSERT(c->input_start == c->input_end || framing != LB_OK);
        }
    }
    return status == LB_AGAIN ? LB_OK : status;
}

void lbi_body_release(struct lb_body *body)
{
    LB_ASSERT(body_request(body)->transport->is_locked);
    LB_ASSERT(body_request(body)->body_state > LB_BODY_OPEN);
    if (!body->is_read) {
        lbi_coding_free(&body->coding);
    }
}

/* body_settle: the read is over; what it brought becomes the body's outcome, unless somebody was
 * faster. Returns what the caller gets; *ret_size is 0 unless it gets bytes. An error that comes while the
 * end waits for the request's write is told by the next read: the bytes came before it. */
static enum lb_status body_settle(struct lb_request *request, struct lbi_connection *c,
                                  enum lb_status status, size_t *ret_size, struct lbi_work *work)
{
    bool has_come_first = false;
    if (status == LB_END && body_outcome(request) == LB_OK) {
        lbi_connection_await_write(c, &request->wake, false);
        has_come_first = *ret_size > 0 && !request->body.is_closed;
    }
    c->is_reading = false;
    request->body.is_read = false;
    if (body_outcome(request) != LB_OK) {
        *ret_size = has_come_first ? *ret_size : 0;
        lbi_body_release(&request->body);
        lbi_wake(request->transport, &c->read_wake, LB_SITE_WAKE_READ);
        return has_come_first ? LB_OK : body_outcome(request);
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
        body->is_read = true;
        lbi_unlock(t);
        status = request->response.coding_kind == LBI_CODING_NONE
                     ? body_plain(c, bytes, size, &stored)
                     : body_coded(request, c, bytes, size, &stored);
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
        lbi_request_close(request, &work);
    }
    lbi_unlock_run(t, &work);
}
