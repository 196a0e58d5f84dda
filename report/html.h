/* SPDX-License-Identifier: GPL-2.0 */
#ifndef HTML_H
#define HTML_H

#include "report.h"
#include "xml.h"

/* HTML classes of elements, by verdict. */
extern const char * const verdict_classes[NR_VERDICTS];

/* html.c */
void section(struct document *doc, const char *id, const char *title);
void table_begin(struct document *doc, const char *id, const char *const *header,
		 unsigned int nr);
void table_end(struct document *doc);
void link_to(struct document *doc, const char *address, const char *content);
const char *lane_of(const struct results *res);

/* html_paths.c */
void write_paths(struct document *doc, const struct report *rep);

/* html_cases.c */
void write_failures(struct document *doc, const struct report *rep);
void write_verdicts(struct document *doc, const struct report *rep, enum outcome verdict,
		    const char *address, const char *title);
void write_inapplicable(struct document *doc, const struct report *rep);
void write_matrix(struct document *doc, const struct report *rep);

/* html_changes.c */
void write_changes(struct document *doc, const struct report *rep);

/* html_plots.c */
void write_costs(struct document *doc, const struct report *rep);
void write_storms(struct document *doc, const struct report *rep);

#endif /* HTML_H */
