/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A connection to one door.
 *
 * The link lives as long as one of its asynchronous calls is under way; each
 * holds a reference.
 */
#include "address.h"
#include "link.h"

#define READ_SIZE 65536

struct Link {
    unsigned refs;
    bool closed;
    GIOStream *stream;          /* or NULL, until it is connected */
    GCancellable *cancel;
    ShadowWireReader reader;
    uint8_t in[READ_SIZE];
    GByteArray *queue, *writing;
    bool is_writing;
    ConsoleState *state;
    const LinkHandler *handler;
    void *opaque;
    guint timer;
    unsigned patience, silent;  /* seconds, ticks of half of them */
};

static Link *link_ref(Link *link)
{
    link->refs++;
    return link;
}

static void link_unref(Link *link)
{
    if (--link->refs) {
        return;
    }
    shadow_wire_reader_free(&link->reader);
    g_byte_array_unref(link->queue);
    g_byte_array_unref(link->writing);
    console_state_free(link->state);
    g_clear_object(&link->stream);
    g_object_unref(link->cancel);
    g_free(link);
}

static void link_end(Link *link)
{
    link->closed = true;
    g_clear_handle_id(&link->timer, g_source_remove);
    g_cancellable_cancel(link->cancel);
    if (link->stream) {
        address_disconnect(link->stream);
    }
}

void link_close(Link *link)
{
    if (link && !link->closed) {
        link_end(link);
        link_unref(link);
    }
}

static void link_fail(Link *link, const char *why)
{
    g_autofree char *said = NULL, *text = NULL;

    if (link->closed) {
        return;
    }
    said = link->stream ? address_complaint(link->stream) : NULL;
    text = console_printable(said && !link->state ? said : why);
    link_end(link);
    link->handler->closed(link, text, link->opaque);
    link_unref(link);
}

static void link_say_state(Link *link)
{
    link->handler->state(link, link->opaque);
}

static void link_hello(Link *link, const ShadowWireFrame *frame)
{
    const char *why;

    if (frame->type == SHADOW_WIRE_ERROR) {
        g_autofree char *text = shadow_wire_get_text(frame);

        link_fail(link, text);
        return;
    }
    if (frame->type != SHADOW_WIRE_HELLO) {
        link_fail(link, "this is not a door: it says no hello");
        return;
    }
    link->state = console_state_new(frame->payload, frame->len, &why);
    if (!link->state) {
        link_fail(link, why);
        return;
    }
    link_say_state(link);
}

static void link_frame(Link *link, const ShadowWireFrame *frame)
{
    g_autofree char *text = NULL;
    const char *why;

    if (!link->state) {
        link_hello(link, frame);
        return;
    }
    switch (frame->type) {
    case SHADOW_WIRE_HELLO:
        link_fail(link, "the door says hello once more");
        break;
    case SHADOW_WIRE_NOTICE:
        if (!console_state_update(link->state, frame->payload, frame->len,
                                  &why)) {
            link_fail(link, why);
        } else {
            link_say_state(link);
        }
        break;
    case SHADOW_WIRE_PING:
        break;
    case SHADOW_WIRE_ERROR:
        text = shadow_wire_get_text(frame);
        link_fail(link, text);
        break;
    default:
        link->handler->frame(link, frame, link->opaque);
    }
}

static void link_take(Link *link, size_t len)
{
    const uint8_t *buf = link->in;
    ShadowWireFrame frame;
    const char *why;

    while (!link->closed) {
        switch (shadow_wire_read(&link->reader, &buf, &len, &frame, &why)) {
        case SHADOW_WIRE_MORE:
            return;
        case SHADOW_WIRE_BAD:
            link_fail(link, why);
            return;
        case SHADOW_WIRE_FRAME:
            link_frame(link, &frame);
        }
    }
}

static void link_read(Link *link);

