/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Private memory of which the owner has not said what starts in it: what the
 * cloud VM has started comes to be private, and then seals its memory.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "hw/core/cpu.h"
#include "shadow/hw/core/shadow-privacy.h"
#include "shadow/hw/core/shadow-running.h"
#include "shadow/hw/misc/shadow-memory-internal.h"

/* What the port says, and what is written to it */
#define SEAL_NOT_PRIVATE 'N'
#define SEAL_LOCKED      'L'
#define SEAL_SEALED      'S'

/* With the BQL, in an RCU read section */
ShadowPrivate *shadow_memory_lock(ShadowGuest *g)
{
    ShadowMemory *s = (ShadowMemory *)g->privacy.memory;
    ShadowPrivate *life;
    int ret;

    if (!s || s->image) {
        return NULL;
    }
    life = shadow_memory_begin(s, &ret);
    if (life) {
        shadow_private_imports(life);
        shadow_privacy_locked(g, life);
    }
    return life;
}

/*
 * That the guest itself makes the access, and not what the cloud VM ran there
 * until now.  Then the guest is locked.
 */
static bool seal_is_guests(ShadowMemory *s)
{
    return s->life && current_cpu &&
           shadow_running_is_private(current_cpu->cpu_index, s->guest->ports);
}

static uint64_t seal_read(void *opaque, hwaddr addr, unsigned size)
{
    ShadowMemory *s = opaque;

    return !seal_is_guests(s) ? SEAL_NOT_PRIVATE :
           s->guest->privacy.sealed ? SEAL_SEALED : SEAL_LOCKED;
}

static void seal_write(void *opaque, hwaddr addr, uint64_t val, unsigned size)
{
    ShadowMemory *s = opaque;

    if (val == SEAL_SEALED && seal_is_guests(s) && s->life->import &&
        shadow_import_seal(s->life->import)) {
        shadow_privacy_sealed(s->guest);
    }
}

static const MemoryRegionOps seal_ops = {
    .read = seal_read,
    .write = seal_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = { .min_access_size = 1, .max_access_size = 1 },
    .impl = { .min_access_size = 1, .max_access_size = 1 },
};

bool shadow_memory_add_port(ShadowMemory *s, Error **errp)
{
    memory_region_init_io(&s->seal, OBJECT(s), &seal_ops, s,
                          TYPE_SHADOW_MEMORY "-seal", 1);
    return shadow_device_add_ports(SHADOW_DEVICE(s), &s->seal, s->port, errp);
}
