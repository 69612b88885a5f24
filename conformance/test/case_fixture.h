/*
 * What the tests of the case language share: texts that hold the whole language, a case to parse
 * into, and the round trip.
 */
#ifndef LASTBYTE_CONFORMANCE_TEST_CASE_FIXTURE_H
#define LASTBYTE_CONFORMANCE_TEST_CASE_FIXTURE_H

#include "case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A case with every statement, option and departure, in canonical form. */
static const char everything[] =
    "# a file begins with a comment\n"
    "#\n"
    "# or with several\n"
    "case   1\n"
    "title  All of the language \\\\ stands here\n"
    "level  SHOULD\n"
    "spec   RFC9110 6.4.1  \"quoted \\\"words\\\"\"\n"
    "spec   LASTBYTE E1\n"
    "spec   RFC9112 9.3    \"longer\"\n"
    "tags   one two\n"
    "vary   slice whole 1 7 64\n"
    "option per-host=1 idle-per-host=0 idle-total=3 idle-timeout=never "
    "dial-timeout=30s head-timeout=1500us head-size=100 retries=2 "
    "drain=0 drain-time=50ms continue-timeout=0s written-timeout=1ms gzip=1 gzip-tail=1 "
    "gzip-ratio=9 keep-alive=0\n"
    "schedule after 3\n"
    "schedule after 0 third\n"
    "schedule demote read(a.1) @ socket.read.body #1 second\n"
    "schedule demote caller(main) @ body.close #12\n"
    "schedule start 2 7\n"
    "\n"
    "host a\n"
    "  conn 1\n"
    "    want GET /p?q=1 or close or reset\n"
    "    | HTTP/1.1 200 OK\n"
    "    |  folded\\x20\n"
    "    |\n"
    "    send \"\\r\\n\\t\\\\\\\"\\x00\\xff# no comment\"  # a comment\n"
    "\n"
    "    # above, indented\n"
    "    chunk \"x\"\n"
    "    chunk fill 16\n"
    "    chunk end\n"
    "    fill 1048576\n"
    "    pause 1500ms\n"
    "    await go\n"
    "    half-close\n"
    "    want HEAD /\n"
    "    want any or reset\n"
    "    want POST /up body 9 expect or close\n"
    "    want DELETE /up body 0\n"
    "    want PUT /up expect\n"
    "    want OPTIONS *\n"
    "    want body 12\n"
    "    want body all\n"
    "    want body end\n"
    "    gzip 0\n"
    "    gzip 100 cut 17\n"
    "    chunk gzip 70000\n"
    "    want close or reset\n"
    "  # a comment above a connection\n"
    "  conn 2\n"
    "    refuse\n"
    "  conn 3\n"
    "    stall\n"
    "  conn 4\n"
    "    want close\n"
    "    want reset\n"
    "    reset\n"
    "  conn *\n"
    "    serve\n"
    "\n"
    "# a comment above a host\n"
    "host b-2\n"
    "\n"
    "host c\n"
    "\n"
    "client\n"
    "  setup get r1 a /p close deadline 2min => 200 end\n"
    "  head  r2 a /                          => 200 or error timeout unreached-ok \"it is "
    "patient\" or error memory\n"
    "  post  p1 a /p body 5\n"
    "  post  p2 a /p body 9 chunked piece 2 once at 3 await go expect interim stop 2 upgrade "
    "http10 idempotent with \"A: b\" with \"C:\" close deadline 1s\n"
    "  put   p3 a /p body 7 at 7 stall\n"
    "  delete p4 a /p body 7 piece 1 at 0 fail &\n"
    "  post  p6 a /p body 7 at 2 end\n"
    "  options p5 a * interim                => 103 103 200 end\n"
    "  write p5 \"x\\n\"                        => ok\n"
    "  trailer p5 Digest                     => \"sha\" or none\n"
    "  get   r3 b-2 /long/path/beyond/the/column/of/outcomes => 200\n"
    "  read  r1 1                            => \"\\x01\" fill 7 end\n"
    "  read  r1 all &\n"
    "  should close r1 &\n"
    "  wait  r1                              => ok\n"
    "  poll  r1                              => pending\n"
    "  cancel r1\n"
    "  drop  r2                              => ok\n"
    "  close-idle\n"
    "  close-idle a                          => ok\n"
    "  advance 1ns\n"
    "  settle\n"
    "  signal go\n"
    "  expect pool a                         idle=1 busy<=2 waiting>=3\n"
    "  expect conns a                        opened>=1 opened<=2 closed=0\n"
    "  expect body r1                        state=cancelled\n"
    "  expect wire b-2.12                    closed-by=nobody\n"
    "  expect source p2                      closed=1 read>=3 rewound<=2\n"
    "  should expect workers                 read=1 write=1 dial=0\n"
    "\n"
    "# the end\n";

static struct lb_case parsed; /* initialised by the set-up of every test */

static int case_setup(void **state)
{
    (void)state;
    return lb_case_init(&parsed) == LB_OK ? 0 : -1;
}

static int case_teardown(void **state)
{
    (void)state;
    lb_case_deinit(&parsed);
    return 0;
}

/* parse: parses text that must be a case. */
static void parse(const char *text)
{
    struct lb_case_error error;
    char message[512];
    if (lb_case_parse("area/id.case", text, strlen(text), &parsed, &error) != LB_OK) {
        lb_case_error_text(&error, message, sizeof(message));
        fail_msg("%s", message);
    }
}

/* check_round_trip: that what was parsed prints, parses to an equal case, and prints the same. */
static void check_round_trip(const struct lb_case *c)
{
    struct lb_case again;
    struct lb_case_error error;
    char *first = NULL;
    char *second = NULL;
    size_t size = 0;
    lb_case_print(c, &first, &size);
    assert_int_equal(lb_case_init(&again), LB_OK);
    if (lb_case_parse("again", first, size, &again, &error) != LB_OK) {
        fail_msg("%u:%u %s, expected %s in\n%s", error.line, error.column, error.found,
                 error.expected, first);
    }
    assert_true(lb_case_is_equal(c, &again));
    lb_case_print(&again, &second, &size);
    assert_string_equal(first, second);
    free(first);
    free(second);
    lb_case_deinit(&again);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, case_setup, case_teardown)

#endif
