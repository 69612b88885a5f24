/*
 * Status words. One spelling everywhere: in this enum, in case files, in traces and in reports.
 */
#ifndef LASTBYTE_STATUS_H
#define LASTBYTE_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define LB_MUST_USE __attribute__((warn_unused_result))
#else
#define LB_MUST_USE
#endif

enum lb_status {
    /* Outcomes: nothing went wrong. */
    LB_OK = 0, /* Done. */
    LB_END,    /* The body is complete, or the peer has ended its sending. Final, nobody's fault. */
    LB_AGAIN,  /* Internal to a layer: more input is needed. Never reaches a caller of client.h. */

    /* Operating errors: final for the request or body that returns one. */
    LB_INCOMPLETE, /* The connection ended before the message did (RFC 9112 section 8). The peer's. */
    LB_CANCELLED, /* The caller cancelled the request. The caller's. */
    LB_RESET, /* The peer aborted the connection, a write to it failed, or what the peer sent before
                   * it was asked had spoiled it (rule R3). The peer's. */
    LB_TIMEOUT,  /* A deadline passed: dial, response head or the whole request. */
    LB_PROTOCOL, /* Malformed or conflicting framing (RFC 9112 sections 2.2, 6.3, 7). The peer's. */
    LB_REFUSED,  /* No connection could be made. The peer's. */
    LB_CLOSED,   /* The caller closed the body, or the transport is being freed. The caller's. */
    LB_LIMIT,    /* A bound of the options or of limits.h was reached. */
    LB_MEMORY,   /* An allocation failed, or a worker could not be started. Ours. */
    LB_SOURCE,   /* The source of the request's body failed, or gave another size than was said. The
                  * caller's. */
};

/* Number of enumerators of `enum lb_status`. */
#define LB_STATUS_COUNT 13

/*
 * lb_status_word: the word of a status as case files and reports spell it: "ok", "end", "again",
 * "incomplete", "cancelled", "reset", "timeout", "protocol", "refused", "closed", "limit", "memory",
 * "source".
 * Returns a static string. Never blocks.
 */
const char *lb_status_word(enum lb_status status);

#ifdef __cplusplus
}
#endif
#endif
