/*
 * What else a process does beside the client: signals that interrupt its calls, pipes that break, children.
 *
 * Mental model: a thread of the test sends the process signals without end. Every thread but the caller's
 * blocks them, as workers have to, so that each one hits the caller in the middle of something. The
 * handler does not ask for calls to be started again (SA_RESTART): whoever forgets EINTR fails.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "test/threads_world.h"

#define ROUND_COUNT 20

static struct {
    pthread_t caller;
    atomic_uint caught_count;
    atomic_uint astray_count; /* signals that another thread has caught */
    atomic_uint pipe_count;
    atomic_bool is_over;
    pthread_t storm;
} signals;

static void on_signal(int number)
{
    (void)number;
    (void)atomic_fetch_add(&signals.caught_count, 1);
    if (!pthread_equal(pthread_self(), signals.caller)) {
        (void)atomic_fetch_add(&signals.astray_count, 1);
    }
}

static void on_pipe(int number)
{
    (void)number;
    (void)atomic_fetch_add(&signals.pipe_count, 1);
}

static void catch_with(int number, void (*handler)(int))
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = handler;
    assert_int_equal(sigaction(number, &action, NULL), 0);
}

/* set_blocked: whether this thread, and those that it starts, keep the storm out. */
static void set_blocked(bool is_blocked)
{
    sigset_t set;
    assert_int_equal(sigemptyset(&set), 0);
    assert_int_equal(sigaddset(&set, SIGUSR1), 0);
    assert_int_equal(pthread_sigmask(is_blocked ? SIG_BLOCK : SIG_UNBLOCK, &set, NULL), 0);
}

static void *storm_main(void *argument)
{
    struct timespec pause = {.tv_nsec = 50000};
    (void)argument;
    while (!atomic_load(&signals.is_over)) {
        (void)kill(getpid(), SIGUSR1);
        (void)nanosleep(&pause, NULL);
    }
    return NULL;
}

/* setup: servers that block the signal; the caller does not. */
static int setup(void **state)
{
    set_blocked(true);
    int error = world_setup(state);
    signals.caller = pthread_self();
    atomic_store(&signals.caught_count, 0);
    atomic_store(&signals.astray_count, 0);
    atomic_store(&signals.pipe_count, 0);
    atomic_store(&signals.is_over, false);
    return error;
}

/* storm_begin, storm_end: what stands between them is interrupted all the time. */
static void storm_begin(void)
{
    catch_with(SIGUSR1, on_signal);
    assert_int_equal(pthread_create(&signals.storm, NULL, storm_main, NULL), 0);
    set_blocked(false);
}

static void storm_end(void)
{
    atomic_store(&signals.is_over, true);
    assert_int_equal(pthread_join(signals.storm, NULL), 0);
    print_message("  %u signals caught\n", atomic_load(&signals.caught_count));
    assert_true(atomic_load(&signals.caught_count) > 0);
    assert_int_equal(atomic_load(&signals.astray_count), 0); /* no worker runs a handler */
}

static void test_threads_signals_interrupt_no_call(void **state)
{
    (void)state;
    storm_begin();
    for (size_t i = 0; i < ROUND_COUNT; i++) {
        struct call call = call_get(LOOPBACK_SLOW);
        call_read_all(&call);
        call = call_get(LOOPBACK_CHUNKED);
        call_read_all(&call);
        call_free(&call);
        struct call_options options = {.deadline_ns = world_now() + 30 * WORLD_MS};
        call = call_make(LOOPBACK_HANG, &options);
        assert_int_equal(lb_request_send(call.request, &call.response), LB_TIMEOUT);
        assert_true(world_now() >= options.deadline_ns);
        call_free(&call);
    }
    world_remake(); /* a teardown, too */
    storm_end();
}

/* The socket by itself, on the caller's own thread: connect, write, read, wait and look. */
static void test_threads_signals_interrupt_no_socket(void **state)
{
    (void)state;
    static const char request[] = "GET /4/1/2000 HTTP/1.1\r\n\r\n"; /* LOOPBACK_SLOW */
    storm_begin();
    for (size_t i = 0; i < ROUND_COUNT; i++) {
        char bytes[512];
        size_t size = 0;
        struct lb_socket *s = NULL;
        struct lb_endpoint endpoint = {"http", "127.0.0.1", loopback_port(world.servers[0])};
        assert_int_equal(world.network->ops->open(world.network, &endpoint, &s), LB_OK);
        assert_int_equal(s->ops->connect(s, LB_NEVER, LB_SITE_SOCKET_CONNECT), LB_OK);
        assert_int_equal(
            s->ops->read(s, bytes, 1, world_now() + 5 * WORLD_MS, LB_SITE_SOCKET_READ_HEAD, &size),
            LB_TIMEOUT);
        assert_int_equal(
            s->ops->read(s, NULL, 0, world_now() + 5 * WORLD_MS, LB_SITE_SOCKET_READ_FIRST, &size),
            LB_TIMEOUT);
        assert_int_equal(
            s->ops->write(s, request, sizeof request - 1, LB_NEVER, LB_SITE_SOCKET_WRITE, &size),
            LB_OK);
        assert_int_equal(s->ops->read(s, NULL, 0, LB_NEVER, LB_SITE_SOCKET_READ_FIRST, &size),
                         LB_OK);
        assert_true(s->ops->is_pending(s));
        for (size_t total = 0; total < 2000; total += size) {
            assert_int_equal(
                s->ops->read(s, bytes, sizeof bytes, LB_NEVER, LB_SITE_SOCKET_READ_BODY, &size),
                LB_OK);
        }
        s->ops->close(&s, LB_SITE_SOCKET_CLOSE);
    }
    storm_end();
}

