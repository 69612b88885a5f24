/*
 * Sockets with TLS, over those of TCP.
 *
 * Mental model. A session of OpenSSL stands between two calls that never wait: it takes what TCP has
 * (channel_read), and leaves what TCP is to send in `output` (channel_write). A lock is around the session,
 * as it is not safe in threads, and is given up for each wait, which is poll's (lbi_tcp_wait). So every call
 * is: try, wait, try again.
 *
 *   plain bytes <--SSL_read--   session <--channel_read---   TCP socket   <--- peer
 *               ---SSL_write-->         ---channel_write---> output ---socket_flush--> TCP socket
 *
 * What is read is known only when it has been decrypted: a session ticket makes TCP readable and is nothing
 * to read. So whoever wants to know takes the bytes from TCP and looks: a reader, is_pending, a write in the
 * middle of a message of TLS's own. What one has taken another may wait for in poll, where it would never
 * come again: hence `look_fd`, an eventfd by which who has taken something wakes those who wait for input.
 *
 * A record is encrypted only when `output` is empty, and is written to its end before the write returns:
 * nobody would be there to send the rest. If a deadline prevents that, nobody knows what the peer has got,
 * and the writing is over (write_end).
 *
 * Invariants: the session is used under the lock only, never after a fatal failure (read_end is LB_RESET)
 * but to free it; read_end and write_end never change again once they are not LB_OK; look_fd is readable
 * exactly while is_nudged.
 */
#include "lastbyte/tls.h"

#include "core/assert.h"
#include "core/limits.h"
#include "lastbyte/tcp.h"
#include "lastbyte/threads.h"
#include "socket/tcp_inside.h"
#include "socket/tls_trust.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define NETWORK_MAGIC UINT32_C(0x6e746c73)
#define SOCKET_MAGIC UINT32_C(0x73746c73)

struct tls_network {
    struct lb_network network; /* first */
    uint32_t magic;
    struct lb_memory *memory;
    struct lb_network *tcp;
    SSL_CTX *context;
    BIO_METHOD *channel;
    struct lb_tls_watch *watch; /* NULL: none */
    bool is_verified;
};

struct tls_socket {
    struct lb_socket socket; /* first */
    uint32_t magic;
    struct tls_network *network;
    size_t size; /* bytes of this block */
    struct lb_socket *tcp;
    struct lb_endpoint endpoint; /* its host stands behind this struct */
    bool is_nameable;            /* a certificate can be for the host */
    int look_fd;
    pthread_mutex_t lock; /* of what follows */
    SSL *ssl;
    uint32_t call_count;    /* calls in progress */
    uint32_t waiting_count; /* of them those that wait for input */
    bool is_nudged;         /* those have been woken, and not all of them have noticed */
    bool is_fed;            /* something was taken from TCP, or was found out about it */
    bool is_connected;      /* the handshake is done */
    bool is_shut;
    bool is_ended_by_tcp;     /* TCP has brought its end */
    enum lb_status read_end;  /* LB_OK, then LB_END or LB_RESET */
    enum lb_status write_end; /* LB_OK, then LB_RESET or LB_TIMEOUT */
    uint32_t input_left;      /* bytes that this call may still take */
    uint32_t output_start, output_end;
    char reason[LBI_TLS_REASON_SIZE]; /* of a failure that has not been reported; "": none */
    char output[LBI_TLS_OUTPUT_SIZE];
};

static uint64_t tls_now(void)
{
    struct lb_runtime *runtime = lb_runtime_threads();
    return runtime->ops->now(runtime);
}

static struct tls_socket *socket_of(const struct lb_socket *socket);

static void socket_lock(struct tls_socket *s)
{
    int error = pthread_mutex_lock(&s->lock);
    LB_ASSERT(error == 0);
    LB_ASSERT(s->magic == SOCKET_MAGIC);
}

