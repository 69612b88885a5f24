/*
 * A story as a table: a column for each worker that matters, a row for each event, in order.
 *
 * Mental model: what matters is what was left, the program, who stands behind the same connections, and
 * who was active last before the failure. Over the whole width go what concerns everybody: the clock, a
 * departure from the schedule, and the point of no return, behind the event that made somebody an orphan.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "story_inside.h"

#define TABLE_COLUMNS_USUAL 4
#define TABLE_COLUMNS_MAX 5 /* if a fifth worker is left, or turned one into an orphan */
#define TABLE_STEP 8        /* columns of the step's number */
#define TABLE_AROUND 2      /* rows told before and after one that is marked */
#define TABLE_CELL_MAX 320

struct table {
    const struct lb_story *story;
    const struct lb_story_output *output;
    int32_t columns[TABLE_COLUMNS_MAX]; /* workers */
    uint32_t column_count;
    size_t width;  /* of one */
    uint32_t last; /* index of the event that the default table leads to */
};

void lbi_story_departure(const struct lb_story *story, const struct lbi_story_event *event,
                         char *ret_text, size_t size)
{
    char name[48];
    lbi_story_worker_name(story, event->worker, name, sizeof name);
    if (event->site == LB_SITE_NONE && event->sim_kind == LB_SIM_DEPARTED &&
        lb_name_is(event->subject, story->workers[event->worker].label)) {
        snprintf(ret_text, size, "*** departure %" PRIu64 ": %s", event->value + 1, name);
        return;
    }
    snprintf(ret_text, size, "*** departure %" PRIu64 ": %s stands at %s; %s has to wait",
             event->value + 1, name, lb_site_label(event->site), event->subject);
}

/* worker_weight: how much a worker matters; 0: not at all. */
static uint64_t worker_weight(const struct table *table, const uint32_t *activity, uint32_t worker)
{
    const struct lb_story *story = table->story;
    const struct lbi_story_worker *w = &story->workers[worker];
    uint64_t weight = activity[worker];
    if (weight == 0) {
        return 0;
    }
    for (uint32_t i = 0; i < story->leak_count; i++) {
        const struct lbi_leak *leak = &story->leaks[i];
        const struct lbi_story_worker *left = &story->workers[leak->worker];
        bool is_orphan = leak->wakes == 0;
        weight += leak->worker == worker ? (is_orphan ? UINT64_C(8) << 40 : UINT64_C(4) << 40) : 0;
        weight +=
            w->role != LB_ROLE_DIAL && lb_name_is(left->label, w->label) ? UINT64_C(1) << 38 : 0;
        weight += leak->orphaned > 0 && story->events[leak->orphaned - 1].worker == (int32_t)worker
                      ? UINT64_C(3) << 40
                      : 0;
    }
    bool is_main = w->role == LB_ROLE_CALLER && lb_name_is(w->label, "main");
    return weight + (is_main ? UINT64_C(6) << 40 : 0);
}

/* table_pick: the columns: the weightiest workers, in the order of their start. */
static void table_pick(struct table *table)
{
    const struct lb_story *story = table->story;
    uint32_t activity[LB_SIM_WORKERS_MAX] = {0}; /* the last event of each, up to `last` */
    bool is_picked[LB_SIM_WORKERS_MAX] = {false};
    for (uint32_t i = 0; i <= table->last && i < story->event_count; i++) {
        if (story->events[i].worker >= 0) {
            activity[story->events[i].worker] = i + 1;
        }
    }
    uint64_t least = story->leak_count > 0 ? UINT64_C(1) << 38 : 1;
    for (uint32_t n = 0; n < TABLE_COLUMNS_MAX; n++) {
        uint64_t best = 0;
        uint32_t worker = 0;
        for (uint32_t i = 0; i < story->worker_count; i++) {
            uint64_t weight = is_picked[i] ? 0 : worker_weight(table, activity, i);
            worker = weight > best ? i : worker;
            best = weight > best ? weight : best;
        }
        if (best >= (n < TABLE_COLUMNS_USUAL ? least : UINT64_C(1) << 40)) {
            is_picked[worker] = true;
        }
    }
    for (uint32_t i = 0; i < story->worker_count; i++) {
        if (is_picked[i]) {
            table->columns[table->column_count++] = (int32_t)i;
        }
    }
    if (table->column_count > 0) {
        table->width = (LB_STORY_WIDTH - TABLE_STEP) / table->column_count;
    }
}

static int32_t table_column(const struct table *table, int32_t worker)
{
    for (uint32_t i = 0; i < table->column_count; i++) {
        if (table->columns[i] == worker) {
            return (int32_t)i;
        }
    }
    return -1;
}

/* event_is_wide: whether it goes over the whole width. */
static bool event_is_wide(const struct lbi_story_event *event)
{
    return event->kind == LBI_STORY_PHASE || event->kind == LBI_STORY_FAILED ||
           (event->kind == LBI_STORY_SIM &&
            (event->sim_kind == LB_SIM_DEPARTED || event->sim_kind == LB_SIM_ADVANCED));
}

