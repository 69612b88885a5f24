/*
 * Reports: see report.h. Everything goes to standard output, except the message of a failed
 * assertion, which is the last thing that the process says.
 */
#include "report.h"

#include "core/assert.h"
#include "explore.h"
#include "files.h"
#include "options.h"
#include "sim/net.h"
#include "story.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define REPORT_CONTEXT 1 /* lines of the case shown before and after the differing one */
#define REPORT_LINE_MAX 512

/* What runs now; the hook of a failed assertion has no argument to pass it. */
static struct {
    const char *path;
    const struct lb_variant *variant;
    char *crash; /* where a failed assertion is told, too; or NULL */
    size_t crash_size;
} running;

const char *report_level(enum lb_level level)
{
    switch (level) {
    case LB_LEVEL_MUST:
        return "MUST";
    case LB_LEVEL_SHOULD:
        return "SHOULD";
    case LB_LEVEL_MAY:
        return "MAY";
    case LB_LEVEL_HOUSE:
        return "HOUSE";
    }
    LB_UNREACHABLE("a level");
    return "";
}

void report_rule(const struct lb_case_spec *spec, char ret_name[REPORT_RULE_MAX])
{
    bool is_house = spec->document.size == 8 && memcmp(spec->document.bytes, "LASTBYTE", 8) == 0;

    if (is_house) {
        snprintf(ret_name, REPORT_RULE_MAX, "%.*s", (int)spec->section.size, spec->section.bytes);
    } else {
        snprintf(ret_name, REPORT_RULE_MAX, "%.*s %.*s", (int)spec->document.size,
                 spec->document.bytes, (int)spec->section.size, spec->section.bytes);
    }
}

void report_slice(uint32_t slice, char ret_text[REPORT_SLICE_MAX])
{
    if (slice == 0) {
        snprintf(ret_text, REPORT_SLICE_MAX, "written");
    } else if (slice == LB_NET_WHOLE) {
        snprintf(ret_text, REPORT_SLICE_MAX, "whole");
    } else {
        snprintf(ret_text, REPORT_SLICE_MAX, "%" PRIu32, slice);
    }
}

bool report_slice_parse(const char *text, uint32_t *ret_slice)
{
    uint64_t number = 0;

    if (strcmp(text, "written") == 0) {
        *ret_slice = 0;
        return true;
    }
    if (strcmp(text, "whole") == 0) {
        *ret_slice = LB_NET_WHOLE;
        return true;
    }
    if (!options_number(text, 0, LB_NET_WHOLE - 1, &number)) {
        return false;
    }
    *ret_slice = (uint32_t)number;
    return true;
}

bool report_is_bad(enum lb_verdict verdict)
{
    return lb_verdict_is_bad(verdict);
}

static bool byte_is_control(char byte)
{
    return (unsigned char)byte < 0x20 || byte == 0x7f;
}

void report_text(FILE *file, const char *bytes, size_t size)
{
    LB_ASSERT(file != NULL);
    for (size_t i = 0; i < size; i++) {
        if (byte_is_control(bytes[i]) && bytes[i] != '\t') {
            fprintf(file, "\\x%02x", (unsigned char)bytes[i]);
        } else {
            fputc(bytes[i], file);
        }
    }
}

void report_title(const struct lb_case *c)
{
    printf("%s: ", c->id);
    report_text(stdout, c->title.bytes, c->title.size);
    printf("\n");
}

void report_word(FILE *file, const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "_./:,@%+=-";
    bool has_control = false;

    LB_ASSERT(word != NULL);
    if (word[0] == '-') {
        fprintf(file, "./");
    }
    if (word[0] != '\0' && word[strspn(word, plain)] == '\0') {
        fprintf(file, "%s", word);
        return;
    }
    for (size_t i = 0; word[i] != '\0'; i++) {
        has_control = has_control || byte_is_control(word[i]);
    }
    fprintf(file, has_control ? "$'" : "'");
    for (; *word != '\0'; word++) {
        if (byte_is_control(*word)) {
            fprintf(file, "\\%03o", (unsigned char)*word); /* octal ends after three digits */
        } else if (*word == '\'') {
            fprintf(file, has_control ? "\\'" : "'\\''");
        } else if (*word == '\\' && has_control) {
            fprintf(file, "\\\\");
        } else {
            fputc(*word, file);
        }
    }
    fputc('\'', file);
}

