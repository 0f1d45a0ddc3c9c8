/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a host does not forget: epochs in a state file; and secrets that
 * change.
 */
#include "qemu/osdep.h"
#include <glib/gstdio.h>
#include "shadow-common.h"

static QTestState *start_with_file(const char *more)
{
    g_autofree char *path = shadow_path("vm1.state");
    g_autofree char *props = g_strdup_printf(",state-file=%s%s", path, more);
    QTestState *qts = shadow_start(props, "-device shadow-serial,id=com1,"
                                   "guest=vm1");

    shadow_bind(qts, "vm1", SHADOW_PROCESS, 0);
    return qts;
}

static void remove_file(void)
{
    g_autofree char *path = shadow_path("vm1.state");

    g_unlink(path);
}

static char *refused_with(const char *text)
{
    g_autofree char *path = shadow_path("vm1.state");
    g_autofree char *args = g_strdup_printf(
        "-object secret,id=key0,data=" SHADOW_KEY " "
        "-object shadow-guest,id=vm1,secret=key0,state-file=%s", path);
    g_autoptr(GError) err = NULL;

    g_file_set_contents(path, text, -1, &err);
    g_assert_no_error(err);
    return shadow_refuses_to_start(args);
}

/* An envelope that was accepted once is old for the next QEMU, too. */
static void test_accepted(void)
{
    QTestState *from = shadow_start_com1();
    QTestState *to = start_with_file(",incoming=on");
    g_autoptr(GByteArray) env = shadow_envelope(from, "vm1");

    g_assert_cmpint(shadow_restore_env(to, env), ==, 0);
    qtest_quit(to);
    to = start_with_file(",incoming=on");
    g_assert_cmpint(shadow_restore_env(to, env), ==, -ESTALE);
    shadow_assert_state(to, "vm1", "gone");

    /* the next one is not */
    g_assert_cmpint(shadow_simple(from, ULTRACALL_ABORT, "vm1"), ==, 0);
    g_byte_array_unref(g_steal_pointer(&env));
    env = shadow_envelope(from, "vm1");
    g_assert_cmpint(shadow_restore_env(to, env), ==, 0);
    qtest_quit(from);
    qtest_quit(to);
    remove_file();
}

/* No two envelopes of a guest have the same epoch. */
static void test_sealed(void)
{
    QTestState *from = start_with_file("");
    QTestState *to = shadow_start_incoming("");
    g_autoptr(GByteArray) env = shadow_envelope(from, "vm1");

    g_assert_cmpint(shadow_restore_env(to, env), ==, 0);
    g_assert_cmpint(shadow_simple(to, ULTRACALL_UNBIND, "vm1"), ==, 0);
    qtest_quit(from);

    from = start_with_file("");
    shadow_assert_state(from, "vm1", "gone");
    qtest_qmp_assert_success(from, "{'execute': 'shadow-guest-resume', "
                             "'arguments': {'guest': 'vm1'}}");
    g_byte_array_unref(g_steal_pointer(&env));
    env = shadow_envelope(from, "vm1");
    g_assert_cmpint(shadow_restore_env(to, env), ==, 0);
    qtest_quit(from);
    qtest_quit(to);
    remove_file();
}

static void test_gone(void)
{
    QTestState *qts = start_with_file("");

    g_assert_cmpint(shadow_save(qts, "vm1"), ==, 0);
    g_assert_cmpint(shadow_simple(qts, ULTRACALL_COMMIT, "vm1"), ==, 0);
    qtest_quit(qts);

    qts = start_with_file("");
    shadow_assert_state(qts, "vm1", "gone");
    qtest_qmp_assert_success(qts, "{'execute': 'shadow-guest-resume', "
                             "'arguments': {'guest': 'vm1'}}");
    qtest_quit(qts);

    qts = start_with_file("");
    shadow_assert_state(qts, "vm1", "active");
    qtest_quit(qts);
    remove_file();
}

/* What cannot be written down does not happen. */
static void test_unwritable(void)
{
    g_autofree char *dir = shadow_path("away");
    g_autofree char *props = g_strdup_printf(",state-file=%s/vm1.state", dir);
    g_autofree char *path = shadow_path("away/vm1.state");
    QTestState *qts;

    g_assert_cmpint(g_mkdir(dir, 0700), ==, 0);
    qts = shadow_start(props, "-device shadow-serial,id=com1,guest=vm1");
    shadow_bind(qts, "vm1", SHADOW_PROCESS, 0);
    g_unlink(path);
    g_assert_cmpint(g_rmdir(dir), ==, 0);

    g_assert_cmpint(shadow_save(qts, "vm1"), ==, -EIO);
    shadow_assert_state(qts, "vm1", "active");
    uart_write(qts, COM1, "goes on");
    g_assert_cmpuint(shadow_count(qts, "com1", "output-produced"), ==, 7);

    g_assert_cmpint(g_mkdir(dir, 0700), ==, 0);
    g_assert_cmpint(shadow_save(qts, "vm1"), ==, 0);
    g_unlink(path);
    g_assert_cmpint(g_rmdir(dir), ==, 0);
    /* that it is away has been written down already */
    g_assert_cmpint(shadow_simple(qts, ULTRACALL_COMMIT, "vm1"), ==, 0);
    shadow_assert_state(qts, "vm1", "gone");
    qtest_quit(qts);
}

