/*
 * `lastbyte get`: the transport as a small command, on threads and real sockets. It asks, and shows with
 * each request which connection it was on, and how many connections, open bodies and workers there are: a
 * leak grows in the last columns, and ends with a close.
 *
 * The main thread runs libuv's loop, for signals, the line on the terminal, and the end; each caller is a
 * thread of its own. A signal stops the run: callers begin nothing more, their requests are cancelled, and
 * the end is printed as always. A second one ends the process at once.
 */
#include "get.h"

#include "core/assert.h"
#include "files.h"
#include "profile.h"

#include "lastbyte/threads.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define GET_LIVE_MS 100
#define GET_SHOWN_MAX 60 /* bytes of a URL before its error */

/* -- the command line -- */

static enum exit_code get_options(struct get_plan *plan, int argc, char **argv, int *ret_count,
                                  bool *ret_is_over)
{
    const struct option_row rows[] = {
        OPTIONS_NUMBER('n', "read", "N", &plan->read_max, 0, UINT64_MAX,
                       "read N bytes of each body, then close it (all)"),
        OPTIONS_FLAG(0, "no-close", &plan->is_forgetful,
                     "forget a body that has not ended, instead of closing it: the leak"),
        OPTIONS_NUMBER('r', "repeat", "K", &plan->repeat, 1, UINT32_MAX, "ask K times (1)"),
        OPTIONS_NUMBER('j', "parallel", "N", &plan->parallel, 1, GET_PARALLEL_MAX,
                       "N requests at once (1)"),
        OPTIONS_FLAG('p', "profile", &plan->is_profiled,
                     "at the end print what the workers wait for"),
        OPTIONS_DURATION(0, "deadline", &plan->deadline_s, "for each request, its body included"),
        OPTIONS_NUMBER(0, "max-per-host", "N", &plan->per_host_max, 0, UINT32_MAX,
                       "connections of one host; 0: no limit (0)"),
        OPTIONS_NUMBER(0, "max-idle-per-host", "N", &plan->idle_per_host_max, 0, UINT32_MAX,
                       "idle connections of one host; 0: pool nothing (2)"),
        OPTIONS_FLAG(0, "drain", &plan->is_drained,
                     "have a body that is closed early read to its end within limits"),
        OPTIONS_FLAG(0, "no-keepalive", &plan->is_keep_alive_off, "one request a connection"),
        OPTIONS_FLAG(0, "http1.0", &plan->is_http10, "say HTTP/1.0"),
        OPTIONS_FLAG('I', "head", &plan->is_head, "ask with HEAD"),
        OPTIONS_TEXT(0, "post", "FILE", &plan->post,
                     "POST a file, or what standard input (-) brings"),
        OPTIONS_FLAG(0, "chunked", &plan->is_chunked, "send it chunked, as if of unknown size"),
        OPTIONS_FLAG(0, "expect", &plan->is_expect, "send it when the server says 100 Continue"),
        OPTIONS_TEXTS('H', "header", "'NAME: VALUE'", &plan->headers,
                      "a further field; repeatable"),
        OPTIONS_TEXT('o', "output", "FILE", &plan->output,
                     "write bodies to a file, or - (nowhere)"),
        OPTIONS_TEXT(0, "ca", "FILE", &plan->ca_path,
                     "trust the certificates of a file (the system's)"),
        OPTIONS_FLAG(0, "insecure", &plan->is_insecure, "trust any certificate"),
        OPTIONS_LAST,
    };
    const struct options options = {
        .command = "get",
        .arguments = "URL...",
        .about =
            "Asks servers with lastbyte's own transport, and prints for each request its status,\n"
            "the bytes read, where its body stands, its connection and whether that was new,\n"
            "and then the transport's connections: idle, busy, dialing; requests that wait for\n"
            "one; bodies that are open; workers. At the end: as it is, after the idle ones were\n"
            "closed, and after all was given back.\n\n"
            "A response of any status is an answer. A request that gets none, or whose body\n"
            "breaks, makes the exit code 1.",
        .rows = rows,
    };
    enum exit_code code = EXIT_AS_EXPECTED;

    *ret_is_over = !options_begin(&options, argc, argv, ret_count, &code);
    return code;
}

