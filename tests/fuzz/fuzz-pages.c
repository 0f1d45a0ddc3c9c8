/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzz private memory that migrates: sessions, records and states that come from
 * a host which has the key, in any order, altered or not, and what they should
 * not be; then what leaves of the guest that has come.  The memory is known at
 * any time: a guest runs with exactly what has come, and leaves as a whole.
 *
 * Input: operations, each a byte that says which, and its arguments; see
 * operate() and seeds/make.py.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/bswap.h"
#include "qemu/cutils.h"
#include "qemu/rcu.h"
#include "qemu/timer.h"
#include "shadow/hw/core/shadow-access.h"
#include "shadow/hw/core/shadow-keys.h"
#include "shadow/hw/core/shadow-pages.h"
#include "shadow/hw/misc/ultracall.h"
#include "shadow/migration/shadow-state.h"
#include "shadow/migration/shadow-stream.h"
#include "shadow/tests/fuzz/fuzz-machine.h"
#include "shadow/tests/shadow-image.h"

#define MAX_OPS 48

#define SIZE (1 * MiB)
#define PAGES (SIZE / SHADOW_PAGE)
#define KERNEL_LEN 4096

/* The cloud VM's address space: the guest's id, and a buffer */
#define TAG_VA 0x1000
#define BUF_VA 0x100000
#define BUF_SIZE (ULTRACALL_RECORD_MAX + 1)

#define STATE_MAGIC 0x53445631  /* see shadow-state.c */
#define MEASUREMENT_TEXT 65
#define VCPU_LEN 2954           /* see shadow-vcpu-state.c */
#define VCPUS 70

typedef struct SessionKey {
    uint64_t size;
    uint8_t id[SHADOW_STREAM_ID_LEN];
    uint8_t key[SHADOW_STREAM_KEY_LEN];
} SessionKey;

/* What we know of a session that there should be */
typedef struct Session {
    ShadowStream *stream;       /* NULL: there should be none */
    uint64_t changes;           /* of the guest, when it began */
    uint8_t *image;
} Session;

static ShadowGuest *guest;
static uint8_t *buffer;
static int64_t now;
static Session arrives, leaves;
static uint64_t taken;          /* records that have come */
static uint8_t *memory;         /* of the guest that is here */
static bool launched;
static uint8_t sessions;         /* that were brought */

/* The last record of what arrives */
static struct {
    uint8_t *record, *body;
    size_t len, body_len;
    uint64_t number;
} last;

static int caller_map(UltracallCaller *c, uint64_t va, size_t len, bool write,
                      UltracallBuffer *buf, uint64_t *fault)
{
    static uint8_t tag[] = "vm1";

    if (va == TAG_VA && len == 3 && !write) {
        ultracall_buffer_add(buf, tag, len);
        return 0;
    }
    if (va < BUF_VA || va > BUF_VA + BUF_SIZE ||
        len > BUF_VA + BUF_SIZE - va) {
        *fault = va;
        return -EFAULT;
    }
    if (len) {
        ultracall_buffer_add(buf, buffer + (va - BUF_VA), len);
    }
    return 0;
}

static void caller_entry(UltracallCaller *c, ShadowEntry *e)
{
    *e = (ShadowEntry) { .process = 0x2000 };
}

static bool caller_peek(UltracallCaller *c, uint64_t va, uint64_t *val)
{
    return false;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    g_autofree char *path = NULL, *device = NULL;
    g_autofree uint8_t *kernel = g_malloc0(KERNEL_LEN);
    int fd = g_file_open_tmp("shadow-fuzz-XXXXXX", &path, NULL);

    /* as much as a bzImage has at least */
    kernel[0x1f1] = 1;
    memcpy(kernel + 0x202, "HdrS", 4);
    stw_le_p(kernel + 0x206, 0x20f);
    stw_le_p(kernel + 0x236, 1);
    fuzz_assert(fd >= 0 && write(fd, kernel, KERNEL_LEN) == KERNEL_LEN);
    close(fd);
    device = g_strdup_printf("shadow-memory,id=ram,guest=vm1,size=1M,kernel=%s",
                             path);
    const char *const args[] = {
        "-object", "shadow-guest,id=vm1,secret=key0,incoming=on",
        "-device", device,
    };

    fuzz_machine_start(args, ARRAY_SIZE(args));
    unlink(path);
    guest = shadow_guest_find("vm1");
    buffer = g_malloc0(BUF_SIZE);
    memory = g_malloc0(SIZE);
    arrives.image = g_malloc0(SIZE);
    leaves.image = g_malloc0(SIZE);
    last.record = g_malloc(ULTRACALL_RECORD_MAX);
    last.body = g_malloc0(SHADOW_STREAM_BODY_MAX);
    return 0;
}

