/*
 * A past run: what its JSON report says. There is no other state between two runs: which report is meant,
 * and where it lies, is for the caller to say.
 */
#ifndef LASTBYTE_TOOLS_PAST_H
#define LASTBYTE_TOOLS_PAST_H

#include "files.h"

/*
 * past_failures: adds the names of the cases that did not come out as expected in a run, and the files that
 * were no cases. False if `path` is no JSON report of `check`; a message has been printed.
 */
bool past_failures(const char *path, struct paths *ret_names);

#endif
