/*
 * The client of this project, measured: on threads or on the loop.
 *
 *   lastbyte_client threads|loop --port N --path P --callers N (--seconds N | --requests N)
 *   lastbyte_client threads-memory|loop-memory --port N --path P --callers 1 --requests N
 *
 * Each caller makes one request after the other and reads its body; callers are threads, or coroutines of
 * the loop. With "-memory", one caller opens N bodies and reads none, then reads all of them, and it
 * prints the bytes of each open body and of each idle connection: "OPEN_HEAP OPEN_RESIDENT IDLE_HEAP
 * IDLE_RESIDENT". Heap is what the transport, the network and the runtime have allocated; resident is
 * what the process has more, stacks included; the kernel's own share of threads and sockets is not seen.
 */
#include "measure.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/assert.h"
#include "lastbyte/lastbyte.h"

#define BUFFER_SIZE 16384u

/* An allocator that knows how much is out. */
struct counted_memory {
    struct lb_memory memory; /* first */
    atomic_size_t size;
};

static void *counted_alloc(struct lb_memory *memory, size_t size)
{
    (void)atomic_fetch_add(&((struct counted_memory *)(void *)memory)->size, size);
    return malloc(size);
}

static void counted_release(struct lb_memory *memory, void *block, size_t size)
{
    (void)atomic_fetch_sub(&((struct counted_memory *)(void *)memory)->size, size);
    free(block);
}

static struct bench {
    struct measure_options options;
    struct measure measure;
    struct counted_memory counted;
    struct lb_memory *memory;
    struct lb_transport *transport;
    struct lb_loop *loop; /* NULL: on threads */
    struct lb_network *network;
    pthread_mutex_t lock; /* on threads: of the measure */
    uint32_t caller_count;
    atomic_ullong request_count;
    atomic_ullong body_size;
} bench = {.counted.memory = {counted_alloc, counted_release}, .lock = PTHREAD_MUTEX_INITIALIZER};

static struct lb_request *request_make(void)
{
    struct lb_request *request = NULL;
    struct lb_request_options options = {
        .method = "GET",
        .endpoint = {"http", "127.0.0.1", bench.options.port},
        .target = bench.options.path,
        .deadline_ns = LB_NEVER,
    };
    enum lb_status status = lb_request_new(bench.transport, &options, &request);
    LB_ASSERT(status == LB_OK);
    return request;
}

static struct lb_body *request_send(struct lb_request *request)
{
    struct lb_response *response = NULL;
    enum lb_status status = lb_request_send(request, &response);
    if (status != LB_OK || lb_response_code(response) != 200) {
        (void)fprintf(stderr, "lastbyte_client: no 200: %s\n", lb_status_word(status));
        exit(1);
    }
    return lb_response_body(response);
}

/* body_read: reads a body to its end; returns its size. */
static uint64_t body_read(struct lb_body *body, char *buffer)
{
    uint64_t total = 0;
    size_t size = 0;
    enum lb_status status = LB_OK;
    while (status == LB_OK) {
        status = lb_body_read(body, buffer, BUFFER_SIZE, &size);
        total += size;
    }
    LB_ASSERT(status == LB_END);
    return total;
}

/* bench_go: measure_go, for callers of any runtime. */
static bool bench_go(void)
{
    if (bench.loop != NULL) {
        return measure_go(&bench.measure);
    }
    int error = pthread_mutex_lock(&bench.lock);
    LB_ASSERT(error == 0);
    bool go = measure_go(&bench.measure);
    error = pthread_mutex_unlock(&bench.lock);
    LB_ASSERT(error == 0);
    return go;
}

static void caller_run(void *argument)
{
    uint64_t count = 0;
    uint64_t total = 0;
    char *buffer = malloc(BUFFER_SIZE);
    (void)argument;
    LB_ASSERT(buffer != NULL);
    while (bench_go()) {
        struct lb_request *request = request_make();
        total += body_read(request_send(request), buffer);
        lb_request_free(&request);
        count++;
    }
    free(buffer);
    (void)atomic_fetch_add(&bench.request_count, count);
    (void)atomic_fetch_add(&bench.body_size, total);
    if (bench.loop != NULL && --bench.caller_count == 0) {
        measure_print(&bench.measure, bench.request_count, bench.body_size);
        lb_transport_free(&bench.transport);
    }
}

