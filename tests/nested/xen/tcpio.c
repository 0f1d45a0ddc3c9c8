/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tcpio ADDRESS PORT: standard input to a TCP port, and what comes back to
 * standard output.  For the test's network, in place of ssh.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static char buf[256 * 1024];

static void copy(int from, int to)
{
    ssize_t n, m;

    while ((n = read(from, buf, sizeof(buf))) > 0) {
        for (ssize_t done = 0; done < n; done += m) {
            m = write(to, buf + done, n - done);
            if (m <= 0) {
                return;
            }
        }
    }
}

int main(int argc, char **argv)
{
    struct sockaddr_in a = { .sin_family = AF_INET };
    int s = socket(AF_INET, SOCK_STREAM, 0);

    if (argc != 3 || !inet_aton(argv[1], &a.sin_addr)) {
        fprintf(stderr, "usage: tcpio ADDRESS PORT\n");
        return 2;
    }
    a.sin_port = htons(atoi(argv[2]));
    if (connect(s, (struct sockaddr *)&a, sizeof(a))) {
        perror("tcpio");
        return 1;
    }
    if (!fork()) {
        /* The other process's end is seen by who reads from it. */
        close(1);
        copy(0, s);
        shutdown(s, SHUT_WR);
        _exit(0);
    }
    /* The end of what comes back is the end. */
    copy(s, 1);
    return 0;
}
