/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One QEMU for those tests of a program that need no new one: each begins with
 * a guest, a device and a chardev that were made for it.
 */
#include "qemu/osdep.h"
#include "qobject/qlist.h"
#include "shadow-common.h"

static QTestState *shared;

/* Commands of the monitor, as they take what a command line takes */
static void G_GNUC_PRINTF(1, 2) monitor(const char *fmt, ...)
{
    g_autofree char *text = NULL;
    va_list ap;

    va_start(ap, fmt);
    text = qtest_vhmp(shared, fmt, ap);
    va_end(ap);
    g_assert_cmpstr(text, ==, "");
}

/* Whatever the test before has made of them */
static void remove_guests(void)
{
    QDict *rsp = qtest_qmp(shared, "{'execute': 'query-shadow-guests'}");
    QListEntry *guest, *dev;

    QLIST_FOREACH_ENTRY(qdict_get_qlist(rsp, "return"), guest) {
        QDict *g = qobject_to(QDict, qlist_entry_obj(guest));

        QLIST_FOREACH_ENTRY(qdict_get_qlist(g, "devices"), dev) {
            QDict *d = qobject_to(QDict, qlist_entry_obj(dev));

            qtest_qmp_device_del(shared, qdict_get_str(d, "id"));
        }
        shadow_object_del(shared, qdict_get_str(g, "id"));
    }
    qobject_unref(rsp);
}

static void testdev_set(unsigned reg, uint64_t val)
{
    qtest_writeq(shared, TESTDEV_BASE + reg, val);
}

static void testdev_renew(void)
{
    shadow_enter(shared, 0, 0, 0);
    testdev_set(TESTDEV_ALIAS, 0);
    testdev_set(TESTDEV_ABSENT, 0);
    testdev_set(TESTDEV_ENTERS, 1);
    testdev_set(TESTDEV_MISSED, 0);
    testdev_set(TESTDEV_UNSERVED, 0);
}

QTestState *shadow_renew_com1_unbound(const char *props)
{
    if (shared) {
        remove_guests();
        monitor("chardev-remove c0");
    } else {
        shared = shadow_start("", " ");
        remove_guests();
    }
    testdev_renew();
    /* events of what is no more */
    g_assert_null(qtest_qmp_event_ref(shared, "none"));
    monitor("chardev-add socket,id=c0,path=%s/c0,server=on,wait=off",
            shadow_dir);
    monitor("object_add shadow-guest,id=vm1,secret=key0");
    monitor("device_add shadow-serial,id=com1,guest=vm1,chardev=c0%s", props);
    return shared;
}

QTestState *shadow_renew_com1_with(const char *props)
{
    QTestState *qts = shadow_renew_com1_unbound(props);

    shadow_bind(qts, "vm1", SHADOW_PROCESS, 0);
    return qts;
}

QTestState *shadow_renew_com1(void)
{
    return shadow_renew_com1_with("");
}

void shadow_shared_quit(void)
{
    if (shared) {
        qtest_quit(shared);
    }
}

void shadow_kernel_file(const char *name, size_t len, uint16_t version)
{
    g_autofree char *path = shadow_path(name);
    g_autofree uint8_t *data = g_malloc0(SHADOW_KERNEL_LEN);

    data[0x1f1] = 1;
    memcpy(data + 0x202, "HdrS", 4);
    stw_le_p(data + 0x206, version);
    stw_le_p(data + 0x236, 1);
    g_assert_true(g_file_set_contents(path, (char *)data, len, NULL));
}
