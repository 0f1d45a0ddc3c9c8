/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Hosts that share no secret: a guest's state sealed to the key of one, and
 * signed by another.
 */
#include "qemu/osdep.h"
#include "qobject/qjson.h"
#include "shadow-common.h"

#define THIRD_KEY "0000111122223333444455556666777788889999"

/* A host with that secret, and its guest vm2, which has com1 */
static QTestState *host_start_with(const char *args, const char *secret,
                                   bool incoming)
{
    QTestState *qts = shadow_start("", "%s", args);

    shadow_add_host(qts, secret);
    qtest_qmp_assert_success(qts, "{'execute': 'object-add', 'arguments': {"
                             "'qom-type': 'shadow-guest', 'id': 'vm2', "
                             "'host': 'h0', 'incoming': %i}}", incoming);
    qtest_qmp_assert_success(qts, "{'execute': 'device_add', 'arguments': {"
                             "'driver': 'shadow-serial', 'id': 'com1', "
                             "'guest': 'vm2'}}");
    shadow_bind(qts, "vm2", SHADOW_PROCESS, 0);
    return qts;
}

static QTestState *host_start(const char *secret, bool incoming)
{
    return host_start_with("", secret, incoming);
}

static char *destination(QTestState *qts)
{
    QDict *guest = shadow_query(qts, "vm2");
    char *key = g_strdup(qdict_get_try_str(guest, "destination"));

    g_assert_cmpstr(qdict_get_str(guest, "host"), ==, "h0");
    qobject_unref(guest);
    return key;
}

static void move(QTestState *from, QTestState *to)
{
    g_autoptr(GByteArray) env = shadow_envelope(from, "vm2");

    g_assert_cmpint(shadow_restore(to, "vm2", env->data, env->len), ==, 0);
    g_assert_cmpint(shadow_simple(from, ULTRACALL_COMMIT, "vm2"), ==, 0);
}

/* There and back; each time the operators say it anew. */
static void test_move(void)
{
    QTestState *one = host_start(SHADOW_KEY, false);
    QTestState *two = host_start(SHADOW_OTHER_KEY, true);
    g_autofree char *none = NULL;

    shadow_trust(one, two);
    shadow_trust(two, one);
    port_out(one, COM1 + UART_SCR, 0x5a);
    shadow_set_destination(one, "vm2", two);
    move(one, two);
    none = destination(one);
    g_assert_null(none);

    g_assert_cmpint(port_in(two, COM1 + UART_SCR), ==, 0x5a);
    port_out(two, COM1 + UART_SCR, 0xa5);
    shadow_set_destination(two, "vm2", one);
    move(two, one);
    g_assert_cmpint(port_in(one, COM1 + UART_SCR), ==, 0xa5);
    shadow_assert_state(one, "vm2", "active");
    shadow_assert_state(two, "vm2", "gone");
    qtest_quit(one);
    qtest_quit(two);
}

/* Nothing is sealed for nobody; the guest goes on. */
static void test_no_destination(void)
{
    QTestState *qts = host_start(SHADOW_KEY, false);

    g_assert_cmpint(shadow_save(qts, "vm2"), ==, -EIO);
    shadow_expect_refused(qts, "vm2", "shadow-guest-set-destination");
    shadow_assert_state(qts, "vm2", "active");
    qtest_quit(qts);
}

static void test_not_trusted(void)
{
    QTestState *from = host_start(SHADOW_KEY, false);
    QTestState *to = host_start(SHADOW_OTHER_KEY, true);
    g_autoptr(GByteArray) env = NULL;

    shadow_set_destination(from, "vm2", to);
    env = shadow_envelope(from, "vm2");
    g_assert_cmpint(shadow_restore(to, "vm2", env->data, env->len), ==,
                    -EBADMSG);
    shadow_expect_refused(to, "vm2", "trusted-hosts");
    shadow_assert_state(to, "vm2", "incoming");
    shadow_trust(to, to);
    g_assert_cmpint(shadow_restore(to, "vm2", env->data, env->len), ==,
                    -EBADMSG);
    shadow_trust(to, from);
    g_assert_cmpint(shadow_restore(to, "vm2", env->data, env->len), ==, 0);
    qtest_quit(from);
    qtest_quit(to);
}

