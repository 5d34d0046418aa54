/* Programs: one comes in pieces, is run by the core's Python, and its result is fetched in
 * pieces. */
#include <stdlib.h>
#include <string.h>

#include "driver/driver.h"

enum verdict program_request(struct driver *d, uint64_t address, const struct message *request,
                             struct message *reply)
{
    struct program *program = &d->program;
    uint64_t at = request->word[1];
    switch (message_kind(request)) {
    case KIND_RUN_BEGIN:
        /* One that is being loaded was given up by a client that was interrupted: it loads one at a
         * time. */
        if (program->state == PROGRAM_RUNNING)
            return VERDICT_CORE_BUSY;
        if (!d->inside)
            return VERDICT_BUSY; /* not in the loop: the interrupt handler must not call malloc */
        free(program->result);
        free(program->code);
        *program = (struct program){
            .number = program->number + 1, .code = malloc(at ? at : 1), .code_bytes = at};
        if (!program->code)
            return VERDICT_NO_MEMORY; /* nothing is being loaded */
        program->state = PROGRAM_LOADING;
        reply->word[1] = program->number;
        return VERDICT_OK;
    case KIND_RUN_DATA:
        if (program->state != PROGRAM_LOADING || at >= program->code_bytes)
            return VERDICT_BAD_REQUEST;
        memcpy(program->code + at, &request->word[2],
               program->code_bytes - at < 40 ? program->code_bytes - at : 40);
        return VERDICT_OK;
    case KIND_RUN_GO:
        if (program->state != PROGRAM_LOADING)
            return VERDICT_BAD_REQUEST;
        program->state = PROGRAM_RUNNING;
        program->answer_to = address;
        d->event = EVENT_RUN;
        return VERDICT_PENDING;
    case KIND_RUN_CANCEL:
        return cancel_request(d, request, reply);
    default:
        if (!program->result || at >= program->result_bytes)
            return VERDICT_BAD_REQUEST;
        memcpy(&reply->word[1], program->result + at,
               program->result_bytes - at < 48 ? program->result_bytes - at : 48);
        return VERDICT_OK;
    }
}

void program_ended(struct driver *d, char *result, uint64_t bytes)
{
    struct program *program = &d->program;
    free(program->code);
    program->code = NULL;
    program->result = result;
    program->result_bytes = bytes;
    program->state = PROGRAM_IDLE;
    cancel_over(d);
    struct message reply = {{message_head(KIND_RUN_GO, 0, VERDICT_OK, 0xffff, 0), bytes}};
    driver_reply(d, program->answer_to, &reply);
}
