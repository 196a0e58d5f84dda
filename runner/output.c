// SPDX-License-Identifier: GPL-2.0
/*
 * Keeps what a test has printed, up to a bound, and turns it into valid UTF-8 for JSON.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rootrun.h"

/**
 * output_init() - Begin with an empty output
 * @out: the output
 * @kept: how much to keep of the beginning, and how much of the end, in bytes
 */
void output_init(struct output *out, size_t kept)
{
	*out = (struct output){ .kept = kept, .head = malloc(kept), .tail = malloc(kept) };
	if (!out->head || !out->tail)
		abort();
}

/**
 * output_free() - Free an output
 * @out: the output
 */
void output_free(struct output *out)
{
	free(out->head);
	free(out->tail);
}

/**
 * output_add() - Add to the output
 * @out: the output
 * @buf: what was printed
 * @len: length of @buf, in bytes
 */
void output_add(struct output *out, const char *buf, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++, out->total++) {
		if (out->total < out->kept)
			out->head[out->total] = buf[i];
		else
			out->tail[out->total % out->kept] = buf[i];
	}
}

/* Returns the length of the UTF-8 sequence at @s, 0 if it is invalid: RFC 3629, section 4. */
static size_t utf8_len(const unsigned char *s, size_t left)
{
	static const struct {
		unsigned char mask, lead, min, max;
	} forms[] = {
		/* min and max bound the second byte; E0, ED, F0 and F4 have special bounds. */
		{ 0xff, 0xe0, 0xa0, 0xbf }, { 0xff, 0xed, 0x80, 0x9f },
		{ 0xff, 0xf0, 0x90, 0xbf }, { 0xff, 0xf4, 0x80, 0x8f },
		{ 0xe0, 0xc0, 0x80, 0xbf }, { 0xf0, 0xe0, 0x80, 0xbf },
		{ 0xfc, 0xf0, 0x80, 0xbf },
	};
	size_t i, j, len;

	if (s[0] < 0x80)
		return 1;
	if (s[0] < 0xc2)
		return 0;

	len = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	for (i = 0; i < ARRAY_SIZE(forms); i++)
		if ((s[0] & forms[i].mask) == forms[i].lead)
			break;
	if (i == ARRAY_SIZE(forms) || left < len ||
	    s[1] < forms[i].min || s[1] > forms[i].max)
		return 0;
	for (j = 2; j < len; j++)
		if ((s[j] & 0xc0) != 0x80)
			return 0;
	return len;
}

/* Appends @len bytes to @dst, with each NUL and each byte that is not UTF-8 replaced by '?'. */
static char *append_utf8(char *dst, const char *src, size_t len)
{
	size_t i, n;

	for (i = 0; i < len; i += n ? n : 1) {
		n = src[i] ? utf8_len((const unsigned char *)src + i, len - i) : 0;
		if (n)
			dst = mempcpy(dst, src + i, n);
		else
			*dst++ = '?';
	}
	return dst;
}

/**
 * text_json() - Convert a string of any encoding to JSON
 * @text: the string, which may be cut in the middle of a character
 *
 * Return: a new reference to a JSON string.
 */
json_t *text_json(const char *text)
{
	char *copy = malloc(strlen(text) + 1);
	json_t *json;

	if (!copy)
		abort();
	*append_utf8(copy, text, strlen(text)) = '\0';
	json = json_string(copy);
	free(copy);
	return json;
}

/**
 * output_text() - Convert the output to a string
 * @out: the output
 *
 * Return: valid UTF-8 without NUL, to be freed by the caller.  If the middle of the output was
 * not kept, a line in its place says how much is missing.
 */
char *output_text(const struct output *out)
{
	char *text = malloc(2 * out->kept + 128), *p, *linear;
	size_t rest, start;

	if (!text)
		abort();

	p = append_utf8(text, out->head,
			out->total < out->kept ? out->total : out->kept);
	if (out->total > out->kept) {
		rest = out->total - out->kept;
		if (rest > out->kept) {
			p += sprintf(p, "\n[... %zu bytes left out ...]\n", rest - out->kept);
			rest = out->kept;
		}
		linear = malloc(rest);
		if (!linear)
			abort();
		start = rest == out->kept ? out->total % out->kept : 0;
		memcpy(linear, out->tail + start, rest - start);
		memcpy(linear + rest - start, out->tail, start);
		p = append_utf8(p, linear, rest);
		free(linear);
	}
	*p = '\0';
	return text;
}