/* complain: a message about wrong usage. */
static enum exit_code complain(const char *message)
{
    fprintf(stderr, "lastbyte get: %s\nSee: lastbyte get --help\n", message);
    return EXIT_USAGE;
}

/* complain_url: shows where a text stops to be a URL, with as much of it before as fits on a line. */
static enum exit_code complain_url(const char *text, const struct url_error *error)
{
    size_t from = error->offset > GET_SHOWN_MAX ? error->offset - GET_SHOWN_MAX : 0;
    size_t size = strnlen(text + from, error->offset - from + GET_SHOWN_MAX / 3);

    fprintf(stderr, "lastbyte get: this is no URL:\n  ");
    for (size_t i = 0; i < size; i++) {
        char c = text[from + i];

        fputc(c >= ' ' && c < 0x7f ? c : '?', stderr);
    }
    fprintf(stderr, "\n  %*s^ byte %zu: expected %s\n", (int)(error->offset - from), "",
            error->offset + 1, error->expected);
    return EXIT_USAGE;
}

static enum exit_code plan_read_urls(struct get_plan *plan, int count, char **words)
{
    if (count == 0) {
        return complain("expected a URL, such as http://localhost:8080/");
    }
    plan->texts = (const char *const *)words;
    plan->url_count = (uint32_t)count;
    plan->urls = tool_alloc((size_t)count * sizeof(*plan->urls));
    for (int i = 0; i < count; i++) {
        struct url_error error;

        if (!url_parse(words[i], &plan->urls[i], &error)) {
            return complain_url(words[i], &error);
        }
    }
    return EXIT_AS_EXPECTED;
}

/* plan_read_fields: cuts "NAME: VALUE" apart; whether each part may be sent is the transport's to say. */
static enum exit_code plan_read_fields(struct get_plan *plan)
{
    for (size_t i = 0; i < plan->headers.count; i++) {
        const char *text = plan->headers.items[i];
        const char *colon = strchr(text, ':');

        if (colon == NULL || colon == text) {
            fprintf(stderr, "lastbyte get: --header is '%s', expected 'NAME: VALUE'\n", text);
            return EXIT_USAGE;
        }
        char *name = tool_copy(text);
        char *value = name + (colon - text);
        size_t size;

        *value++ = '\0';
        value += strspn(value, " \t");
        size = strlen(value);
        while (size > 0 && strchr(" \t", value[size - 1]) != NULL) {
            value[--size] = '\0';
        }
        plan->fields[i] = (struct lb_field){name, value};
    }
    return EXIT_AS_EXPECTED;
}

static enum exit_code plan_check(const struct get_plan *plan)
{
    bool is_input = plan->post != NULL && strcmp(plan->post, "-") == 0;

    if (plan->is_head && plan->post != NULL) {
        return complain("--head and --post exclude each other");
    }
    if (plan->post == NULL && (plan->is_chunked || plan->is_expect)) {
        return complain("--chunked and --expect say how a body is sent: --post is missing");
    }
    if (is_input && (plan->repeat > 1 || plan->url_count > 1)) {
        return complain(
            "standard input can be sent once: --post - is for one URL without --repeat");
    }
    if (plan->output != NULL && plan->parallel > 1) {
        return complain("bodies of parallel requests cannot go to one --output");
    }
    if (plan->ca_path != NULL && plan->is_insecure) {
        return complain("--ca and --insecure exclude each other");
    }
    return EXIT_AS_EXPECTED;
}

static void plan_deinit(struct get_plan *plan)
{
    for (size_t i = 0; i < plan->headers.count; i++) {
        free((void *)(uintptr_t)plan->fields[i].name); /* its value stands behind it */
    }
    free(plan->urls);
}

/* -- a run -- */

