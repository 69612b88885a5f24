/*
 * A scripted HTTP/1.1 server on loopback, for tests on threads and real sockets. What a connection
 * does is said by each request's target, "/KIND/NUMBER/SIZE"; the bytes of the body carry the number,
 * so that a byte of another response is seen. A request with HEAD is answered with the head alone. The
 * body of a request has the same bytes, and ends the process if it has others.
 */
#ifndef LASTBYTE_TRANSPORT_TEST_LOOPBACK_H
#define LASTBYTE_TRANSPORT_TEST_LOOPBACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOOPBACK_TARGET_MAX 64 /* bytes of a target, with its NUL */

/* What the server does with a request. Each leaves the connection open where HTTP/1.1 allows it. */
enum loopback_kind {
    LOOPBACK_LENGTH,    /* answers with Content-Length */
    LOOPBACK_CHUNKED,   /* answers in chunks */
    LOOPBACK_CLOSE,     /* answers with a body that the connection's end ends */
    LOOPBACK_EMPTY,     /* answers 204 */
    LOOPBACK_SLOW,      /* answers with Content-Length, in pieces */
    LOOPBACK_LAST,      /* answers with Content-Length, then closes without having said so */
    LOOPBACK_TRUNCATED, /* closes after half of the body */
    LOOPBACK_RESET,     /* resets after half of the body */
    LOOPBACK_PART,      /* sends half of the body, then nothing more */
    LOOPBACK_HANG,      /* sends nothing at all */
    LOOPBACK_GATED, /* answers with Content-Length, the second half when loopback_open says so */
    LOOPBACK_LEAVING, /* answers with Content-Length and Connection: close; the client has to end it */
    LOOPBACK_LEFTOVER,   /* answers with Content-Length and sends more right behind it */
    LOOPBACK_JUNK,       /* answers with Content-Length; a little later it says something unasked */
    LOOPBACK_LAST_RESET, /* answers with Content-Length; a little later it resets */
    LOOPBACK_GZIP,       /* answers with Content-Length, in gzip if the request asks for it */
    LOOPBACK_TAILED, /* the same, with more bytes inside the body behind the end of gzip, past the gate */
};

#define LOOPBACK_KIND_COUNT 17

/* When the server reads the body of a request, as the request's field X-Upload says in digits. */
enum loopback_upload {
    LOOPBACK_UPLOAD_FIRST, /* before it answers */
    LOOPBACK_UPLOAD_AFTER, /* behind its answer */
    LOOPBACK_UPLOAD_NEVER, /* it answers and closes */
};

#define LOOPBACK_UPLOAD_COUNT 3

struct loopback;

/* loopback_start: a server on `host` ("127.0.0.1" or "::1"), at a port of the kernel's choice. Gives a
 * server, released by loopback_stop. Ends the process if it cannot. */
struct loopback *loopback_start(const char *host);

/* loopback_stop: ends every connection and thread of the server. Takes *server; NULL is allowed. */
void loopback_stop(struct loopback **server);

const char *loopback_host(const struct loopback *server);
uint16_t loopback_port(const struct loopback *server);

/* loopback_close_all: the server ends its connections, whatever they do. */
void loopback_close_all(struct loopback *server);

/* loopback_open: lets the second halves of LOOPBACK_GATED go, now and later. */
void loopback_open(struct loopback *server);

/* What the server has seen. */
uint32_t loopback_accepted(struct loopback *server); /* connections */
uint32_t loopback_ended(struct loopback *server);    /* connections that the client ended */
uint32_t loopback_closed(struct loopback *server);   /* connections that the server ended itself */
uint32_t loopback_requests(struct loopback *server);
uint32_t loopback_junks(struct loopback *server); /* what it said unasked on idle connections */

/* loopback_target: writes the target of a request. */
void loopback_target(enum loopback_kind kind, uint32_t number, size_t size,
                     char ret_target[LOOPBACK_TARGET_MAX]);

/* loopback_byte: byte `index` of the body for request `number`. */
char loopback_byte(uint32_t number, size_t index);

/* -- ports that do not answer -- */

/* loopback_bind: a socket at a port of 127.0.0.1 where nobody listens yet. */
int loopback_bind(uint16_t *ret_port);

#define LOOPBACK_STALLED_MAX 8

/* A port where a connection is neither made nor refused: its queue is full. */
struct loopback_stalled {
    uint16_t port;
    int fd;
    int fds[LOOPBACK_STALLED_MAX];
};

struct loopback_stalled loopback_stall(void);
void loopback_unstall(const struct loopback_stalled *stalled);

/* -- what the process holds -- */

/* loopback_fd_count, loopback_thread_count: descriptors and threads of this process. */
uint32_t loopback_fd_count(void);
uint32_t loopback_thread_count(void);

/* loopback_named_count: threads of this process whose names begin with `prefix`: workers are named after
 * their roles. */
uint32_t loopback_named_count(const char *prefix);

/* loopback_warm_up: starts and ends a thread, before anything is counted: with the first one a sanitizer
 * starts one of its own. */
void loopback_warm_up(void);

/* loopback_pause: sleeps for a while, where only the real world can be waited for. */
void loopback_pause(uint32_t milliseconds);

#endif
