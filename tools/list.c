/*
 * `lastbyte list`: what there is. Cases, one line each; or the rules, with the number of cases that
 * cite each, and below it what conformance/rules.tsv says of the parts that no case shows, or not all of;
 * or the words of the case language, for editors.
 */
#include "core/assert.h"
#include "files.h"
#include "options.h"
#include "report.h"
#include "select.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIST_COLUMN_MAX 24

/* One citation of a rule by a case; or, with a part, what the table of rules remarks on it. */
struct citation {
    char rule[REPORT_RULE_MAX];
    size_t order;       /* which of all */
    const char *part;   /* borrowed from the table's text; NULL: by a case */
    const char *remark; /* likewise */
};

struct list {
    const char *folder;
    const char *table; /* of rules: a path */
    char *table_text;
    struct lb_case c;
    struct citation *citations;
    size_t citation_count;
    size_t citation_capacity;
};

static void list_case(const struct lb_case *c)
{
    char rules[LIST_COLUMN_MAX * 4] = "";
    size_t used = 0;

    for (uint32_t i = 0; i < c->spec_count && used < sizeof(rules); i++) {
        char name[REPORT_RULE_MAX];

        report_rule(&c->specs[i], name);
        used +=
            (size_t)snprintf(rules + used, sizeof(rules) - used, "%s%s", i > 0 ? "," : "", name);
    }
    printf("%-40s %-12s %-6s %-24s ", c->id, c->area, report_level(c->level), rules);
    report_text(stdout, c->title.bytes, c->title.size);
    printf("\n");
}

static void list_add_citation(struct list *list, const char *rule, const char *part,
                              const char *remark)
{
    if (list->citation_count == list->citation_capacity) {
        size_t capacity = list->citation_capacity * 2 + 64;
        struct citation *citations = tool_alloc(capacity * sizeof(*citations));

        if (list->citation_count > 0) {
            memcpy(citations, list->citations, list->citation_count * sizeof(*citations));
        }
        free(list->citations);
        list->citations = citations;
        list->citation_capacity = capacity;
    }
    LB_ASSERT(list->citation_count < list->citation_capacity);
    struct citation *citation = &list->citations[list->citation_count];
    snprintf(citation->rule, REPORT_RULE_MAX, "%s", rule);
    citation->order = list->citation_count;
    citation->part = part;
    citation->remark = remark;
    list->citation_count++;
}

/* Adds each rule that the case cites, once. */
static void list_add_case(struct list *list, const struct lb_case *c)
{
    size_t first = list->citation_count;

    for (uint32_t i = 0; i < c->spec_count; i++) {
        char name[REPORT_RULE_MAX];
        bool is_known = false;

        report_rule(&c->specs[i], name);
        for (size_t k = first; k < list->citation_count && !is_known; k++) {
            is_known = strcmp(list->citations[k].rule, name) == 0;
        }
        if (!is_known) {
            list_add_citation(list, name, NULL, NULL);
        }
    }
}

/* The remarks of the table of rules: lines of rule, part, cover and remark, by tabs; "-" is none. */
static bool list_add_table(struct list *list)
{
    size_t size = 0;

    if (!files_read(list->table, &list->table_text, &size)) {
        fprintf(stderr, "lastbyte list: %s: %s\n", list->table, files_reason(list->table));
        return false;
    }
    for (char *next = list->table_text; next != NULL && *next != '\0';) {
        char *line = strsep(&next, "\n");
        const char *rule = strsep(&line, "\t");
        const char *part = strsep(&line, "\t");

        (void)strsep(&line, "\t");
        if (rule[0] != '#' && line != NULL) {
            list_add_citation(list, rule, part, line);
        }
    }
    return true;
}

/* Orders words by letters and by the value of numbers: E9 before E10; remarks as the table has them. */
static int rule_compare(const void *a, const void *b)
{
    const struct citation *one = a;
    const struct citation *other = b;
    int order = strverscmp(one->rule, other->rule);

    return order != 0 ? order : (one->order > other->order) - (one->order < other->order);
}

static void list_rules(struct list *list)
{
    if (list->citation_count > 1) {
        qsort(list->citations, list->citation_count, sizeof(list->citations[0]), rule_compare);
    }
    for (size_t i = 0; i < list->citation_count;) {
        const char *rule = list->citations[i].rule;
        size_t end = i;
        size_t count = 0;

        for (; end < list->citation_count && strcmp(list->citations[end].rule, rule) == 0; end++) {
            count += list->citations[end].part == NULL ? 1 : 0;
        }
        printf("%-20s %zu\n", rule, count);
        for (; i < end; i++) {
            const struct citation *citation = &list->citations[i];

            if (citation->part != NULL && strcmp(citation->remark, "-") != 0) {
                printf("    %s: %s\n", citation->part, citation->remark);
            }
        }
    }
}

static enum exit_code list_run(struct list *list, bool is_rules)
{
    struct paths paths = {0};
    enum exit_code code = select_cases("list", list->folder, NULL, 0, &paths);

    select_case_init(&list->c);
    for (size_t i = 0; i < paths.count && code != EXIT_RIG; i++) {
        if (!select_load(paths.items[i], &list->c)) {
            code = command_worse(code, EXIT_USAGE);
        } else if (is_rules) {
            list_add_case(list, &list->c);
        } else {
            list_case(&list->c);
        }
        lb_case_clear(&list->c);
    }
    if (is_rules) {
        code = list_add_table(list) ? code : command_worse(code, EXIT_USAGE);
        list_rules(list);
    }
    lb_case_deinit(&list->c);
    free(list->table_text);
    free(list->citations);
    paths_deinit(&paths);
    return code;
}

static void list_words(void)
{
    const char *group = NULL;
    const char *word = NULL;

    for (uint32_t i = 0; lb_case_word(i, &group, &word); i++) {
        printf("%-10s %s\n", group, word);
    }
}

enum exit_code command_list(int argc, char **argv)
{
    struct list list = {.folder = SELECT_FOLDER,
                        .table = LASTBYTE_SOURCE_DIR "/conformance/rules.tsv"};
    const struct option_row rows[] = {
        OPTIONS_TEXT(0, "cases", "DIR", &list.folder, "where the cases are"),
        OPTIONS_TEXT(0, "rules", "FILE", &list.table, "the table of the rules' parts"),
        OPTIONS_LAST,
    };
    const struct options options = {
        .command = "list",
        .arguments = "[cases|rules|words]",
        .about =
            "Lists cases with id, area, level, rules and title; or the rules with the number\n"
            "of cases that cite each, and what is remarked on their parts; or the words of the\n"
            "case language.",
        .rows = rows,
    };
    enum exit_code code = EXIT_AS_EXPECTED;
    int count = 0;

    if (!options_begin(&options, argc, argv, &count, &code)) {
        return code;
    }
    const char *what = count == 0 ? "cases" : argv[count - 1];
    bool is_rules = strcmp(what, "rules") == 0;
    bool is_words = strcmp(what, "words") == 0;

    if (count > 1 || (!is_rules && !is_words && strcmp(what, "cases") != 0)) {
        fprintf(stderr, "lastbyte list: takes `cases`, `rules` or `words`, found '%s'\n", what);
        return EXIT_USAGE;
    }
    if (is_words) {
        list_words();
        return EXIT_AS_EXPECTED;
    }
    return list_run(&list, is_rules);
}
