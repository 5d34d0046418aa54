/* Memory of the shared kernel: one for all cores, under the kernel's lock. A core that is lent some
 * finds it free like all other. */
#include "shared/shared.h"

enum verdict shared_frames_do(struct driver *d, struct frames_request *request)
{
    struct shared_kernel *k = shared_state(d);
    shared_lock(d);
    const enum verdict verdict = frames_do(shared_frames(k), &k->mappings, 0, request);
    shared_unlock(d);
    return verdict;
}

void shared_frames_return(struct driver *d, uint64_t offset, uint64_t length)
{
    struct frames_request memory = {.action = FRAMES_RETURN, .offset = offset, .length = length};
    struct shared_kernel *k = shared_state(d);
    shared_lock(d);
    if (frames_is_kept(shared_frames(k), offset, length))
        frames_do(shared_frames(k), &k->mappings, 0, &memory);
    shared_unlock(d);
}
