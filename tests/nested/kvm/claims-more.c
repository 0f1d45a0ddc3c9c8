/*
 * Claims of L2's ports: string instructions, claims of those L2s that L1 runs
 * under one CR3, and changes while L2 runs.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "claims.h"
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#define OTHER_PML4 0x40000ul
#define ROUNDS 50

SNIPPET(rep_outsb, "rep outsb\nhlt");
SNIPPET(rep_outsw, "rep outsw\nhlt");
SNIPPET(rep_insb, "rep insb\nhlt");
SNIPPET(rep_insl, "rep insl\nhlt");
SNIPPET(out_twice, "out %al, %dx\nout %al, %dx\nhlt");
SNIPPET(out_forever, "1: out %al, %dx\njmp 1b");

static void start(Vmm *m, Vcpu *v, unsigned port, unsigned count, bool npt)
{
    struct kvm_regs l2 = { .rdx = port, .rcx = count, .rsi = L2_DATA,
                           .rdi = L2_DATA };

    memcpy(m->ram + L2_DATA, "shadow", 6);
    l1_vmcb(m, L1_VMCB, L1_IOPM, npt);
    l1_start_l2(m, v, L1_VMCB, &l2);
}

static void string_at_l1(Vmm *m, Vcpu *v, unsigned port, unsigned flags)
{
    l1_run_l2(m, v, L1_VMCB, SVM_EXIT_IOIO);
    tap_equal("EXITINFO1 but for address size and segment",
              *vmm_u64(m, L1_VMCB + VMCB_EXIT_INFO1) & 0xffff007f,
              IOIO_PORT(port) | IOIO_STRING | IOIO_REP | flags);
}

static void string_out(Vcpu *v, const char *bytes)
{
    for (; *bytes; bytes++) {
        claims_at_l0(v, KVM_EXIT_IO_OUT, COM1, 1, 1);
        tap_equal("value written", *(char *)vmm_io_data(v), *bytes);
    }
}

static void string_end(Vmm *m, Vcpu *v, unsigned rsi, unsigned rdi)
{
    l1_run_l2(m, v, L1_VMCB, SVM_EXIT_HLT);
    tap_equal("RCX of L2", vmm_regs(v).rcx, 0);
    tap_equal("RSI of L2", vmm_regs(v).rsi, L2_DATA + rsi);
    tap_equal("RDI of L2", vmm_regs(v).rdi, L2_DATA + rdi);
}

void claim_string_out(void)
{
    Vmm m;
    Vcpu *v;

    claims_open(&m, &v, &com1);
    L1_COPY(&m, L2_CODE, rep_outsb);
    start(&m, v, COM1, 6, true);
    string_out(v, "shadow");
    string_end(&m, v, 6, 0);
    start(&m, v, COM1 - 1, 6, true);
    string_at_l1(&m, v, COM1 - 1, IOIO_SIZE(1));
    tap_equal("RCX of L2", vmm_regs(v).rcx, 6);
}

void claim_string_in(void)
{
    Vmm m;
    Vcpu *v;

    claims_open(&m, &v, &com1);
    L1_COPY(&m, L2_CODE, rep_insb);
    start(&m, v, COM1, 6, true);
    claims_at_l0(v, KVM_EXIT_IO_IN, COM1, 1, 6);
    memcpy(vmm_io_data(v), "DEVICE", 6);
    string_end(&m, v, 0, 6);
    tap_true("the bytes in L2's memory",
             memcmp(m.ram + L2_DATA, "DEVICE", 6) == 0);
    start(&m, v, COM1 + COM1_PORTS, 6, true);
    string_at_l1(&m, v, COM1 + COM1_PORTS, IOIO_IN | IOIO_SIZE(1));
}

void claim_string_straddles(void)
{
    static const unsigned words[] = { COM1 - 1, COM1 + COM1_PORTS - 1 };
    Vmm m;
    Vcpu *v;

    claims_open(&m, &v, &com1);
    L1_COPY(&m, L2_CODE, rep_outsw);
    for (unsigned i = 0; i < 2; i++) {
        start(&m, v, words[i], 1, true);
        claims_at_l0(v, KVM_EXIT_IO_OUT, words[i], 2, 1);
        tap_true("the word of L2's", memcmp(vmm_io_data(v), "sh", 2) == 0);
        string_end(&m, v, 2, 0);
    }
    L1_COPY(&m, L2_CODE, rep_insl);
    start(&m, v, COM1 - 3, 2, true);
    claims_at_l0(v, KVM_EXIT_IO_IN, COM1 - 3, 4, 2);
    memcpy(vmm_io_data(v), "12345678", 8);
    string_end(&m, v, 0, 8);
    start(&m, v, COM1 - 4, 2, true);
    string_at_l1(&m, v, COM1 - 4, IOIO_IN | IOIO_SIZE(4));
}

/* The claim goes in the middle: L1 has the rest, where L2 is by then. */
void claim_string_given_up(void)
{
    Vmm m;
    Vcpu *v;

    claims_open(&m, &v, &com1);
    L1_COPY(&m, L2_CODE, rep_outsb);
    start(&m, v, COM1, 6, true);
    string_out(v, "sha");
    claim_change(&m, &com1, false);
    string_at_l1(&m, v, COM1, IOIO_SIZE(1));
    tap_equal("RCX of L2", vmm_regs(v).rcx, 3);
    claim_change(&m, &com1, true);
    string_out(v, "dow");
    string_end(&m, v, 6, 0);
}

