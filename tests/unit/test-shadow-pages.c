/*
 * Pages of private memory as bytes, and back
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "shadow/hw/core/shadow-pages.h"
#include "shadow/tests/shadow-image.h"

#define N 6000

static uint8_t *ram, *arrived;
static uint8_t body[SHADOW_PAGES_SIZE(SHADOW_PAGES_DATA_MAX)];

static void put(void *opaque, uint64_t first, unsigned n, const uint8_t *data)
{
    g_assert_cmpuint(first + n, <=, N);
    shadow_image_put(arrived, first, n, data);
    if (opaque) {
        *(unsigned *)opaque += 1;
    }
}

static void begin(ShadowPages *pages)
{
    ram = g_malloc0(N * SHADOW_PAGE);
    arrived = g_malloc(N * SHADOW_PAGE);
    memset(arrived, 0x55, N * SHADOW_PAGE);
    g_assert_true(shadow_pages_init(pages, N));
}

static void end(ShadowPages *pages)
{
    shadow_pages_destroy(pages);
    g_free(ram);
    g_free(arrived);
}

static void touch(unsigned page, uint8_t val)
{
    ram[page * SHADOW_PAGE + page % SHADOW_PAGE] = val;
}

/* Returns how many times something was taken. */
static unsigned send_all(ShadowPages *pages, unsigned data)
{
    unsigned times = 0;
    size_t len;

    while ((len = shadow_pages_take(pages, ram, data, body))) {
        g_assert_cmpuint(len, <=, SHADOW_PAGES_SIZE(data));
        g_assert_true(shadow_pages_give(N, body, len, put, NULL));
        times++;
    }
    g_assert_cmpuint(pages->n_unsent, ==, 0);
    return times;
}

static void test_all(void)
{
    ShadowPages pages;

    begin(&pages);
    for (unsigned page = 100; page < 1400; page++) {
        touch(page, 1);
    }
    touch(N - 1, 1);
    send_all(&pages, SHADOW_PAGES_DATA_MAX);
    g_assert_cmpmem(ram, N * SHADOW_PAGE, arrived, N * SHADOW_PAGE);
    /* nothing is left, and only what was written to is sent again */
    g_assert_cmpuint(shadow_pages_take(&pages, ram, 512, body), ==, 0);
    touch(7, 9);
    shadow_pages_add(&pages, 7);
    shadow_pages_add(&pages, 7);
    g_assert_cmpuint(pages.n_unsent, ==, 1);
    g_assert_cmpuint(shadow_pages_take(&pages, ram, 512, body), ==,
                     4 + 8 + SHADOW_PAGE);
    end(&pages);
}

/* A page that has become zeros is told to be. */
static void test_zeros(void)
{
    ShadowPages pages;

    begin(&pages);
    touch(3, 1);
    send_all(&pages, SHADOW_PAGES_DATA_MAX);
    touch(3, 0);
    shadow_pages_add(&pages, 3);
    g_assert_cmpuint(shadow_pages_take(&pages, ram, 512, body), ==, 4 + 8);
    g_assert_true(shadow_pages_give(N, body, 4 + 8, put, NULL));
    g_assert_cmpmem(ram, N * SHADOW_PAGE, arrived, N * SHADOW_PAGE);
    end(&pages);
}

/* One page at a time, pages that alternate, and as many runs as there can be */
static void test_shapes(void)
{
    ShadowPages pages;

    begin(&pages);
    for (unsigned page = 0; page < N; page += 2) {
        touch(page, 1);
    }
    g_assert_cmpuint(send_all(&pages, 1), >=, N / 2);
    g_assert_cmpmem(ram, N * SHADOW_PAGE, arrived, N * SHADOW_PAGE);
    memset(arrived, 0x55, N * SHADOW_PAGE);
    for (unsigned page = 0; page < N; page++) {
        shadow_pages_add(&pages, page);
    }
    send_all(&pages, SHADOW_PAGES_DATA_MAX);
    g_assert_cmpmem(ram, N * SHADOW_PAGE, arrived, N * SHADOW_PAGE);
    /* more is asked for than there may be */
    shadow_pages_add(&pages, 0);
    g_assert_cmpuint(send_all(&pages, 100000), ==, 1);
    end(&pages);
}

