/* Physical memory: which pages of the memory segment are handed out as frames. Kept by core 0 for
 * both kernels, one byte a page; first fit from where the last search ended. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* KEPT: as FIRST, but capabilities say what becomes of the frame. */
enum page_state { PAGE_FREE = 0, PAGE_FIRST, PAGE_KEPT, PAGE_REST };

struct frames {
    uint64_t pages;
    uint64_t next;
    uint8_t *state; /* of each page */
    /* A search for kept frames that nobody has any more: where it is, and pages to go. */
    uint64_t look_at, to_look_at;
};

int frames_open(struct frames *frames, uint64_t bytes);
/* Offset of a run of free pages, or UINT64_MAX. length in bytes, a positive multiple of the page
 * size. */
uint64_t frames_allocate(struct frames *frames, uint64_t length);
/* Is this exactly a frame that was handed out, with such a first page? */
bool frames_has(const struct frames *frames, uint64_t offset, uint64_t length,
                enum page_state first);
/* From now on the frame that begins there is the memory of capabilities, and no longer FIRST:
 * naming its place is not enough to get it. */
void frames_keep(struct frames *frames, uint64_t offset);
/* All kept frames are to be looked at; the next one, if there is one left; and that it has been. */
void frames_search(struct frames *frames);
bool frames_next_kept(struct frames *frames, uint64_t *offset, uint64_t *length);
void frames_looked_at(struct frames *frames, uint64_t length);
void frames_free(struct frames *frames, uint64_t offset, uint64_t length);
