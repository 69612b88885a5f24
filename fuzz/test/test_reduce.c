/*
 * Tests of programs and of the reducer, with findings made up: an input shows one if the case that it
 * says has certain lines.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "program.h"
#include "reduce.h"

#define DECISIONS_MORE 10 /* of has_departure_at_the_end */
#define OP(name) (uint8_t)(0x80 | LBI_OPERATION_##name)

static void assert_program(const struct lbi_program *program, const uint8_t *bytes, size_t size)
{
    assert_int_equal(program->size, size);
    assert_memory_equal(program->bytes, bytes, size);
}

/* -- programs -- */

static void test_program_begins_at_its_first_operation(void **state)
{
    const uint8_t bytes[] = {1, 2, OP(GET), 3, OP(SETTLE)};
    struct lbi_program program;
    (void)state;
    lbi_program_set(&program, bytes, sizeof(bytes), false);
    assert_int_equal(program.count, 2);
    assert_program(&program, bytes + 2, 3);
    lbi_program_set(&program, bytes, sizeof(bytes), true);
    assert_int_equal(program.count, 5);
}

static void test_program_order_is_shortlex(void **state)
{
    const uint8_t two_short[] = {OP(GET), OP(GET)};
    const uint8_t one_long[] = {OP(SETTLE), 9, 9, 9};
    const uint8_t one_low[] = {OP(GET), 1};
    const uint8_t one_high[] = {OP(GET), 2};
    struct lbi_program a;
    struct lbi_program b;
    (void)state;
    lbi_program_set(&a, one_long, sizeof(one_long), false);
    lbi_program_set(&b, two_short, sizeof(two_short), false);
    assert_true(lbi_program_compare(&a, &b) < 0);
    lbi_program_set(&b, one_low, sizeof(one_low), false);
    assert_true(lbi_program_compare(&a, &b) > 0);
    lbi_program_set(&a, one_high, sizeof(one_high), false);
    assert_true(lbi_program_compare(&a, &b) > 0);
    assert_int_equal(lbi_program_compare(&a, &a), 0);
}

static void test_program_without_a_request_keeps_what_others_mean(void **state)
{
    /* r1, r2, r3; read r1; close r2 (goes); read r3. */
    const uint8_t bytes[] = {OP(GET), OP(GET), OP(GET), OP(READ), 2, OP(CLOSE), 1, OP(READ)};
    const uint8_t expected[] = {OP(GET), OP(GET), OP(READ), 1, OP(READ)};
    struct lbi_program program;
    struct lbi_program without;
    bool gone[LB_CODEC_SIZE_MAX] = {false};
    (void)state;
    lbi_program_set(&program, bytes, sizeof(bytes), false);
    gone[1] = true;
    lbi_program_without(&program, gone, true, &without);
    assert_program(&without, expected, sizeof(expected));
}

static void test_program_without_a_request_loses_its_body(void **state)
{
    const uint8_t bytes[] = {OP(ASK), OP(BODY), 0, 5, OP(ASK), OP(BODY), 0, 6};
    const uint8_t expected[] = {OP(ASK), OP(BODY), 0, 6};
    struct lbi_program program;
    struct lbi_program without;
    bool gone[LB_CODEC_SIZE_MAX] = {true};
    (void)state;
    lbi_program_set(&program, bytes, sizeof(bytes), false);
    lbi_program_without(&program, gone, true, &without);
    assert_program(&without, expected, sizeof(expected));
}

static void test_program_operand_is_set_where_it_was_missing(void **state)
{
    const uint8_t bytes[] = {OP(GET), OP(SETTLE)};
    const uint8_t expected[] = {OP(GET), 0, 0, 7, OP(SETTLE)};
    struct lbi_program program;
    (void)state;
    lbi_program_set(&program, bytes, sizeof(bytes), false);
    assert_true(lbi_program_set_operand(&program, 0, 2, 7));
    assert_program(&program, expected, sizeof(expected));
    assert_int_equal(lbi_program_operand(&program, 0, 2), 7);
    assert_int_equal(lbi_program_operand(&program, 1, 2), 0);
}

/* -- the reducer -- */

struct wish {
    bool (*is_there)(const struct lb_case *c);
    struct lb_case c;
    uint64_t asked;
    uint64_t better;
    size_t size_last;
};

static bool on_is_same(void *context, const uint8_t *bytes, size_t size)
{
    struct wish *wish = context;
    wish->asked++;
    lb_codec_decode(bytes, size, &wish->c);
    return wish->is_there(&wish->c);
}

