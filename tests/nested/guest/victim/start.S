/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A kernel as small as Linux's 64-bit boot protocol lets it be: the start, one
 * instruction with all registers known before and after it, and exceptions.
 */
#include "victim.h"

#define C_BIT (1 << 39)
#define TABLE 0x3
#define PAGE 0x83
#define LOW(x) ((x) - VICTIM_BASE)
#define MIB 0x100000
#define AP_SECRET 0x5ec2e700

        .text
/* The boot sector and one more (Documentation/arch/x86/boot.rst) */
header:
        .org 0x1f1
        .byte 1                         /* setup_sects */
        .org 0x201
        .byte 0x66                      /* the header's end */
        .ascii "HdrS"
        .word 0x20c
        .org 0x22c
        .long 0x7fffffff                /* initrd_addr_max */
        .org 0x236
        .word 1                         /* it has a 64-bit entry */
        .org 0x258
        .quad MIB                       /* pref_address */
        .long 2 * MIB                   /* init_size */
        .org 0x400

kernel:
        .org 0x600
/* Where all is mapped to itself; to VICTIM_BASE, with tables of our own */
        .globl _start
_start:
        cli
        movabs $LOW(pml4), %rdi
        movq %cr3, %rax
        movabs $~C_BIT, %rcx
        andq %rcx, %rax
        movq (%rax), %rdx               /* what is mapped to itself stays */
        movq %rdx, (%rdi)
        movabs $C_BIT, %rbx
        movabs $LOW(pdpt) + TABLE, %rax
        orq %rbx, %rax
        movq %rax, 8 * (VICTIM_BASE >> 39 & 511)(%rdi)
        movabs $LOW(pdpt), %rsi
        movabs $LOW(pd) + TABLE, %rax
        orq %rbx, %rax
        movq %rax, 8 * (VICTIM_BASE >> 30 & 511)(%rsi)
        movabs $LOW(pd) + 8 * (VICTIM_BASE >> 21 & 511), %rsi
        leaq PAGE(%rbx), %rax
        movl $VICTIM_RAM / (2 * MIB), %ecx
1:      movq %rax, (%rsi)
        addq $2 * MIB, %rax
        addq $8, %rsi
        loop 1b
        movabs $VICTIM_MMIO + PAGE, %rax
        movq %rax, (%rsi)
        movabs $VICTIM_SHARED + PAGE, %rax
        movq %rax, 8(%rsi)
        orq %rbx, %rdi
        movq %rdi, %cr3
        movabs $stack_end, %rsp
        movabs $victim_main, %rax
        call *%rax
2:      hlt
        jmp 2b

        .macro EACH what, offset
        \what %rax, \offset+0(%rip)
        \what %rcx, \offset+8(%rip)
        \what %rdx, \offset+16(%rip)
        \what %rbx, \offset+24(%rip)
        \what %rsp, \offset+32(%rip)
        \what %rbp, \offset+40(%rip)
        \what %rsi, \offset+48(%rip)
        \what %rdi, \offset+56(%rip)
        \what %r8, \offset+64(%rip)
        \what %r9, \offset+72(%rip)
        \what %r10, \offset+80(%rip)
        \what %r11, \offset+88(%rip)
        \what %r12, \offset+96(%rip)
        \what %r13, \offset+104(%rip)
        \what %r14, \offset+112(%rip)
        \what %r15, \offset+120(%rip)
        .endm
        .macro store reg, to:vararg
        movq \reg, \to
        .endm
        .macro load reg, from:vararg
        movq \from, \reg
        .endm

/* run(the instruction): with the registers of @before; they are in @after. */
        .globl run, run_done
run:
        pushq %rbx
        pushq %rbp
        pushq %r12
        pushq %r13
        pushq %r14
        pushq %r15
        movq %rdi, target(%rip)
        movq %rsp, stack(%rip)
        .irp r, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
        movdqu before_xmm+16*\r(%rip), %xmm\r
        .endr
        pushq before_flags(%rip)
        popfq
        EACH load, before
        jmp *target(%rip)
run_done:
        EACH store, after
        movq stack(%rip), %rsp
        pushfq
        popq after_flags(%rip)
        cli
        cld
        .irp r, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
        movdqu %xmm\r, after_xmm+16*\r(%rip)
        .endr
        popq %r15
        popq %r14
        popq %r13
        popq %r12
        popq %rbp
        popq %rbx
        ret

        .macro INSN name, insn:vararg
        .globl insn_\name
