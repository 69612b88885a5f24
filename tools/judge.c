/*
 * The judge's process is a copy of this one. Input and answer stand in memory that both share; a byte
 * through a socket says that there is one. What the process prints goes to a file in memory, where the
 * summary of a sanitizer is looked for after its end.
 */
#include "judge.h"

#include "codec.h"
#include "core/assert.h"
#include "files.h"
#include "isolate.h"
#include "run.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define JUDGE_WAIT_MS 20000 /* real time of one input; beyond it the process is killed */
#define JUDGE_SAID_MAX 8192 /* bytes of what an ended process has printed that are looked at */

/* What both processes see. */
struct judge_table {
    uint8_t bytes[LB_CODEC_SIZE_MAX];
    size_t size;
    struct judge_seen seen;
    char assertion[JUDGE_FINDING_MAX]; /* the one that has failed; "" if none */
};

struct judge {
    const struct lb_target_row *row;
    struct judge_table *table;
    pid_t child; /* 0: none */
    int link;    /* a byte for each input and one for each answer; closing it ends the child */
    int said;    /* the child's standard error */
};

/* For the hook of a failed assertion, which has no argument to pass it. */
static struct judge_table *asserting;

static void on_assertion(const char *file, int line, const char *expression)
{
    const char *name = strrchr(file, '/');
    (void)line;
    snprintf(asserting->assertion, sizeof(asserting->assertion), "crash/%s: %s",
             name == NULL ? file : name + 1, expression);
}

/* -- the child -- */

static void judge_one(struct judge_table *table, struct lb_target *target)
{
    struct lb_result result;
    lb_target_judge(target, table->bytes, table->size, &result);
    table->seen = (struct judge_seen){.trace_hash = lb_target_counters(target)->trace_hash};
    if (result.finding_count > 0) {
        const struct lb_finding *finding = &result.findings[0];
        snprintf(table->seen.finding, sizeof(table->seen.finding), "%s/%s", finding->rule,
                 finding->context);
        snprintf(table->seen.detail, sizeof(table->seen.detail), "%s", finding->detail);
    }
}

__attribute__((noreturn)) static void judge_serve(struct judge *judge, int link, pid_t parent)
{
    struct lb_target *target = NULL;
    char byte = 0;
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent ||
        dup2(judge->said, STDERR_FILENO) < 0 || lb_target_new(judge->row, &target) != LB_OK) {
        _exit(EXIT_FAILURE);
    }
    asserting = judge->table;
    lb_assert_hook = on_assertion;
    while (recv(link, &byte, 1, 0) == 1) {
        judge_one(judge->table, target);
        if (send(link, &byte, 1, MSG_NOSIGNAL) != 1) {
            break;
        }
    }
    _exit(EXIT_SUCCESS);
}

/* -- the parent -- */

static void judge_close(int *descriptor)
{
    if (*descriptor >= 0) {
        close(*descriptor);
        *descriptor = -1;
    }
}

/* judge_stop: ends the child; its wait status, or 0 if there is none. */
static int judge_stop(struct judge *judge)
{
    int status = 0;
    judge_close(&judge->link);
    if (judge->child > 0) {
        while (waitpid(judge->child, &status, 0) < 0) {
            LB_ASSERT(errno == EINTR);
        }
        judge->child = 0;
    }
    return status;
}

static bool judge_start(struct judge *judge)
{
    pid_t parent = getpid();
    int ends[2] = {-1, -1};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0 ||
        ftruncate(judge->said, 0) != 0 || lseek(judge->said, 0, SEEK_SET) != 0) {
        fprintf(stderr, "lastbyte: no process to judge inputs: %s\n", strerror(errno));
        return false;
    }
    judge->link = ends[0];
    fflush(NULL);
    judge->child = fork();
    if (judge->child == 0) {
        close(ends[0]);
        judge_serve(judge, ends[1], parent);
    }
    close(ends[1]);
    if (judge->child < 0) {
        fprintf(stderr, "lastbyte: no process to judge inputs: %s\n", strerror(errno));
        judge->child = 0;
        return false;
    }
    return true;
}

