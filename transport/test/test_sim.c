/*
 * Tests of the simulation's scheduler: order, time, schedules, the runtime over it, and its trace.
 *
 * Mental model: each test starts small actors that append letters to a log; the log is the order in
 * which they ran.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/assert.h"
#include "lastbyte/runtime.h"
#include "sim/sim.h"

#define LOG_MAX 256

static struct world {
    struct lb_sim *sim;
    struct lb_sim_options options;
    struct lb_sim_queue queue;
    struct lb_mutex mutex;
    struct lb_cond cond;
    char log[LOG_MAX];
    size_t log_size;
    uint32_t switch_hook_count;
    int32_t switch_hook_current;
    uint32_t event_counts[LB_SIM_NOTED + 1];
} world;

static void say(char letter)
{
    assert_true(world.log_size < LOG_MAX - 1);
    world.log[world.log_size++] = letter;
    world.log[world.log_size] = '\0';
}

static void world_reset(const struct lb_sim_departure *departures, size_t departure_count)
{
    struct lb_sim *sim = world.sim;
    memset(&world, 0, sizeof(world));
    world.sim = sim;
    world.options = (struct lb_sim_options){.step_count_max = 10000,
                                            .time_max_ns = LB_NEVER - 1,
                                            .departures = departures,
                                            .departure_count = departure_count};
    lb_sim_reset(sim, &world.options);
    const struct lb_runtime_ops *ops = lb_sim_runtime(sim)->ops;
    ops->mutex_init(lb_sim_runtime(sim), &world.mutex);
    ops->cond_init(lb_sim_runtime(sim), &world.cond);
}

static int setup(void **state)
{
    (void)state;
    assert_int_equal(lb_sim_new(&world.sim), LB_OK);
    world_reset(NULL, 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    lb_sim_free(&world.sim);
    assert_null(world.sim);
    return 0;
}

static void spawn(enum lb_role role, const char *label, lb_worker_fn function, void *argument)
{
    struct lb_worker_options options = {
        .role = role, .label = label, .function = function, .argument = argument};
    uint32_t index = UINT32_MAX;
    assert_int_equal(lb_sim_spawn(world.sim, &options, &index), LB_OK);
    assert_int_equal(index + 1, lb_sim_worker_count(world.sim));
}

/* Says its letter, stands at a point, three times. */
static void act_letters(void *argument)
{
    char letter = *(const char *)argument;
    for (int i = 0; i < 3; i += 1) {
        lb_sim_point(world.sim, LB_SITE_CALLER_STEP, NULL);
        say(letter);
    }
}

static void act_block(void *argument)
{
    say(*(const char *)argument);
    (void)lb_sim_block(world.sim, &world.queue, LB_NEVER, LB_SITE_WAIT_HEAD);
    say(*(const char *)argument);
}

static void act_wake(void *argument)
{
    (void)argument;
    say('w');
    lb_sim_wake(world.sim, &world.queue);
    say('w');
}

static void spawn_letters(const char *letters)
{
    for (const char *at = letters; *at != '\0'; at += 1) {
        char label[] = {*at, '.', '1', '\0'};
        spawn(LB_ROLE_READ, label, act_letters, (void *)(uintptr_t)at);
    }
}

/* -- order -- */

static void test_sim_runs_to_block(void **state)
{
    (void)state;
    spawn_letters("abc");
    assert_int_equal(lb_sim_run(world.sim, LB_SIM_NOW), LB_SIM_SETTLED);
    assert_string_equal(world.log, "aaabbbccc");
    assert_int_equal(lb_sim_switches(world.sim), 3);
    assert_int_equal(lb_sim_steps(world.sim), 9);
    assert_int_equal(lb_sim_decisions(world.sim), 1 + 3 + 1 + 3); /* enter, a, a's end, b */
}

static void test_sim_wakes_all_in_rank_order(void **state)
{
    (void)state;
    spawn(LB_ROLE_READ, "a.1", act_block, "a");
    spawn(LB_ROLE_READ, "a.2", act_block, "b");
    spawn(LB_ROLE_READ, "a.3", act_wake, NULL);
    assert_int_equal(lb_sim_run(world.sim, LB_SIM_NOW), LB_SIM_SETTLED);
    assert_string_equal(world.log, "abwwab");
}

