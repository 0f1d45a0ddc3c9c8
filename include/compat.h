/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What differs between the QEMU series that the shadow devices build in
 * (10.0, 10.2 and 11.0; 11.1 while it was developed), in one place.
 */
#ifndef SHADOW_COMPAT_H
#define SHADOW_COMPAT_H

#include "qapi/error.h"
#include "chardev/char-fe.h"
#include "migration/vmstate.h"

/* x.y.50 and later are on the way to the release after x.y. */
#define SHADOW_QEMU_AT_LEAST(major, minor) \
    (QEMU_VERSION_MAJOR > (major) || \
     (QEMU_VERSION_MAJOR == (major) && \
      QEMU_VERSION_MINOR + (QEMU_VERSION_MICRO >= 50) >= (minor)))

#if SHADOW_QEMU_AT_LEAST(10, 1)
typedef const void ShadowClassData;
#else
typedef void ShadowClassData;
#endif

#if SHADOW_QEMU_AT_LEAST(10, 2)
typedef CharFrontend ShadowChr;
#else
typedef CharBackend ShadowChr;
#endif

#if SHADOW_QEMU_AT_LEAST(11, 1)
#define SHADOW_VMSTATE_UINT32_EQUAL(field, state) \
    VMSTATE_UINT32_EQUAL(field, state)

typedef void ShadowPostSave;
#define SHADOW_POST_SAVE_DONE
#else
/* Without a hint: the error tells both values. */
#define SHADOW_VMSTATE_UINT32_EQUAL(field, state) \
    VMSTATE_UINT32_EQUAL(field, state, NULL)

/* What .post_save returns, when it has done its work: it cannot fail. */
typedef int ShadowPostSave;
#define SHADOW_POST_SAVE_DONE 0
#endif

#if SHADOW_QEMU_AT_LEAST(11, 1)
static inline int shadow_vmstate_save(QEMUFile *f,
                                      const VMStateDescription *vmsd,
                                      void *opaque, Error **errp)
{
    return vmstate_save_vmsd(f, vmsd, opaque, NULL, errp) ? 0 : -EINVAL;
}

static inline int shadow_vmstate_load(QEMUFile *f,
                                      const VMStateDescription *vmsd,
                                      void *opaque, int version, Error **errp)
{
    return vmstate_load_vmsd(f, vmsd, opaque, version, errp) ? 0 : -EINVAL;
}
#elif SHADOW_QEMU_AT_LEAST(10, 2)
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
