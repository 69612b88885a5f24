/*
 * Cases as values: their arena, their equality, the words of the language and the standard pattern.
 *
 * The arena is a list of chunks that only grows. An allocation takes the next bytes of the current
 * chunk, or moves on to the next chunk; clearing goes back to the first one and frees nothing, so
 * that a fuzzer that decodes a case per execution soon calls malloc no more. Invariant: the chunks
 * after the current one are empty.
 */
#include "case.h"

#include "core/assert.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_CHUNK_SIZE (64u * 1024u)
#define ARENA_ALIGNMENT 16u

struct arena_chunk {
    struct arena_chunk *next;
    size_t capacity; /* bytes of `bytes` */
    size_t used;
    _Alignas(ARENA_ALIGNMENT) unsigned char bytes[];
};

struct lb_arena {
    struct arena_chunk *first;
    struct arena_chunk *current;
};

/* chunk_new: an empty chunk for at least `size` bytes, or NULL. */
static struct arena_chunk *chunk_new(size_t size)
{
    size_t capacity = size > ARENA_CHUNK_SIZE ? size : ARENA_CHUNK_SIZE;
    LB_ASSERT(capacity <= SIZE_MAX - sizeof(struct arena_chunk));
    struct arena_chunk *chunk = malloc(sizeof(*chunk) + capacity);
    if (chunk != NULL) {
        chunk->next = NULL;
        chunk->capacity = capacity;
        chunk->used = 0;
    }
    return chunk;
}

enum lb_status lb_case_init(struct lb_case *ret_case)
{
    LB_ASSERT(ret_case != NULL);
    struct lb_arena *arena = malloc(sizeof(*arena));
    if (arena == NULL) {
        return LB_MEMORY;
    }
    arena->first = chunk_new(0);
    if (arena->first == NULL) {
        free(arena);
        return LB_MEMORY;
    }
    arena->current = arena->first;
    memset(ret_case, 0, sizeof(*ret_case));
    ret_case->arena = arena;
    return LB_OK;
}

void lb_case_clear(struct lb_case *c)
{
    LB_ASSERT(c != NULL);
    struct lb_arena *arena = c->arena;
    memset(c, 0, sizeof(*c));
    if (arena != NULL) {
        for (struct arena_chunk *chunk = arena->first; chunk != NULL; chunk = chunk->next) {
            chunk->used = 0;
        }
        arena->current = arena->first;
        c->arena = arena;
    }
}

void lb_case_deinit(struct lb_case *c)
{
    LB_ASSERT(c != NULL);
    if (c->arena != NULL) {
        struct arena_chunk *chunk = c->arena->first;
        while (chunk != NULL) {
            struct arena_chunk *next = chunk->next;
            free(chunk);
            chunk = next;
        }
        free(c->arena);
    }
    memset(c, 0, sizeof(*c));
}

/* arena_room: makes the current chunk one with room for `size` bytes. */
static void arena_room(struct lb_arena *arena, size_t size)
{
    while (arena->current->capacity - arena->current->used < size) {
        if (arena->current->next == NULL) {
            arena->current->next = chunk_new(size);
            if (arena->current->next == NULL) {
                fputs("lastbyte: no memory for a case\n", stderr);
                abort();
            }
        }
        arena->current = arena->current->next;
        LB_ASSERT(arena->current->used == 0);
    }
}

void *lb_case_alloc(struct lb_case *c, size_t size)
{
    LB_ASSERT(c != NULL);
    LB_ASSERT(c->arena != NULL);
    LB_ASSERT(size <= SIZE_MAX - ARENA_ALIGNMENT);
    size_t rounded = (size + ARENA_ALIGNMENT - 1) / ARENA_ALIGNMENT * ARENA_ALIGNMENT;
    arena_room(c->arena, rounded);
    struct arena_chunk *chunk = c->arena->current;
    void *block = chunk->bytes + chunk->used;
    chunk->used += rounded;
    LB_ASSERT(chunk->used <= chunk->capacity);
    memset(block, 0, rounded);
    return block;
}

