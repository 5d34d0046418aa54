/* How this library was built: recorded in every result. */
#pragma once

const char *build_compiler(void);
const char *build_flags(void);
const char *build_type(void);
const char *build_architecture(void);