/* Whoever has written to each page for ever is served round and round. */
static void test_round(void)
{
    ShadowPages pages;
    bool last = false;

    begin(&pages);
    for (unsigned page = 0; page < N; page++) {
        touch(page, 1);
    }
    for (unsigned i = 0; i < 2 * N / SHADOW_PAGES_DATA_MAX && !last; i++) {
        size_t len = shadow_pages_take(&pages, ram, 512, body);

        g_assert_true(shadow_pages_give(N, body, len, put, NULL));
        for (unsigned page = 0; page < N / 2; page++) {
            shadow_pages_add(&pages, page);
        }
        last = !memcmp(arrived + (N - 1) * SHADOW_PAGE,
                       ram + (N - 1) * SHADOW_PAGE, SHADOW_PAGE);
    }
    g_assert_true(last);
    end(&pages);
}

static void run_put(unsigned i, uint32_t first, uint16_t n, uint16_t zeros)
{
    stl_be_p(body + 4 + 8 * i, first);
    stw_be_p(body + 8 + 8 * i, n);
    stw_be_p(body + 10 + 8 * i, zeros);
}

static bool refused(size_t len)
{
    unsigned puts = 0;
    bool ok = shadow_pages_give(N, body, len, put, &puts);

    g_assert_true(ok || !puts);
    return !ok;
}

static void test_hostile(void)
{
    size_t one = 4 + 8 + SHADOW_PAGE;
    ShadowPages pages;

    begin(&pages);
    memset(body, 0, sizeof(body));
    stl_be_p(body, 1);
    run_put(0, 5, 1, 0);
    g_assert_false(refused(one));
    g_assert_true(refused(one - 1));
    for (unsigned len = 0; len < 12; len++) {
        g_assert_true(refused(len));
    }
    body[one] = 1;                          /* something behind its end */
    g_assert_true(refused(one + 1));
    body[one] = 0;
    g_assert_false(refused(one + 1));
    run_put(0, N, 1, 0);
    g_assert_true(refused(one));
    run_put(0, UINT32_MAX, 1, 1);
    g_assert_true(refused(one));
    run_put(0, N - 1, 2, 1);
    g_assert_true(refused(one));
    run_put(0, 5, 0, 1);                    /* no page at all */
    g_assert_true(refused(one));
    run_put(0, 5, 1, 2);                    /* what is 2? */
    g_assert_true(refused(one));
    run_put(0, 5, UINT16_MAX, 0);           /* more than there are bytes */
    g_assert_true(refused(one));
    /* as many as are looked at when they are sent, and one more */
    run_put(0, 0, SHADOW_PAGES_MAX, 1);
    g_assert_false(refused(12));
    run_put(0, 0, SHADOW_PAGES_MAX + 1, 1);
    g_assert_true(refused(12));
    /* the second of two is wrong: the first one is not put either */
    stl_be_p(body, 2);
    run_put(0, 5, 1, 1);
    run_put(1, N, 1, 1);
    g_assert_true(refused(one));
    stl_be_p(body, 0);
    g_assert_true(refused(one));
    stl_be_p(body, SHADOW_PAGES_RUNS_MAX + 1);
    g_assert_true(refused(sizeof(body)));
    stl_be_p(body, UINT32_MAX);
    g_assert_true(refused(sizeof(body)));
    stl_be_p(body, 0x20000000);             /* times 8: 2^32 */
    g_assert_true(refused(sizeof(body)));
    end(&pages);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/shadow/pages/all", test_all);
    g_test_add_func("/shadow/pages/zeros", test_zeros);
    g_test_add_func("/shadow/pages/shapes", test_shapes);
    g_test_add_func("/shadow/pages/round", test_round);
    g_test_add_func("/shadow/pages/hostile", test_hostile);
    return g_test_run();
}
