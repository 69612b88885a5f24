/*
 * The network of a simulation: hosts, connections, and the client's side of them.
 *
 * Mental model. A connection is two growing byte strings, one a direction, and two queues of
 * blocked workers, one a side. Bytes arrive at once. The network never blocks a writer, unless a fault
 * says so (net_fault.c).
 *
 *   opened --connect--> connected --shutdown--> shut --close--> closed     (client)
 *   sending --end--> ended --close--> closed;  any --reset_conn--> reset   (server)
 *
 * A connection outlives its close until the next reset. A call on a closed socket, and a close
 * while another call is in progress, is a violation of rule O1: it is told to the world and
 * tolerated.
 *
 * Invariants:
 * - a client's read returns bytes of at most one segment, and all bytes before the end;
 * - whoever changes what a blocked side waits for wakes it: send, end, close, reset_conn, shutdown,
 *   close of the socket; write, shutdown, close for the server;
 * - each call of the client is a point before its effect, and its conditions are looked at after
 *   it.
 */
#include <stdlib.h>
#include <string.h>

#include "sim/net_inside.h"

static struct lb_net_conn *conn_of(struct lb_socket *socket)
{
    LB_ASSERT(socket != NULL);
    LB_ASSERT(socket->ops == &lbi_net_socket_ops);
    return (struct lb_net_conn *)(void *)socket;
}

/* The record and the world's report are written by calls that are const to the client. */
static struct lb_net_conn *conn_of_const(const struct lb_socket *socket)
{
    return conn_of((struct lb_socket *)(uintptr_t)socket);
}

static void conn_violate(struct lb_net_conn *conn, const char *phrase)
{
    const struct lb_net_options *options = &conn->net->options;
    LB_ASSERT(phrase != NULL);
    lb_sim_note(conn->net->sim, conn->name, phrase, 0);
    if (options->on_violation != NULL) {
        options->on_violation(options->context, "O1", phrase);
    }
}

/* Begins a call of the client, with its point; false if it is misuse, which is reported. */
static bool call_begin(struct lb_net_conn *conn, enum lb_site site, const char *misuse)
{
    if (conn->is_closed) {
        conn_violate(conn, misuse);
        return false;
    }
    LB_ASSERT(conn->calls < LB_SIM_WORKERS_MAX);
    conn->calls += 1;
    lb_sim_point(conn->net->sim, site, conn);
    return true;
}

static void call_end(struct lb_net_conn *conn)
{
    LB_ASSERT(conn->calls > 0);
    conn->calls -= 1;
}

/* -- the client's calls -- */

static const char *socket_name(const struct lb_socket *socket)
{
    struct lb_net_conn *conn = conn_of_const(socket);
    LB_ASSERT(conn->name[0] != '\0');
    if (conn->is_closed) {
        conn_violate(conn, "name after close");
    }
    return conn->name;
}

static enum lb_net_answer conn_answer(struct lb_net_conn *conn, uint64_t *ret_delay_ns)
{
    const struct lb_net_options *options = &conn->net->options;
    LB_ASSERT(!conn->is_connected);
    if (!conn->is_known) {
        return LB_NET_REFUSE;
    }
    return options->on_connect == NULL ? LB_NET_ACCEPT
                                       : options->on_connect(options->context, conn, ret_delay_ns);
}

/* Waits for what does not come: a deadline or a shutdown ends it. */
static enum lb_status conn_stall(struct lb_net_conn *conn, uint64_t deadline_ns, enum lb_site site)
{
    enum lb_status status = LB_OK;
    while (!conn->is_shut && !conn->is_closed && status == LB_OK) {
        status = lb_sim_block(conn->net->sim, &conn->client, deadline_ns, site);
        lb_sim_touch(conn->net->sim, conn);
    }
    LB_ASSERT(status == LB_OK || status == LB_TIMEOUT);
    return conn->is_shut || conn->is_closed ? LB_CLOSED : status;
}

