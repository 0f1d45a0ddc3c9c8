/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The instructions that a traced child of check-processor runs, one by one
 */
#ifndef CHECK_PROCESSOR_H
#define CHECK_PROCESSOR_H

extern const char traced_0[], traced_1[], traced_2[], traced_3[], traced_4[];
extern const char traced_end[];

#endif
