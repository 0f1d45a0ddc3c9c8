/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where doors are, and connections to them.
 */
#include <gio/gunixsocketaddress.h>
#include <gio/gunixinputstream.h>
#include <string.h>

#include "address.h"
#include "state.h"

#define HOSTS_MAX 64
#define UNIX_MAX 107            /* bytes of a unix socket's path */
#define SAFE "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"

/* What tls: goes by, or NULL */
static GTlsDatabase *tls_authorities;
static GTlsCertificate *tls_certificate;

static bool fail(GError **errp, const char *format, const char *text)
{
    g_autofree char *safe = console_printable(text);

    g_set_error(errp, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, format, safe);
    return false;
}

bool address_name_valid(const char *name)
{
    return *name && *name != '.' && *name != '-' &&
           strspn(name, SAFE) == strlen(name);
}

bool address_is_ssh(const char *text)
{
    return g_str_has_prefix(text, "ssh:");
}

/* What comes after @kind, or NULL */
static const char *after(const char *text, const char *kind)
{
    return g_str_has_prefix(text, kind) ? text + strlen(kind) : NULL;
}

bool address_check(const char *text, GError **errp)
{
    const char *path = after(text, "unix:"), *host = after(text, "ssh:");
    const char *place = after(text, "tcp:") ?: after(text, "tls:");

    if (path) {
        return (*path && strlen(path) <= UNIX_MAX) ||
               fail(errp, "%s: not the path of a unix socket", text);
    }
    if (host) {
        /* ssh must not take it for an option */
        return (*host && *host != '-' && strspn(host, SAFE "@:[]") ==
                strlen(host)) || fail(errp, "%s: not a host of ssh", text);
    }
    if (place) {
        g_autoptr(GSocketConnectable) where =
            g_network_address_parse(place, 0, NULL);

        return (where && g_network_address_get_port(
                    G_NETWORK_ADDRESS(where))) ||
               fail(errp, "%s: not HOST:PORT", text);
    }
    return fail(errp, "%s: not unix:PATH, tcp:HOST:PORT, tls:HOST:PORT or "
                "ssh:HOST", text);
}

static char *find_file(const char *console, GError **errp)
{
    g_autofree char *own = g_build_filename(g_get_user_config_dir(),
                                            "shadow-console", console, NULL);
    g_autofree char *all = g_build_filename("/etc/shadow-console", console,
                                            NULL);

    if (!address_name_valid(console)) {
        fail(errp, "%s: neither an address nor the name of a console",
             console);
        return NULL;
    }
    if (g_file_test(own, G_FILE_TEST_EXISTS)) {
        return g_steal_pointer(&own);
    }
    return g_steal_pointer(&all);
}

static GStrv read_hosts(const char *file, GError **errp)
{
    g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;
    unsigned count = 0;

    if (!g_file_get_contents(file, &text, NULL, errp)) {
        return NULL;
    }
    lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line; line++) {
        g_strstrip(*line);
        if (!**line || **line == '#') {
            continue;
        }
        if (!address_check(*line, errp)) {
            return NULL;
        }
        if (++count > HOSTS_MAX) {
            fail(errp, "%s: more than 64 hosts", file);
            return NULL;
        }
        g_strv_builder_add(builder, *line);
    }
    if (!count) {
        fail(errp, "%s: names no host", file);
        return NULL;
    }
    return g_strv_builder_end(builder);
}

GStrv address_hosts(const char *console, const char *file, GError **errp)
{
    g_autofree char *found = NULL;

    if (!file && strchr(console, ':')) {
        const char *one[] = { console, NULL };

        return address_check(console, errp) ? g_strdupv((GStrv)one) : NULL;
    }
    found = file ? g_strdup(file) : find_file(console, errp);
    return found ? read_hosts(found, errp) : NULL;
}

static void connected(GObject *source, GAsyncResult *result, void *opaque)
{
    g_autoptr(GTask) task = opaque;
    GError *err = NULL;
    GSocketConnection *connection =
        g_socket_client_connect_finish(G_SOCKET_CLIENT(source), result, &err);

    if (connection) {
        g_task_return_pointer(task, connection, g_object_unref);
    } else {
        g_task_return_error(task, err);
    }
}

bool address_set_tls(const char *ca, const char *cert, GError **errp)
{
    if ((ca || cert) &&
        !g_tls_backend_supports_tls(g_tls_backend_get_default())) {
        return fail(errp, "there is no TLS without %s", "glib-networking");
    }
    if (ca) {
        tls_authorities = g_tls_file_database_new(ca, errp);
    }
    if (cert && (!ca || tls_authorities)) {
        tls_certificate = g_tls_certificate_new_from_file(cert, errp);
    }
    return (!ca || tls_authorities) && (!cert || tls_certificate);
}

