/*
 * Tests of the client when the outside fails, beyond what cases can say: requests with bodies, upgrades,
 * coded responses with trailers, drains. A few conversations over the simulation, each with every fault
 * (sim/fault.h), the n-th call for each n until a run does not come to it.
 *
 * Whatever a caller sees, each source is closed once and left alone afterwards (O2), no worker, socket
 * or byte is left (E3, B7), the world settles without outside help (B5), and the outcome is one that the
 * fault or the conversation brings. A server that got a whole body got the source's own bytes.
 *
 * Mental model: the server does what the request's target says; a conversation is a script of a caller.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lastbyte/lastbyte.h"
#include "sim/net.h"

#define MS UINT64_C(1000000)
#define SIZE 3000 /* bytes of a request's body */
#define PIECE 1000
#define CALLS_MAX 3
#define NUMBER_MAX 5000
#define OK_HELLO "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
#define DENIED "HTTP/1.1 401 No\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello"
#define WIDE "HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\nhello"
#define WIDE_REST 1995
#define CODED                                                                                      \
    "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n"                  \
    "Trailer: X-Sum\r\n\r\n19\r\n"
#define CODED_HELLO                                                                                \
    "\037\213\010\000\000\000\000\000\002\377\313\110"                                             \
    "\315\311\311\007\000\206\246\020\066\005\000\000\000"
#define CODED_END "\r\n0\r\nX-Sum: 1\r\n\r\n"
#define SWITCHING "HTTP/1.1 101 Switching\r\nUpgrade: echo\r\nConnection: upgrade\r\n\r\nhello"

/* A source: the alphabet over and over. */
struct letters {
    struct lb_source source; /* first */
    size_t at;
    size_t stop_at; /* there it blocks until it is closed; SIZE_MAX: nowhere */
    struct lb_sim_queue queue;
    bool is_inside;
    uint32_t closed_count, late_count;
};

/* One request and what became of it. */
struct call {
    struct letters letters;
    struct lb_request *request;
    struct lb_response *response;
    bool is_made; /* it was handed to lb_request_new */
    enum lb_status status;
    char bytes[32];
    size_t size;
};

struct counted {
    struct lb_memory memory; /* first */
    size_t block_count;
};

static struct world {
    struct lb_sim *sim;
    struct lb_net *net;
    struct counted memory;
    struct lb_fault_state fault;
    struct lb_transport *transport;
    struct call calls[CALLS_MAX];
    uint32_t wrong_count; /* bodies that are not the source's */
    uint32_t violation_count;
    uint32_t waiting_count; /* callers that have not come to their end */
    bool is_done;
    const char *name; /* of the conversation */
} world;

/* Whether a host has one slot and the first struck call is followed by no allocation that succeeds. */
static bool is_dearth;

static char letter(size_t at)
{
    return (char)('a' + at % 26);
}

/* -- the outside -- */

static void *counted_alloc(struct lb_memory *memory, size_t size)
{
    struct counted *counted = (struct counted *)(void *)memory;
    bool is_struck = lb_fault_strike(&world.fault, LB_FAULT_ALLOC, false) != LB_FAULT_NOT;
    if (is_struck || (is_dearth && world.fault.is_reached)) {
        return NULL;
    }
    counted->block_count++;
    return malloc(size);
}

static void counted_release(struct lb_memory *memory, void *block, size_t size)
{
    struct counted *counted = (struct counted *)(void *)memory;
    (void)size;
    counted->block_count--;
    free(block);
}

static struct letters *letters_of(struct lb_source *source)
{
    return (struct letters *)(void *)source;
}

static enum lb_status letters_read(struct lb_source *source, void *bytes, size_t size,
                                   size_t *ret_size)
{
    struct letters *l = letters_of(source);
    l->late_count += l->closed_count > 0 || l->is_inside ? 1 : 0;
    l->is_inside = true;
    while (l->at == l->stop_at && l->closed_count == 0) {
        (void)lb_sim_block(world.sim, &l->queue, LB_NEVER, LB_SITE_SOURCE_READ);
    }
    l->is_inside = false;
    if (l->closed_count > 0) {
        return LB_CLOSED;
    }
    size_t left = SIZE - l->at < PIECE ? SIZE - l->at : PIECE;
    *ret_size = size < left ? size : left;
    for (size_t i = 0; i < *ret_size; i++) {
        ((char *)bytes)[i] = letter(l->at + i);
    }
    l->at += *ret_size;
    return *ret_size == 0 ? LB_END : LB_OK;
}

