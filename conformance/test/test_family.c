/*
 * Families: their tables, their expansion, the places that errors and statements get, and printing.
 */
#include "family.h"

#include "test/case_fixture.h"

#define TABLES                                                                                     \
    "# about all\n"                                                                                \
    "family 1\n"                                                                                   \
    "\n"                                                                                           \
    "table body | bytes | steps\n"                                                                 \
    "  full     | body  | read  r1 1                => \"b\" ; poll  r1\n"                         \
    "  # the second row\n"                                                                         \
    "  empty    | \\x20  |\n"                                                                      \
    "\n"                                                                                           \
    "table at | time\n"                                                                            \
    "  now    | 0s\n"                                                                              \
    "  late   | 10ms\n"                                                                            \
    "  never  | 60s\n"

#define HEADER                                                                                     \
    "\n"                                                                                           \
    "# of each\n"                                                                                  \
    "case   1\n"                                                                                   \
    "title  What comes {at} is {body}\n"                                                           \
    "level  HOUSE\n"                                                                               \
    "spec   LASTBYTE R3\n"

#define BLOCKS                                                                                     \
    "\n"                                                                                           \
    "host a\n"                                                                                     \
    "  conn 1\n"                                                                                   \
    "    pause {time}\n"                                                                           \
    "    send \"{bytes}\"\n"                                                                       \
    "\n"                                                                                           \
    "client\n"                                                                                     \
    "  get   r1 a /1             => 200\n"                                                         \
    "  {steps}\n"                                                                                  \
    "  close r1                  => ok  # the end\n"

static struct lb_family *family;

static int family_teardown(void **state)
{
    lb_family_free(&family);
    return case_teardown(state);
}

static void read_family(const char *text)
{
    struct lb_case_error error = {0};
    char message[768];
    if (lb_family_parse("cases/area/stem.family", text, strlen(text), &family, &error) != LB_OK) {
        lb_case_error_text(&error, message, sizeof(message));
        fail_msg("%s", message);
    }
}

static void expand(const char *rows)
{
    struct lb_case_error error = {0};
    char message[768];
    uint32_t index = 0;
    assert_true(lb_family_find(family, rows, &index));
    if (lb_family_case(family, index, &parsed, &error) != LB_OK) {
        lb_case_error_text(&error, message, sizeof(message));
        fail_msg("%s", message);
    }
}

static void test_family_makes_every_choice_of_rows_a_case(void **state)
{
    static const char *const rows[] = {"full-now",  "full-late",  "full-never",
                                       "empty-now", "empty-late", "empty-never"};
    (void)state;
    read_family(TABLES HEADER BLOCKS);
    assert_int_equal(lb_family_count(family), 6);
    for (uint32_t i = 0; i < 6; i++) {
        assert_string_equal(lb_family_rows(family, i), rows[i]);
    }
    expand("full-late");
    assert_string_equal(parsed.id, "stem-full-late");
    assert_string_equal(parsed.area, "area");
    assert_string_equal(parsed.title.bytes, "What comes late is full");
    assert_string_equal(parsed.hosts[0].conns[0].script.lines[1].bytes.bytes, "body");
    assert_int_equal(parsed.hosts[0].conns[0].script.lines[0].time_ns, 10000000);
}

/* What a family expands to is a case as any other. */
static void test_family_case_is_what_its_text_would_be(void **state)
{
    struct lb_case other;
    struct lb_case_error error = {0};
    uint32_t index = 0;
    (void)state;
    read_family(TABLES HEADER BLOCKS);
    parse("case 1\ntitle What comes never is full\nlevel HOUSE\nspec LASTBYTE R3\n"
          "host a\nconn 1\npause 1min\nsend \"body\"\nclient\nget r1 a /1 => 200\n"
          "read r1 1 => \"b\"\npoll r1\nclose r1 => ok\n");
    assert_int_equal(lb_case_init(&other), LB_OK);
    assert_true(lb_family_find(family, "full-never", &index));
    assert_int_equal(lb_family_case(family, index, &other, &error), LB_OK);
    assert_true(lb_case_is_equal(&parsed, &other));
    check_round_trip(&other);
    lb_case_deinit(&other);
}

static void test_family_cell_is_as_many_lines_as_it_says(void **state)
{
    (void)state;
    read_family(TABLES HEADER BLOCKS);
    expand("full-now");
    assert_int_equal(parsed.client.count, 4);
    assert_int_equal(parsed.client.lines[2].verb, LB_VERB_POLL);
    expand("empty-now");
    assert_int_equal(parsed.client.count, 2);
}

