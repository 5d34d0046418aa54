/* The forms that an object can have; object.h says what each is. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum object_form {
    FORM_LOCKED,
    FORM_FIFO,
    FORM_OPTIMISTIC,
    FORM_DELEGATED,
    FORM_REPLICATED,
    FORM_LOCKFREE,
    FORM_AGREED_TWO_PHASE,
    FORM_AGREED_ONE_PHASE,
    FORM_AGREED_OWNER,
    FORM_COMBINED,
    OBJECT_FORMS,
};
extern const char *const object_form_name[OBJECT_FORMS];

static inline bool object_is_agreed(uint32_t form)
{
    return form >= FORM_AGREED_TWO_PHASE && form <= FORM_AGREED_OWNER;
}
