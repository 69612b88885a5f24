/*
 * Faults as text, and the set of them that every case is run with.
 *
 *   alloc N | start N | open N                              the N-th call gives memory
 *   connect N refused|timeout                               the N-th connect fails
 *   read N timeout|reset|end|late-reset|late-end            the connection breaks in the N-th read
 *   write N reset|broken|closed                             the connection breaks in the N-th write
 *   short-read BYTES | short-write BYTES | window BYTES     all reads, all writes
 *   slow-write TIME                                         all writes
 *
 * Words are separated by one blank. Parsing is the inverse of printing.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/assert.h"
#include "parser.h"
#include "run.h"

#define MS UINT64_C(1000000)
#define FAULT_WORDS_MAX 3
#define FAULT_DIGITS_MAX 10

static const struct lb_fault families[] = {
    {.kind = LB_FAULT_ALLOC, .how = LB_FAULT_MEMORY, .number = 1},
    {.kind = LB_FAULT_START, .how = LB_FAULT_MEMORY, .number = 1},
    {.kind = LB_FAULT_OPEN, .how = LB_FAULT_MEMORY, .number = 1},
    {.kind = LB_FAULT_CONNECT, .how = LB_FAULT_REFUSED, .number = 1},
    {.kind = LB_FAULT_CONNECT, .how = LB_FAULT_TIMEOUT, .number = 1},
    {.kind = LB_FAULT_READ, .how = LB_FAULT_TIMEOUT, .number = 1},
    {.kind = LB_FAULT_READ, .how = LB_FAULT_RESET, .number = 1},
    {.kind = LB_FAULT_READ, .how = LB_FAULT_END, .number = 1},
    {.kind = LB_FAULT_READ, .how = LB_FAULT_LATE_RESET, .number = 1},
    {.kind = LB_FAULT_READ, .how = LB_FAULT_LATE_END, .number = 1},
    {.kind = LB_FAULT_WRITE, .how = LB_FAULT_RESET, .number = 1},
    {.kind = LB_FAULT_WRITE, .how = LB_FAULT_BROKEN, .number = 1},
    {.kind = LB_FAULT_WRITE, .how = LB_FAULT_CLOSED, .number = 1},
    {.kind = LB_FAULT_SHORT_READ, .amount = 1},
    {.kind = LB_FAULT_SHORT_READ, .amount = 2},
    {.kind = LB_FAULT_SHORT_READ, .amount = 7},
    {.kind = LB_FAULT_SHORT_WRITE, .amount = 1},
    {.kind = LB_FAULT_SHORT_WRITE, .amount = 2},
    {.kind = LB_FAULT_SHORT_WRITE, .amount = 7},
    {.kind = LB_FAULT_SLOW_WRITE, .amount = 1 * MS},
    {.kind = LB_FAULT_SLOW_WRITE, .amount = 100 * MS},
    {.kind = LB_FAULT_WINDOW, .amount = 1},
    {.kind = LB_FAULT_WINDOW, .amount = 7},
};

bool lb_fault_family(uint32_t index, struct lb_fault *ret_fault)
{
    LB_ASSERT(ret_fault != NULL);
    if (index >= sizeof families / sizeof families[0]) {
        return false;
    }
    *ret_fault = families[index];
    LB_ASSERT(lb_fault_is_bound(ret_fault->kind) == (ret_fault->number == 0));
    return true;
}

/* fault_has_how: whether a fault's text says how: where there is a choice. */
static bool fault_has_how(enum lb_fault_kind kind)
{
    return kind == LB_FAULT_CONNECT || kind == LB_FAULT_READ || kind == LB_FAULT_WRITE;
}

/* time_print: a time in the largest unit that leaves a whole number. */
static void time_print(uint64_t time_ns, char *text, size_t size)
{
    uint32_t unit = LBI_UNIT_COUNT - 1;
    while (time_ns % lbi_unit(unit)->ns != 0) {
        LB_ASSERT(unit > 0);
        unit--;
    }
    snprintf(text, size, "%" PRIu64 "%s", time_ns / lbi_unit(unit)->ns, lbi_unit(unit)->word);
}

