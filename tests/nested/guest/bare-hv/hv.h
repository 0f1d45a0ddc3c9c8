/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A small AMD-V hypervisor without an operating system: the cloud VM whose
 * root has written all of it.
 */
#ifndef HV_H
#define HV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ULTRACALL_KERNEL
#include "ultracall.h"

#define PAGE 4096ul
#define MIB (1ul << 20)
#define GIB (1ul << 30)
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#define COM1 0x3f8
#define COM1_PORTS 8
#define LSR (COM1 + 5)
#define LSR_DR 0x01
#define LSR_THRE 0x20
#define LSR_THRE_TEMT 0x60

/* Ports */

static inline void outb(uint8_t val, uint16_t port)
{
    __asm__ volatile("outb %0, %1" : : "a"(val), "Nd"(port));
}

static inline void outw(uint16_t val, uint16_t port)
{
    __asm__ volatile("outw %0, %1" : : "a"(val), "Nd"(port));
}

static inline void outl(uint32_t val, uint16_t port)
{
    __asm__ volatile("outl %0, %1" : : "a"(val), "Nd"(port));
}

static inline uint8_t inb(uint16_t port)
{
    uint8_t val;

    __asm__ volatile("inb %1, %0" : "=a"(val) : "Nd"(port));
    return val;
}

static inline uint16_t inw(uint16_t port)
{
    uint16_t val;

    __asm__ volatile("inw %1, %0" : "=a"(val) : "Nd"(port));
    return val;
}

static inline uint32_t inl(uint16_t port)
{
    uint32_t val;

    __asm__ volatile("inl %1, %0" : "=a"(val) : "Nd"(port));
    return val;
}

static inline uint64_t rdmsr(uint32_t msr)
{
    uint32_t low, high;

    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
    return low | (uint64_t)high << 32;
}

static inline void wrmsr(uint32_t msr, uint64_t val)
{
    __asm__ volatile("wrmsr"
                     :
                     : "c"(msr), "a"((uint32_t)val),
                       "d"((uint32_t)(val >> 32)));
}

/* Memory as an instruction of its own reads it */
static inline uint8_t peek(const uint8_t *p)
{
    uint8_t val;

    __asm__ volatile("movb %1, %0" : "=q"(val) : "m"(*p) : "memory");
    return val;
}

static inline void poke(uint8_t *p, uint8_t val)
{
    __asm__ volatile("movb %1, %0" : "=m"(*p) : "q"(val) : "memory");
}

/* lapic.c */

/* To other CPUs; it is a value of the interrupt command register. */
void lapic_send(uint32_t command);
/* Interrupts each @count ticks, of which nothing comes but exits of guests */
void lapic_timer(uint32_t count);

/* smp.c: another CPU, which comes from start.S to cpu_main() */

extern const uint8_t cpu_start[], cpu_start_end[];
void cpu_main(void);

/* Run @function there; the first CPU goes on. */
bool smp_start(void (*function)(void));
/* From either CPU to the other */
void smp_send_nmi(void);

static inline void relax(uint64_t rounds)
{
    while (rounds--) {
        __asm__ volatile("pause");
    }
}

/* report.c: lines to the debug console, at port 0xe9 */

/* %s, %u, %x, each 64 bits wide but %s */
void say(const char *format, ...);
bool check(const char *what, uint64_t got, uint64_t want);
/* In how many of @n bytes they differ */
unsigned differences(const void *a, const void *b, size_t n);
/* A word of the command line: the number after NAME=, or @def */
uint64_t option(const char *name, uint64_t def);
bool option_is(const char *name, const char *value);
void options_init(uint32_t multiboot_info);
void hv_end(void);

/* memory.c: page tables and exceptions */

/* Each maps the first 4 GiB to themselves, in 2 MiB pages */
typedef enum Root {
    ROOT_A,                     /* a process of L1: in CR3 of the bound guest */
    ROOT_TWIN,                  /* another one, of which only bit 12 differs */
    ROOT_B,                     /* and one more */
    ROOT_GUEST,                 /* CR3 of nested guests */
    ROOT_NESTED,                /* their nested paging */
    ROOT_MORE,                  /* and processes enough for many guests */
    ROOTS = ROOT_MORE + 20
} Root;

void memory_init(void);
void memory_cpu_init(void);     /* on another CPU */
uint64_t memory_root(Root root);
void memory_enter(Root root);

/* Page table entries */
#define PTE_P 1ul
#define PTE_W 2ul
#define PTE_U 4ul
#define PTE_A 0x20ul
#define PTE_D 0x40ul
#define PTE_PS 0x80ul
#define PTE_RESERVED (1ul << 51)
#define PTE_NX (1ul << 63)

