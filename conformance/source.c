/*
 * What the program of a case hands over with a request: the source of its body, and the hook that sees
 * interim responses. Both record what the transport does to them, and file what it may not do.
 *
 * A source gives the standard pattern. Each of its calls is a scheduling point, and a read may block in
 * the simulation's own queues until a signal is given or the source is closed. Invariants: bytes are
 * given in order, from the first one on after each rewind; nothing is given after close.
 *
 * A worker that is about to read cannot know that another one closes the source at this moment: one read
 * that begins after the close is its due (source.h), a second one is not (O2).
 */
#include <string.h>

#include "core/assert.h"
#include "stage.h"
#include "world.h"

static struct lb_world_source *source_of(struct lb_source *source)
{
    return (struct lb_world_source *)(void *)source;
}

/* source_find: files what the transport may not do to a source. */
static void source_find(struct lb_world_source *source, const char *rule, const char *context)
{
    lb_world_find(source->world, rule, context, "the source of %s: %s", source->name, context);
}

/* source_enter: a call of the source that begins now. */
static void source_enter(struct lb_world_source *source, enum lb_site site)
{
    if (source->is_over) {
        source_find(source, "B6", "source-touched-after-the-end");
    }
    lb_stage_point(source->world, site, source);
}

/* source_judge_read: whether the transport may read now. */
static void source_judge_read(struct lb_world_source *source)
{
    const struct lb_case_source *script = source->script;
    if (source->close_count > 0) {
        source->late_count++;
    }
    if (source->late_count > 1) {
        source_find(source, "O2", "read-after-close");
    }
    if (source->is_reading) {
        source_find(source, "O2", "two-reads-at-once");
    }
    if (!script->is_chunked && source->at == script->size && source->close_count == 0) {
        source_find(source, "O2", "read-beyond-its-size");
    }
}

/* source_wait: what the script says to wait for at this place. */
static void source_wait(struct lb_world_source *source)
{
    struct lb_world *world = source->world;
    const struct lb_case_source *script = source->script;
    bool is_here = source->at == script->at;
    struct lb_signal *signal = NULL;
    if (is_here && script->event == LB_SOURCE_AWAITS) {
        signal = lb_world_signal(world, script->signal);
    } else if (!is_here || script->event != LB_SOURCE_STALLS) {
        return;
    }
    struct lb_sim_queue *queue = signal == NULL ? &source->queue : &signal->queue;
    lb_sim_touch(world->sim, queue);
    while (source->close_count == 0 && (signal == NULL || !signal->is_given)) {
        lb_stage_block(world, queue, LB_SITE_SOURCE_READ);
    }
}

/* source_fail: from here on the source has spoiled its request. */
static enum lb_status source_fail(struct lb_world_source *source, enum lb_status status)
{
    if (!source->is_failed) {
        source->is_failed = true;
        source->failed_time_ns = lb_stage_now(source->world);
    }
    return status;
}

/* source_give: the next bytes, or the end. */
static enum lb_status source_give(struct lb_world_source *source, char *bytes, size_t size,
                                  size_t *ret_size)
{
    const struct lb_case_source *script = source->script;
    bool is_event = script->event != LB_SOURCE_GOES_ON && source->at <= script->at;
    uint64_t limit = is_event ? script->at : script->size;
    if (source->at == script->at && script->event == LB_SOURCE_FAILS) {
        return source_fail(source, LB_PROTOCOL);
    }
    if (source->at == script->at && script->event == LB_SOURCE_ENDS) {
        bool is_short = !script->is_chunked && source->at < script->size;
        return is_short ? source_fail(source, LB_END) : LB_END;
    }
    if (source->at == script->at && is_event) {
        limit = script->size;
    }
    uint64_t left = limit - source->at;
    uint64_t count = left < size ? left : size;
    count = script->piece > 0 && script->piece < count ? script->piece : count;
    for (uint64_t i = 0; i < count; i++) {
        bytes[i] = lb_fill_byte(source->at + i);
    }
    source->at += count;
    source->read_size += count;
    *ret_size = (size_t)count;
    bool is_all = source->at == script->size &&
                  !(script->event != LB_SOURCE_GOES_ON && script->at == script->size);
    return count == 0 || (is_all && script->piece == 0) ? LB_END : LB_OK;
}

