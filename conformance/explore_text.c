/*
 * Schedules as one word: "3,0s,w2=1".
 */
#include "explore.h"

#include <stdio.h>
#include <string.h>

#include "core/assert.h"

void lb_departures_print(const struct lb_sim_departure *departures, uint32_t count,
                         char ret_text[LB_EXPLORE_TEXT_MAX])
{
    static const char *const choices[] = {"", "s", "t"};
    size_t at = 0;
    LB_ASSERT(count <= LB_EXPLORE_DEPARTURES_MAX);
    ret_text[0] = '\0';
    for (uint32_t i = 0; i < count; i++) {
        const struct lb_sim_departure *d = &departures[i];
        LB_ASSERT(d->kind != LB_SIM_ANCHOR);
        int size = d->kind == LB_SIM_AFTER
                       ? snprintf(ret_text + at, LB_EXPLORE_TEXT_MAX - at, "%s%u%s",
                                  i == 0 ? "" : ",", d->skip, choices[d->choice])
                       : snprintf(ret_text + at, LB_EXPLORE_TEXT_MAX - at, "%sw%u=%u",
                                  i == 0 ? "" : ",", d->worker, d->priority);
        LB_ASSERT(size > 0);
        at += (size_t)size;
        LB_ASSERT(at < LB_EXPLORE_TEXT_MAX);
    }
}

/* number_take: a decimal number of at most `most`; moves *at behind it; false if there is none. */
static bool number_take(const char **at, uint32_t most, uint32_t *ret_number)
{
    const char *start = *at;
    uint32_t number = 0;
    while (**at >= '0' && **at <= '9' && number <= most) {
        number = number * 10 + (uint32_t)(**at - '0');
        (*at)++;
    }
    *ret_number = number;
    return *at > start && number <= most;
}

/* departure_take: one departure; moves *at behind it. */
static bool departure_take(const char **at, struct lb_sim_departure *ret_departure)
{
    uint32_t first = 0;
    uint32_t second = 0;
    memset(ret_departure, 0, sizeof *ret_departure);
    if (**at == 'w') {
        (*at)++;
        bool is_worker = number_take(at, LB_SIM_WORKERS_MAX - 1, &first) && **at == '=';
        *at += is_worker ? 1 : 0;
        ret_departure->kind = LB_SIM_PRIORITY;
        is_worker = is_worker && number_take(at, LB_EXPLORE_RANKS - 1, &second);
        ret_departure->worker = (uint16_t)first;
        ret_departure->priority = (uint8_t)second;
        return is_worker;
    }
    ret_departure->kind = LB_SIM_AFTER;
    bool is_number = number_take(at, UINT16_MAX, &first);
    ret_departure->skip = (uint16_t)first;
    if (is_number && (**at == 's' || **at == 't')) {
        ret_departure->choice = **at == 's' ? 1 : 2;
        (*at)++;
    }
    return is_number;
}

bool lb_departures_parse(const char *text, struct lb_sim_departure *ret_departures, uint32_t room,
                         uint32_t *ret_count)
{
    uint32_t count = 0;
    const char *at = text;
    bool is_good = true;
    while (is_good && *at != '\0') {
        is_good = count < room && departure_take(&at, &ret_departures[count]);
        count += is_good ? 1 : 0;
        if (is_good && *at == ',') {
            at++;
            is_good = *at != '\0';
        } else {
            is_good = is_good && *at == '\0';
        }
    }
    *ret_count = count;
    return is_good;
}
