/*
 * What root of a cloud VM may do to the binding of a user VM while it runs.
 *
 *     attack-running bind GUEST CYCLES     bind it again, CYCLES times
 *     attack-running unbind GUEST CYCLES   unbind and bind it
 *     attack-running outside GUEST FILE    bind it while L0's operator removes
 * and adds devices and guests, until FILE is there; then as "bind"
 *     attack-running stress GUEST CYCLES   CYCLES wild calls of each of four
 * threads
 *
 * GUEST is a shadow guest that no user VM has.  Its user VM is a few
 * instructions here, that access its serial port on one CPU without a pause,
 * while another makes the calls.  It writes bytes that no kernel's log has.
 *
 * An access that arrives here, made between a BIND that has returned and the
 * next call, is one that L0 has promised never to show.  Of others nothing can
 * be said: this kernel enters the user VM again whenever it likes, and makes
 * the rest of a string's accesses without entering it at all.  So with UNBIND
 * the string has one byte.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "attack.h"
#include <fcntl.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <sched.h>
#include <sys/ioctl.h>

#define COM1         0x3f8
#define MEMORY       0x10000
#define CODE         0x1000
#define DATA         0x2000
#define TURNS        0x3000
#define BYTE         0xb5
#define STRING       (CODE + 17) /* where the length of the string is */
#define LAST_CYCLES  200
#define THREADS      4

static const uint8_t code[] = {
    0xba, 0xf8, 0x03,             /* again: mov $COM1, %dx */
    0xb0, BYTE,                   /* mov $BYTE, %al */
    0xee,                         /* out %al, %dx */
    0xba, 0xff, 0x03,             /* mov $COM1 + 7, %dx */
    0xec,                         /* in %dx, %al */
    0xba, 0xf8, 0x03,             /* mov $COM1, %dx */
    0xbe, 0x00, 0x20,             /* mov $DATA, %si */
    0xb9, 0x04, 0x00,             /* mov $4, %cx */
    0xf3, 0x6e,                   /* rep outsb */
    0x66, 0xff, 0x06, 0x00, 0x30, /* incl TURNS */
    0xeb, 0xe4,                   /* jmp again */
};

static const char *guest;
static unsigned string;      /* its length */
static uint64_t *cookie;
static uint8_t *memory;
/* volatile: one thread sets them while another looks */
static volatile bool stop, ended;
static volatile unsigned long calls; /* odd while one is made */
static volatile bool bound;          /* while it is even */
static volatile unsigned long seen, promised;

static int64_t call(uint32_t nr)
{
    Outcome o = nr == ULTRACALL_BIND
                    ? attack_tagged(VMMCALL, nr, guest, (uintptr_t)cookie,
                                    sizeof(*cookie), 0)
                    : attack_tagged(VMMCALL, nr, guest, 0, 0, 0);

    return o.signal ? -EFAULT : o.status;
}

static void pin(unsigned cpu)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(cpu % sysconf(_SC_NPROCESSORS_ONLN), &set);
    sched_setaffinity(0, sizeof(set), &set);
}

static unsigned turns(void)
{
    /* volatile: the user VM writes it */
    return *(volatile unsigned *)(memory + TURNS);
}

/* Until the user VM has got through all of its accesses twice */
static void wait_turns(void)
{
    unsigned from = turns();

    while (turns() - from < 2 && !ended) {
        sched_yield();
    }
}

/* The user VM */

static int vcpu_create(void)
{
    int kvm = open("/dev/kvm", O_RDWR), vm = ioctl(kvm, KVM_CREATE_VM, 0);
    struct kvm_userspace_memory_region m = {
        .memory_size = MEMORY,
        .userspace_addr = (uintptr_t)memory,
    };
    struct kvm_regs regs = { .rip = CODE, .rflags = 2 };
    struct kvm_sregs sregs;
    int vcpu;

    if (vm < 0 || ioctl(vm, KVM_SET_USER_MEMORY_REGION, &m)) {
        perror("attack-running: /dev/kvm");
        exit(2);
    }
    memset(memory + DATA, BYTE, 4);
    memcpy(memory + CODE, code, sizeof(code));
    memory[STRING] = string;
    vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
    ioctl(vcpu, KVM_GET_SREGS, &sregs);
    sregs.cs.base = sregs.cs.selector = 0;
    ioctl(vcpu, KVM_SET_SREGS, &sregs);
    ioctl(vcpu, KVM_SET_REGS, &regs);
    return vcpu;
}

static void vcpu_access(struct kvm_run *run, unsigned long entered)
{
    uint8_t *data = (uint8_t *)run + run->io.data_offset;

    seen++;
    /* The calls last: there was none while "bound" was looked at. */
    if (bound && !(entered & 1) && entered == calls) {
        promised++;
    }
    if (run->io.direction == KVM_EXIT_IO_IN) {
        memset(data, 0xff, run->io.size * run->io.count);
    }
}

static void *vcpu_thread(void *opaque)
{
    int vcpu = vcpu_create(), kvm = open("/dev/kvm", O_RDWR);
    struct kvm_run *run =
        mmap(NULL, ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0),
             PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);

    pin(0);
    while (!stop) {
        unsigned long entered = calls;
        int ret = ioctl(vcpu, KVM_RUN, 0);

        if (ret < 0 && errno == EINTR) {
            continue;
        }
        if (ret < 0 || run->exit_reason != KVM_EXIT_IO) {
            check(false, NULL, "the user VM runs: exit %u", run->exit_reason);
            break;
        }
        vcpu_access(run, entered);
    }
    ended = true;
    return NULL;
}