static void socket_unlock(struct tls_socket *s)
{
    LB_ASSERT(s->output_start <= s->output_end);
    int error = pthread_mutex_unlock(&s->lock);
    LB_ASSERT(error == 0);
}

/* socket_enter: begins a call that may wait; returns with the lock. */
static void socket_enter(struct tls_socket *s)
{
    socket_lock(s);
    s->call_count++;
    LB_ASSERT(s->call_count > 0);
}

static void socket_leave(struct tls_socket *s)
{
    LB_ASSERT(s->call_count > 0);
    s->call_count--;
    socket_unlock(s);
}

/* -- the channel: TCP, as the session sees it; called by OpenSSL, so with the lock -- */

static int channel_read(BIO *channel, char *bytes, int size)
{
    struct tls_socket *s = BIO_get_data(channel);
    LB_ASSERT(s->magic == SOCKET_MAGIC);
    BIO_clear_retry_flags(channel);
    if (size <= 0) {
        return 0;
    }
    if (s->input_left == 0) {
        BIO_set_retry_read(channel);
        return -1;
    }
    size_t wanted = (uint32_t)size < s->input_left ? (uint32_t)size : s->input_left;
    size_t count = 0;
    enum lb_status status =
        s->tcp->ops->read(s->tcp, bytes, wanted, 0, LB_SITE_SOCKET_READ_BODY, &count);
    if (status == LB_TIMEOUT) {
        BIO_set_retry_read(channel);
        return -1;
    }
    s->is_fed = true;
    s->is_ended_by_tcp = s->is_ended_by_tcp || status == LB_END;
    if (status != LB_OK) {
        return status == LB_END ? 0 : -1;
    }
    LB_ASSERT(count <= s->input_left);
    s->input_left -= (uint32_t)count;
    return (int)count;
}

static int channel_write(BIO *channel, const char *bytes, int size)
{
    struct tls_socket *s = BIO_get_data(channel);
    LB_ASSERT(s->magic == SOCKET_MAGIC);
    BIO_clear_retry_flags(channel);
    if (size <= 0) {
        return 0;
    }
    if (s->write_end != LB_OK) {
        return size; /* nothing is sent any more; the session may go on reading */
    }
    uint32_t room = LBI_TLS_OUTPUT_SIZE - s->output_end;
    uint32_t count = (uint32_t)size < room ? (uint32_t)size : room;
    if (count == 0) {
        BIO_set_retry_write(channel);
        return -1;
    }
    memcpy(s->output + s->output_end, bytes, count);
    s->output_end += count;
    return (int)count;
}

static long channel_control(BIO *channel, int command, long number, void *pointer)
{
    const struct tls_socket *s = BIO_get_data(channel);
    (void)number;
    (void)pointer;
    if (command == BIO_CTRL_EOF) {
        return s->is_ended_by_tcp;
    }
    return command == BIO_CTRL_FLUSH; /* the session asks for many things; this is all there is */
}

/* channel_new: the kind of all channels of a network. NULL: no memory. */
static BIO_METHOD *channel_new(void)
{
    BIO_METHOD *channel = BIO_meth_new(BIO_TYPE_MEM, "lastbyte");
    if (channel != NULL) {
        int is_set = BIO_meth_set_read(channel, channel_read) &&
                     BIO_meth_set_write(channel, channel_write) &&
                     BIO_meth_set_ctrl(channel, channel_control);
        LB_ASSERT(is_set);
    }
    return channel;
}

/* -- input, with the lock -- */

/* socket_begin: before each use of the session. */
static void socket_begin(struct tls_socket *s)
{
    LB_ASSERT(s->read_end != LB_RESET);
    ERR_clear_error();
    s->input_left = LBI_TLS_INPUT_MAX;
    s->is_fed = false;
}

/* socket_nudge: after each use of the session that may have taken input: wakes who waits for that. */
static void socket_nudge(struct tls_socket *s)
{
    if (s->is_fed && s->waiting_count > 0 && !s->is_nudged) {
        uint64_t one = 1;
        ssize_t count = write(s->look_fd, &one, sizeof one);
        LB_ASSERT(count == (ssize_t)sizeof one); /* it was 0, so this does not wait */
        s->is_nudged = true;
    }
}

