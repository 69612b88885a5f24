/*
 * State feedback: what a run went through, as coverage beside that of the code. Two maps: the switches
 * between workers (site and role left, site and role entered), and the pairs of an event and the state in
 * which it found the connection, or the body.
 *
 * libFuzzer reads them as its extra counters. AFL++ gives them a part of its map. Other engines, and a
 * build with LASTBYTE_FEEDBACK=OFF, do not see them.
 */
#ifndef LASTBYTE_FUZZ_FEEDBACK_H
#define LASTBYTE_FUZZ_FEEDBACK_H

#include "target.h"

/* lb_feedback_begin: a target counts into the maps from now on; once. */
void lb_feedback_begin(struct lb_target *target);

/* lb_feedback_end: an input has been judged: hands the counts over to an engine that does not read the
 * maps itself. */
void lb_feedback_end(void);

#endif