static void letters_close(struct lb_source *source)
{
    letters_of(source)->closed_count++;
    lb_sim_wake(world.sim, &letters_of(source)->queue);
}

static enum lb_status letters_rewind(struct lb_source *source)
{
    struct letters *l = letters_of(source);
    l->late_count += l->closed_count > 0 || l->is_inside ? 1 : 0;
    l->at = 0;
    return LB_OK;
}

static const struct lb_source_ops letters_ops = {letters_read, letters_close, letters_rewind};

/* -- the server -- */

/* server_find: waits until the input holds a text; where it ends; 0: the client has ended first. */
static size_t server_find(struct lb_net_conn *conn, const char *text)
{
    const uint8_t *bytes = NULL;
    size_t size = 0;
    lb_net_input(conn, &bytes, &size);
    const uint8_t *found = memmem(bytes, size, text, strlen(text));
    while (found == NULL) {
        if (lb_net_wait_input(conn, size, LB_NEVER, LB_SITE_SERVER_WANT) != LB_OK) {
            return 0;
        }
        lb_net_input(conn, &bytes, &size);
        found = memmem(bytes, size, text, strlen(text));
    }
    return (size_t)(found - bytes) + strlen(text);
}

/* server_look: `size` bytes of the input; NULL: the client has ended first. */
static const uint8_t *server_look(struct lb_net_conn *conn, size_t size)
{
    const uint8_t *bytes = NULL;
    size_t there = 0;
    lb_net_input(conn, &bytes, &there);
    while (there < size) {
        if (lb_net_wait_input(conn, there, LB_NEVER, LB_SITE_SERVER_WANT) != LB_OK) {
            return NULL;
        }
        lb_net_input(conn, &bytes, &there);
    }
    return bytes;
}

/* server_take_body: the body behind a head that has been consumed; false: the client has ended first. */
static bool server_take_body(struct lb_net_conn *conn, bool is_chunked)
{
    size_t at = 0;
    size_t left = is_chunked ? 1 : SIZE;
    while (left > 0) {
        size_t line = is_chunked ? server_find(conn, "\r\n") : 0;
        const uint8_t *bytes = is_chunked && line == 0 ? NULL : server_look(conn, 1);
        if (bytes == NULL) {
            return false;
        }
        size_t size = is_chunked ? (size_t)strtoul((const char *)bytes, NULL, 16) : SIZE;
        size_t whole = line + size + (is_chunked ? 2 : 0);
        bytes = server_look(conn, whole);
        for (size_t i = 0; bytes != NULL && i < size; i++) {
            world.wrong_count += (char)bytes[line + i] == letter(at + i) ? 0 : 1;
        }
        if (bytes == NULL) {
            return false;
        }
        lb_net_consume(conn, whole);
        at += size;
        left = is_chunked ? size : 0;
    }
    world.wrong_count += at == SIZE ? 0 : 1;
    return true;
}

static void server_send(struct lb_net_conn *conn, const char *bytes, size_t size)
{
    assert_int_equal(lb_net_send(conn, bytes, size, LB_SITE_SERVER_SEND), LB_OK);
}

static void server_say(struct lb_net_conn *conn, const char *text)
{
    server_send(conn, text, strlen(text));
}

/* server_fill: the rest of a wide body, a little later. */
static void server_fill(struct lb_net_conn *conn)
{
    char bytes[WIDE_REST];
    memset(bytes, 'x', sizeof bytes);
    lb_sim_sleep(world.sim, lb_sim_now(world.sim) + 2 * MS, LB_SITE_SERVER_PAUSE);
    server_send(conn, bytes, sizeof bytes);
}

