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

/* isolate_run: runs function(argument) in a child and waits for it. Output is flushed on both sides. */
enum isolate_end isolate_run(void (*function)(void *argument), void *argument);

#endif