/* event_worker: in whose column an event stands. */
static int32_t event_worker(const struct lbi_story_event *event)
{
    bool is_of_other =
        event->kind == LBI_STORY_SIM && (event->sim_kind == LB_SIM_EXPIRED ||
                                         (event->sim_kind == LB_SIM_WOKEN && event->worker < 0));
    return is_of_other ? (int32_t)event->value : event->worker;
}

/* event_turns: whether somebody turned an orphan at an event. */
static bool event_turns(const struct lb_story *story, uint32_t index)
{
    for (uint32_t i = 0; i < story->leak_count; i++) {
        if (story->leaks[i].wakes == 0 && story->leaks[i].orphaned == index + 1) {
            return true;
        }
    }
    return false;
}

static bool event_is_marked(const struct lb_story *story, uint32_t index)
{
    const struct lbi_story_event *event = &story->events[index];
    bool is_departure = event->kind == LBI_STORY_SIM && event->sim_kind == LB_SIM_DEPARTED;
    return is_departure || event->is_bad || event_turns(story, index) ||
           lb_name_is(event->detail, "fault");
}

static bool event_is_shown(const struct table *table, uint32_t index)
{
    const struct lbi_story_event *event = &table->story->events[index];
    bool is_own_script =
        event->kind == LBI_STORY_SIM && event->worker < 0 && event->sim_kind == LB_SIM_STARTED;
    return !is_own_script && (event_is_wide(event) || event_is_marked(table->story, index) ||
                              table_column(table, event_worker(event)) >= 0);
}

/* cell_text: an event in its worker's column. */
static void cell_text(const struct table *table, const struct lbi_story_event *event,
                      const char *label, char *ret_text, size_t size)
{
    size_t label_size = strlen(label);
    const char *text = event->text;
    if (strncmp(text, label, label_size) == 0 && text[label_size] == ' ') {
        text += label_size + 1; /* the column says it */
    }
    switch (event->kind) {
    case LBI_STORY_SIM:
        if (event->sim_kind == LB_SIM_BLOCKED) {
            snprintf(ret_text, size, "waits at %s", lb_site_label(event->site));
            return;
        }
        if (event->sim_kind == LB_SIM_EXPIRED || event->worker < 0) {
            snprintf(ret_text, size, "%s",
                     event->sim_kind == LB_SIM_EXPIRED ? "its time is over" : "goes on");
            return;
        }
        snprintf(ret_text, size, "%s", text);
        return;
    case LBI_STORY_LINE:
        lb_line_print(table->story->c, event->line, ret_text, size);
        if (strstr(ret_text, " => ") != NULL) {
            *strstr(ret_text, " => ") = '\0';
        }
        return;
    case LBI_STORY_OUTCOME:
        if (event->expected == NULL) {
            snprintf(ret_text, size, "=> %s", event->text);
        } else {
            snprintf(ret_text, size, "=> %s %s, expected %s", event->text,
                     lbi_story_mark(table->story, event->line), event->expected);
        }
        return;
    case LBI_STORY_SERVER:
    case LBI_STORY_FAILED:
    case LBI_STORY_PHASE:
        snprintf(ret_text, size, "%s", text);
        return;
    }
}

/* cell_break: how much of a text goes into one line of a cell: up to a blank, or else a dot or the like. */
static size_t cell_break(const char *text, size_t width)
{
    size_t taken = width;
    while (taken > width / 2 && text[taken] != ' ') {
        taken--;
    }
    if (text[taken] == ' ') {
        return taken;
    }
    taken = width;
    while (taken > width / 2 && strchr(".-(=,", text[taken - 1]) == NULL) {
        taken--;
    }
    return taken > width / 2 ? taken : width;
}

/* table_cell: the lines of one cell, broken at blanks. */
static void table_cell(const struct table *table, const struct lbi_story_event *event,
                       int32_t column, const char *text)
{
    size_t width = table->width - 2;
    bool is_first = true;
    while (is_first || *text != '\0') {
        char row[2 * LB_STORY_WIDTH];
        char step[24] = "";
        size_t size = strlen(text);
        size_t taken = size;
        if (size > width) {
            taken = cell_break(text, width);
        }
        if (is_first) {
            snprintf(step, sizeof step, "%" PRIu64, event->step);
        }
        snprintf(row, sizeof row, "%*s  %*s%.*s", TABLE_STEP - 2, step,
                 (int)((size_t)column * table->width), "", (int)taken, text);
        table->output->line(table->output->context, row,
                            event->is_bad ? LB_TONE_BAD : LB_TONE_PLAIN);
        text += taken + (text[taken] == ' ' ? 1 : 0);
        is_first = false;
    }
}

/* table_wide: a text over the whole width. */
static void table_wide(const struct table *table, const char *text, enum lb_tone tone)
{
    char row[LB_STORY_WIDTH + 1];
    snprintf(row, sizeof row, "%*s%.*s", TABLE_STEP, "", LB_STORY_WIDTH - TABLE_STEP, text);
    table->output->line(table->output->context, row, tone);
}

