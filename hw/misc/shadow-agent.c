/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The inner side of a shadow guest: in the QEMU that runs the nested guest,
 * inside the cloud VM.
 *
 * Binds the nested guest, carries its sealed state through migration, and
 * delivers its interrupts.  It sees no byte of a console.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "hw/acpi/acpi_aml_interface.h"
#include "hw/isa/isa.h"
#include "qemu/bswap.h"
#include "qemu/error-report.h"
#include "qemu/main-loop.h"
#include "system/kvm.h"
#include "system/runstate.h"
#include "system/system.h"
#include "shadow/hw/misc/shadow-agent.h"
#include "shadow/include/compat-memory.h"
#include "shadow/include/compat-qdev.h"
#include "shadow/trace.h"

/* How often an interrupt is allowed anew that the outer QEMU did not allow */
#define AGENT_REARM_MS 1000

/* How long a call may take to settle, before what it is for is failed */
#define AGENT_SETTLE_MS 10000

/* I/O permissions are each thread's own. */
static __thread bool agent_thread_ready;

int64_t shadow_agent_call_flags(ShadowAgent *a, uint32_t nr, uint64_t flags,
                                void *buf, size_t len, uint64_t *value)
{
    uint64_t ignored;
    int64_t ret;

    if (!agent_thread_ready) {
        /* refused to who has no right to ask, but may have it from the start */
        agent_thread_ready = !ioperm(a->client.port, ULTRACALL_BAR_SIZE, 1);
    }
    ret = ultracall(&a->client, nr, (uintptr_t)a->guest, strlen(a->guest),
                    (uintptr_t)buf, len, flags, value ?: &ignored);
    trace_shadow_agent_call(a->guest, nr, ret);
    return ret;
}

int64_t shadow_agent_call_settled(ShadowAgent *a, uint32_t nr, uint64_t flags,
                                  void *buf, size_t len, uint64_t *value)
{
    int64_t end = g_get_monotonic_time() + AGENT_SETTLE_MS * 1000;
    int64_t ret;

    while ((ret = shadow_agent_call_flags(a, nr, flags, buf, len, value)) ==
           -EAGAIN && g_get_monotonic_time() < end) {
        g_usleep(100);
    }
    return ret;
}

/* Interrupts */

/*
 * An ISA interrupt is edge-triggered, and must see each edge, also one that
 * came and went since the last look.  The line is lowered first, and left up:
 * Xen's PIC takes a request back when its line falls.
 */
static void agent_update_line(ShadowAgent *a, AgentLine *l,
                              const struct ultracall_device *dev)
{
    uint32_t edges = le32_to_cpu(dev->edges);

    if (edges != l->edges || a->resync) {
        qemu_irq_lower(l->irq);
        qemu_irq_raise(l->irq);
    }
    l->edges = edges;
}

static bool agent_poll(ShadowAgent *a, uint64_t flags)
{
    struct ultracall_device dev[ULTRACALL_DEVICES_MAX];
    uint64_t len;

    if (shadow_agent_call_flags(a, ULTRACALL_IRQ_POLL, flags, dev, sizeof(dev),
                                &len) < 0) {
        return false;
    }
    for (unsigned i = 0; i < len / sizeof(dev[0]); i++) {
        for (unsigned j = 0; j < a->lines; j++) {
            if (a->line[j].iobase == le16_to_cpu(dev[i].iobase) &&
                a->line[j].number == dev[i].irq) {
                agent_update_line(a, &a->line[j], &dev[i]);
            }
        }
    }
    a->resync = false;
    return true;
}

void shadow_agent_poll(ShadowAgent *a)
{
    agent_poll(a, 0);
}

static bool agent_rearms(ShadowAgent *a)
{
    return a->client.features & ULTRACALL_F_REARM;
}

/*
 * Allow the next interrupt first: what moves from then on raises it again.
 * While the outer QEMU lacks the guest it does not; the guest may come back.
 */
static void agent_rearm(void *opaque)
{
    ShadowAgent *a = opaque;

    shadow_agent_uio_enable(&a->uio);
    if (!agent_poll(a, agent_rearms(a) ? ULTRACALL_POLL_REARM : 0)) {
        timer_mod(a->rearm, qemu_clock_get_ms(QEMU_CLOCK_REALTIME) +
                            AGENT_REARM_MS);
    }
}

static void agent_interrupt(void *opaque)
{
    ShadowAgent *a = opaque;

    if (shadow_agent_uio_take(&a->uio)) {
        agent_rearm(a);
    }
}

/* Life */

/* Before a state is loaded there is nothing to reset: all will be set. */
static void agent_reset_hold(Object *obj, ResetType type)
{
    ShadowAgent *a = SHADOW_AGENT(obj);

    if (!runstate_check(RUN_STATE_INMIGRATE) &&
        type != RESET_TYPE_SNAPSHOT_LOAD) {
        shadow_agent_call(a, ULTRACALL_RESET, NULL, 0, NULL);
        a->resync = true;
    }
}

