/*
 * Isolation by fork: the child is a copy, so it needs no message to start with, and what it changes
 * for its parent stands in memory that both share.
 */
#include "isolate.h"

#include "core/assert.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

void *isolate_shared(size_t size)
{
    LB_ASSERT(size > 0);
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

void isolate_release(void *memory, size_t size)
{
    if (memory != NULL) {
        int failed = munmap(memory, size);
        LB_ASSERT(failed == 0);
    }
}

/* Waits for the child, however often a signal interrupts. */
static int isolate_wait(pid_t child)
{
    int status = 0;
    while (waitpid(child, &status, 0) < 0) {
        LB_ASSERT(errno == EINTR);
    }
    return status;
}

enum isolate_end isolate_run(void (*function)(void *argument), void *argument)
{
    int *is_returned = isolate_shared(sizeof(*is_returned));
    fflush(NULL);
    pid_t child = is_returned == NULL ? -1 : fork();
    if (child == 0) {
        function(argument);
        *is_returned = 1;
        exit(EXIT_SUCCESS); /* flushes, and lets a leak checker speak */
    }
    if (child < 0) {
        isolate_release(is_returned, sizeof(*is_returned));
        return ISOLATE_FAILED;
    }
    int status = isolate_wait(child);
    bool has_returned = *is_returned == 1;
    isolate_release(is_returned, sizeof(*is_returned));
    if (!has_returned) {
        return ISOLATE_CRASHED;
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS ? ISOLATE_DONE : ISOLATE_FAILED;
}