static void on_better(void *context, const uint8_t *bytes, size_t size)
{
    struct wish *wish = context;
    (void)bytes;
    wish->better++;
    wish->size_last = size;
}

static bool on_go_on_three(void *context)
{
    return ((struct wish *)context)->asked < 3;
}

static const struct lb_line *find_client(const struct lb_case *c, enum lb_verb verb, int32_t host)
{
    for (uint32_t i = 0; i < c->client.count; i++) {
        if (c->client.lines[i].verb == verb && (host < 0 || c->client.lines[i].host == host)) {
            return &c->client.lines[i];
        }
    }
    return NULL;
}

/* Somebody cancels the second of two requests. */
static bool has_second_cancelled(const struct lb_case *c)
{
    const struct lb_line *cancel = find_client(c, LB_VERB_CANCEL, -1);
    return cancel != NULL && cancel->request == 1;
}

/* A read of 33 bytes or more. */
static bool has_long_read(const struct lb_case *c)
{
    const struct lb_line *read = find_client(c, LB_VERB_READ, -1);
    return read != NULL && read->number != LB_CASE_ALL && read->number >= 33;
}

static bool lines_have_semicolon(const struct lb_lines *lines)
{
    for (uint32_t i = 0; i < lines->count; i++) {
        const struct lb_line *line = &lines->lines[i];
        if (line->verb == LB_VERB_SEND &&
            memchr(line->bytes.bytes, ';', line->bytes.size) != NULL) {
            return true;
        }
    }
    return false;
}

/* Some script sends a text that has a semicolon. */
static bool has_semicolon(const struct lb_case *c)
{
    for (uint32_t h = 0; h < c->host_count; h++) {
        for (uint32_t s = 0; s < c->hosts[h].conn_count; s++) {
            if (lines_have_semicolon(&c->hosts[h].conns[s].script)) {
                return true;
            }
        }
    }
    return false;
}

/* Two departures from the schedule, the second after three decisions or more. */
static bool has_two_departures(const struct lb_case *c)
{
    return c->departure_count == 2 && c->departures[1].skip >= 3;
}

/* A limit of two connections or more for a host, or one for the size of a head. */
static bool has_limit(const struct lb_case *c)
{
    return c->is_option_set[LB_CASE_OPTION_HEAD_SIZE] ||
           (c->is_option_set[LB_CASE_OPTION_PER_HOST] && c->options[LB_CASE_OPTION_PER_HOST] >= 2);
}

/* A limit for a host and a slice, or instead of both a limit for what is drained. */
static bool has_two_options_or_one(const struct lb_case *c)
{
    bool has_limit = c->is_option_set[LB_CASE_OPTION_PER_HOST];
    bool has_slice = c->slice_count > 0;
    return c->is_option_set[LB_CASE_OPTION_DRAIN] ? !has_limit && !has_slice
                                                  : has_limit && has_slice;
}

/* The last departure follows after 22 decisions or more, those before it counted in. */
static bool has_late_departure(const struct lb_case *c)
{
    uint64_t decisions = 0;
    for (uint32_t i = 0; i < c->departure_count; i++) {
        decisions += c->departures[i].skip + (i > 0 ? 1u : 0u);
    }
    return decisions >= 22;
}

/* The last departure follows after as many decisions as there are lines of the program, and ten. */
static bool has_departure_at_the_end(const struct lb_case *c)
{
    uint64_t decisions = 0;
    for (uint32_t i = 0; i < c->departure_count; i++) {
        decisions += c->departures[i].skip + (i > 0 ? 1u : 0u);
    }
    return c->departure_count > 0 && decisions == c->client.count + DECISIONS_MORE;
}

/* A get with a deadline, or one whose connection is not to be used again. */
static bool has_odd_get(const struct lb_case *c)
{
    for (uint32_t i = 0; i < c->client.count; i++) {
        const struct lb_line *line = &c->client.lines[i];
        if (line->verb == LB_VERB_GET && (line->time_ns > 0 || line->is_close)) {
            return true;
        }
    }
    return false;
}

static bool is_any(const struct lb_case *c)
{
    (void)c;
    return true;
}

