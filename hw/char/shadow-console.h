/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What stands between a UART and its user: a queue of input that the UART has
 * not taken, and a ring of output.
 *
 * To the UART it is a chardev that never refuses a byte.  To the user's
 * chardev it is a front end that reads only while there is room, so that
 * what does not fit stays in the transport.
 */
#ifndef SHADOW_CONSOLE_H
#define SHADOW_CONSOLE_H

#include "chardev/char.h"
#include "qapi/qapi-types-shadow.h"
#include "shadow/hw/char/shadow-breaks.h"
#include "shadow/hw/char/shadow-carrier.h"
#include "shadow/hw/char/shadow-keyboard.h"
#include "shadow/hw/char/shadow-log.h"
#include "shadow/hw/char/shadow-loop.h"
#include "shadow/hw/char/shadow-notice.h"
#include "shadow/hw/char/shadow-readers.h"
#include "shadow/hw/char/shadow-ring.h"
#include "shadow/include/compat.h"

#define TYPE_SHADOW_CONSOLE "chardev-shadow-console"
OBJECT_DECLARE_SIMPLE_TYPE(ShadowConsole, SHADOW_CONSOLE)

/* Which life of the console its counts belong to, see docs/door.rst */
#define SHADOW_CONSOLE_LIFE_LEN 16
#define SHADOW_CONSOLE_LEASES 8

typedef struct ShadowConsoleLife {
    bool known;                 /* it is when a door was used */
    uint8_t id[SHADOW_CONSOLE_LIFE_LEN];
    uint64_t breaks;            /* accepted, from the first start on */
    /* by which input was accepted last, and from which position on */
    uint32_t n_leases;
    uint32_t lease[SHADOW_CONSOLE_LEASES];
    uint64_t lease_start[SHADOW_CONSOLE_LEASES];
} ShadowConsoleLife;

struct ShadowConsole {
    Chardev parent_obj;

    ShadowChr *user;
    ShadowRing in;              /* [taken by the UART, accepted) */
    ShadowRing out;             /* [history starts, produced) */
    ShadowRing first;           /* the first bytes of the output, and no more */
    ShadowBreaks breaks;        /* within the input */
    uint64_t sent;              /* output position */
    uint64_t dropped;

    bool rts;                   /* request to send, as the guest set it */
    bool rts_used;              /* the guest's driver handles RTS */
    ShadowConsoleLife life;

    /* what follows is not part of the saved state */
    char *name;                 /* for users: guest and device */
    bool replay_history;
    bool flow_control;
    bool input_enabled;         /* it reads what is typed */
    bool connected;
    int64_t user_since;         /* he is, seconds since 1970 */
    ShadowReaders readers;
    ShadowKeyboard keyboard;
    int64_t keyboard_since;     /* a reader has it, seconds since 1970 */
    ShadowCarrier carrier;
    bool announced;             /* the user's position has been told */
    uint32_t first_size;        /* so many of them are kept */
    uint64_t ahead;             /* output before it was sent to another host */
    uint64_t first_ahead;       /* and so much of the first bytes was */
    bool first_left_out;        /* of the state that is saved */
    bool cts;                   /* clear to send, as the guest sees it */
    bool held;
    bool detached;              /* from the nested guest */
    bool severed;               /* it was, and no user has come since */
    bool pumping;
    bool one_by_one;            /* input is read */
    bool datagrams;             /* the user gets; there is no connection */
    ShadowLog log;
    uint32_t input_size;        /* the ring has room to take some back */
    uint64_t arrived;           /* bytes and breaks */
    ShadowNotices notices;
    ShadowLoop *loop;           /* or NULL */
    GMainContext *context;      /* the loop's; NULL: the main loop's own */
    bool waiting;               /* for room for input, before it reads again */
    guint watch;
    QEMUBH *flush;
    QEMUTimer *flush_later;
    bool flush_due;             /* either of them will see to new output */
    int64_t flushed;            /* when, ns of the host's clock */
    void (*on_connect)(void *opaque, size_t notice);
    void (*on_idle)(void *opaque);
    bool (*may_receive)(void *opaque, bool brk);
    void (*on_lines)(void *opaque);
    void *opaque;
};

#define SHADOW_CONSOLE_FIRST_MAX MiB

/* What a UART can hold of the input, and give back */
#define SHADOW_CONSOLE_PUT_BACK_MAX 16

/*
 * Set up @c between a UART, that uses CHARDEV(@c), and @user, whose chardev
 * may be missing.  Sizes are in bytes, at most SHADOW_RING_MAX_CAPACITY.
 * @on_connect is called when a connection starts to work, with the number of
 * bytes that it gets before the first byte of the guest.  @on_idle is called
 * when the UART has been given the last of the input.  @may_receive says
 * whether the UART is in a state to take a byte or, if @brk, a BREAK, which it
 * then gets.  @on_lines is called when CTS, which the UART asks for, may have
 * changed.  @c is held at first.
 */
