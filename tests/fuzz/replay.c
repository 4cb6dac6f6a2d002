/* SPDX-License-Identifier: BSD-3-Clause */
/* replay: runs a fuzz harness over every file of some directories, and says so as TAP, a line per
 * file.
 *
 *   replay_chunk_in DIRECTORY...
 *
 * The harness ends the program when something does not hold; the file is the one of the last
 * line begun.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int is_file(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

/* Exactly as many octets as the file has, so that a sanitizer sees one read too far. */
static uint8_t *file_read(const char *path, size_t *size)
{
	FILE *file = fopen(path, "rb");
	uint8_t *octets;
	long len;

	if (file == NULL || fseek(file, 0, SEEK_END) != 0 || (len = ftell(file)) < 0) {
		perror(path);
		exit(1);
	}
	rewind(file);
	octets = malloc((size_t)len + (len == 0));
	if (octets == NULL || fread(octets, 1, (size_t)len, file) != (size_t)len) {
		perror(path);
		exit(1);
	}
	fclose(file);
	*size = (size_t)len;
	return octets;
}

/* Plays the files of a directory; returns how many there are. */
static unsigned directory_play(const char *directory, unsigned before)
{
	struct dirent **entries;
	int count = scandir(directory, &entries, is_file, alphasort);

	if (count <= 0) {
		/* An empty corpus proves nothing, so it is no success. */
		fprintf(stderr, "%s: no corpus there\n", directory);
		exit(1);
	}
	for (int i = 0; i < count; i++) {
		char path[4096];
		uint8_t *octets;
		size_t size;

		snprintf(path, sizeof(path), "%s/%s", directory, entries[i]->d_name);
		octets = file_read(path, &size);
		fprintf(stderr, "%s\n", path);
		LLVMFuzzerTestOneInput(octets, size);
		printf("ok %u - %s\n", before + (unsigned)i + 1, entries[i]->d_name);
		free(octets);
		free(entries[i]);
	}
	free(entries);
	return (unsigned)count;
}

int main(int argc, char **argv)
{
	unsigned played = 0;

	if (argc < 2) {
		fprintf(stderr, "usage: %s DIRECTORY...\n", argv[0]);
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (int i = 1; i < argc; i++)
		played += directory_play(argv[i], played);
	printf("1..%u\n", played);
	return 0;
}
