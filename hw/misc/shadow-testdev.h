/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Registers of shadow-testdev, for tests/qtest. */
#ifndef SHADOW_TESTDEV_H
#define SHADOW_TESTDEV_H

/* Offsets below this are the I/O ports of whoever makes the nested entry. */
#define TESTDEV_PORTS       0x10000

/* Write a call's number, with TESTDEV_NESTED if the nested guest calls. */
#define TESTDEV_CALL        0x10000
#define TESTDEV_NESTED      0x100
/*
 * The call is made as by a CPU, in a thread of its own.  One that lets go of the
 * BQL has done so when this has been written; it goes on when TESTDEV_STATUS is
 * read, which waits for its end.
 */
#define TESTDEV_APART       0x200
/* Nested entries are not made under the caller's address space. */
#define TESTDEV_NO_PROCESS  0x400

/* The caller has no right to call, but by ULTRACALL_ADMIT. */
#define TESTDEV_UNPRIVILEGED 0x800

/* 8 bytes each */
#define TESTDEV_ARG(n)      (0x10008 + 8 * (n))
#define TESTDEV_STATUS      0x10030
#define TESTDEV_VALUE       0x10038

/* Who calls, and who makes the nested entry before each port access */
#define TESTDEV_PROCESS     0x10040
#define TESTDEV_ROOT        0x10048
#define TESTDEV_VMCB        0x10050

/* Port accesses that no shadow guest has claimed */
#define TESTDEV_MISSED      0x10058

/* Write a ShadowProtection, which becomes that of the guest that is entered. */
#define TESTDEV_PROTECTION  0x10060

/* Another address space that the caller may be, or 0 */
#define TESTDEV_ALIAS       0x10068

/* Port accesses that were claimed, but nobody has served */
#define TESTDEV_UNSERVED    0x10070

/* Write 0: port accesses are no nested entries of their own any more. */
#define TESTDEV_ENTERS      0x10078

/* Write 1: nothing can be read at a cookie's address. */
#define TESTDEV_ABSENT      0x10080

/*
 * Write an address: make a nested entry, and right after it the BIND of the
 * last call again with its cookie there.
 */
#define TESTDEV_BIND_LATE   0x10088

/*
 * Look, as an accelerator does from time to time, at the guest that is entered,
 * when its process's cookie cannot be read.  Write whether that has page tables.
 */
#define TESTDEV_LOOK        0x10090

#define TESTDEV_SIZE        0x11000

#endif /* SHADOW_TESTDEV_H */
