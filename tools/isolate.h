/*
 * Isolation: running something in a child process, so that a failed assertion or a memory error ends
 * that and not the tool.
 */
#ifndef LASTBYTE_TOOLS_ISOLATE_H
#define LASTBYTE_TOOLS_ISOLATE_H

#include <stddef.h>

enum isolate_end {
    ISOLATE_DONE,    /* the function returned, and the child ended with exit code 0 */
    ISOLATE_CRASHED, /* a signal or a sanitizer ended the child inside the function */
    ISOLATE_FAILED,  /* no child could be made, or it ended badly after the function returned */
};

/*
 * isolate_shared: gives zeroed memory that a child changes for its parent, released by
 * isolate_release; NULL if there is none.
 */
void *isolate_shared(size_t size);
void isolate_release(void *memory, size_t size);

/*
 * isolate_run: runs function(argument) in a child and waits for it. Output is flushed on both sides;
 * a child that could not write its output has failed. A child does not outlive its parent.
 */
enum isolate_end isolate_run(void (*function)(void *argument), void *argument);

/*
 * isolate_watch: from now on SIGINT and SIGTERM do not end the process but are passed on to the
 * child, and isolate_signal tells of them. A second one kills the child.
 */
void isolate_watch(void);

/* isolate_signal: SIGINT or SIGTERM, if one has come since isolate_watch; otherwise 0. */
int isolate_signal(void);

#endif
