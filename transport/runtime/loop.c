/*
 * The runtime on one thread: coroutines over epoll.
 *
 * Mental model. There is no scheduler to go back to: a worker that has to wait picks the next one and
 * switches to it. Only when nobody is ready does it ask the kernel, on its own stack, and may find that
 * it is itself who goes on; then there is no switch at all.
 *
 *   running --lbi_loop_park--> waiting --lbi_loop_wake, loop_expire--> ready --loop_switch--> running
 *      \--its function returns--> over --loop_reap--> its stack is free
 *
 * Order. Who is woken by the running worker runs next (favourite), so that a response, its caller and
 * the next request on the connection follow each other while the caches know them; who was favourite
 * before goes to the end of the queue. What the kernel brings stands in the queue. After TURN_MAX
 * workers the kernel is asked whatever happens, and there is no favourite; and so it is when one has read
 * or written SHARE_MAX times without a wait, as its peer is faster: nobody starves.
 *
 * Time. A wait with a deadline puts its worker into the heap of timers once; the worker stays there
 * when it is woken, and a later deadline leaves it where it is. The timer that comes too early looks
 * again. So the idle time-out of a busy connection costs nothing per request.
 *
 * Invariants: `current` is who runs; a worker stands in one queue at most; the heap has room for every
 * live worker, so that waiting never fails; watchers run no worker, so that no descriptor is closed
 * while events of one turn are told.
 */
#include "runtime/loop.h"

#include "core/assert.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MUTEX_MAGIC UINT32_C(0x6c6d7478)
#define COND_MAGIC UINT32_C(0x6c636e64)
#define SECOND_NS UINT64_C(1000000000)
#define MS UINT64_C(1000000)
#define TURN_MAX 256u /* workers run until the kernel is asked again */
#define SHARE_MAX 64u /* reads and writes that one worker makes without a wait */
#define TIMER_NONE UINT32_MAX

/* What is inside the storage of a lock; it is written and read through these types only. */
struct __attribute__((may_alias)) loop_mutex {
    struct lbi_loop_queue waiters;
    bool is_locked;
    uint32_t magic;
};

struct __attribute__((may_alias)) loop_cond {
    struct lbi_loop_queue waiters;
    uint32_t magic;
};

LB_STATIC_ASSERT(sizeof(struct loop_mutex) <= sizeof(struct lb_mutex), "a lock fits");
LB_STATIC_ASSERT(sizeof(struct loop_cond) <= sizeof(struct lb_cond), "a condition fits");

static struct lb_loop *loop_of(struct lb_runtime *runtime)
{
    struct lb_loop *loop = (struct lb_loop *)(void *)runtime;
    LB_ASSERT(loop->magic == LBI_LOOP_MAGIC);
    return loop;
}

uint64_t lbi_loop_now(void)
{
    struct timespec now;
    int error = clock_gettime(CLOCK_MONOTONIC, &now);
    LB_ASSERT(error == 0);
    return (uint64_t)now.tv_sec * SECOND_NS + (uint64_t)now.tv_nsec;
}

/* -- queues -- */

static void queue_append(struct lbi_loop_queue *queue, struct lb_worker *worker)
{
    LB_ASSERT(worker->queue == NULL);
    worker->queue = queue;
    worker->prev = queue->last;
    worker->next = NULL;
    *(queue->last == NULL ? &queue->first : &queue->last->next) = worker;
    queue->last = worker;
}

static void queue_remove(struct lb_worker *worker)
{
    struct lbi_loop_queue *queue = worker->queue;
    LB_ASSERT(queue != NULL);
    *(worker->prev == NULL ? &queue->first : &worker->prev->next) = worker->next;
    *(worker->next == NULL ? &queue->last : &worker->next->prev) = worker->prev;
    worker->queue = NULL;
}

/* -- timers -- */