static void session_forget(Session *s)
{
    g_clear_pointer(&s->stream, shadow_stream_free);
}

static void session_begin(Session *s, const SessionKey *key)
{
    session_forget(s);
    s->stream = shadow_stream_new(key->key, key->id);
    fuzz_assert(s->stream);
    s->changes = guest->changes;
}

/* One that is over is not known any more. */
static bool session_lives(Session *s)
{
    if (s->stream && s->changes != guest->changes) {
        session_forget(s);
    }
    return s->stream;
}

static bool is_launched(void)
{
    ShadowDevice *dev = QTAILQ_FIRST(&guest->devices);
    ShadowMemoryInfo *info = SHADOW_DEVICE_GET_CLASS(dev)->private_memory(dev);
    bool is = info->launched;

    qapi_free_ShadowMemoryInfo(info);
    return is;
}

static void renew(void)
{
    ShadowDevice *dev = QTAILQ_FIRST(&guest->devices);

    shadow_guest_unbind(guest, "fuzz");
    SHADOW_DEVICE_GET_CLASS(dev)->reset(dev);
    shadow_guest_changed(guest);
    guest->state = SHADOW_GUEST_STATE_INCOMING;
    shadow_access_hold(dev, true);
    guest->settle = SHADOW_SETTLE_NONE;
    memset(guest->misfits, 0, sizeof(guest->misfits));
    guest->misfit_pace = guest->aheads = guest->unkept = (ShadowPace) { };
    guest->epoch = guest->accepted = guest->bindings = 0;
    guest->gave_away = 0;
    launched = false;
    taken = 0;
    session_forget(&arrives);
    session_forget(&leaves);
    last.len = sessions = 0;
    now = 0;
    fuzz_machine_run(now);
}

/* Nothing else than what is documented, and after a failure no other state */
static UltracallRegs call(uint32_t nr, uint64_t va, uint64_t len,
                          uint64_t flags)
{
    UltracallCaller caller = {
        .map = caller_map, .entry = caller_entry, .peek = caller_peek,
    };
    UltracallRegs regs = { .arg = { TAG_VA, 3, va, len, flags } };
    ShadowGuestState state = guest->state;
    uint64_t epoch = guest->epoch;
    bool was_launched = is_launched();

    ultracall_dispatch(&caller, nr, &regs);
    switch (-regs.status) {
    case 0:
        break;
    case EAGAIN:
        fuzz_machine_run(now);
        /* fall through */
    case EINVAL:
    case EFAULT:
    case ENOSPC:
    case EALREADY:
    case EBUSY:
    case EBADMSG:
    case ESTALE:
    case EOPNOTSUPP:
    case EPERM:
        fuzz_assert(guest->state == state && guest->epoch == epoch);
        fuzz_assert(is_launched() == was_launched);
        break;
    default:
        fuzz_broken("a documented status", __FILE__, __LINE__);
    }
    return regs;
}

/* RESTORE of what another host has sealed; @alter: a byte of it, or 0 */
static int64_t bring(ShadowSealPurpose purpose, uint8_t epoch, bool other,
                     const GByteArray *payload, uint16_t where, uint8_t alter)
{
    ShadowSealInfo info = {
        .purpose = purpose, .epoch = MAX(epoch, 1), .sealer_id = "them",
    };
    size_t len = shadow_keys_envelope_size(guest, purpose, payload->len);
    g_autofree uint8_t *env = g_malloc(len);

    pstrcpy(info.guest, sizeof(info.guest), other ? "vm2" : "vm1");
    memcpy(shadow_keys_payload(guest, purpose, env), payload->data,
           payload->len);
    fuzz_assert(shadow_keys_seal(guest, &info, env, payload->len, NULL));
    env[where % len] ^= alter;
    memcpy(buffer, env, MIN(len, BUF_SIZE));
    return call(ULTRACALL_RESTORE, BUF_VA, len, 0).status;
}

static bool waits(void)
{
    return guest->state == SHADOW_GUEST_STATE_INCOMING ||
           guest->state == SHADOW_GUEST_STATE_GONE;
}

