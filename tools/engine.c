/*
 * An engine: see engine.h. The process and its output are two handles; the engine has ended when
 * both are closed, so that nothing that it said is lost.
 */
#include "engine.h"

#include "core/assert.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define ENGINE_WRITTEN "Test unit written to "

void engine_init(struct engine *engine, uv_loop_t *loop, FILE *log,
                 const struct engine_events *events)
{
    LB_ASSERT(loop != NULL);
    LB_ASSERT(log != NULL);
    memset(engine, 0, sizeof(*engine));
    engine->loop = loop;
    engine->log = log;
    engine->events = *events;
}

/* The number behind a word such as "cov: ", if the line holds it. */
static void read_number(const char *line, const char *word, uint64_t *ret_number)
{
    const char *place = strstr(line, word);

    if (place != NULL) {
        *ret_number = strtoull(place + strlen(word), NULL, 10);
    }
}

/* Whether a line says why an input was kept. */
static bool line_is_finding(const char *line)
{
    static const char *const words[] = {
        "ASSERTION FAILED", "assertion failed", "Sanitizer: ",
        "runtime error:",   "ERROR: libFuzzer", "Sanitizer:DEADLYSIGNAL",
    };

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strstr(line, words[i]) != NULL) {
            return true;
        }
    }
    return false;
}

void engine_read_line(struct engine *engine, const char *line)
{
    const char *written = strstr(line, ENGINE_WRITTEN);

    if (*line != '\0') {
        snprintf(engine->last_line, sizeof(engine->last_line), "%s", line);
    }
    if (line[0] == '#') {
        engine->stats.executions = strtoull(line + 1, NULL, 10);
        read_number(line, " cov: ", &engine->stats.coverage);
        read_number(line, " ft: ", &engine->stats.features);
        read_number(line, " corp: ", &engine->stats.corpus);
        read_number(line, " exec/s: ", &engine->stats.rate);
    } else if (strncmp(line, "stat::", 6) == 0) {
        read_number(line, "stat::number_of_executed_units: ", &engine->stats.executions);
        read_number(line, "stat::average_exec_per_sec:     ", &engine->stats.rate);
    } else if (written != NULL) {
        engine->artifact_count++;
        engine->events.on_artifact(engine->events.context, engine, written + strlen(ENGINE_WRITTEN),
                                   engine->finding[0] != '\0' ? engine->finding
                                                              : "no reason given");
        engine->finding[0] = '\0';
    } else if (engine->finding[0] == '\0' && line_is_finding(line)) {
        snprintf(engine->finding, sizeof(engine->finding), "%s", line);
    }
}

static void engine_end_line(struct engine *engine)
{
    LB_ASSERT(engine->line_size < sizeof(engine->line));
    engine->line[engine->line_size] = '\0';
    engine->line_size = 0;
    engine_read_line(engine, engine->line);
}

static void on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *ret_buffer)
{
    struct engine *engine = handle->data;

    (void)size;
    *ret_buffer = uv_buf_init(engine->buffer, sizeof(engine->buffer));
}

static void on_closed(uv_handle_t *handle)
{
    struct engine *engine = handle->data;

    LB_ASSERT(engine->open_handles > 0);
    engine->open_handles--;
    if (engine->open_handles > 0) {
        return;
    }
    if (engine->line_size > 0) {
        engine_end_line(engine);
    }
    if (fflush(engine->log) != 0) {
        engine->is_log_lost = true;
    }
    engine->is_running = false;
    engine->events.on_exit(engine->events.context, engine, engine->status);
}

static void on_output(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer)
{
    struct engine *engine = stream->data;

    if (size < 0) {
        uv_close((uv_handle_t *)stream, on_closed);
        return;
    }
    if (fwrite(buffer->base, 1, (size_t)size, engine->log) != (size_t)size) {
        engine->is_log_lost = true;
    }
    for (ssize_t i = 0; i < size; i++) {
        if (buffer->base[i] == '\n') {
            engine_end_line(engine);
        } else if (engine->line_size < sizeof(engine->line) - 1) {
            engine->line[engine->line_size++] = buffer->base[i];
        }
    }
}

static void on_process_exit(uv_process_t *process, int64_t status, int signal)
{
    struct engine *engine = process->data;

    engine->status = signal != 0 ? 128 + signal : (int)status;
    uv_close((uv_handle_t *)process, on_closed);
    if (engine->is_forced && !uv_is_closing((uv_handle_t *)&engine->output)) {
        uv_close((uv_handle_t *)&engine->output, on_closed);
    }
}

int engine_start(struct engine *engine, char **arguments)
{
    uv_stdio_container_t stdio[3];
    uv_process_options_t options = {0};
    int error;

    LB_ASSERT(!engine->is_running);
    LB_ASSERT(engine->open_handles == 0);
    engine->executions_before += engine->stats.executions;
    engine->stats.executions = 0;
    engine->artifact_count = 0;
    engine->is_forced = false;
    engine->finding[0] = '\0';
    engine->line_size = 0;
    error = uv_pipe_init(engine->loop, &engine->output, 0);
    if (error != 0) {
        return error;
    }
    engine->output.data = engine;
    engine->process.data = engine;
    stdio[0].flags = UV_IGNORE;
    stdio[1].flags = UV_IGNORE;
    stdio[2].flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE;
    stdio[2].data.stream = (uv_stream_t *)&engine->output;
    options.file = arguments[0];
    options.args = arguments;
    options.exit_cb = on_process_exit;
    options.stdio = stdio;
    options.stdio_count = 3;
    error = uv_spawn(engine->loop, &engine->process, &options);
    engine->open_handles = 2;
    if (error != 0) {
        engine->status = 127;
        uv_close((uv_handle_t *)&engine->process, on_closed);
        uv_close((uv_handle_t *)&engine->output, on_closed);
        return error;
    }
    engine->is_running = true;
    (void)uv_read_start((uv_stream_t *)&engine->output, on_alloc, on_output);
    return 0;
}

void engine_stop(struct engine *engine, bool is_forced)
{
    engine->is_forced = engine->is_forced || is_forced;
    if (engine->is_running && !uv_is_closing((uv_handle_t *)&engine->process)) {
        (void)uv_process_kill(&engine->process, is_forced ? SIGKILL : SIGINT);
    } else if (engine->is_running && is_forced && !uv_is_closing((uv_handle_t *)&engine->output)) {
        uv_close((uv_handle_t *)&engine->output, on_closed);
    }
}
