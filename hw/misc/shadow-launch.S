/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a user VM starts instead of a kernel where L0 has the kernel: it passes
 * on what there is of memory, virtual CPUs and devices, and asks L0 to launch
 * that (docs/ultracall.rst).  A multiboot image of version 1 at 1 MiB; it is
 * trusted with nothing.
 */
/* As in include/ultracall.h, which is C */
#define ULTRACALL_MAGIC     0x53480000
#define ULTRACALL_LAUNCH    16
#define LAUNCH_MACHINE      0x53480001
#define LAUNCH_CPU          0x53480002
#define LAUNCH_HPET         0x53480003

#define MULTIBOOT_MAGIC     0x1badb002
#define MULTIBOOT_FLAGS     0x00010002  /* memory map; addresses below */

#define MBI_MMAP_LENGTH     44
#define MBI_MMAP_ADDR       48

#define BASE    0x100000
#define PML4    0x60000
#define PDPT    0x61000
#define E820    0x62000
#define E820_MAX 128
#define FACTS_MAX 256                   /* with those */

#define PCI_ADDRESS     0xcf8
#define PCI_DATA        0xcfc
#define PCI_HOST_BRIDGE 0x80000000

/* Of ACPI's tables: where firmware has the root pointer, and signatures */
#define BIOS            0xe0000
#define BIOS_END        0x100000
#define RSD_            0x20445352
#define PTR_            0x20525450
#define APIC            0x43495041
#define HPET            0x54455048
#define RSDP_RSDT       16
#define TABLE_LENGTH    4
#define TABLE_HEADER    36
#define MADT_ENTRIES    44
#define LAPIC_ENABLED   1

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
        movw $PCI_ADDRESS, %dx
        movl $PCI_HOST_BRIDGE, %eax
        outl %eax, %dx
        movw $PCI_DATA, %dx
        inl %dx, %eax
        movl $LAUNCH_MACHINE, %ebp
        call fact
        movl $BIOS, %esi
find:   cmpl $RSD_, (%esi)
        jne 1f
        cmpl $PTR_, 4(%esi)
        je found
1:      addl $16, %esi
        cmpl $BIOS_END, %esi
        jb find
        jmp told
found:  movl RSDP_RSDT(%esi), %esi
        movl TABLE_LENGTH(%esi), %edx
        addl %esi, %edx
        addl $TABLE_HEADER, %esi
table:  cmpl %edx, %esi
        jae told
        lodsl
        movl %eax, %ebx
        cmpl $HPET, (%ebx)
        je hpet
        cmpl $APIC, (%ebx)
        jne table
        /* local APICs: type 0, length 8, the CPU, its ID, flags */
        movl TABLE_LENGTH(%ebx), %ecx
        addl %ebx, %ecx
        addl $MADT_ENTRIES, %ebx
1:      cmpl %ecx, %ebx
        jae table
        cmpw $0x0800, (%ebx)
        jne 2f
        testb $LAPIC_ENABLED, 4(%ebx)
        jz 2f
        movzbl 3(%ebx), %eax
        movl $LAUNCH_CPU, %ebp
        call fact
2:      movzbl 1(%ebx), %eax
        testl %eax, %eax
        jz table
        addl %eax, %ebx
        jmp 1b
hpet:   xorl %eax, %eax
        movl $LAUNCH_HPET, %ebp
        call fact
        jmp table

        /* of the type %ebp, with the value %eax */
fact:   cmpl $E820 + 20 * FACTS_MAX, %edi
        jae 1f
        stosl
        xorl %eax, %eax
        stosl
        stosl
        stosl
        movl %ebp, %eax
        stosl
1:      ret

told:
        movl %edi, %ebp
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
