/*
 * An engine: one libFuzzer process, its command line, and what its output says. Runs on a libuv
 * loop; its whole output is kept in a log.
 */
#ifndef LASTBYTE_TOOLS_ENGINE_H
#define LASTBYTE_TOOLS_ENGINE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <uv.h>

#define ENGINE_LINE_MAX 2048 /* bytes of a line of output; the rest of a longer one is cut */
#define ENGINE_ARGUMENTS_MAX 24

/* What the engine has said of itself since it was started. */
struct engine_stats {
    uint64_t executions;
    uint64_t rate;     /* executions per second */
    uint64_t coverage; /* edges */
    uint64_t features;
    uint64_t corpus; /* inputs */
};

struct engine;

struct engine_events {
    /* on_artifact: the engine has written `path`; `finding` is the line that says why. Borrowed. */
    void (*on_artifact)(void *context, struct engine *engine, const char *path,
                        const char *finding);
    /* on_exit: the process has ended and its output is read; `status` is its exit code, or 128 and
     * the signal. It may be started again. */
    void (*on_exit)(void *context, struct engine *engine, int status);
    void *context;
};

struct engine {
    struct engine_events events;
    struct engine_stats stats;
    uint64_t executions_before; /* of earlier starts */
    bool is_running;
    bool is_log_lost;                /* some of its output could not be kept */
    int artifact_count;              /* since it was started */
    char last_line[ENGINE_LINE_MAX]; /* the last line of its output */

    /* private */
    uv_loop_t *loop;
    FILE *log;
    uv_process_t process;
    uv_pipe_t output;
    bool is_forced; /* killed: what else holds its output is not waited for */
    int open_handles;
    int status;
    char finding[ENGINE_LINE_MAX];
    char line[ENGINE_LINE_MAX];
    size_t line_size;
    char buffer[4096];
};

/* engine_init: an engine that is not running. Keeps loop, log (closed by the caller) and context.
 */
void engine_init(struct engine *engine, uv_loop_t *loop, FILE *log,
                 const struct engine_events *events);

/* engine_start: starts the process; `arguments` end with NULL, the first is the file. Zero, or an
 * error of libuv. The engine is not running. */
int engine_start(struct engine *engine, char **arguments);

/* engine_stop: asks the process to end, or forces it to. No effect when it is not running. */
void engine_stop(struct engine *engine, bool is_forced);

/* engine_read_line: takes one line of output; for engine_start and for tests. */
void engine_read_line(struct engine *engine, const char *line);

#endif
