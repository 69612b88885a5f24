/*
 * Every bound of the transport that no option sets. Reaching one is a status, never a silent drop.
 */
#ifndef LASTBYTE_CORE_LIMITS_H
#define LASTBYTE_CORE_LIMITS_H

#include <stdint.h>

#define LBI_INPUT_SIZE 4096u   /* bytes of a connection's input buffer */
#define LBI_HEAD_CAPACITY 512u /* first size of the storage for a response's fields */
#define LBI_HOST_MAX 255u      /* bytes of a host's name (RFC 1035 section 2.3.4) */
#define LBI_TARGET_MAX 8192u   /* bytes of a request target (RFC 9110 section 4.1: 8000) */

#define LBI_DROP_SIZE 1024u    /* bytes of a body that a drain drops at a time */
#define LBI_METHOD_MAX 32u     /* bytes of a method */
#define LBI_FIELDS_MAX 65536u  /* bytes of the fields that a caller adds to a request */
#define LBI_UPLOAD_SIZE 16384u /* bytes of a request's body that are read at once */

/* Framing bytes that a chunked body may spend on each of its bytes, beyond head_size_max. */
#define LBI_OVERHEAD_PER_BYTE 16u

#define LBI_DECODED_FREE UINT64_C(1048576) /* bytes decoded before gzip_ratio_max counts */
#define LBI_DECODED_STEP (1u << 30)        /* bytes that zlib decodes in one call */

#define LBI_ADDRESS_MAX 16u                       /* addresses of one host that a dial tries */
#define LBI_ADDRESS_SHARE_NS UINT64_C(2000000000) /* of a dial's time, for each address at least */

#define LBI_LOOK_NS UINT64_C(50000) /* how old the answer of is_pending may be on the loop */

#define LBI_TLS_PIECE_SIZE 16384u  /* bytes that a write encrypts at once: one record's */
#define LBI_TLS_OUTPUT_SIZE 20480u /* bytes that wait for TCP: a record, and alerts */
/* Bytes that one call may take from TCP while they amount to nothing: a peer that sends tickets for ever
 * must not keep the lock. */
#define LBI_TLS_INPUT_MAX 32768u
#define LBI_TLS_REASON_SIZE 160u /* bytes of the sentence that says why TLS failed; with the NUL */

#endif