/* A line is raised when what it leads to has been reset, too. */
static void agent_reset_exit(Object *obj, ResetType type)
{
    ShadowAgent *a = SHADOW_AGENT(obj);

    if (a->resync) {
        shadow_agent_poll(a);
    }
}

static void agent_exit(Notifier *n, void *data)
{
    ShadowAgent *a = container_of(n, ShadowAgent, exit);

    if (a->frozen || a->ending) {
        warn_report("shadow-agent: the console of '%s' stays frozen, since "
                    "its migration has not ended", a->guest);
    }
    shadow_agent_call(a, ULTRACALL_UNBIND, NULL, 0, NULL);
}

/* Which right is missing */
static void agent_hint_rights(Error **errp)
{
    g_autofree char *lockdown = NULL;

    if (g_file_get_contents("/sys/kernel/security/lockdown", &lockdown, NULL,
                            NULL) && !strstr(lockdown, "[none]")) {
        error_append_hint(errp, "This machine's kernel is locked down, as with "
                          "Secure Boot, and gives nobody I/O permission: start "
                          "this QEMU by shadow-run, or else with CAP_SYS_ADMIN. "
                          "The outer QEMU has to take calls by instruction.\n");
    } else {
        error_append_hint(errp, "Start this QEMU by shadow-run, or else with "
                          "CAP_SYS_RAWIO, which AppArmor must allow; by "
                          "shadow-run the outer QEMU has to take calls by "
                          "instruction.\n");
    }
}

static bool agent_open(ShadowAgent *a, Error **errp)
{
    ERRP_GUARD();
    int ret = ultracall_open(&a->client);

    switch (ret) {
    case 0:
        return true;
    case -ENODEV:
        error_setg(errp, "this machine has no ultracall device");
        error_append_hint(errp, "Give the outer QEMU, on the cloud host, the "
                          "options -device ultracall and -object "
                          "shadow-guest,id=%s,secret=...\n", a->guest);
        break;
    case -ENOENT:
    case -EACCES:
        error_setg_errno(errp, -ret, "cannot look for the ultracall device in "
                         "/sys/bus/pci/devices");
        error_append_hint(errp, "AppArmor or SELinux may forbid it, or this "
                          "process has no /sys.\n");
        break;
    case -EPROTO:
        error_setg(errp, "the ultracall device does not speak version %d",
                   ULTRACALL_VERSION);
        error_append_hint(errp, "Use an outer QEMU and an inner QEMU of the "
                          "same shadow device release.\n");
        break;
    case -ENXIO:
        error_setg(errp, "the ultracall device does not answer at port 0x%x",
                   a->client.port);
        error_append_hint(errp, "Its I/O ports may be disabled: its driver, "
                          "uio_pci_generic, enables them.\n");
        break;
    case -EPERM:
        error_setg(errp, "this process may not use the ultracall device's "
                   "ports");
        agent_hint_rights(errp);
        break;
    default:
        error_setg_errno(errp, -ret, "the outer QEMU does not take ultracalls "
                         "from here");
        break;
    }
    return false;
}

/* Fail early: otherwise the only symptom is a silent console. */
static bool agent_check_state(ShadowAgent *a, struct ultracall_guest *guest,
                              Error **errp)
{
    ERRP_GUARD();
    bool incoming = runstate_check(RUN_STATE_INMIGRATE);
    uint32_t state = le32_to_cpu(guest->state);
    bool snapshots = le16_to_cpu(guest->flags) & ULTRACALL_GUEST_SNAPSHOTS;

    if (incoming && state == ULTRACALL_RESTORED &&
        !shadow_agent_call(a, ULTRACALL_UNBIND, NULL, 0, NULL)) {
        /* a QEMU before this one took the state and was killed too early */
        return true;
    }
    if (incoming ? state == ULTRACALL_INCOMING || state == ULTRACALL_GONE ||
                   (state == ULTRACALL_ACTIVE && snapshots)
                 : state == ULTRACALL_ACTIVE) {
        return true;
    }
    if (incoming) {
        error_setg(errp, "shadow-guest '%s' does not wait for its state",
                   a->guest);
        error_append_hint(errp, "Give the outer QEMU -object shadow-guest,"
                          "id=%s,incoming=on,...\n", a->guest);
    } else {
        error_setg(errp, "shadow-guest '%s' is not active on this host",
                   a->guest);
        error_append_hint(errp, "If it runs nowhere else, use the outer "
                          "QEMU's QMP command shadow-guest-resume, or add it "
                          "again without incoming=on.\n");
    }
    return false;
}

static bool agent_query(ShadowAgent *a, Error **errp)
{
    ERRP_GUARD();
    struct {
        struct ultracall_guest guest;
        struct ultracall_device dev[ULTRACALL_DEVICES_MAX];
    } reply;
    int64_t ret = shadow_agent_call(a, ULTRACALL_QUERY, &reply, sizeof(reply),
                                    NULL);

    if (ret) {
        error_setg(errp, "the outer QEMU has no shadow-guest '%s'", a->guest);
        error_append_hint(errp, "Give the outer QEMU, on the cloud host, "
                          "-object shadow-guest,id=%s,secret=...\n", a->guest);
        return false;
    }
    if (!agent_check_state(a, &reply.guest, errp)) {
        return false;
    }
    a->private_memory = le16_to_cpu(reply.guest.flags) &
                        ULTRACALL_GUEST_PRIVATE;
    return shadow_agent_layout_start(a, &reply.guest, reply.dev, errp);
}