/* The host accepts after a delay, unless the deadline or a shutdown comes first. */
static enum lb_status conn_accept(struct lb_net_conn *conn, uint64_t delay_ns, uint64_t deadline_ns,
                                  enum lb_site site)
{
    uint64_t accepted_ns = lb_sim_now(conn->net->sim) + delay_ns;
    if (delay_ns == 0) {
        return LB_OK;
    }
    if (accepted_ns >= deadline_ns) {
        return conn_stall(conn, deadline_ns, site);
    }
    enum lb_status status = conn_stall(conn, accepted_ns, site);
    return status == LB_TIMEOUT ? LB_OK : status;
}

static enum lb_status conn_connect(struct lb_net_conn *conn, uint64_t deadline_ns,
                                   enum lb_site site)
{
    if (conn->is_shut || conn->is_closed) {
        return LB_CLOSED;
    }
    enum lb_fault_how how =
        lb_fault_strike(conn->net->options.fault, LB_FAULT_CONNECT, deadline_ns != LB_NEVER);
    if (how == LB_FAULT_TIMEOUT) {
        return conn_stall(conn, deadline_ns, site);
    }
    if (how == LB_FAULT_REFUSED) {
        return LB_REFUSED;
    }
    uint64_t delay_ns = 0;
    switch (conn_answer(conn, &delay_ns)) {
    case LB_NET_ACCEPT:
        return conn_accept(conn, delay_ns, deadline_ns, site);
    case LB_NET_REFUSE:
        return LB_REFUSED;
    case LB_NET_STALL:
        return conn_stall(conn, deadline_ns, site);
    }
    lb_assert_fail(__FILE__, __LINE__, "on_connect returns an enum lb_net_answer");
}

static enum lb_status socket_connect(struct lb_socket *socket, uint64_t deadline_ns,
                                     enum lb_site site)
{
    struct lb_net_conn *conn = conn_of(socket);
    if (!call_begin(conn, site, "connect after close")) {
        return LB_CLOSED;
    }
    enum lb_status status = conn_connect(conn, deadline_ns, site);
    LB_ASSERT(!conn->is_connected);
    if (status == LB_OK) {
        conn->is_connected = true;
        lbi_net_record(conn, LB_NET_CONNECTED, 0);
        if (conn->net->options.on_accept != NULL) {
            conn->net->options.on_accept(conn->net->options.context, conn);
        }
    } else {
        lbi_net_record(conn, LB_NET_FAILED, (uint64_t)status);
    }
    call_end(conn);
    return status;
}

/* Takes 1 to `size` bytes of the first segment that is not read to its end. */
static size_t conn_take(struct lb_net_conn *conn, void *bytes, size_t size)
{
    const struct lbi_net_segment *segments =
        (const struct lbi_net_segment *)(const void *)conn->segments.items;
    LB_ASSERT(conn->read_size < conn->sent.size);
    LB_ASSERT(conn->segment_at < conn->segments.size / sizeof(*segments));
    const struct lbi_net_segment *segment = &segments[conn->segment_at];
    LB_ASSERT(segment->start <= conn->read_size);
    LB_ASSERT(segment->end > conn->read_size);
    size_t end = segment->end;
    uint32_t slice = conn->net->options.slice;
    if (slice != 0 && slice != LB_NET_WHOLE) {
        size_t cut = conn->read_size + slice - (conn->read_size - segment->start) % slice;
        end = cut < end ? cut : end;
    }
    uint64_t most = lb_fault_bound(conn->net->options.fault, LB_FAULT_SHORT_READ);
    size = most > 0 && most < size ? (size_t)most : size;
    size_t taken = end - conn->read_size < size ? end - conn->read_size : size;
    memcpy(bytes, conn->sent.items + conn->read_size, taken);
    conn->read_size += taken;
    conn->segment_at += conn->read_size == segment->end;
    return taken;
}