static void test_family_places_are_those_of_its_file(void **state)
{
    (void)state;
    read_family(TABLES HEADER BLOCKS);
    expand("full-never");
    assert_int_equal(parsed.hosts[0].place, 20);
    assert_int_equal(parsed.hosts[0].conns[0].place, 21);
    assert_int_equal(parsed.hosts[0].conns[0].script.lines[1].place, 23);
    assert_int_equal(parsed.client.lines[0].place, 26);
    assert_int_equal(parsed.client.lines[1].place, 5); /* the row's */
    assert_int_equal(parsed.client.lines[2].place, 5);
    assert_int_equal(parsed.client.lines[3].place, 28);
}

static void test_family_few_show_each_row(void **state)
{
    (void)state;
    read_family(TABLES HEADER BLOCKS);
    for (uint32_t i = 0; i < 6; i++) {
        const char *rows = lb_family_rows(family, i);
        bool is_diagonal = strcmp(rows, "full-now") == 0 || strcmp(rows, "empty-late") == 0 ||
                           strcmp(rows, "full-never") == 0;
        assert_int_equal(lb_family_is_few(family, i), is_diagonal);
    }
}

static void test_family_prints_what_it_read(void **state)
{
    static const char canonical[] = TABLES HEADER BLOCKS;
    static const char loose[] =
        "# about all\nfamily 1\ntable body|bytes|steps\n"
        "full|body|read  r1 1                => \"b\" ; poll  r1\n# the second row\n"
        "empty|\\x20|\n\n\ntable at|time\nnow|0s\n\nlate|10ms\n  never|60s\n\n\n"
        "# of each\ncase 1\ntitle What comes {at} is {body}\nlevel   HOUSE\nspec LASTBYTE  R3\n"
        "host   a\nconn  1\npause  {time}\nsend   \"{bytes}\"\nclient\nget r1   a /1 => 200\n"
        "{steps}\nclose r1 => ok # the end\n\n\n";
    char *text = NULL;
    size_t size = 0;
    (void)state;
    read_family(canonical);
    lb_family_print(family, &text, &size);
    assert_string_equal(text, canonical);
    assert_int_equal(size, strlen(canonical));
    free(text);
    lb_family_free(&family);
    read_family(loose);
    lb_family_print(family, &text, &size);
    assert_string_equal(text, canonical);
    free(text);
}

/* A family with an error, where it is, and words of its message. */
struct refused {
    const char *text;
    const char *message;
};

static const struct refused refusals[] = {
    {"", "cases/area/stem.family:1:1: found an empty file, expected a family"},
    {"case 1\n", ":1:1: found \"case 1\", expected family 1"},
    {"family 2\n", ":1:8: found \"2\", expected 1"},
    {"family 1\n", ":2:1: found the end of the file, expected case 1"},
    {"family 1\nfull | 1\n", ":2:1: found \"full\", expected table"},
    {"family 1\ncase 1\n", ":2:1: found \"case\", expected table"},
    {"family 1\ntable a | b\ncase 1\n", ":3:1: found \"case\", expected a row"},
    {"family 1\ntable a | b\ntable c\n", ":3:1: found \"table c\", expected a row"},
    {"family 1\ntable | b\n", "found nothing, expected the name of a table"},
    {"family 1\ntable a | B\n", ":2:11: found \"B\", expected the name of a column"},
    {"family 1\ntable a | b | b\n", ":2:15: found \"b\", expected a name that no column"},
    {"family 1\ntable a | a\n", ":2:11: found \"a\", expected another name"},
    {"family 1\ntable a | b\nx | 1\ntable b\n", ":4:7: found \"b\", expected a name that no table"},
    {"family 1\ntable a | b\n  x\n", ":3:4: found the end of the line, expected | and a cell for "
                                     "the column b"},
    {"family 1\ntable a | b\n  x | 1 | 2\n", ":3:11: found \"2\", expected no more than 1 cells"},
    {"family 1\ntable a | b\n  x | 1\n  x | 2\n", ":4:3: found \"x\", expected a name that no row"},
    {"family 1\ntable a | b\n  -x | 1\n", ":3:3: found \"-x\", expected the name of a row"},
    {"family 1\ntable a | b\n  x | 1\ncase 1\ntitle {a}\n",
     ":2:11: found \"b\", expected a hole {b} in the case below"},
    {"family 1\ntable a\n  x\ncase 1\n", ":2:7: found \"a\", expected a hole {a}"},
    {"family 1\ntable a | b\n  x | 1\ncase 1\ntitle {b} {c}\n",
     ":5:12: found \"c\", expected a hole of these tables (a brace of the wire is \\x7b): {a} {b}"},
    {"family 1\ntable a | b\n  x | 1\ncase 1\ntitle {b\n", ":5:8: found nothing, expected a hole"},
    {"family 1\ntable a | b\n  x | 1\ncase 1\nspec LASTBYTE {b}\n",
     ":5:15: found a hole in a line of spec"},
    {"family 1\ntable a\n  x-y\n  x\ntable b\n  z\n  y-z\ncase 1\ntitle {a} {b}\n",
     "expected no second case called x-y-z"},
    {"family 1\n\ttable a\n", ":2:1: found a tab"},
    {"family 1\ntable a\n  a23456789-123456789-123456789-123456789-123456789-1234567890\ncase 1\n"
     "title {a}\n",
     ":3:3: found \"a23456789-123456789-123456789-123456789-...\", expected rows that make ids of "
     "at most 63"},
};