/* A peer that is gone is a status, not a signal: on the caller's own thread nothing blocks SIGPIPE. */
static void test_threads_signals_no_broken_pipe(void **state)
{
    (void)state;
    size_t size = 0;
    struct lb_socket *s = NULL;
    struct lb_endpoint endpoint = {"http", "127.0.0.1", loopback_port(world.servers[0])};
    catch_with(SIGPIPE, on_pipe);
    assert_int_equal(world.network->ops->open(world.network, &endpoint, &s), LB_OK);
    assert_int_equal(s->ops->connect(s, LB_NEVER, LB_SITE_SOCKET_CONNECT), LB_OK);
    await_conns(1, 0);
    loopback_close_all(world.servers[0]);
    await_conns(1, 1); /* the server's descriptor is closed: what comes is answered with a reset */
    enum lb_status status = LB_OK;
    for (uint32_t i = 0; i < 60000 && status == LB_OK; i++) {
        status = s->ops->write(s, "x", 1, LB_NEVER, LB_SITE_SOCKET_WRITE, &size);
        loopback_pause(1);
    }
    for (size_t i = 0; i < 3;
         i++) { /* the first one took the kernel's report, the others find EPIPE */
        assert_int_equal(status, LB_RESET);
        status = s->ops->write(s, "x", 1, LB_NEVER, LB_SITE_SOCKET_WRITE, &size);
    }
    s->ops->close(&s, LB_SITE_SOCKET_CLOSE);
    assert_int_equal(atomic_load(&signals.pipe_count), 0);
    catch_with(SIGPIPE, SIG_DFL);
}

/* client_fds: descriptors that connect this process to the server's port; asserts that exec closes them,
 * and every eventfd. */
static uint32_t client_fds(void)
{
    uint32_t count = 0;
    for (int fd = 0; fd < 1024; fd++) {
        struct sockaddr_in peer;
        socklen_t size = sizeof peer;
        char path[64];
        char link[64] = "";
        (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        bool is_event =
            readlink(path, link, sizeof link - 1) > 0 && strstr(link, "[eventfd]") != NULL;
        memset(&peer, 0, sizeof peer);
        bool is_client = getpeername(fd, (struct sockaddr *)&peer, &size) == 0 &&
                         peer.sin_family == AF_INET &&
                         ntohs(peer.sin_port) == loopback_port(world.servers[0]);
        if (is_client || is_event) {
            assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
        }
        count += is_client;
    }
    return count;
}

/* A child that holds copies of the descriptors does not hold the connections. */
static void test_threads_signals_child_holds_no_connection(void **state)
{
    (void)state;
    int pipe_fds[2];
    char byte = 0;
    int how = 0;
    struct call call = call_get(LOOPBACK_LENGTH);
    struct call closed = call_get(LOOPBACK_PART);
    call_read_all(&call);
    assert_int_equal(client_fds(), 2);
    assert_int_equal(pipe(pipe_fds), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)close(pipe_fds[1]);
        _exit(read(pipe_fds[0], &byte, 1) == 0 ? 0 : 1); /* until the parent lets it go */
    }
    lb_body_close(closed.body);
    lb_transport_close_idle(world.transport, NULL);
    await_conns(2, 2); /* the server has seen the end of both, with the child alive */
    assert_int_equal(waitpid(child, &how, WNOHANG), 0);
    assert_int_equal(close(pipe_fds[1]), 0);
    assert_int_equal(close(pipe_fds[0]), 0);
    assert_int_equal(waitpid(child, &how, 0), child);
    assert_int_equal(how, 0);
}

#define TEST(name)                                                                                 \
    cmocka_unit_test_setup_teardown(test_threads_signals_##name, setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(interrupt_no_call),
        TEST(interrupt_no_socket),
        TEST(no_broken_pipe),
        TEST(child_holds_no_connection),
    };
    loopback_warm_up();
    return cmocka_run_group_tests_name("threads_signals", tests, NULL, NULL);
}
