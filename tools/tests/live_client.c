/*
 * The client against a real server, and the server's own account of it.
 *
 *   live_client ports COUNT             prints ports of loopback that are free
 *   live_client talk PORT TLS_PORT CA ACCOUNT
 *                                       runs every conversation with the server at these ports, looks at
 *                                       what the client makes of it, and writes a line for each request
 *   live_client judge ACCOUNT LOG       compares these lines with the server's log
 *
 * Mental model. Each request has a number, which it sends in its query, so that the server's line about it
 * is known. The account says how the request ended for the client and on which of its connections it was,
 * as the how many-th; the log says the same of the server's connections. The two number connections in
 * their own ways, so what must agree is that there is one of the server's for each of the client's, and
 * that requests stand on them in the same order. live.sh prepares the server and its pages.
 */
#include "core/assert.h"
#include "files.h"
#include "watch.h"

#include "lastbyte/threads.h"
#include "lastbyte/tls.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LIVE_SMALL 1024
#define LIVE_ECHO 200
#define LIVE_LARGE 10485760
#define LIVE_UPLOAD 2097152
#define LIVE_THREADS 8
#define LIVE_ROUNDS 24 /* requests of each thread */
#define LIVE_SECOND_NS UINT64_C(1000000000)
#define LIVE_PATIENCE_S 60 /* for what takes no time on a machine that is not busy */
#define LIVE_PORTS_MAX 8
#define LIVE_ENTRIES_MAX 4096

/* complain: says what does not hold, and ends the process. */
#define COMPLAIN(...)                                                                              \
    do {                                                                                           \
        fprintf(stderr, "live: " __VA_ARGS__);                                                     \
        fprintf(stderr, "\n");                                                                     \
        exit(1);                                                                                   \
    } while (0)

static const char live_letters[] = "abcdefghijklmnopqrstuvw"; /* the pattern of all bodies */

/* -- the server's pages -- */

/* How the bytes that the server's log counts differ from those that the client reads. */
enum counting {
    COUNT_AS_IS,
    COUNT_FRAMED, /* the log's are more: chunks */
    COUNT_CODED,  /* the log's are others: gzip */
};

struct page {
    const char *path;
    uint16_t code;
    uint64_t size; /* of the body as the client reads it; UINT64_MAX: any */
    enum counting counting;
    bool is_patterned; /* byte i is 'a' + i % 23 */
};

static const struct page page_small = {"/small", 200, LIVE_SMALL, COUNT_AS_IS, true};
static const struct page page_large = {"/large", 200, LIVE_LARGE, COUNT_AS_IS, true};
static const struct page page_empty = {"/empty", 200, 0, COUNT_AS_IS, false};
static const struct page page_none = {"/none", 204, 0, COUNT_AS_IS, false};
static const struct page page_moved = {"/moved", 302, UINT64_MAX, COUNT_AS_IS, false};
static const struct page page_missing = {"/missing", 404, UINT64_MAX, COUNT_AS_IS, false};
static const struct page page_ssi = {"/ssi/page.shtml", 200, LIVE_SMALL, COUNT_FRAMED, true};
static const struct page page_proxied = {"/proxy/ssi/page.shtml", 200, LIVE_SMALL, COUNT_FRAMED,
                                         true};
static const struct page page_until_close = {"/unframed/page.shtml", 200, LIVE_SMALL, COUNT_AS_IS,
                                             true};
static const struct page page_gzip = {"/gzip/small", 200, LIVE_SMALL, COUNT_CODED, true};
static const struct page page_gzip_large = {"/gzip/large", 200, LIVE_LARGE, COUNT_CODED, true};
static const struct page page_gzip_off = {"/gzip/small", 200, LIVE_SMALL, COUNT_AS_IS, true};
static const struct page page_few = {"/few/small", 200, LIVE_SMALL, COUNT_AS_IS, true};
static const struct page page_slow = {"/slow/large", 200, LIVE_LARGE, COUNT_AS_IS, true};
static const struct page page_echo = {"/echo", 200, LIVE_ECHO, COUNT_AS_IS, true};
static const struct page page_strict = {"/strict/small", 413, UINT64_MAX, COUNT_AS_IS, false};
static const struct page page_delayed = {"/delayed", 200, LIVE_SMALL, COUNT_AS_IS, true};

/* What the caller does with a body. */
enum way {
    WAY_ALL,    /* reads it to its end */
    WAY_EXACT,  /* reads as many bytes as it has, and closes it */
    WAY_CLOSE,  /* reads ten bytes and closes it */
    WAY_CANCEL, /* reads ten bytes and cancels the request */
    WAY_DROP,   /* reads ten bytes and forgets it */
    WAY_LATE,   /* reads until the request's deadline has passed */
};

/* -- a client and its account -- */

