/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The far end of shadow-xl-migrate, between its connection and xl's receiver.
 * The domain stands still here until the last message from the near end; if
 * that does not come, xl's receiver destroys it, shadow-xend unbinds its guest,
 * and that goes back to where it came from.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xenstore.h>
#include "shadow-xl-migrate.h"

#define BIND_TRIES 600      /* of 100 ms */

struct far {
    struct ultracall_client client;
    struct xs_handle *xs;
    char tag[ULTRACALL_ID_MAX + 1];
    char name[SHADOW_NAME_MAX];
    char entry[SHADOW_PATH_MAX];
    bool had_entry;
    pid_t child;
    int to, from;           /* xl's receiver */
};

/* Tell the near end, in a line, why not. */
static bool far_refuse(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

static bool far_refuse(const char *format, ...)
{
    char line[WIRE_LINE_MAX];
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(line, sizeof(line) - 1, format, args);
    va_end(args);
    n = n < (int)sizeof(line) - 2 ? n : (int)sizeof(line) - 2;
    line[n] = '\n';
    wire_write(STDOUT_FILENO, line, n + 1);
    return false;
}

static bool far_ok(void)
{
    return wire_write(STDOUT_FILENO, "ok\n", 3);
}

static bool far_read_hello(struct far *f)
{
    char line[WIRE_LINE_MAX], *tag, *name;

    if (!wire_read_line(STDIN_FILENO, line, sizeof(line))) {
        return false;
    }
    if (strncmp(line, WIRE_HELLO, strlen(WIRE_HELLO))) {
        return far_refuse("another version of shadow-xl-migrate is here");
    }
    tag = line + strlen(WIRE_HELLO);
    name = strchr(tag, ' ');
    if (name) {
        *name++ = 0;
    }
    if (!name || !shadow_tag_valid(tag) || !shadow_name_valid(name)) {
        return far_refuse("what should come is no domain with a shadow");
    }
    memcpy(f->tag, tag, strlen(tag) + 1);
    memcpy(f->name, name, strlen(name) + 1);
    snprintf(f->entry, sizeof(f->entry), SHADOW_TABLE "/%s", f->name);
    return true;
}

static bool far_check_guest(struct far *f)
{
    int64_t state;

    if (!shadow_open(&f->client)) {
        return far_refuse("the ultracall device cannot be used there");
    }
    state = shadow_state(&f->client, f->tag, NULL);
    if (state == -ENOENT) {
        return far_refuse("its outer QEMU has no shadow-guest '%s'", f->tag);
    }
    if (state != ULTRACALL_INCOMING && state != ULTRACALL_GONE) {
        return far_refuse("shadow-guest '%s' does not wait for its state: give "
                          "the outer QEMU there -object shadow-guest,id=%s,"
                          "incoming=on,...", f->tag, f->tag);
    }
    return true;
}

/* A domain that has the name already would get the entry. */
static bool far_name_free(struct far *f)
{
    char path[64], name[SHADOW_NAME_MAX];
    unsigned n = 0;
    char **ids = xs_directory(f->xs, XBT_NULL, "/local/domain", &n);
    bool free_name = ids;

    for (unsigned i = 0; free_name && i < n; i++) {
        snprintf(path, sizeof(path), "/local/domain/%.16s/name", ids[i]);
        if (shadow_store_read(f->xs, path, name, sizeof(name)) &&
            !strncmp(name, f->name, strlen(f->name)) &&
            (!name[strlen(f->name)] ||
             !strcmp(name + strlen(f->name), SHADOW_INCOMING))) {
            free_name = false;
        }
    }
    free(ids);
    return free_name;
}

static bool xend_running(void)
{
    int fd = open(SHADOW_LOCK, O_RDWR | O_CLOEXEC);
    bool running = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB);

    if (fd >= 0) {
        close(fd);
    }
    return running;
}

/* shadow-xend binds the domain as soon as there is one. */
static bool far_await(struct far *f)
{
    char tag[sizeof(f->tag)];

    f->xs = xs_open(0);
    if (!f->xs) {
        return far_refuse("xenstore cannot be used there");
    }
    if (!xend_running()) {
        return far_refuse("shadow-xend does not run there");
    }
    if (!far_name_free(f)) {
        return far_refuse("there is a domain %s already", f->name);
    }
    f->had_entry = shadow_store_read(f->xs, f->entry, tag, sizeof(tag));
    if (f->had_entry && strcmp(tag, f->tag)) {
        return far_refuse("%s is for another shadow-guest there", f->entry);
    }
    return xs_write(f->xs, XBT_NULL, f->entry, f->tag, strlen(f->tag)) ||
           far_refuse("xenstore cannot be written to there");
}

