/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/bswap.h"
#include "qemu/timer.h"
#include "shadow-records.h"
#include "shadow/tests/shadow-image.h"

/* In a saved state: "ram", version 1 */
static const char ram_header[] = "\3ram\0\0\0\1";
#define RAM_LEN (sizeof(ram_header) - 1)
#define MEASUREMENT_TEXT 65
/* target/i386/shadow-vcpu-state.c: all fields of a virtual CPU */
#define VCPU_LEN 2954

static void add_serial(QTestState *qts, const char *guest, const char *com,
                       unsigned iobase)
{
    qtest_qmp_assert_success(qts, "{'execute': 'device_add', 'arguments': {"
                             "'driver': 'shadow-serial', 'id': %s, 'guest': %s,"
                             "'iobase': %u, 'input-size': 512, "
                             "'output-size': 512}}", com, guest, iobase);
}

void records_add_devices(QTestState *qts, const char *guest, const char *ram,
                         const char *com, unsigned iobase)
{
    g_autofree char *kernel = shadow_path("records-kernel");

    shadow_kernel_file("records-kernel", SHADOW_KERNEL_LEN, 0x20f);
    add_serial(qts, guest, com, iobase);
    qtest_qmp_assert_success(qts, "{'execute': 'device_add', 'arguments': {"
                             "'driver': 'shadow-memory', 'id': %s, 'guest': %s,"
                             "'kernel': %s, 'size': %u}}", ram, guest, kernel,
                             (unsigned)RECORDS_SIZE);
}

static QTestState *host_start(const char *guest_props)
{
    QTestState *qts = shadow_start(guest_props, "%s", "");

    records_add_devices(qts, "vm1", "ram", "com1", COM1);
    shadow_bind(qts, "vm1", SHADOW_PROCESS, 0);
    return qts;
}

QTestState *records_start(const char *guest_props)
{
    g_autofree char *props = g_strdup_printf(",incoming=on%s", guest_props);

    return host_start(props);
}

QTestState *records_start_importing(void)
{
    QTestState *qts = shadow_start(",incoming=on", "%s", "");

    add_serial(qts, "vm1", "com1", COM1);
    qtest_qmp_assert_success(qts, "{'execute': 'device_add', 'arguments': {"
                             "'driver': 'shadow-memory', 'id': 'ram',"
                             "'guest': 'vm1', 'size': %u, 'port': 256}}",
                             (unsigned)RECORDS_SIZE);
    shadow_bind(qts, "vm1", SHADOW_PROCESS, 0);
    return qts;
}

RecordsKey records_key(uint8_t n)
{
    RecordsKey key = { .size = cpu_to_be64(RECORDS_SIZE) };

    memset(key.id, n, sizeof(key.id));
    memset(key.key, n ^ 0x5a, sizeof(key.key));
    return key;
}

GByteArray *records_session(const RecordsKey *key, const char *guest,
                            uint64_t epoch)
{
    g_autoptr(GByteArray) payload = g_byte_array_new();

    g_byte_array_append(payload, (uint8_t *)key, sizeof(*key));
    return payload_sealed(payload, guest, SHADOW_SEAL_PAGES, epoch);
}

GByteArray *records_seal(ShadowStream *s, const uint8_t *body, size_t len)
{
    GByteArray *record = g_byte_array_new();

    g_byte_array_set_size(record, shadow_stream_size(len));
    memcpy(record->data + SHADOW_STREAM_HEADER_LEN, body, len);
    g_assert_true(shadow_stream_seal(s, record->data, len));
    return record;
}

/* As of a guest that has not been launched */
static GByteArray *state_without(void)
{
    static GByteArray *state;

    if (!state) {
        QTestState *qts = host_start("");
        g_autoptr(GByteArray) env = shadow_envelope(qts, "vm1");

        state = payload_unsealed(env);
        qtest_quit(qts);
    }
    return g_byte_array_append(g_byte_array_new(), state->data, state->len);
}

static void append_zeros(GByteArray *to, size_t len)
{
    g_autofree uint8_t *zeros = g_malloc0(len);

    g_byte_array_append(to, zeros, len);
}

static void append_vcpus(GByteArray *to, const RecordsVcpus *vcpus)
{
    g_byte_array_append(to, &vcpus->n, 1);
    g_byte_array_append(to, &vcpus->n_starts, 1);
    for (unsigned i = 0; i < vcpus->n; i++) {
        g_byte_array_append(to, &vcpus->place[i], 1);
        append_zeros(to, VCPU_LEN - 1);
    }
    for (unsigned i = 0; i < vcpus->n_starts; i++) {
        uint8_t start[10] = { [9] = vcpus->start[i].waits };

        stl_be_p(start, vcpus->start[i].apic_id);
        stl_be_p(start + 4, vcpus->start[i].vcpu);
        g_byte_array_append(to, start, sizeof(start));
    }
}