/* server_serve: one request; false when the connection is over for the server. */
static bool server_serve(struct lb_net_conn *conn)
{
    size_t head = server_find(conn, "\r\n\r\n");
    const uint8_t *bytes = head == 0 ? NULL : server_look(conn, head);
    if (bytes == NULL) {
        return false;
    }
    char kind = ((const char *)bytes)[strcspn((const char *)bytes, "/") + 1];
    bool is_chunked = memmem(bytes, head, "chunked", 7) != NULL;
    lb_net_consume(conn, head);
    switch (kind) {
    case 'd': /* denies, and reads nothing */
        server_say(conn, DENIED);
        return false;
    case 's': /* says and reads nothing */
        return false;
    case 'u':
        server_say(conn, SWITCHING);
        return false;
    case 'g': /* gzip, in chunks, with a trailer */
        server_say(conn, CODED);
        server_send(conn, CODED_HELLO, sizeof CODED_HELLO - 1);
        server_say(conn, CODED_END);
        return true;
    case 'w':
        server_say(conn, WIDE);
        server_fill(conn);
        return true;
    case 'c':
        server_say(conn, "HTTP/1.1 100 Continue\r\n\r\n");
        break;
    default:
        break;
    }
    if (!server_take_body(conn, is_chunked)) {
        return false;
    }
    server_say(conn, OK_HELLO);
    if (kind == 'l') { /* the last on this connection */
        lb_net_close(conn, LB_SITE_SERVER_CLOSE);
        return false;
    }
    return true;
}

static void serve(void *argument)
{
    while (server_serve(argument)) {
    }
}

static void on_accept(void *context, struct lb_net_conn *conn)
{
    struct lb_worker_options options = {LB_ROLE_SERVER, lb_net_conn_name(conn), serve, conn};
    uint32_t index = 0;
    (void)context;
    assert_int_equal(lb_sim_spawn(world.sim, &options, &index), LB_OK);
}

static void on_violation(void *context, const char *rule, const char *phrase)
{
    (void)context;
    (void)rule;
    (void)phrase;
    world.violation_count++;
}

static void on_switch(void *context)
{
    (void)context;
    if (world.transport != NULL) {
        lb_transport_check(world.transport);
    }
}

/* -- the conversations -- */

static const struct lb_request_options plain = {.method = NULL};
static const struct lb_request_options bodiless = {.method = NULL};

/* post: makes and sends a request, with a body unless `more` is `bodiless` or asks for an upgrade. */
static void post(struct call *call, const char *target, bool is_chunked,
                 const struct lb_request_options *more)
{
    struct lb_request_options options = *more;
    bool has_body = options.upgrade == NULL && more != &bodiless;
    options.method = has_body ? "POST" : "GET";
    options.endpoint = (struct lb_endpoint){"http", "a", 80};
    options.target = target;
    options.deadline_ns = options.deadline_ns == 0 ? LB_NEVER : options.deadline_ns;
    if (has_body) {
        call->letters.source.ops = &letters_ops;
        options.source = &call->letters.source;
        options.source_size = is_chunked ? LB_SIZE_UNKNOWN : SIZE;
        call->is_made = true;
    }
    call->status = lb_request_new(world.transport, &options, &call->request);
    if (call->status == LB_OK) {
        call->status = lb_request_send(call->request, &call->response);
    }
}

/* finish: reads the response to its end and releases the request. */
static void finish(struct call *call)
{
    while (call->status == LB_OK) {
        size_t size = 0;
        call->status = lb_body_read(lb_response_body(call->response), call->bytes + call->size,
                                    sizeof call->bytes - call->size, &size);
        call->size += size;
    }
    lb_request_free(&call->request);
}

static void talk_known(void)
{
    post(&world.calls[0], "/echo", false, &plain);
    finish(&world.calls[0]);
    post(&world.calls[1], "/echo", false, &plain);
    finish(&world.calls[1]);
}

static void talk_chunked(void)
{
    post(&world.calls[0], "/echo", true, &plain);
    finish(&world.calls[0]);
    post(&world.calls[1], "/denied", true, &plain);
    finish(&world.calls[1]);
}