/* Roots A and B have these besides; @n counts pages of the level */
#define SMALL_BASE (4 * GIB)
#define LARGE_BASE (5 * GIB)
#define HUGE_BASE (6 * GIB)
void memory_map_small(unsigned n, uint64_t entry);
void memory_map_large(unsigned n, uint64_t entry);
void memory_map_huge(unsigned n, uint64_t entry);
/* And the nested paging, besides what is mapped to itself */
void memory_map_nested(unsigned gib, uint64_t entry);

/*
 * Nested guests with a page of their own at the end of what is identical in
 * all; OWN_ADDRESS is in it.
 */
#define OWN_MAX 3
#define OWN_ADDRESS (3 * GIB + 0xff8)
uint64_t memory_own_root(unsigned n);
/* Guest @n has the page of @page there, or none. */
void memory_own_map(unsigned n, unsigned page, bool there);
uint64_t *memory_own_word(unsigned n);

void memory_set_gate(unsigned vector, void *handler);

/* The last exception that was caught */
typedef struct Fault {
    unsigned vector;
    uint64_t address;           /* CR2 */
} Fault;

#define NO_FAULT (~0u)
#define VECTOR_DB 1
#define VECTOR_NMI 2
#define FAULT_UD 6
#define FAULT_NM 7
#define FAULT_GP 13
#define FAULT_PF 14
extern Fault fault;
/* While this is not 0, an exception goes on there */
extern uint64_t fault_resume;

/* vm.c: a nested guest */

struct vmcb;
/* start.S */
void vm_enter(uint64_t vmcb, uint64_t *regs);
void vm_enter_unpaged(uint64_t vmcb, uint64_t *regs);

typedef struct Access {
    bool in, string;
    uint16_t port;
    unsigned size;
    uint64_t value;
} Access;

typedef enum VmEvent {
    VM_ACCESS,                  /* a port access that L1 got to see */
    VM_YIELD,
    VM_DONE,
    VM_BROKEN,
} VmEvent;

enum { RBX, RCX, RDX, RSI, RDI, RBP, REGS = 14 };

typedef struct Vm {
    struct vmcb *vmcb;
    uint64_t stack;
    Root process;
    uint64_t regs[REGS];
    bool own_exits;             /* whether L1 asks for port accesses at all */
    bool clean;                 /* tell the processor what has not changed */
    bool quiet;                 /* no line for each access */
    bool unpaged;               /* entered without paging of L1's own */
    void (*interrupted)(void);  /* after an exit for an interrupt, or NULL */
    Access last;
    unsigned seen;              /* accesses that L1 got to see */
    unsigned bytes;             /* of them, written to COM1 */
} Vm;

/* What L1's maps of I/O permissions, all ones, are: see vm.c */
extern uint8_t maps[2][3 * PAGE];
#define MAP_BYTE(n) (maps[n][COM1 / 8])

typedef void (*VmProgram)(uint64_t a, uint64_t b);

void vm_init(void);
/* For the CPU that smp_start() has started, before it runs any */
void vm_init_second(void);
void vm_create(Vm *vm, Root process, VmProgram program, uint64_t a, uint64_t b);
/* Have it begin again, with this. */
void vm_start(Vm *vm, VmProgram program, uint64_t a, uint64_t b);
/* Whether it exits with @code, as the processor numbers its intercepts */
void vm_set_intercept(Vm *vm, unsigned code, bool on);
/* Until it exits, for what it has done itself; the code is returned. */
uint64_t vm_run(Vm *vm);
#define EXIT_VMMCALL 0x81
void vm_set_map(Vm *vm, unsigned map);
void vm_set_root(Vm *vm, uint64_t nested_root);
void vm_set_asid(Vm *vm, uint32_t asid);
/* Go on with another VMCB that holds the same */
void vm_move(Vm *vm);
/* Run it until something happens; L1 answers port accesses. */
VmEvent vm_step(Vm *vm);
/* What reads of COM1 get, besides LSR */
extern uint8_t vm_answer;

/* One entry, whatever it exits for; the code is returned. */
uint64_t vm_enter_once(Vm *vm);

/* nested.c: what runs in it; all else is L1 */

/*
 * Write @lines lines, yield after each byte; @with: see below.  If it goes on
 * after that, once more with one line more.
 */
