/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Doors of a guest that moves, goes back or is taken away: who is there is
 * told, and no byte is lost or doubled.
 */
#include "qemu/osdep.h"
#include "qapi/qapi-types-shadow.h"
#include "qobject/qlist.h"
#include "shadow-door-user.h"

/* To @to, from whom it is the door "door2" that is used */
static QTestState *start_destination(const char *guest_props)
{
    QTestState *to = shadow_start_incoming_with(guest_props, "");
    g_autofree char *path = g_strdup_printf("unix:%s/door2", shadow_dir);

    qtest_qmp_assert_success(to, "{ 'execute': 'object-add', 'arguments': {"
                             " 'qom-type': 'shadow-door', 'id': 'd2',"
                             " 'guest': 'vm1', 'device': 'com1',"
                             " 'addr': %s } }", path);
    return to;
}

static char *life(DoorUser *u)
{
    QDict *state = qdict_get_qdict(u->said, "state");

    return g_strdup(qdict_get_str(state, "life"));
}

static char *life_of(QTestState *qts)
{
    QDict *info = shadow_query_device(qts, "com1");
    char *text = g_strdup(qdict_get_try_str(info, "life"));

    qobject_unref(info);
    return text;
}

/* The positions of here are those of there, and the life is. */
static void test_move(void)
{
    QTestState *from = shadow_start_com1();
    QTestState *to = start_destination("");
    g_autoptr(GByteArray) env = NULL;
    DoorUser *here, *there;
    g_autofree char *old = NULL, *new = NULL;

    door_add(from, "");
    here = door_enter("door", "alice");
    there = door_enter("door2", "alice");
    door_start(here, SHADOW_WIRE_FROM_OLDEST, 0);
    door_start(there, SHADOW_WIRE_FROM_END, 0);
    door_take(here, SHADOW_WIRE_TAKE_FREE);
    uart_write(from, COM1, "before");
    door_expect_output(here, "before");
    port_out(from, COM1 + UART_MCR, 0x10);
    door_type(here, "abc");
    door_expect_accepted(here, 3, 0);
    old = life(here);

    qtest_qmp_assert_success(from, "{ 'execute': 'shadow-door-set-moved-to',"
                             " 'arguments': { 'guest': 'vm1',"
                             " 'moved-to': 'host-b' } }");
    env = shadow_envelope(from, "vm1");
    /* the limit falls, and what is typed then is kept by its client */
    door_type(here, "de");
    door_expect_text(here, SHADOW_WIRE_REFUSED, "no room");
    g_assert_cmpint(shadow_restore(to, "vm1", env->data, env->len), ==, 0);
    shadow_run(to);
    g_assert_cmpint(shadow_simple(from, ULTRACALL_COMMIT, "vm1"), ==, 0);
    door_expect_text(here, SHADOW_WIRE_KEYBOARD, "moved to another host");
    g_assert_cmpuint(here->frame.position, ==, 3);
    g_assert_cmpstr(qdict_get_str(door_expect_event(here, "moved"),
                                  "moved-to"), ==, "host-b");

    door_expect_output(there, "before");
    door_take(there, SHADOW_WIRE_TAKE_FREE);
    new = life(there);
    g_assert_cmpstr(old, ==, new);
    g_assert_cmpuint(there->accepted, ==, 3);
    /* "abc" again, as from one who has not heard of it */
    there->accepted = 0;
    door_type(there, "abcde");
    port_out(to, COM1 + UART_MCR, 0);
    uart_expect(to, COM1, "abcde");
    uart_write(to, COM1, "after");
    door_expect_output(there, "after");
    door_leave(here);
    door_leave(there);
    qtest_quit(from);
    qtest_quit(to);
}

