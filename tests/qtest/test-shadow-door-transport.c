/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the frames of a door travel in: TLS, with certificates that say who may
 * come, and a websocket.
 */
#include "qemu/osdep.h"
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include "qobject/qlist.h"
#include "shadow-door-user.h"

/* A certificate and its key */
typedef struct Identity {
    gnutls_x509_privkey_t key;
    gnutls_x509_crt_t cert;
} Identity;

#define ok(call) g_assert_cmpint(call, ==, GNUTLS_E_SUCCESS)

static void identity_sign(Identity *id, const Identity *ca)
{
    static unsigned char serial;
    time_t now = time(NULL);

    serial++;
    ok(gnutls_x509_crt_set_version(id->cert, 3));
    ok(gnutls_x509_crt_set_serial(id->cert, &serial, 1));
    ok(gnutls_x509_crt_set_activation_time(id->cert, now - 3600));
    ok(gnutls_x509_crt_set_expiration_time(id->cert, now + 3600));
    ok(gnutls_x509_crt_set_key(id->cert, id->key));
    ok(gnutls_x509_crt_sign2(id->cert, ca->cert, ca->key, GNUTLS_DIG_SHA256,
                             0));
}

/* @purpose: NULL for the authority itself */
static Identity identity_new(const char *name, const char *purpose,
                             const Identity *ca)
{
    g_autofree char *dn = g_strdup_printf("CN=%s", name);
    unsigned usage = purpose ? GNUTLS_KEY_DIGITAL_SIGNATURE |
                               GNUTLS_KEY_KEY_ENCIPHERMENT :
                               GNUTLS_KEY_KEY_CERT_SIGN;
    unsigned bits = GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1);
    Identity id;

    ok(gnutls_x509_privkey_init(&id.key));
    ok(gnutls_x509_privkey_generate(id.key, GNUTLS_PK_ECDSA, bits, 0));
    ok(gnutls_x509_crt_init(&id.cert));
    ok(gnutls_x509_crt_set_dn(id.cert, dn, NULL));
    ok(gnutls_x509_crt_set_basic_constraints(id.cert, !purpose, -1));
    ok(gnutls_x509_crt_set_key_usage(id.cert, usage));
    if (purpose) {
        ok(gnutls_x509_crt_set_key_purpose_oid(id.cert, purpose, 1));
    }
    identity_sign(&id, ca ?: &id);
    return id;
}

static void identity_free(Identity *id)
{
    gnutls_x509_crt_deinit(id->cert);
    gnutls_x509_privkey_deinit(id->key);
}

static void write_pem(const char *name, const Identity *id, bool key)
{
    g_autofree char *path = shadow_path(name);
    gnutls_datum_t pem;

    if (key) {
        ok(gnutls_x509_privkey_export2(id->key, GNUTLS_X509_FMT_PEM, &pem));
    } else {
        ok(gnutls_x509_crt_export2(id->cert, GNUTLS_X509_FMT_PEM, &pem));
    }
    g_assert_true(g_file_set_contents(path, (char *)pem.data, pem.size, NULL));
    gnutls_free(pem.data);
}

/* A client's end of TLS */
typedef struct Tls {
    gnutls_session_t session;
    gnutls_certificate_credentials_t creds;
} Tls;

static ssize_t tls_receive(void *opaque, void *buf, size_t len)
{
    return gnutls_record_recv(((Tls *)opaque)->session, buf, len);
}

static void tls_send(void *opaque, const void *buf, size_t len)
{
    Tls *t = opaque;

    g_assert_cmpint(gnutls_record_send(t->session, buf, len), ==, len);
}

static void tls_start(Tls *t, int fd, Identity *id)
{
    ok(gnutls_certificate_allocate_credentials(&t->creds));
    ok(gnutls_certificate_set_x509_key(t->creds, &id->cert, 1, id->key));
    ok(gnutls_init(&t->session, GNUTLS_CLIENT));
    ok(gnutls_set_default_priority(t->session));
    ok(gnutls_credentials_set(t->session, GNUTLS_CRD_CERTIFICATE, t->creds));
    gnutls_transport_set_int(t->session, fd);
    gnutls_handshake_set_timeout(t->session, SHADOW_HANGS_US / 1000);
    gnutls_record_set_timeout(t->session, SHADOW_HANGS_US / 1000);
}

