/* SPDX-License-Identifier: BSD-3-Clause */
/* SUBSCRIBE is not offered yet: there is nobody to tell. */
#include "control/conference/notifier.h"

void notifier_changed(struct conference *c)
{
}

void notifier_end(struct conference *c, bool draining)
{
}

void notifier_free(struct conference *c)
{
}