/* table_turn: the point of no return behind an event. */
static void table_turn(const struct table *table, uint32_t index)
{
    const struct lb_story *story = table->story;
    char text[LBI_WORDS_MAX];
    size_t used =
        (size_t)snprintf(text, sizeof text, "^^^ point of no return: from here nobody can wake");
    for (uint32_t i = 0; i < story->leak_count && used < sizeof text; i++) {
        const struct lbi_leak *leak = &story->leaks[i];
        char name[48];
        if (leak->wakes == 0 && leak->orphaned == index + 1) {
            lbi_story_worker_name(story, (int32_t)leak->worker, name, sizeof name);
            used += (size_t)snprintf(text + used, sizeof text - used, " %s", name);
        }
    }
    table_wide(table, text, LB_TONE_BAD);
}

/* table_row: one event. */
static void table_row(const struct table *table, uint32_t index)
{
    const struct lb_story *story = table->story;
    const struct lbi_story_event *event = &story->events[index];
    char text[3 * TABLE_CELL_MAX];
    int32_t column = table_column(table, event_worker(event));
    if (event->kind == LBI_STORY_SIM && event->sim_kind == LB_SIM_DEPARTED) {
        lbi_story_departure(story, event, text, sizeof text);
        table_wide(table, text, LB_TONE_MARK);
    } else if (event->kind == LBI_STORY_SIM && event->sim_kind == LB_SIM_ADVANCED) {
        char time[32];
        lbi_story_time(event->time_ns, time, sizeof time);
        snprintf(text, sizeof text, "-- time passes, to %s --", time);
        table_wide(table, text, LB_TONE_TITLE);
    } else if (event->kind == LBI_STORY_PHASE) {
        snprintf(text, sizeof text, "-- %s --", event->text);
        table_wide(table, text, LB_TONE_TITLE);
    } else if (event_is_wide(event) || column < 0) {
        char name[48];
        lbi_story_worker_name(story, event->worker, name, sizeof name);
        snprintf(text, sizeof text, "%s: %s", name, event->text);
        table_wide(table, text, event->is_bad ? LB_TONE_BAD : LB_TONE_PLAIN);
    } else {
        cell_text(table, event, story->workers[table->columns[column]].label, text, sizeof text);
        table_cell(table, event, column, text);
    }
    if (event_turns(story, index)) {
        table_turn(table, index);
    }
}

static void table_head(const struct table *table)
{
    char row[2 * LB_STORY_WIDTH];
    size_t used = (size_t)snprintf(row, sizeof row, "%*s  ", TABLE_STEP - 2, "step");
    for (uint32_t i = 0; i < table->column_count && used < sizeof row; i++) {
        char name[48];
        bool is_last = i + 1 == table->column_count;
        lbi_story_worker_name(table->story, table->columns[i], name, sizeof name);
        used += (size_t)snprintf(row + used, sizeof row - used, "%-*.*s",
                                 is_last ? 0 : (int)table->width, (int)table->width - 1, name);
    }
    table->output->line(table->output->context, row, LB_TONE_TITLE);
}

/* table_keep: marks the shown rows that a table that is not whole tells: the last ones, and those around
 * what is marked. */
static void table_keep(const struct table *table, const uint32_t *rows, uint32_t count,
                       bool *ret_kept)
{
    uint32_t end = 0;
    while (end < count && rows[end] <= table->last) {
        end++;
    }
    for (uint32_t i = 0; i < count; i++) {
        ret_kept[i] = ret_kept[i] || (i < end && i + LB_STORY_ROWS >= end);
        if (!event_is_marked(table->story, rows[i]) || rows[i] > table->last) {
            continue;
        }
        uint32_t first = i > TABLE_AROUND ? i - TABLE_AROUND : 0;
        for (uint32_t j = first; j <= i + TABLE_AROUND && j < count; j++) {
            ret_kept[j] = true;
        }
    }
}

void lb_story_table(const struct lb_story *story, bool is_whole,
                    const struct lb_story_output *output)
{
    struct table table = {.story = story, .output = output};
    uint32_t *rows = calloc(story->event_count + 1, sizeof *rows);
    bool *kept = calloc(story->event_count + 1, sizeof *kept);
    uint32_t count = 0;
    LB_ASSERT(rows != NULL);
    LB_ASSERT(kept != NULL);
    uint32_t last = story->failed > 0 ? story->failed : story->phase_events[LB_PHASE_SCRIPT];
    table.last = last > 0 ? last - 1 : story->event_count;
    table_pick(&table);
    for (uint32_t i = 0; i < story->event_count; i++) {
        if (event_is_shown(&table, i)) {
            kept[count] = is_whole;
            rows[count++] = i;
        }
    }
    table_keep(&table, rows, count, kept);
    table_head(&table);
    bool is_gap = false;
    for (uint32_t i = 0; i < count; i++) {
        if (kept[i]) {
            if (is_gap) {
                output->line(output->context, "   ...", LB_TONE_PLAIN);
            }
            table_row(&table, rows[i]);
        }
        is_gap = !kept[i];
    }
    free(rows);
    free(kept);
}
