/*
 * One run of one case: a world is made, the program runs, and the postlude brings the world to the
 * four settled phases, at each of which the workers are judged:
 *
 *   SCRIPT       the program and the servers have done what they do
 *   TIMEOUTS     and every time-out has passed
 *   IDLE_CLOSED  and the idle connections were closed
 *   FREED        and the transport was freed
 *
 * The world is reused: everything that a run changes is set anew at its start.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/assert.h"
#include "stage.h"
#include "story_inside.h"
#include "wire.h"
#include "world.h"

struct lb_runner {
    struct lb_world world;
};

const char *lb_verdict_word(enum lb_verdict verdict)
{
    static const char *const words[LB_VERDICT_COUNT] = {"PASS", "NOTE", "SKIP", "WEAK", "BROKEN",
                                                        "FAIL", "LEAK", "HANG", "CRASH"};
    LB_ASSERT((unsigned)verdict < LB_VERDICT_COUNT);
    return words[verdict];
}

bool lb_verdict_is_bad(enum lb_verdict verdict)
{
    switch (verdict) {
    case LB_VERDICT_PASS:
    case LB_VERDICT_NOTE:
    case LB_VERDICT_SKIP:
    case LB_VERDICT_WEAK:
        return false;
    case LB_VERDICT_BROKEN:
    case LB_VERDICT_FAIL:
    case LB_VERDICT_LEAK:
    case LB_VERDICT_HANG:
    case LB_VERDICT_CRASH:
        return true;
    }
    LB_UNREACHABLE("a verdict");
    return true;
}

/* world_violation: the network saw a socket misused. */
static void world_violation(void *context, const char *rule, const char *phrase)
{
    struct lb_world *world = context;
    char words[48];
    snprintf(words, sizeof words, "%s", phrase);
    for (char *at = words; *at != '\0'; at++) {
        *at = *at == ' ' ? '-' : *at;
    }
    lb_world_find(world, rule, words, "a socket was misused: %s", phrase);
}

static void world_emit(struct lb_trace *trace, enum lb_event event, const char *subject,
                       uint64_t value)
{
    struct lb_world *world =
        (struct lb_world *)(void *)((char *)trace - offsetof(struct lb_world, trace));
    lb_stage_note(world, subject, lb_event_word(event), value);
    if (world->cover.counters != NULL) {
        lb_cover_event(&world->cover, event, subject, value);
    }
}

/* world_on_switch: the transport is checked whenever its lock is given up; what changes it without the
 * lock shows here, at every 8th switch, and at each settled phase. */
static void world_on_switch(void *context)
{
    struct lb_world *world = context;
    world->switch_count++;
    if (world->switch_count % 8 == 0 && world->transport != NULL) {
        lb_transport_check(world->transport);
    }
}

/* line_served: bytes that a server line sends. */
static uint64_t line_served(const struct lb_line *line)
{
    bool is_fill = line->verb == LB_VERB_FILL || line->verb == LB_VERB_CHUNK_FILL ||
                   line->verb == LB_VERB_GZIP || line->verb == LB_VERB_CHUNK_GZIP;
    return line->bytes.size + (is_fill ? line->number : 0);
}

/* line_pieces: reads that the source of a request line takes. */
static uint64_t line_pieces(const struct lb_line *line)
{
    const struct lb_case_source *source = line->source;
    return source == NULL || source->piece == 0 ? 0 : source->size / source->piece;
}

/* world_steps: how many steps a run may take: more where the servers' bytes are cut into many
 * segments, each of which may be read on its own by each request, and where bodies come in small
 * pieces, each of which is read again at each retry. */