static const char *verdict_colour(enum lb_verdict verdict)
{
    if (report_is_bad(verdict)) {
        return "\x1b[1;31m";
    }
    return verdict == LB_VERDICT_PASS || verdict == LB_VERDICT_NOTE ? "\x1b[32m" : "\x1b[33m";
}

void report_target(const char *name)
{
    if (strcmp(name, REPORT_TARGET) != 0) {
        printf("--target %s ", name);
    }
}

void report_verdict(enum lb_verdict verdict)
{
    bool is_terminal = isatty(STDOUT_FILENO) == 1;

    printf("%s%-6s%s ", is_terminal ? verdict_colour(verdict) : "", lb_verdict_word(verdict),
           is_terminal ? "\x1b[0m" : "");
}

/* Prints lines `first` to `last` of a text, the one at `place` marked. */
static void print_lines(const char *text, uint32_t first, uint32_t last, uint32_t place)
{
    uint32_t number = 1;

    LB_ASSERT(first <= place);
    LB_ASSERT(place <= last);
    while (*text != '\0' && number <= last) {
        size_t size = strcspn(text, "\n");

        if (number >= first) {
            printf("  %s %4" PRIu32 " | ", number == place ? ">" : " ", number);
            report_text(stdout, text, size);
            printf("\n");
        }
        text += size + (text[size] == '\n');
        number++;
    }
}

static void print_difference(const char *path, const struct lb_case *c,
                             const struct lb_result *result)
{
    const struct lb_line *line = result->line;
    char *file = path != NULL && line->place > 0 ? files_whole(path) : NULL;
    char *text = NULL;
    size_t size = 0;
    bool is_shown = false;

    if (file != NULL) {
        printf("  %s:%" PRIu32 ":\n", file, line->place);
    }
    printf("    expected  %s\n    actual    %s\n", result->expected, result->actual);
    if (file != NULL && files_read(file, &text, &size)) {
        uint32_t first = line->place > REPORT_CONTEXT ? line->place - REPORT_CONTEXT : 1;

        print_lines(text, first, line->place + REPORT_CONTEXT, line->place);
        free(text);
        is_shown = files_part(path) == NULL; /* of a family the line has holes: filled below */
    }
    if (!is_shown) {
        char printed[REPORT_LINE_MAX];

        lb_line_print(c, line, printed, sizeof(printed));
        printf("  >      | %s\n", printed);
    }
    free(file);
}

void report_details(const char *path, const struct lb_case *c, const struct lb_result *result)
{
    LB_ASSERT(c != NULL);
    LB_ASSERT(result->finding_count <= LB_FINDINGS_MAX);
    if (result->line != NULL) {
        print_difference(path, c, result);
    }
    for (uint32_t i = 0; i < result->finding_count; i++) {
        const struct lb_finding *finding = &result->findings[i];

        printf("  broken rule %s @ %s: %s\n", finding->rule, finding->context, finding->detail);
    }
    if (result->stale_position > 0) {
        printf("  departure %" PRIu32 " of the schedule is stale: it never took effect\n",
               result->stale_position);
    }
    if (result->profile[0] != '\0') {
        for (const char *line = result->profile; *line != '\0';) {
            size_t size = strcspn(line, "\n");

            printf("  %.*s\n", (int)size, line);
            line += size + (line[size] == '\n');
        }
    }
}

void report_explained(const char *path, const struct lb_case *c, const struct lb_variant *variant,
                      const struct lb_result *result)
{
    struct lb_result explained = *result;
    struct lb_runner *runner = NULL;

    if (report_is_bad(result->verdict) && lb_runner_new(&runner) == LB_OK) {
        lb_runner_explain(runner, c, variant, &explained);
        lb_runner_free(&runner);
    }
    report_details(path, c, &explained);
}

