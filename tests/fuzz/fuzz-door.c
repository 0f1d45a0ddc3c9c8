/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzz a door: two clients who may type, in whatever order and with whatever
 * positions and leases, and one who sends any bytes.  What the guest reads is
 * what was typed, each byte once; what a client reads is what the guest wrote.
 *
 * Input: operations of 2 bytes each; some take more.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/main-loop.h"
#include "shadow/hw/char/shadow-door.h"
#include "shadow/hw/core/shadow-access.h"
#include "shadow/migration/shadow-state.h"
#include "shadow/tests/fuzz/fuzz-machine.h"

#define LSR 5
#define LSR_DR 0x01
#define LSR_BI 0x10
#define N_CLIENTS 3
#define RAW 2                   /* the client who sends anything */
#define TURNS 4                 /* of the main loop, until all has arrived */

typedef struct FuzzClient {
    int fd;
    ShadowWireReader wire;
    uint32_t lease;
    bool ended;
} FuzzClient;

static ShadowGuest *guest;
static ShadowDevice *dev;
static ShadowConsole *console;
static ShadowDoor *door;
static size_t state_size;
static uint8_t *power_on;
static FuzzClient clients[N_CLIENTS];
static uint64_t bytes_read;     /* by the guest */

/* What is typed, and what is printed, at a position */
static uint8_t typed(uint64_t pos)
{
    return 'A' + pos % 23;
}

static uint8_t printed(uint64_t pos)
{
    return 'a' + pos % 19;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    g_autofree char *object = g_strdup_printf(
        "shadow-door,id=d1,guest=vm1,device=com1,"
        "addr=unix:/tmp/shadow-fuzz-%d", getpid());
    g_autofree char *path = g_strdup_printf("/tmp/shadow-fuzz-%d", getpid());
    const char *args[] = {
        "-object", "shadow-guest,id=vm1,secret=key0,incoming=on",
        "-object", object,
        "-chardev", "null,id=c0",
        "-device", "shadow-serial,id=com1,guest=vm1,chardev=c0,first-size=32,"
                   FUZZ_QUEUE_ARGS,
    };

    fuzz_machine_start(args, ARRAY_SIZE(args));
    guest = shadow_guest_find("vm1");
    dev = QTAILQ_FIRST(&guest->devices);
    console = shadow_console_device_console(dev);
    door = SHADOW_DOOR(object_resolve_path_component(object_get_objects_root(),
                                                     "d1"));
    /* nobody comes by it */
    unlink(path);
    state_size = shadow_state_size(&guest->devices);
    power_on = fuzz_state(guest);
    return 0;
}

static bool agree(void *opaque, Error **errp)
{
    return true;
}

static void connect_client(FuzzClient *c, bool raw)
{
    g_autoptr(GByteArray) hello = g_byte_array_new();
    QIOChannelSocket *sioc;
    int pair[2];

    fuzz_assert(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair));
    sioc = qio_channel_socket_new_fd(pair[0], &error_abort);
    *c = (FuzzClient) { .fd = pair[1] };
    shadow_wire_reader_init(&c->wire, SHADOW_WIRE_BY_DOOR);
    door_client_new(door, sioc);
    object_unref(OBJECT(sioc));
    if (!raw) {
        shadow_wire_put_hello(hello, "fuzz");
        fuzz_assert(write(c->fd, hello->data, hello->len) == hello->len);
    }
}

static void leave(FuzzClient *c)
{
    close(c->fd);
    shadow_wire_reader_free(&c->wire);
}

static void check_accepted(const ShadowWireFrame *f)
{
    ShadowWireAccepted a;

    shadow_wire_get_accepted(f, &a);
    fuzz_assert(a.taken <= f->position + SHADOW_CONSOLE_PUT_BACK_MAX);
    fuzz_assert(a.limit >= f->position);
    fuzz_assert(a.limit - a.taken <= FUZZ_QUEUE + FUZZ_RECEIVER);
}

static void hear(FuzzClient *c, const ShadowWireFrame *f, unsigned n)
{
    switch (f->type) {
    case SHADOW_WIRE_KEYBOARD:
        c->lease = f->lease;
        break;
    case SHADOW_WIRE_ACCEPTED:
        fuzz_assert(f->lease && f->lease == c->lease);
        check_accepted(f);
        break;
    case SHADOW_WIRE_OUTPUT:
        for (unsigned i = 0; i < f->len; i++) {
            fuzz_assert(f->payload[i] == printed(f->position + i));
        }
        break;
    case SHADOW_WIRE_ERROR:
        /* the others say nothing that ends a connection */
        fuzz_assert(n == RAW);
        c->ended = true;
        break;
    default:
        break;
    }
}

static void listen_to(FuzzClient *c, unsigned n)
{
    static uint8_t buf[65536];
    ShadowWireFrame f;
    const char *why;
    ssize_t len = read(c->fd, buf, sizeof(buf));
    const uint8_t *next = buf;
    size_t left = MAX(len, 0);

    for (;;) {
        ShadowWireGot got = shadow_wire_read(&c->wire, &next, &left, &f, &why);

        if (got == SHADOW_WIRE_MORE) {
            return;
        }
        fuzz_assert(got == SHADOW_WIRE_FRAME);
        fuzz_assert(!c->ended);
        hear(c, &f, n);
    }
}