/* Before the handshake: the host's name is checked by GIO. */
static void on_event(GSocketClient *client, GSocketClientEvent event,
                     GSocketConnectable *where, GIOStream *stream,
                     void *opaque)
{
    if (event != G_SOCKET_CLIENT_TLS_HANDSHAKING) {
        return;
    }
    if (tls_authorities) {
        g_tls_connection_set_database(G_TLS_CONNECTION(stream),
                                      tls_authorities);
    }
    if (tls_certificate) {
        g_tls_connection_set_certificate(G_TLS_CONNECTION(stream),
                                         tls_certificate);
    }
}

static void connect_socket(GTask *task, GSocketConnectable *where, bool tls)
{
    g_autoptr(GSocketClient) client = g_socket_client_new();

    g_socket_client_set_enable_proxy(client, false);
    if (tls) {
        g_socket_client_set_tls(client, true);
        g_signal_connect(client, "event", G_CALLBACK(on_event), NULL);
    }
    g_socket_client_connect_async(client, where, g_task_get_cancellable(task),
                                  connected, task);
}

/* An ssh that ends with its stream */
static void connect_ssh(GTask *task, const char *host, const char *console)
{
    const char *ssh = g_getenv("SHADOW_CONSOLE_SSH") ?: "ssh";
    GError *err = NULL;
    GSubprocess *child;
    GIOStream *stream;

    child = g_subprocess_new(G_SUBPROCESS_FLAGS_STDIN_PIPE |
                             G_SUBPROCESS_FLAGS_STDOUT_PIPE |
                             G_SUBPROCESS_FLAGS_STDERR_PIPE, &err,
                             ssh, "-T", "-o", "BatchMode=yes",
                             "-o", "ServerAliveInterval=15", "--", host,
                             "shadow-console", "door", console, NULL);
    if (!child) {
        g_task_return_error(task, err);
        g_object_unref(task);
        return;
    }
    stream = g_simple_io_stream_new(g_subprocess_get_stdout_pipe(child),
                                    g_subprocess_get_stdin_pipe(child));
    g_object_set_data_full(G_OBJECT(stream), "child", child, g_object_unref);
    g_task_return_pointer(task, stream, g_object_unref);
    g_object_unref(task);
}

void address_connect(const char *address, const char *console,
                     GCancellable *cancel, GAsyncReadyCallback ready,
                     void *opaque)
{
    GTask *task = g_task_new(NULL, cancel, ready, opaque);
    const char *path = after(address, "unix:"), *host = after(address, "ssh:");
    const char *tls = after(address, "tls:");
    g_autoptr(GSocketConnectable) where = NULL;

    if (host) {
        connect_ssh(task, host, console);
        return;
    }
    if (path) {
        where = G_SOCKET_CONNECTABLE(g_unix_socket_address_new(path));
    } else {
        where = g_network_address_parse(tls ?: after(address, "tcp:"), 0,
                                        NULL);
    }
    connect_socket(task, where, tls);
}

GIOStream *address_connect_finish(GAsyncResult *result, GError **errp)
{
    return g_task_propagate_pointer(G_TASK(result), errp);
}

void address_disconnect(GIOStream *stream)
{
    GSubprocess *child = g_object_get_data(G_OBJECT(stream), "child");

    if (child) {
        g_subprocess_force_exit(child);
    } else {
        /* TLS would say goodbye, and wait for who does not listen */
        g_socket_shutdown(g_socket_connection_get_socket(
                              G_SOCKET_CONNECTION(stream)), true, true, NULL);
    }
}

char *address_complaint(GIOStream *stream)
{
    GSubprocess *child = g_object_get_data(G_OBJECT(stream), "child");
    g_autofree char *line = NULL;
    GPollableInputStream *from;
    char text[2048];
    gssize n;

    if (!child) {
        return NULL;
    }
    from = G_POLLABLE_INPUT_STREAM(g_subprocess_get_stderr_pipe(child));
    n = g_pollable_input_stream_read_nonblocking(from, text, sizeof(text) - 1,
                                                 NULL, NULL);
    if (n <= 0) {
        return NULL;
    }
    text[n] = '\0';
    g_strchomp(text);
    line = g_strdup(strrchr(text, '\n') ? strrchr(text, '\n') + 1 : text);
    return console_printable(line);
}
