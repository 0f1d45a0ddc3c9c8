/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the tests of the shadow devices share: a QEMU with an ultracall device
 * and a shadow-testdev, calls, nested port accesses, users, and queries.
 */
#ifndef SHADOW_COMMON_H
#define SHADOW_COMMON_H

#include "tests/qtest/libqtest.h"
#include "qemu/bswap.h"
#include "qobject/qdict.h"
#include "shadow/hw/misc/shadow-testdev.h"
#include "shadow/include/ultracall.h"

#define SHADOW_KEY      "0123456789abcdef0123456789abcdef"
#define SHADOW_OTHER_KEY "fedcba9876543210fedcba9876543210"
#define SHADOW_PROCESS  0x1000  /* CR3 of the process that is bound */

/*
 * Whatever has not come by then hangs, also on a busy machine: a moment is
 * what it takes on an idle one.
 */
#define SHADOW_HANGS_US (shadow_hangs() * G_USEC_PER_SEC)
/* Seconds; SHADOW_HANGS in the environment, for code that is known to hang */
unsigned shadow_hangs(void);

/* Guest-physical addresses that the tests use */
#define TESTDEV_BASE    0xfe000000ULL
#define SHADOW_RAM_SIZE 0x8000000ULL
#define SHADOW_TAG      0x100000
#define SHADOW_COOKIES  0x101000
#define SHADOW_BUF      0x200000
#define SHADOW_BUF_SIZE 0x2000000
#define SHADOW_ROM      0xfffff000ULL
#define SHADOW_HOLE     0xfd000000ULL

#define COM1 0x3f8
#define COM2 0x2f8

/* Registers of a 16550 */
enum {
    UART_DATA = 0,
    UART_IER = 1,
    UART_IIR = 2,
    UART_FCR = 2,
    UART_LCR = 3,
    UART_MCR = 4,
    UART_LSR = 5,
    UART_MSR = 6,
    UART_SCR = 7,
};

#define LSR_DR   0x01
#define LSR_BI   0x10
#define LSR_THRE 0x20
#define LSR_TEMT 0x40
#define IER_MSI  0x08
#define MSR_DCTS 0x01
#define MSR_CTS  0x10

/* "com1" at its usual place, for a user who comes to socket "c0" */
#define SHADOW_CHARDEV \
    "-chardev socket,id=c0,path=%s/c0,server=on,wait=off "
#define SHADOW_COM1 \
    SHADOW_CHARDEV "-device shadow-serial,id=com1,guest=vm1,chardev=c0"

/* g_test_init(), a folder for sockets and files, g_test_run(), clean up */
int shadow_test_run(void);
void shadow_test_init(int *argc, char ***argv);
extern char *shadow_dir;
char *shadow_path(const char *name);

/*
 * A file with what a bzImage has at least; @version is that of its boot
 * protocol.
 */
#define SHADOW_KERNEL_LEN 4096
void shadow_kernel_file(const char *name, size_t len, uint16_t version);

/* A QEMU with key0, the guest vm1 with @guest_props, and @fmt */
QTestState *shadow_start(const char *guest_props, const char *fmt, ...)
    G_GNUC_PRINTF(2, 3);
/* The same with com1, and vm1 bound to SHADOW_PROCESS */
QTestState *shadow_start_com1(void);
QTestState *shadow_start_com1_with(const char *guest_props);

/*
 * As shadow_start_com1(), but in a QEMU that all tests of a program share and
 * none quits: guest, device and chardev are new, and the test device is as
 * new.  @props are those of com1, and start with a comma.
 */
QTestState *shadow_renew_com1(void);
QTestState *shadow_renew_com1_with(const char *props);
QTestState *shadow_renew_com1_unbound(const char *props);
/* shadow_test_run() does it. */
void shadow_shared_quit(void);

/* A guest that waits for its state, bound, with its user at "d0" */
QTestState *shadow_start_incoming(const char *com1_props);
QTestState *shadow_start_incoming_with(const char *guest_props,
                                       const char *com1_props);