static uint64_t world_steps(const struct lb_world *world)
{
    const struct lb_case *c = world->c;
    const struct lb_fault *fault = &world->fault.fault;
    uint32_t slice = world->variant->slice;
    if (fault->kind == LB_FAULT_SHORT_READ && (slice == 0 || slice > fault->amount)) {
        slice = (uint32_t)fault->amount;
    }
    uint64_t served = 0;
    uint64_t pieces = 0;
    for (uint32_t h = 0; h < c->host_count; h++) {
        for (uint32_t i = 0; i < c->hosts[h].conn_count; i++) {
            const struct lb_lines *script = &c->hosts[h].conns[i].script;
            for (uint32_t j = 0; j < script->count; j++) {
                served += line_served(&script->lines[j]);
            }
        }
    }
    for (uint32_t i = 0; i < c->client.count; i++) {
        pieces += line_pieces(&c->client.lines[i]);
    }
    bool is_cut = slice != 0 && slice != LB_NET_WHOLE;
    uint64_t segments = is_cut ? served / slice * (c->request_count + 1u) : 0;
    uint64_t tries = c->options[LB_CASE_OPTION_RETRIES] + 4;
    bool is_dribbling = fault->kind == LB_FAULT_SHORT_WRITE || fault->kind == LB_FAULT_WINDOW;
    uint64_t base = is_dribbling ? LB_WORLD_STEPS_MAX * LB_WORLD_SEGMENT_STEPS : LB_WORLD_STEPS_MAX;
    return base + (segments + pieces * tries) * LB_WORLD_SEGMENT_STEPS;
}

/* world_reset: the scheduler and the network as a variant wants them. */
static void world_reset(struct lb_world *world)
{
    const struct lb_variant *variant = world->variant;
    bool is_own = variant->departures == NULL;
    struct lb_sim_options sim_options = {
        .step_count_max = world_steps(world),
        .time_max_ns = LB_WORLD_TIME_MAX_NS,
        .departures = is_own ? world->c->departures : variant->departures,
        .departure_count = is_own ? world->c->departure_count : variant->departure_count,
        .on_switch = world_on_switch,
        .on_event = world->output == NULL && world->story == NULL ? NULL : lb_narrate,
        .context = world,
        .fault = lb_world_has_fault(world) ? &world->fault : NULL,
    };
    lb_sim_reset(world->sim, &sim_options);
    struct lb_net_options net_options = {
        .slice = variant->slice,
        .on_connect = lb_server_on_connect,
        .on_accept = lb_server_on_accept,
        .on_violation = world_violation,
        .context = world,
        .fault = lb_world_has_fault(world) ? &world->fault : NULL,
    };
    lb_net_reset(world->net, &net_options);
    for (uint32_t i = 0; i < world->c->host_count; i++) {
        enum lb_status status = lb_net_host_add(world->net, world->c->hosts[i].name);
        LB_ASSERT(status == LB_OK);
    }
}

/* world_fault: the variant's fault, not yet at work. */
static void world_fault(struct lb_world *world)
{
    memset(&world->fault, 0, sizeof world->fault);
    world->memory.fault = NULL;
    if (world->variant->fault != NULL) {
        world->fault.fault = *world->variant->fault;
        world->fault.sim = world->sim;
        world->memory.fault = &world->fault;
    }
}

/* world_begin: a fresh transport and the program's caller; false: a fault lets no transport be made. */
static bool world_begin(struct lb_world *world)
{
    world->transport = NULL;
    world->request_count = 0;
    world_fault(world);
    world->is_policy = lb_case_is_policy(world->c) && !lb_world_has_fault(world);
    LB_ASSERT(world->memory.block_count == 0);
    world->signal_count = 0;
    world->server_count = 0;
    world->lifetime = NULL;
    memset(world->profiled, 0, sizeof world->profiled);
    world->wire->stamp = 0;
    world->program_line = NULL;
    world->switch_count = 0;
    world->is_program_ended = false;
    world->is_ending = false;
    memset(world->result, 0, sizeof *world->result);
    if (world->story != NULL) {
        lbi_story_begin(world->story, world->c);
    }
    lb_cover_begin(&world->cover);
    if (world->outcomes != NULL) {
        memset(world->outcomes, 0, world->c->client.count * sizeof *world->outcomes);
    }
    world_reset(world);
    lb_world_set_options(world);
    struct lb_transport_options options = world->options;
    options.runtime = lb_sim_runtime(world->sim);
    options.network = lb_net_network(world->net);
    options.memory = &world->memory.memory;
    options.trace = &world->trace;
    if (world->stage != NULL) {
        world->stage->ops->begin(world->stage, world, &options);
    }
    enum lb_status status = lb_transport_new(&options, &world->transport);
    LB_ASSERT(status == LB_OK || (status == LB_MEMORY && world->fault.is_reached));
    LB_ASSERT((status == LB_OK) == (world->transport != NULL));
    if (status == LB_OK) {
        lb_program_start(world);
    }
    return status == LB_OK;
}

