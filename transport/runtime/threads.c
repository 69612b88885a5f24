/*
 * The runtime on POSIX threads.
 *
 * Mental model: each call is the POSIX call of the same name, but for conditions; sites are for profiles
 * and schedules and mean nothing here. A lock and a condition live in the storage that their owner
 * gives, with a magic behind them; storage of zero bytes was never initialised, and may be deinitialised.
 *
 * A condition is a count of wake-ups, guarded by its lock as its waiters are, and a futex on that count.
 * Who is woken needs the lock first, which the waker holds, so with POSIX conditions most wake-ups were
 * followed by another sleep at once. Here the lock notes which conditions were woken, and they are woken
 * when it has been given up, by their addresses alone: the storage may be gone by then, and a wake-up at
 * an address that somebody else uses now is one without a cause, which every waiter has to bear. (Valgrind's
 * memcheck, which takes the address for a read, may remark on it.)
 *
 * Invariants: a worker's handle is freed by its join, which is called once; conditions and deadlines
 * are on CLOCK_MONOTONIC, so that nothing depends on the time of day; no POSIX call here fails for a
 * reason that the caller could do something about, except starting a thread.
 */
#include "lastbyte/threads.h"

#include "core/assert.h"
#include "lastbyte/memory.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define MUTEX_MAGIC UINT32_C(0x6d757478)
#define COND_MAGIC UINT32_C(0x636f6e64)
#define SECOND_NS UINT64_C(1000000000)
#define WOKEN_MAX 8  /* conditions woken after the lock has been given up; more are woken before */
#define NAME_SIZE 16 /* bytes of a thread's name, with its NUL: Linux's bound */

/* What is inside the storage of a lock; it is written and read through these types only. */
struct __attribute__((may_alias)) threads_mutex {
    pthread_mutex_t inside;
    struct threads_cond *woken; /* conditions to wake when it is given up */
    uint32_t magic;
};

struct __attribute__((may_alias)) threads_cond {
    atomic_uint wake_count;     /* the futex: changes with each wake-up */
    uint32_t waiter_count;      /* who stands in cond_wait */
    struct threads_mutex *lock; /* the lock of its waiters; NULL: there has been none */
    struct threads_cond *next;  /* of the lock's woken ones */
    bool is_woken;              /* stands there */
    uint32_t magic;
};

LB_STATIC_ASSERT(sizeof(atomic_uint) == 4, "a futex has four bytes");
LB_STATIC_ASSERT(sizeof(struct threads_mutex) <= sizeof(struct lb_mutex), "a lock fits");
LB_STATIC_ASSERT(sizeof(struct threads_cond) <= sizeof(struct lb_cond), "a condition fits");
LB_STATIC_ASSERT(_Alignof(struct threads_mutex) <= _Alignof(struct lb_mutex), "a lock is aligned");
LB_STATIC_ASSERT(_Alignof(struct threads_cond) <= _Alignof(struct lb_cond),
                 "a condition is aligned");

struct lb_worker {
    pthread_t thread;
    lb_worker_fn function;
    void *argument;
    char name[NAME_SIZE];
};

static struct threads_mutex *mutex_of(struct lb_mutex *mutex)
{
    struct threads_mutex *inside = (struct threads_mutex *)(void *)mutex->storage;
    LB_ASSERT(inside->magic == MUTEX_MAGIC);
    return inside;
}

static struct threads_cond *cond_of(struct lb_cond *cond)
{
    struct threads_cond *inside = (struct threads_cond *)(void *)cond->storage;
    LB_ASSERT(inside->magic == COND_MAGIC);
    return inside;
}

static uint64_t threads_now(struct lb_runtime *runtime)
{
    struct timespec now;
    LB_ASSERT(runtime == lb_runtime_threads());
    int error = clock_gettime(CLOCK_MONOTONIC, &now);
    LB_ASSERT(error == 0);
    return (uint64_t)now.tv_sec * SECOND_NS + (uint64_t)now.tv_nsec;
}

/* -- workers -- */

/* worker_set_name: "role label", of a label that is too long its end, which tells it from others. */
static void worker_set_name(struct lb_worker *worker, enum lb_role role, const char *label)
{
    const char *word = lb_role_word(role);
    size_t word_size = strlen(word);
    size_t label_size = strlen(label);
    LB_ASSERT(word_size + 1 < NAME_SIZE);
    size_t room = NAME_SIZE - 1 - word_size - 1;
    size_t skipped = label_size > room ? label_size - room : 0;
    memcpy(worker->name, word, word_size);
    worker->name[word_size] = ' ';
    memcpy(worker->name + word_size + 1, label + skipped, label_size - skipped + 1);
    LB_ASSERT(strlen(worker->name) < NAME_SIZE);
}

static void *worker_main(void *argument)
{
    struct lb_worker *worker = argument;
    LB_ASSERT(worker->function != NULL);
    (void)pthread_setname_np(pthread_self(), worker->name); /* a comfort: it may fail */
    worker->function(worker->argument);
    return NULL;
}