/* on_tls_failed: why TLS did not come about, or broke; the request's row says only that it did. */
static void on_tls_failed(struct lb_tls_watch *watch, const struct lb_endpoint *endpoint,
                          const char *name, enum lb_status status, const char *reason)
{
    (void)watch;
    (void)name;
    (void)status;
    fprintf(stderr, "lastbyte get: TLS with %s: %s\n", endpoint->host, reason);
}

/* get_open_network: TCP and TLS. */
static enum exit_code get_open_network(struct get *get)
{
    const struct get_plan *plan = &get->plan;

    get->tls_watch.failed = on_tls_failed;
    struct lb_tls_options options = {.ca_file = plan->ca_path,
                                     .watch = &get->tls_watch,
                                     .is_dangerously_unverified = plan->is_insecure};
    switch (lb_network_tls_new(&options, lb_memory_standard(), &get->network)) {
    case LB_OK:
        return EXIT_AS_EXPECTED;
    case LB_REFUSED:
        fprintf(stderr, "lastbyte get: '%s' holds no certificates in PEM that can be read\n",
                plan->ca_path != NULL ? plan->ca_path : "the system's store");
        return EXIT_USAGE;
    default:
        return EXIT_RIG;
    }
}

static enum exit_code get_open(struct get *get)
{
    const struct get_plan *plan = &get->plan;
    struct lb_transport_options options;

    get->rows = stdout;
    if (plan->output != NULL && strcmp(plan->output, "-") == 0) {
        get->rows = stderr;
        get->bodies = stdout;
    } else if (plan->output != NULL) {
        get->bodies = fopen(plan->output, "wb");
        if (get->bodies == NULL) {
            fprintf(stderr, "lastbyte get: cannot write '%s': %s\n", plan->output, strerror(errno));
            return EXIT_RIG;
        }
    }
    get->is_live = isatty(STDERR_FILENO) == 1 && isatty(STDOUT_FILENO) == 1 && get->rows == stdout;
    enum exit_code code = get_open_network(get);
    if (code != EXIT_AS_EXPECTED) {
        return code;
    }
    lb_transport_options_default(&options);
    options.runtime = lb_runtime_threads();
    options.network = get->network;
    options.trace = &get->watch.trace;
    options.connections_per_host_max = (uint32_t)plan->per_host_max;
    options.idle_per_host_max = (uint32_t)plan->idle_per_host_max;
    options.is_keep_alive_off = plan->is_keep_alive_off;
    options.drain_size_max = plan->is_drained ? LB_DRAIN_SIZE : 0;
    return lb_transport_new(&options, &get->transport) == LB_OK ? EXIT_AS_EXPECTED : EXIT_RIG;
}

/* get_close: gives everything back. */
static enum exit_code get_close(struct get *get)
{
    enum exit_code code = EXIT_AS_EXPECTED;

    lb_transport_free(&get->transport);
    get_source_free_all(get);
    lb_network_tls_free(&get->network);
    if (get->bodies != NULL && get->bodies != stdout && fclose(get->bodies) != 0) {
        fprintf(stderr, "lastbyte get: cannot write '%s': %s\n", get->plan.output, strerror(errno));
        code = EXIT_RIG;
    }
    return code;
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct get *get = handle->loop->data;

    uv_mutex_lock(&get->lock);
    if (get->is_cancelled) {
        _exit((int)command_ended(EXIT_AS_EXPECTED, number));
    }
    get->is_stopped = true;
    get->is_cancelled = true;
    get->problem = command_ended(get->problem, number);
    for (uint64_t i = 0; i < get->plan.parallel; i++) {
        if (get->callers[i].request != NULL) {
            lb_request_cancel(get->callers[i].request);
        }
    }
    uv_mutex_unlock(&get->lock);
}

static void on_tick(uv_timer_t *handle)
{
    get_print_live(handle->loop->data);
}

static void close_handle(uv_handle_t *handle, void *argument)
{
    (void)argument;
    if (!uv_is_closing(handle)) {
        uv_close(handle, NULL);
    }
}

