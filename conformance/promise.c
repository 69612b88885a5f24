/*
 * The rules of lastbyte as text: see promise.h. The test `reports` holds the short form to README.md.
 */
#include "promise.h"

#include <stddef.h>
#include <string.h>

#include "core/assert.h"

static const char own[] = "lastbyte's own promise; no standard speaks of it";

static const struct lb_promise promises[] = {
    {"E1", "a settled world has only workers of idle connections and of bodies that somebody holds",
     "At settle every worker has ended, is parked on an idle pooled connection, or stands "
     "behind a body that its caller still holds open.",
     own},
    {"E2", "a connection's two workers end with each other, a dial worker with its dial",
     "The read and the write worker of a connection end together; a dial worker ends when its "
     "dial does.",
     own},
    {"E3", "a transport that is freed leaves nothing: workers, sockets, timers, waiters, memory",
     "After teardown: no worker, no open socket, no pending timer, no waiter, no byte of "
     "memory.",
     own},
    {"E4", "reading to the end is enough to release the connection; a close after it is idle",
     "A body read to its end gives its connection back (or ends it) without a close; a close "
     "afterwards changes nothing.",
     "RFC 9112 section 9.3"},
    {"E5", "an early close ends the connection, or drains it within limits first",
     "A close before the end ends the connection and both workers, or, where draining is on, "
     "drains within its byte and time limits and then pools it.",
     "RFC 9112 section 9.3"},
    {"E6", "cancel, deadline and a dead connection end an exchange at whichever stage it is",
     "Cancel, deadline, and the death of the connection each end the exchange and both "
     "workers, at every stage: waiting for a connection, dialing, writing, waiting for the "
     "head, delivering, in the body, draining, idle.",
     own},
    {"E7", "a lost handle costs one connection with its two workers, until the transport is freed",
     "A dropped body holds exactly its connection and two workers, no more, and destroying "
     "the client reclaims them.",
     own},
    {"E8", "a broken body ends its connection without waiting for the caller's close",
     "A body error (truncated, malformed) ends the connection at once, closed by the caller "
     "or not.",
     "RFC 9112 section 8"},
    {"E9", "a cancel unblocks a request body that its source holds up",
     "A request body source that blocks: cancel closes the source, which unblocks it; no "
     "worker outlives the exchange by more than that source's return.",
     own},
    {"F1",
     "a caller gets the server's bytes for its own exchange, in order, and all before the end",
     "The bytes read are a prefix of what the server sent for this exchange; all of them "
     "before the end.",
     "RFC 9112 section 6"},
    {"F2", "no end before the framing says so; what is cut is incomplete",
     "The end is reported only when the framing is complete; a cut at any byte of a length, "
     "chunked or gzip body is incomplete, never an end.",
     "RFC 9112 section 8"},
    {"F3", "an outcome, once given, is given again at each further read, without bytes",
     "Every outcome is sticky: end, error and closed repeat, with no bytes.", own},
    {"F4", "after a close reads say *closed*; closing twice is closing once",
     "A read after close gives closed and no bytes, on every layer; close is idempotent.", own},
    {"F5", "a response's bytes reach no other request",
     "No byte of one response is ever delivered for another request.", "RFC 9112 section 9.2"},
    {"F6",
     "of several causes the caller hears the cancel first, then its own body's error, then "
     "the network's; a response that has come beats a failed write",
     "What the caller sees: the cancel cause before a request-body error before a network "
     "error; a response that has arrived before a write error.",
     own},
    {"F7", "who has seen the end finds the connection pooled",
     "A caller that saw the end finds the connection in the pool already; bodiless responses "
     "likewise.",
     own},
    {"F8", "gzip is undone only if the transport asked for it, and its cuts are errors",
     "gzip is removed only where the transport asked for it; one layer; its end fires the "
     "framing's end; a cut is an error; extra members and trailing bytes are handled as "
     "configured.",
     "RFC 9110 section 8.4"},
    {"F9", "HEAD, 1xx, 204 and 304 carry no body, whatever the fields say",
     "HEAD, 1xx, 204 and 304 have no body whatever their fields say.", "RFC 9112 section 6.3"},
    {"F10", "interim responses answer nobody, except 101, which is the last",
     "Interim responses are consumed and never answer a request; 101 is final; 100 belongs to "
     "this exchange.",
     "RFC 9110 section 15.2"},
    {"F11", "trailers are visible after the end only, and only if well-formed",
     "Trailers appear only after the end, and only if they were well-formed.",
     "RFC 9110 section 6.5"},
    {"F12",
     "RFC 9112 6.3 decides about framing; a contradiction is *protocol* and ends the "
     "connection",
     "Framing is decided by RFC 9112 section 6.3; conflicting or malformed lengths and "
     "codings are protocol, and the connection is not reused.",
     "RFC 9112 section 6.3"},
    {"R1",
     "reuse needs all of it: body ended, request written, nobody closes, no error, no cancel, "
     "room",
     "A connection is reused only if: body at its end, server has not closed, request fully "
     "written, no close token on either side, HTTP version allows, no framing or trailer "
     "error, no cancel or time-out, the pool has room. Each condition alone prevents reuse.",
     "RFC 9112 section 9.3"},
    {"R2", "bytes left over behind a response forbid reuse",
     "Bytes left in the client's own buffer at the end of a response prevent reuse.",
     "RFC 9112 section 9.2"},
    {"R3", "an idle connection that says something, or ends, serves nobody any more",
     "Bytes or EOF that arrive on an idle connection remove and close it, before it can carry "
     "a request; a late 408 quietly.",
     "RFC 9112 section 9.5"},
    {"R4", "one connection, one exchange, one place in the pool",
     "A connection never carries two exchanges at once and never stands in the pool twice, or "
     "in the pool and in use.",
     "RFC 9112 section 9.2"},
    {"R5",
     "a retry only on a reused connection, before the first byte of an answer, for requests "
     "that may be repeated, and a bounded number of times",
     "A failed request is retried only on a connection that was reused, only if nothing was "
     "written or the method is idempotent and the body can be produced again, and only before "
     "the first response byte; the body is rewound; retries end.",
     "RFC 9110 section 9.2.2 and RFC 9112 section 9.3.1"},
    {"R6", "connections of different origins are never exchanged",
     "Connections are pooled by scheme, host and port; nothing crosses.", "RFC 9110 section 7.3"},
    {"R7", "an early response is delivered; reuse waits for the request's end",
     "A response that comes before the request is fully written is delivered; the connection "
     "is not reused unless the write finishes in time.",
     "RFC 9112 section 9.3"},
    {"R8", "a body behind Expect: 100-continue is sent once, or the connection ends",
     "Expect: 100-continue: the body is sent once or the connection is closed, whatever final "
     "status arrives.",
     "RFC 9110 section 10.1.1"},
    {"R9",
     "a request does not wait for its own dial if a connection comes back first; the dial is "
     "not wasted",
     "A request served by a returning connection does not wait for its own dial; that dial's "
     "connection is pooled or given to the next waiter.",
     own},
    {"O1", "a socket is closed one time, and left alone afterwards",
     "Each socket is closed exactly once, and never used after.", own},
    {"O2", "so is the source of a request's body, on all paths",
     "Each request body source is closed exactly once, on every path, also when the request "
     "is invalid or never gets a connection.",
     own},
    {"O3", "of end, close, cancel and death one wins, and signals the end",
     "The end signal fires at most once; end, early close, cancel and connection death "
     "compete and one wins.",
     own},
    {"O4", "a slot of a host is returned one time",
     "Each per-host slot is released exactly once, whatever raced.", own},
    {"O5", "a waiter is answered one time; a wake-up that comes too late for one goes to the next",
     "Each waiter is served, refused or cancelled exactly once; a wake-up that its receiver "
     "can no longer use goes to the next.",
     own},
    {"O6", "a cancel that is too late does not reach the next exchange",
     "A cancel that comes after its exchange has ended touches nothing, above all not the "
     "next exchange on that connection.",
     own},
    {"B1", "close and cancel do not wait for the network",
     "`close` does not wait for the network; `cancel` does not wait for anything.", own},
    {"B2", "no limit of connections is exceeded; who has to go is defined",
     "Limits hold at every step: connections per host, idle per host, idle in all; who is "
     "evicted is defined (the newcomer per host, the oldest in all).",
     "RFC 9112 section 9.4"},
    {"B3", "a time-out comes at its time, not before and not for a cause that is gone",
     "Each time-out fires at its virtual time, exactly, and only if its cause still stands: "
     "dial, response head (from the end of the write), idle, 100-continue, drain, deadline.",
     own},
    {"B4", "whatever a server sends is bounded, and the bound is a status",
     "Input is bounded: head bytes, interim responses, chunk-size lines, extensions, "
     "trailers, decoded output; the bound is a status, and memory stays under it.",
     "RFC 9110 section 2.3"},
    {"B5", "no wait goes on when what it waits for has come, or cannot come",
     "No wait outlives its cause: no lost wake-up, no waiter behind a slot that is free, no "
     "retry without end.",
     own},
    {"B6", "nothing of a request moves once its error was returned",
     "After an error is returned to the caller, nothing of the request is read or written any "
     "more.",
     own},
    {"B7", "each allocation may fail: *memory*, and nothing is left over",
     "Every allocation may fail, once at each place: a clean memory status, and E1-E3 still "
     "hold.",
     own},
};

#define PROMISE_COUNT (sizeof promises / sizeof promises[0])

const struct lb_promise *lb_promise_at(uint32_t index)
{
    return index < PROMISE_COUNT ? &promises[index] : NULL;
}

uint32_t lb_promise_index(const char *rule)
{
    LB_ASSERT(rule != NULL);
    for (uint32_t i = 0; i < PROMISE_COUNT; i++) {
        if (strcmp(promises[i].rule, rule) == 0) {
            return i;
        }
    }
    return UINT32_MAX;
}
