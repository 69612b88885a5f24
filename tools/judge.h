/*
 * The judge: runs inputs of a fuzz target, one at a time, in a process of its own, and says what finding
 * each shows. An input that ends that process shows a crash, and the next one gets a new process.
 */
#ifndef LASTBYTE_TOOLS_JUDGE_H
#define LASTBYTE_TOOLS_JUDGE_H

#include "target.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JUDGE_FINDING_MAX 96 /* bytes of a finding's name, the NUL included */

/* What an input shows. The finding is a rule and where body and connection stood, such as
 * "R3/length/early-close"; "crash/..." where the process ended; "" if there is none. */
struct judge_seen {
    char finding[JUDGE_FINDING_MAX];
    char detail[200]; /* one sentence for people; or "" */
    uint64_t trace_hash;
};

struct judge;

/* judge_new: a judge of a target's inputs: gives *ret_judge, released by judge_free; false, with a message,
 * if no process can be made. */
bool judge_new(const struct lb_target_row *row, struct judge **ret_judge);
void judge_free(struct judge **judge);

/* judge_run: what `bytes` show. False, with a message, if the rig has failed. */
bool judge_run(struct judge *judge, const uint8_t *bytes, size_t size, struct judge_seen *ret_seen);

#endif