static bool agent_find_hypervisor(ShadowAgent *a, Error **errp)
{
    a->hypervisor = kvm_enabled() ? &shadow_agent_kvm : shadow_agent_xen();
    if (!a->hypervisor) {
        error_setg(errp, "shadow-agent needs -accel kvm, or to be in a device "
                   "model of Xen's: only what runs nested has a shadow");
    }
    return a->hypervisor;
}

static void agent_realize(DeviceState *dev, Error **errp)
{
    ShadowAgent *a = SHADOW_AGENT(dev);

    if (!a->guest || strlen(a->guest) > ULTRACALL_ID_MAX) {
        error_setg(errp, "property 'guest' must name a shadow-guest of the "
                   "outer QEMU");
        return;
    }
    if (!agent_find_hypervisor(a, errp) || !agent_open(a, errp) ||
        !agent_query(a, errp) ||
        !shadow_agent_uio_open(&a->uio, a->client.sysfs, !agent_rearms(a),
                               errp) ||
        !a->hypervisor->bind(a, errp) ||
        !shadow_agent_migration_start(a, errp)) {
        return;
    }
    a->rearm = timer_new_ms(QEMU_CLOCK_REALTIME, agent_rearm, a);
    qemu_set_fd_handler(a->uio.fd, agent_interrupt, NULL, a);
    /* not before the machine is whole */
    timer_mod(a->rearm, qemu_clock_get_ms(QEMU_CLOCK_REALTIME));
    shadow_agent_history_start(a);
    shadow_agent_memory_start(a);
    shadow_agent_serial_start(a);
    a->exit.notify = agent_exit;
    qemu_add_exit_notifier(&a->exit);
    a->resync = true;
}

/* At run time too: it depends on the host that the guest goes to next. */

static bool agent_get_history_ahead(Object *obj, Error **errp)
{
    return SHADOW_AGENT(obj)->history_ahead;
}

static void agent_set_history_ahead(Object *obj, bool value, Error **errp)
{
    SHADOW_AGENT(obj)->history_ahead = value;
}

static int agent_get_throttle(Object *obj, Error **errp)
{
    return SHADOW_AGENT(obj)->throttle_auto ? ON_OFF_AUTO_AUTO
                                            : ON_OFF_AUTO_OFF;
}

static void agent_set_throttle(Object *obj, int value, Error **errp)
{
    SHADOW_AGENT(obj)->throttle_auto = value != ON_OFF_AUTO_OFF;
}

static void agent_init(Object *obj)
{
    SHADOW_AGENT(obj)->history_ahead = true;
    SHADOW_AGENT(obj)->throttle_auto = true;
}

static const Property agent_properties[] = {
    DEFINE_PROP_STRING("guest", ShadowAgent, guest),
};

static void agent_class_init(ObjectClass *oc, ShadowClassData *data)
{
    DeviceClass *dc = DEVICE_CLASS(oc);

    dc->realize = agent_realize;
    dc->vmsd = &vmstate_shadow_agent;
    dc->desc = "in a cloud VM: the agent of a nested guest's shadow devices";
    dc->hotpluggable = false;
    RESETTABLE_CLASS(oc)->phases.hold = agent_reset_hold;
    RESETTABLE_CLASS(oc)->phases.exit = agent_reset_exit;
    device_class_set_props(dc, agent_properties);
    object_class_property_add_bool(oc, "history-ahead",
                                   agent_get_history_ahead,
                                   agent_set_history_ahead);
    object_class_property_set_description(oc, "history-ahead",
        "send output while the nested guest still runs");
    object_class_property_add_enum(oc, "throttle", "OnOffAuto",
                                   &OnOffAuto_lookup, agent_get_throttle,
                                   agent_set_throttle);
    object_class_property_set_description(oc, "throttle",
        "slow the nested guest down while its private memory is sent, as much "
        "as downtime-limit needs: auto or off");
    ACPI_DEV_AML_IF_CLASS(oc)->build_dev_aml = shadow_agent_build_aml;
    set_bit(DEVICE_CATEGORY_MISC, dc->categories);
}

static const TypeInfo agent_types[] = {
    {
        .name = TYPE_SHADOW_AGENT,
        .parent = TYPE_ISA_DEVICE,
        .instance_size = sizeof(ShadowAgent),
        .instance_init = agent_init,
        .class_init = agent_class_init,
        .interfaces = (InterfaceInfo[]) {
            { TYPE_ACPI_DEV_AML_IF },
            { }
        },
    },
};

void shadow_agent_register_types(void)
{
    type_register_static_array(agent_types, ARRAY_SIZE(agent_types));
}