static void tls_end(Tls *t)
{
    gnutls_deinit(t->session);
    gnutls_certificate_free_credentials(t->creds);
}

static QTestState *start_tls(const Identity *ca, const Identity *server)
{
    QTestState *qts = shadow_renew_com1();

    write_pem("ca-cert.pem", ca, false);
    write_pem("server-cert.pem", server, false);
    write_pem("server-key.pem", server, true);
    qtest_qmp_assert_success(qts, "{ 'execute': 'object-add', 'arguments': {"
                             " 'qom-type': 'tls-creds-x509', 'id': 'tls',"
                             " 'endpoint': 'server', 'dir': %s,"
                             " 'verify-peer': true } }", shadow_dir);
    qtest_qmp_assert_success(qts, "{ 'execute': 'object-add', 'arguments': {"
                             " 'qom-type': 'authz-simple', 'id': 'auth',"
                             " 'identity': 'CN=alice' } }");
    door_add(qts, ", 'tls-creds': 'tls', 'tls-authz': 'auth'");
    return qts;
}

/* Who has the right name in his certificate may come, and is known by it. */
static void test_tls(void)
{
    Identity ca = identity_new("ca", NULL, NULL);
    Identity server = identity_new("server", GNUTLS_KP_TLS_WWW_SERVER, &ca);
    Identity alice = identity_new("alice", GNUTLS_KP_TLS_WWW_CLIENT, &ca);
    Identity mallory = identity_new("mallory", GNUTLS_KP_TLS_WWW_CLIENT, &ca);
    QTestState *qts = start_tls(&ca, &server);
    Tls tls;
    DoorTransport transport = { tls_receive, tls_send, &tls };
    int fd = user_connect("door");
    const QListEntry *first;
    DoorUser *u;
    QDict *state;
    char c;

    tls_start(&tls, fd, &alice);
    ok(gnutls_handshake(tls.session));
    u = door_connect_by(fd, &transport);
    state = qdict_get_qdict(u->said, "state");
    first = qlist_first(qdict_get_qlist(state, "clients"));
    g_assert_cmpstr(qdict_get_str(qobject_to(QDict, first->value), "peer"),
                    ==, "CN=alice");
    door_hello(u, "whoever");
    door_start(u, SHADOW_WIRE_FROM_END, 0);
    door_take(u, SHADOW_WIRE_TAKE_FREE);
    door_type(u, "secret");
    uart_expect(qts, COM1, "secret");
    uart_write(qts, COM1, "out");
    door_expect(u, SHADOW_WIRE_OUTPUT);
    door_leave(u);
    tls_end(&tls);

    fd = user_connect("door");
    tls_start(&tls, fd, &mallory);
    /* she learns so by the handshake, or by its end */
    if (gnutls_handshake(tls.session) == GNUTLS_E_SUCCESS) {
        g_assert_cmpint(tls_receive(&tls, &c, 1), <=, 0);
    }
    tls_end(&tls);
    close(fd);
    shadow_wait_clients(qts, "com1", 0);
    shadow_object_del(qts, "d1");
    shadow_object_del(qts, "tls");
    shadow_object_del(qts, "auth");
    identity_free(&alice);
    identity_free(&mallory);
    identity_free(&server);
    identity_free(&ca);
}

/* The door goes while a client is in the middle of a handshake. */
static void test_handshake_cut(void)
{
    Identity ca = identity_new("ca", NULL, NULL);
    Identity server = identity_new("server", GNUTLS_KP_TLS_WWW_SERVER, &ca);
    QTestState *qts = start_tls(&ca, &server);
    int fd = user_connect("door"), other = user_connect("door");
    char c;

    /* a record of a handshake begins, and does not go on */
    user_send(fd, "\x16\x03\x01");
    shadow_wait_clients(qts, "com1", 0);
    shadow_object_del(qts, "d1");
    g_assert_cmpint(user_receive(fd, &c, 1), <=, 0);
    g_assert_cmpint(user_receive(other, &c, 1), <=, 0);
    close(fd);
    close(other);
    shadow_object_del(qts, "tls");
    shadow_object_del(qts, "auth");
    identity_free(&server);
    identity_free(&ca);
}

/* A websocket: one that is masked with zeros is as it was */

