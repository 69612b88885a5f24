/*
 * Tests of the case language: what parses, what is printed, what is equal, and the arena.
 */
#include "test/case_fixture.h"

#include "sim/net.h"

/* The three examples of the language's description, in canonical form. */
static const char example_cut[] =
    "case   1\n"
    "title  A chunked body cut before its last chunk is incomplete, and its connection is not "
    "reused\n"
    "level  MUST\n"
    "spec   RFC9112 8    \"incomplete if the zero-sized chunk ... has not been received\"\n"
    "spec   RFC9112 9.3  \"MUST read the entire response message body if it intends to reuse\"\n"
    "tags   chunked truncation pool\n"
    "vary   slice whole 1 7\n"
    "\n"
    "host a\n"
    "  conn 1\n"
    "    want GET /cut\n"
    "    | HTTP/1.1 200 OK\n"
    "    | Transfer-Encoding: chunked\n"
    "    |\n"
    "    chunk \"hello\"\n"
    "    pause 200ms\n"
    "    chunk \" world\"\n"
    "    close\n"
    "  conn 2\n"
    "    want GET /next\n"
    "    | HTTP/1.1 204 No Content\n"
    "    |\n"
    "\n"
    "client\n"
    "  setup get r1 a /cut       => 200\n"
    "  read  r1 5                => \"hello\"\n"
    "  read  r1 all              => \" world\" error incomplete\n"
    "  read  r1 1                => error incomplete  # sticky\n"
    "  close r1                  => ok\n"
    "  get   r2 a /next          => 204 end\n"
    "  close r2                  => ok\n"
    "  expect pool a             idle=1 busy=0 waiting=0\n"
    "  expect conns a            opened=2 closed=1\n"
    "  expect workers            read=1 write=1\n";

static const char example_early_close[] =
    "case   1\n"
    "title  Closing a body early never leaves its unread bytes in front of the next response\n"
    "level  MUST\n"
    "spec   RFC9112 9.3  \"MUST read the entire response message body if it intends to reuse\"\n"
    "tags   content-length early-close drain\n"
    "vary   slice whole 1 7\n"
    "\n"
    "host a\n"
    "  conn 1\n"
    "    want GET /ten\n"
    "    | HTTP/1.1 200 OK\n"
    "    | Content-Length: 10\n"
    "    |\n"
    "    send \"0123\"\n"
    "    pause 50ms\n"
    "    send \"456789\"\n"
    "    want GET /next or close  # drained and reused, or given up: both are lawful\n"
    "    | HTTP/1.1 200 OK\n"
    "    | Content-Length: 4\n"
    "    |\n"
    "    send \"next\"\n"
    "  conn 2\n"
    "    want GET /next\n"
    "    | HTTP/1.1 200 OK\n"
    "    | Content-Length: 4\n"
    "    |\n"
    "    send \"next\"\n"
    "\n"
    "client\n"
    "  setup get r1 a /ten       => 200\n"
    "  read  r1 3                => \"012\"\n"
    "  close r1                  => ok\n"
    "  get   r2 a /next          => 200\n"
    "  read  r2 all              => \"next\" end\n"
    "  close r2                  => ok\n"
    "  expect pool a             idle=1 busy=0 waiting=0\n"
    "  expect conns a            opened<=2\n";

static const char example_waiter[] = "case   1\n"
                                     "title  A request that waits for a connection is served when "
                                     "the one before it is cancelled in its body\n"
                                     "level  HOUSE\n"
                                     "spec   LASTBYTE B5  \"no wait outlives its cause\"\n"
                                     "spec   LASTBYTE E6\n"
                                     "tags   cancel waiter limit\n"
                                     "option per-host=1\n"
                                     "\n"
                                     "host a\n"
                                     "  conn 1\n"
                                     "    want GET /first\n"
                                     "    | HTTP/1.1 200 OK\n"
                                     "    | Content-Length: 10\n"
                                     "    |\n"
                                     "    send \"abc\"\n"
                                     "    stall\n"
                                     "  conn 2\n"
                                     "    want GET /second\n"
                                     "    | HTTP/1.1 200 OK\n"
                                     "    | Connection: close\n"
                                     "    |\n"
                                     "    send \"tail\"\n"
                                     "    pause 100ms\n"
                                     "    close\n"
                                     "\n"
                                     "client\n"
                                     "  setup get r1 a /first     => 200\n"
                                     "  read  r1 3                => \"abc\"\n"
                                     "  read  r1 all &  # blocks: seven bytes are owed\n"
                                     "  get   r2 a /second &\n"
                                     "  poll  r2                  => pending\n"
                                     "  expect pool a             idle=0 busy=1 waiting=1\n"
                                     "  cancel r1                 => ok\n"
                                     "  wait  r1                  => error cancelled\n"
                                     "  wait  r2                  => 200\n"
                                     "  read  r2 all              => \"tail\" end\n"
                                     "  close r1                  => ok\n"
                                     "  close r2                  => ok\n"
                                     "  expect conns a            opened=2 closed=2\n"
                                     "  expect workers            read=0 write=0\n";