static void no_signal(int signal)
{
}

static void vcpu_stop(pthread_t thread)
{
    stop = true;
    while (!ended) {
        pthread_kill(thread, SIGUSR1);
        usleep(1000);
    }
    pthread_join(thread, NULL);
}

/* What is done to it */

static int64_t change(uint32_t nr)
{
    int64_t status;

    calls++;
    status = call(nr);
    bound = nr == ULTRACALL_BIND && !status;
    calls++;
    return status;
}

static void check_unseen(const char *what, unsigned long cycles)
{
    check(!promised, NULL,
          "%s, %lu times: L1 saw %lu accesses of the bound guest (%lu in all)",
          what, cycles, promised, seen);
}

/* The binding is never away: not one access is L1's. */
static void attack_bind(unsigned long cycles)
{
    unsigned long bad = 0;

    check(change(ULTRACALL_BIND) == 0, NULL, "BIND");
    wait_turns();
    seen = 0;
    for (unsigned long n = 0; n < cycles; n++) {
        bad += call(ULTRACALL_BIND) != 0;
        if (n % 8 == 0) {
            wait_turns();
        }
    }
    check(!bad, NULL, "BIND again succeeds, but for %lu times", bad);
    check(!seen, NULL, "L1 saw %lu accesses", seen);
    check_unseen("BIND again", cycles);
}

static void attack_unbind(unsigned long cycles)
{
    static uint8_t junk[2 * PAGE] = "no envelope";
    unsigned long bad = 0;

    for (unsigned long n = 0; n < cycles; n++) {
        bad += change(ULTRACALL_BIND) != 0;
        wait_turns();
        if (n % 8 == 0) {
            attack_tagged(VMMCALL, ULTRACALL_RESTORE, guest, (uintptr_t)junk,
                          sizeof(junk), 0);
        }
        bad += change(ULTRACALL_UNBIND) != 0;
        if (n % 2 == 0) {
            wait_turns();
        }
    }
    check(!bad, NULL, "BIND and UNBIND succeed, but for %lu times", bad);
    check_unseen("UNBIND and BIND", cycles);
}

static void attack_outside(const char *path)
{
    unsigned long n = 0;

    while (access(path, F_OK)) {
        call(ULTRACALL_BIND);
        call(n++ % 4 ? ULTRACALL_QUERY : ULTRACALL_UNBIND);
    }
    check(n > 0, NULL, "%lu calls beside the operator's", n);
    attack_bind(LAST_CYCLES);
}

static void *stress_thread(void *opaque)
{
    static const uint32_t wild[] = {
        ULTRACALL_BIND,    ULTRACALL_UNBIND, ULTRACALL_RESET,
        ULTRACALL_SAVE,    ULTRACALL_ABORT,  ULTRACALL_COMMIT,
        ULTRACALL_RESTORE, ULTRACALL_QUERY,  ULTRACALL_IRQ_POLL,
        ULTRACALL_BIND,    ULTRACALL_RUN,    ULTRACALL_STATE_SIZE,
        ULTRACALL_LAYOUT,
    };
    uint64_t random = (uintptr_t)&random | 1, len = 1 << 20;
    uint8_t *buf = area(len);

    memset(buf, 1, len);
    for (unsigned long n = *(unsigned long *)opaque; n; n--) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        attack_tagged(random >> 8 & 1 ? VMMCALL : DOORBELL,
                      wild[random % (sizeof(wild) / sizeof(wild[0]))], guest,
                      (uintptr_t)buf + (random >> 16) % PAGE, len >> 1,
                      random >> 60);
    }
    return NULL;
}

static void attack_stress(unsigned long cycles)
{
    pthread_t threads[THREADS];

    for (unsigned i = 0; i < THREADS; i++) {
        pthread_create(&threads[i], NULL, stress_thread, &cycles);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    check(call(ULTRACALL_QUERY) != -EFAULT, NULL, "%lu calls of each of %u",
          cycles, THREADS);
}

static void attack(const char *mode, const char *how)
{
    if (!strcmp(mode, "bind")) {
        attack_bind(atol(how));
    } else if (!strcmp(mode, "unbind")) {
        attack_unbind(atol(how));
    } else if (!strcmp(mode, "outside")) {
        attack_outside(how);
    } else {
        attack_stress(atol(how));
    }
}

int main(int argc, char **argv)
{
    struct sigaction kick = { .sa_handler = no_signal };
    pthread_t thread;

    if (argc != 4) {
        fprintf(stderr, "usage: attack-running bind|unbind|stress GUEST "
                        "CYCLES\n"
                        "       attack-running outside GUEST FILE\n");
        return 2;
    }
    guest = argv[2];
    string = strcmp(argv[1], "unbind") ? 4 : 1;
    attack_open();
    sigaction(SIGUSR1, &kick, NULL);
    cookie = (uint64_t *)area(PAGE);
    memory = area(MEMORY);
    *cookie = 0;
    mlock(cookie, PAGE);
    pthread_create(&thread, NULL, vcpu_thread, NULL);
    pin(1);
    wait_turns();
    attack(argv[1], argv[3]);
    vcpu_stop(thread);
    call(ULTRACALL_UNBIND);
    return attack_summary();
}
