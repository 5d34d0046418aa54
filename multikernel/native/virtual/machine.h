/* A modelled machine, as tables. Times are cycles of that machine. Cores lie in places; what is
 * between two cores depends on their places alone.
 *
 * A cache line moves by a transaction: what the distance between requester and holder costs, and
 * `hop` for every link on its way, to the line's home and back by whoever is asked there. Homes and
 * links serve one after the other, and so does a line that several want; so whatever many cores
 * touch gets dearer with their number.
 *
 * What each number is worth and where it comes from stands in the machine's file
 * (virtual/machines). Source of the form: Table 2 of the paper; Kaestle et al., Smelt (OSDI'16 §4):
 * send and receive costs per ordered pair. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Between two places. */
struct distance {
    double own;    /* a line for writing, from who has it */
    double fetch;  /* ... for reading */
    double send;   /* a message: the sender is busy */
    double handle; /* ... the receiver takes it off its line and finds whom it is for */
};

struct machine {
    uint32_t cores, places, distances, homes, links;
    const uint16_t *place;    /* of every core */
    const uint16_t *home;     /* of every place's memory */
    const uint16_t *distance; /* places * places, requester and holder: which one */
    const uint16_t *hops;     /* places * places */
    const struct distance *costs;
    /* The links from place to place: those of [route[i], route[i + 1]) in `link`, i = from * places
     * + to. */
    const uint32_t *route;
    const uint16_t *link;

    double hop;
    double home_interval; /* between two transactions that a home serves, */
    double link_interval; /* ... that pass a link, */
    double line_interval; /* ... of one line that several want; 0: when the one before has ended */
    bool probes_all; /* a home asks all places (snooping); else it knows whom to ask (filter) */
    bool fences;     /* who has sent waits until the last line is its own */
    bool stores_in_order; /* a core's stores own their lines one after the other, behind its back */
    uint32_t lines_under_way; /* fetches that a core may have under way at once */

    uint32_t cycles_per_us;
    /* A core that has nothing to do looks for messages, and looks again; then it relaxes. */
    double look, relax;
    double call;               /* from a program into its kernel; and back, the same again */
    double change;             /* a page-table entry, */
    double invalidate;         /* ... and what the TLB has of it */
    double trap;               /* into an interrupt's handler and out of it */
    double interrupt_send;     /* the sender is busy */
    double interrupt_delivery; /* until it is there */
    double clear;              /* a page, set to zero */
    double wake;               /* of a core that sleeps */
    double work_scale; /* cycles here for one of the machine that local work was measured on */
};
