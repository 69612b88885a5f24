/*
 * The two sides on which scenarios run. On the loop a task is a caller of its own, and waiting for it is
 * looking again after a while.
 */
#include "test/side.h"

#include <string.h>

#include "core/assert.h"
#include "test/loopback.h"

#define MS UINT64_C(1000000)

static struct side {
    struct lb_loop *loop;
    struct lb_network *network;
    void (*scenario)(void **state);
    void (*after)(void);
    bool is_running;
} side;

void side_begin(struct lb_memory *memory)
{
    LB_ASSERT(side.is_running || (side.loop == NULL && side.network == NULL));
    memset(&side, 0, sizeof side); /* of a scenario that failed, everything is lost */
    enum lb_status status =
        SIDE_IS_LOOP ? lb_loop_new(memory, &side.loop) : lb_network_tcp_new(memory, &side.network);
    LB_ASSERT(status == LB_OK);
}

void side_end(void)
{
    lb_loop_free(&side.loop);
    lb_network_tcp_free(&side.network);
    LB_ASSERT(side.loop == NULL);
    LB_ASSERT(side.network == NULL);
}

struct lb_runtime *side_runtime(void)
{
    return SIDE_IS_LOOP ? lb_loop_runtime(side.loop) : lb_runtime_threads();
}

struct lb_network *side_network(void)
{
    return SIDE_IS_LOOP ? lb_loop_network(side.loop) : side.network;
}

static void scenario_main(void *argument)
{
    void *state = NULL;
    (void)argument;
    side.scenario(&state);
    side.after();
}

void side_run(void (*scenario)(void **state), void (*after)(void))
{
    side.scenario = scenario;
    side.after = after;
    side.is_running = true;
    if (SIDE_IS_LOOP) {
        enum lb_status status = lb_loop_run(side.loop, scenario_main, NULL);
        LB_ASSERT(status == LB_OK);
    } else {
        scenario_main(NULL);
    }
    side.is_running = false;
}

bool side_is_left(void)
{
    return side.is_running;
}

static void *thread_main(void *argument)
{
    struct side_task *task = argument;
    task->function(task->argument);
    return NULL;
}

static void task_main(void *argument)
{
    struct side_task *task = argument;
    task->function(task->argument);
    task->is_over = true;
}

void side_start(struct side_task *task, void (*function)(void *argument), void *argument)
{
    *task = (struct side_task){.function = function, .argument = argument};
    if (SIDE_IS_LOOP) {
        enum lb_status status = lb_loop_spawn(side.loop, task_main, task);
        LB_ASSERT(status == LB_OK);
    } else {
        int error = pthread_create(&task->thread, NULL, thread_main, task);
        LB_ASSERT(error == 0);
    }
}

void side_finish(struct side_task *task)
{
    if (SIDE_IS_LOOP) {
        while (!task->is_over) {
            side_pause(1);
        }
    } else {
        int error = pthread_join(task->thread, NULL);
        LB_ASSERT(error == 0);
    }
}

void side_pause(uint32_t milliseconds)
{
    if (!SIDE_IS_LOOP) {
        loopback_pause(milliseconds);
        return;
    }
    struct lb_runtime *runtime = side_runtime();
    struct lb_mutex mutex;
    struct lb_cond cond;
    uint64_t deadline_ns = runtime->ops->now(runtime) + milliseconds * MS;
    enum lb_status status = LB_OK;
    memset(&mutex, 0, sizeof mutex);
    memset(&cond, 0, sizeof cond);
    runtime->ops->mutex_init(runtime, &mutex);
    runtime->ops->cond_init(runtime, &cond);
    runtime->ops->mutex_lock(runtime, &mutex, LB_SITE_NONE);
    while (status == LB_OK) {
        status = runtime->ops->cond_wait(runtime, &cond, &mutex, deadline_ns, LB_SITE_NONE);
    }
    runtime->ops->mutex_unlock(runtime, &mutex);
    runtime->ops->cond_deinit(runtime, &cond);
    runtime->ops->mutex_deinit(runtime, &mutex);
}
