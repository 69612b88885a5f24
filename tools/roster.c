/*
 * The roster: see roster.h. A case stays in memory for as long as the roster lives, so that whatever a
 * run says of it, a line say, can point into it; also from a child, which is a copy.
 */
#include "roster.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/assert.h"
#include "report.h"
#include "select.h"

/* The name that a path gives: its last folder, and the file without what stands behind the dot. */
static void name_of_path(const char *path, char ret_name[ROSTER_NAME_MAX])
{
    const char *slash = strrchr(path, '/');
    const char *start = slash;
    while (start != NULL && start > path && start[-1] != '/') {
        start--;
    }
    start = start == NULL ? path : start;
    snprintf(ret_name, ROSTER_NAME_MAX, "%s", start);
    char *dot = strrchr(ret_name, '.');
    if (dot != NULL && strcmp(dot, ".case") == 0) {
        *dot = '\0';
    }
}

static void name_of_case(struct roster_case *entry)
{
    const struct lb_case *c = &entry->c;
    snprintf(entry->name, ROSTER_NAME_MAX, "%s%s%s", c->area, c->area[0] != '\0' ? "/" : "", c->id);
}

/* Makes an entry a broken file. */
static void entry_break(struct roster_case *entry)
{
    entry->is_broken = true;
    lb_case_clear(&entry->c);
}

static void entry_load(struct roster_case *entry, const char *path)
{
    entry->path = tool_copy(path);
    entry->file = files_whole(path);
    entry->place = 1;
    select_case_init(&entry->c);
    if (select_read(path, &entry->c, &entry->error)) {
        name_of_case(entry);
    } else {
        name_of_path(path, entry->name);
        entry_break(entry);
    }
}

static int id_compare(const void *a, const void *b)
{
    const struct roster_case *left = *(struct roster_case *const *)a;
    const struct roster_case *right = *(struct roster_case *const *)b;
    int order = strcmp(left->c.id, right->c.id);
    return order != 0 ? order : (left > right) - (left < right);
}

/* Breaks each case whose id one before it has. */
static void roster_break_twins(struct roster *roster)
{
    struct roster_case **sorted = tool_alloc((roster->count + 1) * sizeof(*sorted));
    size_t count = 0;
    for (size_t i = 0; i < roster->count; i++) {
        if (!roster->cases[i].is_broken) {
            sorted[count++] = &roster->cases[i];
        }
    }
    qsort(sorted, count, sizeof(*sorted), id_compare);
    size_t first = 0;
    for (size_t i = 1; i < count; i++) {
        struct roster_case *entry = sorted[i];
        if (strcmp(sorted[first]->c.id, entry->c.id) != 0) {
            first = i;
            continue;
        }
        char found[128];
        char expected[512];
        snprintf(found, sizeof(found), "the id %.50s a second time", entry->c.id);
        snprintf(expected, sizeof(expected),
                 "an id of its own; two cases have one id: %s has it first", sorted[first]->path);
        lb_case_error_whole(&entry->error, entry->path, found, expected);
        entry_break(entry);
    }
    free(sorted);
}

void roster_load(const struct paths *paths, struct roster *ret_roster)
{
    LB_ASSERT(paths != NULL);
    ret_roster->cases = tool_alloc((paths->count + 1) * sizeof(*ret_roster->cases));
    ret_roster->count = paths->count;
    for (size_t i = 0; i < paths->count; i++) {
        entry_load(&ret_roster->cases[i], paths->items[i]);
    }
    roster_break_twins(ret_roster);
}

static void entry_deinit(struct roster_case *entry)
{
    lb_case_deinit(&entry->c);
    free(entry->path);
    free(entry->file);
}

void roster_deinit(struct roster *roster)
{
    for (size_t i = 0; i < roster->count; i++) {
        entry_deinit(&roster->cases[i]);
    }
    free(roster->cases);
    *roster = (struct roster){0};
}

/* -- the filter -- */

static bool text_is(struct lb_text text, const char *word)
{
    return text.size == strlen(word) && memcmp(text.bytes, word, text.size) == 0;
}

