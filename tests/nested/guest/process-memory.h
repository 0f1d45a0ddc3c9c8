/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The memory of a process, as root reads it */
#ifndef PROCESS_MEMORY_H
#define PROCESS_MEMORY_H

#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/*
 * Call @fn for each range that the process can read itself; @mem can be read
 * there by pread().  False if there is no such process, or it is not ours.
 */
static inline bool process_memory(const char *pid,
                                  void (*fn)(int mem, uint64_t from,
                                             uint64_t to))
{
    char path[64], line[512], rights[8];
    unsigned long from, to;
    FILE *maps;
    int mem;

    snprintf(path, sizeof(path), "/proc/%s/mem", pid);
    mem = open(path, O_RDONLY);
    snprintf(path, sizeof(path), "/proc/%s/maps", pid);
    maps = fopen(path, "r");
    if (mem < 0 || !maps) {
        perror(path);
        return false;
    }
    while (fgets(line, sizeof(line), maps)) {
        if (sscanf(line, "%lx-%lx %7s", &from, &to, rights) == 3 &&
            rights[0] == 'r') {
            fn(mem, from, to);
        }
    }
    return true;
}

#endif /* PROCESS_MEMORY_H */
