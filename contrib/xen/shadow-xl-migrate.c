/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * shadow-xl-migrate: the program between "xl migrate -s ''" and the other
 * host.  It passes on what xl and its receiver say, and brings the sealed
 * state of the domain's shadow guest along when the domain stands still on
 * both hosts.
 *
 * The console is frozen from SAVE until it is known who has the domain.  Until
 * xl has said "you are cleared to unpause", and that has been passed on, the
 * domain can run only here: whatever ends then, ABORT gives the console back,
 * before xl, which waits for this program's end, lets the domain go on.  After
 * it the domain may run there, and only the receiver's report tells.  Two
 * processes see to that: one that relays, and one that waits for its end.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xenstore.h>
#include "shadow-xl-migrate.h"

#define SAVE_TRIES      100000      /* of 100 us */
#define END_TRIES       60          /* of a second */

static const char usage[] =
    "usage: xl migrate -s '' DOMAIN 'shadow-xl-migrate DOMAIN HOST'\n"
    "       xl migrate -s '' DOMAIN \\\n"
    "           'shadow-xl-migrate DOMAIN --command COMMAND'\n"
    "       shadow-xl-migrate --receive [RECEIVER...]\n"
    "       shadow-xl-migrate --abort GUEST | --commit GUEST\n"
    "\n"
    "Migrates a domain together with its shadow console (shadow-xend\n"
    "--help).  For HOST \"ssh HOST shadow-xl-migrate --receive\" is run, or\n"
    "else COMMAND, which has to lead to the same; RECEIVER is \"xl\n"
    "migrate-receive\" if it is not given.\n"
    "\n"
    "Where xl says that the domain's state is undefined, the console of its\n"
    "shadow-guest GUEST stays frozen.  Look where the domain runs: if at the\n"
    "other host, say --commit here; if nowhere, destroy it there, say\n"
    "--abort here, and let it go on.\n";

enum phase {
    PHASE_ACTIVE,       /* nothing has happened yet, or all is over */
    PHASE_FROZEN,       /* the domain can run only here */
    PHASE_GOING,        /* the other host may let it run */
};

struct near {
    struct ultracall_client client;
    const char *name;
    char tag[ULTRACALL_ID_MAX + 2];
    char *const *command;
    volatile enum phase *phase;     /* both processes' */
    pid_t child;
    int to, from;                   /* the other host */
};

bool migrate_end(const struct ultracall_client *c, const char *tag,
                 uint32_t nr)
{
    const char *name = nr == ULTRACALL_COMMIT ? "commit" : "abort";
    int64_t ret = 0;

    for (unsigned i = 0; i < END_TRIES; i++) {
        ret = shadow_call(c, tag, nr, 0, NULL, 0, NULL);
        if (!ret || ret == -EALREADY) {
            return true;
        }
        shadow_say("'%s': %s: %s", tag, name, strerror(-ret));
        if (ret != -EIO) {
            return false;
        }
        sleep(1);
    }
    return false;
}

void *migrate_save(const struct ultracall_client *c, const char *tag,
                   uint64_t *len)
{
    int64_t ret = shadow_call(c, tag, ULTRACALL_STATE_SIZE, 0, NULL, 0, len);
    uint64_t size = *len;
    void *envelope = NULL;

    if (!ret) {
        envelope = size <= c->envelope_max ? calloc(1, size) : NULL;
        ret = envelope ? -EAGAIN : -ENOMEM;
    }
    for (unsigned i = 0; envelope && ret == -EAGAIN && i < SAVE_TRIES; i++) {
        ret = shadow_call(c, tag, ULTRACALL_SAVE, 0, envelope, size, len);
        if (ret == -EAGAIN) {
            usleep(100);
        }
    }
    if (ret || *len > size) {
        shadow_say("'%s': save: %s", tag, strerror(ret ? -ret : EPROTO));
        free(envelope);
        return NULL;
    }
    return envelope;
}