static void append_imported(GByteArray *to, uint64_t pages)
{
    static const char header[] = "\5\26shadow-memory/imported\0\0\0\1";
    uint8_t data[8];

    if (pages) {
        stq_be_p(data, pages);
        g_byte_array_append(to, (uint8_t *)header, sizeof(header) - 1);
        g_byte_array_append(to, data, sizeof(data));
    }
}

GByteArray *records_state(const ShadowStream *s, const RecordsVcpus *vcpus,
                          uint64_t epoch)
{
    g_autoptr(GByteArray) without = state_without();
    g_autoptr(GByteArray) state = g_byte_array_new();
    uint8_t *ram = memmem(without->data, without->len, ram_header, RAM_LEN);
    size_t own = 1 + MEASUREMENT_TEXT + 8 + SHADOW_STREAM_DIGEST_LEN;
    uint8_t own_state[1 + MEASUREMENT_TEXT + 8];
    size_t before;

    g_assert_nonnull(ram);
    before = ram + RAM_LEN - without->data;
    memset(own_state, vcpus->unmeasured ? 0 : 'a', sizeof(own_state));
    own_state[0] = 1;
    own_state[MEASUREMENT_TEXT] = 0;
    stq_be_p(own_state + 1 + MEASUREMENT_TEXT, shadow_stream_records(s));
    g_byte_array_append(state, without->data, before);
    g_byte_array_append(state, own_state, sizeof(own_state));
    g_byte_array_append(state, shadow_stream_digest(s),
                        SHADOW_STREAM_DIGEST_LEN);
    append_vcpus(state, vcpus);
    append_imported(state, vcpus->imported);
    g_byte_array_append(state, without->data + before + own,
                        without->len - before - own);
    return payload_sealed(state, "vm1", SHADOW_SEAL_MIGRATION, epoch);
}

uint8_t *records_image(uint8_t n)
{
    uint8_t *image = g_malloc0(RECORDS_SIZE);

    for (unsigned page = 0; page < RECORDS_PAGES; page++) {
        if ((page * 7 + n) % 13 < 6) {
            image[page * SHADOW_PAGE + page] = n;
            memset(image + (page + 1) * SHADOW_PAGE - 8, page, 8);
        }
    }
    return image;
}

int records_call(QTestState *qts, const char *guest, uint64_t what,
                 uint64_t len)
{
    int64_t end = g_get_monotonic_time() + SHADOW_HANGS_US;
    int ret;

    while ((ret = shadow_call(qts, ULTRACALL_PAGES, guest, SHADOW_BUF, len,
                              what)) == -EAGAIN) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        g_usleep(100);
    }
    return ret;
}

int records_import(QTestState *qts, const GByteArray *record)
{
    qtest_bufwrite(qts, SHADOW_BUF, record->data, record->len);
    return records_call(qts, "vm1", ULTRACALL_PAGES_IMPORT, record->len);
}

int records_end_session(QTestState *qts)
{
    return records_call(qts, "vm1", ULTRACALL_PAGES_END, 0);
}

void records_run(QTestState *qts)
{
    g_assert_cmpint(shadow_simple(qts, ULTRACALL_RUN, "vm1"), ==, 0);
    shadow_assert_state(qts, "vm1", "active");
    records_assert_launched(qts, true);
}

void records_bring(QTestState *qts, const uint8_t *image)
{
    static const RecordsVcpus one = { .n = 1 };
    const RecordsKey key = records_key(0);
    g_autoptr(ShadowStream) s = NULL;
    g_autoptr(GByteArray) session = records_session(&key, "vm1", 1);
    g_autoptr(GByteArray) state = NULL;
    g_autofree uint8_t *body =
        g_malloc(SHADOW_PAGES_SIZE(SHADOW_PAGES_DATA_MAX));
    ShadowPages pages;
    size_t len;

    g_assert_cmpint(shadow_restore_env(qts, session), ==, 0);
    s = shadow_stream_new(key.key, key.id);
    g_assert_true(shadow_pages_init(&pages, RECORDS_PAGES));
    while ((len = shadow_pages_take(&pages, image, SHADOW_PAGES_DATA_MAX,
                                    body))) {
        g_autoptr(GByteArray) record = records_seal(s, body, len);

        g_assert_cmpint(records_import(qts, record), ==, 0);
    }
    shadow_pages_destroy(&pages);
    state = records_state(s, &one, 2);
    g_assert_cmpint(shadow_restore_env(qts, state), ==, 0);
    records_run(qts);
}

