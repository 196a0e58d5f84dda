// SPDX-License-Identifier: GPL-2.0
/*
 * Checks the types of the fields of a line of results, and removes control characters from text.
 */
#define _GNU_SOURCE
#include <stdarg.h>

#include "report.h"

#define obstack_chunk_alloc	xmalloc
#define obstack_chunk_free	free

struct obstack pool;

/* The pool and libjansson allocate with this, so no caller has to check for NULL. */
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

/* Returns the length in bytes of the character at @s if no text may have it, else 0. */
static size_t no_text(const unsigned char *s, const char *allowed)
{
	/* C1 control characters, U+0080 to U+009F, take two bytes in UTF-8. */
	if (s[0] == 0xc2 && (s[1] & 0xe0) == 0x80)
		return 2;
	/* U+2028 to U+202E and U+2066 to U+2069 begin a new line or change the text direction. */
	if (s[0] == 0xe2 && s[1] == 0x80 && s[2] >= 0xa8 && s[2] <= 0xae)
		return 3;
	if (s[0] == 0xe2 && s[1] == 0x81 && s[2] >= 0xa6 && s[2] <= 0xa9)
		return 3;
	/* U+FFFE and U+FFFF are not characters, and not allowed in XML. */
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
 * Strings come from tests, guests and kernel logs.  They must not reach the terminal as commands,
 * nor make an XML document invalid.
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
 * @item: root of the tree
 *
 * All strings are cleaned once when they are read, so that no code that prints them can forget to
 * do so.  Only logs keep their newlines and tabs.
 */
void clean_tree(json_t *item)
{
	clean_item(item, "");
}

/**
 * clean_argument() - Convert a string from the command line to UTF-8 without control characters
 * @s: the string, of any encoding
 *
 * Return: a copy of the string, in the pool.
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
 * unpack() - Call json_unpack(), and complain if it fails
 * @res: the file, whose current line has the item
 * @item: the item to unpack
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
	/* The error text may quote keys, which clean_tree() does not clean. */
	clean_string(error.text);
	return bad_line(res, error.text);
}
