"""What is not looked at, of what comes from outside, and the client of arbitrary input that
notices.
"""

from __future__ import annotations

from seeded import Bug, table

STEP = "monitor/step.c"

BUGS = table(
    Bug(
        "OPPONENT_BELIEVED",
        "monitor/round.c",
        "message->word[3] >> SEQUENCE_BITS < m->cores ? message->word[3] : 0;",
        "message->word[3];",
        ("step",),
    ),
    Bug(
        "OUTCOME_BELIEVED",
        STEP,
        "a->argument[gathered] = message->word[3 + gathered];",
        "memcpy(a->argument, &message->word[3], sizeof a->argument);",
        ("step",),
    ),
    Bug(
        "TREE_THAT_IS_NOT_MADE",
        "monitor/step_inside.h",
        "tree_is_made(env->routing->links(env->routing->context, root, place), root);",
        "env->routing->links(env->routing->context, root, place);",
        ("step",),
    ),
    Bug(
        "RECORD_TAKEN_FROM_ANOTHER",
        STEP,
        "own ? !asked : !(again || agreement_is_over(a))",
        "own && !asked",
        ("step",),
    ),
    Bug(
        "ROOT_CNODES_AGREED_ABOUT",
        "monitor/capability/ranges.h",
        " && range_end(a) <= CSPACE_ROOTS",
        "",
        ("step",),
    ),
    Bug(
        "HEIR_BELIEVED",
        "monitor/capability/delete.c",
        " && heir < m->cores)",
        ")",
        ("step",),
    ),
    Bug(
        "MAP_BY_A_STRANGER",
        "monitor/mapping/map.c",
        "monitor_home(m, a->slot) != agreement_initiator(a) ||",
        "",
        ("step",),
    ),
    Bug(
        "WORD_READ_PAST_ITS_END",
        "base/core_set.h",
        "i < CORES_EXCEPTED && i < (word",
        "i < (word",
        ("dispatch",),
    ),
    Bug(
        "SLOTS_READ_TWICE",
        "channel/in_memory.c",
        "if (!needed || header->bytes != needed)",
        "if (!header->bytes)",
        ("attach",),
    ),
    Bug(
        "PIECE_BELIEVED",
        "channel/frame.c",
        "piece > frame->length - frame->done",
        "false",
        ("attach",),
    ),
    Bug(
        "LAYOUT_BELIEVED",
        "segment/segment.c",
        "memcmp(segment, &made, LAYOUT_BYTES) != 0",
        "segment->size != segment_bytes(&segment->geometry)",
        ("attach",),
    ),
    Bug(
        "MORE_THAN_THERE_IS_ROOM_FOR",
        "driver/dispatch.c",
        "if (d->deferred_count == d->deferred_max) {",
        "if (false) {",
        ("dispatch",),
    ),
    Bug(
        "PIECE_PAST_THE_END",
        "driver/program.c",
        "program->code_bytes - at < 40 ? program->code_bytes - at : 40",
        "40",
        ("dispatch",),
    ),
)
