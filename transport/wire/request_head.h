/*
 * Request to bytes: the head of a GET or HEAD (RFC 9112 sections 3 and 5).
 */
#ifndef LASTBYTE_WIRE_REQUEST_HEAD_H
#define LASTBYTE_WIRE_REQUEST_HEAD_H

#include <stdbool.h>
#include <stdint.h>

#include "lastbyte/client.h"
#include "lastbyte/memory.h"
#include "lastbyte/status.h"

/* The bytes of a request's head, shared by the request and the connection that writes them, so that
 * a connection never reads memory of a request that has been released (rule B6). */
struct lbi_request_head {
    struct lb_memory *memory;
    uint32_t owner_count; /* guarded by the transport's lock */
    uint32_t size;
    char bytes[];
};

/*
 * lbi_request_head_new: gives *ret_head with one owner, released by lbi_request_head_release.
 * Errors: LB_MEMORY; LB_PROTOCOL when a part holds a byte that would break the message (rule F12's
 * mirror: nothing is injected); LB_LIMIT when the target is longer than LBI_TARGET_MAX. With
 * is_coding_asked the head asks for the codings that can be undone.
 */
enum lb_status lbi_request_head_new(struct lb_memory *memory,
                                    const struct lb_request_options *options, bool is_coding_asked,
                                    struct lbi_request_head **ret_head);

/* lbi_request_head_may_ask: whether a request leaves it to the transport to ask for a coding: not HEAD,
 * which brings no body, nor one whose caller asks for codings or for a part of the body itself. */
bool lbi_request_head_may_ask(const struct lb_request_options *options);

/* lbi_request_head_acquire: one more owner. */
struct lbi_request_head *lbi_request_head_acquire(struct lbi_request_head *head);

/* lbi_request_head_release: takes *head; one owner less, the last one frees. NULL is allowed. */
void lbi_request_head_release(struct lbi_request_head **head);

#endif