/* What a read returns now; LB_AGAIN: it has to wait. */
static enum lb_status conn_readable(const struct lb_net_conn *conn)
{
    if (conn->is_shut || conn->is_closed) {
        return LB_CLOSED;
    }
    LB_ASSERT(conn->read_size <= conn->sent.size);
    if (conn->read_size < conn->sent.size) {
        return LB_OK;
    }
    if (conn->is_reset) {
        return LB_RESET;
    }
    return conn->is_server_ended ? LB_END : LB_AGAIN;
}

/* What a read returns, once it returns. */
static enum lb_status conn_read_wait(struct lb_net_conn *conn, uint64_t deadline_ns,
                                     enum lb_site site)
{
    enum lb_status status = conn_readable(conn);
    while (status == LB_AGAIN) {
        enum lb_status waited = lb_sim_block(conn->net->sim, &conn->client, deadline_ns, site);
        lb_sim_touch(conn->net->sim, conn);
        status = waited == LB_OK ? conn_readable(conn) : waited;
    }
    return status;
}

static enum lb_status socket_read(struct lb_socket *socket, void *bytes, size_t size,
                                  uint64_t deadline_ns, enum lb_site site, size_t *ret_size)
{
    struct lb_net_conn *conn = conn_of(socket);
    LB_ASSERT(bytes != NULL || size == 0);
    if (!call_begin(conn, site, "read after close")) {
        return LB_CLOSED;
    }
    LB_ASSERT(conn->is_connected || conn->is_shut || conn->is_closed);
    enum lb_fault_how late = lbi_net_strike_read(conn, deadline_ns);
    enum lb_status status = conn_read_wait(conn, deadline_ns, site);
    if (late != LB_FAULT_NOT) {
        lbi_net_break(conn, late);
        status = status == LB_TIMEOUT || status == LB_CLOSED ? status : conn_readable(conn);
        LB_ASSERT(status != LB_AGAIN);
    }
    if (size == 0) {
        status = status == LB_TIMEOUT || status == LB_CLOSED ? status : LB_OK;
        *ret_size = 0;
    } else if (status == LB_OK) {
        *ret_size = conn_take(conn, bytes, size);
        LB_ASSERT(*ret_size >= 1);
        lbi_net_record(conn, LB_NET_READ, *ret_size);
    } else if (status == LB_END || status == LB_RESET) {
        lbi_net_record(conn, LB_NET_READ_END, (uint64_t)status);
    }
    call_end(conn);
    return status;
}

enum lb_status lbi_net_writable(const struct lb_net_conn *conn)
{
    if (conn->is_shut || conn->is_closed) {
        return LB_CLOSED;
    }
    LB_ASSERT(conn->is_connected);
    return conn->is_reset || conn->is_server_closed ? LB_RESET : LB_OK;
}

static enum lb_status socket_write(struct lb_socket *socket, const void *bytes, size_t size,
                                   uint64_t deadline_ns, enum lb_site site, size_t *ret_size)
{
    struct lb_net_conn *conn = conn_of(socket);
    LB_ASSERT(size > 0);
    if (!call_begin(conn, site, "write after close")) {
        return LB_CLOSED;
    }
    LB_MAYBE(deadline_ns == LB_NEVER); /* without a fault it never waits, hence is never too late */
    enum lb_status status = lbi_net_write_begin(conn, deadline_ns, site, &size);
    size_t room = LB_NET_STREAM_MAX - conn->written.size;
    if (status == LB_OK && room == 0) {
        status = LB_RESET; /* a server that has had enough */
    }
    if (status == LB_OK) {
        size_t taken = size < room ? size : room;
        lbi_net_append(&conn->written, bytes, taken);
        lbi_net_record(conn, LB_NET_WROTE, taken);
        lb_sim_wake(conn->net->sim, &conn->server);
        *ret_size = taken;
    } else if (status == LB_RESET) {
        lbi_net_record(conn, LB_NET_WRITE_END, (uint64_t)status);
    }
    call_end(conn);
    return status;
}

