/* SPDX-License-Identifier: BSD-3-Clause */
/* result: how functions say what happened: 0, or one of these few, negative.
 *
 *   -EINVAL     the caller's mistake            -EBADMSG  not parseable
 *   -EPROTO     well-formed but out of place    -ENOBUFS  a pool, a ring or a quota is used up
 *   -ENOENT     no such thing (any more)        -EEXIST   there is one already
 *   -ETIMEDOUT  the peer did not answer         -EAGAIN   more octets, or a later call, needed
 *   -EPIPE      the other side has gone
 */
#ifndef INCLUDE_RESULT_H
#define INCLUDE_RESULT_H
#include <errno.h>

#define must_check __attribute__((warn_unused_result))

/* Text of a result for people, without the errno number: "no such object". Never NULL. */
const char *result_text(int result);
#endif
