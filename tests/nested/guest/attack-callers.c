/*
 * Who may make ultracalls, and what many callers at once may do.
 *
 *     attack-callers rights GUEST          who may call at all
 *     attack-callers hammer GUEST OTHER N  N calls of each of three threads,
 * while the user VM of GUEST runs; OTHER has none attack-callers nested GUEST
 * as root of a user VM: none may
 *
 * Each check is one line, PASS or FAIL; the exit status is non-zero after a
 * FAIL.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "attack-rights.h"
#include <pthread.h>

#define KVM_HYPERCALL 1 /* one that KVM knows, and refuses to user mode */

static const char *guest;

static void as_user(void)
{
    ioperm(doorbell, ULTRACALL_BAR_SIZE, 0);
    if (setgid(USER) || setuid(USER)) {
        check(false, NULL, "setuid");
        return;
    }
    check(ioperm(doorbell, ULTRACALL_BAR_SIZE, 1) < 0, NULL,
          "a user cannot get the permission");
    check_may_not("a user");
}

static void as_user_with_permission(void)
{
    if (setgid(USER) || setuid(USER)) {
        check(false, NULL, "setuid");
        return;
    }
    check_may("a user's process with the permission");
}

static void as_root_without_permission(void)
{
    ioperm(doorbell, ULTRACALL_BAR_SIZE, 0);
    check_may_not("root without the permission");
}

static void as_root_with_some_ports(void)
{
    for (unsigned missing = 0; missing < 4; missing++) {
        ioperm(doorbell, ULTRACALL_BAR_SIZE, 1);
        ioperm(doorbell + missing, 1, 0);
        check_may_not("root without one port of the doorbell");
    }
}

static void as_root_with_iopl(void)
{
    ioperm(doorbell, ULTRACALL_BAR_SIZE, 0);
    if (iopl(3)) {
        check(false, NULL, "iopl: %s", strerror(errno));
        return;
    }
    check_may("root with iopl");
    iopl(0);
    check_may_not("root after iopl");
}

/* Another process's permission is not ours, however they take turns. */
static void beside_root(void)
{
    struct ultracall_probe reply;
    unsigned wrong = 0;
    pid_t child = fork();

    if (child == 0) {
        for (;;) {
            probe(VMMCALL);
        }
    }
    ioperm(doorbell, ULTRACALL_BAR_SIZE, 0);
    for (unsigned i = 0; i < 200000; i++) {
        Outcome o = attack_tagged(VMMCALL, ULTRACALL_PROBE, NULL,
                                  (uintptr_t)&reply, sizeof(reply), 0);

        wrong += !refused(&o);
    }
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    check(!wrong, NULL,
          "beside a caller with the permission: %u calls went through", wrong);
}

/*
 * A kernel-mode caller needs a module, and so the kernel's headers.  Without
 * them, the kernel's own code for a user's write to the BAR has our number in
 * RAX, but nothing of ours in the other registers: only that L0 and L1 live is
 * to be seen.
 */
static void through_kernel(void)
{
    struct ultracall_client client;
    uint32_t rax = ULTRACALL_MAGIC | 0xff;
    char path[400];
    int fd, i;

    if (ultracall_open(&client)) {
        check(false, NULL, "no ultracalls");
        return;
    }
    snprintf(path, sizeof(path), "%s/resource%d", client.sysfs, ULTRACALL_BAR);
    fd = open(path, O_RDWR);
    for (i = 0; fd >= 0 && i < 100; i++) {
        pwrite(fd, &rax, sizeof(rax), 0);
    }
    check(i == 100, NULL, "the kernel rings the doorbell");
    close(fd);
    fd = open("/dev/port", O_RDWR);
    check(fd >= 0 && pwrite(fd, &rax, sizeof(rax), doorbell) == sizeof(rax),
          NULL, "the kernel writes single bytes there");
    close(fd);
}

static void attack_rights(void)
{
    check_may("root");
    in_child(as_user);
    in_child(as_user_with_permission);
    in_child(as_root_without_permission);
    in_child(as_root_with_some_ports);
    in_child(as_root_with_iopl);
    in_child(beside_root);
    in_child(through_kernel);
    check_may("root afterwards");
}

/* Many at once */

static const char *other;
static unsigned long rounds;
static uint8_t *moving; /* its pages come and go */
static size_t moving_len;
/* volatile: another thread sets it */
static volatile bool hammer_done;

typedef struct Hammer {
    pthread_t thread;
    uint64_t random;
    unsigned long status[2]; /* calls that returned, and that got a signal */
} Hammer;

static uint64_t hammer_random(Hammer *h)
{
    h->random ^= h->random << 13;
    h->random ^= h->random >> 7;
    h->random ^= h->random << 17;
    return h->random;
}

static uint64_t hammer_address(Hammer *h)
{
    uint64_t r = hammer_random(h);

    switch (r & 7) {
    case 0:
        return r;
    case 1:
        return 0xffff888000000000 + (r >> 32);
    default:
        return (uintptr_t)moving + (r >> 8) % moving_len;
    }
}

