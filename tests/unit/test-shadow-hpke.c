/*
 * Tests of HPKE, and of the keys of a host, against the RFCs' vectors
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "shadow/migration/shadow-hpke.h"
#include "shadow/migration/shadow-host-key.h"

static uint8_t *bytes(const char *hex, size_t *len)
{
    uint8_t *out = g_malloc(strlen(hex) / 2 + 1);

    *len = 0;
    for (; *hex; hex += 2) {
        out[(*len)++] = g_ascii_xdigit_value(hex[0]) << 4 |
                        g_ascii_xdigit_value(hex[1]);
    }
    return out;
}

static void is_hex(const void *got, size_t len, const char *wanted)
{
    size_t n;
    g_autofree uint8_t *want = bytes(wanted, &n);

    g_assert_cmpmem(got, len, want, n);
}

/* RFC 9180, appendix A.1.1 and A.2.1 */
typedef struct HpkeVector {
    uint16_t aead_id;
    const char *ikm_e, *sk_e, *pk_e, *ikm_r, *sk_r, *pk_r;
    const char *shared, *info, *key, *nonce;
} HpkeVector;

static const HpkeVector hpke_vectors[] = {
    {
        .aead_id = 0x0001,
        .ikm_e = "7268600d403fce431561aef583ee1613"
                 "527cff655c1343f29812e66706df3234",
        .sk_e = "52c4a758a802cd8b936eceea31443279"
                "8d5baf2d7e9235dc084ab1b9cfa2f736",
        .pk_e = "37fda3567bdbd628e88668c3c8d7e97d"
                "1d1253b6d4ea6d44c150f741f1bf4431",
        .ikm_r = "6db9df30aa07dd42ee5e8181afdb977e"
                 "538f5e1fec8a06223f33f7013e525037",
        .sk_r = "4612c550263fc8ad58375df3f557aac5"
                "31d26850903e55a9f23f21d8534e8ac8",
        .pk_r = "3948cfe0ad1ddb695d780e59077195da"
                "6c56506b027329794ab02bca80815c4d",
        .shared = "fe0e18c9f024ce43799ae393c7e8fe8f"
                  "ce9d218875e8227b0187c04e7d2ea1fc",
        .info = "4f6465206f6e2061204772656369616e2055726e",
        .key = "4531685d41d65f03dc48f6b8302c05b0",
        .nonce = "56d890e5accaaf011cff4b7d",
    }, {
        .aead_id = 0x0003,
        .ikm_e = "909a9b35d3dc4713a5e72a4da274b55d"
                 "3d3821a37e5d099e74a647db583a904b",
        .sk_e = "f4ec9b33b792c372c1d2c2063507b684"
                "ef925b8c75a42dbcbf57d63ccd381600",
        .pk_e = "1afa08d3dec047a643885163f1180476"
                "fa7ddb54c6a8029ea33f95796bf2ac4a",
        .ikm_r = "1ac01f181fdf9f352797655161c58b75"
                 "c656a6cc2716dcb66372da835542e1df",
        .sk_r = "8057991eef8f1f1af18f4a9491d16a1c"
                "e333f695d4db8e38da75975c4478e0fb",
        .pk_r = "4310ee97d88cc1f088a5576c77ab0cf5"
                "c3ac797f3d95139c6c84b5429c59662a",
        .shared = "0bbe78490412b4bbea4812666f791693"
                  "2b828bba79942424abb65244930d69a7",
        .info = "4f6465206f6e2061204772656369616e2055726e",
        .key = "ad2744de8e17f4ebba575b3f5f5a8fa1"
               "f69c2a07f6e7500bc60ca6e3e3ec1c91",
        .nonce = "5c4d98150661b848853b547f",
    },
};

