/*
 * Tests of how secrets are kept
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <sys/mman.h>
#include "qapi/error.h"
#include "qemu/units.h"
#include "shadow/migration/shadow-secret.h"

#define SECRETS 2000

/* Bytes that are locked in this process's memory */
static uint64_t locked(void)
{
    g_autofree char *text = NULL;
    const char *line;

    g_assert_true(g_file_get_contents("/proc/self/status", &text, NULL, NULL));
    line = strstr(text, "\nVmLck:");
    g_assert_nonnull(line);
    return g_ascii_strtoull(line + strlen("\nVmLck:"), NULL, 10) * KiB;
}

/* Not where the process may lock too little, or a sanitizer locks nothing */
static bool can_lock(size_t len)
{
    void *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uint64_t before = locked();
    bool can = mlock(p, len) == 0 && locked() >= before + len;

    munmap(p, len);
    return can;
}

/* libgcrypt itself locks those only that fit its first pool. */
static void test_all_are_locked(void)
{
    static const uint8_t bytes[SHADOW_SECRET_MIN_LEN];
    ShadowSecret *secrets[SECRETS];
    uint64_t before;

    if (!can_lock(1 * MiB)) {
        g_test_skip("memory cannot be locked here");
        return;
    }
    before = locked();
    for (unsigned i = 0; i < SECRETS; i++) {
        secrets[i] = shadow_secret_new(bytes, sizeof(bytes), &error_abort);
    }
    /* several times as much as the first pool has */
    g_assert_cmpuint(locked(), >=, before + SECRETS * sizeof(bytes));
    for (unsigned i = 0; i < SECRETS; i++) {
        shadow_secret_free(secrets[i]);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    shadow_secret_init(&error_abort);
    g_test_add_func("/shadow/secret/all-are-locked", test_all_are_locked);
    return g_test_run();
}