/* A conversation with a bit of everything. */
static const uint8_t everything[] = {
    OP(PER_HOST),
    2,
    OP(SLICE),
    7,
    OP(RESPOND),
    1,
    9,
    OP(RESPOND),
    0,
    20,
    OP(SCRIPT),
    0,
    1,
    OP(WANT),
    OP(LINE),
    1,
    OP(LINE),
    4,
    5,
    OP(LINE),
    OP(SEND),
    'a',
    'b',
    ';',
    'c',
    'd',
    OP(SCRIPT),
    1,
    0,
    OP(RESPOND),
    5,
    12,
    OP(PAUSE),
    3,
    OP(END),
    OP(GET),
    0,
    2,
    OP(GET),
    1,
    0,
    4,
    OP(READ),
    0,
    0,
    40,
    OP(ASK),
    0,
    1,
    4,
    OP(BODY),
    5,
    30,
    OP(READ),
    1,
    1,
    9,
    OP(CANCEL),
    1,
    OP(WAIT),
    2,
    OP(CLOSE),
    0,
    OP(SETTLE),
    OP(EXCHANGE),
    2,
    OP(AFTER),
    1,
    9,
    OP(AFTER),
    2,
    12,
};

static void reduce(struct wish *wish, uint64_t run_max, bool (*go_on)(void *),
                   struct lbi_program *ret_program, struct lb_reduce_result *ret_result)
{
    uint8_t bytes[LB_CODEC_SIZE_MAX];
    size_t size = sizeof(everything);
    const struct lb_reduce_options options = {.is_same = on_is_same,
                                              .on_better = on_better,
                                              .go_on = go_on,
                                              .context = wish,
                                              .run_max = run_max};
    memcpy(bytes, everything, size);
    wish->asked = 0;
    wish->better = 0;
    wish->size_last = size;
    assert_int_equal(lb_case_init(&wish->c), LB_OK);
    assert_true(on_is_same(wish, bytes, size));
    wish->asked = 0;
    lb_reduce(&options, bytes, &size, ret_result);
    assert_true(on_is_same(wish, bytes, size)); /* what is left still shows it */
    wish->asked--;
    lbi_program_set(ret_program, bytes, size, false);
    assert_int_equal(ret_result->run_count, wish->asked);
    assert_int_equal(ret_result->better_count, wish->better);
    lb_case_deinit(&wish->c);
}

static void assert_reduced(bool (*is_there)(const struct lb_case *), const uint8_t *expected,
                           size_t size)
{
    struct wish wish = {.is_there = is_there};
    struct lbi_program program;
    struct lb_reduce_result result;
    reduce(&wish, 0, NULL, &program, &result);
    assert_true(result.is_complete);
    assert_program(&program, expected, size);
    assert_true(result.run_count < 300);
    assert_int_equal(wish.size_last, size);
}

static void test_reduce_leaves_a_request_and_what_names_it(void **state)
{
    const uint8_t expected[] = {OP(EXCHANGE), OP(EXCHANGE), OP(CANCEL)};
    (void)state;
    assert_reduced(has_second_cancelled, expected, sizeof(expected));
}

static void test_reduce_finds_the_least_number(void **state)
{
    uint8_t expected[] = {OP(GET), OP(READ), 0, 0, 0};
    (void)state;
    while (lbi_size(expected[4]) < 33) {
        expected[4]++;
    }
    assert_reduced(has_long_read, expected, sizeof(expected));
}

static void test_reduce_shortens_text(void **state)
{
    const uint8_t expected[] = {OP(SEND), ';'};
    (void)state;
    assert_reduced(has_semicolon, expected, sizeof(expected));
}

static void test_reduce_lowers_departures(void **state)
{
    const uint8_t expected[] = {OP(AFTER), OP(AFTER), 0, 3};
    (void)state;
    assert_reduced(has_two_departures, expected, sizeof(expected));
}

static void test_reduce_takes_one_operation_for_two(void **state)
{
    const uint8_t expected[] = {OP(DRAIN)};
    (void)state;
    assert_reduced(has_two_options_or_one, expected, sizeof(expected));
}

static void test_reduce_makes_one_departure_of_two(void **state)
{
    const uint8_t expected[] = {OP(AFTER), 0, 22};
    (void)state;
    assert_reduced(has_late_departure, expected, sizeof(expected));
}

static void test_reduce_shifts_a_departure(void **state)
{
    const uint8_t expected[] = {OP(AFTER), 0, DECISIONS_MORE};
    (void)state;
    assert_reduced(has_departure_at_the_end, expected, sizeof(expected));
}

static void test_reduce_moves_an_operand_down(void **state)
{
    const uint8_t expected[] = {OP(EXCHANGE), 0, 1};
    (void)state;
    assert_reduced(has_odd_get, expected, sizeof(expected));
}

static void test_reduce_takes_a_lower_operation(void **state)
{
    const uint8_t expected[] = {OP(HEAD_SIZE)};
    (void)state;
    assert_reduced(has_limit, expected, sizeof(expected));
}

