/*
 * A scripted server with TLS on loopback. What it does is said by each request's target,
 * "/FRAMING/AFTER/PART/NUMBER/SIZE"; the bytes are those of loopback_byte. Who does not speak TLS to it is
 * answered without.
 *
 * A client may also send "ECHO /SIZE\r\n\r\n": the next SIZE bytes come back as they are, and with TLS 1.3
 * both sides change their keys meanwhile, again and again.
 */
#ifndef LASTBYTE_TRANSPORT_TEST_LOOPBACK_TLS_H
#define LASTBYTE_TRANSPORT_TEST_LOOPBACK_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "test/certificates.h"
#include "test/loopback.h"

enum secure_framing { SECURE_LENGTH, SECURE_CHUNKED, SECURE_UNTIL_CLOSE };

/* What comes behind the bytes of the body. */
enum secure_after {
    SECURE_NEXT,   /* the next request */
    SECURE_STAY,   /* nothing more */
    SECURE_NOTIFY, /* close_notify and the end of TCP */
    SECURE_FIN,    /* the end of TCP alone */
    SECURE_RESET,  /* a reset */
    SECURE_JUNK,   /* a little later something unasked */
    /* A little later TLS says something of its own, and then comes the next request. TLS 1.3: a session
     * ticket and a key update; TLS 1.2: the wish to renegotiate. */
    SECURE_TICKET,
};

/* One order. */
struct secure_order {
    enum secure_framing framing;
    enum secure_after after;
    uint32_t part; /* of four: how much of the body is sent; only a whole one has a last chunk */
    uint32_t number;
    size_t size;
};

struct secure_options {
    const char *host; /* "127.0.0.1" or "::1" */
    const struct authority *authority;
    enum identity identity;
    int version;        /* the one TLS version spoken, such as TLS1_3_VERSION */
    size_t record_size; /* of a record at most, from 512; 0: as TLS has it */
    bool is_silent;     /* accepts connections and says nothing */
};

/* What the server has seen. */
struct secure_seen {
    uint32_t accepted; /* connections */
    uint32_t requests;
    uint32_t notified; /* connections that the client ended with close_notify */
    uint32_t ended;    /* connections that are over */
    uint32_t said;     /* what it said by SECURE_TICKET and SECURE_JUNK */
    char name[64];     /* the name last asked for (SNI); "": none */
    char protocol[16]; /* the protocol last agreed on (ALPN); "": none */
};

struct secure_server;

/* secure_start: starts a server; ends the process if it cannot. Borrows options. */
struct secure_server *secure_start(const struct secure_options *options);

/* secure_stop: ends every connection and thread of it. Takes *server; NULL is allowed. */
void secure_stop(struct secure_server **server);

uint16_t secure_port(const struct secure_server *server);
struct secure_seen secure_look(struct secure_server *server);

/* secure_target: writes the target of an order. */
void secure_target(const struct secure_order *order, char ret_target[LOOPBACK_TARGET_MAX]);

/* loopback_resolves: whether this machine knows the name: one without a hosts file and a resolver does not
 * even know "localhost". */
bool loopback_resolves(const char *name);

#endif
