/* uint64_t base_multiply_high(uint64_t a, uint64_t b); System V and AAPCS64 calling conventions. */
        .text
        .globl base_multiply_high
        .type base_multiply_high, %function
        .p2align 4
base_multiply_high:
#if defined(__x86_64__)
#ifdef __CET__
        endbr64
#endif
        movq %rdi, %rax
        mulq %rsi
        movq %rdx, %rax
        ret
#elif defined(__aarch64__)
        umulh x0, x0, x1
        ret
#else
#error "base_multiply_high is written for x86-64 and AArch64 only"
#endif
        .size base_multiply_high, . - base_multiply_high
        .section .note.GNU-stack, "", %progbits
