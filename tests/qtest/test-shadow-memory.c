/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Private memory as its operator has it: options, what is told of it, and what
 * its guest cannot do.  That it is private tests/nested shows.
 */
#include "qemu/osdep.h"
#include "block/qdict.h"
#include "qapi/error.h"
#include "qemu/bswap.h"
#include "qemu/units.h"
#include "qobject/qjson.h"
#include "shadow-common.h"

#define APPEND "console=ttyS0"

static void files_init(void)
{
    g_autofree char *initrd = shadow_path("initrd");

    shadow_kernel_file("kernel", SHADOW_KERNEL_LEN, 0x20f);
    shadow_kernel_file("old", SHADOW_KERNEL_LEN, 0x20b);
    shadow_kernel_file("short", 0x300, 0x20f);
    shadow_kernel_file("tiny", 16, 0x20f);
    g_assert_true(g_file_set_contents(initrd, "initrd", -1, NULL));
}

static QDict *memory_options(const char *more)
{
    g_autofree char *kernel = shadow_path("kernel");
    g_autofree char *initrd = shadow_path("initrd");
    g_autofree char *json = g_strdup_printf(
        "{'driver': 'shadow-memory', 'id': 'ram', 'guest': 'vm1', "
        "'kernel': '%s', 'initrd': '%s', 'append': '" APPEND "', "
        "'size': 16777216}", kernel, initrd);
    QDict *options = qobject_to(QDict, qobject_from_json(json, &error_abort));

    if (more) {
        QDict *changed = qobject_to(QDict, qobject_from_json(more,
                                                             &error_abort));

        qdict_join(options, changed, true);
        qobject_unref(changed);
    }
    return options;
}

static void memory_add(QTestState *qts, const char *more)
{
    qtest_qmp_assert_success(qts, "{'execute': 'device_add', 'arguments': %p}",
                             memory_options(more));
}

static void test_options(void)
{
    static const struct {
        const char *options, *what;
    } wrong[] = {
        { "{'size': 0}", "size must be 1M to 3G" },
        { "{'size': 1000000}", "size must be 1M to 3G" },
        { "{'size': 4294967296}", "size must be 1M to 3G" },
        { "{'kernel': '/nowhere'}", "No such file" },
        { "{'initrd': '/nowhere'}", "No such file" },
        { "{'guest': 'vm9'}", "there is no shadow-guest 'vm9'" },
    };
    static const char *const kernels[] = { "old", "tiny", "initrd", "short" };
    QTestState *qts = shadow_renew_com1();
    QDict *before = shadow_view(qts);

    for (int i = 0; i < ARRAY_SIZE(wrong); i++) {
        shadow_qmp_refused(qts, wrong[i].what, "{'execute': 'device_add', "
                           "'arguments': %p}",
                           memory_options(wrong[i].options));
    }
    for (int i = 0; i < ARRAY_SIZE(kernels); i++) {
        g_autofree char *path = shadow_path(kernels[i]);
        g_autofree char *json = g_strdup_printf("{'kernel': '%s'}", path);

        shadow_qmp_refused(qts, i == 3 ? "is cut short" :
                           "is no 64-bit Linux kernel",
                           "{'execute': 'device_add', 'arguments': %p}",
                           memory_options(json));
    }
    shadow_assert_same(qts, before);
    qobject_unref(before);
}

/* Without either, the cloud VM's KVM could complete nothing for the guest. */
static void test_processor(void)
{
    static const char *const cpus[] = {
        "max,-decodeassists", "max,-nrip-save", "EPYC", "max",
        "EPYC,+decodeassists"
    };

    for (int i = 0; i < ARRAY_SIZE(cpus); i++) {
        QTestState *qts = qtest_initf(
            "-machine q35 -nodefaults -S -accel tcg -cpu %s "
            "-object secret,id=key0,data=" SHADOW_KEY " "
            "-object shadow-guest,id=vm1,secret=key0 -device ultracall",
            cpus[i]);

        if (i < 3) {
            shadow_qmp_refused(qts, "needs CPUs with nrip-save and "
                               "decodeassists", "{'execute': 'device_add', "
                               "'arguments': %p}", memory_options(NULL));
        } else {
            memory_add(qts, NULL);
        }
        qtest_quit(qts);
    }
}

static void measure(GChecksum *sum, const void *data, uint64_t len)
{
    uint64_t le = cpu_to_le64(len);

    g_checksum_update(sum, (uint8_t *)&le, sizeof(le));
    g_checksum_update(sum, data, len);
}

