/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzz ultracall_dispatch(): sequences of calls with any registers, over an
 * address space with holes and read-only pages, mixed with nested entries and
 * port accesses, input from the users, and what an operator does.
 *
 * Input: operations, each a byte that says which, and its arguments; see
 * operate() and seeds/make.py.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/main-loop.h"
#include "qemu/rcu.h"
#include "shadow/hw/core/shadow-running.h"
#include "shadow/hw/misc/ultracall-admission.h"
#include "shadow/migration/shadow-state.h"
#include "shadow/tests/fuzz/fuzz-claims.h"
#include "shadow/tests/fuzz/fuzz-guests.h"
#include "shadow/tests/fuzz/fuzz-memory.h"

#define MAX_OPS 48

/* Ports of both guests, and some of nobody */
#define PORTS_BASE 0x3f6

#define MAX_GENUINE 4

/* An envelope that another host has sealed */
typedef struct Genuine {
    unsigned guest;
    bool history;
    uint64_t epoch;
    size_t len;
    uint8_t *bytes;
} Genuine;

static ShadowEntry entry;
static uint8_t token[ULTRACALL_TOKEN_LEN];
static GHashTable *admitted;        /* processes that ever were */
static bool tickets;                /* there was one */

/* Who made the last BIND, and whether that was after the last COMMIT */
static struct {
    uint64_t process;
    bool since_commit;
} bound[FUZZ_GUESTS];
static Genuine genuine[MAX_GENUINE];
static unsigned n_genuine;

static void caller_entry(UltracallCaller *c, ShadowEntry *e)
{
    *e = entry;
}

static bool caller_peek(UltracallCaller *c, uint64_t va, uint64_t *val)
{
    return fuzz_memory_peek(NULL, va, val);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    fuzz_guests_start();
    fuzz_memory_start();
    fuzz_claims_start();
    admitted = g_hash_table_new(NULL, NULL);
    return 0;
}

static const Genuine *find_genuine(unsigned guest, uint64_t va, size_t len,
                                   uint64_t epoch_before)
{
    for (unsigned i = 0; i < n_genuine; i++) {
        const Genuine *e = &genuine[i];

        if (e->guest == guest && e->len == len && e->epoch > epoch_before &&
            fuzz_memory_equals(va, e->bytes, len)) {
            return e;
        }
    }
    return NULL;
}

static bool documented(int64_t status)
{
    switch (-status) {
    case 0:
    case ENOSYS:
    case EPERM:
    case EINVAL:
    case ENOENT:
    case EFAULT:
    case ENOSPC:
    case EALREADY:
    case EBUSY:
    case EAGAIN:
    case EACCES:
    case EOPNOTSUPP:
    case EBADMSG:
    case ESTALE:
        return true;
    default:
        return false;
    }
}

/* Where a call that went well has brought its guest. */
static void check_success(uint32_t nr, unsigned which, const FuzzGuest *was,
                          const UltracallRegs *regs, bool nested)
{
    const FuzzGuest *g = fuzz_guest(which);
    const Genuine *env;

    fuzz_assert(!nested || nr == ULTRACALL_PROBE || nr == ULTRACALL_REGISTER ||
                nr == ULTRACALL_QUERY);
    switch (nr) {
    case ULTRACALL_BIND:
        fuzz_assert(g->claimed == (regs->arg[4] & ULTRACALL_BIND_CLAIM));
        fuzz_assert(g->claimed ? !g->by_process && !g->by_tag
                               : g->by_process);
        bound[which].process = entry.process;
        bound[which].since_commit = true;
        if (g->claimed) {
            fuzz_claims_bound(which, regs->arg[2]);
        }
        break;
    case ULTRACALL_SAVE:
        fuzz_assert(was->state == SHADOW_GUEST_STATE_ACTIVE &&
                    g->state == (regs->arg[4] == ULTRACALL_SAVE_HISTORY ?
                                 SHADOW_GUEST_STATE_ACTIVE :
                                 SHADOW_GUEST_STATE_FROZEN) &&
                    g->epoch == was->epoch + 1);
        break;
    case ULTRACALL_RESTORE:
        env = find_genuine(which, regs->arg[2], regs->arg[3], was->epoch);
        fuzz_assert(was->state == SHADOW_GUEST_STATE_INCOMING ||
                    was->state == SHADOW_GUEST_STATE_GONE);
        fuzz_assert(env);
        fuzz_assert(env->history ? g->state == was->state &&
                                   g->epoch == was->epoch :
                    g->state == SHADOW_GUEST_STATE_RESTORED &&
                    g->epoch > was->epoch);
        break;
    case ULTRACALL_COMMIT:
        fuzz_assert(was->state == SHADOW_GUEST_STATE_FROZEN &&
                    g->state == SHADOW_GUEST_STATE_GONE);
        bound[which].since_commit = false;
        break;
    case ULTRACALL_ABORT:
        fuzz_assert(was->state == SHADOW_GUEST_STATE_FROZEN ||
                    (was->state == SHADOW_GUEST_STATE_GONE &&
                     was->by_process && !bound[which].since_commit &&
                     bound[which].process == entry.process));
        fuzz_assert(g->state == SHADOW_GUEST_STATE_ACTIVE);
        break;
    case ULTRACALL_RESET:
        fuzz_assert(g->state == SHADOW_GUEST_STATE_ACTIVE);
        break;
    default:
        break;
    }
}