insn_\name:
        \insn
        jmp run_done
        .endm

        INSN cpuid, cpuid
        INSN rdmsr, rdmsr
        INSN wrmsr, wrmsr
        INSN rdpmc, rdpmc
        INSN inb, inb $VICTIM_PORT, %al
        INSN inw, inw %dx, %ax
        INSN inl, inl %dx, %eax
        INSN outb, outb %al, %dx
        INSN outw, outw %ax, $VICTIM_PORT
        INSN outl, outl %eax, %dx
        INSN hlt, hlt
        INSN pause, pause
        INSN vmmcall, vmmcall
        INSN cr0, movq %r9, %cr0
        INSN cr4, movq %rax, %cr4
        INSN cr8, movq %r15, %cr8
        INSN lockcr0, .byte 0xf0, 0x0f, 0x22, 0xc0
        INSN clts, clts
        INSN wbinvd, wbinvd
        INSN load1, movb (%rdi), %bl
        INSN loadh, movb 5(%rdi), %ch
        INSN load2, movw (%r12, %rbp, 4), %r11w
        INSN load4, movl -8(%rsp), %esi
        INSN load8, movq 16(%rdi), %rsp
        INSN zero1, movzbl (%rdi), %r10d
        INSN zero2, movzwq (%rdi), %rdx
        INSN sign1, movsbq (%rdi), %r8
        INSN sign2, movswl (%rdi), %ebp
        INSN store1, movb %r13b, (%rdi)
        INSN storeh, movb %bh, (%rdi)
        INSN store2, movw %ax, (%rdi)
        INSN store4, movl %ebp, 4(%rdi)
        INSN store8, movq %rsp, 8(%rdi)
        INSN number1, movb $0x78, (%rdi)
        INSN number4, movl $0x75767778, (%rdi)
        INSN number8, movq $0x75767778, (%rdi)
        INSN straddle, movq (%rdi), %rax
        INSN insb, insb
        INSN repinsw, rep insw
        INSN outsl, outsl
        INSN repoutsb, rep outsb
        INSN rdtsc, rdtsc
        INSN rdtscp, rdtscp
        INSN xgetbv, xgetbv
        INSN xsetbv, xsetbv
        INSN invlpg, invlpg (%rdi)
        INSN readcr, movq %cr3, %rdx
        INSN readdr, movq %dr0, %rdx
        INSN writedr, movq %rdx, %dr0
        INSN int3, int3
        INSN int, int $0x41
        INSN ud2, ud2
        INSN touch, movb (%rdi), %al
        INSN vmrun, vmrun %rax
        INSN vmload, vmload %rax
        INSN vmsave, vmsave %rax
        INSN stgi, stgi
        INSN clgi, clgi
        INSN invlpga, invlpga %rax, %ecx
        INSN skinit, skinit %eax
        INSN spin, jmp .
        /* with the shadow of STI */
        INSN stihlt, sti; hlt

/*
 * Another CPU begins here, in real mode, in a copy: all registers are 0, but
 * for EDX; then they hold what is secret.
 */
        .macro AP what
        \what $AP_SECRET + 1, %ebx
        \what $AP_SECRET + 2, %ecx
        \what $AP_SECRET + 3, %edx
        \what $AP_SECRET + 4, %esi
        \what $AP_SECRET + 5, %edi
        \what $AP_SECRET + 6, %ebp
        \what $AP_SECRET + 7, %esp
        .endm
        .macro ap_compare val, reg
        cmpl \val, \reg
        jne 2f
        .endm

        .globl ap_start, ap_end
        .code16
ap_start:
        orl %ebx, %eax
        orl %ecx, %eax
        orl %esi, %eax
        orl %edi, %eax
        orl %ebp, %eax
        orl %esp, %eax
        jnz 2f
        AP movl
1:      movb $VICTIM_AP_WRITES, %al
        outb %al, $VICTIM_AP_PORT
        AP ap_compare
        incl VICTIM_AP_ROUNDS
        jmp 1b
2:      movl $1, VICTIM_AP_BAD
        hlt
        jmp 2b
ap_end:
        .code64

/* Each vector has 16 bytes: it pushes its number. */
        .balign 16
        .globl vectors
vectors:
        .set n, 0
        .rept 256
        .balign 16
        .byte 0x68
        .long n
        jmp exception
        .set n, n + 1
        .endr

exception:
        pushq %rax
        pushq %rcx
        pushq %rdx
        pushq %rsi
        pushq %rdi
        pushq %r8
        pushq %r9
        pushq %r10
        pushq %r11
        movq 72(%rsp), %rdi
        leaq 80(%rsp), %rsi
        cld
        call handle                     /* 0, or what an error takes */
        movq %rax, 72(%rsp)
        popq %r11
        popq %r10
        popq %r9
        popq %r8
        popq %rdi
        popq %rsi
        popq %rdx
        popq %rcx
        popq %rax
        cmpq $0, (%rsp)
        leaq 8(%rsp), %rsp
        jz 1f
        leaq 8(%rsp), %rsp
1:      iretq

        .bss
        .balign 4096
pml4:   .skip 4096
pdpt:   .skip 4096
pd:     .skip 4096
        .skip 8192
stack_end:
target: .skip 8
stack:  .skip 8

        .section .note.GNU-stack, "", @progbits