/* world_run: runs to a horizon; false when a budget was used up, which ends the run. */
static bool world_run(struct lb_world *world, enum lb_sim_horizon horizon)
{
    enum lb_sim_stop stop = lb_stage_run(world, horizon);
    if (stop == LB_SIM_SETTLED) {
        return true;
    }
    bool is_steps = stop == LB_SIM_STOP_STEPS;
    lb_world_find(world, "B5", is_steps ? "livelock" : "time-without-end",
                  "the world did not settle within its %s", is_steps ? "steps" : "time");
    lb_world_grade(world, LB_VERDICT_HANG);
    lb_narrate_profile(world, "workers when the budget was used up:");
    lb_story_cut(world);
    return false;
}

/* postlude_run: the postlude's caller: what the world does between two phases. */
static void postlude_run(void *argument)
{
    struct lb_world *world = argument;
    if (world->is_idle_close_wanted) {
        lb_stage_leave(world);
        lb_transport_close_idle(world->transport, NULL);
        lb_stage_enter(world);
        return;
    }
    lb_program_release(world);
    struct lb_transport *transport = world->transport;
    world->transport = NULL;
    lb_stage_leave(world);
    lb_transport_free(&transport);
    lb_stage_enter(world);
}

static bool postlude_step(struct lb_world *world, bool is_idle_close)
{
    world->is_idle_close_wanted = is_idle_close;
    struct lb_worker_options options = {LB_ROLE_CALLER, "postlude", postlude_run, world};
    if (lb_stage_spawn(world, &options) != LB_OK) {
        lb_world_exhaust(world);
        return false;
    }
    return world_run(world, LB_SIM_ALL);
}

/* world_count_profiled: how many of the workers in the profile are still there; `is_new` makes them
 * those that are there now. */
static uint32_t world_count_profiled(struct lb_world *world, bool is_new)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < lb_stage_worker_count(world); i++) {
        struct lb_sim_view view;
        lb_stage_view(world, i, &view);
        uint64_t bit = UINT64_C(1) << (i % 64);
        bool is_ours = view.role != LB_ROLE_CALLER && view.role != LB_ROLE_SERVER;
        if (is_new && is_ours && view.state != LB_SIM_DONE) {
            world->profiled[i / 64] |= bit;
        }
        count += (world->profiled[i / 64] & bit) != 0 && view.state != LB_SIM_DONE ? 1 : 0;
    }
    return count;
}

/* world_judge: one settled phase. The profile is that of the first phase with a finding; the phase at
 * which its workers are gone is their lifetime. */
static void world_judge(struct lb_world *world, enum lb_phase phase)
{
    static const char *const lifetimes[] = {"", "until-timeout", "until-idle-close",
                                            "until-destroy"};
    uint32_t before = world->result->finding_count;
    bool has_profile = world->result->profile[0] != '\0';
    if (world->transport != NULL && world->stage == NULL) {
        lb_transport_check(world->transport);
    }
    lb_rules_settled(world, phase);
    lb_story_judged(world, phase, world->result->finding_count > before);
    if (has_profile && world->lifetime == NULL && world_count_profiled(world, false) == 0) {
        world->lifetime = lifetimes[phase];
    } else if (!has_profile && world->result->finding_count > before) {
        lb_narrate_profile(world, lb_narrate_left(phase));
        world->lifetime = world_count_profiled(world, true) == 0 ? "" : NULL;
    }
}

/* world_tell_lifetime: how long the workers in the profile lived, below it. */
static void world_tell_lifetime(struct lb_world *world)
{
    char *text = world->result->profile;
    size_t used = strlen(text);
    const char *lifetime = world->lifetime == NULL ? "forever" : world->lifetime;
    if (used > 0 && lifetime[0] != '\0') {
        snprintf(text + used, sizeof world->result->profile - used,
                 "  those of the transport live: %s\n", lifetime);
    }
}

