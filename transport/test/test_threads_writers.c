/*
 * Tests of requests whose writers are slow to notice the end of their connections: what only threads can
 * do, as the simulation's time stands still while a writer can run.
 *
 * Mental model: sockets of the test's own, without a peer. A write is answered at once with RESPONSE,
 * but stays inside as long as the test holds it, even when the socket has been shut down meanwhile: that
 * is a thread to which the kernel gives no time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <pthread.h>

#include <cmocka.h>

#include "lastbyte/lastbyte.h"
#include "test/loopback.h"

#define SOCKETS_MAX 4
#define RESPONSE "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"
#define RESPONSE_SIZE (sizeof RESPONSE - 1)

struct held_socket {
    struct lb_socket socket; /* first */
    size_t sent_size;        /* bytes of responses that the server has sent */
    size_t read_size;
    bool is_ended; /* by the server */
    bool is_shut;
    bool is_held; /* a write stays inside */
    bool is_writing;
    bool is_closed;
};

/* Guarded by the lock; whoever changes something wakes everybody. */
static struct world {
    struct lb_network network; /* first */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct held_socket sockets[SOCKETS_MAX];
    size_t socket_count;
    bool is_sent; /* the send in the other thread has returned */
} world = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void world_lock(void)
{
    assert_int_equal(pthread_mutex_lock(&world.lock), 0);
}

static void world_unlock(void)
{
    assert_int_equal(pthread_cond_broadcast(&world.changed), 0);
    assert_int_equal(pthread_mutex_unlock(&world.lock), 0);
}

/* await: waits until a flag of the world is set. */
static void await(const bool *flag)
{
    world_lock();
    while (!*flag) {
        assert_int_equal(pthread_cond_wait(&world.changed, &world.lock), 0);
    }
    world_unlock();
}

static void set(bool *flag, bool value)
{
    world_lock();
    *flag = value;
    world_unlock();
}

/* -- sockets -- */

static struct held_socket *held_of(const struct lb_socket *socket)
{
    return (struct held_socket *)(uintptr_t)socket;
}

static const char *held_name(const struct lb_socket *socket)
{
    (void)socket;
    return "held";
}

static enum lb_status held_connect(struct lb_socket *socket, uint64_t deadline_ns,
                                   enum lb_site site)
{
    (void)socket;
    (void)deadline_ns;
    (void)site;
    return LB_OK;
}

static bool held_is_readable(const struct held_socket *s)
{
    return s->is_shut || s->is_ended || s->read_size < s->sent_size;
}

static enum lb_status held_read(struct lb_socket *socket, void *bytes, size_t size,
                                uint64_t deadline_ns, enum lb_site site, size_t *ret_size)
{
    struct held_socket *s = held_of(socket);
    enum lb_status status = LB_OK;
    (void)site;
    assert_true(deadline_ns == LB_NEVER);
    world_lock();
    while (!held_is_readable(s)) {
        assert_int_equal(pthread_cond_wait(&world.changed, &world.lock), 0);
    }
    if (s->is_shut) {
        status = LB_CLOSED;
    } else if (size > 0 && s->read_size < s->sent_size) {
        size_t start = s->read_size % RESPONSE_SIZE;
        size_t count = RESPONSE_SIZE - start < size ? RESPONSE_SIZE - start : size;
        memcpy(bytes, &RESPONSE[start], count);
        s->read_size += count;
        *ret_size = count;
    } else if (size > 0) {
        status = LB_END;
    }
    world_unlock();
    return status;
}

static enum lb_status held_write(struct lb_socket *socket, const void *bytes, size_t size,
                                 uint64_t deadline_ns, enum lb_site site, size_t *ret_size)
{
    struct held_socket *s = held_of(socket);
    (void)bytes;
    (void)deadline_ns;
    (void)site;
    set(&s->is_writing, true);
    world_lock();
    while (s->is_held) {
        assert_int_equal(pthread_cond_wait(&world.changed, &world.lock), 0);
    }
    s->is_writing = false;
    bool is_shut = s->is_shut;
    if (!is_shut) {
        s->sent_size += RESPONSE_SIZE;
        *ret_size = size;
    }
    world_unlock();
    return is_shut ? LB_CLOSED : LB_OK;
}

static bool held_is_pending(const struct lb_socket *socket)
{
    world_lock();
    bool is_pending = held_is_readable(held_of(socket));
    world_unlock();
    return is_pending;
}

