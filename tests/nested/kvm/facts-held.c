/*
 * The map of I/O permissions on a page that L1 may read only, and memory slots
 * that change under a running L2.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "facts.h"
#include "facts-loop.h"
#include <string.h>

#define VECTOR_UD 6
#define BYTE_AT (L1_IOPM + IOPM_COM1)

SNIPPET(write_mov, "movb $0xff, (%rdi)\n" DONE);
SNIPPET(write_movq, "movq %rax, (%rdi)\n" DONE);
SNIPPET(write_stosb, "rep stosb\n" DONE);
SNIPPET(write_stosq, "rep stosq\n" DONE);
SNIPPET(write_movsb, "rep movsb\n" DONE);
SNIPPET(write_bts, "lock btsl $3, (%rdi)\n" DONE);
SNIPPET(write_or, "lock orb $0xff, (%rdi)\n" DONE);
SNIPPET(write_xchg, "xchgb %al, (%rdi)\n" DONE);
SNIPPET(write_cmpxchg, "xor %eax, %eax\nlock cmpxchgb %cl, (%rdi)\n" DONE);
SNIPPET(write_movups, "movups %xmm0, (%rdi)\n" DONE);
SNIPPET(write_fxsave, "fxsave (%rdi)\n" DONE);
SNIPPET(read_mov, "movb (%rdi), %al\nmovq 1(%rdi), %rbx\n" DONE);

typedef struct Write {
    const char *name;
    const uint8_t *code, *end;
    unsigned count, bytes; /* RCX, and what it writes in all */
} Write;

