/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The agent as a plug-in of the QEMU that a distribution has built.  Option
 * -plugin loads it before the machine is made, whatever the accelerator.
 *
 * It uses QEMU's own functions and structures, which only one build of QEMU
 * has like this.  So it refuses any other, before it touches anything there.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/qapi-commands-control.h"
#include "qemu/error-report.h"
#include "qemu/qemu-plugin.h"
#include "migration/migration.h"
#include "shadow/hw/misc/shadow-agent.h"
#include "shadow/include/compat-memory.h"

/* SHADOW_PLUGIN_PACKAGE: what that QEMU was given as --with-pkgversion */

QEMU_PLUGIN_EXPORT int qemu_plugin_version = QEMU_PLUGIN_VERSION;

static bool plugin_is_for(const VersionInfo *v, Error **errp)
{
    g_autofree char *version = g_strdup_printf("%" PRId64 ".%" PRId64
                                               ".%" PRId64, v->qemu->major,
                                               v->qemu->minor, v->qemu->micro);

    if (g_str_equal(version, QEMU_VERSION) &&
        g_str_equal(v->package, SHADOW_PLUGIN_PACKAGE)) {
        return true;
    }
    error_setg(errp, "this shadow-agent is for QEMU " QEMU_VERSION " ("
               SHADOW_PLUGIN_PACKAGE "), and this is QEMU %s (%s)", version,
               v->package);
    return false;
}

static bool plugin_check_version(Error **errp)
{
    ERRP_GUARD();
    VersionInfo *v = qmp_query_version(errp);

    if (!v) {
        return false;
    }
    plugin_is_for(v, errp);
    qapi_free_VersionInfo(v);
    return !*errp;
}

/* How QEMU's own note of a type begins (qom/object.c); no header has it. */
typedef struct PluginType {
    const char *name;
    size_t class_size;
    size_t instance_size;
} PluginType;

/* What the agent knows the inside, or the size, of */
static const struct {
    const char *type;
    size_t class_size;
    size_t instance_size;
} plugin_types[] = {
    { TYPE_OBJECT, sizeof(ObjectClass), sizeof(Object) },
    { TYPE_DEVICE, sizeof(DeviceClass), sizeof(DeviceState) },
    { TYPE_ISA_DEVICE, sizeof(DeviceClass), sizeof(ISADevice) },
    { TYPE_MEMORY_REGION, sizeof(MemoryRegionClass), sizeof(MemoryRegion) },
    { TYPE_MIGRATION, sizeof(MigrationClass), sizeof(MigrationState) },
};

/* Against a QEMU that was built anew, in another way, as the same version */
static bool plugin_check_types(Error **errp)
{
    for (unsigned i = 0; i < ARRAY_SIZE(plugin_types); i++) {
        const char *name = plugin_types[i].type;
        ObjectClass *oc = object_class_by_name(name);
        const PluginType *type = oc ? (const PluginType *)oc->type : NULL;

        if (!type || !g_str_equal(type->name, name) ||
            type->class_size != plugin_types[i].class_size ||
            type->instance_size != plugin_types[i].instance_size) {
            error_setg(errp, "this shadow-agent is for another build of QEMU: "
                       "'%s' is not the same here", name);
            return false;
        }
    }
    return true;
}

static bool plugin_check(int argc, Error **errp)
{
    if (argc) {
        error_setg(errp, "the plug-in shadow-agent has no options; "
                   "-device shadow-agent has");
        return false;
    }
    if (!plugin_check_version(errp) || !plugin_check_types(errp)) {
        return false;
    }
    if (object_class_by_name(TYPE_SHADOW_AGENT)) {
        error_setg(errp, "this QEMU has a shadow-agent already");
        return false;
    }
    return true;
}

QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id,
                                           const qemu_info_t *info, int argc,
                                           char **argv)
{
    Error *err = NULL;

    if (!plugin_check(argc, &err)) {
        error_report_err(err);
        return -1;
    }
    shadow_agent_register_types();
    return 0;
}
