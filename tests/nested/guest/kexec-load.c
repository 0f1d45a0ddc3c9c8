/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 *   kexec-load KERNEL INITRD COMMAND-LINE
 *
 * Has the kernel start another one, as kexec -s does.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/reboot.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    int kernel, initrd;

    if (argc != 4) {
        fprintf(stderr, "usage: kexec-load KERNEL INITRD COMMAND-LINE\n");
        return 2;
    }
    kernel = open(argv[1], O_RDONLY);
    initrd = open(argv[2], O_RDONLY);
    if (kernel < 0 || initrd < 0 ||
        syscall(SYS_kexec_file_load, kernel, initrd, strlen(argv[3]) + 1,
                argv[3], 0ul)) {
        perror("kexec-load");
        return 1;
    }
    sync();
    syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2,
            LINUX_REBOOT_CMD_KEXEC, NULL);
    perror("kexec-load");
    return 1;
}
