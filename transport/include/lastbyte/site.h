/*
 * Scheduling points. Each call into the runtime and the network names where it stands, so that
 * profiles can say what a worker waits for and a schedule can be anchored to a place in the program
 * rather than to a step number.
 *
 * SITE(enumerator, label). The labels are part of the schedule format: never rename one.
 */
#ifndef LASTBYTE_SITE_H
#define LASTBYTE_SITE_H

#ifdef __cplusplus
extern "C" {
#endif

#define LB_SITE_LIST(SITE)                                                                         \
    SITE(NONE, "none")                                                                             \
    /* the transport's lock, by what it is taken for */                                            \
    SITE(REQUEST_NEW, "request.new")                                                               \
    SITE(REQUEST_SEND, "request.send")                                                             \
    SITE(REQUEST_CANCEL, "request.cancel")                                                         \
    SITE(REQUEST_FREE, "request.free")                                                             \
    SITE(REQUEST_UPGRADE, "request.upgrade")                                                       \
    SITE(BODY_READ, "body.read")                                                                   \
    SITE(BODY_READ_DONE, "body.read.done")                                                         \
    SITE(BODY_CLOSE, "body.close")                                                                 \
    SITE(BODY_STATE, "body.state")                                                                 \
    SITE(RESPONSE_TRAILER, "response.trailer")                                                     \
    SITE(POOL_CLOSE_IDLE, "pool.close-idle")                                                       \
    SITE(POOL_STATS, "pool.stats")                                                                 \
    SITE(POOL_PROFILE, "pool.profile")                                                             \
    SITE(CLIENT_FREE, "client.free")                                                               \
    SITE(CLIENT_REAP, "client.reap")                                                               \
    SITE(WORK_UNPIN, "work.unpin")                                                                 \
    SITE(DIAL_DONE, "dial.done")                                                                   \
    SITE(READ_EVENT, "read.event")                                                                 \
    SITE(READ_HEAD, "read.head")                                                                   \
    SITE(READ_INTERIM, "read.interim")                                                             \
    SITE(READ_DRAIN, "read.drain")                                                                 \
    SITE(READ_END, "read.end")                                                                     \
    SITE(WRITE_TAKE, "write.take")                                                                 \
    SITE(WRITE_DONE, "write.done")                                                                 \
    /* waits */                                                                                    \
    SITE(WAIT_CONNECTION, "wait.connection")                                                       \
    SITE(WAIT_HEAD, "wait.head")                                                                   \
    SITE(WAIT_READER, "wait.reader")                                                               \
    SITE(WAIT_WRITTEN, "wait.written")                                                             \
    SITE(WAIT_BODY_END, "wait.body-end")                                                           \
    SITE(WAIT_REQUEST, "wait.request")                                                             \
    SITE(WAIT_CONTINUE, "wait.continue")                                                           \
    SITE(WAIT_RELEASE, "wait.release")                                                             \
    SITE(WAIT_WORKERS, "wait.workers")                                                             \
    SITE(WAIT_DRAINED, "wait.drained")                                                             \
    SITE(JOIN_DIAL, "join.dial")                                                                   \
    SITE(JOIN_READ, "join.read")                                                                   \
    SITE(JOIN_WRITE, "join.write")                                                                 \
    /* wake-ups */                                                                                 \
    SITE(WAKE_CALLER, "wake.caller")                                                               \
    SITE(WAKE_READ, "wake.read")                                                                   \
    SITE(WAKE_WRITE, "wake.write")                                                                 \
    SITE(WAKE_DRAINED, "wake.drained")                                                             \
    /* workers started */                                                                          \
    SITE(START_DIAL, "start.dial")                                                                 \
    SITE(START_READ, "start.read")                                                                 \
    SITE(START_WRITE, "start.write")                                                               \
    /* socket calls */                                                                             \
    SITE(SOCKET_CONNECT, "socket.connect")                                                         \
    SITE(SOCKET_READ_FIRST, "socket.read.first")                                                   \
    SITE(SOCKET_READ_HEAD, "socket.read.head")                                                     \
    SITE(SOCKET_READ_BODY, "socket.read.body")                                                     \
    SITE(SOCKET_READ_DRAIN, "socket.read.drain")                                                   \
    SITE(SOCKET_WRITE, "socket.write")                                                             \
    SITE(SOCKET_SHUTDOWN, "socket.shutdown")                                                       \
    SITE(SOCKET_CLOSE, "socket.close")                                                             \
    /* calls of what the caller has handed over */                                                 \
    SITE(SOURCE_READ, "source.read")                                                               \
    SITE(SOURCE_REWIND, "source.rewind")                                                           \
    SITE(SOURCE_CLOSE, "source.close")                                                             \
    SITE(INTERIM_HOOK, "interim.hook")                                                             \
    /* actors of a simulated world: scripted servers and callers */                                \
    SITE(SERVER_WANT, "server.want")                                                               \
    SITE(SERVER_SEND, "server.send")                                                               \
    SITE(SERVER_PAUSE, "server.pause")                                                             \
    SITE(SERVER_AWAIT, "server.await")                                                             \
    SITE(SERVER_CLOSE, "server.close")                                                             \
    SITE(CALLER_STEP, "caller.step")                                                               \
    SITE(CALLER_ADVANCE, "caller.advance")                                                         \
    SITE(CALLER_QUIET, "caller.quiet")                                                             \
    SITE(CALLER_SETTLE, "caller.settle")                                                           \
    SITE(CALLER_WAIT, "caller.wait")

enum lb_site {
#define LB_SITE_ENUM(name, label) LB_SITE_##name,
    LB_SITE_LIST(LB_SITE_ENUM)
#undef LB_SITE_ENUM
        LB_SITE_COUNT
};

/* lb_site_label: the label of a site, a static string such as "pool.close-idle". Never blocks. */
const char *lb_site_label(enum lb_site site);

#ifdef __cplusplus
}
#endif
#endif