static bool socket_is_pending(const struct lb_socket *socket)
{
    struct lb_net_conn *conn = conn_of_const(socket);
    if (conn->is_closed) {
        conn_violate(conn, "look after close");
        return false;
    }
    bool is_pending = conn_readable(conn) != LB_AGAIN;
    lbi_net_record(conn, LB_NET_LOOKED, is_pending);
    return is_pending;
}

static void socket_shutdown(struct lb_socket *socket, enum lb_site site)
{
    struct lb_net_conn *conn = conn_of(socket);
    if (!call_begin(conn, site, "shutdown after close")) {
        return;
    }
    if (!conn->is_shut && !conn->is_closed) {
        conn->is_shut = true;
        lbi_net_record(conn, LB_NET_SHUT, 0);
        lb_sim_wake(conn->net->sim, &conn->client);
        lb_sim_wake(conn->net->sim, &conn->writer);
        lb_sim_wake(conn->net->sim, &conn->server);
    }
    call_end(conn);
}

static void socket_close(struct lb_socket **socket, enum lb_site site)
{
    LB_ASSERT(socket != NULL);
    struct lb_net_conn *conn = conn_of(*socket);
    *socket = NULL;
    if (!call_begin(conn, site, "close after close")) {
        return;
    }
    if (conn->is_closed) {
        conn_violate(conn, "close after close");
    } else {
        if (conn->calls > 1) {
            conn_violate(conn, "close during a call");
        }
        conn->is_closed = true;
        lbi_net_record(conn, LB_NET_CLOSED, 0);
        lb_sim_wake(conn->net->sim, &conn->client);
        lb_sim_wake(conn->net->sim, &conn->writer);
        lb_sim_wake(conn->net->sim, &conn->server);
    }
    call_end(conn);
}

const struct lb_socket_ops lbi_net_socket_ops = {
    .name = socket_name,
    .connect = socket_connect,
    .read = socket_read,
    .write = socket_write,
    .is_pending = socket_is_pending,
    .shutdown = socket_shutdown,
    .close = socket_close,
};

/* -- opening -- */

/* Copies a name, cut to fit; its length. */
static size_t name_copy(char *name, const char *source)
{
    size_t size = 0;
    while (size < LB_NET_NAME_MAX - 1 && source[size] != '\0') {
        name[size] = source[size];
        size += 1;
    }
    name[size] = '\0';
    LB_ASSERT(size > 0);
    return size;
}

/* Sets the connection's host, ordinal and name: "a.1". */
static void conn_set_name(struct lb_net_conn *conn, const char *host, size_t conn_count)
{
    size_t size = name_copy(conn->host, host);
    conn->ordinal = 1;
    for (size_t i = 0; i < conn_count; i += 1) {
        conn->ordinal += strcmp(conn->net->conns[i]->host, conn->host) == 0;
    }
    LB_STATIC_ASSERT(LB_NET_CONNS_MAX <= 999, "an ordinal has at most three digits");
    LB_STATIC_ASSERT(LB_NET_NAME_MAX + 4 <= LB_SIM_LABEL_MAX, "a connection's name is a label");
    memcpy(conn->name, conn->host, size);
    conn->name[size++] = '.';
    for (uint32_t unit = 100; unit > 0; unit /= 10) {
        if (conn->ordinal >= unit) {
            conn->name[size++] = (char)('0' + conn->ordinal / unit % 10);
        }
    }
    LB_ASSERT(size < LB_SIM_LABEL_MAX);
    conn->name[size] = '\0';
}

/* Makes a connection fresh; its arrays keep their memory. */
static void conn_init(struct lb_net_conn *conn, struct lb_net *net)
{
    struct lb_net_conn kept = *conn;
    LB_ASSERT(kept.net == NULL || kept.net == net);
    lbi_net_clear(&kept.sent);
    lbi_net_clear(&kept.segments);
    lbi_net_clear(&kept.written);
    lbi_net_clear(&kept.records);
    *conn = (struct lb_net_conn){.socket.ops = &lbi_net_socket_ops,
                                 .net = net,
                                 .client.name = conn->name,
                                 .writer.name = conn->name,
                                 .server.name = conn->name,
                                 .sent = kept.sent,
                                 .segments = kept.segments,
                                 .written = kept.written,
                                 .records = kept.records};
}

