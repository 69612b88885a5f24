/*
 * Tests of exploration: that it runs exactly the schedules that there are, finds what only some of them
 * show, with as few departures as that needs, and says them so that they can be run again.
 */
#include "case_fixture.h"

#include "explore.h"

/* A close that meets a read: both outcomes are lawful, and each needs its own schedule. */
#define RACE(outcome)                                                                              \
    "case   1\n"                                                                                   \
    "title  A close meets a read\n"                                                                \
    "level  HOUSE\n"                                                                               \
    "spec   LASTBYTE O3\n"                                                                         \
    "host a\n"                                                                                     \
    "  conn 1\n"                                                                                   \
    "    want GET /\n"                                                                             \
    "    | HTTP/1.1 200 OK\n"                                                                      \
    "    | Content-Length: 4\n"                                                                    \
    "    |\n"                                                                                      \
    "    send \"body\"\n"                                                                          \
    "client\n"                                                                                     \
    "  setup get r1 a / => 200\n"                                                                  \
    "  read r1 all &\n"                                                                            \
    "  close r1 => ok\n"                                                                           \
    "  wait r1 => " outcome "\n"

static struct lb_explorer *explorer;
static struct lb_explore found;
static uint32_t taken[LB_CASE_LINES_MAX];

static int explore_setup(void **state)
{
    return case_setup(state) == 0 && lb_explorer_new(&explorer) == LB_OK ? 0 : -1;
}

static int explore_teardown(void **state)
{
    lb_explorer_free(&explorer);
    return case_teardown(state);
}

static struct lb_explore_options options_of(uint32_t delay_max, uint64_t draw_count)
{
    memset(taken, 0, sizeof taken);
    return (struct lb_explore_options){.drivers = LB_DRIVERS_ALL & ~(1u << LB_DRIVER_DEVIATIONS),
                                       .delay_max = delay_max,
                                       .draw_count = draw_count,
                                       .taken = taken};
}

/* runs_of_one_departure: how many schedules of one departure there are, counted one by one: each
 * changes the trace of a run, and one that can have no effect is stale. */
static uint64_t runs_of_one_departure(void)
{
    struct lb_runner *runner = NULL;
    struct lb_result result;
    struct lb_sim_departure departure = {.kind = LB_SIM_AFTER};
    struct lb_variant variant = {0, &departure, 1, "one", NULL};
    uint64_t count = 0;
    bool is_stale = false;
    uint64_t last = 0;
    assert_int_equal(lb_runner_new(&runner), LB_OK);
    while (!is_stale) {
        lb_runner_run(runner, &parsed, &variant, NULL, &result);
        struct lb_sim_departure anchor;
        is_stale = !lb_runner_anchor(runner, 0, &anchor);
        bool is_new = departure.choice == 0 || result.trace_hash != last;
        count += !is_stale && is_new ? 1 : 0;
        last = result.trace_hash;
        departure.choice = is_new && departure.choice < 2 ? (uint8_t)(departure.choice + 1) : 0;
        departure.skip = (uint16_t)(departure.skip + (departure.choice == 0 ? 1 : 0));
    }
    lb_runner_free(&runner);
    return count;
}

static void test_explore_runs_every_schedule_of_one_departure(void **state)
{
    struct lb_explore_options options = options_of(1, 0);
    (void)state;
    parse(RACE("\"body\" end or error closed"));
    lb_explore(explorer, &parsed, &options, &found);
    assert_int_equal(found.verdict, LB_VERDICT_PASS);
    assert_true(found.is_complete);
    assert_int_equal(found.delay_complete, 1);
    assert_true(found.schedule_count > 20);
    assert_int_equal(found.delay_size, found.schedule_count);
    assert_int_equal(found.schedule_count, 1 + runs_of_one_departure());
    assert_int_equal(found.slept_count, 0);
    options.may_sleep = true;
    lb_explore(explorer, &parsed, &options, &found);
    assert_int_equal(found.schedule_count + found.slept_count, 1 + runs_of_one_departure());
    assert_int_equal(found.delay_size, found.schedule_count + found.slept_count);
}

/* What sleeps hides nothing: the same outcomes, alternatives and verdict with and without it. */
static void test_explore_loses_nothing_by_sleep(void **state)
{
    struct lb_explore_options options = options_of(3, 0);
    (void)state;
    parse(RACE("\"body\" end or error closed"));
    options.may_sleep = true;
    lb_explore(explorer, &parsed, &options, &found);
    struct lb_explore asleep = found;
    uint32_t taken_asleep = taken[3];
    options = options_of(3, 0);
    lb_explore(explorer, &parsed, &options, &found);
    assert_true(asleep.slept_count > 0);
    assert_int_equal(asleep.schedule_count + asleep.slept_count, found.schedule_count);
    assert_int_equal(asleep.outcome_set, found.outcome_set);
    assert_int_equal(asleep.verdict, found.verdict);
    assert_int_equal(taken_asleep, taken[3]);
}