/*
 * worker_spawn: starts the thread on a small stack. The C library's own choice, 8 MiB as a rule, is only
 * address space until it is used; but a process that has a limit of that meets it after a few hundred
 * connections, huge pages may back all of it, and the C library keeps 40 MiB of ended stacks for
 * new threads: five large ones or 160 small ones. A program whose thread-local variables leave no room on a
 * small one gets a large one.
 */
static int worker_spawn(struct lb_worker *worker)
{
    pthread_attr_t attributes;
    int error = pthread_attr_init(&attributes);
    LB_ASSERT(error == 0);
    error = pthread_attr_setstacksize(&attributes, LB_THREADS_STACK_SIZE);
    LB_ASSERT(error == 0);
    error = pthread_create(&worker->thread, &attributes, worker_main, worker);
    if (error == EINVAL) {
        error = pthread_create(&worker->thread, NULL, worker_main, worker);
    }
    (void)pthread_attr_destroy(&attributes);
    return error;
}

/* worker_create: starts the thread with every signal blocked: a thread inherits its maker's mask. */
static int worker_create(struct lb_worker *worker)
{
    sigset_t all;
    sigset_t before;
    (void)sigfillset(&all);
    int error = pthread_sigmask(SIG_SETMASK, &all, &before);
    LB_ASSERT(error == 0);
    int created = worker_spawn(worker);
    error = pthread_sigmask(SIG_SETMASK, &before, NULL);
    LB_ASSERT(error == 0);
    return created;
}

static enum lb_status threads_worker_start(struct lb_runtime *runtime,
                                           const struct lb_worker_options *options,
                                           enum lb_site site, struct lb_worker **ret_worker)
{
    struct lb_memory *memory = lb_memory_standard();
    LB_ASSERT(runtime == lb_runtime_threads());
    LB_ASSERT(options->function != NULL);
    LB_ASSERT(options->label != NULL);
    LB_ASSERT(ret_worker != NULL);
    (void)site;
    struct lb_worker *worker = memory->alloc(memory, sizeof *worker);
    if (worker == NULL) {
        return LB_MEMORY;
    }
    memset(worker, 0, sizeof *worker);
    worker->function = options->function;
    worker->argument = options->argument;
    worker_set_name(worker, options->role, options->label);
    if (worker_create(worker) != 0) {
        memory->release(memory, worker, sizeof *worker);
        return LB_MEMORY;
    }
    *ret_worker = worker;
    return LB_OK;
}

static void threads_worker_join(struct lb_runtime *runtime, struct lb_worker **worker,
                                enum lb_site site)
{
    struct lb_memory *memory = lb_memory_standard();
    struct lb_worker *joined = *worker;
    *worker = NULL;
    LB_ASSERT(runtime == lb_runtime_threads());
    LB_ASSERT(joined != NULL);
    (void)site;
    int error = pthread_join(joined->thread, NULL);
    LB_ASSERT(error == 0); /* never oneself, never twice */
    memory->release(memory, joined, sizeof *joined);
}

/* -- futexes -- */

/* futex_wait: sleeps while *word is `value`; true when the deadline has passed. May return early. */
static bool futex_wait(atomic_uint *word, uint32_t value, uint64_t deadline_ns)
{
    struct timespec deadline = {.tv_sec = (time_t)(deadline_ns / SECOND_NS),
                                .tv_nsec = (long)(deadline_ns % SECOND_NS)};
    long result = syscall(SYS_futex, word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, value,
                          deadline_ns == LB_NEVER ? NULL : &deadline, NULL, FUTEX_BITSET_MATCH_ANY);
    LB_ASSERT(result == 0 || errno == EAGAIN || errno == EINTR || errno == ETIMEDOUT);
    return result != 0 && errno == ETIMEDOUT;
}

/* futex_change: makes who is about to sleep at this word stay awake. Under the lock; atomic, and apart,
 * because the kernel reads the word without it. */
__attribute__((noinline)) static void futex_change(atomic_uint *word)
{
    (void)atomic_fetch_add_explicit(word, 1, memory_order_relaxed);
}

/* futex_wake: wakes everybody who sleeps at this address. The word itself is not looked at. */
static void futex_wake(atomic_uint *word)
{
    (void)syscall(SYS_futex, word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, INT_MAX);
}

/* -- locks -- */

static void threads_mutex_init(struct lb_runtime *runtime, struct lb_mutex *mutex)
{
    struct threads_mutex *inside = (struct threads_mutex *)(void *)mutex->storage;
    LB_ASSERT(runtime == lb_runtime_threads());
    int error = pthread_mutex_init(&inside->inside, NULL);
    LB_ASSERT(error == 0);
    inside->woken = NULL;
    inside->magic = MUTEX_MAGIC;
}

