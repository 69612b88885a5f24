/*
 * Request to bytes: the head of a request (RFC 9112 sections 3, 5 and 6; RFC 9110 section 8.6).
 */
#ifndef LASTBYTE_WIRE_REQUEST_HEAD_H
#define LASTBYTE_WIRE_REQUEST_HEAD_H

#include <stdbool.h>
#include <stdint.h>

#include "lastbyte/client.h"
#include "lastbyte/memory.h"
#include "lastbyte/status.h"

/* The bytes of a request's head. */
struct lbi_request_head {
    struct lb_memory *memory;
    uint32_t size;
    char bytes[];
};

/*
 * lbi_request_head_new: gives *ret_head, released by lbi_request_head_release.
 * Errors: LB_MEMORY; LB_PROTOCOL when a part holds a byte that would break the message (rule F12's
 * mirror: nothing is injected), or does not go with another; LB_LIMIT when the host, the target or the
 * fields are too long. With is_coding_asked the head asks for the codings that can be undone.
 */
enum lb_status lbi_request_head_new(struct lb_memory *memory,
                                    const struct lb_request_options *options, bool is_coding_asked,
                                    struct lbi_request_head **ret_head);

/* lbi_request_head_release: takes *head and frees it. NULL is allowed. */
void lbi_request_head_release(struct lbi_request_head **head);

/* lbi_request_may_repeat: whether a request may be sent again when it may have been received (R5):
 * its method is GET, HEAD, OPTIONS or TRACE, or it has a key by which the server knows it again. */
bool lbi_request_may_repeat(const struct lb_request_options *options);

/* lbi_request_may_ask: whether a request leaves it to the transport to ask for a coding: not HEAD, which
 * brings no body, nor one whose caller asks for codings or for a part of the body (F8). */
bool lbi_request_may_ask(const struct lb_request_options *options);

/* lbi_request_has_field: whether the caller's fields have one of this name, in any case. */
bool lbi_request_has_field(const struct lb_request_options *options, const char *name);

#endif
