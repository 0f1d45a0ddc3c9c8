/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A nested guest that does nothing, for the outer QEMU to look at.
 *
 * Where the outer QEMU uses KVM it learns only from a running nested guest
 * where this machine's kvm_amd keeps the I/O permissions.  It has to know that
 * before the user's VM makes its first access.
 */
#include "qemu/osdep.h"
#include <sys/ioctl.h>
#include "qapi/error.h"
#include "qemu/bswap.h"
#include <linux/kvm.h>
#include "shadow/hw/misc/shadow-agent.h"

#define DUMMY_TIMEOUT_US (60 * G_USEC_PER_SEC)

/* A processor starts 16 bytes below 4 GiB, in real mode. */
#define DUMMY_PAGE       0xfffff000ULL
#define DUMMY_START      0xff0

/* Some milliseconds long, so that it is seen running. */
static const uint8_t dummy_code[] = {
    0x66, 0xb9, 0x40, 0x42, 0x0f, 0x00, /* start: mov $1000000, %ecx */
    0x66, 0x49,                         /* again: dec %ecx */
    0x75, 0xfc,                         /* jnz again */
    0xe6, 0x80,                         /* out %al, $0x80: leave */
    0xeb, 0xf2,                         /* jmp start */
};

typedef struct Dummy {
    int kvm, vm, vcpu;
    void *page;
    void *run;
    size_t run_size;
} Dummy;

static void dummy_end(Dummy *s)
{
    if (s->run != MAP_FAILED) {
        munmap(s->run, s->run_size);
    }
    if (s->vcpu >= 0) {
        close(s->vcpu);
    }
    if (s->vm >= 0) {
        close(s->vm);
    }
    if (s->kvm >= 0) {
        close(s->kvm);
    }
    if (s->page != MAP_FAILED) {
        munmap(s->page, qemu_real_host_page_size());
    }
}

static bool dummy_start(Dummy *s)
{
    struct kvm_userspace_memory_region memory = {
        .guest_phys_addr = DUMMY_PAGE,
        .memory_size = qemu_real_host_page_size(),
    };
    int size;

    s->page = mmap(NULL, memory.memory_size, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (s->page == MAP_FAILED) {
        return false;
    }
    memcpy(s->page + DUMMY_START, dummy_code, sizeof(dummy_code));
    memory.userspace_addr = (uintptr_t)s->page;
    s->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    s->vm = ioctl(s->kvm, KVM_CREATE_VM, 0);
    if (ioctl(s->vm, KVM_SET_USER_MEMORY_REGION, &memory) < 0) {
        return false;
    }
    s->vcpu = ioctl(s->vm, KVM_CREATE_VCPU, 0);
    size = ioctl(s->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
    if (s->vcpu < 0 || size < 0) {
        return false;
    }
    s->run_size = size;
    s->run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, s->vcpu, 0);
    return s->run != MAP_FAILED;
}

/* Whether the outer QEMU has nothing that it still waits for; -1 on failure */
static int dummy_seen(ShadowAgent *a)
{
    struct {
        struct ultracall_guest guest;
        struct ultracall_device dev[ULTRACALL_DEVICES_MAX];
    } reply;

    if (shadow_agent_call(a, ULTRACALL_QUERY, &reply, sizeof(reply), NULL)) {
        return -1;
    }
    return !(le16_to_cpu(reply.guest.flags) & ULTRACALL_GUEST_UNHIDDEN);
}

static bool dummy_run(Dummy *s, ShadowAgent *a, Error **errp)
{
    int64_t end = g_get_monotonic_time() + DUMMY_TIMEOUT_US;
    int seen;

    while (!(seen = dummy_seen(a)) && g_get_monotonic_time() < end) {
        struct kvm_run *run = s->run;

        if (ioctl(s->vcpu, KVM_RUN, 0) < 0 ? errno != EINTR
                                           : run->exit_reason != KVM_EXIT_IO) {
            error_setg(errp, "the nested guest that shows the outer QEMU how "
                       "to hide ports does not run (exit %u)",
                       run->exit_reason);
            return false;
        }
    }
    if (seen <= 0) {
        error_setg(errp, "the outer QEMU has not found out how to hide the "
                   "ports of '%s'; its operator sees why", a->guest);
        return false;
    }
    return true;
}

bool shadow_agent_run_dummy(ShadowAgent *a, Error **errp)
{
    Dummy s = { .kvm = -1, .vm = -1, .vcpu = -1, .page = MAP_FAILED,
               .run = MAP_FAILED };
    bool ok;

    if (dummy_seen(a) == 1) {
        return true;
    }
    ok = dummy_start(&s);
    if (ok) {
        ok = dummy_run(&s, a, errp);
    } else {
        error_setg_errno(errp, errno, "cannot start the nested guest that "
                         "shows the outer QEMU how to hide ports");
    }
    dummy_end(&s);
    return ok;
}