struct lb_text lb_case_text(struct lb_case *c, const char *bytes, size_t size)
{
    LB_ASSERT(size < UINT32_MAX);
    LB_ASSERT(bytes != NULL || size == 0);
    char *copy = lb_case_alloc(c, size + 1);
    if (size > 0) {
        memcpy(copy, bytes, size);
    }
    return (struct lb_text){.bytes = copy, .size = (uint32_t)size};
}

const char *lb_verb_word(enum lb_verb verb)
{
    static const char *const words[LB_VERB_COUNT] = {
#define VERB_WORD(name, word, lane) [LB_VERB_##name] = word,
        LB_VERB_LIST(VERB_WORD)
#undef VERB_WORD
    };
    LB_ASSERT(verb < LB_VERB_COUNT);
    return words[verb];
}

const char *lb_verb_method(enum lb_verb verb)
{
    static const char *const methods[] = {"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"};
    LB_ASSERT(lb_verb_is_request(verb));
    return methods[verb - LB_VERB_GET];
}

/* -- equality: one function per struct, fields in the order of their declaration -- */

static bool text_is_equal(struct lb_text a, struct lb_text b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.bytes, b.bytes, a.size) == 0);
}

static bool outcome_is_equal(const struct lb_outcome *a, const struct lb_outcome *b)
{
    if (a->item_count != b->item_count || !text_is_equal(a->unreached, b->unreached)) {
        return false;
    }
    for (uint32_t i = 0; i < a->item_count; i++) {
        const struct lb_outcome_item *x = &a->items[i];
        const struct lb_outcome_item *y = &b->items[i];
        if (x->kind != y->kind || x->number != y->number || x->error != y->error ||
            !text_is_equal(x->bytes, y->bytes)) {
            return false;
        }
    }
    return true;
}

static bool source_is_equal(const struct lb_case_source *a, const struct lb_case_source *b)
{
    if (a == NULL || b == NULL) {
        return a == b;
    }
    return a->size == b->size && a->piece == b->piece && a->at == b->at && a->event == b->event &&
           a->is_chunked == b->is_chunked && a->is_once == b->is_once &&
           text_is_equal(a->signal, b->signal);
}

/* line_flags_are_equal: the bits of two lines. */
static bool line_flags_are_equal(const struct lb_line *a, const struct lb_line *b)
{
    return a->is_background == b->is_background && a->is_or_close == b->is_or_close &&
           a->is_or_reset == b->is_or_reset && a->has_body == b->has_body &&
           a->is_expect == b->is_expect && a->is_interim == b->is_interim &&
           a->is_upgrade == b->is_upgrade && a->is_http10 == b->is_http10 &&
           a->is_idempotent == b->is_idempotent && a->is_close == b->is_close;
}

/* line_says_equal: the scalars and texts of two lines. */
static bool line_says_equal(const struct lb_line *a, const struct lb_line *b)
{
    bool is_equal = a->field_count == b->field_count;
    for (uint32_t i = 0; is_equal && i < a->field_count; i++) {
        is_equal = text_is_equal(a->fields[i], b->fields[i]);
    }
    return is_equal && a->verb == b->verb && a->prefix == b->prefix && line_flags_are_equal(a, b) &&
           a->request == b->request && a->host == b->host && a->number == b->number &&
           a->cut == b->cut && a->time_ns == b->time_ns && source_is_equal(a->source, b->source) &&
           text_is_equal(a->method, b->method) && text_is_equal(a->path, b->path) &&
           text_is_equal(a->bytes, b->bytes) && text_is_equal(a->name, b->name);
}

static bool line_is_equal(const struct lb_line *a, const struct lb_line *b)
{
    if (!line_says_equal(a, b) || a->outcome_count != b->outcome_count ||
        a->term_count != b->term_count) {
        return false;
    }
    for (uint32_t i = 0; i < a->outcome_count; i++) {
        if (!outcome_is_equal(&a->outcomes[i], &b->outcomes[i])) {
            return false;
        }
    }
    for (uint32_t i = 0; i < a->term_count; i++) {
        const struct lb_term *x = &a->terms[i];
        const struct lb_term *y = &b->terms[i];
        if (x->key != y->key || x->compare != y->compare || x->number != y->number) {
            return false;
        }
    }
    return true;
}

static bool lines_are_equal(const struct lb_lines *a, const struct lb_lines *b)
{
    bool is_equal = a->count == b->count;
    for (uint32_t i = 0; is_equal && i < a->count; i++) {
        is_equal = line_is_equal(&a->lines[i], &b->lines[i]);
    }
    return is_equal;
}

