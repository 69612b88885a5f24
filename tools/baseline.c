/*
 * A baseline: see baseline.h.
 */
#include "baseline.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/assert.h"
#include "files.h"

/* Reads one line into a row; false after a message. */
static bool row_read(const char *path, char *line, uint32_t number, struct baseline_row *ret_row)
{
    const char *name = strsep(&line, "\t");
    const char *finding = strsep(&line, "\t");
    const char *what = name[0] == '\0'                                   ? "a case"
                       : finding == NULL || finding[0] == '\0'           ? "a finding or -"
                       : line == NULL || line[strspn(line, " ")] == '\0' ? "a reason"
                       : strchr(line, '\t') != NULL                      ? "no fourth column"
                                                                         : NULL;

    if (what != NULL) {
        fprintf(stderr,
                "%s:%" PRIu32 ": expected %s: AREA/ID, finding or -, reason, separated by tabs\n",
                path, number, what);
        return false;
    }
    *ret_row = (struct baseline_row){name, finding, line, number};
    return true;
}

static size_t line_count(const char *text)
{
    size_t count = 1;
    for (; *text != '\0'; text++) {
        count += *text == '\n' ? 1 : 0;
    }
    return count;
}

bool baseline_load(const char *path, struct baseline *ret_baseline)
{
    struct baseline baseline = {0};
    size_t size = 0;
    bool is_good = true;

    if (!files_read(path, &baseline.text, &size)) {
        fprintf(stderr, "lastbyte check: %s: %s\n", path, files_reason(path));
        return false;
    }
    if (strlen(baseline.text) != size) {
        fprintf(stderr, "%s: a NUL byte, expected a baseline\n", path);
        free(baseline.text);
        return false;
    }
    baseline.rows = tool_alloc(line_count(baseline.text) * sizeof(*baseline.rows));
    uint32_t number = 0;
    for (char *next = baseline.text; next != NULL && *next != '\0';) {
        char *line = strsep(&next, "\n");

        number++;
        if (line[0] != '\0' && line[0] != '#') {
            is_good = row_read(path, line, number, &baseline.rows[baseline.count]) && is_good;
            baseline.count += is_good ? 1 : 0;
        }
    }
    if (!is_good) {
        baseline_deinit(&baseline);
        return false;
    }
    *ret_baseline = baseline;
    return true;
}

void baseline_deinit(struct baseline *baseline)
{
    free(baseline->rows);
    free(baseline->text);
    *baseline = (struct baseline){0};
}

const char *baseline_reason(const struct baseline *baseline, const char *name)
{
    LB_ASSERT(name != NULL);
    for (size_t i = 0; i < baseline->count; i++) {
        if (strcmp(baseline->rows[i].name, name) == 0) {
            return baseline->rows[i].reason;
        }
    }
    return NULL;
}

bool baseline_has(const struct baseline *baseline, const char *name, const char *finding)
{
    LB_ASSERT(finding != NULL);
    for (size_t i = 0; i < baseline->count; i++) {
        const struct baseline_row *row = &baseline->rows[i];
        if (strcmp(row->name, name) == 0 &&
            (strcmp(row->finding, "-") == 0 || strcmp(row->finding, finding) == 0)) {
            return true;
        }
    }
    return false;
}