static void expect_lease(DoorUser *u, unsigned n, uint32_t lease,
                         unsigned start)
{
    QDict *state = qdict_get_qdict(u->said, "state");
    const QListEntry *entry = qlist_first(qdict_get_qlist(state, "leases"));
    QDict *is;

    for (unsigned i = 0; i < n; i++) {
        entry = qlist_next(entry);
    }
    g_assert_nonnull(entry);
    is = qobject_to(QDict, entry->value);
    g_assert_cmpuint(qdict_get_int(is, "lease"), ==, lease);
    g_assert_cmpuint(qdict_get_int(is, "start"), ==, start);
}

/* Who comes back knows which of the accepted bytes were his. */
static void test_leases(void)
{
    QTestState *from = shadow_start_com1();
    QTestState *to = start_destination("");
    DoorUser *alice, *bob, *there;
    int user = user_connect("c0");

    door_add(from, "");
    alice = door_enter("door", "alice");
    bob = door_enter("door", "bob");
    user_send(user, "u");
    shadow_wait_count(from, "com1", "input-accepted", 1);
    door_take(alice, SHADOW_WIRE_TAKE_OVER);
    door_type(alice, "ab");
    door_expect_accepted(alice, 3, 1);
    door_take(bob, SHADOW_WIRE_TAKE_OVER);
    door_type(bob, "c");
    door_expect_accepted(bob, 4, 1);
    /* where it was lost, however much has been typed since */
    door_expect_text(alice, SHADOW_WIRE_KEYBOARD, "taken over by bob");
    g_assert_cmpuint(alice->frame.position, ==, 3);
    shadow_move(from, to);
    there = door_enter("door2", "alice");
    expect_lease(there, 0, 0, 0);
    expect_lease(there, 1, alice->lease, 1);
    expect_lease(there, 2, bob->lease, 3);
    door_leave(alice);
    door_leave(bob);
    door_leave(there);
    close(user);
    qtest_quit(from);
    qtest_quit(to);
}

/* A BREAK that was accepted is not accepted again over there. */
static void test_move_break(void)
{
    QTestState *from = shadow_start_com1();
    QTestState *to = start_destination("");
    g_autoptr(GByteArray) frame = g_byte_array_new();
    uint32_t lease;
    DoorUser *u;

    door_add(from, "");
    u = door_enter("door", "alice");
    door_take(u, SHADOW_WIRE_TAKE_FREE);
    lease = u->lease;
    shadow_wire_put_break(frame, lease, 0, 0);
    door_send(u, frame);
    door_expect(u, SHADOW_WIRE_ACCEPTED);
    door_leave(u);
    shadow_move(from, to);
    shadow_run(to);
    uart_wait(to, COM1, LSR_BI);
    port_in(to, COM1 + UART_DATA);
    u = door_enter("door2", "alice");
    g_assert_cmpint(qdict_get_int(qdict_get_qdict(u->said, "state"),
                                  "breaks"), ==, 1);
    expect_lease(u, 0, lease, 0);
    door_take(u, SHADOW_WIRE_TAKE_FREE);
    g_byte_array_set_size(frame, 0);
    shadow_wire_put_break(frame, u->lease, 0, 0);
    door_send(u, frame);
    door_ping(u);
    g_assert_cmphex(port_in(to, COM1 + UART_LSR) & LSR_BI, ==, 0);
    door_leave(u);
    qtest_quit(from);
    qtest_quit(to);
}

/* Where a state may be used twice, no count of before means anything. */
static void test_resumed(void)
{
    QTestState *qts = shadow_renew_com1();
    g_autofree char *old = NULL, *aborted = NULL, *resumed = NULL;
    DoorUser *u;

    door_add(qts, "");
    u = door_enter("door", "alice");
    door_start(u, SHADOW_WIRE_FROM_END, 0);
    door_take(u, SHADOW_WIRE_TAKE_FREE);
    old = life(u);
    g_byte_array_unref(shadow_envelope(qts, "vm1"));
    door_expect_event(u, "freezing");
    g_assert_cmpint(shadow_simple(qts, ULTRACALL_ABORT, "vm1"), ==, 0);
    door_expect(u, SHADOW_WIRE_ACCEPTED);
    aborted = life_of(qts);
    g_assert_cmpstr(old, ==, aborted);
    g_byte_array_unref(shadow_envelope(qts, "vm1"));
    qtest_qmp_assert_success(qts, "{ 'execute': 'shadow-guest-resume',"
                             " 'arguments': { 'guest': 'vm1' } }");
    door_expect_text(u, SHADOW_WIRE_KEYBOARD, "new life");
    resumed = life_of(qts);
    g_assert_cmpstr(old, !=, resumed);
    door_leave(u);
    shadow_object_del(qts, "d1");
}

