/*
 * Tests of the workers left: that orphans, hostages, deadlocks and points of no return are named rightly,
 * in a client whose runtime loses a wake-up, and where a case leaves workers by itself.
 *
 * The runtime is broken from outside: the linker sends each lb_sim_wake through a function of ours.
 */
#include "case_fixture.h"

#include "sim/sim.h"
#include "story.h"

void __real_lb_sim_wake(struct lb_sim *sim, struct lb_sim_queue *queue);
void __wrap_lb_sim_wake(struct lb_sim *sim, struct lb_sim_queue *queue);

static enum lb_site lost_site; /* the wake-up at this site that has a waiter is lost; NONE: none */
static uint32_t lost_number;   /* the N-th of these, from 1; 0: all */
static uint32_t lost_count;

void __wrap_lb_sim_wake(struct lb_sim *sim, struct lb_sim_queue *queue)
{
    int32_t current = lb_sim_current(sim);
    if (lost_site != LB_SITE_NONE && current >= 0 && queue->wait == LB_SIM_WAIT_CONDITION &&
        queue->first != NULL) {
        struct lb_sim_view view;
        lb_sim_view(sim, (uint32_t)current, &view);
        lost_count += view.site == lost_site ? 1 : 0;
        if (view.site == lost_site && (lost_number == 0 || lost_count == lost_number)) {
            return;
        }
    }
    __real_lb_sim_wake(sim, queue);
}

static char told[16384];
static struct lb_result result;

static void tell(void *context, const char *line, enum lb_tone tone)
{
    (void)context;
    (void)tone;
    size_t used = strlen(told);
    assert_true(strlen(line) <= LB_STORY_WIDTH);
    snprintf(told + used, sizeof told - used, "%s\n", line);
}

/* run: runs a case with a wake-up lost, and tells its leaks, then its table. */
static void run(const char *text, enum lb_site site, uint32_t number)
{
    static char lines[16384];
    const struct lb_story_output output = {tell, NULL};
    struct lb_runner *runner = NULL;
    struct lb_story *story = NULL;
    struct lb_result plain;
    parse(text);
    check_round_trip(&parsed);
    assert_int_equal(lb_runner_new(&runner), LB_OK);
    assert_int_equal(lb_story_new(&story), LB_OK);
    const struct lb_run_output recorded = {.story = story};
    lost_site = site;
    lost_number = number;
    lost_count = 0;
    lb_runner_run(runner, &parsed, NULL, &recorded, &result);
    lost_count = 0;
    lb_runner_run(runner, &parsed, NULL, NULL, &plain);
    assert_int_equal(result.trace_hash, plain.trace_hash); /* recording changes nothing */
    assert_int_equal(result.verdict, plain.verdict);
    lost_site = LB_SITE_NONE;
    told[0] = '\0';
    lb_story_leaks(story, &output);
    snprintf(lines, sizeof lines, "%s", told);
    lb_story_table(story, false, &output);
    lb_story_free(&story);
    lb_runner_free(&runner);
}

static void says(const char *text)
{
    if (strstr(told, text) == NULL) {
        fprintf(stderr, "%s", told);
        fail_msg("not told: %s", text);
    }
}

static void says_not(const char *text)
{
    if (strstr(told, text) != NULL) {
        fail_msg("told: %s\n%s", text, told);
    }
}

#define HEAD                                                                                       \
    "case   1\n"                                                                                   \
    "title  A worker is left\n"                                                                    \
    "level  HOUSE\n"                                                                               \
    "spec   LASTBYTE E1\n"

#define HALF                                                                                       \
    "host a\n"                                                                                     \
    "  conn 1\n"                                                                                   \
    "    want GET /\n"                                                                             \
    "    | HTTP/1.1 200 OK\n"                                                                      \
    "    | Content-Length: 10\n"                                                                   \
    "    |\n"                                                                                      \
    "    send \"12345\"\n"

#define CLOSED                                                                                     \
    HEAD HALF "client\n"                                                                           \
              "  get r1 a / => 200\n"                                                              \
              "  close r1 => ok\n"