static bool net_is_known(const struct lb_net *net, const char *name)
{
    LB_ASSERT(net->host_count <= LB_NET_HOSTS_MAX);
    LB_ASSERT(name != NULL);
    size_t i = 0;
    while (i < net->host_count && strcmp(net->hosts[i].name, name) != 0) {
        i += 1;
    }
    return i < net->host_count;
}

static enum lb_status net_open(struct lb_network *network, const struct lb_endpoint *endpoint,
                               struct lb_socket **ret_socket)
{
    struct lb_net *net = (struct lb_net *)(void *)network;
    LB_ASSERT(endpoint->host != NULL);
    LB_ASSERT(ret_socket != NULL);
    if (net->conn_count == LB_NET_CONNS_MAX ||
        lb_fault_strike(net->options.fault, LB_FAULT_OPEN, false) != LB_FAULT_NOT) {
        return LB_MEMORY;
    }
    struct lb_net_conn **slot = &net->conns[net->conn_count];
    if (*slot == NULL) {
        *slot = calloc(1, sizeof(**slot));
        if (*slot == NULL) {
            return LB_MEMORY;
        }
    }
    struct lb_net_conn *conn = *slot;
    conn_init(conn, net);
    conn_set_name(conn, endpoint->host, net->conn_count);
    conn->is_known = net_is_known(net, endpoint->host);
    net->conn_count += 1;
    lb_sim_touch(net->sim, net);
    lbi_net_record(conn, LB_NET_OPENED, 0);
    *ret_socket = &conn->socket;
    return LB_OK;
}

static const struct lb_network_ops net_ops = {.open = net_open};

/* -- the network -- */

enum lb_status lb_net_new(struct lb_sim *sim, struct lb_net **ret_net)
{
    LB_ASSERT(sim != NULL);
    LB_ASSERT(ret_net != NULL);
    struct lb_net *net = calloc(1, sizeof(*net));
    if (net == NULL) {
        return LB_MEMORY;
    }
    net->network.ops = &net_ops;
    net->sim = sim;
    *ret_net = net;
    return LB_OK;
}

void lb_net_free(struct lb_net **net)
{
    LB_ASSERT(net != NULL);
    for (size_t i = 0; *net != NULL && i < LB_NET_CONNS_MAX; i += 1) {
        struct lb_net_conn *conn = (*net)->conns[i];
        if (conn != NULL) {
            LB_ASSERT(conn->net == *net);
            lbi_net_deinit(&conn->sent);
            lbi_net_deinit(&conn->segments);
            lbi_net_deinit(&conn->written);
            lbi_net_deinit(&conn->records);
            free(conn);
        }
    }
    free(*net);
    *net = NULL;
}

void lb_net_reset(struct lb_net *net, const struct lb_net_options *options)
{
    LB_ASSERT(options != NULL);
    LB_ASSERT(lb_sim_worker_count(net->sim) == 0); /* nobody is blocked on a connection any more */
    net->options = *options;
    net->host_count = 0;
    net->conn_count = 0;
    net->sequence = 0;
}

struct lb_network *lb_net_network(struct lb_net *net)
{
    LB_ASSERT(net != NULL);
    return &net->network;
}

enum lb_status lb_net_host_add(struct lb_net *net, const char *name)
{
    LB_ASSERT(name[0] != '\0');
    LB_ASSERT(!net_is_known(net, name));
    if (net->host_count == LB_NET_HOSTS_MAX || strlen(name) >= LB_NET_NAME_MAX) {
        return LB_LIMIT;
    }
    (void)name_copy(net->hosts[net->host_count].name, name);
    net->host_count += 1;
    return LB_OK;
}