static void test_sim_view_shows_what_a_worker_waits_for(void **state)
{
    (void)state;
    struct lb_sim_view view;
    spawn(LB_ROLE_WRITE, "a.1", act_block, "a");
    spawn(LB_ROLE_READ, "b.1", act_wake, NULL);
    lb_sim_view(world.sim, 0, &view);
    assert_int_equal(view.state, LB_SIM_RUNNABLE);
    assert_int_equal(lb_sim_current(world.sim), -1);
    spawn(LB_ROLE_WRITE, "a.2", act_block, "c");
    assert_int_equal(lb_sim_run(world.sim, LB_SIM_NOW), LB_SIM_SETTLED);
    lb_sim_view(world.sim, 2, &view);
    assert_int_equal(view.state, LB_SIM_BLOCKING);
    assert_int_equal(view.role, LB_ROLE_WRITE);
    assert_string_equal(view.label, "a.2");
    assert_int_equal(view.site, LB_SITE_WAIT_HEAD);
    assert_ptr_equal(view.queue, &world.queue);
    assert_true(view.deadline_ns == LB_NEVER);
    lb_sim_view(world.sim, 0, &view);
    assert_int_equal(view.state, LB_SIM_DONE);
    assert_null(view.queue);
}

/* -- time -- */

static void act_sleep(void *argument)
{
    uint64_t time_ns = *(const uint64_t *)argument;
    lb_sim_sleep(world.sim, time_ns, LB_SITE_CALLER_ADVANCE);
    assert_int_equal(lb_sim_now(world.sim), time_ns);
    lb_sim_sleep(world.sim, time_ns, LB_SITE_CALLER_ADVANCE); /* passed: returns at once */
    say((char)('0' + time_ns % 10));
}

static void test_sim_time_moves_to_the_earliest_deadline(void **state)
{
    (void)state;
    static const uint64_t times[] = {1003, 1001, 1002};
    for (size_t i = 0; i < 3; i += 1) {
        spawn(LB_ROLE_CALLER, "", act_sleep, (void *)(uintptr_t)&times[i]);
    }
    assert_int_equal(lb_sim_run(world.sim, LB_SIM_NOW), LB_SIM_SETTLED);
    assert_int_equal(lb_sim_now(world.sim), 0);
    assert_string_equal(world.log, "");
    assert_int_equal(lb_sim_run(world.sim, LB_SIM_SCRIPT), LB_SIM_SETTLED);
    assert_string_equal(world.log, "123");
    assert_int_equal(lb_sim_now(world.sim), 1003);
}

static void act_block_until(void *argument)
{
    char letter = *(const char *)argument;
    enum lb_status status = lb_sim_block(world.sim, &world.queue, 500, LB_SITE_WAIT_HEAD);
    assert_int_equal(status, LB_TIMEOUT);
    say(letter);
}

static void test_sim_equal_deadlines_run_in_rank_order(void **state)
{
    (void)state;
    spawn(LB_ROLE_READ, "a.1", act_block_until, "a");
    spawn(LB_ROLE_READ, "a.2", act_block_until, "b");
    assert_int_equal(lb_sim_run(world.sim, LB_SIM_ALL), LB_SIM_SETTLED);
    assert_string_equal(world.log, "ab");
    assert_null(world.queue.first);
    struct lb_sim_departure demote = {.kind = LB_SIM_ANCHOR,
                                      .role = LB_ROLE_READ,
                                      .label = "a.2",
                                      .site = LB_SITE_WAIT_HEAD,
                                      .occurrence = 1};
    world_reset(&demote, 1);
    spawn(LB_ROLE_READ, "a.1", act_block_until, "a");
    spawn(LB_ROLE_READ, "a.2", act_block_until, "b");
    assert_int_equal(lb_sim_run(world.sim, LB_SIM_ALL), LB_SIM_SETTLED);
    assert_string_equal(world.log, "ba"); /* a.2 blocked last: there the pick was made */
    assert_true(lb_sim_departure_is_met(world.sim, 0));
}

