/*
 * The trace as text: one line an event, virtual time in the margin, then who did it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/assert.h"
#include "stage.h"
#include "world.h"

#define TRACE_LINE_MAX 320

/* worker_name: "read(a.1)", or "world" outside any worker. */
static void worker_name(const struct lb_world *world, int32_t worker, char *ret_name, size_t size)
{
    if (worker < 0) {
        snprintf(ret_name, size, "world");
        return;
    }
    struct lb_sim_view view;
    lb_stage_view(world, (uint32_t)worker, &view);
    snprintf(ret_name, size, "%s(%s)", lb_role_word(view.role), view.label);
}

/* margin: the virtual time, in milliseconds with the nanoseconds that are left. */
static void margin(uint64_t time_ns, char *ret_text, size_t size)
{
    snprintf(ret_text, size, "%" PRIu64 ".%06" PRIu64 "ms", time_ns / 1000000, time_ns % 1000000);
}

static void emit(const struct lb_world *world, uint64_t time_ns, int32_t worker, const char *text)
{
    char line[TRACE_LINE_MAX];
    char name[48];
    char time[40];
    worker_name(world, worker, name, sizeof name);
    margin(time_ns, time, sizeof time);
    snprintf(line, sizeof line, "%16s  %-16s %s", time, name, text);
    world->output->trace(world->output->context, line);
}

/* What the value of a noted event says. */
enum value_kind {
    VALUE_NUMBER, /* that number */
    VALUE_BYTES,  /* how many bytes */
    VALUE_NOTHING,
    VALUE_STATUS,  /* an enum lb_status */
    VALUE_STATE,   /* an enum lb_body_state */
    VALUE_REQUEST, /* the order of a request's making, from 1 */
    VALUE_LOOK,    /* whether something was there */
};

static enum value_kind value_kind_of(const char *detail)
{
    static const struct {
        const char *detail;
        enum value_kind kind;
    } kinds[] = {
        {"body.state", VALUE_STATE},
        {"close", VALUE_NOTHING},
        {"connect", VALUE_NOTHING},
        {"connection.close", VALUE_STATUS},
        {"connection.drain", VALUE_NOTHING},
        {"connection.idle", VALUE_NOTHING},
        {"connection.take", VALUE_REQUEST},
        {"dial.end", VALUE_STATUS},
        {"dial.start", VALUE_NOTHING},
        {"end", VALUE_NOTHING},
        {"exchange.end", VALUE_REQUEST},
        {"exchange.start", VALUE_REQUEST},
        {"exchange.written", VALUE_STATUS},
        {"fail", VALUE_STATUS},
        {"look", VALUE_LOOK},
        {"lost", VALUE_BYTES},
        {"open", VALUE_NOTHING},
        {"read", VALUE_BYTES},
        {"read.end", VALUE_STATUS},
        {"request.end", VALUE_REQUEST},
        {"request.retry", VALUE_REQUEST},
        {"request.wait", VALUE_REQUEST},
        {"reset", VALUE_NOTHING},
        {"send", VALUE_BYTES},
        {"shut", VALUE_NOTHING},
        {"source.close", VALUE_NOTHING},
        {"source.end", VALUE_STATUS},
        {"source.read", VALUE_BYTES},
        {"source.rewind", VALUE_NOTHING},
        {"write", VALUE_BYTES},
        {"write.end", VALUE_STATUS},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (lb_name_is(kinds[i].detail, detail)) {
            return kinds[i].kind;
        }
    }
    return VALUE_NUMBER;
}

/* request_name: the request that the transport knows by that number. */
static const char *request_name(const struct lb_world *world, uint64_t id)
{
    uint32_t i = 0;
    while (i < world->c->request_count && world->callers[i].id != id) {
        i++;
    }
    LB_ASSERT(i < world->c->request_count);
    return world->c->requests[i];
}

/* note_text: a noted event, its value in words. */
static void note_text(const struct lb_world *world, const struct lb_sim_event *event,
                      char *ret_text, size_t size)
{
    const char *space = event->subject[0] == '\0' ? "" : " ";
    char value[48] = "";
    switch (value_kind_of(event->detail)) {
    case VALUE_NUMBER:
        snprintf(value, sizeof value, " %" PRIu64, event->value);
        break;
    case VALUE_BYTES:
        snprintf(value, sizeof value, " %" PRIu64 " bytes", event->value);
        break;
    case VALUE_NOTHING:
        break;
    case VALUE_STATUS:
        snprintf(value, sizeof value, " %s", lb_status_word((enum lb_status)event->value));
        break;
    case VALUE_STATE:
        snprintf(value, sizeof value, " %s", lb_body_state_word((enum lb_body_state)event->value));
        break;
    case VALUE_REQUEST:
        snprintf(value, sizeof value, " %s", request_name(world, event->value));
        break;
    case VALUE_LOOK:
        snprintf(value, sizeof value, ": %s", event->value != 0 ? "something is there" : "nothing");
        break;
    }
    snprintf(ret_text, size, "%s%s%s%s", event->subject, space, event->detail, value);
}

