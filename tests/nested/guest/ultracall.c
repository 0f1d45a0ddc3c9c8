/*
 * One ultracall, as root of the cloud VM; prints what it returned.
 *
 *     ultracall [--once] CALL GUEST [FILE]
 *
 * CALL is unbind, reset, state-size, save, restore, commit, abort or query; or
 * history or rest, which are save with a flag.  FILE takes the envelope
 * of save, and has the one for restore.  With --once, save is not called again
 * while input is being taken in.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>
#define ULTRACALL_CLIENT
#include "ultracall.h"

static const char *const call_names[] = {
    [ULTRACALL_UNBIND] = "unbind",   [ULTRACALL_RESET] = "reset",
    [ULTRACALL_SAVE] = "save",       [ULTRACALL_STATE_SIZE] = "state-size",
    [ULTRACALL_RESTORE] = "restore", [ULTRACALL_COMMIT] = "commit",
    [ULTRACALL_ABORT] = "abort",     [ULTRACALL_QUERY] = "query",
};
#define N_CALLS (sizeof(call_names) / sizeof(call_names[0]))

static const char *const state_names[] = {
    [ULTRACALL_ACTIVE] = "active",     [ULTRACALL_FROZEN] = "frozen",
    [ULTRACALL_GONE] = "gone",         [ULTRACALL_INCOMING] = "incoming",
    [ULTRACALL_RESTORED] = "restored",
};
#define N_STATES (sizeof(state_names) / sizeof(state_names[0]))

static const struct {
    const char *name;
    uint64_t flags;
} saves[] = {
    { "history", ULTRACALL_SAVE_HISTORY },
    { "rest", ULTRACALL_SAVE_REST },
};

static struct ultracall_client client;
static const char *guest;
static uint64_t flags;

static void fail(const char *what)
{
    perror(what);
    exit(2);
}

static int64_t call(uint32_t nr, void *buf, size_t len, uint64_t *value)
{
    return ultracall(&client, nr, (uintptr_t)guest, strlen(guest),
                     (uintptr_t)buf, len, nr == ULTRACALL_SAVE ? flags : 0,
                     value);
}

static uint32_t call_number(const char *name)
{
    for (size_t i = 0; i < sizeof(saves) / sizeof(saves[0]); i++) {
        if (!strcmp(saves[i].name, name)) {
            flags = saves[i].flags;
            return ULTRACALL_SAVE;
        }
    }
    for (uint32_t nr = 0; nr < N_CALLS; nr++) {
        if (call_names[nr] && !strcmp(call_names[nr], name)) {
            return nr;
        }
    }
    fprintf(stderr, "ultracall: there is no call %s\n", name);
    exit(2);
}

static int64_t save(const char *path, bool once, uint64_t *value)
{
    int64_t ret = call(ULTRACALL_STATE_SIZE, NULL, 0, value);
    size_t size = *value;
    uint8_t *envelope;
    FILE *f;

    if (ret) {
        return ret;
    }
    envelope = malloc(size);
    if (!envelope) {
        fail("ultracall");
    }
    memset(envelope, 0, size); /* by doorbell, it must be there already */
    while ((ret = call(ULTRACALL_SAVE, envelope, size, value)) == -EAGAIN &&
           !once) {
        usleep(100);
    }
    if (!ret) {
        f = fopen(path, "w");
        if (!f || fwrite(envelope, *value, 1, f) != 1 || fclose(f)) {
            fail(path);
        }
    }
    free(envelope);
    return ret;
}

static int64_t restore(const char *path, uint64_t *value)
{
    uint8_t *envelope = malloc(client.envelope_max);
    FILE *f = fopen(path, "r");
    int64_t ret;
    size_t size;

    if (!envelope || !f) {
        fail(path);
    }
    size = fread(envelope, 1, client.envelope_max, f);
    fclose(f);
    ret = call(ULTRACALL_RESTORE, envelope, size, value);
    free(envelope);
    return ret;
}

static int64_t query(uint64_t *value)
{
    struct {
        struct ultracall_guest guest;
        struct ultracall_device device[ULTRACALL_DEVICES_MAX];
    } reply = { 0 };
    int64_t ret = call(ULTRACALL_QUERY, &reply, sizeof(reply), value);

    if (!ret) {
        printf("%s, epoch %llu, %u devices: ",
               reply.guest.state < N_STATES ? state_names[reply.guest.state]
                                            : "unknown",
               (unsigned long long)reply.guest.epoch, reply.guest.devices);
    }
    return ret;
}

int main(int argc, char **argv)
{
    bool once = argc > 1 && !strcmp(argv[1], "--once");
    uint64_t value = 0;
    const char *path;
    uint32_t nr;
    int64_t ret;

    argc -= once;
    argv += once;
    if (argc < 3 || argc > 4) {
        fprintf(stderr, "usage: ultracall [--once] CALL GUEST [FILE]\n");
        return 2;
    }
    nr = call_number(argv[1]);
    guest = argv[2];
    path = argc > 3 ? argv[3] : "/dev/null";
    errno = -ultracall_open(&client);
    if (errno) {
        fail("ultracall");
    }
    switch (nr) {
    case ULTRACALL_SAVE:
        ret = save(path, once, &value);
        break;
    case ULTRACALL_RESTORE:
        ret = restore(path, &value);
        break;
    case ULTRACALL_QUERY:
        ret = query(&value);
        break;
    default:
        ret = call(nr, NULL, 0, &value);
        break;
    }
    printf("%ld %s\n", (long)ret, strerror(-ret));
    return ret ? 1 : 0;
}