static void test_sim_horizons_differ(void **state)
{
    (void)state;
    static const uint64_t time_ns = 400;
    spawn(LB_ROLE_READ, "a.1", act_block_until, "a"); /* 500, a transport's timer */
    assert_int_equal(lb_sim_run(world.sim, LB_SIM_SCRIPT), LB_SIM_SETTLED);
    assert_int_equal(lb_sim_now(world.sim), 0);
    spawn(LB_ROLE_SERVER, "b.1", act_sleep, (void *)(uintptr_t)&time_ns);
    assert_int_equal(lb_sim_run(world.sim, LB_SIM_SCRIPT), LB_SIM_SETTLED);
    assert_int_equal(lb_sim_now(world.sim), 400);
    assert_string_equal(world.log, "0");
    assert_int_equal(lb_sim_run(world.sim, LB_SIM_ALL), LB_SIM_SETTLED);
    assert_int_equal(lb_sim_now(world.sim), 500);
    assert_string_equal(world.log, "0a");
}

static void test_sim_script_fires_earlier_timers(void **state)
{
    (void)state;
    static const uint64_t time_ns = 600;
    spawn(LB_ROLE_READ, "a.1", act_block_until, "a");
    spawn(LB_ROLE_CALLER, "b.1", act_sleep, (void *)(uintptr_t)&time_ns);
    assert_int_equal(lb_sim_run(world.sim, LB_SIM_SCRIPT), LB_SIM_SETTLED);
    assert_string_equal(world.log, "a0");
}

static void test_sim_stops_at_time_max(void **state)
{
    (void)state;
    static const uint64_t time_ns = 2000;
    world.options.time_max_ns = 1999;
    lb_sim_reset(world.sim, &world.options);
    spawn(LB_ROLE_CALLER, "", act_sleep, (void *)(uintptr_t)&time_ns);
    assert_int_equal(lb_sim_run(world.sim, LB_SIM_ALL), LB_SIM_STOP_TIME);
    assert_int_equal(lb_sim_now(world.sim), 0);
    assert_int_equal(lb_sim_run(world.sim, LB_SIM_NOW), LB_SIM_SETTLED);
}

static void act_forever(void *argument)
{
    (void)argument;
    for (;;) {
        lb_sim_point(world.sim, LB_SITE_BODY_READ, NULL);
    }
}

static void test_sim_stops_at_step_max(void **state)
{
    (void)state;
    world.options.step_count_max = 100;
    lb_sim_reset(world.sim, &world.options);
    spawn(LB_ROLE_READ, "a.1", act_forever, NULL);
    assert_int_equal(lb_sim_run(world.sim, LB_SIM_NOW), LB_SIM_STOP_STEPS);
    assert_int_equal(lb_sim_steps(world.sim), 101);
    assert_int_equal(lb_sim_run(world.sim, LB_SIM_ALL), LB_SIM_STOP_STEPS);
    assert_int_equal(lb_sim_steps(world.sim), 101);
}

/* -- quiet and settled -- */

static void act_quiet(void *argument)
{
    lb_sim_wait_quiet(world.sim, LB_SITE_CALLER_QUIET);
    say(*(const char *)argument);
    lb_sim_wake(world.sim, &world.queue);
}

static void act_settled(void *argument)
{
    lb_sim_wait_settled(world.sim, LB_SITE_CALLER_SETTLE);
    say(*(const char *)argument);
}

static void test_sim_quiet_comes_before_time(void **state)
{
    (void)state;
    spawn(LB_ROLE_CALLER, "1", act_settled, "s");
    spawn(LB_ROLE_CALLER, "2", act_quiet, "q");
    spawn(LB_ROLE_CALLER, "3", act_quiet, "r");
    spawn(LB_ROLE_READ, "a.1", act_block, "b");
    spawn(LB_ROLE_READ, "a.2", act_letters, "c");
    spawn(LB_ROLE_READ, "a.3", act_sleep, (void *)(uintptr_t) & (const uint64_t){7});
    assert_int_equal(lb_sim_run(world.sim, LB_SIM_NOW), LB_SIM_SETTLED);
    assert_string_equal(world.log, "bcccqbr"); /* one waiter at a time, the oldest first */
    assert_int_equal(lb_sim_run(world.sim, LB_SIM_SCRIPT), LB_SIM_SETTLED);
    assert_string_equal(world.log, "bcccqbr7s"); /* settled waits for the timer */
}