/* Nor is what arrives accepted; when it can be written down, it still is. */
static void test_unwritable_arrival(void)
{
    g_autofree char *dir = shadow_path("away");
    g_autofree char *props =
        g_strdup_printf(",incoming=on,state-file=%s/vm1.state", dir);
    g_autofree char *path = shadow_path("away/vm1.state");
    QTestState *from = shadow_start_com1(), *to;
    g_autoptr(GByteArray) env = shadow_envelope(from, "vm1");

    g_assert_cmpint(g_mkdir(dir, 0700), ==, 0);
    to = shadow_start(props, "-device shadow-serial,id=com1,guest=vm1");
    shadow_bind(to, "vm1", SHADOW_PROCESS, 0);
    g_unlink(path);
    g_assert_cmpint(g_rmdir(dir), ==, 0);
    g_assert_cmpint(shadow_restore_env(to, env), ==, -EIO);
    shadow_assert_state(to, "vm1", "incoming");

    g_assert_cmpint(g_mkdir(dir, 0700), ==, 0);
    g_assert_cmpint(shadow_restore_env(to, env), ==, 0);
    shadow_assert_state(to, "vm1", "restored");
    qtest_quit(from);
    qtest_quit(to);
    g_unlink(path);
    g_assert_cmpint(g_rmdir(dir), ==, 0);
}

/* Such a file is never taken for an empty one. */
static void test_damaged(void)
{
    static const char *const damaged[] = {
        "",
        "[shadow-guest]\nformat=1\nid=vm1\n",
        "[shadow-guest]\nformat=1\nid=vm1\nepoch=x\ngone=false\n",
        "[shadow-guest]\nformat=1\nid=vm1\nepoch=99999999999999999999\n"
        "gone=false\n",
        "[shadow-guest]\nformat=2\nid=vm1\nepoch=3\nreserved=3\n",
        "[shadow-guest]\nformat=2\nid=vm1\nepoch=3\nreserved=3\n"
        "where=there\n",
        "[shadow-guest]\nformat=2\nid=vm1\nepoch=3\nreserved=-1\n"
        "where=away\n",
        "[shadow-guest]\nformat=2\nid=vm1\nepoch=3\nreserved=2\n"
        "where=here\n",
        "[shadow-guest]\nformat=2\nid=vm1\nwhere=here\n",
        "\x7f" "ELF",
    };
    char *output;

    for (unsigned i = 0; i < ARRAY_SIZE(damaged); i++) {
        output = refused_with(damaged[i]);
        g_assert_nonnull(strstr(output, "is damaged"));
        g_free(output);
    }
    output = refused_with("[shadow-guest]\nformat=1\nid=vm2\nepoch=3\n"
                          "gone=false\n");
    g_assert_nonnull(strstr(output, "is not the state file of"));
    g_free(output);
    output = refused_with("[shadow-guest]\nformat=3\nid=vm1\nepoch=3\n"
                          "gone=false\n");
    g_assert_nonnull(strstr(output, "is not the state file of"));
    g_free(output);
    remove_file();
}

static void set_key(QTestState *qts, const char *key)
{
    qtest_qmp_assert_success(qts, "{'execute': 'qom-set', 'arguments': "
                             "{'path': '/objects/vm1', 'property': 'secret', "
                             "'value': %s}}", key);
}

static void add_key(QTestState *qts, const char *id, const char *data)
{
    qtest_qmp_assert_success(qts, "{'execute': 'object-add', 'arguments': "
                             "{'qom-type': 'secret', 'id': %s, 'data': %s}}",
                             id, data);
}

/* A new key, first known to the destination, then used by the source. */
static void test_rotate(void)
{
    QTestState *from = shadow_start_com1();
    QTestState *to = shadow_start_incoming("");
    GByteArray *env;

    add_key(from, "key1", SHADOW_OTHER_KEY);
    set_key(from, "key1");
    env = shadow_envelope(from, "vm1");
    g_assert_cmpint(shadow_restore_env(to, env), ==, -EBADMSG);

    add_key(to, "key1", SHADOW_OTHER_KEY);
    qtest_qmp_assert_success(to, "{'execute': 'qom-set', 'arguments': {"
                             "'path': '/objects/vm1', 'property': "
                             "'old-secrets', 'value': ['key1']}}");
    g_assert_cmpint(shadow_restore_env(to, env), ==, 0);
    g_byte_array_unref(env);
    qtest_quit(from);
    qtest_quit(to);
}

/* A secret that cannot serve leaves the guest with those that it has. */
static void test_bad_key(void)
{
    QTestState *from = shadow_start_com1();
    QTestState *to = shadow_start_incoming("");
    GByteArray *env;

    add_key(from, "short", "0123456789abcdef");
    shadow_qmp_refused(from, "16 bytes", "{'execute': 'qom-set', "
                       "'arguments': {'path': '/objects/vm1', 'property': "
                       "'secret', 'value': 'short'}}");
    shadow_qmp_refused(from, "No secret with id", "{'execute': 'qom-set', "
                       "'arguments': {'path': '/objects/vm1', 'property': "
                       "'old-secrets', 'value': ['key0', 'none']}}");
    env = shadow_envelope(from, "vm1");
    g_assert_cmpint(shadow_restore_env(to, env), ==, 0);
    g_byte_array_unref(env);
    qtest_quit(from);
    qtest_quit(to);
}

int main(int argc, char **argv)
{
    shadow_test_init(&argc, &argv);
    qtest_add_func("/shadow-epoch/accepted", test_accepted);
    qtest_add_func("/shadow-epoch/sealed", test_sealed);
    qtest_add_func("/shadow-epoch/gone", test_gone);
    qtest_add_func("/shadow-epoch/unwritable", test_unwritable);
    qtest_add_func("/shadow-epoch/unwritable-arrival",
                   test_unwritable_arrival);
    qtest_add_func("/shadow-epoch/damaged", test_damaged);
    qtest_add_func("/shadow-keys/rotate", test_rotate);
    qtest_add_func("/shadow-keys/bad", test_bad_key);
    return shadow_test_run();
}