static bool host_is_equal(const struct lb_case_host *a, const struct lb_case_host *b)
{
    bool is_equal = strcmp(a->name, b->name) == 0 && a->conn_count == b->conn_count;
    for (uint32_t i = 0; is_equal && i < a->conn_count; i++) {
        is_equal = a->conns[i].number == b->conns[i].number &&
                   lines_are_equal(&a->conns[i].script, &b->conns[i].script);
    }
    return is_equal;
}

static bool departure_is_equal(const struct lb_sim_departure *a, const struct lb_sim_departure *b)
{
    if (a->kind != b->kind) {
        return false;
    }
    switch (a->kind) {
    case LB_SIM_AFTER:
        return a->choice == b->choice && a->skip == b->skip;
    case LB_SIM_ANCHOR:
        return a->choice == b->choice && a->role == b->role && strcmp(a->label, b->label) == 0 &&
               a->site == b->site && a->occurrence == b->occurrence;
    case LB_SIM_PRIORITY:
        return a->worker == b->worker && a->priority == b->priority;
    }
    return false;
}

static bool specs_are_equal(const struct lb_case *a, const struct lb_case *b)
{
    bool is_equal = a->spec_count == b->spec_count;
    for (uint32_t i = 0; is_equal && i < a->spec_count; i++) {
        is_equal = text_is_equal(a->specs[i].document, b->specs[i].document) &&
                   text_is_equal(a->specs[i].section, b->specs[i].section) &&
                   text_is_equal(a->specs[i].quote, b->specs[i].quote);
    }
    return is_equal;
}

static bool header_is_equal(const struct lb_case *a, const struct lb_case *b)
{
    bool is_equal = text_is_equal(a->title, b->title) && a->level == b->level &&
                    specs_are_equal(a, b) && a->tag_count == b->tag_count &&
                    a->slice_count == b->slice_count && a->departure_count == b->departure_count;
    for (uint32_t i = 0; is_equal && i < a->tag_count; i++) {
        is_equal = text_is_equal(a->tags[i], b->tags[i]);
    }
    for (uint32_t i = 0; is_equal && i < a->slice_count; i++) {
        is_equal = a->slices[i] == b->slices[i];
    }
    for (uint32_t i = 0; is_equal && i < LB_CASE_OPTION_COUNT; i++) {
        is_equal = a->is_option_set[i] == b->is_option_set[i] &&
                   (!a->is_option_set[i] || a->options[i] == b->options[i]);
    }
    for (uint32_t i = 0; is_equal && i < a->departure_count; i++) {
        is_equal = departure_is_equal(&a->departures[i], &b->departures[i]);
    }
    return is_equal;
}

bool lb_case_is_equal(const struct lb_case *a, const struct lb_case *b)
{
    LB_ASSERT(a != NULL);
    LB_ASSERT(b != NULL);
    bool is_equal = header_is_equal(a, b) && a->host_count == b->host_count &&
                    a->request_count == b->request_count;
    for (uint32_t i = 0; is_equal && i < a->host_count; i++) {
        is_equal = host_is_equal(&a->hosts[i], &b->hosts[i]);
    }
    for (uint32_t i = 0; is_equal && i < a->request_count; i++) {
        is_equal = strcmp(a->requests[i], b->requests[i]) == 0;
    }
    return is_equal && lines_are_equal(&a->client, &b->client);
}

bool lb_case_is_policy(const struct lb_case *c)
{
    static const char word[] = "policy";
    bool is_policy = c->level == LB_LEVEL_MAY;
    for (uint32_t i = 0; i < c->tag_count && !is_policy; i++) {
        is_policy = c->tags[i].size == sizeof word - 1 &&
                    memcmp(c->tags[i].bytes, word, sizeof word - 1) == 0;
    }
    return is_policy;
}

uint32_t lb_line_alternatives(const struct lb_line *line)
{
    LB_ASSERT(line != NULL);
    if (line->verb == LB_VERB_WANT) {
        return line->is_or_close || line->is_or_reset ? 2 : 1;
    }
    return line->outcome_count > 1 ? line->outcome_count : 1;
}
