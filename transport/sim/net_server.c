/*
 * The network of a simulation, as a scripted server sees a connection.
 *
 * Mental model: the server appends to `sent`, marks segments in it, and reads `written` in place.
 * Nothing that it does ever fails but by a bound: what a side that is gone would not see has no
 * effect.
 *
 * Invariants: segments are adjacent, not empty, and cover `sent`; once the server's sending has
 * ended, `sent` does not grow; a reset leaves no byte unread.
 */
#include <string.h>

#include "sim/net_inside.h"

const char *lb_net_conn_name(const struct lb_net_conn *conn)
{
    LB_ASSERT(conn->name[0] != '\0');
    return conn->name;
}

const char *lb_net_conn_host(const struct lb_net_conn *conn)
{
    LB_ASSERT(conn->host[0] != '\0');
    return conn->host;
}

void *lb_net_conn_context(const struct lb_net_conn *conn)
{
    LB_ASSERT(conn != NULL);
    return conn->net->options.context;
}

uint32_t lb_net_conn_ordinal(const struct lb_net_conn *conn)
{
    LB_ASSERT(conn->ordinal > 0);
    return conn->ordinal;
}

void lb_net_input(const struct lb_net_conn *conn, const uint8_t **ret_bytes, size_t *ret_size)
{
    LB_ASSERT(conn->consumed_size <= conn->written.size);
    *ret_size = conn->written.size - conn->consumed_size;
    *ret_bytes = *ret_size == 0 ? (const uint8_t *)"" : conn->written.items + conn->consumed_size;
}

/* Whether the server's input grows no more. */
static bool input_is_over(const struct lb_net_conn *conn)
{
    LB_MAYBE(conn->is_server_ended); /* a half-closed server still reads */
    return conn->is_shut || conn->is_closed || conn->is_server_closed || conn->is_reset;
}

enum lb_status lb_net_wait_input(struct lb_net_conn *conn, size_t size, uint64_t deadline_ns,
                                 enum lb_site site)
{
    LB_ASSERT(conn->consumed_size <= conn->written.size);
    lbi_net_saw(conn, size < conn->written.size - conn->consumed_size ? conn->consumed_size + size
                                                                      : conn->written.size);
    enum lb_status status = LB_OK;
    while (conn->written.size - conn->consumed_size <= size && !input_is_over(conn) &&
           status == LB_OK) {
        status = lb_sim_block(conn->net->sim, &conn->server, deadline_ns, site);
        lb_sim_touch(conn->net->sim, conn);
    }
    if (conn->written.size - conn->consumed_size > size) {
        return LB_OK;
    }
    LB_ASSERT(status == LB_TIMEOUT || input_is_over(conn));
    return input_is_over(conn) ? LB_END : LB_TIMEOUT;
}

void lb_net_consume(struct lb_net_conn *conn, size_t size)
{
    LB_ASSERT(size <= conn->written.size - conn->consumed_size);
    conn->consumed_size += size;
    lbi_net_saw(conn, conn->consumed_size);
}

/* Whether bytes and ends of the server no longer reach anybody. */
static bool sending_is_over(const struct lb_net_conn *conn)
{
    LB_ASSERT(conn->is_server_ended || !conn->is_server_closed);
    return conn->is_server_ended || conn->is_reset || conn->is_shut || conn->is_closed;
}

/* Marks `size` bytes about to be appended to `sent` as a segment, or as more of the last one. */
static void segment_add(struct lb_net_conn *conn, size_t size)
{
    LB_ASSERT(size > 0);
    LB_ASSERT(conn->sent.size + size <= LB_NET_STREAM_MAX);
    uint32_t end = (uint32_t)(conn->sent.size + size);
    bool is_unread = conn->read_size < conn->sent.size;
    if (conn->net->options.slice == LB_NET_WHOLE && is_unread) {
        struct lbi_net_segment *segments = (struct lbi_net_segment *)(void *)conn->segments.items;
        segments[conn->segments.size / sizeof(*segments) - 1].end = end;
        return;
    }
    struct lbi_net_segment segment = {.start = (uint32_t)conn->sent.size, .end = end};
    lbi_net_append(&conn->segments, &segment, sizeof(segment));
}

enum lb_status lb_net_send(struct lb_net_conn *conn, const void *bytes, size_t size,
                           enum lb_site site)
{
    LB_ASSERT(bytes != NULL || size == 0);
    LB_ASSERT(conn->sent.size <= LB_NET_STREAM_MAX);
    lb_sim_point(conn->net->sim, site, conn);
    lbi_net_hush(conn, site);
    if (size == 0 || sending_is_over(conn)) {
        return LB_OK;
    }
    if (size > LB_NET_STREAM_MAX - conn->sent.size) {
        return LB_LIMIT;
    }
    segment_add(conn, size);
    lbi_net_append(&conn->sent, bytes, size);
    lbi_net_record(conn, LB_NET_SENT, size);
    lb_sim_wake(conn->net->sim, &conn->client);
    return LB_OK;
}

/* Ends the server's sending, if that has not happened yet. */
static void conn_end(struct lb_net_conn *conn)
{
    LB_MAYBE(conn->is_closed); /* a server need not know */
    if (!conn->is_server_ended && !conn->is_reset) {
        conn->is_server_ended = true;
        lbi_net_record(conn, LB_NET_SERVER_END, 0);
        lb_sim_wake(conn->net->sim, &conn->client);
    }
    LB_ASSERT(conn->is_server_ended || conn->is_reset);
}

void lb_net_end(struct lb_net_conn *conn, enum lb_site site)
{
    LB_ASSERT(conn->net != NULL);
    lb_sim_point(conn->net->sim, site, conn);
    lbi_net_hush(conn, site);
    conn_end(conn);
}

void lbi_net_leave(struct lb_net_conn *conn)
{
    conn_end(conn);
    conn->is_server_closed = conn->is_server_ended;
    lb_sim_wake(conn->net->sim, &conn->server);
    lb_sim_wake(conn->net->sim, &conn->writer);
}

void lb_net_close(struct lb_net_conn *conn, enum lb_site site)
{
    LB_ASSERT(conn->net != NULL);
    lb_sim_point(conn->net->sim, site, conn);
    lbi_net_hush(conn, site);
    lbi_net_leave(conn);
}

void lb_net_reset_conn(struct lb_net_conn *conn, enum lb_site site)
{
    LB_ASSERT(conn->read_size <= conn->sent.size);
    lb_sim_point(conn->net->sim, site, conn);
    lbi_net_hush(conn, site);
    lbi_net_abort(conn, true);
}