/* -- departures -- */

static void run_letters(const struct lb_sim_departure *departures, size_t count)
{
    world_reset(departures, count);
    spawn_letters("abc");
    assert_int_equal(lb_sim_run(world.sim, LB_SIM_NOW), LB_SIM_SETTLED);
}

static void test_sim_after_counts_decisions(void **state)
{
    (void)state;
    struct lb_sim_departure after = {.kind = LB_SIM_AFTER, .skip = 0};
    run_letters(&after, 1); /* the very first pick */
    assert_string_equal(world.log, "bbbcccaaa");
    after.skip = 2; /* decisions: the pick, a's points 1, 2 */
    run_letters(&after, 1);
    assert_string_equal(world.log, "abbbcccaa");
    after.choice = 1;
    run_letters(&after, 1);
    assert_string_equal(world.log, "acccbbbaa");
    after.choice = 2; /* there are only two others */
    run_letters(&after, 1);
    assert_string_equal(world.log, "acccbbbaa");
    assert_true(lb_sim_departure_is_met(world.sim, 0));
    after.skip = 500;
    run_letters(&after, 1);
    assert_string_equal(world.log, "aaabbbccc");
    assert_false(lb_sim_departure_is_met(world.sim, 0));
}

static void test_sim_after_counts_from_the_previous(void **state)
{
    (void)state;
    struct lb_sim_departure departures[] = {{.kind = LB_SIM_AFTER, .skip = 2},
                                            {.kind = LB_SIM_AFTER, .skip = 1}};
    run_letters(departures, 2); /* a|  b's first point passes, its second demotes */
    assert_string_equal(world.log, "abcccaabb");
    assert_true(lb_sim_departure_is_met(world.sim, 1));
}

static void test_sim_anchor_finds_its_place(void **state)
{
    (void)state;
    struct lb_sim_departure anchor = {.kind = LB_SIM_ANCHOR,
                                      .role = LB_ROLE_READ,
                                      .label = "b.1",
                                      .site = LB_SITE_CALLER_STEP,
                                      .occurrence = 2};
    run_letters(&anchor, 1);
    assert_string_equal(world.log, "aaabcccbb");
    assert_true(lb_sim_departure_is_met(world.sim, 0));
    anchor.role = LB_ROLE_WRITE;
    run_letters(&anchor, 1);
    assert_string_equal(world.log, "aaabbbccc");
    assert_false(lb_sim_departure_is_met(world.sim, 0));
    anchor.role = LB_ROLE_READ;
    anchor.label[0] = 'c'; /* alone by then: nothing to depart from */
    run_letters(&anchor, 1);
    assert_string_equal(world.log, "aaabbbccc");
    assert_false(lb_sim_departure_is_met(world.sim, 0));
}

static void test_sim_after_becomes_an_anchor(void **state)
{
    (void)state;
    for (uint16_t skip = 0; skip < 8; skip += 1) {
        struct lb_sim_departure after = {.kind = LB_SIM_AFTER, .skip = skip, .choice = skip % 2};
        struct lb_sim_departure anchor = {0};
        char log[LOG_MAX];
        run_letters(&after, 1);
        memcpy(log, world.log, sizeof(log));
        assert_true(lb_sim_departure_anchor(world.sim, 0, &anchor));
        assert_int_equal(anchor.kind, LB_SIM_ANCHOR);
        run_letters(&anchor, 1);
        assert_true(lb_sim_departure_is_met(world.sim, 0));
        assert_string_equal(world.log, log);
    }
}

static void test_sim_priority_orders_starts(void **state)
{
    (void)state;
    struct lb_sim_departure departures[] = {{.kind = LB_SIM_PRIORITY, .worker = 2, .priority = 0},
                                            {.kind = LB_SIM_PRIORITY, .worker = 0, .priority = 2},
                                            {.kind = LB_SIM_PRIORITY, .worker = 9, .priority = 0}};
    run_letters(departures, 3);
    assert_string_equal(world.log, "cccbbbaaa");
    assert_true(lb_sim_departure_is_met(world.sim, 0));
    assert_true(lb_sim_departure_is_met(world.sim, 1));
    assert_false(lb_sim_departure_is_met(world.sim, 2));
    departures[1].priority = 0; /* equal to the other: order of start */
    run_letters(departures, 3);
    assert_string_equal(world.log, "aaacccbbb");
}

