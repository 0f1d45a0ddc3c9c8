/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A migration between two hosts, of which either or both start anew after any
 * of its steps, each with its state file: there is never a second active
 * console, and what agents and operators do then leaves exactly one.
 */
#include "qemu/osdep.h"
#include <glib/gstdio.h>
#include "shadow-common.h"

enum {
    STEP_NONE,
    STEP_SAVED,
    STEP_RESTORED,
    STEP_RUNS,
    STEP_COMMITTED,
    STEPS,
};

enum {
    FROM = 1,
    TO = 2,
};

/* What makes the console go on, where it is not active already */
typedef enum Then {
    THEN_NOTHING,
    THEN_ABORT,     /* the source's agent has seen the migration fail */
    THEN_RUN,       /* the destination's runs the guest */
    THEN_RESUME,    /* the source's operator decides */
} Then;

static const struct {
    const char *from, *to;      /* states after the new start */
    Then then;
} wanted[STEPS][FROM | TO] = {
    [STEP_NONE] = {
        { "active", "incoming", THEN_NOTHING },
        { "active", "incoming", THEN_NOTHING },
        { "active", "incoming", THEN_NOTHING },
    },
    [STEP_SAVED] = {
        { "gone", "incoming", THEN_RESUME },
        { "frozen", "incoming", THEN_ABORT },
        { "gone", "incoming", THEN_RESUME },
    },
    [STEP_RESTORED] = {
        { "gone", "restored", THEN_RUN },
        { "frozen", "gone", THEN_ABORT },
        { "gone", "gone", THEN_RESUME },
    },
    [STEP_RUNS] = {
        { "gone", "active", THEN_NOTHING },
        { "frozen", "active", THEN_NOTHING },
        { "gone", "active", THEN_NOTHING },
    },
    [STEP_COMMITTED] = {
        { "gone", "active", THEN_NOTHING },
        { "gone", "active", THEN_NOTHING },
        { "gone", "active", THEN_NOTHING },
    },
};

typedef struct Host {
    QTestState *qts;
    const char *file;
} Host;

/* What it is at the first start only is not said again. */
static void host_start(Host *host, const char *more)
{
    g_autofree char *path = shadow_path(host->file);
    g_autofree char *props = g_strdup_printf(",state-file=%s%s", path, more);

    host->qts = shadow_start(props, "-device shadow-serial,id=com1,guest=vm1");
    shadow_bind(host->qts, "vm1", SHADOW_PROCESS, 0);
}

static void host_end(Host *host)
{
    g_autofree char *path = shadow_path(host->file);

    qtest_quit(host->qts);
    g_unlink(path);
}

static void go_to_step(Host *from, Host *to, unsigned step)
{
    g_autoptr(GByteArray) env = NULL;

    if (step >= STEP_SAVED) {
        env = shadow_envelope(from->qts, "vm1");
    }
    if (step >= STEP_RESTORED) {
        g_assert_cmpint(shadow_restore_env(to->qts, env), ==, 0);
    }
    if (step >= STEP_RUNS) {
        shadow_run(to->qts);
    }
    if (step >= STEP_COMMITTED) {
        g_assert_cmpint(shadow_simple(from->qts, ULTRACALL_COMMIT, "vm1"), ==,
                        0);
    }
}

static void go_on(Host *from, Host *to, Then then)
{
    switch (then) {
    case THEN_NOTHING:
        break;
    case THEN_ABORT:
        g_assert_cmpint(shadow_simple(from->qts, ULTRACALL_ABORT, "vm1"), ==,
                        0);
        break;
    case THEN_RUN:
        shadow_run(to->qts);
        break;
    case THEN_RESUME:
        qtest_qmp_assert_success(from->qts, "{'execute': "
                                 "'shadow-guest-resume', 'arguments': "
                                 "{'guest': 'vm1'}}");
        break;
    }
}

static unsigned active(Host *host)
{
    QDict *g = shadow_query(host->qts, "vm1");
    unsigned n = g_str_equal(qdict_get_str(g, "state"), "active");

    qobject_unref(g);
    return n;
}

static void try_restart(unsigned step, unsigned who)
{
    Host from = { .file = "from.state" }, to = { .file = "to.state" };
    bool waits = step < STEP_RESTORED;
    unsigned n = who - 1;

    host_start(&from, "");
    host_start(&to, ",incoming=on");
    go_to_step(&from, &to, step);
    if (who & FROM) {
        qtest_quit(from.qts);
        host_start(&from, "");
    }
    if (who & TO) {
        qtest_quit(to.qts);
        host_start(&to, waits ? ",incoming=on" : "");
    }
    shadow_assert_state(from.qts, "vm1", wanted[step][n].from);
    shadow_assert_state(to.qts, "vm1", wanted[step][n].to);
    go_on(&from, &to, wanted[step][n].then);
    g_assert_cmpuint(active(&from) + active(&to), ==, 1);
    host_end(&from);
    host_end(&to);
}

static void test_step(gconstpointer opaque)
{
    for (unsigned who = FROM; who <= (FROM | TO); who++) {
        try_restart(GPOINTER_TO_UINT(opaque), who);
    }
}

int main(int argc, char **argv)
{
    static const char *const names[STEPS] = {
        "before", "saved", "restored", "runs", "committed",
    };

    shadow_test_init(&argc, &argv);
    for (unsigned step = 0; step < STEPS; step++) {
        g_autofree char *path = g_strdup_printf("/shadow-restart/%s",
                                                names[step]);

        qtest_add_data_func(path, GUINT_TO_POINTER(step), test_step);
    }
    return shadow_test_run();
}
