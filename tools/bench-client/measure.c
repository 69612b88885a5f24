/*
 * Options and figures of the programs of `tools/bench client`. Processor time is the process's own, all
 * threads, from the first request to the last.
 */
#include "measure.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "core/assert.h"
#include "lastbyte/lastbyte.h"

#define SECOND_NS UINT64_C(1000000000)

static uint64_t now(void)
{
    struct lb_runtime *runtime = lb_runtime_threads();
    return runtime->ops->now(runtime);
}

static uint64_t time_us(struct timeval time)
{
    return (uint64_t)time.tv_sec * 1000000u + (uint64_t)time.tv_usec;
}

static void usage_end(const char *program)
{
    (void)fprintf(stderr,
                  "usage: %s WORD --port N --path P --callers N (--seconds N | --requests N)\n",
                  program);
    exit(2);
}

/* option_set: one "--name value". */
static bool option_set(struct measure_options *options, const char *name, const char *value)
{
    uint64_t number = strtoull(value, NULL, 10);
    if (strcmp(name, "--path") == 0) {
        options->path = value;
    } else if (strcmp(name, "--port") == 0) {
        options->port = (uint16_t)number;
    } else if (strcmp(name, "--callers") == 0) {
        options->caller_count = (uint32_t)number;
    } else if (strcmp(name, "--seconds") == 0) {
        options->duration_ns = number * SECOND_NS;
    } else if (strcmp(name, "--requests") == 0) {
        options->request_count = number;
    } else {
        return false;
    }
    return true;
}

void measure_options_read(int argc, char **argv, struct measure_options *ret_options)
{
    *ret_options = (struct measure_options){.path = "/", .caller_count = 1};
    if (argc < 2 || argc % 2 != 0) {
        usage_end(argv[0]);
    }
    ret_options->word = argv[1];
    for (int i = 2; i + 1 < argc; i += 2) {
        if (!option_set(ret_options, argv[i], argv[i + 1])) {
            usage_end(argv[0]);
        }
    }
    bool is_bounded = ret_options->duration_ns > 0 || ret_options->request_count > 0;
    if (ret_options->port == 0 || !is_bounded || ret_options->caller_count == 0 ||
        ret_options->caller_count > MEASURE_CALLERS_MAX) {
        usage_end(argv[0]);
    }
}

void measure_begin(struct measure *measure, const struct measure_options *options)
{
    struct rusage usage;
    int error = getrusage(RUSAGE_SELF, &usage);
    LB_ASSERT(error == 0);
    measure->user_us = time_us(usage.ru_utime);
    measure->system_us = time_us(usage.ru_stime);
    measure->begun_ns = now();
    bool is_timed = options->duration_ns > 0;
    measure->end_ns = is_timed ? measure->begun_ns + options->duration_ns : LB_NEVER;
    measure->left_count = is_timed ? UINT64_MAX : options->request_count;
}

bool measure_go(struct measure *measure)
{
    if (measure->left_count == 0 || (measure->end_ns != LB_NEVER && now() >= measure->end_ns)) {
        return false;
    }
    measure->left_count--;
    return true;
}

void measure_print(const struct measure *measure, uint64_t request_count, uint64_t body_size)
{
    struct rusage usage;
    uint64_t duration_ns = now() - measure->begun_ns;
    int error = getrusage(RUSAGE_SELF, &usage);
    LB_ASSERT(error == 0);
    (void)printf("%llu %llu %llu %llu %llu\n", (unsigned long long)request_count,
                 (unsigned long long)duration_ns,
                 (unsigned long long)(time_us(usage.ru_utime) - measure->user_us),
                 (unsigned long long)(time_us(usage.ru_stime) - measure->system_us),
                 (unsigned long long)body_size);
}