static bool entry_has_id(const struct roster_case *entry, const char *pattern)
{
    const char *slash = strrchr(entry->name, '/');
    const char *id = slash != NULL && strchr(pattern, '/') == NULL ? slash + 1 : entry->name;
    return fnmatch(pattern, id, 0) == 0;
}

static bool entry_has_area(const struct roster_case *entry, const char *area)
{
    size_t size = strlen(area);
    return strncmp(entry->name, area, size) == 0 && entry->name[size] == '/';
}

static bool entry_has_tag(const struct roster_case *entry, const char *tag)
{
    bool has = entry->is_broken;
    for (uint32_t i = 0; i < entry->c.tag_count && !has; i++) {
        has = text_is(entry->c.tags[i], tag);
    }
    return has;
}

static bool entry_has_rule(const struct roster_case *entry, const char *rule)
{
    bool has = entry->is_broken;
    for (uint32_t i = 0; i < entry->c.spec_count && !has; i++) {
        char name[REPORT_RULE_MAX];
        report_rule(&entry->c.specs[i], name);
        has = strcmp(name, rule) == 0;
    }
    return has;
}

static bool entry_has_level(const struct roster_case *entry, const char *level)
{
    return entry->is_broken || strcmp(report_level(entry->c.level), level) == 0;
}

/* Whether an entry has one of the texts; where there are none, anything will do. */
static bool entry_has(const struct roster_case *entry, const struct option_texts *texts,
                      bool (*has)(const struct roster_case *entry, const char *text))
{
    bool is_found = texts->count == 0;
    for (size_t i = 0; i < texts->count && !is_found; i++) {
        is_found = has(entry, texts->items[i]);
    }
    return is_found;
}

static bool entry_is_named(const struct roster_case *entry, const struct paths *names)
{
    bool is_named = names == NULL;
    for (size_t i = 0; !is_named && i < names->count; i++) {
        is_named = strcmp(names->items[i], entry->is_broken ? entry->path : entry->name) == 0;
    }
    return is_named;
}

bool roster_filter_check(const struct roster_filter *filter)
{
    for (size_t i = 0; i < filter->levels.count; i++) {
        bool is_level = false;
        for (int level = LB_LEVEL_MUST; level <= LB_LEVEL_HOUSE; level++) {
            is_level = is_level ||
                       strcmp(report_level((enum lb_level)level), filter->levels.items[i]) == 0;
        }
        if (!is_level) {
            fprintf(stderr,
                    "lastbyte check: --level is '%s', expected MUST, SHOULD, MAY or HOUSE\n",
                    filter->levels.items[i]);
            return false;
        }
    }
    return true;
}

void roster_filter(struct roster *roster, const struct roster_filter *filter)
{
    size_t kept = 0;
    for (size_t i = 0; i < roster->count; i++) {
        struct roster_case *entry = &roster->cases[i];
        bool is_wanted = entry_has(entry, &filter->ids, entry_has_id) &&
                         entry_has(entry, &filter->areas, entry_has_area) &&
                         entry_has(entry, &filter->tags, entry_has_tag) &&
                         entry_has(entry, &filter->rules, entry_has_rule) &&
                         entry_has(entry, &filter->levels, entry_has_level) &&
                         entry_is_named(entry, filter->names);
        if (!is_wanted) {
            entry_deinit(entry);
        } else {
            roster->cases[kept++] = *entry;
        }
    }
    roster->count = kept;
}

void roster_complain(const struct roster *roster)
{
    for (size_t i = 0; i < roster->count; i++) {
        if (roster->cases[i].is_broken) {
            select_complain(&roster->cases[i].error);
        }
    }
}

size_t roster_find(const struct roster *roster, const char *name)
{
    size_t i = 0;
    while (i < roster->count &&
           (roster->cases[i].is_broken || strcmp(roster->cases[i].name, name) != 0)) {
        i++;
    }
    return i < roster->count ? i : SIZE_MAX;
}
