/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The command line: what all commands share.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "address.h"
#include "args.h"
#include "terminal.h"

void args_fail(int status, const char *format, ...)
{
    va_list ap;

    terminal_restore();
    va_start(ap, format);
    fputs("shadow-console: ", stderr);
    vfprintf(stderr, format, ap);
    fputc('\n', stderr);
    va_end(ap);
    exit(status);
}

static gboolean add_step(const char *name, const char *value, void *opaque,
                         GError **errp)
{
    Args *a = opaque;
    g_autofree char *text = g_strcompress(value);

    g_ptr_array_add(a->steps, g_strdup_printf(
        "%c%s", g_str_equal(name, "--send") ? 's' : 'e', text));
    return true;
}

static GOptionGroup *args_group(Args *a)
{
    const GOptionEntry entries[] = {
        { "hosts", 'H', 0, G_OPTION_ARG_FILENAME, &a->hosts_file,
          "Where the console may be: an address in each line", "FILE" },
        { "name", 'n', 0, G_OPTION_ARG_STRING, &a->user,
          "What others are told of who is there", "NAME" },
        { "wait", 'w', 0, G_OPTION_ARG_NONE, &a->wait,
          "Wait where no host can be reached yet", NULL },
        { "stay", 0, 0, G_OPTION_ARG_NONE, &a->stay,
          "Do not follow the guest, but end when it has moved", NULL },
        { "tls-ca", 0, 0, G_OPTION_ARG_FILENAME, &a->tls_ca,
          "tls: hosts are certified by one of these authorities", "FILE" },
        { "tls-cert", 0, 0, G_OPTION_ARG_FILENAME, &a->tls_cert,
          "tls: the user's certificate and its key", "FILE" },
        { "patience", 0, 0, G_OPTION_ARG_INT, &a->patience,
          "How long a host may be silent (20 seconds)", "SECONDS" },
        { "events", 0, 0, G_OPTION_ARG_FILENAME, &a->events,
          "Write what happens there, a JSON object in each line", "FILE" },
        { "read-only", 'r', 0, G_OPTION_ARG_NONE, &a->read_only,
          "attach: only watch, until the keyboard is asked for", NULL },
        { "force", 'f', 0, G_OPTION_ARG_NONE, &a->force,
          "attach, run: take the keyboard over from who has it", NULL },
        { "no-break", 0, 0, G_OPTION_ARG_NONE, &a->no_break,
          "attach: the escape for a break does nothing", NULL },
        { "no-title", 0, 0, G_OPTION_ARG_NONE, &a->no_title,
          "attach: leave the window's title alone", NULL },
        { "record", 0, 0, G_OPTION_ARG_FILENAME, &a->record_to,
          "attach, watch: record the session", "CAST" },
        { "input", 0, 0, G_OPTION_ARG_NONE, &a->input,
          "attach: and what is typed here, passwords too", NULL },
        { "from", 0, 0, G_OPTION_ARG_STRING, &a->from,
          "Output from this position on; or first, oldest, end", "POSITION" },
        { "last", 0, 0, G_OPTION_ARG_INT64, &a->last,
          "So much of the newest output", "BYTES" },
        { "key", 'k', 0, G_OPTION_ARG_FILENAME, &a->key,
          "recordings: sign with it, as ssh-keygen -Y sign does", "FILE" },
        { "after", 0, 0, G_OPTION_ARG_FILENAME, &a->after,
          "record: begin where this recording ends", "CAST" },
        { "signers", 's', 0, G_OPTION_ARG_FILENAME, &a->signers,
          "verify: who may have signed (ALLOWED SIGNERS of ssh-keygen)",
          "FILE" },
        { "principal", 0, 0, G_OPTION_ARG_STRING, &a->principal,
          "verify: and who it has to be", "NAME" },
        { "expect", 'e', 0, G_OPTION_ARG_CALLBACK, (void *)add_step,
          "run: wait for this text", "TEXT" },
        { "send", 't', 0, G_OPTION_ARG_CALLBACK, (void *)add_step,
          "run: then type this", "TEXT" },
        { "timeout", 0, 0, G_OPTION_ARG_INT, &a->timeout,
          "run: give up after so long", "SECONDS" },
        { G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &a->rest,
          NULL, NULL },
        { NULL }
    };
    GOptionGroup *group = g_option_group_new("main", "", "", a, NULL);

    g_option_group_add_entries(group, entries);
    return group;
}