void shadow_console_start(ShadowConsole *c, ShadowChr *user,
                          uint32_t input_size, uint32_t output_size,
                          void (*on_connect)(void *opaque, size_t notice),
                          void (*on_idle)(void *opaque),
                          bool (*may_receive)(void *opaque, bool brk),
                          void (*on_lines)(void *opaque), void *opaque);
void shadow_console_stop(ShadowConsole *c);

/* While held, no byte moves in either direction, and none is lost. */
void shadow_console_hold(ShadowConsole *c, bool held);

/* The nested machine was reset: nothing that was typed is forgotten. */
void shadow_console_reset(ShadowConsole *c);

/*
 * Take back what the UART was given last and the guest has not read: a BREAK if
 * @brk, and @len bytes, at most SHADOW_CONSOLE_PUT_BACK_MAX.
 */
void shadow_console_put_back(ShadowConsole *c, bool brk, const uint8_t *buf,
                             uint32_t len);

/* What CTS depends on has changed: tell the UART if it has. */
void shadow_console_lines(ShadowConsole *c);

/* The chardev's user, if any, begins unless something is against it. */
void shadow_console_announce(ShadowConsole *c);

/* The UART may be able to take input again. */
void shadow_console_pump(ShadowConsole *c);

/* Tell the user that the console is now elsewhere, and hang up. */
void shadow_console_moved(ShadowConsole *c);

/*
 * A state was loaded.  If it is a @snapshot's, tell the user, or else the next
 * who comes, and hang up.
 */
void shadow_console_restored(ShadowConsole *c, bool snapshot);

/*
 * If @exposed, each new connection begins with a line that says so, or else
 * with @privacy, if that is not NULL.  If @broken has a reason, this is news:
 * tell the user, or else the next who comes, and hang up.
 */
void shadow_console_protection(ShadowConsole *c, bool exposed,
                               const char *broken, const char *privacy);

/*
 * Whether the console is bound to its nested guest; it is at first.  When that
 * ends tell the user who is there for what @reason, and hang up.  From then on
 * no byte moves, and none is lost, until it is attached again and a user has
 * connected anew.
 */
void shadow_console_attached(ShadowConsole *c, bool attached,
                             const char *reason);

void shadow_console_query(ShadowConsole *c, ShadowDeviceInfo *info);
ShadowDoorClientInfoList *shadow_console_query_clients(ShadowConsole *c);
/* The user of the chardev, who is connected */
ShadowDoorClient *shadow_console_query_user(ShadowConsole *c);

/*
 * The console's life; made when it is asked for the first time.  NULL if there
 * is no randomness.
 */
const uint8_t *shadow_console_life(ShadowConsole *c);
/* The same in hexadecimal digits; to be freed */
char *shadow_console_life_text(ShadowConsole *c);
/*
 * Another host may go on with the state that this one has, or had: no count of
 * before means anything to who is told another life.
 */
void shadow_console_new_life(ShadowConsole *c);

/* How many bytes of input, or one BREAK instead, would be accepted now */
uint32_t shadow_console_room(ShadowConsole *c);
/* Input, of which there is room for all, from whom has the keyboard */
void shadow_console_type(ShadowConsole *c, const uint8_t *buf, uint32_t len);
void shadow_console_type_break(ShadowConsole *c);
/* Bytes or BREAKs from the position @pos on are accepted under @lease. */
void shadow_console_note_lease(ShadowConsole *c, uint32_t lease, uint64_t pos);
/* Another has the keyboard; tell the chardev's user that @who took it. */
void shadow_console_writer_changed(ShadowConsole *c);
void shadow_console_taken_over(ShadowConsole *c, const char *who);

/*
 * Upper bound of the bytes that vmstate_shadow_console takes; and for queues of
 * any size.
 */
#define SHADOW_CONSOLE_STATE_OVERHEAD 256
#define SHADOW_CONSOLE_STATE_LIFE 256   /* more, once a door was used */
#define SHADOW_CONSOLE_STATE_LIMIT \
    (2 * SHADOW_RING_MAX_CAPACITY + SHADOW_CONSOLE_FIRST_MAX + \
     SHADOW_CONSOLE_STATE_OVERHEAD + SHADOW_CONSOLE_STATE_LIFE)
size_t shadow_console_state_max(ShadowConsole *c);

/* All output that there is now has been sent to another host. */
void shadow_console_sent_ahead(ShadowConsole *c);
/*
 * Whether to leave out of the saved state the output that was sent ahead, but
 * for what the user has not been sent.
 */
void shadow_console_leave_out(ShadowConsole *c, bool leave_out);

extern const VMStateDescription vmstate_shadow_console;

/* The output.  Loaded, it comes before that which the console has. */
extern const VMStateDescription vmstate_shadow_console_history;

/* Of that, what has passed between the console and its user */
extern const VMStateDescription vmstate_shadow_console_user;

#endif /* SHADOW_CONSOLE_H */
