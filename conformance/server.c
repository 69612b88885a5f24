/*
 * The server lane: for each connection that is accepted, one server that executes the script of that
 * connection, line by line.
 *
 * A script whose first line is `refuse` refuses the connection; one that begins with `stall` never
 * answers the attempt; one that begins with `pause T` answers it after T. A connection without a
 * script is refused. At a script's end the server stays silent and keeps the connection.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/assert.h"
#include "sim/net.h"
#include "world.h"

#define SERVER_REQUEST_MAX 16384u /* bytes of a request's head that a server waits for */

static const char serve_response[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/* What goes on between one server and the network. */
struct server {
    struct lb_world *world;
    struct lb_net_conn *conn;
    const struct lb_case_conn *script;
    uint32_t slot;        /* in the world's wants */
    uint64_t fill_offset; /* of the next byte of the pattern in this response */
    bool is_over;         /* nothing of the script is executed any more */
};

/* script_of: the script for the host's connection, its own or that of `conn *`. */
static const struct lb_case_conn *script_of(const struct lb_case *c, const char *host,
                                            uint32_t ordinal)
{
    const struct lb_case_conn *any = NULL;
    for (uint32_t h = 0; h < c->host_count; h++) {
        if (strcmp(c->hosts[h].name, host) != 0) {
            continue;
        }
        for (uint32_t i = 0; i < c->hosts[h].conn_count; i++) {
            const struct lb_case_conn *conn = &c->hosts[h].conns[i];
            if (conn->number == ordinal) {
                return conn;
            }
            any = conn->number == 0 ? conn : any;
        }
    }
    return any;
}

/* server_fail: the script's expectation was not met. */
static void server_fail(struct server *server, const struct lb_line *line, const char *actual)
{
    char expected[200];
    lb_line_print(server->world->c, line, expected, sizeof expected);
    lb_world_fail(server->world, line, expected, actual);
    server->is_over = true;
}

/* head_size: bytes of the request head at the start of the input, 0: not complete. */
static size_t head_size(const uint8_t *bytes, size_t size)
{
    const uint8_t *end = size < 4 ? NULL : memmem(bytes, size, "\r\n\r\n", 4);
    return end == NULL ? 0 : (size_t)(end - bytes) + 4;
}

/* server_take_request: waits for one request and consumes it; false when the client ends first. The
 * request line is stored in ret_line. */
static bool server_take_request(struct server *server, char *ret_line, size_t line_size)
{
    const uint8_t *bytes = NULL;
    size_t size = 0;
    lb_net_input(server->conn, &bytes, &size);
    size_t head = head_size(bytes, size);
    while (head == 0) {
        if (size > SERVER_REQUEST_MAX ||
            lb_net_wait_input(server->conn, size, LB_NEVER, LB_SITE_SERVER_WANT) != LB_OK) {
            return false;
        }
        lb_net_input(server->conn, &bytes, &size);
        head = head_size(bytes, size);
    }
    const uint8_t *line_end = memchr(bytes, '\r', head);
    size_t length = (size_t)(line_end - bytes);
    length = length < line_size - 1 ? length : line_size - 1;
    memcpy(ret_line, bytes, length);
    ret_line[length] = '\0';
    lb_net_consume(server->conn, head);
    return true;
}

/* server_want: one request, as the line says. */
static void server_want(struct server *server, const struct lb_line *line)
{
    char actual[300];
    server->world->wants[server->slot] = line;
    bool is_taken = server_take_request(server, actual, sizeof actual);
    server->world->wants[server->slot] = NULL;
    if (!is_taken) {
        if (!line->is_or_close && line->path.size > 0 && !server->world->is_ending) {
            server_fail(server, line, "the client ended the connection");
        }
        server->is_over = true;
        return;
    }
    if (line->path.size == 0) {
        return;
    }
    char expected[300];
    snprintf(expected, sizeof expected, "%s %s HTTP/1.1", line->method.bytes, line->path.bytes);
    if (strcmp(expected, actual) != 0) {
        server_fail(server, line, actual);
    }
}

/* server_want_end: the client must end the connection now. */
static void server_want_end(struct server *server, const struct lb_line *line)
{
    const uint8_t *bytes = NULL;
    size_t size = 0;
    lb_net_input(server->conn, &bytes, &size);
    server->world->wants[server->slot] = line;
    enum lb_status status =
        size > 0 ? LB_OK : lb_net_wait_input(server->conn, 0, LB_NEVER, LB_SITE_SERVER_WANT);
    server->world->wants[server->slot] = NULL;
    if (status == LB_OK) {
        char actual[100];
        lb_net_input(server->conn, &bytes, &size);
        snprintf(actual, sizeof actual, "the client sent %zu more bytes", size);
        server_fail(server, line, actual);
    }
}

static void server_send(struct server *server, const void *bytes, size_t size)
{
    if (size > 0 && lb_net_send(server->conn, bytes, size, LB_SITE_SERVER_SEND) != LB_OK) {
        server->is_over = true; /* beyond what a stream may hold */
    }
}

/* server_send_head: adjacent head lines as one segment; returns how many lines it took. */
static uint32_t server_send_head(struct server *server, const struct lb_line *lines, uint32_t count)
{
    size_t size = 0;
    uint32_t taken = 0;
    while (taken < count && lines[taken].verb == LB_VERB_HEAD_LINE) {
        size += lines[taken].bytes.size + 2;
        taken++;
    }
    char stack[1024];
    char *bytes = size <= sizeof stack ? stack : malloc(size);
    LB_ASSERT(bytes != NULL);
    size_t at = 0;
    for (uint32_t i = 0; i < taken; i++) {
        memcpy(bytes + at, lines[i].bytes.bytes, lines[i].bytes.size);
        at += lines[i].bytes.size;
        memcpy(bytes + at, "\r\n", 2);
        at += 2;
    }
    LB_ASSERT(at == size);
    server->fill_offset = 0;
    server_send(server, bytes, size);
    if (bytes != stack) {
        free(bytes);
    }
    return taken;
}

/* server_send_data: a fill, or a chunk of bytes or of the pattern, as one segment. */
static void server_send_data(struct server *server, const struct lb_line *line)
{
    bool is_fill = line->verb == LB_VERB_FILL || line->verb == LB_VERB_CHUNK_FILL;
    bool is_chunk = line->verb != LB_VERB_FILL;
    size_t data = is_fill ? (size_t)line->number : line->bytes.size;
    LB_ASSERT(data <= LB_CASE_FILL_MAX);
    char stack[1024];
    char *bytes = data + 32 <= sizeof stack ? stack : malloc(data + 32);
    LB_ASSERT(bytes != NULL);
    size_t size = is_chunk ? (size_t)snprintf(bytes, 20, "%zx\r\n", data) : 0;
    if (is_fill) {
        for (size_t i = 0; i < data; i++) {
            bytes[size + i] = lb_fill_byte(server->fill_offset + i);
        }
        server->fill_offset += data;
    } else if (data > 0) {
        memcpy(bytes + size, line->bytes.bytes, data);
    }
    size += data;
    if (is_chunk) {
        memcpy(bytes + size, "\r\n", 2);
        size += 2;
    }
    server_send(server, bytes, size);
    if (bytes != stack) {
        free(bytes);
    }
}

/* server_serve: answers every further request until the client ends the connection. */
static void server_serve(struct server *server)
{
    char line[300];
    while (!server->is_over && server_take_request(server, line, sizeof line)) {
        bool is_head = strncmp(line, "HEAD ", 5) == 0;
        server_send(server, serve_response, sizeof serve_response - (is_head ? 3 : 1));
    }
    server->is_over = true;
}

static void server_await(struct server *server, const struct lb_line *line)
{
    struct lb_world *world = server->world;
    struct lb_signal *signal = lb_world_signal(world, line->name);
    if (signal == NULL) {
        server_fail(server, line, "there is no room for more signals");
        return;
    }
    while (!signal->is_given && !world->is_ending) {
        (void)lb_sim_block(world->sim, &signal->queue, LB_NEVER, LB_SITE_SERVER_AWAIT);
    }
}

/* server_act: the lines that send nothing. */
static void server_act(struct server *server, const struct lb_line *line)
{
    struct lb_sim *sim = server->world->sim;
    switch ((int)line->verb) {
    case LB_VERB_PAUSE:
        lb_sim_sleep(sim, lb_sim_now(sim) + line->time_ns, LB_SITE_SERVER_PAUSE);
        return;
    case LB_VERB_AWAIT:
        server_await(server, line);
        return;
    case LB_VERB_CLOSE_SERVER:
        lb_net_close(server->conn, LB_SITE_SERVER_CLOSE);
        server->is_over = true;
        return;
    case LB_VERB_HALF_CLOSE:
        lb_net_end(server->conn, LB_SITE_SERVER_CLOSE);
        return;
    case LB_VERB_RESET:
        lb_net_reset_conn(server->conn, LB_SITE_SERVER_CLOSE);
        server->is_over = true;
        return;
    case LB_VERB_STALL:
    case LB_VERB_REFUSE:
        server->is_over = true;
        return;
    default:
        LB_UNREACHABLE("a verb of the server lane");
    }
}

/* server_line: executes the line at `at`; returns the index of the next one. */
static uint32_t server_line(struct server *server, uint32_t at)
{
    const struct lb_lines *script = &server->script->script;
    const struct lb_line *line = &script->lines[at];
    switch ((int)line->verb) {
    case LB_VERB_WANT:
        server_want(server, line);
        return at + 1;
    case LB_VERB_WANT_END:
        server_want_end(server, line);
        return at + 1;
    case LB_VERB_HEAD_LINE:
        return at + server_send_head(server, line, script->count - at);
    case LB_VERB_SEND:
        server_send(server, line->bytes.bytes, line->bytes.size);
        return at + 1;
    case LB_VERB_CHUNK:
    case LB_VERB_CHUNK_FILL:
    case LB_VERB_FILL:
        server_send_data(server, line);
        return at + 1;
    case LB_VERB_CHUNK_END:
        server_send(server, "0\r\n\r\n", 5);
        return at + 1;
    case LB_VERB_SERVE:
        server_serve(server);
        return at + 1;
    default:
        server_act(server, line);
        return at + 1;
    }
}

/* server_run: the body of a server's worker; the argument is the connection. */
static void server_run(void *argument)
{
    struct lb_net_conn *conn = argument;
    struct lb_world *world = lb_net_conn_context(conn);
    struct server server = {.world = world, .conn = conn, .slot = world->server_count++};
    LB_ASSERT(server.slot < LB_NET_CONNS_MAX);
    server.script = script_of(world->c, lb_net_conn_host(conn), lb_net_conn_ordinal(conn));
    LB_ASSERT(server.script != NULL);
    const struct lb_lines *lines = &server.script->script;
    uint32_t at = lines->count > 0 && lines->lines[0].verb == LB_VERB_PAUSE ? 1 : 0;
    world->wants[server.slot] = NULL;
    while (at < lines->count && !server.is_over && !world->is_ending) {
        at = server_line(&server, at);
    }
}

void lb_server_on_accept(void *context, struct lb_net_conn *conn)
{
    struct lb_world *world = context;
    struct lb_worker_options options = {LB_ROLE_SERVER, lb_net_conn_name(conn), server_run, conn};
    uint32_t index = 0;
    if (lb_sim_spawn(world->sim, &options, &index) != LB_OK) {
        lb_net_reset_conn(conn, LB_SITE_SERVER_CLOSE); /* more workers than a run may have */
    }
}

enum lb_net_answer lb_server_on_connect(void *context, struct lb_net_conn *conn,
                                        uint64_t *ret_delay_ns)
{
    struct lb_world *world = context;
    const struct lb_case_conn *script =
        script_of(world->c, lb_net_conn_host(conn), lb_net_conn_ordinal(conn));
    if (script == NULL) {
        return LB_NET_REFUSE;
    }
    if (script->script.count == 0) {
        return LB_NET_ACCEPT;
    }
    const struct lb_line *first = &script->script.lines[0];
    if (first->verb == LB_VERB_REFUSE) {
        return LB_NET_REFUSE;
    }
    if (first->verb == LB_VERB_STALL) {
        return LB_NET_STALL;
    }
    *ret_delay_ns = first->verb == LB_VERB_PAUSE ? first->time_ns : 0;
    return LB_NET_ACCEPT;
}
