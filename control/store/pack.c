/* SPDX-License-Identifier: BSD-3-Clause */
/* msgpack-c writes. Reading is done here: its unpacker sets memory aside for as many elements as a
 * length field claims, before it has seen one of them, and a record is a flat map of texts, numbers
 * and flags, for which an index of spans is enough. */
#include "control/store/pack.h"
#include <msgpack.h>
#include <stdlib.h>

#define FIELDS_MAX 256u /* of a record that is read */

/* ---- writing ---- */

struct pack {
	msgpack_sbuffer fields; /* without the map's head, as their number is not known yet */
	msgpack_packer packer;
	msgpack_sbuffer record;
	unsigned count;
	bool bad;
};

int pack_new(struct pack **out)
{
	struct pack *pack = calloc(1, sizeof(*pack));

	*out = pack;
	if (pack == NULL)
		return -ENOBUFS;
	msgpack_sbuffer_init(&pack->fields);
	msgpack_sbuffer_init(&pack->record);
	msgpack_packer_init(&pack->packer, &pack->fields, msgpack_sbuffer_write);
	return 0;
}

void pack_free(struct pack *pack)
{
	if (pack == NULL)
		return;
	msgpack_sbuffer_destroy(&pack->fields);
	msgpack_sbuffer_destroy(&pack->record);
	free(pack);
}

void pack_clear(struct pack *pack)
{
	msgpack_sbuffer_clear(&pack->fields);
	pack->count = 0;
	pack->bad = false;
}

static void name_put(struct pack *pack, const char *name)
{
	size_t len = strlen(name);

	if (++pack->count > FIELDS_MAX || msgpack_pack_str(&pack->packer, len) != 0 ||
		msgpack_pack_str_body(&pack->packer, name, len) != 0)
		pack->bad = true;
}

void pack_text(struct pack *pack, const char *name, struct span text)
{
	name_put(pack, name);
	if (text.len > UINT32_MAX || msgpack_pack_bin(&pack->packer, text.len) != 0 ||
		(text.len > 0 && msgpack_pack_bin_body(&pack->packer, text.at, text.len) != 0))
		pack->bad = true;
}

void pack_number(struct pack *pack, const char *name, uint64_t number)
{
	name_put(pack, name);
	if (msgpack_pack_uint64(&pack->packer, number) != 0)
		pack->bad = true;
}

void pack_flag(struct pack *pack, const char *name, bool flag)
{
	name_put(pack, name);
	if ((flag ? msgpack_pack_true(&pack->packer) : msgpack_pack_false(&pack->packer)) != 0)
		pack->bad = true;
}

struct span pack_record(struct pack *pack)
{
	msgpack_packer head;

	msgpack_sbuffer_clear(&pack->record);
	msgpack_packer_init(&head, &pack->record, msgpack_sbuffer_write);
	if (pack->bad || msgpack_pack_map(&head, pack->count) != 0 ||
		(pack->count > 0 && msgpack_sbuffer_write(&pack->record, pack->fields.data,
					    pack->fields.size) != 0))
		return span_make("", 0);
	return span_make(pack->record.data, pack->record.size);
}

/* ---- reading ---- */

struct field {
	struct span name, text;
	uint64_t number;
	enum { FIELD_OTHER, FIELD_TEXT, FIELD_NUMBER, FIELD_FLAG } type;
};

struct unpacked {
	unsigned count;
	unsigned *next; /* where the last find ended: fields are mostly asked for in their order */
	struct field fields[];
};

struct reader {
	const uint8_t *at, *end;
};

static bool take(struct reader *r, unsigned octets, uint64_t *out)
{
	*out = 0;
	if ((size_t)(r->end - r->at) < octets)
		return false;
	while (octets-- > 0)
		*out = *out << 8 | *r->at++;
	return true;
}

