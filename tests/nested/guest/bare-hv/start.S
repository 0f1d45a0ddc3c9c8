/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From a multiboot loader to long mode, with the first GiB mapped to itself
 * (AMD APM vol. 2, 14.6), and one entry into a nested guest.
 */
#define MULTIBOOT_MAGIC 0x1badb002

/* From 32-bit code, with the tables of pml4 */
        .macro LONG_MODE target
        movl $pml4, %eax
        movl %eax, %cr3
        movl %cr4, %eax
        orl $0x20, %eax                 /* PAE */
        movl %eax, %cr4
        movl $0xc0000080, %ecx          /* EFER: SVME, NXE, LME */
        rdmsr
        orl $0x1900, %eax
        wrmsr
        movl %cr0, %eax
        andl $~0x6000000c, %eax         /* CD, NW, TS, EM */
        orl $0x80010002, %eax           /* PG, WP, MP */
        movl %eax, %cr0
        lgdt gdt_pointer
        ljmp $0x08, $\target
        .endm

        .macro LOAD_SEGMENTS
        movl $0x10, %eax
        movl %eax, %ds
        movl %eax, %es
        movl %eax, %ss
        xorl %eax, %eax
        movl %eax, %fs
        movl %eax, %gs
        .endm

        .code32
        .section .text.unlikely.header, "ax"
        .long MULTIBOOT_MAGIC, 0, -MULTIBOOT_MAGIC

        .text
        .globl _start
_start:
        cli
        cld
        movl $stack_end, %esp
        movl %ebx, %edi                 /* multiboot information */
        movl $pdpt + 3, pml4
        movl $0x83, pdpt
        LONG_MODE start64

        .code64
start64:
        LOAD_SEGMENTS
        movl %edi, %edi
        call hv_main
        call hv_end
1:      hlt
        jmp 1b

/*
 * Where another CPU starts, in real mode: smp.c copies it to a page below
 * 1 MiB, whose number is in CS.
 */
        .globl cpu_start, cpu_start_end
        .code16
cpu_start:
        cli
        cs lgdtl cpu_gdt_pointer - cpu_start
        movl %cr0, %eax
        orb $1, %al
        movl %eax, %cr0
        ljmpl $0x18, $cpu_start32
cpu_gdt_pointer:
        .word gdt_pointer - gdt - 1
        .long gdt
cpu_start_end:

        .code32
cpu_start32:
        movl $0x10, %eax
        movl %eax, %ds
        movl %eax, %ss
        LONG_MODE cpu_start64

        .code64
cpu_start64:
        LOAD_SEGMENTS
        movl $cpu_stack_end, %esp
        call cpu_main
1:      hlt
        jmp 1b

/*
 * vm_enter(physical address of the VMCB, registers): RBX, RCX, RDX, RSI, RDI,
 * RBP, R8 to R15.  VMRUN itself keeps RAX and RSP.
 */
        .macro VM_ENTER
        pushq %rbx
        pushq %rbp
        pushq %r12
        pushq %r13
        pushq %r14
        pushq %r15
        pushq %rsi
        movq %rdi, %rax
        movl %eax, vmcb_address
        movq %rsi, %r15
        movq 0(%r15), %rbx
        movq 8(%r15), %rcx
        movq 16(%r15), %rdx
        movq 24(%r15), %rsi
        movq 32(%r15), %rdi
        movq 40(%r15), %rbp
        movq 48(%r15), %r8
        movq 56(%r15), %r9
        movq 64(%r15), %r10
        movq 72(%r15), %r11
        movq 80(%r15), %r12
        movq 88(%r15), %r13
        movq 96(%r15), %r14
        movq 104(%r15), %r15
        clgi
        .endm
        .macro VM_LEFT
        stgi
        xchgq %r15, (%rsp)
        movq %rbx, 0(%r15)
        movq %rcx, 8(%r15)
        movq %rdx, 16(%r15)
        movq %rsi, 24(%r15)
        movq %rdi, 32(%r15)
        movq %rbp, 40(%r15)
        movq %r8, 48(%r15)
        movq %r9, 56(%r15)
        movq %r10, 64(%r15)
        movq %r11, 72(%r15)
        movq %r12, 80(%r15)
        movq %r13, 88(%r15)
        movq %r14, 96(%r15)
        popq 104(%r15)
        popq %r15
        popq %r14
        popq %r13
        popq %r12
        popq %rbp
        popq %rbx
        ret
        .endm

        .globl vm_enter, vm_enter_unpaged
vm_enter:
        VM_ENTER
        vmrun %rax
        VM_LEFT

/* The same from 32-bit code, without paging: L1's tables count for nothing. */
vm_enter_unpaged:
        VM_ENTER
        ljmp *to_unpaged
        .code32
unpaged:
        movl %cr0, %eax
        andl $0x7fffffff, %eax
        movl %eax, %cr0
        movl vmcb_address, %eax
        vmrun
        movl %cr0, %eax
        orl $0x80000000, %eax
        movl %eax, %cr0
        ljmp $0x08, $paged
        .code64
paged:
        VM_LEFT

to_unpaged:
        .long unpaged
        .word 0x18

        .balign 8
gdt:
        .quad 0
        .quad 0x00af9b000000ffff        /* 0x08: 64-bit code */
        .quad 0x00cf93000000ffff        /* 0x10: data */
        .quad 0x00cf9b000000ffff        /* 0x18: 32-bit code */
gdt_pointer:
        .word gdt_pointer - gdt - 1
        .long gdt

        .bss
        .balign 4096
pml4:   .skip 4096
pdpt:   .skip 4096
        .skip 16384
stack_end:
        .skip 16384
cpu_stack_end:
vmcb_address:
        .skip 4

        .section .note.GNU-stack, "", @progbits
