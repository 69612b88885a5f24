/*
 * Idioms: operations that mean something together, for the mutator and the dictionary. At most 32
 * bytes each, so that every engine takes them.
 */
#include "core/assert.h"
#include "mutator.h"
#include "operations.h"

#define OP(name) 0x80 | LBI_OPERATION_##name
#define IDIOM_SIZE_MAX 32
#define BACK 1      /* of READ and CLOSE */
#define GET_CLOSE 1 /* of GET, HEAD and EXCHANGE */
#define GET_BACK 2  /* of GET, HEAD and ASK */
/* of ASK */
#define FLAG_UPGRADE 8
#define FLAG_EXPECT 32
#define FLAG_IDEMPOTENT 64

struct idiom {
    const char *name;
    size_t size;
    uint8_t bytes[IDIOM_SIZE_MAX];
};

#define IDIOM(name, ...)                                                                           \
    {                                                                                              \
        name, sizeof((const uint8_t[]){__VA_ARGS__}),                                              \
        {                                                                                          \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }

static const struct idiom idioms[] = {
    IDIOM("two_exchanges", OP(EXCHANGE), OP(EXCHANGE)),
    IDIOM("respond_exchange", OP(RESPOND), LBI_RESPOND_LENGTH, 5, OP(EXCHANGE)),
    IDIOM("chunked_exchange", OP(RESPOND), LBI_RESPOND_CHUNKED, 17, OP(EXCHANGE)),
    IDIOM("slow_exchange", OP(RESPOND), LBI_RESPOND_SLOW, 33, OP(EXCHANGE)),
    IDIOM("cut_exchange", OP(RESPOND), LBI_RESPOND_CUT, 33, OP(EXCHANGE)),
    IDIOM("early_close", OP(RESPOND), LBI_RESPOND_LENGTH, 40, OP(GET), OP(READ), 0, 0, 5,
          OP(CLOSE)),
    IDIOM("early_close_slow", OP(RESPOND), LBI_RESPOND_SLOW, 40, OP(GET), OP(READ), 0, 0, 5,
          OP(CLOSE), OP(EXCHANGE)),
    IDIOM("read_then_close", OP(GET), OP(READ), OP(CLOSE)),
    IDIOM("read_twice", OP(READ), OP(READ)),
    IDIOM("read_after_close", OP(CLOSE), OP(READ), OP(CLOSE)),
    IDIOM("cancel_body", OP(GET), OP(READ), 0, 0, 5, OP(CANCEL), OP(READ), OP(CLOSE)),
    IDIOM("cancel_waiting", OP(GET), 0, GET_BACK, OP(CANCEL), OP(WAIT)),
    IDIOM("read_close_race", OP(GET), OP(READ), 0, BACK, OP(CLOSE), OP(WAIT)),
    IDIOM("read_cancel_race", OP(GET), OP(READ), 0, BACK, OP(CANCEL), OP(WAIT)),
    IDIOM("close_behind", OP(GET), OP(CLOSE), 0, BACK, OP(EXCHANGE), OP(WAIT), 1),
    IDIOM("drop_body", OP(GET), OP(DROP), OP(EXCHANGE)),
    IDIOM("drop_after_end", OP(GET), OP(READ), OP(DROP), OP(EXCHANGE)),
    IDIOM("head_then_get", OP(RESPOND), LBI_RESPOND_LENGTH, 0, OP(HEAD), OP(CLOSE), OP(EXCHANGE)),
    IDIOM("no_body", OP(RESPOND), LBI_RESPOND_NO_BODY, OP(EXCHANGE)),
    IDIOM("asks_to_close", OP(EXCHANGE), 0, GET_CLOSE),
    IDIOM("two_at_once", OP(GET), 0, GET_BACK, OP(GET), 0, GET_BACK, OP(WAIT), 1, OP(WAIT)),
    IDIOM("waiter", OP(PER_HOST), 1, OP(GET), OP(GET), 0, GET_BACK, OP(CLOSE), 1, OP(WAIT)),
    IDIOM("waiter_cancelled", OP(PER_HOST), 1, OP(GET), OP(GET), 0, GET_BACK, OP(CANCEL), OP(CLOSE),
          1, OP(WAIT)),
    IDIOM("deadline", OP(GET), 0, 0, 4, OP(READ), OP(CLOSE)),
    IDIOM("stale", OP(RESPOND), 0, 2, OP(PAUSE), 3, OP(END), OP(EXCHANGE), OP(ADVANCE), 4,
          OP(EXCHANGE)),
    IDIOM("late_bytes", OP(RESPOND), 0, 2, OP(SEND), 'x', OP(EXCHANGE), OP(EXCHANGE)),
    IDIOM("later_bytes", OP(RESPOND), 0, 2, OP(PAUSE), 3, OP(SEND), 'x', OP(EXCHANGE), OP(ADVANCE),
          4, OP(EXCHANGE)),
    IDIOM("idle_too_long", OP(EXCHANGE), OP(ADVANCE), 26, OP(EXCHANGE)),
    IDIOM("close_idle", OP(EXCHANGE), OP(CLOSE_IDLE), OP(EXCHANGE)),
    IDIOM("no_idle", OP(IDLE_PER_HOST), OP(EXCHANGE), OP(EXCHANGE)),
    IDIOM("second_conn", OP(SCRIPT), 0, 1, OP(RESPOND), LBI_RESPOND_CHUNKED, 9),
    IDIOM("second_host", OP(SCRIPT), 1, OP(RESPOND), 0, 5, OP(EXCHANGE), 1),
    IDIOM("refused", OP(SCRIPT), 0, 1, OP(REFUSE)),
    IDIOM("signalled", OP(WANT), OP(LINE), 1, OP(LINE), 2, 5, OP(LINE), OP(AWAIT), OP(FILL), 5,
          OP(GET), OP(SIGNAL), OP(READ), OP(CLOSE)),
    IDIOM("head_length", OP(WANT), OP(LINE), 1, OP(LINE), 2, 5, OP(LINE)),
    IDIOM("head_chunked", OP(WANT), OP(LINE), 1, OP(LINE), 3, OP(LINE)),
    IDIOM("head_until_end", OP(WANT), OP(LINE), 1, OP(LINE)),
    IDIOM("interim", OP(WANT), OP(LINE), 9, OP(LINE), OP(LINE), 1, OP(LINE), 2, OP(LINE)),
    IDIOM("two_chunks", OP(CHUNK_FILL), 5, OP(PAUSE), 3, OP(CHUNK_FILL), 6, OP(CHUNK_END)),
    IDIOM("raw_chunk", OP(SEND), '5', '\r', '\n', 'h', 'e', 'l', 'l', 'o', '\r', '\n'),
    IDIOM("raw_last_chunk", OP(SEND), '0', '\r', '\n', '\r', '\n'),
    IDIOM("raw_trailer", OP(SEND), '0', '\r', '\n', 'A', ':', 'b', '\r', '\n', '\r', '\n'),
    IDIOM("post", OP(ASK), 0, 2, 0, OP(BODY), 0, 40, OP(READ), OP(CLOSE)),
    IDIOM("post_chunked", OP(ASK), 0, 2, 0, OP(BODY), 5, 9, OP(READ), OP(CLOSE)),
    IDIOM("put_expect", OP(ASK), 0, 3, FLAG_EXPECT, OP(BODY), 0, 40),
    IDIOM("body_stalls", OP(ASK), 0, 2, GET_BACK, OP(BODY), 0, 40, OP(BODY_EVENT), 1, 0, 20,
          OP(CANCEL), OP(WAIT)),
    IDIOM("body_awaits", OP(ASK), 0, 2, GET_BACK, OP(BODY), 1, 40, OP(BODY_EVENT), 0, 0, 20,
          OP(POLL), OP(SIGNAL), OP(WAIT)),
    IDIOM("body_fails", OP(ASK), 0, 2, 0, OP(BODY), 1, 40, OP(BODY_EVENT), 2, 0, 20),
    IDIOM("body_again", OP(ASK), 0, 2, FLAG_IDEMPOTENT, OP(BODY), 0, 9),
    IDIOM("continue", OP(WANT), OP(LINE), 9, OP(LINE), OP(WANT_BODY), OP(LINE), 6, OP(LINE)),
    IDIOM("early_answer", OP(WANT), OP(LINE), 1, OP(LINE), 2, 5, OP(LINE), OP(FILL), 5,
          OP(WANT_BODY)),
    IDIOM("gzip_length", OP(GZIP), 1, OP(WANT), OP(LINE), 1, OP(LINE), 61, OP(LINE), 2, 40,
          OP(LINE), OP(GZIP_FILL), 17, OP(EXCHANGE)),
    IDIOM("gzip_chunks", OP(GZIP), 1, OP(WANT), OP(LINE), 1, OP(LINE), 61, OP(LINE), 3, OP(LINE),
          OP(CHUNK_GZIP), 40, OP(CHUNK_END), OP(EXCHANGE)),
    IDIOM("drained", OP(DRAIN), 86, OP(RESPOND), LBI_RESPOND_SLOW, 40, OP(GET), OP(CLOSE)),
    IDIOM("trailer", OP(SEND), '0', '\r', '\n', 'A', ':', 'b', '\r', '\n', '\r', '\n', OP(GET),
          OP(READ), OP(TRAILER), 0, 1),
    IDIOM("upgrade", OP(WANT), OP(LINE), 11, OP(LINE), 40, OP(LINE), 41, OP(LINE), OP(ASK), 0, 0,
          FLAG_UPGRADE, OP(WRITE), 0, 'x', OP(READ), 0, 0, 1, OP(CLOSE)),
    IDIOM("no_keep_alive", OP(KEEP_ALIVE), OP(EXCHANGE), OP(EXCHANGE)),
    IDIOM("switch_soon", OP(AFTER), 0, 1),
    IDIOM("switch_often", OP(AFTER), OP(AFTER), 0, 2, OP(AFTER), 1, 5),
    IDIOM("first_first", OP(PRIORITY), 1, 2, OP(PRIORITY), 0, 3),
};

const uint8_t *lb_idiom(uint32_t index, size_t *ret_size, const char **ret_name)
{
    if (index >= sizeof(idioms) / sizeof(*idioms)) {
        return NULL;
    }
    LB_ASSERT(idioms[index].size > 0);
    LB_ASSERT(idioms[index].size <= IDIOM_SIZE_MAX);
    *ret_size = idioms[index].size;
    *ret_name = idioms[index].name;
    return idioms[index].bytes;
}
