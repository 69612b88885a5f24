/*
 * What a server's bytes mean: a reader of one whole response, written independently of the transport
 * (and of llhttp) and used to judge it. It knows only what is beyond dispute: as soon as the bytes
 * leave the strict grammar of RFC 9112, it says so (is_known) and claims nothing about what follows.
 */
#ifndef LASTBYTE_CONFORMANCE_MODEL_H
#define LASTBYTE_CONFORMANCE_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum lb_model_framing {
    LB_MODEL_NONE,
    LB_MODEL_LENGTH,
    LB_MODEL_CHUNKED,
    LB_MODEL_UNTIL_CLOSE,
};

struct lb_model {
    bool is_known;         /* the bytes so far are within the strict grammar */
    bool is_faulty;        /* the head must be refused: lengths that differ or are no numbers */
    bool is_line_open;     /* they end inside a line, which may already be beyond the grammar */
    bool is_head_complete; /* of the final response */
    bool is_complete;      /* the message has come to its end */
    bool may_keep_alive;   /* it does not forbid reuse */
    uint16_t code;
    enum lb_model_framing framing;
    size_t head_end;  /* offset behind the head */
    size_t end;       /* offset behind the message, if complete */
    size_t body_size; /* bytes of decoded body, as far as known */
};

/*
 * lb_model_read: reads the response at the start of `bytes`, interim ones before it included.
 * is_ended: the server has ended its sending in order. Body bytes are stored in `body`, which has room
 * for `size` bytes (a body is never larger than its message).
 */
void lb_model_read(const uint8_t *bytes, size_t size, bool is_ended, bool is_head_request,
                   uint8_t *body, struct lb_model *ret_model);

#endif
