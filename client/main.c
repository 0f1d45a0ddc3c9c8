/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * shadow-console: the consoles of shadow guests, for people and programs.
 */
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "args.h"

typedef struct CommandEntry {
    const char *name, *usage, *summary;
    Command *run;
    unsigned least, most;
    bool console;
} CommandEntry;

static const CommandEntry commands[] = {
    { "attach", "CONSOLE", "sit at the console; Ctrl-] ? for help",
      attach_command, 1, 1, true },
    { "watch", "CONSOLE", "see what is on it, and never type",
      watch_command, 1, 1, true },
    { "log", "CONSOLE", "print what it has written (--from, --last)",
      log_command, 1, 1, true },
    { "record", "CONSOLE CAST", "record it, signed, as asciinema plays it",
      record_command, 2, 2, true },
    { "verify", "CAST...", "check recordings, and that they join",
      verify_command, 1, 1000, false },
    { "list", "CONSOLE", "what each host says of it", list_command, 1, 1,
      true },
    { "run", "CONSOLE", "for programs: --expect, --send, or a pipe",
      run_command, 1, 1, true },
    { "door", "CONSOLE", "the frames of this host's door, for ssh",
      door_command, 1, 1, true },
};

static const char common_help[] =
    "CONSOLE is an address, or a name: that of a file of addresses in\n"
    "~/.config/shadow-console or /etc/shadow-console, or given by --hosts.\n"
    "An address is unix:PATH, tcp:HOST:PORT, or ssh:HOST, where\n"
    "\"shadow-console door CONSOLE\" is run.  The guest is followed from one\n"
    "of them to another.\n\n"
    "Status: 0 all good, 1 failed, 2 wrong use, 3 out of time.";

static void usage(FILE *out)
{
    fputs("usage: shadow-console COMMAND [OPTION...] ARGUMENT...\n\n", out);
    for (unsigned i = 0; i < G_N_ELEMENTS(commands); i++) {
        fprintf(out, "  %-7s%-14s%s\n", commands[i].name, commands[i].usage,
                commands[i].summary);
    }
    fprintf(out, "\n%s\n\nshadow-console COMMAND --help has the options.\n",
            common_help);
}

static int run(const CommandEntry *command, int argc, char **argv)
{
    Args args;

    args_read(&args, argc - 1, argv + 1, command->usage, common_help,
              command->least, command->most, command->console);
    return command->run(&args);
}

int main(int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : "";

    setlocale(LC_ALL, "");
    signal(SIGPIPE, SIG_IGN);
    for (unsigned i = 0; i < G_N_ELEMENTS(commands); i++) {
        if (g_str_equal(word, commands[i].name)) {
            return run(&commands[i], argc, argv);
        }
    }
    if (g_str_equal(word, "help") || g_str_equal(word, "--help") ||
        g_str_equal(word, "-h")) {
        usage(stdout);
        return EXIT_GOOD;
    }
    usage(stderr);
    return EXIT_USAGE;
}
