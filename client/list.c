/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * list: what each host says of a console.
 */
#include <stdio.h>

#include "args.h"

typedef struct List {
    GMainLoop *loop;
    unsigned left, good;
} List;

typedef struct Listed {
    List *list;
    const char *address;
} Listed;

static void list_done(Listed *l)
{
    if (!--l->list->left) {
        g_main_loop_quit(l->list->loop);
    }
}

static void list_who(const ConsoleState *s)
{
    for (unsigned i = 0; i < s->clients->len; i++) {
        ConsoleWho *who = g_ptr_array_index(s->clients, i);
        g_autofree char *text = console_who_text(who);

        if (who->client != s->client) {
            printf("    %s, %s%s\n", text, who->role,
                   s->writer && s->writer->client == who->client ?
                   ", has the keyboard" : "");
        }
    }
}

static void list_state(Link *link, void *opaque)
{
    Listed *l = opaque;
    const ConsoleState *s = link_state(link);

    printf("%s: %s/%s%s%s: %s%s, %s, epoch %" PRIu64 ", life %.8s, "
           "role %s\n", l->address, s->guest, s->device, s->host ? " at " : "",
           s->host ?: "", s->state, s->attached ? "" : " (not attached)",
           s->protection, s->epoch, s->life, s->role);
    printf("    output %" PRIu64 " (held from %" PRIu64 ", first %" PRIu64
           "), input %" PRIu64 " (taken %" PRIu64 "), breaks %" PRIu64 "%s\n",
           s->output_end, s->output_start, s->first, s->accepted, s->taken,
           s->breaks, s->input_enabled ? "" : ", input is off");
    list_who(s);
    l->list->good++;
    link_close(link);
    list_done(l);
}

static void list_frame(Link *link, const ShadowWireFrame *frame, void *opaque)
{
}

static void list_closed(Link *link, const char *why, void *opaque)
{
    Listed *l = opaque;

    printf("%s: %s\n", l->address, why);
    list_done(l);
}

static const LinkHandler list_handler = {
    .state = list_state,
    .frame = list_frame,
    .closed = list_closed,
};

int list_command(Args *args)
{
    List list = { .loop = g_main_loop_new(NULL, false),
                  .left = g_strv_length(args->hosts) };
    unsigned count = list.left;

    for (unsigned i = 0; i < count; i++) {
        Listed *l = g_new(Listed, 1);

        *l = (Listed) { &list, args->hosts[i] };
        link_open(l->address, args->rest[0], args->user, args->patience,
                  &list_handler, l);
    }
    g_main_loop_run(list.loop);
    return list.good ? EXIT_GOOD : EXIT_FAILED;
}
