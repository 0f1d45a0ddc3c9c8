/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lines for a console's user that no guest has written: one that connections
 * begin with, and some that they end with, so that none stands between two
 * bytes of the guest.
 */
#ifndef SHADOW_NOTICE_H
#define SHADOW_NOTICE_H

/*
 * Why a connection ends, in the order of the lines.  All but the last are told
 * to one user, who may come back; the last, to all who come.
 */
typedef enum ShadowFarewell {
    SHADOW_FAREWELL_SNAPSHOT,
    SHADOW_FAREWELL_BROKEN,
    SHADOW_FAREWELL_DETACHED,
    SHADOW_FAREWELL_TAKEN,
    SHADOW_FAREWELL_MOVED,
    SHADOW_FAREWELL__MAX
} ShadowFarewell;

typedef struct ShadowNotices {
    const char *type;           /* of the device, in all lines */
    char *greeting;             /* or NULL */
    char *writer;               /* a line about who has the keyboard, or NULL */
    char *farewell[SHADOW_FAREWELL__MAX];   /* what is to be told, or NULL */
    bool begun[SHADOW_FAREWELL__MAX];       /* on this connection */
    bool parting;               /* this connection has to end */
    GString *line;              /* the rest of what is being written */
} ShadowNotices;

void shadow_notices_init(ShadowNotices *n);
void shadow_notices_free(ShadowNotices *n);

/* A new connection: what the last one was told in part is to be told anew. */
void shadow_notices_connect(ShadowNotices *n);

/* It starts to work.  Returns the length of the lines that it begins with. */
size_t shadow_notices_greet(ShadowNotices *n);
void shadow_notices_set_greeting(ShadowNotices *n, const char *line);
/* The second of them, which is taken over */
void shadow_notices_set_writer(ShadowNotices *n, char *line);

void shadow_notices_add(ShadowNotices *n, ShadowFarewell kind,
                        const char *what);
/* It is not true any more, or not worth telling. */
void shadow_notices_drop(ShadowNotices *n, ShadowFarewell kind);

/* Whether a connection has to end, so that no byte of the guest may move */
bool shadow_notices_due(const ShadowNotices *n);

/*
 * What to write next, or NULL: then, if @n->parting, hang up.  The positions
 * are those of a line that begins now.
 */
const GString *shadow_notices_next(ShadowNotices *n, uint64_t input,
                                   uint64_t output);
void shadow_notices_written(ShadowNotices *n, size_t len);

#endif /* SHADOW_NOTICE_H */
