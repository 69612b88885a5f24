/*
 * Isolation by fork: the child is a copy, so it needs no message to start with, and what it changes
 * for its parent stands in memory that both share.
 */
#include "isolate.h"

#include "core/assert.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* What a signal handler can reach. */
static volatile sig_atomic_t watched_children[ISOLATE_TEAM_MAX]; /* 0: none */
static volatile sig_atomic_t watched_signal;
static volatile sig_atomic_t has_killed;

/* In a child of a team: where it tells its parent something; -1 elsewhere. */
static int telling = -1;

/* A child as its parent knows it. */
struct member {
    pid_t child;      /* 0: none */
    int pipe;         /* what it tells; -1: none */
    int *is_returned; /* shared: the function came to its end */
};

static void on_watched_signal(int number)
{
    int error = errno;
    for (size_t i = 0; i < ISOLATE_TEAM_MAX; i++) {
        if (watched_children[i] > 0) {
            (void)kill((pid_t)watched_children[i], watched_signal == 0 ? number : SIGKILL);
        }
    }
    has_killed = watched_signal != 0;
    watched_signal = number;
    errno = error;
}

void isolate_watch(void)
{
    struct sigaction action = {.sa_handler = on_watched_signal, .sa_flags = SA_RESTART};
    (void)sigemptyset(&action.sa_mask);
    (void)sigaddset(&action.sa_mask, SIGINT);
    (void)sigaddset(&action.sa_mask, SIGTERM);
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
}

bool isolate_has_killed(void)
{
    return has_killed != 0;
}

int isolate_signal(void)
{
    return (int)watched_signal;
}

void *isolate_shared(size_t size)
{
    LB_ASSERT(size > 0);
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

void isolate_release(void *memory, size_t size)
{
    if (memory != NULL) {
        int failed = munmap(memory, size);
        LB_ASSERT(failed == 0);
    }
}

/* Waits for the child, however often a signal interrupts. */
static int isolate_wait(pid_t child)
{
    int status = 0;
    while (waitpid(child, &status, 0) < 0) {
        LB_ASSERT(errno == EINTR);
    }
    return status;
}

/* The life of a child: it ends with its parent, and only if its output is written it ends well. */
__attribute__((noreturn)) static void isolate_child(pid_t parent, void (*function)(void *argument),
                                                    void *argument, int *ret_is_returned)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent) {
        _exit(EXIT_FAILURE);
    }
    function(argument);
    *ret_is_returned = 1;
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "lastbyte: could not write to standard output\n");
        exit(EXIT_FAILURE);
    }
    exit(EXIT_SUCCESS); /* lets a leak checker speak */
}

/* Makes a child; a signal that comes meanwhile is handled when both know which of the two they are. */
static pid_t isolate_fork(uint32_t number)
{
    sigset_t signals;
    sigset_t before;
    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGINT);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigprocmask(SIG_BLOCK, &signals, &before);
    pid_t child = fork();
    if (child == 0) { /* its siblings are not its own */
        for (size_t i = 0; i < ISOLATE_TEAM_MAX; i++) {
            watched_children[i] = 0;
        }
    }
    watched_children[number] = child > 0 ? child : 0;
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
    return child;
}

/* What the parent learns of a child that has ended; the member has none any more. */
static enum isolate_end member_end(struct member *member, uint32_t number, int *ret_status)
{
    *ret_status = isolate_wait(member->child);
    watched_children[number] = 0;
    bool has_returned = *member->is_returned == 1;
    isolate_release(member->is_returned, sizeof(*member->is_returned));
    member->child = 0;
    member->is_returned = NULL;
    if (!has_returned) {
        return ISOLATE_CRASHED;
    }
    return WIFEXITED(*ret_status) && WEXITSTATUS(*ret_status) == EXIT_SUCCESS ? ISOLATE_DONE
                                                                              : ISOLATE_FAILED;
}

enum isolate_end isolate_run(void (*function)(void *argument), void *argument)
{
    struct member member = {.is_returned = isolate_shared(sizeof(*member.is_returned))};
    int status = 0;
    fflush(NULL);
    pid_t parent = getpid();
    member.child = member.is_returned == NULL ? -1 : isolate_fork(0);
    if (member.child == 0) {
        isolate_child(parent, function, argument, member.is_returned);
    }
    if (member.child < 0) {
        isolate_release(member.is_returned, sizeof(*member.is_returned));
        return ISOLATE_FAILED;
    }
    return member_end(&member, 0, &status);
}

