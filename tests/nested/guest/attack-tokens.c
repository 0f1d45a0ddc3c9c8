/*
 * Calls without I/O permission, by a token that only the administrator can
 * read.  As root of a cloud VM, whose kernel may be locked down.
 *
 *     attack-tokens rights         who may call, and who may not
 *     attack-tokens guess N        as a user, on two CPUs, N guesses each
 *     attack-tokens token          print it
 *     attack-tokens stale TOKEN    that one admits nobody any more
 *     attack-tokens nothing        this process may make no call
 *     attack-tokens absent PID     that process has no token in its memory
 *
 * Each check is one line, PASS or FAIL; the exit status is non-zero after a
 * FAIL.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "attack-rights.h"
#include "process-memory.h"
#include <pthread.h>

#define LEN   ULTRACALL_TOKEN_LEN
#define ENDED 300 /* processes, one after the other */

static struct ultracall_client client;
static uint8_t *page; /* at the same address in all children */

static Outcome admit(const uint8_t *token)
{
    memcpy(page, token, LEN);
    return attack_call(VMMCALL, ULTRACALL_ADMIT, (uintptr_t)page, LEN, 0, 0,
                       0);
}

static Outcome draw(uint8_t *ticket)
{
    return attack_call(VMMCALL, ULTRACALL_ADMIT, (uintptr_t)ticket, LEN,
                       ULTRACALL_ADMIT_TICKET, 0, 0);
}

/* By instruction; the doorbell stays closed. */
static void check_admitted(const char *who)
{
    Outcome o = probe(VMMCALL);

    check(returned(&o, 0), &o, "%s may call", who);
    check(probe(DOORBELL).signal == SIGSEGV, NULL,
          "%s may not ring the doorbell", who);
}

static void be_user(void)
{
    if (setgid(USER) || setuid(USER)) {
        perror("setuid");
        exit(2);
    }
}

static int readable(const char *path)
{
    uint8_t config[256];
    int fd = open(path, O_RDONLY);
    int n = fd < 0 ? -1 : pread(fd, config, sizeof(config), 0);

    close(fd);
    return n;
}

static void user_reads(void)
{
    char path[400];
    const char *name = strrchr(client.sysfs, '/') + 1;

    be_user();
    snprintf(path, sizeof(path), "%s/config", client.sysfs);
    check(readable(path) == 64, NULL, "a user reads the header of %s", path);
    /* 0000:00:04.0 */
    snprintf(path, sizeof(path), "/proc/bus/pci/%.2s/%s", name + 5, name + 8);
    check(readable(path) <= 64, NULL, "and no more of %s", path);
    snprintf(path, sizeof(path), "%s/resource%d", client.sysfs, ULTRACALL_BAR);
    check(readable(path) < 0, NULL, "nor anything of %s", path);
}

static uint8_t token[LEN], ticket[LEN];

static void user_guesses(void)
{
    bool ok = true;
    Outcome o;

    be_user();
    for (unsigned bit = 0; ok && bit < 8 * LEN; bit++) {
        uint8_t guess[LEN];

        memcpy(guess, token, LEN);
        guess[bit / 8] ^= 1 << bit % 8;
        o = admit(guess);
        ok = returned(&o, -EPERM) && !memcmp(page, guess, LEN);
    }
    check(ok, &o, "what is nearly the token admits nobody");
    o = draw(page);
    check(refused(&o), &o, "a user may draw no ticket");
    check_may_not("a user");
}

static void user_with_token(void)
{
    Outcome o;

    be_user();
    o = admit(token);
    check(returned(&o, 0) && memcmp(page, token, LEN), &o,
          "a user who was given the token is admitted");
    check_admitted("he");
}

static void user_with_ticket(void)
{
    Outcome o;

    be_user();
    o = admit(ticket);
    check(returned(&o, 0), &o, "a user who was given a ticket is admitted");
    check_admitted("he");
    o = attack_call(VMMCALL, ULTRACALL_ADMIT, (uintptr_t)ticket, LEN,
                    ULTRACALL_ADMIT_TICKET, 0, 0);
    check(returned(&o, -EPERM), &o, "he draws none for others");
}

static void user_with_used_ticket(void)
{
    Outcome o;

    be_user();
    o = admit(ticket);
    check(returned(&o, -EPERM), &o, "a ticket is good once");
    check_may_not("a user with a used ticket");
}

static void *in_thread(void *opaque)
{
    check_admitted("another thread");
    return NULL;
}

static void child_of_admitted(void)
{
    check_may_not("a child of an admitted process");
}

static void admitted_executes(void)
{
    Outcome o = admit(token);

    check(returned(&o, 0), &o, "a process is admitted");
    fflush(stdout);
    execl("/proc/self/exe", "attack-tokens", "nothing", NULL);
    perror("execl");
}

static void admitted_forgets(void)
{
    uint64_t cookie;
    Outcome o = admit(token);

    memcpy(&cookie, page, sizeof(cookie));
    check(returned(&o, 0), &o, "a process is admitted");
    *page ^= 1;
    o = probe(VMMCALL);
    check(returned(&o, -EPERM), &o, "until its cookie is overwritten");
    memcpy(page, &cookie, sizeof(cookie));
    check_may_not("it, also with the cookie again,");
}

/*
 * Its page tables are the next one's: what that has at the cookie's address is
 * no cookie.
 */
