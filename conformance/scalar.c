/*
 * The scalars of the case language: numbers, times, strings, and the rest of a line.
 *
 * A string and a rest of a line are decoded into the case's arena. An escape names one byte; an
 * error in one points at its backslash.
 */
#include "parser.h"

#include "core/assert.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* parser_digits: skips digits and gives their value. Fails when there are none or too many. */
static uint64_t parser_digits(struct lbi_parser *p, const char *kind)
{
    uint64_t value = 0;
    size_t start = p->at;
    while (p->at < p->line_end && p->text[p->at] >= '0' && p->text[p->at] <= '9') {
        uint64_t digit = (uint64_t)(p->text[p->at] - '0');
        if (value > (UINT64_MAX - digit) / 10) {
            p->at = start;
            lbi_parser_fail(p, "a number of at most 18446744073709551615");
            return 0;
        }
        value = value * 10 + digit;
        p->at++;
    }
    if (p->at == start) {
        lbi_parser_fail(p, kind);
    }
    return value;
}

/* parser_is_word_end: whether no further character of a word stands at the cursor. */
static bool parser_is_word_end(const struct lbi_parser *p)
{
    return p->at >= p->line_end || strchr(" \"#", p->text[p->at]) != NULL;
}

uint64_t lbi_parser_number(struct lbi_parser *p, const char *kind, uint64_t least, uint64_t most)
{
    char expected[sizeof(p->error->expected)];
    LB_ASSERT(least <= most);
    if (p->is_failed) {
        return least;
    }
    (void)lbi_parser_is_end(p);
    size_t start = p->at;
    snprintf(expected, sizeof(expected), "%s", kind);
    uint64_t value = parser_digits(p, expected);
    if (!p->is_failed && !parser_is_word_end(p)) {
        p->at = start;
        lbi_parser_fail(p, expected);
    }
    if (!p->is_failed && (value < least || value > most)) {
        snprintf(expected, sizeof(expected), "%s from %" PRIu64 " to %" PRIu64, kind, least, most);
        p->at = start;
        lbi_parser_fail(p, expected);
    }
    return p->is_failed ? least : value;
}

const struct lbi_unit *lbi_unit(uint32_t index)
{
    static const struct lbi_unit units[LBI_UNIT_COUNT] = {
        {"ns", 1},
        {"us", UINT64_C(1000)},
        {"ms", UINT64_C(1000000)},
        {"s", UINT64_C(1000000000)},
        {"min", UINT64_C(60000000000)},
    };
    LB_ASSERT(index < LBI_UNIT_COUNT);
    return &units[index];
}

uint64_t lbi_parser_time(struct lbi_parser *p)
{
    struct lbi_words words = {.count = 0};
    (void)lbi_parser_is_end(p);
    size_t start = p->at;
    uint64_t value = parser_digits(p, "a time with its unit, such as 200ms");
    if (p->is_failed) {
        return 0;
    }
    if (parser_is_word_end(p)) {
        lbi_parser_fail_at(p, p->at, "a number without a unit",
                           "a unit: one of ns, us, ms, s, min");
        return 0;
    }
    for (uint32_t i = 0; i < LBI_UNIT_COUNT; i++) {
        lbi_words_add(&words, lbi_unit(i)->word);
    }
    uint32_t unit = lbi_parser_choice(p, "a unit", &words);
    if (!p->is_failed && value > LB_CASE_TIME_MAX_NS / lbi_unit(unit)->ns) {
        p->at = start;
        lbi_parser_fail(p, "a time of at most 60min");
    }
    return p->is_failed ? 0 : value * lbi_unit(unit)->ns;
}

/* -- escapes -- */

/* hex_value: the value of a hexadecimal digit, or -1. */
static int hex_value(char digit)
{
    if (digit >= '0' && digit <= '9') {
        return digit - '0';
    }
    if (digit >= 'a' && digit <= 'f') {
        return digit - 'a' + 10;
    }
    if (digit >= 'A' && digit <= 'F') {
        return digit - 'A' + 10;
    }
    return -1;
}

/* parser_hex: the byte that `\xHH` at the cursor names. */
static char parser_hex(struct lbi_parser *p)
{
    int high = p->at + 2 < p->line_end ? hex_value(p->text[p->at + 2]) : -1;
    int low = p->at + 3 < p->line_end ? hex_value(p->text[p->at + 3]) : -1;
    if (high < 0 || low < 0) {
        lbi_parser_fail_at(p, p->at, "\\x without two hexadecimal digits", "\\xHH");
        return 0;
    }
    p->at += 4;
    return (char)(unsigned char)(high * 16 + low);
}

/* parser_escape: skips the escape at the cursor and gives the byte that it names. */
static char parser_escape(struct lbi_parser *p, bool is_string)
{
    static const char letters[] = "rnt\\\"";
    static const char bytes[] = "\r\n\t\\\"";
    LB_ASSERT(p->text[p->at] == '\\');
    char letter = p->at + 1 < p->line_end ? p->text[p->at + 1] : ' ';
    if (letter == 'x') {
        return parser_hex(p);
    }
    const char *place = strchr(letters, letter);
    if (place == NULL || letter == '\0' || (letter == '"' && !is_string)) {
        char found[sizeof(p->error->found)];
        snprintf(found, sizeof(found), "the escape \\%c", letter);
        lbi_parser_fail_at(p, p->at, found,
                           is_string ? "one of \\r, \\n, \\t, \\\\, \\\", \\xHH"
                                     : "one of \\r, \\n, \\t, \\\\, \\xHH");
        return 0;
    }
    p->at += 2;
    return bytes[place - letters];
}

struct lb_text lbi_parser_string(struct lbi_parser *p, const char *kind)
{
    const struct lb_text nothing = {.bytes = "", .size = 0};
    bool is_end = lbi_parser_is_end(p);
    if (is_end || p->text[p->at] != '"') {
        lbi_parser_fail(p, kind);
        return nothing;
    }
    size_t start = p->at;
    size_t size = 0;
    char *bytes = lb_case_alloc(p->c, p->line_end - p->at + 1);
    p->at++;
    while (!p->is_failed && p->at < p->line_end && p->text[p->at] != '"') {
        bytes[size] = p->text[p->at] == '\\' ? parser_escape(p, true) : p->text[p->at++];
        size++;
    }
    if (!p->is_failed && p->at >= p->line_end) {
        lbi_parser_fail_at(p, start, "a string without its end", "a closing \" on the same line");
    }
    if (!p->is_failed && size == 0) {
        lbi_parser_fail_at(p, start, "an empty string", kind);
    }
    if (p->is_failed) {
        return nothing;
    }
    p->at++;
    bytes[size] = '\0';
    return (struct lb_text){.bytes = bytes, .size = (uint32_t)size};
}

struct lb_text lbi_parser_rest(struct lbi_parser *p)
{
    size_t size = 0;
    if (p->is_failed) {
        return (struct lb_text){.bytes = "", .size = 0};
    }
    char *bytes = lb_case_alloc(p->c, p->line_end - p->at + 1);
    if (p->line_end > p->at && p->text[p->line_end - 1] == ' ') {
        lbi_parser_fail_at(p, p->line_end - 1, "a blank at the end of the line",
                           "no blank there; one of the wire is written \\x20");
    }
    while (!p->is_failed && p->at < p->line_end) {
        bytes[size] = p->text[p->at] == '\\' ? parser_escape(p, false) : p->text[p->at++];
        size++;
    }
    bytes[size] = '\0';
    return (struct lb_text){.bytes = bytes, .size = (uint32_t)size};
}
