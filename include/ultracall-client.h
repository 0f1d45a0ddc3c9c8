/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ultracalls: what a program of a cloud VM does before its first call.  Part of
 * ultracall.h, with ULTRACALL_CLIENT.
 */
#ifndef ULTRACALL_CLIENT_H
#define ULTRACALL_CLIENT_H

static inline int ultracall_sysfs_read(const char *dir, const char *file,
                                       const char *format, void *val)
{
    char path[600];
    FILE *f;
    int n;

    snprintf(path, sizeof(path), "%s/%s", dir, file);
    f = fopen(path, "r");
    if (!f) {
        return -1;
    }
    n = fscanf(f, format, val);
    fclose(f);
    return n == 1 ? 0 : -1;
}

/*
 * In the control domain of a hypervisor such as Xen the instruction is refused
 * to a program that may write to the doorbell: forget it then.
 */
static inline void ultracall_choose(struct ultracall_client *c)
{
    struct ultracall_probe probe = { 0 };
    uint64_t value;

    if (c->features & ULTRACALL_F_INSTRUCTION &&
        ultracall(c, ULTRACALL_PROBE, (uintptr_t)&probe, sizeof(probe), 0, 0,
                  0, &value) == -EPERM) {
        c->features &= ~ULTRACALL_F_INSTRUCTION;
    }
}

/* The first port of BAR 0, or 0 if that is not what the interface has. */
static inline uint16_t ultracall_sysfs_port(const char *dir)
{
    unsigned long long first = 0, last = 0, flags = 0;
    char path[600];
    FILE *f;
    int n;

    snprintf(path, sizeof(path), "%s/resource", dir);
    f = fopen(path, "r");
    if (!f) {
        return 0;
    }
    n = fscanf(f, "%llx %llx %llx", &first, &last, &flags);
    fclose(f);
    /* 0x100: Linux' IORESOURCE_IO */
    return n == 3 && flags & 0x100 && last <= UINT16_MAX &&
           last - first == ULTRACALL_BAR_SIZE - 1 ? first : 0;
}

/*
 * Find the PCI function: its folder and its port.  -ENODEV: there is none; or
 * what opendir() said.
 */
static inline int ultracall_find(struct ultracall_client *c)
{
    static const char bus[] = "/sys/bus/pci/devices";
    unsigned vendor, device;
    struct dirent *e;
    DIR *d = opendir(bus);

    memset(c, 0, sizeof(*c));
    if (!d) {
        return -errno;
    }
    while (!c->port && (e = readdir(d))) {
        snprintf(c->sysfs, sizeof(c->sysfs), "%s/%s", bus, e->d_name);
        if (!ultracall_sysfs_read(c->sysfs, "vendor", "%x", &vendor) &&
            !ultracall_sysfs_read(c->sysfs, "device", "%x", &device) &&
            vendor == ULTRACALL_PCI_VENDOR && device == ULTRACALL_PCI_DEVICE) {
            c->port = ultracall_sysfs_port(c->sysfs);
        }
    }
    closedir(d);
    return c->port ? 0 : -ENODEV;
}

/*
 * Ask what L0 can do, in the way of @c->features.  Returns 0; -EPROTO: it
 * speaks another version; -ENXIO: nobody answers; or what L0 said.
 */
static inline int ultracall_ask(const struct ultracall_client *c,
                                struct ultracall_probe *probe)
{
    uint64_t value;
    int64_t ret;

    memset(probe, 0, sizeof(*probe));
    ret = ultracall(c, ULTRACALL_PROBE, (uintptr_t)probe, sizeof(*probe), 0,
                    0, 0, &value);
    if (ret) {
        /* RAX as it was: where I/O is not enabled, nothing has happened */
        return ret > 0 ? -ENXIO : ret;
    }
    return probe->version == ULTRACALL_VERSION ? 0 : -EPROTO;
}

/* A ticket in the environment: 2 * ULTRACALL_TOKEN_LEN hexadecimal digits */
#define ULTRACALL_TICKET_ENV "SHADOW_TICKET"

/* It is good once, and leaves no trace in this program. */
static inline int ultracall_token_from_env(uint8_t *token)
{
    char *text = getenv(ULTRACALL_TICKET_ENV);
    unsigned n = 0;

    if (!text) {
        return -1;
    }
    while (n < ULTRACALL_TOKEN_LEN &&
           sscanf(text + 2 * n, "%2hhx", &token[n]) == 1) {
        n++;
    }
    explicit_bzero(text, strlen(text));
    unsetenv(ULTRACALL_TICKET_ENV);
    return n == ULTRACALL_TOKEN_LEN ? 0 : -1;
}

