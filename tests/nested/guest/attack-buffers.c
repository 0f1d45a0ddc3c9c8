/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What root of a cloud VM may pass to ultracalls: wild tags, buffers and
 * numbers.
 *
 *     attack-buffers GUEST
 */
#include "attack-calls.h"
#include <fcntl.h>

static void check_fault(Transport t, const Call *c, const void *buf,
                        uint64_t len, const char *what)
{
    Outcome o = call_on(t, c, buf, len);

    check(faulted(t, &o, (uintptr_t)buf, len), &o, "%s by %s: %s", c->name,
          transport_names[t], what);
}

/* A buffer of which the second half has no, or other, rights */
static void attack_half(Transport t, const Call *c, int prot, const char *what)
{
    size_t pages = (c->len + PAGE - 1) / PAGE;
    uint8_t *p = area(2 * pages * PAGE);
    uint8_t *middle = p + pages * PAGE, *buf = middle - c->len / 2;
    Outcome o;

    memset(p, 0x5a, 2 * pages * PAGE);
    mprotect(middle, pages * PAGE, prot);
    o = call_on(t, c, buf, c->len);
    if (prot == PROT_READ && c->reads) {
        check(returned(&o, c->ok), &o, "%s by %s: %s", c->name,
              transport_names[t], what);
    } else {
        check(faulted(t, &o, (uintptr_t)middle, c->len), &o, "%s by %s: %s",
              c->name, transport_names[t], what);
    }
    mprotect(middle, pages * PAGE, PROT_READ);
    check(filled_with(p, 2 * pages * PAGE, 0x5a), NULL,
          "%s by %s: %s, not one byte "
          "written",
          c->name, transport_names[t], what);
    munmap(p, 2 * pages * PAGE);
}

static uint64_t kernel_symbol(const char *want)
{
    FILE *f = fopen("/proc/kallsyms", "r");
    char name[128];
    unsigned long address, found = 0;

    while (f && !found &&
           fscanf(f, "%lx %*c %127s%*[^\n]", &address, name) == 2) {
        found = strcmp(name, want) ? 0 : address;
    }
    if (f) {
        fclose(f);
    }
    return found;
}

static void attack_addresses(Transport t, const Call *c)
{
    static const uint64_t wild[] = { 0x800000000000, 0xdead000000000000,
                                     0xffff7ffffffff000 };
    uint64_t text = kernel_symbol("_text"), data = kernel_symbol("init_task");
    uint8_t *gone = area(c->len + PAGE);
    Outcome o;

    check_fault(t, c, NULL, c->len, "null pointer");
    check_fault(t, c, (void *)text, c->len,
                text ? "kernel's code" : "NO SYMBOL");
    check_fault(t, c, (void *)data, c->len,
                data ? "kernel's data" : "NO SYMBOL");
    for (size_t i = 0; i < sizeof(wild) / sizeof(wild[0]); i++) {
        check_fault(t, c, (void *)wild[i], c->len, "not canonical");
    }
    munmap(gone, c->len + PAGE);
    check_fault(t, c, gone, c->len, "unmapped");
    o = call_on(t, c, (void *)-(c->len / 2), c->len);
    check(o.signal == SIGSEGV || returned(&o, -EFAULT), &o,
          "%s by %s: wraps around 2^64", c->name, transport_names[t]);
}

static void attack_lengths(Transport t, const Call *c)
{
    static const uint64_t huge[] = { 1ul << 32, 1ul << 40, 1ul << 63, -1ul };
    uint8_t *p = area(c->len + PAGE);
    Outcome o;

    memset(p, 0, c->len + PAGE);
    for (size_t i = 0; i < sizeof(huge) / sizeof(huge[0]); i++) {
        o = call_on(t, c, p, huge[i]);
        /* An envelope's largest size is more than we have here. */
        check(c->nr == ULTRACALL_SAVE ? faulted(t, &o, (uintptr_t)p, huge[i])
                                      : returned(&o, c->reads ? -EINVAL : 0),
              &o, "%s by %s: length 0x%lx", c->name, transport_names[t],
              (long)huge[i]);
    }
    o = call_on(t, c, p, 0);
    check(c->reads ? o.status < 0
                   : (returned(&o, -ENOSPC) && o.value <= c->len),
          &o, "%s by %s: length 0", c->name, transport_names[t]);
    munmap(p, c->len + PAGE);
}