void report_command(FILE *file, const char *path, const struct lb_variant *variant)
{
    char slice[REPORT_SLICE_MAX];
    char fault[LB_FAULT_TEXT_MAX];

    report_slice(variant->slice, slice);
    fprintf(file, "lastbyte run ");
    report_word(file, path);
    fprintf(file, " --slice %s", slice);
    if (strcmp(variant->name, LB_EXPLORED) == 0) {
        char departures[LB_EXPLORE_TEXT_MAX];

        lb_departures_print(variant->departures, variant->departure_count, departures);
        fprintf(file, " --departures '%s'", departures);
    } else {
        fprintf(file, " --schedule %s", variant->name);
    }
    if (variant->fault != NULL) {
        lb_fault_print(variant->fault, fault);
        fprintf(file, " --fault ");
        report_word(file, fault);
    }
}

static void print_reproduce(FILE *file, const char *path, const struct lb_variant *variant)
{
    fprintf(file, "  reproduce: ");
    report_command(file, path, variant);
    fprintf(file, "\n");
}

void report_reproduce(const char *path, const struct lb_variant *variant)
{
    print_reproduce(stdout, path, variant);
}

void report_fault_error(const char *command, const char *option, const char *text)
{
    fprintf(stderr,
            "lastbyte %s: %s is '%s', expected one of\n"
            "  alloc N, start N, open N: the N-th allocation, worker start, open fails\n"
            "  connect N refused|timeout\n"
            "  read N timeout|reset|end|late-reset|late-end\n"
            "  write N reset|broken|closed\n"
            "  short-read BYTES, short-write BYTES, slow-write TIME, window BYTES: every call\n",
            command, option, text);
}

static void on_assertion(const char *file, int line, const char *expression)
{
    fflush(stdout);
    fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, expression);
    if (running.crash != NULL) {
        snprintf(running.crash, running.crash_size, "%s:%d: assertion failed: %s", file, line,
                 expression);
    }
    if (running.path != NULL) {
        fprintf(stderr, "CRASH  while running %s\n", running.path);
        if (running.variant != NULL) {
            print_reproduce(stderr, running.path, running.variant);
        }
    }
}

void report_running(const char *path, const struct lb_variant *variant)
{
    running.path = path;
    running.variant = variant;
    lb_assert_hook = on_assertion;
}

void report_crash_into(char *text, size_t size)
{
    running.crash = text;
    running.crash_size = size;
}

/* How many bytes the character at the front of `bytes` has; 0: it is none that XML allows. */
static size_t character_size(const unsigned char *bytes, size_t size)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t count = bytes[0] < 0x80 ? 1 : bytes[0] < 0xe0 ? 2 : bytes[0] < 0xf0 ? 3 : 4;
    uint32_t point = bytes[0] & (count == 1 ? 0x7fu : 0xffu >> (count + 1));

    if (count > size || (bytes[0] >= 0x80 && bytes[0] < 0xc0) || bytes[0] >= 0xf8) {
        return 0;
    }
    for (size_t i = 1; i < count; i++) {
        if ((bytes[i] & 0xc0) != 0x80) {
            return 0;
        }
        point = point << 6 | (bytes[i] & 0x3fu);
    }
    bool is_control = (point < 0x20 && point != '\t' && point != '\n') ||
                      (point >= 0x7f && point < 0xa0); /* those of two bytes as well */
    bool is_none = point < least[count] || point > 0x10ffff ||
                   (point >= 0xd800 && point < 0xe000) || point == 0xfffe || point == 0xffff;
    return is_control || is_none ? 0 : count;
}

char *report_plain(const char *bytes, size_t size)
{
    char *text = tool_alloc(size * 4 + 1);
    size_t used = 0;

    for (size_t i = 0; i < size;) {
        size_t count = character_size((const unsigned char *)bytes + i, size - i);

        if (count == 0) {
            used += (size_t)snprintf(text + used, 5, "\\x%02x", (unsigned char)bytes[i++]);
        } else {
            memcpy(text + used, bytes + i, count);
            used += count;
            i += count;
        }
    }
    text[used] = '\0';
    return text;
}
