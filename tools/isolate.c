/*
 * Isolation by fork: the child is a copy, so it needs no message to start with, and what it changes
 * for its parent stands in memory that both share.
 */
#include "isolate.h"

#include "core/assert.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* What a signal handler can reach. */
static volatile sig_atomic_t watched_child; /* 0: none; then this is the child */
static volatile sig_atomic_t watched_signal;

static void on_watched_signal(int number)
{
    int error = errno;
    if (watched_child > 0) {
        (void)kill((pid_t)watched_child, watched_signal == 0 ? number : SIGKILL);
    }
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
static pid_t isolate_fork(void)
{
    sigset_t signals;
    sigset_t before;
    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGINT);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigprocmask(SIG_BLOCK, &signals, &before);
    pid_t child = fork();
    watched_child = child > 0 ? child : 0;
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
    return child;
}

enum isolate_end isolate_run(void (*function)(void *argument), void *argument)
{
    int *is_returned = isolate_shared(sizeof(*is_returned));
    fflush(NULL);
    pid_t parent = getpid();
    pid_t child = is_returned == NULL ? -1 : isolate_fork();
    if (child == 0) {
        isolate_child(parent, function, argument, is_returned);
    }
    if (child < 0) {
        isolate_release(is_returned, sizeof(*is_returned));
        return ISOLATE_FAILED;
    }
    int status = isolate_wait(child);
    watched_child = 0;
    bool has_returned = *is_returned == 1;
    isolate_release(is_returned, sizeof(*is_returned));
    if (!has_returned) {
        return ISOLATE_CRASHED;
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS ? ISOLATE_DONE : ISOLATE_FAILED;
}
