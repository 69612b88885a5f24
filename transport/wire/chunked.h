/*
 * The chunked transfer coding (RFC 9112 section 7.1), decoded from pieces of any size.
 *
 * Written here because the end of a body is what this project is about: where exactly it lies, what
 * may stand before it, and that a cut anywhere before it is no end. Strict in all that frames: sizes
 * are hexadecimal digits, lines end with CRLF. Extensions are read over (section 7.1.1), trailer
 * fields are checked and dropped.
 */
#ifndef LASTBYTE_WIRE_CHUNKED_H
#define LASTBYTE_WIRE_CHUNKED_H

#include <stddef.h>
#include <stdint.h>

#include "lastbyte/status.h"

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
    LBI_CHUNKED_TRAILER_VALUE, /* behind its colon */
    LBI_CHUNKED_TRAILER_LF,
    LBI_CHUNKED_LAST_LF, /* the LF that ends the message */
    LBI_CHUNKED_ENDED,
};

/* All bytes zero is the start of a body. */
struct lbi_chunked {
    enum lbi_chunked_state state;
    uint64_t left; /* of the size while it is read, then of the data */
};

/*
 * lbi_chunked_decode: takes *ret_used bytes and stores *ret_size decoded ones in `out`. When `out` is
 * full it reads on through framing alone, so that an end that has arrived is reported with the last
 * bytes. Returns LB_OK (more to come), LB_END, or LB_PROTOCOL with the bytes before it stored; it is
 * not called again after these two.
 */
enum lb_status lbi_chunked_decode(struct lbi_chunked *chunked, const char *bytes, size_t size,
                                  size_t *ret_used, char *out, size_t out_size, size_t *ret_size);

#endif