static void turns(void)
{
    for (unsigned i = 0; i < TURNS; i++) {
        main_loop_wait(true);
        fuzz_machine_run(0);
    }
    for (unsigned n = 0; n < N_CLIENTS; n++) {
        listen_to(&clients[n], n);
    }
}

static void say(FuzzClient *c, const GByteArray *out)
{
    if (write(c->fd, out->data, out->len) < 0) {
        c->ended = true;
    }
}

static void type(FuzzClient *c, uint8_t op, uint8_t val)
{
    g_autoptr(GByteArray) out = g_byte_array_new();
    uint64_t pos = MAX((int64_t)console->in.end + val % 16 - 12, 0);
    uint8_t bytes[32];
    unsigned len = 1 + val / 16 + (op & 2 ? 12 : 0);

    for (unsigned i = 0; i < len; i++) {
        bytes[i] = typed(pos + i);
    }
    shadow_wire_put(out, &(ShadowWireFrame) {
        .type = SHADOW_WIRE_INPUT, .lease = c->lease + (val == 255),
        .position = pos, .len = len, .payload = bytes });
    say(c, out);
}

static void start(FuzzClient *c, uint8_t val)
{
    g_autoptr(GByteArray) out = g_byte_array_new();
    ShadowWireStart s = { .mode = "plfben"[val % 6] };

    if (s.mode == SHADOW_WIRE_FROM_POSITION ||
        s.mode == SHADOW_WIRE_FROM_LAST) {
        s.count = val;
    }
    if (val & 0x80) {
        memcpy(s.life, console->life.id, sizeof(s.life));
    }
    shadow_wire_put_start(out, &s);
    say(c, out);
}

static void say_other(FuzzClient *c, uint8_t op, uint8_t val)
{
    g_autoptr(GByteArray) out = g_byte_array_new();

    switch (op >> 4) {
    case 4:
        shadow_wire_put_keyboard(out, "tfr"[val % 3]);
        break;
    case 5:
        shadow_wire_put_break(out, c->lease, console->in.end + val % 2,
                              console->life.breaks + val / 2 % 3);
        break;
    default:
        shadow_wire_put(out, &(ShadowWireFrame) {
            .type = SHADOW_WIRE_PING });
        break;
    }
    say(c, out);
}

static void guest_reads(void)
{
    MemoryRegion *mr = QTAILQ_FIRST(&dev->io.subregions);
    uint8_t lsr = shadow_access_read(dev, mr, LSR, 1);
    uint8_t data;

    if (dev->held || !(lsr & LSR_DR)) {
        return;
    }
    data = shadow_access_read(dev, mr, 0, 1);
    if (!(lsr & LSR_BI)) {
        fuzz_assert(data == typed(bytes_read));
        bytes_read++;
    }
}

static void guest_writes(unsigned len)
{
    for (unsigned i = 0; i < len; i++) {
        uint8_t byte = printed(console->out.end);

        qemu_chr_write(CHARDEV(console), &byte, 1, true);
    }
}

static void operate(FuzzInput *in, uint8_t op, uint8_t val)
{
    ShadowDeviceClass *sdc = SHADOW_DEVICE_GET_CLASS(dev);
    FuzzClient *c = &clients[op & 1];

    switch (op >> 4) {
    case 0 ... 3:
        type(c, op, val);
        break;
    case 4 ... 5:
    case 7:
        say_other(c, op, val);
        break;
    case 6:
        start(c, val);
        break;
    case 8:
        val = MIN(val, in->len);
        if (write(clients[RAW].fd, in->data, val) < 0) {
            clients[RAW].ended = true;
        }
        in->data += val;
        in->len -= val;
        break;
    case 9:
        guest_writes(val % 32);
        break;
    case 10 ... 11:
        guest_reads();
        break;
    case 12:
        shadow_access_hold(dev, op & 1);
        break;
    case 13:
        sdc->attached(dev, op & 1, "as fuzzed");
        break;
    case 14:
        sdc->protection(dev, op & 1, op & 1 ? "as fuzzed" : NULL);
        break;
    default:
        if (op & 2) {
            sdc->forked(dev);
        } else {
            leave(c);
            connect_client(c, false);
        }
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    ShadowDeviceClass *sdc = SHADOW_DEVICE_GET_CLASS(dev);
    FuzzInput in = { data, len };

    shadow_access_hold(dev, true);
    fuzz_assert(shadow_state_load(&guest->devices, power_on, state_size, false,
                                  agree, NULL, NULL));
    sdc->attached(dev, true, NULL);
    shadow_access_hold(dev, false);
    bytes_read = 0;
    for (unsigned n = 0; n < N_CLIENTS; n++) {
        connect_client(&clients[n], n == RAW);
    }
    turns();
    while (in.len) {
        uint8_t op = fuzz_u8(&in);

        operate(&in, op, fuzz_u8(&in));
        turns();
        fuzz_assert(console->in.end - console->in.start <=
                    FUZZ_QUEUE + FUZZ_RECEIVER);
    }
    for (unsigned n = 0; n < N_CLIENTS; n++) {
        leave(&clients[n]);
    }
    turns();
    fuzz_assert(!door->n_clients && !console->readers.n);
    fuzz_assert(!console->keyboard.holder);
    fuzz_machine_tidy();
    return 0;
}
