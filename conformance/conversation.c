/*
 * A story as a conversation: the program on the left, the servers on the right, virtual time in the margin.
 *
 * Mental model: a row is one event, in the order in which they happened. A line of the program and its
 * outcome are one row if nothing that is shown lies between them. The right column names the connection,
 * because one column for each would soon be too many.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "story_inside.h"

#define TALK_TIME 9   /* columns of the margin */
#define TALK_RIGHT 54 /* the right column begins here */

struct talk {
    const struct lb_story *story;
    const struct lb_story_output *output;
    uint64_t time_ns;                   /* of the last row */
    bool is_begun;                      /* a row has been told */
    const struct lbi_story_event *line; /* a line of the program not told yet; NULL: none */
    const char *title;                  /* likewise of a phase */
};

void lbi_story_time(uint64_t time_ns, char *ret_text, size_t size)
{
    if (time_ns == 0) {
        snprintf(ret_text, size, "0");
    } else if (time_ns >= UINT64_C(1000000000)) {
        snprintf(ret_text, size, "%.7gs", (double)time_ns / 1e9);
    } else if (time_ns >= 1000000) {
        snprintf(ret_text, size, "%.6gms", (double)time_ns / 1e6);
    } else {
        snprintf(ret_text, size, "%.6gus", (double)time_ns / 1e3);
    }
}

/* talk_row: one row, cut where it would be too wide. */
static void talk_row(struct talk *talk, uint64_t time_ns, size_t column, const char *text,
                     enum lb_tone tone)
{
    char row[LB_STORY_WIDTH + 1];
    char time[32] = "";
    if (!talk->is_begun || time_ns != talk->time_ns) {
        lbi_story_time(time_ns, time, sizeof time);
    }
    talk->is_begun = true;
    talk->time_ns = time_ns;
    int used = snprintf(row, sizeof row, "%*s%*s", TALK_TIME, time, (int)column - TALK_TIME, "");
    size_t room = sizeof row - (size_t)used;
    if (strlen(text) >= room) {
        snprintf(row + used, room, "%.*s...", (int)room - 4, text);
    } else {
        snprintf(row + used, room, "%s", text);
    }
    talk->output->line(talk->output->context, row, tone);
}

/* line_text: a line of the program without what is expected of it. */
static void line_text(const struct lb_story *story, const struct lb_line *line, char *ret_text,
                      size_t size)
{
    lb_line_print(story->c, line, ret_text, size);
    char *arrow = strstr(ret_text, " => ");
    if (arrow != NULL) {
        *arrow = '\0';
    }
}

/* talk_flush: tells what was held back. */
static void talk_flush(struct talk *talk)
{
    if (talk->title != NULL) {
        char text[LB_STORY_WIDTH];
        snprintf(text, sizeof text, "-- %s --", talk->title);
        talk->title = NULL;
        talk->output->line(talk->output->context, text, LB_TONE_TITLE);
    }
    if (talk->line != NULL) {
        char text[LBI_WORDS_MAX];
        const struct lbi_story_event *event = talk->line;
        line_text(talk->story, event->line, text, sizeof text);
        talk->line = NULL;
        talk_row(talk, event->time_ns, TALK_TIME + 2, text, LB_TONE_PLAIN);
    }
}

/* talk_outcome: what a line of the program brought, beside it if it stands right above. */
static void talk_outcome(struct talk *talk, const struct lbi_story_event *event)
{
    char text[3 * LBI_WORDS_MAX];
    char line[LBI_WORDS_MAX] = "";
    bool is_expect = event->line->term_count > 0;
    if (talk->line != NULL && talk->line->line == event->line) {
        line_text(talk->story, event->line, line, sizeof line);
        talk->line = NULL;
    }
    talk_flush(talk);
    bool is_bad = event->expected != NULL;
    if (is_expect && !is_bad && line[0] == '\0') {
        return; /* it was told, and there is nothing to add */
    }
    snprintf(text, sizeof text, "%s%s%s", line, is_expect && !is_bad ? "" : "  => ",
             is_expect && !is_bad ? "" : event->text);
    talk_row(talk, event->time_ns, TALK_TIME + 2, text, is_bad ? LB_TONE_BAD : LB_TONE_PLAIN);
    if (is_bad) {
        snprintf(text, sizeof text, "%s, expected %s", lbi_story_mark(talk->story, event->line),
                 event->expected);
        talk_row(talk, event->time_ns, TALK_TIME + 4, text, LB_TONE_BAD);
    }
}