struct live {
    struct lb_network *network;
    struct lb_transport *transport;
    struct watch watch;
    const char *scheme;
    uint16_t port;
    uv_mutex_t lock;
    FILE *account;
    uint32_t number_last; /* of a request */
};

static void live_begin(struct live *live, const struct lb_transport_options *tuned)
{
    struct lb_transport_options options = *tuned;

    watch_init(&live->watch);
    options.runtime = lb_runtime_threads();
    options.network = live->network;
    options.trace = &live->watch.trace;
    if (lb_transport_new(&options, &live->transport) != LB_OK) {
        COMPLAIN("no transport");
    }
}

/* live_end: gives the transport back; each connection that was made is closed, and `connected` were. */
static void live_end(struct live *live, const char *what, uint64_t connected)
{
    lb_transport_free(&live->transport);
    struct watch_totals totals = watch_totals(&live->watch);
    watch_deinit(&live->watch);
    if (totals.closed != totals.connected) {
        COMPLAIN("%s: %" PRIu64 " connections made, %" PRIu64 " closed", what, totals.connected,
                 totals.closed);
    }
    if (connected != 0 && totals.connected != connected) {
        COMPLAIN("%s: %" PRIu64 " connections made, expected %" PRIu64, what, totals.connected,
                 connected);
    }
    if (totals.retries != 0) {
        COMPLAIN("%s: %" PRIu64 " retries, and the server announces each end", what,
                 totals.retries);
    }
    printf("%-24s %3" PRIu64 " connections, %4" PRIu64 " exchanges, %4" PRIu64 " on a reused one\n",
           what, totals.connected, totals.exchanges, totals.reused);
}

/* The body of a request: `size` bytes of the pattern. */
struct pattern_source {
    struct lb_source base;
    uint64_t size;
    uint64_t at;
    uint32_t close_count; /* looked at when its request has been released */
};

static struct pattern_source *source_of(struct lb_source *base)
{
    return (struct pattern_source *)(void *)base;
}

static enum lb_status source_read(struct lb_source *base, void *bytes, size_t size,
                                  size_t *ret_size)
{
    struct pattern_source *source = source_of(base);
    uint64_t left = source->size - source->at;
    size_t count = left < size ? (size_t)left : size;

    LB_ASSERT(source->close_count == 0);
    for (size_t i = 0; i < count; i++) {
        ((char *)bytes)[i] = live_letters[(source->at + i) % 23];
    }
    source->at += count;
    *ret_size = count;
    return source->at == source->size ? LB_END : LB_OK;
}

static void source_close(struct lb_source *base)
{
    source_of(base)->close_count++;
}

static enum lb_status source_rewind(struct lb_source *base)
{
    source_of(base)->at = 0;
    return LB_OK;
}

static const struct lb_source_ops source_ops = {source_read, source_close, source_rewind};

/* A request while it is made and used. */
struct talk {
    struct live *live;
    const struct page *page;
    const char *method;
    enum way way;
    uint64_t upload_size; /* of its body; 0: it has none */
    bool is_chunked;      /* its body's size is not said */
    bool is_expect;
    bool is_http10;
    struct pattern_source source;
    uint32_t number;
    struct lb_request *request;
    struct lb_response *response;
    struct watched watched;
    uint64_t size; /* bytes read */
};

/* live_note: the request's line in the account: number, method, code, bytes, whether the log must count
 * exactly these, how it ended, whether the server got all of it out, connection, ordinal. */
static void live_note(const struct talk *talk, const char *outcome)
{
    struct live *live = talk->live;
    struct watched watched = watch_look(&live->watch, &talk->watched);
    bool is_whole = strcmp(outcome, "ended") == 0;
    bool is_cut =
        !is_whole && talk->page->size == LIVE_LARGE && talk->page->counting == COUNT_AS_IS;
    /* nginx counts chunks' framing and "100 Continue" as bytes of the body */
    bool is_framed = talk->page->counting == COUNT_FRAMED || talk->is_expect;
    const char *bytes = talk->page->counting == COUNT_CODED ? "any"
                        : is_whole && !is_framed            ? "exactly"
                                                            : "atleast";

    uv_mutex_lock(&live->lock);
    fprintf(live->account, "%" PRIu32 " %s %u %" PRIu64 " %s %s %s %s %" PRIu32 "\n", talk->number,
            talk->method, talk->response == NULL ? 0u : lb_response_code(talk->response),
            talk->size, bytes, outcome,
            is_whole ? "whole"
            : is_cut ? "cut"
                     : "any",
            watched.connection[0] == '\0' ? "-" : watched.connection, watched.ordinal);
    uv_mutex_unlock(&live->lock);
}

