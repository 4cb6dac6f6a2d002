/* SPDX-License-Identifier: BSD-3-Clause */
/* A stored record that is not as it was written must not crash the focus: every field is read, in
 * and out of order, and lies within the record. */
#include <stdlib.h>
#include "control/store/pack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile uint64_t read_sum; /* so that reading is not left out */

static void text_read(const struct unpacked *fields, const char *name, struct span record)
{
	struct span text = unpack_text(fields, name);

	if (text.len > 0 && (text.at < record.at || text.at + text.len > record.at + record.len))
		abort();
	for (size_t i = 0; i < text.len; i++)
		read_sum += (unsigned char)text.at[i];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = { "uri", "state", "from", "", "a", "from", "uri" };
	struct span record = span_make(data, size);
	struct unpacked *fields;
	int r = unpack(&fields, record);

	if (r < 0) {
		if ((r != -EBADMSG && r != -ENOBUFS) || fields != NULL)
			abort();
		return 0;
	}
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		text_read(fields, names[i], record);
		read_sum += unpack_number(fields, names[i]);
		read_sum += unpack_flag(fields, names[i]);
	}
	unpack_free(fields);
	return 0;
}
