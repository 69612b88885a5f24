/*
 * Certificates for tests: an authority made on the spot, and leaves that it signs. All in memory.
 */
#ifndef LASTBYTE_TRANSPORT_TEST_CERTIFICATES_H
#define LASTBYTE_TRANSPORT_TEST_CERTIFICATES_H

#include <openssl/types.h>

#define AUTHORITY_PATH_MAX 64

/* Whom a leaf is for. */
enum identity {
    IDENTITY_LOOPBACK,    /* localhost, 127.0.0.1 and ::1 */
    IDENTITY_EXPIRED,     /* the same, until yesterday */
    IDENTITY_OTHER,       /* other.example */
    IDENTITY_COMMON_NAME, /* localhost, but by its common name alone */
};

/* One that signs. */
struct authority {
    EVP_PKEY *key;
    X509 *certificate;
    int fd; /* of a file without a name, which holds the certificate */
    char path[AUTHORITY_PATH_MAX];
};

/* authority_init: a new authority; its path is readable until authority_deinit. */
void authority_init(struct authority *authority);
void authority_deinit(struct authority *authority);

/* authority_issue: makes a key and its certificate for a server. Gives both, to EVP_PKEY_free and
 * X509_free. */
void authority_issue(const struct authority *authority, enum identity identity, EVP_PKEY **ret_key,
                     X509 **ret_certificate);

#endif