bool judge_new(const struct lb_target_row *row, struct judge **ret_judge)
{
    struct judge *judge = tool_alloc(sizeof(*judge));
    judge->row = row;
    judge->link = -1;
    judge->table = isolate_shared(sizeof(*judge->table));
    judge->said = memfd_create("judge", MFD_CLOEXEC);
    if (judge->table == NULL || judge->said < 0 || !judge_start(judge)) {
        fprintf(stderr, "lastbyte: the judge of inputs could not be made\n");
        judge_free(&judge);
        return false;
    }
    *ret_judge = judge;
    return true;
}

void judge_free(struct judge **judge)
{
    if (*judge != NULL) {
        (void)judge_stop(*judge);
        judge_close(&(*judge)->said);
        isolate_release((*judge)->table, sizeof(*(*judge)->table));
        free(*judge);
        *judge = NULL;
    }
}

/* summary_name: what a sanitizer's last line names: the error and the function, without places. */
static bool summary_name(const char *said, char ret_finding[JUDGE_FINDING_MAX])
{
    static const char mark[] = "SUMMARY: ";
    const char *summary = strstr(said, mark);
    if (summary == NULL) {
        return false;
    }
    summary += strlen(mark);
    int line = (int)strcspn(summary, "\n");
    const char *error = memchr(summary, ' ', (size_t)line);
    const char *in = strstr(summary, " in ");
    if (error == NULL) {
        error = summary;
    }
    error += strspn(error, " ");
    int error_size = (int)strcspn(error, " \n");
    if (in == NULL || in > summary + line) {
        in = "";
    }
    snprintf(ret_finding, JUDGE_FINDING_MAX, "crash/%.*s%.*s", error_size, error,
             (int)strcspn(in, "\n"), in);
    return true;
}

/* judge_ended: the child has ended inside an input: that is what the input shows. */
static void judge_ended(struct judge *judge, int status)
{
    char said[JUDGE_SAID_MAX];
    struct judge_seen *seen = &judge->table->seen;
    ssize_t size = pread(judge->said, said, sizeof(said) - 1, 0);
    said[size > 0 ? size : 0] = '\0';
    *seen = (struct judge_seen){.trace_hash = 0};
    if (judge->table->assertion[0] != '\0') {
        memcpy(seen->finding, judge->table->assertion, sizeof(seen->finding));
    } else if (!summary_name(said, seen->finding)) {
        const char *word = WIFSIGNALED(status) ? sigabbrev_np(WTERMSIG(status)) : NULL;
        snprintf(seen->finding, sizeof(seen->finding), "crash/%s%s", word == NULL ? "exit" : "SIG",
                 word == NULL ? "" : word);
    }
}

/* judge_wait: false if the child has ended, or is ended because it takes too long. */
static bool judge_wait(struct judge *judge)
{
    struct pollfd answer = {.fd = judge->link, .events = POLLIN};
    char byte = 0;
    int ready = 0;
    do {
        ready = poll(&answer, 1, JUDGE_WAIT_MS);
    } while (ready < 0 && errno == EINTR);
    if (ready == 0) {
        (void)kill(judge->child, SIGKILL);
    }
    return ready > 0 && recv(judge->link, &byte, 1, 0) == 1;
}

bool judge_run(struct judge *judge, const uint8_t *bytes, size_t size, struct judge_seen *ret_seen)
{
    struct judge_table *table = judge->table;
    const char byte = 0;
    LB_ASSERT(size <= sizeof(table->bytes));
    if (size > 0) {
        memcpy(table->bytes, bytes, size);
    }
    table->size = size;
    table->assertion[0] = '\0';
    bool is_answered = send(judge->link, &byte, 1, MSG_NOSIGNAL) == 1 && judge_wait(judge);
    if (!is_answered) {
        judge_ended(judge, judge_stop(judge));
    }
    *ret_seen = table->seen;
    return is_answered || judge_start(judge);
}
