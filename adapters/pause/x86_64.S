// pause: waits, reaps whatever it inherits, and ends at once on SIGTERM or SIGINT. Linux, x86-64.
// As the first process of a PID namespace it gets no signal whose default it has: so they are blocked and
// waited for (signal(7), pid_namespaces(7)). Made into x86_64.elf by scripts/pause.
        .globl  _start
_start: mov     $14, %eax               // rt_sigprocmask(SIG_BLOCK, &set, 0, 8)
        xor     %edi, %edi
        lea     set(%rip), %rsi
        xor     %edx, %edx
        mov     $8, %r10d
        syscall
wait:   mov     $128, %eax              // rt_sigtimedwait(&set, 0, 0, 8)
        lea     set(%rip), %rdi
        xor     %esi, %esi
        xor     %edx, %edx
        mov     $8, %r10d
        syscall
        cmp     $17, %eax               // SIGCHLD
        je      reap
        test    %eax, %eax              // interrupted by another: go on waiting
        js      wait
        mov     $231, %eax              // exit_group(0)
        xor     %edi, %edi
        syscall
reap:   mov     $61, %eax               // wait4(-1, 0, WNOHANG, 0), until nobody is left
        mov     $-1, %rdi
        xor     %esi, %esi
        mov     $1, %edx
        xor     %r10d, %r10d
        syscall
        test    %eax, %eax
        jg      reap
        jmp     wait
        .balign 8
set:    .quad   0x14002                 // SIGINT (2), SIGTERM (15), SIGCHLD (17): bit n - 1
        .section .note.GNU-stack, "", %progbits
