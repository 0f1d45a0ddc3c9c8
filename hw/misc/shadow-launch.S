/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a user VM starts instead of a kernel where L0 has the kernel: it passes
 * on what its firmware says of memory, and asks L0 to launch that
 * (docs/ultracall.rst).  A multiboot image of version 1 at 1 MiB; it is trusted
 * with nothing.
 */
/* As in include/ultracall.h, which is C */
#define ULTRACALL_MAGIC     0x53480000
#define ULTRACALL_LAUNCH    16

#define MULTIBOOT_MAGIC     0x1badb002
#define MULTIBOOT_FLAGS     0x00010002  /* memory map; addresses below */

#define MBI_MMAP_LENGTH     44
#define MBI_MMAP_ADDR       48

#define BASE    0x100000
#define PML4    0x60000
#define PDPT    0x61000
#define E820    0x62000
#define E820_MAX 128

        .section .text
        .code32
start:
        jmp entry
        .balign 4
header:
        .long MULTIBOOT_MAGIC
        .long MULTIBOOT_FLAGS
        .long -(MULTIBOOT_MAGIC + MULTIBOOT_FLAGS)
        .long BASE + header - start
        .long BASE                      /* load address */
        .long 0                         /* all of the file */
        .long 0                         /* no BSS */
        .long BASE + entry - start

entry:
        cld
        movl $0x7000, %esp
        /* the firmware's map: a size before each entry, of base, length, type */
        movl MBI_MMAP_ADDR(%ebx), %esi
        movl MBI_MMAP_LENGTH(%ebx), %edx
        addl %esi, %edx
        movl $E820, %edi
next:
        cmpl %edx, %esi
        jae mapped
        cmpl $E820 + 20 * E820_MAX, %edi
        jae mapped
        lodsl                           /* its size without this word */
        leal (%esi, %eax), %ebp
        movl $5, %ecx
        rep movsl
        movl %ebp, %esi
        jmp next
mapped:
        movl %edi, %ebp
        /*
         * L0 takes over what ACPI's tables are in, as far as L1 has it mapped:
         * have it map that.
         */
        movl $0x80000, %esi
        movl $0x20000, %ecx
        call touch
        movl $0xe0000, %esi
        movl $0x20000, %ecx
        call touch
        movl $E820, %ebx
tables: cmpl %ebp, %ebx
        jae touched
        movl (%ebx), %esi
        movl 8(%ebx), %ecx
        movl 4(%ebx), %eax              /* above 4 GiB, or as large */
        orl 12(%ebx), %eax
        jnz 1f
        cmpl $1, 16(%ebx)               /* RAM */
        je 1f
        cmpl $0x1000000, %ecx
        ja 1f
        call touch
1:      addl $20, %ebx
        jmp tables

        /* of %ecx bytes at %esi, one in each page */
touch:  addl %esi, %ecx
2:      movb (%esi), %al
        addl $0x1000, %esi
        jc 3f
        cmpl %ecx, %esi
        jb 2b
3:      ret

touched:
        /* to long mode, with the first GiB mapped to itself */
        lgdtl BASE + gdt_pointer - start
        movl $PDPT + 3, PML4
        movl $0, PML4 + 4
        movl $0x83, PDPT
        movl $0, PDPT + 4
        movl $PML4, %eax
        movl %eax, %cr3
        movl %cr4, %eax
        orl $0x20, %eax                 /* PAE */
        movl %eax, %cr4
        movl $0xc0000080, %ecx          /* EFER.LME */
        rdmsr
        orl $0x100, %eax
        wrmsr
        movl %cr0, %eax
        orl $0x80000000, %eax           /* PG */
        movl %eax, %cr0
        ljmpl $0x08, $BASE + start64 - start

        .code64
start64:
        movl $ULTRACALL_MAGIC + ULTRACALL_LAUNCH, %eax
        movl $E820, %edi
        movl %ebp, %esi
        subl $E820, %esi
        xorl %r8d, %r8d
        vmmcall
        /* refused: say so where L1 can see it, in the emulator's debug console */
        leaq refused(%rip), %rsi
1:      lodsb
        testb %al, %al
        jz 2f
        outb %al, $0xe9
        jmp 1b
2:      hlt
        jmp 2b

refused: .asciz "shadow-launch: refused\n"

        .balign 8
gdt:
        .quad 0
        .quad 0x00af9b000000ffff        /* 0x08: 64-bit code */
gdt_pointer:
        .word gdt_pointer - gdt - 1
        .long BASE + gdt - start