/* socket_await_input: waits until TCP has something, or somebody else has taken it. The last to wake makes
 * look_fd unreadable; until then nobody waits for long, which is what the others are owed. */
static enum lb_status socket_await_input(struct tls_socket *s, uint64_t deadline_ns)
{
    if (s->is_shut) {
        return LB_CLOSED;
    }
    if (deadline_ns != LB_NEVER && tls_now() >= deadline_ns) {
        return LB_TIMEOUT;
    }
    s->waiting_count++;
    socket_unlock(s);
    enum lb_status status = lbi_tcp_wait(s->tcp, POLLIN, s->look_fd, deadline_ns);
    socket_lock(s);
    LB_ASSERT(s->waiting_count > 0);
    s->waiting_count--;
    if (s->waiting_count == 0 && s->is_nudged) {
        uint64_t value = 0;
        ssize_t count = read(s->look_fd, &value, sizeof value);
        LB_ASSERT(count == (ssize_t)sizeof value);
        s->is_nudged = false;
    }
    return s->is_shut ? LB_CLOSED : status;
}

/* -- output, with the lock -- */

/* socket_flush_now: sends what there is room for; LB_AGAIN: something is left. */
static enum lb_status socket_flush_now(struct tls_socket *s)
{
    enum lb_status status = s->write_end;
    while (status == LB_OK && s->output_start < s->output_end) {
        size_t count = 0;
        status =
            s->tcp->ops->write(s->tcp, s->output + s->output_start, s->output_end - s->output_start,
                               0, LB_SITE_SOCKET_WRITE, &count);
        if (status == LB_OK) {
            s->output_start += (uint32_t)count;
        } else if (status == LB_RESET) {
            s->write_end = LB_RESET;
        }
    }
    if (status == LB_OK || s->write_end != LB_OK) {
        s->output_start = 0;
        s->output_end = 0;
    }
    return status == LB_TIMEOUT && s->write_end == LB_OK ? LB_AGAIN : status;
}

/* socket_flush: sends all; gives the lock up meanwhile, but has it when nothing is left. */
static enum lb_status socket_flush(struct tls_socket *s, uint64_t deadline_ns)
{
    enum lb_status status = s->is_shut ? LB_CLOSED : socket_flush_now(s);
    while (status == LB_AGAIN) {
        socket_unlock(s);
        status = lbi_tcp_wait(s->tcp, POLLOUT, -1, deadline_ns);
        socket_lock(s);
        if (s->is_shut) {
            status = LB_CLOSED;
        } else if (status == LB_OK) {
            status = socket_flush_now(s);
        }
    }
    LB_ASSERT(status != LB_OK || s->output_end == 0);
    return status;
}

/* socket_fail: the session has failed for good. */
static void socket_fail(struct tls_socket *s, int error)
{
    LB_ASSERT(s->read_end != LB_RESET);
    s->read_end = LB_RESET;
    bool is_tcp = s->is_connected && (error == SSL_ERROR_SYSCALL || s->is_ended_by_tcp);
    if (!is_tcp) { /* a reset, or an end without close_notify, says it all */
        lbi_tls_reason(s->ssl, error, s->reason, sizeof s->reason);
    }
    ERR_clear_error();
    (void)socket_flush_now(s); /* the alert, for the peer to know */
}

/* -- connecting -- */

/* socket_try_handshake: goes as far as it can; LB_AGAIN: input is wanted, or room for output. */
static enum lb_status socket_try_handshake(struct tls_socket *s, int *ret_error)
{
    socket_begin(s);
    int result = SSL_do_handshake(s->ssl);
    int error = SSL_get_error(s->ssl, result);
    *ret_error = error;
    if (result == 1) {
        return LB_OK;
    }
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
        return LB_AGAIN;
    }
    socket_fail(s, error);
    return LB_REFUSED;
}