/* The domain stands still here, and is complete there. */
static bool near_send_state(struct near *n)
{
    char line[64];
    uint64_t len;
    void *envelope;
    bool ok;

    *n->phase = PHASE_FROZEN;
    envelope = migrate_save(&n->client, n->tag, &len);
    if (!envelope) {
        return false;
    }
    snprintf(line, sizeof(line), "envelope %llu\n", (unsigned long long)len);
    ok = wire_write(n->to, line, strlen(line)) &&
         wire_write(n->to, envelope, len) && wire_read_ok(n->from);
    free(envelope);
    return ok;
}

/* Here it is over: its entry would be for another domain of that name. */
static bool near_commit(struct near *n)
{
    char path[SHADOW_PATH_MAX];
    struct xs_handle *xs;

    if (!migrate_end(&n->client, n->tag, ULTRACALL_COMMIT)) {
        return false;
    }
    *n->phase = PHASE_ACTIVE;
    xs = xs_open(0);
    snprintf(path, sizeof(path), SHADOW_TABLE "/%s", n->name);
    if (xs) {
        xs_rm(xs, XBT_NULL, path);
        xs_close(xs);
    }
    return true;
}

/* What the other host has made of it, before xl gets to know it. */
static bool near_report(struct near *n)
{
    char status;

    if (!wire_pass(n->from, -1, XL_REPORT, sizeof(XL_REPORT)) ||
        !wire_read(n->from, &status, 1)) {
        return false;
    }
    if (!status && !near_commit(n)) {
        return false;
    }
    if (!wire_write(STDOUT_FILENO, XL_REPORT, sizeof(XL_REPORT)) ||
        !wire_write(STDOUT_FILENO, &status, 1)) {
        return false;
    }
    if (!status) {
        return true;
    }
    /* It has destroyed its copy when it says this. */
    if (wire_pass(n->from, -1, XL_GO, sizeof(XL_GO))) {
        *n->phase = PHASE_FROZEN;
        if (migrate_end(&n->client, n->tag, ULTRACALL_ABORT)) {
            *n->phase = PHASE_ACTIVE;
            wire_write(STDOUT_FILENO, XL_GO, sizeof(XL_GO));
        }
    }
    return false;
}

/*
 * From the first byte of it on nobody here knows who has the domain.  It is
 * too short for a pipe to take a part of it.
 */
static bool near_go(struct near *n)
{
    wire_watch[2] = n->from;
    if (!wire_pass(STDIN_FILENO, -1, XL_GO, sizeof(XL_GO))) {
        return false;
    }
    for (unsigned i = 0; i < WIRE_WATCH_MAX; i++) {
        wire_watch[i] = -1;
    }
    *n->phase = PHASE_GOING;
    if (!wire_write(n->to, XL_GO, sizeof(XL_GO))) {
        *n->phase = PHASE_FROZEN;
        return false;
    }
    return true;
}

static bool near_relay(struct near *n)
{
    char hello[WIRE_LINE_MAX];

    snprintf(hello, sizeof(hello), WIRE_HELLO "%s %s\n", n->tag, n->name);
    return wire_spawn(n->command, &n->child, &n->to, &n->from) &&
           wire_write(n->to, hello, strlen(hello)) && wire_read_ok(n->from) &&
           wire_pass(n->from, STDOUT_FILENO, XL_BANNER, strlen(XL_BANNER)) &&
           wire_relay(STDIN_FILENO, n->to, n->from) &&
           wire_pass(n->from, -1, XL_READY, sizeof(XL_READY)) &&
           near_send_state(n) &&
           wire_write(STDOUT_FILENO, XL_READY, sizeof(XL_READY)) &&
           near_go(n) && near_report(n);
}

/* Whoever is left does it. */
static int near_finish(struct near *n, bool ok)
{
    switch (*n->phase) {
    case PHASE_FROZEN:
        migrate_end(&n->client, n->tag, ULTRACALL_ABORT);
        *n->phase = PHASE_ACTIVE;
        break;
    case PHASE_GOING:
        shadow_say("it is not known whether the domain runs at the other "
                   "host; the console of '%s' stays frozen here: look, and "
                   "say shadow-xl-migrate --commit or --abort %s", n->tag,
                   n->tag);
        break;
    default:
        break;
    }
    return ok ? 0 : 1;
}