static void talk_expect(void)
{
    struct lb_request_options options = {.is_expect = true};
    post(&world.calls[0], "/continue", false, &options);
    finish(&world.calls[0]);
    post(&world.calls[1], "/denied", true, &options);
    finish(&world.calls[1]);
    post(&world.calls[2], "/echo", true, &options); /* no 100 comes */
    finish(&world.calls[2]);
}

static void talk_stale(void)
{
    post(&world.calls[0], "/last", false, &plain);
    finish(&world.calls[0]);
    post(&world.calls[1], "/echo", true, &plain);
    finish(&world.calls[1]);
}

static void talk_deadline(void)
{
    struct lb_request_options options = {.deadline_ns = lb_sim_now(world.sim) + 20 * MS};
    world.calls[0].letters.stop_at = PIECE;
    post(&world.calls[0], "/echo", false, &options);
    finish(&world.calls[0]);
    options.deadline_ns = lb_sim_now(world.sim) + 20 * MS;
    post(&world.calls[1], "/silent", true, &options);
    finish(&world.calls[1]);
    post(&world.calls[2], "/echo", true, &plain);
    finish(&world.calls[2]);
}

static void cancel(void *argument)
{
    struct call *call = argument;
    lb_sim_sleep(world.sim, lb_sim_now(world.sim) + 5 * MS, LB_SITE_CALLER_ADVANCE);
    if (call->request != NULL) {
        lb_request_cancel(call->request);
    }
}

static void talk_cancel(void)
{
    struct lb_worker_options options = {LB_ROLE_CALLER, "cancel", cancel, &world.calls[0]};
    uint32_t index = 0;
    world.calls[0].letters.stop_at = PIECE;
    assert_int_equal(lb_sim_spawn(world.sim, &options, &index), LB_OK);
    post(&world.calls[0], "/echo", true, &plain);
    finish(&world.calls[0]);
    post(&world.calls[1], "/echo", false, &plain);
    finish(&world.calls[1]);
}

static void wait_for_slot(void *argument)
{
    struct call *call = argument;
    lb_sim_sleep(world.sim, lb_sim_now(world.sim) + (uint64_t)(call - world.calls) * MS,
                 LB_SITE_CALLER_ADVANCE);
    post(call, "/echo", false, &plain);
    finish(call);
    world.waiting_count--;
}

/* Two wait for the slot of a third, whose end gives it to them. */
static void talk_dearth(void)
{
    uint32_t index = 0;
    struct lb_worker_options options = {LB_ROLE_CALLER, "waiter", wait_for_slot, NULL};
    world.waiting_count = CALLS_MAX - 1;
    for (size_t i = 1; i < CALLS_MAX; i++) {
        options.argument = &world.calls[i];
        assert_int_equal(lb_sim_spawn(world.sim, &options, &index), LB_OK);
    }
    post(&world.calls[0], "/echo", false, &(struct lb_request_options){.is_close = true});
    lb_sim_sleep(world.sim, lb_sim_now(world.sim) + 5 * MS, LB_SITE_CALLER_ADVANCE);
    finish(&world.calls[0]);
    while (world.waiting_count > 0 && lb_sim_now(world.sim) < 1000 * MS) {
        lb_sim_sleep(world.sim, lb_sim_now(world.sim) + 5 * MS, LB_SITE_CALLER_ADVANCE);
    }
}

static void talk_upgrade(void)
{
    struct call *call = &world.calls[0];
    struct lb_socket *socket = NULL;
    post(call, "/upgrade", false, &(struct lb_request_options){.upgrade = "echo"});
    if (call->status == LB_OK && lb_response_take_socket(call->response, &socket) == LB_OK) {
        enum lb_status status = LB_OK;
        while (status == LB_OK && call->size < 5) {
            size_t size = 0;
            status = socket->ops->read(socket, call->bytes + call->size, 5 - call->size, LB_NEVER,
                                       LB_SITE_SOCKET_READ_BODY, &size);
            call->size += status == LB_OK ? size : 0;
        }
        socket->ops->shutdown(socket, LB_SITE_SOCKET_SHUTDOWN);
        socket->ops->close(&socket, LB_SITE_SOCKET_CLOSE);
        call->status = status == LB_OK ? LB_END : status;
    }
    finish(call);
    post(&world.calls[1], "/echo", false, &plain);
    finish(&world.calls[1]);
}

