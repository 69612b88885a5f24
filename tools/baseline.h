/*
 * A baseline: the failures that are known and expected, so that only new ones turn a build red.
 *
 * A file of lines of three columns, separated by tabs: the case (AREA/ID); the finding, as reports print it
 * ("F2 @ length"), or a verdict ("FAIL") where no rule is broken, or - for any failure; and the reason, for
 * people. Empty lines and those that begin with # say nothing. A case that fails in several ways has
 * several lines.
 */
#ifndef LASTBYTE_TOOLS_BASELINE_H
#define LASTBYTE_TOOLS_BASELINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct baseline_row {
    const char *name;    /* points into the text, as what follows */
    const char *finding; /* "-": any */
    const char *reason;
    uint32_t line; /* from 1 */
};

struct baseline {
    char *text;
    struct baseline_row *rows;
    size_t count;
};

/*
 * baseline_load: reads a file. False if it is no baseline; a message with the place has been printed.
 * Gives *ret_baseline (baseline_deinit).
 */
bool baseline_load(const char *path, struct baseline *ret_baseline);
void baseline_deinit(struct baseline *baseline);

/* baseline_reason: the reason of the first line that names a case; NULL: there is none. */
const char *baseline_reason(const struct baseline *baseline, const char *name);

/* baseline_has: whether a failure of a case is expected. */
bool baseline_has(const struct baseline *baseline, const char *name, const char *finding);

#endif