static void test_hpke(void)
{
    for (int i = 0; i < ARRAY_SIZE(hpke_vectors); i++) {
        const HpkeVector *v = &hpke_vectors[i];
        size_t n, info_len, key_len = strlen(v->key) / 2;
        g_autofree uint8_t *ikm_e = bytes(v->ikm_e, &n);
        g_autofree uint8_t *ikm_r = bytes(v->ikm_r, &n);
        g_autofree uint8_t *info = bytes(v->info, &info_len);
        uint8_t sk_e[32], pk_e[32], sk_r[32], pk_r[32], enc[32], shared[32];
        uint8_t key[32], nonce[12];

        g_assert_true(shadow_hpke_derive_key_pair(ikm_e, 32, sk_e, pk_e));
        is_hex(sk_e, 32, v->sk_e);
        is_hex(pk_e, 32, v->pk_e);
        g_assert_true(shadow_hpke_derive_key_pair(ikm_r, 32, sk_r, pk_r));
        is_hex(sk_r, 32, v->sk_r);
        is_hex(pk_r, 32, v->pk_r);

        g_assert_true(shadow_hpke_encap(pk_r, sk_e, enc, shared));
        is_hex(enc, 32, v->pk_e);
        is_hex(shared, 32, v->shared);
        memset(shared, 0, 32);
        g_assert_true(shadow_hpke_decap(enc, sk_r, pk_r, shared));
        is_hex(shared, 32, v->shared);

        g_assert_true(shadow_hpke_key_schedule(shared, v->aead_id, info,
                                               info_len, key, key_len, nonce));
        is_hex(key, key_len, v->key);
        is_hex(nonce, 12, v->nonce);
    }
}

/* A public key of small order leads to a key that anyone knows. */
static void test_small_order(void)
{
    static const char *const points[] = {
        /* u = 0, 1 and -1, and two of order 8 */
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    };
    uint8_t sk[32] = { 8, 1, 2, 3 }, pk[32], enc[32], shared[32];

    g_assert_true(shadow_hpke_derive_key_pair("0123456789abcdef", 16, sk, pk));
    for (int i = 0; i < ARRAY_SIZE(points); i++) {
        size_t n;
        g_autofree uint8_t *point = bytes(points[i], &n);

        g_assert_false(shadow_hpke_encap(point, sk, enc, shared));
        g_assert_false(shadow_hpke_decap(point, sk, pk, shared));
    }
}

/* Of X25519 any 32 bytes can be asked. */
static void test_any_point(void)
{
    uint8_t sk[32], pk[32], point[32], shared[32];

    g_assert_true(shadow_hpke_derive_key_pair("0123456789abcdef", 16, sk, pk));
    for (unsigned i = 0; i < 1024; i++) {
        memset(point, i & 256 ? 0xff : 0, 32);
        point[0] = i;
        point[31] ^= i & 512 ? 0x80 : 0;
        /* both answers are right, but for the first two */
        g_assert_true(!shadow_hpke_decap(point, sk, pk, shared) ||
                      i % 512 > 1);
    }
}

typedef bool Sound(const uint8_t pk[32]);

/* Small and large numbers, with and without the top bit */
static void check_unsound(Sound *sound, bool top_bit)
{
    for (unsigned i = 0; i < 256; i++) {
        uint8_t pk[32] = { i };

        g_assert_false(sound(pk));
        pk[31] = 0x80;
        g_assert_false(sound(pk));
        memset(pk + 1, 0xff, 31);
        g_assert_cmpint(sound(pk), ==, top_bit && i < 0xec);
        pk[31] = 0x7f;
        g_assert_cmpint(sound(pk), ==, i < 0xec);
        /* from 2^192 - 256 to 2^192 + 255 */
        memset(pk + 24, 0, 8);
        g_assert_false(sound(pk));
        memset(pk + 1, 0, 23);
        pk[24] = 1;
        g_assert_true(sound(pk));
    }
}

/* Keys that an operator may be given by mistake, or by an enemy */
static void test_sound(void)
{
    static const char *const x25519[] = {
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    };
    static const char *const ed25519[] = {
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    };
    size_t n;

    check_unsound(shadow_x25519_key_sound, false);
    check_unsound(shadow_ed25519_key_sound, true);
    for (int i = 0; i < ARRAY_SIZE(x25519); i++) {
        g_autofree uint8_t *pk = bytes(x25519[i], &n);

        g_assert_false(shadow_x25519_key_sound(pk));
    }
    for (int i = 0; i < ARRAY_SIZE(ed25519); i++) {
        g_autofree uint8_t *pk = bytes(ed25519[i], &n);

        g_assert_false(shadow_ed25519_key_sound(pk));
    }
}

/* libgcrypt takes all that are sound; this ends the program if not. */
static void test_sound_is_taken(void)
{
    const uint8_t sig[SHADOW_ED25519_SIG_LEN] = { 1 };

    for (unsigned i = 0; i < 256; i++) {
        uint8_t pk[32] = { i };

        pk[24] = 1;
        g_assert_true(shadow_ed25519_key_sound(pk));
        g_assert_false(shadow_ed25519_verify(pk, "", 0, sig));
        pk[31] = 0x80;
        g_assert_false(shadow_ed25519_verify(pk, "", 0, sig));
    }
}

