/*
 * The story of a run: what happened in it, recorded to be told afterwards.
 *
 *   the conversation   two columns, the program left, the servers right: what was asked and what came
 *   the table          a column for each worker, a row for each event: who did what in which order
 *   the leaks          which workers were left, who could wake them, and when nobody could any more
 *
 * A run with a story (lb_run_output.story) has the same trace as one without. Recording costs time and
 * memory, hence it is for runs that somebody wants to read: `lastbyte run`, and a failure of `check` or
 * `explore`, which is run once more for it.
 */
#ifndef LASTBYTE_CONFORMANCE_STORY_H
#define LASTBYTE_CONFORMANCE_STORY_H

#include <stdbool.h>
#include <stddef.h>

#include "run.h"

#define LB_STORY_WIDTH 100           /* columns that a told line has at most */
#define LB_STORY_ROWS 40             /* rows of a table that is not whole, about */
#define LB_STORY_EVENTS_MAX 1000000u /* later ones are not recorded, and the story says so */

/* What a told line is, for whoever colours it. */
enum lb_tone {
    LB_TONE_PLAIN,
    LB_TONE_TITLE, /* names of columns, titles */
    LB_TONE_BAD,   /* an outcome that differs, the point of no return */
    LB_TONE_MARK,  /* a departure from the schedule */
};

/* Where told lines go, without newline. */
struct lb_story_output {
    void (*line)(void *context, const char *text, enum lb_tone tone);
    void *context;
};

/* lb_story_new: gives *ret_story, empty, released by lb_story_free. Errors: LB_MEMORY. */
LB_MUST_USE enum lb_status lb_story_new(struct lb_story **ret_story);
void lb_story_free(struct lb_story **story);

/* lb_story_conversation: tells the two columns. The case of the run must still live. */
void lb_story_conversation(const struct lb_story *story, const struct lb_story_output *output);

/* lb_story_table: tells the table; all rows if is_whole, otherwise those up to the failure and around
 * what is marked. */
void lb_story_table(const struct lb_story *story, bool is_whole,
                    const struct lb_story_output *output);

/* lb_story_leaks: tells of each worker left its class, its lifetime and why; nothing where none is. */
void lb_story_leaks(const struct lb_story *story, const struct lb_story_output *output);

/* lb_story_has_leaks: whether a worker was left. */
bool lb_story_has_leaks(const struct lb_story *story);

/*
 * lb_runner_explain: runs a variant whose result is bad once more, with a story, and puts the workers
 * left, with their classes, into the result's profile, where it has one. Without memory it changes
 * nothing.
 */
void lb_runner_explain(struct lb_runner *runner, const struct lb_case *c,
                       const struct lb_variant *variant, struct lb_result *result);

#endif
