/*
 * The words of the case language, each once in its group: for the editors' files and whoever else wants
 * to know them all. What has a list of its own (verbs, options, terms, ...) is taken from there; the words
 * that stand between them are listed here. The test `editors` compares them with those that the parser
 * asks for.
 */
#include "parser.h"

#include "core/assert.h"

#include <string.h>

#define GROUP_SIZE(words) (uint32_t)(sizeof(words) / sizeof((words)[0]))

static const char *const header_words[] = {"case", "title", "level",  "spec",
                                           "tags", "vary",  "option", "schedule"};
static const char *const block_words[] = {"host", "conn", "client"};
static const char *const family_words[] = {"family", "table"};
static const char *const prefix_words[] = {"setup", "should"};
static const char *const operand_words[] = {
    "GET",     "HEAD",       "POST",   "PUT",      "DELETE",  "OPTIONS", "any",   "all",
    "end",     "body",       "cut",    "or",       "chunked", "piece",   "once",  "at",
    "fail",    "interim",    "stop",   "upgrade",  "http10",  "with",    "never", "slice",
    "whole",   "idempotent", "gzip",   "deadline", "source",  "pool",    "conns", "wire",
    "workers", "fill",       "expect", "await",    "stall",   "close",   "reset"};
static const char *const schedule_words[] = {"after", "demote", "start", "second", "third"};
static const char *const outcome_words[] = {"end",   "ok",   "none",        "pending",
                                            "error", "fill", "unreached-ok"};

/* Words that have a list of their own. */
static const char *level_word(uint32_t index)
{
    return index <= LB_LEVEL_HOUSE ? lbi_level_word((enum lb_level)index) : NULL;
}

static const char *option_word(uint32_t index)
{
    return index < LB_CASE_OPTION_COUNT ? lbi_option_key((enum lb_case_option)index) : NULL;
}

static const char *server_word(uint32_t index)
{
    return index <= LB_VERB_SERVE ? lb_verb_word((enum lb_verb)index) : NULL;
}

static const char *client_word(uint32_t index)
{
    return index <= LB_VERB_EXPECT_WORKERS - LB_VERB_GET
               ? lb_verb_word((enum lb_verb)(LB_VERB_GET + (int)index))
               : NULL;
}

static const char *error_word(uint32_t index)
{
    return index < LB_STATUS_COUNT - LB_INCOMPLETE
               ? lb_status_word((enum lb_status)(LB_INCOMPLETE + (int)index))
               : NULL;
}

static const char *term_word(uint32_t index)
{
    return index < LB_TERM_COUNT ? lbi_term_word((enum lb_term_key)index) : NULL;
}

static const char *state_word(uint32_t index)
{
    return index <= LB_BODY_CLOSED ? lb_body_state_word((enum lb_body_state)index) : NULL;
}

static const char *closer_word(uint32_t index)
{
    return index <= LB_CLOSED_BY_SERVER ? lbi_closed_by_word((enum lb_closed_by)index) : NULL;
}

static const char *role_word(uint32_t index)
{
    return index < LB_ROLE_COUNT ? lb_role_word((enum lb_role)index) : NULL;
}

static const char *unit_word(uint32_t index)
{
    return index < LBI_UNIT_COUNT ? lbi_unit(index)->word : NULL;
}

/* A group is a table, or a function that gives NULL behind its last word. */
struct group {
    const char *name;
    const char *const *words;
    uint32_t count;
    const char *(*word)(uint32_t index);
};

static const struct group groups[] = {
    {"header", header_words, GROUP_SIZE(header_words), NULL},
    {"level", NULL, 0, level_word},
    {"option", NULL, 0, option_word},
    {"schedule", schedule_words, GROUP_SIZE(schedule_words), NULL},
    {"role", NULL, 0, role_word},
    {"block", block_words, GROUP_SIZE(block_words), NULL},
    {"family", family_words, GROUP_SIZE(family_words), NULL},
    {"server", NULL, 0, server_word},
    {"client", NULL, 0, client_word},
    {"prefix", prefix_words, GROUP_SIZE(prefix_words), NULL},
    {"operand", operand_words, GROUP_SIZE(operand_words), NULL},
    {"outcome", outcome_words, GROUP_SIZE(outcome_words), NULL},
    {"error", NULL, 0, error_word},
    {"term", NULL, 0, term_word},
    {"state", NULL, 0, state_word},
    {"closer", NULL, 0, closer_word},
    {"unit", NULL, 0, unit_word},
};

static const char *group_word(const struct group *group, uint32_t index)
{
    if (group->word != NULL) {
        return group->word(index);
    }
    LB_ASSERT(group->words != NULL);
    return index < group->count ? group->words[index] : NULL;
}

/* group_has: whether a word stands in the group before `index`: a verb has several forms. */
static bool group_has(const struct group *group, uint32_t index, const char *word)
{
    for (uint32_t i = 0; i < index; i++) {
        if (strcmp(group_word(group, i), word) == 0) {
            return true;
        }
    }
    return false;
}

bool lb_case_word(uint32_t index, const char **ret_group, const char **ret_word)
{
    for (uint32_t g = 0; g < GROUP_SIZE(groups); g++) {
        const char *word = group_word(&groups[g], 0);
        for (uint32_t i = 0; word != NULL; word = group_word(&groups[g], ++i)) {
            if (group_has(&groups[g], i, word)) {
                continue;
            }
            if (index == 0) {
                *ret_group = groups[g].name;
                *ret_word = word;
                return true;
            }
            index--;
        }
    }
    return false;
}