static void operate_session(uint8_t how, FuzzInput *in)
{
    SessionKey key = { .size = cpu_to_be64(how & 0x10 ? SIZE * 2 : SIZE) };
    g_autoptr(GByteArray) payload = g_byte_array_new();
    uint8_t epoch = fuzz_u8(in), alter = how & 0x20 ? fuzz_u8(in) : 0;
    uint64_t accepted = guest->accepted;
    bool good = waits() && !is_launched();
    int64_t ret;

    memset(key.id, epoch, sizeof(key.id));
    memset(key.key, ++sessions, sizeof(key.key));
    g_byte_array_append(payload, (uint8_t *)&key,
                        how & 0x40 ? 1 + fuzz_u8(in) % sizeof(key)
                                   : sizeof(key));
    ret = bring(SHADOW_SEAL_PAGES, epoch, how & 0x80, payload,
                alter ? fuzz_u16(in) : 0, alter);
    fuzz_assert(ret || (good && !alter && !(how & 0x90) &&
                        payload->len == sizeof(key) &&
                        MAX(epoch, 1) > accepted));
    if (!ret) {
        session_begin(&arrives, &key);
        memset(arrives.image, 0, SIZE);
        taken = 0;
        last.number = UINT64_MAX;       /* whatever it is, it is another's */
    }
}

/* What a record may have, or may not; all else of @body is zeros. */
static size_t make_body(uint8_t *body, FuzzInput *in)
{
    unsigned runs = fuzz_u8(in) % 5, claimed = fuzz_u8(in);
    uint8_t *at = body + 4 + 8 * runs;

    stl_be_p(body, claimed < 0xf0 ? runs : claimed << (claimed % 24));
    for (unsigned i = 0; i < runs; i++) {
        uint8_t what = fuzz_u8(in);
        unsigned n = fuzz_u8(in) % 5;

        stl_be_p(body + 4 + 8 * i, what & 0x80 ? fuzz_u32(in)
                                               : fuzz_u8(in));
        stw_be_p(body + 8 + 8 * i, what & 0x40 ? fuzz_u16(in) : n);
        stw_be_p(body + 10 + 8 * i, what & 0x20 ? fuzz_u16(in) : what & 1);
        if (!(what & 1)) {
            memset(at, what, n * SHADOW_PAGE);
            at += n * SHADOW_PAGE;
        }
    }
    return at - body;
}

/* @len bytes that are in the buffer; @same: the last record as it was sealed */
static void import(size_t len, bool same)
{
    bool good = same && last.number == taken;
    bool fits = good && shadow_pages_give(PAGES, last.body, last.body_len,
                                          shadow_image_put, arrives.image);
    int64_t ret = call(ULTRACALL_PAGES, BUF_VA, len,
                       ULTRACALL_PAGES_IMPORT).status;

    fuzz_assert(!ret == fits);
    taken += !ret;
    if (good && !fits) {
        session_forget(&arrives);       /* there would be a hole */
    }
}

/* The next record of what arrives */
static void seal_last(FuzzInput *in)
{
    size_t len;

    memset(last.body, 0, last.body_len);
    len = make_body(last.body, in);
    last.len = shadow_stream_size(len);
    last.body_len = last.len - SHADOW_STREAM_HEADER_LEN -
                    SHADOW_STREAM_TAG_LEN;
    last.number = shadow_stream_records(arrives.stream);
    memcpy(last.record + SHADOW_STREAM_HEADER_LEN, last.body, len);
    fuzz_assert(shadow_stream_seal(arrives.stream, last.record, len));
}

static void operate_record(uint8_t how, FuzzInput *in)
{
    uint8_t alter = 0;
    size_t len;

    if (!session_lives(&arrives)) {
        fuzz_assert(call(ULTRACALL_PAGES, BUF_VA, fuzz_u16(in),
                         ULTRACALL_PAGES_IMPORT).status == -EBUSY);
        return;
    }
    if (!(how & 0x80)) {
        seal_last(in);
    }
    if (how & 0x10) {
        return;                         /* it is lost on its way */
    }
    memcpy(buffer, last.record, last.len);
    len = last.len;
    if (how & 0x20 && len) {
        alter = fuzz_u8(in);
        buffer[fuzz_u32(in) % len] ^= alter;
    }
    if (how & 0x40) {
        len -= MIN(len, fuzz_u16(in));
    }
    import(len, !alter && len == last.len);
}