static void link_was_read(GObject *source, GAsyncResult *result, void *opaque)
{
    Link *link = opaque;
    g_autoptr(GError) err = NULL;
    gssize n = g_input_stream_read_finish(G_INPUT_STREAM(source), result,
                                          &err);

    if (link->closed) {
        link_unref(link);
        return;
    }
    link->silent = 0;
    if (n > 0) {
        link_take(link, n);
    } else {
        link_fail(link, err ? err->message : "the connection has ended");
    }
    if (!link->closed) {
        link_read(link);
    }
    link_unref(link);
}

static void link_read(Link *link)
{
    g_input_stream_read_async(g_io_stream_get_input_stream(link->stream),
                              link->in, READ_SIZE, G_PRIORITY_DEFAULT,
                              link->cancel, link_was_read, link_ref(link));
}

static void link_was_written(GObject *source, GAsyncResult *result,
                             void *opaque)
{
    Link *link = opaque;
    g_autoptr(GError) err = NULL;

    g_output_stream_write_all_finish(G_OUTPUT_STREAM(source), result, NULL,
                                     &err);
    link->is_writing = false;
    /* Of one that has failed, what was received before is still read. */
    if (!link->closed && !err) {
        g_byte_array_set_size(link->writing, 0);
        link_send(link);
        if (!link->is_writing && link->handler->sent) {
            link->handler->sent(link, link->opaque);
        }
    }
    link_unref(link);
}

void link_send(Link *link)
{
    GByteArray *swap = link->queue;

    if (link->closed || !link->stream || link->is_writing || !swap->len) {
        return;
    }
    link->queue = link->writing;
    link->writing = swap;
    link->is_writing = true;
    g_output_stream_write_all_async(
        g_io_stream_get_output_stream(link->stream), swap->data, swap->len,
        G_PRIORITY_DEFAULT, link->cancel, link_was_written, link_ref(link));
}

GByteArray *link_queue(Link *link)
{
    return link->queue;
}

size_t link_unsent(const Link *link)
{
    return link->queue->len + (link->is_writing ? link->writing->len : 0);
}

const ConsoleState *link_state(const Link *link)
{
    return link->state;
}

/* A ping after half of the time, and the end after all of it */
static gboolean link_tick(void *opaque)
{
    Link *link = opaque;

    if (++link->silent > 2) {
        link->timer = 0;
        link_fail(link, "it does not answer");
        return G_SOURCE_REMOVE;
    }
    if (link->state && !link->is_writing) {
        shadow_wire_put(link->queue, &(ShadowWireFrame) {
            .type = SHADOW_WIRE_PING });
        link_send(link);
    }
    return G_SOURCE_CONTINUE;
}

static void link_connected(GObject *source, GAsyncResult *result,
                           void *opaque)
{
    Link *link = opaque;
    g_autoptr(GError) err = NULL;
    GIOStream *stream = address_connect_finish(result, &err);

    if (link->closed) {
        g_clear_object(&stream);
    } else if (!stream) {
        link_fail(link, err->message);
    } else {
        link->stream = stream;
        link_send(link);
        link_read(link);
    }
    link_unref(link);
}

Link *link_open(const char *address, const char *console, const char *user,
                unsigned patience, const LinkHandler *handler, void *opaque)
{
    Link *link = g_new0(Link, 1);

    link->refs = 1;
    link->handler = handler;
    link->opaque = opaque;
    link->patience = patience;
    link->cancel = g_cancellable_new();
    link->queue = g_byte_array_new();
    link->writing = g_byte_array_new();
    shadow_wire_reader_init(&link->reader, SHADOW_WIRE_BY_DOOR);
    shadow_wire_put_hello(link->queue, user);
    /* After what has come has been read */
    link->timer = g_timeout_add_full(G_PRIORITY_LOW, patience * 500, link_tick,
                                     link, NULL);
    address_connect(address, console, link->cancel, link_connected,
                    link_ref(link));
    return link;
}