/* Not RAM: where a device might be but none is, and the firmware's ROM */
static void attack_device_memory(Transport t, const Call *c)
{
    static const struct {
        off_t at;
        size_t len;
        bool rom;
        const char *name;
    } kinds[] = {
        { 0xe0000000, 0x100000, false, "no memory" },
        { 0xf0000, 0x10000, true, "ROM" },
    };
    int fd = open("/dev/mem", O_RDWR | O_SYNC);

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        size_t len = c->len < kinds[i].len ? c->len : kinds[i].len;
        void *p = mmap(NULL, kinds[i].len, PROT_READ | PROT_WRITE, MAP_SHARED,
                       fd, kinds[i].at);
        Outcome o = { .signal = -1 };

        if (p == MAP_FAILED) {
            check(false, NULL, "%s by %s: %s: cannot be mapped: %s", c->name,
                  transport_names[t], kinds[i].name, strerror(errno));
            continue;
        }
        if (!(kinds[i].rom && c->reads)) {
            (void)*(volatile uint8_t *)p; /* so that it is mapped indeed */
            o = call_on(t, c, p, len);
            check(returned(&o, -EFAULT), &o, "%s by %s: %s", c->name,
                  transport_names[t], kinds[i].name);
        }
        munmap(p, kinds[i].len);
    }
    close(fd);
}

static void attack_tags(Transport t)
{
    uint8_t *p = area(2 * PAGE), *buf = area(PAGE);
    uint8_t *end = p + PAGE;
    uint64_t data = kernel_symbol("init_task"), n = strlen(guest);
    static const uint64_t bad[] = { 0, 57, 1 << 20, 1ul << 40, -1ul };
    Outcome o;

    memset(buf, 0, PAGE);
    memset(p, 'v', PAGE);
    munmap(end, PAGE);
#define TAG(address, length)                                                  \
    attack_call(t, ULTRACALL_QUERY, (uintptr_t)(address), length,             \
                (uintptr_t)buf, PAGE, 0)
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        o = TAG(p, bad[i]);
        check(returned(&o, -EINVAL), &o, "tag by %s: length %ld",
              transport_names[t], (long)bad[i]);
    }
    o = TAG(end - 56, 56);
    check(returned(&o, -ENOENT), &o,
          "tag by %s: no end, up to an unmapped page", transport_names[t]);
    o = TAG(end - 55, 56);
    check(faulted(t, &o, (uintptr_t)end - 55, 56), &o,
          "tag by %s: runs into an "
          "unmapped page",
          transport_names[t]);
    o = TAG(end, 3);
    check(faulted(t, &o, (uintptr_t)end, 3), &o, "tag by %s: unmapped",
          transport_names[t]);
    o = TAG(data, 8);
    check(faulted(t, &o, data, 8), &o, "tag by %s: kernel's data",
          transport_names[t]);
    memcpy(end - n - 1, guest, n + 1);
    o = TAG(end - n - 1, n + 1);
    check(returned(&o, -EINVAL), &o, "tag by %s: with a NUL",
          transport_names[t]);
    o = TAG(end - n - 1, n - 1);
    check(returned(&o, -ENOENT), &o, "tag by %s: the start of one",
          transport_names[t]);
    o = TAG(end - n - 1, n);
    check(returned(&o, 0), &o, "tag by %s: the right one", transport_names[t]);
#undef TAG
    munmap(buf, PAGE);
    munmap(p, PAGE);
}

static void attack_numbers(Transport t)
{
    static const uint64_t zero[ULTRACALL_ARGS];
    static const uint64_t other[] = { 0, 1, 0x53480100, 0x153480000, -1ul };
    Outcome o;

    for (uint32_t nr = ULTRACALL__MAX; nr <= 0xff; nr++) {
        o = attack_call(t, nr, 0, 0, 0, 0, 0);
        if (!returned(&o, -ENOSYS)) {
            break;
        }
    }
    check(returned(&o, -ENOSYS), &o, "unknown numbers by %s",
          transport_names[t]);
    for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++) {
        o = attack_raw(t, other[i], zero);
        check(t == DOORBELL ? returned(&o, other[i]) && o.value == doorbell
                            : o.signal == SIGILL,
              &o, "no ultracall by %s: RAX 0x%lx", transport_names[t],
              (long)other[i]);
    }
    o = attack_tagged(t, ULTRACALL_REGISTER, guest, 0, 0, 0);
    check(returned(&o, -EPERM), &o, "register by %s: not from L1",
          transport_names[t]);
    o = attack_tagged(t, ULTRACALL_COMMIT, guest, 0, 0, 0);
    check(returned(&o, -EBUSY), &o, "commit by %s: nothing saved",
          transport_names[t]);
    o = attack_tagged(t, ULTRACALL_ABORT, guest, 0, 0, 0);
    check(returned(&o, -EALREADY), &o, "abort by %s: nothing saved",
          transport_names[t]);
}

static void attack_buffers(void)
{
    for (Transport t = VMMCALL; t <= DOORBELL; t++) {
        attack_numbers(t);
        attack_tags(t);
        for (const Call *c = calls; c < calls + N_CALLS; c++) {
            attack_addresses(t, c);
            attack_lengths(t, c);
            attack_half(t, c, PROT_NONE, "runs into a page without rights");
            attack_half(t, c, PROT_READ, "runs into a read-only page");
            attack_device_memory(t, c);
        }
    }
}

int main(int argc, char **argv)
{
    attack_calls_open(argc, argv);
    attack_buffers();
    return attack_summary();
}
