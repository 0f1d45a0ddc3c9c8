/*
 * Tests of the sealed envelope's format, by its description in other words:
 * keys, padding, and envelopes of released versions
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qapi/error.h"
#include "shadow-seal-tests.h"
#include <gcrypt.h>

/* What a holder of the seal_key could make: any header, any padded bytes */
static void forge(uint8_t *env, size_t padded_len)
{
    uint8_t prk[32], okm[44], hkdf_info[19 + OFF_BODY] = "qemu-shadow seal v1";
    gcry_cipher_hd_t cipher;
    uint8_t *body = env + OFF_BODY;

    memcpy(hkdf_info + 19, env, OFF_BODY);
    shadow_hkdf_extract(env + OFF_SALT, 16, seal_secret, sizeof(seal_secret),
                        prk);
    shadow_hkdf_expand(prk, 32, hkdf_info, sizeof(hkdf_info), okm, 44);
    gcry_cipher_open(&cipher, GCRY_CIPHER_AES256, GCRY_CIPHER_MODE_GCM, 0);
    gcry_cipher_setkey(cipher, okm, 32);
    gcry_cipher_setiv(cipher, okm + 32, 12);
    gcry_cipher_authenticate(cipher, env, OFF_BODY);
    gcry_cipher_encrypt(cipher, body, padded_len, NULL, 0);
    gcry_cipher_gettag(cipher, body + padded_len, SHADOW_SEAL_AUTH_LEN);
    gcry_cipher_close(cipher);
}

static void from_hex(const char *hex, uint8_t *out)
{
    for (; *hex; hex += 2) {
        *out++ = g_ascii_xdigit_value(hex[0]) << 4 |
                 g_ascii_xdigit_value(hex[1]);
    }
}

static void test_hkdf(void)
{
    /* RFC 5869, appendix A.1 to A.3 */
    static const struct {
        int ikm_len, salt_first, salt_len, info_first, info_len, okm_len;
        const char *prk, *okm;
    } cases[] = {
        { 22, 0x00, 13, 0xf0, 10, 42,
          "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5",
          "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf"
          "34007208d5b887185865" },
        { 80, 0x60, 80, 0xb0, 80, 82,
          "06a6b88c5853361a06104c9ceb35b45cef760014904671014a193f40c15fc244",
          "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c"
          "59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71"
          "cc30c58179ec3e87c14c01d5c1f3434f1d87" },
        { 22, 0, 0, 0, 0, 42,
          "19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04",
          "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"
          "9d201395faa4b61a96c8" },
    };
    uint8_t ikm[80], salt[80], hkdf_info[80];
    uint8_t prk[32], okm[82], want_prk[32], want_okm[82], big[255 * 32 + 1];
    int i, j;

    for (i = 0; i < ARRAY_SIZE(cases); i++) {
        for (j = 0; j < 80; j++) {
            ikm[j] = j;
            salt[j] = cases[i].salt_first + j;
            hkdf_info[j] = cases[i].info_first + j;
        }
        if (cases[i].ikm_len == 22) {
            memset(ikm, 0x0b, 22);
        }
        from_hex(cases[i].prk, want_prk);
        from_hex(cases[i].okm, want_okm);
        g_assert_true(shadow_hkdf_extract(salt, cases[i].salt_len,
                                          ikm, cases[i].ikm_len, prk));
        g_assert_cmpmem(prk, 32, want_prk, 32);
        g_assert_true(shadow_hkdf_expand(prk, 32, hkdf_info, cases[i].info_len,
                                         okm, cases[i].okm_len));
        g_assert_cmpmem(okm, cases[i].okm_len, want_okm, cases[i].okm_len);
    }
    g_assert_true(shadow_hkdf_expand(prk, 32, "", 0, big, sizeof(big) - 1));
    g_assert_false(shadow_hkdf_expand(prk, 32, "", 0, big, sizeof(big)));
}