/*
 * The user VM's own guest gets what may not disturb it.  L1 may well unbind or
 * commit it, and so end its console, or save it without stopping the user VM,
 * whose register writes are void until the abort.
 */
static void hammer_once(Hammer *h)
{
    static const uint32_t gentle[] = {
        ULTRACALL_PROBE,      ULTRACALL_QUERY,
        ULTRACALL_STATE_SIZE, ULTRACALL_RESTORE,
        ULTRACALL_REGISTER,   ULTRACALL_COMMIT,
        ULTRACALL_ABORT,      0xff,
    };
    uint64_t r = hammer_random(h);
    uint64_t len = r & 0x100 ? hammer_random(h) >> (r % 61) : moving_len / 2;
    Transport t = (r >> 10) % 3;
    Outcome o;

    if (r & 1) {
        o = attack_tagged(t, gentle[(r >> 16) & 7], guest, hammer_address(h),
                          len, r >> 60);
    } else if (r & 2) {
        o = attack_tagged(t, (r >> 16) & 15, other, hammer_address(h), len,
                          r >> 60);
    } else {
        o = attack_call(t, (r >> 16) & 15, hammer_address(h), (r >> 20) & 63,
                        hammer_address(h), len, r >> 60);
    }
    h->status[o.signal != 0]++;
}

static void *hammer_thread(void *opaque)
{
    for (unsigned long i = 0; i < rounds; i++) {
        hammer_once(opaque);
    }
    return NULL;
}

static void *moving_thread(void *opaque)
{
    static const int rights[] = { PROT_NONE, PROT_READ,
                                  PROT_READ | PROT_WRITE };
    Hammer *h = opaque;

    while (!hammer_done) {
        uint64_t r = hammer_random(h);
        size_t at = (r >> 8) % moving_len & -PAGE;
        size_t len = (r >> 40) % (moving_len - at) & -PAGE;

        if (r & 8) {
            mprotect(moving + at, len + PAGE, rights[r % 3]);
        } else {
            mmap(moving + at, len + PAGE, rights[r % 3],
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        }
        if (!(r & 0x70)) {
            mprotect(moving, moving_len, PROT_READ | PROT_WRITE);
        }
    }
    return NULL;
}

static void attack_hammer(void)
{
    Hammer h[3] = { { .random = 0x9e3779b97f4a7c15 },
                    { .random = 0xbf58476d1ce4e5b9 },
                    { .random = 0x94d049bb133111eb } };
    Outcome o;

    moving_len = (2 * attack_envelope_size(guest) + 8 * PAGE) & -PAGE;
    moving = area(moving_len + PAGE);
    pthread_create(&h[2].thread, NULL, moving_thread, &h[2]);
    for (unsigned i = 0; i < 2; i++) {
        pthread_create(&h[i].thread, NULL, hammer_thread, &h[i]);
    }
    for (unsigned i = 0; i < 2; i++) {
        pthread_join(h[i].thread, NULL);
        check(h[i].status[0] + h[i].status[1] == rounds, NULL,
              "thread %u: %lu calls returned, %lu faulted", i, h[i].status[0],
              h[i].status[1]);
    }
    hammer_done = true;
    pthread_join(h[2].thread, NULL);
    attack_tagged(VMMCALL, ULTRACALL_UNBIND, other, 0, 0, 0);
    o = attack_tagged(VMMCALL, ULTRACALL_ABORT, guest, 0, 0, 0);
    check(returned(&o, -EALREADY), &o, "the guest is active");
}

static void attack_nested(void)
{
    static const uint64_t zero[ULTRACALL_ARGS];
    uint8_t buf[256];
    Outcome o;

    if (iopl(3)) {
        check(false, NULL, "iopl: %s", strerror(errno));
    }
    for (Transport t = VMMCALL; t <= VMCALL; t++) {
        bool ok = true;

        for (uint32_t nr = 0; ok && nr <= 0xff; nr++) {
            o = attack_tagged(t, nr, nr ? guest : NULL, (uintptr_t)buf,
                              sizeof(buf), 0);
            ok = returned(&o, -EPERM);
        }
        check(ok, &o, "a user VM's user mode may make no call by %s",
              transport_names[t]);
    }
    o = attack_raw(VMMCALL, KVM_HYPERCALL, zero);
    check(returned(&o, -EPERM), &o, "another hypercall is answered by KVM");
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: attack-callers rights|hammer|nested GUEST "
                        "[OTHER N]\n");
        return 2;
    }
    guest = argv[2];
    if (!strcmp(argv[1], "nested")) {
        attack_catch_signals();
        attack_nested();
        return attack_summary();
    }
    attack_open();
    if (!strcmp(argv[1], "hammer") && argc == 5) {
        other = argv[3];
        rounds = atol(argv[4]);
        attack_hammer();
    } else {
        attack_rights();
    }
    return attack_summary();
}
