/* SPDX-License-Identifier: BSD-3-Clause */
/* counters: one struct per worker, one writer each; counters.def is the list. */
#ifndef DATAPLANE_COUNTERS_H
#define DATAPLANE_COUNTERS_H
#include <stdint.h>

struct counters {
#define COUNTER(name, unit, what) uint64_t name;
#include "dataplane/counters.def"
};
#endif
