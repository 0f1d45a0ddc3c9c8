/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The keyboard of a console: who has it, and the way of what is typed.
 */
#ifndef CONSOLE_KEYBOARD_H
#define CONSOLE_KEYBOARD_H

#include "link.h"
#include "typed.h"

typedef enum KeyboardNews {
    KEYBOARD_OURS,
    KEYBOARD_NOT_OURS,          /* text: why, or who has it */
    KEYBOARD_REFUSED,           /* text: why something was not taken */
    KEYBOARD_UNSENT,            /* text: what was typed and is given up */
} KeyboardNews;

typedef void KeyboardTell(KeyboardNews news, const char *text, void *opaque);

typedef struct Keyboard {
    Typed typed;
    Link *link;                 /* or NULL */
    const char *user;           /* our name there */
    uint32_t lease;             /* over this link, or 0 */
    uint32_t last;              /* under which what waits may have been sent */
    bool wants;                 /* to have it */
    bool force;                 /* and the first time even from another */
    bool asked;                 /* no answer has come yet */
    char *lost;                 /* why it is not ours any more, or NULL */
    bool counted;               /* the numbers of this lease are known */
    bool refused;               /* until something has changed */
    bool paused;                /* nothing is to be sent */
    KeyboardTell *tell;
    void *opaque;
} Keyboard;

void keyboard_init(Keyboard *k, const char *user, bool wants,
                   KeyboardTell *tell, void *opaque);
void keyboard_free(Keyboard *k);

/* The console is at @link from now on, with the same life as before. */
void keyboard_attach(Keyboard *k, Link *link);
void keyboard_detach(Keyboard *k);
/* What waits is of a life that is over: it is shown, and not sent. */
void keyboard_new_life(Keyboard *k);

/* Take one of the frames W, A, R.  False, if what it says cannot be. */
bool keyboard_frame(Keyboard *k, const ShadowWireFrame *frame);
/* A notice has come. */
void keyboard_notice(Keyboard *k);
/* Send what can be sent. */
void keyboard_pump(Keyboard *k);

/* Ask for it, even if another has it (@force); give it back. */
void keyboard_take(Keyboard *k, bool force);
void keyboard_release(Keyboard *k);

/* False if it is not ours, and will not be unless it is taken over */
bool keyboard_may_type(const Keyboard *k);
/* At most typed_room() bytes */
void keyboard_type(Keyboard *k, const uint8_t *data, size_t len);
bool keyboard_break(Keyboard *k);
/* Give up what waits. */
void keyboard_drop(Keyboard *k);

#endif /* CONSOLE_KEYBOARD_H */
