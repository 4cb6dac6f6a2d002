/* SPDX-License-Identifier: BSD-3-Clause */
/* check: compares what happened with what the model says. */
#ifndef TESTS_SIM_CHECK_H
#define TESTS_SIM_CHECK_H
#include "tests/sim/history.h"

/* "": all is well; else what is wrong, in one sentence. */
const char *history_check(const struct history *history);
#endif