/* Who has no right of his own has had a token, or somebody's ticket. */
static void check_admitted(uint32_t nr, const UltracallRegs *regs,
                           bool had_token, bool unprivileged)
{
    uint64_t flags = nr == ULTRACALL_ADMIT ? regs->arg[2] : 0;

    if (nr == ULTRACALL_ADMIT && !flags) {
        fuzz_assert(had_token || tickets);
        g_hash_table_add(admitted, GSIZE_TO_POINTER(entry.process));
        return;
    }
    fuzz_assert(!(unprivileged || flags) ||
                g_hash_table_contains(admitted,
                                      GSIZE_TO_POINTER(entry.process)));
    tickets |= flags;
}

static void call(uint32_t nr, UltracallRegs *regs, unsigned which, bool nested,
                 bool unprivileged)
{
    bool had_token = nr == ULTRACALL_ADMIT &&
                     fuzz_memory_equals(regs->arg[0], token, sizeof(token));
    UltracallCaller caller = {
        .nested = nested,
        .map = fuzz_memory_map,
        .entry = caller_entry,
        .peek = caller_peek,
        .unprivileged = unprivileged,
    };
    FuzzGuest before[FUZZ_GUESTS];
    g_autofree uint8_t *state = NULL;
    ShadowGuest *g = fuzz_guest_object(which);

    if (nr == ULTRACALL_RESTORE && g) {
        state = fuzz_state(g);
    }
    fuzz_guests_note(before);
    fuzz_memory_note();
    ultracall_dispatch(&caller, nr, regs);

    fuzz_assert(documented(regs->status));
    if (!regs->status) {
        check_admitted(nr, regs, had_token, unprivileged);
        check_success(nr, which, &before[which], regs, nested);
        fuzz_guests_called(nr, which);
    } else {
        fuzz_memory_check_same();
        fuzz_guests_check_same(before);
        if (state) {
            g_autofree uint8_t *after = fuzz_state(g);

            fuzz_same(state, after, shadow_state_size(&g->devices));
        }
    }
}

/* Addresses and lengths that are more or less right, or anything. */
static void operate_call(FuzzInput *in)
{
    static const uint64_t lens[] = {
        0, 8, 24, 31, 32, 64, 272, 4223, 4224, 4225, 8320, 0x1000080,
        0x1000081, UINT32_MAX, INT64_MAX, UINT64_MAX,
    };
    uint8_t how = fuzz_u8(in);
    uint8_t tag = fuzz_u8(in);
    uint32_t nr = how % 16;
    UltracallRegs regs;

    fuzz_memory_tag(tag, &regs.arg[0], &regs.arg[1]);
    regs.arg[2] = fuzz_memory_address(fuzz_u16(in));
    regs.arg[3] = lens[fuzz_u8(in) % ARRAY_SIZE(lens)];
    regs.arg[4] = fuzz_u8(in) % 8;
    if (how & 0x40) {
        regs.arg[fuzz_u8(in) % ULTRACALL_ARGS] =
            (uint64_t)fuzz_u32(in) << 32 | fuzz_u32(in);
    }
    if (nr == ULTRACALL_PROBE) {
        regs.arg[0] = regs.arg[2];
        regs.arg[1] = regs.arg[3];
    } else if (nr == ULTRACALL_ADMIT) {
        regs.arg[0] = regs.arg[2];
        regs.arg[1] = sizeof(token);
        regs.arg[2] = regs.arg[4] & ULTRACALL_ADMIT_TICKET;
        if (how & 0x10) {
            fuzz_memory_write(regs.arg[0], token, sizeof(token));
        }
    } else if (nr > ULTRACALL_QUERY) {
        nr = fuzz_u32(in);
    }
    call(nr, &regs, fuzz_guest_named(regs.arg[0], regs.arg[1]), how & 0x80,
         how & 0x20);
}