/* Why a QEMU that starts now could protect no guest; NULL if it could */
void shadow_host_lacks(const char *missing);
#define SHADOW_MISSING "this processor cannot"
/* What a user of com1 is told first, if it is not protected */
#define SHADOW_EXPOSED \
    "[shadow-serial vm1/com1: not protected from the cloud VM]\r\n"
/* vm1 with com1 on a host that cannot protect it */
QTestState *shadow_start_exposed(void);

/* What QEMU writes to stderr when it does not want to start with @args */
char *shadow_refuses_to_start(const char *args);

/* Calls; the result is that of the call */
int shadow_call_args(QTestState *qts, unsigned nr, uint64_t a0, uint64_t a1,
                     uint64_t a2, uint64_t a3, uint64_t a4);
int shadow_call(QTestState *qts, unsigned nr, const char *tag, uint64_t buf,
                uint64_t len, uint64_t flags);
/* With the arguments of the call before */
int shadow_call_again(QTestState *qts, unsigned nr);
uint64_t shadow_value(QTestState *qts);
int shadow_simple(QTestState *qts, unsigned nr, const char *tag);

/* Who calls, and who makes nested entries from now on */
void shadow_enter(QTestState *qts, uint64_t process, uint64_t root,
                  uint64_t vmcb);
/* Bind @tag to @process, with its cookie in slot @n; enter as @process */
void shadow_bind(QTestState *qts, const char *tag, uint64_t process,
                 unsigned n);

/* Calls SAVE until it is done; the envelope is at SHADOW_BUF. */
int shadow_save(QTestState *qts, const char *tag);
int shadow_save_flags(QTestState *qts, const char *tag, uint64_t flags);
/* The same, which must succeed; returns the envelope */
GByteArray *shadow_envelope(QTestState *qts, const char *tag);
GByteArray *shadow_envelope_flags(QTestState *qts, const char *tag,
                                  uint64_t flags);
/* The same of vm1, which goes on */
GByteArray *shadow_snapshot(QTestState *qts);
int shadow_restore(QTestState *qts, const char *tag, const void *env,
                   size_t len);

/* Of vm1 */
int shadow_restore_env(QTestState *qts, const GByteArray *env);
/* Answered with @err, and vm1 is as it was */
void shadow_restore_unchanged(QTestState *qts, const GByteArray *env, int err);

/* SAVE, RESTORE, COMMIT */
void shadow_move(QTestState *from, QTestState *to);
/* The first nested entry, by a register without side effects */
void shadow_run(QTestState *qts);

struct ultracall_guest shadow_query_call(QTestState *qts, const char *tag);
uint64_t shadow_epoch(QTestState *qts);
struct ultracall_device shadow_irq_poll(QTestState *qts, const char *tag,
                                        unsigned n);

/* @len letters, of which neighbours differ; to be freed */
char *shadow_pattern(size_t len);

/* Nested port accesses */
uint8_t port_in(QTestState *qts, uint16_t port);
void port_out(QTestState *qts, uint16_t port, uint8_t val);
uint64_t port_missed(QTestState *qts);
/* Who has served an access to COM1 */
typedef enum Server {
    DEVICE,
    NOBODY,
    SOMEBODY_ELSE,
} Server;
Server port_server(QTestState *qts);
/* Enter; whether the shadow device has COM1 */
bool entry_claimed(QTestState *qts, uint64_t process, uint64_t root,
                   uint64_t vmcb);
/* COM1 with a value of its own in every register */
void uart_program(QTestState *qts);
/* Until all of @bits stand in the LSR */
void uart_wait(QTestState *qts, uint16_t base, uint8_t bits);
void uart_write(QTestState *qts, uint16_t base, const char *text);
/* Poll for as many bytes as @text has, and compare */
void uart_expect(QTestState *qts, uint16_t base, const char *text);