/* -- the trace -- */

static void count_event(void *context, const struct lb_sim_event *event)
{
    struct world *counted = context;
    assert_non_null(event->subject);
    assert_non_null(event->detail);
    assert_int_equal(event->time_ns, lb_sim_now(world.sim));
    counted->event_counts[event->kind] += 1;
}

static void look_between(void *context)
{
    struct world *looked = context;
    looked->switch_hook_count += 1;
    looked->switch_hook_current = lb_sim_current(looked->sim);
}

static uint64_t hash_of(const struct lb_sim_departure *departures, size_t count, bool is_watched)
{
    world_reset(departures, count);
    if (is_watched) {
        world.options.on_event = count_event;
        world.options.on_switch = look_between;
        world.options.context = &world;
        lb_sim_reset(world.sim, &world.options);
    }
    spawn_letters("ab");
    spawn(LB_ROLE_READ, "a.1", act_block, "x");
    spawn(LB_ROLE_CALLER, "1", act_quiet, "y");
    spawn(LB_ROLE_CALLER, "2", act_sleep, (void *)(uintptr_t) & (const uint64_t){5});
    assert_int_equal(lb_sim_run(world.sim, LB_SIM_ALL), LB_SIM_SETTLED);
    return lb_sim_hash(world.sim);
}

static void test_sim_hash_is_the_trace(void **state)
{
    (void)state;
    struct lb_sim_departure after = {.kind = LB_SIM_AFTER, .skip = 1};
    uint64_t base = hash_of(NULL, 0, false);
    assert_true(base == hash_of(NULL, 0, false));
    assert_true(base == hash_of(NULL, 0, true)); /* watching changes nothing */
    assert_int_equal(world.event_counts[LB_SIM_STARTED], 5);
    assert_int_equal(world.event_counts[LB_SIM_ENDED], 5);
    assert_int_equal(world.event_counts[LB_SIM_ADVANCED], 1);
    assert_int_equal(world.event_counts[LB_SIM_EXPIRED], 1);
    assert_int_equal(world.event_counts[LB_SIM_WOKEN], 2);
    assert_int_equal(world.event_counts[LB_SIM_BLOCKED], 3);
    assert_int_equal(world.event_counts[LB_SIM_DEPARTED], 0);
    assert_int_equal(world.event_counts[LB_SIM_SWITCHED], lb_sim_switches(world.sim));
    assert_int_equal(world.switch_hook_count, 8); /* 5 ends, 3 blocks */
    assert_int_equal(world.switch_hook_current, -1);
    uint64_t departed = hash_of(&after, 1, true);
    assert_true(base != departed);
    assert_int_equal(world.event_counts[LB_SIM_DEPARTED], 1);
    assert_true(departed == hash_of(&after, 1, false));
}

static void test_sim_hash_reads_strings_by_content(void **state)
{
    (void)state;
    static const char *const words[] = {"a",        "b",         "",         "0123456",
                                        "01234567", "012345678", "112345678"};
    uint64_t hashes[7];
    char copy[16];
    for (size_t i = 0; i < 7; i += 1) {
        world_reset(NULL, 0);
        lb_sim_note(world.sim, words[i], "x", 1);
        hashes[i] = lb_sim_hash(world.sim);
        (void)snprintf(copy, sizeof(copy), "%s", words[i]);
        world_reset(NULL, 0);
        lb_sim_note(world.sim, copy, "x", 1);
        assert_true(hashes[i] == lb_sim_hash(world.sim));
        for (size_t k = 0; k < i; k += 1) {
            assert_true(hashes[i] != hashes[k]);
        }
    }
    world_reset(NULL, 0);
    lb_sim_note(world.sim, "a", "x", 2);
    assert_true(lb_sim_hash(world.sim) != hashes[0]);
    world_reset(NULL, 0);
    lb_sim_note(world.sim, "a", "y", 1);
    assert_true(lb_sim_hash(world.sim) != hashes[0]);
}