/* RFC 8032, section 7.1 */
static void test_ed25519(void)
{
    static const struct {
        const char *seed, *pk, *msg, *sig;
    } v[] = {
        {
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
            "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
        }, {
            "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            "72",
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
            "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        }, {
            "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
            "af82",
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
            "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
        },
    };

    for (int i = 0; i < ARRAY_SIZE(v); i++) {
        size_t n, len;
        g_autofree uint8_t *seed = bytes(v[i].seed, &n);
        g_autofree uint8_t *msg = bytes(v[i].msg, &len);
        uint8_t pk[SHADOW_ED25519_LEN], sig[SHADOW_ED25519_SIG_LEN];

        g_assert_true(shadow_ed25519_public_key(seed, pk));
        is_hex(pk, sizeof(pk), v[i].pk);
        g_assert_true(shadow_ed25519_sign(seed, pk, msg, len, sig));
        is_hex(sig, sizeof(sig), v[i].sig);
        g_assert_true(shadow_ed25519_verify(pk, msg, len, sig));
        for (int byte = 0; byte < sizeof(sig); byte++) {
            sig[byte] ^= 1;
            g_assert_false(shadow_ed25519_verify(pk, msg, len, sig));
            sig[byte] ^= 1;
        }
        g_assert_false(shadow_ed25519_verify(pk, sig, sizeof(sig), sig));
    }
}

/*
 * The keys of a host follow from its secret alone, so that a host that starts
 * anew is the same to its peers; the recipe is docs/envelope.rst's.
 */
static void test_host_key(void)
{
    uint8_t secret[32], other[32] = { 1 }, ikm[32], seed[32], sk[32], pk[32];
    g_autoptr(ShadowHostKey) one = NULL;
    g_autoptr(ShadowHostKey) two = NULL;
    g_autoptr(ShadowHostKey) three = NULL;

    for (int i = 0; i < 32; i++) {
        secret[i] = i;
    }
    one = shadow_host_key_new(secret, 32, &error_abort);
    two = shadow_host_key_new(secret, 32, &error_abort);
    three = shadow_host_key_new(other, 32, &error_abort);
    g_assert_cmpmem(shadow_host_key_encryption(one), 32,
                    shadow_host_key_encryption(two), 32);
    g_assert_cmpmem(shadow_host_key_signing(one), 32,
                    shadow_host_key_signing(two), 32);
    g_assert_true(shadow_x25519_key_sound(shadow_host_key_encryption(one)));
    g_assert_true(shadow_ed25519_key_sound(shadow_host_key_signing(one)));
    g_assert_cmpint(memcmp(shadow_host_key_encryption(one),
                           shadow_host_key_encryption(three), 32), !=, 0);
    g_assert_cmpint(memcmp(shadow_host_key_signing(one),
                           shadow_host_key_signing(three), 32), !=, 0);

    g_assert_true(shadow_hkdf_expand(secret, 32, "qemu-shadow host x25519", 23,
                                     ikm, 32));
    g_assert_true(shadow_hpke_derive_key_pair(ikm, 32, sk, pk));
    g_assert_cmpmem(shadow_host_key_encryption(one), 32, pk, 32);
    g_assert_true(shadow_hkdf_expand(secret, 32, "qemu-shadow host ed25519",
                                     24, seed, 32));
    g_assert_true(shadow_ed25519_public_key(seed, pk));
    g_assert_cmpmem(shadow_host_key_signing(one), 32, pk, 32);
}

static void test_host_key_short(void)
{
    static const uint8_t secret[31];
    Error *err = NULL;

    g_assert_null(shadow_host_key_new(secret, sizeof(secret), &err));
    g_assert_nonnull(strstr(error_get_pretty(err), "31 bytes"));
    error_free(err);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    shadow_secret_init(&error_abort);
    g_test_add_func("/shadow/hpke/rfc9180", test_hpke);
    g_test_add_func("/shadow/hpke/small-order", test_small_order);
    g_test_add_func("/shadow/hpke/any-point", test_any_point);
    g_test_add_func("/shadow/hpke/sound", test_sound);
    g_test_add_func("/shadow/hpke/sound-is-taken", test_sound_is_taken);
    g_test_add_func("/shadow/hpke/rfc8032", test_ed25519);
    g_test_add_func("/shadow/hpke/host-key", test_host_key);
    g_test_add_func("/shadow/hpke/host-key-short", test_host_key_short);
    return g_test_run();
}
