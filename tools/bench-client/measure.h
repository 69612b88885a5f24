/*
 * What the programs of `tools/bench client` have in common: their options, and what they print.
 */
#ifndef LASTBYTE_BENCH_CLIENT_MEASURE_H
#define LASTBYTE_BENCH_CLIENT_MEASURE_H

#include <stdbool.h>
#include <stdint.h>

#define MEASURE_CALLERS_MAX 1024u

/* What to do: "--port N --path /P --callers N (--seconds N | --requests N)", and a word. */
struct measure_options {
    const char *word; /* which side, or which of the program's modes */
    const char *path;
    uint16_t port; /* of 127.0.0.1 */
    uint32_t caller_count;
    uint64_t duration_ns;   /* 0: as many requests as said */
    uint64_t request_count; /* in all */
};

/* measure_options_read: reads the command line; ends the process with 2 if it is wrong. */
void measure_options_read(int argc, char **argv, struct measure_options *ret_options);

/* A measurement under way. */
struct measure {
    uint64_t begun_ns;
    uint64_t user_us, system_us;
    uint64_t end_ns;     /* when to stop */
    uint64_t left_count; /* requests still to be begun */
};

/* measure_begin: the first request is about to be made. */
void measure_begin(struct measure *measure, const struct measure_options *options);

/* measure_go: whether another request is to be made; takes it from those that are left. For one thread at
 * a time. */
bool measure_go(struct measure *measure);

/* measure_print: prints "REQUESTS NANOSECONDS USER_US SYSTEM_US BYTES" of what has been done since begin. */
void measure_print(const struct measure *measure, uint64_t request_count, uint64_t body_size);

#endif