QTestState *records_start_active(const uint8_t *image)
{
    QTestState *qts = records_start("");

    records_bring(qts, image);
    return qts;
}

/* Time passes: it is not begun all the time. */
GByteArray *records_begin(QTestState *qts, const char *guest)
{
    qtest_clock_step(qts, NANOSECONDS_PER_SECOND);
    return shadow_envelope_flags(qts, guest, ULTRACALL_SAVE_PAGES);
}

GByteArray *records_export(QTestState *qts, const char *guest, uint64_t len)
{
    g_autoptr(GByteArray) record = g_byte_array_new();

    g_assert_cmpint(records_call(qts, guest, ULTRACALL_PAGES_EXPORT, len), ==,
                    0);
    g_byte_array_set_size(record, shadow_value(qts));
    g_assert_cmpuint(record->len, <=, len);
    if (!record->len) {
        return NULL;
    }
    qtest_bufread(qts, SHADOW_BUF, record->data, record->len);
    return g_steal_pointer(&record);
}

RecordsMove *records_send(QTestState *qts, uint64_t len)
{
    RecordsMove *m = g_new0(RecordsMove, 1);
    GByteArray *record;

    m->session = records_begin(qts, "vm1");
    /* what was written to before is sent anyway, and only once */
    g_assert_cmpint(records_call(qts, "vm1", ULTRACALL_PAGES_UNSENT, 0), ==,
                    0);
    g_assert_cmpuint(shadow_value(qts), ==, RECORDS_PAGES);
    m->records =
        g_ptr_array_new_with_free_func((GDestroyNotify)g_byte_array_unref);
    while ((record = records_export(qts, "vm1", len))) {
        g_ptr_array_add(m->records, record);
    }
    return m;
}

RecordsMove *records_leave(QTestState *qts, uint64_t len)
{
    RecordsMove *m = records_send(qts, len);

    m->state = shadow_envelope(qts, "vm1");
    shadow_assert_state(qts, "vm1", "frozen");
    return m;
}

void records_free(RecordsMove *m)
{
    g_byte_array_unref(m->session);
    g_ptr_array_unref(m->records);
    if (m->state) {
        g_byte_array_unref(m->state);
    }
    g_free(m);
}

uint8_t *records_opened(const RecordsMove *m)
{
    g_autoptr(GByteArray) session = payload_unsealed_as(m->session, "vm1",
                                                        SHADOW_SEAL_PAGES);
    const RecordsKey *key = (const RecordsKey *)session->data;
    g_autoptr(ShadowStream) s = shadow_stream_new(key->key, key->id);
    uint8_t *image = g_malloc(RECORDS_SIZE);

    g_assert_cmpuint(be64_to_cpu(key->size), ==, RECORDS_SIZE);
    memset(image, 0xee, RECORDS_SIZE);      /* what is not sent shows */
    for (unsigned i = 0; i < m->records->len; i++) {
        const GByteArray *record = g_ptr_array_index(m->records, i);
        g_autofree uint8_t *copy = g_memdup2(record->data, record->len);
        size_t len;
        uint8_t *body = shadow_stream_open(s, copy, record->len, &len,
                                           &error_abort);

        g_assert_true(shadow_pages_give(RECORDS_PAGES, body, len,
                                        shadow_image_put, image));
    }
    return image;
}

void records_assert_same(const RecordsMove *m, const uint8_t *image)
{
    g_autofree uint8_t *opened = records_opened(m);

    g_assert_cmpmem(opened, RECORDS_SIZE, image, RECORDS_SIZE);
}

void records_assert_whole(QTestState *qts, const uint8_t *image)
{
    g_autoptr(RecordsMove) m = records_leave(qts, ULTRACALL_RECORD_MAX);

    records_assert_same(m, image);
    g_assert_cmpint(shadow_simple(qts, ULTRACALL_ABORT, "vm1"), ==, 0);
    shadow_assert_state(qts, "vm1", "active");
}

void records_arrive(QTestState *qts, const RecordsMove *m)
{
    g_assert_cmpint(shadow_restore_env(qts, m->session), ==, 0);
    for (unsigned i = 0; i < m->records->len; i++) {
        g_assert_cmpint(records_import(qts, g_ptr_array_index(m->records, i)),
                        ==, 0);
    }
    g_assert_cmpint(shadow_restore_env(qts, m->state), ==, 0);
    records_run(qts);
}

void records_assert_launched(QTestState *qts, bool launched)
{
    QDict *guest = shadow_query(qts, "vm1");
    QDict *memory = qdict_get_qdict(guest, "memory");

    g_assert_cmpint(qdict_get_bool(memory, "launched"), ==, launched);
    qobject_unref(guest);
}