static void *thread_main(void *argument)
{
    caller_run(argument);
    return NULL;
}

/* -- memory -- */

/* resident: bytes of the process that are in memory. */
static size_t resident(void)
{
    unsigned long pages[2] = {0, 0};
    FILE *file = fopen("/proc/self/statm", "r");
    LB_ASSERT(file != NULL);
    int count = fscanf(file, "%lu %lu", &pages[0], &pages[1]);
    LB_ASSERT(count == 2);
    (void)fclose(file);
    return pages[1] * (size_t)sysconf(_SC_PAGESIZE);
}

static void memory_run(void *argument)
{
    size_t count = bench.options.request_count;
    struct lb_request **requests = calloc(count, sizeof(struct lb_request *));
    struct lb_body **bodies = calloc(count, sizeof(struct lb_body *));
    char *buffer = malloc(BUFFER_SIZE);
    (void)argument;
    LB_ASSERT(requests != NULL && bodies != NULL && buffer != NULL);
    memset(buffer, 1, BUFFER_SIZE);
    size_t heap = bench.counted.size;
    size_t before = resident();
    for (size_t i = 0; i < count; i++) {
        requests[i] = request_make();
        bodies[i] = request_send(requests[i]);
    }
    (void)printf("%zu %zu", (bench.counted.size - heap) / count, (resident() - before) / count);
    for (size_t i = 0; i < count; i++) {
        (void)body_read(bodies[i], buffer);
        lb_request_free(&requests[i]);
    }
    (void)printf(" %zu %zu\n", (bench.counted.size - heap) / count, (resident() - before) / count);
    free(requests);
    free(bodies);
    free(buffer);
    if (bench.loop != NULL) {
        lb_transport_free(&bench.transport);
    }
}

/* -- all of it -- */

static void bench_make(bool is_loop)
{
    struct lb_transport_options options;
    enum lb_status status = is_loop ? lb_loop_new(bench.memory, &bench.loop)
                                    : lb_network_tcp_new(bench.memory, &bench.network);
    LB_ASSERT(status == LB_OK);
    lb_transport_options_default(&options);
    options.runtime = is_loop ? lb_loop_runtime(bench.loop) : lb_runtime_threads();
    options.network = is_loop ? lb_loop_network(bench.loop) : bench.network;
    options.memory = bench.memory;
    options.idle_per_host_max = MEASURE_CALLERS_MAX;
    options.idle_total_max = 0;
    options.is_gzip_off = true;
    status = lb_transport_new(&options, &bench.transport);
    LB_ASSERT(status == LB_OK);
}

static void bench_on_loop(lb_worker_fn function)
{
    for (uint32_t i = 1; i < bench.caller_count; i++) {
        enum lb_status status = lb_loop_spawn(bench.loop, function, NULL);
        LB_ASSERT(status == LB_OK);
    }
    enum lb_status status = lb_loop_run(bench.loop, function, NULL);
    LB_ASSERT(status == LB_OK);
    lb_loop_free(&bench.loop);
}

static void bench_on_threads(void)
{
    pthread_t threads[MEASURE_CALLERS_MAX];
    uint32_t count = bench.options.caller_count;

    for (uint32_t i = 0; i < count; i++) {
        int error = pthread_create(&threads[i], NULL, thread_main, NULL);
        LB_ASSERT(error == 0);
    }
    for (uint32_t i = 0; i < count; i++) {
        int error = pthread_join(threads[i], NULL);
        LB_ASSERT(error == 0);
    }
    measure_print(&bench.measure, bench.request_count, bench.body_size);
}

int main(int argc, char **argv)
{
    measure_options_read(argc, argv, &bench.options);
    const char *word = bench.options.word;
    bool is_loop = strncmp(word, "loop", 4) == 0;
    bool is_memory = strstr(word, "-memory") != NULL;
    bench.memory = is_memory ? &bench.counted.memory : lb_memory_standard();
    bench.caller_count = bench.options.caller_count;
    bench_make(is_loop);
    measure_begin(&bench.measure, &bench.options);
    if (is_loop) {
        bench_on_loop(is_memory ? memory_run : caller_run);
    } else if (is_memory) {
        memory_run(NULL);
    } else {
        bench_on_threads();
    }
    lb_transport_free(&bench.transport);
    lb_network_tcp_free(&bench.network);
    return 0;
}
