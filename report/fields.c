// SPDX-License-Identifier: GPL-2.0
/*
 * Fields of a line of results: types and harmless text.
 */
#define _GNU_SOURCE
#include <stdarg.h>

#include "report.h"

struct obstack pool;

/**
 * zalloc() - Allocate zeroed memory in the pool
 * @size: in bytes
 *
 * Return: the memory, never NULL.
 */
void *zalloc(size_t size)
{
	return memset(obstack_alloc(&pool, size), 0, size);
}

/**
 * clean_string() - Replace control characters
 * @s: the string, may become shorter
 *
 * Whatever a test, a guest or a kernel log put into a string must not reach
 * the terminal as a command: neither C0 and DEL nor, as U+0080 to U+009F take
 * two bytes in UTF-8, C1 controls.
 */
void clean_string(char *s)
{
	const unsigned char *in = (const unsigned char *)s;

	for (; *in; in++) {
		if (in[0] == 0xc2 && (in[1] & 0xe0) == 0x80) {
			in++;
			*s++ = '?';
		} else {
			*s++ = *in < ' ' || *in == 0x7f ? '?' : *in;
		}
	}
	*s = '\0';
}

/**
 * clean_tree() - Replace control characters in all strings but keys
 * @item: where to start
 *
 * Cleaning once, on the way in, leaves no print statement to forget it.
 */
void clean_tree(json_t *item)
{
	const char *key;
	json_t *value;
	char *s;
	size_t i;

	if (json_is_string(item)) {
		s = format("%s", json_string_value(item));
		clean_string(s);
		json_string_set_nocheck(item, s);
		obstack_free(&pool, s);
	}
	json_object_foreach(item, key, value)
		clean_tree(value);
	json_array_foreach(item, i, value)
		clean_tree(value);
}

/**
 * unpack() - json_unpack() that complains
 * @res: the file, at the line in question
 * @item: what to unpack
 * @fmt: as for json_unpack(), followed by the same arguments
 *
 * Return: 0, or -1 after a complaint.
 */
int unpack(const struct results *res, json_t *item, const char *fmt, ...)
{
	json_error_t error;
	va_list ap;
	int ret;

	va_start(ap, fmt);
	ret = json_vunpack_ex(item, &error, 0, fmt, ap);
	va_end(ap);
	return ret ? bad_line(res, error.text) : 0;
}
