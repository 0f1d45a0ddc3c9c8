/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What differs between the QEMU series that the shadow devices build in
 * (10.0 and 10.2), in one place.
 */
#ifndef SHADOW_COMPAT_H
#define SHADOW_COMPAT_H

#include "qapi/error.h"
#include "chardev/char-fe.h"
#include "migration/vmstate.h"

#define SHADOW_QEMU_AT_LEAST(major, minor) \
    (QEMU_VERSION_MAJOR > (major) || \
     (QEMU_VERSION_MAJOR == (major) && QEMU_VERSION_MINOR >= (minor)))

#if SHADOW_QEMU_AT_LEAST(10, 1)
typedef const void ShadowClassData;
#else
typedef void ShadowClassData;
#endif

#if SHADOW_QEMU_AT_LEAST(10, 2)
typedef CharFrontend ShadowChr;

static inline int shadow_vmstate_save(QEMUFile *f,
                                      const VMStateDescription *vmsd,
                                      void *opaque, Error **errp)
{
    return vmstate_save_state(f, vmsd, opaque, NULL, errp);
}

static inline int shadow_vmstate_load(QEMUFile *f,
                                      const VMStateDescription *vmsd,
                                      void *opaque, int version, Error **errp)
{
    return vmstate_load_state(f, vmsd, opaque, version, errp);
}
#else
typedef CharBackend ShadowChr;

static inline int shadow_vmstate_save(QEMUFile *f,
                                      const VMStateDescription *vmsd,
                                      void *opaque, Error **errp)
{
    return vmstate_save_state_with_err(f, vmsd, opaque, NULL, errp);
}

static inline int shadow_vmstate_load(QEMUFile *f,
                                      const VMStateDescription *vmsd,
                                      void *opaque, int version, Error **errp)
{
    int ret = vmstate_load_state(f, vmsd, opaque, version);

    if (ret < 0) {
        error_setg(errp, "cannot load '%s': %s", vmsd->name, ret == -ENOENT ?
                   "it has a subsection that is not known here" :
                   strerror(-ret));
    }
    return ret;
}
#endif

#endif /* SHADOW_COMPAT_H */
