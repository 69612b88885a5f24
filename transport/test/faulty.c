/*
 * The outside with one fault, around the real one: see faulty.h.
 *
 * Mental model: a socket of ours holds a real one. A fault that breaks a connection notes how and shuts
 * the real socket down, which unblocks every call inside it; what these then return is translated: to
 * what was noted, unless the client itself has shut the socket down. So the client sees a connection that
 * a peer has reset or ended, and the peer one that a client has.
 */
#include "test/faulty.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "core/assert.h"
#include "test/loopback.h"

struct faulty_socket {
    struct lb_socket socket; /* first */
    struct lb_socket *inner;
    atomic_int broken; /* enum lb_status: LB_OK, LB_END, LB_RESET */
    atomic_bool is_shut;
};

static struct {
    enum faulty_kind kind;
    uint32_t number;
    atomic_uint call_count;
    atomic_bool is_reached;
    atomic_size_t bytes;
    atomic_uint sockets;
    atomic_uint workers;
    struct lb_network *inner;
} faulty;

const char *faulty_kind_word(enum faulty_kind kind)
{
    static const char *const words[FAULTY_KIND_COUNT] = {
        "none",       "alloc",    "start",       "open",       "connect-refused", "connect-timeout",
        "read-reset", "read-end", "write-reset", "short-read", "short-write",     "delay"};
    LB_ASSERT((unsigned)kind < FAULTY_KIND_COUNT);
    return words[kind];
}

void faulty_begin(enum faulty_kind kind, uint32_t number)
{
    LB_ASSERT(kind == FAULTY_NONE || number > 0);
    faulty.kind = kind;
    faulty.number = number;
    atomic_store(&faulty.call_count, 0);
    atomic_store(&faulty.is_reached, false);
}

bool faulty_is_reached(void)
{
    return atomic_load(&faulty.is_reached);
}

/* strikes: a call begins that a fault of this kind may strike. */
static bool strikes(enum faulty_kind kind)
{
    if (faulty.kind != kind || atomic_fetch_add(&faulty.call_count, 1) + 1 != faulty.number) {
        return false;
    }
    atomic_store(&faulty.is_reached, true);
    return true;
}

/* cut: what is left of the size of a read or a write. */
static size_t cut(enum faulty_kind kind, size_t size)
{
    size_t most = faulty.kind == kind ? faulty.number : size;
    if (faulty.kind == FAULTY_DELAY && size > 0) {
        atomic_store(&faulty.is_reached, true);
        loopback_pause(faulty.number);
        most = 1;
    }
    if (most < size) {
        atomic_store(&faulty.is_reached, true);
    }
    return most < size ? most : size;
}

/* -- memory -- */

static void *memory_alloc(struct lb_memory *memory, size_t size)
{
    (void)memory;
    if (strikes(FAULTY_ALLOC)) {
        return NULL;
    }
    void *block = malloc(size);
    atomic_fetch_add(&faulty.bytes, block == NULL ? 0 : size);
    return block;
}

static void memory_release(struct lb_memory *memory, void *block, size_t size)
{
    (void)memory;
    LB_ASSERT(block != NULL);
    LB_ASSERT(atomic_load(&faulty.bytes) >= size);
    atomic_fetch_sub(&faulty.bytes, size);
    free(block);
}

struct lb_memory *faulty_memory(void)
{
    static struct lb_memory memory = {memory_alloc, memory_release};
    return &memory;
}

size_t faulty_bytes(void)
{
    return atomic_load(&faulty.bytes);
}

/* -- the runtime -- */

static uint64_t runtime_now(struct lb_runtime *runtime)
{
    struct lb_runtime *inner = lb_runtime_threads();
    (void)runtime;
    return inner->ops->now(inner);
}

static enum lb_status runtime_worker_start(struct lb_runtime *runtime,
                                           const struct lb_worker_options *options,
                                           enum lb_site site, struct lb_worker **ret_worker)
{
    struct lb_runtime *inner = lb_runtime_threads();
    (void)runtime;
    if (strikes(FAULTY_START)) {
        return LB_MEMORY;
    }
    enum lb_status status = inner->ops->worker_start(inner, options, site, ret_worker);
    atomic_fetch_add(&faulty.workers, status == LB_OK ? 1 : 0);
    return status;
}

