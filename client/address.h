/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where doors are: unix:PATH, tcp:HOST:PORT, tls:HOST:PORT, or ssh:HOST, which
 * has a shadow-console of its own and a file of hosts.
 */
#ifndef CONSOLE_ADDRESS_H
#define CONSOLE_ADDRESS_H

#include <gio/gio.h>
#include <stdbool.h>

/* Whether @text is an address, or *@errp says why not */
bool address_check(const char *text, GError **errp);
bool address_is_ssh(const char *text);

/*
 * The addresses that @console stands for: itself, if it is one; or else the
 * lines of @file, or if that is NULL of the file @console among the user's or
 * the machine's settings.
 */
GStrv address_hosts(const char *console, const char *file, GError **errp);

/* Whether @name can be the name of a console */
bool address_name_valid(const char *name);

/*
 * What tls: goes by from now on, PEM files or NULL: @ca, authorities instead of
 * the machine's own; @cert, the user's certificate and its key.
 */
bool address_set_tls(const char *ca, const char *cert, GError **errp);

/*
 * Connect to @address, asking an ssh host for the console @console.  The
 * stream is given to @ready, or taken by address_connect_finish().
 */
void address_connect(const char *address, const char *console,
                     GCancellable *cancel, GAsyncReadyCallback ready,
                     void *opaque);
GIOStream *address_connect_finish(GAsyncResult *result, GError **errp);

/* The connection ends now, whatever the other end does. */
void address_disconnect(GIOStream *stream);

/* What a stream's ssh has written last on its error output, or NULL */
char *address_complaint(GIOStream *stream);

#endif /* CONSOLE_ADDRESS_H */
