// SPDX-License-Identifier: GPL-2.0
/*
 * Fields of a line of results: types and harmless text.
 */
#define _GNU_SOURCE
#include <stdarg.h>

#include "report.h"

#define obstack_chunk_alloc	xmalloc
#define obstack_chunk_free	free

struct obstack pool;

/* Nothing that allocates can fail, neither in the pool nor in libjansson. */
static void *xmalloc(size_t size)
{
	void *p = malloc(size);

	if (!p)
		err(EXIT_UNUSABLE, "out of memory");
	return p;
}

/**
 * pool_init() - Set up the pool, and libjansson
 */
void pool_init(void)
{
	obstack_init(&pool);
	json_set_alloc_funcs(xmalloc, free);
}

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

/* How many bytes at @s are what no text may have; 0 if it is text. */
static size_t no_text(const unsigned char *s, const char *allowed)
{
	/* C1 controls, U+0080 to U+009F, are two bytes in UTF-8. */
	if (s[0] == 0xc2 && (s[1] & 0xe0) == 0x80)
		return 2;
	/* Marks that turn the direction of a line, or begin another one. */
	if (s[0] == 0xe2 && s[1] == 0x80 && s[2] >= 0xa8 && s[2] <= 0xae)
		return 3;
	if (s[0] == 0xe2 && s[1] == 0x81 && s[2] >= 0xa6 && s[2] <= 0xa9)
		return 3;
	/* U+FFFE and U+FFFF are no characters, and XML does not have them. */
	if (s[0] == 0xef && s[1] == 0xbf && s[2] >= 0xbe)
		return 3;
	return (s[0] < ' ' && !strchr(allowed, s[0])) || s[0] == 0x7f;
}

static void clean(char *s, const char *allowed)
{
	const unsigned char *in = (const unsigned char *)s;
	size_t n;

	while (*in) {
		n = no_text(in, allowed);
		*s++ = n ? '?' : *in;
		in += n ?: 1;
	}
	*s = '\0';
}

/**
 * clean_string() - Replace control characters
 * @s: the string, may become shorter
 *
 * Whatever a test, a guest or a kernel log put into a string must not reach
 * the terminal as a command, nor spoil an XML document.
 */
void clean_string(char *s)
{
	clean(s, "");
}

static void clean_item(json_t *item, const char *allowed)
{
	const char *key;
	json_t *value;
	char *s;
	size_t i;

	if (json_is_string(item)) {
		s = format("%s", json_string_value(item));
		clean(s, allowed);
		json_string_set_nocheck(item, s);
		obstack_free(&pool, s);
	}
	json_object_foreach(item, key, value)
		clean_item(value, strcmp(key, "log") ? "" : "\n\t");
	json_array_foreach(item, i, value)
		clean_item(value, "");
}

/**
 * clean_tree() - Replace control characters in all strings but keys
 * @item: where to start
 *
 * Cleaning once, on the way in, leaves no print statement to forget it.  Only
 * logs keep their lines.
 */
void clean_tree(json_t *item)
{
	clean_item(item, "");
}

/**
 * clean_argument() - A string from the command line as clean UTF-8
 * @s: the string, of any encoding
 *
 * Return: a copy of it, in the pool.
 */
char *clean_argument(const char *s)
{
	char *copy = format("%s", s), *p;
	json_t *utf8 = json_string(s);

	for (p = copy; !utf8 && *p; p++)
		if (*p & 0x80)
			*p = '?';
	json_decref(utf8);
	clean_string(copy);
	return copy;
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
	if (!ret)
		return 0;
	/* It may quote keys. */
	clean_string(error.text);
	return bad_line(res, error.text);
}