/* check_canonical: that text parses, and prints as `expected`. */
static void check_canonical(const char *text, const char *expected)
{
    char *printed = NULL;
    size_t size = 0;
    parse(text);
    lb_case_print(&parsed, &printed, &size);
    assert_int_equal(size, strlen(printed));
    assert_string_equal(printed, expected);
    free(printed);
}

static void test_case_examples_print_as_they_stand(void **state)
{
    (void)state;
    check_canonical(example_cut, example_cut);
    check_canonical(example_early_close, example_early_close);
    check_canonical(example_waiter, example_waiter);
}

static void test_case_everything_prints_as_it_stands(void **state)
{
    (void)state;
    check_canonical(everything, everything);
}

static void test_case_example_is_understood(void **state)
{
    (void)state;
    parse(example_waiter);
    assert_string_equal(parsed.id, "id");
    assert_string_equal(parsed.area, "area");
    assert_int_equal(parsed.level, LB_LEVEL_HOUSE);
    assert_int_equal(parsed.spec_count, 2);
    assert_memory_equal(parsed.specs[0].quote.bytes, "no wait outlives its cause", 27);
    assert_int_equal(parsed.tag_count, 3);
    assert_true(parsed.is_option_set[LB_CASE_OPTION_PER_HOST]);
    assert_int_equal(parsed.options[LB_CASE_OPTION_PER_HOST], 1);
    assert_int_equal(parsed.host_count, 1);
    assert_int_equal(parsed.hosts[0].conn_count, 2);
    assert_int_equal(parsed.hosts[0].conns[0].script.count, 6);
    assert_int_equal(parsed.hosts[0].conns[1].script.lines[5].time_ns, 100000000);
    assert_int_equal(parsed.request_count, 2);
    assert_string_equal(parsed.requests[1], "r2");
    assert_int_equal(parsed.client.count, 14);
    const struct lb_line *line = &parsed.client.lines[8];
    assert_int_equal(line->verb, LB_VERB_WAIT);
    assert_int_equal(line->place, 35);
    assert_int_equal(line->outcome_count, 1);
    assert_int_equal(line->outcomes[0].items[0].kind, LB_OUTCOME_CODE);
    assert_int_equal(line->outcomes[0].items[0].number, 200);
    line = &parsed.client.lines[10];
    assert_int_equal(line->outcomes[0].item_count, 1);
    assert_int_equal(line->request, 0);
    line = &parsed.client.lines[9];
    assert_true(line->number == LB_CASE_ALL);
    assert_int_equal(line->outcomes[0].item_count, 2);
    assert_int_equal(line->outcomes[0].items[1].kind, LB_OUTCOME_END);
}

static void test_case_slices_are_understood(void **state)
{
    (void)state;
    parse(example_cut);
    assert_int_equal(parsed.slice_count, 3);
    assert_true(parsed.slices[0] == LB_NET_WHOLE);
    assert_int_equal(parsed.slices[2], 7);
}

static void test_case_schedule_is_understood(void **state)
{
    (void)state;
    parse(everything);
    assert_int_equal(parsed.departure_count, 5);
    assert_int_equal(parsed.departures[0].kind, LB_SIM_AFTER);
    assert_int_equal(parsed.departures[1].choice, 2);
    assert_int_equal(parsed.departures[2].kind, LB_SIM_ANCHOR);
    assert_int_equal(parsed.departures[2].role, LB_ROLE_READ);
    assert_string_equal(parsed.departures[2].label, "a.1");
    assert_int_equal(parsed.departures[2].site, LB_SITE_SOCKET_READ_BODY);
    assert_int_equal(parsed.departures[3].occurrence, 12);
    assert_int_equal(parsed.departures[4].worker, 2);
    assert_int_equal(parsed.departures[4].priority, 7);
}

