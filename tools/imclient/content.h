/* SPDX-License-Identifier: BSD-3-Clause */
/* content: what a client sends, and the fingerprint of what passes through.
 *
 * Place:   im_session -> content -> OpenSSL's digest. A content is read in pieces as the connection takes them, so a
 *          file of any size needs no memory; its SHA-256 grows with the reading.
 * Threads: one.
 */
#ifndef TOOLS_IMCLIENT_CONTENT_H
#define TOOLS_IMCLIENT_CONTENT_H
#include "include/result.h"
#include "include/span.h"

#define CONTENT_SHA256_TEXT 65 /* hexadecimal digits and zero */

struct digest;
struct digest *digest_new(void); /* NULL: no memory */
void digest_free(struct digest *digest); /* NULL is allowed */
void digest_update(struct digest *digest, struct span octets);
void digest_text(struct digest *digest, char out[CONTENT_SHA256_TEXT]); /* of all so far; once */

struct content;
must_check int content_new_text(struct content **out, struct span text); /* copied */
/* -ENOENT: cannot be opened, or is not a plain file. */
must_check int content_new_file(struct content **out, const char *path);
/* Test data: every octet is a function of seed and position, so any part can be made again. */
must_check int content_new_random(struct content **out, uint64_t octets, uint64_t seed);
void content_free(struct content *content); /* NULL is allowed */

uint64_t content_octets(const struct content *content);
/* The shape of msrp_send.read; arg is the content. -EBADMSG: a file that has become shorter. */
int content_read(void *arg, uint64_t offset, char *to, size_t len);
/* Of what was read; complete only when all of it was. False otherwise. */
bool content_sha256(struct content *content, char out[CONTENT_SHA256_TEXT]);
#endif
