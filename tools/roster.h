/*
 * The roster: the cases that a command was asked for, read once, in the order of their files; which of
 * them a filter leaves; and which are none, and why.
 */
#ifndef LASTBYTE_TOOLS_ROSTER_H
#define LASTBYTE_TOOLS_ROSTER_H

#include "case.h"
#include "command.h"
#include "files.h"
#include "options.h"

#define ROSTER_NAME_MAX 128 /* bytes of a name, the NUL included */

/* One case, or a file that is none. */
struct roster_case {
    char *path;                 /* what commands call it */
    char *file;                 /* where it stands; several cases of a family in one */
    char name[ROSTER_NAME_MAX]; /* "AREA/ID"; of a broken file as far as its path tells */
    uint32_t place;             /* the line of its file at which it begins */
    bool is_broken;
    struct lb_case c;           /* empty if it is broken */
    struct lb_case_error error; /* why it is broken */
};

struct roster {
    struct roster_case *cases;
    size_t count;
};

/* What is wanted of a roster: of each kind that names something, one of what it names. */
struct roster_filter {
    struct option_texts ids; /* shell patterns for AREA/ID, or for ID where they hold no slash */
    struct option_texts areas;
    struct option_texts tags;
    struct option_texts rules; /* "R3", "RFC9112 9.3" */
    struct option_texts levels;
    const struct paths *names; /* AREA/ID, or the paths of broken files; NULL: any */
};

/*
 * roster_load: reads the cases of `paths`. A file that is no case, and a case whose id another one has,
 * stays in the roster as broken. Gives *ret_roster (roster_deinit).
 */
void roster_load(const struct paths *paths, struct roster *ret_roster);
void roster_deinit(struct roster *roster);

/* roster_filter_check: whether each level of a filter is one; a message is printed if not. */
bool roster_filter_check(const struct roster_filter *filter);

/* roster_filter: takes out what the filter does not want. Of a broken file nobody knows tags, rules and
 * level: it stays, whatever these are to be. */
void roster_filter(struct roster *roster, const struct roster_filter *filter);

/* roster_complain: prints of each broken file why it is none, to standard error. */
void roster_complain(const struct roster *roster);

/* roster_find: the index of the case of that name; SIZE_MAX: there is none. */
size_t roster_find(const struct roster *roster, const char *name);

#endif
