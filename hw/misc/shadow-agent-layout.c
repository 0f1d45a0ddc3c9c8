/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the shadow devices of a nested guest have, in the machine that the
 * cloud VM makes for it: none of them is known here.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "hw/acpi/aml-build.h"
#include "qemu/bswap.h"
#include "qemu/error-report.h"
#include "shadow/hw/misc/shadow-agent.h"
#include "shadow/include/compat-memory.h"

/* Ports of a UART, and of all devices of an outer QEMU that has no LAYOUT */
#define AGENT_UART_PORTS 8

/*
 * Ports, on a host that cannot take the accesses by itself: the operator has
 * allowed that they come this way, and the user is told.
 */
typedef struct AgentPorts {
    MemoryRegion mr;
    ShadowAgent *agent;
    uint16_t first;
} AgentPorts;

static uint64_t agent_port_call(AgentPorts *p, hwaddr addr, unsigned size,
                                uint64_t val, uint64_t write)
{
    uint8_t buf[8];             /* as much as ldn_le_p() may take */

    stn_le_p(buf, size, val);
    shadow_agent_call_flags(p->agent, ULTRACALL_PORT,
                            (p->first + addr) | write, buf, size, NULL);
    return ldn_le_p(buf, size);
}

static uint64_t agent_port_read(void *opaque, hwaddr addr, unsigned size)
{
    return agent_port_call(opaque, addr, size, UINT32_MAX, 0);
}

static void agent_port_write(void *opaque, hwaddr addr, uint64_t val,
                             unsigned size)
{
    agent_port_call(opaque, addr, size, val, ULTRACALL_PORT_WRITE);
}

static const MemoryRegionOps agent_port_ops = {
    .read = agent_port_read,
    .write = agent_port_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .impl = { .min_access_size = 1, .max_access_size = 4 },
};

/* They stay for as long as this QEMU lives. */
static void agent_serve_ports(ShadowAgent *a, uint16_t first, unsigned n)
{
    AgentPorts *p = g_new0(AgentPorts, 1);

    p->agent = a;
    p->first = first;
    memory_region_init_io(&p->mr, OBJECT(a), &agent_port_ops, p,
                          TYPE_SHADOW_AGENT, n);
    isa_register_ioport(ISA_DEVICE(a), &p->mr, first);
}

static bool agent_port_taken(ShadowAgent *a, uint16_t port)
{
    MemoryRegion *io = isa_address_space_io(ISA_DEVICE(a));
    MemoryRegionSection at = memory_region_find(io, port, 1);

    if (at.mr) {
        memory_region_unref(at.mr);
    }
    return at.mr && at.mr != io;
}

static bool agent_add_ports(ShadowAgent *a,
                            const struct ultracall_resource *r, Error **errp)
{
    ERRP_GUARD();
    uint32_t first = le32_to_cpu(r->first), n = le32_to_cpu(r->len);

    if (!n || n > UINT16_MAX + 1 || first > UINT16_MAX + 1 - n) {
        error_setg(errp, "the outer QEMU tells of ports that there are not");
        return false;
    }
    if (shadow_agent_serial_at(a, first)) {
        /* shadow_agent_serial_check() */
        return true;
    }
    for (unsigned port = first; port < first + n; port++) {
        if (agent_port_taken(a, port)) {
            error_setg(errp, "port 0x%x has another device already", port);
            error_append_hint(errp, "Give this QEMU -serial none.\n");
            return false;
        }
    }
    if (a->exposed) {
        agent_serve_ports(a, first, n);
    }
    return true;
}

static bool agent_add_line(ShadowAgent *a, const struct ultracall_resource *r,
                           uint16_t iobase, Error **errp)
{
    uint32_t number = le32_to_cpu(r->number);
    AgentLine *l = &a->line[a->lines];

    if (number > 15 || a->lines == ARRAY_SIZE(a->line)) {
        error_setg(errp, "the outer QEMU tells of an interrupt %u", number);
        return false;
    }
    l->iobase = iobase;
    l->number = number;
    l->irq = isa_get_irq(ISA_DEVICE(a), number);
    a->lines++;
    return true;
}

/* IRQ_POLL names a device by the lowest of its ports; 0 if it has none. */
static uint16_t agent_lowest_port(ShadowAgent *a, uint16_t device)
{
    uint32_t lowest = UINT32_MAX;

    for (unsigned i = 0; i < a->resources; i++) {
        const struct ultracall_resource *r = &a->layout[i];

        if (r->device == device && le16_to_cpu(r->kind) == ULTRACALL_PORTS) {
            lowest = MIN(lowest, le32_to_cpu(r->first));
        }
    }
    return lowest == UINT32_MAX ? 0 : lowest;
}

static bool agent_add_all(ShadowAgent *a, Error **errp)
{
    const struct ultracall_resource *r = a->layout;

    for (; r < a->layout + a->resources; r++) {
        switch (le16_to_cpu(r->kind)) {
        case ULTRACALL_PORTS:
            if (!agent_add_ports(a, r, errp)) {
                return false;
            }
            break;
        case ULTRACALL_LINE:
            if (!agent_add_line(a, r, agent_lowest_port(a, r->device), errp)) {
                return false;
            }
            break;
        default:
            break;
        }
    }
    return true;
}