static enum lb_status source_read(struct lb_source *opaque, void *bytes, size_t size,
                                  size_t *ret_size)
{
    struct lb_world_source *source = source_of(opaque);
    LB_ASSERT(size > 0);
    *ret_size = 0;
    lb_stage_enter(source->world);
    source_judge_read(source);
    source_enter(source, LB_SITE_SOURCE_READ);
    source->is_reading = true;
    source->read_count++;
    source_wait(source);
    enum lb_status status = LB_CLOSED;
    if (source->close_count == 0) {
        status = source_give(source, bytes, size, ret_size);
    }
    lb_stage_note(source->world, source->name, "source.read", *ret_size);
    if (status != LB_OK) {
        lb_stage_note(source->world, source->name, "source.end", status);
    }
    source->is_reading = false;
    lb_stage_leave(source->world);
    return status;
}

static void source_close(struct lb_source *opaque)
{
    struct lb_world_source *source = source_of(opaque);
    struct lb_world *world = source->world;
    lb_stage_enter(world);
    source_enter(source, LB_SITE_SOURCE_CLOSE);
    source->close_count++;
    if (source->close_count > 1) {
        source_find(source, "O2", "closed-twice");
    }
    lb_stage_note(world, source->name, "source.close", 0);
    lb_stage_wake(world, &source->queue);
    if (source->script->event == LB_SOURCE_AWAITS) {
        struct lb_signal *signal = lb_world_signal(world, source->script->signal);
        if (signal != NULL) {
            lb_stage_wake(world, &signal->queue);
        }
    }
    lb_stage_leave(world);
}

static enum lb_status source_rewind(struct lb_source *opaque)
{
    struct lb_world_source *source = source_of(opaque);
    lb_stage_enter(source->world);
    source_enter(source, LB_SITE_SOURCE_REWIND);
    if (source->is_reading) {
        source_find(source, "O2", "rewound-during-a-read");
    }
    if (source->close_count > 0) {
        source_find(source, "O2", "rewound-after-close");
    }
    source->at = 0;
    source->rewind_count++;
    lb_stage_note(source->world, source->name, "source.rewind", 0);
    lb_stage_leave(source->world);
    return LB_OK;
}

static const struct lb_source_ops source_ops = {source_read, source_close, source_rewind};
static const struct lb_source_ops source_once_ops = {source_read, source_close, NULL};

struct lb_source *lb_world_source_make(struct lb_world *world, struct lb_caller *caller,
                                       const struct lb_line *line)
{
    struct lb_world_source *source = &caller->source;
    LB_ASSERT(line->request >= 0);
    memset(source, 0, sizeof *source);
    if (line->source == NULL) {
        return NULL;
    }
    source->source.ops = line->source->is_once ? &source_once_ops : &source_ops;
    source->world = world;
    source->script = line->source;
    source->name = world->c->requests[line->request];
    return &source->source;
}

void lb_world_source_end(struct lb_caller *caller)
{
    struct lb_world_source *source = &caller->source;
    if (source->script == NULL) {
        return;
    }
    if (source->close_count == 0) {
        source_find(source, "O2", "open-after-the-end");
    }
    if (source->is_reading) {
        source_find(source, "B6", "source-read-goes-on-after-the-end");
    }
    source->is_over = true;
}

/* -- interim responses -- */

static enum lb_status interim_seen(struct lb_interim *opaque, const struct lb_response *response)
{
    struct lb_world_interim *interim = (struct lb_world_interim *)(void *)opaque;
    struct lb_caller *caller = interim->caller;
    struct lb_world *world = caller->world;
    lb_stage_enter(world);
    lb_stage_point(world, LB_SITE_INTERIM_HOOK, interim);
    uint16_t code = lb_response_code(response);
    if (!caller->is_sending) {
        lb_world_find(world, "B6", "hook-after-the-end", "a hook saw %u after its send", code);
    }
    if (code < 100 || code > 199 || code == 101) {
        lb_world_find(world, "F10", "not-an-interim-response", "a hook saw %u", code);
    }
    if (interim->count < LB_WORLD_INTERIMS_MAX) {
        interim->codes[interim->count] = code;
    }
    interim->count++;
    lb_stage_note(world, world->c->requests[caller->line->request], "interim", code);
    interim->is_refused = interim->count == caller->line->number;
    bool is_refused = interim->is_refused;
    lb_stage_leave(world);
    return is_refused ? LB_LIMIT : LB_OK;
}

struct lb_interim *lb_world_interim_make(struct lb_caller *caller, const struct lb_line *line)
{
    struct lb_world_interim *interim = &caller->interim;
    memset(interim, 0, sizeof *interim);
    interim->interim.seen = interim_seen;
    interim->caller = caller;
    return line->is_interim ? &interim->interim : NULL;
}