static void on_finished(uv_async_t *handle)
{
    uv_walk(handle->loop, close_handle, NULL);
}

/* get_start_callers: starts as many threads as can be had, at least one; signals are the main thread's. */
static bool get_start_callers(struct get *get)
{
    sigset_t all;
    sigset_t old;
    uint32_t count = 0;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &old);
    uv_mutex_lock(&get->lock); /* no caller is the last one before all have been started */
    for (; count < get->plan.parallel; count++) {
        struct get_caller *caller = &get->callers[count];

        caller->get = get;
        if (uv_thread_create(&caller->thread, get_caller_main, caller) != 0) {
            break;
        }
    }
    get->caller_count = count;
    uv_mutex_unlock(&get->lock);
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (count < get->plan.parallel) {
        fprintf(stderr, "lastbyte get: no more than %u threads could be started\n", count);
        get->plan.parallel = count;
    }
    return count > 0;
}

/* get_run: runs the callers to their end. */
static enum exit_code get_run(struct get *get)
{
    uv_loop_t loop;
    uv_signal_t interrupt;
    uv_signal_t terminate;
    uv_timer_t timer;

    LB_ASSERT(uv_loop_init(&loop) == 0);
    loop.data = get;
    LB_ASSERT(uv_async_init(&loop, &get->finished, on_finished) == 0);
    LB_ASSERT(uv_signal_init(&loop, &interrupt) == 0);
    LB_ASSERT(uv_signal_init(&loop, &terminate) == 0);
    LB_ASSERT(uv_timer_init(&loop, &timer) == 0);
    (void)uv_signal_start(&interrupt, on_signal, SIGINT);
    (void)uv_signal_start(&terminate, on_signal, SIGTERM);
    if (get->is_live) {
        (void)uv_timer_start(&timer, on_tick, GET_LIVE_MS, GET_LIVE_MS);
    }
    bool is_started = get_start_callers(get);
    if (!is_started) {
        on_finished(&get->finished);
    }
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    for (uint64_t i = 0; i < get->plan.parallel; i++) {
        (void)uv_thread_join(&get->callers[i].thread);
    }
    LB_ASSERT(uv_loop_close(&loop) == 0);
    return is_started ? get->problem : EXIT_RIG;
}

/* get_show_end: what is left, and what it takes to get rid of it. */
static void get_show_end(struct get *get)
{
    get_print_counts(get, "at the end");
    if (get->plan.is_profiled) {
        profile_print(get->rows, get->transport);
    }
    lb_transport_close_idle(get->transport, NULL);
    get_print_counts(get, "idle connections closed");
}

static enum exit_code get_all(struct get *get)
{
    enum exit_code code;

    watch_init(&get->watch);
    LB_ASSERT(uv_mutex_init(&get->lock) == 0);
    code = get_open(get);
    if (code == EXIT_AS_EXPECTED) {
        get_print_head(get);
        code = get_run(get);
        get_show_end(get);
        code = command_worse(code, get_close(get));
        get_print_end(get);
    } else {
        (void)get_close(get);
    }
    uv_mutex_destroy(&get->lock);
    watch_deinit(&get->watch);
    return code;
}

enum exit_code command_get(int argc, char **argv)
{
    struct get *get = tool_alloc(sizeof(*get));
    struct get_plan *plan = &get->plan;
    enum exit_code code;
    bool is_over = false;
    int count = 0;

    plan->repeat = 1;
    plan->parallel = 1;
    plan->read_max = UINT64_MAX;
    plan->idle_per_host_max = 2;
    code = get_options(plan, argc, argv, &count, &is_over);
    if (!is_over) {
        code = plan_read_urls(plan, count, argv);
    }
    if (!is_over && code == EXIT_AS_EXPECTED) {
        code = plan_check(plan);
    }
    if (!is_over && code == EXIT_AS_EXPECTED) {
        code = plan_read_fields(plan);
    }
    if (!is_over && code == EXIT_AS_EXPECTED) {
        code = get_all(get);
    }
    plan_deinit(plan);
    free(get);
    return code;
}
