/*
 * A caller of `lastbyte get`: request after request, each sent, read as far as asked for, then closed or
 * forgotten.
 *
 * While a request is in progress it stands in the caller's `request`, so that whoever stops the run can
 * cancel it; it is taken out before it is released.
 */
#include "core/assert.h"
#include "get.h"

#include "lastbyte/threads.h"

#include <errno.h>
#include <string.h>

#define GET_BUFFER_SIZE 65536
#define GET_SECOND_NS UINT64_C(1000000000)

/* A request while it is made and used. */
struct job {
    struct get_caller *caller;
    struct get_source *source;
    struct lb_request *request;
    struct lb_response *response;
    struct watched watched;
    struct get_outcome outcome;
};

/* caller_next: the next job's number, or 0: there are no more. */
static uint64_t caller_next(struct get *get)
{
    const struct get_plan *plan = &get->plan;
    uint64_t job = 0;

    uv_mutex_lock(&get->lock);
    if (!get->is_stopped && get->job_last < plan->repeat * plan->url_count) {
        job = ++get->job_last;
    }
    uv_mutex_unlock(&get->lock);
    return job;
}

static void get_note_problem(struct get *get, enum exit_code code)
{
    uv_mutex_lock(&get->lock);
    get->problem = command_worse(get->problem, code);
    uv_mutex_unlock(&get->lock);
}

/* get_stop: no further request is begun. */
static void get_stop(struct get *get)
{
    uv_mutex_lock(&get->lock);
    get->is_stopped = true;
    uv_mutex_unlock(&get->lock);
}

/* job_options: what the command line says about this request. */
static struct lb_request_options job_options(const struct get_plan *plan, uint64_t number)
{
    uint32_t index = (uint32_t)((number - 1) % plan->url_count);
    const struct url *url = &plan->urls[index];
    struct lb_runtime *runtime = lb_runtime_threads();
    struct lb_request_options options = {
        .method = plan->is_head        ? "HEAD"
                  : plan->post != NULL ? "POST"
                                       : "GET",
        .endpoint = {.scheme = url->scheme, .host = url->host, .port = url->port},
        .target = url->target,
        .deadline_ns = LB_NEVER,
        .fields = plan->headers.count > 0 ? plan->fields : NULL,
        .field_count = plan->headers.count,
        .is_expect = plan->is_expect,
        .is_http10 = plan->is_http10,
        .call_site = plan->texts[index],
    };

    if (plan->deadline_s != 0) {
        options.deadline_ns = runtime->ops->now(runtime) + plan->deadline_s * GET_SECOND_NS;
    }
    return options;
}

/* job_make: makes the request, or says why not. */
static enum lb_status job_make(struct job *job)
{
    struct get *get = job->caller->get;
    const struct get_plan *plan = &get->plan;
    struct lb_request_options options = job_options(plan, job->outcome.job);

    if (plan->post != NULL) {
        if (!get_source_new(plan->post, &job->source, &options.source_size)) {
            fprintf(stderr, "lastbyte get: cannot read '%s': %s\n", plan->post, strerror(errno));
            get_note_problem(get, EXIT_USAGE);
            get_stop(get);
            return LB_SOURCE;
        }
        options.source = get_source_base(job->source);
        options.source_size = plan->is_chunked ? LB_SIZE_UNKNOWN : options.source_size;
    }
    return watch_request_new(&get->watch, get->transport, &options, &job->watched, &job->request);
}

/* job_publish: from now on the request may be cancelled; one that comes after the stop is at once. */
static void job_publish(struct job *job)
{
    struct get *get = job->caller->get;

    uv_mutex_lock(&get->lock);
    job->caller->request = job->request;
    if (get->is_cancelled) {
        lb_request_cancel(job->request);
    }
    uv_mutex_unlock(&get->lock);
}

static void job_withdraw(struct job *job)
{
    uv_mutex_lock(&job->caller->get->lock);
    job->caller->request = NULL;
    uv_mutex_unlock(&job->caller->get->lock);
}

static bool job_write(struct job *job, const char *bytes, size_t size)
{
    struct get *get = job->caller->get;

    if (get->bodies == NULL || fwrite(bytes, 1, size, get->bodies) == size) {
        return true;
    }
    fprintf(stderr, "lastbyte get: cannot write '%s': %s\n", get->plan.output, strerror(errno));
    get_note_problem(get, EXIT_RIG);
    get_stop(get);
    return false;
}

/* job_read: reads as much of the body as was asked for; an error is the request's. */
static enum lb_status job_read(struct job *job)
{
    uint64_t left = job->caller->get->plan.read_max;
    struct lb_body *body = lb_response_body(job->response);
    enum lb_status status = LB_OK;
    char bytes[GET_BUFFER_SIZE];

    while (status == LB_OK && left > 0) {
        size_t size = 0;
        size_t room = left < sizeof(bytes) ? (size_t)left : sizeof(bytes);

        status = lb_body_read(body, bytes, room, &size);
        LB_ASSERT(size <= room);
        left -= size;
        job->outcome.size += size;
        if (size > 0 && !job_write(job, bytes, size)) {
            break;
        }
    }
    return status == LB_END ? LB_OK : status;
}

/* job_leave: closes the body and releases the request, or forgets both. */
static void job_leave(struct job *job)
{
    struct get *get = job->caller->get;
    bool is_open = job->outcome.body == LB_BODY_OPEN;

    if (is_open && !get->plan.is_forgetful) {
        lb_body_close(lb_response_body(job->response));
        job->outcome.body = lb_body_state(lb_response_body(job->response));
    }
    job->outcome.watched = watch_look(&get->watch, &job->watched);
    watch_forget(&get->watch, &job->watched);
    job_withdraw(job);
    if (is_open && get->plan.is_forgetful) {
        job->request = NULL; /* the leak */
        if (job->source != NULL) {
            get_source_keep(get, job->source);
            job->source = NULL;
        }
    }
    lb_request_free(&job->request);
}

static void job_count(const struct job *job)
{
    struct get *get = job->caller->get;
    bool is_failed = job->outcome.status != LB_OK;

    uv_mutex_lock(&get->lock);
    get->answered += is_failed ? 0 : 1;
    get->failed += is_failed ? 1 : 0;
    get->size += job->outcome.size;
    if (is_failed && get->problem == EXIT_AS_EXPECTED) {
        get->problem = EXIT_UNEXPECTED;
    }
    uv_mutex_unlock(&get->lock);
}

static void job_run(struct get_caller *caller, uint64_t number)
{
    struct job job = {.caller = caller, .outcome.job = number};
    struct get_outcome *outcome = &job.outcome;

    outcome->status = job_make(&job);
    if (outcome->status == LB_OK) {
        job_publish(&job);
        outcome->status = lb_request_send(job.request, &job.response);
        if (outcome->status == LB_OK) {
            outcome->code = lb_response_code(job.response);
            outcome->status = job_read(&job);
            outcome->body = lb_body_state(lb_response_body(job.response));
        }
        job_leave(&job);
    }
    get_source_free(&job.source);
    job_count(&job);
    get_print_row(caller->get, outcome);
}

void get_caller_main(void *argument)
{
    struct get_caller *caller = argument;
    struct get *get = caller->get;
    uint64_t job = caller_next(get);

    while (job != 0) {
        job_run(caller, job);
        job = caller_next(get);
    }
    uv_mutex_lock(&get->lock);
    LB_ASSERT(get->caller_count > 0);
    if (--get->caller_count == 0) {
        (void)uv_async_send(&get->finished);
    }
    uv_mutex_unlock(&get->lock);
}