static bool far_wait_bound(struct far *f)
{
    char path[SHADOW_PATH_MAX + 8], state[200] = "", name[SHADOW_NAME_MAX];
    unsigned domid;

    snprintf(path, sizeof(path), "%s/state", f->entry);
    for (unsigned i = 0; i < BIND_TRIES; i++) {
        if (shadow_store_read(f->xs, path, state, sizeof(state)) &&
            sscanf(state, "bound %u ", &domid) == 1) {
            char where[64];

            snprintf(where, sizeof(where), "/local/domain/%u/name", domid);
            if (shadow_store_read(f->xs, where, name, sizeof(name)) &&
                !strncmp(name, f->name, strlen(f->name)) &&
                !strcmp(name + strlen(f->name), SHADOW_INCOMING)) {
                return true;
            }
        }
        usleep(100000);
    }
    shadow_say("shadow-xend has not bound %s%s: %s", f->name, SHADOW_INCOMING,
               state);
    return false;
}

static bool far_restore(struct far *f)
{
    char line[WIRE_LINE_MAX];
    unsigned long long len;
    void *envelope;
    int64_t ret;

    if (!wire_read_line(STDIN_FILENO, line, sizeof(line))) {
        return false;
    }
    if (sscanf(line, "envelope %llu", &len) != 1 ||
        len > f->client.envelope_max) {
        len = 0;
    }
    envelope = len ? malloc(len) : NULL;
    if (!envelope) {
        return far_refuse("a sealed state of that size cannot be taken");
    }
    if (!wire_read(STDIN_FILENO, envelope, len)) {
        free(envelope);
        return false;
    }
    ret = shadow_call(&f->client, f->tag, ULTRACALL_RESTORE, 0, envelope, len,
                      NULL);
    free(envelope);
    if (ret) {
        return far_refuse("its outer QEMU does not take the state of '%s': %s",
                          f->tag, strerror(-ret));
    }
    /* Its interrupt lines are others now. */
    xs_write(f->xs, XBT_NULL, f->entry, f->tag, strlen(f->tag));
    return far_ok();
}

/* What the receiver has made of it; true: the domain runs here. */
static bool far_report(struct far *f)
{
    char status;

    if (!wire_pass(f->from, STDOUT_FILENO, XL_REPORT, sizeof(XL_REPORT)) ||
        !wire_read(f->from, &status, 1) ||
        !wire_write(STDOUT_FILENO, &status, 1)) {
        return false;
    }
    if (status) {
        wire_pass(f->from, STDOUT_FILENO, XL_GO, sizeof(XL_GO));
    }
    return !status;
}

static bool far_relay(struct far *f)
{
    return wire_pass(f->from, STDOUT_FILENO, XL_BANNER, strlen(XL_BANNER)) &&
           wire_relay(STDIN_FILENO, f->to, f->from) &&
           wire_pass(f->from, -1, XL_READY, sizeof(XL_READY)) &&
           far_wait_bound(f) &&
           wire_write(STDOUT_FILENO, XL_READY, sizeof(XL_READY)) &&
           far_restore(f) &&
           wire_pass(STDIN_FILENO, f->to, XL_GO, sizeof(XL_GO)) &&
           far_report(f);
}

/*
 * Its receiver has something to say also if nobody listens: it destroys the
 * domain only when it could say so.
 */
static void far_end(struct far *f)
{
    char buf[256];

    close(f->to);
    while (read(f->from, buf, sizeof(buf)) > 0) {
        continue;
    }
    while (waitpid(f->child, NULL, 0) < 0 && errno == EINTR) {
        continue;
    }
}

int migrate_receive(char *const command[])
{
    struct far f = { .to = -1 };
    bool ok;

    signal(SIGPIPE, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    if (!far_read_hello(&f) || !far_check_guest(&f) || !far_await(&f)) {
        return 1;
    }
    ok = far_ok() && wire_spawn(command, &f.child, &f.to, &f.from);
    if (ok) {
        ok = far_relay(&f);
        far_end(&f);
    }
    if (!ok && !f.had_entry) {
        xs_rm(f.xs, XBT_NULL, f.entry);
    }
    return ok ? 0 : 1;
}