static void test_case_free_form_becomes_canonical(void **state)
{
    (void)state;
    check_canonical(
        "\n\ncase 1 # beside\ntitle   A title\n# between\nlevel MAY\n\n"
        "spec LASTBYTE E1\nhost a # the host\n\n\n\n conn 1# it\n|\nwant   any\n"
        "want close# gone\nclient\n# first\n\n\nget r a /p => 200\n"
        "      get r2 a /p   => 200   # why\nsettle\nadvance 1000ms\n"
        "advance 0ms\nadvance 120s\n# below\n\n\n",
        "# beside\n# between\ncase   1\ntitle  A title\nlevel  MAY\nspec   LASTBYTE E1\n"
        "\n# the host\nhost a\n\n  # it\n  conn 1\n    |\n    want any\n"
        "    want close  # gone\n\nclient\n  # first\n\n  get   r a /p              => 200\n"
        "  get   r2 a /p             => 200  # why\n  settle\n  advance 1s\n"
        "  advance 0s\n  advance 2min\n# below\n");
}

static void test_case_missing_last_newline_is_allowed(void **state)
{
    (void)state;
    check_canonical("case 1\ntitle t\nlevel MUST\nspec LASTBYTE E1\nclient",
                    "case   1\ntitle  t\nlevel  MUST\nspec   LASTBYTE E1\n\nclient\n");
}

/* What is said differently, and is seen. */
static const char *const changes[][2] = {
    {"title  All", "title  Any"},
    {"level  SHOULD", "level  MAY"},
    {"longer", "other"},
    {"LASTBYTE E1", "LASTBYTE E2"},
    {"tags   one two", "tags   one"},
    {"whole 1 7", "whole 2 7"},
    {"idle-total=3 ", ""},
    {"retries=2", "retries=1"},
    {"after 3", "after 4"},
    {"after 0 third", "after 0"},
    {"#1 second", "#2 second"},
    {"read(a.1)", "read(a.2)"},
    {"start 2 7", "start 2 6"},
    {"host c", "host d"},
    {"conn 4", "conn 5"},
    {"or close or reset", "or close"},
    {"or close or reset", "or reset"},
    {"GET /p?q=1", "HEAD /p?q=1"},
    {"/p?q=1", "/p?q=2"},
    {"folded", "unfold"},
    {"chunk fill 16", "fill 16"},
    {"pause 1500ms", "pause 1s"},
    {"await go", "await no"},
    {" /p close deadline", " /p deadline"},
    {"body 9 expect", "body 8 expect"},
    {"body 9 expect", "expect"},
    {"body 9 expect", "body 9"},
    {"DELETE /up body 0", "DELETE /up"},
    {"want body 12", "want body 11"},
    {"want body all", "want body end"},
    {"gzip 0\n", "gzip 1\n"},
    {"cut 17", "cut 18"},
    {"100 cut 17", "100"},
    {"chunk gzip 70000", "gzip 70000"},
    {"OPTIONS *", "OPTIONS /"},
    {"p1 a /p body 5", "p1 a /p"},
    {"p1 a /p body 5", "p1 a /p body 6"},
    {"post  p1", "put   p1"},
    {"chunked piece 2", "piece 2"},
    {"piece 2", "piece 3"},
    {"once at 3", "at 3"},
    {"at 3 await", "at 4 await"},
    {"await go expect", "await no expect"},
    {"await go expect", "fail expect"},
    {"expect interim stop 2", "interim stop 2"},
    {"interim stop 2", "interim"},
    {"interim stop 2", "interim stop 1"},
    {"a * interim", "a *"},
    {" upgrade ", " "},
    {" http10 ", " "},
    {" idempotent ", " "},
    {"\"C:\"", "\"D:\""},
    {" with \"C:\"", ""},
    {"7 stall", "7 end"},
    {"103 103 200", "103 200"},
    {"\"x\\n\"", "\"y\\n\""},
    {"p5 Digest", "p5 digest"},
    {"or none", ""},
    {"read>=3", "read>=4"},
    {"rewound<=2", "closed<=2"},
    {"gzip=1 ", ""},
    {"keep-alive=0", "keep-alive=1"},
    {"deadline 2min", "deadline 1s"},
    {"a /p close", "c /p close"},
    {"200 end", "200"},
    {"fill 7 end", "fill 8 end"},
    {"error memory", "error limit"},
    {" unreached-ok \"it is patient\"", ""},
    {"is patient", "is hasty"},
    {"\\x01", "\\x02"},
    {"read  r1 all &", "read  r1 all"},
    {"setup get", "should get"},
    {"wait  r1", "wait  r2"},
    {"busy<=2", "busy>=2"},
    {"state=cancelled", "state=closed"},
    {"b-2.12", "b-2.13"},
    {"closed-by=nobody", "closed-by=server"},
    {"dial=0", "dial=1"},
    {"close-idle a", "close-idle c"},
};