static enum lb_status socket_handshake(struct tls_socket *s, uint64_t deadline_ns)
{
    enum lb_status status = LB_AGAIN;
    while (status == LB_AGAIN && !s->is_shut) {
        int error = SSL_ERROR_NONE;
        status = socket_try_handshake(s, &error);
        enum lb_status flushed = status == LB_REFUSED ? LB_OK : socket_flush(s, deadline_ns);
        if (flushed == LB_TIMEOUT || flushed == LB_CLOSED) {
            return flushed; /* LB_RESET is told better by what the peer has sent */
        }
        if (error == SSL_ERROR_WANT_READ) {
            enum lb_status waited = socket_await_input(s, deadline_ns);
            status = waited == LB_OK ? LB_AGAIN : waited;
        }
    }
    s->is_connected = status == LB_OK && !s->is_shut;
    return s->is_shut ? LB_CLOSED : status;
}

/* socket_report: tells whoever watches about a failure, once. Without the lock. */
static void socket_report(struct tls_socket *s, enum lb_status status)
{
    char reason[LBI_TLS_REASON_SIZE];
    socket_lock(s);
    memcpy(reason, s->reason, sizeof reason);
    s->reason[0] = '\0';
    socket_unlock(s);
    struct lb_tls_watch *watch = s->network->watch;
    if (reason[0] != '\0' && watch != NULL) {
        watch->failed(watch, &s->endpoint, s->tcp->ops->name(s->tcp), status, reason);
    }
}

static enum lb_status tls_connect(struct lb_socket *socket, uint64_t deadline_ns, enum lb_site site)
{
    struct tls_socket *s = socket_of(socket);
    socket_enter(s);
    LB_ASSERT(!s->is_connected);
    LB_ASSERT(s->read_end == LB_OK);
    enum lb_status status = s->is_shut ? LB_CLOSED : LB_REFUSED;
    if (status != LB_CLOSED && !s->is_nameable) {
        static const char text[] = "no certificate can be for such a host";
        memcpy(s->reason, text, sizeof text);
    } else if (status != LB_CLOSED) {
        socket_unlock(s);
        status = s->tcp->ops->connect(s->tcp, deadline_ns, site);
        socket_lock(s);
        status = status == LB_OK ? socket_handshake(s, deadline_ns) : status;
    }
    LB_ASSERT(s->is_connected == (status == LB_OK));
    socket_leave(s);
    if (status == LB_REFUSED) {
        socket_report(s, status);
    }
    return status;
}

/* -- bytes -- */

/* socket_try_read: reads what is there, or with a size of 0 only looks; LB_AGAIN: nothing. */
static enum lb_status socket_try_read(struct tls_socket *s, void *bytes, size_t size,
                                      size_t *ret_size)
{
    if (s->is_shut) {
        return LB_CLOSED;
    }
    LB_ASSERT(s->is_connected);
    if (s->read_end != LB_OK) {
        return s->read_end;
    }
    char byte = 0;
    size_t count = 0;
    socket_begin(s);
    int result = size == 0 ? SSL_peek_ex(s->ssl, &byte, 1, &count)
                           : SSL_read_ex(s->ssl, bytes, size, &count);
    int error = SSL_get_error(s->ssl, result);
    socket_nudge(s);
    if (result == 1) {
        LB_ASSERT(count > 0);
        *ret_size = size == 0 ? 0 : count;
        return LB_OK;
    }
    if (error == SSL_ERROR_WANT_READ) {
        (void)socket_flush_now(s); /* it may have refused to renegotiate */
        return LB_AGAIN;
    }
    if (error == SSL_ERROR_ZERO_RETURN) {
        s->read_end = LB_END;
    } else {
        socket_fail(s, error);
    }
    return s->read_end;
}

