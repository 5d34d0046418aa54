/* Bytes of a core's state, one line for each CORES:SLOTS:CNODES. */
#include <stdio.h>

#include "monitor/monitor.h"
#include "multikernel/multikernel.h"

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        uint32_t cores, slots, cnodes;
        if (sscanf(argv[i], "%u:%u:%u", &cores, &slots, &cnodes) != 3)
            return 2;
        const struct monitor_shape shape = multikernel_shape(cores, slots, cnodes);
        printf("%zu\n", monitor_size(&shape));
    }
    return 0;
}