static void talk_coded(void)
{
    post(&world.calls[0], "/gzip", false, &bodiless);
    while (world.calls[0].status == LB_OK) {
        size_t size = 0;
        struct call *call = &world.calls[0];
        call->status = lb_body_read(lb_response_body(call->response), call->bytes + call->size,
                                    sizeof call->bytes - call->size, &size);
        call->size += size;
        const char *sum = lb_response_trailer(call->response, "X-Sum");
        bool has_sum = sum != NULL && strcmp(sum, "1") == 0;
        world.wrong_count += has_sum == (call->status == LB_END) ? 0 : 1; /* F11 */
    }
    finish(&world.calls[0]);
    post(&world.calls[1], "/gzip", false, &bodiless);
    finish(&world.calls[1]);
}

/* Closes a body early, whose connection is drained while the next request waits for it, or not. */
static void talk_drain(void)
{
    struct call *call = &world.calls[0];
    post(call, "/wide", false, &bodiless);
    while (call->status == LB_OK && call->size < 5) {
        size_t size = 0;
        call->status = lb_body_read(lb_response_body(call->response), call->bytes + call->size,
                                    5 - call->size, &size);
        call->size += size;
    }
    if (call->response != NULL) {
        lb_body_close(lb_response_body(call->response));
    }
    call->status = call->status == LB_OK ? LB_END : call->status;
    lb_request_free(&call->request);
    post(&world.calls[1], "/echo", false, &plain);
    finish(&world.calls[1]);
    lb_sim_sleep(world.sim, lb_sim_now(world.sim) + 100 * MS, LB_SITE_CALLER_ADVANCE);
    post(&world.calls[2], "/echo", true, &plain);
    finish(&world.calls[2]);
}

/* -- what is judged -- */

/* fault_allows: whether the fault explains that a request ends so. */
static bool fault_allows(enum lb_status status)
{
    switch (world.fault.fault.how) {
    case LB_FAULT_MEMORY:
        return status == LB_MEMORY;
    case LB_FAULT_REFUSED:
        return status == LB_REFUSED;
    case LB_FAULT_TIMEOUT:
        return status == LB_TIMEOUT;
    case LB_FAULT_RESET:
    case LB_FAULT_LATE_RESET:
    case LB_FAULT_BROKEN:
        return status == LB_RESET;
    case LB_FAULT_END:
    case LB_FAULT_LATE_END:
    case LB_FAULT_CLOSED:
        return status == LB_RESET || status == LB_INCOMPLETE;
    case LB_FAULT_NOT: /* under a bound a body may take longer than its deadline */
        break;
    }
    return status == LB_TIMEOUT && world.fault.fault.kind == LB_FAULT_SLOW_WRITE;
}

static void complain(const struct call *call, const char *what)
{
    const struct lb_fault *fault = &world.fault.fault;
    fail_msg("%s, %s %s %u/%u: call %d: %s (%s, %zu bytes)", world.name,
             lb_fault_kind_word(fault->kind), lb_fault_how_word(fault->how),
             (unsigned)fault->number, (unsigned)fault->amount,
             call == NULL ? -1 : (int)(call - world.calls), what,
             call == NULL ? "-" : lb_status_word(call->status), call == NULL ? 0 : call->size);
}

/* judge_call: `natural` is how it ends without a fault. */
static void judge_call(const struct call *call, enum lb_status natural)
{
    const struct letters *l = &call->letters;
    if (call->is_made && l->closed_count != 1) {
        complain(call, "its source was not closed once");
    }
    if (l->late_count > 0 || l->is_inside) {
        complain(call, "its source was used after its close, or twice at a time");
    }
    if (call->status == LB_END && (call->size != 5 || memcmp(call->bytes, "hello", 5) != 0)) {
        complain(call, "it ended without its bytes");
    }
    if (call->status != natural && (!world.fault.is_reached || !fault_allows(call->status))) {
        complain(call, "nothing explains its outcome");
    }
}