static void talk_make(struct talk *talk, uint64_t duration_ns)
{
    struct live *live = talk->live;
    struct lb_runtime *runtime = lb_runtime_threads();
    char target[128];

    uv_mutex_lock(&live->lock);
    talk->number = ++live->number_last;
    uv_mutex_unlock(&live->lock);
    (void)snprintf(target, sizeof(target), "%s?n=%" PRIu32, talk->page->path, talk->number);
    struct lb_request_options options = {
        .method = talk->method,
        .endpoint = {.scheme = live->scheme, .host = "127.0.0.1", .port = live->port},
        .target = target,
        .deadline_ns = runtime->ops->now(runtime) + duration_ns,
        .is_expect = talk->is_expect,
        .is_http10 = talk->is_http10,
        .call_site = talk->page->path,
    };
    if (talk->upload_size > 0) {
        talk->source = (struct pattern_source){.base.ops = &source_ops, .size = talk->upload_size};
        options.source = &talk->source.base;
        options.source_size = talk->is_chunked ? LB_SIZE_UNKNOWN : talk->upload_size;
    }
    if (watch_request_new(&live->watch, live->transport, &options, &talk->watched,
                          &talk->request) != LB_OK) {
        COMPLAIN("request %" PRIu32 " could not be made", talk->number);
    }
}

/* talk_read: reads `most` bytes or to the end, and looks at each. */
static enum lb_status talk_read(struct talk *talk, uint64_t most)
{
    char bytes[16384];
    enum lb_status status = LB_OK;

    while (status == LB_OK && talk->size < most) {
        uint64_t left = most - talk->size;
        size_t size = 0;

        status = lb_body_read(lb_response_body(talk->response), bytes,
                              left < sizeof(bytes) ? (size_t)left : sizeof(bytes), &size);
        for (size_t i = 0; i < size && talk->page->is_patterned; i++) {
            if (bytes[i] != live_letters[(talk->size + i) % 23]) {
                COMPLAIN("%s: byte %" PRIu64 " is not the server's", talk->page->path,
                         talk->size + i);
            }
        }
        talk->size += size;
    }
    return status;
}

static void talk_expect(const struct talk *talk, enum lb_status status, enum lb_status expected)
{
    if (status != expected) {
        COMPLAIN("request %" PRIu32 " of %s: %s, expected %s", talk->number, talk->page->path,
                 lb_status_word(status), lb_status_word(expected));
    }
}

static void talk_expect_state(const struct talk *talk, enum lb_body_state expected)
{
    enum lb_body_state state = lb_body_state(lb_response_body(talk->response));

    if (state != expected) {
        COMPLAIN("request %" PRIu32 " of %s: its body is %s, expected %s", talk->number,
                 talk->page->path, lb_body_state_word(state), lb_body_state_word(expected));
    }
}

/* talk_body: does with the body what was asked for; how it ended. */
static const char *talk_body(struct talk *talk)
{
    struct lb_body *body = lb_response_body(talk->response);
    bool is_head = strcmp(talk->method, "HEAD") == 0;
    uint64_t due = is_head ? 0 : talk->page->size;

    switch (talk->way) {
    case WAY_ALL:
        talk_expect(talk, talk_read(talk, UINT64_MAX), LB_END);
        if (due != UINT64_MAX && talk->size != due) {
            COMPLAIN("%s: %" PRIu64 " bytes, expected %" PRIu64, talk->page->path, talk->size, due);
        }
        talk_expect_state(talk, LB_BODY_ENDED);
        return "ended";
    case WAY_EXACT:
        (void)talk_read(talk, due);
        talk_expect_state(talk, LB_BODY_ENDED);
        lb_body_close(body);
        return "ended";
    case WAY_CLOSE:
        talk_expect(talk, talk_read(talk, 10), LB_OK);
        lb_body_close(body);
        talk_expect_state(talk, LB_BODY_CLOSED);
        return "closed";
    case WAY_CANCEL:
        talk_expect(talk, talk_read(talk, 10), LB_OK);
        lb_request_cancel(talk->request);
        talk_expect(talk, talk_read(talk, 20), LB_CANCELLED);
        talk_expect_state(talk, LB_BODY_CANCELLED);
        return "cancelled";
    case WAY_DROP:
        talk_expect(talk, talk_read(talk, 10), LB_OK);
        talk_expect_state(talk, LB_BODY_OPEN);
        talk->request = NULL;
        return "open";
    case WAY_LATE:
        talk_expect(talk, talk_read(talk, UINT64_MAX), LB_TIMEOUT);
        talk_expect_state(talk, LB_BODY_FAILED);
        return "timeout";
    }
    return "";
}