/* The length of a text or binary, or of a map or array, by the octet that begins it. */
static bool take_text(struct reader *r, uint8_t head, struct span *out)
{
	uint64_t len;

	if ((head & 0xe0) == 0xa0)
		len = head & 0x1f;
	else if (head >= 0xd9 && head <= 0xdb) { /* str 8, 16, 32 */
		if (!take(r, 1u << (head - 0xd9), &len))
			return false;
	} else if (head >= 0xc4 && head <= 0xc6) { /* bin 8, 16, 32 */
		if (!take(r, 1u << (head - 0xc4), &len))
			return false;
	} else {
		return false;
	}
	if (len > (size_t)(r->end - r->at))
		return false;
	*out = span_make(r->at, len);
	r->at += len;
	return true;
}

static bool take_value(struct reader *r, struct field *field)
{
	uint64_t head, skipped;

	if (!take(r, 1, &head))
		return false;
	if (head <= 0x7f) {
		field->type = FIELD_NUMBER;
		field->number = head;
		return true;
	}
	if (head == 0xc2 || head == 0xc3) {
		field->type = FIELD_FLAG;
		field->number = head == 0xc3;
		return true;
	}
	if (head >= 0xcc && head <= 0xcf) { /* uint 8 to 64 */
		field->type = FIELD_NUMBER;
		return take(r, 1u << (head - 0xcc), &field->number);
	}
	if (head >= 0xe0 || head == 0xc0) /* negative, nil: of a later version */
		return true;
	if (head >= 0xd0 && head <= 0xd3) /* int 8 to 64 */
		return take(r, 1u << (head - 0xd0), &skipped);
	if (head == 0xca || head == 0xcb) /* float */
		return take(r, head == 0xca ? 4 : 8, &skipped);
	field->type = FIELD_TEXT;
	return take_text(r, (uint8_t)head, &field->text);
}

static bool take_map(struct reader *r, uint64_t *count)
{
	uint64_t head;

	if (!take(r, 1, &head))
		return false;
	*count = head & 0x0f;
	if ((head & 0xf0) == 0x80)
		return true;
	return (head == 0xde && take(r, 2, count)) || (head == 0xdf && take(r, 4, count));
}

int unpack(struct unpacked **out, struct span record)
{
	struct reader r = { (const uint8_t *)record.at, (const uint8_t *)record.at + record.len };
	struct unpacked *fields;
	uint64_t count, head;

	*out = NULL;
	if (!take_map(&r, &count) || count > FIELDS_MAX)
		return -EBADMSG;
	fields = calloc(
		1, sizeof(*fields) + count * sizeof(fields->fields[0]) + sizeof(*fields->next));
	if (fields == NULL)
		return -ENOBUFS;
	fields->next = (unsigned *)&fields->fields[count];
	for (; fields->count < count; fields->count++) {
		struct field *field = &fields->fields[fields->count];

		if (!take(&r, 1, &head) || !take_text(&r, (uint8_t)head, &field->name) ||
			!take_value(&r, field))
			break;
	}
	if (fields->count < count || r.at != r.end) {
		free(fields);
		return -EBADMSG;
	}
	*out = fields;
	return 0;
}

void unpack_free(struct unpacked *fields)
{
	free(fields);
}

static const struct field *find(const struct unpacked *fields, const char *name, int type)
{
	static const struct field absent = { .text = { "", 0 } };
	struct span wanted = span_of(name);

	for (unsigned i = 0; i < fields->count; i++) {
		const struct field *field = &fields->fields[(*fields->next + i) % fields->count];

		if (!span_eq(field->name, wanted))
			continue;
		*fields->next = (unsigned)(field - fields->fields) + 1;
		return field->type == type ? field : &absent;
	}
	return &absent;
}

struct span unpack_text(const struct unpacked *fields, const char *name)
{
	return find(fields, name, FIELD_TEXT)->text;
}

uint64_t unpack_number(const struct unpacked *fields, const char *name)
{
	return find(fields, name, FIELD_NUMBER)->number;
}

bool unpack_flag(const struct unpacked *fields, const char *name)
{
	return find(fields, name, FIELD_FLAG)->number != 0;
}
