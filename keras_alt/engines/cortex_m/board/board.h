#include <stdint.h>

/* Ticks of the processor's clock since the start. */
uint64_t board_ticks(void);

/* Bytes of stack in use where the function is called. */
uint32_t board_stack(void);

/* Fills the rest of the stack, so that board_stack_most sees how far it grows from then on. */
void board_paint_stack(void);
uint32_t board_stack_most(void);