/* A description of virtual CPUs, and whether they can be any */
static bool add_vcpus(GByteArray *state, FuzzInput *in)
{
    g_autofree uint8_t *vcpu = g_malloc0(VCPU_LEN);
    uint8_t n[2] = { fuzz_u8(in) % VCPUS, fuzz_u8(in) % VCPUS };
    bool place[256] = { }, vcpus[256] = { }, apic[256] = { };
    bool ok = n[0] && n[0] <= 64 && n[1] <= 64;

    g_byte_array_append(state, n, sizeof(n));
    for (unsigned i = 0; i < n[0]; i++) {
        vcpu[0] = fuzz_u8(in) ?: i;
        ok &= vcpu[0] < 64 && !place[vcpu[0]];
        place[vcpu[0]] = true;
        g_byte_array_append(state, vcpu, VCPU_LEN);
    }
    for (unsigned i = 0; i < n[1]; i++) {
        uint8_t start[10] = {
            [3] = fuzz_u8(in), [7] = fuzz_u8(in), [9] = fuzz_u8(in) % 2,
        };

        ok &= !apic[start[3]] && start[7] <= n[0] &&
              !(start[7] && (vcpus[start[7]] || start[9]));
        apic[start[3]] = vcpus[start[7]] = true;
        g_byte_array_append(state, start, sizeof(start));
    }
    return ok;
}

static void operate_state(uint8_t how, FuzzInput *in)
{
    static const uint8_t ram[] = { 3, 'r', 'a', 'm', 0, 0, 0, 1 };
    uint8_t own[1 + MEASUREMENT_TEXT + 8], digest[SHADOW_STREAM_DIGEST_LEN];
    g_autoptr(GByteArray) state = g_byte_array_new();
    uint8_t head[8], epoch = fuzz_u8(in), alter = how & 0x20 ? fuzz_u8(in) : 0;
    bool with = !(how & 0x10), ok = !alter && !(how & 0x80), lives;
    uint64_t accepted = guest->accepted;
    bool could = waits() && !is_launched();
    int64_t ret;

    lives = session_lives(&arrives);
    stl_be_p(head, STATE_MAGIC);
    stl_be_p(head + 4, 1);
    memset(own, 'a', sizeof(own));
    memset(digest, 0, sizeof(digest));
    own[0] = with;
    own[MEASUREMENT_TEXT] = 0;
    stq_be_p(own + 1 + MEASUREMENT_TEXT, 0);
    if (lives) {
        stq_be_p(own + 1 + MEASUREMENT_TEXT,
                 shadow_stream_records(arrives.stream));
        memcpy(digest, shadow_stream_digest(arrives.stream), sizeof(digest));
    }
    if (how & 0x40) {
        own[fuzz_u8(in) % sizeof(own)] ^= 0x80;
    }
    g_byte_array_append(state, head, sizeof(head));
    g_byte_array_append(state, ram, sizeof(ram));
    g_byte_array_append(state, own, sizeof(own));
    g_byte_array_append(state, digest, sizeof(digest));
    if (with) {
        ok &= add_vcpus(state, in) && lives &&
              taken == shadow_stream_records(arrives.stream) &&
              !(how & 0x40);
    }
    g_byte_array_set_size(state, state->len + 1);
    state->data[state->len - 1] = 0;
    ret = bring(SHADOW_SEAL_MIGRATION, epoch, how & 0x80, state,
                alter ? fuzz_u16(in) : 0, alter);
    fuzz_assert(ret || (could && MAX(epoch, 1) > accepted));
    /* a measurement that is none, or a boolean: it may be what it was */
    fuzz_assert(ret || ok || !with || how & 0x40);
    if (!ret && is_launched()) {
        fuzz_assert(lives);
        memcpy(memory, arrives.image, SIZE);
        launched = true;
    }
}

static uint8_t *opened(ShadowSealPurpose purpose, size_t len, size_t *n)
{
    const ShadowSealExpect expect = {
        .guest = "vm1", .purpose = purpose, .ahead = true,
    };
    const ShadowSecret *key = g_ptr_array_index(guest->keys, 0);
    g_autofree uint8_t *copy = g_memdup2(buffer, len);
    uint8_t *plain;

    fuzz_assert(!shadow_open(&expect, &key, 1, copy, len, &plain, n, NULL,
                             NULL));
    return g_memdup2(plain, *n);
}

