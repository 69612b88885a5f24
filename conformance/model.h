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
    LB_MODEL_UPGRADED, /* behind a 101 that was asked for: whatever comes */
};

/* What a body's content coding is, and how far it is whole. */
enum lb_model_coding {
    LB_MODEL_PLAIN, /* none, or not to be undone */
    LB_MODEL_GZIP,
    LB_MODEL_DEFLATE,
    LB_MODEL_OTHER, /* several, or one that nobody undoes */
};

struct lb_model {
    bool is_known;         /* the bytes so far are within the strict grammar */
    bool is_faulty;        /* the head must be refused: lengths that differ or are no numbers */
    bool is_line_open;     /* they end inside a line, which may already be beyond the grammar */
    bool is_head_complete; /* of the final response */
    bool is_complete;      /* the message has come to its end */
    bool may_keep_alive;   /* it does not forbid reuse */
    uint16_t code;
    uint64_t fields_mark; /* of the fields of the head (lb_model_mark) */
    enum lb_model_framing framing;
    size_t head_end;  /* offset behind the head */
    size_t end;       /* offset behind the message, if complete */
    size_t body_size; /* bytes of decoded body, as far as known */
    /* The content coding; the last two are filled by lb_model_decode. */
    enum lb_model_coding coding;
    bool is_decoded;      /* `body_size` counts bytes of the coding undone */
    bool is_coding_cut;   /* more would have to come */
    bool is_coding_wrong; /* it cannot be undone, or something else follows it */
    size_t trailer_start; /* offset of the trailer section, 0: there is none */
    size_t trailer_end;
};

/* What the request asked for, as far as it decides what its answer means. */
struct lb_model_asked {
    bool is_head;
    bool is_upgrade; /* another protocol */
};

/*
 * lb_model_read: reads the response at the start of `bytes`, interim ones before it included.
 * is_ended: the server has ended its sending in order. Body bytes are stored in `body`, which has room
 * for `size` bytes (a body is never larger than its message).
 */
void lb_model_read(const uint8_t *bytes, size_t size, bool is_ended, bool is_head_request,
                   uint8_t *body, struct lb_model *ret_model);

/* lb_model_read_as: the same as the answer to a request that asked for more. */
void lb_model_read_as(const struct lb_model_asked *asked, const uint8_t *bytes, size_t size,
                      bool is_ended, uint8_t *body, struct lb_model *ret_model);

/*
 * lb_model_decode: undoes the content coding of a body that was read, in one piece. `coded` has
 * model->body_size bytes; is_tail_dropped: what follows the first member is dropped. Gives *ret_body
 * (malloc, free) and sets the model's size and the marks of its coding; NULL: there is nothing to undo.
 */
void lb_model_decode(struct lb_model *model, const uint8_t *coded, bool is_tail_dropped,
                     uint8_t **ret_body);

/* lb_model_mark: the mark of a row of fields with one more: 0 is that of none. Names as they were sent, values
 * without the blanks around them. */
uint64_t lb_model_mark(uint64_t mark, const void *name, size_t name_size, const void *value,
                       size_t value_size);

/* lb_model_trailer: whether a trailer field of that name (any case) and value was sent. `bytes` are
 * those that the model was read from. */
bool lb_model_trailer(const struct lb_model *model, const uint8_t *bytes, const char *name,
                      const char *value);

#endif
