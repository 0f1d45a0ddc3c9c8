/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * import-tasks: the guest is in 32-bit mode, and has a task gate for an
 * interrupt that L1 injects.  L1 asks for task switches, or not; it has other
 * descriptors and tasks in its frames, and injects by all means that lead to
 * such a gate.
 */
#include "import.h"

#define EXIT_TASK_SWITCH 0x7d

#define ROUNDS 200

/* Of what a descriptor has besides where it is, AMD APM vol. 2, 4.8 */
#define DESCRIPTOR_TSS 0x890000000000
#define GATE_TASK 0x850000000000

static unsigned refused;

static uint64_t tss_descriptor(uint64_t at)
{
    return DESCRIPTOR_TSS | (TASKS_TSS_LEN - 1) | (at & 0xffffff) << 16 |
           (at >> 24 & 0xff) << 56;
}

/* A pointer to @base, as LGDT and LIDT have it */
static void put_pointer(uint64_t at, uint64_t base, unsigned len)
{
    VIEW(at) = (len - 1) | base << 16;
    VIEW(at + 8) = base >> 48;
}

static void put_tasks(void)
{
    const unsigned segments[] = {
        TASKS_DATA, TASKS_CODE, TASKS_DATA, TASKS_DATA, TASKS_DATA, TASKS_DATA,
    };

    VIEW(TASKS_GDT + TASKS_CODE) = 0x00cf9b000000ffff;
    VIEW(TASKS_GDT + TASKS_DATA) = 0x00cf93000000ffff;
    VIEW(TASKS_GDT + TASKS_ONE) = tss_descriptor(TASKS_TSS_ONE);
    VIEW(TASKS_GDT + TASKS_OTHER) = tss_descriptor(TASKS_TSS_OTHER);
    put_pointer(TASKS_GDT_POINTER_64, PRIVATE_VIEW + TASKS_GDT, TASKS_GDT_LEN);
    put_pointer(TASKS_GDT_POINTER, TASKS_GDT, TASKS_GDT_LEN);
    put_pointer(TASKS_IDT_POINTER, TASKS_IDT, TASKS_IDT_LEN);
    VIEW(TASKS_IDT + 8 * TASKS_VECTOR) = GATE_TASK | TASKS_OTHER << 16;
    VIEW_HALF(TASKS_TSS_OTHER + 0x20) = (uintptr_t)tasks_other;
    VIEW_HALF(TASKS_TSS_OTHER + 0x24) = 2;
    VIEW_HALF(TASKS_TSS_OTHER + 0x38) = TASKS_STACK_OTHER;
    for (unsigned i = 0; i < ARRAY_SIZE(segments); i++) {
        VIEW_HALF(TASKS_TSS_OTHER + 0x48 + 4 * i) = segments[i];
    }
    VIEW_HALF(TASKS_LEFT) = ROUNDS;
}

static void nested_tasks(uint64_t unused, uint64_t unused2)
{
    rdmsr(MSR_SEV_STATUS);
    for (uint64_t at = TASKS; at < TASKS + TASKS_LEN; at += PAGE) {
        VIEW(at) = 0;
    }
    put_tasks();
    tasks_enter();
}

/* What L1 has in the guest's place */
static void poison(unsigned turn)
{
    for (uint64_t at = TASKS; at < TASKS + TASKS_LEN; at += 8) {
        *(Word *)at = turn % 2 ? ~0ul : 0;
    }
}

/* The same gate by what is no interrupt, and other exceptions than it has */
static void inject_others(void)
{
    static const unsigned types[] = { 1, 3, 4, 5, 6, 7 };
    static const unsigned vectors[] = { TASKS_VECTOR, 8, 10, 13 };

    for (unsigned i = 0; i < ARRAY_SIZE(types); i++) {
        for (unsigned j = 0; j < ARRAY_SIZE(vectors); j++) {
            private_vm.vmcb->event_inj = INJECT_VALID | vectors[j] |
                                         types[i] << INJECT_TYPE;
            if (!private_refused()) {
                check("an event", private_vm.vmcb->exit_code, EXIT_INVALID);
            }
            refused++;
        }
    }
}

/* Returns how often it has switched, or 0 after an exit that is not known. */
static uint64_t run_tasks(void)
{
    struct vmcb *vmcb = private_vm.vmcb;
    uint64_t switches = 0, code = private_vm.vmcb->exit_code;

    for (unsigned turn = 0; ; turn++) {
        vmcb->event_inj = 0;
        poison(turn);
        vm_set_intercept(&private_vm, EXIT_TASK_SWITCH, turn / 2 % 2);
        if (code == EXIT_VMMCALL) {
            must("what the guest found", private_vm.regs[RBX], 0);
            if (vmcb->rax == TASKS_SAYS_DONE) {
                must("its switches", private_vm.regs[RCX], switches);
                return switches;
            }
            must("what it says", vmcb->rax, TASKS_SAYS_SWITCHED);
            switches++;
        }
        if (code == EXIT_VMMCALL || code == EXIT_PAUSE) {
            vmcb->rip = vmcb->next_rip;
        } else if (code != EXIT_INTR) {
            check("an exit that is known", code, 0);
            return 0;
        }
        if (code == EXIT_PAUSE && vmcb->rflags & 0x200) {
            inject_others();
            vmcb->event_inj = INJECT_VALID | TASKS_VECTOR;
        }
        code = private_enter();
    }
}

void scenario_import_tasks(void)
{
    import_create(&private_vm, nested_tasks);
    vm_set_intercept(&private_vm, EXIT_PAUSE, true);
    private_cpu_init();
    vm_run(&private_vm);
    check("task switches", run_tasks(), ROUNDS);
    check("secrets in its frames",
          private_secrets_at((void *)TASKS, TASKS_LEN), 0);
    say("COUNT switches %u", (uint64_t)ROUNDS);
    say("COUNT refused %u", (uint64_t)refused);
}
