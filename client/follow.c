/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The hosts where a console may be, and which of them has it.
 */
#include "address.h"
#include "follow.h"

#define WAIT_FIRST 100          /* ms; ssh takes longer to start */
#define WAIT_FIRST_SSH 1000
#define WAIT_LAST 2000
#define WAIT_LAST_SSH 10000
#define GRACE 3000              /* ms, for those that do not answer */

struct Follow {
    GPtrArray *hosts;
    char *console, *user;
    unsigned patience;
    const FollowHandler *handler;
    void *opaque;
    bool searching, late;
    guint grace;
};

static void host_open(Host *host);

static void host_changed(Host *host)
{
    host->follow->handler->changed(host, host->follow->opaque);
}

static void host_state(Link *link, void *opaque)
{
    Host *host = opaque;

    host->answered = true;
    host->wait = 0;
    host_changed(host);
}

static void host_frame(Link *link, const ShadowWireFrame *frame, void *opaque)
{
    Host *host = opaque;

    host->follow->handler->frame(host, frame, host->follow->opaque);
}

static void host_sent(Link *link, void *opaque)
{
    Host *host = opaque;

    host->follow->handler->sent(host, host->follow->opaque);
}

static gboolean host_again(void *opaque)
{
    Host *host = opaque;

    host->retry = 0;
    host_open(host);
    return G_SOURCE_REMOVE;
}

static void host_failed(Host *host, const char *why)
{
    bool ssh = address_is_ssh(host->address);

    host->link = NULL;
    host->answered = true;
    g_free(host->why);
    host->why = g_strdup(why);
    host->wait = host->wait ? host->wait * 2 :
                 ssh ? WAIT_FIRST_SSH : WAIT_FIRST;
    host->wait = MIN(host->wait, ssh ? WAIT_LAST_SSH : WAIT_LAST);
    if (host->follow->searching && !host->retry) {
        host->retry = g_timeout_add(host->wait, host_again, host);
    }
    host_changed(host);
}

static void host_closed(Link *link, const char *why, void *opaque)
{
    host_failed(opaque, why);
}

static const LinkHandler host_handler = {
    .state = host_state,
    .frame = host_frame,
    .closed = host_closed,
    .sent = host_sent,
};

static void host_open(Host *host)
{
    Follow *f = host->follow;

    if (!host->link && !host->retry) {
        host->link = link_open(host->address, f->console, f->user, f->patience,
                               &host_handler, host);
    }
}

static void host_free(void *opaque)
{
    Host *host = opaque;

    link_close(host->link);
    g_clear_handle_id(&host->retry, g_source_remove);
    g_free(host->address);
    g_free(host->why);
    g_free(host);
}

Follow *follow_new(GStrv hosts, const char *console, const char *user,
                   unsigned patience, const FollowHandler *handler,
                   void *opaque)
{
    Follow *f = g_new0(Follow, 1);

    *f = (Follow) { .hosts = g_ptr_array_new_with_free_func(host_free),
                    .console = g_strdup(console), .user = g_strdup(user),
                    .patience = patience, .handler = handler,
                    .opaque = opaque };
    for (; *hosts; hosts++) {
        Host *host = g_new0(Host, 1);

        host->follow = f;
        host->address = g_strdup(*hosts);
        g_ptr_array_add(f->hosts, host);
    }
    return f;
}

void follow_free(Follow *f)
{
    g_clear_handle_id(&f->grace, g_source_remove);
    g_ptr_array_unref(f->hosts);
    g_free(f->console);
    g_free(f->user);
    g_free(f);
}

static Host *host_at(const Follow *f, unsigned i)
{
    return g_ptr_array_index(f->hosts, i);
}

static const ConsoleState *host_says(const Host *host)
{
    return host->link ? link_state(host->link) : NULL;
}

static gboolean follow_late(void *opaque)
{
    Follow *f = opaque;

    f->grace = 0;
    f->late = true;
    f->handler->changed(NULL, f->opaque);
    return G_SOURCE_REMOVE;
}

void follow_search(Follow *f)
{
    if (f->searching) {
        return;
    }
    f->searching = true;
    f->late = false;
    f->grace = g_timeout_add(GRACE, follow_late, f);
    for (unsigned i = 0; i < f->hosts->len; i++) {
        Host *host = host_at(f, i);

        host->answered = host_says(host);
        host_open(host);
    }
}

void follow_settle(Follow *f, Host *keep)
{
    f->searching = false;
    g_clear_handle_id(&f->grace, g_source_remove);
    for (unsigned i = 0; i < f->hosts->len; i++) {
        Host *host = host_at(f, i);

        g_clear_handle_id(&host->retry, g_source_remove);
        if (host != keep) {
            link_close(host->link);
            host->link = NULL;
        }
    }
}

void follow_fail(Host *host, const char *why)
{
    link_close(host->link);
    host_failed(host, why);
}

bool follow_complete(const Follow *f)
{
    bool all = true;

    for (unsigned i = 0; i < f->hosts->len; i++) {
        all &= host_at(f, i)->answered;
    }
    return all || f->late || !f->searching;
}

bool follow_hopeless(const Follow *f)
{
    for (unsigned i = 0; i < f->hosts->len; i++) {
        if (host_at(f, i)->link || !host_at(f, i)->answered) {
            return false;
        }
    }
    return true;
}

/* How much a state is worth: the console is there, will be, or has been last */
static unsigned rank(const ConsoleState *s)
{
    return console_state_is(s, "active") ? 3 :
           console_state_is(s, "restored") ? 2 :
           console_state_is(s, "frozen") ? 1 : 0;
}

static bool better(const Host *a, const Host *b, const Host *current)
{
    const ConsoleState *sa = host_says(a), *sb = host_says(b);

    if ((rank(sa) > 1) != (rank(sb) > 1)) {
        return rank(sa) > 1;
    }
    if (sa->epoch != sb->epoch) {
        return sa->epoch > sb->epoch;
    }
    return rank(sa) != rank(sb) ? rank(sa) > rank(sb) : a == current;
}

FollowVerdict follow_best(const Follow *f, const char *life,
                          const Host *current, Host **best)
{
    unsigned active = 0;

    *best = NULL;
    for (unsigned i = 0; i < f->hosts->len; i++) {
        Host *host = host_at(f, i);
        const ConsoleState *s = host_says(host);

        if (!s || !rank(s) || (*life && !console_state_lives(s, life))) {
            continue;
        }
        active += rank(s) == 3;
        if (!*best || better(host, *best, current)) {
            *best = host;
        }
    }
    return active > 1 ? FOLLOW_TWO : *best ? FOLLOW_ONE : FOLLOW_NONE;
}

const char *follow_name(const Host *host)
{
    const ConsoleState *s = host_says(host);

    return s && s->host ? s->host : host->address;
}

char *follow_text(const Follow *f)
{
    GString *text = g_string_new("");

    for (unsigned i = 0; i < f->hosts->len; i++) {
        Host *host = host_at(f, i);
        const ConsoleState *s = host_says(host);

        g_string_append_printf(text, "%s%s: %s", i ? ", " : "",
                               follow_name(host), s ? s->state :
                               host->link ? "asked" : host->why ?: "not asked");
    }
    return g_string_free(text, false);
}
