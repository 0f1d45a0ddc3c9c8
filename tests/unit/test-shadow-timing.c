/*
 * How long it takes to refuse an envelope says nothing about which of its
 * bytes is wrong
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/units.h"
#include "qapi/error.h"
#include "shadow/migration/shadow-seal.h"

/* Large, so that an answer before the body was looked at stands out */
#define PAYLOAD_LEN (200 * KiB)
#define BODY_LEN    (256 * KiB)

#define ROUNDS      21
#define BATCHES     50
#define RATIO_MAX   1.5

/* Whatever keeps the envelope's form, docs/envelope.rst, "Layout" */
#define BODY 0x1000     /* what is added to offsets from the body's start */

static const struct {
    const char *what;
    size_t off;
} damage[] = {
    { "epoch", 15 },
    { "salt", 24 },
    { "salt's end", 39 },
    { "key id", 40 },
    { "key id's end", 47 },
    { "sealer id", 48 },
    { "VM tag", 58 },
    { "ephemeral key", 112 },       /* or ciphertext */
    { "signer", 144 },
    { "signer's end", 175 },
    { "ciphertext", BODY },
    { "ciphertext's middle", BODY + BODY_LEN / 2 },
    { "ciphertext's end", BODY + BODY_LEN - 1 },
    { "GCM tag", BODY + BODY_LEN },
    { "GCM tag's end", BODY + BODY_LEN + 15 },
    { "signature", BODY + BODY_LEN + 16 },  /* if there is one */
};

#define N_SECRET (ARRAY_SIZE(damage) - 1)
#define N_HOST   ARRAY_SIZE(damage)

static const ShadowSealInfo info = {
    .guest = "vm1",
    .purpose = SHADOW_SEAL_MIGRATION,
    .epoch = 7,
    .sealer_id = "hostAAA",
};

static const ShadowSealExpect expect = {
    .guest = "vm1",
    .purpose = SHADOW_SEAL_MIGRATION,
};

typedef struct Opener {
    const ShadowSealExpect *expect;
    const ShadowSecret *key;
    const uint8_t *env;
    uint8_t *copy;          /* which is opened */
    size_t len;
    size_t body;
} Opener;

static int64_t cpu_time_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static ShadowSealResult open_copy(const Opener *o, int64_t *took)
{
    int64_t start = cpu_time_ns();
    Error *err = NULL;
    uint8_t *payload;
    size_t len;
    ShadowSealResult result = shadow_open(o->expect, &o->key, !!o->key,
                                          o->copy, o->len, &payload, &len,
                                          NULL, &err);

    *took = cpu_time_ns() - start;
    error_free(err);
    return result;
}

static int64_t open_damaged(const Opener *o, size_t off)
{
    int64_t took;

    if (off >= BODY) {
        off += o->body - BODY;
    }
    memcpy(o->copy, o->env, o->len);
    o->copy[off] ^= 1;
    g_assert_cmpint(open_copy(o, &took), !=, SHADOW_SEAL_OK);
    return took;
}

static int by_time(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

/* The most by the least of what each usually took, in turns */
static double batch(const Opener *o, size_t n, int64_t *usual)
{
    int64_t took[ARRAY_SIZE(damage)][ROUNDS];

    for (unsigned round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < n; i++) {
            took[i][round] = open_damaged(o, damage[i].off);
        }
    }
    for (size_t i = 0; i < n; i++) {
        qsort(took[i], ROUNDS, sizeof(took[i][0]), by_time);
        usual[i] = took[i][ROUNDS / 2];
    }

    int64_t least = usual[0], most = usual[0];

    for (size_t i = 1; i < n; i++) {
        least = MIN(least, usual[i]);
        most = MAX(most, usual[i]);
    }
    return (double)most / least;
}

/*
 * What else the machine does makes some of them slower, and its clock may err
 * either way; but an answer before the body was looked at shows in each batch.
 */
static void check(const Opener *o, size_t n)
{
    int64_t usual[ARRAY_SIZE(damage)];
    int64_t took;
    double ratio;
    unsigned batches = 0;

    memcpy(o->copy, o->env, o->len);
    g_assert_cmpint(open_copy(o, &took), ==, SHADOW_SEAL_OK);
    do {
        ratio = batch(o, n, usual);
    } while (ratio > RATIO_MAX && ++batches < BATCHES);
    for (size_t i = 0; i < n; i++) {
        g_test_message("%-20s %" PRId64 " us", damage[i].what,
                       usual[i] / 1000);
    }
    g_assert_cmpfloat(ratio, <=, RATIO_MAX);
}

static void test_secret(void)
{
    const uint8_t bytes[32] = { 1 };
    g_autoptr(ShadowSecret) key = shadow_secret_new(bytes, sizeof(bytes),
                                                    &error_abort);
    size_t len = shadow_seal_size(PAYLOAD_LEN);
    g_autofree uint8_t *env = g_malloc0(len);
    g_autofree uint8_t *copy = g_malloc(len);
    Opener o = {
        .expect = &expect, .key = key, .env = env, .copy = copy, .len = len,
        .body = 112
    };

    g_assert_true(shadow_seal(&info, key, env, PAYLOAD_LEN, &error_abort));
    check(&o, N_SECRET);
}

static void test_host(void)
{
    const uint8_t bytes[2][32] = { { 1 }, { 2 } };
    ShadowHostKey *source = shadow_host_key_new(bytes[0], 32, &error_abort);
    ShadowHostKey *target = shadow_host_key_new(bytes[1], 32, &error_abort);
    size_t len = shadow_seal_host_size(PAYLOAD_LEN);
    g_autofree uint8_t *env = g_malloc0(len);
    g_autofree uint8_t *copy = g_malloc(len);
    ShadowSealExpect what = expect;
    Opener o = {
        .expect = &what, .env = env, .copy = copy, .len = len, .body = 176
    };

    what.host = target;
    what.signers = shadow_host_key_signing(source);
    what.n_signers = 1;
    g_assert_true(shadow_seal_to_host(&info,
                                      shadow_host_key_encryption(target),
                                      source, env, PAYLOAD_LEN,
                                      &error_abort));
    check(&o, N_HOST);
    shadow_host_key_free(source);
    shadow_host_key_free(target);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    shadow_secret_init(&error_abort);
    g_test_add_func("/shadow/timing/secret", test_secret);
    g_test_add_func("/shadow/timing/host", test_host);
    return g_test_run();
}