static void held_shutdown(struct lb_socket *socket, enum lb_site site)
{
    (void)site;
    set(&held_of(socket)->is_shut, true);
}

static void held_close(struct lb_socket **socket, enum lb_site site)
{
    struct held_socket *s = held_of(*socket);
    (void)site;
    *socket = NULL;
    set(&s->is_closed, true);
}

static const struct lb_socket_ops held_ops = {
    .name = held_name,
    .connect = held_connect,
    .read = held_read,
    .write = held_write,
    .is_pending = held_is_pending,
    .shutdown = held_shutdown,
    .close = held_close,
};

static enum lb_status held_open(struct lb_network *network, const struct lb_endpoint *endpoint,
                                struct lb_socket **ret_socket)
{
    (void)endpoint;
    assert_ptr_equal(network, &world.network);
    world_lock();
    assert_true(world.socket_count < SOCKETS_MAX);
    struct held_socket *s = &world.sockets[world.socket_count++];
    s->socket.ops = &held_ops;
    world_unlock();
    *ret_socket = &s->socket;
    return LB_OK;
}

static const struct lb_network_ops network_ops = {.open = held_open};

/* -- the test -- */

static struct lb_request *make(struct lb_transport *transport)
{
    struct lb_request *request = NULL;
    struct lb_request_options options = {
        .method = "GET", .endpoint = {"http", "a", 80}, .target = "/", .deadline_ns = LB_NEVER};
    assert_int_equal(lb_request_new(transport, &options, &request), LB_OK);
    return request;
}

static void read_to_end(struct lb_request **request, struct lb_response *response)
{
    char byte = 0;
    size_t size = 0;
    enum lb_status status = LB_OK;
    while (status == LB_OK) {
        status = lb_body_read(lb_response_body(response), &byte, 1, &size);
    }
    assert_int_equal(status, LB_END);
    lb_request_free(request);
}

/* fill_pool: two connections that have served an exchange are idle. */
static void fill_pool(struct lb_transport *transport)
{
    struct lb_response *responses[2];
    struct lb_request *requests[2];
    struct lb_stats stats;
    for (size_t i = 0; i < 2; i++) {
        requests[i] = make(transport);
        assert_int_equal(lb_request_send(requests[i], &responses[i]), LB_OK);
    }
    for (size_t i = 0; i < 2; i++) {
        read_to_end(&requests[i], responses[i]);
    }
    lb_transport_stats(transport, NULL, &stats);
    assert_int_equal(stats.idle, 2);
}

static void *send_main(void *argument)
{
    struct lb_response *response = NULL;
    assert_int_equal(lb_request_send(argument, &response), LB_CANCELLED);
    set(&world.is_sent, true);
    return NULL;
}

/* A request that two connections in turn were carried away from in the middle of its write returns when
 * the last of the two writers has let go of it, not the first (rule B6). */
static void test_threads_writers_are_all_waited_for(void **state)
{
    (void)state;
    struct lb_transport_options options;
    struct lb_transport *transport = NULL;
    pthread_t thread;
    lb_transport_options_default(&options);
    options.is_checked = true;
    world.network.ops = &network_ops;
    options.runtime = lb_runtime_threads();
    options.network = &world.network;
    options.idle_duration_ns = LB_NEVER;
    options.written_duration_ns = 0;
    assert_int_equal(lb_transport_new(&options, &transport), LB_OK);
    fill_pool(transport);
    struct held_socket *first = &world.sockets[1]; /* the newest idle one is taken first */
    struct held_socket *second = &world.sockets[0];
    set(&first->is_held, true);
    set(&second->is_held, true);

    struct lb_request *request = make(transport);
    assert_int_equal(pthread_create(&thread, NULL, send_main, request), 0);
    await(&first->is_writing);
    set(&first->is_ended, true); /* stale: the request starts again */
    await(&second->is_writing);
    lb_request_cancel(request);
    set(&first->is_held, false);
    await(&first->is_closed); /* its writer has reported */
    loopback_pause(20);
    world_lock();
    assert_false(world.is_sent);
    world_unlock();
    set(&second->is_held, false);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(world.is_sent);
    lb_request_free(&request);
    lb_transport_free(&transport);
    assert_int_equal(world.socket_count, 2);
    assert_true(second->is_closed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_threads_writers_are_all_waited_for),
    };
    return cmocka_run_group_tests_name("threads_writers", tests, NULL, NULL);
}