/* In the vendor-specific capability of what was read, @len bytes */
static inline int ultracall_token_in(const uint8_t *config, int len,
                                     uint8_t *token)
{
    uint8_t at = len > 0x40 ? config[0x34] : 0;

    for (int i = 0; i < 48 && at >= 0x40 && at + ULTRACALL_CAP_LEN <= len;
         i++) {
        if (config[at] == 9 && config[at + 2] == ULTRACALL_CAP_LEN &&
            config[at + ULTRACALL_CAP_KIND] == ULTRACALL_CAP_IS_TOKEN) {
            memcpy(token, config + at + ULTRACALL_CAP_TOKEN,
                   ULTRACALL_TOKEN_LEN);
            return 0;
        }
        at = config[at + 1];
    }
    return -1;
}

/* Linux gives who lacks CAP_SYS_ADMIN the header alone. */
static inline int ultracall_token_from_pci(const struct ultracall_client *c,
                                           uint8_t *token)
{
    uint8_t config[256];
    char path[400];
    int fd, ret;

    snprintf(path, sizeof(path), "%s/config", c->sysfs);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return -1;
    }
    ret = ultracall_token_in(config, pread(fd, config, sizeof(config), 0),
                             token);
    close(fd);
    explicit_bzero(config, sizeof(config));
    return ret;
}

/* A page that stays here, and is no child's; it is never freed. */
static inline uint64_t *ultracall_cookie_page(void)
{
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (page == MAP_FAILED) {
        return NULL;
    }
    madvise(page, 4096, MADV_DONTFORK);
    madvise(page, 4096, MADV_DONTDUMP);
    mlock(page, 4096);
    return page;
}

/* The token in @c->cookie becomes the cookie, or zeros. */
static inline int ultracall_present(struct ultracall_client *c)
{
    uint64_t value;
    int64_t ret = ultracall(c, ULTRACALL_ADMIT, (uintptr_t)c->cookie,
                            ULTRACALL_TOKEN_LEN, 0, 0, 0, &value);

    if (ret) {
        explicit_bzero(c->cookie, ULTRACALL_TOKEN_LEN);
    }
    return ret > 0 ? -ENXIO : ret;
}

/*
 * Have this process admitted, by a ticket that it was given or else by the
 * token, so that it may call by instruction.  Needs CAP_SYS_ADMIN for the
 * token, now only.  Returns 0, or a negative errno: -EPERM, it has neither.
 */
static inline int ultracall_admit_self(struct ultracall_client *c)
{
    int ret = -EPERM;

    c->features = ULTRACALL_F_INSTRUCTION;
    c->cookie = ultracall_cookie_page();
    if (!c->cookie) {
        return -ENOMEM;
    }
    if (!ultracall_token_from_env((uint8_t *)c->cookie)) {
        ret = ultracall_present(c);
    }
    if (ret && !ultracall_token_from_pci(c, (uint8_t *)c->cookie)) {
        ret = ultracall_present(c);
    }
    if (ret) {
        munmap(c->cookie, 4096);
        c->cookie = NULL;
    }
    return ret;
}

/*
 * Find the PCI function, get at its doorbell, and ask what it can do.  Needs
 * CAP_SYS_RAWIO, or I/O permission from who has started this program and calls
 * by instruction; or, as where the kernel is locked down, a ticket from him or
 * CAP_SYS_ADMIN.  Returns 0; what ultracall_find() or ioperm() said; or what
 * ultracall_ask() did.
 */
static inline int ultracall_open(struct ultracall_client *c)
{
    struct ultracall_probe probe;
    int ret = ultracall_find(c);
    int denied;

    if (ret) {
        return ret;
    }
    denied = ioperm(c->port, ULTRACALL_BAR_SIZE, 1) < 0 ? -errno : 0;
    /*
     * Who has I/O permission already is not told so by Linux, but L0 sees it.
     * Without it the doorbell would end this program, the instruction does not.
     */
    c->features = denied ? ULTRACALL_F_INSTRUCTION : 0;
    ret = ultracall_ask(c, &probe);
    /* -EFAULT: these page tables were those of one that was admitted */
    if (denied && (ret == -EPERM || ret == -EFAULT) &&
        !ultracall_admit_self(c)) {
        ret = ultracall_ask(c, &probe);
    }
    if (ret) {
        return denied && ret != -EPROTO ? denied : ret;
    }
    c->features = probe.features;
    c->envelope_max = probe.envelope_max;
    ultracall_choose(c);
    return 0;
}

#endif /* ULTRACALL_CLIENT_H */