static void receive_all(int fd, void *buf, size_t len)
{
    for (size_t have = 0; have < len; ) {
        ssize_t n = user_receive(fd, (char *)buf + have, len - have);

        g_assert_cmpint(n, >, 0);
        have += n;
    }
}

static ssize_t ws_receive(void *opaque, void *buf, size_t len)
{
    int fd = *(int *)opaque;
    uint8_t header[2], more[2];
    size_t size;

    receive_all(fd, header, sizeof(header));
    g_assert_cmphex(header[0], ==, 0x82);
    size = header[1];
    if (size == 126) {
        receive_all(fd, more, sizeof(more));
        size = more[0] << 8 | more[1];
    }
    g_assert_cmpuint(size, <=, len);
    receive_all(fd, buf, size);
    return size;
}

static void ws_send(void *opaque, const void *buf, size_t len)
{
    uint8_t header[6] = { 0x82, 0x80 | len };

    g_assert_cmpuint(len, <, 126);
    g_assert_cmpint(write(*(int *)opaque, header, sizeof(header)), ==,
                    sizeof(header));
    g_assert_cmpint(write(*(int *)opaque, buf, len), ==, len);
}

/* A websocket of a page of @origin, a line of HTTP or "" */
static int ws_connect(const char *origin)
{
    g_autofree char *request = g_strdup_printf(
        "GET / HTTP/1.1\r\nHost: door\r\nConnection: Upgrade\r\n"
        "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s"
        "Sec-WebSocket-Protocol: binary\r\n\r\n", origin);
    g_autoptr(GString) answer = g_string_new("");
    int fd = user_connect("door");

    user_send(fd, request);
    while (!strstr(answer->str, "\r\n\r\n")) {
        char c;

        receive_all(fd, &c, 1);
        g_string_append_c(answer, c);
    }
    g_assert_true(g_str_has_prefix(answer->str, "HTTP/1.1 101 "));
    return fd;
}

static void test_websocket(void)
{
    QTestState *qts = shadow_renew_com1();
    g_autofree char *text = shadow_pattern(1000);
    int fd;
    DoorTransport transport = { ws_receive, ws_send, &fd };
    DoorUser *u;

    door_add(qts, ", 'websocket': true");
    fd = ws_connect("");
    u = door_connect_by(fd, &transport);
    door_hello(u, "web");
    door_start(u, SHADOW_WIRE_FROM_END, 0);
    door_take(u, SHADOW_WIRE_TAKE_FREE);
    door_type(u, "typed");
    uart_expect(qts, COM1, "typed");
    door_ping(u);
    uart_write(qts, COM1, text);
    door_expect_output(u, text);
    door_leave(u);
    shadow_object_del(qts, "d1");
}

static void test_origin(void)
{
    static const char *const strangers[] = {
        "", "Origin: https://evil.example\r\n", "Origin: null\r\n",
        "Origin: http://a.example\r\n", "Origin: https://a.example:444\r\n",
        "Origin: https://a.example.evil.example\r\n", "Origin: \r\n",
        "Origin: https://a.example https://b.example:5000\r\n",
        "Origin: https://evil.example\r\nOrigin: https://a.example\r\n",
    };
    QTestState *qts = shadow_renew_com1();
    int fd;
    DoorTransport transport = { ws_receive, ws_send, &fd };
    DoorUser *u;

    door_add(qts, ", 'websocket': true,"
                  "'origin': 'https://a.example https://b.example:5000'");
    for (unsigned i = 0; i < ARRAY_SIZE(strangers); i++) {
        g_test_message("%s", strangers[i]);
        fd = ws_connect(strangers[i]);
        u = door_stand_at(fd, &transport);
        door_expect_text(u, SHADOW_WIRE_ERROR, "a page of this origin");
        door_leave(u);
    }
    shadow_wait_clients(qts, "com1", 0);
    fd = ws_connect("Origin: https://B.example:5000\r\n");
    u = door_connect_by(fd, &transport);
    door_hello(u, "web");
    door_leave(u);
    shadow_object_del(qts, "d1");
}

int main(int argc, char **argv)
{
    shadow_test_init(&argc, &argv);
    qtest_add_func("/shadow-door/tls", test_tls);
    qtest_add_func("/shadow-door/handshake-cut", test_handshake_cut);
    qtest_add_func("/shadow-door/websocket", test_websocket);
    qtest_add_func("/shadow-door/origin", test_origin);
    return shadow_test_run();
}