static enum lb_status tls_read(struct lb_socket *socket, void *bytes, size_t size,
                               uint64_t deadline_ns, enum lb_site site, size_t *ret_size)
{
    struct tls_socket *s = socket_of(socket);
    LB_ASSERT(bytes != NULL || size == 0);
    LB_ASSERT(ret_size != NULL);
    (void)site;
    size_t stored = 0;
    socket_enter(s);
    enum lb_status status = socket_try_read(s, bytes, size, &stored);
    while (status == LB_AGAIN) {
        status = socket_await_input(s, deadline_ns);
        status = status == LB_OK ? socket_try_read(s, bytes, size, &stored) : status;
    }
    socket_leave(s);
    if (size == 0 && (status == LB_END || status == LB_RESET)) {
        status = LB_OK; /* that is there to be read */
    }
    LB_ASSERT(status != LB_OK || (stored > 0) == (size > 0));
    if (status == LB_OK) {
        *ret_size = stored;
    }
    return status;
}

/* socket_try_encrypt: makes one record, which goes into the empty output; LB_AGAIN: it needs the rest of a
 * message of TLS's own first. */
static enum lb_status socket_try_encrypt(struct tls_socket *s, const void *bytes, size_t size,
                                         size_t *ret_size)
{
    LB_ASSERT(s->is_connected);
    LB_ASSERT(s->output_end == 0);
    if (s->read_end == LB_RESET) {
        return LB_RESET;
    }
    size_t count = 0;
    socket_begin(s);
    int result = SSL_write_ex(s->ssl, bytes, size, &count);
    int error = SSL_get_error(s->ssl, result);
    socket_nudge(s);
    if (result == 1) {
        LB_ASSERT(count == size);
        *ret_size = count;
        return LB_OK;
    }
    if (error == SSL_ERROR_WANT_READ) {
        return LB_AGAIN;
    }
    socket_fail(s, error);
    return LB_RESET;
}

/* socket_encrypt: makes one record as soon as that is possible. */
static enum lb_status socket_encrypt(struct tls_socket *s, const void *bytes, size_t size,
                                     uint64_t deadline_ns, size_t *ret_size)
{
    for (;;) {
        enum lb_status status = socket_flush(s, deadline_ns);
        status = status == LB_OK ? socket_try_encrypt(s, bytes, size, ret_size) : status;
        if (status != LB_AGAIN) {
            return status;
        }
        status = socket_await_input(s, deadline_ns);
        if (status != LB_OK) {
            return status;
        }
    }
}

static enum lb_status tls_write(struct lb_socket *socket, const void *bytes, size_t size,
                                uint64_t deadline_ns, enum lb_site site, size_t *ret_size)
{
    struct tls_socket *s = socket_of(socket);
    LB_ASSERT(bytes != NULL);
    LB_ASSERT(size > 0);
    LB_ASSERT(ret_size != NULL);
    (void)site;
    size_t taken = 0;
    size_t piece = size < LBI_TLS_PIECE_SIZE ? size : LBI_TLS_PIECE_SIZE;
    socket_enter(s);
    enum lb_status status = socket_encrypt(s, bytes, piece, deadline_ns, &taken);
    if (status == LB_OK) {
        status = socket_flush(s, deadline_ns);
        if (status == LB_TIMEOUT && s->write_end == LB_OK) {
            s->write_end = LB_TIMEOUT;
        }
    }
    socket_leave(s);
    if (status == LB_OK) {
        LB_ASSERT(taken > 0);
        *ret_size = taken;
    }
    return status;
}

/* More than LBI_TLS_INPUT_MAX bytes of nothing are something: the connection is no good. */
static bool tls_is_pending(const struct lb_socket *socket)
{
    struct tls_socket *s = socket_of(socket);
    size_t size = 0;
    socket_lock(s);
    bool is_pending = socket_try_read(s, NULL, 0, &size) != LB_AGAIN || s->input_left == 0;
    socket_unlock(s);
    return is_pending;
}

/* -- the end -- */