static void operate_begin(void)
{
    UltracallRegs regs = call(ULTRACALL_SAVE, BUF_VA, BUF_SIZE,
                              ULTRACALL_SAVE_PAGES);
    g_autofree uint8_t *plain = NULL;
    size_t n;

    if (regs.status) {
        return;
    }
    fuzz_assert(launched && guest->state == SHADOW_GUEST_STATE_ACTIVE);
    plain = opened(SHADOW_SEAL_PAGES, regs.value, &n);
    fuzz_assert(n >= sizeof(SessionKey));
    session_begin(&leaves, (SessionKey *)plain);
    memset(leaves.image, 0xee, SIZE);
}

static void operate_export(FuzzInput *in)
{
    uint64_t len = fuzz_u8(in) % 4 ? BUF_SIZE : fuzz_u32(in) % (2 * BUF_SIZE);
    bool lives = session_lives(&leaves);
    UltracallRegs regs = call(ULTRACALL_PAGES, BUF_VA, len,
                              ULTRACALL_PAGES_EXPORT);
    size_t n;
    uint8_t *body;

    if (regs.status) {
        fuzz_assert(regs.status != -EBUSY || !lives);
        return;
    }
    fuzz_assert(lives && regs.value <= len);
    if (!regs.value) {
        fuzz_assert(!memcmp(leaves.image, memory, SIZE));
        return;
    }
    body = shadow_stream_open(leaves.stream, buffer, regs.value, &n,
                              &error_abort);
    fuzz_assert(shadow_pages_give(PAGES, body, n, shadow_image_put,
                                  leaves.image));
}

/* It leaves as a whole, or not at all. */
static void operate_save(uint64_t flags)
{
    bool was_launched = is_launched(), lives = session_lives(&leaves);
    UltracallRegs regs = call(ULTRACALL_SAVE, BUF_VA, BUF_SIZE, flags);
    g_autofree uint8_t *plain = NULL;
    size_t n;

    if (regs.status || !was_launched ||
        guest->state != SHADOW_GUEST_STATE_FROZEN) {
        return;
    }
    fuzz_assert(lives && !memcmp(leaves.image, memory, SIZE));
    plain = opened(SHADOW_SEAL_MIGRATION, regs.value, &n);
    fuzz_assert(memmem(plain, n, shadow_stream_digest(leaves.stream),
                       SHADOW_STREAM_DIGEST_LEN));
}

static void operate_any(FuzzInput *in)
{
    static const uint8_t numbers[] = {
        ULTRACALL_BIND, ULTRACALL_UNBIND, ULTRACALL_RESET, ULTRACALL_COMMIT,
        ULTRACALL_ABORT, ULTRACALL_RUN, ULTRACALL_PAGES, ULTRACALL_QUERY,
    };
    uint32_t nr = numbers[fuzz_u8(in) % ARRAY_SIZE(numbers)];
    uint64_t flags = nr == ULTRACALL_PAGES ? fuzz_u8(in) : 0;
    uint64_t va = BUF_VA, len = 4096;

    if (nr == ULTRACALL_PAGES && fuzz_u8(in) & 1) {
        va = fuzz_u32(in);
        len = (uint64_t)fuzz_u32(in) << 32 | fuzz_u32(in);
    }
    if (flags == ULTRACALL_PAGES_EXPORT) {
        return;                         /* see operate_export() */
    }
    if (!call(nr, va, len, flags).status && flags == ULTRACALL_PAGES_END) {
        session_forget(&arrives);
        session_forget(&leaves);
    }
}

static void operate(uint8_t op, FuzzInput *in)
{
    switch (op % 16) {
    case 0 ... 1:
        operate_session(op, in);
        break;
    case 2 ... 5:
        operate_record(op, in);
        break;
    case 6 ... 7:
        operate_state(op, in);
        break;
    case 8:
        operate_begin();
        break;
    case 9 ... 10:
        operate_export(in);
        break;
    case 11:
        operate_save(op >> 4 & 7);
        break;
    case 12 ... 13:
        operate_any(in);
        break;
    case 14:
        now += fuzz_u8(in) * SCALE_MS;
        fuzz_machine_run(now);
        break;
    case 15:
        if (op & 0x80) {
            shadow_guest_resume(guest, NULL);
        } else {
            shadow_guest_unbind(guest, "the cloud VM was reset");
        }
        break;
    }
    /* it may have come to its end, and to nothing else */
    launched &= is_launched();
    fuzz_assert(launched == is_launched());
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    FuzzInput in = { data, len };

    WITH_RCU_READ_LOCK_GUARD() {
        renew();
        for (unsigned i = 0; in.len && i < MAX_OPS; i++) {
            operate(fuzz_u8(&in), &in);
        }
    }
    fuzz_machine_tidy();
    return 0;
}
