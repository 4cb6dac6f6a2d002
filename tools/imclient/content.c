/* SPDX-License-Identifier: BSD-3-Clause */
#include "tools/imclient/content.h"
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct digest {
	EVP_MD_CTX *context;
};

enum content_kind { CONTENT_TEXT, CONTENT_FILE, CONTENT_RANDOM };

struct content {
	enum content_kind kind;
	uint64_t octets, seed;
	uint64_t hashed; /* octets that the digest has seen: reading may go back, the digest does not */
	struct digest *digest;
	int fd;
	char *text;
};

struct digest *digest_new(void)
{
	struct digest *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return NULL;
	d->context = EVP_MD_CTX_new();
	if (d->context == NULL || EVP_DigestInit_ex(d->context, EVP_sha256(), NULL) != 1) {
		digest_free(d);
		return NULL;
	}
	return d;
}

void digest_free(struct digest *d)
{
	if (d == NULL)
		return;
	EVP_MD_CTX_free(d->context);
	free(d);
}

void digest_update(struct digest *d, struct span octets)
{
	EVP_DigestUpdate(d->context, octets.at, octets.len);
}

void digest_text(struct digest *d, char out[CONTENT_SHA256_TEXT])
{
	unsigned char value[EVP_MAX_MD_SIZE] = { 0 };

	EVP_DigestFinal_ex(d->context, value, NULL);
	for (unsigned i = 0; i < 32; i++)
		snprintf(out + 2 * i, 3, "%02x", value[i]);
}

static int content_new(struct content **out, enum content_kind kind)
{
	struct content *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return -ENOBUFS;
	c->kind = kind;
	c->fd = -1;
	c->digest = digest_new();
	if (c->digest == NULL) {
		free(c);
		return -ENOBUFS;
	}
	*out = c;
	return 0;
}

int content_new_text(struct content **out, struct span text)
{
	int result = content_new(out, CONTENT_TEXT);

	if (result < 0)
		return result;
	(*out)->octets = text.len;
	(*out)->text = malloc(text.len + 1);
	if ((*out)->text == NULL) {
		content_free(*out);
		return -ENOBUFS;
	}
	memcpy((*out)->text, text.at, text.len);
	return 0;
}

int content_new_file(struct content **out, const char *path)
{
	struct stat about;
	int result, fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return -ENOENT;
	if (fstat(fd, &about) < 0 || !S_ISREG(about.st_mode)) {
		close(fd);
		return -ENOENT;
	}
	result = content_new(out, CONTENT_FILE);
	if (result < 0) {
		close(fd);
		return result;
	}
	(*out)->fd = fd;
	(*out)->octets = (uint64_t)about.st_size;
	return 0;
}

int content_new_random(struct content **out, uint64_t octets, uint64_t seed)
{
	int result = content_new(out, CONTENT_RANDOM);

	if (result < 0)
		return result;
	(*out)->octets = octets;
	(*out)->seed = seed;
	return 0;
}

void content_free(struct content *c)
{
	if (c == NULL)
		return;
	if (c->fd >= 0)
		close(c->fd);
	digest_free(c->digest);
	free(c->text);
	free(c);
}

uint64_t content_octets(const struct content *c)
{
	return c->octets;
}

/* splitmix64 of the number of the eight octets */
static uint64_t random_word(uint64_t seed, uint64_t index)
{
	uint64_t z = seed + (index + 1) * 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

static int fill(const struct content *c, uint64_t offset, char *to, size_t len)
{
	switch (c->kind) {
	case CONTENT_TEXT: memcpy(to, c->text + offset, len); return 0;
	case CONTENT_RANDOM:
		for (size_t done = 0, part; done < len; done += part) {
			uint64_t at = offset + done, word = random_word(c->seed, at / 8);

			part = 8 - at % 8 < len - done ? 8 - at % 8 : len - done;
			for (size_t i = 0; i < part; i++)
				to[done + i] = (char)(word >> ((at + i) % 8 * 8));
		}
		return 0;
	case CONTENT_FILE:
		for (size_t done = 0; done < len;) {
			ssize_t n = pread(c->fd, to + done, len - done, (off_t)(offset + done));

			if (n <= 0)
				return -EBADMSG;
			done += (size_t)n;
		}
		return 0;
	}
	return -EINVAL;
}

int content_read(void *arg, uint64_t offset, char *to, size_t len)
{
	struct content *c = arg;
	int result;

	if (offset > c->octets || len > c->octets - offset)
		return -EINVAL;
	result = fill(c, offset, to, len);
	if (result == 0 && offset <= c->hashed && offset + len > c->hashed) {
		size_t known = (size_t)(c->hashed - offset);

		digest_update(c->digest, span_make(to + known, len - known));
		c->hashed = offset + len;
	}
	return result;
}

bool content_sha256(struct content *c, char out[CONTENT_SHA256_TEXT])
{
	if (c->hashed != c->octets)
		return false;
	digest_text(c->digest, out);
	return true;
}