static void threads_mutex_deinit(struct lb_runtime *runtime, struct lb_mutex *mutex)
{
    struct threads_mutex *inside = (struct threads_mutex *)(void *)mutex->storage;
    LB_ASSERT(runtime == lb_runtime_threads());
    if (inside->magic == 0) {
        return;
    }
    LB_ASSERT(inside->magic == MUTEX_MAGIC);
    LB_ASSERT(inside->woken == NULL);
    int error = pthread_mutex_destroy(&inside->inside);
    LB_ASSERT(error == 0); /* nobody holds it */
    memset(mutex, 0, sizeof *mutex);
}

static void threads_mutex_lock(struct lb_runtime *runtime, struct lb_mutex *mutex,
                               enum lb_site site)
{
    LB_ASSERT(runtime == lb_runtime_threads());
    (void)site;
    int error = pthread_mutex_lock(&mutex_of(mutex)->inside);
    LB_ASSERT(error == 0);
}

/* mutex_give_up: unlocks, then wakes. Touches nothing after the lock is free: whoever takes it next may
 * release the storage. */
static void mutex_give_up(struct threads_mutex *mutex)
{
    atomic_uint *woken[WOKEN_MAX];
    size_t count = 0;
    while (mutex->woken != NULL) {
        struct threads_cond *cond = mutex->woken;
        LB_ASSERT(cond->is_woken);
        mutex->woken = cond->next;
        cond->is_woken = false;
        if (count == WOKEN_MAX) {
            futex_wake(&cond->wake_count); /* too soon, which only costs time */
        } else {
            woken[count++] = &cond->wake_count;
        }
    }
    int error = pthread_mutex_unlock(&mutex->inside);
    LB_ASSERT(error == 0);
    for (size_t i = 0; i < count; i++) {
        futex_wake(woken[i]);
    }
}

static void threads_mutex_unlock(struct lb_runtime *runtime, struct lb_mutex *mutex)
{
    LB_ASSERT(runtime == lb_runtime_threads());
    mutex_give_up(mutex_of(mutex));
}

/* -- conditions -- */

static void threads_cond_init(struct lb_runtime *runtime, struct lb_cond *cond)
{
    struct threads_cond *inside = (struct threads_cond *)(void *)cond->storage;
    LB_ASSERT(runtime == lb_runtime_threads());
    *inside = (struct threads_cond){.magic = COND_MAGIC};
}

static void threads_cond_deinit(struct lb_runtime *runtime, struct lb_cond *cond)
{
    struct threads_cond *inside = (struct threads_cond *)(void *)cond->storage;
    LB_ASSERT(runtime == lb_runtime_threads());
    if (inside->magic == 0) {
        return;
    }
    LB_ASSERT(inside->magic == COND_MAGIC);
    LB_ASSERT(inside->waiter_count == 0);
    LB_ASSERT(!inside->is_woken);
    inside->magic =
        0; /* and no more: a waker may be about to name the address of the word to the kernel */
}

static enum lb_status threads_cond_wait(struct lb_runtime *runtime, struct lb_cond *cond,
                                        struct lb_mutex *mutex, uint64_t deadline_ns,
                                        enum lb_site site)
{
    struct threads_cond *inside = cond_of(cond);
    struct threads_mutex *lock = mutex_of(mutex);
    LB_ASSERT(runtime == lb_runtime_threads());
    LB_ASSERT(inside->waiter_count == 0 || inside->lock == lock);
    (void)site;
    inside->lock = lock;
    inside->waiter_count++;
    uint32_t wake_count = atomic_load_explicit(&inside->wake_count, memory_order_relaxed);
    mutex_give_up(lock);
    bool is_late = futex_wait(&inside->wake_count, wake_count, deadline_ns);
    int error = pthread_mutex_lock(&lock->inside);
    LB_ASSERT(error == 0);
    LB_ASSERT(inside->waiter_count > 0);
    inside->waiter_count--;
    bool is_woken = atomic_load_explicit(&inside->wake_count, memory_order_relaxed) != wake_count;
    return is_late && !is_woken ? LB_TIMEOUT : LB_OK;
}

static void threads_cond_wake(struct lb_runtime *runtime, struct lb_cond *cond, enum lb_site site)
{
    struct threads_cond *inside = cond_of(cond);
    LB_ASSERT(runtime == lb_runtime_threads());
    (void)site;
    if (inside->waiter_count > 0 && !inside->is_woken) {
        futex_change(&inside->wake_count);
        inside->is_woken = true;
        inside->next = inside->lock->woken;
        inside->lock->woken = inside;
    }
}

static const struct lb_runtime_ops threads_ops = {
    .now = threads_now,
    .worker_start = threads_worker_start,
    .worker_join = threads_worker_join,
    .mutex_init = threads_mutex_init,
    .mutex_deinit = threads_mutex_deinit,
    .mutex_lock = threads_mutex_lock,
    .mutex_unlock = threads_mutex_unlock,
    .cond_init = threads_cond_init,
    .cond_deinit = threads_cond_deinit,
    .cond_wait = threads_cond_wait,
    .cond_wake = threads_cond_wake,
};

struct lb_runtime *lb_runtime_threads(void)
{
    /* Never written: it is only not const because the interface passes runtimes with state. */
    static struct lb_runtime threads = {&threads_ops};
    return &threads;
}
