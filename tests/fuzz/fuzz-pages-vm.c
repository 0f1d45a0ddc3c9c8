/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/timer.h"
#include "shadow/hw/core/shadow-access.h"
#include "shadow/tests/fuzz/fuzz-pages.h"

#define KERNEL_LEN 4096

/* Where the guest's id is */
#define TAG_VA 0x1000

FuzzVm fuzz_vm;

static int64_t now;

static int caller_map(UltracallCaller *c, uint64_t va, size_t len, bool write,
                      UltracallBuffer *buf, uint64_t *fault)
{
    static uint8_t tag[] = "vm1";

    if (va == TAG_VA && len == 3 && !write) {
        ultracall_buffer_add(buf, tag, len);
        return 0;
    }
    if (va < FUZZ_BUF_VA || va > FUZZ_BUF_VA + FUZZ_BUF_SIZE ||
        len > FUZZ_BUF_VA + FUZZ_BUF_SIZE - va) {
        *fault = va;
        return -EFAULT;
    }
    if (len) {
        ultracall_buffer_add(buf, fuzz_vm.buffer + (va - FUZZ_BUF_VA), len);
    }
    return 0;
}

static void caller_entry(UltracallCaller *c, ShadowEntry *e)
{
    *e = (ShadowEntry) { .process = 0x2000 };
}

static bool caller_peek(UltracallCaller *c, uint64_t va, uint64_t *val)
{
    return false;
}

void fuzz_vm_start(void)
{
    g_autofree char *path = NULL, *device = NULL;
    g_autofree uint8_t *kernel = g_malloc0(KERNEL_LEN);
    int fd = g_file_open_tmp("shadow-fuzz-XXXXXX", &path, NULL);

    /* as much as a bzImage has at least */
    kernel[0x1f1] = 1;
    memcpy(kernel + 0x202, "HdrS", 4);
    stw_le_p(kernel + 0x206, 0x20f);
    stw_le_p(kernel + 0x236, 1);
    fuzz_assert(fd >= 0 && write(fd, kernel, KERNEL_LEN) == KERNEL_LEN);
    close(fd);
    device = g_strdup_printf("shadow-memory,id=ram,guest=vm1,size=1M,kernel=%s",
                             path);
    const char *const args[] = {
        "-object", "shadow-guest,id=vm1,secret=key0,incoming=on",
        "-device", device,
    };

    fuzz_machine_start(args, ARRAY_SIZE(args));
    unlink(path);
    fuzz_vm.guest = shadow_guest_find("vm1");
    fuzz_vm.buffer = g_malloc0(FUZZ_BUF_SIZE);
    fuzz_vm.memory = g_malloc0(FUZZ_VM_SIZE);
}

bool fuzz_vm_is_launched(void)
{
    ShadowDevice *dev = QTAILQ_FIRST(&fuzz_vm.guest->devices);
    ShadowMemoryInfo *info = SHADOW_DEVICE_GET_CLASS(dev)->private_memory(dev);
    bool is = info->launched;

    qapi_free_ShadowMemoryInfo(info);
    return is;
}

void fuzz_vm_renew(void)
{
    ShadowGuest *g = fuzz_vm.guest;
    ShadowDevice *dev = QTAILQ_FIRST(&g->devices);

    shadow_guest_unbind(g, "fuzz");
    SHADOW_DEVICE_GET_CLASS(dev)->reset(dev);
    shadow_guest_changed(g);
    g->state = SHADOW_GUEST_STATE_INCOMING;
    shadow_access_hold(dev, true);
    g->settle = SHADOW_SETTLE_NONE;
    memset(g->misfits, 0, sizeof(g->misfits));
    g->misfit_pace = g->aheads = g->unkept = (ShadowPace) { };
    g->epoch = g->accepted = g->bindings = 0;
    g->gave_away = 0;
    fuzz_vm.launched = false;
    now = 0;
    fuzz_machine_run(now);
}

void fuzz_vm_later(uint8_t ms)
{
    now += ms * SCALE_MS;
    fuzz_machine_run(now);
}

void fuzz_session_forget(FuzzSession *s)
{
    g_clear_pointer(&s->stream, shadow_stream_free);
}

void fuzz_session_begin(FuzzSession *s, const FuzzSessionKey *key)
{
    fuzz_session_forget(s);
    s->stream = shadow_stream_new(key->key, key->id);
    fuzz_assert(s->stream);
    s->changes = fuzz_vm.guest->changes;
}

bool fuzz_session_lives(FuzzSession *s)
{
    if (s->stream && s->changes != fuzz_vm.guest->changes) {
        fuzz_session_forget(s);
    }
    return s->stream;
}

UltracallRegs fuzz_vm_call(uint32_t nr, uint64_t va, uint64_t len,
                           uint64_t flags)
{
    UltracallCaller caller = {
        .map = caller_map, .entry = caller_entry, .peek = caller_peek,
    };
    UltracallRegs regs = { .arg = { TAG_VA, 3, va, len, flags } };
    ShadowGuest *g = fuzz_vm.guest;
    ShadowGuestState state = g->state;
    uint64_t epoch = g->epoch;
    bool was_launched = fuzz_vm_is_launched();

    ultracall_dispatch(&caller, nr, &regs);
    switch (-regs.status) {
    case 0:
        break;
    case EAGAIN:
        fuzz_machine_run(now);
        /* fall through */
    case EINVAL:
    case EFAULT:
    case ENOSPC:
    case EALREADY:
    case EBUSY:
    case EBADMSG:
    case ESTALE:
    case EOPNOTSUPP:
    case EPERM:
        fuzz_assert(g->state == state && g->epoch == epoch);
        fuzz_assert(fuzz_vm_is_launched() == was_launched);
        break;
    default:
        fuzz_broken("a documented status", __FILE__, __LINE__);
    }
    return regs;
}
