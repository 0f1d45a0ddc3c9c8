/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 *     shadow-run EMULATOR [ARGUMENT...]
 *
 * Run an inner QEMU that may make ultracalls, and has no capability.
 *
 * A process keeps its I/O permissions when it executes another program, and
 * has them without a capability.  So the one that it takes to get them is this
 * program's, not that of a process which a guest's devices run in:
 *
 *     chgrp kvm shadow-run; chmod 0750 shadow-run
 *     setcap cap_sys_rawio,cap_sys_admin+p shadow-run
 *
 * Where the kernel is locked down nobody has I/O permission.  There the second
 * capability is for the outer QEMU's token; see docs/ultracall.rst, "Admission".
 *
 * Who may run it may make ultracalls, by any program that he likes: what he
 * names is executed with no right but that.  Neither arguments nor environment
 * say for which ports: the ultracall device's, as sysfs has them.
 */
#include <stdbool.h>
#include <stdint.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <linux/securebits.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#define ULTRACALL_CLIENT
#include "ultracall.h"

#define NOROOT (SECBIT_NOROOT | SECBIT_NOROOT_LOCKED)

typedef struct __user_cap_data_struct Capabilities[2];

static bool cap_call(long nr, Capabilities *caps)
{
    struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3 };

    return syscall(nr, &header, caps) == 0;
}

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "shadow-run: %s: %s\n", what, why);
    exit(126);
}

/* Why the program has not the capability that its file has */
static const char *missing(int cap)
{
    if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1) {
        return "who started this has set no_new_privs";
    }
    if (prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 0) {
        return "it is not in the bounding set of who started this "
               "(libvirt: clear_emulator_capabilities = 0)";
    }
    return "the file does not have it (setcap cap_sys_rawio,cap_sys_admin+p), "
           "or AppArmor forbids it";
}

static bool raise_capability(int cap)
{
    const uint32_t bit = 1u << cap;
    Capabilities caps = { };

    cap_call(SYS_capget, &caps);
    caps[0].effective |= bit;
    return caps[0].permitted & bit && cap_call(SYS_capset, &caps);
}

/*
 * No process has I/O permission in a kernel that is locked down.  The program
 * that will be executed is another process to the outer QEMU: it gets a ticket,
 * which is good once.
 */
static void give_ticket(struct ultracall_client *client)
{
    char text[2 * ULTRACALL_TOKEN_LEN + 1];
    uint8_t *ticket;
    uint64_t value;

    if (!raise_capability(CAP_SYS_ADMIN)) {
        fail("no I/O permission, and no CAP_SYS_ADMIN in its place",
             missing(CAP_SYS_ADMIN));
    }
    if (ultracall_admit_self(client)) {
        fail("no I/O permission, and no token of the outer QEMU's in its place",
             "that does not take calls by instruction, or is of an earlier "
             "release");
    }
    ticket = (uint8_t *)client->cookie + ULTRACALL_TOKEN_LEN;
    if (ultracall(client, ULTRACALL_ADMIT, (uintptr_t)ticket,
                  ULTRACALL_TOKEN_LEN, ULTRACALL_ADMIT_TICKET, 0, 0, &value)) {
        fail("no ticket", "the outer QEMU has none");
    }
    for (unsigned i = 0; i < ULTRACALL_TOKEN_LEN; i++) {
        sprintf(text + 2 * i, "%02x", ticket[i]);
    }
    setenv(ULTRACALL_TICKET_ENV, text, 1);
}

static void allow_ports(void)
{
    struct ultracall_client client;
    struct statfs fs;
    int ret;

    if (statfs("/sys/bus/pci/devices", &fs) < 0 || fs.f_type != SYSFS_MAGIC) {
        fail("/sys/bus/pci/devices", "not sysfs");
    }
    ret = ultracall_find(&client);
    if (ret == -ENODEV) {
        fail("no ultracall device", "the outer QEMU needs -device ultracall");
    } else if (ret) {
        fail("/sys/bus/pci/devices", strerror(-ret));
    }
    unsetenv(ULTRACALL_TICKET_ENV);
    if (!raise_capability(CAP_SYS_RAWIO) ||
        ioperm(client.port, ULTRACALL_BAR_SIZE, 1) < 0) {
        give_ticket(&client);
    }
}

/*
 * All of them, in all sets.  Root has more to lose, and would get it back with
 * the next program; who is not root may not change these, and need not.
 */
static void drop_capabilities(void)
{
    Capabilities none = { };

    for (int cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++) {
        prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
    }
    prctl(PR_SET_SECUREBITS, NOROOT, 0, 0, 0);
    if (!cap_call(SYS_capset, &none)) {
        fail("cannot drop capabilities", strerror(errno));
    }
    if ((!getuid() || !geteuid()) &&
        (prctl(PR_GET_SECUREBITS, 0, 0, 0, 0) & NOROOT) != NOROOT) {
        fail("cannot drop root's capabilities", "CAP_SETPCAP is missing");
    }
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: shadow-run EMULATOR [ARGUMENT...]\n");
        return 2;
    }
    allow_ports();
    drop_capabilities();
    execvp(argv[1], argv + 1);
    fail(argv[1], strerror(errno));
}
