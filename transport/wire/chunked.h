/*
 * The chunked transfer coding (RFC 9112 section 7.1), decoded from pieces of any size.
 *
 * Written here because the end of a body is what this project is about: where exactly it lies, what
 * may stand before it, and that a cut anywhere before it is no end. Strict in all that frames: sizes
 * are hexadecimal digits, lines end with CRLF. Extensions are read over (section 7.1.1), trailer
 * fields (section 7.1.2) are checked, and kept where they may stand in trailers (rule F11).
 */
#ifndef LASTBYTE_WIRE_CHUNKED_H
#define LASTBYTE_WIRE_CHUNKED_H

#include <stddef.h>
#include <stdint.h>

#include "lastbyte/status.h"
#include "wire/head.h"

enum lbi_chunked_state {
    LBI_CHUNKED_SIZE,      /* at the first digit of a size */
    LBI_CHUNKED_DIGITS,    /* behind a digit */
    LBI_CHUNKED_BLANK,     /* behind blanks after the size, before ';' or CR */
    LBI_CHUNKED_EXTENSION, /* behind ';', before CR */
    LBI_CHUNKED_SIZE_LF,   /* the size line's LF */
    LBI_CHUNKED_DATA,      /* `left` bytes of data */
    LBI_CHUNKED_DATA_CR,   /* the CRLF behind the data */
    LBI_CHUNKED_DATA_LF,
    LBI_CHUNKED_TRAILER,       /* at the start of a trailer line, or of the last CRLF */
    LBI_CHUNKED_TRAILER_NAME,  /* inside a field's name */
    LBI_CHUNKED_TRAILER_BLANK, /* behind its colon, before its value */
    LBI_CHUNKED_TRAILER_VALUE, /* inside its value */
    LBI_CHUNKED_TRAILER_LF,
    LBI_CHUNKED_LAST_LF, /* the LF that ends the message */
    LBI_CHUNKED_ENDED,
};

struct lbi_chunked {
    enum lbi_chunked_state state;
    uint64_t left;             /* of the size while it is read, then of the data */
    struct lbi_head *trailers; /* NULL: trailer fields are checked and dropped */
    size_t field_start;        /* in trailers: of the field that is being read */
    uint32_t trailer_size;     /* bytes of the trailer section read so far */
    uint32_t trailer_size_max;
};

/* lbi_chunked_begin: the start of a body. Keeps trailers, an empty head, until the body has ended; no
 * storage is asked for before a field comes. The trailer section, its last line included, has at most
 * trailer_size_max bytes (rule B4). */
void lbi_chunked_begin(struct lbi_chunked *chunked, struct lbi_head *trailers,
                       uint32_t trailer_size_max);

/*
 * lbi_chunked_decode: takes *ret_used bytes and stores *ret_size decoded ones in `out`. When `out` is
 * full it reads on through framing alone, so that an end that has arrived is reported with the last
 * bytes. Returns LB_OK (more to come), LB_END, or LB_PROTOCOL, LB_LIMIT (the trailer section is too
 * long) or LB_MEMORY with the bytes before it stored; it is not called again after these four.
 */
enum lb_status lbi_chunked_decode(struct lbi_chunked *chunked, const char *bytes, size_t size,
                                  size_t *ret_used, char *out, size_t out_size, size_t *ret_size);

#endif