/* talk_whole: the whole of a request; its ordinal on its connection. */
static uint32_t talk_whole(struct talk talk)
{
    struct live *live = talk.live;
    const struct page *page = talk.page;
    bool is_late = talk.way == WAY_LATE;

    talk_make(&talk, is_late ? LIVE_SECOND_NS : LIVE_PATIENCE_S * LIVE_SECOND_NS);
    talk_expect(&talk, lb_request_send(talk.request, &talk.response), LB_OK);
    if (lb_response_code(talk.response) != page->code) {
        COMPLAIN("%s: %u, expected %u", page->path, lb_response_code(talk.response), page->code);
    }
    live_note(&talk, talk_body(&talk));
    uint32_t ordinal = talk.watched.ordinal;
    watch_forget(&live->watch, &talk.watched);
    lb_request_free(&talk.request);
    if (talk.upload_size > 0 && talk.source.close_count != 1) {
        COMPLAIN("%s: the source was closed %" PRIu32 " times", page->path,
                 talk.source.close_count);
    }
    return ordinal;
}

/* talk_once: a request without a body; its ordinal on its connection. */
static uint32_t talk_once(struct live *live, const char *method, const struct page *page,
                          enum way way)
{
    return talk_whole((struct talk){.live = live, .page = page, .method = method, .way = way});
}

/* expect_ordinal: a request that stands on its connection as the how many-th it should. */
static void expect_ordinal(struct live *live, const char *method, const struct page *page,
                           enum way way, uint32_t expected)
{
    uint32_t ordinal = talk_once(live, method, page, way);

    if (ordinal != expected) {
        COMPLAIN("%s was request %" PRIu32 " of its connection, expected %" PRIu32, page->path,
                 ordinal, expected);
    }
}

/* -- the conversations -- */

static void talk_keep_alive(struct live *live, const struct lb_transport_options *options)
{
    live_begin(live, options);
    for (uint32_t i = 1; i <= 10; i++) {
        expect_ordinal(live, "GET", &page_small, i % 2 == 0 ? WAY_EXACT : WAY_ALL, i);
    }
    live_end(live, "keep-alive", 1);
}

static void talk_bodiless(struct live *live, const struct lb_transport_options *options)
{
    live_begin(live, options);
    expect_ordinal(live, "HEAD", &page_large, WAY_ALL, 1);
    expect_ordinal(live, "GET", &page_none, WAY_ALL, 2);
    expect_ordinal(live, "GET", &page_empty, WAY_ALL, 3);
    expect_ordinal(live, "HEAD", &page_ssi, WAY_ALL, 4);
    expect_ordinal(live, "GET", &page_moved, WAY_ALL, 5);
    expect_ordinal(live, "GET", &page_missing, WAY_ALL, 6);
    expect_ordinal(live, "GET", &page_small, WAY_ALL, 7);
    live_end(live, "bodiless, redirects", 1);
}

static void talk_framings(struct live *live, const struct lb_transport_options *options)
{
    live_begin(live, options);
    expect_ordinal(live, "GET", &page_ssi, WAY_ALL, 1);
    expect_ordinal(live, "GET", &page_proxied, WAY_ALL, 2);
    expect_ordinal(live, "GET", &page_large, WAY_ALL, 3);
    expect_ordinal(live, "GET", &page_until_close, WAY_ALL, 4);
    expect_ordinal(live, "GET", &page_until_close, WAY_ALL, 1);
    expect_ordinal(live, "GET", &page_small, WAY_ALL, 1);
    live_end(live, "framings", 3);
}

/* talk_upload: sends a body in one of its forms, and reads it back from where the server has put it. */
static void talk_upload(struct live *live, uint64_t size, bool is_chunked, bool is_expect,
                        uint32_t *ordinal)
{
    bool is_tls = strcmp(live->scheme, "https") == 0; /* the first upload of each makes a file */
    const char *path = is_tls ? "/upload/https" : "/upload/http";
    const struct page stored = {path, 201, 0, COUNT_AS_IS, false};
    const struct page again = {path, 204, 0, COUNT_AS_IS, false};
    const struct page back = {path, 200, size, COUNT_AS_IS, true};
    struct talk talk = {.live = live,
                        .page = *ordinal == 0 ? &stored : &again,
                        .method = "PUT",
                        .way = WAY_ALL,
                        .upload_size = size,
                        .is_chunked = is_chunked,
                        .is_expect = is_expect};

    if (talk_whole(talk) != ++*ordinal) {
        COMPLAIN("an upload of %" PRIu64 " bytes was on another connection", size);
    }
    expect_ordinal(live, "GET", &back, WAY_ALL, ++*ordinal);
}

