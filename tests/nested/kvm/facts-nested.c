/*
 * What L2 does, as L0's user space sees it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "facts.h"
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#define COM1 0x3f8
#define OUT_VALUE 0x44332211ul
#define IN_VALUE 0x88776655ul

SNIPPET(out_1, "out %al, %dx\nhlt");
SNIPPET(out_2, "out %ax, %dx\nhlt");
SNIPPET(out_4, "out %eax, %dx\nhlt");
SNIPPET(in_1, "in %dx, %al\nhlt");
SNIPPET(in_2, "in %dx, %ax\nhlt");
SNIPPET(in_4, "in %dx, %eax\nhlt");
SNIPPET(rep_outsb, "rep outsb\nhlt");
SNIPPET(rep_insb, "rep insb\nhlt");
SNIPPET(count, "1: incq (%rdx)\njmp 1b");

typedef struct Io {
    const uint8_t *code, *end;
    unsigned in, size;
} Io;

static const Io ios[] = {
    { out_1, out_1_end, 0, 1 }, { out_2, out_2_end, 0, 2 },
    { out_4, out_4_end, 0, 4 }, { in_1, in_1_end, 1, 1 },
    { in_2, in_2_end, 1, 2 },   { in_4, in_4_end, 1, 4 },
};
#define N_IOS (sizeof(ios) / sizeof(ios[0]))

static void l2_open(Vmm *m, Vcpu **v)
{
    vmm_open(m, false);
    *v = l1_add(m);
}

static void l2_start(Vmm *m, Vcpu *v, const Io *io, unsigned port, bool npt)
{
    struct kvm_regs l2 = { .rax = OUT_VALUE, .rdx = port, .rbx = 0xb0b };

    l1_copy(m, L2_CODE, io->code, io->end);
    l1_vmcb(m, L1_VMCB, L1_IOPM, npt);
    l1_start_l2(m, v, L1_VMCB, &l2);
}

static void l2_intercepted(Vmm *m, Vcpu *v, const Io *io, unsigned port)
{
    l1_run_l2(m, v, L1_VMCB, SVM_EXIT_IOIO);
    tap_equal("EXITINFO1 but for address size and segment",
              *vmm_u64(m, L1_VMCB + VMCB_EXIT_INFO1) & 0xffff007f,
              IOIO_PORT(port) | IOIO_SIZE(io->size) | io->in);
    tap_equal("EXITINFO2", *vmm_u64(m, L1_VMCB + VMCB_EXIT_INFO2),
              L2_CODE + (io->end - io->code) - 1);
    tap_equal("RIP of L2", *vmm_u64(m, L1_VMCB + VMCB_RIP), L2_CODE);
}

static void l2_passed(Vmm *m, Vcpu *v, const Io *io, unsigned port)
{
    uint64_t mask = (1ull << io->size * 8) - 1, value = 0, rax = OUT_VALUE;

    vmm_run_to_io(v, io->in ? KVM_EXIT_IO_IN : KVM_EXIT_IO_OUT, port,
                  io->size, 1);
    tap_true("L2 running", vmm_in_l2(v));
    if (io->in) {
        value = IN_VALUE;
        memcpy(vmm_io_data(v), &value, io->size);
        rax = (OUT_VALUE & ~mask) | (IN_VALUE & mask);
    } else {
        memcpy(&value, vmm_io_data(v), io->size);
        tap_equal("value written", value, OUT_VALUE & mask);
    }
    l1_run_l2(m, v, L1_VMCB, SVM_EXIT_HLT);
    tap_equal("RAX of L2", *vmm_u64(m, L1_VMCB + VMCB_RAX), rax);
    tap_equal("RBX of L2", vmm_regs(v).rbx, 0xb0b);
}

void fact_io_intercepted(void)
{
    Vmm m;
    Vcpu *v;

    l2_open(&m, &v);
    for (unsigned i = 0; i < N_IOS; i++) {
        l2_start(&m, v, &ios[i], COM1, true);
        l2_intercepted(&m, v, &ios[i], COM1);
    }
}

static void io_passed(bool npt)
{
    Vmm m;
    Vcpu *v;

    l2_open(&m, &v);
    for (unsigned i = 0; i < N_IOS; i++) {
        m.ram[L1_IOPM + IOPM_COM1] = 0xff;
        l2_start(&m, v, &ios[i], COM1, npt);
        l2_intercepted(&m, v, &ios[i], COM1);
        /* The VMCB stays as it is: L1 enters L2 again, at the same place. */
        m.ram[L1_IOPM + IOPM_COM1] = 0;
        l2_passed(&m, v, &ios[i], COM1);
    }
}

void fact_io_passed(void)
{
    io_passed(true);
}

void fact_io_passed_shadow_paging(void)
{
    io_passed(false);
}

