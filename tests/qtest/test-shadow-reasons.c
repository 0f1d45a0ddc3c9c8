/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * L0's operator is told why an envelope was refused.  The cloud VM learns that
 * it was, and otherwise what it can read in the envelope itself.
 */
#include "qemu/osdep.h"
#include "shadow-payload.h"

#define ENVELOPE_LEN 4224

typedef enum Source {
    OTHER,      /* another host's, and good but for what is altered */
    OWN,        /* sealed by the host that it is given to */
    GOLDEN,
} Source;

static const struct {
    const char *reason;         /* part of what the operator is told */
    Source source;
    const char *file;           /* in tests/golden */
    const char *to;             /* or vm1 */
    bool alter;
    size_t off;                 /* of the byte to alter */
    uint8_t val;
    int more;                   /* bytes than it should have */
} refusals[] = {
    { "less than a header", .more = -ENVELOPE_LEN + 100 },
    { "4223 bytes instead of 4224", .more = -1 },
    { "4225 bytes instead of 4224", .more = 1 },
    { "not an envelope", .alter = true, .off = 0, .val = 'X' },
    { "unknown format version", .alter = true, .off = 4, .val = 9 },
    { "unknown cipher suite", .alter = true, .off = 5, .val = 9 },
    { "the guest has no host here", .alter = true, .off = 5, .val = 2,
      .more = 128 },
    { "malformed header", .alter = true, .off = 6, .val = 9 },
    { "malformed header", .alter = true, .off = 20, .val = 1 },
    { "with another secret", .alter = true, .off = 40, .val = 0 },
    { "with another secret", .alter = true, .off = 47, .val = 0 },
    { "altered on the way", .alter = true, .off = 8, .val = 1 },
    { "altered on the way", .alter = true, .off = 24, .val = 0 },
    { "altered on the way", .alter = true, .off = 112, .val = 0 },
    { "altered on the way", .alter = true, .off = ENVELOPE_LEN - 1, .val = 0 },
    { "wrong length or padding inside", GOLDEN, "bad-padding-1-1.bin" },
    { "it is guest 'vm1', not 'vm2'", .to = "vm2" },
    { "sealed by this host", OWN },
};

static GByteArray *other_envelope(void)
{
    QTestState *qts = payload_start("", "c0");
    GByteArray *env = shadow_envelope(qts, "vm1");

    qtest_quit(qts);
    return env;
}

/* vm1 has gone, vm2 has not come. */
static QTestState *host_start(GByteArray **own)
{
    QTestState *qts;

    qts = shadow_start("", "-device shadow-serial,id=com1,guest=vm1"
                       SMALL_QUEUES " -object shadow-guest,id=vm2,secret=key0,"
                       "incoming=on -device shadow-serial,id=com2,guest=vm2"
                       SMALL_QUEUES);
    *own = shadow_envelope(qts, "vm1");
    g_assert_cmpint(shadow_simple(qts, ULTRACALL_COMMIT, "vm1"), ==, 0);
    return qts;
}

static GByteArray *refused_envelope(unsigned i, const GByteArray *other,
                                    const GByteArray *own)
{
    const GByteArray *from = refusals[i].source == OWN ? own : other;
    GByteArray *env;

    if (refusals[i].source == GOLDEN) {
        return golden_read(refusals[i].file);
    }
    env = g_byte_array_new();
    g_byte_array_append(env, from->data, from->len);
    if (refusals[i].alter) {
        uint8_t *byte = &env->data[refusals[i].off];

        /* a byte that is random may have the value already */
        *byte = refusals[i].val + (*byte == refusals[i].val);
    }
    g_byte_array_set_size(env, env->len + refusals[i].more);
    return env;
}

static void check_refused(QTestState *qts, const char *to,
                          const GByteArray *env, int err, const char *reason)
{
    struct ultracall_guest before = shadow_query_call(qts, to), after;

    g_assert_cmpint(shadow_restore(qts, to, env->data, env->len), ==, err);
    g_assert_cmpuint(shadow_value(qts), ==, 0);
    shadow_expect_refused(qts, to, reason);
    after = shadow_query_call(qts, to);
    g_assert_cmpmem(&before, sizeof(before), &after, sizeof(after));
}

/* One answer to all that could be tried */
static void test_altered(void)
{
    g_autoptr(GByteArray) other = other_envelope();
    g_autoptr(GByteArray) own = NULL;
    QTestState *qts = host_start(&own);

    for (unsigned i = 0; i < ARRAY_SIZE(refusals); i++) {
        g_autoptr(GByteArray) env = refused_envelope(i, other, own);

        check_refused(qts, refusals[i].to ?: "vm1", env, -EBADMSG,
                      refusals[i].reason);
    }
    qtest_quit(qts);
}

/* Others to what is genuine, by what anyone can read in its header */
static void test_genuine(void)
{
    g_autoptr(GByteArray) other = other_envelope();
    g_autoptr(GByteArray) snapshot = golden_read("snapshot-1-1.bin");
    g_autoptr(GByteArray) history = golden_read("history-1-1.bin");
    g_autoptr(GByteArray) own = NULL;
    QTestState *qts = host_start(&own);

    check_refused(qts, "vm1", other, -ESTALE, "is not newer than");
    check_refused(qts, "vm1", snapshot, -EPERM, "a snapshot would let");
    /* which is kept for what may come */
    g_assert_cmpint(shadow_restore_env(qts, history), ==, 0);
    shadow_assert_state(qts, "vm1", "gone");
    qtest_quit(qts);
}

int main(int argc, char **argv)
{
    shadow_test_init(&argc, &argv);
    qtest_add_func("/shadow-reasons/altered", test_altered);
    qtest_add_func("/shadow-reasons/genuine", test_genuine);
    return shadow_test_run();
}