/* Each driver alone runs its own schedules, and says whose they are. */
static void test_explore_runs_the_drivers_it_is_asked_for(void **state)
{
    (void)state;
    parse(RACE("\"body\" end or error closed"));
    for (uint32_t i = 0; i < LB_DRIVER_COUNT; i++) {
        struct lb_explore_options options = options_of(1, 40);
        options.drivers = 1u << i;
        lb_explore(explorer, &parsed, &options, &found);
        assert_true(found.is_complete);
        assert_int_equal(found.is_deviated, i == LB_DRIVER_DEVIATIONS);
        assert_int_equal(found.delay_complete, i == LB_DRIVER_DELAYS ? 1 : 0);
        assert_int_equal(found.driver_counts[i], found.schedule_count - 1);
        assert_int_equal(found.outcome_count, 2); /* each is enough for so small a race */
        assert_true(found.tuple_count > 0);
    }
    struct lb_explore_options options = options_of(0, 40);
    lb_explore(explorer, &parsed, &options, &found);
    assert_int_equal(found.driver_counts[LB_DRIVER_PCT], 30);
    assert_int_equal(found.driver_counts[LB_DRIVER_WALK], 10);
    assert_int_equal(found.pct_counts[0] + found.pct_counts[1] + found.pct_counts[2], 30);
    double n = found.worker_max;
    double k = found.decision_max;
    assert_true(lb_explore_guarantee(&found, 3) * n * k * k > 0.999);
    assert_true(lb_explore_guarantee(&found, 3) * n * k * k < 1.001);
}

static void test_explore_sees_every_alternative(void **state)
{
    struct lb_explore_options options = options_of(1, 0);
    (void)state;
    parse(RACE("\"body\" end or error closed or error reset"));
    lb_explore(explorer, &parsed, &options, &found);
    assert_int_equal(found.verdict, LB_VERDICT_PASS);
    assert_int_equal(found.outcome_count, 2);
    assert_int_equal(taken[3], 3); /* and the third never comes */
}

static void test_explore_knows_the_outcomes_that_it_saw(void **state)
{
    struct lb_explore_options options = options_of(0, 0);
    uint64_t base = 0;
    (void)state;
    parse(RACE("\"body\" end or error closed"));
    lb_explore(explorer, &parsed, &options, &found);
    base = found.result.outcome_hash;
    assert_true(lb_explorer_has_outcome(explorer, base));
    assert_false(lb_explorer_has_outcome(explorer, base ^ 1));
    parse("case 1\ntitle t\nlevel HOUSE\nspec LASTBYTE E1\nclient\n  settle\n");
    lb_explore(explorer, &parsed, &options, &found);
    assert_false(lb_explorer_has_outcome(explorer, base));
}

/* finds: the case fails by what `drivers` run, with `most` departures or fewer; the same schedule, as
 * text, shows it again, and so do its anchors. */
static void finds(uint32_t drivers, uint32_t most, const char *actual)
{
    struct lb_explore_options options = options_of(2, 1000);
    struct lb_sim_departure list[LB_EXPLORE_DEPARTURES_MAX];
    struct lb_variant variant = {0, list, 0, "again", NULL};
    struct lb_runner *runner = NULL;
    struct lb_result result;
    char text[LB_EXPLORE_TEXT_MAX];
    options.drivers = drivers;
    lb_explore(explorer, &parsed, &options, &found);
    assert_int_equal(found.verdict, LB_VERDICT_FAIL);
    assert_false(found.is_base);
    assert_true((drivers & 1u << found.driver) != 0);
    assert_in_range(found.departure_count, 1, most);
    assert_string_equal(found.result.actual, actual);
    lb_departures_print(found.departures, found.departure_count, text);
    assert_true(lb_departures_parse(text, list, most, &variant.departure_count));
    assert_int_equal(variant.departure_count, found.departure_count);
    assert_int_equal(lb_runner_new(&runner), LB_OK);
    lb_runner_run(runner, &parsed, &variant, NULL, &result);
    assert_int_equal(result.verdict, LB_VERDICT_FAIL);
    assert_int_equal(result.trace_hash, found.result.trace_hash);
    lb_runner_free(&runner);
    assert_true(lb_explore_anchors(explorer, &parsed, &options, &found, text, sizeof text));
    assert_memory_equal(text, "schedule ", 9);
}

static void test_explore_finds_what_one_departure_shows(void **state)
{
    (void)state;
    parse(RACE("\"body\" end"));
    bool is_base = false;
    struct lb_explore_options options = options_of(0, 0);
    lb_explore(explorer, &parsed, &options, &found);
    is_base = found.verdict == LB_VERDICT_PASS;
    parse(is_base ? RACE("\"body\" end") : RACE("error closed"));
    finds(1u << LB_DRIVER_DELAYS, 1, is_base ? "error closed" : "\"body\" end");
}

