/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QEMU's -seed makes what guests get as random repeat itself.  Nothing that a
 * cloud VM must not foresee, or that names a host, is taken from there.
 */
#include "qemu/osdep.h"
#include "shadow-common.h"

/* docs/envelope.rst */
#define OFF_SALT    24
#define OFF_SEALER_ID 48

typedef struct Drawn {
    uint8_t cookie[8];
    uint8_t challenge[ULTRACALL_PROOF_LEN];
    uint8_t salt[16];
    uint8_t sealer_id[8];
} Drawn;

static void draw(Drawn *d)
{
    QTestState *qts = shadow_start(",bind-secret=key0", "%s", "-seed 1 "
                                   "-device shadow-serial,id=com1,guest=vm1");
    g_autoptr(GByteArray) env = NULL;

    shadow_bind(qts, "vm1", SHADOW_PROCESS, 0);
    qtest_memread(qts, SHADOW_COOKIES, d->cookie, sizeof(d->cookie));
    shadow_enter(qts, SHADOW_PROCESS, 0x2000, 0x3000);
    g_assert_cmpint(shadow_call(qts, ULTRACALL_REGISTER | TESTDEV_NESTED,
                                "vm1", SHADOW_BUF, sizeof(d->challenge),
                                ULTRACALL_REGISTER_CHALLENGE), ==, 0);
    qtest_memread(qts, SHADOW_BUF, d->challenge, sizeof(d->challenge));
    env = shadow_envelope(qts, "vm1");
    memcpy(d->salt, env->data + OFF_SALT, sizeof(d->salt));
    memcpy(d->sealer_id, env->data + OFF_SEALER_ID, sizeof(d->sealer_id));
    qtest_quit(qts);
}

static void test_seed(void)
{
    Drawn one, two;

    draw(&one);
    draw(&two);
    g_assert_cmpint(memcmp(one.cookie, two.cookie, sizeof(one.cookie)), !=, 0);
    g_assert_cmpint(memcmp(one.challenge, two.challenge,
                           sizeof(one.challenge)), !=, 0);
    g_assert_cmpint(memcmp(one.salt, two.salt, sizeof(one.salt)), !=, 0);
    g_assert_cmpint(memcmp(one.sealer_id, two.sealer_id,
                           sizeof(one.sealer_id)), !=, 0);
}

int main(int argc, char **argv)
{
    shadow_test_init(&argc, &argv);
    qtest_add_func("/shadow-seed/same-seed", test_seed);
    return shadow_test_run();
}
