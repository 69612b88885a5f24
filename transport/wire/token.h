/*
 * Characters of the grammar that several readers share.
 */
#ifndef LASTBYTE_WIRE_TOKEN_H
#define LASTBYTE_WIRE_TOKEN_H

#include <stdbool.h>

/* Which bytes may stand in a field's name (tchar, RFC 9110 section 5.6.2). */
extern const bool lbi_token_bytes[256];

/* lbi_is_token: whether a byte is one of them. Asked for each byte of each name: a table, inline. */
static inline bool lbi_is_token(char byte)
{
    return lbi_token_bytes[(unsigned char)byte];
}

#endif