/* What an outer QEMU that has no LAYOUT has are UARTs. */
static void agent_layout_uart(ShadowAgent *a, unsigned n,
                              const struct ultracall_device *dev)
{
    static const uint16_t com[] = { 0x3f8, 0x2f8, 0x3e8, 0x2e8 };
    struct ultracall_resource *r = &a->layout[a->resources];
    unsigned number = ARRAY_SIZE(com) + n;

    for (unsigned i = 0; i < ARRAY_SIZE(com); i++) {
        number = com[i] == le16_to_cpu(dev->iobase) ? i : number;
    }
    for (unsigned i = 0; i < 3; i++) {
        r[i].device = cpu_to_le16(n);
    }
    r[0].kind = cpu_to_le16(ULTRACALL_PORTS);
    r[0].first = cpu_to_le32(le16_to_cpu(dev->iobase));
    r[0].len = cpu_to_le32(AGENT_UART_PORTS);
    r[1].kind = cpu_to_le16(ULTRACALL_LINE);
    r[1].number = cpu_to_le32(dev->irq);
    r[2].kind = cpu_to_le16(ULTRACALL_ACPI);
    r[2].number = cpu_to_le32(number + 1);
    memcpy(r[2].hid, "PNP0501", 7);
    snprintf(r[2].name, sizeof(r[2].name), "COM%X", number + 1);
    a->resources += 3;
}

static bool agent_get_layout(ShadowAgent *a,
                             const struct ultracall_guest *guest,
                             const struct ultracall_device *lines,
                             Error **errp)
{
    int64_t ret;
    uint64_t len;

    if (!(a->client.features & ULTRACALL_F_LAYOUT)) {
        for (unsigned i = 0; i < MIN(le16_to_cpu(guest->devices),
                                     ULTRACALL_DEVICES_MAX); i++) {
            agent_layout_uart(a, i, &lines[i]);
        }
        return true;
    }
    ret = shadow_agent_call(a, ULTRACALL_LAYOUT, a->layout, sizeof(a->layout),
                            &len);
    if (ret || len > sizeof(a->layout)) {
        error_setg_errno(errp, ret ? -ret : EPROTO, "cannot ask what devices "
                         "'%s' has", a->guest);
        return false;
    }
    a->resources = len / sizeof(a->layout[0]);
    return true;
}

bool shadow_agent_layout_start(ShadowAgent *a,
                               const struct ultracall_guest *guest,
                               const struct ultracall_device *lines,
                               Error **errp)
{
    if (!agent_get_layout(a, guest, lines, errp)) {
        return false;
    }
    if (!a->resources) {
        warn_report("shadow-agent: guest '%s' has no devices; give the outer "
                    "QEMU -device shadow-serial,guest=%s,...", a->guest,
                    a->guest);
    }
    a->exposed = le16_to_cpu(guest->flags) & ULTRACALL_GUEST_EXPOSED;
    return shadow_agent_serial_check(a, errp) && agent_add_all(a, errp);
}

/* ACPI */

/* What else the device of @acpi has */
static Aml *agent_crs(ShadowAgent *a, const struct ultracall_resource *acpi)
{
    Aml *crs = aml_resource_template();

    for (unsigned i = 0; i < a->resources; i++) {
        const struct ultracall_resource *r = &a->layout[i];
        uint16_t kind = le16_to_cpu(r->kind);
        uint32_t first = le32_to_cpu(r->first);

        if (r->device != acpi->device) {
            continue;
        }
        if (kind == ULTRACALL_PORTS && le32_to_cpu(r->len) <= UINT8_MAX) {
            aml_append(crs, aml_io(AML_DECODE16, first, first, 0,
                                   le32_to_cpu(r->len)));
        } else if (kind == ULTRACALL_LINE) {
            aml_append(crs, aml_irq_no_flags(le32_to_cpu(r->number)));
        }
    }
    return crs;
}

/* QEMU takes no other names than these, and does not look. */
static bool agent_acpi_valid(const struct ultracall_resource *r)
{
    for (unsigned i = 0; i < 7; i++) {
        char c = r->hid[i];

        if (i < 3 ? !g_ascii_isupper(c)
                  : !g_ascii_isxdigit(c) || g_ascii_islower(c)) {
            return false;
        }
    }
    for (unsigned i = 0; i < 4; i++) {
        if (!g_ascii_isupper(r->name[i]) &&
            !(i && g_ascii_isdigit(r->name[i]))) {
            return false;
        }
    }
    return !r->hid[7] && !r->name[4];
}

void shadow_agent_build_aml(AcpiDevAmlIf *adev, Aml *scope)
{
    ShadowAgent *a = SHADOW_AGENT(adev);

    for (unsigned i = 0; i < a->resources; i++) {
        const struct ultracall_resource *r = &a->layout[i];
        Aml *node;

        if (le16_to_cpu(r->kind) != ULTRACALL_ACPI || !agent_acpi_valid(r) ||
            shadow_agent_serial_at(a, agent_lowest_port(a, r->device))) {
            continue;
        }
        node = aml_device("%s", r->name);
        aml_append(node, aml_name_decl("_HID", aml_eisaid(r->hid)));
        aml_append(node, aml_name_decl("_UID",
                                       aml_int(le32_to_cpu(r->number))));
        aml_append(node, aml_name_decl("_STA", aml_int(0xf)));
        aml_append(node, aml_name_decl("_CRS", agent_crs(a, r)));
        aml_append(scope, node);
    }
}
