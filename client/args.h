/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The command line: what all commands share.
 */
#ifndef CONSOLE_ARGS_H
#define CONSOLE_ARGS_H

#include "session.h"

enum { EXIT_GOOD = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_TIMEOUT = 3 };

typedef struct Args {
    char *hosts_file, *user, *events, *escape, *tls_ca, *tls_cert;
    int patience;               /* seconds */
    gboolean wait, stay, read_only, no_break, force, no_title;
    gboolean watch;             /* and never type */
    char *record_to;            /* attach, watch: a recording, or NULL */
    gboolean input;             /* and in it what is typed here */
    /* where output begins: */
    char *from;                 /* a position, "first", "oldest" or "end" */
    gint64 last;                /* bytes, or -1 */
    /* record, verify: */
    char *key, *signers, *after, *principal;
    /* run: */
    int timeout;                /* seconds, or 0 */
    GPtrArray *steps;           /* "s" or "e" and a text */
    /* what is not an option: */
    GStrv rest;
    GStrv hosts;                /* of the console, rest[0] */
} Args;

typedef int Command(Args *args);

/*
 * Read options and what they need; ends the program if they are wrong.
 * @usage: of what is no option; @consoles: how many of rest[] must be there,
 * the first of which is a console if @console is set.
 */
void args_read(Args *a, int argc, char **argv, const char *usage,
               const char *help, unsigned least, unsigned most, bool console);

/* What a session is told of them, with output from @otherwise on */
void args_session(const Args *a, SessionOptions *options,
                  ShadowWireMode otherwise);

/* End the program with a message. */
G_NORETURN void args_fail(int status, const char *format, ...)
    G_GNUC_PRINTF(2, 3);

/* The commands, one a file */
Command attach_command, watch_command, log_command, record_command,
        verify_command, list_command, run_command, door_command;

#endif /* CONSOLE_ARGS_H */