#define SESSION_INPUT 1         /* then read a line and show it */
#define SESSION_STRING 2        /* then write a line by rep outsb */
void nested_session(uint64_t lines, uint64_t with);
/* Accesses of all kinds: @first to @last - 1 of the list */
void nested_accesses(uint64_t first, uint64_t last);
Access nested_access(unsigned n);
extern uint64_t nested_got[];
#define NESTED_ACCESSES_MAX 4096
/*
 * Accesses of all kinds, then yield, over and over.  At the start of each entry
 * the guest compares two counters: nested_calls is odd while a call is made,
 * and L1 has put what it was before the entry into nested_entered.  Where they
 * agree the guest knows whether it was bound when it was entered, and writes
 * NESTED_BOUND or NESTED_UNBOUND for the whole of the entry.
 */
void nested_letters(uint64_t unused, uint64_t unused2);
/* volatile: set by one CPU while the other looks */
extern volatile uint64_t nested_calls, nested_entered;
#define NESTED_BOUND 'B'
#define NESTED_UNBOUND 'u'
#define NESTED_UNKNOWN '?'
/* Entries of each kind, and what a bound one got from L1's scratch register */
extern uint64_t nested_bound_entries, nested_unbound_entries, nested_foreign;
/* The same for a bound guest, in one entry, until nested_stop */
void nested_one_entry(uint64_t unused, uint64_t unused2);
/* volatile: as above */
extern volatile uint64_t nested_turns;
/* volatile: as above */
extern volatile bool nested_stop;
/* Read @in bytes, then write @out, and nothing else */
void nested_transfer(uint64_t out, uint64_t in);
/* Some milliseconds of nothing */
void nested_spin(uint64_t rounds, uint64_t unused);
/* Arithmetic and memory, @steps of it, then a port of nobody's; for ever */
#define NESTED_WORK_PORT 0x80
void nested_work(uint64_t steps, uint64_t unused);

/* scenarios.c: nested_session() in a guest, as the command line has it */

/* Between two entries, the number of which is given */
typedef void (*Attack)(Vm *vm, unsigned entry);

void create_session(Vm *vm, Root process, uint64_t lines);
void run_session(Vm *vm, Attack attack);

/* calls.c: ultracalls, and attack-calls.c: wild ones */

typedef enum Transport { INSTRUCTION, HYPERCALL, DOORBELL } Transport;

typedef struct Result {
    unsigned vector;            /* NO_FAULT, or what the caller got instead */
    uint64_t address;
    int64_t status;
    uint64_t value;
} Result;

extern struct ultracall_client client;
extern const char *const transport_names[];
bool calls_init(void);
bool transport_works(Transport t);
Result call_by(Transport t, uint32_t nr, const uint64_t *a);
/* By any transport, with the guest's tag, of 3 letters */
int64_t call(uint32_t nr, const char *tag, void *buf, uint64_t len);
/*
 * Its nested guests are the ones that run in this process.  L0 puts its cookie
 * at @cookie; bind() has one for each process.
 */
int64_t bind_at(const char *tag, Root process, uint64_t *cookie);
bool bind(const char *tag, Root process);
bool unprotected(const char *tag);
void scenario_calls(void);
void scenario_buffers(void);

/* attack-doorbell.c: whose rights a call by the doorbell has */
void scenario_doorbell(void);

/* processor.c: what the emulated processor has to do; nothing is attacked */
void scenario_lazy(void);
void scenario_intercepts(void);
void scenario_flags(void);
void scenario_events(void);
void scenario_priorities(void);
void scenario_task(void);
void scenario_step(void);
void scenario_devices(void);
void scenario_breakpoint(void);
void scenario_straddle(void);
void scenario_halfway(void);
void scenario_random(void);

/* assists.c: what it tells of a nested guest's instructions */
void scenario_assists(void);

/* attack-binding.c: what becomes of a binding while its guest runs */
void scenario_absent(void);
void scenario_changed(void);
void scenario_taken(void);
void scenario_twin(void);
void scenario_callers(void);
void scenario_removed(void);

/* attack-claim.c: guests that are known by a cookie in their own page */

/* The nested guest @n gets L0's cookie; returns the status of BIND. */
int64_t claim_at(const char *tag, unsigned n);
bool claim_is_bound(const char *tag);
void scenario_claim(void);
void scenario_claims(void);

/* attack-private*.c: a guest in private memory, guest/victim */
void scenario_private(void);
void scenario_private_over(void);
void scenario_private_machine(void);
void scenario_private_race(void);
void scenario_private_cpus(void);
void scenario_private_two(void);
void scenario_import(void);
void scenario_import_race(void);
void scenario_import_tasks(void);
void scenario_import_others(void);

/* work.c: a fixed piece of work */
void scenario_work(void);
/* costs.c: nothing is attacked; what it takes is counted in L0. */
void scenario_transfer(void);
void scenario_idle(void);

#endif /* HV_H */
