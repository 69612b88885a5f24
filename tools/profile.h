/*
 * A transport's workers as text, in the manner of a goroutine profile.
 */
#ifndef LASTBYTE_TOOLS_PROFILE_H
#define LASTBYTE_TOOLS_PROFILE_H

#include "lastbyte/client.h"

#include <stdint.h>
#include <stdio.h>

/* profile_workers: how many workers the transport has. */
uint32_t profile_workers(struct lb_transport *transport);

/*
 * profile_print: a line with the number of workers, then one for each group of them, the largest first:
 * how many, their role, what they wait for, and, where that is the end of an open body, where its request
 * was made.
 */
void profile_print(FILE *file, struct lb_transport *transport);

#endif