static void test_snapshot(void)
{
    QTestState *qts = shadow_start_com1_with(",snapshots=on");
    QTestState *to = start_destination(",snapshots=on");
    g_autofree char *old = NULL, *here = NULL, *there = NULL;
    g_autoptr(GByteArray) env = NULL;
    DoorUser *u;

    door_add(qts, "");
    u = door_enter("door", "alice");
    old = life(u);
    door_take(u, SHADOW_WIRE_TAKE_FREE);
    env = shadow_snapshot(qts);
    door_type(u, "abc");
    door_expect_accepted(u, 3, 1);
    /* in place no count goes back, but he typed for another machine */
    g_assert_cmpint(shadow_restore_env(qts, env), ==, 0);
    door_expect_text(u, SHADOW_WIRE_KEYBOARD, "went back to a snapshot");
    door_expect_event(u, "snapshot");
    here = life_of(qts);
    g_assert_cmpstr(old, ==, here);
    g_assert_cmpuint(shadow_count(qts, "com1", "input-accepted"), ==, 3);
    door_leave(u);

    g_assert_cmpint(shadow_restore(to, "vm1", env->data, env->len), ==, 0);
    there = life_of(to);
    g_assert_nonnull(there);
    g_assert_cmpstr(old, !=, there);
    qtest_quit(qts);
    qtest_quit(to);
}

/* He is told that he is seen, before one more byte is accepted. */
static void test_broken(void)
{
    QTestState *qts = shadow_renew_com1();
    DoorUser *u;

    door_add(qts, "");
    u = door_enter("door", "alice");
    door_take(u, SHADOW_WIRE_TAKE_FREE);
    qtest_writeq(qts, TESTDEV_BASE + TESTDEV_PROTECTION,
                 SHADOW_PROTECTION_BROKEN);
    door_type(u, "password");
    door_expect_text(u, SHADOW_WIRE_KEYBOARD, "no longer protected");
    u->lease = 0;
    g_assert_cmpstr(qdict_get_str(door_expect_event(u, "protection"),
                                  "protection"), ==, "broken");
    g_assert_cmpstr(qdict_get_str(u->said, "reason"), ==, "as tested");
    door_expect_text(u, SHADOW_WIRE_REFUSED, "by this lease");
    g_assert_cmpuint(shadow_count(qts, "com1", "input-accepted"), ==, 0);
    door_leave(u);
    shadow_object_del(qts, "d1");
}

/* What goes away says so. */
static void test_taken_away(void)
{
    QTestState *qts = shadow_renew_com1();
    QDict *info;
    DoorUser *u;
    int64_t client;

    door_add(qts, "");
    /* the operator's word */
    u = door_enter("door", "alice");
    client = qdict_get_int(u->said, "client");
    door_take(u, SHADOW_WIRE_TAKE_FREE);
    qtest_qmp_assert_success(qts, "{ 'execute': 'shadow-door-disconnect',"
                             " 'arguments': { 'client': %d,"
                             " 'reason': 'go home' } }", (int)client);
    door_expect_error(u, "sent away by the operator: go home");
    shadow_qmp_refused(qts, "there is no client 0",
                       "{ 'execute': 'shadow-door-disconnect',"
                       " 'arguments': { 'client': 0 } }");

    /* the device, and with it the guest; it may come back */
    u = door_enter("door", "alice");
    door_take(u, SHADOW_WIRE_TAKE_FREE);
    qtest_qmp_device_del(qts, "com1");
    door_expect_error(u, "the console was removed");
    u = g_new0(DoorUser, 1);
    u->fd = user_connect("door");
    shadow_wire_reader_init(&u->wire, SHADOW_WIRE_BY_DOOR);
    door_expect_error(u, "the console is not on this host");
    shadow_object_del(qts, "vm1");
    shadow_add_guest(qts, "vm1");
    shadow_add_port(qts, "com1", "vm1", COM1);
    u = door_enter("door", "alice");
    door_take(u, SHADOW_WIRE_TAKE_FREE);

    /* the door */
    shadow_object_del(qts, "d1");
    door_expect_error(u, "the door was closed");
    info = shadow_query_device(qts, "com1");
    g_assert_false(qdict_haskey(info, "writer"));
    qobject_unref(info);
}