#define WRITE(snippet, count, bytes) \
    { #snippet, snippet, snippet##_end, count, bytes }

static void held_open(Vmm *m, Vcpu **v)
{
    vmm_open(m, false);
    *v = l1_add(m);
    m->ram[BYTE_AT] = 0;
    vmm_lay_over(m, L1_IOPM, VMM_PAGE, KVM_MEM_READONLY);
}

static void held_start(Vmm *m, Vcpu *v, const uint8_t *code,
                       const uint8_t *end, unsigned count)
{
    struct kvm_regs r;

    l1_copy(m, L1_CODE, code, end);
    memset(m->ram + L1_DATA, 0xff, 64);
    l1_start(v, L1_CODE, 0);
    r = vmm_regs(v);
    r.rdi = BYTE_AT;
    r.rsi = L1_DATA;
    r.rcx = count;
    r.rax = ~0ull;
    vmm_set_regs(v, &r);
}

/* Every write arrives, in pieces, and the memory stays as it is. */
static void held_write(const Write *w)
{
    Vmm m;
    Vcpu *v;
    uint8_t image[VMM_PAGE];
    uint64_t at = BYTE_AT;
    unsigned pieces = 0;

    held_open(&m, &v);
    memcpy(image, m.ram + L1_IOPM, sizeof(image));
    held_start(&m, v, w->code, w->end, w->count);
    while (at < BYTE_AT + w->bytes) {
        vmm_run_to(v, KVM_EXIT_MMIO);
        tap_equal("a write", v->run->mmio.is_write, 1);
        tap_equal("its address", v->run->mmio.phys_addr, at);
        at += v->run->mmio.len;
        pieces++;
    }
    l1_run_done(v);
    tap_equal("bytes written", at - BYTE_AT, w->bytes);
    tap_true("memory as it was",
             memcmp(image, m.ram + L1_IOPM, sizeof(image)) == 0);
    tap_note("%s: %u bytes in %u pieces", w->name, w->bytes, pieces);
}

void fact_held_map_written(void)
{
    static const Write writes[] = {
        WRITE(write_mov, 0, 1),    WRITE(write_movq, 0, 8),
        WRITE(write_stosb, 40, 40), WRITE(write_stosq, 5, 40),
        WRITE(write_movsb, 40, 40), WRITE(write_movups, 0, 16),
    };

    for (unsigned i = 0; i < sizeof(writes) / sizeof(writes[0]); i++) {
        held_write(&writes[i]);
    }
}

/* KVM emulates an atomic update as a plain write of the new value. */
void fact_held_map_locked(void)
{
    static const Write writes[] = {
        WRITE(write_bts, 0, 4), WRITE(write_or, 0, 1), WRITE(write_xchg, 0, 1),
        WRITE(write_cmpxchg, 0xff, 1),
    };

    for (unsigned i = 0; i < sizeof(writes) / sizeof(writes[0]); i++) {
        held_write(&writes[i]);
    }
}

static void held_start_fxsave(Vmm *m, Vcpu **v, unsigned cpl)
{
    struct kvm_regs r;

    held_open(m, v);
    l1_copy(m, L1_CODE, write_fxsave, write_fxsave_end);
    l1_permit(m, L1_PORT_DONE, 1);
    l1_start(*v, L1_CODE, cpl);
    r = vmm_regs(*v);
    r.rdi = L1_IOPM + 0x40;
    vmm_set_regs(*v, &r);
}

/*
 * What KVM cannot emulate: L1's kernel is stopped with #UD pending, which
 * KVM_SET_REGS takes away; its user gets #UD and no exit.
 */
void fact_held_map_emulation(void)
{
    Vmm m;
    Vcpu *v;
    struct kvm_regs r;

    held_start_fxsave(&m, &v, 0);
    vmm_run_to(v, KVM_EXIT_INTERNAL_ERROR);
    tap_equal("its suberror", v->run->internal.suberror,
              KVM_INTERNAL_ERROR_EMULATION);
    r = vmm_regs(v);
    tap_equal("RIP of L1", r.rip, L1_CODE);
    tap_equal("the byte", m.ram[BYTE_AT], 0);
    vmm_set_regs(v, &r);
    vmm_lay_flat(&m);
    l1_run_done(v);

    held_start_fxsave(&m, &v, 0);
    vmm_run_to(v, KVM_EXIT_INTERNAL_ERROR);
    tap_equal("exception for L1's kernel", l1_run_fault(&m, v), VECTOR_UD);

    held_start_fxsave(&m, &v, 3);
    tap_equal("exception for L1's user", l1_run_fault(&m, v), VECTOR_UD);
    tap_equal("the byte", m.ram[BYTE_AT], 0);
}

/* L1 reads it without an exit, and so does KVM for L2. */
void fact_held_map_read(void)
{
    Loop l;
    Vmm m;
    Vcpu *v;

    held_open(&m, &v);
    m.ram[BYTE_AT + 1] = 0x5a;
    held_start(&m, v, read_mov, read_mov_end, 0);
    l1_run_done(v);
    tap_equal("the byte that L1 reads", vmm_regs(v).rax & 0xff, 0);
    tap_equal("the next one", vmm_regs(v).rbx & 0xff, 0x5a);

    loop_open(&l, 0, 1, true);
    vmm_lay_over(&l.m, L1_IOPM, VMM_PAGE, KVM_MEM_READONLY);
    loop_rounds(&l, 20, give_back_any);
    l.m.ram[BYTE_AT] = 0xff;
    loop_serve(&l);
    l1_run_l2(&l.m, l.v, L1_VMCB, SVM_EXIT_IOIO);
    loop_in_l1(&l);
}

/* Slots come and go at each access, below L2's own memory as well. */
void fact_slots_under_l2(void)
{
    static const uint64_t pages[] = { L1_IOPM, L2_CODE, L2_DATA, L1_NPT };

    for (unsigned in = 0; in < 2; in++) {
        Loop l;

        loop_open(&l, in, 1, true);
        for (unsigned i = 0; i < 64; i++) {
            loop_to_l0(&l);
            if (i & 1) {
                vmm_lay_flat(&l.m);
            } else {
                vmm_lay_over(&l.m, pages[i / 2 % 4], VMM_PAGE,
                             i & 8 ? 0 : KVM_MEM_READONLY);
            }
            loop_serve(&l);
        }
        loop_to_l0(&l);
    }
}

/* KVM_TRANSLATE of an address of L2's: through both its tables and L1's */
void fact_translate(void)
{
    struct kvm_translation t = { .linear_address = L2_DATA + 0x123 };
    Loop l;

    loop_open(&l, 0, 1, true);
    *vmm_u64(&l.m, L1_NPT + 6 * VMM_PAGE + L2_DATA / VMM_PAGE * 8) =
        0x55000 | 7;
    loop_to_l0(&l);
    VMM_IOCTL(l.v->fd, KVM_TRANSLATE, &t);
    tap_equal("valid", t.valid, 1);
    tap_equal("address in L1's memory", t.physical_address, 0x55123);
    loop_serve(&l);
    loop_to_l0(&l);
}