void fact_io_edge(void)
{
    Vmm m;
    Vcpu *v;

    l2_open(&m, &v);
    m.ram[L1_IOPM + IOPM_COM1] = 0;
    for (unsigned i = 0; i < N_IOS; i++) {
        for (unsigned port = COM1 - 4; port <= COM1 + 8; port++) {
            l2_start(&m, v, &ios[i], port, true);
            if (port >= COM1 && port + ios[i].size <= COM1 + 8) {
                l2_passed(&m, v, &ios[i], port);
            } else {
                l2_intercepted(&m, v, &ios[i], port);
            }
        }
    }
}

static void string_open(Vmm *m, Vcpu **v, const uint8_t *code,
                        const uint8_t *end, unsigned count)
{
    struct kvm_regs l2 = { .rdx = COM1, .rcx = count, .rsi = L2_DATA,
                           .rdi = L2_DATA };

    l2_open(m, v);
    m->ram[L1_IOPM + IOPM_COM1] = 0;
    memcpy(m->ram + L2_DATA, "shadow", 6);
    l1_copy(m, L2_CODE, code, end);
    l1_vmcb(m, L1_VMCB, L1_IOPM, true);
    l1_start_l2(m, *v, L1_VMCB, &l2);
}

void fact_io_string_out(void)
{
    Vmm m;
    Vcpu *v;

    string_open(&m, &v, rep_outsb, rep_outsb_end, 6);
    for (unsigned i = 0; i < 6; i++) {
        vmm_run_to_io(v, KVM_EXIT_IO_OUT, COM1, 1, 1);
        tap_true("L2 running", vmm_in_l2(v));
        tap_equal("value written", *(char *)vmm_io_data(v), "shadow"[i]);
    }
    l1_run_l2(&m, v, L1_VMCB, SVM_EXIT_HLT);
    tap_equal("RCX of L2", vmm_regs(v).rcx, 0);
    tap_equal("RSI of L2", vmm_regs(v).rsi, L2_DATA + 6);
}

/* KVM asks for all that fits at once: the count is more than one. */
void fact_io_string_in(void)
{
    Vmm m;
    Vcpu *v;

    string_open(&m, &v, rep_insb, rep_insb_end, 6);
    vmm_run_to_io(v, KVM_EXIT_IO_IN, COM1, 1, 6);
    tap_true("L2 running", vmm_in_l2(v));
    memcpy(vmm_io_data(v), "DEVICE", 6);
    l1_run_l2(&m, v, L1_VMCB, SVM_EXIT_HLT);
    tap_true("the bytes in L2's memory",
             memcmp(m.ram + L2_DATA, "DEVICE", 6) == 0);
    tap_equal("RCX of L2", vmm_regs(v).rcx, 0);
    tap_equal("RDI of L2", vmm_regs(v).rdi, L2_DATA + 6);
}

void fact_guest_mode_flag(void)
{
    Vmm m;
    Vcpu *v;
    uint64_t flag;

    l2_open(&m, &v);
    flag = vmm_cap(&m, KVM_CAP_X86_GUEST_MODE) ? KVM_RUN_X86_GUEST_MODE : 0;
    tap_note("KVM_CAP_X86_GUEST_MODE: %s", flag ? "yes" : "no");
    m.ram[L1_IOPM + IOPM_COM1] = 0;
    l2_start(&m, v, &ios[0], COM1, true);
    vmm_run_to_io(v, KVM_EXIT_IO_OUT, COM1, 1, 1);
    tap_equal("flags of kvm_run with L2 running", v->run->flags, flag);
    tap_true("KVM_STATE_NESTED_GUEST_MODE with L2 running", vmm_in_l2(v));
    l1_run_l2(&m, v, L1_VMCB, SVM_EXIT_HLT);
    tap_equal("flags of kvm_run with L1 running", v->run->flags, 0);
    tap_true("no KVM_STATE_NESTED_GUEST_MODE with L1 running", !vmm_in_l2(v));
}

static void nested_save(const Nested *n, const char *what, unsigned offset,
                        uint64_t wanted)
{
    uint64_t seen;

    memcpy(&seen, n->vmcb + offset, sizeof(seen));
    tap_equal(what, seen, wanted);
}