/* L1 brings the envelope to a host that it is not for. */
static void test_another_host(void)
{
    QTestState *from = host_start(SHADOW_KEY, false);
    QTestState *to = host_start(SHADOW_OTHER_KEY, true);
    QTestState *other = host_start(THIRD_KEY, true);
    g_autoptr(GByteArray) env = NULL;

    shadow_trust(to, from);
    shadow_trust(other, from);
    shadow_set_destination(from, "vm2", to);
    env = shadow_envelope(from, "vm2");
    g_assert_cmpint(shadow_restore(other, "vm2", env->data, env->len), ==,
                    -EBADMSG);
    shadow_expect_refused(other, "vm2", "sealed to another host");
    shadow_assert_state(other, "vm2", "incoming");
    g_assert_cmpint(shadow_simple(from, ULTRACALL_ABORT, "vm2"), ==, 0);
    g_assert_cmpint(shadow_restore(to, "vm2", env->data, env->len), ==, 0);
    g_assert_cmpint(shadow_restore(to, "vm2", env->data, env->len), ==,
                    -EALREADY);
    qtest_quit(from);
    qtest_quit(to);
    qtest_quit(other);
}

static void test_bad_keys(void)
{
    static const char *const keys[] = {
        "", "x", "OUjP4K0d22ldeA5ZB3GV2mxWUGsCcyl5SrAryoCBXE0",
        "OUjP4K0d22ldeA5ZB3GV2mxWUGsCcyl5SrAryoCBXE0= ",
        "OUjP4K0d22ldeA5ZB3GV2mxWUGsCcyl5SrAryoCBXE0AAA==",
    };
    QTestState *qts = host_start(SHADOW_KEY, false);

    for (int i = 0; i < ARRAY_SIZE(keys); i++) {
        shadow_qmp_refused(qts, "base64 of 32 bytes", "{'execute': "
                           "'shadow-guest-set-destination', 'arguments': "
                           "{'guest': 'vm2', 'encryption-key': %s}}",
                           keys[i]);
        shadow_qmp_refused(qts, "base64 of 32 bytes", "{'execute': "
                           "'qom-set', 'arguments': {'path': '/objects/h0', "
                           "'property': 'trusted-hosts', 'value': [%s]}}",
                           keys[i]);
    }
    shadow_qmp_refused(qts, "has no host", "{'execute': "
                       "'shadow-guest-set-destination', 'arguments': "
                       "{'guest': 'vm1', 'encryption-key': "
                       "'OUjP4K0d22ldeA5ZB3GV2mxWUGsCcyl5SrAryoCBXE0='}}");
    shadow_qmp_refused(qts, "no shadow-guest 'vm9'", "{'execute': "
                       "'shadow-guest-set-destination', 'arguments': "
                       "{'guest': 'vm9'}}");
    qtest_quit(qts);
}

/* 32 bytes that no host has as a key, but that were given as one */
static void test_no_keys(void)
{
    QTestState *qts = host_start(SHADOW_KEY, false);

    for (unsigned i = 0; i < 5; i++) {
        uint8_t bytes[32] = { i };
        g_autofree char *key = NULL;

        if (i == 4) {
            memset(bytes, 0xff, sizeof(bytes));
        }
        key = g_base64_encode(bytes, sizeof(bytes));
        shadow_qmp_refused(qts, "no host has this one", "{'execute': "
                           "'shadow-guest-set-destination', 'arguments': "
                           "{'guest': 'vm2', 'encryption-key': %s}}", key);
        shadow_qmp_refused(qts, "no host has this one", "{'execute': "
                           "'qom-set', 'arguments': {'path': '/objects/h0', "
                           "'property': 'trusted-hosts', 'value': [%s]}}",
                           key);
    }
    qtest_quit(qts);
}

/*
 * One call, which anyone in the cloud VM's root can make: an envelope of the
 * right form with @part of it zeros, or all of it.
 */
static void restore_without(QTestState *qts, unsigned part, unsigned n)
{
    enum { HEADER = 112, BODY = 4096 };
    g_autoptr(GByteArray) env = g_byte_array_new();
    unsigned len = HEADER + 64 + BODY + 16 + 64;

    g_byte_array_set_size(env, len);
    memset(env->data, 0x5c, len);
    memcpy(env->data, "QSHD\x01\x02\x01\x03", 8);
    stq_be_p(env->data + 8, 9);
    stl_be_p(env->data + 16, BODY);
    stl_be_p(env->data + 20, 0);
    memset(env->data + 56, 0, 56);
    memcpy(env->data + 56, "vm2", 3);
    memset(env->data + (part < HEADER + 64 ? part : len - 64), 0, n);
    g_assert_cmpint(shadow_restore(qts, "vm2", env->data, env->len), ==,
                    -EBADMSG);
}