/* world_judge_scripts: the program has come to its end, and no server waits for a request. */
static void world_judge_scripts(struct lb_world *world)
{
    if (!world->is_program_ended) {
        char expected[200] = "to return";
        if (world->program_line != NULL) {
            lb_line_print(world->c, world->program_line, expected, sizeof expected);
            lb_world_fail(world, world->program_line, expected, "still blocked at the end");
        }
        return;
    }
    for (uint32_t i = 0; i < world->server_count; i++) {
        const struct lb_line *line = world->wants[i];
        if (line != NULL && (line->verb != LB_VERB_WANT || line->path.size > 0)) {
            char expected[200];
            lb_line_print(world->c, line, expected, sizeof expected);
            lb_world_fail(world, line, expected, "nothing came");
        }
    }
}

/* world_judge_schedule: a departure that never took effect proves nothing. */
static void world_judge_schedule(struct lb_world *world)
{
    for (uint32_t i = 0; i < world->c->departure_count && !lb_world_has_fault(world); i++) {
        bool is_own = world->variant->departures == NULL ||
                      world->variant->departures == world->c->departures;
        if (is_own && !lb_sim_departure_is_met(world->sim, i)) {
            world->result->stale_position = i + 1;
            lb_world_grade(world, LB_VERDICT_BROKEN);
            return;
        }
    }
}

/* world_live: the program and the postlude; false when the run was cut short. */
static bool world_live(struct lb_world *world)
{
    if (!world_run(world, LB_SIM_SCRIPT)) {
        return false;
    }
    if (lb_stage_now(world) > LB_WORLD_PROGRAM_MAX_NS) {
        lb_world_grade(world, LB_VERDICT_HANG);
        lb_narrate_profile(world, "workers when the time of a case was over:");
    }
    bool is_ended = world->is_program_ended;
    if (is_ended) {
        world_judge_scripts(world);
    }
    world_judge(world, LB_PHASE_SCRIPT);
    lb_story_phase(world, is_ended ? "every time-out passes" : "the program goes on waiting");
    if (!world_run(world, LB_SIM_ALL)) {
        return false;
    }
    if (!is_ended) {
        world_judge_scripts(world);
    }
    world_judge(world, LB_PHASE_TIMEOUTS);
    lb_rules_traffic(world);
    lb_story_phase(world, "close-idle");
    if (!postlude_step(world, true)) {
        return false;
    }
    world_judge(world, LB_PHASE_IDLE_CLOSED);
    world->is_ending = true;
    lb_story_phase(world, "the client is destroyed");
    if (!postlude_step(world, false)) {
        return false;
    }
    world_judge(world, LB_PHASE_FREED);
    return true;
}

/* world_hash: the same for two runs that differ only in the order of what has nothing to do with each
 * other: the order among connections does not count. */
static uint64_t world_hash(const struct lb_world *world)
{
    uint64_t sum = world->result->outcome_hash;
    for (size_t i = 0; i < lb_net_log_count(world->net); i++) {
        struct lb_net_log log;
        uint64_t hash = i;
        lb_net_log(world->net, i, &log);
        for (size_t j = 0; j < log.record_count; j++) {
            const struct lb_net_record *record = &log.records[j];
            hash = (hash ^ (uint64_t)record->kind) * UINT64_C(0x9e3779b97f4a7c15);
            hash = (hash ^ hash >> 29 ^ record->value) * UINT64_C(0xbf58476d1ce4e5b9);
            hash = (hash ^ hash >> 32 ^ record->time_ns) * UINT64_C(0x94d049bb133111eb);
        }
        sum += hash ^ hash >> 31;
    }
    return sum;
}