static void operate_port(uint8_t op, FuzzInput *in)
{
    RCU_READ_LOCK_GUARD();
    uint8_t where = fuzz_u8(in);
    uint16_t port = (where & 0x80 ? 0 : PORTS_BASE) + where % 16;
    unsigned size = 1 << (where >> 4) % 3;
    ShadowAnswer answer;

    shadow_running_enter(0, &entry, fuzz_memory_peek, NULL);
    answer = shadow_running_ask(0, port, size);
    if (answer.server == SHADOW_SERVER_OTHER) {
        return;
    }
    if (answer.server == SHADOW_SERVER_DEVICE) {
        fuzz_claims_check(answer.ports, entry.root);
        fuzz_guests_touched();
    }
    if (op & 1) {
        shadow_answer_write(&answer, port, size, fuzz_u16(in));
    } else {
        shadow_answer_read(&answer, port, size);
    }
}

/* Put an envelope of another host's into memory, perhaps altered. */
static void operate_envelope(bool history, FuzzInput *in)
{
    static const uint8_t them[SHADOW_SEAL_SEALER_ID_LEN] = "them";
    unsigned which = fuzz_u8(in) % FUZZ_GUESTS;
    uint64_t epoch = fuzz_u8(in);
    uint64_t va = fuzz_memory_address(fuzz_u16(in));
    uint8_t alter = fuzz_u8(in);
    g_autofree uint8_t *env = NULL;
    size_t len;

    if (n_genuine == MAX_GENUINE) {
        return;
    }
    env = fuzz_guest_seal(which, history, epoch, them, &len);
    if (!env) {
        return;
    }
    genuine[n_genuine++] = (Genuine) {
        which, history, epoch, len, g_memdup2(env, len)
    };
    if (alter) {
        env[fuzz_u16(in) % len] ^= alter;
    }
    fuzz_memory_write(va, env, len);
}

static void operate(uint8_t op, FuzzInput *in)
{
    uint8_t arg[16];

    switch (op % 16) {
    case 0 ... 5:
        operate_call(in);
        break;
    case 6 ... 8:
        operate_port(op, in);
        break;
    case 9:
        memset(arg, fuzz_u8(in), sizeof(arg));
        fuzz_type(op & 0x10 ? "c1" : "c0", arg, op >> 4);
        fuzz_guests_touched();
        break;
    case 10:
        arg[0] = fuzz_u8(in);
        fuzz_memory_write(fuzz_memory_address(fuzz_u16(in)), arg, 1);
        break;
    case 11:
        entry.process = (op >> 4) % 4 << 13;
        entry.root = fuzz_u8(in) % 4 << 12;
        entry.vmcb = fuzz_u8(in) % 4 << 12;
        if (op & 0x80) {
            fuzz_claims_put(op >> 6 & 1, entry.root);
        }
        break;
    case 12:
        fuzz_guests_later(fuzz_u8(in));
        break;
    case 13:
        operate_envelope(op & 0x10, in);
        break;
    case 14:
        fuzz_guests_operator(op >> 4);
        break;
    case 15:
        if (fuzz_guest_prove(arg, fuzz_u8(in))) {
            fuzz_memory_write(fuzz_memory_address(fuzz_u16(in)), arg,
                              sizeof(arg));
        }
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    FuzzInput in = { data, len };

    fuzz_guests_renew();
    fuzz_memory_renew();
    fuzz_claims_renew();
    entry = (ShadowEntry) { };
    ultracall_admission_renew(token);
    g_hash_table_remove_all(admitted);
    tickets = false;
    for (unsigned i = 0; in.len && i < MAX_OPS; i++) {
        operate(fuzz_u8(&in), &in);
        fuzz_guests_check();
    }
    fuzz_memory_check_constant();
    while (n_genuine) {
        g_free(genuine[--n_genuine].bytes);
    }
    fuzz_machine_tidy();
    return 0;
}