void lb_fault_print(const struct lb_fault *fault, char ret_text[LB_FAULT_TEXT_MAX])
{
    char amount[LB_FAULT_TEXT_MAX / 2];
    const char *word = lb_fault_kind_word(fault->kind);
    LB_ASSERT(fault->kind != LB_FAULT_NONE);
    LB_ASSERT(lb_fault_may(fault->kind, fault->how));
    if (!lb_fault_is_bound(fault->kind)) {
        bool has_how = fault_has_how(fault->kind);
        snprintf(ret_text, LB_FAULT_TEXT_MAX, "%s %" PRIu32 "%s%s", word, fault->number,
                 has_how ? " " : "", has_how ? lb_fault_how_word(fault->how) : "");
        return;
    }
    if (fault->kind == LB_FAULT_SLOW_WRITE) {
        time_print(fault->amount, amount, sizeof amount);
    } else {
        snprintf(amount, sizeof amount, "%" PRIu64, fault->amount);
    }
    snprintf(ret_text, LB_FAULT_TEXT_MAX, "%s %s", word, amount);
}

/* digits_parse: a positive number at the start of a word; how many digits it has, 0: there is none. */
static size_t digits_parse(const char *word, uint64_t *ret_value)
{
    size_t size = strspn(word, "0123456789");
    *ret_value = 0;
    if (size > FAULT_DIGITS_MAX || word[0] == '0') {
        return 0;
    }
    for (size_t i = 0; i < size; i++) {
        *ret_value = *ret_value * 10 + (uint64_t)(word[i] - '0');
    }
    return *ret_value > UINT32_MAX ? 0 : size;
}

/* amount_parse: the number of a fault, or the amount of a bound. */
static bool amount_parse(const char *word, enum lb_fault_kind kind, uint64_t *ret_value)
{
    size_t size = digits_parse(word, ret_value);
    if (size == 0 || kind != LB_FAULT_SLOW_WRITE) {
        return size > 0 && word[size] == '\0';
    }
    for (uint32_t i = 0; i < LBI_UNIT_COUNT; i++) {
        if (strcmp(word + size, lbi_unit(i)->word) == 0) {
            *ret_value *= lbi_unit(i)->ns;
            return *ret_value <= LB_CASE_TIME_MAX_NS;
        }
    }
    return false;
}

/* how_parse: the way that a word names, or the only one if there is no word. */
static bool how_parse(const char *word, enum lb_fault_kind kind, enum lb_fault_how *ret_how)
{
    for (int i = 0; i < LB_FAULT_HOW_COUNT; i++) {
        enum lb_fault_how how = (enum lb_fault_how)i;
        bool is_named = word == NULL
                            ? !fault_has_how(kind)
                            : fault_has_how(kind) && strcmp(word, lb_fault_how_word(how)) == 0;
        if (is_named && lb_fault_may(kind, how)) {
            *ret_how = how;
            return true;
        }
    }
    return false;
}

bool lb_fault_parse(const char *text, struct lb_fault *ret_fault)
{
    char copy[LB_FAULT_TEXT_MAX];
    char *words[FAULT_WORDS_MAX] = {copy, NULL, NULL};
    size_t count = 1;
    LB_ASSERT(ret_fault != NULL);
    if (strlen(text) >= sizeof copy) {
        return false;
    }
    snprintf(copy, sizeof copy, "%s", text);
    for (char *at = copy; *at != '\0'; at++) {
        if (*at == ' ' && count == FAULT_WORDS_MAX) {
            return false;
        }
        if (*at == ' ') {
            *at = '\0';
            words[count++] = at + 1;
        }
    }
    for (int i = 1; i < LB_FAULT_KIND_COUNT && count > 1; i++) {
        struct lb_fault fault = {.kind = (enum lb_fault_kind)i};
        uint64_t value = 0;
        if (strcmp(words[0], lb_fault_kind_word(fault.kind)) == 0 &&
            amount_parse(words[1], fault.kind, &value) &&
            how_parse(words[2], fault.kind, &fault.how)) {
            bool is_bound = lb_fault_is_bound(fault.kind);
            fault.number = is_bound ? 0 : (uint32_t)value;
            fault.amount = is_bound ? value : 0;
            *ret_fault = fault;
            return true;
        }
    }
    return false;
}
