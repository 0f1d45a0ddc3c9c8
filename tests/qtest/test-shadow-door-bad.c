/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Clients of a door who say what they should not, or do not listen: bounded,
 * told why, and sent away, and nobody else is held up.
 */
#include "qemu/osdep.h"
#include <netinet/in.h>
#include <poll.h>
#include <sys/resource.h>
#include "qemu/units.h"
#include "shadow-door-user.h"

static QTestState *start_with(const char *props, const char *door)
{
    QTestState *qts = shadow_renew_com1_with(props);

    door_add(qts, door);
    return qts;
}

static void stop(QTestState *qts)
{
    shadow_object_del(qts, "d1");
}

/* A frame's header and payload, as they are sent; after a hello if @enter */
static const struct {
    const char *what;
    bool enter;
    const char *bytes;
    unsigned len;
    const char *error;
} bad[] = {
    { "no hello", false, "P\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16,
      "says hello first" },
    { "input too early", false,
      "I\0\0\1\0\0\0\1\0\0\0\0\0\0\0\0x", 17, "says hello first" },
    { "version 0", false, "H\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0", 17,
      "version 1 only" },
    { "version 2", false, "H\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0\2", 17,
      "version 1 only" },
    { "name", false, "H\0\0\3\0\0\0\0\0\0\0\0\0\0\0\0\1a\7", 19,
      "printable UTF-8" },
    { "another protocol", false, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 28,
      "reserved" },
    { "zeros", false, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16,
      "unknown type" },
    { "hello twice", true, "H\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0\1", 17, "once" },
    { "unknown type", true, "X\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16,
      "unknown type" },
    { "a door's type", true, "O\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0x", 17,
      "unknown type" },
    { "reserved", true, "P\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16, "reserved" },
    { "too long", true, "I\0\x40\1\0\0\0\0\0\0\0\0\0\0\0\0", 16,
      "longer or shorter" },
    { "too short", true, "B\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0", 16,
      "longer or shorter" },
    { "wraps", true, "I\0\0\1\0\0\0\1\xff\xff\xff\xff\xff\xff\xff\xffx", 17,
      "out of range" },
    { "start", true, "G\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0x", 17, "no sense" },
    { "keyboard", true, "W\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0x", 17,
      "the keyboard can be" },
};

static void test_bad(void)
{
    QTestState *qts = start_with("", "");
    DoorUser *other = door_enter("door", "other");

    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        DoorUser *u = bad[i].enter ? door_enter("door", "eve") :
                                     door_connect("door");
        g_autoptr(GByteArray) out = g_byte_array_new();

        g_test_message("%s", bad[i].what);
        g_byte_array_append(out, (const uint8_t *)bad[i].bytes, bad[i].len);
        door_send(u, out);
        door_expect_error(u, bad[i].error);
    }
    door_ping(other);
    door_leave(other);
    stop(qts);
}

/* A start that cannot be is refused, and the connection goes on. */
static void test_starts(void)
{
    QTestState *qts = start_with("", "");
    DoorUser *u = door_enter("door", "alice");
    ShadowWireStart start = { .mode = SHADOW_WIRE_FROM_POSITION };
    g_autoptr(GByteArray) out = g_byte_array_new();
    const char *life;

    uart_write(qts, COM1, "0123456789");
    shadow_wire_put_start(out, &start);
    door_send(u, out);
    door_expect_text(u, SHADOW_WIRE_REFUSED, "another life");

    life = qdict_get_str(qdict_get_qdict(u->said, "state"), "life");
    for (unsigned i = 0; i < SHADOW_WIRE_LIFE_LEN; i++) {
        start.life[i] = g_ascii_xdigit_value(life[2 * i]) << 4 |
                        g_ascii_xdigit_value(life[2 * i + 1]);
    }
    start.count = 11;
    g_byte_array_set_size(out, 0);
    shadow_wire_put_start(out, &start);
    door_send(u, out);
    door_expect_text(u, SHADOW_WIRE_REFUSED, "not written as much");
    start.count = u->position = 4;
    g_byte_array_set_size(out, 0);
    shadow_wire_put_start(out, &start);
    door_send(u, out);
    door_expect_output(u, "456789");
    u->position = 7;
    door_start(u, SHADOW_WIRE_FROM_LAST, 3);
    door_expect_output(u, "789");
    u->position = 0;
    door_start(u, SHADOW_WIRE_FROM_LAST, INT64_MAX);
    door_expect_output(u, "0123456789");
    door_start(u, SHADOW_WIRE_FROM_NOWHERE, 0);
    uart_write(qts, COM1, "unseen");
    door_ping(u);
    door_leave(u);
    stop(qts);
}