static void test_no_signer(void)
{
    QTestState *qts = host_start(SHADOW_KEY, true);

    restore_without(qts, 112, 32);
    restore_without(qts, 144, 32);
    restore_without(qts, 144, 31);
    restore_without(qts, 112, 64);
    restore_without(qts, 176, 64);
    shadow_assert_state(qts, "vm2", "incoming");
    shadow_expect_refused(qts, "vm2", "sealed to another host");
    qtest_quit(qts);
}

static void test_bad_objects(void)
{
    QTestState *qts = host_start(SHADOW_KEY, false);

    shadow_qmp_refused(qts, "needs a secret or a host", "{'execute': "
                       "'object-add', 'arguments': {'qom-type': "
                       "'shadow-guest', 'id': 'vm3'}}");
    shadow_qmp_refused(qts, "no shadow-host 'h9'", "{'execute': "
                       "'object-add', 'arguments': {'qom-type': "
                       "'shadow-guest', 'id': 'vm3', 'host': 'h9'}}");
    shadow_qmp_refused(qts, "secret 'short'", "{'execute': 'object-add', "
                       "'arguments': {'qom-type': 'shadow-host', 'id': 'h1', "
                       "'secret': 'short'}}");
    qtest_qmp_assert_success(qts, "{'execute': 'object-add', 'arguments': {"
                             "'qom-type': 'secret', 'id': 'short', "
                             "'data': '0123456789'}}");
    shadow_qmp_refused(qts, "10 bytes", "{'execute': 'object-add', "
                       "'arguments': {'qom-type': 'shadow-host', 'id': 'h1', "
                       "'secret': 'short'}}");
    shadow_qmp_refused(qts, "cannot be changed", "{'execute': 'qom-set', "
                       "'arguments': {'path': '/objects/h0', 'property': "
                       "'secret', 'value': 'key0'}}");
    /* in use */
    shadow_qmp_refused(qts, "in use", "{'execute': 'object-del', "
                       "'arguments': {'id': 'h0'}}");
    qtest_quit(qts);
}

/* A snapshot is loaded here, whoever the guest is to go to. */
static void check_snapshot(QTestState *qts)
{
    port_out(qts, COM1 + UART_SCR, 0x5a);
    g_assert_cmpint(shadow_save_flags(qts, "vm2", ULTRACALL_SAVE_SNAPSHOT), ==,
                    0);
    port_out(qts, COM1 + UART_SCR, 0xa5);
    g_assert_cmpint(shadow_call(qts, ULTRACALL_RESTORE, "vm2", SHADOW_BUF,
                                shadow_value(qts), 0), ==, 0);
    g_assert_cmphex(port_in(qts, COM1 + UART_SCR), ==, 0x5a);
    shadow_assert_state(qts, "vm2", "active");
}

static void test_snapshot(void)
{
    QTestState *qts = host_start(SHADOW_KEY, false);
    QTestState *to = host_start(SHADOW_OTHER_KEY, true);
    g_autofree char *before = shadow_host_key(to, "encryption-key");
    g_autofree char *key = NULL;
    g_autoptr(GByteArray) env = g_byte_array_new();

    qtest_qmp_assert_success(qts, "{'execute': 'qom-set', 'arguments': {'path':"
                             " '/objects/vm2', 'property': 'snapshots', "
                             "'value': true}}");
    check_snapshot(qts);
    shadow_set_destination(qts, "vm2", to);
    check_snapshot(qts);
    qtest_qmp_assert_success(qts, "{'execute': 'qom-set', 'arguments': {'path':"
                             " '/objects/vm2', 'property': 'secret', "
                             "'value': 'key0'}}");
    check_snapshot(qts);
    key = destination(qts);
    g_assert_cmpstr(key, ==, before);

    /* nor can the other host load it, which trusts this one */
    shadow_trust(to, qts);
    qtest_qmp_assert_success(to, "{'execute': 'qom-set', 'arguments': {'path':"
                             " '/objects/vm2', 'property': 'snapshots', "
                             "'value': true}}");
    g_assert_cmpint(shadow_save_flags(qts, "vm2", ULTRACALL_SAVE_SNAPSHOT), ==,
                    0);
    g_byte_array_set_size(env, shadow_value(qts));
    qtest_bufread(qts, SHADOW_BUF, env->data, env->len);
    g_assert_cmpint(shadow_restore(to, "vm2", env->data, env->len), ==,
                    -EBADMSG);
    move(qts, to);
    g_assert_cmphex(port_in(to, COM1 + UART_SCR), ==, 0x5a);
    qtest_quit(qts);
    qtest_quit(to);
}