static void talk_uploads(struct live *live, const struct lb_transport_options *options)
{
    uint32_t ordinal = 0;

    live_begin(live, options);
    talk_upload(live, LIVE_SMALL, false, false, &ordinal);
    talk_upload(live, LIVE_UPLOAD, false, false, &ordinal);
    talk_upload(live, LIVE_UPLOAD, true, false, &ordinal);
    talk_upload(live, LIVE_SMALL, true, true, &ordinal);
    talk_upload(live, LIVE_UPLOAD, false, true, &ordinal);
    talk_upload(live, 1, true, false, &ordinal);
    (void)talk_whole((struct talk){
        .live = live, .page = &page_echo, .method = "POST", .upload_size = LIVE_ECHO});
    (void)talk_whole((struct talk){.live = live,
                                   .page = &page_echo,
                                   .method = "POST",
                                   .upload_size = LIVE_ECHO,
                                   .is_chunked = true});
    live_end(live, "uploads", 1);
}

/* The server answers before it has read the body; whether the connection is used again depends on who is
 * faster. */
static void talk_early_answers(struct live *live, const struct lb_transport_options *options)
{
    live_begin(live, options);
    for (uint64_t size = 1; size <= LIVE_LARGE; size *= 8) {
        (void)talk_whole((struct talk){
            .live = live, .page = &page_missing, .method = "POST", .upload_size = size});
        (void)talk_once(live, "GET", &page_small, WAY_ALL);
    }
    /* one that it refuses, and says that it closes */
    uint32_t ordinal = talk_whole((struct talk){
        .live = live, .page = &page_strict, .method = "POST", .upload_size = LIVE_LARGE});
    expect_ordinal(live, "GET", &page_small, WAY_ALL, 1);
    LB_ASSERT(ordinal > 0);
    live_end(live, "early answers", 0);
}

/* The server codes what the client asks it to; to whoever asks for no coding it sends the plain bytes. */
static void talk_gzip(struct live *live, const struct lb_transport_options *options)
{
    struct lb_transport_options plain = *options;

    live_begin(live, options);
    expect_ordinal(live, "GET", &page_gzip, WAY_ALL, 1);
    expect_ordinal(live, "GET", &page_gzip_large, WAY_ALL, 2);
    expect_ordinal(live, "HEAD", &page_gzip, WAY_ALL, 3);
    expect_ordinal(live, "GET", &page_gzip_large, WAY_CLOSE, 4);
    expect_ordinal(live, "GET", &page_small, WAY_ALL, 1);
    live_end(live, "gzip", 2);
    plain.is_gzip_off = true;
    live_begin(live, &plain);
    expect_ordinal(live, "GET", &page_gzip_off, WAY_ALL, 1);
    live_end(live, "gzip not asked for", 1);
}

static void talk_http10(struct live *live, const struct lb_transport_options *options)
{
    live_begin(live, options);
    for (int i = 0; i < 3; i++) {
        const struct page *page = i == 0 ? &page_small : i == 1 ? &page_ssi : &page_none;
        uint32_t ordinal = talk_whole(
            (struct talk){.live = live, .page = page, .method = "GET", .is_http10 = true});

        if (ordinal != 1) {
            COMPLAIN("a connection of HTTP/1.0 was used again");
        }
    }
    live_end(live, "HTTP/1.0", 3);
}

static void talk_few(struct live *live, const struct lb_transport_options *options)
{
    live_begin(live, options);
    for (uint32_t i = 0; i < 7; i++) {
        expect_ordinal(live, "GET", &page_few, WAY_ALL, i % 3 + 1);
    }
    live_end(live, "three a connection", 3);
}

static void talk_early_ends(struct live *live, const struct lb_transport_options *options)
{
    live_begin(live, options);
    for (int i = 0; i < 3; i++) {
        expect_ordinal(live, "GET", &page_large, WAY_CLOSE, 1);
        expect_ordinal(live, "GET", &page_large, WAY_CANCEL, 1);
    }
    expect_ordinal(live, "GET", &page_slow, WAY_LATE, 1);
    live_end(live, "close, cancel, deadline", 7);
}

static struct lb_stats stats_of(const struct live *live)
{
    struct lb_stats stats;

    lb_transport_stats(live->transport, NULL, &stats);
    return stats;
}

/* The leak: six bodies dropped, six connections and read workers, until the transport is freed. */
static void talk_drops(struct live *live, const struct lb_transport_options *options)
{
    struct lb_profile_row rows[8];
    size_t row_count = 0;
    uint32_t waiting = 0;

    live_begin(live, options);
    for (uint32_t i = 1; i <= 6; i++) {
        expect_ordinal(live, "GET", &page_large, WAY_DROP, 1);
        struct lb_stats stats = stats_of(live);
        if (stats.busy != i || stats.open_bodies != i || stats.idle != 0) {
            COMPLAIN("after %" PRIu32 " drops %" PRIu32 " busy, %" PRIu32 " open", i, stats.busy,
                     stats.open_bodies);
        }
    }
    lb_transport_profile(live->transport, rows, 8, &row_count);
    for (size_t i = 0; i < row_count; i++) {
        bool is_it = rows[i].role == LB_ROLE_READ && rows[i].waits_for == LB_SITE_WAIT_BODY_END &&
                     strcmp(rows[i].call_site, page_large.path) == 0;
        waiting += is_it ? rows[i].count : 0;
    }
    if (waiting != 6) {
        COMPLAIN("%" PRIu32 " read workers wait for the end of six bodies", waiting);
    }
    live_end(live, "drops", 6);
}

