/* SPDX-License-Identifier: GPL-2.0 */
#ifndef XML_H
#define XML_H

#include <libxml/xmlwriter.h>

/**
 * struct document - An XML or HTML document; libxml2 does all escaping
 * @buffer: text of the document
 * @w: the writer that writes to @buffer
 */
struct document {
	xmlBufferPtr buffer;
	xmlTextWriterPtr w;
};

void document_begin(struct document *doc);
int document_end(struct document *doc, const char *path);
void tag_open(struct document *doc, const char *name);
void tag_close(struct document *doc);
void attribute(struct document *doc, const char *name, const char *value);
void text(struct document *doc, const char *value);
void raw(struct document *doc, const char *value);
void element(struct document *doc, const char *name, const char *class,
	     const char *value);

#endif /* XML_H */
