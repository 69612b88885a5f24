/*
 * The commands of `lastbyte`: one function each, in a file of its own, and a row of the table in
 * main.c.
 */
#ifndef LASTBYTE_TOOLS_COMMAND_H
#define LASTBYTE_TOOLS_COMMAND_H

/* Exit codes, the same for every command. A command that meets several returns the gravest. */
enum exit_code {
    EXIT_AS_EXPECTED = 0,
    EXIT_UNEXPECTED = 1,     /* a case failed, a finding was made */
    EXIT_USAGE = 2,          /* usage, bad input, or nothing selected */
    EXIT_RIG = 3,            /* the rig failed: a file could not be written, a child not started */
    EXIT_NONDETERMINISM = 4, /* the same case and schedule gave two traces */
    EXIT_SKIPPED = 77,       /* every case that ran was skipped */
    EXIT_INTERRUPTED = 130,  /* SIGINT ended a long command, and nothing graver was seen */
    EXIT_TERMINATED = 143,   /* likewise SIGTERM */
};

/* command_worse: the graver of two exit codes: rig, nondeterminism, unexpected, usage, the rest. */
enum exit_code command_worse(enum exit_code a, enum exit_code b);

/* command_ended: the graver of `code` and that of the signal, SIGINT or SIGTERM, which ended a long
 * command; 0: none did. */
enum exit_code command_ended(enum exit_code code, int signal);

/* A command: argv[0] is its name. Returns an exit code. */
typedef enum exit_code command_fn(int argc, char **argv);

command_fn command_check;
command_fn command_decode;
command_fn command_encode;
command_fn command_explore;
command_fn command_faults;
command_fn command_fmt;
command_fn command_fuzz;
command_fn command_get;
command_fn command_list;
command_fn command_minimize;
command_fn command_new;
command_fn command_refine;
command_fn command_replay;
command_fn command_run;
command_fn command_triage;

#endif