static void runtime_worker_join(struct lb_runtime *runtime, struct lb_worker **worker,
                                enum lb_site site)
{
    struct lb_runtime *inner = lb_runtime_threads();
    (void)runtime;
    inner->ops->worker_join(inner, worker, site);
    atomic_fetch_sub(&faulty.workers, 1);
}

static void runtime_mutex_init(struct lb_runtime *runtime, struct lb_mutex *mutex)
{
    struct lb_runtime *inner = lb_runtime_threads();
    (void)runtime;
    inner->ops->mutex_init(inner, mutex);
}

static void runtime_mutex_deinit(struct lb_runtime *runtime, struct lb_mutex *mutex)
{
    struct lb_runtime *inner = lb_runtime_threads();
    (void)runtime;
    inner->ops->mutex_deinit(inner, mutex);
}

static void runtime_mutex_lock(struct lb_runtime *runtime, struct lb_mutex *mutex,
                               enum lb_site site)
{
    struct lb_runtime *inner = lb_runtime_threads();
    (void)runtime;
    inner->ops->mutex_lock(inner, mutex, site);
}

static void runtime_mutex_unlock(struct lb_runtime *runtime, struct lb_mutex *mutex)
{
    struct lb_runtime *inner = lb_runtime_threads();
    (void)runtime;
    inner->ops->mutex_unlock(inner, mutex);
}

static void runtime_cond_init(struct lb_runtime *runtime, struct lb_cond *cond)
{
    struct lb_runtime *inner = lb_runtime_threads();
    (void)runtime;
    inner->ops->cond_init(inner, cond);
}

static void runtime_cond_deinit(struct lb_runtime *runtime, struct lb_cond *cond)
{
    struct lb_runtime *inner = lb_runtime_threads();
    (void)runtime;
    inner->ops->cond_deinit(inner, cond);
}

static enum lb_status runtime_cond_wait(struct lb_runtime *runtime, struct lb_cond *cond,
                                        struct lb_mutex *mutex, uint64_t deadline_ns,
                                        enum lb_site site)
{
    struct lb_runtime *inner = lb_runtime_threads();
    (void)runtime;
    return inner->ops->cond_wait(inner, cond, mutex, deadline_ns, site);
}

static void runtime_cond_wake(struct lb_runtime *runtime, struct lb_cond *cond, enum lb_site site)
{
    struct lb_runtime *inner = lb_runtime_threads();
    (void)runtime;
    inner->ops->cond_wake(inner, cond, site);
}

uint32_t faulty_workers(void)
{
    return atomic_load(&faulty.workers);
}

struct lb_runtime *faulty_runtime(void)
{
    static const struct lb_runtime_ops ops = {
        .now = runtime_now,
        .worker_start = runtime_worker_start,
        .worker_join = runtime_worker_join,
        .mutex_init = runtime_mutex_init,
        .mutex_deinit = runtime_mutex_deinit,
        .mutex_lock = runtime_mutex_lock,
        .mutex_unlock = runtime_mutex_unlock,
        .cond_init = runtime_cond_init,
        .cond_deinit = runtime_cond_deinit,
        .cond_wait = runtime_cond_wait,
        .cond_wake = runtime_cond_wake,
    };
    static struct lb_runtime runtime = {&ops};
    return &runtime;
}

/* -- sockets -- */

static struct faulty_socket *faulty_of(const struct lb_socket *socket)
{
    LB_ASSERT(socket != NULL);
    return (struct faulty_socket *)(uintptr_t)socket;
}

/* socket_break: the connection is over, as a fault says. */
static void socket_break(struct faulty_socket *s, enum lb_status how)
{
    int whole = LB_OK;
    if (atomic_compare_exchange_strong(&s->broken, &whole, (int)how)) {
        s->inner->ops->shutdown(s->inner, LB_SITE_SOCKET_SHUTDOWN);
    }
}

/* socket_status: what a call returns that the real socket has answered so. */
static enum lb_status socket_status(struct faulty_socket *s, enum lb_status status,
                                    enum lb_status when_ended)
{
    if (atomic_load(&s->is_shut)) {
        return LB_CLOSED;
    }
    switch (atomic_load(&s->broken)) {
    case LB_END:
        return when_ended;
    case LB_RESET:
        return LB_RESET;
    default:
        return status;
    }
}

static const char *faulty_name(const struct lb_socket *socket)
{
    struct faulty_socket *s = faulty_of(socket);
    return s->inner->ops->name(s->inner);
}