static void after_others(void)
{
    unsigned admitted = 0, wrong = 0;

    for (unsigned i = 0; i < ENDED; i++) {
        int status = 0;

        if (fork() == 0) {
            Outcome o = admit(token);

            _exit(returned(&o, 0));
        }
        wait(&status);
        admitted += WEXITSTATUS(status) == 1;
        if (fork() == 0) {
            Outcome o;

            be_user();
            if (i & 1) {
                memset(page, i, LEN);
            }
            o = probe(VMMCALL);
            _exit(!refused(&o));
        }
        wait(&status);
        wrong += status != 0;
    }
    check(admitted == ENDED, NULL, "%u processes were admitted, and ended",
          admitted);
    check(!wrong, NULL, "those after them: %u may call", wrong);
}

static void attack_rights(void)
{
    pthread_t thread;
    Outcome o;

    check(ultracall_token_from_pci(&client, token) == 0, NULL,
          "root reads the token");
    check_may_not("root, before");
    check(ultracall_admit_self(&client) == 0, NULL, "root is admitted");
    check_admitted("root");
    check(*client.cookie && memcmp(client.cookie, token, LEN), NULL,
          "the token has gone from its memory");
    pthread_create(&thread, NULL, in_thread, NULL);
    pthread_join(thread, NULL);
    in_child(child_of_admitted);
    in_child(user_reads);
    in_child(user_guesses);
    in_child(user_with_token);
    o = draw(ticket);
    check(returned(&o, 0), &o, "root draws a ticket");
    in_child(user_with_ticket);
    in_child(user_with_used_ticket);
    in_child(admitted_forgets);
    in_child(admitted_executes);
    in_child(after_others);
    check_admitted("root, afterwards,");
}

/* Guessing */

static unsigned long rounds;

static void *guesser(void *opaque)
{
    uint64_t guess[LEN / 8] = { 0x9e3779b97f4a7c15, (uintptr_t)guess };
    unsigned long wrong = 0;

    for (unsigned long i = 0; i < rounds; i++) {
        uint64_t value = 0, rax = ULTRACALL_MAGIC | ULTRACALL_ADMIT;
        const uint64_t a[ULTRACALL_ARGS] = { (uintptr_t)guess, LEN };

        guess[i & 1] = guess[i & 1] * 6364136223846793005 + 1442695040888963407;
        attack_instruction(VMMCALL, &rax, &value, a);
        wrong += (int64_t)rax != -EPERM;
    }
    return (void *)wrong;
}

static void attack_guess(void)
{
    pthread_t thread[2];
    void *wrong;

    be_user();
    for (unsigned i = 0; i < 2; i++) {
        pthread_create(&thread[i], NULL, guesser, NULL);
    }
    for (unsigned i = 0; i < 2; i++) {
        pthread_join(thread[i], &wrong);
        check(!wrong, NULL, "%lu guesses, of which %lu were right", rounds,
              (unsigned long)wrong);
    }
    check_may_not("who has guessed");
}

static void attack_stale(const char *text)
{
    uint8_t now[LEN];
    Outcome o;

    for (unsigned i = 0; i < LEN; i++) {
        sscanf(text + 2 * i, "%2hhx", &token[i]);
    }
    check(ultracall_token_from_pci(&client, now) == 0 &&
          memcmp(now, token, LEN), NULL, "there is another token");
    o = admit(token);
    check(returned(&o, -EPERM), &o, "the old one admits nobody");
    check_may_not("who has it");
}

static unsigned long bytes_read, tokens_found;

static void find_tokens(int mem, uint64_t first, uint64_t last)
{
    static uint8_t part[1 << 20];
    ssize_t n;

    for (; first < last; first += n - LEN) {
        n = pread(mem, part, sizeof(part), first);
        if (n <= LEN) {
            break;
        }
        bytes_read += n;
        tokens_found += memmem(part, n, token, LEN) != NULL;
    }
}

/* Absent from all of its memory that it can read itself */
static void attack_absent(const char *pid)
{
    bool ours;

    ultracall_token_from_pci(&client, token);
    ours = process_memory(pid, find_tokens);
    check(ours && !tokens_found && bytes_read > 1 << 20, NULL,
          "%lu tokens in %lu bytes of process %s", tokens_found, bytes_read,
          pid);
}

static void print_token(void)
{
    ultracall_token_from_pci(&client, token);
    for (unsigned i = 0; i < LEN; i++) {
        printf("%02x", token[i]);
    }
    putchar('\n');
}

int main(int argc, char **argv)
{
    if (argc < 2 || ultracall_find(&client)) {
        fprintf(stderr, "usage: attack-tokens rights|guess|token|stale|"
                        "nothing|absent [N|TOKEN|PID]\n");
        return 2;
    }
    doorbell = client.port;
    page = area(PAGE);
    attack_catch_signals();
    if (!strcmp(argv[1], "token")) {
        print_token();
        return 0;
    }
    if (!strcmp(argv[1], "rights")) {
        attack_rights();
    } else if (!strcmp(argv[1], "guess") && argc == 3) {
        rounds = atol(argv[2]);
        attack_guess();
    } else if (!strcmp(argv[1], "stale") && argc == 3) {
        attack_stale(argv[2]);
    } else if (!strcmp(argv[1], "absent") && argc == 3) {
        attack_absent(argv[2]);
    } else {
        check_may_not("a new program");
    }
    return attack_summary();
}
