/*
 * Certificates for tests. Whatever fails here ends the process: there is nothing to test then.
 */
#include "test/certificates.h"

#include <stdbool.h>
#include <stdio.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/assert.h"

#define DAY 86400 /* seconds */

static void certificate_extend(X509 *certificate, X509 *issuer, int id, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, id, value);
    LB_ASSERT(extension != NULL);
    int is_added = X509_add_ext(certificate, extension, -1);
    LB_ASSERT(is_added == 1);
    X509_EXTENSION_free(extension);
}

/* certificate_new: for `key`, named `name`, valid until `days` from now; unsigned. */
static X509 *certificate_new(EVP_PKEY *key, const char *name, long serial, long days)
{
    X509 *certificate = X509_new();
    LB_ASSERT(certificate != NULL);
    bool is_set = X509_set_version(certificate, X509_VERSION_3) == 1 &&
                  ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial) == 1 &&
                  X509_gmtime_adj(X509_getm_notBefore(certificate), -10L * DAY) != NULL &&
                  X509_gmtime_adj(X509_getm_notAfter(certificate), days * DAY) != NULL &&
                  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                                             (const unsigned char *)name, -1, -1, 0) == 1 &&
                  X509_set_pubkey(certificate, key) == 1;
    LB_ASSERT(is_set);
    return certificate;
}

static void certificate_sign(X509 *certificate, X509 *issuer, EVP_PKEY *key)
{
    int is_set = X509_set_issuer_name(certificate, X509_get_subject_name(issuer));
    LB_ASSERT(is_set == 1);
    int size = X509_sign(certificate, key, EVP_sha256());
    LB_ASSERT(size > 0);
}

void authority_init(struct authority *authority)
{
    authority->key = EVP_EC_gen("P-256");
    LB_ASSERT(authority->key != NULL);
    X509 *certificate = certificate_new(authority->key, "lastbyte test authority", 1, 10);
    certificate_extend(certificate, certificate, NID_basic_constraints, "critical,CA:TRUE");
    certificate_extend(certificate, certificate, NID_key_usage, "critical,keyCertSign");
    certificate_sign(certificate, certificate, authority->key);
    authority->certificate = certificate;
    authority->fd = memfd_create("authority", MFD_CLOEXEC);
    LB_ASSERT(authority->fd >= 0);
    (void)snprintf(authority->path, sizeof authority->path, "/proc/self/fd/%d", authority->fd);
    FILE *file = fopen(authority->path, "w");
    LB_ASSERT(file != NULL);
    int is_written = PEM_write_X509(file, certificate);
    LB_ASSERT(is_written == 1);
    (void)fclose(file);
}

void authority_deinit(struct authority *authority)
{
    EVP_PKEY_free(authority->key);
    X509_free(authority->certificate);
    (void)close(authority->fd);
}

void authority_issue(const struct authority *authority, enum identity identity, EVP_PKEY **ret_key,
                     X509 **ret_certificate)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    LB_ASSERT(key != NULL);
    bool is_localhost = identity == IDENTITY_COMMON_NAME;
    X509 *certificate = certificate_new(key, is_localhost ? "localhost" : "leaf", 2 + identity,
                                        identity == IDENTITY_EXPIRED ? -1 : 10);
    if (identity == IDENTITY_OTHER) {
        certificate_extend(certificate, authority->certificate, NID_subject_alt_name,
                           "DNS:other.example,IP:192.0.2.1");
    } else if (identity != IDENTITY_COMMON_NAME) {
        certificate_extend(certificate, authority->certificate, NID_subject_alt_name,
                           "DNS:localhost,IP:127.0.0.1,IP:::1");
    }
    certificate_sign(certificate, authority->certificate, authority->key);
    *ret_key = key;
    *ret_certificate = certificate;
}
