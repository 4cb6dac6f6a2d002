/* SPDX-License-Identifier: BSD-3-Clause */
/* border: see border.h.
 *
 *   memfd  | border_page | commands 0 | events 0 | commands 1 | events 1 | ...      each part in whole pages */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "include/border.h"
#include "include/ring.h"

#define BORDER_PART 4096u /* each part begins at a multiple of this */

_Static_assert(sizeof(struct border_hello) == 48, "the layout crosses the border");
_Static_assert(sizeof(struct border_welcome) == 48, "the layout crosses the border");
_Static_assert(sizeof(struct border_page) <= BORDER_PART, "the first page");

static uint64_t ring_part(uint32_t ring_size)
{
	return ((uint64_t)ring_shared_size(ring_size) + BORDER_PART - 1) &
	       ~(uint64_t)(BORDER_PART - 1);
}

uint64_t border_command_ring_at(const struct border_welcome *welcome, uint32_t w)
{
	return welcome->rings_at + 2 * (uint64_t)w * ring_part(welcome->ring_size);
}

uint64_t border_event_ring_at(const struct border_welcome *welcome, uint32_t w)
{
	return border_command_ring_at(welcome, w) + ring_part(welcome->ring_size);
}

uint64_t border_size(uint32_t workers, uint32_t ring_size, uint64_t *rings_at)
{
	*rings_at = BORDER_PART;
	return *rings_at + 2 * (uint64_t)workers * ring_part(ring_size);
}

int border_address(const char *path, struct sockaddr_un *out, int *dir)
{
	const char *slash = strrchr(path, '/');
	char directory[4096];
	int len;

	*dir = -1;
	memset(out, 0, sizeof(*out));
	out->sun_family = AF_UNIX;
	if (path[0] == '\0')
		return -EINVAL;
	if (strlen(path) < sizeof(out->sun_path)) {
		memcpy(out->sun_path, path, strlen(path) + 1);
		return 0;
	}
	if (slash == NULL || (size_t)(slash - path) + 2 > sizeof(directory))
		return -EINVAL;
	memcpy(directory, path, (size_t)(slash - path) + 1); /* with the slash: the root is "/" */
	directory[slash - path + 1] = '\0';
	*dir = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (*dir < 0)
		return -errno;
	len = snprintf(
		out->sun_path, sizeof(out->sun_path), "/proc/self/fd/%d/%s", *dir, slash + 1);
	if (len < 0 || (size_t)len >= sizeof(out->sun_path)) {
		close(*dir);
		*dir = -1;
		return -EINVAL;
	}
	return 0;
}