/* timer_put: puts a worker at a place of the heap. */
static void timer_put(struct lb_loop *loop, uint32_t index, struct lb_worker *worker)
{
    LB_ASSERT(index < loop->timer_count);
    loop->timers[index] = worker;
    worker->timer_index = index;
}

/* timer_settle: moves the worker at `index` to where its time belongs. */
static void timer_settle(struct lb_loop *loop, uint32_t index)
{
    struct lb_worker *worker = loop->timers[index];
    while (index > 0 && loop->timers[(index - 1) / 2]->timer_ns > worker->timer_ns) {
        timer_put(loop, index, loop->timers[(index - 1) / 2]);
        index = (index - 1) / 2;
    }
    uint32_t child = 2 * index + 1;
    while (child < loop->timer_count) {
        bool has_right = child + 1 < loop->timer_count;
        if (has_right && loop->timers[child + 1]->timer_ns < loop->timers[child]->timer_ns) {
            child++;
        }
        if (loop->timers[child]->timer_ns >= worker->timer_ns) {
            break;
        }
        timer_put(loop, index, loop->timers[child]);
        index = child;
        child = 2 * index + 1;
    }
    timer_put(loop, index, worker);
}

static void timer_remove(struct lb_loop *loop, struct lb_worker *worker)
{
    uint32_t index = worker->timer_index;
    if (index == TIMER_NONE) {
        return;
    }
    LB_ASSERT(loop->timers[index] == worker);
    loop->timer_count--;
    worker->timer_index = TIMER_NONE;
    if (index < loop->timer_count) {
        loop->timers[index] = loop->timers[loop->timer_count];
        timer_settle(loop, index);
    }
}

/* timer_set: the worker's deadline will be looked at in time. */
static void timer_set(struct lb_loop *loop, struct lb_worker *worker, uint64_t deadline_ns)
{
    worker->deadline_ns = deadline_ns;
    if (deadline_ns == LB_NEVER) {
        return;
    }
    if (worker->timer_index == TIMER_NONE) {
        LB_ASSERT(loop->timer_count < loop->timer_room);
        loop->timers[loop->timer_count] = worker;
        worker->timer_index = loop->timer_count++;
    } else if (worker->timer_ns <= deadline_ns) {
        return;
    }
    worker->timer_ns = deadline_ns;
    timer_settle(loop, worker->timer_index);
}

/* timers_reserve: room for one worker more than there are. */
static bool timers_reserve(struct lb_loop *loop)
{
    if (loop->live_count < loop->timer_room) {
        return true;
    }
    uint32_t room = loop->timer_room == 0 ? 16 : loop->timer_room * 2;
    struct lb_worker **timers = loop->memory->alloc(loop->memory, room * sizeof *timers);
    if (timers == NULL) {
        return false;
    }
    if (loop->timers != NULL) {
        memcpy(timers, loop->timers, loop->timer_count * sizeof *timers);
        loop->memory->release(loop->memory, loop->timers, loop->timer_room * sizeof *timers);
    }
    loop->timers = timers;
    loop->timer_room = room;
    return true;
}

/* -- who runs -- */

/* worker_ready: its wait is over. */
static void worker_ready(struct lb_loop *loop, struct lb_worker *worker, enum lb_status status)
{
    LB_ASSERT(!worker->is_over);
    queue_remove(worker);
    worker->status = status;
    worker->deadline_ns = LB_NEVER;
    queue_append(&loop->ready, worker);
}

/* loop_is_own: whether the caller may touch the loop: nobody runs it, or he does. */
static bool loop_is_own(const struct lb_loop *loop)
{
    return loop->current == NULL || pthread_equal(loop->thread, pthread_self()) != 0;
}

void lbi_loop_wake(struct lb_loop *loop, struct lbi_loop_queue *queue)
{
    LB_ASSERT(queue != &loop->ready);
    LB_ASSERT(queue->first == NULL || loop_is_own(loop));
    while (queue->first != NULL) {
        struct lb_worker *worker = queue->first;
        worker_ready(loop, worker, LB_OK);
        loop->favourite = loop->is_telling ? NULL : worker;
    }
}

