/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Each field of the VMCB, at each kind of exit: it is changed, and the guest
 * entered.  Either the entry is refused, or nothing has come of it; the guest
 * itself says whether that is so.
 */
#include "private.h"
#include "attack-private-table.h"

/* Cells that are refused, at one exit */
#define AT_ONCE 200
#define SEQUENCE 256

typedef enum Kind {
    KIND_CPUID, KIND_RDMSR, KIND_WRMSR, KIND_RDPMC, KIND_IN, KIND_OUT,
    KIND_VMMCALL, KIND_XSETBV, KIND_HLT, KIND_PAUSE, KIND_WBINVD, KIND_CR0,
    KIND_CR4, KIND_CR8, KIND_LOAD, KIND_STORE, KIND_REST, KIND_INTR, KINDS,
} Kind;

static const char *const kind_names[KINDS] = {
    "CPUID", "RDMSR", "WRMSR", "RDPMC", "IN", "OUT", "VMMCALL", "XSETBV", "HLT",
    "PAUSE", "WBINVD", "CR0", "CR4", "CR8", "load", "store", "no-move", "INTR",
};

typedef struct Tried {
    unsigned next;              /* cell */
    unsigned refused, nothing, elsewhere;
} Tried;

static Tried tried[KINDS];
static unsigned n_cells;

/* The exits of a round that L1 completes, in their order */
static uint64_t sequence[SEQUENCE];
static unsigned in_sequence, position;
/* And after which of them there is one that it does not complete */
static unsigned rest_at = SEQUENCE;

static Kind kind_of(uint64_t code, const struct vmcb *vmcb)
{
    const uint8_t *insn = vmcb->insn_bytes;

    switch (code) {
    case EXIT_CPUID:
        return KIND_CPUID;
    case EXIT_MSR:
        return vmcb->exit_info1 ? KIND_WRMSR : KIND_RDMSR;
    case EXIT_RDPMC:
        return KIND_RDPMC;
    case EXIT_IOIO:
        return vmcb->exit_info1 & IOIO_IN ? KIND_IN : KIND_OUT;
    case EXIT_VMMCALL:
        return KIND_VMMCALL;
    case EXIT_XSETBV:
        return KIND_XSETBV;
    case EXIT_HLT:
        return KIND_HLT;
    case EXIT_PAUSE:
        return KIND_PAUSE;
    case EXIT_WBINVD:
        return KIND_WBINVD;
    case EXIT_WRITE_CR0:
        return KIND_CR0;
    case EXIT_WRITE_CR0 + 4:
        return KIND_CR4;
    case EXIT_WRITE_CR0 + 8:
        return KIND_CR8;
    case EXIT_NPF:
        insn += *insn == 0x66 || *insn == 0x48;
        return *insn == 0x0f ? KIND_REST : *insn & 2 ? KIND_LOAD : KIND_STORE;
    default:
        return KIND_INTR;
    }
}

static uint64_t read_field(const Cell *cell)
{
    uint64_t val = 0;

    for (unsigned i = 0; i < cell->size; i++) {
        val |= (uint64_t)((uint8_t *)private_vm.vmcb)[cell->offset + i]
               << (8 * i);
    }
    return val;
}

static void write_field(const Cell *cell, uint64_t val)
{
    for (unsigned i = 0; i < cell->size; i++) {
        ((uint8_t *)private_vm.vmcb)[cell->offset + i] = val >> (8 * i);
    }
}

/* As a hypervisor does: what has to be, and nothing else */
static uint64_t go_on(const PrivateExit *exit)
{
    if (exit->spins) {
        private_vm.vmcb->event_inj = INJECT_VALID | VICTIM_VECTOR;
    }
    return private_enter();
}

/* What an exit writes of the control area */
static bool is_output(const Cell *cell)
{
    return (cell->offset >= offsetof(struct vmcb, int_shadow) &&
            cell->offset < offsetof(struct vmcb, nested_ctl)) ||
           (cell->offset >= offsetof(struct vmcb, next_rip) &&
            cell->offset < offsetof(struct vmcb, pad4));
}

/* What has been changed is L1's own still, if the exit has not written it. */
static uint64_t try_nothing(const PrivateExit *exit, const Cell *cell,
                            uint64_t old, uint64_t val)
{
    uint64_t code = go_on(exit);

    if (code == EXIT_INVALID) {
        check(cell->name, code, 0);
        say("INFO at 0x%x: 0x%x instead of 0x%x, after exit 0x%x",
            (uint64_t)cell->offset, val, old, exit->code);
    }
    if (!is_output(cell) && read_field(cell) == val) {
        write_field(cell, old);
    }
    private_vm.vmcb->int_control = 0;
    return code;
}

