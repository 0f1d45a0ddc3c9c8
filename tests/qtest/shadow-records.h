/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guests with private memory on their way between two QEMUs.  With qtest nothing
 * runs one: the first of all is made here, by who has its key.
 */
#ifndef SHADOW_RECORDS_H
#define SHADOW_RECORDS_H

#include "shadow-payload.h"
#include "shadow/hw/core/shadow-pages.h"
#include "shadow/migration/shadow-stream.h"

#define RECORDS_SIZE (1 * MiB)
#define RECORDS_PAGES (RECORDS_SIZE / SHADOW_PAGE)
/* So short that a page with something in each takes some */
#define RECORDS_SHORT (SHADOW_STREAM_HEADER_LEN + SHADOW_STREAM_CLASS + \
                       SHADOW_STREAM_TAG_LEN)

/* A host that waits for vm1, which has "ram" and "com1" there, and is bound */
QTestState *records_start(const char *guest_props);
/*
 * The same, where no kernel is given; the port is below com1's, so that the two
 * devices are in the same order in a state.
 */
QTestState *records_start_importing(void);
void records_add_devices(QTestState *qts, const char *guest, const char *ram,
                         const char *com, unsigned iobase);

/* What a session's envelope has, as docs/envelope.rst says */
typedef struct RecordsKey {
    uint64_t size;              /* big-endian */
    uint8_t id[SHADOW_STREAM_ID_LEN];
    uint8_t key[SHADOW_STREAM_KEY_LEN];
} RecordsKey;

/* A key, of a memory of RECORDS_SIZE, which differs by @n */
RecordsKey records_key(uint8_t n);
GByteArray *records_session(const RecordsKey *key, const char *guest,
                            uint64_t epoch);
/* The next record of @s; the body that has @len bytes */
GByteArray *records_seal(ShadowStream *s, const uint8_t *body, size_t len);

/*
 * What is made of virtual CPUs; all registers are 0.  @imported: pages that were
 * the cloud VM's; @unmeasured: nobody measured it.
 */
#define RECORDS_VCPUS 70
typedef struct RecordsVcpus {
    uint64_t imported;
    bool unmeasured;
    uint8_t n, n_starts;
    uint8_t place[RECORDS_VCPUS];
    struct {
        uint32_t apic_id, vcpu;
        bool waits;
    } start[RECORDS_VCPUS];
} RecordsVcpus;

/* A sealed state with these, that lacks what @s has had */
GByteArray *records_state(const ShadowStream *s, const RecordsVcpus *vcpus,
                          uint64_t epoch);

/* Memory with something of its own in about each second page; to be freed */
uint8_t *records_image(uint8_t n);

/* vm1 with @image comes to @qts, and runs there. */
void records_bring(QTestState *qts, const uint8_t *image);
/* A host on which it is and does */
QTestState *records_start_active(const uint8_t *image);

/* All that leaves */
typedef struct RecordsMove {
    GByteArray *session, *state;
    GPtrArray *records;         /* of GByteArray */
} RecordsMove;

/* The call again until what was written to is noted */
int records_call(QTestState *qts, const char *guest, uint64_t what,
                 uint64_t len);
int records_import(QTestState *qts, const GByteArray *record);
int records_end_session(QTestState *qts);
/* SAVE, also if the guest has been saved ahead often */
GByteArray *records_begin(QTestState *qts, const char *guest);
/* NULL if nothing is left to be sent */
GByteArray *records_export(QTestState *qts, const char *guest, uint64_t len);
/* Records have at most @len bytes; without SAVE at the end */
RecordsMove *records_send(QTestState *qts, uint64_t len);
RecordsMove *records_leave(QTestState *qts, uint64_t len);
void records_free(RecordsMove *m);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RecordsMove, records_free)

/* What the records have, to be freed; all of them are opened. */
uint8_t *records_opened(const RecordsMove *m);
void records_assert_same(const RecordsMove *m, const uint8_t *image);
/* vm1 leaves as a whole, and goes on all the same. */
void records_assert_whole(QTestState *qts, const uint8_t *image);

/* All arrives and runs. */
void records_arrive(QTestState *qts, const RecordsMove *m);
void records_run(QTestState *qts);

void records_assert_launched(QTestState *qts, bool launched);

#endif /* SHADOW_RECORDS_H */