/* -- a team -- */

/* What a child of a team runs. */
struct duty {
    const struct isolate_team *team;
    uint32_t number;
};

static void duty_run(void *argument)
{
    const struct duty *duty = argument;
    duty->team->work(duty->team->argument, duty->number);
}

void isolate_tell(uint32_t number)
{
    LB_ASSERT(telling >= 0);
    while (write(telling, &number, sizeof(number)) < 0 &&
           errno == EINTR) { /* whole or not at all */
    }
}

/* Starts child `number`; false: it could not be made, and the team was told. */
static bool member_start(const struct isolate_team *team, struct member *member, uint32_t number)
{
    struct duty duty = {team, number};
    int ends[2] = {-1, -1};
    pid_t parent = getpid();
    fflush(NULL);
    member->is_returned = isolate_shared(sizeof(*member->is_returned));
    bool has_pipe = member->is_returned != NULL && pipe2(ends, O_CLOEXEC) == 0;
    member->child = has_pipe ? isolate_fork(number) : -1;
    if (member->child == 0) {
        (void)close(ends[0]);
        telling = ends[1];
        isolate_child(parent, duty_run, &duty, member->is_returned);
    }
    if (has_pipe) {
        (void)close(ends[1]);
    }
    if (member->child > 0) {
        member->pipe = ends[0];
        return true;
    }
    if (has_pipe) {
        (void)close(ends[0]);
    }
    isolate_release(member->is_returned, sizeof(*member->is_returned));
    *member = (struct member){.pipe = -1};
    (void)team->ended(team->argument, number, ISOLATE_FAILED, "it could not be started");
    return false;
}

static void death_print(int status, char ret_text[ISOLATE_DEATH_MAX])
{
    if (WIFSIGNALED(status)) {
        snprintf(ret_text, ISOLATE_DEATH_MAX, "signal %d (%s)", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
    } else {
        snprintf(ret_text, ISOLATE_DEATH_MAX, "exit code %d", WEXITSTATUS(status));
    }
}

/* Hears what child `number` has told; at the end of that it has ended. */
static void member_hear(const struct isolate_team *team, struct member *member, uint32_t number)
{
    uint32_t told[64];
    char death[ISOLATE_DEATH_MAX];
    int status = 0;
    ssize_t size = read(member->pipe, told, sizeof(told));
    for (ssize_t i = 0; i < size / (ssize_t)sizeof(told[0]); i++) {
        team->heard(team->argument, told[i]);
    }
    if (size > 0 || (size < 0 && errno == EINTR)) {
        return;
    }
    (void)close(member->pipe);
    member->pipe = -1;
    enum isolate_end end = member_end(member, number, &status);
    death_print(status, death);
    if (team->ended(team->argument, number, end, death)) {
        (void)member_start(team, member, number);
    }
}

void isolate_team_run(const struct isolate_team *team)
{
    struct member members[ISOLATE_TEAM_MAX];
    struct pollfd polled[ISOLATE_TEAM_MAX];
    uint32_t live = 0;
    LB_ASSERT(team->count > 0);
    LB_ASSERT(team->count <= ISOLATE_TEAM_MAX);
    for (uint32_t i = 0; i < team->count; i++) {
        members[i] = (struct member){.pipe = -1};
        live += member_start(team, &members[i], i) ? 1 : 0;
    }
    while (live > 0) {
        for (uint32_t i = 0; i < team->count; i++) { /* poll leaves out what is negative */
            polled[i] = (struct pollfd){.fd = members[i].pipe, .events = POLLIN};
        }
        int ready = poll(polled, team->count, -1);
        LB_ASSERT(ready > 0 || errno == EINTR);
        live = 0;
        for (uint32_t i = 0; i < team->count; i++) {
            if (ready > 0 && polled[i].fd >= 0 && polled[i].revents != 0) {
                member_hear(team, &members[i], i);
            }
            live += members[i].pipe >= 0 ? 1 : 0;
        }
    }
}