static void try_refused(const PrivateExit *exit, const Cell *cell, uint64_t old,
                        uint64_t val)
{
    if (!private_refused()) {
        check(cell->name, private_vm.vmcb->exit_code, EXIT_INVALID);
        say("INFO at 0x%x: 0x%x instead of 0x%x, after exit 0x%x",
            (uint64_t)cell->offset, val, old, exit->code);
    }
    write_field(cell, old);
}

/*
 * The code of what exits next, once this has been completed: to be known where
 * a change would have the guest ask the processor instead of L1.
 */
static uint64_t note_sequence(const PrivateExit *exit)
{
    const struct vmcb *vmcb = private_vm.vmcb;

    if (exit->completes && private_rounds == 1 && in_sequence < SEQUENCE) {
        sequence[in_sequence++] = exit->code;
    } else if (exit->code == EXIT_NPF && !exit->completes) {
        rest_at = position;
    }
    if (exit->code == EXIT_IOIO &&
        vmcb->exit_info1 >> IOIO_PORT == VICTIM_ROUND_PORT) {
        position = 1;
    } else if (exit->completes) {
        position++;
    }
    return in_sequence ? sequence[position % in_sequence] : 0;
}

/* Without its exit the guest would not say what comes of it, or go on. */
static bool is_elsewhere(const Cell *cell, Kind kind, uint64_t next)
{
    return cell->unless &&
           (cell->unless == next ||
            (cell->unless == EXIT_INTR && (kind == KIND_REST ||
                                           kind == KIND_INTR)));
}

static uint64_t attack_table(PrivateExit *exit, const CellTable *table)
{
    uint64_t next = note_sequence(exit);
    Kind kind = kind_of(exit->code, private_vm.vmcb);
    Tried *t = &tried[kind];
    Cell cell;

    n_cells = table->n_cells;
    vm_set_intercept(&private_vm, EXIT_XSETBV, true);
    if (private_rounds < 2) {
        return go_on(exit);
    }
    for (unsigned i = 0; i < AT_ONCE && t->next < n_cells; i++) {
        unsigned n = t->next++;
        uint64_t old, val;

        if (!table->cell(n, &cell)) {
            continue;
        }
        old = read_field(&cell);
        val = cell.set ? cell.val : old ^ cell.val;
        if (is_elsewhere(&cell, kind, next)) {
            t->elsewhere++;
            continue;
        }
        write_field(&cell, val);
        if (cell.refused) {
            t->refused++;
            try_refused(exit, &cell, old, val);
        } else {
            t->nothing++;
            return try_nothing(exit, &cell, old, val);
        }
    }
    return go_on(exit);
}

uint64_t attack_save(PrivateExit *exit)
{
    return attack_table(exit, &save_table);
}

uint64_t attack_control(PrivateExit *exit)
{
    return attack_table(exit, &control_table);
}

/*
 * L1 without paging has no nested tables either: what the guest shares is where
 * L1 has the same address.  So never before it looks there.
 */
uint64_t attack_unpaged(PrivateExit *exit)
{
    static unsigned unpaged;
    uint64_t code, next = note_sequence(exit);

    if (private_rounds < 2 || next == EXIT_NPF || position == rest_at ||
        !exit->completes) {
        return go_on(exit);
    }
    private_vm.unpaged = true;
    code = go_on(exit);
    private_vm.unpaged = false;
    if (++unpaged == 50) {
        check("entries without paging", true, true);
    }
    return code;
}

bool private_table_left(void)
{
    bool left = !n_cells;

    for (unsigned kind = 0; kind < KINDS; kind++) {
        left |= tried[kind].next < n_cells;
    }
    return left && private_rounds < option("rounds", 3);
}

void private_table_say(void)
{
    unsigned refused = 0;

    for (unsigned kind = 0; kind < KINDS; kind++) {
        const Tried *t = &tried[kind];

        say("TABLE %s: refused %u, nothing %u, elsewhere %u", kind_names[kind],
            (uint64_t)t->refused, (uint64_t)t->nothing, (uint64_t)t->elsewhere);
        check("all has been tried", t->next, n_cells);
        refused += t->refused;
    }
    say("COUNT refused %u", (uint64_t)refused);
}