/* socket_say_end: sends close_notify, if there is room; with the lock. */
static void socket_say_end(struct tls_socket *s)
{
    if (s->is_connected && s->read_end != LB_RESET && s->write_end == LB_OK) {
        socket_begin(s);
        (void)SSL_shutdown(s->ssl); /* it cannot in the middle of a message of TLS's own */
        ERR_clear_error();
        (void)socket_flush_now(s);
    }
}

static void tls_shutdown(struct lb_socket *socket, enum lb_site site)
{
    struct tls_socket *s = socket_of(socket);
    socket_lock(s);
    if (!s->is_shut) {
        socket_say_end(s);
        s->is_shut = true;
    }
    socket_unlock(s);
    s->tcp->ops->shutdown(s->tcp, site);
}

/* socket_release: whatever there is of a socket; no lock. */
static void socket_release(struct tls_socket *s, enum lb_site site)
{
    struct lb_memory *memory = s->network->memory;
    if (s->ssl != NULL) {
        SSL_free(s->ssl);
    }
    if (s->tcp != NULL) {
        s->tcp->ops->close(&s->tcp, site);
    }
    if (s->look_fd >= 0) {
        (void)close(s->look_fd);
    }
    int error = pthread_mutex_destroy(&s->lock);
    LB_ASSERT(error == 0);
    s->magic = 0;
    memory->release(memory, s, s->size);
}

static void tls_close(struct lb_socket **socket, enum lb_site site)
{
    LB_ASSERT(socket != NULL);
    struct tls_socket *s = socket_of(*socket);
    *socket = NULL;
    socket_lock(s); /* after everything that others did here */
    LB_ASSERT(s->call_count == 0);
    LB_ASSERT(s->waiting_count == 0);
    if (!s->is_shut) {
        socket_say_end(s);
    }
    socket_unlock(s);
    socket_report(s, LB_RESET);
    socket_release(s, site);
}

static const char *tls_name(const struct lb_socket *socket)
{
    const struct tls_socket *s = socket_of(socket);
    return s->tcp->ops->name(s->tcp);
}

static const struct lb_socket_ops tls_socket_ops = {
    .name = tls_name,
    .connect = tls_connect,
    .read = tls_read,
    .write = tls_write,
    .is_pending = tls_is_pending,
    .shutdown = tls_shutdown,
    .close = tls_close,
};

/* The lock is taken by calls that are const to the transport. */
static struct tls_socket *socket_of(const struct lb_socket *socket)
{
    LB_ASSERT(socket != NULL);
    LB_ASSERT(socket->ops == &tls_socket_ops);
    struct tls_socket *s = (struct tls_socket *)(uintptr_t)socket;
    LB_ASSERT(s->magic == SOCKET_MAGIC);
    return s;
}

/* -- the network -- */

static struct tls_network *network_of(struct lb_network *network);

/* socket_init: what cannot fail, of a block of zeros; the host stands behind it. */
static void socket_init(struct tls_socket *s, struct tls_network *network,
                        const struct lb_endpoint *endpoint, size_t size)
{
    size_t host_size = strlen(endpoint->host) + 1;
    char *host = (char *)(s + 1);
    LB_ASSERT(size == sizeof *s + host_size);
    memcpy(host, endpoint->host, host_size);
    s->socket.ops = &tls_socket_ops;
    s->magic = SOCKET_MAGIC;
    s->network = network;
    s->size = size;
    s->endpoint = (struct lb_endpoint){"https", host, endpoint->port};
    s->look_fd = -1;
    int error = pthread_mutex_init(&s->lock, NULL);
    LB_ASSERT(error == 0);
}