/* As docs/private.rst says */
static char *measurement(void)
{
    g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
    g_autofree char *path = shadow_path("kernel");
    g_autofree char *kernel = NULL;

    g_assert_true(g_file_get_contents(path, &kernel, NULL, NULL));
    g_checksum_update(sum, (uint8_t *)"shadow-launch-1", 15);
    measure(sum, kernel, SHADOW_KERNEL_LEN);
    measure(sum, "initrd", 6);
    measure(sum, APPEND, strlen(APPEND));
    return g_strdup(g_checksum_get_string(sum));
}

static void test_told(void)
{
    QTestState *qts = shadow_renew_com1();
    g_autofree char *want = measurement();
    QDict *guest, *memory;

    memory_add(qts, NULL);
    guest = shadow_query(qts, "vm1");
    memory = qdict_get_qdict(guest, "memory");
    g_assert_cmpstr(qdict_get_str(memory, "measurement"), ==, want);
    g_assert_cmpint(qdict_get_int(memory, "size"), ==, 16 * MiB);
    g_assert_cmpstr(qdict_get_str(memory, "start"), ==, "measured");
    g_assert_false(qdict_get_bool(memory, "sealed"));
    g_assert_true(qdict_get_bool(memory, "required"));
    g_assert_false(qdict_get_bool(memory, "launched"));
    qobject_unref(guest);
    shadow_qmp_refused(qts, "has private memory already",
                       "{'execute': 'device_add', 'arguments': %p}",
                       memory_options("{'id': 'ram2'}"));

    qtest_qmp_device_del(qts, "ram");
    guest = shadow_query(qts, "vm1");
    g_assert_false(qdict_haskey(guest, "memory"));
    qobject_unref(guest);
}

/* What is not private has no ports, if it has to be. */
static void test_required(void)
{
    QTestState *qts = shadow_renew_com1();

    g_assert_cmpint(port_server(qts), ==, DEVICE);
    memory_add(qts, NULL);
    g_assert_cmpint(port_server(qts), ==, NOBODY);
    shadow_assert_protection(qts, "none", 0);
    qtest_qmp_device_del(qts, "ram");
    g_assert_cmpint(port_server(qts), ==, DEVICE);

    memory_add(qts, "{'required': false}");
    g_assert_cmpint(port_server(qts), ==, DEVICE);
    qtest_qmp_device_del(qts, "ram");
}

static int pages(QTestState *qts, uint64_t what)
{
    return shadow_call(qts, ULTRACALL_PAGES, "vm1", SHADOW_BUF,
                       SHADOW_BUF_SIZE, what);
}

#define SEAL_PORT 0x5348

static void imported_add(QTestState *qts, const char *more)
{
    g_autofree char *json = g_strdup_printf(
        "{'driver': 'shadow-memory', 'id': 'ram', 'guest': 'vm1', "
        "'size': 16777216%s}", more);

    qtest_qmp_assert_success(qts, "{'execute': 'device_add', 'arguments': %p}",
                             qobject_from_json(json, &error_abort));
}

/* Without a kernel nothing is measured, and nothing is promised. */
static void test_imported(void)
{
    QTestState *qts = shadow_renew_com1();
    QDict *guest, *memory;

    shadow_qmp_refused(qts, "there is none", "{'execute': 'device_add', "
                       "'arguments': {'driver': 'shadow-memory', 'id': 'ram', "
                       "'guest': 'vm1', 'size': 16777216, 'append': 'x'}}");
    shadow_qmp_refused(qts, "out of range", "{'execute': 'device_add', "
                       "'arguments': {'driver': 'shadow-memory', 'id': 'ram', "
                       "'guest': 'vm1', 'size': 16777216, 'port': 65536}}");
    imported_add(qts, "");
    g_assert_cmpint(port_server(qts), ==, DEVICE);
    guest = shadow_query(qts, "vm1");
    memory = qdict_get_qdict(guest, "memory");
    g_assert_cmpstr(qdict_get_str(memory, "start"), ==, "imported");
    g_assert_false(qdict_haskey(memory, "measurement"));
    g_assert_false(qdict_get_bool(memory, "required"));
    g_assert_false(qdict_get_bool(memory, "launched"));
    g_assert_false(qdict_get_bool(memory, "sealed"));
    g_assert_cmpint(qdict_get_int(memory, "imported"), ==, 0);
    qobject_unref(guest);
    qtest_qmp_device_del(qts, "ram");

    imported_add(qts, ", 'required': true");
    g_assert_cmpint(port_server(qts), ==, NOBODY);
    qtest_qmp_device_del(qts, "ram");
    g_assert_cmpint(port_server(qts), ==, DEVICE);
}

