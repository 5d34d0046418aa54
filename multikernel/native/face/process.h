/* What a core process says of itself to the host. */
#pragma once

/* 0, or an errno. */
int process_name(const char *name);

/* Names this process (at most 15 bytes) and asks the host to kill it when the thread that forked it
 * ends. 0, or an errno. */
int process_adopt(const char *name);
