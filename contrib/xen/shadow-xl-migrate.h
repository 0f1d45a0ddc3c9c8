/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SHADOW_XL_MIGRATE_H
#define SHADOW_XL_MIGRATE_H

#include <sys/types.h>
#include "shadow-xen.h"

/*
 * What the two ends say to each other, each a line:
 *
 *   near  shadow-xl-migrate 1 GUEST NAME   which domain will come
 *   far   ok                               it is awaited
 *         ... xl's own messages; when the domain stands still on both hosts:
 *   near  envelope SIZE                    and so many bytes, its sealed state
 *   far   ok                               it has it
 *
 * In place of ok the far end may say what is wrong.
 */
#define WIRE_HELLO "shadow-xl-migrate 1 "
#define WIRE_LINE_MAX 512

/* xl's messages (tools/xl/xl_migrate.c); all but the first end in a NUL. */
#define XL_BANNER "xl migration receiver ready, send binary domain data.\n"
#define XL_READY "domain received, ready to unpause"
#define XL_GO "domain is yours, you are cleared to unpause"
#define XL_REPORT "my copy unpause results are as follows"

/*
 * While it waits, an end also watches descriptors whose other side has to be
 * there (-1: none).  If one is closed, what waits fails.
 */
#define WIRE_WATCH_MAX 3
extern int wire_watch[WIRE_WATCH_MAX];

/* All of them return false, and have said why, if it cannot be done. */
bool wire_write(int fd, const void *buf, size_t len);
bool wire_read(int fd, void *buf, size_t len);
/* A line without its newline */
bool wire_read_line(int fd, char *line, size_t size);
/* A line, which has to be "ok"; else it is told */
bool wire_read_ok(int fd);
/* Read what has to be there, and pass it on unless @to is -1. */
bool wire_pass(int from, int to, const char *message, size_t len);
/* Pass on all that comes, until there is something to read from @until. */
bool wire_relay(int from, int to, int until);
/* Start a program, whose standard input is *@to and output *@from. */
bool wire_spawn(char *const argv[], pid_t *pid, int *to, int *from);

/* Freeze the guest: its sealed state, to be freed, and its length. */
void *migrate_save(const struct ultracall_client *c, const char *tag,
                   uint64_t *len);
/* COMMIT or ABORT, again and again while L0 cannot write that down. */
bool migrate_end(const struct ultracall_client *c, const char *tag,
                 uint32_t nr);

int migrate_receive(char *const command[]);

#endif /* SHADOW_XL_MIGRATE_H */