static void test_explore_finds_by_drawing_and_reduces(void **state)
{
    struct lb_explore_options options = options_of(0, 0);
    (void)state;
    parse(RACE("\"body\" end"));
    lb_explore(explorer, &parsed, &options, &found);
    bool is_base = found.verdict == LB_VERDICT_PASS;
    parse(is_base ? RACE("\"body\" end") : RACE("error closed"));
    finds(1u << LB_DRIVER_PCT, 2, is_base ? "error closed" : "\"body\" end");
    finds(1u << LB_DRIVER_WALK, 4, is_base ? "error closed" : "\"body\" end");
}

static bool stop_after_three(void *context, const struct lb_sim_departure *departures,
                             uint32_t count)
{
    uint32_t *runs = context;
    assert_true(count == 0 || departures != NULL);
    return ++*runs < 3;
}

static void test_explore_ends_where_it_is_told(void **state)
{
    struct lb_explore_options options = options_of(2, 100);
    uint32_t runs = 0;
    (void)state;
    parse(RACE("\"body\" end or error closed"));
    options.schedule_max = 7;
    lb_explore(explorer, &parsed, &options, &found);
    assert_int_equal(found.schedule_count, 7);
    assert_false(found.is_complete);
    assert_int_equal(found.delay_complete, 0);
    options.schedule_max = 1;
    lb_explore(explorer, &parsed, &options, &found);
    assert_int_equal(found.schedule_count, 1);
    assert_false(found.is_complete);
    options.schedule_max = 0;
    options.go_on = stop_after_three;
    options.context = &runs;
    lb_explore(explorer, &parsed, &options, &found);
    assert_int_equal(runs, 3);
    assert_false(found.is_complete);
}

/* A run of more decisions than the search looks at: the certificate does not claim them. */
static void test_explore_claims_no_more_than_it_ran(void **state)
{
    struct lb_explore_options options = options_of(1, 0);
    (void)state;
    parse("case 1\ntitle t\nlevel HOUSE\nspec LASTBYTE E1\n"
          "host a\n  conn 1\n    want GET /\n    | HTTP/1.1 200 OK\n"
          "    | Content-Length: 6000\n    |\n    fill 6000\n"
          "host b\n  conn 1\n    want GET /\n    | HTTP/1.1 200 OK\n"
          "    | Content-Length: 6000\n    |\n    fill 6000\n"
          "client\n  get r1 a / => 200\n  get r2 b / => 200\n  read r1 all &\n"
          "  read r2 all => fill 6000 end\n  wait r1 => fill 6000 end\n");
    options.slice = 1;
    options.schedule_max = 2;
    lb_explore(explorer, &parsed, &options, &found);
    assert_true(found.decision_max > LB_EXPLORE_DECISIONS_MAX);
    assert_true(found.is_beyond);
    assert_false(found.is_complete);
    assert_int_equal(found.delay_complete, 0);
}

static void test_explore_runs_the_schedule_of_a_case_alone(void **state)
{
    struct lb_explore_options options = options_of(2, 100);
    (void)state;
    parse(
        "case 1\ntitle t\nlevel HOUSE\nspec LASTBYTE E1\nschedule after 1\n"
        "host a\n  conn 1\n    serve\nclient\n  get r1 a / => 200\n  read r1 all => \"ok\" end\n");
    lb_explore(explorer, &parsed, &options, &found);
    assert_int_equal(found.verdict, LB_VERDICT_PASS);
    assert_int_equal(found.schedule_count, 1);
    assert_true(found.is_complete);
    check_round_trip(&parsed); /* exploring has changed nothing of the case */
}

static void test_departures_as_text(void **state)
{
    static const char *const good[] = {"", "0", "3,0s,7t", "w0=7,w511=0,65535"};
    static const char *const bad[] = {",",    "3,",  "x",      "3u",  "65536",       "w0",
                                      "w0=8", "w=1", "w512=0", "3 4", "99999999999", "-1"};
    struct lb_sim_departure list[3];
    char text[LB_EXPLORE_TEXT_MAX];
    uint32_t count = 0;
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(lb_departures_parse(good[i], list, 3, &count));
        lb_departures_print(list, count, text);
        assert_string_equal(text, good[i]);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(lb_departures_parse(bad[i], list, 3, &count));
    }
    assert_false(lb_departures_parse("1,2,3,4", list, 3, &count));
}

#undef TEST
#define TEST(name) cmocka_unit_test_setup_teardown(name, explore_setup, explore_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_explore_runs_every_schedule_of_one_departure),
        TEST(test_explore_loses_nothing_by_sleep),
        TEST(test_explore_runs_the_drivers_it_is_asked_for),
        TEST(test_explore_sees_every_alternative),
        TEST(test_explore_knows_the_outcomes_that_it_saw),
        TEST(test_explore_finds_what_one_departure_shows),
        TEST(test_explore_finds_by_drawing_and_reduces),
        TEST(test_explore_ends_where_it_is_told),
        TEST(test_explore_claims_no_more_than_it_ran),
        TEST(test_explore_runs_the_schedule_of_a_case_alone),
        TEST(test_departures_as_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
