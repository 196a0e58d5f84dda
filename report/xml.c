// SPDX-License-Identifier: GPL-2.0
/*
 * XML documents, written by libxml2 as a whole or not at all.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <unistd.h>

#include "report.h"
#include "xml.h"

/**
 * document_begin() - Begin a document
 * @doc: the document
 */
void document_begin(struct document *doc)
{
	/* Or the clean-up below would not be one. */
	xmlInitParser();
	doc->buffer = xmlBufferCreate();
	doc->w = doc->buffer ? xmlNewTextWriterMemory(doc->buffer, 0) : NULL;
	if (!doc->w)
		err(EXIT_UNUSABLE, "out of memory");
}

/* Through another file: who looks at @path sees all of it, or what was there. */
static int replace(const char *path, const char *text, size_t len)
{
	char *temporary = format("%s.%d", path, getpid());
	FILE *out = fopen(temporary, "wx");
	bool good = out && fwrite(text, 1, len, out) == len;
	int error;

	if (out && fclose(out))
		good = false;
	if (good && !rename(temporary, path))
		return 0;
	error = errno;
	if (out)
		unlink(temporary);
	warnx("cannot write %s: %s; give a file in a folder that is writable and not full",
	      clean_argument(path), strerror(error));
	return -1;
}

/**
 * document_end() - Write a document to a file
 * @doc: the document, done with afterwards
 * @path: the file
 *
 * Return: 0, or -1 after a complaint.
 */
int document_end(struct document *doc, const char *path)
{
	int ret;

	xmlFreeTextWriter(doc->w);
	ret = replace(path, (const char *)xmlBufferContent(doc->buffer),
		      xmlBufferLength(doc->buffer));
	xmlBufferFree(doc->buffer);
	xmlCleanupParser();
	return ret;
}

/**
 * tag_open() - Open an element
 * @doc: the document
 * @name: of the element
 */
void tag_open(struct document *doc, const char *name)
{
	xmlTextWriterStartElement(doc->w, BAD_CAST name);
}

/**
 * tag_close() - Close the last element that was opened
 * @doc: the document
 *
 * Never as "<name/>", which HTML takes for the begin of an element.
 */
void tag_close(struct document *doc)
{
	xmlTextWriterFullEndElement(doc->w);
}

/**
 * attribute() - Add an attribute to the element that was just opened
 * @doc: the document
 * @name: of the attribute
 * @value: its value
 */
void attribute(struct document *doc, const char *name, const char *value)
{
	xmlTextWriterWriteAttribute(doc->w, BAD_CAST name, BAD_CAST value);
}

/**
 * text() - Add text
 * @doc: the document
 * @value: the text
 */
void text(struct document *doc, const char *value)
{
	xmlTextWriterWriteString(doc->w, BAD_CAST value);
}

/**
 * raw() - Add markup
 * @doc: the document
 * @value: the markup, of ours
 */
void raw(struct document *doc, const char *value)
{
	xmlTextWriterWriteRaw(doc->w, BAD_CAST value);
}

/**
 * element() - Add an element with text
 * @doc: the document
 * @name: of the element
 * @class: value of its attribute class, or NULL
 * @value: the text
 */
void element(struct document *doc, const char *name, const char *class,
	     const char *value)
{
	tag_open(doc, name);
	if (class)
		attribute(doc, "class", class);
	text(doc, value);
	tag_close(doc);
}
