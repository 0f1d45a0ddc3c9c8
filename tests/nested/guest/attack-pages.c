/*
 * What root of a cloud VM may do about a private user VM's pages while that
 * runs, on two CPUs at once: begin sessions, take records of any length, give
 * them back, end what the other has begun, with any flags and buffers.
 *
 *     attack-pages GUEST SECRET
 *
 * SECRET stands in the user VM's memory; no record may have it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "attack.h"
#include <pthread.h>
#include <sched.h>

#define THREADS 2
#define CALLS 2000             /* of each */

typedef enum Deed {
    BEGIN, EXPORT, IMPORT, UNSENT, END, STRANGE, RESTORE, SHORT, DEEDS
} Deed;

static const char *const names[DEEDS] = {
    "begin", "export", "import", "unsent", "end", "strange flags", "restore",
    "save without room",
};

/* What each may come to, besides success where that is one */
static const int64_t refusals[DEEDS][4] = {
    [BEGIN] = { 0, -EAGAIN },
    [EXPORT] = { 0, -EBUSY, -ENOSPC, -EAGAIN },
    [IMPORT] = { -EBUSY, -EBUSY },
    [UNSENT] = { 0, -EBUSY, -EAGAIN },
    [END] = { 0, -EALREADY },
    [STRANGE] = { -EINVAL, -EINVAL },
    [RESTORE] = { -EBUSY, -EBADMSG },
    [SHORT] = { -ENOSPC, -ENOSPC },
};

typedef struct Attacker {
    pthread_t thread;
    unsigned cpu;
    uint32_t random;
    uint8_t *buffer;
    uint64_t len;               /* of what was last written there */
    unsigned long made[DEEDS], refused[DEEDS], wrong[DEEDS], shown, records;
    Outcome bad;
} Attacker;

static const char *guest, *secret;

static uint32_t draw(Attacker *a, uint32_t below)
{
    a->random = a->random * 1664525 + 1013904223;
    return (uint64_t)a->random * below >> 32;
}

static Outcome pages(Attacker *a, uint64_t what, uint64_t len)
{
    return attack_tagged(VMMCALL, ULTRACALL_PAGES, guest,
                         (uintptr_t)a->buffer, len, what);
}

static Outcome save(Attacker *a, uint64_t len, uint64_t flags)
{
    return attack_tagged(VMMCALL, ULTRACALL_SAVE, guest, (uintptr_t)a->buffer,
                         len, flags);
}

static Outcome do_deed(Attacker *a, Deed deed)
{
    static const uint64_t strange[] = { 0, 3, 5, 6, 9, 15, 16, 1ull << 63 };
    uint64_t len = draw(a, 2) ? ULTRACALL_RECORD_MAX
                              : draw(a, ULTRACALL_RECORD_MAX + 1);

    switch (deed) {
    case BEGIN:
        return save(a, ULTRACALL_RECORD_MAX, ULTRACALL_SAVE_PAGES);
    case EXPORT:
        return pages(a, ULTRACALL_PAGES_EXPORT, len);
    case IMPORT:
        return pages(a, ULTRACALL_PAGES_IMPORT, draw(a, 2) ? a->len : len);
    case UNSENT:
        return pages(a, ULTRACALL_PAGES_UNSENT, 0);
    case END:
        return pages(a, ULTRACALL_PAGES_END, 0);
    case STRANGE:
        return pages(a, strange[draw(a, 8)], len);
    case RESTORE:
        return attack_tagged(VMMCALL, ULTRACALL_RESTORE, guest,
                             (uintptr_t)a->buffer, a->len ?: len, 0);
    default:
        return save(a, draw(a, 1024), 0);
    }
}

static void look(Attacker *a, Deed deed, const Outcome *o)
{
    const int64_t *ok = refusals[deed];
    bool known = o->status == ok[0];

    a->made[deed]++;
    a->refused[deed] += o->status != 0;
    for (int i = 1; i < 4; i++) {
        known |= ok[i] && o->status == ok[i];
    }
    if (o->signal || !known) {
        a->wrong[deed]++;
        a->bad = *o;
    }
    if (deed == EXPORT && returned(o, 0)) {
        a->len = o->value;
        a->records += !!o->value;
        a->shown += o->value &&
                    memmem(a->buffer, o->value, secret, strlen(secret));
    }
}

static void *attacker(void *opaque)
{
    /* sessions have to last for a while to lead anywhere */
    static const Deed often[] = { EXPORT, EXPORT, EXPORT, UNSENT };
    Attacker *a = opaque;
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(a->cpu % sysconf(_SC_NPROCESSORS_ONLN), &set);
    sched_setaffinity(0, sizeof(set), &set);
    for (unsigned long i = 0; i < CALLS; i++) {
        Deed deed = draw(a, 8) ? often[draw(a, 4)] : draw(a, DEEDS);
        Outcome o = do_deed(a, deed);

        look(a, deed, &o);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    Attacker a[THREADS] = { };
    unsigned long made[DEEDS] = { }, refused[DEEDS] = { };
    unsigned long records = 0, shown = 0;

    if (argc != 3) {
        fprintf(stderr, "usage: attack-pages GUEST SECRET\n");
        return 2;
    }
    guest = argv[1];
    secret = argv[2];
    attack_open();
    for (unsigned i = 0; i < THREADS; i++) {
        a[i].cpu = i;
        a[i].random = i + 1;
        a[i].buffer = area(ULTRACALL_RECORD_MAX + PAGE);
        memset(a[i].buffer, 1, ULTRACALL_RECORD_MAX);
        pthread_create(&a[i].thread, NULL, attacker, &a[i]);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(a[i].thread, NULL);
        for (Deed deed = 0; deed < DEEDS; deed++) {
            made[deed] += a[i].made[deed];
            refused[deed] += a[i].refused[deed];
            check(!a[i].wrong[deed], &a[i].bad, "CPU %u: %s", i, names[deed]);
        }
        records += a[i].records;
        shown += a[i].shown;
    }
    for (Deed deed = 0; deed < DEEDS; deed++) {
        printf("INFO %s: %lu, refused %lu\n", names[deed], made[deed],
               refused[deed]);
    }
    check(records, NULL, "there were records: %lu", records);
    check(!shown, NULL, "none has the secret: %lu", shown);
    pages(&a[0], ULTRACALL_PAGES_END, 0);
    return attack_summary();
}