/* Half a frame is kept, and costs no one anything. */
static void test_half(void)
{
    QTestState *qts = start_with("", ", 'idle-timeout': 1");
    g_autoptr(GByteArray) out = g_byte_array_new();
    DoorUser *u = door_enter("door", "alice");
    DoorUser *other = door_enter("door", "bob");

    shadow_wire_put(out, &(ShadowWireFrame) {
        .type = SHADOW_WIRE_PING, .len = 4,
        .payload = (const uint8_t *)"ping" });
    for (unsigned i = 0; i < out->len; i++) {
        g_autoptr(GByteArray) byte = g_byte_array_new();

        g_byte_array_append(byte, out->data + i, 1);
        door_send(u, byte);
        door_ping(other);
    }
    door_expect(u, SHADOW_WIRE_PING);
    g_byte_array_set_size(out, 17);
    door_send(u, out);
    /* one who then says no more has to go */
    door_expect_error(u, "nothing was sent for too long");
    door_expect_error(other, "nothing was sent for too long");
    stop(qts);
}

/* One more than may come is told so. */
static void test_full(void)
{
    QTestState *qts = start_with("", ", 'max-clients': 2");
    DoorUser *a = door_connect("door");
    DoorUser *b = door_connect("door");
    DoorUser *c = g_new0(DoorUser, 1);

    c->fd = user_connect("door");
    shadow_wire_reader_init(&c->wire, SHADOW_WIRE_BY_DOOR);
    door_expect_error(c, "too many clients");
    door_leave(a);
    shadow_wait_clients(qts, "com1", 1);
    a = door_connect("door");
    door_leave(a);
    door_leave(b);
    stop(qts);
}

/*
 * A door whose clients' transports hold little: a socket that listens on some
 * port, which QEMU is given
 */
static uint16_t add_narrow_door(QTestState *qts)
{
    struct sockaddr_in addr = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    socklen_t len = sizeof(addr);
    int fd = socket(AF_INET, SOCK_STREAM, 0), size = 4096;

    g_assert_cmpint(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size,
                               sizeof(size)), ==, 0);
    g_assert_cmpint(bind(fd, (struct sockaddr *)&addr, len), ==, 0);
    g_assert_cmpint(getsockname(fd, (struct sockaddr *)&addr, &len), ==, 0);
    qobject_unref(qtest_qmp_fds(qts, &fd, 1, "{ 'execute': 'getfd',"
                                " 'arguments': { 'fdname': 'narrow' } }"));
    close(fd);
    qtest_qmp_assert_success(qts, "{ 'execute': 'object-add', 'arguments': {"
                             " 'qom-type': 'shadow-door', 'id': 'narrow',"
                             " 'guest': 'vm1', 'device': 'com1',"
                             " 'addr': 'fd:narrow' } }");
    return ntohs(addr.sin_port);
}

static DoorUser *connect_narrow(uint16_t port)
{
    struct sockaddr_in addr = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
        .sin_port = htons(port),
    };
    int fd = socket(AF_INET, SOCK_STREAM, 0), size = 4096;

    g_assert_cmpint(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size,
                               sizeof(size)), ==, 0);
    g_assert_cmpint(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), ==,
                    0);
    return door_connect_fd(fd);
}

/* More than the ring and both sockets hold */
#define SLOW_BYTES 24000

/*
 * One who does not read misses what was overwritten, and is told how much;
 * another gets all of it at once.
 */
static void test_slow(void)
{
    QTestState *qts = start_with(",output-size=4096", "");
    uint16_t port = add_narrow_door(qts);
    DoorUser *slow = connect_narrow(port);
    DoorUser *fast = door_enter("door", "fast");
    g_autofree char *text = shadow_pattern(SLOW_BYTES);
    uint64_t got = 0, missed = 0;

    door_hello(slow, "slow");
    door_start(slow, SHADOW_WIRE_FROM_END, 0);
    door_start(fast, SHADOW_WIRE_FROM_END, 0);
    door_ping(slow);
    door_ping(fast);
    for (unsigned i = 0; i < SLOW_BYTES; i += 1000) {
        g_autofree char *part = g_strndup(text + i, 1000);

        uart_write(qts, COM1, part);
        door_expect_output(fast, part);
    }
    while (got + missed < SLOW_BYTES) {
        const ShadowWireFrame *f = door_expect(slow, SHADOW_WIRE_OUTPUT);

        g_assert_cmpuint(f->position, >=, got + missed);
        missed = f->position - got;
        g_assert_cmpmem(f->payload, f->len, text + f->position, f->len);
        got += f->len;
    }
    g_assert_cmpuint(missed, >, 0);
    g_test_message("%" PRIu64 " missed", missed);
    door_ping(slow);
    door_leave(slow);
    door_leave(fast);
    shadow_object_del(qts, "narrow");
    stop(qts);
}