static void test_case_equality_sees_every_change(void **state)
{
    (void)state;
    struct lb_case other;
    struct lb_case_error error;
    char text[sizeof(everything) + 64];
    parse(everything);
    assert_int_equal(lb_case_init(&other), LB_OK);
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        const char *place = strstr(everything, changes[i][0]);
        assert_non_null(place);
        snprintf(text, sizeof(text), "%.*s%s%s", (int)(place - everything), everything,
                 changes[i][1], place + strlen(changes[i][0]));
        if (lb_case_parse("x", text, strlen(text), &other, &error) != LB_OK) {
            lb_case_error_text(&error, text, sizeof(text));
            fail_msg("%s: %s", changes[i][1], text);
        }
        assert_false(lb_case_is_equal(&parsed, &other));
    }
    lb_case_deinit(&other);
}

static void test_case_equality_ignores_comments_and_places(void **state)
{
    (void)state;
    static const char commented[] = "# new\ncase 1\ntitle t\n\nlevel MUST\nspec LASTBYTE "
                                    "E1\n\nclient # here\n\n settle # now\n";
    struct lb_case other;
    struct lb_case_error error;
    parse("case 1\ntitle t\nlevel MUST\nspec LASTBYTE E1\nclient\nsettle\n");
    assert_int_equal(lb_case_init(&other), LB_OK);
    assert_int_equal(lb_case_parse("y", commented, strlen(commented), &other, &error), LB_OK);
    assert_true(lb_case_is_equal(&parsed, &other));
    lb_case_deinit(&other);
}

static void test_case_round_trips(void **state)
{
    (void)state;
    parse(everything);
    check_round_trip(&parsed);
    parse(example_early_close);
    check_round_trip(&parsed);
}

static void test_case_made_in_memory_round_trips(void **state)
{
    (void)state;
    struct lb_case_spec spec = {.document = lb_case_text(&parsed, "LASTBYTE", 8),
                                .section = lb_case_text(&parsed, "E1", 2)};
    struct lb_line lines[3] = {
        {.verb = LB_VERB_HEAD_LINE, .request = -1, .host = -1},
        {.verb = LB_VERB_HEAD_LINE, .request = -1, .host = -1},
        {.verb = LB_VERB_SEND, .request = -1, .host = -1},
    };
    struct lb_case_conn conn = {.number = 0, .script = {.lines = lines, .count = 3}};
    lines[0].bytes = lb_case_text(&parsed, "  \0\t\x7f \"#\\ ", 11);
    lines[1].bytes = lb_case_text(&parsed, " ", 1);
    lines[2].bytes = lb_case_text(&parsed, " \0#\"\\\r\n\xff ", 9);
    parsed.title = lb_case_text(&parsed, " blanks at \x01 both ends # ", 25);
    parsed.specs = &spec;
    parsed.spec_count = 1;
    snprintf(parsed.hosts[0].name, sizeof(parsed.hosts[0].name), "a");
    parsed.hosts[0].conns = &conn;
    parsed.hosts[0].conn_count = 1;
    parsed.host_count = 1;
    check_round_trip(&parsed);
}

