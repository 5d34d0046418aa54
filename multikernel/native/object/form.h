/* The forms that an object can have; object.h says what each is. */
#pragma once

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
    OBJECT_FORMS,
};
extern const char *const object_form_name[OBJECT_FORMS];