static void test_sim_cover_counts_switches(void **state)
{
    (void)state;
    static uint8_t map[65536];
    const size_t size = sizeof(map);
    memset(map, 0, size);
    lb_sim_cover_switches(world.sim, map, size);
    spawn_letters("abc");
    assert_int_equal(lb_sim_run(world.sim, LB_SIM_NOW), LB_SIM_SETTLED);
    uint32_t sum = 0;
    uint32_t tuple_count = 0;
    for (size_t i = 0; i < size; i += 1) {
        sum += map[i];
        tuple_count += map[i] != 0;
    }
    assert_int_equal(sum, lb_sim_switches(world.sim));
    assert_int_equal(tuple_count, 2); /* from outside, and from an end to a beginning */
    for (int i = 0; i < 300; i += 1) {
        world_reset(NULL, 0);
        spawn_letters("a");
        assert_int_equal(lb_sim_run(world.sim, LB_SIM_NOW), LB_SIM_SETTLED);
    }
    size_t saturated = 0;
    for (size_t i = 0; i < size; i += 1) {
        saturated += map[i] == UINT8_MAX;
    }
    assert_int_equal(saturated, 1);
}

/* -- the runtime -- */

static const struct lb_runtime_ops *ops(void)
{
    return lb_sim_runtime(world.sim)->ops;
}

static void act_locked(void *argument)
{
    struct lb_runtime *runtime = lb_sim_runtime(world.sim);
    ops()->mutex_lock(runtime, &world.mutex, LB_SITE_BODY_READ);
    say(*(const char *)argument);
    lb_sim_point(world.sim, LB_SITE_CALLER_STEP, NULL);
    say(*(const char *)argument);
    ops()->mutex_unlock(runtime, &world.mutex);
}

static void test_sim_mutex_excludes(void **state)
{
    (void)state;
    struct lb_sim_departure anchor = {.kind = LB_SIM_ANCHOR,
                                      .role = LB_ROLE_READ,
                                      .label = "a.1",
                                      .site = LB_SITE_CALLER_STEP,
                                      .occurrence = 1};
    world_reset(&anchor, 1);
    spawn(LB_ROLE_READ, "a.1", act_locked, "a");
    spawn(LB_ROLE_READ, "b.1", act_locked, "b");
    spawn(LB_ROLE_READ, "c.1", act_locked, "c");
    assert_int_equal(lb_sim_run(world.sim, LB_SIM_NOW), LB_SIM_SETTLED);
    assert_string_equal(world.log, "aabbcc");
    assert_true(lb_sim_departure_is_met(world.sim, 0));
    ops()->mutex_deinit(lb_sim_runtime(world.sim), &world.mutex);
    ops()->mutex_deinit(lb_sim_runtime(world.sim), &world.mutex); /* not initialised: legal */
}

static void act_wait(void *argument)
{
    struct lb_runtime *runtime = lb_sim_runtime(world.sim);
    ops()->mutex_lock(runtime, &world.mutex, LB_SITE_BODY_READ);
    enum lb_status status =
        ops()->cond_wait(runtime, &world.cond, &world.mutex, 1000, LB_SITE_WAIT_HEAD);
    say(*(const char *)argument);
    say(status == LB_OK ? '+' : '-');
    ops()->mutex_unlock(runtime, &world.mutex); /* asserts that it is held */
}

static void act_signal(void *argument)
{
    struct lb_runtime *runtime = lb_sim_runtime(world.sim);
    lb_sim_sleep(world.sim, *(const uint64_t *)argument, LB_SITE_CALLER_ADVANCE);
    ops()->mutex_lock(runtime, &world.mutex, LB_SITE_BODY_CLOSE);
    ops()->cond_wake(runtime, &world.cond, LB_SITE_WAKE_CALLER);
    say('s');
    ops()->mutex_unlock(runtime, &world.mutex);
}

