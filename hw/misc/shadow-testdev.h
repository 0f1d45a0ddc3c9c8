/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Registers of shadow-testdev, for tests/qtest. */
#ifndef SHADOW_TESTDEV_H
#define SHADOW_TESTDEV_H

/* Offsets below this are the I/O ports of whoever makes the nested entry. */
#define TESTDEV_PORTS       0x10000

/* Write a call's number, with TESTDEV_NESTED if the nested guest calls. */
#define TESTDEV_CALL        0x10000
#define TESTDEV_NESTED      0x100

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
#define TESTDEV_SIZE        0x11000

#endif /* SHADOW_TESTDEV_H */
