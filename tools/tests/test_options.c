/*
 * Tests of the option parser: numbers, durations, and how a command line is cut into options and
 * arguments.
 */
#include "options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define WORDS_MAX 8

struct fixture {
    bool flag;
    uint64_t number;
    uint64_t seconds;
    const char *text;
};

/* Parses a command line of copies, since parsing moves its words. */
static enum options_outcome parse(struct fixture *fixture, const char *const *words,
                                  char **ret_arguments, int *ret_count)
{
    static char storage[WORDS_MAX][32];
    const struct option_row rows[] = {
        OPTIONS_FLAG('f', "flag", &fixture->flag, "a flag"),
        OPTIONS_NUMBER('n', "number", "N", &fixture->number, 1, 10, "a number"),
        OPTIONS_DURATION(0, "time", &fixture->seconds, "a time"),
        OPTIONS_TEXT('t', "text", "WORD", &fixture->text, "a text"),
        OPTIONS_LAST,
    };
    const struct options options = {
        .command = "test", .arguments = "[WORD...]", .about = "Tests.", .rows = rows};
    int argc = 0;

    for (; words[argc] != NULL; argc++) {
        assert_true(argc < WORDS_MAX);
        strcpy(storage[argc], words[argc]);
        ret_arguments[argc] = storage[argc];
    }
    return options_parse(&options, argc, ret_arguments, ret_count);
}

static void test_options_numbers_are_whole_and_bounded(void **state)
{
    uint64_t number = 7;

    (void)state;
    assert_true(options_number("0", 0, 9, &number));
    assert_int_equal(number, 0);
    assert_true(options_number("18446744073709551615", 0, UINT64_MAX, &number));
    assert_true(number == UINT64_MAX);
    number = 7;
    assert_false(options_number("18446744073709551616", 0, UINT64_MAX, &number));
    assert_false(options_number("", 0, 9, &number));
    assert_false(options_number("-1", 0, 9, &number));
    assert_false(options_number("+1", 0, 9, &number));
    assert_false(options_number(" 1", 0, 9, &number));
    assert_false(options_number("1 ", 0, 9, &number));
    assert_false(options_number("0x1", 0, 9, &number));
    assert_false(options_number("10", 0, 9, &number));
    assert_false(options_number("0", 1, 9, &number));
    assert_int_equal(number, 7);
}

static void test_options_durations_have_three_units(void **state)
{
    uint64_t seconds = 7;

    (void)state;
    assert_true(options_duration("90", &seconds));
    assert_int_equal(seconds, 90);
    assert_true(options_duration("90s", &seconds));
    assert_int_equal(seconds, 90);
    assert_true(options_duration("15m", &seconds));
    assert_int_equal(seconds, 900);
    assert_true(options_duration("2h", &seconds));
    assert_int_equal(seconds, 7200);
    assert_false(options_duration("s", &seconds));
    assert_false(options_duration("", &seconds));
    assert_false(options_duration("1d", &seconds));
    assert_false(options_duration("1.5h", &seconds));
    assert_false(options_duration("18446744073709551615h", &seconds));
    assert_int_equal(seconds, 7200);
}

static void test_options_and_arguments_may_stand_in_any_order(void **state)
{
    const char *const words[] = {"test", "a", "--number", "3", "b", "-f", "--text=x=y", NULL};
    struct fixture fixture = {0};
    char *arguments[WORDS_MAX];
    int count = 0;

    (void)state;
    assert_int_equal(parse(&fixture, words, arguments, &count), OPTIONS_OK);
    assert_int_equal(count, 2);
    assert_string_equal(arguments[0], "a");
    assert_string_equal(arguments[1], "b");
    assert_true(fixture.flag);
    assert_int_equal(fixture.number, 3);
    assert_string_equal(fixture.text, "x=y");
}

static void test_options_texts_come_again_and_again(void **state)
{
    struct option_texts texts = {.count = 0};
    const struct option_row rows[] = {
        OPTIONS_TEXTS('t', "text", "WORD", &texts, "texts"),
        OPTIONS_LAST,
    };
    const struct options options = {
        .command = "test", .arguments = "", .about = "Tests.", .rows = rows};
    char words[][16] = {"test", "-t", "a", "--text=b", "-t", "a"};
    char *argv[6];
    int count = 7;

    (void)state;
    for (size_t i = 0; i < 6; i++) {
        argv[i] = words[i];
    }
    assert_int_equal(options_parse(&options, 6, argv, &count), OPTIONS_OK);
    assert_int_equal(count, 0);
    assert_int_equal(texts.count, 3);
    assert_string_equal(texts.items[0], "a");
    assert_string_equal(texts.items[1], "b");
    assert_string_equal(texts.items[2], "a");
    while (texts.count < OPTIONS_TEXTS_MAX) {
        argv[0] = words[0];
        argv[1] = words[3];
        assert_int_equal(options_parse(&options, 2, argv, &count), OPTIONS_OK);
    }
    assert_int_equal(options_parse(&options, 2, argv, &count), OPTIONS_WRONG);
    assert_int_equal(texts.count, OPTIONS_TEXTS_MAX);
}

static void test_options_end_at_two_dashes(void **state)
{
    const char *const words[] = {"test", "-n", "3", "--", "--flag", "-", NULL};
    struct fixture fixture = {0};
    char *arguments[WORDS_MAX];
    int count = 0;

    (void)state;
    assert_int_equal(parse(&fixture, words, arguments, &count), OPTIONS_OK);
    assert_int_equal(count, 2);
    assert_string_equal(arguments[0], "--flag");
    assert_false(fixture.flag);
    assert_int_equal(fixture.number, 3);
}

static void test_options_wrong_ones_are_refused(void **state)
{
    static const char *const wrong[][WORDS_MAX] = {
        {"test", "--fla", NULL},        {"test", "--flag=1", NULL},  {"test", "--number", NULL},
        {"test", "--number=11", NULL},  {"test", "--number=", NULL}, {"test", "--text=", NULL},
        {"test", "-fn", NULL},          {"test", "-x", NULL},        {"test", "--time=0", NULL},
        {"test", "--time", "1w", NULL}, {"test", "--flags", NULL},   {"test", "-n", "x", NULL},
    };
    struct fixture fixture = {0};
    char *arguments[WORDS_MAX];
    int count = 7;

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(parse(&fixture, wrong[i], arguments, &count), OPTIONS_WRONG);
    }
    assert_int_equal(count, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options_numbers_are_whole_and_bounded),
        cmocka_unit_test(test_options_durations_have_three_units),
        cmocka_unit_test(test_options_and_arguments_may_stand_in_any_order),
        cmocka_unit_test(test_options_texts_come_again_and_again),
        cmocka_unit_test(test_options_end_at_two_dashes),
        cmocka_unit_test(test_options_wrong_ones_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