/* The control area is L1's for L2; the save area is L1's own registers. */
void fact_nested_state(void)
{
    static Nested n;
    Vmm m;
    Vcpu *v;

    l2_open(&m, &v);
    m.ram[L1_IOPM + IOPM_COM1] = 0;
    l2_start(&m, v, &ios[0], COM1, true);
    /* L2's own differ from L1's */
    *vmm_u64(&m, L1_VMCB + VMCB_CR3) = L1_PML4 | 0x18;
    vmm_run_to_io(v, KVM_EXIT_IO_OUT, COM1, 1, 1);
    vmm_nested(v, &n);
    tap_equal("format", n.state.format, KVM_STATE_NESTED_FORMAT_SVM);
    tap_equal("flags", n.state.flags,
              KVM_STATE_NESTED_GUEST_MODE | KVM_STATE_NESTED_GIF_SET);
    tap_equal("size", n.state.size, sizeof(n));
    tap_equal("address of the VMCB", n.state.hdr.svm.vmcb_pa, L1_VMCB);
    nested_save(&n, "map's address, at 0x40", VMCB_IOPM, L1_IOPM);
    nested_save(&n, "nested CR3, at 0xb0", VMCB_NESTED_CR3, L1_NPT);
    nested_save(&n, "L1's CR3, at 0x550", VMCB_CR3, L1_PML4);
    nested_save(&n, "L1's RSP, at 0x5d8", VMCB_RSP, L1_STACK);
    nested_save(&n, "L1's RIP, at 0x578", VMCB_RIP, l1_behind_vmrun());
    nested_save(&n, "L1's RAX, at 0x5f8", VMCB_RAX, L1_VMCB);
    tap_equal("L2's CR3 in KVM_GET_SREGS", vmm_sregs(v).cr3, L1_PML4 | 0x18);
    tap_equal("L2's RSP in KVM_GET_REGS", vmm_regs(v).rsp, L2_STACK);
    l1_run_l2(&m, v, L1_VMCB, SVM_EXIT_HLT);
    vmm_nested(v, &n);
    tap_equal("size without L2", n.state.size, sizeof(n.state));
}

void fact_map_nowhere(void)
{
    Vmm m;
    Vcpu *v;

    l2_open(&m, &v);
    memset(m.ram + L1_IOPM, 0, IOPM_SIZE);
    for (unsigned i = 0; i < N_IOS; i++) {
        l2_start(&m, v, &ios[i], COM1, true);
        *vmm_u64(&m, L1_VMCB + VMCB_IOPM) = NO_MEMORY;
        l2_intercepted(&m, v, &ios[i], COM1);
    }
}

/* The reason of the run before stays; only the error says it. */
void fact_immediate_exit(void)
{
    Vmm m;
    Vcpu *v;

    l2_open(&m, &v);
    m.ram[L1_IOPM + IOPM_COM1] = 0;
    l2_start(&m, v, &ios[0], COM1, true);
    vmm_run_to_io(v, KVM_EXIT_IO_OUT, COM1, 1, 1);
    vmm_settle(v);
    tap_note("exit reason after immediate_exit: %u", v->run->exit_reason);
    tap_equal("exit reason after immediate_exit", v->run->exit_reason,
              KVM_EXIT_IO);
    tap_true("L2 still running", vmm_in_l2(v));
    tap_equal("RIP of L2", vmm_regs(v).rip, L2_CODE + 1);
}

static void kicked(int number)
{
    (void)number;
}

/* Sends the signal when L2 has run, and so the processor is in KVM_RUN. */
typedef struct Kicker {
    pthread_t target;
    const volatile uint64_t *rounds; /* L2 counts in its memory */
    uint64_t before;
} Kicker;

static void *kicker_run(void *opaque)
{
    const Kicker *k = opaque;
    struct timespec pause = { 0, 1000000 };

    while (*k->rounds == k->before) {
        nanosleep(&pause, NULL);
    }
    pthread_kill(k->target, SIGUSR1);
    return NULL;
}

static void kick_once(const Vmm *m, Vcpu *v)
{
    Kicker k = { pthread_self(), vmm_u64(m, L2_DATA), *vmm_u64(m, L2_DATA) };
    pthread_t thread;

    tap_equal("a thread", pthread_create(&thread, NULL, kicker_run, &k), 0);
    tap_equal("KVM_RUN with a signal: errno", -vmm_run(v), EINTR);
    tap_equal("its exit reason", v->run->exit_reason, KVM_EXIT_INTR);
    tap_true("L2 running", vmm_in_l2(v));
    if (vmm_cap(m, KVM_CAP_X86_GUEST_MODE)) {
        tap_true("KVM_RUN_X86_GUEST_MODE",
                 v->run->flags & KVM_RUN_X86_GUEST_MODE);
    }
    pthread_join(thread, NULL);
}

void fact_kick(void)
{
    static const Io counting = { count, count_end, 0, 0 };
    struct sigaction action = { .sa_handler = kicked };
    Vmm m;
    Vcpu *v;

    l2_open(&m, &v);
    l2_start(&m, v, &counting, L2_DATA, true);
    sigaction(SIGUSR1, &action, NULL);
    for (unsigned i = 0; i < 10; i++) {
        kick_once(&m, v);
    }
}
