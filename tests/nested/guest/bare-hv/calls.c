/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ultracalls by each transport.
 */
#include "hv.h"

#define PCI_ADDRESS 0xcf8
#define PCI_DATA 0xcfc
#define PCI_COMMAND 0x04
#define PCI_BAR0 0x10
#define PCI_IO 1
#define DOORBELL_PORT 0xd000    /* if no firmware has given it one */

#define SPIN_ROUNDS 200000
#define SPINS_MAX 3000

#define TAG_LENGTH 3

struct ultracall_client client;
const char *const transport_names[] = { "vmmcall", "KVM hypercall",
                                        "doorbell" };

static uint32_t pci_read(unsigned slot, unsigned reg)
{
    outl(0x80000000 | slot << 11 | reg, PCI_ADDRESS);
    return inl(PCI_DATA);
}

static void pci_write(unsigned slot, unsigned reg, uint32_t val)
{
    outl(0x80000000 | slot << 11 | reg, PCI_ADDRESS);
    outl(val, PCI_DATA);
}

static uint16_t find_doorbell(void)
{
    uint32_t bar;

    for (unsigned slot = 0; slot < 32; slot++) {
        if (pci_read(slot, 0) !=
            (ULTRACALL_PCI_VENDOR | ULTRACALL_PCI_DEVICE << 16)) {
            continue;
        }
        bar = pci_read(slot, PCI_BAR0) & 0xfffc;
        if (!bar) {
            bar = DOORBELL_PORT;
            pci_write(slot, PCI_BAR0, bar);
        }
        pci_write(slot, PCI_COMMAND,
                  (pci_read(slot, PCI_COMMAND) & 0xffff) | PCI_IO);
        return bar;
    }
    return 0;
}

/* With where to go on after an exception */
#define CALL(insn, rax, rbx, rcx, rdx, a, value)                            \
    ULTRACALL_ASM("movq $1f, fault_resume\n\t"                              \
                  insn "\n"                                                 \
                  "1:", rax, rbx, rcx, rdx, a, value)

Result __attribute__((noinline)) call_by(Transport t, uint32_t nr,
                                         const uint64_t *a)
{
    Result result = { };
    uint64_t rax = ULTRACALL_MAGIC | nr;

    fault.vector = NO_FAULT;
    switch (t) {
    case INSTRUCTION:
        CALL("vmmcall", rax, 0, 0, 0, a, result.value);
        break;
    case HYPERCALL:
        rax = ULTRACALL_HYPERCALL_NR;
        CALL("vmmcall", rax, ULTRACALL_HYPERCALL_PAGE, 1, ULTRACALL_MAGIC | nr,
             a, result.value);
        break;
    case DOORBELL:
        CALL("outl %%eax, %%dx", rax, 0, 0, client.port, a, result.value);
    }
    fault_resume = 0;
    result.vector = fault.vector;
    result.address = fault.address;
    result.status = rax;
    return result;
}

bool transport_works(Transport t)
{
    switch (t) {
    case INSTRUCTION:
        return client.features & ULTRACALL_F_INSTRUCTION;
    case HYPERCALL:
        return client.features & ULTRACALL_F_HYPERCALL;
    default:
        return true;
    }
}

bool calls_init(void)
{
    struct ultracall_probe probe = { };
    const uint64_t a[ULTRACALL_ARGS] = { (uintptr_t)&probe, sizeof(probe) };
    Result result;

    client.port = find_doorbell();
    if (!check("there is an ultracall function", client.port != 0, true)) {
        return false;
    }
    result = call_by(DOORBELL, ULTRACALL_PROBE, a);
    client.features = probe.features;
    say("INFO features 0x%x", (uint64_t)probe.features);
    return check("PROBE", result.status, 0) &&
           check("version", probe.version, ULTRACALL_VERSION);
}

int64_t call(uint32_t nr, const char *tag, void *buf, uint64_t len)
{
    const uint64_t a[ULTRACALL_ARGS] = { (uintptr_t)tag, TAG_LENGTH,
                                         (uintptr_t)buf, len };
    uint64_t value;

    return ultracall_once(&client, nr, a, &value);
}

bool unprotected(const char *tag)
{
    struct ultracall_guest guest[8] = { };

    return call(ULTRACALL_QUERY, tag, guest, sizeof(guest)) ||
           guest->flags & ULTRACALL_GUEST_UNHIDDEN;
}

int64_t bind_at(const char *tag, Root process, uint64_t *cookie)
{
    int64_t status;

    memory_enter(process);
    status = call(ULTRACALL_BIND, tag, cookie, sizeof(*cookie));
    memory_enter(ROOT_A);
    return status;
}

/* As the agent does: L0 looks for the map while a guest of no use runs. */
bool bind(const char *tag, Root process)
{
    static uint64_t cookies[ROOTS];
    static Vm spinners[ROOTS];
    Vm *spinner = &spinners[process];
    unsigned spins = 0;

    check("BIND", bind_at(tag, process, &cookies[process]), 0);
    if (!spinner->vmcb) {
        vm_create(spinner, process, nested_spin, SPIN_ROUNDS, 0);
    }
    while (unprotected(tag) && spins++ < SPINS_MAX) {
        vm_step(spinner);
    }
    say("INFO %u turns of the guest of no use", (uint64_t)spins);
    return check("L0 protects the guest", unprotected(tag), false);
}

typedef struct Answers {
    struct ultracall_probe probe;
    uint8_t guest[256];
    uint64_t probe_len, guest_len;
} Answers;

static void ask(Transport t, Answers *answers)
{
    const uint64_t p[ULTRACALL_ARGS] = { (uintptr_t)&answers->probe,
                                         sizeof(answers->probe) };
    const uint64_t q[ULTRACALL_ARGS] = { (uintptr_t)"vm1", TAG_LENGTH,
                                         (uintptr_t)answers->guest,
                                         sizeof(answers->guest) };
    Result result = call_by(t, ULTRACALL_PROBE, p);

    check("PROBE", result.status, 0);
    answers->probe_len = result.value;
    result = call_by(t, ULTRACALL_QUERY, q);
    check("QUERY", result.status, 0);
    answers->guest_len = result.value;
    check("no such call", call_by(t, 99, q).status, -38);
}

void scenario_calls(void)
{
    static Answers first, other, none;

    ask(DOORBELL, &first);
    check("size of QUERY's answer", first.guest_len,
          sizeof(struct ultracall_guest) + sizeof(struct ultracall_device));
    for (Transport t = INSTRUCTION; t < DOORBELL; t++) {
        if (transport_works(t)) {
            other = none;
            ask(t, &other);
            say("INFO by %s", transport_names[t]);
            check("the doorbell's answers",
                  differences(&first, &other, sizeof(other)), 0);
        }
    }
}
