/*
 * Looking up a name for the loop: getaddrinfo blocks, so a thread of its own does it.
 *
 * Mental model: the worker starts the thread, waits for an eventfd that the thread writes at its end,
 * and joins it. What the two share lives on the worker's stack; the thread is the only writer until it
 * has been joined. An address in digits is not looked up, and needs no thread.
 */
#include "socket/lookup.h"

#include "core/assert.h"
#include "runtime/loop.h"
#include "socket/address.h"

#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <sys/types.h>
#include <unistd.h>

struct lookup {
    struct lbi_loop_watch watch;
    struct lb_loop *loop;
    struct lbi_loop_queue waiting;
    int fd; /* readable when the thread has done */
    bool is_done;
    const char *host;
    uint16_t port;
    struct addrinfo *addresses;
};

static void lookup_happened(struct lbi_loop_watch *watch, uint32_t events)
{
    struct lookup *lookup =
        (struct lookup *)(void *)((char *)watch - offsetof(struct lookup, watch));
    if ((events & EPOLLIN) != 0) { /* an eventfd is writable, too, which means nothing here */
        lookup->is_done = true;
        lbi_loop_wake(lookup->loop, &lookup->waiting);
    }
}

static void *lookup_main(void *argument)
{
    struct lookup *lookup = argument;
    uint64_t one = 1;
    lookup->addresses = lbi_address_resolve(lookup->host, lookup->port, 0);
    ssize_t count = write(lookup->fd, &one, sizeof one);
    LB_ASSERT(count == (ssize_t)sizeof one); /* the first and only write never waits */
    return NULL;
}

/* lookup_start: starts the thread with every signal blocked, as workers on threads are. */
static bool lookup_start(struct lookup *lookup, pthread_t *ret_thread)
{
    sigset_t all;
    sigset_t before;
    (void)sigfillset(&all);
    int error = pthread_sigmask(SIG_SETMASK, &all, &before);
    LB_ASSERT(error == 0);
    int created = pthread_create(ret_thread, NULL, lookup_main, lookup);
    error = pthread_sigmask(SIG_SETMASK, &before, NULL);
    LB_ASSERT(error == 0);
    return created == 0;
}

struct addrinfo *lbi_lookup(struct lb_loop *loop, const char *host, uint16_t port)
{
    struct lookup lookup = {
        .watch.happened = lookup_happened, .loop = loop, .host = host, .port = port};
    pthread_t thread;
    lookup.addresses = lbi_address_resolve(host, port, AI_NUMERICHOST);
    if (lookup.addresses != NULL) {
        return lookup.addresses;
    }
    lookup.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (lookup.fd < 0) {
        return NULL;
    }
    if (lbi_loop_watch(loop, lookup.fd, &lookup.watch) && lookup_start(&lookup, &thread)) {
        while (!lookup.is_done) {
            (void)lbi_loop_park(loop, &lookup.waiting, LB_NEVER, true);
        }
        int error = pthread_join(thread, NULL);
        LB_ASSERT(error == 0);
    }
    lbi_loop_close(loop, lookup.fd);
    return lookup.addresses;
}
