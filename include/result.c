/* SPDX-License-Identifier: BSD-3-Clause */
/* result: see result.h. */
#include <limits.h>
#include <string.h>
#include "include/result.h"

const char *result_text(int result)
{
	const char *text;

	switch (result) {
	case 0: return "done";
	case -EINVAL: return "not a valid argument";
	case -EBADMSG: return "cannot be parsed";
	case -EPROTO: return "out of place in the protocol";
	case -ENOBUFS: return "no room: a pool, a ring or a quota is used up";
	case -ENOENT: return "no such object";
	case -EEXIST: return "there is one already";
	case -ETIMEDOUT: return "the peer did not answer in time";
	case -EAGAIN: return "more is needed";
	case -EPIPE: return "the other side has gone";
	default: break;
	}
	text = result < 0 && result != INT_MIN ? strerrordesc_np(-result) : NULL;
	return text != NULL ? text : "unknown result";
}
