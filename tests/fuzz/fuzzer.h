/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FUZZER_H
#define FUZZER_H

#include <stddef.h>

/* libFuzzer calls the first function once, and the second one with each input. */
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

#endif /* FUZZER_H */