/*
 * One who asks and does not read the answers is not read himself: what the door
 * keeps for him does not grow.
 */
static void test_never_reads(void)
{
    QTestState *qts = start_with("", "");
    DoorUser *deaf = door_enter("door", "deaf");
    DoorUser *other = door_enter("door", "other");
    g_autoptr(GByteArray) pings = g_byte_array_new();
    struct pollfd pfd = { .fd = deaf->fd, .events = POLLOUT };
    uint64_t sent = 0;

    for (unsigned i = 0; i < 1000; i++) {
        shadow_wire_put(pings, &(ShadowWireFrame) {
            .type = SHADOW_WIRE_PING, .len = 4,
            .payload = (const uint8_t *)"ping" });
    }
    while (poll(&pfd, 1, 200) == 1) {
        ssize_t n = send(deaf->fd, pings->data + sent % 20,
                         pings->len - sent % 20, MSG_DONTWAIT);

        if (n > 0) {
            sent += n;
        }
        door_ping(other);
        g_assert_cmpuint(sent, <, 64 * MiB);
    }
    /* nothing was lost: each has its answer */
    for (unsigned i = 0; i < sent / 20; i++) {
        door_expect(deaf, SHADOW_WIRE_PING);
    }
    door_leave(deaf);
    door_leave(other);
    stop(qts);
}

/* The lowest number that no file of the program has */
static unsigned free_descriptor(QTestState *qts)
{
    for (unsigned n = 0; ; n++) {
        g_autofree char *path = g_strdup_printf("/proc/%d/fd/%u",
                                                qtest_pid(qts), n);

        if (access(path, F_OK)) {
            return n;
        }
    }
}

/* Processor time that the program has used, in ticks */
static unsigned long used(QTestState *qts)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/stat", qtest_pid(qts));
    g_autofree char *stat = NULL;
    unsigned long user, system;

    g_assert_true(g_file_get_contents(path, &stat, NULL, NULL));
    g_assert_cmpint(sscanf(strrchr(stat, ')'), ") %*c %*d %*d %*d %*d %*d %*u "
                           "%*u %*u %*u %*u %lu %lu", &user, &system), ==, 2);
    return user + system;
}

/*
 * Without a descriptor for him a newcomer waits, and is let in when there is
 * one; meanwhile the door does not keep the processor busy.
 */
static void test_no_descriptor(void)
{
    QTestState *qts = start_with("", "");
    DoorUser *other = door_enter("door", "other");
    struct rlimit all, none;
    unsigned long before;
    DoorUser *u;
    int fd;

    prlimit(qtest_pid(qts), RLIMIT_NOFILE, NULL, &all);
    none = (struct rlimit) { free_descriptor(qts), all.rlim_max };
    prlimit(qtest_pid(qts), RLIMIT_NOFILE, &none, NULL);
    fd = user_connect("door");
    door_ping(other);
    before = used(qts);
    g_usleep(2 * G_USEC_PER_SEC);
    g_assert_cmpuint(used(qts) - before, <, sysconf(_SC_CLK_TCK) / 4);
    user_expect_nothing(fd);
    door_ping(other);

    prlimit(qtest_pid(qts), RLIMIT_NOFILE, &all, NULL);
    u = door_connect_fd(fd);
    door_hello(u, "late");
    door_ping(u);
    door_leave(u);
    door_leave(other);
    stop(qts);
}

int main(int argc, char **argv)
{
    shadow_test_init(&argc, &argv);
    qtest_add_func("/shadow-door/bad", test_bad);
    qtest_add_func("/shadow-door/starts", test_starts);
    qtest_add_func("/shadow-door/half", test_half);
    qtest_add_func("/shadow-door/full", test_full);
    qtest_add_func("/shadow-door/slow", test_slow);
    qtest_add_func("/shadow-door/never-reads", test_never_reads);
    qtest_add_func("/shadow-door/no-descriptor", test_no_descriptor);
    return shadow_test_run();
}