/*
 * A body closed early whose rest is small is read to its end by its connection's read worker, which then
 * serves the next request (rule E5); a large one is not.
 */
static void talk_drain(struct live *live, const struct lb_transport_options *options)
{
    struct lb_transport_options draining = *options;

    draining.drain_size_max = LB_DRAIN_SIZE;
    draining.drain_duration_ns = LIVE_PATIENCE_S * LIVE_SECOND_NS;
    live_begin(live, &draining);
    for (uint32_t i = 1; i <= 4; i++) {
        expect_ordinal(live, "GET", i % 2 == 0 ? &page_ssi : &page_small, WAY_CLOSE, i);
        while (stats_of(live).idle == 0) {
            uv_sleep(1);
        }
    }
    expect_ordinal(live, "GET", &page_large, WAY_CLOSE, 5);
    expect_ordinal(live, "GET", &page_small, WAY_ALL, 1);
    live_end(live, "drains", 2);
}

/* The server delays all but the first request to this page, for minutes: the deadline comes first. */
static void talk_no_head(struct live *live, const struct lb_transport_options *options)
{
    live_begin(live, options);
    expect_ordinal(live, "GET", &page_delayed, WAY_ALL, 1);
    struct talk talk = {.live = live, .page = &page_delayed, .method = "GET"};
    talk_make(&talk, LIVE_SECOND_NS);
    talk_expect(&talk, lb_request_send(talk.request, &talk.response), LB_TIMEOUT);
    live_note(&talk, "timeout");
    if (talk.watched.ordinal != 2) {
        COMPLAIN("the delayed request did not use the idle connection");
    }
    watch_forget(&live->watch, &talk.watched);
    lb_request_free(&talk.request);
    expect_ordinal(live, "GET", &page_small, WAY_ALL, 1);
    live_end(live, "deadline before the head", 2);
}

/* One of several threads; which page and which way follow from its number. */
struct walker {
    struct live *live;
    uint32_t number;
    uv_thread_t thread;
};

static void walker_main(void *argument)
{
    const struct walker *walker = argument;

    for (uint32_t i = 0; i < LIVE_ROUNDS; i++) {
        switch ((walker->number + i) % 8) {
        case 0:
            (void)talk_once(walker->live, "GET", &page_ssi, WAY_ALL);
            break;
        case 1:
            (void)talk_once(walker->live, "HEAD", &page_small, WAY_ALL);
            break;
        case 2:
            (void)talk_once(walker->live, "GET", &page_large, WAY_CLOSE);
            break;
        case 3:
            (void)talk_once(walker->live, "GET", &page_few, WAY_ALL);
            break;
        case 4:
            (void)talk_once(walker->live, "GET", &page_large,
                            i < 8 ? WAY_DROP : WAY_CANCEL); /* each thread drops one */
            break;
        case 5:
            (void)talk_once(walker->live, "GET", &page_none, WAY_ALL);
            break;
        case 6:
            (void)talk_once(walker->live, "GET", &page_proxied, WAY_ALL);
            break;
        default:
            (void)talk_once(walker->live, "GET", &page_small, WAY_ALL);
            break;
        }
    }
}

static void talk_threads(struct live *live, const struct lb_transport_options *options)
{
    struct walker walkers[LIVE_THREADS];

    live_begin(live, options);
    for (uint32_t i = 0; i < LIVE_THREADS; i++) {
        walkers[i] = (struct walker){.live = live, .number = i};
        if (uv_thread_create(&walkers[i].thread, walker_main, &walkers[i]) != 0) {
            COMPLAIN("no thread");
        }
    }
    for (uint32_t i = 0; i < LIVE_THREADS; i++) {
        (void)uv_thread_join(&walkers[i].thread);
    }
    struct lb_stats stats = stats_of(live);
    if (stats.open_bodies != LIVE_THREADS || stats.busy != LIVE_THREADS) {
        COMPLAIN("%" PRIu32 " bodies open and %" PRIu32 " connections busy after one drop of each "
                 "thread",
                 stats.open_bodies, stats.busy);
    }
    live_end(live, "threads", 0);
}

