/* What a driver notes of its monitor (base/trace.h): what it is given, what it puts out. */
#pragma once

#include "base/hint.h"
#include "base/trace.h"
#include "monitor/monitor.h"

RARE void trace_began(struct trace *trace, uint64_t now, const struct input *input);
RARE void trace_stepped(struct trace *trace, uint64_t now, const struct output *output);
RARE void trace_sent(struct trace *trace, uint64_t now, enum output_kind kind, uint32_t to,
                     const struct message *message);
RARE void trace_done(struct trace *trace, uint64_t now, uint64_t ticket,
                     const struct message *message);