static void test_story_leaves_nobody_in_a_good_run(void **state)
{
    (void)state;
    run(CLOSED, LB_SITE_NONE, 0);
    assert_int_equal(result.verdict, LB_VERDICT_PASS);
    says_not("left");
    says_not("point of no return");
}

static void test_story_names_the_orphan_of_a_lost_wake_up(void **state)
{
    (void)state;
    run(CLOSED, LB_SITE_WAKE_READ, 0);
    assert_int_equal(result.verdict, LB_VERDICT_LEAK);
    says("workers left at the end of the program:\n");
    says("    read(a.1)  orphaned, lives ");
    says("      parked at      wait.body-end\n");
    says("      would wake on  read to the end, close or cancel of r1; death of a.1\n");
    says("      nobody left    r1 was closed; a.1 is closed\n");
    says(", caller(main): close r1 => ok\n");
    says("      holds          socket a.1\n");
    says("      created by     dial(a.1) <- caller(main) <- world\n");
    says("^^^ point of no return: from here nobody can wake read(a.1)\n");
    says_not("write(a.1)  orphaned");
    says_not("deadlock");
}

static void test_story_names_the_deadlock(void **state)
{
    (void)state;
    run(CLOSED, LB_SITE_WAKE_WRITE, 1);
    assert_int_equal(result.verdict, LB_VERDICT_LEAK);
    says("    read(a.1)  orphaned, lives forever\n");
    says("      parked at      join.write\n");
    says("      would wake on  the end of write(a.1)\n");
    says("    write(a.1)  orphaned, lives forever\n");
    says("      parked at      wait.request\n");
    says("read(a.1) is orphaned itself");
    says("      deadlock       write(a.1) waits at wait.request for read(a.1); read(a.1) holds "
         "socket a.1");
    says("waits at join.write for write(a.1)\n");
    says("^^^ point of no return: from here nobody can wake write(a.1) read(a.1)\n");
}

static void test_story_names_who_waits_behind_an_orphan(void **state)
{
    (void)state;
    run(HEAD "option per-host=1\n" HALF "client\n"
             "  get r1 a / => 200\n"
             "  drop r1 => ok\n"
             "  get r2 a / &\n"
             "  expect pool a waiting=0\n",
        LB_SITE_NONE, 0);
    assert_int_equal(result.verdict, LB_VERDICT_FAIL);
    says("    caller(r2)  orphaned, lives until-destroy\n");
    says("      parked at      wait.connection\n");
    says("      nobody left    read(a.1) is orphaned itself\n");
    says(", caller(main): drop r1 => ok\n");
    says(", caller(r2): blocks at wait.connection\n");
    says_not("deadlock");
}

static void test_story_names_the_hostage_to_the_peer(void **state)
{
    (void)state;
    run(HEAD HALF "client\n"
                  "  get r1 a / => 200\n"
                  "  read r1 all => \"12345\" end\n",
        LB_SITE_NONE, 0);
    assert_true(lb_verdict_is_bad(result.verdict));
    says("    caller(main)  hostage to peer, lives until-destroy\n");
    says("      parked at      socket.read.body\n");
    says("    read(a.1)  hostage to peer, through caller(main), lives until-destroy\n");
    says_not("orphan");
}

static void test_story_names_the_hostage_to_its_source(void **state)
{
    (void)state;
    run(HEAD "host a\n"
             "  conn 1\n"
             "    want POST / body 5\n"
             "client\n"
             "  post r1 a / body 5 at 2 stall => 200\n",
        LB_SITE_NONE, 0);
    assert_true(lb_verdict_is_bad(result.verdict));
    says("    write(a.1)  hostage to caller, or through caller(main) to peer, lives "
         "until-destroy\n");
    says("      would wake on  the source of r1\n");
    says_not("orphan");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_story_leaves_nobody_in_a_good_run),
        TEST(test_story_names_the_orphan_of_a_lost_wake_up),
        TEST(test_story_names_the_deadlock),
        TEST(test_story_names_who_waits_behind_an_orphan),
        TEST(test_story_names_the_hostage_to_the_peer),
        TEST(test_story_names_the_hostage_to_its_source),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
