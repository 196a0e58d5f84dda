/* SPDX-License-Identifier: GPL-2.0 */
#ifndef PLOT_H
#define PLOT_H

#include "report.h"

const char *plot_costs(const struct report *rep, const struct row *like);
const char *plot_samples(const json_t *samples);
json_int_t samples_max(const json_t *samples, const char *counter);

#endif /* PLOT_H */
