/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "shadow-payload.h"

static const ShadowSecret *payload_key(void)
{
    static ShadowSecret *key;

    if (!key) {
        shadow_secret_init(&error_abort);
        key = shadow_secret_new(SHADOW_KEY, strlen(SHADOW_KEY), &error_abort);
    }
    return key;
}

QTestState *payload_start(const char *guest_props, const char *socket)
{
    QTestState *qts = shadow_start(guest_props, "-chardev socket,id=c0,"
                                   "path=%s/%s,server=on,wait=off -device "
                                   "shadow-serial,id=com1,guest=vm1,chardev=c0"
                                   SMALL_QUEUES, shadow_dir, socket);

    shadow_bind(qts, "vm1", SHADOW_PROCESS, 0);
    return qts;
}

static char *golden_path(const char *folder, const char *file)
{
    return g_build_filename(folder ?: SHADOW_GOLDEN, file, NULL);
}

GByteArray *golden_read(const char *file)
{
    g_autofree char *path = golden_path(NULL, file);
    g_autoptr(GError) err = NULL;
    char *data;
    gsize len;

    g_file_get_contents(path, &data, &len, &err);
    g_assert_no_error(err);
    return g_byte_array_new_take((uint8_t *)data, len);
}

void golden_check(const char *file, const GByteArray *is, size_t at, size_t n)
{
    const char *folder = g_getenv("SHADOW_GOLDEN_WRITE");
    g_autoptr(GByteArray) was = NULL;

    if (folder) {
        g_autofree char *path = golden_path(folder, file);
        g_autoptr(GError) err = NULL;

        g_file_set_contents(path, (char *)is->data, is->len, &err);
        g_assert_no_error(err);
        return;
    }
    was = golden_read(file);
    g_assert_cmpuint(is->len, ==, was->len);
    g_assert_cmpuint(at + n, <=, is->len);
    memcpy(was->data + at, is->data + at, n);
    g_assert_cmpmem(is->data, is->len, was->data, was->len);
}

GByteArray *payload_unsealed_as(const GByteArray *env, const char *guest,
                                ShadowSealPurpose purpose)
{
    const ShadowSealExpect expect = {
        .guest = guest, .purpose = purpose, .ahead = true
    };
    const ShadowSecret *keys[] = { payload_key() };
    g_autofree uint8_t *copy = g_memdup2(env->data, env->len);
    uint8_t *payload;
    size_t len;

    shadow_open(&expect, keys, 1, copy, env->len, &payload, &len, NULL,
                &error_abort);
    return g_byte_array_new_take(g_memdup2(payload, len), len);
}

GByteArray *payload_unsealed(const GByteArray *env)
{
    return payload_unsealed_as(env, "vm1", SHADOW_SEAL_MIGRATION);
}

GByteArray *payload_sealed(const GByteArray *payload, const char *guest,
                           ShadowSealPurpose purpose, uint64_t epoch)
{
    ShadowSealInfo info = { .purpose = purpose, .epoch = epoch };
    GByteArray *env = g_byte_array_new();

    g_strlcpy(info.guest, guest, sizeof(info.guest));
    g_byte_array_set_size(env, shadow_seal_size(payload->len));
    memcpy(env->data + SHADOW_SEAL_PAYLOAD, payload->data, payload->len);
    g_assert_true(shadow_seal(&info, payload_key(), env->data, payload->len,
                              &error_abort));
    return env;
}

int payload_restore(QTestState *qts, const GByteArray *payload)
{
    g_autoptr(GByteArray) env = payload_sealed(payload, "vm1",
                                               SHADOW_SEAL_MIGRATION, 1);

    return shadow_restore(qts, "vm1", env->data, env->len);
}
