/*
 * Tests of notes: a case about policy passes as NOTE and tells which of its lawful alternatives came; no
 * other case does.
 */
#include "case_fixture.h"

#include "run.h"

/* A request that may come on the first connection again; there it may also be closed. */
#define REUSE(header)                                                                              \
    "case   1\n"                                                                                   \
    "title  A client may use a connection again\n" header "spec   LASTBYTE R1\n"                   \
    "host a\n"                                                                                     \
    "  conn *\n"                                                                                   \
    "    want GET /1\n"                                                                            \
    "    | HTTP/1.1 204 No Content\n"                                                              \
    "    |\n"                                                                                      \
    "    want GET /2 or close or reset\n"                                                          \
    "    | HTTP/1.1 204 No Content\n"                                                              \
    "    |\n"

#define BOTH "client\n  get r1 a /1 => error refused or 204 end\n  get r2 a /2 => 204 end\n"

static struct lb_check check;

static void check_text(const char *text)
{
    struct lb_runner *runner = NULL;
    parse(text);
    assert_int_equal(lb_runner_new(&runner), LB_OK);
    lb_check_case(runner, &parsed, &check);
    lb_runner_free(&runner);
}

/* check_note: that a note is about the line at a place, and which alternative it says was taken. */
static void check_note(uint32_t index, uint32_t place, uint32_t taken, const char *text)
{
    char printed[64];
    assert_true(index < check.note_count);
    const struct lb_note *note = &check.notes[index];
    assert_int_equal(note->line->place, place);
    assert_int_equal(note->taken, taken);
    lb_alternative_print(note->line, taken == 1 ? 0 : 1, printed, sizeof printed);
    assert_string_equal(printed, text);
}

static void test_note_tells_what_a_may_case_took(void **state)
{
    (void)state;
    check_text(REUSE("level  MAY\n") BOTH);
    assert_int_equal(check.verdict, LB_VERDICT_NOTE);
    assert_false(lb_verdict_is_bad(check.verdict));
    assert_int_equal(check.note_count, 2);
    check_note(0, 10, 1, "want GET /2");
    check_note(1, 14, 2, "204 end");
}

static void test_note_tells_that_a_connection_was_closed(void **state)
{
    (void)state;
    check_text(REUSE("level  MAY\n") "client\n  get r1 a /1 => 204 end\n  close-idle\n  settle\n");
    assert_int_equal(check.verdict, LB_VERDICT_NOTE);
    assert_int_equal(check.note_count, 1);
    check_note(0, 10, 2, "close or reset");
}

static void test_note_needs_a_case_about_policy(void **state)
{
    (void)state;
    check_text(REUSE("level  MUST\n") BOTH);
    assert_int_equal(check.verdict, LB_VERDICT_PASS);
    assert_int_equal(check.note_count, 0);
}

static void test_note_of_a_tag(void **state)
{
    (void)state;
    check_text("case   1\ntitle  t\nlevel  MUST\nspec   LASTBYTE O3\ntags   race policy\n"
               "host a\n  conn 1\n    want GET /\n    | HTTP/1.1 200 OK\n    | Content-Length: 4\n"
               "    |\n    send \"bo\"\n    pause 3s\n    send \"dy\"\n"
               "client\n  get r1 a / deadline 3s => 200\n  read r1 2 => \"bo\"\n"
               "  read r1 all => \"dy\" end or error timeout\n");
    assert_int_equal(check.verdict, LB_VERDICT_NOTE);
    assert_int_equal(check.note_count, 1);
    assert_int_equal(check.notes[0].taken, 3); /* each in some variant */
    check_round_trip(&parsed);
}

static void test_note_gives_way_to_a_failure(void **state)
{
    (void)state;
    check_text(REUSE("level  MAY\n") "client\n  get r1 a /1 => 200 or 206\n");
    assert_int_equal(check.verdict, LB_VERDICT_FAIL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_note_tells_what_a_may_case_took),
        cmocka_unit_test(test_note_tells_that_a_connection_was_closed),
        cmocka_unit_test(test_note_needs_a_case_about_policy),
        cmocka_unit_test(test_note_of_a_tag),
        cmocka_unit_test(test_note_gives_way_to_a_failure),
    };
    return cmocka_run_group_tests(tests, case_setup, case_teardown);
}
