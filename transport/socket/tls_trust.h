/*
 * Who is trusted: what OpenSSL is told about authorities and names, and what it says when it trusts
 * somebody not. It knows no socket.
 */
#ifndef LASTBYTE_SOCKET_TLS_TRUST_H
#define LASTBYTE_SOCKET_TLS_TRUST_H

#include <stdbool.h>
#include <stddef.h>

#include <openssl/types.h>

#include "lastbyte/status.h"
#include "lastbyte/tls.h"

/*
 * lbi_tls_context_new: what all sockets of a network have in common. Borrows options; gives *ret_context,
 * released by SSL_CTX_free. Errors: LB_MEMORY; LB_REFUSED when the authorities cannot be read.
 */
LB_MUST_USE enum lb_status lbi_tls_context_new(const struct lb_tls_options *options,
                                               SSL_CTX **ret_context);

/*
 * lbi_tls_set_host: whom a session has to meet: asks for `host` (SNI) and, with is_verified, demands a
 * certificate for it. False: no certificate can be for that host, or there is no memory.
 */
LB_MUST_USE bool lbi_tls_set_host(SSL *ssl, const char *host, bool is_verified);

/*
 * lbi_tls_reason: writes one sentence about the failure that this worker has just met in `ssl`, of which
 * SSL_get_error has said `error`, and forgets the failure. At most `size` bytes, with the NUL.
 */
void lbi_tls_reason(const SSL *ssl, int error, char *ret_text, size_t size);

#endif