void lb_narrate_text(const struct lb_world *world, const struct lb_sim_event *event, char *ret_text,
                     size_t size)
{
    char other[48];
    const char *site = lb_site_label(event->site);
    switch (event->kind) {
    case LB_SIM_STARTED:
        worker_name(world, (int32_t)event->value, other, sizeof other);
        snprintf(ret_text, size, "starts %s", other);
        return;
    case LB_SIM_SWITCHED:
        worker_name(world, (int32_t)event->value, other, sizeof other);
        snprintf(ret_text, size, "-> %s", other);
        return;
    case LB_SIM_BLOCKED:
        snprintf(ret_text, size, "blocks at %s%s%s", site, event->subject[0] == '\0' ? "" : " on ",
                 event->subject);
        return;
    case LB_SIM_WOKEN:
        worker_name(world, (int32_t)event->value, other, sizeof other);
        snprintf(ret_text, size, "wakes %s", other);
        return;
    case LB_SIM_EXPIRED:
        worker_name(world, (int32_t)event->value, other, sizeof other);
        snprintf(ret_text, size, "the time of %s is over", other);
        return;
    case LB_SIM_ENDED:
        snprintf(ret_text, size, "ends");
        return;
    case LB_SIM_DEPARTED:
        snprintf(ret_text, size, "departs from the base schedule (%" PRIu64 ")", event->value + 1);
        return;
    case LB_SIM_ADVANCED:
        snprintf(ret_text, size, "time passes");
        return;
    case LB_SIM_NOTED:
        note_text(world, event, ret_text, size);
        return;
    }
    LB_UNREACHABLE("an event of the simulation");
}

void lb_narrate(void *context, const struct lb_sim_event *event)
{
    struct lb_world *world = context;
    lb_story_event(world, event);
    if (world->output == NULL) {
        return;
    }
    char text[200];
    lb_narrate_text(world, event, text, sizeof text);
    emit(world, event->time_ns, event->worker, text);
}

void lb_narrate_line(struct lb_world *world, const struct lb_line *line)
{
    lb_story_line(world, line);
    if (world->output == NULL) {
        return;
    }
    char text[240];
    text[0] = '>';
    text[1] = ' ';
    lb_line_print(world->c, line, text + 2, sizeof text - 2);
    emit(world, lb_stage_now(world), lb_sim_current(world->sim), text);
}

const char *lb_narrate_left(enum lb_phase phase)
{
    static const char *const titles[] = {
        "workers left at the end of the program:", "workers left after every time-out:",
        "workers left after close-idle:", "workers left after the client was destroyed:"};
    LB_ASSERT((size_t)phase < sizeof titles / sizeof *titles);
    return titles[phase];
}

void lb_narrate_profile(struct lb_world *world, const char *title)
{
    char *text = world->result->profile;
    size_t size = sizeof world->result->profile;
    size_t used = (size_t)snprintf(text, size, "%s\n", title);
    for (uint32_t i = 0; i < lb_stage_worker_count(world) && used < size; i++) {
        struct lb_sim_view view;
        lb_stage_view(world, i, &view);
        if (view.state == LB_SIM_DONE) {
            continue;
        }
        ptrdiff_t log_index = lb_stage_log_of(world, view.queue);
        struct lb_net_log log = {.name = ""};
        if (log_index >= 0) {
            lb_stage_log(world, (size_t)log_index, &log);
        }
        char deadline[40] = "";
        if (view.deadline_ns != LB_NEVER) {
            snprintf(deadline, sizeof deadline, " until %" PRIu64 "ms", view.deadline_ns / 1000000);
        }
        int added = snprintf(text + used, size - used, "  %s(%s) waits at %s%s%s%s\n",
                             lb_role_word(view.role), view.label, lb_site_label(view.site),
                             log.name[0] == '\0' ? "" : " on ", log.name, deadline);
        used += (size_t)added;
    }
}