void lb_runner_run(struct lb_runner *runner, const struct lb_case *c,
                   const struct lb_variant *variant, const struct lb_run_output *output,
                   struct lb_result *ret_result)
{
    struct lb_world *world = &runner->world;
    const struct lb_variant own = {.name = "own"};
    world->c = c;
    world->variant = variant == NULL ? &own : variant;
    world->output = output != NULL && output->trace != NULL ? output : NULL;
    world->story = output == NULL || world->stage != NULL ? NULL : output->story;
    world->seen = output != NULL && output->seen != NULL ? output : NULL;
    world->result = ret_result;
    if (!world_begin(world)) {
        world_judge(world, LB_PHASE_FREED);
    } else if (world_live(world)) {
        world_judge_schedule(world);
        world_tell_lifetime(world);
    }
    ret_result->time_ns = lb_stage_now(world);
    if (world->stage != NULL) {
        world->stage->ops->finish(world->stage);
    }
    ret_result->is_fault_reached = world->fault.is_reached;
    if (lb_world_has_fault(world) && !world->fault.is_reached) {
        lb_world_grade(world, LB_VERDICT_BROKEN);
    }
    if (world->is_policy) {
        lb_world_grade(world, LB_VERDICT_NOTE);
    }
    lb_memory_reclaim(&world->memory);
    ret_result->trace_hash = lb_sim_hash(world->sim);
    ret_result->world_hash = world_hash(world);
    ret_result->steps = lb_sim_steps(world->sim);
    ret_result->switches = lb_sim_switches(world->sim);
    ret_result->decisions = lb_sim_decisions(world->sim);
    ret_result->workers = lb_sim_worker_count(world->sim);
    world->output = NULL;
    world->story = NULL;
}

enum lb_status lb_runner_new(struct lb_runner **ret_runner)
{
    struct lb_runner *runner = calloc(1, sizeof *runner);
    if (runner == NULL) {
        return LB_MEMORY;
    }
    struct lb_world *world = &runner->world;
    lb_memory_count(&world->memory);
    world->trace.emit = world_emit;
    world->wire = calloc(1, sizeof *world->wire);
    if (world->wire == NULL || lb_sim_new(&world->sim) != LB_OK ||
        lb_net_new(world->sim, &world->net) != LB_OK) {
        lb_runner_free(&runner);
        return LB_MEMORY;
    }
    *ret_runner = runner;
    return LB_OK;
}

void lb_runner_free(struct lb_runner **runner_pointer)
{
    struct lb_runner *runner = *runner_pointer;
    *runner_pointer = NULL;
    if (runner == NULL) {
        return;
    }
    struct lb_world *world = &runner->world;
    for (uint32_t i = 0; i < LB_CASE_REQUESTS_MAX; i++) {
        free(world->callers[i].received);
        free(world->callers[i].trailer_value);
    }
    free(world->memory.blocks);
    if (world->wire != NULL) {
        lb_wire_forget(world->wire);
        free(world->wire->bodies);
        free(world->wire);
    }
    if (world->net != NULL) {
        lb_net_free(&world->net);
    }
    lb_sim_free(&world->sim);
    free(runner);
}

void lb_runner_cover_switches(struct lb_runner *runner, uint8_t *counters, size_t size)
{
    lb_sim_cover_switches(runner->world.sim, counters, size);
}

void lb_runner_cover_states(struct lb_runner *runner, uint8_t *counters)
{
    runner->world.cover.counters = counters;
}

void lb_runner_watch_outcomes(struct lb_runner *runner, uint64_t *outcomes)
{
    runner->world.outcomes = outcomes;
}

void lb_runner_set_stage(struct lb_runner *runner, struct lb_stage *stage)
{
    runner->world.stage = stage;
}

void lb_runner_watch_decisions(struct lb_runner *runner, uint8_t *alternatives, size_t capacity)
{
    lb_sim_watch_decisions(runner->world.sim, alternatives, capacity);
}

void lb_runner_watch_steps(struct lb_runner *runner, struct lb_sim_step *steps, size_t capacity)
{
    lb_sim_watch_steps(runner->world.sim, steps, capacity);
}

size_t lb_runner_noted_steps(const struct lb_runner *runner)
{
    return lb_sim_noted_steps(runner->world.sim);
}

void lb_runner_watch_alternatives(struct lb_runner *runner, uint32_t *taken)
{
    runner->world.taken = taken;
}

bool lb_runner_anchor(const struct lb_runner *runner, size_t position,
                      struct lb_sim_departure *ret_departure)
{
    return lb_sim_departure_anchor(runner->world.sim, position, ret_departure);
}
