/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * door: the frames of a door of this host on standard input and output, for
 * a shadow-console elsewhere that comes by ssh.
 */
#include <gio/gunixinputstream.h>
#include <gio/gunixoutputstream.h>
#include <unistd.h>

#include "address.h"
#include "args.h"

typedef struct Door {
    GMainLoop *loop;
    int status;
} Door;

static void on_spliced(GObject *source, GAsyncResult *result, void *opaque)
{
    Door *d = opaque;

    g_io_stream_splice_finish(result, NULL);
    g_main_loop_quit(d->loop);
}

static void on_connected(GObject *source, GAsyncResult *result, void *opaque)
{
    Door *d = opaque;
    g_autoptr(GError) err = NULL;
    g_autoptr(GIOStream) door = address_connect_finish(result, &err);
    g_autoptr(GInputStream) in = g_unix_input_stream_new(STDIN_FILENO, false);
    g_autoptr(GOutputStream) out = g_unix_output_stream_new(STDOUT_FILENO,
                                                            false);
    g_autoptr(GIOStream) here = g_simple_io_stream_new(in, out);

    if (!door) {
        args_fail(EXIT_FAILED, "%s", err->message);
    }
    /* Where either side has ended there is no more to say. */
    g_io_stream_splice_async(here, door, G_IO_STREAM_SPLICE_CLOSE_STREAM1 |
                             G_IO_STREAM_SPLICE_CLOSE_STREAM2,
                             G_PRIORITY_DEFAULT, NULL, on_spliced, d);
}

int door_command(Args *args)
{
    Door d = { .loop = g_main_loop_new(NULL, false) };
    char **address = args->hosts;

    /* of this host: no third one */
    while (*address && address_is_ssh(*address)) {
        address++;
    }
    if (!*address) {
        args_fail(EXIT_USAGE, "%s: has no door here", args->rest[0]);
    }
    address_connect(*address, args->rest[0], NULL, on_connected, &d);
    g_main_loop_run(d.loop);
    return d.status;
}