static void test_sim_cond_wakes_all_or_times_out(void **state)
{
    (void)state;
    spawn(LB_ROLE_READ, "a.1", act_wait, "a");
    spawn(LB_ROLE_READ, "b.1", act_wait, "b");
    spawn(LB_ROLE_CALLER, "1", act_signal, (void *)(uintptr_t) & (const uint64_t){999});
    assert_int_equal(lb_sim_run(world.sim, LB_SIM_ALL), LB_SIM_SETTLED);
    assert_string_equal(world.log, "sa+b+");
    assert_int_equal(lb_sim_now(world.sim), 999);
    world_reset(NULL, 0);
    spawn(LB_ROLE_READ, "a.1", act_wait, "a");
    spawn(LB_ROLE_READ, "b.1", act_wait, "b");
    spawn(LB_ROLE_CALLER, "1", act_signal, (void *)(uintptr_t) & (const uint64_t){1001});
    assert_int_equal(lb_sim_run(world.sim, LB_SIM_ALL), LB_SIM_SETTLED);
    assert_string_equal(world.log, "a-b-s");
}

static void act_family(void *argument)
{
    struct lb_runtime *runtime = lb_sim_runtime(world.sim);
    struct lb_worker_options options = {
        .role = LB_ROLE_DIAL, .label = "a.1", .function = act_letters, .argument = "x"};
    struct lb_worker *first = NULL;
    struct lb_worker *second = NULL;
    (void)argument;
    assert_int_equal(ops()->worker_start(runtime, &options, LB_SITE_START_DIAL, &first), LB_OK);
    options.argument = "y";
    assert_int_equal(ops()->worker_start(runtime, &options, LB_SITE_START_DIAL, &second), LB_OK);
    say('p');
    ops()->worker_join(runtime, &second, LB_SITE_JOIN_DIAL); /* x is better and ends first */
    say('p');
    uint64_t switch_count = lb_sim_switches(world.sim);
    ops()->worker_join(runtime, &first, LB_SITE_JOIN_DIAL); /* has ended: does not block */
    assert_int_equal(lb_sim_switches(world.sim), switch_count);
    assert_null(first);
    assert_null(second);
    say('q');
}

static void test_sim_join_waits_for_the_end(void **state)
{
    (void)state;
    spawn(LB_ROLE_CALLER, "1", act_family, NULL);
    assert_int_equal(lb_sim_run(world.sim, LB_SIM_NOW), LB_SIM_SETTLED);
    assert_string_equal(world.log, "pxxxyyypq");
}

static void test_sim_workers_are_bounded(void **state)
{
    (void)state;
    char letter = 'z';
    struct lb_worker_options options = {
        .role = LB_ROLE_READ, .label = "a.1", .function = act_forever, .argument = &letter};
    uint32_t index = 0;
    for (uint32_t i = 0; i < LB_SIM_WORKERS_MAX; i += 1) {
        assert_int_equal(lb_sim_spawn(world.sim, &options, &index), LB_OK);
    }
    assert_int_equal(index, LB_SIM_WORKERS_MAX - 1);
    assert_int_equal(lb_sim_spawn(world.sim, &options, &index), LB_LIMIT);
    struct lb_worker *worker = NULL;
    assert_int_equal(
        ops()->worker_start(lb_sim_runtime(world.sim), &options, LB_SITE_START_READ, &worker),
        LB_MEMORY);
    assert_null(worker);
}

/* Fills a good part of a stack with frames that carry poison, and blocks at the bottom. */
static void descend(uint32_t depth)
{
    volatile char page[512];
    page[depth % 512] = (char)depth;
    if (depth == 0) {
        (void)lb_sim_block(world.sim, &world.queue, LB_NEVER, LB_SITE_WAIT_HEAD);
    } else {
        descend(depth - 1);
    }
    page[0] = page[depth % 512];
}

static void act_descend(void *argument)
{
    descend(*(const uint32_t *)argument);
}

static void act_touch(void *argument)
{
    volatile char frame[LB_SIM_STACK_SIZE / 2]; /* crosses what was poisoned */
    for (size_t i = 0; i < sizeof(frame); i += 64) {
        frame[i] = *(const char *)argument;
    }
    say(frame[64]);
}

