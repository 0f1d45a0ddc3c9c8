/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pages of a guest's private memory as plain bytes, and back.
 */
#include "qemu/osdep.h"
#include "qemu/bitmap.h"
#include "qemu/bitops.h"
#include "qemu/bswap.h"
#include "qemu/cutils.h"
#include "shadow/hw/core/shadow-pages.h"

/* On the wire, big-endian */
typedef struct PagesRun {
    uint32_t first;
    uint16_t n;
    uint16_t zeros;
} PagesRun;

QEMU_BUILD_BUG_ON(SHADOW_PAGES_SIZE(0) !=
                  sizeof(uint32_t) + SHADOW_PAGES_RUNS_MAX * sizeof(PagesRun));
QEMU_BUILD_BUG_ON(SHADOW_PAGES_MAX > UINT16_MAX);

bool shadow_pages_init(ShadowPages *pages, uint64_t n)
{
    *pages = (ShadowPages) { .n = n, .n_unsent = n };
    pages->unsent = bitmap_try_new(n);
    if (!pages->unsent) {
        return false;
    }
    bitmap_set(pages->unsent, 0, n);
    return true;
}

void shadow_pages_destroy(ShadowPages *pages)
{
    g_free(pages->unsent);
    *pages = (ShadowPages) { };
}

void shadow_pages_add(ShadowPages *pages, uint64_t page)
{
    if (!test_and_set_bit(page, pages->unsent)) {
        pages->n_unsent++;
    }
}

/* The next one that is unsent, round and round; there is one. */
static uint64_t pages_next(ShadowPages *pages)
{
    uint64_t page = find_next_bit(pages->unsent, pages->n, pages->cursor);

    if (page >= pages->n) {
        page = find_first_bit(pages->unsent, pages->n);
    }
    clear_bit(page, pages->unsent);
    pages->n_unsent--;
    pages->cursor = page + 1;
    return page;
}

static void pages_put_back(ShadowPages *pages, uint64_t page)
{
    shadow_pages_add(pages, page);
    pages->cursor = page;
}

typedef struct PagesRuns {
    struct {
        uint64_t first;
        unsigned n;
        bool zeros;
    } run[SHADOW_PAGES_RUNS_MAX];
    unsigned n, data;
} PagesRuns;

/* False if there is no room for it. */
static bool runs_add(PagesRuns *runs, uint64_t page, bool zeros, unsigned data)
{
    unsigned last = runs->n - 1;

    if (!zeros && runs->data == data) {
        return false;
    }
    if (runs->n && runs->run[last].zeros == zeros &&
        runs->run[last].first + runs->run[last].n == page) {
        runs->run[last].n++;
    } else if (runs->n < SHADOW_PAGES_RUNS_MAX) {
        runs->run[runs->n].first = page;
        runs->run[runs->n].n = 1;
        runs->run[runs->n++].zeros = zeros;
    } else {
        return false;
    }
    runs->data += !zeros;
    return true;
}

static size_t runs_write(const PagesRuns *runs, const uint8_t *ram,
                         uint8_t *body)
{
    uint8_t *to = body + sizeof(uint32_t) + runs->n * sizeof(PagesRun);

    stl_be_p(body, runs->n);
    for (unsigned i = 0; i < runs->n; i++) {
        uint64_t first = runs->run[i].first;
        unsigned n = runs->run[i].n;
        PagesRun run = {
            .first = cpu_to_be32(first),
            .n = cpu_to_be16(n),
            .zeros = cpu_to_be16(runs->run[i].zeros),
        };

        memcpy(body + sizeof(uint32_t) + i * sizeof(run), &run, sizeof(run));
        if (!runs->run[i].zeros) {
            memcpy(to, ram + first * SHADOW_PAGE, n * SHADOW_PAGE);
            to += n * SHADOW_PAGE;
        }
    }
    return to - body;
}

size_t shadow_pages_take(ShadowPages *pages, const uint8_t *ram, unsigned data,
                         uint8_t *body)
{
    g_autofree PagesRuns *runs = g_new0(PagesRuns, 1);

    data = MIN(data, SHADOW_PAGES_DATA_MAX);
    for (unsigned i = 0; i < SHADOW_PAGES_MAX && pages->n_unsent; i++) {
        uint64_t page = pages_next(pages);
        bool zeros = buffer_is_zero(ram + page * SHADOW_PAGE, SHADOW_PAGE);

        if (!runs_add(runs, page, zeros, data)) {
            pages_put_back(pages, page);
            break;
        }
    }
    return runs->n ? runs_write(runs, ram, body) : 0;
}

static PagesRun pages_run(const uint8_t *body, unsigned i)
{
    PagesRun run;

    memcpy(&run, body + sizeof(uint32_t) + i * sizeof(run), sizeof(run));
    return (PagesRun) {
        be32_to_cpu(run.first), be16_to_cpu(run.n), be16_to_cpu(run.zeros)
    };
}

/* Whether all of it is right, and zeros follow */
static bool pages_check(uint64_t n, const uint8_t *body, size_t len)
{
    uint32_t runs = len < sizeof(runs) ? 0 : ldl_be_p(body);
    size_t at = sizeof(runs) + runs * sizeof(PagesRun);
    unsigned pages = 0;

    if (!runs || runs > SHADOW_PAGES_RUNS_MAX || at > len) {
        return false;
    }
    for (unsigned i = 0; i < runs; i++) {
        PagesRun run = pages_run(body, i);
        size_t size = run.zeros ? 0 : run.n * SHADOW_PAGE;

        if (!run.n || run.zeros > 1 || run.first >= n ||
            run.n > n - run.first || size > len - at) {
            return false;
        }
        at += size;
        pages += run.n;
    }
    return pages <= SHADOW_PAGES_MAX &&
           buffer_is_zero(body + at, len - at);
}

bool shadow_pages_give(uint64_t n, const uint8_t *body, size_t len,
                       ShadowPagesPut *put, void *opaque)
{
    const uint8_t *data;

    if (!pages_check(n, body, len)) {
        return false;
    }
    data = body + sizeof(uint32_t) + ldl_be_p(body) * sizeof(PagesRun);
    for (unsigned i = 0; i < ldl_be_p(body); i++) {
        PagesRun run = pages_run(body, i);

        put(opaque, run.first, run.n, run.zeros ? NULL : data);
        data += run.zeros ? 0 : run.n * SHADOW_PAGE;
    }
    return true;
}
