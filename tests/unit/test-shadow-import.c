/*
 * Which pages of a private memory are there
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "shadow/hw/core/shadow-import.h"

#define N 64
#define SIZE (N * SHADOW_IMPORT_PAGE)
#define THREADS 4

typedef struct Source {
    unsigned copies[N];         /* of each page */
    bool missing;
    bool slow;
    ShadowImport *sealed_by;    /* while it copies, by another thread */
    GThread *sealer;
} Source;

static void *seal(void *opaque)
{
    shadow_import_seal(opaque);
    return NULL;
}

static bool copy(void *opaque, uint64_t page)
{
    Source *source = opaque;

    g_assert_cmpuint(page % SHADOW_IMPORT_PAGE, ==, 0);
    g_assert_cmpuint(page, <, SIZE);
    if (source->missing) {
        return false;
    }
    if (source->sealed_by) {
        source->sealer = g_thread_new("seal", seal, source->sealed_by);
        g_usleep(20000);
        g_assert_false(shadow_import_is_sealed(source->sealed_by));
    }
    if (source->slow) {
        g_usleep(100);
    }
    source->copies[page / SHADOW_IMPORT_PAGE]++;
    return true;
}

static void test_once(void)
{
    ShadowImport *import = shadow_import_new(SIZE);
    Source source = { };

    for (int round = 0; round < 3; round++) {
        for (uint64_t at = 0; at < SIZE; at += 512) {
            g_assert_true(shadow_import_touch(import, at, copy, &source));
        }
    }
    for (int i = 0; i < N; i++) {
        g_assert_cmpuint(source.copies[i], ==, 1);
    }
    g_assert_cmpuint(shadow_import_pages(import), ==, N);
    shadow_import_free(import);
}

/* The cloud VM does not have it there: it can come later. */
static void test_missing(void)
{
    ShadowImport *import = shadow_import_new(SIZE);
    Source source = { .missing = true };

    g_assert_false(shadow_import_touch(import, 5000, copy, &source));
    g_assert_false(shadow_import_touch(import, 5000, copy, &source));
    g_assert_cmpuint(shadow_import_pages(import), ==, 0);
    source.missing = false;
    g_assert_true(shadow_import_touch(import, 5000, copy, &source));
    source.missing = true;
    g_assert_true(shadow_import_touch(import, 4096, copy, &source));
    g_assert_cmpuint(source.copies[1], ==, 1);
    shadow_import_free(import);
}

static void test_sealed(void)
{
    ShadowImport *import = shadow_import_new(SIZE);
    Source source = { };

    g_assert_true(shadow_import_touch(import, 0, copy, &source));
    g_assert_false(shadow_import_is_sealed(import));
    g_assert_true(shadow_import_seal(import));
    g_assert_true(shadow_import_is_sealed(import));
    g_assert_false(shadow_import_seal(import));
    for (uint64_t at = 0; at < SIZE; at += SHADOW_IMPORT_PAGE) {
        g_assert_true(shadow_import_touch(import, at, copy, &source));
    }
    g_assert_cmpuint(shadow_import_pages(import), ==, 1);
    for (int i = 0; i < N; i++) {
        g_assert_cmpuint(source.copies[i], ==, !i);
    }
    shadow_import_free(import);
}

/* Not before what is being copied is there */
static void test_sealed_meanwhile(void)
{
    ShadowImport *import = shadow_import_new(SIZE);
    Source source = { .sealed_by = import };

    g_assert_true(shadow_import_touch(import, 0, copy, &source));
    g_thread_join(source.sealer);
    g_assert_true(shadow_import_is_sealed(import));
    g_assert_cmpuint(shadow_import_pages(import), ==, 1);
    shadow_import_free(import);
}

static void test_nothing_there(void)
{
    ShadowImport *import = shadow_import_new(SIZE + 1);
    Source source = { };

    shadow_import_leave_out(import, 8 * SHADOW_IMPORT_PAGE,
                            10 * SHADOW_IMPORT_PAGE);
    shadow_import_leave_out(import, 60 * SHADOW_IMPORT_PAGE, UINT64_MAX);
    shadow_import_leave_out(import, 2 * SIZE, 3 * SIZE);
    for (uint64_t at = 0; at < 2 * SIZE; at += SHADOW_IMPORT_PAGE) {
        g_assert_true(shadow_import_touch(import, at, copy, &source));
    }
    g_assert_true(shadow_import_touch(import, UINT64_MAX, copy, &source));
    for (int i = 0; i < N; i++) {
        g_assert_cmpuint(source.copies[i], ==, i < 60 && i != 8 && i != 9);
    }
    shadow_import_free(import);
}

typedef struct Toucher {
    ShadowImport *import;
    Source *source;
} Toucher;

static void *touch_all(void *opaque)
{
    Toucher *t = opaque;

    for (uint64_t at = 0; at < SIZE; at += SHADOW_IMPORT_PAGE) {
        g_assert_true(shadow_import_touch(t->import, at, copy, t->source));
        g_assert_cmpuint(t->source->copies[at / SHADOW_IMPORT_PAGE], ==, 1);
    }
    return NULL;
}

/* All of them at the same pages: none is copied twice, or there too early. */
static void test_race(void)
{
    ShadowImport *import = shadow_import_new(SIZE);
    Source source = { .slow = true };
    Toucher t = { import, &source };
    GThread *thread[THREADS];

    for (int i = 0; i < THREADS; i++) {
        thread[i] = g_thread_new("touch", touch_all, &t);
    }
    for (int i = 0; i < THREADS; i++) {
        g_thread_join(thread[i]);
    }
    g_assert_cmpuint(shadow_import_pages(import), ==, N);
    shadow_import_free(import);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/shadow-import/once", test_once);
    g_test_add_func("/shadow-import/missing", test_missing);
    g_test_add_func("/shadow-import/sealed", test_sealed);
    g_test_add_func("/shadow-import/sealed-meanwhile", test_sealed_meanwhile);
    g_test_add_func("/shadow-import/nothing-there", test_nothing_there);
    g_test_add_func("/shadow-import/race", test_race);
    return g_test_run();
}