static void judge_rest(void)
{
    for (uint32_t i = 0; i < lb_sim_worker_count(world.sim); i++) {
        struct lb_sim_view view;
        lb_sim_view(world.sim, i, &view);
        bool is_ours = view.role != LB_ROLE_CALLER && view.role != LB_ROLE_SERVER;
        if (view.state != LB_SIM_DONE || (is_ours && !view.is_joined)) {
            complain(NULL, lb_site_label(view.site));
        }
    }
    for (size_t i = 0; i < lb_net_log_count(world.net); i++) {
        struct lb_net_log log;
        lb_net_log(world.net, i, &log);
        if (log.is_open) {
            complain(NULL, "a socket is open");
        }
    }
    if (world.memory.block_count > 0) {
        complain(NULL, "memory is left");
    }
    if (world.wrong_count > 0) {
        complain(NULL, "a server got other bytes");
    }
    if (world.violation_count > 0) {
        complain(NULL, "a socket was misused");
    }
}

/* -- runs -- */

static void (*talk_now)(void);

static void script(void *argument)
{
    struct lb_transport *transport = world.transport;
    (void)argument;
    talk_now();
    world.transport = NULL;
    lb_transport_free(&transport);
    world.is_done = true;
}

static void world_begin(const struct lb_fault *fault)
{
    static const struct lb_sim_options sim_options = {.step_count_max = 1000000,
                                                      .time_max_ns = LB_NEVER,
                                                      .on_switch = on_switch,
                                                      .fault = &world.fault};
    static const struct lb_net_options net_options = {
        .on_accept = on_accept, .on_violation = on_violation, .fault = &world.fault};
    struct world fresh = {.sim = world.sim, .net = world.net, .name = world.name};
    world = fresh;
    world.memory.memory = (struct lb_memory){counted_alloc, counted_release};
    world.fault.fault = *fault;
    for (size_t i = 0; i < CALLS_MAX; i++) {
        world.calls[i].letters.stop_at = SIZE_MAX;
    }
    lb_sim_reset(world.sim, &sim_options);
    lb_net_reset(world.net, &net_options);
    assert_int_equal(lb_net_host_add(world.net, "a"), LB_OK);
}

/* run_once: a conversation with a fault; false: it was not reached. */
static bool run_once(const struct lb_fault *fault, const enum lb_status *natural)
{
    struct lb_transport_options options;
    struct lb_worker_options main_options = {LB_ROLE_CALLER, "main", script, NULL};
    uint32_t index = 0;
    world_begin(fault);
    lb_transport_options_default(&options);
    options.is_checked = true;
    options.runtime = lb_sim_runtime(world.sim);
    options.network = lb_net_network(world.net);
    options.memory = &world.memory.memory;
    options.drain_size_max = LB_DRAIN_SIZE;
    options.connections_per_host_max = is_dearth ? 1 : 0;
    if (lb_transport_new(&options, &world.transport) != LB_OK) {
        judge_rest();
        return world.fault.is_reached;
    }
    assert_int_equal(lb_sim_spawn(world.sim, &main_options, &index), LB_OK);
    enum lb_sim_stop stop = lb_sim_run(world.sim, LB_SIM_ALL);
    if (stop != LB_SIM_SETTLED || !world.is_done) {
        complain(NULL, "the script does not come to its end");
    }
    for (size_t i = 0; i < CALLS_MAX; i++) {
        judge_call(&world.calls[i], natural[i]);
    }
    judge_rest();
    return world.fault.is_reached;
}

