/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The frames that are spoken at a door (docs/door.rst): made, taken apart and
 * checked.  For the door and for its clients: GLib, and nothing of QEMU.
 */
#ifndef SHADOW_WIRE_H
#define SHADOW_WIRE_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SHADOW_WIRE_VERSION     1

#define SHADOW_WIRE_HEADER      16      /* bytes */
#define SHADOW_WIRE_PAYLOAD_MAX 16384
#define SHADOW_WIRE_TEXT_MAX    1024
#define SHADOW_WIRE_NAME_MAX    64
#define SHADOW_WIRE_PING_MAX    64
#define SHADOW_WIRE_LIFE_LEN    16
#define SHADOW_WIRE_ACCEPTED_LEN 24

/* So that no sum of a position and a length wraps */
#define SHADOW_WIRE_POSITION_MAX INT64_MAX

typedef enum ShadowWireType {
    SHADOW_WIRE_HELLO = 'H',            /* both ways */
    SHADOW_WIRE_KEYBOARD = 'W',
    SHADOW_WIRE_PING = 'P',             /* back it is a pong */
    SHADOW_WIRE_NOTICE = 'N',           /* from the door */
    SHADOW_WIRE_OUTPUT = 'O',
    SHADOW_WIRE_ACCEPTED = 'A',
    SHADOW_WIRE_REFUSED = 'R',
    SHADOW_WIRE_ERROR = 'E',
    SHADOW_WIRE_START = 'G',            /* from the client */
    SHADOW_WIRE_INPUT = 'I',
    SHADOW_WIRE_BREAK = 'B',
} ShadowWireType;

/* Where output starts */
typedef enum ShadowWireMode {
    SHADOW_WIRE_FROM_POSITION = 'p',
    SHADOW_WIRE_FROM_LAST = 'l',
    SHADOW_WIRE_FROM_FIRST = 'f',
    SHADOW_WIRE_FROM_OLDEST = 'b',
    SHADOW_WIRE_FROM_END = 'e',
    SHADOW_WIRE_FROM_NOWHERE = 'n',
} ShadowWireMode;

/* What a client wants with the keyboard */
typedef enum ShadowWireKeyboard {
    SHADOW_WIRE_TAKE_FREE = 't',
    SHADOW_WIRE_TAKE_OVER = 'f',
    SHADOW_WIRE_RELEASE = 'r',
} ShadowWireKeyboard;

/* Who sends the frames: some letters mean another thing the other way. */
typedef enum ShadowWireSide {
    SHADOW_WIRE_BY_DOOR,
    SHADOW_WIRE_BY_CLIENT,
} ShadowWireSide;

typedef struct ShadowWireFrame {
    ShadowWireType type;
    uint16_t len;               /* of the payload, bytes */
    uint32_t lease;
    uint64_t position;
    const uint8_t *payload;     /* the reader's, or NULL if @len is 0 */
} ShadowWireFrame;

/* Memory is used only while part of a frame has come. */
typedef struct ShadowWireReader {
    ShadowWireSide by;
    uint8_t header[SHADOW_WIRE_HEADER];
    size_t have;                /* of header and payload together */
    uint8_t *payload;           /* or NULL */
} ShadowWireReader;

typedef enum ShadowWireGot {
    SHADOW_WIRE_MORE,           /* is needed: all of it was taken */
    SHADOW_WIRE_FRAME,
    SHADOW_WIRE_BAD,            /* there is no way to go on */
} ShadowWireGot;

/* @by: who sends what it is to read.  To be freed; can be used anew then. */
void shadow_wire_reader_init(ShadowWireReader *r, ShadowWireSide by);
void shadow_wire_reader_free(ShadowWireReader *r);

/* Whether part of a frame has come and is kept */
bool shadow_wire_reader_half(const ShadowWireReader *r);

/*
 * Take from the *@len bytes at *@buf, which both move on, up to the end of a
 * frame.  @frame is then set, and its payload good until the next call; or
 * @why it is bad, a string that is not to be freed.  What the header says is
 * checked before memory is used for what it announces: type, length, and
 * fields that have to be 0.
 */
ShadowWireGot shadow_wire_read(ShadowWireReader *r, const uint8_t **buf,
                               size_t *len, ShadowWireFrame *frame,
                               const char **why);

/* The header of @frame, whose payload is not looked at */
void shadow_wire_put_header(uint8_t out[SHADOW_WIRE_HEADER],
                            const ShadowWireFrame *frame);

/* All of @frame, after what is in @out */
void shadow_wire_put(GByteArray *out, const ShadowWireFrame *frame);

/* What frames have in their payload */

/* HELLO by a client.  @name: UTF-8, or "" */
typedef struct ShadowWireHello {
    uint8_t version;
    char name[SHADOW_WIRE_NAME_MAX + 1];
} ShadowWireHello;

/* START.  @count: position, or bytes; @life: of FROM_POSITION only */
typedef struct ShadowWireStart {
    ShadowWireMode mode;
    uint64_t count;
    uint8_t life[SHADOW_WIRE_LIFE_LEN];
} ShadowWireStart;

/* ACCEPTED; the accepted position is that of the frame. */
typedef struct ShadowWireAccepted {
    uint64_t taken;
    uint64_t limit;
    uint64_t breaks;
} ShadowWireAccepted;

/* Printable, and not longer than SHADOW_WIRE_NAME_MAX bytes */
bool shadow_wire_name_valid(const char *name, size_t len);

/* To put a frame of each kind after what is in @out */
void shadow_wire_put_hello(GByteArray *out, const char *name);
void shadow_wire_put_start(GByteArray *out, const ShadowWireStart *start);
void shadow_wire_put_keyboard(GByteArray *out, ShadowWireKeyboard what);
void shadow_wire_put_break(GByteArray *out, uint32_t lease, uint64_t position,
                           uint64_t number);
void shadow_wire_put_accepted(GByteArray *out, uint32_t lease,
                              uint64_t position, const ShadowWireAccepted *a);
/* One with a text, of which at most SHADOW_WIRE_TEXT_MAX bytes are sent */
void shadow_wire_put_text(GByteArray *out, ShadowWireType type, uint32_t lease,
                          uint64_t position, const char *text);

/* To take one apart, whose type is right.  False if it makes no sense. */
bool shadow_wire_get_hello(const ShadowWireFrame *f, ShadowWireHello *hello,
                           const char **why);
bool shadow_wire_get_start(const ShadowWireFrame *f, ShadowWireStart *start,
                           const char **why);
bool shadow_wire_get_keyboard(const ShadowWireFrame *f,
                              ShadowWireKeyboard *what, const char **why);
uint64_t shadow_wire_get_break(const ShadowWireFrame *f);
void shadow_wire_get_accepted(const ShadowWireFrame *f, ShadowWireAccepted *a);
/* Valid UTF-8, printable, and to be freed */
char *shadow_wire_get_text(const ShadowWireFrame *f);

#endif /* SHADOW_WIRE_H */
