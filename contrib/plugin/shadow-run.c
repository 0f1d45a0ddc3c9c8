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
 *     setcap cap_sys_rawio+p shadow-run
 *
 * Who may run it may make ultracalls, by any program that he likes: what he
 * names is executed with no right but that.  Neither arguments nor environment
 * say for which ports: the ultracall device's, as sysfs has them.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>
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

/* Why the program was not given the capability that its file has */
static const char *rawio_missing(void)
{
    if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1) {
        return "who started this has set no_new_privs";
    }
    if (prctl(PR_CAPBSET_READ, CAP_SYS_RAWIO, 0, 0, 0) == 0) {
        return "it is not in the bounding set of who started this "
               "(libvirt: clear_emulator_capabilities = 0)";
    }
    return "the file does not have it (setcap cap_sys_rawio+p)";
}

static void raise_rawio(void)
{
    const uint32_t rawio = 1u << CAP_SYS_RAWIO;
    Capabilities caps = { };

    cap_call(SYS_capget, &caps);
    caps[0].effective |= rawio;
    if (!(caps[0].permitted & rawio) || !cap_call(SYS_capset, &caps)) {
        fail("no CAP_SYS_RAWIO", rawio_missing());
    }
}

static void allow_ports(void)
{
    struct ultracall_client client;
    struct statfs fs;

    if (statfs("/sys/bus/pci/devices", &fs) < 0 || fs.f_type != SYSFS_MAGIC) {
        fail("/sys/bus/pci/devices", "not sysfs");
    }
    if (ultracall_find(&client) < 0) {
        fail("no ultracall device", "the outer QEMU needs -device ultracall");
    }
    if (ioperm(client.port, ULTRACALL_BAR_SIZE, 1) < 0) {
        fail("no I/O permission", errno == EPERM
             ? "the kernel is locked down, as with Secure Boot"
             : strerror(errno));
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
    raise_rawio();
    allow_ports();
    drop_capabilities();
    execvp(argv[1], argv + 1);
    fail(argv[1], strerror(errno));
}
