/*
 * The characters of a token (RFC 9110 section 5.6.2).
 */
#include "wire/token.h"

#include <string.h>

bool lbi_is_token(char byte)
{
    char lower = (char)(byte | 0x20);
    bool is_letter = lower >= 'a' && lower <= 'z';
    bool is_digit = byte >= '0' && byte <= '9';
    return is_letter || is_digit || (byte != '\0' && strchr("!#$%&'*+-.^_`|~", byte) != NULL);
}