/* talk_all: every conversation over one scheme. */
static void talk_all(struct live *live)
{
    struct lb_transport_options options;

    lb_transport_options_default(&options);
    talk_keep_alive(live, &options);
    talk_bodiless(live, &options);
    talk_framings(live, &options);
    talk_gzip(live, &options);
    talk_uploads(live, &options);
    talk_early_answers(live, &options);
    talk_http10(live, &options);
    talk_few(live, &options);
    talk_early_ends(live, &options);
    talk_drops(live, &options);
    talk_drain(live, &options);
    talk_no_head(live, &options);
    options.idle_per_host_max = LIVE_THREADS;
    talk_threads(live, &options);
    options.connections_per_host_max = LIVE_THREADS + 2; /* as many as there are drops, and two */
    talk_threads(live, &options);
}

/* Ports that are no numbers are 0, where nobody listens. */
static uint16_t port_of(const char *text)
{
    return (uint16_t)strtoul(text, NULL, 10);
}

static int talk(const char *port, const char *tls_port, const char *ca, const char *path)
{
    struct live live = {.scheme = "http", .port = port_of(port)};
    struct lb_tls_options tls = {.ca_file = ca};

    live.account = fopen(path, "w");
    if (live.account == NULL ||
        lb_network_tls_new(&tls, lb_memory_standard(), &live.network) != LB_OK) {
        COMPLAIN("cannot begin: %s, %s", path, ca);
    }
    LB_ASSERT(uv_mutex_init(&live.lock) == 0);
    talk_all(&live);
    live.scheme = "https";
    live.port = port_of(tls_port);
    talk_all(&live);
    uv_mutex_destroy(&live.lock);
    lb_network_tls_free(&live.network);
    if (fclose(live.account) != 0) {
        COMPLAIN("cannot write %s", path);
    }
    return 0;
}

/* -- the judge -- */

/* What one side says of a request. */
struct entry {
    unsigned number;
    char method[16];
    unsigned code;
    unsigned long long size;
    char bytes[8];    /* account: "exactly", "atleast" or "any" */
    char outcome[16]; /* account */
    char extent[8];   /* account: "whole", "cut" or "any"; log: "OK" or "" */
    char connection[WATCH_NAME_MAX];
    unsigned ordinal;
};

struct entries {
    struct entry items[LIVE_ENTRIES_MAX];
    size_t count;
};

/* entries_read: reads a file of lines, each by `read`. */
static void entries_read(struct entries *entries, const char *path,
                         bool (*read)(const char *line, struct entry *ret_entry))
{
    char line[1024];
    FILE *file = fopen(path, "r");

    if (file == NULL) {
        COMPLAIN("cannot read %s", path);
    }
    while (fgets(line, sizeof(line), file) != NULL) {
        LB_ASSERT(entries->count < LIVE_ENTRIES_MAX);
        if (!read(line, &entries->items[entries->count++])) {
            COMPLAIN("%s has a line of another form: %s", path, line);
        }
    }
    fclose(file);
}

static bool account_read(const char *line, struct entry *entry)
{
    return sscanf(line, "%u %15s %u %llu %7s %15s %7s %299s %u", &entry->number, entry->method,
                  &entry->code, &entry->size, entry->bytes, entry->outcome, entry->extent,
                  entry->connection, &entry->ordinal) == 9;
}

/* log_read: "connection ordinal status bytes [completion] method uri", of which the uri ends in ?n=. */
static bool log_read(const char *line, struct entry *entry)
{
    char rest[1000];
    const char *query = strstr(line, "?n=");

    if (query == NULL || sscanf(query, "?n=%u", &entry->number) != 1 ||
        sscanf(line, "%299s %u %u %llu [%999[^\n]", entry->connection, &entry->ordinal,
               &entry->code, &entry->size, rest) != 5) {
        return false;
    }
    if (rest[0] == ']') {
        return sscanf(rest, "] %15s", entry->method) == 1;
    }
    return sscanf(rest, "%7[^]]] %15s", entry->extent, entry->method) == 2;
}

/* entry_find: the only entry about a request, or NULL. */
static const struct entry *entry_find(const struct entries *entries, unsigned number,
                                      const char *who)
{
    const struct entry *found = NULL;

    for (size_t i = 0; i < entries->count; i++) {
        if (entries->items[i].number == number) {
            if (found != NULL) {
                COMPLAIN("%s has two lines about request %u", who, number);
            }
            found = &entries->items[i];
        }
    }
    return found;
}