/* socket_make: what can fail; LB_MEMORY leaves the rest to socket_release. */
static enum lb_status socket_make(struct tls_socket *s)
{
    struct tls_network *network = s->network;
    struct lb_endpoint inside = {"http", s->endpoint.host, s->endpoint.port};
    enum lb_status status = network->tcp->ops->open(network->tcp, &inside, &s->tcp);
    if (status != LB_OK) {
        return status;
    }
    s->look_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    s->ssl = s->look_fd >= 0 ? SSL_new(network->context) : NULL;
    BIO *channel = s->ssl != NULL ? BIO_new(network->channel) : NULL;
    if (channel == NULL) {
        ERR_clear_error();
        return LB_MEMORY;
    }
    BIO_set_data(channel, s);
    BIO_set_init(channel, 1);
    SSL_set_bio(s->ssl, channel, channel); /* takes it */
    SSL_set_connect_state(s->ssl);
    s->is_nameable = lbi_tls_set_host(s->ssl, s->endpoint.host, network->is_verified);
    ERR_clear_error();
    return LB_OK;
}

static enum lb_status tls_open(struct lb_network *network_seam, const struct lb_endpoint *endpoint,
                               struct lb_socket **ret_socket)
{
    struct tls_network *network = network_of(network_seam);
    LB_ASSERT(endpoint->host != NULL);
    LB_ASSERT(endpoint->scheme != NULL);
    LB_ASSERT(ret_socket != NULL);
    if (strcmp(endpoint->scheme, "https") != 0) {
        return network->tcp->ops->open(network->tcp, endpoint, ret_socket);
    }
    size_t size = sizeof(struct tls_socket) + strlen(endpoint->host) + 1;
    struct tls_socket *s = network->memory->alloc(network->memory, size);
    if (s == NULL) {
        return LB_MEMORY;
    }
    memset(s, 0, offsetof(struct tls_socket, output));
    socket_init(s, network, endpoint, size);
    enum lb_status status = socket_make(s);
    if (status != LB_OK) {
        socket_release(s, LB_SITE_SOCKET_CLOSE);
        return status;
    }
    *ret_socket = &s->socket;
    return LB_OK;
}

static const struct lb_network_ops tls_network_ops = {.open = tls_open};

static struct tls_network *network_of(struct lb_network *seam)
{
    LB_ASSERT(seam != NULL);
    LB_ASSERT(seam->ops == &tls_network_ops);
    struct tls_network *network = (struct tls_network *)(void *)seam;
    LB_ASSERT(network->magic == NETWORK_MAGIC);
    return network;
}

enum lb_status lb_network_tls_new(const struct lb_tls_options *options, struct lb_memory *memory,
                                  struct lb_network **ret_network)
{
    LB_ASSERT(options != NULL);
    LB_ASSERT(memory != NULL);
    LB_ASSERT(ret_network != NULL);
    struct tls_network *network = memory->alloc(memory, sizeof *network);
    if (network == NULL) {
        return LB_MEMORY;
    }
    memset(network, 0, sizeof *network);
    network->network.ops = &tls_network_ops;
    network->magic = NETWORK_MAGIC;
    network->memory = memory;
    network->watch = options->watch;
    network->is_verified = !options->is_dangerously_unverified;
    network->channel = channel_new();
    enum lb_status status = network->channel != NULL ? LB_OK : LB_MEMORY;
    if (status == LB_OK) {
        status = lbi_tls_context_new(options, &network->context);
    }
    if (status == LB_OK) {
        status = lb_network_tcp_new(memory, &network->tcp);
    }
    struct lb_network *made = &network->network;
    if (status != LB_OK) {
        lb_network_tls_free(&made);
        return status;
    }
    *ret_network = made;
    return LB_OK;
}

void lb_network_tls_free(struct lb_network **network_pointer)
{
    LB_ASSERT(network_pointer != NULL);
    if (*network_pointer == NULL) {
        return;
    }
    struct tls_network *network = network_of(*network_pointer);
    struct lb_memory *memory = network->memory;
    *network_pointer = NULL;
    lb_network_tcp_free(&network->tcp); /* asserts that every socket is closed */
    SSL_CTX_free(network->context);
    BIO_meth_free(network->channel);
    network->magic = 0;
    memory->release(memory, network, sizeof *network);
}
