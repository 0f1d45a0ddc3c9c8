/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the programs for Xen's control domain share: ultracalls that name a
 * shadow guest, and what of xenstore may be relied on.
 */
#ifndef SHADOW_XEN_H
#define SHADOW_XEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#define ULTRACALL_CLIENT
#include "ultracall.h"

struct xs_handle;

/*
 * The table of domains that have a shadow: /shadow/NAME is the id of NAME's
 * shadow guest, written by the administrator; /shadow/NAME/state is what
 * shadow-xend has made of it.
 */
#define SHADOW_TABLE "/shadow"
#define SHADOW_LOCK "/run/shadow-xend.lock"

/* As xl has it: what is being received is called NAME--incoming. */
#define SHADOW_INCOMING "--incoming"

#define SHADOW_NAME_MAX 256
#define SHADOW_PATH_MAX (SHADOW_NAME_MAX + 64)

/* A line on standard error, which begins with the program's name */
void shadow_say(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

/* Open the ultracall device.  Says itself what is wrong if it returns false. */
bool shadow_open(struct ultracall_client *c);

/*
 * One ultracall for the guest @tag.  Returns 0 or a negative errno; the second
 * result is in *@value, which may be NULL.
 */
int64_t shadow_call(const struct ultracall_client *c, const char *tag,
                    uint32_t nr, uint64_t flags, void *buf, size_t len,
                    uint64_t *value);

/* The guest's state (ULTRACALL_ACTIVE etc.), or a negative errno. */
int64_t shadow_state(const struct ultracall_client *c, const char *tag,
                     unsigned *flags);

/* Whether it can be a shadow guest's id: QEMU takes no others. */
bool shadow_tag_valid(const char *tag);

/* Whether it can be a domain's name and a part of a path. */
bool shadow_name_valid(const char *name);

/*
 * What is at @path in xenstore, if nobody but this domain can have written it.
 * At most @size - 1 bytes, without NULs.  Returns false if not.
 */
bool shadow_store_read(struct xs_handle *xs, const char *path, char *buf,
                       size_t size);

#endif /* SHADOW_XEN_H */