/* loop_expire: ends the waits whose deadlines have passed. */
static void loop_expire(struct lb_loop *loop)
{
    uint64_t now_ns = lbi_loop_now();
    while (loop->timer_count > 0 && loop->timers[0]->timer_ns <= now_ns) {
        struct lb_worker *worker = loop->timers[0];
        if (worker->deadline_ns == LB_NEVER) {
            timer_remove(loop, worker);
        } else if (worker->deadline_ns <= now_ns) {
            timer_remove(loop, worker);
            worker_ready(loop, worker, LB_TIMEOUT);
        } else {
            worker->timer_ns = worker->deadline_ns;
            timer_settle(loop, 0);
        }
    }
}

/* loop_patience: for how many milliseconds the kernel may be waited for; -1: for ever. */
static int loop_patience(const struct lb_loop *loop)
{
    if (loop->ready.first != NULL) {
        return 0;
    }
    if (loop->timer_count == 0) {
        LB_ASSERT(loop->outside_count > 0); /* otherwise nobody would ever run again */
        return -1;
    }
    uint64_t now_ns = lbi_loop_now();
    uint64_t first_ns = loop->timers[0]->timer_ns;
    uint64_t left_ms = first_ns <= now_ns ? 0 : (first_ns - now_ns + MS - 1) / MS;
    return left_ms > INT_MAX ? INT_MAX : (int)left_ms;
}

/* loop_turn: asks the kernel what has happened, and waits for it if nobody is ready. */
static void loop_turn(struct lb_loop *loop)
{
    int count = epoll_wait(loop->epoll_fd, loop->events, LBI_LOOP_EVENTS_MAX, loop_patience(loop));
    LB_ASSERT(count >= 0 || errno == EINTR);
    loop->run_count = 0;
    loop->favourite = NULL;
    loop->is_telling = true;
    for (int i = 0; i < count; i++) {
        struct lbi_loop_watch *watch = loop->events[i].data.ptr;
        watch->happened(watch, loop->events[i].events);
    }
    loop->is_telling = false;
    if (loop->timer_count > 0) {
        loop_expire(loop);
    }
}

/* loop_pick: who runs next; NULL: everybody has ended. May block. */
static struct lb_worker *loop_pick(struct lb_loop *loop)
{
    if (loop->run_count >= TURN_MAX && loop->live_count > 0) {
        loop_turn(loop);
    }
    while (loop->ready.first == NULL && loop->live_count > 0) {
        loop_turn(loop);
    }
    struct lb_worker *worker = loop->favourite == NULL ? loop->ready.first : loop->favourite;
    loop->favourite = NULL;
    loop->share_count = 0;
    if (worker != NULL) {
        queue_remove(worker);
        loop->run_count++;
    }
    return worker;
}

/* loop_reap: takes back what a worker that ended just now ran on; whoever runs next does it. */
static void loop_reap(struct lb_loop *loop)
{
    struct lb_worker *worker = loop->over;
    loop->over = NULL;
    if (worker == NULL) {
        return;
    }
    LB_ASSERT(worker->is_over);
    lbi_fiber_take_stack(&worker->fiber, &loop->stacks);
    lbi_fiber_end(&worker->fiber);
    if (worker->is_caller) {
        loop->memory->release(loop->memory, worker, sizeof *worker);
    }
}

