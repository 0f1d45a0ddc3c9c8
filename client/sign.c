/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Signatures by OpenSSH.
 */
#include <glib/gstdio.h>
#include <string.h>

#include "sign.h"
#include "state.h"

#define SIGN_NAMESPACE "shadow-console"
#define ARMOR_BEGIN "-----BEGIN SSH SIGNATURE-----"
#define ARMOR_END "-----END SSH SIGNATURE-----"

/* Run ssh-keygen: what it prints, to be freed, or NULL. */
static char *keygen(const char *const *argv, const char *message,
                    GError **errp)
{
    g_autoptr(GSubprocess) child = NULL;
    g_autofree char *out = NULL, *err = NULL, *why = NULL;

    child = g_subprocess_newv(argv, G_SUBPROCESS_FLAGS_STDIN_PIPE |
                              G_SUBPROCESS_FLAGS_STDOUT_PIPE |
                              G_SUBPROCESS_FLAGS_STDERR_PIPE, errp);
    if (!child || !g_subprocess_communicate_utf8(child, message, NULL, &out,
                                                 &err, errp)) {
        return NULL;
    }
    if (!g_subprocess_get_successful(child)) {
        why = console_printable(g_strchomp(*out ? out : err));
        g_set_error(errp, G_IO_ERROR, G_IO_ERROR_FAILED, "ssh-keygen: %s",
                    why);
        return NULL;
    }
    return g_steal_pointer(&out);
}

char *sign_make(const char *key, const char *message, GError **errp)
{
    const char *const argv[] = { "ssh-keygen", "-Y", "sign", "-n",
                                 SIGN_NAMESPACE, "-f", key, NULL };
    g_autofree char *armored = keygen(argv, message, errp);
    GString *line = g_string_new("");
    char *begin, *end;

    if (!armored) {
        return g_string_free(line, true);
    }
    begin = strstr(armored, ARMOR_BEGIN);
    end = strstr(armored, ARMOR_END);
    for (char *p = begin ? begin + strlen(ARMOR_BEGIN) : NULL; p && p < end;
         p++) {
        if (!g_ascii_isspace(*p)) {
            g_string_append_c(line, *p);
        }
    }
    return g_string_free(line, false);
}

/* A file of its own for @signature; its name, to be freed, or NULL */
static char *write_armored(const char *signature)
{
    GString *text = g_string_new(ARMOR_BEGIN "\n");
    char *path = NULL;
    int fd = g_file_open_tmp("shadow-console-XXXXXX", &path, NULL);

    for (size_t i = 0, len = strlen(signature); i < len; i += 70) {
        g_string_append_printf(text, "%.70s\n", signature + i);
    }
    g_string_append(text, ARMOR_END "\n");
    if (fd < 0) {
        path = NULL;
    } else {
        g_close(fd, NULL);
        if (!g_file_set_contents(path, text->str, text->len, NULL)) {
            g_unlink(path);
            g_clear_pointer(&path, g_free);
        }
    }
    g_string_free(text, true);
    return path;
}

/* Who in @signers has the key of the signature; to be freed, or NULL */
static char *find_principal(const char *path, const char *signers,
                            GError **errp)
{
    const char *const argv[] = { "ssh-keygen", "-Y", "find-principals", "-s",
                                 path, "-f", signers, NULL };
    char *found = keygen(argv, "", errp);

    if (found) {
        found[strcspn(found, "\n,")] = '\0';
    }
    return found;
}

static char *check(const char *path, const char *message, const char *signers,
                   const char *principal, GError **errp)
{
    g_autofree char *found = NULL;
    const char *const any[] = { "ssh-keygen", "-Y", "check-novalidate", "-n",
                                SIGN_NAMESPACE, "-s", path, NULL };
    const char *argv[] = { "ssh-keygen", "-Y", "verify", "-n", SIGN_NAMESPACE,
                           "-s", path, "-f", signers, "-I", principal, NULL };

    if (!signers) {
        return keygen(any, message, errp);
    }
    if (!principal) {
        found = find_principal(path, signers, errp);
        if (!found) {
            return NULL;
        }
        argv[10] = found;
    }
    return keygen(argv, message, errp);
}

bool sign_check(const char *message, const char *signature,
                const char *signers, const char *principal, char **who)
{
    g_autofree char *path = write_armored(signature), *said = NULL;
    g_autoptr(GError) err = NULL;

    if (!path) {
        *who = g_strdup("no temporary file can be written");
        return false;
    }
    said = check(path, message, signers, principal, &err);
    g_unlink(path);
    *who = console_printable(said ? g_strchomp(said) : err->message);
    return said;
}