static QTestState *start_without_chardev(const char *incoming)
{
    QTestState *qts = shadow_start(incoming, "-device shadow-serial,id=com1,"
                                   "guest=vm1");

    shadow_bind(qts, "vm1", SHADOW_PROCESS, 0);
    return qts;
}

/*
 * What doors have sent went ahead of the state, and need not be in it; what
 * nobody has read is.
 */
static void test_sent_ahead(void)
{
    QTestState *from = start_without_chardev("");
    QTestState *to = start_without_chardev(",incoming=on");
    g_autofree char *text = shadow_pattern(9000);
    g_autoptr(GByteArray) ahead = NULL, full = NULL, rest = NULL;
    DoorUser *u, *late;

    door_add(from, "");
    uart_write(from, COM1, text);
    late = door_enter("door", "late");
    door_start(late, SHADOW_WIRE_FROM_LAST, 10);
    door_expect(late, SHADOW_WIRE_OUTPUT);
    g_assert_cmpuint(shadow_count(from, "com1", "output-sent"), ==, 0);
    ahead = shadow_envelope_flags(from, "vm1", ULTRACALL_SAVE_HISTORY);
    full = shadow_envelope_flags(from, "vm1", ULTRACALL_SAVE_REST);
    g_assert_cmpuint(full->len, ==, ahead->len);
    g_assert_cmpint(shadow_simple(from, ULTRACALL_ABORT, "vm1"), ==, 0);

    u = door_enter("door", "alice");
    door_start(u, SHADOW_WIRE_FROM_OLDEST, 0);
    door_expect_output(u, text);
    g_assert_cmpuint(shadow_count(from, "com1", "output-sent"), ==, 9000);
    g_byte_array_unref(g_steal_pointer(&ahead));
    ahead = shadow_envelope_flags(from, "vm1", ULTRACALL_SAVE_HISTORY);
    rest = shadow_envelope_flags(from, "vm1", ULTRACALL_SAVE_REST);
    g_assert_cmpuint(rest->len, <, 9000);
    shadow_restore_unchanged(to, ahead, 0);
    g_assert_cmpint(shadow_restore_env(to, rest), ==, 0);
    shadow_run(to);
    g_assert_cmpuint(shadow_count(to, "com1", "output-start"), ==, 0);
    g_assert_cmpuint(shadow_count(to, "com1", "output-sent"), ==, 9000);
    door_leave(u);
    door_leave(late);
    qtest_quit(to);
    qtest_quit(from);
}

int main(int argc, char **argv)
{
    shadow_test_init(&argc, &argv);
    qtest_add_func("/shadow-door/move", test_move);
    qtest_add_func("/shadow-door/leases", test_leases);
    qtest_add_func("/shadow-door/move-break", test_move_break);
    qtest_add_func("/shadow-door/resumed", test_resumed);
    qtest_add_func("/shadow-door/snapshot", test_snapshot);
    qtest_add_func("/shadow-door/broken", test_broken);
    qtest_add_func("/shadow-door/taken-away", test_taken_away);
    qtest_add_func("/shadow-door/sent-ahead", test_sent_ahead);
    return shadow_test_run();
}