static void test_case_line_prints_without_layout(void **state)
{
    (void)state;
    char text[64];
    parse(example_cut);
    lb_line_print(&parsed, &parsed.client.lines[0], text, sizeof(text));
    assert_string_equal(text, "setup get r1 a /cut => 200");
    lb_line_print(&parsed, &parsed.client.lines[3], text, sizeof(text));
    assert_string_equal(text, "read r1 1 => error incomplete");
    lb_line_print(&parsed, &parsed.client.lines[7], text, sizeof(text));
    assert_string_equal(text, "expect pool a idle=1 busy=0 waiting=0");
    lb_line_print(&parsed, &parsed.hosts[0].conns[0].script.lines[4], text, sizeof(text));
    assert_string_equal(text, "chunk \"hello\"");
    lb_line_print(&parsed, &parsed.client.lines[0], text, 6);
    assert_string_equal(text, "setup");
    lb_line_print(&parsed, &parsed.client.lines[0], text, 1);
    assert_string_equal(text, "");
}
/* -- arena and words -- */

static void test_case_clear_keeps_the_memory(void **state)
{
    (void)state;
    void *first = lb_case_alloc(&parsed, 100);
    (void)lb_case_alloc(&parsed, 200000);
    void *last = lb_case_alloc(&parsed, 100);
    lb_case_clear(&parsed);
    assert_ptr_equal(lb_case_alloc(&parsed, 100), first);
    char *large = lb_case_alloc(&parsed, 200000);
    for (size_t i = 0; i < 200000; i++) {
        assert_int_equal(large[i], 0);
    }
    memset(large, 1, 200000);
    assert_ptr_equal(lb_case_alloc(&parsed, 100), last);
}

static void test_case_zeroed_case_can_be_released(void **state)
{
    (void)state;
    struct lb_case zero;
    memset(&zero, 0, sizeof(zero));
    lb_case_clear(&zero);
    lb_case_deinit(&zero);
    assert_null(zero.arena);
}

static void test_case_text_may_hold_any_byte(void **state)
{
    (void)state;
    struct lb_text text = lb_case_text(&parsed, "a\0b", 3);
    assert_int_equal(text.size, 3);
    assert_memory_equal(text.bytes, "a\0b", 4);
    text = lb_case_text(&parsed, NULL, 0);
    assert_int_equal(text.size, 0);
    assert_int_equal(text.bytes[0], '\0');
}

static void test_case_verbs_have_words(void **state)
{
    (void)state;
    for (int verb = 0; verb < LB_VERB_COUNT; verb++) {
        assert_non_null(lb_verb_word((enum lb_verb)verb));
    }
    assert_string_equal(lb_verb_word(LB_VERB_HALF_CLOSE), "half-close");
    assert_string_equal(lb_verb_word(LB_VERB_EXPECT_WIRE), "expect");
}

static void test_case_fill_shows_every_shift(void **state)
{
    (void)state;
    for (uint64_t shift = 1; shift <= 4096; shift++) {
        uint32_t same = 0;
        for (uint64_t offset = 0; offset < 64; offset++) {
            assert_true(lb_fill_byte(offset) > ' ');
            assert_true(lb_fill_byte(offset) < 0x7f);
            same += lb_fill_byte(offset) == lb_fill_byte(offset + shift) ? 1 : 0;
        }
        assert_true(same < 16);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_case_examples_print_as_they_stand),
        TEST(test_case_everything_prints_as_it_stands),
        TEST(test_case_example_is_understood),
        TEST(test_case_slices_are_understood),
        TEST(test_case_schedule_is_understood),
        TEST(test_case_free_form_becomes_canonical),
        TEST(test_case_missing_last_newline_is_allowed),
        TEST(test_case_equality_sees_every_change),
        TEST(test_case_equality_ignores_comments_and_places),
        TEST(test_case_round_trips),
        TEST(test_case_made_in_memory_round_trips),
        TEST(test_case_line_prints_without_layout),
        TEST(test_case_clear_keeps_the_memory),
        TEST(test_case_zeroed_case_can_be_released),
        TEST(test_case_text_may_hold_any_byte),
        TEST(test_case_verbs_have_words),
        TEST(test_case_fill_shows_every_shift),
    };
    return cmocka_run_group_tests_name("case", tests, NULL, NULL);
}
