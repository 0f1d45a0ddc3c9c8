/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What fuzz-pages brings: sessions, records and states that come from a host
 * which has the key, in any order, altered or not, and what they should not be.
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/cutils.h"
#include "shadow/hw/core/shadow-keys.h"
#include "shadow/tests/fuzz/fuzz-pages.h"

#define STATE_MAGIC 0x53445631  /* see shadow-state.c */
#define MEASUREMENT_TEXT 65
#define VCPU_LEN 2954           /* see shadow-vcpu-state.c */
#define VCPUS 70

static FuzzSession session;
static uint64_t taken;          /* records that have come */
static uint8_t sessions;        /* that were brought */

/* The last record that there was */
static struct {
    uint8_t *record, *body;
    size_t len, body_len;
    uint64_t number;
} last;

void fuzz_arrive_start(void)
{
    session.image = g_malloc0(FUZZ_VM_SIZE);
    last.record = g_malloc(ULTRACALL_RECORD_MAX);
    last.body = g_malloc0(SHADOW_STREAM_BODY_MAX);
}

void fuzz_arrive_renew(void)
{
    fuzz_session_forget(&session);
    taken = 0;
    last.len = sessions = 0;
}

void fuzz_arrive_ended(void)
{
    fuzz_session_forget(&session);
}

/* RESTORE of what another host has sealed; @alter: a byte of it, or 0 */
static int64_t bring(ShadowSealPurpose purpose, uint8_t epoch, bool other,
                     const GByteArray *payload, uint16_t where, uint8_t alter)
{
    ShadowSealInfo info = {
        .purpose = purpose, .epoch = MAX(epoch, 1), .sealer_id = "them",
    };
    ShadowGuest *g = fuzz_vm.guest;
    size_t len = shadow_keys_envelope_size(g, purpose, payload->len);
    g_autofree uint8_t *env = g_malloc(len);

    pstrcpy(info.guest, sizeof(info.guest), other ? "vm2" : "vm1");
    memcpy(shadow_keys_payload(g, purpose, env), payload->data, payload->len);
    fuzz_assert(shadow_keys_seal(g, &info, env, payload->len, NULL));
    env[where % len] ^= alter;
    memcpy(fuzz_vm.buffer, env, MIN(len, FUZZ_BUF_SIZE));
    return fuzz_vm_call(ULTRACALL_RESTORE, FUZZ_BUF_VA, len, 0).status;
}

static bool waits(void)
{
    return fuzz_vm.guest->state == SHADOW_GUEST_STATE_INCOMING ||
           fuzz_vm.guest->state == SHADOW_GUEST_STATE_GONE;
}

void fuzz_arrive_session(uint8_t how, FuzzInput *in)
{
    FuzzSessionKey key = {
        .size = cpu_to_be64(how & 0x10 ? FUZZ_VM_SIZE * 2 : FUZZ_VM_SIZE),
    };
    g_autoptr(GByteArray) payload = g_byte_array_new();
    uint8_t epoch = fuzz_u8(in), alter = how & 0x20 ? fuzz_u8(in) : 0;
    uint64_t accepted = fuzz_vm.guest->accepted;
    bool good = waits() && !fuzz_vm_is_launched();
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
        fuzz_session_begin(&session, &key);
        memset(session.image, 0, FUZZ_VM_SIZE);
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
    bool fits = good && shadow_pages_give(FUZZ_VM_PAGES, last.body,
                                          last.body_len, shadow_image_put,
                                          session.image);
    int64_t ret = fuzz_vm_call(ULTRACALL_PAGES, FUZZ_BUF_VA, len,
                               ULTRACALL_PAGES_IMPORT).status;

    fuzz_assert(!ret == fits);
    taken += !ret;
    if (good && !fits) {
        fuzz_session_forget(&session);  /* there would be a hole */
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
    last.number = shadow_stream_records(session.stream);
    memcpy(last.record + SHADOW_STREAM_HEADER_LEN, last.body, len);
    fuzz_assert(shadow_stream_seal(session.stream, last.record, len));
}

void fuzz_arrive_record(uint8_t how, FuzzInput *in)
{
    uint8_t alter = 0;
    size_t len;

    if (!fuzz_session_lives(&session)) {
        fuzz_assert(fuzz_vm_call(ULTRACALL_PAGES, FUZZ_BUF_VA, fuzz_u16(in),
                                 ULTRACALL_PAGES_IMPORT).status == -EBUSY);
        return;
    }
    if (!(how & 0x80)) {
        seal_last(in);
    }
    if (how & 0x10) {
        return;                         /* it is lost on its way */
    }
    memcpy(fuzz_vm.buffer, last.record, last.len);
    len = last.len;
    if (how & 0x20 && len) {
        alter = fuzz_u8(in);
        fuzz_vm.buffer[fuzz_u32(in) % len] ^= alter;
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

void fuzz_arrive_state(uint8_t how, FuzzInput *in)
{
    static const uint8_t ram[] = { 3, 'r', 'a', 'm', 0, 0, 0, 1 };
    uint8_t own[1 + MEASUREMENT_TEXT + 8], digest[SHADOW_STREAM_DIGEST_LEN];
    g_autoptr(GByteArray) state = g_byte_array_new();
    uint8_t head[8], epoch = fuzz_u8(in), alter = how & 0x20 ? fuzz_u8(in) : 0;
    bool with = !(how & 0x10), ok = !alter && !(how & 0x80), lives;
    uint64_t accepted = fuzz_vm.guest->accepted;
    bool could = waits() && !fuzz_vm_is_launched();
    int64_t ret;

    lives = fuzz_session_lives(&session);
    stl_be_p(head, STATE_MAGIC);
    stl_be_p(head + 4, 1);
    memset(own, 'a', sizeof(own));
    memset(digest, 0, sizeof(digest));
    own[0] = with;
    own[MEASUREMENT_TEXT] = 0;
    stq_be_p(own + 1 + MEASUREMENT_TEXT, 0);
    if (lives) {
        stq_be_p(own + 1 + MEASUREMENT_TEXT,
                 shadow_stream_records(session.stream));
        memcpy(digest, shadow_stream_digest(session.stream), sizeof(digest));
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
              taken == shadow_stream_records(session.stream) &&
              !(how & 0x40);
    }
    g_byte_array_set_size(state, state->len + 1);
    state->data[state->len - 1] = 0;
    ret = bring(SHADOW_SEAL_MIGRATION, epoch, how & 0x80, state,
                alter ? fuzz_u16(in) : 0, alter);
    fuzz_assert(ret || (could && MAX(epoch, 1) > accepted));
    /* a measurement that is none, or a boolean: it may be what it was */
    fuzz_assert(ret || ok || !with || how & 0x40);
    if (!ret && fuzz_vm_is_launched()) {
        fuzz_assert(lives);
        memcpy(fuzz_vm.memory, session.image, FUZZ_VM_SIZE);
        fuzz_vm.launched = true;
    }
}