enum lb_status lbi_loop_park(struct lb_loop *loop, struct lbi_loop_queue *queue,
                             uint64_t deadline_ns, bool is_outside)
{
    struct lb_worker *self = loop->current;
    LB_ASSERT(self != NULL); /* who waits is a caller or a worker of this loop */
    LB_ASSERT(loop_is_own(loop));
    LB_ASSERT(self->queue == NULL);
    queue_append(queue, self);
    timer_set(loop, self, deadline_ns);
    loop->outside_count += is_outside;
    struct lb_worker *next = loop_pick(loop);
    LB_ASSERT(next != NULL);
    if (next != self) {
        loop->current = next;
        lbi_fiber_switch(&self->fiber, &next->fiber);
        loop_reap(loop);
    }
    LB_ASSERT(loop->current == self);
    LB_ASSERT(self->queue == NULL);
    loop->outside_count -= is_outside;
    return self->status;
}

void lbi_loop_share(struct lb_loop *loop)
{
    if (++loop->share_count > SHARE_MAX) {
        loop->run_count = TURN_MAX;
        (void)lbi_loop_park(loop, &loop->ready, LB_NEVER, false);
    }
}

bool lbi_loop_watch(struct lb_loop *loop, int fd, struct lbi_loop_watch *watch)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                                .data.ptr = watch};
    LB_ASSERT(watch->happened != NULL);
    return epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

void lbi_loop_close(struct lb_loop *loop, int fd)
{
    /* The kernel forgets a descriptor only with the last that stands for the same thing, and a child
     * process may have one. It was perhaps never watched. */
    (void)epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
    (void)close(fd);
}

/* -- workers -- */

/* What every fiber executes. */
static struct lbi_fiber *worker_main(void *argument)
{
    struct lb_worker *worker = argument;
    struct lb_loop *loop = worker->loop;
    LB_ASSERT(loop->current == worker);
    loop_reap(loop);
    worker->function(worker->argument);
    LB_ASSERT(loop->current == worker);
    LB_ASSERT(loop->over == NULL);
    timer_remove(loop, worker);
    worker->is_over = true;
    loop->over = worker;
    loop->live_count--;
    lbi_loop_wake(loop, &worker->joiners);
    struct lb_worker *next = loop_pick(loop);
    loop->current = next;
    return next == NULL ? &loop->outside : &next->fiber;
}

/* worker_new: a ready worker. */
static struct lb_worker *worker_new(struct lb_loop *loop, lb_worker_fn function, void *argument)
{
    LB_ASSERT(function != NULL);
    LB_ASSERT(loop_is_own(loop));
    if (!timers_reserve(loop)) {
        return NULL;
    }
    struct lb_worker *worker = loop->memory->alloc(loop->memory, sizeof *worker);
    if (worker == NULL) {
        return NULL;
    }
    memset(worker, 0, sizeof *worker);
    if (!lbi_fiber_init(&worker->fiber, &loop->stacks, worker_main, worker)) {
        loop->memory->release(loop->memory, worker, sizeof *worker);
        return NULL;
    }
    worker->loop = loop;
    worker->function = function;
    worker->argument = argument;
    worker->deadline_ns = LB_NEVER;
    worker->timer_index = TIMER_NONE;
    loop->live_count++;
    queue_append(&loop->ready, worker);
    return worker;
}

static enum lb_status loop_worker_start(struct lb_runtime *runtime,
                                        const struct lb_worker_options *options, enum lb_site site,
                                        struct lb_worker **ret_worker)
{
    struct lb_loop *loop = loop_of(runtime);
    LB_ASSERT(ret_worker != NULL);
    (void)site;
    struct lb_worker *worker = worker_new(loop, options->function, options->argument);
    if (worker == NULL) {
        return LB_MEMORY;
    }
    *ret_worker = worker;
    return LB_OK;
}

static void loop_worker_join(struct lb_runtime *runtime, struct lb_worker **worker,
                             enum lb_site site)
{
    struct lb_loop *loop = loop_of(runtime);
    struct lb_worker *joined = *worker;
    *worker = NULL;
    LB_ASSERT(joined != NULL);
    LB_ASSERT(joined != loop->current);
    LB_ASSERT(!joined->is_caller);
    (void)site;
    while (!joined->is_over) {
        (void)lbi_loop_park(loop, &joined->joiners, LB_NEVER, false);
    }
    LB_ASSERT(loop->over != joined); /* whoever runs has taken its stack */
    loop->memory->release(loop->memory, joined, sizeof *joined);
}

