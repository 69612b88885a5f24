/*
 * URLs on a command line: what http and https URLs say, by RFC 3986, and where one is wrong.
 */
#ifndef LASTBYTE_TOOLS_URL_H
#define LASTBYTE_TOOLS_URL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define URL_HOST_MAX 254    /* bytes of a host, the NUL included: a DNS name has at most 253 */
#define URL_TARGET_MAX 8192 /* bytes of a target, the NUL included */

/* A URL, taken apart. Strings are NUL-terminated. */
struct url {
    const char *scheme;          /* "http" or "https", static */
    char host[URL_HOST_MAX];     /* in lower case; an IPv6 address without its brackets */
    uint16_t port;               /* the scheme's where the URL has none */
    char target[URL_TARGET_MAX]; /* "/path?query"; the fragment is nobody's but the client's */
};

/* Where a text stops to be a URL. */
struct url_error {
    size_t offset;        /* of the first byte that does not fit; the text's size at its end */
    const char *expected; /* what would have fitted there; static */
};

/*
 * url_parse: takes an http or https URL apart: scheme "://" host [":" port] [path] ["?" query]
 * ["#" fragment], without user information (RFC 9110 section 4.2.4). A host is a name of letters, digits,
 * "-", "." and "_", an IPv4 address, or an IPv6 address in brackets. False: *ret_error says where and why
 * not, *ret_url is undefined.
 */
bool url_parse(const char *text, struct url *ret_url, struct url_error *ret_error);

#endif
