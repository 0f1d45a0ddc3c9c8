/*
 * The guest's side of a long transfer over a serial console.
 *
 * Sends a given number of bytes of seeded random text as numbered, checksummed
 * lines and at the same time checks the lines that the user sends; ends with
 * one line of report. lab/transfer.py is the user's side.
 *
 *     transfer SEED BYTES [WINDOW]
 *
 * With WINDOW, it sends at most so many lines more than it has received.
 *
 * Line: "<side><number, 7 digits> <62 characters> <CRC-32, 8 digits>\n", where
 * the side is G (guest) or U (user) and the CRC covers all before its space.
 * Last line: "<side>END <lines> <CRC-32 of all lines>\n"; where the user ends
 * early, so does the guest.
 * In between: "USYNC <lines> <CRC-32 of them>\n", which the guest answers with
 * "GSYNC <lines> <CRC-32 of them> <report>\n".
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#define TEXT_LEN   62
#define LINE_LEN   (1 + 7 + 1 + TEXT_LEN + 1 + 8 + 1)
#define SILENCE_MS 600000 /* give up when nothing moves for that long */

typedef struct Receiver {
    char line[256];
    size_t len;
    uint32_t expected; /* number of the next line */
    uint32_t lines, bytes, doubled, reordered, corrupt;
    uint32_t random, crc;
    uint32_t total; /* lines that the user has sent, as it said last */
    bool total_ok;
    bool ended;
    bool sync; /* the user waits for an answer: the report */
    char report[200];
    unsigned char *seen;
} Receiver;

typedef struct Sender {
    char line[256];
    size_t len, pos;
    uint32_t next, lines, window;
    uint32_t random, crc;
    bool ended;
} Sender;

static uint32_t crc_table[256];

static void crc_init(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;

        for (int k = 0; k < 8; k++) {
            c = c & 1 ? 0xedb88320 ^ (c >> 1) : c >> 1;
        }
        crc_table[i] = c;
    }
}

static uint32_t crc_add(uint32_t crc, const char *data, size_t len)
{
    crc = ~crc;
    while (len--) {
        crc = crc_table[(crc ^ (unsigned char)*data++) & 0xff] ^ (crc >> 8);
    }
    return ~crc;
}

static uint32_t random_next(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

static size_t line_make(char *line, char side, uint32_t number,
                        uint32_t *random)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                   "abcdefghijklmnopqrstuvwxyz0123456789+/";
    int len = sprintf(line, "%c%07u ", side, number);

    for (int i = 0; i < TEXT_LEN; i++) {
        line[len++] = alphabet[random_next(random) >> 26];
    }
    return len + sprintf(line + len, " %08x\n", crc_add(0, line, len));
}

static void receiver_count(Receiver *r, uint32_t number, uint32_t lines)
{
    if (number >= lines) {
        r->corrupt++;
    } else if (r->seen[number]) {
        r->doubled++;
    } else {
        r->seen[number] = 1;
        if (number < r->expected) {
            r->reordered++;
        } else {
            r->expected = number + 1;
        }
    }
}

static uint32_t receiver_lost(Receiver *r)
{
    uint32_t lost = 0;

    for (uint32_t i = 0; i < r->total; i++) {
        lost += !r->seen[i];
    }
    return lost;
}

static void receiver_report(Receiver *r)
{
    snprintf(r->report, sizeof(r->report),
             "lines=%u bytes=%u lost=%u duplicated=%u reordered=%u corrupt=%u "
             "total=%s",
             r->lines, r->bytes, receiver_lost(r), r->doubled, r->reordered,
             r->corrupt, r->total_ok ? "good" : "bad");
}

static void receiver_line(Receiver *r, uint32_t lines)
{
    unsigned number, crc;
    char want[256];
    bool end = sscanf(r->line, "UEND %u %x", &number, &crc) == 2;

    if (end || sscanf(r->line, "USYNC %u %x", &number, &crc) == 2) {
        r->total = number < lines ? number : lines;
        r->total_ok = number == r->lines && crc == r->crc;
        r->ended = end;
        r->sync = !end;
        receiver_report(r);
        return;
    }
    r->lines++;
    r->bytes += r->len;
    r->crc = crc_add(r->crc, r->line, r->len);
    line_make(want, 'U', r->lines - 1, &r->random);
    if (r->len == LINE_LEN && sscanf(r->line, "U%7u", &number) == 1 &&
        sscanf(r->line + LINE_LEN - 9, "%8x", &crc) == 1 &&
        crc == crc_add(0, r->line, LINE_LEN - 10)) {
        receiver_count(r, number, lines);
        /* A line that is whole but not the one of the seed is not ours. */
        if (number == r->lines - 1 && memcmp(want, r->line, LINE_LEN)) {
            r->corrupt++;
        }
    } else {
        r->corrupt++;
    }
}

