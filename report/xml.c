// SPDX-License-Identifier: GPL-2.0
/*
 * Writes XML documents with libxml2; a file is written completely or not at all.
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
	/* Without this, xmlCleanupParser() in document_end() would not clean up. */
	xmlInitParser();
	doc->buffer = xmlBufferCreate();
	doc->w = doc->buffer ? xmlNewTextWriterMemory(doc->buffer, 0) : NULL;
	if (!doc->w)
		err(EXIT_UNUSABLE, "out of memory");
}

/* Writes another file and renames it, so that readers of @path see the old or the new file only. */
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
 * @doc: the document, which is freed
 * @path: path of the file
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
 * @name: name of the element
 */
void tag_open(struct document *doc, const char *name)
{
	xmlTextWriterStartElement(doc->w, BAD_CAST name);
}

/**
 * tag_close() - Close the last element that was opened
 * @doc: the document
 *
 * An empty element gets an end tag, too: HTML takes "<name/>" for the begin of an element.
 */
void tag_close(struct document *doc)
{
	xmlTextWriterFullEndElement(doc->w);
}

/**
 * attribute() - Add an attribute to the element that was just opened
 * @doc: the document
 * @name: name of the attribute
 * @value: value of the attribute
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
 * @value: the markup; text from results files has to go through text() instead
 */
void raw(struct document *doc, const char *value)
{
	xmlTextWriterWriteRaw(doc->w, BAD_CAST value);
}

/**
 * element() - Add an element with text
 * @doc: the document
 * @name: name of the element
 * @class: value of the attribute class, or NULL
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
