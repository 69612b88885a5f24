/*
 * Characters of the grammar that several readers share.
 */
#ifndef LASTBYTE_WIRE_TOKEN_H
#define LASTBYTE_WIRE_TOKEN_H

#include <stdbool.h>

/* lbi_is_token: whether a byte may stand in a field's name (tchar, RFC 9110 section 5.6.2). */
bool lbi_is_token(char byte);

#endif