static void test_sim_abandoned_workers_leave_clean_stacks(void **state)
{
    (void)state;
    static const uint32_t depth = 50;
    for (int round = 0; round < 3; round += 1) {
        world_reset(NULL, 0);
        for (int i = 0; i < 8; i += 1) {
            spawn(LB_ROLE_READ, "a.1", act_descend, (void *)(uintptr_t)&depth);
        }
        assert_int_equal(lb_sim_run(world.sim, LB_SIM_ALL), LB_SIM_SETTLED);
        assert_non_null(world.queue.first);
        world_reset(NULL, 0);
        for (int i = 0; i < 8; i += 1) {
            spawn(LB_ROLE_READ, "a.1", act_touch, "t");
        }
        spawn(LB_ROLE_READ, "a.1", act_forever, NULL); /* cut off at the step limit */
        spawn(LB_ROLE_READ, "a.1", act_touch, "t");    /* never begun */
        assert_int_equal(lb_sim_run(world.sim, LB_SIM_ALL), LB_SIM_STOP_STEPS);
        assert_string_equal(world.log, "tttttttt");
    }
}

/* -- programmer's errors end the process -- */

static void act_lock_twice(void *argument)
{
    (void)argument;
    ops()->mutex_lock(lb_sim_runtime(world.sim), &world.mutex, LB_SITE_BODY_READ);
    ops()->mutex_lock(lb_sim_runtime(world.sim), &world.mutex, LB_SITE_BODY_READ);
}

static void act_unlock_free(void *argument)
{
    (void)argument;
    ops()->mutex_unlock(lb_sim_runtime(world.sim), &world.mutex);
}

static void act_label_missing(void *argument)
{
    uint32_t index = 0;
    (void)argument;
    enum lb_status status =
        lb_sim_spawn(world.sim,
                     &(struct lb_worker_options){.label = "a label that is far too long",
                                                 .function = act_forever},
                     &index);
    LB_MAYBE(status == LB_OK);
}

static void exit_quietly(const char *file, int line, const char *expression)
{
    (void)file;
    (void)line;
    (void)expression;
    _exit(42);
}

static void assert_ends_process(lb_worker_fn function)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        lb_assert_hook = exit_quietly;
        spawn(LB_ROLE_CALLER, "1", function, NULL);
        (void)lb_sim_run(world.sim, LB_SIM_NOW);
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 42);
}

static void test_sim_misuse_is_asserted(void **state)
{
    (void)state;
    assert_ends_process(act_lock_twice);
    assert_ends_process(act_unlock_free);
    assert_ends_process(act_label_missing);
}

static void test_sim_lock_is_free_outside(void **state)
{
    (void)state;
    struct lb_runtime *runtime = lb_sim_runtime(world.sim);
    ops()->mutex_lock(runtime, &world.mutex, LB_SITE_POOL_STATS);
    ops()->cond_wake(runtime, &world.cond, LB_SITE_WAKE_READ);
    ops()->mutex_unlock(runtime, &world.mutex);
    assert_int_equal(lb_sim_steps(world.sim), 0);
    assert_int_equal(ops()->now(runtime), 0);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_sim_runs_to_block),
        TEST(test_sim_wakes_all_in_rank_order),
        TEST(test_sim_view_shows_what_a_worker_waits_for),
        TEST(test_sim_time_moves_to_the_earliest_deadline),
        TEST(test_sim_equal_deadlines_run_in_rank_order),
        TEST(test_sim_horizons_differ),
        TEST(test_sim_script_fires_earlier_timers),
        TEST(test_sim_stops_at_time_max),
        TEST(test_sim_stops_at_step_max),
        TEST(test_sim_quiet_comes_before_time),
        TEST(test_sim_after_counts_decisions),
        TEST(test_sim_after_counts_from_the_previous),
        TEST(test_sim_anchor_finds_its_place),
        TEST(test_sim_after_becomes_an_anchor),
        TEST(test_sim_priority_orders_starts),
        TEST(test_sim_hash_is_the_trace),
        TEST(test_sim_hash_reads_strings_by_content),
        TEST(test_sim_cover_counts_switches),
        TEST(test_sim_mutex_excludes),
        TEST(test_sim_cond_wakes_all_or_times_out),
        TEST(test_sim_join_waits_for_the_end),
        TEST(test_sim_workers_are_bounded),
        TEST(test_sim_abandoned_workers_leave_clean_stacks),
        TEST(test_sim_misuse_is_asserted),
        TEST(test_sim_lock_is_free_outside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