static void test_reduce_comes_down_to_nothing(void **state)
{
    (void)state;
    assert_reduced(is_any, NULL, 0);
}

static void test_reduce_ends_at_its_limits(void **state)
{
    struct wish wish = {.is_there = has_two_departures};
    struct lbi_program program;
    struct lb_reduce_result result;
    (void)state;
    reduce(&wish, 5, NULL, &program, &result);
    assert_int_equal(result.run_count, 5);
    assert_false(result.is_complete);
    reduce(&wish, 0, on_go_on_three, &program, &result);
    assert_int_equal(result.run_count, 3);
    assert_false(result.is_complete);
}

static bool bytes_have_x(void *context, const uint8_t *bytes, size_t size)
{
    (void)context;
    return memchr(bytes, 'x', size) != NULL;
}

static void test_reduce_of_bytes_works_on_bytes(void **state)
{
    const struct lb_reduce_options options = {.is_same = bytes_have_x, .form = LB_REDUCE_BYTES};
    uint8_t bytes[LB_CODEC_SIZE_MAX] = "\x01\x80 some text with an x in it \xff";
    size_t size = strlen((const char *)bytes);
    struct lb_reduce_result result;
    (void)state;
    lb_reduce(&options, bytes, &size, &result);
    assert_int_equal(size, 1);
    assert_int_equal(bytes[0], 'x');
    assert_true(result.is_complete);
}

static bool prefix_is_high(void *context, const uint8_t *bytes, size_t size)
{
    (void)context;
    return size >= 2 && bytes[0] < 0x80 && bytes[1] < 0x80 && bytes[1] >= 5;
}

static void test_reduce_lowers_a_prefix(void **state)
{
    const struct lb_reduce_options options = {.is_same = prefix_is_high};
    uint8_t bytes[LB_CODEC_SIZE_MAX] = {9, 70, 3, OP(GET), OP(SETTLE)};
    const uint8_t expected[] = {0, 5};
    size_t size = 5;
    struct lb_reduce_result result;
    (void)state;
    lb_reduce(&options, bytes, &size, &result);
    assert_int_equal(size, sizeof(expected));
    assert_memory_equal(bytes, expected, sizeof(expected));
}

static bool has_own_record(void *context, const uint8_t *bytes, size_t size)
{
    (void)context;
    for (size_t i = 0; i + 2 < size; i++) {
        if (bytes[i] == 0xfe && bytes[i + 1] >= 7 && bytes[i + 1] < 0x80 && bytes[i + 2] == 3) {
            return true;
        }
    }
    return false;
}

static void test_reduce_of_records_keeps_their_meaning(void **state)
{
    const struct lb_reduce_options options = {.is_same = has_own_record, .form = LB_REDUCE_RECORDS};
    uint8_t bytes[LB_CODEC_SIZE_MAX] = {0x90, 1, 2, 0xfe, 99, 3, 44, 0x85, 0xff, 1};
    const uint8_t expected[] = {0xfe, 7, 3};
    size_t size = 10;
    struct lb_reduce_result result;
    (void)state;
    lb_reduce(&options, bytes, &size, &result);
    assert_int_equal(size, sizeof(expected));
    assert_memory_equal(bytes, expected, sizeof(expected));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_program_begins_at_its_first_operation),
        cmocka_unit_test(test_program_order_is_shortlex),
        cmocka_unit_test(test_program_without_a_request_keeps_what_others_mean),
        cmocka_unit_test(test_program_without_a_request_loses_its_body),
        cmocka_unit_test(test_program_operand_is_set_where_it_was_missing),
        cmocka_unit_test(test_reduce_leaves_a_request_and_what_names_it),
        cmocka_unit_test(test_reduce_finds_the_least_number),
        cmocka_unit_test(test_reduce_shortens_text),
        cmocka_unit_test(test_reduce_lowers_departures),
        cmocka_unit_test(test_reduce_takes_one_operation_for_two),
        cmocka_unit_test(test_reduce_makes_one_departure_of_two),
        cmocka_unit_test(test_reduce_shifts_a_departure),
        cmocka_unit_test(test_reduce_moves_an_operand_down),
        cmocka_unit_test(test_reduce_takes_a_lower_operation),
        cmocka_unit_test(test_reduce_comes_down_to_nothing),
        cmocka_unit_test(test_reduce_ends_at_its_limits),
        cmocka_unit_test(test_reduce_of_bytes_works_on_bytes),
        cmocka_unit_test(test_reduce_lowers_a_prefix),
        cmocka_unit_test(test_reduce_of_records_keeps_their_meaning),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
