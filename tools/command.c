/*
 * Exit codes: see command.h.
 */
#include "command.h"

#include "core/assert.h"

#include <signal.h>

static int rank(enum exit_code code)
{
    switch (code) {
    case EXIT_AS_EXPECTED:
        return 0;
    case EXIT_SKIPPED:
        return 1;
    case EXIT_INTERRUPTED:
    case EXIT_TERMINATED:
        return 2;
    case EXIT_USAGE:
        return 3;
    case EXIT_UNEXPECTED:
        return 4;
    case EXIT_NONDETERMINISM:
        return 5;
    case EXIT_RIG:
        return 6;
    }
    return 6;
}

enum exit_code command_worse(enum exit_code a, enum exit_code b)
{
    return rank(a) >= rank(b) ? a : b;
}

enum exit_code command_ended(enum exit_code code, int signal)
{
    if (signal == 0) {
        return code;
    }
    LB_ASSERT(signal == SIGINT || signal == SIGTERM);
    return command_worse(code, signal == SIGINT ? EXIT_INTERRUPTED : EXIT_TERMINATED);
}
