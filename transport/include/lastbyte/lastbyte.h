/*
 * lastbyte: a pooled HTTP/1.1 client transport whose outside is pluggable.
 *
 * Conventions, valid for every header below:
 *
 * - Ownership. A pointer parameter is *borrowed* for the call unless its comment says otherwise.
 *   *Keeps*: the object must outlive the event that the comment names. *Takes*: the parameter is
 *   `struct x **`; the object belongs to the callee and the caller's pointer is NULL afterwards, on
 *   failure too. *Gives*: the caller owns the result and releases it with the function named.
 * - NULL is not allowed for a pointer unless the comment says so.
 * - Units stand at the end of a name: `_ns` is nanoseconds. Times are absolute on the runtime's
 *   monotonic clock, durations are called durations. Sizes are bytes.
 * - Fallible functions return `enum lb_status`; outputs are named `ret_x` and are untouched on
 *   failure. An operating error of a body is sticky: each later call returns it again.
 * - A wrong call (NULL, a handle used after its release) is a programmer's error: LB_ASSERT ends the
 *   process, in every build.
 * - Every function may be called from any worker, except where its comment says otherwise. Calls
 *   that may block say so, and what unblocks them.
 */
#ifndef LASTBYTE_LASTBYTE_H
#define LASTBYTE_LASTBYTE_H

#include "lastbyte/client.h"
#include "lastbyte/loop.h"
#include "lastbyte/memory.h"
#include "lastbyte/runtime.h"
#include "lastbyte/site.h"
#include "lastbyte/socket.h"
#include "lastbyte/source.h"
#include "lastbyte/status.h"
#include "lastbyte/tcp.h"
#include "lastbyte/threads.h"
#include "lastbyte/tls.h"
#include "lastbyte/trace.h"

#endif
