/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ultracalls: processes of the cloud VM that may call without I/O permission,
 * since they had a token.  Described in docs/ultracall.rst, "Admission".
 */
#ifndef HW_MISC_ULTRACALL_ADMISSION_H
#define HW_MISC_ULTRACALL_ADMISSION_H

#include "shadow/hw/misc/ultracall-call.h"

/*
 * The cloud VM starts: nobody is admitted, and there are no tickets.  The new
 * token goes to @token; zeros if there is none, which admit nobody.
 */
bool ultracall_admission_renew(uint8_t token[ULTRACALL_TOKEN_LEN]);

/*
 * Whether @c, which has no right of its own, is admitted, and with the token
 * itself if it wants to pass that @on: 0; -EPERM; or -EFAULT, if what would show
 * it cannot be read now.  From any thread.
 */
int ultracall_admission_check(UltracallCaller *c, bool on);

/*
 * ULTRACALL_ADMIT.  Without the BQL: anyone may try, and must not hold up who
 * may call.
 */
int ultracall_admit(UltracallCall *call);

#endif /* HW_MISC_ULTRACALL_ADMISSION_H */