/* -- locks and conditions -- */

static struct loop_mutex *mutex_of(struct lb_mutex *mutex)
{
    struct loop_mutex *inside = (struct loop_mutex *)(void *)mutex->storage;
    LB_ASSERT(inside->magic == MUTEX_MAGIC);
    return inside;
}

static struct loop_cond *cond_of(struct lb_cond *cond)
{
    struct loop_cond *inside = (struct loop_cond *)(void *)cond->storage;
    LB_ASSERT(inside->magic == COND_MAGIC);
    return inside;
}

static uint64_t loop_now(struct lb_runtime *runtime)
{
    (void)loop_of(runtime);
    return lbi_loop_now();
}

static void loop_mutex_init(struct lb_runtime *runtime, struct lb_mutex *mutex)
{
    struct loop_mutex *inside = (struct loop_mutex *)(void *)mutex->storage;
    (void)loop_of(runtime);
    *inside = (struct loop_mutex){.magic = MUTEX_MAGIC};
}

static void loop_mutex_deinit(struct lb_runtime *runtime, struct lb_mutex *mutex)
{
    struct loop_mutex *inside = (struct loop_mutex *)(void *)mutex->storage;
    (void)loop_of(runtime);
    LB_ASSERT(!inside->is_locked);
    LB_ASSERT(inside->waiters.first == NULL);
    LB_ASSERT(inside->magic == MUTEX_MAGIC || inside->magic == 0);
    memset(mutex, 0, sizeof *mutex);
}

static void loop_mutex_lock(struct lb_runtime *runtime, struct lb_mutex *mutex, enum lb_site site)
{
    struct loop_mutex *inside = mutex_of(mutex);
    (void)site;
    while (inside->is_locked) { /* its owner waits for something else meanwhile */
        (void)lbi_loop_park(loop_of(runtime), &inside->waiters, LB_NEVER, false);
    }
    inside->is_locked = true;
}

static void loop_mutex_unlock(struct lb_runtime *runtime, struct lb_mutex *mutex)
{
    struct loop_mutex *inside = mutex_of(mutex);
    LB_ASSERT(inside->is_locked);
    inside->is_locked = false;
    if (inside->waiters.first != NULL) {
        lbi_loop_wake(loop_of(runtime), &inside->waiters);
    }
}

static void loop_cond_init(struct lb_runtime *runtime, struct lb_cond *cond)
{
    struct loop_cond *inside = (struct loop_cond *)(void *)cond->storage;
    (void)loop_of(runtime);
    *inside = (struct loop_cond){.magic = COND_MAGIC};
}

static void loop_cond_deinit(struct lb_runtime *runtime, struct lb_cond *cond)
{
    struct loop_cond *inside = (struct loop_cond *)(void *)cond->storage;
    (void)loop_of(runtime);
    LB_ASSERT(inside->waiters.first == NULL);
    LB_ASSERT(inside->magic == COND_MAGIC || inside->magic == 0);
    memset(cond, 0, sizeof *cond);
}

static enum lb_status loop_cond_wait(struct lb_runtime *runtime, struct lb_cond *cond,
                                     struct lb_mutex *mutex, uint64_t deadline_ns,
                                     enum lb_site site)
{
    struct lb_loop *loop = loop_of(runtime);
    struct loop_cond *inside = cond_of(cond);
    loop_mutex_unlock(runtime, mutex);
    enum lb_status status = lbi_loop_park(loop, &inside->waiters, deadline_ns, false);
    loop_mutex_lock(runtime, mutex, site);
    return status;
}

static void loop_cond_wake(struct lb_runtime *runtime, struct lb_cond *cond, enum lb_site site)
{
    (void)site;
    lbi_loop_wake(loop_of(runtime), &cond_of(cond)->waiters);
}

