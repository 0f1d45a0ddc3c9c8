/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An event loop for one user's connection.
 */
#include "qemu/osdep.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include "chardev/char-socket.h"
#include "qemu/main-loop.h"
#include "qemu/queue.h"
#include "shadow/hw/char/shadow-loop.h"

struct ShadowLoop {
    GMainContext *context;
    GArray *fds;                /* of GPollFD: what the kernel watches */
    QEMUBH *turn;
    QTAILQ_ENTRY(ShadowLoop) next;
};

static QTAILQ_HEAD(, ShadowLoop) shadow_loops =
    QTAILQ_HEAD_INITIALIZER(shadow_loops);
static int loop_epoll = -1;
/* by descriptor, the ShadowLoop that has it */
static GHashTable *loop_of_fd;

/*
 * A handshake is left to the main loop's own context: QEMU's TLS and websocket
 * channels take back what they have put into that one only.
 */
bool shadow_loop_suits(Chardev *chr)
{
    Object *obj = object_dynamic_cast(OBJECT(chr), TYPE_CHARDEV_SOCKET);
    SocketChardev *s = (SocketChardev *)obj;

    return s && s->is_listen && !s->tls_creds && !s->is_websock;
}

bool shadow_loop_breaks_early(Chardev *chr)
{
    Object *obj = object_dynamic_cast(OBJECT(chr), TYPE_CHARDEV_SOCKET);

    return obj && ((SocketChardev *)obj)->is_telnet;
}

/*
 * A descriptor that was closed is not watched any more, and may be in use
 * again, so the kernel must be told each time.
 */
static void loop_watch(ShadowLoop *loop, const GPollFD *fd)
{
    struct epoll_event event = { .events = fd->events, .data.fd = fd->fd };

    if (epoll_ctl(loop_epoll, EPOLL_CTL_MOD, fd->fd, &event) < 0) {
        epoll_ctl(loop_epoll, EPOLL_CTL_ADD, fd->fd, &event);
    }
    g_hash_table_insert(loop_of_fd, GINT_TO_POINTER(fd->fd), loop);
}

static void loop_unwatch(ShadowLoop *loop, int fd)
{
    gpointer key = GINT_TO_POINTER(fd);

    if (g_hash_table_lookup(loop_of_fd, key) == loop) {
        g_hash_table_remove(loop_of_fd, key);
        epoll_ctl(loop_epoll, EPOLL_CTL_DEL, fd, NULL);
    }
}

static bool loop_has(const GArray *fds, int fd)
{
    for (guint i = 0; i < fds->len; i++) {
        if (g_array_index(fds, GPollFD, i).fd == fd) {
            return true;
        }
    }
    return false;
}

/* What the loop waits for.  Returns whether there is nothing to wait for. */
static bool loop_ask(ShadowLoop *loop, GArray *fds)
{
    int priority, timeout, n;

    g_main_context_acquire(loop->context);
    g_main_context_prepare(loop->context, &priority);
    do {
        n = fds->len;
        g_array_set_size(fds, g_main_context_query(loop->context, INT_MAX,
                                                   &timeout,
                                                   (GPollFD *)fds->data, n));
    } while (fds->len > n);
    g_main_context_release(loop->context);
    return timeout == 0;
}

static void loop_update(ShadowLoop *loop)
{
    GArray *old = loop->fds;
    GArray *new = g_array_sized_new(false, true, sizeof(GPollFD), 4);

    if (loop_ask(loop, new)) {
        qemu_bh_schedule(loop->turn);
    }
    for (guint i = 0; i < old->len; i++) {
        int fd = g_array_index(old, GPollFD, i).fd;

        if (!loop_has(new, fd)) {
            loop_unwatch(loop, fd);
        }
    }
    for (guint i = 0; i < new->len; i++) {
        loop_watch(loop, &g_array_index(new, GPollFD, i));
    }
    g_array_unref(old);
    loop->fds = new;
}

static void loop_turn(void *opaque)
{
    ShadowLoop *loop = opaque;

    g_main_context_iteration(loop->context, false);
    loop_update(loop);
}

static void loop_epoll_ready(void *opaque);

/* Returns whether it was possible; if not, all is as it was. */
static bool loop_start_epoll(void)
{
    int fd = epoll_create1(EPOLL_CLOEXEC);

    if (fd < 0) {
        return false;
    }
    if (loop_epoll >= 0) {
        qemu_set_fd_handler(loop_epoll, NULL, NULL, NULL);
        close(loop_epoll);
    }
    loop_epoll = fd;
    qemu_set_fd_handler(fd, loop_epoll_ready, NULL, NULL);
    return true;
}

/*
 * The kernel watches an open file for as long as anyone has it, also when it
 * was closed here, and only a new epoll can do something about it.
 */
static void loop_restart_epoll(void)
{
    ShadowLoop *loop;

    if (loop_start_epoll()) {
        QTAILQ_FOREACH(loop, &shadow_loops, next) {
            loop_update(loop);
        }
    }
}

/* Each loop with something to do has one turn: the main loop does it so too. */
static void loop_epoll_ready(void *opaque)
{
    int max = g_hash_table_size(loop_of_fd) + 1;
    g_autofree struct epoll_event *events = g_new(struct epoll_event, max);
    int n = epoll_wait(loop_epoll, events, max, 0);

    for (int i = 0; i < n; i++) {
        if (!g_hash_table_contains(loop_of_fd,
                                   GINT_TO_POINTER(events[i].data.fd))) {
            loop_restart_epoll();
            return;
        }
    }
    for (int i = 0; i < n; i++) {
        ShadowLoop *loop =
            g_hash_table_lookup(loop_of_fd,
                                GINT_TO_POINTER(events[i].data.fd));

        if (loop) {
            loop_turn(loop);
        }
    }
}

/* A GMainContext needs a descriptor, and GLib aborts if there is none. */
static bool loop_possible(void)
{
    int fd = eventfd(0, EFD_CLOEXEC);

    if (fd < 0) {
        return false;
    }
    close(fd);
    return true;
}

ShadowLoop *shadow_loop_new(void)
{
    ShadowLoop *loop;

    if (!loop_of_fd) {
        loop_of_fd = g_hash_table_new(NULL, NULL);
    }
    if ((loop_epoll < 0 && !loop_start_epoll()) || !loop_possible()) {
        return NULL;
    }
    loop = g_new0(ShadowLoop, 1);
    loop->context = g_main_context_new();
    loop->fds = g_array_new(false, true, sizeof(GPollFD));
    loop->turn = qemu_bh_new(loop_turn, loop);
    QTAILQ_INSERT_TAIL(&shadow_loops, loop, next);
    loop_update(loop);
    return loop;
}

void shadow_loop_free(ShadowLoop *loop)
{
    for (guint i = 0; i < loop->fds->len; i++) {
        loop_unwatch(loop, g_array_index(loop->fds, GPollFD, i).fd);
    }
    QTAILQ_REMOVE(&shadow_loops, loop, next);
    qemu_bh_delete(loop->turn);
    g_array_unref(loop->fds);
    g_main_context_unref(loop->context);
    g_free(loop);
}

GMainContext *shadow_loop_context(ShadowLoop *loop)
{
    return loop->context;
}

void shadow_loop_kick(ShadowLoop *loop)
{
    qemu_bh_schedule(loop->turn);
}
