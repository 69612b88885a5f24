/*
 * What lb_transport_profile returns, as text; see profile.h.
 */
#include "profile.h"

#include "core/assert.h"
#include "files.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define PROFILE_ROWS 64 /* asked for at first */

/* A profile that has all its rows. */
struct profile {
    struct lb_profile_row *rows; /* free */
    size_t count;
};

/* profile_take: asks with more and more rows, until there was room for all. */
static struct profile profile_take(struct lb_transport *transport)
{
    struct profile profile = {NULL, 0};
    size_t room = PROFILE_ROWS;

    do {
        free(profile.rows);
        room *= 2;
        profile.rows = tool_alloc(room * sizeof(*profile.rows));
        lb_transport_profile(transport, profile.rows, room, &profile.count);
    } while (profile.count == room);
    LB_ASSERT(profile.count < room);
    return profile;
}

static uint32_t profile_sum(const struct profile *profile)
{
    uint32_t sum = 0;

    for (size_t i = 0; i < profile->count; i++) {
        sum += profile->rows[i].count;
    }
    return sum;
}

uint32_t profile_workers(struct lb_transport *transport)
{
    struct profile profile = profile_take(transport);
    uint32_t sum = profile_sum(&profile);

    free(profile.rows);
    return sum;
}

/* Larger groups first; of equal ones those of an earlier role, then site, then place. */
static int profile_compare(const void *a, const void *b)
{
    const struct lb_profile_row *left = a;
    const struct lb_profile_row *right = b;

    if (left->count != right->count) {
        return left->count > right->count ? -1 : 1;
    }
    if (left->role != right->role) {
        return left->role < right->role ? -1 : 1;
    }
    if (left->waits_for != right->waits_for) {
        return left->waits_for < right->waits_for ? -1 : 1;
    }
    if (left->call_site == NULL || right->call_site == NULL) {
        return (left->call_site != NULL) - (right->call_site != NULL);
    }
    return strcmp(left->call_site, right->call_site);
}

void profile_print(FILE *file, struct lb_transport *transport)
{
    struct profile profile = profile_take(transport);

    if (profile.count > 0) {
        qsort(profile.rows, profile.count, sizeof(*profile.rows), profile_compare);
    }
    fprintf(file, "profile: %" PRIu32 " workers\n", profile_sum(&profile));
    for (size_t i = 0; i < profile.count; i++) {
        const struct lb_profile_row *row = &profile.rows[i];

        fprintf(file, "%8" PRIu32 "  %-5s  %-18s", row->count, lb_role_word(row->role),
                lb_site_label(row->waits_for));
        if (row->call_site != NULL) {
            fprintf(file, "  open body of %s", row->call_site);
        }
        fprintf(file, "\n");
    }
    free(profile.rows);
}