static const struct lb_runtime_ops loop_ops = {
    .now = loop_now,
    .worker_start = loop_worker_start,
    .worker_join = loop_worker_join,
    .mutex_init = loop_mutex_init,
    .mutex_deinit = loop_mutex_deinit,
    .mutex_lock = loop_mutex_lock,
    .mutex_unlock = loop_mutex_unlock,
    .cond_init = loop_cond_init,
    .cond_deinit = loop_cond_deinit,
    .cond_wait = loop_cond_wait,
    .cond_wake = loop_cond_wake,
};

/* -- the loop -- */

enum lb_status lb_loop_new(struct lb_memory *memory, struct lb_loop **ret_loop)
{
    LB_ASSERT(memory != NULL);
    LB_ASSERT(ret_loop != NULL);
    struct lb_loop *loop = memory->alloc(memory, sizeof *loop);
    if (loop == NULL) {
        return LB_MEMORY;
    }
    memset(loop, 0, sizeof *loop);
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (loop->epoll_fd < 0) {
        memory->release(memory, loop, sizeof *loop);
        return LB_MEMORY;
    }
    loop->runtime.ops = &loop_ops;
    loop->magic = LBI_LOOP_MAGIC;
    loop->memory = memory;
    loop->stacks.stack_size = LB_LOOP_STACK_SIZE;
    lbi_loop_network_init(loop);
    *ret_loop = loop;
    return LB_OK;
}

void lb_loop_free(struct lb_loop **loop_pointer)
{
    LB_ASSERT(loop_pointer != NULL);
    struct lb_loop *loop = *loop_pointer;
    *loop_pointer = NULL;
    if (loop == NULL) {
        return;
    }
    LB_ASSERT(loop->magic == LBI_LOOP_MAGIC);
    LB_ASSERT(loop->current == NULL);
    LB_ASSERT(loop->live_count == 0);
    LB_ASSERT(loop->timer_count == 0);
    struct lb_memory *memory = loop->memory;
    lbi_loop_network_deinit(loop);
    lbi_fiber_pool_deinit(&loop->stacks);
    if (loop->timers != NULL) {
        memory->release(memory, loop->timers, loop->timer_room * sizeof *loop->timers);
    }
    (void)close(loop->epoll_fd);
    loop->magic = 0;
    memory->release(memory, loop, sizeof *loop);
}

enum lb_status lb_loop_spawn(struct lb_loop *loop, lb_worker_fn function, void *argument)
{
    LB_ASSERT(loop->magic == LBI_LOOP_MAGIC);
    struct lb_worker *worker = worker_new(loop, function, argument);
    if (worker == NULL) {
        return LB_MEMORY;
    }
    worker->is_caller = true;
    return LB_OK;
}

enum lb_status lb_loop_run(struct lb_loop *loop, lb_worker_fn function, void *argument)
{
    LB_ASSERT(loop->magic == LBI_LOOP_MAGIC);
    LB_ASSERT(loop->current == NULL);
    enum lb_status status = lb_loop_spawn(loop, function, argument);
    if (status != LB_OK) {
        return status;
    }
    loop->thread = pthread_self();
    loop->current = loop_pick(loop);
    LB_ASSERT(loop->current != NULL);
    lbi_fiber_switch(&loop->outside, &loop->current->fiber);
    loop_reap(loop);
    LB_ASSERT(loop->current == NULL);
    LB_ASSERT(loop->live_count == 0);
    return LB_OK;
}

struct lb_runtime *lb_loop_runtime(struct lb_loop *loop)
{
    LB_ASSERT(loop->magic == LBI_LOOP_MAGIC);
    return &loop->runtime;
}

struct lb_network *lb_loop_network(struct lb_loop *loop)
{
    LB_ASSERT(loop->magic == LBI_LOOP_MAGIC);
    return &loop->network.network;
}
