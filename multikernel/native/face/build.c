#include "face/build.h"

#include "arch/arch.h"

#ifndef MK_BUILD_COMPILER
#define MK_BUILD_COMPILER "unknown"
#define MK_BUILD_FLAGS    "unknown"
#define MK_BUILD_TYPE     "unknown"
#endif

const char *build_compiler(void)
{
    return MK_BUILD_COMPILER;
}
const char *build_flags(void)
{
    return MK_BUILD_FLAGS;
}
const char *build_type(void)
{
    return MK_BUILD_TYPE;
}
const char *build_architecture(void)
{
    return ARCH_NAME;
}