static void test_family_errors_name_their_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        const struct refused *row = &refusals[i];
        struct lb_case_error error = {0};
        char message[768];
        assert_int_equal(lb_family_parse("cases/area/stem.family", row->text, strlen(row->text),
                                         &family, &error),
                         LB_PROTOCOL);
        assert_null(family);
        lb_case_error_text(&error, message, sizeof(message));
        if (strstr(message, row->message) == NULL) {
            fail_msg("\"%s\" says: %s\nand not: %s", row->text, message, row->message);
        }
    }
}

static void check_case_error(const char *text, const char *expected)
{
    struct lb_case_error error = {0};
    char message[768];
    read_family(text);
    assert_int_equal(lb_family_case(family, 0, &parsed, &error), LB_PROTOCOL);
    lb_case_error_text(&error, message, sizeof(message));
    if (strncmp(message, expected, strlen(expected)) != 0 ||
        strstr(message, " in stem-full-now") == NULL) {
        fail_msg("says: %s\nand not: %s", message, expected);
    }
    lb_family_free(&family);
}

/* An error of a case is led back to the cell, or to the line of the case, that it stands in. */
static void test_family_errors_of_cases_name_their_place(void **state)
{
    (void)state;
    check_case_error(TABLES HEADER
                     "\nhost a\n  conn 1\n    pause {time}x {bytes} {steps}\nclient\n",
                     "cases/area/stem.family:10:13: found \"sx\"");
    check_case_error(TABLES HEADER "\nhost a\n  conn 1\n    pause {time} {bytes} {steps}\nclient\n",
                     "cases/area/stem.family:5:14: found \"body\"");
    check_case_error(TABLES HEADER "\nhost a\n  conn 1\n    {bytes}\nclient\n  {steps}\n"
                                   "  close r1 {time}\n",
                     "cases/area/stem.family:5:14: found \"body\"");
    check_case_error(TABLES HEADER "\nhost a\n  conn 1\n    stahl {bytes} {time} {steps}\nclient\n",
                     "cases/area/stem.family:22:5: found \"stahl\"");
    check_case_error(TABLES HEADER "\nhost a\n  conn 1\n    send \"{bytes}{time}\"\nclient\n"
                                   "  {steps}\n",
                     "cases/area/stem.family:5:28: found \"r1\"");
}

static void test_family_of_any_bytes_is_read_or_refused(void **state)
{
    static const char whole[] = TABLES HEADER BLOCKS;
    (void)state;
    for (size_t cut = 1; cut < sizeof(whole) - 1; cut++) {
        char *text = malloc(cut); /* no NUL: what reads too far is seen */
        struct lb_case_error error = {0};
        assert_non_null(text);
        memcpy(text, whole, cut);
        if (lb_family_parse("f", text, cut, &family, &error) == LB_OK) {
            for (uint32_t i = 0; i < lb_family_count(family); i++) {
                (void)!lb_family_case(family, i, &parsed, &error);
            }
            lb_family_free(&family);
        }
        text[cut / 2] = '{';
        text[cut / 3] = '|';
        if (lb_family_parse("f", text, cut, &family, &error) == LB_OK) {
            lb_family_free(&family);
        }
        free(text);
    }
}

#define FAMILY_TEST(name) cmocka_unit_test_setup_teardown(name, case_setup, family_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FAMILY_TEST(test_family_makes_every_choice_of_rows_a_case),
        FAMILY_TEST(test_family_case_is_what_its_text_would_be),
        FAMILY_TEST(test_family_cell_is_as_many_lines_as_it_says),
        FAMILY_TEST(test_family_places_are_those_of_its_file),
        FAMILY_TEST(test_family_few_show_each_row),
        FAMILY_TEST(test_family_prints_what_it_read),
        FAMILY_TEST(test_family_errors_name_their_place),
        FAMILY_TEST(test_family_errors_of_cases_name_their_place),
        FAMILY_TEST(test_family_of_any_bytes_is_read_or_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