/* run_all: a conversation with every fault; `natural`: how its requests end without one. */
static void run_all(const char *name, void (*talk)(void), const enum lb_status *natural)
{
    static const struct lb_fault none = {.kind = LB_FAULT_NONE};
    static const struct lb_fault bounds[] = {
        {LB_FAULT_SHORT_READ, LB_FAULT_NOT, 0, 1},  {LB_FAULT_SHORT_READ, LB_FAULT_NOT, 0, 7},
        {LB_FAULT_SHORT_WRITE, LB_FAULT_NOT, 0, 1}, {LB_FAULT_SHORT_WRITE, LB_FAULT_NOT, 0, 7},
        {LB_FAULT_SLOW_WRITE, LB_FAULT_NOT, 0, MS}, {LB_FAULT_SLOW_WRITE, LB_FAULT_NOT, 0, 30 * MS},
        {LB_FAULT_WINDOW, LB_FAULT_NOT, 0, 1},      {LB_FAULT_WINDOW, LB_FAULT_NOT, 0, 64},
    };
    talk_now = talk;
    world.name = name;
    assert_false(run_once(&none, natural));
    for (int kind = LB_FAULT_ALLOC; kind <= LB_FAULT_WRITE; kind++) {
        for (int how = LB_FAULT_MEMORY; how < LB_FAULT_HOW_COUNT; how++) {
            struct lb_fault fault = {(enum lb_fault_kind)kind, (enum lb_fault_how)how, 1, 0};
            bool may = lb_fault_may(fault.kind, fault.how);
            while (may && run_once(&fault, natural)) {
                fault.number++;
                assert_true(fault.number < NUMBER_MAX);
            }
        }
    }
    for (size_t i = 0; i < sizeof bounds / sizeof bounds[0]; i++) {
        assert_true(run_once(&bounds[i], natural));
    }
}

static int setup(void **state)
{
    (void)state;
    memset(&world, 0, sizeof world);
    assert_int_equal(lb_sim_new(&world.sim), LB_OK);
    assert_int_equal(lb_net_new(world.sim, &world.net), LB_OK);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    lb_net_free(&world.net);
    lb_sim_free(&world.sim);
    return 0;
}

/* A conversation: its name, and how each of its requests ends without a fault; LB_OK: there is none. */
#define TALK_TEST(name_, ...)                                                                      \
    static void test_client_faults_##name_(void **state)                                           \
    {                                                                                              \
        static const enum lb_status natural[CALLS_MAX] = {__VA_ARGS__};                            \
        (void)state;                                                                               \
        run_all(#name_, talk_##name_, natural);                                                    \
    }

TALK_TEST(known, LB_END, LB_END)
TALK_TEST(chunked, LB_END, LB_END)
TALK_TEST(expect, LB_END, LB_END, LB_END)
TALK_TEST(stale, LB_END, LB_END)
TALK_TEST(deadline, LB_TIMEOUT, LB_TIMEOUT, LB_END)
TALK_TEST(cancel, LB_CANCELLED, LB_END)
TALK_TEST(upgrade, LB_END, LB_END)
TALK_TEST(coded, LB_END, LB_END)
TALK_TEST(drain, LB_END, LB_END, LB_END)

/* Memory and threads are short for longer than one call: whoever cannot dial for one waiter cannot for the
 * next, either, and what that one's end brings with it is done, too. */
static void test_client_faults_dearth(void **state)
{
    static const enum lb_status natural[CALLS_MAX] = {LB_END, LB_END, LB_END};
    struct lb_fault fault = {LB_FAULT_START, LB_FAULT_MEMORY, 1, 0};
    (void)state;
    talk_now = talk_dearth;
    world.name = "dearth";
    is_dearth = true;
    while (run_once(&fault, natural)) {
        fault.number++;
    }
    is_dearth = false;
    assert_int_equal(fault.number, 7); /* three for each of two connections, one after the other */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_client_faults_known),    TEST(test_client_faults_chunked),
        TEST(test_client_faults_expect),   TEST(test_client_faults_stale),
        TEST(test_client_faults_deadline), TEST(test_client_faults_cancel),
        TEST(test_client_faults_upgrade),  TEST(test_client_faults_coded),
        TEST(test_client_faults_drain),    TEST(test_client_faults_dearth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
