#include "face/process.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>

int process_name(const char *name)
{
    return prctl(PR_SET_NAME, name) ? errno : 0;
}

int process_adopt(const char *name)
{
    if (process_name(name) || prctl(PR_SET_PDEATHSIG, SIGKILL))
        return errno;
    return 0;
}