/* In anything that QEMU says: the secret as it is, in hex or in base64 */
static void has_no_secret(const char *text)
{
    g_autofree char *base64 =
        g_base64_encode((const guchar *)SHADOW_OTHER_KEY, 32);

    g_assert_null(strstr(text, SHADOW_OTHER_KEY));
    g_assert_null(strstr(text, "66656463626139383736"));
    base64[40] = 0;
    g_assert_null(strstr(text, base64));
}

static void reply_has_no_secret(QTestState *qts, const char *command)
{
    QDict *rsp = qtest_qmp(qts, command);
    g_autoptr(GString) text = qobject_to_json(QOBJECT(rsp));

    g_assert_true(qdict_haskey(rsp, "return"));
    has_no_secret(text->str);
    qobject_unref(rsp);
}

static void dump_has_no_secret(QTestState *qts)
{
    g_autofree char *path = shadow_path("dump");
    g_autofree char *protocol = g_strdup_printf("file:%s", path);
    g_autofree char *dump = NULL;
    g_autoptr(GError) err = NULL;
    gsize len;

    qtest_qmp_assert_success(qts, "{'execute': 'dump-guest-memory', "
                             "'arguments': {'paging': false, "
                             "'protocol': %s}}", protocol);
    g_file_get_contents(path, &dump, &len, &err);
    g_assert_no_error(err);
    g_assert_cmpuint(len, >, SHADOW_RAM_SIZE);
    g_assert_null(memmem(dump, len, SHADOW_OTHER_KEY,
                         strlen(SHADOW_OTHER_KEY)));
}

static void test_secrecy(void)
{
    static const char *const commands[] = {
        "{'execute': 'query-shadow-hosts'}",
        "{'execute': 'query-shadow-guests'}",
        "{'execute': 'x-query-shadow'}",
        "{'execute': 'qom-get', 'arguments': "
            "{'path': '/objects/h0', 'property': 'secret'}}",
        "{'execute': 'qom-list', 'arguments': {'path': '/objects/h0'}}",
        "{'execute': 'qom-list', 'arguments': {'path': '/objects/vm2'}}",
    };
    g_autofree char *path = shadow_path("trace.log");
    g_autofree char *args = g_strdup_printf("-D %s -trace shadow_* "
                                            "-trace ultracall", path);
    QTestState *qts = host_start_with(args, SHADOW_OTHER_KEY, false);
    g_autofree char *log = NULL;
    g_autoptr(GError) err = NULL;

    for (int i = 0; i < ARRAY_SIZE(commands); i++) {
        reply_has_no_secret(qts, commands[i]);
    }
    shadow_set_destination(qts, "vm2", qts);
    g_assert_cmpint(shadow_save(qts, "vm2"), ==, 0);
    g_assert_cmpint(shadow_simple(qts, ULTRACALL_COMMIT, "vm2"), ==, 0);
    g_assert_cmpint(shadow_call(qts, ULTRACALL_RESTORE, "vm2", SHADOW_BUF,
                                shadow_value(qts), 0), !=, 0);
    dump_has_no_secret(qts);
    qtest_quit(qts);

    g_file_get_contents(path, &log, NULL, &err);
    g_assert_no_error(err);
    g_assert_nonnull(strstr(log, "shadow_guest_saved"));
    has_no_secret(log);
}

int main(int argc, char **argv)
{
    shadow_test_init(&argc, &argv);
    qtest_add_func("/shadow-host/move", test_move);
    qtest_add_func("/shadow-host/no-destination", test_no_destination);
    qtest_add_func("/shadow-host/not-trusted", test_not_trusted);
    qtest_add_func("/shadow-host/another-host", test_another_host);
    qtest_add_func("/shadow-host/snapshot", test_snapshot);
    qtest_add_func("/shadow-host/bad-keys", test_bad_keys);
    qtest_add_func("/shadow-host/no-keys", test_no_keys);
    qtest_add_func("/shadow-host/no-signer", test_no_signer);
    qtest_add_func("/shadow-host/bad-objects", test_bad_objects);
    qtest_add_func("/shadow-host/secrecy", test_secrecy);
    return shadow_test_run();
}