static void receiver_feed(Receiver *r, const char *data, ssize_t len,
                          uint32_t lines)
{
    for (ssize_t i = 0; i < len; i++) {
        if (r->len < sizeof(r->line) - 1) {
            r->line[r->len++] = data[i];
        }
        if (data[i] == '\n') {
            r->line[r->len] = 0;
            receiver_line(r, lines);
            r->len = 0;
        }
    }
}

static void sender_refill(Sender *s)
{
    s->pos = 0;
    if (s->next < s->lines) {
        s->len = line_make(s->line, 'G', s->next++, &s->random);
        s->crc = crc_add(s->crc, s->line, s->len);
    } else {
        s->len = s->ended
                     ? 0
                     : sprintf(s->line, "GEND %u %08x\n", s->lines, s->crc);
        s->ended = true;
    }
}

static void sender_answer(Sender *s, Receiver *r)
{
    s->pos = 0;
    s->len =
        sprintf(s->line, "GSYNC %u %08x %s\n", s->next, s->crc, r->report);
    r->sync = false;
}

static bool sender_pending(Sender *s, Receiver *r)
{
    bool wait = s->window && !r->ended && s->next < s->lines &&
                s->next >= r->lines + s->window;

    if (s->pos == s->len && r->sync) {
        sender_answer(s, r);
    } else if (s->pos == s->len && !wait) {
        sender_refill(s);
    }
    return s->pos < s->len;
}

static bool transfer(Sender *s, Receiver *r)
{
    const uint32_t lines = s->lines;

    for (;;) {
        bool more = sender_pending(s, r);
        struct pollfd fd[2] = {
            { .fd = 0, .events = r->ended ? 0 : POLLIN },
            { .fd = 1, .events = more ? POLLOUT : 0 },
        };
        char data[4096];
        ssize_t len;

        if (r->ended && s->ended && !more) {
            return true;
        }
        if (poll(fd, 2, SILENCE_MS) <= 0) {
            return false;
        }
        if (fd[0].revents) {
            len = read(0, data, sizeof(data));
            if (!len || (len < 0 && errno != EAGAIN && errno != EINTR)) {
                return false;
            }
            receiver_feed(r, data, len, lines);
            if (r->ended) {
                s->lines = s->next > r->total ? s->next : r->total;
            }
        }
        if (fd[1].revents) {
            len = write(1, s->line + s->pos, s->len - s->pos);
            if (len < 0 && errno != EAGAIN && errno != EINTR) {
                return false;
            }
            s->pos += len > 0 ? len : 0;
        }
    }
}

int main(int argc, char **argv)
{
    struct termios saved, raw;
    Sender sender = { 0 };
    Receiver receiver = { 0 };
    const char *mark = getenv("TRANSFER_MARK");
    bool ok;

    if (argc < 3 || argc > 4) {
        fprintf(stderr, "usage: transfer SEED BYTES [WINDOW]\n");
        return 2;
    }
    crc_init();
    sender.random = atoll(argv[1]);
    receiver.random = ~sender.random;
    sender.lines = atoll(argv[2]) / LINE_LEN;
    sender.window = argc > 3 ? atoll(argv[3]) : 0;
    receiver.seen = calloc(sender.lines + 1, 1);
    if (!sender.random || !receiver.random || !receiver.seen ||
        tcgetattr(0, &saved)) {
        perror("transfer");
        return 2;
    }
    raw = saved;
    cfmakeraw(&raw);
    /* busybox getty sets it, cfmakeraw() leaves it: no bytes of the tty's */
    raw.c_iflag &= ~IXOFF;
    raw.c_cflag |= CRTSCTS;
    tcsetattr(0, TCSANOW, &raw);

    /* The user starts on this line, so nothing is lost to the old settings. */
    printf("TRANSFER READY %u\n", sender.lines);
    fflush(stdout);
    ok = transfer(&sender, &receiver);
    if (!ok) {
        receiver.total_ok = false;
        receiver_report(&receiver);
    }
    printf("TRANSFER REPORT %s finished=%s mark=%s\n", receiver.report,
           ok ? "yes" : "no", mark ? mark : "");
    fflush(stdout);
    tcsetattr(0, TCSADRAIN, &saved);
    return ok && receiver.total_ok ? 0 : 1;
}
