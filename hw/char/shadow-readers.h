/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Those who read a console besides the user of its chardev, each from a
 * position of his own in the ring of output.  None of them holds up the guest,
 * or another one.
 */
#ifndef SHADOW_READERS_H
#define SHADOW_READERS_H

#include "qemu/queue.h"
#include "qapi/qapi-types-shadow.h"

typedef struct ShadowReader ShadowReader;
typedef struct ShadowReaders ShadowReaders;

/*
 * What a reader does, called with the BQL held.  He may go while he is called.
 *
 * @flush: send what there is, as far as the transport takes it
 * @tell: something has happened, for @reason, which may be NULL; it is sent by
 *        the next @flush, which follows
 * @lost: he has the keyboard no more, for @reason
 * @ended: the console goes: let go of it
 */
typedef struct ShadowReaderOps {
    void (*flush)(ShadowReader *r);
    void (*tell)(ShadowReader *r, ShadowDoorEvent event, const char *reason);
    void (*lost)(ShadowReader *r, const char *reason);
    void (*ended)(ShadowReader *r, const char *reason);
} ShadowReaderOps;

struct ShadowReader {
    const ShadowReaderOps *ops;
    const char *door;           /* its id */
    uint32_t client;            /* his number, not 0 */
    char *name;                 /* that he gave, or "" */
    char *peer;                 /* who he is for the transport */
    ShadowDoorRole role;
    int64_t since;              /* seconds since 1970 */
    uint64_t position;          /* of the output: the next byte he gets */
    uint64_t dropped;           /* that he did not get */
    ShadowReaders *at;          /* or NULL */
    bool due;
    QTAILQ_ENTRY(ShadowReader) next;
    QTAILQ_ENTRY(ShadowReader) next_due;
};

struct ShadowReaders {
    QTAILQ_HEAD(, ShadowReader) all;
    QTAILQ_HEAD(, ShadowReader) due;
    uint32_t n;
    QEMUBH *turn;
    QEMUTimer *later;           /* to tell who has come and gone */
};

void shadow_readers_start(ShadowReaders *rs);
/* All of them are told, for @reason, that the console goes. */
void shadow_readers_stop(ShadowReaders *rs, const char *reason);

void shadow_readers_add(ShadowReaders *rs, ShadowReader *r);
/* May be called for one who is not there. */
void shadow_readers_remove(ShadowReader *r);

/* @r, or everyone, has something to send: some in each turn of the main loop */
void shadow_readers_due(ShadowReader *r);
void shadow_readers_all_due(ShadowReaders *rs);

/* To everyone, soon */
void shadow_readers_tell(ShadowReaders *rs, ShadowDoorEvent event,
                         const char *reason);

/* Someone has come or gone: this is told once a second, or more rarely. */
void shadow_readers_changed(ShadowReaders *rs);

/* For a person: the name, if he gave one, and the transport's word for him */
char *shadow_reader_who(const ShadowReader *r);

ShadowDoorClient *shadow_reader_query(const ShadowReader *r);

#endif /* SHADOW_READERS_H */