/* A name that goes over the wire, made of what the user is called */
static void args_name(Args *a)
{
    const char *name = a->user ?: g_getenv("SHADOW_CONSOLE_USER") ?:
                       g_get_user_name();

    if (!shadow_wire_name_valid(name, strlen(name))) {
        args_fail(EXIT_USAGE, "a name is at most %d bytes of printable text",
                  SHADOW_WIRE_NAME_MAX);
    }
    name = g_strdup(name);
    g_free(a->user);
    a->user = (char *)name;
}

void args_read(Args *a, int argc, char **argv, const char *usage,
               const char *help, unsigned least, unsigned most, bool console)
{
    GOptionContext *context = g_option_context_new(usage);
    g_autoptr(GError) err = NULL;
    unsigned count;

    *a = (Args) { .patience = 20, .last = -1,
                  .steps = g_ptr_array_new_with_free_func(g_free) };
    g_option_context_set_main_group(context, args_group(a));
    g_option_context_set_description(context, help);
    if (!g_option_context_parse(context, &argc, &argv, &err)) {
        args_fail(EXIT_USAGE, "%s", err->message);
    }
    g_option_context_free(context);
    count = a->rest ? g_strv_length(a->rest) : 0;
    if (count < least || count > most) {
        args_fail(EXIT_USAGE, "usage: shadow-console %s", usage);
    }
    if (a->patience < 1 || a->patience > 3600 || a->timeout < 0) {
        args_fail(EXIT_USAGE, "a time in seconds is out of range");
    }
    if (a->input && !a->record_to) {
        args_fail(EXIT_USAGE, "--input is for attach --record: only there "
                  "is known what is typed");
    }
    if (!address_set_tls(a->tls_ca, a->tls_cert, &err)) {
        args_fail(EXIT_USAGE, "%s", err->message);
    }
    args_name(a);
    if (console && count) {
        a->hosts = address_hosts(a->rest[0], a->hosts_file, &err);
        if (!a->hosts) {
            args_fail(EXIT_USAGE, "%s", err->message);
        }
    }
}

static bool args_from(const char *from, SessionOptions *options)
{
    static const struct { const char *word; ShadowWireMode mode; } words[] = {
        { "first", SHADOW_WIRE_FROM_FIRST },
        { "oldest", SHADOW_WIRE_FROM_OLDEST },
        { "end", SHADOW_WIRE_FROM_END },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(words); i++) {
        if (g_str_equal(from, words[i].word)) {
            options->mode = words[i].mode;
            return true;
        }
    }
    options->mode = SHADOW_WIRE_FROM_POSITION;
    return g_ascii_string_to_unsigned(from, 10, 0, SHADOW_WIRE_POSITION_MAX,
                                      &options->count, NULL);
}

void args_session(const Args *a, SessionOptions *options,
                  ShadowWireMode otherwise)
{
    *options = (SessionOptions) {
        .hosts = a->hosts, .console = a->rest[0], .user = a->user,
        .patience = a->patience, .keyboard = !a->read_only, .force = a->force,
        .stay = a->stay,
        .wait = a->wait, .mode = otherwise };
    if (a->last >= 0) {
        options->mode = SHADOW_WIRE_FROM_LAST;
        options->count = a->last;
    }
    if (a->from && !args_from(a->from, options)) {
        args_fail(EXIT_USAGE, "%s: not a position, first, oldest or end",
                  a->from);
    }
}
