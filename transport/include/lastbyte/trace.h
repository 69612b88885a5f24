/*
 * Lifecycle events, for whoever wants to watch. The transport reports each change of state once, in the
 * order in which they happen.
 *
 * EVENT(enumerator, word). `subject` in an event is the connection's name unless its comment says
 * otherwise, `value` is what the comment says. A *request id* counts the requests that lb_request_new
 * has made on this transport, from 1.
 *
 *   request     request.wait?, exchange.start, exchange.head, body.state (open), body.state, request.end
 *   connection  dial.start, dial.end, and again and again exchange.start, exchange.written,
 *               exchange.end, connection.idle, connection.take; at last connection.close
 *
 * exchange.start says which request is on which connection. A request may end, and a connection close, at
 * any point of its row. What comes after a connection.close is the echo of calls that it ended: dial.end,
 * exchange.written, and what became of its request: body.state, request.retry, request.end.
 */
#ifndef LASTBYTE_TRACE_H
#define LASTBYTE_TRACE_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LB_EVENT_LIST(EVENT)                                                                       \
    /* a dial begins; value: the id of the request it is made for */                               \
    EVENT(DIAL_START, "dial.start")                                                                \
    /* connected or not; value: enum lb_status */                                                  \
    EVENT(DIAL_END, "dial.end")                                                                    \
    /* no connection is free; subject ""; value: request id */                                     \
    EVENT(REQUEST_WAIT, "request.wait")                                                            \
    /* a connection serves a request; value: request id */                                         \
    EVENT(EXCHANGE_START, "exchange.start")                                                        \
    /* the write has ended; value: enum lb_status */                                               \
    EVENT(EXCHANGE_WRITTEN, "exchange.written")                                                    \
    /* an interim response; value: its status code */                                              \
    EVENT(EXCHANGE_INTERIM, "exchange.interim")                                                    \
    /* the final head; value: status code of the response */                                       \
    EVENT(EXCHANGE_HEAD, "exchange.head")                                                          \
    /* over for the connection; value: request id */                                               \
    EVENT(EXCHANGE_END, "exchange.end")                                                            \
    /* it goes into the pool; value 0 */                                                           \
    EVENT(CONNECTION_IDLE, "connection.idle")                                                      \
    /* it leaves the pool for a request; value: request id */                                      \
    EVENT(CONNECTION_TAKE, "connection.take")                                                      \
    /* the rest of a body closed early is read first; value 0 */                                   \
    EVENT(CONNECTION_DRAIN, "connection.drain")                                                    \
    /* it is closed; value: enum lb_status, the cause */                                           \
    EVENT(CONNECTION_CLOSE, "connection.close")                                                    \
    /* of the exchange; value: enum lb_body_state */                                               \
    EVENT(BODY_STATE, "body.state")                                                                \
    /* starts again elsewhere; subject ""; value: request id */                                    \
    EVENT(RETRY, "request.retry")                                                                  \
    /* has its outcome; subject: its word; value: request id */                                    \
    EVENT(REQUEST_END, "request.end")

enum lb_event {
#define LB_EVENT_ENUM(name, word) LB_EVENT_##name,
    LB_EVENT_LIST(LB_EVENT_ENUM)
#undef LB_EVENT_ENUM
        LB_EVENT_COUNT
};

/* lb_event_word: the word of an event, a static string such as "dial.start". Never blocks. */
const char *lb_event_word(enum lb_event event);

/* A watcher. Embed it as the first member of a larger struct to give it state. */
struct lb_trace {
    /*
     * emit: called with the transport's lock held, so it must neither block nor call the transport.
     * `subject` is borrowed.
     */
    void (*emit)(struct lb_trace *trace, enum lb_event event, const char *subject, uint64_t value);
};

#ifdef __cplusplus
}
#endif
#endif