/* Run an L2 that has a CR3 of its own, by an L1 that has this one */
static void cr3_start(Vmm *m, Vcpu *v, uint64_t l1, uint64_t l2, bool npt)
{
    struct kvm_sregs s;

    start(m, v, COM1, 0, npt);
    *vmm_u64(m, L1_VMCB + VMCB_CR3) = l2;
    s = vmm_sregs(v);
    s.cr3 = l1;
    vmm_set_sregs(v, &s);
}

static void cr3_open(Vmm *m, Vcpu **v, uint64_t mask)
{
    const Claim c = { COM1, COM1_PORTS, L1_PML4, mask };

    claims_open(m, v, &c);
    memcpy(m->ram + OTHER_PML4, m->ram + L1_PML4, VMM_PAGE);
    L1_COPY(m, L2_CODE, out_twice);
}

static void cr3_claimed(Vmm *m, Vcpu *v, uint64_t l1, uint64_t l2, bool npt)
{
    cr3_start(m, v, l1, l2, npt);
    claims_at_l0(v, KVM_EXIT_IO_OUT, COM1, 1, 1);
    claims_at_l0(v, KVM_EXIT_IO_OUT, COM1, 1, 1);
    l1_run_l2(m, v, L1_VMCB, SVM_EXIT_HLT);
}

static void by_cr3(bool npt)
{
    const Claim page = { COM1, COM1_PORTS, L1_PML4, ~0xfffull },
                whole = { COM1, COM1_PORTS, L1_PML4 | 0x10, -1ull };
    Vmm m;
    Vcpu *v;

    cr3_open(&m, &v, page.mask);
    cr3_claimed(&m, v, L1_PML4, OTHER_PML4, npt);
    cr3_claimed(&m, v, L1_PML4 | 0x18, OTHER_PML4, npt);
    cr3_start(&m, v, OTHER_PML4, L1_PML4, npt);
    l1_run_l2(&m, v, L1_VMCB, SVM_EXIT_IOIO);

    claim_change(&m, &page, false);
    claim_change(&m, &whole, true);
    cr3_start(&m, v, L1_PML4 | 0x18, OTHER_PML4, npt);
    l1_run_l2(&m, v, L1_VMCB, SVM_EXIT_IOIO);
    cr3_claimed(&m, v, L1_PML4 | 0x10, OTHER_PML4, npt);
}

void claim_by_cr3(void)
{
    by_cr3(true);
}

void claim_by_cr3_shadow_paging(void)
{
    by_cr3(false);
}

/* L1's CR3 comes with the state, where L2 runs on from the middle. */
void claim_by_cr3_restored(void)
{
    static const uint64_t cr3s[] = { OTHER_PML4, L1_PML4 };
    static Nested n;
    Vmm m;
    Vcpu *v;

    cr3_open(&m, &v, ~0xfffull);
    for (unsigned i = 0; i < 2; i++) {
        cr3_start(&m, v, L1_PML4, OTHER_PML4, true);
        claims_at_l0(v, KVM_EXIT_IO_OUT, COM1, 1, 1);
        vmm_settle(v);
        vmm_nested(v, &n);
        memcpy(n.vmcb + VMCB_CR3, &cr3s[i], sizeof(cr3s[i]));
        vmm_set_nested(v, &n);
        if (cr3s[i] == L1_PML4) {
            claims_at_l0(v, KVM_EXIT_IO_OUT, COM1, 1, 1);
        } else {
            l1_run_l2(&m, v, L1_VMCB, SVM_EXIT_IOIO);
        }
    }
}