static void judge_pair(const struct entry *mine, const struct entry *theirs)
{
    bool is_exact = strcmp(mine->bytes, "exactly") == 0;
    bool is_least = strcmp(mine->bytes, "any") != 0;
    unsigned n = mine->number;

    if (strcmp(mine->method, theirs->method) != 0) {
        COMPLAIN("request %u: the client's method %s, the server's %s", n, mine->method,
                 theirs->method);
    }
    if (mine->ordinal != theirs->ordinal) {
        COMPLAIN("request %u is number %u of its connection for the client, %u for the server", n,
                 mine->ordinal, theirs->ordinal);
    }
    if (mine->code == 0) {
        if (theirs->code != 499) {
            COMPLAIN("request %u: the client left before the head, the server said %u", n,
                     theirs->code);
        }
        return;
    }
    if (mine->code != theirs->code) {
        COMPLAIN("request %u: the client saw %u, the server said %u", n, mine->code, theirs->code);
    }
    if ((is_least && theirs->size < mine->size) || (is_exact && theirs->size != mine->size)) {
        COMPLAIN("request %u (%s): the client read %llu bytes, the server sent %llu", n,
                 mine->outcome, mine->size, theirs->size);
    }
    if (strcmp(mine->extent, "whole") == 0 && strcmp(theirs->extent, "OK") != 0) {
        COMPLAIN("request %u was whole for the client, not for the server", n);
    }
    if (strcmp(mine->extent, "cut") == 0 && theirs->extent[0] != '\0') {
        COMPLAIN("request %u was ended early by the client (%s), the server saw its end", n,
                 mine->outcome);
    }
}

/* judge_connections: two requests share a connection for both sides or for neither. `theirs` has for each
 * of the client's entries the server's, or NULL. */
static void judge_connections(const struct entries *account, const struct entry *const *theirs)
{
    for (size_t i = 0; i < account->count; i++) {
        const struct entry *a = &account->items[i];

        for (size_t k = i + 1; k < account->count; k++) {
            const struct entry *b = &account->items[k];

            if (theirs[i] == NULL || theirs[k] == NULL) {
                continue;
            }
            bool is_mine = strcmp(a->connection, b->connection) == 0;
            bool is_theirs = strcmp(theirs[i]->connection, theirs[k]->connection) == 0;
            if (is_mine != is_theirs) {
                COMPLAIN("requests %u and %u: %s connection for the client, %s for the server",
                         a->number, b->number, is_mine ? "one" : "not one",
                         is_theirs ? "one" : "not one");
            }
        }
    }
}

static size_t connection_count(const struct entries *entries)
{
    size_t count = 0;

    for (size_t i = 0; i < entries->count; i++) {
        count += entries->items[i].ordinal == 1;
    }
    return count;
}

static int judge(const char *account_path, const char *log_path)
{
    static struct entries account;
    static struct entries log;
    static const struct entry *theirs[LIVE_ENTRIES_MAX];

    entries_read(&account, account_path, account_read);
    entries_read(&log, log_path, log_read);
    if (account.count == 0) {
        COMPLAIN("the account is empty");
    }
    for (size_t i = 0; i < log.count; i++) {
        if (entry_find(&account, log.items[i].number, "the account") == NULL) {
            COMPLAIN("the server has request %u, the client does not", log.items[i].number);
        }
    }
    for (size_t i = 0; i < account.count; i++) {
        const struct entry *mine = &account.items[i];

        theirs[i] = entry_find(&log, mine->number, "the server's log");
        if (theirs[i] != NULL) {
            judge_pair(mine, theirs[i]);
        } else if (mine->code != 0) {
            COMPLAIN("request %u was answered, and the server has no line about it", mine->number);
        }
    }
    judge_connections(&account, theirs);
    printf("the server's log agrees: %zu requests on %zu connections\n", log.count,
           connection_count(&log));
    return 0;
}

/* -- ports -- */

static int ports(const char *text)
{
    int fds[LIVE_PORTS_MAX];
    int count = atoi(text);

    if (count < 1 || count > LIVE_PORTS_MAX) {
        COMPLAIN("from 1 to %d ports", LIVE_PORTS_MAX);
    }
    for (int i = 0; i < count; i++) {
        struct sockaddr_in address = {.sin_family = AF_INET};
        socklen_t size = sizeof(address);

        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        fds[i] = socket(AF_INET, SOCK_STREAM, 0);
        if (fds[i] < 0 || bind(fds[i], (const struct sockaddr *)&address, sizeof(address)) != 0 ||
            getsockname(fds[i], (struct sockaddr *)&address, &size) != 0) {
            COMPLAIN("no port");
        }
        printf("%u\n", ntohs(address.sin_port));
    }
    for (int i = 0; i < count; i++) {
        close(fds[i]);
    }
    return 0;
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc == 3 && strcmp(argv[1], "ports") == 0) {
        return ports(argv[2]);
    }
    if (argc == 6 && strcmp(argv[1], "talk") == 0) {
        return talk(argv[2], argv[3], argv[4], argv[5]);
    }
    if (argc == 4 && strcmp(argv[1], "judge") == 0) {
        return judge(argv[2], argv[3]);
    }
    COMPLAIN("usage: live_client ports COUNT | talk PORT TLS_PORT CA ACCOUNT | judge ACCOUNT LOG");
}
