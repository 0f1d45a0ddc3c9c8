/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A user's session with one console, wherever that is: each byte of output
 * once, and what is typed accepted once.
 */
#ifndef CONSOLE_SESSION_H
#define CONSOLE_SESSION_H

#include "follow.h"
#include "keyboard.h"

typedef enum SessionNews {
    SESSION_ATTACHED,           /* to a host */
    SESSION_WAITING,            /* the console is not active anywhere */
    SESSION_GOING,              /* it is again */
    SESSION_KEYBOARD,           /* is ours */
    SESSION_NO_KEYBOARD,        /* why, or who has it */
    SESSION_REFUSED,            /* something we sent */
    SESSION_UNSENT,             /* what was typed and is given up */
    SESSION_NEW_LIFE,
    SESSION_TWO,                /* hosts say that they have it */
    SESSION_PROTECTION,
    SESSION_NOTICE,             /* another one of the door's */
    SESSION_LOST,               /* output that no one has any more */
    SESSION_ENDED,              /* there is nothing more to come */
} SessionNews;

/* What a session tells the program. */
typedef struct SessionClient {
    /* A life has begun, or output begins anew; what is held goes up to @end. */
    void (*begin)(uint64_t end, void *opaque);
    void (*output)(uint64_t position, const uint8_t *data, size_t len,
                   void *opaque);
    void (*tell)(SessionNews news, const char *text, void *opaque);
    /* What was typed here was accepted.  Or NULL */
    TypedAccepted *typed;
    /* Something else has changed: counts, who is there.  Or NULL */
    void (*changed)(void *opaque);
} SessionClient;

typedef struct SessionOptions {
    GStrv hosts;
    const char *console;        /* its name, for ssh hosts */
    const char *user;
    unsigned patience;          /* seconds */
    bool keyboard, force;       /* is wanted, even from another */
    bool stay;                  /* with the first host: end when it has gone */
    bool wait;                  /* for hosts, when none can be reached */
    ShadowWireMode mode;        /* where output begins */
    uint64_t count;
    const char *life;           /* that @count counts in, or NULL */
} SessionOptions;

typedef struct Session {
    SessionOptions options;
    const SessionClient *client;
    void *opaque;
    Follow *follow;
    Host *current;              /* or NULL */
    Keyboard keyboard;
    char life[CONSOLE_LIFE_LEN + 1];
    uint64_t next;              /* position of the next byte of output */
    bool counted;               /* @next is known */
    bool waiting, two, ended;
    guint two_timer;
    uint64_t dropped, lost;     /* output that came twice, or never */
    char *protection;           /* as it was told last, or NULL */
} Session;

/* Starts when the main loop runs. */
void session_init(Session *s, const SessionOptions *options,
                  const SessionClient *client, void *opaque);
void session_free(Session *s);

/* NULL while there is none */
const ConsoleState *session_state(const Session *s);
/* One line: where and how it is, and what waits; to be freed */
char *session_text(const Session *s);
/* More than that, for one who asks who is there; to be freed */
char *session_who(const Session *s);

/* Output begins anew with the oldest byte that is held. */
void session_restart(Session *s);

/* A word for the news, as events and scripts have it */
const char *session_news_name(SessionNews news);

#endif /* CONSOLE_SESSION_H */