static void test_padding(void)
{
    size_t len, i;
    g_autofree uint8_t *env = seal_new("payload", 7, &len);
    uint8_t *body = env + OFF_BODY;
    static const uint32_t lengths[] = {
        4093, 4096, 16 * MiB - 4, 16 * MiB, INT32_MAX, UINT32_MAX - 3,
        UINT32_MAX
    };

    for (i = 11; i < 4096; i += i < 4000 ? 61 : 1) {
        memset(body, 0, 4096);
        stl_be_p(body, 7);
        memcpy(body + 4, "payload", 7);
        body[i] = 1;
        forge(env, 4096);
        assert_refused(&seal_expect, env, len, SHADOW_SEAL_BAD_PADDING);
    }

    /* Lengths that do not belong together, though well authenticated */
    for (i = 0; i < ARRAY_SIZE(lengths); i++) {
        memset(body, 0, 4096);
        stl_be_p(body, lengths[i]);
        forge(env, 4096);
        assert_refused(&seal_expect, env, len, SHADOW_SEAL_BAD_PADDING);
    }
    stl_be_p(env + OFF_PADDED_LEN, 8192);
    env = g_realloc(env, 8192 + 128);
    memset(env + OFF_BODY, 0, 8192);
    forge(env, 8192);
    assert_refused(&seal_expect, env, 8192 + 128, SHADOW_SEAL_BAD_PADDING);
    stl_be_p(env + OFF_PADDED_LEN, 4096 + 16);
    forge(env, 4096 + 16);
    assert_refused(&seal_expect, env, 4096 + 16 + 128, SHADOW_SEAL_MALFORMED);
    stl_be_p(env + OFF_PADDED_LEN, 2048);
    forge(env, 2048);
    assert_refused(&seal_expect, env, 2048 + 128, SHADOW_SEAL_MALFORMED);
}

/*
 * Every format version and suite that ever was, as tests/golden/envelope.py
 * makes them from docs/envelope.rst.
 */
static const char *const golden[] = {
    "envelope-1-1.bin",
};

static void test_golden(void)
{
    for (int i = 0; i < ARRAY_SIZE(golden); i++) {
        g_autofree char *path = g_build_filename(SHADOW_GOLDEN, golden[i],
                                                 NULL);
        g_autofree char *env = NULL;
        g_autoptr(GError) err = NULL;
        gsize len;

        g_file_get_contents(path, &env, &len, &err);
        g_assert_no_error(err);
        seal_opens_to(env, len, "golden payload", 14);
    }
}

/* What is sealed now opens to the same as what was sealed then. */
static void test_golden_sealed(void)
{
    static const char payload[] = "golden payload";
    size_t len;
    g_autofree uint8_t *env = seal_new(payload, strlen(payload), &len);
    g_autofree char *path = g_build_filename(SHADOW_GOLDEN, golden[0], NULL);
    g_autofree char *file = NULL;
    gsize file_len;

    g_assert_true(g_file_get_contents(path, &file, &file_len, NULL));
    g_assert_cmpuint(len, ==, file_len);
    /* shadow_seal() has made all of the header but the salt. */
    memcpy(env + OFF_SALT, file + OFF_SALT, 16);
    memset(env + OFF_BODY, 0, 4096);
    stl_be_p(env + OFF_BODY, strlen(payload));
    memcpy(env + OFF_BODY + 4, payload, strlen(payload));
    forge(env, 4096);
    g_assert_cmpmem(env, len, file, file_len);
}

int main(int argc, char **argv)
{
    seal_test_init(&argc, &argv);
    g_test_add_func("/shadow/seal-format/hkdf", test_hkdf);
    g_test_add_func("/shadow/seal-format/padding", test_padding);
    g_test_add_func("/shadow/seal-format/golden/opened", test_golden);
    g_test_add_func("/shadow/seal-format/golden/sealed", test_golden_sealed);
    return seal_test_run();
}
