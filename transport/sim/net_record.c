/*
 * The network's record: growing arrays, what happened on each connection, and reading it.
 *
 * Mental model: everything that passes is appended once and never moved but by growth. Memory is
 * kept over resets up to a bound, so that a run in steady state allocates nothing.
 *
 * Invariants: records of one connection are in order of sequence and time; bytes read and bytes
 * consumed are prefixes of bytes sent and bytes written.
 */
#include <stdlib.h>
#include <string.h>

#include "sim/net_inside.h"

static void array_grow(struct lbi_net_array *array, size_t size)
{
    LB_ASSERT(size > array->capacity);
    size_t capacity = array->capacity == 0 ? 256 : array->capacity;
    while (capacity < size) {
        LB_ASSERT(capacity <= SIZE_MAX / 2);
        capacity *= 2;
    }
    unsigned char *items = realloc(array->items, capacity);
    LB_ASSERT(items != NULL);
    array->items = items;
    array->capacity = capacity;
}

void lbi_net_append(struct lbi_net_array *array, const void *bytes, size_t size)
{
    LB_ASSERT(size > 0);
    LB_ASSERT(size <= SIZE_MAX - array->size);
    if (size > array->capacity - array->size) {
        array_grow(array, array->size + size);
    }
    memcpy(array->items + array->size, bytes, size);
    array->size += size;
}

void lbi_net_clear(struct lbi_net_array *array)
{
    LB_ASSERT(array->size <= array->capacity);
    LB_ASSERT((array->items == NULL) == (array->capacity == 0));
    array->size = 0;
    if (array->capacity > LBI_NET_KEPT_MAX) {
        lbi_net_deinit(array);
    }
}

void lbi_net_deinit(struct lbi_net_array *array)
{
    LB_ASSERT(array->size <= array->capacity);
    free(array->items);
    *array = (struct lbi_net_array){0};
}

/* The word of a record in the trace. */
static const char *record_word(enum lb_net_record_kind kind)
{
    switch (kind) {
    case LB_NET_OPENED:
        return "open";
    case LB_NET_CONNECTED:
        return "connect";
    case LB_NET_FAILED:
        return "fail";
    case LB_NET_WROTE:
        return "write";
    case LB_NET_READ:
        return "read";
    case LB_NET_READ_END:
        return "read.end";
    case LB_NET_LOOKED:
        return "look";
    case LB_NET_SHUT:
        return "shut";
    case LB_NET_CLOSED:
        return "close";
    case LB_NET_SENT:
        return "send";
    case LB_NET_SERVER_END:
        return "end";
    case LB_NET_SERVER_RESET:
        return "reset";
    case LB_NET_WRITE_END:
        return "write.end";
    case LB_NET_LOST:
        return "lost";
    }
    lb_assert_fail(__FILE__, __LINE__, "kind is an enum lb_net_record_kind");
}

void lbi_net_record(struct lb_net_conn *conn, enum lb_net_record_kind kind, uint64_t value)
{
    struct lb_net *net = conn->net;
    LB_ASSERT(net != NULL);
    struct lb_net_record record = {
        .kind = kind, .sequence = net->sequence, .time_ns = lb_sim_now(net->sim), .value = value};
    net->sequence += 1;
    LB_ASSERT(net->sequence != 0);
    lbi_net_append(&conn->records, &record, sizeof(record));
    lb_sim_note(net->sim, conn->name, record_word(kind), value);
}

uint32_t lb_net_sequence(const struct lb_net *net)
{
    LB_ASSERT(net != NULL);
    return net->sequence;
}

size_t lb_net_log_count(const struct lb_net *net)
{
    LB_ASSERT(net->conn_count <= LB_NET_CONNS_MAX);
    return net->conn_count;
}

void lb_net_log(const struct lb_net *net, size_t index, struct lb_net_log *ret_log)
{
    LB_ASSERT(index < net->conn_count);
    LB_ASSERT(ret_log != NULL);
    const struct lb_net_conn *conn = net->conns[index];
    LB_ASSERT(conn->read_size <= conn->sent.size);
    *ret_log = (struct lb_net_log){
        .name = conn->name,
        .host = conn->host,
        .ordinal = conn->ordinal,
        .records = (const struct lb_net_record *)(const void *)conn->records.items,
        .record_count = conn->records.size / sizeof(struct lb_net_record),
        .sent = conn->sent.items,
        .sent_size = conn->sent.size,
        .written = conn->written.items,
        .written_size = conn->written.size,
        .is_open = !conn->is_closed,
        .is_connected = conn->is_connected,
        .is_shut = conn->is_shut,
        .is_server_ended = conn->is_server_ended,
        .is_reset = conn->is_reset,
        .is_write_held = conn->is_write_held,
        .unread_size = conn->sent.size - conn->read_size,
    };
}

ptrdiff_t lb_net_log_of(const struct lb_net *net, const void *queue)
{
    LB_ASSERT(net->conn_count <= LB_NET_CONNS_MAX);
    LB_MAYBE(queue == NULL); /* a worker that waits for time alone */
    for (size_t i = 0; i < net->conn_count; i += 1) {
        const struct lb_net_conn *conn = net->conns[i];
        if (queue == &conn->client || queue == &conn->server || queue == &conn->writer) {
            return (ptrdiff_t)i;
        }
    }
    return -1;
}
