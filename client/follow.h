/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The hosts where a console may be, and which of them has it.
 *
 * While it is searched for, there is a link to each of them: their notices say
 * at once when the console has come.
 */
#ifndef CONSOLE_FOLLOW_H
#define CONSOLE_FOLLOW_H

#include "link.h"

typedef struct Follow Follow;

typedef struct Host {
    Follow *follow;
    char *address;
    Link *link;                 /* or NULL */
    char *why;                  /* the last link has ended, or NULL */
    bool answered;              /* or failed, in this search */
    unsigned wait;              /* until the next try, ms */
    guint retry;
} Host;

typedef struct FollowHandler {
    /* A host has said something, or failed; NULL: it is time to look again. */
    void (*changed)(Host *host, void *opaque);
    void (*frame)(Host *host, const ShadowWireFrame *frame, void *opaque);
    void (*sent)(Host *host, void *opaque);
} FollowHandler;

typedef enum FollowVerdict {
    FOLLOW_NONE,                /* has it, as far as is known */
    FOLLOW_ONE,
    FOLLOW_TWO,                 /* say that they have it */
} FollowVerdict;

Follow *follow_new(GStrv hosts, const char *console, const char *user,
                   unsigned patience, const FollowHandler *handler,
                   void *opaque);
void follow_free(Follow *f);

/* Have a link to each host, until follow_settle() */
void follow_search(Follow *f);
/* Keep that of one host only. */
void follow_settle(Follow *f, Host *keep);
/* Give up a host's link, as if it had ended. */
void follow_fail(Host *host, const char *why);

/* All have answered or failed in this search, or have had the time to */
bool follow_complete(const Follow *f);
/* All have failed. */
bool follow_hopeless(const Follow *f);

/*
 * The host that has the console of the life @life, or of any if that is ""; of
 * equals @current.
 */
FollowVerdict follow_best(const Follow *f, const char *life,
                          const Host *current, Host **best);

/* "host-a: gone, ssh:b: Connection refused"; to be freed */
char *follow_text(const Follow *f);
const char *follow_name(const Host *host);

#endif /* CONSOLE_FOLLOW_H */