/* What is not private cannot say that it is sealed, whatever it writes. */
static void test_not_sealed(void)
{
    QTestState *qts = shadow_renew_com1();
    QDict *guest;

    imported_add(qts, "");
    g_assert_cmpint(port_in(qts, SEAL_PORT), ==, 'N');
    for (int i = 0; i < 256; i++) {
        port_out(qts, SEAL_PORT, i);
    }
    g_assert_cmpint(port_in(qts, SEAL_PORT), ==, 'N');
    guest = shadow_query(qts, "vm1");
    g_assert_false(qdict_get_bool(qdict_get_qdict(guest, "memory"), "sealed"));
    qobject_unref(guest);
    shadow_assert_protection(qts, "forced", 0);
    g_assert_cmpint(shadow_save_flags(qts, "vm1", ULTRACALL_SAVE_PAGES), ==,
                    -EOPNOTSUPP);
    qtest_qmp_device_del(qts, "ram");
}

/* Nothing leaves, or arrives, of a memory that nothing runs in. */
static void test_nothing_leaves(void)
{
    static const uint64_t unknown[] = { 0, 3, 5, 16, 1ULL << 32, UINT64_MAX };
    QTestState *qts = shadow_renew_com1();

    for (int there = 0; there < 2; there++) {
        for (int i = 0; i < ARRAY_SIZE(unknown); i++) {
            g_assert_cmpint(pages(qts, unknown[i]), ==, -EINVAL);
        }
        g_assert_cmpint(pages(qts, ULTRACALL_PAGES_EXPORT), ==, -EBUSY);
        g_assert_cmpint(pages(qts, ULTRACALL_PAGES_IMPORT), ==, -EBUSY);
        g_assert_cmpint(pages(qts, ULTRACALL_PAGES_UNSENT), ==, -EBUSY);
        g_assert_cmpint(pages(qts, ULTRACALL_PAGES_END), ==, -EALREADY);
        g_assert_cmpint(shadow_save_flags(qts, "vm1", ULTRACALL_SAVE_PAGES),
                        ==, -EOPNOTSUPP);
        shadow_assert_state(qts, "vm1", "active");
        if (!there) {
            memory_add(qts, NULL);
            g_assert_true(shadow_query_call(qts, "vm1").flags &
                          ULTRACALL_GUEST_PRIVATE);
        }
    }
    g_assert_cmpint(shadow_save_flags(qts, "vm1", ULTRACALL_SAVE_SNAPSHOT), ==,
                    -EOPNOTSUPP);
    shadow_assert_state(qts, "vm1", "active");
    g_assert_cmpint(shadow_save(qts, "vm1"), ==, 0);
    shadow_assert_state(qts, "vm1", "frozen");
}

/* The cloud VM itself cannot launch, nor a guest here that no CPU runs. */
static void test_launch_refused(void)
{
    QTestState *qts = shadow_renew_com1();

    memory_add(qts, NULL);
    g_assert_cmpint(shadow_call_args(qts, ULTRACALL_LAUNCH, 0x1000, 20, 0, 0,
                                     0), ==, -EPERM);
    g_assert_cmpint(shadow_call_args(qts, ULTRACALL_LAUNCH, 0x1000, 19, 0, 0,
                                     0), ==, -ENOSPC);
    g_assert_cmpint(shadow_call_args(qts, ULTRACALL_LAUNCH, 0x1000, 257 * 20,
                                     0, 0, 0), ==, -EINVAL);
    qtest_qmp_device_del(qts, "ram");
}

int main(int argc, char **argv)
{
    shadow_test_init(&argc, &argv);
    files_init();
    qtest_add_func("/shadow-memory/options", test_options);
    qtest_add_func("/shadow-memory/processor", test_processor);
    qtest_add_func("/shadow-memory/told", test_told);
    qtest_add_func("/shadow-memory/required", test_required);
    qtest_add_func("/shadow-memory/imported", test_imported);
    qtest_add_func("/shadow-memory/not-sealed", test_not_sealed);
    qtest_add_func("/shadow-memory/nothing-leaves", test_nothing_leaves);
    qtest_add_func("/shadow-memory/launch-refused", test_launch_refused);
    return shadow_test_run();
}
