/*
 * What faults do to a connection, and what a write waits for.
 *
 * Mental model: a struck read or write is the moment in which the peer goes away; from then on the
 * connection is what it would be, had the peer's script said so. A read that is to time out makes the
 * peer silent until then: whatever it does takes place afterwards. Without a fault nothing here has any
 * effect: a write neither waits nor is cut.
 *
 * Invariants: a break stands in the record before the struck call returns; a connection that is broken
 * stays so; only bytes that nobody has read can be lost.
 */
#include "sim/net_inside.h"

/* conn_cut: the peer has ended its sending, and what is not read yet was never sent. */
static void conn_cut(struct lb_net_conn *conn)
{
    size_t lost = conn->sent.size - conn->read_size;
    LB_ASSERT(conn->read_size <= conn->sent.size);
    if (lost > 0) {
        conn->sent.size = conn->read_size;
        conn->segment_at = conn->segments.size / sizeof(struct lbi_net_segment);
        lbi_net_record(conn, LB_NET_LOST, lost);
    }
    if (!conn->is_server_ended && !conn->is_reset) {
        conn->is_server_ended = true;
        lbi_net_record(conn, LB_NET_SERVER_END, 0);
    }
    lb_sim_wake(conn->net->sim, &conn->client);
}

void lbi_net_abort(struct lb_net_conn *conn, bool is_unread_lost)
{
    if (is_unread_lost) {
        conn->read_size = conn->sent.size;
        conn->segment_at = conn->segments.size / sizeof(struct lbi_net_segment);
    }
    if (conn->is_reset) {
        return;
    }
    conn->is_reset = true;
    lbi_net_record(conn, LB_NET_SERVER_RESET, 0);
    lb_sim_wake(conn->net->sim, &conn->client);
    lb_sim_wake(conn->net->sim, &conn->server);
    lb_sim_wake(conn->net->sim, &conn->writer);
}

void lbi_net_break(struct lb_net_conn *conn, enum lb_fault_how how)
{
    if (conn->is_shut || conn->is_closed) {
        return; /* nothing of the peer reaches this side any more */
    }
    switch (how) {
    case LB_FAULT_RESET:
    case LB_FAULT_LATE_RESET:
        lbi_net_abort(conn, true);
        return;
    case LB_FAULT_BROKEN:
        lbi_net_abort(conn, false);
        return;
    case LB_FAULT_END:
    case LB_FAULT_LATE_END:
        conn_cut(conn);
        return;
    case LB_FAULT_CLOSED:
        lbi_net_leave(conn);
        return;
    case LB_FAULT_NOT:
    case LB_FAULT_MEMORY:
    case LB_FAULT_REFUSED:
    case LB_FAULT_TIMEOUT:
        break;
    }
    lb_assert_fail(__FILE__, __LINE__, "how breaks a connection");
}

enum lb_fault_how lbi_net_strike_read(struct lb_net_conn *conn, uint64_t deadline_ns)
{
    enum lb_fault_how how =
        lb_fault_strike(conn->net->options.fault, LB_FAULT_READ, deadline_ns != LB_NEVER);
    if (how == LB_FAULT_TIMEOUT) {
        LB_ASSERT(deadline_ns < LB_NEVER);
        conn->silent_until_ns = deadline_ns + 1; /* the read is the first to go on */
    } else if (how == LB_FAULT_RESET || how == LB_FAULT_END) {
        lbi_net_break(conn, how);
    }
    return how == LB_FAULT_LATE_RESET || how == LB_FAULT_LATE_END ? how : LB_FAULT_NOT;
}

void lbi_net_hush(struct lb_net_conn *conn, enum lb_site site)
{
    LB_ASSERT(conn->net != NULL);
    if (conn->silent_until_ns > lb_sim_now(conn->net->sim)) {
        lb_sim_sleep(conn->net->sim, conn->silent_until_ns, site);
    }
}

void lbi_net_saw(struct lb_net_conn *conn, size_t seen_size)
{
    LB_ASSERT(seen_size <= conn->written.size);
    if (seen_size > conn->seen_size) {
        conn->seen_size = seen_size;
        lb_sim_wake(conn->net->sim, &conn->writer);
    }
}

/* conn_write_wait: waits for what a write waits for, or until it has failed. */
static enum lb_status conn_write_wait(struct lb_net_conn *conn, uint64_t until_ns, uint64_t window,
                                      uint64_t deadline_ns, enum lb_site site)
{
    struct lb_sim *sim = conn->net->sim;
    enum lb_status status = lbi_net_writable(conn);
    while (status == LB_OK) {
        uint64_t now_ns = lb_sim_now(sim);
        bool is_full = window > 0 && conn->written.size - conn->seen_size >= window;
        if (now_ns >= until_ns && !is_full) {
            return LB_OK;
        }
        if (now_ns >= deadline_ns) {
            return LB_TIMEOUT;
        }
        uint64_t wake_ns = now_ns < until_ns && until_ns < deadline_ns ? until_ns : deadline_ns;
        conn->is_write_held = true;
        (void)lb_sim_block(sim, &conn->writer, wake_ns, site);
        lb_sim_touch(sim, conn);
        conn->is_write_held = false;
        status = lbi_net_writable(conn);
    }
    return status;
}

enum lb_status lbi_net_write_begin(struct lb_net_conn *conn, uint64_t deadline_ns,
                                   enum lb_site site, size_t *size)
{
    struct lb_fault_state *fault = conn->net->options.fault;
    LB_ASSERT(*size > 0);
    if (fault == NULL) {
        return lbi_net_writable(conn);
    }
    enum lb_fault_how how = lb_fault_strike(fault, LB_FAULT_WRITE, deadline_ns != LB_NEVER);
    if (how != LB_FAULT_NOT) {
        lbi_net_break(conn, how);
    }
    uint64_t window = lb_fault_bound(fault, LB_FAULT_WINDOW);
    uint64_t until_ns = lb_sim_now(conn->net->sim) + lb_fault_bound(fault, LB_FAULT_SLOW_WRITE);
    uint64_t most = lb_fault_bound(fault, LB_FAULT_SHORT_WRITE);
    enum lb_status status = conn_write_wait(conn, until_ns, window, deadline_ns, site);
    if (status == LB_OK && window > 0) {
        most = window - (conn->written.size - conn->seen_size);
    }
    *size = most > 0 && most < *size ? (size_t)most : *size;
    return status;
}
