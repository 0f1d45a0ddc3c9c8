/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Signatures by OpenSSH: ssh-keygen -Y.
 */
#ifndef CONSOLE_SIGN_H
#define CONSOLE_SIGN_H

#include <gio/gio.h>
#include <stdbool.h>

/* Sign with the key in @key.  One line of base64, to be freed, or NULL. */
char *sign_make(const char *key, const char *message, GError **errp);

/*
 * Whether @signature is one of @message: by @principal or anyone in the file
 * @signers of allowed signers; by any key, if that is NULL.  @who, to be freed,
 * is what ssh-keygen says of it.
 */
bool sign_check(const char *message, const char *signature,
                const char *signers, const char *principal, char **who);

#endif /* CONSOLE_SIGN_H */