static enum lb_status faulty_connect(struct lb_socket *socket, uint64_t deadline_ns,
                                     enum lb_site site)
{
    struct faulty_socket *s = faulty_of(socket);
    if (strikes(FAULTY_CONNECT_REFUSED)) {
        return LB_REFUSED;
    }
    if (strikes(FAULTY_CONNECT_TIMEOUT)) {
        return LB_TIMEOUT;
    }
    return s->inner->ops->connect(s->inner, deadline_ns, site);
}

static enum lb_status faulty_read(struct lb_socket *socket, void *bytes, size_t size,
                                  uint64_t deadline_ns, enum lb_site site, size_t *ret_size)
{
    struct faulty_socket *s = faulty_of(socket);
    if (strikes(FAULTY_READ_RESET)) {
        socket_break(s, LB_RESET);
    }
    if (strikes(FAULTY_READ_END)) {
        socket_break(s, LB_END);
    }
    size_t stored = 0;
    enum lb_status status = s->inner->ops->read(s->inner, bytes, cut(FAULTY_SHORT_READ, size),
                                                deadline_ns, site, &stored);
    status = status == LB_OK ? LB_OK : socket_status(s, status, LB_END);
    if (size == 0 && (status == LB_END || status == LB_RESET)) {
        status = LB_OK; /* there is something to be seen */
    }
    *ret_size = status == LB_OK ? stored : *ret_size;
    return status;
}

static enum lb_status faulty_write(struct lb_socket *socket, const void *bytes, size_t size,
                                   uint64_t deadline_ns, enum lb_site site, size_t *ret_size)
{
    struct faulty_socket *s = faulty_of(socket);
    if (strikes(FAULTY_WRITE_RESET)) {
        socket_break(s, LB_RESET);
    }
    enum lb_status status = s->inner->ops->write(s->inner, bytes, cut(FAULTY_SHORT_WRITE, size),
                                                 deadline_ns, site, ret_size);
    return status == LB_OK ? LB_OK : socket_status(s, status, LB_RESET);
}

static bool faulty_is_pending(const struct lb_socket *socket)
{
    struct faulty_socket *s = faulty_of(socket);
    return atomic_load(&s->broken) != LB_OK || s->inner->ops->is_pending(s->inner);
}

static void faulty_shutdown(struct lb_socket *socket, enum lb_site site)
{
    struct faulty_socket *s = faulty_of(socket);
    atomic_store(&s->is_shut, true);
    s->inner->ops->shutdown(s->inner, site);
}

static void faulty_close(struct lb_socket **socket, enum lb_site site)
{
    struct faulty_socket *s = faulty_of(*socket);
    *socket = NULL;
    s->inner->ops->close(&s->inner, site);
    LB_ASSERT(s->inner == NULL);
    free(s);
    atomic_fetch_sub(&faulty.sockets, 1);
}

static const struct lb_socket_ops faulty_ops = {
    .name = faulty_name,
    .connect = faulty_connect,
    .read = faulty_read,
    .write = faulty_write,
    .is_pending = faulty_is_pending,
    .shutdown = faulty_shutdown,
    .close = faulty_close,
};

static enum lb_status faulty_open(struct lb_network *network, const struct lb_endpoint *endpoint,
                                  struct lb_socket **ret_socket)
{
    struct lb_socket *inner = NULL;
    (void)network;
    enum lb_status status =
        strikes(FAULTY_OPEN) ? LB_MEMORY : faulty.inner->ops->open(faulty.inner, endpoint, &inner);
    if (status != LB_OK) {
        return status;
    }
    struct faulty_socket *s = calloc(1, sizeof *s);
    LB_ASSERT(s != NULL);
    s->socket.ops = &faulty_ops;
    s->inner = inner;
    atomic_init(&s->broken, LB_OK);
    atomic_init(&s->is_shut, false);
    atomic_fetch_add(&faulty.sockets, 1);
    *ret_socket = &s->socket;
    return LB_OK;
}

struct lb_network *faulty_network(struct lb_network *inner)
{
    static const struct lb_network_ops ops = {faulty_open};
    static struct lb_network network = {&ops};
    faulty.inner = inner;
    return &network;
}

uint32_t faulty_sockets(void)
{
    return atomic_load(&faulty.sockets);
}
