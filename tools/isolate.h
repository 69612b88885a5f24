/*
 * Isolation: running something in a child process, so that a failed assertion or a memory error ends
 * that and not the tool.
 */
#ifndef LASTBYTE_TOOLS_ISOLATE_H
#define LASTBYTE_TOOLS_ISOLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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

#define ISOLATE_TEAM_MAX 64
#define ISOLATE_DEATH_MAX 64 /* bytes of what ended a child, the NUL included */

/* Children that run at the same time. */
struct isolate_team {
    uint32_t count; /* 1 to ISOLATE_TEAM_MAX */
    void *argument;
    /* In child number `member`, from 0. */
    void (*work)(void *argument, uint32_t member);
    /* In the parent: a child has told a number. */
    void (*heard)(void *argument, uint32_t number);
    /*
     * In the parent: a child has ended, and of what: "signal 11 (Segmentation fault)". True: another
     * one takes its place.
     */
    bool (*ended)(void *argument, uint32_t member, enum isolate_end end,
                  const char death[ISOLATE_DEATH_MAX]);
};

/* isolate_team_run: starts the children, and returns when all have ended. As isolate_run for each. */
void isolate_team_run(const struct isolate_team *team);

/* isolate_tell: in a child of a team: has `heard` called in the parent. What the child has written to
 * shared memory before can be read there. */
void isolate_tell(uint32_t number);

/*
 * isolate_watch: from now on SIGINT and SIGTERM do not end the process but are passed on to the
 * children, and isolate_signal tells of them. A second one kills the children.
 */
void isolate_watch(void);

/* isolate_has_killed: whether a second signal has come, so that children did not end by themselves. */
bool isolate_has_killed(void);

/* isolate_signal: SIGINT or SIGTERM, if one has come since isolate_watch; otherwise 0. */
int isolate_signal(void);

#endif