/* A user at the socket @name */
int user_connect(const char *name);
void user_send(int fd, const char *text);
/* What read() returns, once there is something: not later than what hangs */
ssize_t user_receive(int fd, char *buf, size_t len);
void user_expect(int fd, const char *text);
void user_expect_nothing(int fd);
void user_expect_end(int fd);
/* A line to the user of vm1/com1, and its counts of bytes */
void user_expect_line(int fd, const char *what, unsigned input,
                      unsigned output);
/* The last line of a connection, and its end */
void user_expect_notice(int fd, const char *what, unsigned input,
                        unsigned output);

/*
 * A user who reads no more than the test does: a pipe, since its size can be
 * chosen; for a -chardev pipe,path=BASE
 */
#define PIPE_USER_SIZE 4096
typedef struct PipeUser {
    char *base, *in, *out;
    int to, from;
} PipeUser;
/* Of what he is sent, @filled bytes are there already. */
void pipe_user_start(PipeUser *p, unsigned filled);
void pipe_user_send(PipeUser *p, const char *text);
void pipe_user_end(PipeUser *p);

/* Queries */
QDict *shadow_query(QTestState *qts, const char *guest);
QDict *shadow_query_device(QTestState *qts, const char *device);
unsigned shadow_count_guests(QTestState *qts);
/* All of vm1 that can be queried, but for what counts calls; and again */
QDict *shadow_view(QTestState *qts);
void shadow_assert_same(QTestState *qts, QDict *before);
uint64_t shadow_guest_count(QTestState *qts, const char *key);
uint64_t shadow_count(QTestState *qts, const char *device, const char *key);
void shadow_wait_count(QTestState *qts, const char *device, const char *key,
                       uint64_t val);
void shadow_wait_connected(QTestState *qts, const char *device, bool val);
void shadow_assert_state(QTestState *qts, const char *guest,
                         const char *state);
void shadow_assert_bound(QTestState *qts, const char *guest, bool by_process,
                         bool by_tag);
void shadow_assert_protection(QTestState *qts, const char *protection,
                              unsigned breaks);

/* Resident memory that no file and no other process has, in KiB */
unsigned shadow_memory(QTestState *qts);
/* It was @before, and is at most @kib more; but with a sanitizer. */
void shadow_assert_memory(QTestState *qts, unsigned before, unsigned kib);

/* The data of the next such event */
QDict *shadow_event(QTestState *qts, const char *name);
void shadow_expect_bound(QTestState *qts, bool by_tag);
void shadow_expect_unbound(QTestState *qts, const char *guest,
                           const char *reason);

/* A user of vm1/com1 has come: what has been typed, and what he is sent from */
void shadow_expect_connected(QTestState *qts, uint64_t input, uint64_t output);
/* The same, and he is sent @notice first */
void shadow_expect_connected_told(QTestState *qts, uint64_t input,
                                  uint64_t output, const char *notice);
/* The next refusal, for a reason that contains @what */
void shadow_expect_refused(QTestState *qts, const char *guest,
                           const char *what);

/* With key0 for its secret */
void shadow_add_guest(QTestState *qts, const char *id);
/* A shadow-serial */
void shadow_add_port(QTestState *qts, const char *id, const char *guest,
                     unsigned iobase);
void shadow_object_del(QTestState *qts, const char *id);

/* Hosts with keys of their own: this one is h0, made of @secret */
void shadow_add_host(QTestState *qts, const char *secret);
/* "signing-key" or "encryption-key"; to be freed */
char *shadow_host_key(QTestState *qts, const char *which);
/* The operator of @from says where the guest goes ... */
void shadow_set_destination(QTestState *from, const char *guest,
                            QTestState *to);
/* ... and that of @to whom it takes envelopes from. */
void shadow_trust(QTestState *to, QTestState *from);

/* A QMP command that must fail, with a message that contains @what */
void shadow_qmp_refused(QTestState *qts, const char *what,
                        const char *fmt, ...) G_GNUC_PRINTF(3, 4);

#endif /* SHADOW_COMMON_H */
