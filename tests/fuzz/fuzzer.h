/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FUZZER_H
#define FUZZER_H

#include <stddef.h>

/* What libFuzzer calls: once, and with each input. */
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

#endif /* FUZZER_H */