typedef struct Race {
    Vmm m;
    Vcpu *v;
    unsigned l0, l1, total; /* atomic; total after the others */
    bool stop;
} Race;

static void *race_run(void *opaque)
{
    Race *r = opaque;

    while (!__atomic_load_n(&r->stop, __ATOMIC_SEQ_CST)) {
        vmm_run_to(r->v, KVM_EXIT_IO);
        if (r->v->run->io.port == COM1) {
            __atomic_add_fetch(&r->l0, 1, __ATOMIC_SEQ_CST);
        } else {
            tap_equal("port", r->v->run->io.port, L1_PORT_DONE);
            tap_equal("exit code of L2",
                      *vmm_u64(&r->m, L1_VMCB + VMCB_EXIT_CODE), SVM_EXIT_IOIO);
            __atomic_add_fetch(&r->l1, 1, __ATOMIC_SEQ_CST);
        }
        __atomic_add_fetch(&r->total, 1, __ATOMIC_SEQ_CST);
    }
    return NULL;
}

static void race_start(Race *r, pthread_t *thread)
{
    claims_open(&r->m, &r->v, &com1);
    L1_COPY(&r->m, L2_CODE, out_forever);
    start(&r->m, r->v, COM1, 0, true);
    tap_equal("pthread_create", pthread_create(thread, NULL, race_run, r), 0);
}

static void race_wait(Race *r, unsigned more)
{
    unsigned before = __atomic_load_n(&r->total, __ATOMIC_SEQ_CST);

    while (__atomic_load_n(&r->total, __ATOMIC_SEQ_CST) - before < more) {
        usleep(100);
    }
}

static void race_stop(Race *r, pthread_t thread)
{
    __atomic_store_n(&r->stop, true, __ATOMIC_SEQ_CST);
    pthread_join(thread, NULL);
}

/* One exit may have been on its way when the claim changed, none after it. */
static void race_expect(Race *r, unsigned *wrong, const char *what)
{
    unsigned before;

    race_wait(r, 1);
    before = __atomic_load_n(wrong, __ATOMIC_SEQ_CST);
    race_wait(r, 3);
    tap_equal(what, __atomic_load_n(wrong, __ATOMIC_SEQ_CST), before);
}

void claim_changed_meanwhile(void)
{
    static Race r;
    pthread_t thread;

    race_start(&r, &thread);
    for (unsigned i = 0; i < ROUNDS; i++) {
        race_expect(&r, &r.l1, "accesses at L1 under a claim");
        claim_change(&r.m, &com1, false);
        race_expect(&r, &r.l0, "accesses at L0 without a claim");
        claim_change(&r.m, &com1, true);
    }
    race_stop(&r, thread);
    tap_note("accesses: %u at L0, %u at L1", r.l0, r.l1);
}

static void *race_change(void *opaque)
{
    const Claim other = { COM1 + 1, 1 };
    Race *r = opaque;

    for (unsigned i = 0; i < ROUNDS; i++) {
        claim_change(&r->m, &other, true);
        claim_change(&r->m, &other, false);
    }
    return NULL;
}

/* Changes by two threads are not lost: the table is replaced as a whole. */
void claim_changed_by_two(void)
{
    const Claim third = { COM1 + 2, 1 };
    static Race r;
    pthread_t thread, changer;

    race_start(&r, &thread);
    tap_equal("pthread_create",
              pthread_create(&changer, NULL, race_change, &r), 0);
    for (unsigned i = 0; i < ROUNDS; i++) {
        claim_change(&r.m, &third, true);
        claim_change(&r.m, &third, false);
    }
    pthread_join(changer, NULL);
    race_stop(&r, thread);
    tap_equal("accesses at L1 under a claim", r.l1, 0);
    claim_change(&r.m, &com1, false);
    tap_equal("errno of one more removal", -claim_try(&r.m, &com1, false),
              ENOENT);
}