/* talk_note: what the client did on its connections. */
static void talk_note(struct talk *talk, const struct lbi_story_event *event)
{
    static const struct {
        const char *detail;
        const char *words; /* before the connection */
        bool has_status;
    } notes[] = {
        {"dial.start", "dials ", false},      {"connection.take", "takes ", false},
        {"connection.idle", "pools ", false}, {"connection.drain", "drains ", false},
        {"connection.close", "ends ", true},
    };
    char text[LBI_WORDS_MAX];
    for (size_t i = 0; i < sizeof notes / sizeof notes[0]; i++) {
        if (!lb_name_is(notes[i].detail, event->detail)) {
            continue;
        }
        talk_flush(talk);
        snprintf(text, sizeof text, "  %s%s%s%s", notes[i].words, event->subject,
                 notes[i].has_status ? ": " : "",
                 notes[i].has_status ? lb_status_word((enum lb_status)event->value) : "");
        talk_row(talk, event->time_ns, TALK_TIME + 2, text, LB_TONE_PLAIN);
        return;
    }
    bool is_scripted =
        event->worker >= 0 && talk->story->workers[event->worker].role == LB_ROLE_SERVER;
    bool is_end = lb_name_is(event->detail, "reset") || lb_name_is(event->detail, "end");
    if (is_end && !is_scripted) {
        talk_flush(talk);
        snprintf(text, sizeof text, "%-5s %s, by the fault", event->subject, event->detail);
        talk_row(talk, event->time_ns, TALK_RIGHT, text, LB_TONE_MARK);
    } else if (lb_name_is(event->detail, "fault")) {
        talk_flush(talk);
        snprintf(text, sizeof text, "*** fault: %s %" PRIu64, event->subject, event->value);
        talk_row(talk, event->time_ns, TALK_TIME + 2, text, LB_TONE_MARK);
    } else if (lb_name_is(event->detail, "request.retry")) {
        talk_flush(talk);
        snprintf(text, sizeof text, "  %s", event->text);
        talk_row(talk, event->time_ns, TALK_TIME + 2, text, LB_TONE_PLAIN);
    }
}

static void talk_event(struct talk *talk, const struct lbi_story_event *event)
{
    char text[3 * LBI_WORDS_MAX];
    switch (event->kind) {
    case LBI_STORY_SIM:
        if (event->sim_kind == LB_SIM_NOTED) {
            talk_note(talk, event);
        } else if (event->sim_kind == LB_SIM_DEPARTED) {
            talk_flush(talk);
            lbi_story_departure(talk->story, event, text, sizeof text);
            talk_row(talk, event->time_ns, TALK_TIME + 2, text, LB_TONE_MARK);
        }
        return;
    case LBI_STORY_LINE:
        talk_flush(talk);
        talk->line = event;
        return;
    case LBI_STORY_OUTCOME:
        talk_outcome(talk, event);
        return;
    case LBI_STORY_SERVER:
        talk_flush(talk);
        snprintf(text, sizeof text, "%-5s %s", event->subject, event->text);
        talk_row(talk, event->time_ns, TALK_RIGHT, text, LB_TONE_PLAIN);
        return;
    case LBI_STORY_FAILED:
        talk_flush(talk);
        talk_row(talk, event->time_ns, TALK_TIME + 2, event->text, LB_TONE_BAD);
        return;
    case LBI_STORY_PHASE:
        if (talk->line != NULL) {
            talk_flush(talk);
        }
        talk->title = event->text; /* told if anything happens in it */
        return;
    }
}

void lb_story_conversation(const struct lb_story *story, const struct lb_story_output *output)
{
    struct talk talk = {.story = story, .output = output};
    char head[LB_STORY_WIDTH];
    LB_ASSERT(output->line != NULL);
    snprintf(head, sizeof head, "%*s  %-*s%s", TALK_TIME, "time", TALK_RIGHT - TALK_TIME - 2,
             "program and client", "servers");
    output->line(output->context, head, LB_TONE_TITLE);
    for (uint32_t i = 0; i < story->event_count; i++) {
        talk_event(&talk, &story->events[i]);
    }
    if (talk.line != NULL) {
        talk_flush(&talk);
    }
    if (story->is_cut) {
        output->line(output->context, "... and more than is recorded", LB_TONE_TITLE);
    }
}
