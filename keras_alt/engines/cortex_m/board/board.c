/* Starts a program on a Cortex-M. Its standard input and output are the files inputs.bin and
   outputs.bin of the host, by semihosting. */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "board.h"

#define REGISTER(address) (*(volatile uint32_t *)(address))
#define SYSTICK_CONTROL REGISTER(0xE000E010)
#define SYSTICK_RELOAD REGISTER(0xE000E014)
#define SYSTICK_VALUE REGISTER(0xE000E018)
#define VECTOR_TABLE REGISTER(0xE000ED08)
#define COPROCESSORS REGISTER(0xE000ED88)

#define LAST 0xFFFFFF /* SysTick counts down from here: it has 24 bits. */
#define PAINT 0xA5A5A5A5
#define FAULT 70
#define NO_FILE 66

/* board.ld defines these. */
extern uint32_t data_source[], data_start[], data_end[], bss_start[], bss_end[];
extern uint32_t stack_start[], stack_end[];

int main(void);
void initialise_monitor_handles(void);
void board_reset(void);
static void fault(void);
static void turn(void);

__attribute__((section(".vectors"), used)) static void (*const vectors[16])(void) = {
    (void (*)(void))stack_end,
    board_reset,
    fault, fault, fault, fault, fault, fault, 0, 0, 0, fault, fault, 0, fault,
    turn,
};

static volatile uint32_t turns; /* of SysTick */

static void turn(void)
{
    turns++;
}

static void fault(void)
{
    _exit(FAULT);
}

void board_reset(void)
{
    VECTOR_TABLE = (uint32_t)vectors;
    COPROCESSORS |= 0xF << 20; /* floating point and vectors, which compilers use */
    __asm volatile("dsb\n\tisb");
    for (uint32_t *to = data_start, *from = data_source; to < data_end;)
        *to++ = *from++;
    for (uint32_t *to = bss_start; to < bss_end;)
        *to++ = 0;
    initialise_monitor_handles();
    if (!freopen("inputs.bin", "rb", stdin) || !freopen("outputs.bin", "wb", stdout))
        _exit(NO_FILE);
    SYSTICK_RELOAD = LAST;
    SYSTICK_VALUE = 0;
    SYSTICK_CONTROL = 7; /* the processor's clock, with an interrupt at zero */
    exit(main());
}

/* Memory for the buffers of the C library. */
void *_sbrk(ptrdiff_t bytes)
{
    static uint8_t heap[4096] __attribute__((aligned(8)));
    static ptrdiff_t used;
    if (bytes > (ptrdiff_t)sizeof heap - used)
        return (void *)-1;
    used += bytes;
    return heap + used - bytes;
}

uint64_t board_ticks(void)
{
    uint32_t before, left;
    do {
        before = turns;
        left = SYSTICK_VALUE;
    } while (before != turns);
    return ((uint64_t)before << 24) + (LAST - left);
}

/* Within another function, the pointer could be read before that function has moved it. */
__attribute__((noinline)) uint32_t board_stack(void)
{
    uintptr_t pointer;
    __asm volatile("mov %0, sp" : "=r"(pointer));
    return (uintptr_t)stack_end - pointer;
}

void board_paint_stack(void)
{
    const uintptr_t end = (uintptr_t)stack_end - board_stack();
    for (uint32_t *word = stack_start; (uintptr_t)word < end; word++)
        *word = PAINT;
}

uint32_t board_stack_most(void)
{
    const uint32_t *word = stack_start;
    while (word < stack_end && *word == PAINT)
        word++;
    return (uintptr_t)stack_end - (uintptr_t)word;
}
