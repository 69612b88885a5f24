/*
 * Who is trusted.
 *
 * Mental model: OpenSSL checks the chain and the name in the handshake, if it is told the authorities (once
 * for a network) and the name (once for a socket). What it is not told it does not check, so a host that it
 * cannot be told of is refused here: an empty name would mean "any", and one that begins with a dot "any
 * below".
 */
#include "socket/tls_trust.h"

#include "core/assert.h"
#include "core/limits.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

/* context_trust: loads the authorities; false: there are none to be loaded. */
static bool context_trust(SSL_CTX *context, const struct lb_tls_options *options)
{
    if (options->ca_file == NULL && options->ca_folder == NULL) {
        return SSL_CTX_set_default_verify_paths(context) == 1;
    }
    if (options->ca_file != NULL && SSL_CTX_load_verify_file(context, options->ca_file) != 1) {
        return false;
    }
    return options->ca_folder == NULL || SSL_CTX_load_verify_dir(context, options->ca_folder) == 1;
}

/* context_set: everything that is not about trust; false: no memory. */
static bool context_set(SSL_CTX *context)
{
    static const unsigned char protocols[] = "\x08http/1.1";
    (void)SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    (void)SSL_CTX_set_mode(context, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    (void)SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_read_ahead(context, 1);
    return SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
           SSL_CTX_set_alpn_protos(context, protocols, sizeof protocols - 1) ==
               0; /* 0 is success */
}

enum lb_status lbi_tls_context_new(const struct lb_tls_options *options, SSL_CTX **ret_context)
{
    LB_ASSERT(options != NULL);
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    if (context == NULL) {
        ERR_clear_error();
        return LB_MEMORY;
    }
    enum lb_status status = context_set(context) ? LB_OK : LB_MEMORY;
    if (status == LB_OK && !options->is_dangerously_unverified) {
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
        status = context_trust(context, options) ? LB_OK : LB_REFUSED;
    }
    ERR_clear_error();
    if (status != LB_OK) {
        SSL_CTX_free(context);
        return status;
    }
    *ret_context = context;
    return LB_OK;
}

/* host_strip: the host as certificates have it: without the dot of the root, an address without its
 * zone. False: nothing is left, or what cannot be a name. */
static bool host_strip(const char *host, char ret_name[LBI_HOST_MAX + 1])
{
    size_t size = strlen(host);
    if (strchr(host, ':') != NULL) {
        size = strcspn(host, "%");
    } else if (size > 0 && host[size - 1] == '.') {
        size--;
    }
    if (size == 0 || size > LBI_HOST_MAX || host[0] == '.') {
        return false;
    }
    memcpy(ret_name, host, size);
    ret_name[size] = '\0';
    return true;
}

static bool name_is_address(const char *name)
{
    struct in6_addr address;
    return inet_pton(AF_INET, name, &address) == 1 || inet_pton(AF_INET6, name, &address) == 1;
}

bool lbi_tls_set_host(SSL *ssl, const char *host, bool is_verified)
{
    char name[LBI_HOST_MAX + 1];
    if (!host_strip(host, name)) {
        return false;
    }
    bool is_address = name_is_address(name);
    if (!is_address && SSL_set_tlsext_host_name(ssl, name) != 1) {
        return false;
    }
    if (!is_verified) {
        return true;
    }
    X509_VERIFY_PARAM *demand = SSL_get0_param(ssl);
    LB_ASSERT(SSL_get_verify_mode(ssl) == SSL_VERIFY_PEER);
    X509_VERIFY_PARAM_set_hostflags(demand, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT |
                                                X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    int is_set = is_address ? X509_VERIFY_PARAM_set1_ip_asc(demand, name)
                            : X509_VERIFY_PARAM_set1_host(demand, name, 0);
    return is_set == 1;
}

void lbi_tls_reason(const SSL *ssl, int error, char *ret_text, size_t size)
{
    LB_ASSERT(size > 0);
    LB_ASSERT(error != SSL_ERROR_NONE);
    long verdict = SSL_get_verify_result(ssl);
    unsigned long code = ERR_peek_error();
    const char *text = ERR_reason_error_string(code);
    bool is_verified = SSL_get_verify_mode(ssl) == SSL_VERIFY_PEER;
    if (error == SSL_ERROR_SSL && is_verified && verdict != X509_V_OK) {
        (void)snprintf(ret_text, size, "certificate verify failed: %s",
                       X509_verify_cert_error_string(verdict));
    } else {
        (void)snprintf(ret_text, size, "%s",
                       error != SSL_ERROR_SSL ? "the connection ended or failed"
                       : text == NULL         ? "unknown failure"
                                              : text);
    }
    ERR_clear_error();
    LB_ASSERT(ret_text[0] != '\0');
}
