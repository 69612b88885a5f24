/*
 * A request's body for tests on threads: the bytes of loopback_byte, which the server on loopback
 * compares. It can block at a place until it is closed, or fail there, and counts its closes.
 */
#ifndef LASTBYTE_TRANSPORT_TEST_PATTERN_SOURCE_H
#define LASTBYTE_TRANSPORT_TEST_PATTERN_SOURCE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/assert.h"
#include "lastbyte/source.h"
#include "test/loopback.h"

struct pattern_source {
    struct lb_source source; /* first */
    pthread_mutex_t lock;    /* of what follows */
    pthread_cond_t changed;
    uint32_t number;
    size_t size;
    size_t offset;
    size_t block_at; /* SIZE_MAX: nowhere */
    size_t fail_at;  /* SIZE_MAX: nowhere */
    bool is_inside;  /* a read is in progress */
    bool is_blocked; /* at block_at */
    uint32_t closed_count;
    uint32_t rewound_count;
};

static inline struct pattern_source *pattern_source_of(struct lb_source *source)
{
    return (struct pattern_source *)(void *)source;
}

static inline void pattern_source_lock(struct pattern_source *p)
{
    int error = pthread_mutex_lock(&p->lock);
    LB_ASSERT(error == 0);
}

static inline void pattern_source_unlock(struct pattern_source *p)
{
    int error = pthread_cond_broadcast(&p->changed);
    LB_ASSERT(error == 0);
    error = pthread_mutex_unlock(&p->lock);
    LB_ASSERT(error == 0);
}

/* pattern_source_stop: the next place where it does something else than to give bytes. */
static inline size_t pattern_source_stop(const struct pattern_source *p)
{
    size_t stop = p->size;
    stop = p->block_at >= p->offset && p->block_at < stop ? p->block_at : stop;
    return p->fail_at < stop ? p->fail_at : stop;
}

static inline enum lb_status pattern_source_read(struct lb_source *source, void *bytes, size_t size,
                                                 size_t *ret_size)
{
    struct pattern_source *p = pattern_source_of(source);
    enum lb_status status = LB_OK;
    pattern_source_lock(p);
    LB_ASSERT(!p->is_inside); /* one at a time */
    p->is_inside = true;
    while (p->offset == p->block_at && p->closed_count == 0) {
        p->is_blocked = true;
        int error = pthread_cond_wait(&p->changed, &p->lock);
        LB_ASSERT(error == 0);
    }
    p->is_blocked = false;
    size_t left = pattern_source_stop(p) - p->offset;
    size = size < left ? size : left;
    if (p->closed_count > 0) {
        status = LB_CLOSED;
    } else if (p->offset == p->fail_at) {
        status = LB_RESET;
    } else {
        for (size_t i = 0; i < size; i++) {
            ((char *)bytes)[i] = loopback_byte(p->number, p->offset + i);
        }
        p->offset += size;
        *ret_size = size;
        status = p->offset == p->size ? LB_END : LB_OK;
    }
    p->is_inside = false;
    pattern_source_unlock(p);
    return status;
}

static inline void pattern_source_close(struct lb_source *source)
{
    struct pattern_source *p = pattern_source_of(source);
    pattern_source_lock(p);
    p->closed_count++;
    LB_ASSERT(p->closed_count == 1); /* rule O2 */
    pattern_source_unlock(p);
}

static inline enum lb_status pattern_source_rewind(struct lb_source *source)
{
    struct pattern_source *p = pattern_source_of(source);
    pattern_source_lock(p);
    LB_ASSERT(!p->is_inside);
    LB_ASSERT(p->closed_count == 0);
    p->offset = 0;
    p->rewound_count++;
    pattern_source_unlock(p);
    return LB_OK;
}

/* pattern_source_init: the body of request `number`, of `size` bytes (size > 0); one that can be given
 * again, or once. */
static inline void pattern_source_init(struct pattern_source *p, uint32_t number, size_t size,
                                       bool is_once)
{
    static const struct lb_source_ops once = {pattern_source_read, pattern_source_close, NULL};
    static const struct lb_source_ops again = {pattern_source_read, pattern_source_close,
                                               pattern_source_rewind};
    LB_ASSERT(size > 0);
    *p = (struct pattern_source){.source = {is_once ? &once : &again},
                                 .number = number,
                                 .size = size,
                                 .block_at = SIZE_MAX,
                                 .fail_at = SIZE_MAX};
    int error = pthread_mutex_init(&p->lock, NULL);
    LB_ASSERT(error == 0);
    error = pthread_cond_init(&p->changed, NULL);
    LB_ASSERT(error == 0);
}

/* pattern_source_deinit: nobody touches it any more. */
static inline void pattern_source_deinit(struct pattern_source *p)
{
    LB_ASSERT(p->closed_count == 1);
    LB_ASSERT(!p->is_inside);
    (void)pthread_cond_destroy(&p->changed);
    (void)pthread_mutex_destroy(&p->lock);
}

/* pattern_source_is_blocked, pattern_source_closed: as they stand now. */
static inline bool pattern_source_is_blocked(struct pattern_source *p)
{
    pattern_source_lock(p);
    bool is_blocked = p->is_blocked;
    pattern_source_unlock(p);
    return is_blocked;
}

static inline uint32_t pattern_source_closed(struct pattern_source *p)
{
    pattern_source_lock(p);
    uint32_t count = p->closed_count;
    pattern_source_unlock(p);
    return count;
}

#endif
