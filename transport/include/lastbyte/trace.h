/*
 * Lifecycle events, for whoever wants to watch. The transport reports each change of state once.
 *
 * EVENT(enumerator, word). `subject` in an event is a connection's name, `value` is what the comment
 * says.
 */
#ifndef LASTBYTE_TRACE_H
#define LASTBYTE_TRACE_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LB_EVENT_LIST(EVENT)                                                                       \
    EVENT(DIAL_START, "dial.start")             /* value 0 */                                      \
    EVENT(DIAL_END, "dial.end")                 /* value: enum lb_status */                        \
    EVENT(EXCHANGE_START, "exchange.start")     /* value: request id */                            \
    EVENT(EXCHANGE_HEAD, "exchange.head")       /* value: status code of the response */           \
    EVENT(EXCHANGE_END, "exchange.end")         /* value: request id */                            \
    EVENT(CONNECTION_IDLE, "connection.idle")   /* value 0 */                                      \
    EVENT(CONNECTION_CLOSE, "connection.close") /* value: enum lb_status, the cause */             \
    EVENT(BODY_STATE, "body.state")             /* value: enum lb_body_state */                    \
    EVENT(RETRY, "request.retry")               /* value: request id */

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
     * `subject` is borrowed, and "" where the event has no connection.
     */
    void (*emit)(struct lb_trace *trace, enum lb_event event, const char *subject, uint64_t value);
};

#ifdef __cplusplus
}
#endif
#endif
