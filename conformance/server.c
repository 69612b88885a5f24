/*
 * The server lane: for each connection that is accepted, one server that executes the script of that
 * connection, line by line.
 *
 * A script whose first line is `refuse` refuses the connection; one that begins with `stall` never
 * answers the attempt; one that begins with `pause T` answers it after T. A connection without a
 * script is refused. At a script's end the server stays silent and keeps the connection.
 *
 * What is left of a request's body is read over before the next request is looked for, as every server
 * must; until then it stays unread.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "coding.h"
#include "core/assert.h"
#include "sim/net.h"
#include "stage.h"
#include "upload.h"
#include "world.h"

#define SERVER_REQUEST_MAX 16384u /* bytes of a request's head that a server waits for */

static const char serve_response[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/* What goes on between one server and the network. */
struct server {
    struct lb_world *world;
    struct lb_peer *peer;
    const struct lb_case_conn *script;
    uint32_t slot;           /* in the world's wants */
    uint64_t fill_offset;    /* of the next byte of the pattern in this response */
    struct lb_upload upload; /* the last request */
    bool is_over;            /* nothing of the script is executed any more */
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

/* server_wait: waits for more than `size` bytes of input; false: the client has ended it. */
static bool server_wait(struct server *server, size_t size)
{
    return lb_stage_wait_input(server->world, server->peer, size, LB_SITE_SERVER_WANT) == LB_OK;
}

/* server_take_body: up to `limit` bytes of the request's body; false when the client ends first. Stops
 * where the body ends or breaks. */
static bool server_take_body(struct server *server, uint64_t limit)
{
    struct lb_upload *upload = &server->upload;
    uint64_t end = limit > UINT64_MAX - upload->offset ? UINT64_MAX : upload->offset + limit;
    for (;;) {
        const uint8_t *bytes = NULL;
        size_t size = 0;
        lb_stage_input(server->world, server->peer, &bytes, &size);
        size_t taken = lb_upload_take(upload, bytes, size, end - upload->offset);
        lb_stage_consume(server->world, server->peer, taken);
        bool is_over = upload->state >= LB_UPLOAD_OVER;
        if (is_over || (limit > 0 && upload->offset == end)) {
            return true;
        }
        if (limit == 0 && upload->state == LB_UPLOAD_DATA && taken < size) {
            return true; /* there is more of it */
        }
        if (!server_wait(server, size - taken)) {
            return false;
        }
    }
}

/* server_say_request: a request has come: its method and path. */
static void server_say_request(const struct server *server, const char *line)
{
    char text[100];
    if (server->world->story == NULL) {
        return;
    }
    const char *end = strstr(line, " HTTP/1.1");
    snprintf(text, sizeof text, "%.*s%s", end == NULL ? 90 : (int)(end - line), line,
             server->upload.state == LB_UPLOAD_OVER ? "" : " with a body");
    lb_story_said(server->world, text);
}

/* server_take_request: waits for one request and consumes its head; false when the client ends first.
 * The request line is stored in ret_line. */
static bool server_take_request(struct server *server, char *ret_line, size_t line_size)
{
    const uint8_t *bytes = NULL;
    size_t size = 0;
    if (!server_take_body(server, UINT64_MAX)) {
        return false;
    }
    lb_stage_input(server->world, server->peer, &bytes, &size);
    size_t head = lb_upload_head(bytes, size);
    while (head == 0) {
        if (size > SERVER_REQUEST_MAX || !server_wait(server, size)) {
            return false;
        }
        lb_stage_input(server->world, server->peer, &bytes, &size);
        head = lb_upload_head(bytes, size);
    }
    const uint8_t *line_end = memchr(bytes, '\r', head);
    size_t length = (size_t)(line_end - bytes);
    length = length < line_size - 1 ? length : line_size - 1;
    memcpy(ret_line, bytes, length);
    ret_line[length] = '\0';
    lb_upload_begin(&server->upload, bytes, head);
    lb_stage_consume(server->world, server->peer, head);
    server_say_request(server, ret_line);
    return true;
}

/* server_want_size: `count` bytes of the body, and its end if `is_whole`. */
static void server_want_size(struct server *server, const struct lb_line *line, uint64_t count,
                             bool is_whole)
{
    char actual[100];
    struct lb_upload *upload = &server->upload;
    uint64_t start = upload->offset;
    server->world->wants[server->slot] = line;
    bool is_taken = count == 0 || server_take_body(server, count);
    uint64_t got = upload->offset - start;
    if (is_taken && is_whole && (count == LB_CASE_ALL || got == count)) {
        is_taken = server_take_body(server, 0);
    }
    server->world->wants[server->slot] = NULL;
    if (!is_taken) {
        server->is_over = true;
        if (!line->is_or_close && !server->world->is_ending) {
            snprintf(actual, sizeof actual, "the client ended the connection after %llu bytes",
                     (unsigned long long)(upload->offset - start));
            server_fail(server, line, actual);
        }
    } else if (upload->is_other || upload->state == LB_UPLOAD_BROKEN) {
        server_fail(server, line,
                    upload->is_other ? "a body that is not the pattern" : "a broken body");
    } else if ((count != LB_CASE_ALL && got != count) ||
               (is_whole && upload->state != LB_UPLOAD_OVER)) {
        bool is_more = upload->state != LB_UPLOAD_OVER;
        snprintf(actual, sizeof actual, "a body of %s%llu bytes", is_more ? "more than " : "",
                 (unsigned long long)upload->offset);
        server_fail(server, line, actual);
    }
}

/* server_judge_request: whether a request is the one that the line wants. */
static void server_judge_request(struct server *server, const struct lb_line *line,
                                 const char *actual)
{
    char expected[300];
    int size =
        snprintf(expected, sizeof expected, "%s %s HTTP/1.", line->method.bytes, line->path.bytes);
    if (strncmp(expected, actual, (size_t)size) != 0) {
        server_fail(server, line, actual);
    } else if (line->is_expect && !server->upload.is_expect) {
        server_fail(server, line, "a request that does not wait for 100");
    } else if (line->has_body) {
        server_want_size(server, line, line->number, true);
    }
}

/* server_want: one request, as the line says. */
static void server_want(struct server *server, const struct lb_line *line)
{
    char actual[300];
    server->world->wants[server->slot] = line;
    bool is_taken = server_take_request(server, actual, sizeof actual);
    server->world->wants[server->slot] = NULL;
    if (!server->world->is_ending) {
        lb_world_note(server->world, line, is_taken ? 0 : 1);
    }
    if (!is_taken) {
        if (!line->is_or_close && line->path.size > 0 && !server->world->is_ending) {
            server_fail(server, line, "the client ended the connection");
        }
        server->is_over = true;
        return;
    }
    if (line->path.size > 0) {
        server_judge_request(server, line, actual);
    }
}

/* server_want_end: the client must end the connection now. */
static void server_want_end(struct server *server, const struct lb_line *line)
{
    const uint8_t *bytes = NULL;
    size_t size = 0;
    server->world->wants[server->slot] = line;
    bool is_whole = server_take_body(server, UINT64_MAX);
    lb_stage_input(server->world, server->peer, &bytes, &size);
    bool has_more = is_whole && (size > 0 || server_wait(server, 0));
    server->world->wants[server->slot] = NULL;
    if (!has_more && !server->world->is_ending) {
        lb_story_said(server->world, "sees the end");
    }
    if (has_more) {
        char actual[100];
        lb_stage_input(server->world, server->peer, &bytes, &size);
        snprintf(actual, sizeof actual, "the client sent %zu more bytes", size);
        server_fail(server, line, actual);
    }
}

static void server_send(struct server *server, const void *bytes, size_t size)
{
    if (size > 0 &&
        lb_stage_send(server->world, server->peer, bytes, size, LB_SITE_SERVER_SEND) != LB_OK) {
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

/* data_write: what a fill, a chunk or a gzip consists of, without a chunk's frame. */
static void data_write(struct server *server, const struct lb_line *line, size_t data, char *bytes)
{
    if (line->verb == LB_VERB_GZIP || line->verb == LB_VERB_CHUNK_GZIP) {
        lb_gzip_write(server->fill_offset, (size_t)line->number, (uint8_t *)bytes);
        server->fill_offset += line->number;
    } else if (line->verb == LB_VERB_CHUNK) {
        memcpy(bytes, line->bytes.bytes, data);
    } else {
        for (size_t i = 0; i < data; i++) {
            bytes[i] = lb_fill_byte(server->fill_offset + i);
        }
        server->fill_offset += data;
    }
}

/* server_send_data: a fill, a gzip, or a chunk of bytes, of the pattern or of a gzip, as one segment. */
static void server_send_data(struct server *server, const struct lb_line *line)
{
    bool is_gzip = line->verb == LB_VERB_GZIP || line->verb == LB_VERB_CHUNK_GZIP;
    bool is_chunk = line->verb != LB_VERB_FILL && line->verb != LB_VERB_GZIP;
    size_t data = line->verb == LB_VERB_CHUNK ? line->bytes.size
                  : is_gzip                   ? lb_gzip_size((size_t)line->number)
                                              : (size_t)line->number;
    LB_ASSERT(line->number <= LB_CASE_FILL_MAX);
    char stack[1024];
    char *bytes = data + 32 <= sizeof stack ? stack : malloc(data + 32);
    LB_ASSERT(bytes != NULL);
    size_t size = is_chunk ? (size_t)snprintf(bytes, 20, "%zx\r\n", data) : 0;
    data_write(server, line, data, bytes + size);
    size += data;
    if (is_chunk) {
        memcpy(bytes + size, "\r\n", 2);
        size += 2;
    }
    server_send(server, bytes, line->cut > 0 && line->cut < size ? (size_t)line->cut : size);
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
    lb_sim_touch(world->sim, &signal->queue);
    while (!signal->is_given && !world->is_ending) {
        lb_stage_block(world, &signal->queue, LB_SITE_SERVER_AWAIT);
    }
}

/* server_act: the lines that send nothing. */
static void server_act(struct server *server, const struct lb_line *line)
{
    switch ((int)line->verb) {
    case LB_VERB_PAUSE:
        lb_stage_sleep(server->world, line->time_ns, LB_SITE_SERVER_PAUSE);
        return;
    case LB_VERB_AWAIT:
        server_await(server, line);
        return;
    case LB_VERB_CLOSE_SERVER:
        lb_stage_close(server->world, server->peer, LB_SITE_SERVER_CLOSE);
        server->is_over = true;
        return;
    case LB_VERB_HALF_CLOSE:
        lb_stage_end(server->world, server->peer, LB_SITE_SERVER_CLOSE);
        return;
    case LB_VERB_RESET:
        lb_stage_reset(server->world, server->peer, LB_SITE_SERVER_CLOSE);
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

/* server_say: a line that begins; those that wait for the client tell what has come instead. */
static void server_say(const struct server *server, const struct lb_line *line, uint32_t left)
{
    uint32_t count = 1;
    bool is_wait = line->verb == LB_VERB_WANT || line->verb == LB_VERB_WANT_BODY ||
                   line->verb == LB_VERB_WANT_END;
    if (server->world->story == NULL || is_wait) {
        return;
    }
    while (line->verb == LB_VERB_HEAD_LINE && count < left &&
           line[count].verb == LB_VERB_HEAD_LINE) {
        count++;
    }
    lb_story_server(server->world, line, count);
}

/* server_line: executes the line at `at`; returns the index of the next one. */
static uint32_t server_line(struct server *server, uint32_t at)
{
    const struct lb_lines *script = &server->script->script;
    const struct lb_line *line = &script->lines[at];
    server_say(server, line, script->count - at);
    switch ((int)line->verb) {
    case LB_VERB_WANT:
        server_want(server, line);
        return at + 1;
    case LB_VERB_WANT_BODY:
        server_want_size(server, line, line->number,
                         line->number == 0 || line->number == LB_CASE_ALL);
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
    case LB_VERB_CHUNK_GZIP:
    case LB_VERB_FILL:
    case LB_VERB_GZIP:
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

void lb_server_serve(struct lb_world *world, struct lb_peer *peer, const char *host,
                     uint32_t ordinal)
{
    struct server server = {.world = world, .peer = peer, .slot = world->server_count++};
    LB_ASSERT(server.slot < LB_NET_CONNS_MAX);
    server.upload.state = LB_UPLOAD_OVER;
    server.script = script_of(world->c, host, ordinal);
    LB_ASSERT(server.script != NULL);
    const struct lb_lines *lines = &server.script->script;
    uint32_t at = lines->count > 0 && lines->lines[0].verb == LB_VERB_PAUSE ? 1 : 0;
    world->wants[server.slot] = NULL;
    while (at < lines->count && !server.is_over && !world->is_ending) {
        at = server_line(&server, at);
    }
}

enum lb_net_answer lb_server_answer(const struct lb_world *world, const char *host,
                                    uint32_t ordinal, uint64_t *ret_delay_ns)
{
    const struct lb_case_conn *script = script_of(world->c, host, ordinal);
    LB_ASSERT(ordinal > 0);
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

/* -- the hooks of the simulation's network -- */

/* server_run: the body of a server's worker; the argument is the connection. */
static void server_run(void *argument)
{
    struct lb_net_conn *conn = argument;
    lb_server_serve(lb_net_conn_context(conn), (struct lb_peer *)(void *)conn,
                    lb_net_conn_host(conn), lb_net_conn_ordinal(conn));
}

void lb_server_on_accept(void *context, struct lb_net_conn *conn)
{
    struct lb_world *world = context;
    struct lb_worker_options options = {LB_ROLE_SERVER, lb_net_conn_name(conn), server_run, conn};
    if (lb_stage_spawn(world, &options) != LB_OK) {
        lb_net_reset_conn(conn, LB_SITE_SERVER_CLOSE); /* more workers than a run may have */
    }
}

enum lb_net_answer lb_server_on_connect(void *context, struct lb_net_conn *conn,
                                        uint64_t *ret_delay_ns)
{
    return lb_server_answer(context, lb_net_conn_host(conn), lb_net_conn_ordinal(conn),
                            ret_delay_ns);
}