/*
 * Two processes: the child relays, and ends if the other one does; the parent,
 * which xl waits for, cleans up if the child was killed.
 */
static int near_run(struct near *n)
{
    int life[2], status = 0;
    pid_t worker;

    signal(SIGPIPE, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    n->phase = mmap(NULL, sizeof(*n->phase), PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (n->phase == MAP_FAILED || pipe2(life, O_CLOEXEC)) {
        shadow_say("%s", strerror(errno));
        return 1;
    }
    worker = fork();
    if (worker < 0) {
        shadow_say("fork: %s", strerror(errno));
        return 1;
    }
    if (!worker) {
        close(life[1]);
        wire_watch[0] = life[0];
        wire_watch[1] = STDIN_FILENO;
        _exit(near_finish(n, near_relay(n)));
    }
    close(life[0]);
    /* Only the worker is to keep the connections open. */
    close(STDIN_FILENO);
    close(STDOUT_FILENO);
    while (waitpid(worker, &status, 0) < 0 && errno == EINTR) {
        continue;
    }
    if (WIFEXITED(status)) {
        return WEXITSTATUS(status);
    }
    return near_finish(n, false);
}

static bool near_check(struct near *n)
{
    char path[SHADOW_PATH_MAX];
    struct xs_handle *xs = xs_open(0);
    unsigned flags;
    bool found;

    if (!xs || !shadow_name_valid(n->name)) {
        shadow_say(xs ? "'%s' is no domain's name" : "no access to xenstore",
                   n->name);
        return false;
    }
    snprintf(path, sizeof(path), SHADOW_TABLE "/%s", n->name);
    found = shadow_store_read(xs, path, n->tag, sizeof(n->tag)) &&
            shadow_tag_valid(n->tag);
    xs_close(xs);
    if (!found) {
        shadow_say("%s has no shadow (xenstore has no %s): migrate it "
                   "without me", n->name, path);
        return false;
    }
    if (!shadow_open(&n->client)) {
        return false;
    }
    if (shadow_state(&n->client, n->tag, &flags) != ULTRACALL_ACTIVE ||
        !(flags & (ULTRACALL_GUEST_BOUND | ULTRACALL_GUEST_CLAIMED))) {
        shadow_say("the shadow-guest '%s' is not active here, or not bound "
                   "to %s: see xenstore-read %s/state", n->tag, n->name, path);
        return false;
    }
    return true;
}

/* Returns -1 if that is not what was asked for. */
static int by_hand(const char *option, const char *tag)
{
    bool commit = !strcmp(option, "--commit");
    struct ultracall_client client;

    if ((!commit && strcmp(option, "--abort")) || !shadow_tag_valid(tag)) {
        return -1;
    }
    return !shadow_open(&client) ||
           !migrate_end(&client, tag, commit ? ULTRACALL_COMMIT
                                             : ULTRACALL_ABORT);
}

int main(int argc, char **argv)
{
    static char *xl[] = { "xl", "migrate-receive", NULL };
    char *ssh[] = { "ssh", NULL, "shadow-xl-migrate", "--receive", NULL };
    char *sh[] = { "sh", "-c", NULL, NULL };
    struct near n = { .command = ssh };

    if (argc == 2 && !strcmp(argv[1], "--help")) {
        fputs(usage, stdout);
        return 0;
    }
    if (argc >= 2 && !strcmp(argv[1], "--receive")) {
        return migrate_receive(argc > 2 ? argv + 2 : xl);
    }
    if (argc == 3) {
        int ret = by_hand(argv[1], argv[2]);

        if (ret >= 0) {
            return ret;
        }
    }
    if (argc == 4 && argv[1][0] != '-' && !strcmp(argv[2], "--command")) {
        sh[2] = argv[3];
        n.command = sh;
    } else if (argc != 3 || argv[1][0] == '-' || argv[2][0] == '-') {
        fputs(usage, stderr);
        return 2;
    }
    ssh[1] = argv[2];
    n.name = argv[1];
    return near_check(&n) ? near_run(&n) : 1;
}
